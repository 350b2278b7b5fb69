//! A template as it is written in a form: shown with sample values, kept while it is refused.

use axum::response::{IntoResponse, Response};
use maud::html;
use naru_core::failure::Failure;
use naru_dispatch::message::{Channel, Purpose};
use naru_dispatch::template::{Template, TemplateText, is_id};
use naru_web::failed::form_again;
use naru_web::page::part::{heading, prose, refusal, section};
use naru_web::page::{Markup, Reader, segment};
use naru_web::visit::Visit;

use super::super::length;
use super::Pairs;

/// Names of fields that hold sample values begin so.
const SAMPLE: &str = "v.";
/// What a preview calls a template that has no name yet.
const NAMELESS: &str = "template";

/// What a form holds.
pub struct Draft {
    /// The template's id.
    pub id: String,
    /// The newest version that its writer has seen; 0 where there is none yet.
    pub onto: u32,
    /// Whether it is to be saved, or only looked at.
    pub is_to_save: bool,
    is_new: bool,
    channel: String,
    purpose: String,
    subject: String,
    body: String,
    long: bool,
    samples: Pairs,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft {
            id: String::new(),
            onto: 0,
            is_to_save: false,
            is_new: true,
            channel: Channel::Sms.name().to_owned(),
            purpose: Purpose::Info.name().to_owned(),
            subject: String::new(),
            body: String::new(),
            long: false,
            samples: Vec::new(),
        }
    }
}

impl Draft {
    /// What a stored version holds.
    pub fn of(template: &Template) -> Draft {
        let text = &template.text;
        Draft {
            id: text.id.clone(),
            onto: template.version,
            is_new: false,
            channel: text.channel.name().to_owned(),
            purpose: text.purpose.name().to_owned(),
            subject: text.subject.clone().unwrap_or_default(),
            body: text.body.clone(),
            long: text.long,
            ..Draft::default()
        }
    }

    /// What came back; `id` where it is not for the writer to choose.
    pub fn read(id: Option<&str>, pairs: Pairs) -> Draft {
        let mut draft = Draft { id: id.unwrap_or_default().to_owned(), is_new: id.is_none(), ..Draft::default() };
        for (name, value) in pairs {
            match name.as_str() {
                "id" if draft.is_new => draft.id = value.trim().to_owned(),
                "onto" => draft.onto = value.parse().unwrap_or_default(),
                "do" => draft.is_to_save = value == "save",
                "channel" => draft.channel = value,
                "purpose" => draft.purpose = value,
                "subject" => draft.subject = value,
                // Browsers end lines as mail does.
                "body" => draft.body = value.replace("\r\n", "\n"),
                "long" => draft.long = true,
                sample => {
                    if let Some(name) = sample.strip_prefix(SAMPLE) {
                        draft.samples.push((name.to_owned(), value));
                    }
                }
            }
        }
        draft
    }

    /// As it is pushed.
    pub fn text(&self) -> Result<TemplateText, Failure> {
        let malformed = |()| Failure::usage("request-malformed");
        let subject = Some(self.subject.clone()).filter(|subject| !subject.trim().is_empty());
        Ok(TemplateText {
            id: self.id.clone(),
            channel: self.channel.parse().map_err(malformed)?,
            purpose: self.purpose.parse().map_err(malformed)?,
            subject,
            body: self.body.clone(),
            long: self.long,
        })
    }

    /// As it would be stored, whether or not it has a name already.
    fn template(&self) -> Result<Template, Failure> {
        let mut text = self.text()?;
        if !is_id(&text.id) {
            text.id = NAMELESS.to_owned();
        }
        Template::new(text, 1)
    }

    fn sample(&self, name: &str) -> &str {
        self.samples.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The form with what is in it, and how it would look.
pub fn page(visit: &Visit, path: &str, draft: &Draft, failure: Option<&Failure>) -> Response {
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let title = if draft.is_new { say("page-template-new") } else { draft.id.clone() };
    let back = if draft.is_new {
        html! { a.button href="/templates" { (say("page-templates")) } }
    } else {
        html! { a.button href={ "/templates/" (segment(&draft.id)) } { (say("page-template-back")) } }
    };
    let parsed = draft.template();
    let body = html! {
        (heading(&title, back))
        form.form method="post" action=(path) data-preview="preview samples" {
            @if let Some(failure) = failure { (refusal(reader, failure)) }
            input type="hidden" name="onto" value=(draft.onto);
            div.columns {
                (section(&say("page-template-write"), written(reader, draft)))
                (section(&say("page-template-preview"), html! {
                    div #samples { (samples(reader, draft, parsed.as_ref().ok())) }
                    div #preview { (preview(reader, draft, &parsed)) }
                }))
            }
            div.actions {
                button.button type="submit" name="do" value="preview" { (say("page-template-look")) }
                button.button.primary type="submit" name="do" value="save" { (say("page-template-save")) }
            }
        }
    };
    let page = visit.page(&title, body);
    match failure {
        Some(failure) => form_again(failure, page),
        None => page.into_response(),
    }
}

fn written(reader: &Reader, draft: &Draft) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let channels = Channel::ALL.map(|channel| (channel.name(), say(&format!("channel-{channel}"))));
    let purposes = Purpose::ALL.map(|purpose| (purpose.name(), say(&format!("purpose-{purpose}"))));
    html! {
        @if draft.is_new {
            label {
                span { (prose(&say("page-template-id"))) }
                input name="id" value=(draft.id) maxlength="100" autocapitalize="none" spellcheck="false"
                    autocomplete="off";
            }
        }
        (choice("channel", &say("field-channel"), &channels, &draft.channel))
        (choice("purpose", &say("field-purpose"), &purposes, &draft.purpose))
        label { span { (say("page-template-subject")) } input name="subject" value=(draft.subject) maxlength="1000"; }
        label {
            span { (say("field-text")) }
            // A line end right behind the tag would be swallowed.
            textarea name="body" rows="9" aria-describedby="body-help" { "\n" (draft.body) }
        }
        p.help #body-help { (say("page-template-help")) }
        label.check { input type="checkbox" name="long" checked[draft.long]; span { (say("page-template-may-be-long")) } }
    }
}

fn choice(name: &str, label: &str, of: &[(&str, String)], chosen: &str) -> Markup {
    html! { label {
        span { (label) }
        select name=(name) { @for (value, text) in of {
            option value=(value) selected[*value == chosen] { (text) }
        } }
    } }
}

/// A field a variable. What was typed for others stays in the form: a name may come back.
fn samples(reader: &Reader, draft: &Draft, template: Option<&Template>) -> Markup {
    let names = template.map(|template| template.variables.as_slice()).unwrap_or_default();
    let others = draft.samples.iter().filter(|(name, _)| !names.contains(name));
    html! {
        @if !names.is_empty() { fieldset {
            legend { (reader.say("page-template-samples", &[])) }
            @for name in names { label {
                span { (name) }
                input name={ (SAMPLE) (name) } value=(draft.sample(name)) autocomplete="off";
            } }
        } }
        @for (name, value) in others { input type="hidden" name={ (SAMPLE) (name) } value=(value); }
    }
}

fn preview(reader: &Reader, draft: &Draft, parsed: &Result<Template, Failure>) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let template = match parsed {
        _ if draft.body.trim().is_empty() => return html! { p.help { (say("page-template-blank")) } },
        Err(failure) => return refusal(reader, failure),
        Ok(template) => template,
    };
    let values: Vec<&str> = template.variables.iter().map(|name| draft.sample(name)).collect();
    let is_whole = values.iter().all(|value| !value.trim().is_empty());
    let name = |(name, value): (&String, &&str)| {
        if value.trim().is_empty() { format!("#{{{name}}}") } else { (*value).to_owned() }
    };
    let shown: Vec<String> = template.variables.iter().zip(&values).map(name).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    html! {
        @if let Some(subject) = template.subject(&shown) {
            p.subject { span { (say("field-subject")) } " " (subject) }
        }
        pre.wording { "\n" (template.body(&shown)) }
        @match template.fault(&values) {
            Some(fault) => (refusal(reader, &fault.failure())),
            None => @if let Ok(measure) = template.measure(&values) {
                p.help {
                    (length(reader, template.text.channel == Channel::Sms, &measure))
                    @if !is_whole { " · " (say("page-template-without")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Draft {
        Draft::read(None, pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_reads_back_as_the_text_it_shows() {
        let text = TemplateText {
            id: "order".into(),
            channel: Channel::Sms,
            purpose: Purpose::Ad,
            subject: Some("t".into()),
            body: "(광고)\n #{name}\n\n무료거부 0801234567\n".into(),
            long: true,
        };
        let draft = Draft::of(&Template::new(text.clone(), 3).unwrap());
        assert_eq!((draft.text().unwrap(), draft.onto), (text, 3));
        let sent = read(&[("id", " order "), ("body", "a\r\nb"), ("subject", " "), ("do", "save"), ("v.name", "x")]);
        assert_eq!((sent.id.as_str(), sent.body.as_str(), sent.is_to_save), ("order", "a\nb", true));
        assert_eq!((sent.text().unwrap().subject, sent.sample("name"), sent.long), (None, "x", false));
    }

    #[test]
    fn whoever_edits_cannot_name_another_template() {
        let pairs = vec![("id".to_owned(), "other".to_owned()), ("channel".to_owned(), "fax".to_owned())];
        let draft = Draft::read(Some("order"), pairs);
        assert_eq!(draft.id, "order");
        assert_eq!(draft.text().unwrap_err().code, "request-malformed");
    }
}
