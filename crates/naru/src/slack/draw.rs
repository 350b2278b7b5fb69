//! Answers, failures and operations as messages of Slack.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Word;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_operation::course::StepState;
use naru_operation::operation::{Operation, Progress, State, short};
use naru_operation::plan::Step;
use naru_operation::reminder::{Press, Reminder};
use naru_slack::message::{Block, Button, Message, Style};
use naru_slack::mrkdwn::Mrkdwn;

use super::card::Look;
use crate::render;

/// Steps that a card names of each state. The console has all of them.
const STEPS_SHOWN: usize = 8;
/// Characters of a step's line: Slack takes 3,000 a section.
const LINE_CHARS_MAX: usize = 160;
/// Characters of an answer in a code block: Slack takes 3,000 a section.
const ANSWER_CHARS_MAX: usize = 2_800;

fn code(text: &str) -> Mrkdwn {
    let text: String = text.trim_end().replace("```", "'''").chars().take(ANSWER_CHARS_MAX).collect();
    Mrkdwn::raw("```") + Mrkdwn::escaped(&text) + Mrkdwn::raw("```")
}

/// An answer as a terminal would show it.
pub fn answer(_ctx: &Ctx, _lang: Lang, answer: &Answer) -> Message {
    let drawn = render::draw(&answer.view, false, false);
    let text = [drawn.out.as_str(), drawn.err.as_str()].concat();
    let is_line = text.trim_end().lines().count() <= 1;
    Message::text(if is_line { Mrkdwn::escaped(text.trim_end()) } else { code(&text) })
}

/// What went wrong, why, and what to do.
pub fn failure(ctx: &Ctx, lang: Lang, failure: &Failure) -> Message {
    let Some(texts) = ctx.texts() else { return Message::text(Mrkdwn::escaped(&failure.to_string())) };
    let mut text = Mrkdwn::raw("*") + Mrkdwn::escaped(&texts.detail(lang, failure)) + Mrkdwn::raw("*");
    for cause in &failure.causes {
        text = text + Mrkdwn::raw("\n") + Mrkdwn::escaped(cause);
    }
    if let Some(hint) = texts.hint(lang, failure) {
        text = text + Mrkdwn::raw("\n") + Mrkdwn::escaped(&hint);
    }
    Message::text(text)
}

/// What the grammar says of a command that it does not take.
pub fn usage(told: &str) -> Message {
    Message::text(code(told))
}

/// The words there are.
pub fn help(ctx: &Ctx, lang: Lang, words: &[Word], unknown: Option<&String>) -> Message {
    let head = match unknown.filter(|word| *word != "help") {
        Some(word) => ctx.say(lang, "slack-word-unknown", &[("word", word)]),
        None => ctx.say(lang, "slack-help", &[]),
    };
    let about = |word: &Word| word.command().get_about().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<String> = words.iter().map(|word| format!("/naru {:<12} {}", word.path, about(word))).collect();
    Message::text(Mrkdwn::escaped(&head) + Mrkdwn::raw("\n") + code(&lines.join("\n")))
}

/// An operation that goes on without a card in its channel.
pub fn without_card(ctx: &Ctx, lang: Lang, said: &Answer, why: &Failure) -> Message {
    let told = answer(ctx, lang, said);
    let failure = failure(ctx, lang, why);
    Message::text(failure.text + Mrkdwn::raw("\n") + told.text)
}

/// What a person is told, with what they can say to it.
pub fn reminder(ctx: &Ctx, lang: Lang, of: &Reminder) -> Message {
    let told = failure(ctx, lang, &of.told);
    let button = |press: &Press| Button {
        action: press.word.clone(),
        value: press.args.to_string(),
        text: ctx.say(lang, &press.text, &[]),
        style: Style::Plain,
    };
    let buttons = of.buttons.iter().map(button).collect();
    let text = Mrkdwn::raw(":bell: ") + told.text;
    Message { text: text.clone(), blocks: vec![Block::Section(text), Block::Actions(buttons)] }
}

/// An operation as it stands.
pub fn operation(ctx: &Ctx, lang: Lang, look: &Look, console: Option<&str>) -> Message {
    let Look { operation: of, steps, is_undone, kept_by, before } = look;
    let say = |key: &str, args: &[(&str, &str)]| ctx.say(lang, key, args);
    let brief = &of.brief;
    let (n, max) = (brief.steps_done.to_string(), brief.steps.to_string());
    let state = say(&format!("operation-state-{}", brief.state.name()), &[]);
    let progress = say("operation-done-of", &[("n", &n), ("max", &max)]);
    let head = Mrkdwn::raw(format!("{} *", mark(brief.state))) + Mrkdwn::escaped(&state) + Mrkdwn::raw("* · ");
    let head = head + Mrkdwn::escaped(&format!("{progress} · {}", brief.actor));
    let mut blocks = vec![Block::Header(brief.title.clone()), Block::Section(head)];
    if of.plan.steps.is_empty() {
        blocks.push(Block::Context(Mrkdwn::escaped(&say("operation-empty", &[]))));
    } else {
        blocks.extend(steps_of(ctx, lang, of, steps));
    }
    let texts = ctx.texts();
    for note in &of.plan.notes {
        let note = texts.as_ref().map_or_else(|| note.to_string(), |texts| texts.detail(lang, note));
        blocks.push(Block::Context(Mrkdwn::raw(":warning: ") + Mrkdwn::escaped(&note)));
    }
    let why = brief.why.as_ref().or_else(|| waiting(steps));
    if let (Some(why), Some(texts)) = (why, &texts) {
        blocks.push(Block::Context(Mrkdwn::escaped(&texts.explained(lang, why))));
    }
    if *before > 0 {
        let args = [("operation", short(brief.id)), ("n", before.to_string())];
        let args: Vec<(&str, &str)> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        blocks.push(Block::Context(Mrkdwn::escaped(&say("operation-asked-behind", &args))));
    }
    if brief.state == State::Planned {
        let args = [("rule", brief.approval.as_str()), ("actor", brief.actor.as_str())];
        blocks.push(Block::Context(Mrkdwn::escaped(&say("operation-wants-approval", &args))));
    }
    if !brief.approved_by.is_empty() {
        let args = [("person", brief.approved_by.as_str())];
        blocks.push(Block::Context(Mrkdwn::escaped(&say("operation-approved-by", &args))));
    }
    if let Some(person) = kept_by {
        blocks.push(Block::Context(Mrkdwn::escaped(&say("operation-kept-by", &[("person", person)]))));
    }
    let name = Mrkdwn::escaped(&format!("naru op show {}", short(brief.id)));
    blocks.push(Block::Context(match console {
        Some(url) => Mrkdwn::raw(format!("<{url}/operations/{}|", brief.id)) + name + Mrkdwn::raw(">"),
        None => name,
    }));
    let buttons = buttons(ctx, lang, of, *is_undone || kept_by.is_some());
    if !buttons.is_empty() {
        blocks.push(Block::Actions(buttons));
    }
    Message { text: Mrkdwn::escaped(&format!("{} · {state}", brief.title)), blocks }
}

fn mark(state: State) -> &'static str {
    match state {
        State::Planned | State::Queued => ":hourglass:",
        State::Running => ":arrows_counterclockwise:",
        State::Done => ":white_check_mark:",
        State::Failed => ":x:",
        State::Cancelled | State::Lapsed => ":heavy_minus_sign:",
    }
}

/// Why the first step waits that does.
fn waiting(steps: &[Progress]) -> Option<&Failure> {
    steps.iter().find(|step| step.state == StepState::Begun).and_then(|step| step.why.as_ref())
}

/// Steps by how they stand, a paragraph for each state: what wants a look first, what is done last.
fn steps_of(ctx: &Ctx, lang: Lang, of: &Operation, steps: &[Progress]) -> Vec<Block> {
    let state = |number: usize| steps.get(number).map_or(StepState::Waiting, |step| step.state);
    let group = |wanted: StepState| {
        let found: Vec<&Step> = (0..of.plan.steps.len())
            .filter(|number| state(*number) == wanted)
            .filter_map(|number| of.plan.steps.get(number))
            .collect();
        if found.is_empty() {
            return None;
        }
        let head = ctx.say(lang, &format!("operation-step-{}", wanted.name()), &[]);
        let mut lines: Vec<String> = found.iter().take(STEPS_SHOWN).map(|step| line(ctx, lang, wanted, step)).collect();
        let more = found.len().saturating_sub(STEPS_SHOWN);
        if more > 0 {
            lines.push(ctx.say(lang, "operation-more-steps", &[("n", &more.to_string())]));
        }
        let head = Mrkdwn::raw("*") + Mrkdwn::escaped(&head) + Mrkdwn::raw(format!("* {}\n", found.len()));
        Some(Block::Section(head + Mrkdwn::escaped(&lines.join("\n"))))
    };
    [StepState::Failed, StepState::Begun, StepState::Waiting, StepState::Done].into_iter().filter_map(group).collect()
}

fn line(ctx: &Ctx, lang: Lang, state: StepState, step: &Step) -> String {
    let mark = match state {
        StepState::Waiting => "·",
        StepState::Begun => "▸",
        StepState::Done => "✓",
        StepState::Failed => "✗",
    };
    let verb = ctx.say(lang, &format!("step-{}", step.verb), &[]);
    let text = format!("{mark} {verb} {}: {} → {}", step.subject, step.before, step.after);
    match text.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn buttons(ctx: &Ctx, lang: Lang, of: &Operation, is_settled: bool) -> Vec<Button> {
    let brief = &of.brief;
    let button = |verb: &str, style: Style| Button {
        action: format!("op {verb}"),
        value: format!("{} {}", brief.id, brief.hash),
        text: ctx.say(lang, &format!("operation-button-{verb}"), &[]),
        style,
    };
    let mut buttons = Vec::new();
    if brief.state == State::Planned {
        buttons.push(button("approve", Style::Primary));
    }
    if !brief.state.is_over() && brief.cancelled_by.is_empty() {
        buttons.push(button("cancel", Style::Danger));
    }
    let can_undo = of.plan.steps.iter().any(|step| step.undo.is_some()) && brief.steps_done > 0;
    if brief.state.is_over() && can_undo && !is_settled {
        buttons.push(button("undo", Style::Plain));
        if brief.state.is_broken_off() {
            buttons.push(button("keep", Style::Plain));
        }
    }
    buttons
}
