//! The front at Slack: `/naru deploy web` is the word that a terminal says as `naru deploy web`.
//!
//! What is typed is taken apart by the same grammar, said by the same function, and its answer drawn in Slack's own way
//! ([`draw`]). An operation gets one message that follows it to its end ([`card`]); where that stands is stored, so that a
//! restart goes on with it. A command that Slack brings twice is one operation, by the key that it brings along.

mod card;
mod draw;
pub mod http;
mod people;
mod reminder;

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Command;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Progress, Word};
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::text::Lang;
use naru_operation::engine::Operations;
use naru_slack::answer::Answer as Reply;
use naru_slack::config::{Config as App, Door};
use naru_slack::desk::Desk;
use naru_slack::payload::{Body, Request};
use naru_slack::periods::Periods;
use naru_slack::socket::Socket;
use naru_slack::web::Web;
use naru_web::role::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Loaded;
use crate::house::House;
use card::Cards;
use people::People;
use reminder::Reminders;

/// `[slack]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The app and its door.
    #[serde(flatten)]
    pub app: App,
    /// In which language it answers.
    #[serde(default)]
    pub lang: Lang,
    /// The channel where those are told of something that is due who never asked from Slack; none: only the console tells.
    #[serde(default)]
    pub channel: Option<String>,
    /// Who may what: ids of people and of groups, by role. Everybody else may look.
    #[serde(default)]
    pub roles: BTreeMap<Role, Vec<String>>,
    /// Who of the chat is whom in the console: ids of people, and what they sign in as there.
    #[serde(default)]
    pub people: BTreeMap<String, String>,
}

/// Words of one command; a sentence of a reason is far shorter.
const TOKENS_MAX: usize = 400;

/// The front, shared by all requests.
struct Front {
    ctx: Ctx,
    words: Vec<Word>,
    lang: Lang,
    people: People,
    cards: Arc<Cards>,
}

/// Opens the front where one is configured. It lasts until shutdown.
pub async fn open(house: &House, loaded: &Loaded) -> Result<(), Failure> {
    let Some(config) = &loaded.config.slack else { return Ok(()) };
    let (ctx, periods) = (house.ctx.clone(), Periods::default());
    let lifecycle = ctx.lifecycle().clone();
    let account = config.app.read(&loaded.folder)?;
    let web = Arc::new(Web::new(&account, &lifecycle)?);
    let words: Vec<Word> = house.words().filter(|word| word.slack).cloned().collect();
    let operations = ctx.need::<Operations>()?;
    let granted = operations.config().grant.iter().flat_map(|grant| grant.who.clone()).collect();
    let people = People::new(web.clone(), config, granted, ctx.clock().clone());
    let cards = Arc::new(Cards::new(ctx.clone(), web.clone(), periods, config.lang, loaded.config.web.url.clone()));
    let front = Arc::new(Front { ctx, words, lang: config.lang, people, cards });
    front.cards.clone().follow();
    let channel = config.channel.clone();
    let people = config.people.clone();
    Reminders { ctx: front.ctx.clone(), web: web.clone(), lang: config.lang, channel, people }.tell();
    let desk = Desk::new(web.clone(), periods, &lifecycle, move |request| {
        let front = front.clone();
        async move { front.answer(request).await }
    });
    match account.door {
        Door::Socket { .. } => drop(Socket::open(web, desk, periods, &lifecycle)),
        Door::Http { signing_secret } => house.ctx.offer(Arc::new(http::Door { desk, signing_secret })),
    }
    Ok(())
}

impl Front {
    async fn answer(&self, request: Request) -> Reply {
        let answered = match &request.body {
            Body::Command(command) => self.command(&request, &command.text, &command.channel).await,
            Body::Click(click) => self.click(&request, &click.action, &click.value, &click.channel).await,
            Body::Form(_) => Ok(Reply::bare()),
        };
        answered.unwrap_or_else(|failure| Reply::only_you(&draw::failure(&self.ctx, self.lang, &failure)))
    }

    async fn command(&self, request: &Request, text: &str, channel: &str) -> Result<Reply, Failure> {
        let tokens = tokens(text)?;
        let Some((word, rest)) = self.word(&tokens) else {
            return Ok(Reply::only_you(&draw::help(&self.ctx, self.lang, &self.words, tokens.first())));
        };
        let grammar = word.command().no_binary_name(true).disable_help_flag(true);
        let args = match parse(word, grammar, rest) {
            Ok(args) => args,
            Err(told) => return Ok(Reply::only_you(&draw::usage(&told))),
        };
        let answer = self.say(request, word, args).await?;
        self.shown(request, &answer, channel).await
    }

    /// A button is the word that it stands for; its value is the operation and the plan that its reader saw.
    async fn click(&self, request: &Request, action: &str, value: &str, channel: &str) -> Result<Reply, Failure> {
        let (operation, plan) = value.split_once(' ').unwrap_or((value, ""));
        let args = match action {
            "op approve" => json!({ "operation": operation, "plan": plan }),
            "op cancel" | "op keep" | "op undo" => json!({ "operation": operation }),
            // A reminder's button carries the word's arguments.
            _ => match serde_json::from_str(value) {
                Ok(args) => args,
                Err(_) => return Ok(Reply::bare()),
            },
        };
        let Some(word) = self.words.iter().find(|word| word.path == action) else { return Ok(Reply::bare()) };
        let answer = self.say(request, word, args).await?;
        if let Ok(id) = operation.parse::<Id>()
            && let Err(failure) = self.cards.refresh(id).await
        {
            tracing::warn!(operation.id = %id, error = %failure, "a card shows what was before, until it is shown anew");
        }
        match action {
            // The card shows it by itself.
            "op approve" | "op cancel" | "op keep" => Ok(Reply::bare()),
            _ => self.shown(request, &answer, channel).await,
        }
    }

    /// The word that a command begins with: of two parts before one.
    fn word<'a>(&self, tokens: &'a [String]) -> Option<(&Word, &'a [String])> {
        let of = |count: usize| {
            let path = tokens.get(..count)?.join(" ");
            self.words.iter().find(|word| word.path == path).map(|word| (word, &tokens[count..]))
        };
        of(2).or_else(|| of(1))
    }

    async fn say(&self, request: &Request, word: &Word, args: Value) -> Result<Answer, Failure> {
        let actor = self.people.actor(&request.user).await?;
        let (deed, said_by) = (word.deed(&args), actor.clone());
        let key = (!request.key.is_empty()).then(|| format!("slack {}", request.key));
        let call = Call { actor, lang: self.lang, args, upload: None, progress: Progress::default(), key };
        let answer = word.say(self.ctx.clone(), call).await;
        match &answer {
            Ok(_) if word.reads => {}
            Ok(_) => deed.log(&said_by),
            Err(failure) if failure.kind == Kind::Bug => {
                tracing::error!(word.path = word.path, %failure, "word failed")
            }
            Err(failure) => tracing::debug!(word.path = word.path, %failure, "word refused"),
        }
        answer
    }

    /// An operation that was asked for has a card of its own, for everybody in the channel; any other answer is for whoever
    /// asked.
    async fn shown(&self, request: &Request, answer: &Answer, channel: &str) -> Result<Reply, Failure> {
        let asked = answer.data.get("plan").and(answer.data["operation"]["id"].as_str());
        let Some(id) = asked.and_then(|id| id.parse::<Id>().ok()) else {
            return Ok(Reply::only_you(&draw::answer(&self.ctx, self.lang, answer)));
        };
        match self.cards.begin(id, channel).await {
            Ok(()) => Ok(Reply::bare()),
            Err(failure) => {
                // It goes on all the same, and whoever asked is told where to look.
                tracing::warn!(operation.id = %id, user.id = request.user.id, error = %failure, "no card could be posted");
                Ok(Reply::only_you(&draw::without_card(&self.ctx, self.lang, answer, &failure)))
            }
        }
    }
}

/// A command's parts: words, and what stands between quotes as one.
fn tokens(text: &str) -> Result<Vec<String>, Failure> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        // People's keyboards make quotes of their own.
        let close = match first {
            '"' => Some('"'),
            '“' => Some('”'),
            _ => None,
        };
        let (token, behind) = match close {
            Some(close) => {
                let inside = &rest[first.len_utf8()..];
                inside.split_once(close).ok_or_else(|| Failure::usage("slack-quote-open"))?
            }
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        tokens.push(token.to_owned());
        if tokens.len() > TOKENS_MAX {
            return Err(Failure::usage("slack-command-long").arg("max", TOKENS_MAX));
        }
        rest = behind.trim_start();
    }
    Ok(tokens)
}

fn parse(word: &Word, grammar: Command, tokens: &[String]) -> Result<Value, String> {
    let matches = grammar.try_get_matches_from(tokens).map_err(|error| error.to_string())?;
    word.parse(&matches).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_and_what_stands_between_quotes() {
        let check = |text: &str, expect: &[&str]| assert_eq!(tokens(text).unwrap(), expect, "{text}");
        check("  deploy web  feature/cart to staging ", &["deploy", "web", "feature/cart", "to", "staging"]);
        check("deploy web --why \"the sale\"", &["deploy", "web", "--why", "the sale"]);
        check("lock all --why “세일 준비”", &["lock", "all", "--why", "세일 준비"]);
        check("", &[]);
        assert_eq!(tokens("lock \"all").unwrap_err().code, "slack-quote-open");
        assert_eq!(tokens(&"x ".repeat(TOKENS_MAX + 1)).unwrap_err().code, "slack-command-long");
    }
}
