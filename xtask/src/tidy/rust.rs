//! Just enough of Rust to know code from comments, strings and tests.
//!
//! Everything that is not asked for is blanked with spaces and line ends stay, so offsets and line numbers hold.

/// Returns `text` with comments and the insides of strings and characters blanked.
pub fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(text, at);
        match end {
            Some(end) => {
                blank(&mut code[at..end]);
                at = end;
            }
            None => at += 1,
        }
    }
    String::from_utf8(code).expect("whole literals and comments are blanked")
}

/// Returns `code` (as [`code_of`] left it) with every item under `#[cfg(test)]` blanked.
pub fn product_of(code: &str) -> String {
    let mut product = code.as_bytes().to_vec();
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(mark) {
            let end = item_end(code, start + mark.len());
            blank(&mut product[start..end]);
        }
    }
    String::from_utf8(product).expect("whole items are blanked")
}

/// Counts lines from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The end of the block or statement that starts at or after `from`: behind its closing brace or semicolon.
pub fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth <= 0 {
                    return offset + 1;
                }
            }
            b';' if depth <= 0 => return offset + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// The end of the comment, string or character that starts at `at`, if one does.
fn skipped(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let length = match rest[0] {
        b'/' if rest.starts_with(b"//") => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        b'/' if rest.starts_with(b"/*") => block_comment(rest),
        b'"' => 1 + quoted(&rest[1..], b'"'),
        b'r' if !in_word => raw_string(rest, 1)?,
        b'b' | b'c' if !in_word && rest.get(1) == Some(&b'r') => raw_string(rest, 2)?,
        b'\'' => character(&text[at..])?,
        _ => return None,
    };
    Some((at + length).min(bytes.len()))
}

/// Comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length up to and with the closing `quote`.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"` and `r#"…"#`; nothing for a raw name such as `r#type`.
fn raw_string(rest: &[u8], prefix: usize) -> Option<usize> {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let body = prefix + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = rest[body..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| body + length + close.len()))
}

/// `'a'` and `'\n'`; nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest[1..].chars().next()?;
    if inner == '\\' {
        return Some(1 + quoted(&rest.as_bytes()[1..], b'\''));
    }
    let close = 1 + inner.len_utf8();
    rest[close..].starts_with('\'').then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank() {
        let check = |text: &str, expect: &str| assert_eq!(code_of(text), expect, "{text}");
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("a\"b", 'c')"#, "f(      ,    )");
        check("r#\"a\"b\"# + r\"c\" + br\"d\"", "         +      +      ");
        check("r#type fr\"\"", "r#type fr  ");
        check("'a: loop { x::<'b>('\\'') }", "'a: loop { x::<'b>(    ) }");
        check("s('가')", "s(     )");
    }

    #[test]
    fn tests_are_no_product() {
        let check = |text: &str, expect: &str| assert_eq!(product_of(&code_of(text)).trim(), expect, "{text}");
        check("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\" } }", "fn a() {}");
        check("#[cfg(test)]\nuse a::b;\nfn c() {}", "fn c() {}");
        check("#[cfg(test)]\n#[path = \"x;\"]\nfn a(b: [u8; 4]) -> u8 { 1 }", "");
        check("#[cfg(all(test, unix))]\nmod tests;", "");
    }

    #[test]
    fn an_item_ends_with_its_block() {
        let code = "fn a() { if b { c() } } fn d() {}";
        assert_eq!(&code[..item_end(code, 0)], "fn a() { if b { c() } }");
        assert_eq!(item_end("fn unfinished() {", 0), "fn unfinished() {".len());
    }
}
