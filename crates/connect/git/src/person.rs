//! Who wrote a commit, and what stands in it besides its files.

use std::fmt;

use naru_core::failure::Failure;

/// An author or a committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    email: String,
}

impl Person {
    /// Checks both: no line ends, no angle brackets, and a name that Git does not strip to nothing.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Result<Person, Failure> {
        let person = Person { name: name.into(), email: email.into() };
        let is_plain = |text: &str| !text.contains(|c: char| c.is_control() || "<>".contains(c));
        let has_name = person.name.contains(char::is_alphanumeric);
        let is_person = has_name && is_plain(&person.name) && is_plain(&person.email);
        if is_person { Ok(person) } else { Err(Failure::usage("git-person-wrong").arg("person", person)) }
    }

    /// What the person is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address, possibly empty.
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// A line at the end of a commit's message that programs read: `Key: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    key: String,
    value: String,
}

impl Trailer {
    /// Checks both: a key of letters, digits and `-`, a value that is one line and not empty.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Result<Trailer, Failure> {
        let trailer = Trailer { key: key.into(), value: value.into().trim().to_owned() };
        let is_key = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let has_key = trailer.key.starts_with(|c: char| c.is_ascii_alphabetic()) && trailer.key.chars().all(is_key);
        let has_value = !trailer.value.is_empty() && !trailer.value.contains(char::is_control);
        let is_trailer = has_key && has_value;
        if is_trailer { Ok(trailer) } else { Err(Failure::usage("git-trailer-wrong").arg("trailer", trailer)) }
    }

    /// What stands before the colon.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands behind it.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Trailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

/// A message as Git stores it. Git reads trailers from the last paragraph alone, so nothing in `text` becomes one; and
/// never from the first, so that there must be a text.
pub(crate) fn message(text: &str, trailers: &[&Trailer]) -> Result<String, Failure> {
    let text = text.replace(['\0', '\r'], "");
    let lines: Vec<String> = trailers.iter().map(|trailer| trailer.to_string()).collect();
    match text.trim() {
        "" => Err(Failure::usage("git-message-empty")),
        text => Ok(format!("{text}\n\n{}\n", lines.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_one_line() {
        assert_eq!(Person::new("김민서", "kim@example.com").unwrap().to_string(), "김민서 <kim@example.com>");
        for (name, email) in [("", "a@b"), ("<>", "a@b"), ("a\nb", "a@b"), ("a", "a@b>"), ("...", "a@b")] {
            assert_eq!(Person::new(name, email).unwrap_err().code, "git-person-wrong", "{name:?} {email:?}");
        }
    }

    #[test]
    fn a_trailer_is_one_line() {
        let trailer = Trailer::new("Naru-Operation", " 7/write ").unwrap();
        let told = message(" Deploy web\n\nWhy\r\n", &[&trailer]).unwrap();
        assert_eq!(told, "Deploy web\n\nWhy\n\nNaru-Operation: 7/write\n");
        assert_eq!(message(" \n", &[&trailer]).unwrap_err().code, "git-message-empty");
        for (key, value) in [("", "x"), ("a b", "x"), ("-a", "x"), ("a:", "x"), ("a", " "), ("a", "x\nb: y")] {
            assert_eq!(Trailer::new(key, value).unwrap_err().code, "git-trailer-wrong", "{key:?} {value:?}");
        }
    }
}
