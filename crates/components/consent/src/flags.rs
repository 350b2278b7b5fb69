//! What holds for one address, as bits, and what follows from them for a message.

use naru_core::clock::Millis;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};

/// Four bits for each channel, two for all of them: 22 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

const CONSENT: u32 = 1;
const NIGHT: u32 = 2;
const BLOCK_ADS: u32 = 4;
const BLOCK_ALL: u32 = 8;
const BITS_PER_CHANNEL: u32 = 4;
/// Where the blocks of all channels stand: above those of every channel, in the place of one more.
const ALL_CHANNELS: u32 = Channel::ALL.len() as u32 * BITS_PER_CHANNEL;

/// The bits that a table entry must keep.
pub const FLAG_BITS: u32 = ALL_CHANNELS + BITS_PER_CHANNEL;

impl Flags {
    /// Every bit that makes an address be sent less, never more.
    pub const BLOCKS: Flags = Flags(every_channel(BLOCK_ADS | BLOCK_ALL) | (BLOCK_ADS | BLOCK_ALL) << ALL_CHANNELS);

    /// Consent to advertisements on `channel`, by day or also by night.
    pub fn consent(channel: Channel, night: bool) -> Flags {
        Flags((if night { CONSENT | NIGHT } else { CONSENT }) << shift(Some(channel)))
    }

    /// A block on `channel` (`None`: on all), of advertisements or of everything.
    pub fn block(channel: Option<Channel>, ads_only: bool) -> Flags {
        Flags((if ads_only { BLOCK_ADS } else { BLOCK_ALL }) << shift(channel))
    }

    /// These and those.
    pub fn or(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Those of these that `other` names.
    pub fn and(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }

    /// These without those that `other` names.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether a message may leave; `night_ends_at` is the end of the channel's night, where it is night.
    pub fn permit(self, purpose: Purpose, channel: Channel, night_ends_at: Option<Millis>) -> Permit {
        let own = self.0 >> shift(Some(channel));
        let blocks = own | self.0 >> ALL_CHANNELS;
        let advertises = purpose == Purpose::Ad;
        if blocks & BLOCK_ALL != 0 || advertises && blocks & BLOCK_ADS != 0 {
            return Permit::Suppress("suppressed");
        }
        match night_ends_at {
            _ if !advertises => Permit::Send,
            _ if own & CONSENT == 0 => Permit::Suppress("no-consent"),
            Some(morning) if own & NIGHT == 0 => Permit::Hold(morning),
            _ => Permit::Send,
        }
    }
}

const fn every_channel(bits: u32) -> u32 {
    let (mut all, mut at) = (0, 0);
    while at < ALL_CHANNELS {
        all |= bits << at;
        at += BITS_PER_CHANNEL;
    }
    all
}

fn shift(channel: Option<Channel>) -> u32 {
    channel.map_or(ALL_CHANNELS, |channel| channel as u32 * BITS_PER_CHANNEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: Permit = Permit::Send;
    const SUPPRESSED: Permit = Permit::Suppress("suppressed");
    const NO_CONSENT: Permit = Permit::Suppress("no-consent");

    /// What follows for auth, info, an advertisement by day and one by night, on SMS.
    fn check(flags: &[Flags], expect: [Permit; 4]) {
        let flags = flags.iter().copied().fold(Flags::default(), Flags::or);
        let found = [
            flags.permit(Purpose::Auth, Channel::Sms, None),
            flags.permit(Purpose::Info, Channel::Sms, Some(8)),
            flags.permit(Purpose::Ad, Channel::Sms, None),
            flags.permit(Purpose::Ad, Channel::Sms, Some(8)),
        ];
        assert_eq!(found, expect, "{flags:?}");
    }

    #[test]
    fn an_advertisement_needs_consent_and_at_night_one_of_its_own() {
        let (day, night) = (Flags::consent(Channel::Sms, false), Flags::consent(Channel::Sms, true));
        check(&[], [SEND, SEND, NO_CONSENT, NO_CONSENT]);
        check(&[day], [SEND, SEND, SEND, Permit::Hold(8)]);
        check(&[night], [SEND, SEND, SEND, SEND]);
        check(&[Flags::consent(Channel::Email, true)], [SEND, SEND, NO_CONSENT, NO_CONSENT]);
    }

    #[test]
    fn a_block_overrules_consent_within_its_scope_and_channel() {
        let consent = Flags::consent(Channel::Sms, true);
        for channel in [Some(Channel::Sms), None] {
            check(&[consent, Flags::block(channel, true)], [SEND, SEND, SUPPRESSED, SUPPRESSED]);
            check(&[consent, Flags::block(channel, false)], [SUPPRESSED; 4].map(|permit| permit));
        }
        check(&[consent, Flags::block(Some(Channel::Push), false)], [SEND; 4].map(|permit| permit));
    }

    #[test]
    fn no_two_facts_share_a_bit() {
        let channels = || Channel::ALL.into_iter().map(Some).chain([None]);
        let blocks = channels().flat_map(|channel| [Flags::block(channel, true), Flags::block(channel, false)]);
        let consents = Channel::ALL.map(|channel| Flags::consent(channel, true));
        let bits: u32 = blocks.clone().chain(consents).map(|flags| flags.0.count_ones()).sum();
        let all = blocks.clone().chain(consents).fold(Flags::default(), Flags::or);
        assert_eq!((all.0.count_ones(), all.0 >> FLAG_BITS), (bits, 0));
        assert_eq!(blocks.fold(Flags::default(), Flags::or), Flags::BLOCKS);
    }
}
