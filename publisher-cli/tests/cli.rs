//! The program as a user runs it, as far as it needs no chain.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

fn run(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_publisher-cli"))
        .arg("--dir")
        .arg(dir)
        .args(words)
        .env_remove("RUST_LOG")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("the program ended by itself")
}

/// A folder whose configuration names a port where nothing listens.
fn initialised() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let node = format!("ws://{free}");
    let output = run(dir.path(), &["init", "--node", &node, "--suri", "//Alice"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    dir
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let help = text(&run(dir.path(), &["--help"]).stdout);
    for verb in [
        "init",
        "account",
        "identity",
        "submit",
        "verify",
        "list",
        "usage",
        "history",
        "cancel",
        "stop",
        "logs",
        "resume",
        "recover",
        "relay",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        let own = run(dir.path(), &[verb, "--help"]);
        assert_eq!(code(&own), 0);
        assert!(text(&own.stdout).contains("Example"), "{verb} shows examples");
    }
    for code in ["0  ", "3  ", "4  ", "5  ", "6  ", "7  ", "8  ", "9  ", "130"] {
        assert!(help.contains(&format!("\n  {code}")), "{code:?} in {help}");
    }
}

#[test]
fn the_options_of_submit_are_these() {
    let dir = tempfile::tempdir().unwrap();
    let help = text(&run(dir.path(), &["submit", "-h"]).stdout);
    let options: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().split([' ', ',']).find(|word| word.starts_with("--")))
        .collect();
    let long: Vec<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && options.contains(word))
        .collect();
    for option in [
        "--disk",
        "--image",
        "--for",
        "--min-for",
        "--max-price",
        "--rate",
        "--tick",
        "--prepaid",
        "--asks",
        "--info-url",
        "--timeout",
        "--max-faults",
        "--ssh-config",
        "--detach",
        "--cpus",
    ] {
        assert!(long.contains(&option), "{option} in {help}");
    }
    assert!(help.contains("-n, --machines") && help.contains("-m, --memory"), "{help}");
}

#[test]
fn init_prints_the_address_and_keeps_what_is_there() {
    let dir = initialised();
    let key = dir.path().join("publisher.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&key).unwrap();
    let again = run(dir.path(), &["init", "--json"]);
    assert_eq!(code(&again), 0, "{}", text(&again.stderr));
    assert_eq!(fs::read(&key).unwrap(), before);
    let printed: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(printed["address"], "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
    let address = run(dir.path(), &["--json", "account", "address"]);
    let address: serde_json::Value = serde_json::from_slice(&address.stdout).unwrap();
    assert_eq!(address["address"], printed["address"]);
    assert_eq!(
        address["public_key"],
        "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
    );
}

#[test]
fn a_folder_without_configuration_says_what_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["submit"]);
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains("publisher-cli init"), "{}", text(&output.stderr));
}

#[test]
fn an_unknown_key_of_the_configuration_is_named() {
    let dir = initialised();
    let path = dir.path().join("publisher.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{config}\nspeed = 3\n")).unwrap();
    let output = run(dir.path(), &["list"]);
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains("speed"), "{}", text(&output.stderr));
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_remedy() {
    let dir = initialised();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(dir.path().join("publisher.key"), open).unwrap();
    let output = run(dir.path(), &["account", "address"]);
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains("chmod 600"), "{}", text(&output.stderr));
}

#[test]
fn a_node_that_does_not_answer_is_named_with_its_address() {
    let dir = initialised();
    let output = run(dir.path(), &["account", "balance"]);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("ws://127.0.0.1:"), "{}", text(&output.stderr));
}

#[test]
fn quantities_out_of_range_are_wrong_usage() {
    let dir = initialised();
    for words in [
        &["submit", "-n", "0"][..],
        &["submit", "-m", "0M"],
        &["submit", "-m", "512"],
        &["submit", "--cpus", "4000"],
        &["submit", "--rate", "cpu"],
        &["account", "transfer", "5Grw", "x"],
        &["cancel"],
    ] {
        assert_eq!(code(&run(dir.path(), words)), 2, "{words:?}");
    }
}

#[test]
fn without_a_running_submit_there_is_nothing_to_list_or_cancel() {
    let dir = initialised();
    let list = run(dir.path(), &["list", "--json"]);
    assert_eq!((code(&list), text(&list.stdout).trim()), (0, "{\"machines\":[]}"));
    let history = run(dir.path(), &["history", "--json"]);
    let nothing = "{\"leases\":[],\"record\":null}";
    assert_eq!((code(&history), text(&history.stdout).trim()), (0, nothing));
    assert_eq!(code(&run(dir.path(), &["history", "--lease", "7"])), 1);
    let cancel = run(dir.path(), &["cancel", "--all"]);
    assert_eq!(code(&cancel), 1);
    assert!(text(&cancel.stderr).contains("nothing to cancel"), "{}", text(&cancel.stderr));
    let usage = run(dir.path(), &["usage", "zn-1"]);
    assert_eq!(code(&usage), 1);
    let stop = run(dir.path(), &["stop"]);
    assert_eq!(code(&stop), 1);
    assert!(text(&stop.stderr).contains("no order runs"), "{}", text(&stop.stderr));
    let logs = run(dir.path(), &["logs", "-f"]);
    assert_eq!((code(&logs), text(&logs.stdout)), (0, String::new()));
}

#[test]
fn an_order_in_the_background_that_fails_says_why_and_is_in_the_log() {
    let dir = initialised();
    let submit = run(dir.path(), &["submit", "--detach"]);
    assert_eq!(code(&submit), 4, "{}", text(&submit.stderr));
    let said = text(&submit.stderr);
    assert!(said.contains("\nerror: ") && said.contains("ws://127.0.0.1:"), "{said}");
    let logs = run(dir.path(), &["logs", "--json"]);
    let line: serde_json::Value = serde_json::from_slice(&logs.stdout).unwrap();
    assert_eq!((&line["event"], &line["exit_code"]), (&"finished".into(), &4.into()));
    let words = text(&run(dir.path(), &["logs"]).stdout);
    assert!(words.contains("order over") && words.contains("ws://127.0.0.1:"), "{words}");
}

#[test]
fn an_order_in_the_background_checks_its_options_before_it_begins() {
    let dir = initialised();
    assert_eq!(code(&run(dir.path(), &["submit", "--detach", "--daemon"])), 2);
    assert_eq!(
        code(&run(dir.path(), &["submit", "--detach", "--for", "1m", "--min-for", "2m"])),
        1
    );
    assert_eq!(text(&run(dir.path(), &["logs"]).stdout), "");
}

#[test]
fn completions_know_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(dir.path(), &["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(text(&output.stdout).contains("submit"), "{shell}");
    }
}
