//! `naru.toml`: found, read, checked. One file, no layers, so what it says is what holds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use naru_core::failure::Failure;
use naru_core::masked::mask;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

pub use crate::components::Config;

/// The commented default: what `naru config show --default` prints, and the manual of every key.
pub const MANUAL: &str = include_str!("config.default.toml");

/// The file that is looked for in the working directory.
pub const FILE: &str = "naru.toml";

/// `[web]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Where pages and the API are served.
    pub listen: SocketAddr,
    /// Seconds between the request to stop and the doors closing.
    #[serde(deserialize_with = "stop_delay")]
    pub stop_delay_s: u64,
    /// The address that people open it by, for links in chats.
    #[serde(deserialize_with = "public_url")]
    pub url: Option<String>,
}

/// Refuses what is no address of a page: it would be a link that leads nowhere.
fn public_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(from)?;
    let is_plain = url.chars().all(|c| c.is_ascii_graphic() && !"<>|\"'`".contains(c));
    if is_plain && (url.starts_with("https://") || url.starts_with("http://")) {
        return Ok(Some(url.trim_end_matches('/').to_owned()));
    }
    Err(D::Error::custom(format!("{url:?} is no address such as https://naru.example.com")))
}

/// Longer than this no service manager waits.
const STOP_DELAY_S_MAX: u64 = 300;

fn stop_delay<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(from)?;
    if seconds <= STOP_DELAY_S_MAX {
        return Ok(seconds);
    }
    Err(D::Error::custom(format!("{seconds} is too large, the most is {STOP_DELAY_S_MAX}")))
}

impl Default for WebConfig {
    fn default() -> WebConfig {
        WebConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)), stop_delay_s: 0, url: None }
    }
}

/// A configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// What relative paths in it count from.
    pub folder: PathBuf,
    /// Where files live.
    pub data_dir: PathBuf,
}

impl Loaded {
    /// The socket on which a running `serve` hears this machine's own calls.
    pub fn socket(&self) -> PathBuf {
        self.data_dir.join("naru.sock")
    }
}

/// Reads the file that was asked for, else `naru.toml` of the working directory.
pub fn load(asked: Option<&Path>) -> Result<Loaded, Failure> {
    let path = asked.unwrap_or(Path::new(FILE));
    let place = |failure: Failure| failure.arg("path", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {
            let folder = std::env::current_dir().unwrap_or_default();
            return Err(Failure::usage("config-missing").arg("folder", folder.display()));
        }
        Err(e) => return Err(place(Failure::usage("config-unreadable")).cause(&e)),
    };
    let mut config = parse(&text).map_err(place)?;
    let path = std::path::absolute(path).map_err(|e| place(Failure::usage("config-unreadable")).cause(&e))?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    config.store.read(&folder)?;
    // What the store would refuse later is refused here, before anything is opened.
    config.store.engine()?;
    // Joined part by part, so that `./naru-data` does not put a dot into every path that is shown.
    let data_dir = folder.join(&config.data_dir).components().collect();
    Ok(Loaded { config, path, folder, data_dir })
}

/// Reads the text of a configuration; the failure names line and column.
pub fn parse(text: &str) -> Result<Config, Failure> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = place(text, at);
        let why = match key_of(text, at) {
            Some(key) => format!("{key}: {}", error.message()),
            None => error.message().to_owned(),
        };
        Failure::usage("config-wrong").arg("line", line).arg("column", column).cause_text(why)
    })
}

/// The effective configuration as TOML, as [`masked`]; secrets other than the store's password are never in it.
pub fn show(config: &Config) -> Result<String, Failure> {
    toml::to_string(&masked(config)).map_err(Failure::bug)
}

/// The effective configuration without the store's password, and with people's addresses masked as they are everywhere.
pub fn masked(config: &Config) -> Config {
    let mut config = config.clone();
    config.store.url = without_password(&config.store.url);
    config.dispatch.allow_list.iter_mut().for_each(|address| *address = mask(address));
    config
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The key whose value begins at `at`.
fn key_of(text: &str, at: usize) -> Option<&str> {
    let line = text[..text.floor_char_boundary(at)].rsplit('\n').next()?;
    Some(line.split_once('=')?.0.trim())
}

/// `postgres://user:secret@host/db` without the secret.
fn without_password(url: &str) -> String {
    let Some((head, tail)) = url.rsplit_once('@') else { return url.to_owned() };
    match head.rsplit_once(':') {
        Some((user, _)) if user.contains("//") => format!("{user}:***@{tail}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::{Table, Value};

    use super::*;

    fn check(text: &str, line: &str, column: &str, cause: &str) {
        let failure = parse(text).unwrap_err();
        assert_eq!(failure.code, "config-wrong");
        assert_eq!((failure.args["line"].as_str(), failure.args["column"].as_str()), (line, column), "{text}");
        assert!(failure.causes[0].contains(cause), "{:?}", failure.causes);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check(
            "[web]\nlisten = \"127.0.0.1:1\"\nlisen = 1\n",
            "3",
            "1",
            "unknown field `lisen`, expected one of `listen`",
        );
        check("data_dir = \"x\"\n[stor]\nurl = \"\"\n", "2", "2", "unknown field `stor`");
        check("[web]\nlisten = \"here\"\n", "2", "10", "socket address");
        check("[web]\nstop_delay_s = 301\n", "2", "16", "stop_delay_s: 301 is too large, the most is 300");
        check("[web]\nurl = \"naru\"\n", "2", "7", "url: \"naru\" is no address such as https://naru.example.com");
        check("가 = 1\n", "1", "1", "invalid unquoted key");
    }

    #[test]
    fn a_bound_of_nothing_is_refused_with_its_key() {
        check("[dispatch]\nkeep_days = 0\n", "2", "13", "keep_days: 0 is too small, the least is 1");
        let lane = "[dispatch.lane.a]\nprovider = \"sandbox\"\nchannel = \"sms\"\n";
        let keys = ["requests_per_second_max", "messages_per_second_max", "in_flight_max", "batch_max", "timeout_ms"];
        for key in keys.into_iter().chain(["attempts_max", "retry_base_ms", "retry_max_ms"]) {
            let column = (key.len() + 4).to_string();
            check(&format!("{lane}{key} = 0\n"), "4", &column, &format!("{key}: 0 is too small, the least is 1"));
            assert!(parse(&format!("{lane}{key} = 1\n")).is_ok(), "{key}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let mut config = Config::default();
        config.store.url = "postgres://naru:hunter2@db/naru".into();
        let shown = show(&config).unwrap();
        assert!(shown.contains("postgres://naru:***@db/naru"), "{shown}");
    }

    #[test]
    fn what_is_shown_reads_back() {
        let config: Config = toml::from_str(&every_key_of_the_manual()).unwrap();
        let shown = show(&config).unwrap();
        assert_eq!(show(&parse(&shown).unwrap()).unwrap(), shown);
    }

    #[test]
    fn the_manual_is_the_default() {
        assert_eq!(show(&parse(MANUAL).unwrap()).unwrap(), show(&Config::default()).unwrap());
    }

    #[test]
    fn the_manual_names_every_key() {
        let text = every_key_of_the_manual();
        let named: Table = toml::from_str(&text).unwrap();
        let config: Config = toml::from_str(&text).unwrap();
        let (named, known) = (keys(&named), keys(&Table::try_from(&config).unwrap()));
        let missing: Vec<_> = known.difference(&named).collect();
        assert!(missing.is_empty(), "config.default.toml does not name {missing:?}");
    }

    /// The manual with the keys that stand there as a comment (`#key`, no space) switched on.
    fn every_key_of_the_manual() -> String {
        let switch_on = |line: &str| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => key.to_owned(),
            _ => line.to_owned(),
        };
        MANUAL.lines().map(|line| switch_on(line) + "\n").collect()
    }

    fn keys(table: &Table) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (key, value) in table {
            found.insert(key.clone());
            if let Value::Table(inner) = value {
                found.extend(keys(inner).iter().map(|name| format!("{key}.{name}")));
            }
        }
        found
    }
}
