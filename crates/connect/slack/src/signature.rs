//! Whether an HTTP request comes from Slack: the `v0` scheme of
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>.

use hmac::{Hmac, KeyInit, Mac};
use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_core::id::write_hex;
use naru_core::masked::Secret;
use sha2::Sha256;

/// The header with the moment at which Slack signed, in seconds since the epoch.
pub const TIMESTAMP: &str = "x-slack-request-timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "x-slack-signature";

/// A request that was overheard is of no use after this. Slack's own figure; held on both sides of now, or one that was
/// signed by a clock that runs ahead could be sent again until that moment has passed.
const SKEW_S_MAX: u64 = 300;

/// Checks that `body`, as it came, was signed with `secret` and within five minutes of `now`.
pub fn verify(secret: &Secret, timestamp: &str, signature: &str, body: &[u8], now: Millis) -> Result<(), Failure> {
    let wrong = || Failure::new(Kind::Unauthorized, "slack-signature-wrong");
    let signed_at: i64 = timestamp.parse().map_err(|_| wrong())?;
    if !expected(secret, timestamp, body).matches(signature) {
        return Err(wrong());
    }
    let skew_s = now.div_euclid(1_000).abs_diff(signed_at);
    if skew_s > SKEW_S_MAX {
        return Err(Failure::new(Kind::Unauthorized, "slack-signature-old").arg("skew_s", skew_s));
    }
    Ok(())
}

/// A secret, so that it is compared in constant time.
fn expected(secret: &Secret, timestamp: &str, body: &[u8]) -> Secret {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes keys of any length");
    for part in [b"v0:", timestamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    let mut hex = [0; 64];
    Secret::new(format!("v0={}", write_hex(&mac.finalize().into_bytes(), &mut hex)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example that Slack publishes.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: &str = "1531420618";
    const AT_MS: Millis = 1_531_420_618_000;
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    #[track_caller]
    fn check(timestamp: &str, signature: &str, body: &str, now: Millis, expect: Option<&str>) {
        let found = verify(&Secret::new(SECRET), timestamp, signature, body.as_bytes(), now);
        assert_eq!(found.err().map(|failure| failure.code).as_deref(), expect);
    }

    #[test]
    fn the_published_example_is_taken() {
        check(AT, SIGNED, BODY, AT_MS, None);
    }

    #[test]
    fn a_forged_request_is_refused() {
        let wrong = Some("slack-signature-wrong");
        check(AT, SIGNED, &BODY.replace("roadrunner", "coyote"), AT_MS, wrong);
        check("1531420619", SIGNED, BODY, AT_MS, wrong);
        check("", SIGNED, BODY, AT_MS, wrong);
        check("9223372036854775808", SIGNED, BODY, AT_MS, wrong);
        check(AT, "", BODY, AT_MS, wrong);
        check(AT, &SIGNED[3..], BODY, AT_MS, wrong);
        check(AT, &SIGNED.to_uppercase(), BODY, AT_MS, wrong);
    }

    #[test]
    fn a_request_is_taken_for_five_minutes_on_both_sides() {
        let old = Some("slack-signature-old");
        for (skew_s, expect) in [(300, None), (301, old), (-300, None), (-301, old), (-400, old), (86_400, old)] {
            check(AT, SIGNED, BODY, AT_MS + skew_s * 1_000, expect);
        }
        let far = i64::MIN.to_string();
        let signed = expected(&Secret::new(SECRET), &far, b"");
        check(&far, signed.reveal(), "", AT_MS, old);
    }
}
