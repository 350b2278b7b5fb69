//! `deploy/hooks`: each file is read as its reader does, and what it runs is run against the real binary.
//!
//! Only what belongs to the cloud is a stand-in: its metadata service, its command line, the service manager.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use naru_testkit::database::{Engine, database};
use naru_testkit::process::{Process, naru_binary};
use naru_testkit::wait::{PATIENCE, eventually};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::drain::{house_on, instances};
use crate::house::{House, text};

/// Where the files of the hooks have the configuration and the binary.
const CONFIG: &str = "/etc/naru/naru.toml";
const BIN: &str = "/usr/local/bin/";

fn hooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/hooks")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(hooks().join(name)).unwrap()
}

/// Every file below `deploy/hooks`, by its end.
fn files(end: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![hooks()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no {end}");
    found
}

/// A folder of programs to be found first: the binary, and `stand_ins` as scripts.
fn programs(house: &House, stand_ins: &[(&str, &str)]) -> PathBuf {
    let folder = house.path("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let _ = symlink(naru_binary(), folder.join("naru"));
    for (name, script) in stand_ins {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

/// A command as on the machine of `house`.
fn on(house: &House, words: &[String], stand_ins: &[(&str, &str)]) -> Command {
    let bin = programs(house, stand_ins);
    let config = house.path("naru.toml").display().to_string();
    let place = |word: &String| word.replace(CONFIG, &config).replace(&format!("{BIN}naru"), "naru");
    let path = format!("{}:{}", bin.display(), std::env::var_os("PATH").unwrap().display());
    // Found by the shell, in the path that the command is given.
    let mut command = Command::new("/usr/bin/env");
    command.args(words.iter().map(place)).current_dir(house.path("")).env("PATH", path);
    command.env("LANG", "en_US.UTF-8").env("NARU_CONFIG", config).env_remove("LC_ALL");
    command
}

fn run(house: &House, words: &[String], stand_ins: &[(&str, &str)]) -> Output {
    let output = on(house, words, stand_ins).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
    output
}

fn words_of(list: &Yaml<'_>) -> Vec<String> {
    list.as_sequence().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The state of the one instance that is live.
fn state(house: &House) -> String {
    let live: Vec<Value> = instances(house).into_iter().filter(|it| it["live"] == true).collect();
    assert_eq!(live.len(), 1, "{live:?}");
    live[0]["state"].as_str().unwrap().to_owned()
}

async fn becomes(house: &House, expect: &str) {
    eventually(&format!("it to be {expect}"), PATIENCE, async || (state(house) == expect).then_some(())).await;
}

#[test]
fn shells_and_readers_of_yaml_understand_every_file() {
    for path in files(".sh") {
        let read = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(read.status.success(), "{}: {}", path.display(), text(&read.stderr));
        assert_ne!(path.metadata().unwrap().permissions().mode() & 0o111, 0, "{} cannot be run", path.display());
    }
    for path in files(".yaml") {
        let loaded = Yaml::load_from_str(&std::fs::read_to_string(&path).unwrap());
        assert!(loaded.is_ok_and(|documents| documents.iter().all(Yaml::is_mapping)), "{}", path.display());
    }
    // Each is named where a reader looks, in both languages.
    let listed = [read("README.md"), read("README.ko.md")];
    for path in [".sh", ".yaml", ".service"].into_iter().flat_map(files) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(listed.iter().all(|text| text.contains(name)), "the READMEs do not name {name}");
    }
}

#[tokio::test]
async fn kubernetes_drains_before_sigterm_and_begins_anew() {
    let house = House::new();
    let serve = house.serve().await;
    let file = read("kubernetes/deployment.yaml");
    let documents = Yaml::load_from_str(&file).unwrap();
    let pod = &documents[0]["spec"]["template"]["spec"];
    let naru = &pod["containers"][0];
    assert_eq!(naru["readinessProbe"]["httpGet"]["path"].as_str(), Some("/readyz"));
    run(&house, &words_of(&naru["lifecycle"]["preStop"]["exec"]["command"]), &[("sleep", "")]);
    assert_eq!(state(&house), "closed");
    serve.stop().await;
    run(&house, &words_of(&pod["initContainers"][0]["command"]), &[]);
    assert_eq!(words_of(&naru["command"]).last().unwrap(), "serve");
    let serve = house.serve().await;
    becomes(&house, "open").await;
    serve.stop().await;
}

#[tokio::test]
async fn argo_cd_drains_all_before_a_sync_and_lets_them_work_after_it() {
    let database = database(Engine::Postgres).await;
    // The Job has a folder of its own and no serve.
    let (house, job) = (house_on(&database), house_on(&database));
    let serve = house.serve().await;
    let file = read("argocd/drain.yaml");
    let documents = Yaml::load_from_str(&file).unwrap();
    let hook = |at: usize, expect: &str| {
        let name = documents[at]["metadata"]["annotations"]["argocd.argoproj.io/hook"].as_str();
        assert_eq!(name, Some(expect));
        words_of(&documents[at]["spec"]["template"]["spec"]["containers"][0]["command"])
    };
    run(&job, &hook(0, "PreSync"), &[]);
    assert_eq!(state(&house), "closed");
    run(&job, &hook(1, "PostSync,SyncFail"), &[]);
    becomes(&house, "open").await;
    serve.stop().await;
}

#[tokio::test]
async fn elastic_beanstalk_drains_before_a_deploy_and_gives_up_where_work_does_not_end() {
    let house = House::new();
    let serve = house.serve().await;
    let script = |name: &str| vec![hooks().join("elastic-beanstalk").join(name).display().to_string()];
    let (before, after) = (script("predeploy/10_naru_drain.sh"), script("postdeploy/90_naru_undo.sh"));
    run(&house, &before, &[]);
    assert_eq!(state(&house), "closed");
    run(&house, &after, &[]);
    becomes(&house, "open").await;

    let batch = "echo begun; while [ ! -e go ]; do sleep 0.02; done";
    let mut batch = Process::start(&mut house.command(&["job", "run", "batch", "--", "sh", "-c", batch]));
    batch.line_with("begun").await;
    let output = on(&house, &before, &[]).env("NARU_TIMEOUT", "1s").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("job batch"), "{}", text(&output.stderr));
    becomes(&house, "open").await;
    house.write("go", "");
    assert_eq!(batch.exit().await.code(), Some(0));
    serve.stop().await;
}

#[tokio::test]
async fn auto_scaling_is_told_to_go_on_when_naru_has_stopped() {
    let house = House::new();
    let mut serve = house.serve().await;
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    let curl =
        "for last; do :; done; case \"$last\" in *lifecycle-state) echo Terminated;; *id) echo i-1;; *) echo t;; esac";
    let stand_ins = [
        ("curl", curl),
        ("systemctl", &*format!("naru instance list --json >seen; kill -TERM {pid}")),
        ("aws", "echo \"$@\" >told"),
    ];
    let script = vec![hooks().join("ec2/naru-termination.sh").display().to_string()];
    let output = on(&house, &script, &stand_ins).env("NARU_GROUP", "shop").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(house.path("seen")).unwrap()).unwrap();
    assert_eq!(seen["instances"][0]["state"], "closed", "it stops when nothing runs");
    let told = std::fs::read_to_string(house.path("told")).unwrap();
    let expect = "--auto-scaling-group-name shop --lifecycle-hook-name naru --instance-id i-1";
    assert!(told.starts_with("autoscaling complete-lifecycle-action") && told.contains(expect), "{told}");
    assert_eq!(serve.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn systemd_drains_at_a_stop_and_begins_anew() {
    let house = House::new();
    let line = |file: &str, key: &str| {
        let unit = read(file);
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned();
        line.trim_start_matches('-').split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let service = "systemd/naru.service";
    assert_eq!(line(service, "ExecStart").last().unwrap(), "serve");
    let serve = house.serve().await;
    run(&house, &line(service, "ExecStop"), &[]);
    assert_eq!(state(&house), "closed");
    serve.stop().await;
    run(&house, &line(service, "ExecStopPost"), &[]);
    let serve = house.serve().await;
    becomes(&house, "open").await;

    let leader = line("systemd/naru-leader@.service", "ExecStart");
    let leader: Vec<_> =
        leader.iter().map(|word| word.replace("/usr/local/bin/%i", "cat").replace("%i", "cat")).collect();
    let mut leader = Process::start(&mut on(&house, &leader, &[]));
    eventually("the leader to begin", PATIENCE, async || leader.errors().contains("it runs here").then_some(())).await;
    assert_eq!(leader.stop().await.code(), Some(0));
    serve.stop().await;
}
