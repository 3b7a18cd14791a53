//! The command line as a person meets it: output, errors and exit codes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provider-agent"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A provider's folder whose node does not answer.
fn initialised() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = agent(&["init", "--dir", path(dir.path()), "--node", "ws://127.0.0.1:9"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    assert_eq!(out(&made).lines().count(), 1, "only the address is data: {}", out(&made));
    dir
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(dir: &Path) -> Output {
    agent(&["run", "--config", path(dir)])
}

fn change(dir: &Path, from: &str, to: &str) {
    let file = dir.join("provider.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn every_command_explains_itself_with_examples() {
    for arguments in [
        &["--help"][..],
        &["init", "--help"],
        &["run", "--help"],
        &["relay", "--help"],
        &["relay", "serve", "--help"],
        &["status", "--help"],
        &["sweep", "--help"],
        &["history", "--help"],
        &["benchmark", "--help"],
        &["rates", "--help"],
        &["record", "--help"],
    ] {
        let help = agent(arguments);
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains("Example"), "{arguments:?}: {}", out(&help));
    }
    assert!(out(&agent(&["--help"])).contains("Exit codes"));
}

#[test]
fn wrong_arguments_exit_with_two() {
    assert_eq!(code(&agent(&["rent"])), 2);
    assert_eq!(code(&agent(&["run", "--fast"])), 2);
}

#[test]
fn completions_are_printed_for_a_shell() {
    let script = agent(&["completions", "bash"]);
    assert_eq!(code(&script), 0);
    assert!(out(&script).contains("provider-agent"));
}

#[test]
fn an_unreachable_node_is_named_and_exits_with_four() {
    let dir = initialised();
    let ended = run(dir.path());
    assert_eq!(code(&ended), 4, "{}", err(&ended));
    assert!(err(&ended).contains("ws://127.0.0.1:9"), "{}", err(&ended));
}

#[test]
fn a_configuration_that_is_not_there_exits_with_three_and_says_how_to_make_one() {
    let ended = agent(&["run", "--config", "/nonexistent/provider.toml"]);
    assert_eq!(code(&ended), 3);
    assert!(err(&ended).contains("provider-agent init"), "{}", err(&ended));
}

#[test]
fn an_unknown_key_exits_with_three_and_is_named() {
    let dir = initialised();
    change(dir.path(), "max_leases", "most_leases");
    let ended = run(dir.path());
    assert_eq!(code(&ended), 3);
    assert!(err(&ended).contains("most_leases") && err(&ended).contains("line"), "{}", err(&ended));
}

#[test]
fn rates_that_bill_twice_exit_with_three() {
    let dir = initialised();
    change(dir.path(), "[rates]\n", "[rates]\ncpu_user_hour = 1\n");
    let ended = run(dir.path());
    assert_eq!(code(&ended), 3);
    assert!(err(&ended).contains("[rates]"), "{}", err(&ended));
}

#[test]
fn a_key_that_others_may_read_exits_with_three() {
    let dir = initialised();
    let key = dir.path().join("key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = run(dir.path());
    assert_eq!(code(&ended), 3);
    assert!(err(&ended).contains("chmod 600"), "{}", err(&ended));
}

#[test]
fn a_second_agent_on_the_same_store_exits_with_five() {
    let dir = initialised();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let _first = redb::Database::create(data.join("leases.redb")).unwrap();
    let ended = run(dir.path());
    assert_eq!(code(&ended), 5, "{}", err(&ended));
    assert!(err(&ended).contains("another provider-agent"), "{}", err(&ended));
}

#[test]
fn a_public_record_from_an_unreachable_node_exits_with_four_and_names_it() {
    let dir = initialised();
    let account = format!("0x{}", "01".repeat(32));
    let ended = agent(&["history", "--public", &account, "--config", path(dir.path())]);
    assert_eq!(code(&ended), 4, "{}", err(&ended));
    assert!(err(&ended).contains("ws://127.0.0.1:9"), "{}", err(&ended));
    let mixed = agent(&["history", "--public", &account, "--limit", "3"]);
    assert_eq!(code(&mixed), 2);
}

#[test]
fn status_without_a_daemon_says_so_and_exits_with_seven() {
    let dir = initialised();
    let shown = agent(&["status", "--json", "--config", path(dir.path())]);
    assert_eq!(code(&shown), 7);
    assert!(err(&shown).contains("no provider-agent is running"), "{}", err(&shown));
    let report: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(report["running"], false);
    assert_eq!(report["leases"], serde_json::json!([]));
}

#[test]
fn rates_are_shown_as_they_are_written() {
    let dir = initialised();
    let shown = agent(&["rates", "--config", path(dir.path())]);
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    assert!(
        out(&shown).contains("cpu_hour") && out(&shown).contains("0.05 XEN"),
        "{}",
        out(&shown)
    );
    let json = agent(&["rates", "--config", path(dir.path()), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["rates"]["cpu_hour"], &json["benchmark"]), (&"0.05".into(), &().into()));
}

#[test]
fn a_price_without_a_benchmark_says_what_to_do() {
    let dir = initialised();
    change(dir.path(), "# [price]", "[price]");
    change(dir.path(), "# full_load_hour", "full_load_hour");
    change(dir.path(), "cpu_hour = \"0.05\"", "");
    change(dir.path(), "memory_gib_hour = \"0.01\"", "");
    for command in ["run", "rates"] {
        let refused = agent(&[command, "--config", path(dir.path())]);
        assert_eq!(code(&refused), 3, "{}", err(&refused));
        assert!(err(&refused).contains("run `provider-agent benchmark`"), "{}", err(&refused));
    }
}
