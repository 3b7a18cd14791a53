//! Which sessions belong to which connection, and the end of what a closed connection leaves.

use crate::procs::Proc;
use nix::{
    sys::signal::{kill, killpg, Signal},
    unistd::Pid,
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How long a process that has just begun has to detach before it is judged.
const BEGIN: Duration = Duration::from_secs(1);
/// How long a process may tidy up after SIGHUP.
const GRACE: Duration = Duration::from_secs(2);
/// How soon what was missed is looked for again.
const AGAIN: Duration = Duration::from_millis(100);
/// How often at most; a machine that forks faster than it is swept harms nobody but itself.
const SWEEPS: u32 = 50;
/// Sessions kept of one connection.
const MAX_SESSIONS: usize = 1024;
/// How far up a session looks for its server.
const MAX_DEPTH: usize = 64;

/// A session as `setsid` makes it, named by its leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Session {
    id: i32,
    leader_started: u64,
}

/// What remains of a closed connection.
struct Remains {
    sessions: Vec<Session>,
    /// Processes that had detached when the others were asked to end, by id and start; absent
    /// until that is done.
    spared: Option<Vec<(i32, u64)>>,
    due: Instant,
    sweeps: u32,
}

/// The live connections, by the process id of their sshd, and what closed ones left.
#[derive(Default)]
pub(crate) struct Sessions {
    live: HashMap<i32, Vec<Session>>,
    remains: Vec<Remains>,
}

impl Sessions {
    pub(crate) fn live(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn opened(&mut self, sshd: i32) {
        self.live.insert(sshd, Vec::new());
    }

    /// Notes the session in which the process `pid` runs; false when no live connection started it.
    pub(crate) fn register(&mut self, pid: i32) -> bool {
        let Some(process) = Proc::of(pid) else { return false };
        let Some(leader) = Proc::of(process.session) else { return false };
        let mut above = process.parent;
        for _ in 0..MAX_DEPTH {
            if self.live.contains_key(&above) {
                break;
            }
            match Proc::of(above) {
                Some(next) if next.parent > 0 => above = next.parent,
                _ => return false,
            }
        }
        let session = Session { id: leader.pid, leader_started: leader.started };
        match self.live.get_mut(&above) {
            Some(known) if known.contains(&session) => true,
            Some(known) => {
                if known.len() >= MAX_SESSIONS {
                    forget_ended(known);
                }
                let room = known.len() < MAX_SESSIONS;
                if room {
                    known.push(session);
                }
                room
            }
            None => false,
        }
    }

    /// Called for each process that was reaped: where it was a connection's sshd, the connection
    /// has ended.
    pub(crate) fn reaped(&mut self, pid: i32, now: Instant) {
        let Some(sessions) = self.live.remove(&pid) else { return };
        // A helper of an sshd that was killed waits for its client as long as that likes.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        if !split(&sessions, &[]).0.is_empty() {
            let due = now + BEGIN;
            self.remains.push(Remains { sessions, spared: None, due, sweeps: SWEEPS });
        }
    }

    /// When [`Self::sweep`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.remains.iter().map(|remains| remains.due).min()
    }

    /// Asks what is left of closed connections to end, and kills what had its time for that.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.remains.retain_mut(|remains| {
            if now < remains.due {
                return true;
            }
            let Some(spared) = &remains.spared else {
                let (attached, detached) = split(&remains.sessions, &[]);
                for process in &attached {
                    send(process, Signal::SIGHUP);
                    // A stopped process acts on nothing but SIGKILL until it is continued.
                    send(process, Signal::SIGCONT);
                }
                remains.spared = Some(detached.iter().map(|p| (p.pid, p.started)).collect());
                remains.due = now + GRACE;
                return !attached.is_empty();
            };
            let (attached, _) = split(&remains.sessions, spared);
            for process in &attached {
                send(process, Signal::SIGKILL);
            }
            remains.sweeps -= 1;
            remains.due = now + AGAIN;
            !attached.is_empty() && remains.sweeps > 0
        });
    }
}

/// Makes room: a session of which no process is left has ended.
fn forget_ended(known: &mut Vec<Session>) {
    let all = Proc::all();
    known.retain(|session| all.iter().any(|process| process.session == session.id));
}

/// The processes of the sessions: those that are attached, and those that detached.
fn split(sessions: &[Session], spared: &[(i32, u64)]) -> (Vec<Proc>, Vec<Proc>) {
    let all = Proc::all();
    // A leader of the same id that started at another time leads a later session.
    let current = |s: &&Session| {
        all.iter().find(|p| p.pid == s.id).is_none_or(|p| p.started == s.leader_started)
    };
    let ids: Vec<i32> = sessions.iter().filter(current).map(|s| s.id).collect();
    all.into_iter()
        .filter(|p| ids.contains(&p.session) && !p.zombie)
        .filter(|p| !spared.contains(&(p.pid, p.started)))
        .partition(|p| !detached(p))
}

fn detached(process: &Proc) -> bool {
    let left_alone = process.parent == 1 && process.pid != process.session;
    process.ignores_hangup() || (left_alone && process.streams_are_files())
}

fn send(process: &Proc, signal: Signal) {
    // Looked at again, since the id may have gone to another process meanwhile.
    if Proc::of(process.pid).is_some_and(|now| now.started == process.started) {
        // It may have ended by itself, which is what is wanted.
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_that_have_ended_are_forgotten() {
        let own = Proc::of(i32::try_from(std::process::id()).unwrap()).unwrap().session;
        let session = |id| Session { id, leader_started: 0 };
        let mut known = vec![session(i32::MAX), session(own), session(i32::MAX - 1)];
        forget_ended(&mut known);
        assert_eq!(known, [session(own)]);
    }
}
