//! A template: text with `#{name}` variables, a purpose and a channel. Versions never change once stored.

use std::sync::OnceLock;

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::message::{Channel, Purpose};

/// SMS: 90 bytes in EUC-KR is what the carriers take.
pub const SMS_BYTES_MAX: usize = 90;
/// LMS: 2,000 bytes in EUC-KR.
pub const LMS_BYTES_MAX: usize = 2_000;
/// Alimtalk and brand message: 1,000 characters.
pub const KAKAO_CHARS_MAX: usize = 1_000;
/// Mail and push: a bound of ours, so that one message fits a frame many times over.
pub const TEXT_BYTES_MAX: usize = 20_000;
/// Variables of one template: a stored count of one byte, and more than anyone reads.
pub const VARIABLES_MAX: usize = 64;

/// What a person writes, as TOML in Git or over the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateText {
    /// Names it in `send --template`.
    pub id: String,
    /// The medium.
    pub channel: Channel,
    /// Why it is sent.
    pub purpose: Purpose,
    /// E-mail subject, LMS title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// On SMS: may go out as LMS (up to 2,000 bytes, at its price) when it is longer than 90 bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
}

/// A template of one version, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// As written.
    pub text: TemplateText,
    /// Counts from 1.
    pub version: u32,
    /// Names in the order of their first appearance, subject first.
    pub variables: Vec<String>,
    subject: Option<Vec<Part>>,
    body: Vec<Part>,
    /// Length of the body without its variables: the same for every message, so it is counted once.
    fixed_length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(usize),
}

/// How long a text is, as its channel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bytes or characters.
    pub length: usize,
    /// What the channel takes.
    pub max: usize,
    /// What is counted: `bytes` or `characters`.
    pub unit: &'static str,
    /// Whether it is an SMS that goes out as LMS.
    pub is_lms: bool,
}

/// Why a rendered text cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// Longer than the channel takes.
    TooLong {
        /// Bytes or characters, as the channel counts.
        length: usize,
        /// The bound.
        max: usize,
        /// What is counted: `bytes` or `characters`.
        unit: &'static str,
    },
    /// A character that SMS cannot carry (not in KS X 1001).
    Character(char),
}

impl Template {
    /// Parses and checks a template.
    pub fn new(text: TemplateText, version: u32) -> Result<Template, Failure> {
        if !is_id(&text.id) {
            return Err(Failure::refused("template-id").arg("template", &text.id));
        }
        let mut variables = Vec::new();
        let refuse = |why: &str| Failure::refused("template-syntax").arg("template", &text.id).arg("why", why);
        let subject = text.subject.as_deref().map(|s| parse(s, &mut variables)).transpose().map_err(|w| refuse(&w))?;
        let body = parse(&text.body, &mut variables).map_err(|w| refuse(&w))?;
        if variables.len() > VARIABLES_MAX {
            return Err(refuse(&format!("{} variables, at most {VARIABLES_MAX}", variables.len())));
        }
        check_law(&text)?;
        if text.channel == Channel::Email && text.subject.as_deref().is_none_or(|s| s.trim().is_empty()) {
            return Err(Failure::refused("template-subject-missing").arg("template", &text.id));
        }
        if text.body.trim().is_empty() {
            return Err(Failure::refused("template-empty").arg("template", &text.id));
        }
        let fixed = body.iter().map(|part| match part {
            Part::Text(piece) => length(text.channel, piece),
            Part::Variable(_) => Ok(0),
        });
        let fixed_length = fixed.sum::<Result<usize, TextFault>>().map_err(|fault| fault.of_template(&text.id))?;
        let template = Template { version, variables, subject, body, fixed_length, text };
        let empty = vec![""; template.variables.len()];
        match template.fault(&empty) {
            Some(fault) => Err(fault.of_template(&template.text.id)),
            None => Ok(template),
        }
    }

    /// Renders the body. `values` are in the order of [`Template::variables`].
    pub fn body(&self, values: &[&str]) -> String {
        render(&self.body, values)
    }

    /// Renders the subject, where there is one.
    pub fn subject(&self, values: &[&str]) -> Option<String> {
        self.subject.as_ref().map(|parts| render(parts, values))
    }

    /// How long the body with these values is; counts without rendering.
    pub fn measure(&self, values: &[&str]) -> Result<Measure, TextFault> {
        let mut found = self.fixed_length;
        for part in &self.body {
            if let Part::Variable(index) = part {
                found += length(self.text.channel, values.get(*index).copied().unwrap_or_default())?;
            }
        }
        let unit = match self.text.channel {
            Channel::Alimtalk | Channel::Brand => "characters",
            Channel::Sms | Channel::Email | Channel::Push => "bytes",
        };
        let is_lms = self.text.channel == Channel::Sms && self.text.long && found > SMS_BYTES_MAX;
        Ok(Measure { length: found, max: self.length_max(), unit, is_lms })
    }

    /// As [`Template::measure`], of a text that can be sent.
    pub fn fits(&self, values: &[&str]) -> Result<Measure, TextFault> {
        let measure = self.measure(values)?;
        let Measure { length, max, unit, .. } = measure;
        if length > max { Err(TextFault::TooLong { length, max, unit }) } else { Ok(measure) }
    }

    /// What would keep the text with these values from being sent.
    pub fn fault(&self, values: &[&str]) -> Option<TextFault> {
        self.fits(values).err()
    }

    fn length_max(&self) -> usize {
        match self.text.channel {
            Channel::Sms if self.text.long => LMS_BYTES_MAX,
            Channel::Sms => SMS_BYTES_MAX,
            Channel::Alimtalk | Channel::Brand => KAKAO_CHARS_MAX,
            Channel::Email | Channel::Push => TEXT_BYTES_MAX,
        }
    }
}

impl TextFault {
    /// The code of a message's refusal and the values in it.
    pub fn refusal(self) -> (&'static str, Vec<(&'static str, String)>) {
        match self {
            TextFault::TooLong { length, max, unit } => {
                let args = [("length", length.to_string()), ("max", max.to_string()), ("unit", unit.to_owned())];
                ("text-too-long", args.into())
            }
            TextFault::Character(character) => ("text-character", vec![("character", character.to_string())]),
        }
    }

    /// The refusal of a message.
    pub fn failure(self) -> Failure {
        let (code, args) = self.refusal();
        args.into_iter().fold(Failure::refused(code), |failure, (name, value)| failure.arg(name, value))
    }

    /// The refusal of a template.
    fn of_template(self, id: &str) -> Failure {
        let failure = match self {
            TextFault::TooLong { .. } => Failure::refused("template-too-long"),
            TextFault::Character(_) => Failure::refused("template-character"),
        };
        let (_, args) = self.refusal();

        args.into_iter().fold(failure.arg("template", id), |failure, (name, value)| failure.arg(name, value))
    }
}

/// How long a piece of text is as the channel counts.
fn length(channel: Channel, text: &str) -> Result<usize, TextFault> {
    match channel {
        Channel::Sms => euc_kr_bytes(text).map_err(TextFault::Character),
        Channel::Alimtalk | Channel::Brand => Ok(text.chars().count()),
        Channel::Email | Channel::Push => Ok(text.len()),
    }
}

/// Bytes of `text` in EUC-KR, or the first character that is not in KS X 1001.
pub fn euc_kr_bytes(text: &str) -> Result<usize, char> {
    if text.is_ascii() {
        return Ok(text.len());
    }
    let table = ks_x_1001();
    let mut bytes = 0;
    for c in text.chars() {
        if c.is_ascii() {
            bytes += 1;
        } else {
            let code = c as usize;
            if code > 0xFFFF || table[code / 64] >> (code % 64) & 1 == 0 {
                return Err(c);
            }
            bytes += 2;
        }
    }
    Ok(bytes)
}

/// One bit a character of the basic plane. Windows-949 holds 8,822 syllables more than the carriers take: a lead and a
/// trail byte of 0xA1 and above tell KS X 1001 from them.
fn ks_x_1001() -> &'static [u64; 1024] {
    static TABLE: OnceLock<Box<[u64; 1024]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Box::new([0u64; 1024]);
        for code in 0x80..=0xFFFFu32 {
            let Some(c) = char::from_u32(code) else { continue };
            let mut buffer = [0u8; 4];
            let (bytes, _, unmappable) = encoding_rs::EUC_KR.encode(c.encode_utf8(&mut buffer));
            if !unmappable && bytes.len() == 2 && bytes[0] >= 0xA1 && bytes[1] >= 0xA1 {
                table[code as usize / 64] |= 1 << (code % 64);
            }
        }
        table
    })
}

/// An id is typed in commands and stored in every frame: short, and free of what shells and addresses trip over.
pub fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 100
        && id.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !id.starts_with(['-', '.'])
}

/// Article 50 of the Network Act and its decree: `(광고)` first, and a free way to refuse, in every advertisement.
fn check_law(text: &TemplateText) -> Result<(), Failure> {
    if text.purpose != Purpose::Ad {
        return Ok(());
    }
    let labelled = match text.channel {
        Channel::Email => text.subject.as_deref().unwrap_or_default(),
        _ => &text.body,
    };
    if text.channel != Channel::Push && !labelled.starts_with("(광고)") {
        return Err(Failure::refused("ad-label-missing").arg("template", &text.id));
    }
    if text.channel == Channel::Sms && !text.body.contains("무료거부") && !text.body.contains("무료수신거부")
    {
        return Err(Failure::refused("ad-refusal-missing").arg("template", &text.id));
    }
    Ok(())
}

fn parse(text: &str, variables: &mut Vec<String>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("#{") {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let (name, after) = after.split_once('}').ok_or_else(|| "`#{` without its `}`".to_owned())?;
        let name = name.trim();
        // Solapi refuses names with a dot; the others are what would make a name unreadable in a file's header.
        if name.is_empty() || name.contains(['.', '{', '\n', '#']) {
            return Err(format!("`#{{{name}}}` is no name of a variable"));
        }
        let index = variables.iter().position(|known| known == name).unwrap_or_else(|| {
            variables.push(name.to_owned());
            variables.len() - 1
        });
        parts.push(Part::Variable(index));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn pieces<'a>(parts: &'a [Part], values: &'a [&str]) -> impl Iterator<Item = &'a str> {
    parts.iter().map(move |part| match part {
        Part::Text(text) => text.as_str(),
        Part::Variable(index) => values.get(*index).copied().unwrap_or_default(),
    })
}

fn render(parts: &[Part], values: &[&str]) -> String {
    let mut out = String::with_capacity(pieces(parts, values).map(str::len).sum());
    pieces(parts, values).for_each(|piece| out.push_str(piece));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(channel: Channel, purpose: Purpose, body: &str) -> TemplateText {
        TemplateText { id: "t".into(), channel, purpose, subject: None, body: body.into(), long: false }
    }

    fn code(text: TemplateText) -> String {
        Template::new(text, 1).unwrap_err().code
    }

    #[test]
    fn variables_are_filled_in_the_order_they_appear() {
        let mut source = text(Channel::Email, Purpose::Info, "#{이름}님, #{날짜} #{이름}");
        source.subject = Some("#{번호} 주문".into());
        let template = Template::new(source, 1).unwrap();
        assert_eq!(template.variables, ["번호", "이름", "날짜"]);
        let values = ["A-1", "민수", "오늘"];
        assert_eq!(template.body(&values), "민수님, 오늘 민수");
        assert_eq!(template.subject(&values).as_deref(), Some("A-1 주문"));
    }

    #[test]
    fn sms_counts_bytes_as_the_carriers_do() {
        assert_eq!(euc_kr_bytes("(광고)"), Ok(6));
        assert_eq!(euc_kr_bytes("무료거부 0801234567"), Ok(19));
        // These fit Windows-949 but not KS X 1001; the sign of the won and emoji fit neither.
        for c in ['뷁', '똠', '펲', '햏', '₩', '—', '🙂'] {
            assert_eq!(euc_kr_bytes(&c.to_string()), Err(c));
        }
        assert_eq!(euc_kr_bytes("€·☎"), Ok(6));
        let template = Template::new(text(Channel::Sms, Purpose::Info, "#{v}"), 1).unwrap();
        assert_eq!(template.fault(&[&"가".repeat(45)]), None);
        assert_eq!(
            template.fault(&[&"가".repeat(46)]),
            Some(TextFault::TooLong { length: 92, max: 90, unit: "bytes" })
        );
        assert_eq!(template.fault(&["뷁"]), Some(TextFault::Character('뷁')));
    }

    #[test]
    fn an_advertisement_carries_its_label_and_a_way_out() {
        assert_eq!(code(text(Channel::Sms, Purpose::Ad, "세일! 무료거부 0801234567")), "ad-label-missing");
        assert_eq!(code(text(Channel::Sms, Purpose::Ad, "(광고) 세일!")), "ad-refusal-missing");
        assert!(Template::new(text(Channel::Sms, Purpose::Ad, "(광고) 세일! 무료거부 0801234567"), 1).is_ok());
    }

    #[test]
    fn broken_templates_are_refused() {
        assert_eq!(code(text(Channel::Sms, Purpose::Info, "#{이름")), "template-syntax");
        assert_eq!(code(text(Channel::Sms, Purpose::Info, "#{}")), "template-syntax");
        assert_eq!(code(text(Channel::Email, Purpose::Info, "x")), "template-subject-missing");
        assert_eq!(code(text(Channel::Sms, Purpose::Info, &"가".repeat(46))), "template-too-long");
        assert_eq!(code(text(Channel::Sms, Purpose::Info, "뷁")), "template-character");
        assert_eq!(code(text(Channel::Sms, Purpose::Info, " \n")), "template-empty");
    }
}
