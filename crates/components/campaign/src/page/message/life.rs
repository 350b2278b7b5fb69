//! One message: its fields, its life as a line of events, its text, and where it stands in the store.

use axum::response::{IntoResponse, Response};
use maud::html;
use naru_core::failure::Failure;
use naru_core::masked::Address;
use naru_dispatch::access::REASON_CHARS_MAX;
use naru_dispatch::life::{Event, Life, Request, Wait, Wording};
use naru_dispatch::message::{Channel, Purpose};
use naru_dispatch::page::tone;
use naru_dispatch::side::State;
use naru_dispatch::unknown::SETTLED;
use naru_web::failed::form_again;
use naru_web::page::part::{Column, Tone, badge, dot, fields, heading, notice, prose, refusal, section, table};
use naru_web::page::{Markup, Reader, count, moment, segment};
use naru_web::role::Role;
use naru_web::visit::Visit;

use super::super::{length, message_badge};

/// Whether what is personal is shown.
pub enum Door<'a> {
    /// It is not; why the last try was refused, and what was typed then.
    Closed(Option<&'a Failure>, &'a str),
    /// It is, and the record says so.
    Open,
}

/// Draws the page.
pub fn page(visit: &Visit, life: &Life, door: Door) -> Response {
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let title = say("field-message");
    let form = match &door {
        Door::Closed(failure, reason) if visit.must(Role::Operate).is_ok() => ask(reader, life, *failure, reason),
        Door::Closed(..) => html! {},
        Door::Open => notice(Tone::Warn, &say("page-access-shown")),
    };
    let body = html! {
        (heading(&title, html! { a.button href="/messages" { (say("page-messages-again")) } }))
        p.lead { code { (life.view.id) } }
        (section(&say("page-about"), html! { (about(reader, life)) (form) }))
        (section(&say("page-life"), line(reader, life)))
        @if let Some(wording) = &life.text {
            (section(&say("field-text"), text(reader, life, wording)))
        }
        details.card {
            summary { (say("page-curious")) }
            (curious(reader, life))
        }
    };
    let page = visit.page(&format!("{title} {}", life.view.id), body);
    match door {
        Door::Closed(Some(failure), _) => form_again(failure, page),
        _ => page.into_response(),
    }
}

fn about(reader: &Reader, life: &Life) -> Markup {
    let (say, view) = (|key: &str| reader.say(key, &[]), &life.view);
    let state = html! {
        (message_badge(reader, view.state))
        @if let Some(code) = &view.code { " " code { (code) } }
    };
    let template = html! {
        a href={ "/templates/" (segment(&view.template)) "?version=" (view.version) } {
            (view.template) " v" (view.version)
        }
    };
    let trace = |trace: &String| html! { a href={ "/messages?trace=" (segment(trace)) } { (trace) } };
    let rows = [
        ("field-state", Some(state)),
        ("field-to", Some(html! { (life.to.as_ref().map_or(view.to.as_str(), Address::reveal)) })),
        ("field-template", Some(template)),
        ("field-channel", life.channel.map(|channel| html! { (say(&format!("channel-{channel}"))) })),
        ("field-purpose", life.purpose.map(|purpose| html! { (say(&format!("purpose-{purpose}"))) })),
        ("field-campaign", view.campaign.as_ref().map(|id| campaign(life, id))),
        ("field-lane", Some(html! { (view.lane) })),
        ("field-customer", view.customer.as_ref().map(|customer| html! { (customer) })),
        ("field-trace", view.trace_id.as_ref().map(trace)),
        ("field-accepted", Some(moment::at(view.accepted_at))),
        ("field-expires", view.expires_at.map(moment::at)),
    ];
    let rows: Vec<_> = rows.into_iter().filter_map(|(key, value)| Some((say(key), value?))).collect();
    fields(&rows)
}

fn campaign(life: &Life, id: &str) -> Markup {
    html! { a href={ "/campaigns/" (id) } { (life.campaign.as_deref().unwrap_or(id)) } }
}

/// Asks for a reason to show what is personal.
fn ask(reader: &Reader, life: &Life, refused: Option<&Failure>, reason: &str) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    html! {
        details.ask open[refused.is_some()] {
            summary { (say("page-access-ask")) }
            form.form.narrow method="post" action={ "/messages/" (life.view.id) "/address" } {
                @if let Some(refused) = refused { (refusal(reader, refused)) }
                label {
                    span { (say("page-access-reason")) }
                    input name="reason" value=(reason) required maxlength=(REASON_CHARS_MAX) autocomplete="off"
                        aria-describedby="reason-help" aria-invalid=[refused.map(|_| "true")];
                }
                p.help #reason-help { (say("page-access-help")) }
                div.actions { button.button type="submit" { (say("page-access-go")) } }
            }
        }
    }
}

fn line(reader: &Reader, life: &Life) -> Markup {
    let has_end = life.events.iter().any(|event| matches!(event, Event::Came { .. }));
    html! {
        ol.events { @for event in &life.events { (drawn(reader, life, event)) } }
        @if has_end { p.help { (reader.say("page-life-note", &[])) } }
    }
}

fn drawn(reader: &Reader, life: &Life, event: &Event) -> Markup {
    let say = |key: &str, args: &[(&str, &str)]| reader.say(key, args);
    let (tone, when, what, more) = match event {
        Event::Accepted { at } => {
            let from = life.view.campaign.as_ref().map(|id| campaign(life, id));
            (Tone::Idle, moment::at(*at), say("event-accepted", &[]), from)
        }
        Event::Waits { why } => (Tone::Held, html! { (say("event-now", &[])) }, waits(reader, *why), None),
        Event::Started { at, outlet, nth, deadline } => {
            let key = if reader.now < *deadline { "event-started.waits" } else { "event-started.doubt" };
            let by = outlet.as_ref().map(|lane| say("event-started.outlet", &[("lane", lane)]));
            let more = html! { (say(key, &[])) @if let Some(by) = by { " · " (by) } };
            (Tone::Going, moment::at(*at), say("event-started", &[("nth", &nth.to_string())]), Some(more))
        }
        Event::Due { at, tries } => {
            let more = html! { (moment::ago(reader, *at)) };
            (Tone::Warn, moment::at(*at), say("event-due", &[("tries", &tries.to_string())]), Some(more))
        }
        Event::Reported { at, state, code } => {
            let name = say(&format!("state-{}", state.name()), &[]);
            (tone(*state), moment::at(*at), say("event-reported", &[("state", &name)]), said(code))
        }
        Event::Came { by, state, code } => {
            let more = match code.as_deref().unwrap_or_default() {
                SETTLED => Some(html! { (say("event-settled", &[])) }),
                code => said(code),
            };
            let when = html! { (moment::at(*by)) " " (say("event-by", &[])) };
            (tone(*state), when, end(reader, *state), more)
        }
    };
    html! { li {
        span.event-when { (when) }
        span.event-what { (dot(tone)) (prose(&what)) @if let Some(more) = more { span.event-more { (more) } } }
    } }
}

fn said(code: &str) -> Option<Markup> {
    (!code.is_empty()).then(|| html! { code { (code) } })
}

fn waits(reader: &Reader, why: Wait) -> String {
    match why {
        Wait::Turn => reader.say("event-waits", &[]),
        Wait::Aside => reader.say("event-waits-aside", &[]),
        Wait::Campaign(state) => {
            let state = reader.say(&format!("campaign-state-{}", state.name()), &[]);
            reader.say("event-waits-campaign", &[("state", &state)])
        }
    }
}

fn end(reader: &Reader, state: State) -> String {
    let key = match state {
        State::Pending => "event-waits",
        State::Unknown => "event-unknown",
        State::Sent => "event-sent",
        State::Failed => "event-failed",
        State::Expired => "event-expired",
        State::Suppressed => "event-suppressed",
        State::Cancelled => "event-cancelled",
        State::Delivered => "event-delivered",
    };
    reader.say(key, &[])
}

fn text(reader: &Reader, life: &Life, wording: &Wording) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    html! {
        @if let Some(subject) = &wording.subject {
            p.subject { span { (say("field-subject")) } " " (subject) }
        }
        // A line end right behind the tag would be swallowed.
        pre.wording { "\n" (wording.body) }
        @if let (Some(measure), Some(channel)) = (&wording.measure, life.channel) {
            p.help { (length(reader, channel == Channel::Sms, measure)) }
        }
        @if wording.is_masked {
            p.help { (say(if life.purpose == Some(Purpose::Auth) { "page-text-secret" } else { "page-text-masked" })) }
        }
    }
}

fn curious(reader: &Reader, life: &Life) -> Markup {
    let (say, place) = (|key: &str| reader.say(key, &[]), &life.place);
    let (slot, of) = (place.id.slot.to_string(), place.count.to_string());
    let rows = [
        (say("page-frame"), html! { code { (place.id.frame) } }),
        (say("page-slot"), html! { (reader.say("page-slot-of", &[("slot", &slot), ("count", &of)])) }),
        (say("page-frame-bytes"), html! { (count(place.bytes as u64)) }),
        (say("field-lane"), html! { (life.view.lane) }),
        (say("page-shard"), html! { (place.shard) }),
        (say("page-seq"), html! { (place.seq) }),
        (say("page-fence"), html! { (place.fence) }),
        (say("page-changed"), moment::at(place.changed_at)),
    ];
    html! {
        (fields(&rows))
        @if place.is_aside { p { (badge(Tone::Bad, &say("event-waits-aside"))) } }
        h2 { (say("page-chunks")) }
        (chunks(reader, life))
        h2 { (say("page-retries")) }
        (retries(reader, life))
        h2 { (say("page-receipts")) }
        (receipts(reader, life))
    }
}

fn chunks(reader: &Reader, life: &Life) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    if life.requests.is_empty() {
        return nothing(reader);
    }
    let columns = [
        Column::of(&say("page-chunk")),
        Column::of(&say("page-outlet")),
        Column::number(&say("page-chunk-messages")),
        Column::number(&say("field-tries")),
        Column::of(&say("page-started")),
        Column::of(&say("page-deadline")),
    ];
    let row = |request: &Request| {
        vec![
            html! { (request.first) "/" (request.attempt) },
            html! { (if request.outlet.is_empty() { &life.view.lane } else { &request.outlet }) },
            html! { (request.messages) },
            html! { (request.tries) },
            moment::at(request.started_at),
            moment::at(request.deadline),
        ]
    };
    table(&columns, &life.requests.iter().map(row).collect::<Vec<_>>())
}

fn retries(reader: &Reader, life: &Life) -> Markup {
    if life.retries.is_empty() {
        return nothing(reader);
    }
    html! { ul.plain { @for retry in &life.retries {
        li { (moment::at(retry.due_at)) " · " (reader.say("page-retry", &[
            ("attempt", &retry.attempt.to_string()),
            ("tries", &retry.tries.to_string()),
            ("messages", &retry.slots.len().to_string()),
        ])) }
    } } }
}

fn receipts(reader: &Reader, life: &Life) -> Markup {
    if life.receipts.is_empty() {
        return nothing(reader);
    }
    html! { ul.plain { @for receipt in &life.receipts {
        li {
            (moment::at(receipt.received_at)) " · " (reader.say(&format!("state-{}", receipt.state.name()), &[]))
            @if !receipt.code.is_empty() { " " code { (receipt.code) } }
        }
    } } }
}

fn nothing(reader: &Reader) -> Markup {
    html! { p.help { (reader.say("page-nothing-here", &[])) } }
}
