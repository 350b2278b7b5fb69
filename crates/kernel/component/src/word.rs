//! A word: one struct of arguments and one async function, said in the terminal, over HTTP, or in a chat.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Args, Command};
use futures_util::future::BoxFuture;
use naru_core::failure::Failure;
use naru_core::masked::without_value;
use naru_core::text::Lang;
use naru_web::deed::Deed;
use naru_web::role::{Actor, Role};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::Answer;
use crate::ctx::Ctx;

/// One capability, told the same way everywhere.
#[derive(Clone)]
pub struct Word {
    /// One or two parts: `send`, `campaign list`. The first part is owned by one component.
    pub path: &'static str,
    /// Who may say it.
    pub role: Role,
    /// Whether it only reads: runs beside a `serve` of another process, on read-only connections.
    pub reads: bool,
    /// Whether it opts in to being said in a chat.
    pub slack: bool,
    /// Whether programs say it all the time, so that no log has a line for each.
    pub often: bool,
    /// The argument that names a file to hand over: `Some("to")` for `send --to FILE`.
    pub upload: Option<&'static str>,
    about: &'static [&'static str],
    bring: Option<Bring>,
    command: fn(&'static str) -> Command,
    parse: fn(&clap::ArgMatches) -> Result<Value, clap::Error>,
    schema: fn() -> Value,
    run: Run,
}

/// Reads on the caller's machine what its arguments name there.
pub type Bring = fn(Value) -> Result<Value, Failure>;

type Run = Arc<dyn Fn(Ctx, Call<Value>) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync>;

/// One saying of a word.
pub struct Call<A> {
    /// Who says it.
    pub actor: Actor,
    /// In which language the view should be.
    pub lang: Lang,
    /// Its arguments.
    pub args: A,
    /// The file that came with it.
    pub upload: Option<PathBuf>,
    /// Where long work tells how far it is.
    pub progress: Progress,
    /// What stands for this very saying, where whoever brings it may bring it twice.
    pub key: Option<String>,
}

/// How far long work is, shared between who does it and who shows it.
#[derive(Clone, Default, Debug)]
pub struct Progress(Arc<(AtomicU64, AtomicU64)>);

impl Progress {
    /// Tells it.
    pub fn set(&self, done: u64, total: u64) {
        self.0.0.store(done, Ordering::Relaxed);
        self.0.1.store(total, Ordering::Relaxed);
    }

    /// `(done, total)`; the total is 0 while nothing was told.
    pub fn now(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

impl Word {
    /// A word that changes something. Its help is the doc comment of `A`.
    pub fn new<A, F, R>(path: &'static str, role: Role, run: F) -> Word
    where
        A: Args + Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Ctx, Call<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        let run = Arc::new(run);
        Word {
            path,
            role,
            reads: false,
            slack: false,
            often: false,
            upload: None,
            about: &[],
            bring: None,
            command: |name| A::augment_args(Command::new(name)),
            parse: |matches| {
                let args = A::from_arg_matches(matches)?;
                serde_json::to_value(args).map_err(|e| clap::Error::raw(clap::error::ErrorKind::Io, e))
            },
            schema: || schemars::schema_for!(A).to_value(),
            run: Arc::new(move |ctx, call| {
                let run = run.clone();
                Box::pin(async move {
                    let Call { actor, lang, args, upload, progress, key } = call;
                    let args: A = serde_json::from_value(args)
                        .map_err(|e| Failure::usage("arguments-wrong").arg("why", without_value(&e.to_string())))?;
                    run(ctx, Call { actor, lang, args, upload, progress, key }).await
                })
            }),
        }
    }

    /// A word that only reads.
    pub fn reading<A, F, R>(path: &'static str, run: F) -> Word
    where
        A: Args + Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Ctx, Call<A>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        Word { reads: true, ..Word::new(path, Role::View, run) }
    }

    /// Keeps it out of the log.
    pub fn said_often(mut self) -> Word {
        self.often = true;
        self
    }

    /// Says which arguments the log names when it was said: what it was done to, and nothing that is secret or anybody's.
    pub fn about(mut self, arguments: &'static [&'static str]) -> Word {
        self.about = arguments;
        self
    }

    /// What it does with these arguments, for the log.
    pub fn deed(&self, args: &Value) -> Deed {
        let told = |value: &Value| match value {
            Value::Null | Value::Bool(false) => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(all) if all.is_empty() => None,
            Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            other => Some(other.to_string()),
        };
        let about: Vec<_> = self.about.iter().filter_map(|name| Some((*name, told(&args[*name])?))).collect();
        let about: Vec<_> = about.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Deed::new(self.path, &about)
    }

    /// Lets it be said in a chat.
    pub fn in_chat(mut self) -> Word {
        self.slack = true;
        self
    }

    /// Says which argument names a file that must come along.
    pub fn with_upload(mut self, argument: &'static str) -> Word {
        self.upload = Some(argument);
        self
    }

    /// Says how a terminal makes arguments that hold everything out of arguments that name files.
    pub fn with_bring(mut self, bring: Bring) -> Word {
        self.bring = Some(bring);
        self
    }

    /// The arguments as they leave the caller's machine: whoever carries the word out reads no file of its own for it.
    pub fn bring(&self, args: Value) -> Result<Value, Failure> {
        match self.bring {
            Some(bring) => bring(args),
            None => Ok(args),
        }
    }

    /// The part of the path that the component owns.
    pub fn first(&self) -> &'static str {
        self.path.split(' ').next().unwrap_or_default()
    }

    /// The second part, where there is one.
    pub fn verb(&self) -> Option<&'static str> {
        self.path.split_once(' ').map(|(_, verb)| verb)
    }

    /// How the terminal parses it.
    pub fn command(&self) -> Command {
        (self.command)(self.verb().unwrap_or(self.path))
    }

    /// Terminal arguments as JSON.
    pub fn parse(&self, matches: &clap::ArgMatches) -> Result<Value, clap::Error> {
        (self.parse)(matches)
    }

    /// JSON schema of the arguments, for OpenAPI.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Says it, after asking whether the actor may.
    pub async fn say(&self, ctx: Ctx, call: Call<Value>) -> Result<Answer, Failure> {
        call.actor.must(self.role)?;
        (self.run)(ctx, call).await
    }
}
