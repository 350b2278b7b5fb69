//! Lines out of a stream of bytes, none longer than a bound.

use bytes::{Buf, Bytes, BytesMut};

/// The store behind a server takes objects of up to 1.5 MiB; the fields that it adds and the event around them come on top.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// Collects bytes into lines.
#[derive(Default)]
pub struct Lines {
    kept: BytesMut,
    searched: usize,
    /// Inside a line that is too long, up to its end.
    skipping: bool,
}

/// A line, or that there was one over the bound.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its end.
    Whole(Bytes),
    /// Left out.
    TooLong,
}

impl Lines {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// The next whole line; empty ones are left out.
    pub fn pull(&mut self) -> Option<Line> {
        loop {
            let Some(at) = self.kept[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.kept.len();
                if self.kept.len() <= LINE_BYTES_MAX {
                    return None;
                }
                (self.kept, self.searched) = (BytesMut::new(), 0);
                if std::mem::replace(&mut self.skipping, true) {
                    return None;
                }
                return Some(Line::TooLong);
            };
            let line = self.kept.split_to(self.searched + at).freeze();
            self.kept.advance(1);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) || line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(if line.len() > LINE_BYTES_MAX { Line::TooLong } else { Line::Whole(line) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &[&[u8]], expect: &[&str]) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for part in parts {
            lines.push(part);
            while let Some(line) = lines.pull() {
                found.push(match line {
                    Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                    Line::TooLong => "too long".to_owned(),
                });
            }
        }
        assert_eq!(found, expect);
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        check(&[b"a\nb", b"c\n\n", b"\r\nd"], &["a", "bc"]);
        check(&[b"", b"\n", b"x", b"", b"\n"], &["x"]);
    }

    #[test]
    fn a_line_over_the_bound_is_left_out_and_those_after_it_come() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        check(&[&long, b"x", &long, b"x", b"x\nnext\n"], &["too long", "next"]);
        check(&[&[&long[..], b"x\nnext\n"].concat()], &["too long", "next"]);
        check(&[&long, b"\nnext\n"], &[std::str::from_utf8(&long).unwrap(), "next"]);
    }
}
