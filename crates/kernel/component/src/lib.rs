//! The shape of a component: a room brings words, tables, routes, jobs and checks as plain values.
//!
//! A struct and no trait, so that what a room brings can be read in one place, and adding or removing a room is a line
//! in the binary. Rooms meet only through [`ctx::Ctx`]: one offers a value under a type of a lower floor, another asks
//! for it.
//!
//! Must never know: which rooms there are, what any of them does. A change must keep this: a word is told the same way
//! by terminal, HTTP and chat, because those only parse its arguments and render its answer.

pub mod answer;
pub mod ctx;
pub mod word;

use std::sync::Arc;

use axum::Router;
use futures_util::future::BoxFuture;
use naru_core::failure::Failure;
use naru_core::text::Catalog;
use naru_job::Job;
use naru_store::migrate::Migration;
use naru_web::page::part::Tone;
use naru_web::page::{Markup, Reader};
use naru_web::role::Role;

use crate::ctx::Ctx;
use crate::word::Word;

/// What a room brings.
pub struct Component {
    /// Its name: prefix of its tables, section of the configuration.
    pub name: &'static str,
    /// Forward-only steps of its tables.
    pub schema: &'static [Migration],
    /// CLI verbs = HTTP calls = chat words.
    pub words: Vec<Word>,
    /// Pages and webhooks.
    pub routes: Router<Ctx>,
    /// Its places in the console's menu.
    pub menu: &'static [MenuEntry],
    /// What the overview shows of it.
    pub panels: Vec<Panel>,
    /// What of it may want a person.
    pub concerns: Vec<Concerns>,
    /// Work that repeats.
    pub jobs: Vec<Job>,
    /// What `doctor` looks at.
    pub checks: Vec<Check>,
    /// Its sentences.
    pub texts: Catalog,
}

impl Component {
    /// A room that brings nothing yet but its name and sentences.
    pub fn new(name: &'static str, texts: Catalog) -> Component {
        Component {
            name,
            schema: &[],
            words: Vec::new(),
            routes: Router::new(),
            menu: &[],
            panels: Vec::new(),
            concerns: Vec::new(),
            jobs: Vec::new(),
            checks: Vec::new(),
            texts,
        }
    }
}

/// A line of the console's menu.
#[derive(Clone, Copy, Debug)]
pub struct MenuEntry {
    /// Lower stands higher.
    pub order: u32,
    /// Key of its text.
    pub text: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Who sees it.
    pub role: Role,
}

/// A part of the overview page: the same for everybody who may see it, so it is drawn once for all.
#[derive(Clone)]
pub struct Panel {
    /// Of its element: no two panels have the same.
    pub id: &'static str,
    /// Lower stands higher.
    pub order: u32,
    /// Draws it.
    pub draw: Arc<dyn Fn(Ctx, Reader) -> Drawn + Send + Sync>,
}

/// A panel on its way.
pub type Drawn = BoxFuture<'static, Result<Markup, Failure>>;

/// Something that wants a person: it stands on top of the overview until it is gone.
#[derive(Clone, Debug)]
pub struct Concern {
    /// How grave it is.
    pub tone: Tone,
    /// What it is, in the reader's language.
    pub text: String,
    /// Where it is seen closer.
    pub href: Option<&'static str>,
    /// Who is told of it.
    pub role: Role,
}

/// Finds what wants a person.
pub type Concerns = Arc<dyn Fn(Ctx, Reader) -> Found + Send + Sync>;

/// Concerns on their way.
pub type Found = BoxFuture<'static, Result<Vec<Concern>, Failure>>;

/// Something `doctor` looks at.
pub struct Check {
    /// What is looked at, as `doctor` prints it.
    pub name: &'static str,
    /// Looks.
    pub run: Arc<dyn Fn(Ctx) -> BoxFuture<'static, Vec<Finding>> + Send + Sync>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All is well with this.
    Good(String),
    /// It is not; `doctor` prints the failure's sentence and hint.
    Bad(naru_core::failure::Failure),
}
