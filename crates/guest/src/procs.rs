//! The machine's processes, as procfs tells of them.

use std::{fs, os::unix::fs::MetadataExt};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proc {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Clock ticks since boot; with the pid it names a process for good.
    pub(crate) started: u64,
    pub(crate) zombie: bool,
}

impl Proc {
    /// The process with the id `pid`, if there is one.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Every process of the machine.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Self::of)
            .collect()
    }

    /// Whether it ignores SIGHUP, as `nohup` makes it do.
    pub(crate) fn ignores_hangup(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/status", self.pid))
            .is_ok_and(|status| ignores_signal_1(&status))
    }

    /// Whether its stdin, stdout and stderr are all closed, files or devices other than terminals.
    /// One that may not be looked at counts as attached.
    pub(crate) fn streams_are_files(&self) -> bool {
        let dir = format!("/proc/{}/fd", self.pid);
        if fs::read_dir(&dir).is_err() {
            return false;
        }
        (0..3).all(|fd| match fs::read_link(format!("{dir}/{fd}")) {
            Ok(target) => {
                let target = target.to_string_lossy();
                target.starts_with('/') && !target.starts_with("/dev/pts/") && {
                    // A named pipe is a path too.
                    fs::metadata(format!("{dir}/{fd}"))
                        .map_or(true, |meta| meta.mode() & 0o170000 != 0o010000)
                }
            }
            Err(_) => true,
        })
    }
}

fn parse_stat(stat: &str) -> Option<Proc> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    // The name stands in parentheses and may hold spaces and parentheses itself.
    let rest: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    Some(Proc {
        pid,
        zombie: matches!(*rest.first()?, "Z" | "X"),
        parent: rest.get(1)?.parse().ok()?,
        session: rest.get(3)?.parse().ok()?,
        started: rest.get(19)?.parse().ok()?,
    })
}

fn ignores_signal_1(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 7 42 40 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2";
        let read = parse_stat(stat).unwrap();
        assert_eq!(read, Proc { pid: 42, parent: 7, session: 40, started: 777, zombie: false });
    }

    #[test]
    fn a_cut_line_is_no_process() {
        let stat = "42 (sh) S 7 42 40 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2";
        for end in 0..stat.len() - 8 {
            assert_eq!(parse_stat(&stat[..end]), None, "{}", &stat[..end]);
        }
    }

    #[test]
    fn ignoring_the_hangup_is_read_from_the_lowest_bit() {
        assert!(ignores_signal_1("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_signal_1("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_signal_1("Name:\tx\n"));
    }

    #[test]
    fn this_process_is_among_all() {
        let own = std::process::id() as i32;
        let found = Proc::all().into_iter().find(|p| p.pid == own).unwrap();
        assert_eq!(Some(found), Proc::of(own));
    }
}
