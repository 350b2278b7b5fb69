//! Shares of a whole: a progress bar, a stacked bar, the account as a table. Each says in words what it shows.

use maud::html;
use naru_core::clock::{Millis, seoul};

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

/// A rate, against its cap where there is one: `812/s` over a bar, and the cap in words.
pub fn gauge(label: &str, rate: f64, max: Option<f64>, words: &str) -> Markup {
    let rate = rate.max(0.0);
    let told =
        if rate > 0.0 && rate < 10.0 { format!("{rate:.1}/s") } else { format!("{}/s", count(rate.round() as u64)) };
    html! {
        div.gauge {
            span.gauge-value { (told) }
            span.gauge-of { (words) }
            @if let Some(max) = max.filter(|max| *max > 0.0) {
                @let filled = (rate / max * WIDTH as f64).min(WIDTH as f64).round() as u64;
                svg viewBox={ "0 0 " (WIDTH) " 6" } preserveAspectRatio="none" role="img"
                    aria-label={ (label) ": " (told) ", " (words) } {
                    rect.stacked-empty x="0" y="0" width=(WIDTH) height="6" {}
                    rect class=(Tone::Going.class()) x="0" y="0" width=(filled) height="6" {}
                }
            }
        }
    }
}

/// What happened when: columns of stacked parts side by side, the same in a table behind it.
pub struct Timeline {
    /// The beginning of the first column.
    pub from: Millis,
    /// How long each column is.
    pub width: Millis,
    /// How many columns.
    pub columns: usize,
    /// The columns in which something happened, by where they begin, with parts in the same order everywhere.
    pub filled: Vec<(Millis, Vec<Slice>)>,
    /// Told beside it: counts that are of the same things again, so that they cannot stand on top of one another.
    pub beside: Vec<Slice>,
}

/// Draws it.
pub fn timeline(reader: &Reader, label: &str, of: &Timeline) -> Markup {
    let sum = |slices: &[Slice]| slices.iter().map(|slice| slice.count).sum::<u64>();
    let most = of.filled.iter().map(|(_, slices)| sum(slices)).max().unwrap_or(0);
    let Some((peak, _)) = of.filled.iter().max_by_key(|(_, slices)| sum(slices)).filter(|_| most > 0) else {
        return html! { p.quiet { (reader.say("web-nothing-yet", &[])) } };
    };
    let mut totals: Vec<Slice> = Vec::new();
    for slice in of.filled.iter().flat_map(|(_, slices)| slices) {
        match totals.iter_mut().find(|total| total.label == slice.label) {
            Some(total) => total.count += slice.count,
            None => totals.push(slice.clone()),
        }
    }
    totals.retain(|total| total.count > 0);
    let told: Vec<String> = totals.iter().map(|total| format!("{} {}", total.label, count(total.count))).collect();
    let peak = reader.say("web-peak", &[("n", &count(most)), ("at", &clock(*peak, of.width))]);
    let end = of.from + of.width * of.columns as Millis;
    html! {
        figure.timeline {
            p.timeline-peak { (peak) }
            svg viewBox={ "0 0 " (of.columns * COLUMN) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={ (label) ": " (told.join(", ")) ". " (peak) } {
                @for (at, slices) in &of.filled {
                    @let x = ((at - of.from) / of.width.max(1)) as usize * COLUMN;
                    @for (slice, (y, height)) in slices.iter().zip(heights(slices, most)) {
                        @if slice.count > 0 {
                            rect class=(slice.tone.class()) x=(x) y=(y) width=(COLUMN - 1) height=(height) {
                                title { (clock(*at, of.width)) " " (slice.label) " " (count(slice.count)) }
                            }
                        }
                    }
                }
            }
            div.timeline-axis aria-hidden="true" { span { (clock(of.from, of.width)) } span { (clock(end, of.width)) } }
            figcaption {
                @for total in totals.iter().chain(of.beside.iter().filter(|slice| slice.count > 0)) {
                    span { (dot(total.tone)) (total.label) " " b { (count(total.count)) } }
                }
            }
            (numbers(reader, &totals, of))
        }
    }
}

/// The numbers behind a timeline, for whoever does not see it or wants to know exactly.
fn numbers(reader: &Reader, totals: &[Slice], of: &Timeline) -> Markup {
    let count_of =
        |slices: &[Slice], label: &str| slices.iter().find(|slice| slice.label == label).map_or(0, |slice| slice.count);
    html! {
        details.numbers {
            summary { (reader.say("web-as-table", &[])) }
            div.scroll { table {
                thead { tr {
                    th scope="col" { (reader.say("web-column-from", &[])) }
                    @for total in totals { th.number scope="col" { (total.label) } }
                } }
                tbody {
                    @for (at, slices) in &of.filled {
                        tr {
                            th scope="row" { (clock(*at, of.width)) }
                            @for total in totals { td.number { (count(count_of(slices, &total.label))) } }
                        }
                    }
                }
            } }
        }
    }
}

/// Units of a column and of the whole height.
const COLUMN: usize = 10;
const HEIGHT: u64 = 100;

/// Where each part of a column begins and how high it is, from the bottom up; one that is there is seen.
fn heights(slices: &[Slice], most: u64) -> Vec<(u64, u64)> {
    let mut top = HEIGHT;
    let place = |slice: &Slice| {
        let exact = (u128::from(slice.count) * u128::from(HEIGHT) / u128::from(most.max(1))) as u64;
        let height = if slice.count == 0 { 0 } else { exact.max(1).min(top) };
        top -= height;
        (top, height)
    };
    slices.iter().map(place).collect()
}

/// A moment of a column: to the second where columns are short, with the day where they are long.
fn clock(at: Millis, width: Millis) -> String {
    let text = seoul(at);
    match width {
        ..60_000 => text[11..].to_owned(),
        60_000..3_600_000 => text[11..16].to_owned(),
        _ => text[5..16].to_owned(),
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
    fn a_gauge_fills_up_to_its_cap() {
        let check = |rate, max, expect: &str| {
            let shown = gauge("Rate", rate, max, "of 1,000/s").0;
            assert!(shown.contains(expect), "{shown}");
        };
        check(612.4, Some(1_000.0), r#"width="612""#);
        check(1_200.0, Some(1_000.0), r#"width="1000" height="6""#);
        check(0.26, None, "0.3/s");
        assert!(!gauge("Rate", 5.0, None, "").0.contains("svg"));
    }

    #[test]
    fn a_timeline_is_seen_and_told() {
        let of = Timeline {
            from: 0,
            beside: slices(&[0, 7]),
            width: 60_000,
            columns: 60,
            filled: vec![(60_000, slices(&[1_000, 1])), (180_000, slices(&[500, 0]))],
        };
        let shown = timeline(&reader(Lang::En, 0), "Outcomes", &of).0;
        assert!(shown.contains(r#"aria-label="Outcomes: s0 1,500, s1 1. At most 1,001 at 09:01""#), "{shown}");
        // The larger part stands below, and the small one is seen.
        assert!(shown.contains(r#"x="10" y="1" width="9" height="99""#), "{shown}");
        assert!(shown.contains(r#"x="10" y="0" width="9" height="1""#), "{shown}");
        assert!(shown.contains(r#"x="30" y="51" width="9" height="49""#), "{shown}");
        assert!(shown.contains("<td class=\"number\">1,000</td>"), "{shown}");
        assert!(shown.contains("s1 <b>7</b>"), "{shown}");
        let quiet = timeline(&reader(Lang::Ko, 0), "결과", &Timeline { filled: Vec::new(), ..of }).0;
        assert!(quiet.contains("아직 없음"), "{quiet}");
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
