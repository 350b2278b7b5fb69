//! One call of the binary, from what was typed to the exit code.

use naru_component::word::Progress;
use naru_core::failure::Failure;
use naru_core::text::Texts;
use serde_json::json;

use crate::cli::{self, Asked, Own};
use crate::client::Client;
use crate::config::{self, Loaded};
use crate::environment::Environment;
use crate::house::{Catalogue, on_paper};
use crate::terminal::{End, Terminal};
use crate::wrap::{job, leader};
use crate::{demo, engines, follow, init, sandbox, serve};

/// Runs what was typed and returns the exit code: 0 done, 1 refused or failed, 2 wrong usage, 255 our bug.
pub async fn run() -> u8 {
    let environment = Environment::read();
    let catalogue = match Catalogue::read().await {
        Ok(catalogue) => catalogue,
        Err(failure) => {
            // Without components there are no sentences but the ground floor's.
            let texts = Texts::new(&[naru_core::TEXTS, crate::kernel::TEXTS]).expect("tests read them").into();
            return Terminal { environment, lang: environment.lang, json: false, texts }.failure(&failure);
        }
    };
    let matches = match cli::command(&catalogue.words).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let everywhere = cli::everywhere_of(&matches);
    let lang = everywhere.lang.unwrap_or(environment.lang);
    let terminal = Terminal { environment, lang, json: everywhere.json, texts: catalogue.texts.clone() };
    let outcome = match cli::asked(&catalogue.words, &matches) {
        Ok(Asked::Own(own)) => self::own(own, &everywhere, &catalogue, &terminal).await,
        Ok(Asked::Word(word, args)) => {
            async {
                let client = Client::new(&everywhere, &catalogue, lang)?;
                let progress = Progress::default();
                let said = client.say(word, args, &progress);
                let answer = follow::shown(&terminal, &progress, said).await?;
                follow::to_the_end(&client, &terminal, answer, everywhere.rejected.as_deref()).await
            }
            .await
        }
        Err(error) => return usage(&error),
    };
    match outcome {
        Ok(code) => code,
        Err(End::Enough) => 0,
        Err(End::Failure(failure)) => terminal.failure(&failure),
    }
}

async fn own(own: Own, everywhere: &cli::Everywhere, catalogue: &Catalogue, terminal: &Terminal) -> Result<u8, End> {
    let load = || config::load(everywhere.config.as_deref());
    match own {
        Own::Init(args) => init::init(&args, terminal),
        Own::Demo(args) => demo::demo(&args, catalogue, terminal).await,
        Own::Serve(args) => serve::serve(&args, load()?, catalogue, terminal).await,
        Own::LeaderRun(args) => {
            let client = Client::new(everywhere, catalogue, terminal.lang)?;
            leader::run(&args, &client, terminal).await
        }
        Own::JobRun(args) => {
            let client = Client::new(everywhere, catalogue, terminal.lang)?;
            job::run(&args, &client, terminal).await
        }
        Own::Sandbox(args) => sandbox::sandbox(*args, terminal).await,
        Own::ConfigShow { default: true } => terminal.print(config::MANUAL).map(|()| 0),
        Own::ConfigShow { default: false } => {
            let Loaded { config, .. } = load()?;
            if terminal.json {
                terminal.data(&serde_json::to_value(config::masked(&config)).map_err(Failure::bug)?)?;
            } else {
                terminal.print(&config::show(&config)?)?;
            }
            Ok(0)
        }
        Own::ConfigCheck { file } => {
            let loaded = config::load(file.as_deref().or(everywhere.config.as_deref()))?;
            engines::check(&on_paper(loaded.config, &loaded.folder).await?.0)?;
            let path = loaded.path.display().to_string();
            if terminal.json {
                terminal.data(&json!({ "path": path }))?;
            } else {
                terminal.print(&(terminal.say("config-sound", &[("path", &path)]) + "\n"))?;
            }
            Ok(0)
        }
    }
}

/// Help goes to standard output and is no failure; a pipe that closes early is none either.
fn usage(error: &clap::Error) -> u8 {
    match error.print() {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => 0,
        _ => error.exit_code() as u8,
    }
}
