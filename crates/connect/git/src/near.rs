//! The names nearest to one that is unknown, for whoever mistyped it.

/// How many are worth reading.
const SHOWN_MAX: usize = 3;
/// Comparing costs the product of both lengths.
const COMPARED_CHARS_MAX: usize = 80;

/// Up to three of `names` that look like `wanted`, the likest first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(COMPARED_CHARS_MAX).collect();
    let mut scored: Vec<(usize, &str)> = names.filter_map(|name| Some((distance(&wanted, name)?, name))).collect();
    scored.sort_unstable();
    scored.truncate(SHOWN_MAX);
    scored.into_iter().map(|(_, name)| name).collect()
}

/// How many letters to change; one where the one stands in the other; none above a third of the letters, rounded up.
fn distance(wanted: &[char], name: &str) -> Option<usize> {
    let name: Vec<char> = name.to_lowercase().chars().take(COMPARED_CHARS_MAX).collect();
    let holds = |long: &[char], short: &[char]| short.len() > 2 && long.windows(short.len()).any(|part| part == short);
    if wanted == name {
        return Some(0);
    }
    if holds(wanted, &name) || holds(&name, wanted) {
        return Some(1);
    }
    let max = wanted.len().max(name.len()).div_ceil(3);
    if wanted.len().abs_diff(name.len()) > max {
        return None;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (i, a) in wanted.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in name.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let changes = row[name.len()];
    (changes <= max).then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_found() {
        let check = |wanted: &str, names: &[&str], expect: &[&str]| {
            assert_eq!(nearest(wanted, names.iter().copied()), expect, "{wanted}");
        };
        check("mian", &["main", "develop", "release/1"], &["main"]);
        check("MAIN", &["main"], &["main"]);
        check("pay", &["feature/pay", "feature/cart"], &["feature/pay"]);
        check("1.2.3", &["v1.2.3", "v1.2.4", "v9"], &["v1.2.3", "v1.2.4"]);
        check("x", &["main"], &[]);
        check("", &["main"], &[]);
        check(
            "release/1.0",
            &["release/1.1", "release/1.2", "release/1.3", "release/1.4"],
            &["release/1.1", "release/1.2", "release/1.3"],
        );
    }
}
