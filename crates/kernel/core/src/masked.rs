//! Values that must not appear in a log, a page or a metric: printing them prints a mask.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phone number or e-mail address. `Display` and `Debug` mask it; [`Address::reveal`] is the only way to the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Wraps an address that is already in its normal form.
    pub fn new(normal: impl Into<String>) -> Address {
        Address(normal.into())
    }

    /// The address itself, for a provider, or for a person who gave a reason.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

/// Masks an address: `010-****-1234`, `k***@example.com`; anything else keeps its first character.
pub fn mask(address: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    if let Some((local, domain)) = address.rsplit_once('@') {
        return format!("{}***@{domain}", first(local));
    }
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 9 && digits.len() * 2 > address.chars().count() {
        return format!("{}-****-{}", &digits[..3], &digits[digits.len() - 4..]);
    }
    format!("{}***", first(address))
}

/// A secret: never prints, compares in constant time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the secret, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_masked() {
        for (address, expect) in [
            ("01012345678", "010-****-5678"),
            ("+82-10-1234-5678", "821-****-5678"),
            ("kim@example.com", "k***@example.com"),
            ("x", "x***"),
            ("", "***"),
        ] {
            assert_eq!(Address::new(address).to_string(), expect);
            assert_eq!(format!("{:?}", Address::new(address)), expect);
        }
    }

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
        assert!(Secret::new("hunter2").matches("hunter2"));
        assert!(!Secret::new("hunter2").matches("hunter3"));
    }
}
