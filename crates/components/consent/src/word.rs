//! `consent block`, `unblock`, `show` and `import`. Addresses are masked in whatever they answer.

mod block;
mod import;
mod show;

use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use naru_component::word::Word;
use naru_core::failure::Failure;
use naru_core::masked::Address;
use naru_dispatch::address::normalise;
use naru_dispatch::message::Channel;
use naru_web::role::Role;

use crate::ledger::ADDRESS_BYTES_MAX;
use crate::night::Nights;
use crate::snapshot::Snapshot;

/// Every word of the room.
pub fn all(snapshot: &Arc<Snapshot>, nights: &Nights) -> Vec<Word> {
    let [blocking, unblocking, importing] = [(); 3].map(|()| snapshot.clone());
    let nights = nights.clone();
    vec![
        Word::new("consent block", Role::Operate, move |ctx, call| block::block(ctx, blocking.clone(), call)),
        Word::new("consent unblock", Role::Operate, move |ctx, call| block::unblock(ctx, unblocking.clone(), call)),
        Word::new("consent import", Role::Operate, move |ctx, call| import::import(ctx, importing.clone(), call))
            .with_upload("file"),
        Word::reading("consent show", move |ctx, call| show::show(ctx, nights.clone(), call)),
    ]
}

/// How `--channel` is parsed in a terminal.
fn channel_parser() -> impl TypedValueParser<Value = Channel> {
    PossibleValuesParser::new(Channel::ALL.map(Channel::name))
        .try_map(|name| name.parse::<Channel>().map_err(|()| "no such channel"))
}

/// The normal form of what was typed. Without a channel it must be a phone number or an e-mail address: any mistyped
/// number would pass for a push token.
fn address(text: &str, channel: Option<Channel>) -> Result<Address, Failure> {
    let found = match channel {
        Some(channel) => normalise(channel, text),
        None => normalise(Channel::Email, text).or_else(|| normalise(Channel::Sms, text)),
    };
    let found = found.filter(|address| address.reveal().len() <= ADDRESS_BYTES_MAX);
    found.ok_or_else(|| match channel {
        Some(channel) => Failure::usage("consent-address-not-of-channel").arg("channel", channel),
        None => Failure::usage("consent-address-wrong"),
    })
}
