//! Deploys from a chat: how soon a command is acknowledged and has its card, of one app and of a hundred in one release.
//! Slack and Argo CD are stand-ins that answer at once, so what is measured is naru and the `git` program.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use naru_testkit::argocd::{ArgoCd, TOKEN};
use naru_testkit::origin::Origin;
use naru_testkit::slack::{APP_TOKEN, BOT_TOKEN, CHANNEL, Slack};
use serde_json::json;
use tempfile::TempDir;

use crate::Result;
use crate::cases::Bench;
use crate::process::Process;
use crate::report::{Row, median, slowest, within};
use crate::wait::{pause, until};

/// Apps of the estate, and of its largest release.
const APPS: usize = 100;
/// May deploy.
const PERSON: &str = "U0KIM";

const REACH_ACK_S: f64 = 0.5;
const ACK_SHARE: f64 = 0.99;
const REACH_CARD_S: f64 = 2.0;
/// For anything to be seen at all.
const SEEN_MAX: Duration = Duration::from_secs(120);
/// How often the stand-in's controller looks at its Applications.
const TICK: Duration = Duration::from_millis(50);

/// All that stands outside, and naru.
struct Estate {
    slack: Slack,
    charts: Origin,
    code: Origin,
    serve: Process,
    is_over: Arc<AtomicBool>,
    _folder: TempDir,
}

/// How a command went, in seconds.
struct Deploy {
    acknowledged: f64,
    card: f64,
    done: f64,
}

/// Deploys one after another, then all at once.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let estate = Estate::start(bench).await?;
    let singles = bench.pick(5, 50);
    let mut deploys = Vec::new();
    for n in 0..singles {
        deploys.push(estate.deploy(&format!("app-{n}")).await?);
    }
    estate.code.commit("main", &[("src", Some(b"second"))], "Change");
    let all = (0..APPS).map(|n| format!("app-{n}")).collect::<Vec<_>>().join(" ");
    let commits = estate.charts.log("main").len();
    let release = estate.deploy(&all).await?;
    let commits = estate.charts.log("main").len() - commits;
    let of = |part: fn(&Deploy) -> f64| deploys.iter().map(part).collect::<Vec<f64>>();
    let acks: Vec<f64> = deploys.iter().chain([&release]).map(|it| it.acknowledged).collect();
    let cards: Vec<f64> = deploys.iter().chain([&release]).map(|it| it.card).collect();
    let acknowledged = within(ACK_SHARE, acks);
    let card = slowest(&cards);
    let stands = "Slack and Argo CD are stand-ins on the same machine that answer at once; Git repositories are files";
    Ok(vec![
        Row {
            what: "a command in Slack: acknowledged".to_owned(),
            figure: format!("{:.0} ms at the 99th percentile", acknowledged * 1_000.0),
            reach: format!("{:.0} ms", REACH_ACK_S * 1_000.0),
            reached: Some(acknowledged < REACH_ACK_S),
            conditions: format!(
                "{singles} deploys of one app and one of {APPS}, one after another, by Socket Mode; half of those of one \
                 app within {:.0} ms; {stands}",
                median(of(|it| it.acknowledged)) * 1_000.0
            ),
            ..Row::default()
        },
        Row {
            what: format!("a command in Slack: its card, a release of {APPS} apps included"),
            figure: format!("{card:.2} s at the most"),
            reach: format!("{REACH_CARD_S:.0} s"),
            reached: Some(card < REACH_CARD_S),
            conditions: format!(
                "from the command to the posted message, planned, stored and queued by then; half of those of one app \
                 within {:.0} ms; the release's after {:.2} s",
                median(of(|it| it.card)) * 1_000.0,
                release.card
            ),
            ..Row::default()
        },
        Row {
            what: format!("a release of {APPS} apps: from the command to all of them healthy"),
            figure: format!("{:.1} s", release.done),
            conditions: format!(
                "{commits} commit, {APPS} syncs; the stand-in's controller looks every {} ms and its apps are ready at \
                 once; one app: {:.1} s in the middle of {singles}",
                TICK.as_millis(),
                median(of(|it| it.done))
            ),
            ..Row::default()
        },
    ])
}

impl Estate {
    async fn start(bench: &Bench) -> Result<Estate> {
        let folder = tempfile::tempdir_in(bench.folder()).map_err(|e| format!("could not make a folder: {e}"))?;
        let (slack, argocd) = (Slack::start().await, ArgoCd::start());
        let (charts, code) = (Origin::new(), Origin::new());
        build(&argocd, &charts);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).map_err(|e| e.to_string());
        write("argocd", TOKEN)?;
        write("bot", BOT_TOKEN)?;
        write("app", APP_TOKEN)?;
        write("apps.toml", &catalogue(&code.url()))?;
        let config = format!(
            "[web]\nlisten = '127.0.0.1:0'\n[estate]\ncatalogue = 'apps.toml'\n\
             [argocd]\nurl = '{}'\ntoken = {{ file = 'argocd' }}\n\
             [slack]\nurl = '{}'\nbot_token = {{ file = 'bot' }}\napp_token = {{ file = 'app' }}\n\
             [slack.roles]\noperate = ['{PERSON}']\n",
            argocd.url(),
            slack.url()
        );
        write("naru.toml", &config)?;
        let mut command = Command::new(&bench.naru);
        command.arg("--config").arg(folder.path().join("naru.toml")).arg("serve").current_dir(folder.path());
        let serve = Process::start(command, folder.path(), "serve")?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        // A thread of its own: a look takes a while, and the bench measures meanwhile.
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                argocd.tick();
                std::thread::park_timeout(TICK);
            }
        });
        slack.sockets(1).await;
        Ok(Estate { slack, charts, code, serve, is_over, _folder: folder })
    }

    /// Says the command and waits for the end of what it asks for.
    async fn deploy(&self, apps: &str) -> Result<Deploy> {
        let cards = self.slack.messages(CHANNEL).len();
        let start = Instant::now();
        let key = self.slack.say(PERSON, CHANNEL, &format!("/naru deploy {apps} main"));
        let acknowledged = until("an acknowledgement", SEEN_MAX, || {
            let found = self.slack.acks_of(&key).first().map(|ack| ack.after.as_secs_f64());
            async move { Ok(found) }
        });
        let acknowledged = acknowledged.await?;
        let card = until("a card", SEEN_MAX, || {
            let found = (self.slack.messages(CHANNEL).len() > cards).then(|| start.elapsed().as_secs_f64());
            let told = self.slack.calls_of("response_url").pop().map(|call| call.fields["text"].to_string());
            async move {
                match (found, told) {
                    (None, Some(told)) => Err(format!("it was refused: {told}\n{}", self.serve.output())),
                    (found, _) => Ok(found),
                }
            }
        });
        let card = card.await?;
        let done = until("the deploy to end", SEEN_MAX, || {
            let look = self.slack.messages(CHANNEL).pop().and_then(|posted| posted.looks.last().cloned());
            let look = look.map(|(text, blocks)| text + &json!(blocks).to_string()).unwrap_or_default();
            let found = look.contains(":white_check_mark:").then(|| start.elapsed().as_secs_f64());
            async move { if look.contains(":x:") { Err(format!("it failed: {look}")) } else { Ok(found) } }
        });
        let done = done.await?;
        // What follows is another command, and not the end of this one.
        pause(Duration::from_millis(200)).await;
        Ok(Deploy { acknowledged, card, done })
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn build(argocd: &ArgoCd, charts: &Origin) {
    let mut files = Vec::new();
    for n in 0..APPS {
        files.push((format!("app-{n}/values.yaml"), "image: { tag: first }\n".to_owned()));
        let template = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: app-{n} }}\nspec:\n  replicas: 1\n  template:\n    \
             spec:\n      containers:\n      - name: app\n        image: \"shop/app-{n}:{{{{ .Values.image.tag }}}}\"\n"
        );
        files.push((format!("app-{n}/templates/deployment.yaml"), template));
    }
    let files: Vec<(&str, Option<&[u8]>)> =
        files.iter().map(|(path, text)| (path.as_str(), Some(text.as_bytes()))).collect();
    charts.commit("main", &files, "Charts");
    argocd.world(|world| {
        world.polls_git = false;
        world.use_git(&charts.url(), &charts.path());
        for n in 0..APPS {
            let source = json!({ "repoURL": charts.url(), "path": format!("app-{n}"), "targetRevision": "main" });
            let destination = json!({ "namespace": "staging", "server": "in-cluster" });
            let spec = json!({
                "project": "default", "source": source, "destination": destination, "syncPolicy": { "automated": {} },
            });
            world.add_app(&format!("app-{n}-staging"), spec);
        }
    });
    argocd.settle();
}

fn catalogue(code: &str) -> String {
    let mut text = String::new();
    for n in 0..APPS {
        let place =
            format!("env.staging = {{ application = 'app-{n}-staging', project = 'default', branch = 'main' }}");
        let image = format!("image = 'shop/app-{n}'");
        // Writing to a text does not fail.
        let _ = writeln!(text, "[app.app-{n}]\nrepository = '{code}'\n{image}\n{place}");
    }
    text
}
