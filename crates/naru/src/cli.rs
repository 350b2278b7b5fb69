//! The terminal's grammar, built from the words of all components and the commands that only a terminal has.

use std::path::PathBuf;

use clap::builder::EnumValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum, ValueHint};
use naru_component::word::Word;
use naru_core::text::Lang;
use serde_json::Value;

use crate::demo::DemoArgs;
use crate::init::InitArgs;
use crate::sandbox::SandboxArgs;
use crate::serve::ServeArgs;
use crate::wrap::job::JobArgs;
use crate::wrap::leader::LeaderArgs;

/// How the house speaks to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    Ko,
    En,
}

/// Flags that stand anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everywhere {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
    /// `--lang ko|en`.
    pub lang: Option<Lang>,
    /// `--url URL`.
    pub url: Option<String>,
    /// `--token-file FILE`.
    pub token_file: Option<PathBuf>,
    /// `--rejected FILE`.
    pub rejected: Option<PathBuf>,
}

/// What was asked for.
pub enum Asked<'a> {
    /// A word of a component, with its arguments.
    Word(&'a Word, Value),
    /// A command of the terminal's own.
    Own(Own),
}

/// Commands that only a terminal has.
#[derive(Debug)]
pub enum Own {
    /// `init`.
    Init(InitArgs),
    /// `demo`.
    Demo(DemoArgs),
    /// `serve`.
    Serve(ServeArgs),
    /// `sandbox`.
    Sandbox(Box<SandboxArgs>),
    /// `leader run`.
    LeaderRun(LeaderArgs),
    /// `job run`; the other verbs of `job` are words.
    JobRun(JobArgs),
    /// `config show`.
    ConfigShow {
        /// Print the commented default instead.
        default: bool,
    },
    /// `config check`.
    ConfigCheck {
        /// Another file than the one that would be used.
        file: Option<PathBuf>,
    },
}

/// What a group of words is for; a group that is not here is told by its verbs.
const GROUPS: &[(&str, &str)] = &[
    ("campaign", "Look at campaigns; pause, resume or cancel one"),
    ("message", "Look up single messages"),
    ("unknown", "List what may or may not have left, and settle it"),
    ("template", "Push templates from a folder and look at them"),
    ("consent", "Keep the suppression list and the consents to advertisements"),
    ("app", "The apps of Argo CD: list them, and make a catalogue of them"),
    ("op", "What changes the platform: look at it, approve it, end it, take it back"),
    ("user", "People who may sign in"),
    ("token", "Tokens for programs"),
    ("lane", "Look at lanes, the provider accounts that send"),
    ("instance", "Look at the instances on one database, and wait for those that drain"),
    ("job", "Look at jobs that run once across instances, and run one"),
    ("lease", "Leases for programs: one holder at a time across instances"),
];

/// How the list of commands is divided. What stands nowhere here comes under the last heading.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Begin", &["init", "demo", "serve", "sandbox", "doctor"]),
    ("Send", &["send", "campaign", "message", "unknown", "template"]),
    (
        "Change",
        &["deploy", "rollback", "pin", "unpin", "queue", "cancel", "history", "who", "lock", "unlock", "app", "op"],
    ),
    ("Keep", &["consent", "lane", "audit", "config", "user", "token"]),
    ("Run", &["instance", "drain", "leader", "job", "lease"]),
];
const LAST_SECTION: &str = "More";

/// The verb of `job` that only a terminal has.
const JOB_VERB: &str = "run";

/// Builds the whole grammar.
pub fn command(words: &[Word]) -> Command {
    let mut commands = own();
    commands.extend(groups(words).map(|(first, words)| match first {
        "job" => group(first, &words).subcommand(JobArgs::augment_args(Command::new(JOB_VERB))),
        _ => group(first, &words),
    }));
    let list = list(&commands);
    let commands = commands.into_iter().map(quiet_everywhere);
    Command::new("naru")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Carries a shop's messages and runs its platform")
        .help_template("{about}\n\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}\n")
        .before_help(list)
        .after_help("`naru COMMAND --help` tells more. Without a `naru.toml`, begin with `naru init`.")
        .override_usage("naru COMMAND [OPTIONS]")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands)
        .args(everywhere())
        .max_term_width(100)
}

/// Reads what was typed.
pub fn asked<'a>(words: &'a [Word], matches: &ArgMatches) -> Result<Asked<'a>, clap::Error> {
    let (first, matches) = matches.subcommand().expect("clap requires a command");
    let own = match first {
        "init" => Own::Init(InitArgs::from_arg_matches(matches)?),
        "demo" => Own::Demo(DemoArgs::from_arg_matches(matches)?),
        "serve" => Own::Serve(ServeArgs::from_arg_matches(matches)?),
        "sandbox" => Own::Sandbox(SandboxArgs::from_arg_matches(matches)?.into()),
        "leader" => {
            let (_, matches) = matches.subcommand().expect("clap requires a verb");
            Own::LeaderRun(LeaderArgs::from_arg_matches(matches)?)
        }
        "job" if matches.subcommand_name() == Some(JOB_VERB) => {
            let (_, matches) = matches.subcommand().expect("it has a name");
            Own::JobRun(JobArgs::from_arg_matches(matches)?)
        }
        "config" => match matches.subcommand().expect("clap requires a verb") {
            ("show", matches) => Own::ConfigShow { default: matches.get_flag("default") },
            (_, matches) => Own::ConfigCheck { file: matches.get_one("file").cloned() },
        },
        _ => {
            let (verb, matches) = match matches.subcommand() {
                Some((verb, matches)) => (Some(verb), matches),
                None => (None, matches),
            };
            let word = words.iter().find(|word| word.first() == first && word.verb() == verb);
            let word = word.expect("clap takes only words it was given");
            return Ok(Asked::Word(word, word.parse(matches)?));
        }
    };
    Ok(Asked::Own(own))
}

/// Reads the flags that stand anywhere.
pub fn everywhere_of(matches: &ArgMatches) -> Everywhere {
    // Such a flag is known to the innermost command, wherever it stood.
    let mut inner = matches;
    while let Some((_, matches)) = inner.subcommand() {
        inner = matches;
    }
    let text = |name: &str| inner.try_get_one::<String>(name).ok().flatten().cloned();
    let path = |name: &str| inner.try_get_one::<PathBuf>(name).ok().flatten().cloned();
    let lang = inner.try_get_one::<Language>("lang").ok().flatten();
    Everywhere {
        config: path("config"),
        json: inner.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false),
        lang: lang.map(|lang| if *lang == Language::Ko { Lang::Ko } else { Lang::En }),
        url: text("url"),
        token_file: path("token-file"),
        rejected: path("rejected"),
    }
}

fn everywhere() -> Vec<Arg> {
    let file = |arg: Arg| arg.value_name("FILE").value_parser(clap::value_parser!(PathBuf));
    let args = [
        file(Arg::new("config").long("config").value_hint(ValueHint::FilePath))
            .help("Configuration to use instead of ./naru.toml"),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print data for programs instead of text"),
        Arg::new("lang")
            .long("lang")
            .value_name("LANG")
            .value_parser(EnumValueParser::<Language>::new())
            .help("Language to speak instead of the one in $LANG"),
        Arg::new("url").long("url").value_name("URL").help("Ask the naru at this address instead of the one here"),
        file(Arg::new("token-file").long("token-file").value_hint(ValueHint::FilePath))
            .help("File that holds the token for --url"),
        file(Arg::new("rejected").long("rejected").value_hint(ValueHint::FilePath))
            .help("Where refused rows are written instead of ./rejected.csv"),
    ];
    args.into_iter().map(|arg| arg.global(true).help_heading("Everywhere").display_order(100)).collect()
}

fn own() -> Vec<Command> {
    let config = Command::new("config")
        .about("Show or check the configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("show").about("Print the configuration that holds, defaults included").arg(
                Arg::new("default")
                    .long("default")
                    .action(ArgAction::SetTrue)
                    .help("Print the commented default instead: the manual of every key"),
            ),
        )
        .subcommand(
            Command::new("check").about("Check a configuration without starting anything").arg(
                Arg::new("file")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Configuration to check instead of the one that would be used"),
            ),
        );
    vec![
        InitArgs::augment_args(Command::new("init")),
        DemoArgs::augment_args(Command::new("demo")),
        ServeArgs::augment_args(Command::new("serve")),
        SandboxArgs::augment_args(Command::new("sandbox")),
        config,
        Command::new("leader")
            .about("Keep something running on exactly one instance")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand(LeaderArgs::augment_args(Command::new("run"))),
    ]
}

/// Keeps the flags that stand anywhere out of the help of each command: the first page of help has them.
fn quiet_everywhere(command: Command) -> Command {
    let command = if command.has_subcommands() {
        command.mut_subcommands(quiet_everywhere)
    } else {
        command.after_help("`naru --help` lists the options that stand with every command.")
    };
    let taken: Vec<_> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
    command.args(everywhere().into_iter().filter(|arg| !taken.contains(arg.get_id())).map(|arg| arg.hide(true)))
}

/// Words by their first part, in the order they come.
fn groups(words: &[Word]) -> impl Iterator<Item = (&'static str, Vec<&Word>)> {
    let mut groups: Vec<(&'static str, Vec<&Word>)> = Vec::new();
    for word in words {
        match groups.iter_mut().find(|(first, _)| *first == word.first()) {
            Some((_, group)) => group.push(word),
            None => groups.push((word.first(), vec![word])),
        }
    }
    groups.into_iter()
}

fn group(first: &'static str, words: &[&Word]) -> Command {
    if let [word] = words
        && word.verb().is_none()
    {
        return word.command();
    }
    let verbs = || words.iter().filter_map(|word| word.verb()).collect::<Vec<_>>().join(", ");
    let about = GROUPS.iter().find(|(name, _)| *name == first).map_or_else(verbs, |(_, about)| (*about).to_owned());
    Command::new(first)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(words.iter().map(|word| word.command()))
}

/// The list of commands under their headings.
fn list(commands: &[Command]) -> String {
    let width = commands.iter().map(|command| command.get_name().len()).max().unwrap_or(0);
    let section_of = |name: &str| SECTIONS.iter().position(|(_, names)| names.contains(&name));
    let line = |command: &Command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:width$}  {about}\n", command.get_name())
    };
    let mut text = String::new();
    let headings = SECTIONS.iter().map(|(heading, _)| *heading).chain([LAST_SECTION]);
    for (at, heading) in headings.enumerate() {
        let mut inside: Vec<&Command> =
            commands.iter().filter(|command| section_of(command.get_name()).unwrap_or(SECTIONS.len()) == at).collect();
        let place = |command: &&Command| {
            let names = SECTIONS.get(at).map_or(&[][..], |(_, names)| names);
            names.iter().position(|name| *name == command.get_name())
        };
        inside.sort_by_key(place);
        if !inside.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{heading}:\n{}", inside.into_iter().map(line).collect::<String>());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::house::{Catalogue, on_paper};

    async fn words() -> Vec<Word> {
        Catalogue::read().await.unwrap().words
    }

    #[tokio::test]
    async fn the_grammar_is_sound() {
        command(&words().await).debug_assert();
    }

    /// What every help says. Where it should say something else now: `INSTA_UPDATE=always cargo test -p naru`.
    #[tokio::test]
    async fn help_says_what_it_said() {
        let mut pages = String::new();
        let mut all = command(&words().await).term_width(100);
        all.build();
        print(&mut all, "naru", &mut pages);
        insta::assert_snapshot!("help", pages);
    }

    fn print(command: &mut Command, path: &str, pages: &mut String) {
        // As clap decides when somebody asks.
        let long =
            command.get_long_about().is_some() || command.get_arguments().any(|arg| arg.get_long_help().is_some());
        let help = if long { command.render_long_help() } else { command.render_help() };
        *pages += &format!("$ {path} --help\n{}\n\n", help.to_string().trim_end());
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name());
            print(inner, &path, pages);
        }
    }

    #[tokio::test]
    async fn a_first_word_has_one_owner() {
        let (_, components) = on_paper(crate::config::Config::default(), Path::new(".")).await.unwrap();
        let own = own();
        let mut owners: BTreeMap<&str, &str> = own.iter().map(|command| (command.get_name(), "the terminal")).collect();
        for component in &components {
            let mut firsts: Vec<&str> = component.words.iter().map(Word::first).collect();
            firsts.dedup();
            for first in firsts {
                let other = owners.insert(first, component.name);
                assert_eq!(other, None, "`{first}` is claimed by {} too", component.name);
            }
        }
    }

    #[tokio::test]
    async fn flags_that_stand_anywhere_are_heard_anywhere() {
        let words = words().await;
        let read = |line: &str| everywhere_of(&command(&words).try_get_matches_from(line.split(' ')).unwrap());
        let expect =
            Everywhere { config: Some("a.toml".into()), json: true, lang: Some(Lang::Ko), ..Everywhere::default() };
        assert_eq!(read("naru --config a.toml --json --lang ko config check"), expect);
        assert_eq!(read("naru config check --json --config a.toml --lang ko"), expect);
    }

    #[test]
    fn commands_stand_under_their_headings() {
        let commands = ["zoo", "serve", "init"].map(|name| Command::new(name).about(format!("about {name}")));
        assert_eq!(list(&commands), "Begin:\n  init   about init\n  serve  about serve\n\nMore:\n  zoo    about zoo\n");
    }
}
