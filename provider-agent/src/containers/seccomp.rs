//! The filter of system calls that machines run under.
//!
//! As the engine's own, it refuses whatever is not listed; beyond it, it refuses sockets that reach
//! the host past all networks (`AF_VSOCK`), `io_uring`, and programs of other architectures than
//! the host's first one, whose calls are filtered by other numbers.

use serde_json::{json, Value};

/// What is allowed, a group a line.
const ALLOWED: &str = include_str!("seccomp.txt");
/// Bits of `clone` that make namespaces: mount, cgroup, uts, ipc, user, pid, network.
const NAMESPACES: u64 = 0x7e02_0000;
/// Families of sockets that no network namespace confines.
const UNCONFINED: [u64; 2] = [AF_ALG, AF_VSOCK];
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
const ENOSYS: u64 = 38;
/// `personality` of an ordinary program, of one that is told of an old kernel, and the query.
const PERSONALITIES: [u64; 3] = [0, 0x0002_0000, 0xffff_ffff];

/// The filter, as engines read it.
pub(super) fn profile() -> String {
    let names: Vec<&str> = names().collect();
    let masked =
        json!([{ "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }]);
    let mut calls = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": masked }),
        // Its bits are in memory, where no filter sees them: programs fall back to `clone`.
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
        // Programs fall back to ordinary input and output, too.
        json!({
            "names": ["io_uring_setup", "io_uring_enter", "io_uring_register"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": ENOSYS,
        }),
    ];
    calls.extend(PERSONALITIES.map(|value| {
        json!({ "names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [equal(value)] })
    }));
    // Arguments of one rule must hold together, so each gap between the two families is a rule.
    let [first, second] = UNCONFINED;
    let between = (first + 1..second).map(|family| json!([equal(family)]));
    let gaps = [json!([below(first)]), json!([above(second)])].into_iter().chain(between);
    calls.extend(
        gaps.map(|args| json!({ "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": args })),
    );
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": calls }).to_string()
}

fn equal(value: u64) -> Value {
    json!({ "index": 0, "value": value, "op": "SCMP_CMP_EQ" })
}

fn below(value: u64) -> Value {
    json!({ "index": 0, "value": value, "op": "SCMP_CMP_LT" })
}

fn above(value: u64) -> Value {
    json!({ "index": 0, "value": value, "op": "SCMP_CMP_GT" })
}

fn names() -> impl Iterator<Item = &'static str> {
    let lines = ALLOWED.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nothing_that_reaches_the_host_is_listed() {
        let allowed: HashSet<_> = names().collect();
        assert_eq!(allowed.len(), names().count(), "a name is listed twice");
        for call in [
            "mount",
            "umount2",
            "pivot_root",
            "move_mount",
            "fsopen",
            "open_tree",
            "unshare",
            "setns",
            "clone",
            "clone3",
            "socket",
            "init_module",
            "finit_module",
            "delete_module",
            "bpf",
            "kexec_load",
            "kexec_file_load",
            "reboot",
            "swapon",
            "swapoff",
            "perf_event_open",
            "userfaultfd",
            "keyctl",
            "add_key",
            "request_key",
            "open_by_handle_at",
            "iopl",
            "ioperm",
            "settimeofday",
            "clock_settime",
            "clock_adjtime",
            "adjtimex",
            "syslog",
            "acct",
            "quotactl",
            "io_uring_setup",
            "io_uring_enter",
            "lookup_dcookie",
            "move_pages",
            "nfsservctl",
            "personality",
            "sethostname",
            "setdomainname",
            "fanotify_init",
            "vhangup",
        ] {
            assert!(!allowed.contains(call), "{call}");
        }
    }

    #[test]
    fn it_is_an_object_that_refuses_by_default() {
        let profile: Value = serde_json::from_str(&profile()).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        let calls = profile["syscalls"].as_array().unwrap();
        let sockets = calls.iter().filter(|call| call["names"][0] == "socket").count();
        assert_eq!(sockets, 3, "below AF_ALG, AF_VSOCK's lower neighbour, above AF_VSOCK");
    }
}
