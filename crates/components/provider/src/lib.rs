//! One file per provider adapter, and the routes their receipts come in by.
//!
//! An adapter turns a rendered message into a provider's protocol and its answers into the engine's few words: taken,
//! refused, throttled, certainly unsent, unknown. That line is where messages are doubled or lost, so adapters stand
//! close to the wire ([`http`], [`net`]), where it is known whether a byte has left. What the engine knows of all this
//! is [`naru_dispatch::provider::Provider`]; lanes are made from the configuration by [`Adapters`].
//!
//! Must never know: what a campaign, a template or a frame is, how often something is tried. A change must keep this:
//! only an answer that says so is a yes or a no, what may have left is unknown, and an adapter never sends again what
//! may have left.

#[cfg(test)]
mod hand_clock;
mod http;
mod keys;
mod net;
mod pause;
mod pool;
mod receipt;
mod sandbox;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;

use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::text::Catalog;
use naru_dispatch::config::LaneConfig;
use naru_dispatch::provider::{Provider, Providers};
use naru_wire::tls::OwnAuthorities;
use serde::{Deserialize, Serialize};

use crate::keys::LaneKeys;
use crate::sandbox::Sandbox;
use crate::smtp::Smtp;

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "provider", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// `[provider]`: what holds for adapters whatever their lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Certificate authorities to trust besides the public ones, in PEM: a mail server or gateway of the house.
    pub ca_file: Option<PathBuf>,
    /// How the sandbox was told to help with unknown outcomes (its `--level`).
    pub sandbox_level: SandboxLevel,
}

/// What the sandbox vendor offers to find out an unknown outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxLevel {
    /// Nothing.
    None,
    /// It can be asked.
    Lookup,
    /// A repeated key is answered again and sends nothing.
    #[default]
    Key,
    /// Messages are put into a group, which a second call sends or deletes.
    TwoPhase,
}

/// Offers the adapters to the engine and takes the receipts of their providers.
pub fn component(config: Config, ctx: &Ctx) -> Component {
    let (clock, config_dir) = (ctx.clock().clone(), ctx.parts().config_dir.clone());
    ctx.offer::<dyn Providers>(Arc::new(Adapters { config, clock, config_dir }));
    let mut component = Component::new("provider", TEXTS);
    component.routes = receipt::routes();
    component
}

struct Adapters {
    config: Config,
    clock: Arc<dyn Clock>,
    config_dir: PathBuf,
}

impl Providers for Adapters {
    fn names(&self) -> Vec<&'static str> {
        vec![sandbox::NAME, smtp::NAME]
    }

    fn provider(&self, lane: &str, config: &LaneConfig) -> Result<Arc<dyn Provider>, Failure> {
        let keys = LaneKeys { lane, config, base: &self.config_dir };
        // Read here to be refused at the start, not when the first receipt comes.
        keys.receipt_secret()?;
        let own = match &self.config.ca_file {
            Some(path) => OwnAuthorities::read(&self.config_dir.join(path), "provider.ca_file")?,
            None => OwnAuthorities::default(),
        };
        let clock = self.clock.clone();
        match config.provider.as_str() {
            sandbox::NAME => Ok(Arc::new(Sandbox::new(&keys, self.config.sandbox_level, &own, clock)?)),
            smtp::NAME => Ok(Arc::new(Smtp::new(&keys, &own, clock)?)),
            unknown => Err(Failure::usage("provider-unknown")
                .arg("key", keys.name("provider"))
                .arg("provider", unknown)
                .arg("known", self.names().join(", "))),
        }
    }
}
