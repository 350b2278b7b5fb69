//! Names of people and tokens: one space of names, so that the name of an actor says who it was.

use naru_core::failure::Failure;
use naru_store::Result;
use sqlx::AnyConnection;

/// Longest name: what fits a column of a page and a line of a log.
const NAME_CHARS_MAX: usize = 64;

/// The stored form of a name: lower-case letters, digits and `. _ - @`.
///
/// Letters are those of ASCII: two names that look alike must be alike.
pub(crate) fn normal(name: &str) -> std::result::Result<String, Failure> {
    let name = name.trim().to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@".contains(c);
    // `local` is whoever sits at the machine itself.
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) || name == "local" {
        let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
        return Err(Failure::refused("name-bad").arg("name", shown));
    }
    Ok(name)
}

/// Whether a person or a token is called that.
pub(crate) async fn is_taken(conn: &mut AnyConnection, name: &str) -> Result<bool> {
    let text =
        "SELECT (SELECT COUNT(*) FROM web_person WHERE name = $1) + (SELECT COUNT(*) FROM web_token WHERE name = $1)";
    let count: i64 = sqlx::query_scalar(text).bind(name).fetch_one(conn).await?;
    Ok(count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_alike_or_refused() {
        let check = |name: &str, expect: Option<&str>| assert_eq!(normal(name).ok().as_deref(), expect, "{name:?}");
        check(" Kim.JH@example.com ", Some("kim.jh@example.com"));
        check("ops-1", Some("ops-1"));
        for bad in ["", "  ", "local", "Local", "a b", "관리자", "а", "a/b", &"x".repeat(65)] {
            check(bad, None);
        }
    }
}
