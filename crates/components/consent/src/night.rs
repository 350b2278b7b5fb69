//! The hours in which advertisements rest, by channel, on Korean clocks.

use std::collections::BTreeMap;
use std::fmt;

use naru_core::clock::{Millis, next_seoul_minute, seoul_minute};
use naru_dispatch::message::Channel;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Config;

/// 정보통신망법 §50③: 21:00 belongs to the night, 08:00 no longer does.
pub const LAW: (DayTime, DayTime) = (DayTime(21 * 60), DayTime(8 * 60));

/// Brand messages rest from 20:50 (Naver SENS, code 3022); the law exempts e-mail (시행령 §61②).
pub fn channels_default() -> BTreeMap<Channel, ChannelNight> {
    BTreeMap::from([
        (Channel::Brand, ChannelNight { night_from: Some(DayTime(20 * 60 + 50)), ..ChannelNight::default() }),
        (Channel::Email, ChannelNight { exempt: Some(true), ..ChannelNight::default() }),
    ])
}

/// A time of day, `HH:MM`, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayTime(u32);

impl TryFrom<String> for DayTime {
    type Error = String;

    fn try_from(text: String) -> Result<DayTime, String> {
        // `parse` alone would take a sign.
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let digits = |part: &str| if two_digits(part) { part.parse::<u8>().ok() } else { None };
        let parts = text.split_once(':').and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)));
        match parts {
            Some((hour, minute)) if hour < 24 && minute < 60 => Ok(DayTime(u32::from(hour) * 60 + u32::from(minute))),
            _ => Err(format!("{text:?} is no time of day, expected \"HH:MM\" from \"00:00\" to \"23:59\"")),
        }
    }
}

impl From<DayTime> for String {
    fn from(time: DayTime) -> String {
        time.to_string()
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// `[consent.channel.CHANNEL]`: what differs from the hours of all channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelNight {
    /// The first minute of the night.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub night_from: Option<DayTime>,
    /// The first minute after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub night_until: Option<DayTime>,
    /// Whether the channel has no night.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<bool>,
}

/// Reads `[consent.channel]` over the default, so that a change of one key leaves the others as they are.
pub fn over_default<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Channel, ChannelNight>, D::Error> {
    let mut channels = channels_default();
    for (channel, said) in BTreeMap::<Channel, ChannelNight>::deserialize(from)? {
        let night = channels.entry(channel).or_default();
        *night = ChannelNight {
            night_from: said.night_from.or(night.night_from),
            night_until: said.night_until.or(night.night_until),
            exempt: said.exempt.or(night.exempt),
        };
    }
    Ok(channels)
}

/// The night of every channel.
#[derive(Clone, Debug)]
pub struct Nights([Option<Window>; Channel::ALL.len()]);

impl Nights {
    /// The nights that `config` asks for.
    pub fn new(config: &Config) -> Nights {
        Nights(Channel::ALL.map(|channel| {
            let own = config.channel.get(&channel).copied().unwrap_or_default();
            let from = own.night_from.unwrap_or(config.night_from);
            let until = own.night_until.unwrap_or(config.night_until);
            (!own.exempt.unwrap_or(false) && from != until).then_some(Window { from, until })
        }))
    }

    /// The night of `channel`, where it has one.
    pub fn of(&self, channel: Channel) -> Option<Window> {
        self.0[channel as usize]
    }
}

/// A stretch of the day that may pass midnight: `from` belongs to it, `until` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: DayTime,
    until: DayTime,
}

impl Window {
    /// When the night that `now` lies in ends; `None` by day.
    pub fn ends_at(self, now: Millis) -> Option<Millis> {
        self.contains(seoul_minute(now)).then(|| next_seoul_minute(now, self.until.0))
    }

    /// The next day between two nights, or what is left of this one, from `now` on.
    pub fn day(self, now: Millis) -> (Millis, Millis) {
        let from = self.ends_at(now).unwrap_or(now);
        (from, next_seoul_minute(from, self.from.0))
    }

    /// Whether no minute of the law's night is left out.
    pub fn covers_the_law(self) -> bool {
        let (from, until) = LAW;
        (from.0..24 * 60).chain(0..until.0).all(|minute| self.contains(minute))
    }

    fn contains(self, minute: u32) -> bool {
        let (from, until) = (self.from.0, self.until.0);
        if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:00 in Seoul.
    const MIDNIGHT: Millis = 1_795_273_200_000;
    const DAY_MS: Millis = 86_400_000;

    fn at(hour: i64, minute: i64, second: i64, ms: i64) -> Millis {
        MIDNIGHT + ((hour * 60 + minute) * 60 + second) * 1_000 + ms
    }

    fn check(config: &str, channel: Channel, cases: &[(Millis, Option<Millis>)]) {
        let nights = Nights::new(&toml::from_str(config).unwrap());
        for (now, expect) in cases {
            let found = nights.of(channel).and_then(|night| night.ends_at(*now));
            assert_eq!(found, *expect, "{channel} at {}", naru_core::clock::seoul(*now));
        }
    }

    #[test]
    fn the_night_begins_at_21_00_and_ends_at_08_00() {
        let morning = at(8, 0, 0, 0);
        let cases = [
            (at(20, 59, 59, 999), None),
            (at(21, 0, 0, 0), Some(morning + DAY_MS)),
            (at(23, 59, 59, 999), Some(morning + DAY_MS)),
            (at(0, 0, 0, 0), Some(morning)),
            (at(7, 59, 59, 999), Some(morning)),
            (at(8, 0, 0, 0), None),
            (at(12, 0, 0, 0), None),
        ];
        check("", Channel::Sms, &cases);
        check("", Channel::Alimtalk, &cases);
        check("", Channel::Push, &cases);
    }

    #[test]
    fn a_day_is_what_lies_between_two_nights() {
        let night = Nights::new(&Config::default()).of(Channel::Sms).unwrap();
        let (morning, evening) = (at(8, 0, 0, 0), at(21, 0, 0, 0));
        assert_eq!(night.day(at(3, 0, 0, 0)), (morning, evening));
        assert_eq!(night.day(at(12, 0, 0, 0)), (at(12, 0, 0, 0), evening));
        assert_eq!(night.day(evening), (morning + DAY_MS, evening + DAY_MS));
    }

    #[test]
    fn a_brand_message_rests_from_20_50() {
        let morning = at(8, 0, 0, 0) + DAY_MS;
        check("", Channel::Brand, &[(at(20, 49, 59, 999), None), (at(20, 50, 0, 0), Some(morning))]);
    }

    #[test]
    fn an_e_mail_never_rests() {
        check("", Channel::Email, &[(at(23, 0, 0, 0), None), (at(3, 0, 0, 0), None)]);
    }

    #[test]
    fn one_key_of_a_channel_leaves_the_others_as_they_are() {
        let config = "night_from = '20:00'\n[channel.brand]\nnight_until = '09:00'\n[channel.push]\nexempt = true";
        let nine = at(9, 0, 0, 0);
        check(config, Channel::Brand, &[(at(8, 59, 0, 0), Some(nine)), (at(20, 49, 0, 0), None), (nine, None)]);
        check(config, Channel::Sms, &[(at(20, 0, 0, 0), Some(at(8, 0, 0, 0) + DAY_MS))]);
        check(config, Channel::Push, &[(at(23, 0, 0, 0), None)]);
        check(config, Channel::Email, &[(at(23, 0, 0, 0), None)]);
    }

    #[test]
    fn a_night_within_one_day_and_no_night() {
        check(
            "night_from = '01:00'\nnight_until = '02:00'",
            Channel::Sms,
            &[(at(0, 59, 59, 999), None), (at(1, 0, 0, 0), Some(at(2, 0, 0, 0))), (at(2, 0, 0, 0), None)],
        );
        check("night_from = '08:00'", Channel::Sms, &[(at(8, 0, 0, 0), None), (at(23, 0, 0, 0), None)]);
    }

    #[test]
    fn the_default_reads_back_as_it_is_shown() {
        let shown = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&shown).unwrap(), Config::default());
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        assert!(shown.contains("[channel.brand]\nnight_from = \"20:50\""), "{shown}");
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for text in ["24:00", "8:00", "08:60", "0800", "+8:00", "", "08:00:00", "aa:bb"] {
            let refused = toml::from_str::<Config>(&format!("night_from = '{text}'")).unwrap_err();
            assert!(refused.to_string().contains("is no time of day"), "{text}: {refused}");
        }
        assert!(toml::from_str::<Config>("night_form = '21:00'").is_err());
        assert!(toml::from_str::<Config>("[channel.fax]\nexempt = true").is_err());
    }

    #[test]
    fn only_a_night_that_spans_the_laws_covers_it() {
        let covers = |from: &str, until: &str| {
            let time = |text: &str| DayTime::try_from(text.to_owned()).unwrap();
            Window { from: time(from), until: time(until) }.covers_the_law()
        };
        assert!(covers("21:00", "08:00") && covers("20:50", "08:00") && covers("20:00", "09:30"));
        assert!(!covers("21:01", "08:00") && !covers("21:00", "07:59") && !covers("00:00", "08:00"));
    }
}
