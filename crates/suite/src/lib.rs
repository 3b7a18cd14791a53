//! The embedded benchmarks: tasks of known work in small units, mixed at random at full load.
//!
//! A [`Mix`] says which part of the time each task gets. Every thread gives its time to the tasks by
//! these parts, one unit after the other, so that it is never idle. What the mix used meanwhile is
//! read from outside, by the meter that meters a lease; many mixes give the equations from which
//! rates are found (`zennet-pricing`).
//!
//! ```text
//!  Mix ── what is to run, as a line of text
//!   │
//!  Running ── threads with their tasks prepared; go, stop, and the units that were done
//!   │
//!  tasks ──── one unit of work each: processor, memory, disk, kernel, network
//! ```
//!
//! [`wire`] is what a machine that runs benchmarks and its agent say to each other. SHA-256 and the
//! matrix product give an [`answer`] that follows from the seed and the number of units alone, so
//! that anybody can check it by doing the same.

pub mod answer;
mod mix;
mod running;
mod tasks;
pub mod wire;

use std::{fmt, io, net::SocketAddr, path::PathBuf, str::FromStr};

use thiserror::Error;

pub use self::{
    mix::{Mix, MixError, MOST_THREADS, WHOLE},
    running::{Counts, Running},
    tasks::disk::Aligned,
    tasks::network::{serve as serve_peer, Sink},
};

/// Memory that the tasks of one thread take together at most, MiB.
pub const THREAD_MIB: u32 = 192;

/// A kind of work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Task {
    /// A chain of SHA-256 hashes.
    Sha256,
    /// Products of matrices of 64-bit floating-point numbers.
    Matmul,
    /// `a = b + 3c` over arrays beyond the caches: the bandwidth of memory.
    Triad,
    /// Steps from one place of memory to the place that it names: the latency of memory.
    Chase,
    /// Fresh pages from the kernel, each written to once, and given back.
    Touch,
    /// Reading a file past the page cache.
    DirectRead,
    /// Writing a file past the page cache.
    DirectWrite,
    /// Writing a file through the page cache, and having it written to the disk.
    SyncWrite,
    /// Calls of the kernel that do nothing.
    Syscall,
    /// Starting a program that does nothing, and waiting for its end.
    Fork,
    /// Sending to a peer.
    Send,
    /// Receiving from a peer.
    Receive,
    /// Holding memory: its part of the memory is in use all the time, its part of the threads' time
    /// passes in sleep.
    Hold,
}

impl Task {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// Every task, in the order of their places.
    pub const ALL: [Task; Self::COUNT] = [
        Task::Sha256,
        Task::Matmul,
        Task::Triad,
        Task::Chase,
        Task::Touch,
        Task::DirectRead,
        Task::DirectWrite,
        Task::SyncWrite,
        Task::Syscall,
        Task::Fork,
        Task::Send,
        Task::Receive,
        Task::Hold,
    ];

    /// Name in mixes and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Task::Sha256 => "sha256",
            Task::Matmul => "matmul",
            Task::Triad => "triad",
            Task::Chase => "chase",
            Task::Touch => "touch",
            Task::DirectRead => "direct-read",
            Task::DirectWrite => "direct-write",
            Task::SyncWrite => "sync-write",
            Task::Syscall => "syscall",
            Task::Fork => "fork",
            Task::Send => "send",
            Task::Receive => "receive",
            Task::Hold => "hold",
        }
    }

    /// What a unit is: how much of what.
    pub const fn unit(self) -> (f64, &'static str) {
        match self {
            Task::Sha256 => (tasks::processor::LINKS as f64 / 1e6, "million hashes"),
            Task::Matmul => (tasks::processor::MATMUL_FLOP / 1e9, "GFLOP"),
            Task::Triad => (tasks::memory::TRIAD_BYTES / GIB, "GiB"),
            Task::Chase => (tasks::memory::STEPS as f64 / 1e6, "million steps"),
            Task::Touch => (tasks::memory::TOUCHED as f64 / 1e6, "million pages"),
            Task::DirectRead | Task::DirectWrite | Task::SyncWrite => {
                (tasks::disk::PIECE as f64 / GIB, "GiB")
            }
            Task::Syscall => (tasks::kernel::CALLS as f64 / 1e6, "million calls"),
            Task::Fork => (1e-3, "thousand programs"),
            Task::Send | Task::Receive => (tasks::network::PIECE as f64 / GIB, "GiB"),
            Task::Hold => (tasks::memory::PAUSE.as_millis() as f64 / 1e3, "seconds"),
        }
    }

    /// Whether it needs a peer.
    pub const fn needs_peer(self) -> bool {
        matches!(self, Task::Send | Task::Receive)
    }
}

const GIB: f64 = (1u64 << 30) as f64;

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no task's.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no task {0:?}")]
pub struct UnknownTask(String);

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(text: &str) -> Result<Self, UnknownTask> {
        let found = Task::ALL.into_iter().find(|task| task.name() == text);
        found.ok_or_else(|| UnknownTask(text.chars().take(40).collect()))
    }
}

/// What tasks find where they run.
#[derive(Clone, Debug)]
pub struct Place {
    /// Folder on the disk that is measured; the tasks' files are made and removed there.
    pub folder: PathBuf,
    /// A program, with one argument, that does nothing.
    pub nothing: (PathBuf, &'static str),
}

/// Why a task cannot work.
#[derive(Debug, Error)]
#[error("{task}: {what}: {source}")]
pub struct TaskError {
    /// The task.
    pub task: Task,
    /// What was tried.
    pub what: &'static str,
    /// What came of it.
    pub source: io::Error,
}

/// The address of a peer, where a mix needs one.
type Peer = Option<SocketAddr>;
