//! Process 1: reaps, starts one sshd for each connection, hears of sessions, ends with the machine.

use crate::{
    accounts,
    agent::{Taken, Waiting},
    bundle::Sshd,
    sessions::Sessions,
    REGISTRY,
};
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::{
        signal::{kill, SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        socket::{getsockopt, sockopt::PeerCredentials},
        wait::{waitpid, WaitPidFlag, WaitStatus},
    },
    unistd::Pid,
};
use std::{
    ffi::OsString,
    io::Write,
    os::{
        fd::AsFd,
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    time::{Duration, Instant},
};

/// Connections served at once unless the host says otherwise.
const DEFAULT_CONNECTIONS: usize = 64;
/// Connections served at once at most.
const MAX_CONNECTIONS: usize = 200;
/// How long the machine runs without an agent unless the host says otherwise: an agent that starts
/// again takes seconds.
const DEFAULT_ALONE: Duration = Duration::from_secs(3600);
/// How long processes have to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a new session may take to read its environment.
const REGISTRY_WAIT: Duration = Duration::from_secs(1);

/// What the host may set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// Connections served at once.
    connections: usize,
    /// How long the machine runs without an agent.
    alone: Duration,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Options, String> {
        let mut options = Options { connections: DEFAULT_CONNECTIONS, alone: DEFAULT_ALONE };
        for pair in words.chunks(2) {
            match pair {
                ["--connections", number] => match number.parse() {
                    Ok(number) if (1..=MAX_CONNECTIONS).contains(&number) => {
                        options.connections = number;
                    }
                    _ => {
                        let most = MAX_CONNECTIONS;
                        return Err(format!("--connections takes 1 to {most}, not {number}"));
                    }
                },
                ["--alone-secs", number] => match number.parse::<u32>() {
                    Ok(secs) if secs > 0 => options.alone = Duration::from_secs(secs.into()),
                    _ => return Err(format!("--alone-secs takes 1 to {}, not {number}", u32::MAX)),
                },
                _ => return Err(crate::HELP.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Runs the machine until SIGTERM, or until there has been no agent for long.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if std::process::id() != 1 {
        return Err("`run` is for process 1 of a container; found another id".to_owned());
    }
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        mask.add(signal);
    }
    mask.thread_block().map_err(|e| format!("blocking signals failed: {e}"))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|e| format!("listening for signals failed: {e}"))?;
    accounts::prepare()?;
    let sshd = Sshd::prepare()?;
    let registry = SocketAddr::from_abstract_name(REGISTRY)
        .and_then(|address| UnixListener::bind_addr(&address))
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|e| format!("listening for sessions failed: {e}"))?;
    let mut init = Init {
        sshd,
        registry,
        signals,
        waiting: Waiting::new(),
        sessions: Sessions::default(),
        environment: environment(),
    };
    loop {
        match init.turn(options)? {
            Turn::Again => {}
            Turn::End => return farewell(),
        }
    }
}

enum Turn {
    Again,
    End,
}

struct Init {
    sshd: Sshd,
    registry: UnixListener,
    signals: SignalFd,
    waiting: Waiting,
    sessions: Sessions,
    environment: Vec<u8>,
}

impl Init {
    fn turn(&mut self, options: &Options) -> Result<Turn, String> {
        let now = Instant::now();
        self.sessions.sweep(now);
        self.waiting.fill(options.connections.saturating_sub(self.sessions.live()), now);
        if self.waiting.alone(now) >= options.alone {
            eprintln!("zennet-guest: no agent for {} s, the machine ends", options.alone.as_secs());
            return Ok(Turn::End);
        }
        let until = [self.sessions.due(), self.waiting.retry_at()].into_iter().flatten().min();
        let ready = self.wait(until.map(|at| at.saturating_duration_since(now)))?;
        let (signalled, registering, connections) = match ready.as_slice() {
            [signalled, registering, connections @ ..] => (*signalled, *registering, connections),
            _ => return Ok(Turn::Again),
        };
        // From the last to the first, since taking one moves only those behind it.
        for index in (0..connections.len()).rev().filter(|index| connections[*index]) {
            if let Taken::Stream(stream) = self.waiting.take(index) {
                match self.sshd.serve(stream) {
                    Ok(pid) => self.sessions.opened(pid),
                    Err(e) => eprintln!("zennet-guest: starting sshd failed: {e}"),
                }
            }
        }
        // Before reaping: a session that speaks now still has its server above it.
        if registering {
            while let Ok((stream, _)) = self.registry.accept() {
                self.register(stream);
            }
        }
        if signalled && self.read_signals() {
            return Ok(Turn::End);
        }
        Ok(Turn::Again)
    }

    /// Waits until something happens: signals, the registry, then the waiting connections.
    fn wait(&self, timeout: Option<Duration>) -> Result<Vec<bool>, String> {
        let timeout = match timeout {
            // Rounded up, so that it has passed when poll returns.
            Some(duration) => {
                let millis = duration.as_millis().saturating_add(1);
                PollTimeout::try_from(millis.min(60_000) as i32).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let fds = [self.signals.as_fd(), self.registry.as_fd()];
        let mut polled: Vec<PollFd> = fds
            .into_iter()
            .chain(self.waiting.fds())
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut polled, timeout) {
            Ok(_) => Ok(polled.iter().map(|fd| fd.any().unwrap_or(true)).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(e) => Err(format!("waiting for events failed: {e}")),
        }
    }

    /// Reaps; true when the machine is to end.
    fn read_signals(&mut self) -> bool {
        let mut end = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            end |= info.ssi_signo != Signal::SIGCHLD as u32;
        }
        let now = Instant::now();
        while let Ok(status) = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            match status {
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) => {
                    self.sessions.reaped(pid.as_raw(), now)
                }
                WaitStatus::StillAlive => break,
                _ => {}
            }
        }
        end
    }

    /// Notes a session and hands it the image's environment; closes without a byte otherwise.
    fn register(&mut self, mut stream: UnixStream) {
        let Ok(peer) = getsockopt(&stream, PeerCredentials) else { return };
        if self.sessions.register(peer.pid()) {
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_write_timeout(Some(REGISTRY_WAIT));
            // A session that went away needs no environment.
            let _ = stream.write_all(&self.environment);
        }
    }
}

/// The image's environment as `NAME=value` strings, each ended by a zero byte, never empty.
fn environment() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in std::env::vars_os() {
        if name == "PATH" {
            continue;
        }
        push(&mut bytes, &name, &value);
    }
    let image = std::env::var_os("PATH").filter(|path| !path.is_empty());
    let mut path = image
        .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    // Last, for programs that the image lacks: the `scp` that older clients ask for.
    path.push(":");
    path.push(crate::BUNDLE);
    path.push("/bin");
    push(&mut bytes, &"PATH".into(), &path);
    bytes
}

fn push(bytes: &mut Vec<u8>, name: &OsString, value: &OsString) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(b'=');
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(0);
}

/// Asks every process to end; those that do not, end with this one.
fn farewell() -> Result<(), String> {
    let everyone = Pid::from_raw(-1);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCONT] {
        // None left is what is wanted.
        let _ = kill(everyone, signal);
    }
    let deadline = Instant::now() + FAREWELL;
    while Instant::now() < deadline {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => break,
            Ok(WaitStatus::StillAlive) | Err(_) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order_and_bounded() {
        let parse = |text: &str| Options::parse(&text.split_whitespace().collect::<Vec<_>>());
        let usual = Options { connections: DEFAULT_CONNECTIONS, alone: DEFAULT_ALONE };
        assert_eq!(parse(""), Ok(usual));
        let set = Options { connections: 2, alone: Duration::from_secs(9) };
        assert_eq!(parse("--alone-secs 9 --connections 2"), Ok(set));
        for wrong in ["--connections 0", "--connections 201", "--alone-secs 0", "--alone-secs", "x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
