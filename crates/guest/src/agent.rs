//! Connections that wait in the agent's backlog until it has a stream for them.

use crate::LEASE;
use nix::{
    errno::Errno,
    sys::socket::{connect, socket, AddressFamily, SockFlag, SockType, UnixAddr},
};
use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

/// How many connections wait at most. More than the agent takes at one moment is of no use.
const WAITING: usize = 8;
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LAST: Duration = Duration::from_secs(1);

/// What became of a waiting connection.
pub(crate) enum Taken {
    /// The agent has a stream for it.
    Stream(UnixStream),
    /// The agent is gone, or it sent nothing yet.
    No,
}

/// The connections that wait.
pub(crate) struct Waiting {
    path: PathBuf,
    connections: Vec<UnixStream>,
    retry_at: Option<Instant>,
    retry_after: Duration,
    /// Since when no agent listens, as far as it was tried.
    alone_since: Option<Instant>,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self::at(format!("{LEASE}/agent.sock").into())
    }

    fn at(path: PathBuf) -> Self {
        Self {
            path,
            connections: Vec::new(),
            retry_at: None,
            retry_after: RETRY_FIRST,
            alone_since: None,
        }
    }

    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.connections.iter().map(|connection| connection.as_fd())
    }

    /// How long no agent has listened when one was dialled last. The time for which the machine is
    /// frozen counts, but then there is one when it is dialled next.
    pub(crate) fn alone(&self, now: Instant) -> Duration {
        self.alone_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// When to call [`Self::fill`] again though nothing happened.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Dials until as many wait as are of use, `room` at most.
    pub(crate) fn fill(&mut self, room: usize, now: Instant) {
        self.connections.truncate(room);
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        while self.connections.len() < room.min(WAITING) {
            match self.dial() {
                Ok(connection) => {
                    self.connections.push(connection);
                    self.retry_after = RETRY_FIRST;
                    self.alone_since = None;
                }
                Err(error) => {
                    match error {
                        // An agent that is there has no room for more.
                        Errno::EAGAIN => self.alone_since = None,
                        _ => drop(self.alone_since.get_or_insert(now)),
                    }
                    // Absent, starting again, or its backlog is full: none is an error of ours.
                    self.retry_at = Some(now + self.retry_after);
                    self.retry_after = (self.retry_after * 2).min(RETRY_LAST);
                    return;
                }
            }
        }
    }

    /// Takes what the connection with the index `index` has become; one that did not merely stay
    /// idle no longer waits.
    pub(crate) fn take(&mut self, index: usize) -> Taken {
        let mut byte = [0];
        let outcome = (&self.connections[index]).read(&mut byte);
        match outcome {
            Ok(1) => Taken::Stream(self.connections.swap_remove(index)),
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                Taken::No
            }
            Ok(_) | Err(_) => {
                self.connections.swap_remove(index);
                Taken::No
            }
        }
    }

    fn dial(&self) -> Result<UnixStream, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(&self.path)?)?;
        Ok(fd.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{bind, listen, Backlog};
    use std::{io::Write, os::unix::net::UnixListener};

    #[test]
    fn a_connection_is_taken_only_when_the_agent_has_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Waiting::at(path);
        waiting.fill(1, Instant::now());
        assert_eq!(waiting.fds().count(), 1);
        assert!(matches!(waiting.take(0), Taken::No));
        let (mut agent, _) = listener.accept().unwrap();
        assert!(matches!(waiting.take(0), Taken::No));
        agent.write_all(b"1SSH-2.0").unwrap();
        let Taken::Stream(mut stream) = waiting.take(0) else { panic!("it was taken") };
        stream.set_nonblocking(false).unwrap();
        let mut rest = [0; 7];
        stream.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"SSH-2.0");
    }

    #[test]
    fn an_absent_agent_is_dialled_again_ever_more_slowly() {
        let dir = tempfile::tempdir().unwrap();
        let mut waiting = Waiting::at(dir.path().join("agent.sock"));
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            waiting.fill(1, now);
            let at = waiting.retry_at().unwrap();
            pauses.push(at - now);
            now = at;
        }
        assert_eq!(pauses[0], RETRY_FIRST);
        assert_eq!(*pauses.last().unwrap(), RETRY_LAST);
        assert_eq!(waiting.alone(now), pauses.iter().sum::<Duration>());
        let _listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
        waiting.fill(3, now);
        assert_eq!(waiting.fds().count(), 3);
        assert_eq!(waiting.retry_at(), None);
        assert_eq!(waiting.alone(now), Duration::ZERO);
    }

    #[test]
    fn an_agent_without_room_for_more_is_still_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        bind(fd.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&fd, Backlog::new(1).unwrap()).unwrap();
        let (mut waiting, now) = (Waiting::at(path), Instant::now());
        waiting.fill(WAITING, now);
        assert!(waiting.fds().count() < WAITING && waiting.retry_at().is_some());
        assert_eq!(waiting.alone(now + RETRY_LAST), Duration::ZERO);
    }

    #[test]
    fn an_agent_that_went_away_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Waiting::at(path);
        waiting.fill(1, Instant::now());
        drop(listener);
        assert!(matches!(waiting.take(0), Taken::No));
        assert_eq!(waiting.fds().count(), 0);
    }
}
