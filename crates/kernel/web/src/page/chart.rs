//! Shares of a whole: a progress bar, a stacked bar, the account as a table. Each says in words what it shows.

use maud::html;

use super::part::{Tone, badge, dot};
use super::{Markup, Reader, count, share};

/// One part of a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// As the reader reads it.
    pub label: String,
    /// How much of it.
    pub count: u64,
    /// Its colour.
    pub tone: Tone,
}

/// How far something is.
pub fn progress(reader: &Reader, label: &str, done: u64, total: u64) -> Markup {
    let of = reader.say("web-progress", &[("done", &count(done)), ("total", &count(total))]);
    let share = share(done, total);
    html! {
        div.progress {
            p.progress-head {
                span { (label) }
                span.progress-share { (share) }
                span.progress-of { (of) }
            }
            // A bar without a maximum would read as one that is on its way without an end.
            progress max=(total.max(1)) value=(done.min(total)) aria-label=(label) { (share) }
        }
    }
}

/// The parts of a whole side by side, with a legend. A part that is there is seen, however small.
pub fn stacked(reader: &Reader, label: &str, slices: &[Slice]) -> Markup {
    let whole: u64 = slices.iter().map(|slice| slice.count).sum();
    let shown: Vec<&Slice> = slices.iter().filter(|slice| slice.count > 0).collect();
    let told = |slice: &Slice| format!("{} {} ({})", slice.label, count(slice.count), share(slice.count, whole));
    let words = match &shown[..] {
        [] => reader.say("web-nothing-yet", &[]),
        some => some.iter().map(|slice| told(slice)).collect::<Vec<_>>().join(", "),
    };
    html! {
        figure.stacked {
            svg viewBox={ "0 0 " (WIDTH) " 12" } preserveAspectRatio="none" role="img" aria-label={ (label) ": " (words) } {
                rect.stacked-empty x="0" y="0" width=(WIDTH) height="12" {}
                @for (slice, (x, width)) in shown.iter().zip(places(&shown)) {
                    rect class=(slice.tone.class()) x=(x) y="0" width=(width) height="12" { title { (told(slice)) } }
                }
            }
            figcaption {
                @if shown.is_empty() { span { (words) } }
                @for slice in &shown {
                    span { (dot(slice.tone)) (slice.label) " " b { (count(slice.count)) } }
                }
            }
        }
    }
}

/// A whole and its parts as a table whose foot says whether they add up.
pub fn account(reader: &Reader, total_label: &str, total: u64, slices: &[Slice]) -> Markup {
    let sum: u64 = slices.iter().map(|slice| slice.count).sum();
    let say = |key: &str| reader.say(key, &[]);
    html! {
        div.scroll {
            table.account {
                thead {
                    tr {
                        th scope="col" { (say("web-column-state")) }
                        th.number scope="col" { (say("web-column-count")) }
                        th.number scope="col" { (say("web-column-share")) }
                    }
                }
                tbody {
                    @for slice in slices {
                        tr.none[slice.count == 0] {
                            th scope="row" { (dot(slice.tone)) (slice.label) }
                            td.number { (count(slice.count)) }
                            td.number { (share(slice.count, total)) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { (total_label) }
                        td.number { (count(total)) }
                        td.number {
                            @if sum == total {
                                (badge(Tone::Good, &say("web-balances")))
                            } @else {
                                (badge(Tone::Bad, &reader.say("web-off-by", &[("n", &count(sum.abs_diff(total)))])))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Units of a stacked bar.
const WIDTH: u64 = 1_000;
/// Narrowest part: three pixels of a phone, ten of a screen.
const WIDTH_MIN: u64 = 10;

/// Where each part begins and how wide it is. Together they are [`WIDTH`] wide and none is below [`WIDTH_MIN`]: the
/// widest gives what the narrow ones need.
fn places(slices: &[&Slice]) -> Vec<(u64, u64)> {
    let whole: u128 = slices.iter().map(|slice| u128::from(slice.count)).sum();
    let exact = |slice: &&Slice| (u128::from(slice.count) * u128::from(WIDTH) / whole.max(1)) as u64;
    let mut widths: Vec<u64> = slices.iter().map(|slice| exact(slice).max(WIDTH_MIN)).collect();
    let given: u64 = widths.iter().sum();
    if let Some(widest) = widths.iter_mut().max() {
        *widest = (*widest + WIDTH).saturating_sub(given).max(WIDTH_MIN);
    }
    let mut end = 0;
    let place = |width| {
        end += width;
        (end - width, width)
    };
    widths.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use naru_core::text::Lang;

    use super::super::part::tests::reader;
    use super::*;

    fn slices(counts: &[u64]) -> Vec<Slice> {
        let slice = |(at, count): (usize, &u64)| Slice { label: format!("s{at}"), count: *count, tone: Tone::Good };
        counts.iter().enumerate().map(slice).collect()
    }

    #[test]
    fn every_part_is_seen_and_all_fill_the_bar() {
        for counts in [&[1][..], &[1, 999_999], &[1, 1, 1], &[u64::MAX / 2, 1, 1, 1, 1, 1, 1, 1], &[333, 333, 334]] {
            let slices = slices(counts);
            let places = places(&slices.iter().collect::<Vec<_>>());
            assert!(places.iter().all(|(_, width)| *width >= WIDTH_MIN), "{counts:?}: {places:?}");
            let end = places.iter().fold(0, |end, (x, width)| if *x == end { end + width } else { u64::MAX });
            assert_eq!(end, WIDTH, "{counts:?}: {places:?}");
        }
    }

    #[test]
    fn a_stacked_bar_says_what_it_shows() {
        let shown = stacked(&reader(Lang::En, 0), "Outcomes", &slices(&[750, 0, 250])).0;
        assert!(shown.contains(r#"aria-label="Outcomes: s0 750 (75.0%), s2 250 (25.0%)""#), "{shown}");
        assert!(shown.contains(r#"x="750" y="0" width="250""#), "{shown}");
        assert!(!shown.contains("s1"), "{shown}");
        let empty = stacked(&reader(Lang::Ko, 0), "결과", &slices(&[0])).0;
        assert!(empty.contains(r#"aria-label="결과: 아직 없음""#), "{empty}");
    }

    #[test]
    fn an_account_says_whether_it_balances() {
        let check = |total, lang, expect: &str| {
            let shown = account(&reader(lang, 0), "Accepted", total, &slices(&[600, 400])).0;
            assert!(shown.contains(expect), "{shown}");
        };
        check(1_000, Lang::En, "Balances");
        check(1_001, Lang::En, "Off by 1");
        check(998, Lang::Ko, "2건 차이");
    }

    #[test]
    fn progress_is_told_in_words() {
        let check = |done, total, expect: &str| {
            let shown = progress(&reader(Lang::Ko, 0), "발송", done, total).0;
            assert!(shown.contains(expect), "{shown}");
        };
        check(613_000, 1_000_000, "1,000,000 중 613,000");
        check(0, 0, r#"<progress max="1" value="0" aria-label="발송">0%</progress>"#);
    }
}
