//! The calls, one file for each thing that they are about.

pub mod account;
pub mod apps;
pub mod resources;

mod projects;

/// A part of a path as it is written there (RFC 3986).
fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
