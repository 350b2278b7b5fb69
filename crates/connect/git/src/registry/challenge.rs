//! `WWW-Authenticate` (RFC 9110, 11.6.1): schemes with their parameters, several in one line.

/// One way to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub scheme: String,
    values: Vec<(String, String)>,
}

impl Challenge {
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// More than any registry offers.
const CHALLENGES_MAX: usize = 8;

/// Reads the challenges of one header.
pub(super) fn read(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for part in parts(header) {
        // `Scheme`, `Scheme key=value`, or one more `key=value` of the scheme before.
        let (scheme, rest) = match (part.find(' '), part.find('=')) {
            (Some(space), Some(equals)) if space < equals => (Some(&part[..space]), part[space..].trim()),
            (_, None) => (Some(part), ""),
            _ => (None, part),
        };
        if let Some(scheme) = scheme {
            if challenges.len() == CHALLENGES_MAX {
                break;
            }
            challenges.push(Challenge { scheme: scheme.to_owned(), values: Vec::new() });
        }
        if let (Some(challenge), Some((key, value))) = (challenges.last_mut(), rest.split_once('=')) {
            challenge.values.push((key.trim().to_owned(), unquoted(value.trim())));
        }
    }
    challenges
}

/// `header` at its commas, but those in quotes.
fn parts(header: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in header.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&header[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    parts.push(&header[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_values_are_read() {
        let header = r#"Bearer realm="https://gitlab.example.com/jwt/auth",service="container_registry",scope="repository:shop/web:pull,push", Basic realm="a \"b\"""#;
        let [bearer, basic] = &read(header)[..] else { panic!("two of them") };
        assert_eq!((bearer.scheme.as_str(), basic.scheme.as_str()), ("Bearer", "Basic"));
        assert_eq!(bearer.value("Realm"), Some("https://gitlab.example.com/jwt/auth"));
        assert_eq!(bearer.value("scope"), Some("repository:shop/web:pull,push"));
        assert_eq!(bearer.value("error"), None);
        assert_eq!(basic.value("realm"), Some("a \"b\""));
    }

    #[test]
    fn what_is_not_one_is_read_without_harm() {
        for header in ["", ",,", "=", "Basic", "Bearer realm", "a=\"", "\"", "Bearer realm=\"x"] {
            read(header);
        }
        assert_eq!(read(&"Basic,".repeat(100)).len(), CHALLENGES_MAX);
    }
}
