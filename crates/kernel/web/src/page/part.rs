//! Small parts that pages are put together from.

use maud::{Render, html};
use naru_core::failure::Failure;

use super::{Markup, Reader};

/// What a colour means. The stylesheet holds one for each, in light and in dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Not begun yet.
    Idle,
    /// On its way.
    Going,
    /// Done as it should be.
    Good,
    /// Wants a look.
    Warn,
    /// Went wrong.
    Bad,
    /// Kept back on purpose.
    Held,
    /// Ended by a person.
    Ended,
    /// Nobody knows.
    Doubt,
}

impl Tone {
    /// Its class in the stylesheet.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Idle => "tone-idle",
            Tone::Going => "tone-going",
            Tone::Good => "tone-good",
            Tone::Warn => "tone-warn",
            Tone::Bad => "tone-bad",
            Tone::Held => "tone-held",
            Tone::Ended => "tone-ended",
            Tone::Doubt => "tone-doubt",
        }
    }
}

/// The heading of a page, with what can be done there beside it.
pub fn heading(title: &str, actions: Markup) -> Markup {
    html! {
        header.heading {
            h1 { (title) }
            @if !actions.0.is_empty() { div.actions { (actions) } }
        }
    }
}

/// A part of a page with a heading of its own.
pub fn section(title: &str, body: Markup) -> Markup {
    html! { section.card { h2 { (title) } (body) } }
}

/// A word that says a state.
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A dot of the tone's colour, beside words that say the same.
pub fn dot(tone: Tone) -> Markup {
    html! { i class={ "dot " (tone.class()) } aria-hidden="true" {} }
}

/// A sentence that wants attention.
pub fn notice(tone: Tone, text: &str) -> Markup {
    html! { p class={ "notice " (tone.class()) } role="alert" { (prose(text)) } }
}

/// Why a form was refused, and what to do, to stand beside it.
pub fn refusal(reader: &Reader, failure: &Failure) -> Markup {
    let detail = reader.texts.explained(reader.lang, failure);
    let text = reader.texts.hint(reader.lang, failure).map_or(detail.clone(), |hint| format!("{detail}. {hint}."));
    notice(Tone::Bad, &text)
}

/// Names and values.
pub fn fields(rows: &[(String, Markup)]) -> Markup {
    html! { dl.fields { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// A table: its columns, those with numbers to the right, and rows of cells.
pub fn table(columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { @for column in columns { th.number[column.number] scope="col" { (column.name) } } } }
            tbody { @for row in rows { tr {
                @for (at, cell) in row.iter().enumerate() {
                    @let number = columns.get(at).is_some_and(|column| column.number);
                    @if at == 0 { th scope="row" { (cell) } } @else { td.number[number] { (cell) } }
                }
            } } }
        } }
    }
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    name: String,
    number: bool,
}

impl Column {
    /// One of words. What a terminal shows in capitals or without any stands here as a word that begins a line.
    pub fn of(name: &str) -> Column {
        let is_loud = name.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
        let name = if is_loud { name.to_lowercase() } else { name.to_owned() };
        let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
        Column { name: first.to_uppercase() + rest, number: false }
    }

    /// One of numbers.
    pub fn number(name: &str) -> Column {
        Column { number: true, ..Column::of(name) }
    }
}

/// Ways between pages that belong together: where each leads, as the reader reads it, and whether we are there.
pub fn tabs(label: &str, tabs: &[(&str, String, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (href, text, here) in tabs { a href=(href) aria-current=[here.then_some("page")] { (text) } }
        }
    }
}

/// Says that there is nothing, and what to do next.
pub fn empty(what: &str, next: &str) -> Markup {
    html! { div.empty { p.empty-what { (what) } p { (prose(next)) } } }
}

/// A button that does something by itself; works with scripts off.
pub fn button(action: &str, text: &str, look: Look) -> Markup {
    let class = match look {
        Look::Plain => "button",
        Look::Primary => "button primary",
        Look::Danger => "button danger",
    };
    html! { form method="post" action=(action) { button class=(class) type="submit" { (text) } } }
}

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// One of several.
    Plain,
    /// The one that is usually meant.
    Primary,
    /// Not to be undone.
    Danger,
}

/// A sentence with what stands between backticks set as code.
pub fn prose(text: &str) -> impl Render {
    let pieces: Vec<&str> = text.split('`').collect();
    // An odd number of backticks is no code but a sentence with one in it.
    let paired = pieces.len() % 2 == 1;
    html! {
        @if paired {
            @for (at, piece) in pieces.iter().enumerate() {
                @if at % 2 == 1 { code { (piece) } } @else { (piece) }
            }
        } @else { (text) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use naru_core::clock::Millis;
    use naru_core::text::{Lang, Texts};

    use super::super::Reader;
    use super::*;

    pub(crate) fn reader(lang: Lang, now: Millis) -> Reader {
        let texts = Texts::new(&[naru_core::TEXTS, crate::TEXTS]).expect("the catalogs are sound");
        Reader { texts: Arc::new(texts), lang, now }
    }

    #[test]
    fn backticks_become_code_and_nothing_becomes_html() {
        let check = |text: &str, expect: &str| assert_eq!(prose(text).render().0, expect);
        check("run `naru doctor` now", "run <code>naru doctor</code> now");
        check("a ` alone", "a ` alone");
        check("<b>`<i>`", "&lt;b&gt;<code>&lt;i&gt;</code>");
    }

    #[test]
    fn a_column_of_the_terminal_is_a_word_on_a_page() {
        let all = [
            ("LAST RUN", "Last run"),
            ("last run", "Last run"),
            ("Last run", "Last run"),
            ("상태", "상태"),
            ("접속 IP", "접속 IP"),
            ("", ""),
        ];
        for (name, expect) in all {
            assert_eq!(Column::of(name).name, expect);
        }
    }

    #[test]
    fn what_is_shown_again_cannot_become_html() {
        let evil = "\"><script>alert(1)</script>";
        let rows = [(evil.to_owned(), html! { (evil) })];
        for shown in [
            heading(evil, html! {}),
            section(evil, html! {}),
            badge(Tone::Bad, evil),
            notice(Tone::Bad, evil),
            fields(&rows),
            empty(evil, evil),
            button(evil, evil, Look::Plain),
            table(&[Column::of(evil)], &[vec![html! { (evil) }]]),
            tabs(evil, &[(evil, evil.to_owned(), true)]),
        ] {
            assert!(!shown.0.contains("<script>") && !shown.0.contains("=\"\">"), "{}", shown.0);
        }
    }
}
