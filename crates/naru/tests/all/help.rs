//! Help and output as terminals and pipes take them. What each help says is a snapshot beside the grammar (`cli.rs`).

use std::process::{Command, Stdio};

use naru_testkit::process::naru_binary;

use crate::house::{House, text};

#[test]
fn help_needs_no_configuration_and_is_no_failure() {
    let house = House::empty();
    let help = house.done(&["--help"]);
    assert!(help.starts_with("Carries a shop's messages"), "{help}");
    assert!(help.contains("\nBegin:\n  init "), "{help}");
    assert!(house.done(&["user", "add", "--help"]).contains("--role <ROLE>"));
    assert!(house.done(&["--version"]).starts_with("naru 0."));
    assert_eq!(std::fs::read_dir(house.path("")).unwrap().count(), 0, "nothing was made");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let house = House::empty();
    for (args, expect) in [
        (&["usr"][..], "a similar subcommand exists: 'user'"),
        (&["user", "add", "kim"], "--role <ROLE>"),
        (&["user", "add", "kim", "--role", "boss"], "[possible values: view, send, operate, admin]"),
        (&[], "Usage: naru COMMAND"),
    ] {
        let (code, said) = house.refused(args);
        assert_eq!(code, 2, "{args:?}");
        assert!(said.contains(expect), "{args:?}: {said}");
    }
}

#[test]
fn a_pipe_that_closes_early_is_no_failure() {
    let house = House::empty();
    for args in ["--help", "config show --default", "sandbox --help"] {
        let script = format!("{{ {} {args}; echo $? >&2; }} | true", naru_binary().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(house.path("")).stdin(Stdio::null());
        let output = shell.output().unwrap();
        assert_eq!(text(&output.stderr), "0\n", "{args}");
    }
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let house = House::new();
    house.done(&["token", "add", "shop", "--role", "send"]);
    let on_a_terminal = |environment: &str| {
        let script = format!("{environment} {} token list", naru_binary().display());
        // Of util-linux, as essential on Debian as `sh`: gives the program a terminal of its own.
        let mut script_program = Command::new("script");
        script_program.args(["-qec", &script, "/dev/null"]).current_dir(house.path("")).stdin(Stdio::null());
        text(&script_program.env_remove("NO_COLOR").env("TERM", "xterm").output().unwrap().stdout)
    };
    assert!(on_a_terminal("").contains("\u{1b}["));
    assert!(!on_a_terminal("NO_COLOR=1").contains('\u{1b}'));
    assert!(!on_a_terminal("TERM=dumb").contains('\u{1b}'));
    assert!(!house.done(&["token", "list"]).contains('\u{1b}'), "a pipe is no terminal");
}
