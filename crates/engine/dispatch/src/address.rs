//! The normal form of an address: two spellings of one recipient become the same text here or nowhere.

use naru_core::masked::Address;

use crate::message::Channel;

/// A push token's bound: APNs and FCM tokens are far shorter.
const PUSH_TOKEN_BYTES_MAX: usize = 4_096;
/// RFC 5321, 4.5.3.1: a path is at most 256 octets with its brackets, a local part at most 64.
const EMAIL_BYTES_MAX: usize = 254;
const EMAIL_LOCAL_BYTES_MAX: usize = 64;

/// Brings `text` into the normal form of `channel`, or `None` where it is no address of that channel.
pub fn normalise(channel: Channel, text: &str) -> Option<Address> {
    let mut out = String::with_capacity(text.len());
    normalise_into(channel, text, &mut out).then(|| Address::new(out))
}

/// As [`normalise`], into a buffer that is emptied first: intake runs this once a row.
pub fn normalise_into(channel: Channel, text: &str, out: &mut String) -> bool {
    out.clear();
    match channel {
        Channel::Sms | Channel::Alimtalk | Channel::Brand => phone(text, out),
        Channel::Email => email(text.trim(), out),
        Channel::Push => {
            let token = text.trim();
            out.push_str(token);
            !token.is_empty() && token.len() <= PUSH_TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic())
        }
    }
}

/// A Korean mobile or 050 number, digits only. Takes `+82`, hyphens, and the leading zero that spreadsheets drop.
fn phone(text: &str, out: &mut String) -> bool {
    let trimmed = text.trim();
    let (international, rest) = match trimmed.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, trimmed),
    };
    for c in rest.chars() {
        match c {
            '0'..='9' => out.push(c),
            '-' | ' ' | '.' | '(' | ')' => {}
            _ => return false,
        }
        if out.len() > 15 {
            return false;
        }
    }
    if international || (out.starts_with("82") && out.len() >= 11) {
        let Some(national) = out.strip_prefix("82") else { return false };
        let national = national.strip_prefix('0').unwrap_or(national);
        *out = format!("0{national}");
    } else if out.starts_with('1') && matches!(out.len(), 9 | 10) {
        out.insert(0, '0');
    }
    let mobile = out.starts_with("01") && matches!(out.as_bytes().get(2), Some(b'0' | b'1' | b'6'..=b'9'));
    let personal = out.starts_with("050");
    // Only the numbers of before 2004 (011 and so on) may have a digit less.
    let length_sound = out.len() == 11 || (out.len() == 10 && !out.starts_with("010"));
    (mobile && length_sound) || (personal && matches!(out.len(), 11 | 12))
}

fn email(text: &str, out: &mut String) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_sound = !local.is_empty()
        && local.len() <= EMAIL_LOCAL_BYTES_MAX
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let domain_sound = domain.contains('.') && domain.split('.').all(label);
    out.push_str(local);
    out.push('@');
    // Domains are compared without case (RFC 1035); local parts belong to their server.
    out.extend(domain.chars().map(|c| c.to_ascii_lowercase()));
    local_sound && domain_sound && out.len() <= EMAIL_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(channel: Channel, cases: &[(&str, Option<&str>)]) {
        for (text, expect) in cases {
            let found = normalise(channel, text);
            assert_eq!(found.as_ref().map(Address::reveal), *expect, "{text:?}");
        }
    }

    #[test]
    fn spellings_of_one_number_become_one() {
        check(
            Channel::Sms,
            &[
                ("010-1234-5678", Some("01012345678")),
                ("+82 10-1234-5678", Some("01012345678")),
                ("+82 (0)10 1234 5678", Some("01012345678")),
                ("821012345678", Some("01012345678")),
                ("1012345678", Some("01012345678")),
                ("0111234567", Some("0111234567")),
                ("050412345678", Some("050412345678")),
                ("010-123-4567", None),
                ("02-123-4567", None),
                ("01512345678", None),
                ("0101234567890", None),
                ("010-1234-567a", None),
                ("+1 212 555 0100", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn addresses_that_no_server_takes_are_refused() {
        check(
            Channel::Email,
            &[
                ("Kim.Minsu@Example.COM", Some("Kim.Minsu@example.com")),
                (" a@b.kr ", Some("a@b.kr")),
                ("a@b", None),
                ("a b@c.kr", None),
                ("a..b@c.kr", None),
                ("@c.kr", None),
                ("a@-c.kr", None),
                ("a\r\nBcc: x@y.kr@c.kr", None),
            ],
        );
    }
}
