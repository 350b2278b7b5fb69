//! Whether a row can become a message: everything that can be known before it is sent.

use naru_core::clock::{Millis, seoul};
use naru_core::masked::mask;
use naru_dispatch::address::normalise_into;
use naru_dispatch::frame::MESSAGE_BYTES_MAX;
use naru_dispatch::template::{Template, TextFault, VARIABLES_MAX};

use super::refusal::Refusal;
use super::row::Row;
use super::seen::Seen;
use crate::summary::Lengths;

/// Packed bytes of a message beside its texts, at most: flags, template, expiry, a trace id, and three bytes of length
/// before each text.
const OVERHEAD_BYTES_MAX: usize = 2 + 8 + 35 + 3 * (2 + VARIABLES_MAX);

/// Checks the rows of one campaign.
pub struct Checker {
    template: Template,
    seen: Seen,
    to: String,
    lengths: Lengths,
}

impl Checker {
    /// For `template`; `key` is random, and the same for all of the campaign's rows.
    pub fn new(template: Template, key: u64) -> Checker {
        Checker { template, seen: Seen::new(key), to: String::new(), lengths: Lengths::default() }
    }

    /// Takes `address`, in normal form, for one that the campaign has already: an intake is continued.
    pub fn remember(&mut self, address: &str) {
        self.seen.insert(address);
    }

    /// How long the messages of the rows are that were taken.
    pub fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Checks `row` and gives its address in normal form. A row that is taken is remembered; a refused one is not, so
    /// that the same number may come again in a sound row.
    pub fn check(&mut self, row: &Row, now: Millis) -> Result<&str, Refusal> {
        let refuse = |code| Refusal::new(row.line(), code);
        let channel = self.template.text.channel;
        if !normalise_into(channel, row.to(), &mut self.to) {
            let to = row.to().trim();
            return Err(match to {
                "" => refuse("address-missing"),
                _ => refuse("address-bad").arg("address", mask(to)).arg("channel", channel),
            });
        }
        let mut values = [""; VARIABLES_MAX];
        let mut bytes = self.to.len() + row.customer().map_or(0, str::len) + OVERHEAD_BYTES_MAX;
        for (index, value) in row.values().enumerate() {
            if value.trim_ascii().is_empty() {
                return Err(refuse("variable-missing").arg("variable", &self.template.variables[index]));
            }
            bytes += value.len();
            values[index] = value;
        }
        if bytes > MESSAGE_BYTES_MAX {
            return Err(refuse("message-too-large").arg("max", MESSAGE_BYTES_MAX - OVERHEAD_BYTES_MAX));
        }
        let measure = self.template.fits(&values).map_err(|fault| text_refusal(row.line(), fault))?;
        if let Some(at) = row.expires_at().filter(|&at| at <= now) {
            return Err(refuse("expires-past").arg("at", seoul(at)));
        }
        if !self.seen.insert(&self.to) {
            return Err(refuse("address-repeated").arg("address", mask(&self.to)));
        }
        self.lengths.add(&measure);
        Ok(&self.to)
    }
}

fn text_refusal(line: u64, fault: TextFault) -> Refusal {
    let (code, args) = fault.refusal();
    args.into_iter().fold(Refusal::new(line, code), |refusal, (name, value)| refusal.arg(name, value))
}
