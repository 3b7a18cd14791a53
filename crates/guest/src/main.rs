//! The program inside every machine: process 1 of its container, a static binary that needs
//! nothing of the image. It has no access to a network and holds no secret but the machine's own
//! ssh host key.
//!
//! # What the host provides
//!
//! | in the container | on the host | mount |
//! |---|---|---|
//! | `/.zennet` | the OpenSSH bundle, with this program as `guest` | read-only, shared by all |
//! | `/run/zennet` | a folder of the lease, mode 755, in a parent of mode 700 | read-only |
//! | `/run/zennet/host_key` | OpenSSH private key (ed25519), mode 600 | |
//! | `/run/zennet/authorized_keys` | the publisher's public key, mode 644 | |
//! | `/run/zennet/agent.sock` | a Unix socket **on which the agent listens**, mode 666 | |
//!
//! The entrypoint is `["/.zennet/guest", "run"]` with user `0:0`, a private cgroup namespace, an
//! init process of Docker's own switched off. Capabilities: `SETUID`, `SETGID`, `SYS_CHROOT` are
//! needed by sshd; `KILL`, `CHOWN`, `FOWNER`, `DAC_OVERRIDE` (a host folder that is not root's,
//! logins of other users) and `FSETID` make an ordinary system of it. `no-new-privileges` is fine.
//! With a read-only root the host adds a tmpfs on `/run/sshd` (mode 755) and an `/etc/passwd` with
//! an `sshd` line.
//!
//! # How a connection comes in
//!
//! ```text
//!  agent: bind agent.sock                        guest: keeps a few connections waiting in
//!    ssh stream arrives ── accept() ───────────►        the agent's backlog
//!    write one byte (any) ─────────────────────► read it, start sshd -i on the socket
//!    copy bytes both ways ◄────────────────────► sshd, until either side closes
//! ```
//!
//! The guest dials and the agent listens, never the other way: a tenant is root in its machine, so
//! whatever it could write on the host (a link in place of a socket, files past its quota) it
//! would. Here it can write nothing on the host. The agent accepts only when it has a stream to serve,
//! with a deadline: the first accept that succeeds shows that the machine is up, and one that does
//! not says that the machine is at its cap of connections. After a restart the agent binds the
//! path anew (remove the old file, in the same folder) and the guest dials again within a second.
//!
//! Without an agent nobody is paid for the machine. When none could be dialled for a while, the
//! machine ends by itself; an agent that comes back finds a stopped container and starts it again,
//! with all that is on its disk.
//!
//! # Sessions
//!
//! sshd's forced command is this program (`guest session`), which tells process 1 over an abstract
//! socket in which session (in the sense of `setsid`) the login runs, takes the image's environment
//! from it and becomes the user's shell. When a connection has ended, the processes of its
//! sessions get SIGHUP and, two seconds later, SIGKILL, unless they detached on purpose. A process
//! has detached when one of these holds:
//!
//! - it left the session (`setsid`, a daemon, tmux);
//! - it ignores SIGHUP (`nohup`);
//! - its starter had ended before the connection did, and its stdin, stdout and stderr are all files
//!   or devices (`./server >log 2>&1 &`), none a pipe, socket or terminal of the session.

mod accounts;
mod agent;
mod bundle;
mod init;
mod procs;
mod session;
mod sessions;
mod suite;
mod trial;
mod usage;

use std::process::ExitCode;

/// Where the host mounts the OpenSSH bundle.
const BUNDLE: &str = "/.zennet";
/// Where the host mounts the folder of the lease.
const LEASE: &str = "/run/zennet";
/// Abstract name on which process 1 hears of new sessions.
const REGISTRY: &str = "zennet-guest";

const HELP: &str = "usage: guest run [--connections N] [--alone-secs N]   be process 1 of a machine
       guest usage [--follow] [--every-ms N]   print the machine's own counters
       guest trial                      do known work for the agent, to try the host's counters
       guest suite ...                  run the embedded benchmarks
       guest session                    start the user's shell or command (used by sshd)
       guest bundled FILE ARGS...       run a program of the bundle (used by its commands)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run", options @ ..] => {
            init::Options::parse(options).and_then(|options| init::run(&options))
        }
        ["usage", options @ ..] => {
            usage::Options::parse(options).and_then(|options| usage::run(&options))
        }
        ["trial"] => trial::run(),
        // What the task `fork` starts.
        ["nothing"] => Ok(()),
        ["suite", words @ ..] => suite::run(words),
        ["session"] => session::run().map(|never| match never {}),
        ["bundled", file, rest @ ..] => bundle::exec(file, rest).map(|never| match never {}),
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("zennet-guest: {message}");
            // What ssh itself returns when a session could not be started.
            ExitCode::from(255)
        }
    }
}
