//! Names that somebody may have meant.

/// Names told.
const TOLD_MAX: usize = 3;
/// As unlike as a name may be (0 is nothing in common, 1 is the same).
const LIKENESS_MIN: f64 = 0.6;

/// The names most like `typed`, the nearest first; also those that begin with it.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_lowercase();
    let likeness = |name: &str| {
        let begins = !typed.is_empty() && name.to_lowercase().starts_with(&typed);
        if begins { 1.0 } else { strsim::normalized_damerau_levenshtein(&typed, &name.to_lowercase()) }
    };
    let mut found: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.into_iter().take(TOLD_MAX).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_finds_its_name() {
        let names = ["web", "web-admin", "api", "payment", "payments-batch"];
        let check = |typed: &str, expect: &[&str]| assert_eq!(nearest(typed, names), expect, "{typed}");
        check("wbe", &["web"]);
        check("web", &["web", "web-admin"]);
        check("payemnt", &["payment"]);
        check("Pay", &["payment", "payments-batch"]);
        check("zzz", &[]);
        check("", &[]);
    }
}
