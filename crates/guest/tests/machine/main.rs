//! The guest at work in real containers, with the stock OpenSSH client. Needs what scripts/setup
//! makes, and the static guest in the bundle (scripts/test builds it first).

mod support;

use self::support::{docker, root, wait_until, Machine, IMAGES};
use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[test]
fn every_claim_about_the_shell_holds_on_the_thin_image() {
    battery("zennet-os");
}

#[test]
fn every_claim_about_the_shell_holds_on_an_image_of_one_static_program() {
    battery("zennet-busybox");
}

fn battery(image: &str) {
    let machine = Machine::start(image, &[], &[]);
    let out = Command::new(root().join("scripts/ssh-battery"))
        .arg(machine.config())
        .arg("machine")
        .stdin(Stdio::null())
        .output()
        .expect("the battery runs");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{image}:\n{said}\n{}", String::from_utf8_lossy(&out.stderr));
    wait_until("no process but the guest is left", || machine.processes().len() == 1);
}

#[test]
fn sessions_have_the_images_environment_and_no_trace_of_how_they_started() {
    for image in IMAGES {
        let machine = Machine::start(image, &[], &[]);
        assert_eq!(machine.says("echo \"$FROM_IMAGE\""), "a b");
        assert_eq!(machine.says("echo $HOME; pwd"), "/root\n/root");
        let names = machine.says("env");
        for name in ["SSH_ORIGINAL_COMMAND=", "LD_LIBRARY_PATH=", "OPENSSL_CONF="] {
            assert!(!names.contains(name), "{names}");
        }
    }
}

#[test]
fn connections_beyond_the_cap_wait_for_their_turn() {
    let machine = Machine::start("zennet-busybox", &["--connections", "2"], &[]);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = machine.ssh("cat");
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("ssh");
        client.stdin.as_mut().expect("piped").write_all(b"x").expect("written");
        held.push(client);
    }
    machine.wait_for_processes("cat", 2);
    let mut third = machine.ssh("echo third").stdout(Stdio::piped()).spawn().expect("ssh");
    let servers = machine.processes().iter().filter(|line| line.contains("sshd")).count();
    assert_eq!(servers, 2);
    assert!(third.try_wait().expect("alive").is_none());
    drop(held[0].stdin.take());
    assert!(held[0].wait().expect("ended").success());
    assert!(third.wait().expect("ended").success());
    drop(held[1].stdin.take());
    assert!(held[1].wait().expect("ended").success());
}

#[test]
fn an_agent_that_comes_back_is_dialled_again() {
    let mut machine = Machine::start("zennet-busybox", &[], &[]);
    assert_eq!(machine.says("echo one"), "one");
    machine.serve();
    assert_eq!(machine.says("echo two"), "two");
}

#[test]
fn a_machine_without_an_agent_ends_by_itself_and_keeps_what_is_on_its_disk() {
    let mut machine = Machine::start("zennet-busybox", &["--alone-secs", "2"], &[]);
    assert_eq!(machine.says("echo kept >/root/file && echo one"), "one");
    machine.leave();
    let state = |machine: &Machine| {
        let said = docker(&["inspect", "-f", "{{.State.Status}}", &machine.name]).stdout;
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    wait_until("the machine has ended", || state(&machine) == "exited");
    machine.serve();
    assert!(docker(&["start", &machine.name]).status.success());
    assert_eq!(machine.says("cat /root/file"), "kept");
}

#[test]
fn a_stopped_machine_ends_at_once_with_all_that_runs_in_it() {
    let machine = Machine::start("zennet-os", &[], &[]);
    let mut client = machine.ssh("sleep 1000").spawn().expect("ssh");
    machine.wait_for_processes("sleep 1000", 1);
    let started = Instant::now();
    assert!(docker(&["stop", "-t", "30", &machine.name]).status.success());
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(!client.wait().expect("ended").success());
    let code = docker(&["inspect", "-f", "{{.State.ExitCode}}", &machine.name]).stdout;
    assert_eq!(String::from_utf8_lossy(&code).trim(), "0");
}

#[test]
fn helpers_of_a_killed_server_end_with_it() {
    let machine = Machine::start("zennet-os", &[], &[]);
    let mut client = machine.ssh("sleep 1000").stderr(Stdio::null()).spawn().expect("ssh");
    machine.wait_for_processes("sleep 1000", 1);
    let killed = docker(&["exec", &machine.name, "sh", "-c", "kill -9 $(pgrep -f '[a]rgv0 sshd')"]);
    assert!(killed.status.success(), "{}", String::from_utf8_lossy(&killed.stderr));
    assert!(!client.wait().expect("ended").success());
    wait_until("no process but the guest is left", || machine.processes().len() == 1);
}

#[test]
fn a_process_that_detaches_as_its_connection_closes_lives_on() {
    let machine = Machine::start("zennet-busybox", &[], &[]);
    // It is still attached when its client has gone.
    machine.says("(sleep 0.1; trap '' HUP; exec sleep 98781) >/dev/null 2>&1 </dev/null & true");
    let mut other = machine.ssh("sleep 98782").stderr(Stdio::null()).spawn().expect("ssh");
    machine.wait_for_processes("sleep 98782", 1);
    other.kill().expect("killed");
    other.wait().expect("ended");
    // Both connections have been dealt with when the second's process is gone.
    machine.wait_for_processes("sleep 98782", 0);
    machine.wait_for_processes("sleep 98781", 1);
}

#[test]
fn a_read_only_root_works_with_what_the_host_adds() {
    let passwd = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        passwd.path(),
        "root:x:0:0::/root:/bin/sh\nsshd:x:99:99::/run/sshd:/bin/false\n",
    )
    .expect("written");
    let mount = format!("{}:/etc/passwd:ro", passwd.path().display());
    let args = ["--read-only", "--tmpfs", "/run/sshd:mode=755", "--tmpfs", "/root", "-v", &mount];
    let machine = Machine::start("zennet-busybox", &[], &args);
    assert_eq!(machine.says("echo fine"), "fine");
}

#[test]
fn the_machine_reads_its_own_counters() {
    let machine = Machine::start("zennet-busybox", &[], &[]);
    let first = machine.says("/.zennet/guest usage");
    assert!(first.contains("\"cpu_micros\":"), "{first}");
    let micros = |line: &str| -> u64 {
        let rest = line.split("\"cpu_micros\":").nth(1).expect("a figure");
        rest.split([',', '}']).next().expect("its end").parse().expect("a number")
    };
    machine.says("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    let second = machine.says("/.zennet/guest usage");
    assert!(micros(&second) > micros(&first), "{first}\n{second}");
}
