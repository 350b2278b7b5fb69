//! Passwords: argon2id with the parameters OWASP asks for (19 MiB, two passes), off the async threads.

use std::sync::LazyLock;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use naru_core::failure::{Failure, Kind};
use naru_core::masked::Secret;
use tokio::sync::Semaphore;

/// Shortest password. Length is the only rule: rules about characters make passwords worse (NIST SP 800-63B).
pub(crate) const CHARS_MIN: usize = 10;
/// Longest password: a sentence fits, and hashing stays as dear as it is meant to be and no dearer.
pub(crate) const CHARS_MAX: usize = 200;
/// Hashes computed at once: each takes 19 MiB and a core, and sending messages must go on beside them.
const HASHING_MAX: usize = 2;
/// How long a sign-in waits for its turn before it is told to come back.
const TURN_WAIT: Duration = Duration::from_secs(5);

static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);

/// Refuses a password that is too short, too long, or the person's own name.
pub(crate) fn check(password: &Secret, name: &str) -> Result<(), Failure> {
    let chars = password.reveal().chars().count();
    if chars < CHARS_MIN {
        return Err(Failure::refused("password-short").arg("chars", CHARS_MIN));
    }
    if chars > CHARS_MAX {
        return Err(Failure::refused("password-long").arg("chars", CHARS_MAX));
    }
    if password.reveal().to_lowercase().contains(name) && name.len() * 2 > chars {
        return Err(Failure::refused("password-like-name"));
    }
    Ok(())
}

/// The hash to store, in PHC form.
pub(crate) async fn hash(password: Secret) -> Result<String, Failure> {
    in_turn(move || {
        let hash = Argon2::default().hash_password(password.reveal().as_bytes()).map_err(Failure::bug)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether `password` is the one of `stored`. Without a stored one it is not, and finding that out takes as long: the
/// time of an answer must not tell which names there are.
pub(crate) async fn verify(password: Secret, stored: Option<String>) -> Result<bool, Failure> {
    if password.reveal().chars().count() > CHARS_MAX {
        return Ok(false);
    }
    in_turn(move || {
        let known = stored.is_some();
        let against = stored.as_deref().unwrap_or(&NOBODY);
        let matches = Argon2::default().verify_password(password.reveal().as_bytes(), against).is_ok();
        Ok(matches && known)
    })
    .await
}

/// The hash of a password nobody has.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hash = Argon2::default().hash_password_with_salt(b"", b"nobody has this");
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

async fn in_turn<T, F>(work: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
{
    let busy = || Failure::new(Kind::TooMany, "sign-in-busy").retry_after(TURN_WAIT.as_secs());
    let turn = tokio::time::timeout(TURN_WAIT, HASHING.acquire()).await.map_err(|_| busy())?;
    // The permit moves into the thread: it counts for as long as the hash is computed, whether or not the caller stays.
    let turn = turn.map_err(Failure::bug)?;
    let hashed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    hashed.await.map_err(Failure::bug)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let stored = hash(Secret::new("나루터에서 만나요")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(Secret::new("나루터에서 만나요"), Some(stored.clone())).await.unwrap());
        assert!(!verify(Secret::new("나루터에서 만나요!"), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn a_name_without_a_password_is_never_let_in() {
        for password in ["", "nobody has this", "anything else"] {
            assert!(!verify(Secret::new(password), None).await.unwrap());
        }
        assert!(NOBODY.starts_with("$argon2id$"), "an unknown name must cost as much as a known one");
    }

    #[test]
    fn length_and_name_are_checked() {
        let check = |password: &str, expect: Option<&str>| {
            let refused = check(&Secret::new(password), "kim.jihye").err().map(|failure| failure.code);
            assert_eq!(refused.as_deref(), expect, "{password:?}");
        };
        check("짧은비밀번호", Some("password-short"));
        check("Kim.Jihye12", Some("password-like-name"));
        check(&"가".repeat(201), Some("password-long"));
        check("kim.jihye went down to the landing", None);
        check("열 글자가 넘는 문장", None);
    }
}
