//! Where a word is said: to a running `serve`, near over its socket or far over a URL, else in this process.
//!
//! Each saying finds its place anew. So a command that follows a campaign holds no lock between two looks, and goes
//! on when a `serve` starts or stops meanwhile.

mod remote;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use naru_component::answer::{Answer, AnswerFile};
use naru_component::word::{Call, Progress, Word};
use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_web::role::Actor;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::cli::Everywhere;
use crate::config::{self, Loaded};
use crate::house::{Catalogue, House};
use remote::Remote;

/// Says words for the terminal.
pub struct Client<'a> {
    catalogue: &'a Catalogue,
    lang: Lang,
    home: Home,
}

enum Home {
    /// `--url`.
    Far(Remote),
    /// This machine: its socket, or this process.
    Here(Box<Loaded>),
}

impl<'a> Client<'a> {
    /// Finds out whom to ask; reads the configuration unless a URL says where to go.
    pub fn new(everywhere: &Everywhere, catalogue: &'a Catalogue, lang: Lang) -> Result<Client<'a>, Failure> {
        let home = match &everywhere.url {
            Some(url) => {
                let token = everywhere.token_file.clone().map(SecretSource::File);
                let token = token.map(|file| file.read(Path::new(""), "--token-file")).transpose()?;
                Home::Far(Remote::far(url, token, lang)?)
            }
            None if everywhere.token_file.is_some() => return Err(Failure::usage("token-without-url")),
            None => Home::Here(Box::new(config::load(everywhere.config.as_deref())?)),
        };
        Ok(Client { catalogue, lang, home })
    }

    /// The word called `path`, as this binary knows it.
    pub fn word(&self, path: &str) -> Result<&'a Word, Failure> {
        let word = self.catalogue.words.iter().find(|word| word.path == path);
        word.ok_or_else(|| Failure::not_found("word-unknown").arg("word", path))
    }

    /// Says `word` and tells `progress` how far it is.
    pub async fn say(&self, word: &Word, args: Value, progress: &Progress) -> Result<Answer, Failure> {
        let args = word.bring(args)?;
        match &self.home {
            Home::Far(remote) => remote.say(word, args, progress).await,
            Home::Here(loaded) => match near(loaded, self.lang).await? {
                Some(remote) => remote.say(word, args, progress).await,
                None => self.say_here(loaded, word, args, progress).await,
            },
        }
    }

    /// Says `word` to a running `serve` and never in this process: for what lives only there.
    pub async fn say_served(&self, word: &Word, args: Value, progress: &Progress) -> Result<Answer, Failure> {
        match &self.home {
            Home::Far(remote) => remote.say(word, args, progress).await,
            Home::Here(loaded) => match near(loaded, self.lang).await? {
                Some(remote) => remote.say(word, args, progress).await,
                None => Err(Failure::unavailable("serve-absent").arg("path", loaded.socket().display())),
            },
        }
    }

    /// Brings a file of an answer here.
    pub async fn fetch(&self, file: &AnswerFile, to: &Path) -> Result<(), Failure> {
        let remote = match &self.home {
            Home::Far(remote) => return remote.fetch(&file.href, to).await,
            Home::Here(loaded) => near(loaded, self.lang).await?,
        };
        match (tokio::fs::copy(&file.path, to).await, remote) {
            (Ok(_), _) if file.once => {
                // What another user owns stays, and its owner sweeps it.
                let _ = tokio::fs::remove_file(&file.path).await;
                Ok(())
            }
            (Ok(_), _) => Ok(()),
            // Its owner may be another user, and hands it out where the disk does not.
            (Err(_), Some(remote)) => remote.fetch(&file.href, to).await,
            (Err(e), None) => Err(Failure::refused("file-uncopied").arg("path", to.display()).cause(&e)),
        }
    }

    async fn say_here(
        &self,
        loaded: &Loaded,
        word: &Word,
        args: Value,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        if !word.reads {
            let house = House::own(loaded, self.catalogue).await?;
            return said_in(house, self.call(word, args, progress)?, word.path).await;
        }
        let visit = async || {
            let house = House::visit(loaded, self.catalogue).await?;
            said_in(house, self.call(word, args.clone(), progress)?, word.path).await
        };
        let outcome = visit().await;
        if !outcome.as_ref().is_err_and(|failure| failure.code == "store-statement") {
            return outcome;
        }
        // A statement fails for a reader where the tables are older than this binary: bring them up to date, ask again.
        House::own(loaded, self.catalogue).await?.close().await;
        visit().await
    }

    fn call(&self, word: &Word, args: Value, progress: &Progress) -> Result<Call<Value>, Failure> {
        let upload = upload_of(word, &args)?;
        Ok(Call { actor: Actor::local(), lang: self.lang, args, upload, progress: progress.clone(), key: None })
    }
}

async fn said_in(house: House, call: Call<Value>, path: &str) -> Result<Answer, Failure> {
    let word = house.words().find(|word| word.path == path).cloned();
    let word = word.ok_or_else(|| Failure::bug(format!("no component has the word {path}")))?;
    let outcome = word.say(house.ctx.clone(), call).await;
    house.close().await;
    outcome
}

/// The running `serve` of this machine, if there is one. A socket that nobody listens on is left over from a crash.
async fn near(loaded: &Loaded, lang: Lang) -> Result<Option<Remote>, Failure> {
    let socket = loaded.socket();
    match UnixStream::connect(&socket).await {
        Ok(_) => Remote::near(&socket, lang).map(Some),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            Err(Failure::refused("socket-forbidden").arg("path", socket.display()).cause(&e))
        }
        Err(_) => Ok(None),
    }
}

/// The file that comes along with `word`, by its full path.
fn upload_of(word: &Word, args: &Value) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = word.upload.and_then(|name| args[name].as_str()) else { return Ok(None) };
    let unreadable = |e: std::io::Error| Failure::refused("upload-unreadable").arg("path", path).cause(&e);
    // Looked at before it is opened, since opening a pipe waits for whoever writes into it.
    if path == "-" || !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Failure::refused("upload-not-file").arg("path", path));
    }
    // Opened once here, so that a slip of the finger is told before anything is asked.
    std::fs::File::open(path).map_err(unreadable)?;
    std::fs::canonicalize(path).map(Some).map_err(unreadable)
}
