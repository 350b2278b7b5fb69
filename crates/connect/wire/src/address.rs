//! Addresses as they may be shown.

/// `text`, which may be no address at all, without what may be a user and a password in it.
pub fn without_user(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    // Up to the last one: a password may hold whatever ends a host's name.
    match text[start..].rfind('@') {
        Some(at) => format!("{}***{}", &text[..start], &text[start + at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_whatever_it_holds() {
        for (text, expect) in [
            ("https://user:p/ss@host/x", "https://***@host/x"),
            ("admin:secret@argocd.example.com", "***@argocd.example.com"),
            ("https://a@b:c@host", "https://***@host"),
            ("https://host/path", "https://host/path"),
            ("", ""),
        ] {
            assert_eq!(without_user(text), expect);
        }
    }
}
