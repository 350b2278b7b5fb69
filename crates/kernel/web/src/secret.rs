//! Random secrets, handed out once and kept only as a hash.

use naru_core::failure::Failure;
use naru_core::id::write_hex;
use naru_core::masked::Secret;
use sha2::{Digest, Sha256};

/// 256 bits: cookies and tokens, which live for days and more.
pub(crate) const LONG_BYTES: usize = 32;
/// 128 bits: sign-in links, which live for minutes and should fit a line of a terminal.
pub(crate) const SHORT_BYTES: usize = 16;

/// A new secret of `BYTES` random bytes, as lower-case hex.
pub(crate) fn fresh<const BYTES: usize>() -> Result<Secret, Failure> {
    let mut bytes = [0u8; BYTES];
    getrandom::fill(&mut bytes).map_err(|e| Failure::unavailable("random-missing").cause_text(e.to_string()))?;
    let mut hex = vec![0u8; BYTES * 2];
    Ok(Secret::new(write_hex(&bytes, &mut hex)))
}

/// What is stored of a secret, and what it is looked up by.
///
/// The index compares hashes byte by byte and so not in constant time; that tells nothing, since whoever guesses can
/// not choose the hash of a guess. No salt and no stretching: the secret is random and long.
pub(crate) fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_as_long_as_said() {
        let (one, other) = (fresh::<LONG_BYTES>().unwrap(), fresh::<LONG_BYTES>().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 64);
        assert_eq!(fresh::<SHORT_BYTES>().unwrap().reveal().len(), 32);
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
