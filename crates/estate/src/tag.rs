//! Which tag an image has that was built from a commit: a pattern of the app's.

use naru_core::failure::Failure;

/// What a tag is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The commit, in full.
    pub commit: String,
    /// The branch it was built for; none where a tag or a commit was asked for.
    pub branch: Option<String>,
    /// The Git tag it was built for.
    pub tag: Option<String>,
}

/// A slug is cut there, as GitLab's `CI_COMMIT_REF_SLUG`.
const SLUG_MAX: usize = 63;
/// An image tag is no longer (OCI distribution specification).
const TAG_MAX: usize = 128;

/// The tag by `pattern`: `{sha8}` (any number of digits), `{sha}`, `{branch}`, `{branch_slug}`, `{tag}`.
pub fn of(pattern: &str, built: &Built) -> Result<String, Failure> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').ok_or_else(|| wrong(pattern, "{"))?;
        text += before;
        text += &value(name, built).ok_or_else(|| match name {
            "branch" | "branch_slug" | "tag" => {
                Failure::refused("tag-needs-branch").arg("pattern", pattern).arg("name", name)
            }
            _ => wrong(pattern, name),
        })?;
        rest = after;
    }
    text += rest;
    let is_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_sound = !text.is_empty() && text.len() <= TAG_MAX && text.chars().all(is_tag);
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_sound && begins { Ok(text) } else { Err(wrong(pattern, &text)) }
}

fn wrong(pattern: &str, found: &str) -> Failure {
    Failure::usage("tag-pattern-wrong").arg("pattern", pattern).arg("found", found)
}

fn value(name: &str, built: &Built) -> Option<String> {
    match name {
        "sha" => Some(built.commit.clone()),
        "branch" => built.branch.clone(),
        "branch_slug" => built.branch.as_deref().map(slug),
        "tag" => built.tag.clone(),
        _ => {
            let digits: usize = name.strip_prefix("sha")?.parse().ok()?;
            built.commit.get(..digits).filter(|_| digits > 0).map(str::to_owned)
        }
    }
}

/// A branch as GitLab writes it into names: small letters and digits, anything else a dash, none at either end.
pub fn slug(branch: &str) -> String {
    let dashed: String = branch
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let cut: String = dashed.chars().take(SLUG_MAX).collect();
    cut.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(branch: Option<&str>) -> Built {
        let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
        Built { commit, branch: branch.map(str::to_owned), tag: None }
    }

    #[test]
    fn a_tag_is_made_of_its_pattern() {
        let check = |pattern: &str, branch: Option<&str>, expect: Result<&str, &str>| {
            let made = of(pattern, &built(branch)).map_err(|failure| failure.code);
            assert_eq!(made.as_deref().map_err(String::as_str), expect, "{pattern}");
        };
        check("{branch_slug}-{sha8}", Some("feature/Cart_2"), Ok("feature-cart-2-01234567"));
        check("v-{sha}", None, Ok("v-0123456789abcdef0123456789abcdef01234567"));
        check("latest", None, Ok("latest"));
        check("{branch_slug}", None, Err("tag-needs-branch"));
        check("{tag}", Some("main"), Err("tag-needs-branch"));
        check("{branch}", Some("feature/x"), Err("tag-pattern-wrong"));
        check("{sha99}", None, Err("tag-pattern-wrong"));
        check("{sha0}", None, Err("tag-pattern-wrong"));
        check("{nothing}", None, Err("tag-pattern-wrong"));
        check("{sha8", None, Err("tag-pattern-wrong"));
        check("-{sha8}", None, Err("tag-pattern-wrong"));
        check("", None, Err("tag-pattern-wrong"));
    }

    #[test]
    fn a_slug_is_cut_and_has_no_dash_at_its_ends() {
        assert_eq!(slug("/Feature/장바구니/"), "feature");
        assert_eq!(slug(&"x".repeat(70)).len(), SLUG_MAX);
        assert_eq!(slug(&format!("{}-y", "x".repeat(62))), "x".repeat(62));
    }
}
