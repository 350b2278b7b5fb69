//! Taking a file in, from what was typed to the last row in the store: for the terminal, the API and the page.

use std::path::{Path, PathBuf};

use naru_component::ctx::Ctx;
use naru_component::word::Progress;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::text::Lang;
use naru_dispatch::campaign::NewCampaign;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::TemplateRef;
use naru_dispatch::import::{Begun, Done, Ending, Import, ImportKey, row};
use naru_dispatch::template::Template;
use sha2::{Digest, Sha256};

use crate::file::detect::{Detected, detect};
use crate::file::plan::Plan;
use crate::file::reader::Reader;
use crate::intake::{self, Outcome, Source};
use crate::rejects;
use crate::summary::Summary;

/// Letters of a campaign's name at most: shown in lists and typed in commands.
const NAME_CHARS_MAX: usize = 100;

/// What somebody wants taken in.
pub struct Order {
    /// The template, by its id.
    pub template: String,
    /// What the campaign is to be called; the file's name where absent.
    pub name: Option<String>,
    /// Which column fills what, as `FIELD=COLUMN`.
    pub maps: Vec<String>,
    /// What the file is called where it came from.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
    /// In whose language rows are refused.
    pub lang: Lang,
}

/// How the campaign is to begin.
pub struct Begin {
    /// Before all of its file is here.
    pub stream: bool,
    /// Not before a person says so.
    pub hold: bool,
    /// At this time.
    pub at: Option<Millis>,
    /// Who wants it.
    pub by: String,
}

/// A file that can be read, and what it is to be.
pub struct Ready {
    /// The campaign's name.
    pub name: String,
    /// The file.
    pub source: Source,
    file: String,
    key: ImportKey,
    reader: Reader,
}

/// What taking a file in begins as.
pub enum Taking {
    /// It was done before.
    Before(Done),
    /// It is to be read to its end.
    Open(Box<Open>),
}

/// A file that is being taken in.
pub struct Open {
    ready: Ready,
    import: Import,
    ending: Option<Ending>,
}

impl Ready {
    /// Finds out what the file is and which of its columns fills what. Makes nothing yet.
    pub async fn new(ctx: &Ctx, order: Order, dry: bool) -> Result<Ready, Failure> {
        let dispatch = ctx.need::<Dispatch>()?;
        let newest = dispatch.templates().newest(&order.template).await?;
        let name = order.name.unwrap_or_else(|| file_stem(&order.file));
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return Err(Failure::usage("campaign-name").arg("max", NAME_CHARS_MAX));
        }
        // By the name that the caller knows it by.
        let file = order.file;
        let named = |failure: Failure| {
            if failure.args.contains_key("path") { failure.arg("path", &file) } else { failure }
        };
        let path = order.path;
        let (path, detected) =
            on_thread(move || detect(&path).map(|detected| (path, detected))).await.map_err(named)?;
        let key = import_key(&detected, &newest.text.id, &name);
        let template = dispatch.import_template(key, newest).await?;
        let plan = Plan::new(&template, &order.maps)?;
        let rejected = if dry { rejects::dry_path(ctx) } else { rejects::path(ctx, &key) };
        let source = Source { path, detected, plan, template, rejected, lang: order.lang };
        let data_dir = ctx.parts().data_dir.clone();
        let opened = on_thread(move || source.open(&data_dir).map(|reader| (reader, source))).await;
        let (reader, source) = opened.map_err(named)?;
        Ok(Ready { name, source, file, key, reader })
    }

    /// Reads all of it, and takes nothing in.
    pub async fn look(self, ctx: &Ctx, progress: Progress) -> Result<(Outcome, Source), Failure> {
        read(ctx, self.reader, self.source, None, progress).await
    }

    /// Makes the campaign, or goes on with the one that an earlier run made of this file.
    pub async fn begin(self, ctx: &Ctx, begin: Begin) -> Result<Taking, Failure> {
        let dispatch = ctx.need::<Dispatch>()?;
        let now = ctx.clock().now_ms();
        let template = &self.source.template;
        let new = NewCampaign {
            id: Id::new(now),
            name: self.name.clone(),
            template: template.text.id.clone(),
            version: template.version,
            lane: dispatch.route(template.text.channel)?.to_owned(),
            purpose: template.text.purpose,
            stream: begin.stream,
            hold: begin.hold || begin.at.is_some(),
            start_at: begin.at,
            source: file_stem(&self.file),
            created_at: now,
            created_by: begin.by,
        };
        let (begun, ending) = dispatch.import(self.key, new, template_ref(template)).await?;
        Ok(match begun {
            Begun::Open(import) => Taking::Open(Box::new(Open { ready: self, import, ending })),
            Begun::Finished(done) => Taking::Before(done),
        })
    }
}

impl Open {
    /// Its campaign.
    pub fn campaign(&self) -> Id {
        self.import.campaign
    }

    /// Reads it to its end, and waits until all of it is stored. Why it stopped is kept for whoever looks at its campaign.
    pub async fn read(self, ctx: &Ctx, progress: Progress) -> Result<(Done, Outcome, Source), Failure> {
        let Open { ready: Ready { reader, source, key, .. }, import, ending } = self;
        let fed = read(ctx, reader, source, Some(import), progress).await;
        let done = match ending {
            Some(ending) => ending.wait().await,
            None => Err(Failure::bug("an import without an end")),
        };
        let failure = match (fed, done) {
            (Ok((outcome, source)), Ok(done)) => return Ok((done, outcome, source)),
            // What went wrong with the file says more than that the import has no end, and why the import ended says
            // more than that nobody took what was read.
            (Err(failure), _) if failure.code != "import-interrupted" => failure,
            (_, Err(failure)) | (Err(failure), _) => failure,
        };
        if failure.code == "import-taken-over" {
            // What stands there is another run's to say.
            return Err(failure);
        }
        let why = Summary::stopped(&failure).to_text();
        let noted = ctx.store().write(move |conn| {
            let why = why.clone();
            Box::pin(async move { row::stopped(conn, key, &why).await })
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "why a file is not taken in could not be stored");
        }
        Err(failure)
    }
}

async fn read(
    ctx: &Ctx,
    reader: Reader,
    source: Source,
    import: Option<Import>,
    progress: Progress,
) -> Result<(Outcome, Source), Failure> {
    let ctx = ctx.clone();
    on_thread(move || intake::run(&ctx, &source, reader, import, &progress).map(|outcome| (outcome, source))).await
}

/// The template as frames name it.
pub fn template_ref(template: &Template) -> TemplateRef {
    TemplateRef { id: template.text.id.clone(), version: template.version, variables: template.variables.len() as u8 }
}

/// The same file for the same template under the same name is the same intake.
fn import_key(detected: &Detected, template: &str, name: &str) -> ImportKey {
    let mut hash = Sha256::new();
    hash.update(detected.sha256);
    for text in [template, name] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

fn file_stem(path: &str) -> String {
    Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reading a file blocks: it has a thread of its own.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::bug)?
}
