//! `provider-agent benchmark`: what this host does at full load, and what counters then say.
//!
//! ```text
//!  plan ──── each task of the suite alone, then mixes at random (zennet-suite)
//!   │
//!  rig ───── a machine with all that [capacity] offers; metered as a lease's is
//!   │
//!  report ── kept in the data folder ──► rates.rs: rates at a price of full load
//!   │
//!  table, plot, composite ── for people and for other programs
//! ```

pub(crate) mod composite;
pub(crate) mod plan;
pub(crate) mod plot;
pub(crate) mod report;
pub(crate) mod rig;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{ffi::OsString, future::Future, io, time::Duration};

use thiserror::Error;
use tokio::{
    io::AsyncWrite,
    signal::unix::{signal, Signal, SignalKind},
};
use zennet_chain_client::{AccountKey, KeyError};
use zennet_suite::{Mix, Task, THREAD_MIB};
use zennet_time::unix_secs;

use self::{
    plan::{plan, Planned},
    report::{Benchmark, HostDetails, Kind, Report},
    rig::{Recorded, Rig, RigError},
};
use crate::{
    agent::{open_store, owner},
    config::Config,
    machine::MACHINES,
    status::{self, StatusError},
    store::{Store, StoreError},
};

/// Mixes: three for each of nine counters, and so many that the one that is explained worst does not
/// set the interval alone (39 or more, see `half_width` of zennet-pricing).
const MIXES: usize = 40;
/// Memory that is left to the kernel and the guest, MiB.
const SPARE_MIB: u32 = 96;
/// Disk of a thread's files and what the file system needs, MiB.
const THREAD_DISK_MIB: u32 = 192;

/// Why there was no benchmark.
#[derive(Debug, Error)]
pub(crate) enum BenchmarkError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(transparent)]
    Rig(#[from] RigError),
    #[error("{0} leases have machines here: a benchmark takes all that they are paid for, and their work would spoil its figures; end them, or say --force")]
    Leases(usize),
    #[error("the daemon runs and may take a lease at any moment, which would spoil the figures and be disturbed: stop it, or say --force")]
    Daemon,
    #[error(
        "capacity.memory_mib is {found}, but a benchmark on {threads} processors needs {needed}"
    )]
    Memory { found: u32, threads: u16, needed: u32 },
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
    #[error("interrupted; nothing is left behind, and the report is the one of before")]
    Interrupted,
}

/// How mixes are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    /// Whether leases do not matter.
    pub(crate) force: bool,
}

impl Kind {
    fn span(self) -> Duration {
        match self {
            Kind::Quick => Duration::from_millis(1500),
            Kind::Full => Duration::from_secs(10),
        }
    }

    fn repetitions(self) -> usize {
        match self {
            Kind::Quick => 1,
            Kind::Full => 3,
        }
    }
}

/// The store where no daemon has it, held so that none starts meanwhile.
type Claim = Option<Store>;

/// Makes sure that no lease is disturbed.
async fn claim(config: &Config, force: bool) -> Result<Claim, BenchmarkError> {
    if let Some(report) = status::ask(&config.data_dir).await? {
        return match report.leases.len() {
            _ if force => Ok(None),
            0 => Err(BenchmarkError::Daemon),
            leases => Err(BenchmarkError::Leases(leases)),
        };
    }
    let store = open_store(&config.data_dir).await?;
    match store.leases()?.len() {
        0 => Ok(Some(store)),
        _ if force => Ok(Some(store)),
        leases => Err(BenchmarkError::Leases(leases)),
    }
}

/// What ends a benchmark early.
struct Interruption(Signal, Signal);

impl Interruption {
    fn listen() -> Result<Self, BenchmarkError> {
        let listen = |kind| signal(kind).map_err(BenchmarkError::Signals);
        Ok(Interruption(listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?))
    }

    /// Waits for some work, or a signal.
    async fn or<T>(
        &mut self,
        work: impl Future<Output = Result<T, RigError>>,
    ) -> Result<T, BenchmarkError> {
        tokio::select! {
            done = work => Ok(done?),
            _ = self.0.recv() => Err(BenchmarkError::Interrupted),
            _ = self.1.recv() => Err(BenchmarkError::Interrupted),
        }
    }
}

async fn start(config: &Config, image: &str) -> Result<Rig, BenchmarkError> {
    let owner = owner(&AccountKey::load(&config.key_file)?.account());
    Ok(Rig::start(config, config.data_dir.join(MACHINES), &owner, image).await?)
}

/// Runs the suite; `told` hears of each step.
pub(crate) async fn run(
    config: &Config,
    wanted: Wanted,
    told: &mut impl FnMut(String),
) -> Result<Report, BenchmarkError> {
    let _claim = claim(config, wanted.force).await?;
    let like = like(config)?;
    let mut interruption = Interruption::listen()?;
    let mut rig = start(config, &config.filter.default_image).await?;
    let ran = interruption.or(run_all(&mut rig, config, wanted, like, told)).await;
    rig.end().await;
    ran
}

/// Runs a command in a machine of its own.
pub(crate) async fn record(
    config: &Config,
    image: &str,
    force: bool,
    command: Vec<OsString>,
    output: &mut (impl AsyncWrite + Unpin),
) -> Result<Recorded, BenchmarkError> {
    let _claim = claim(config, force).await?;
    let mut interruption = Interruption::listen()?;
    let mut rig = start(config, image).await?;
    let ran = interruption.or(rig.record(command, output)).await;
    rig.end().await;
    ran
}

/// Threads, and the memory that can be held, of every mix.
fn like(config: &Config) -> Result<Mix, BenchmarkError> {
    let capacity = &config.capacity;
    let threads = capacity.cpu_millis.div_ceil(1000).clamp(1, zennet_suite::MOST_THREADS.into());
    let needed = threads * THREAD_MIB + SPARE_MIB;
    let threads = threads as u16;
    let Some(spare) = capacity.memory_mib.checked_sub(needed) else {
        return Err(BenchmarkError::Memory { found: capacity.memory_mib, threads, needed });
    };
    let mut mix = Mix::pure(threads, Task::Hold);
    mix.hold_mib = spare;
    Ok(mix)
}

async fn run_all(
    rig: &mut Rig,
    config: &Config,
    wanted: Wanted,
    mut like: Mix,
    told: &mut impl FnMut(String),
) -> Result<Report, RigError> {
    let bandwidth =
        config.isolation.bandwidth_kbit_per_sec.or(config.capacity.bandwidth_kbit_per_sec);
    match bandwidth {
        Some(rate) => match rig.peer(rate).await {
            Ok(peer) => like.peer = Some(peer),
            Err(error) => told(format!("the network is not benchmarked: {error}")),
        },
        None => told(
            "the network is not benchmarked, and its use is free at a [price]: no bandwidth is \
             configured"
                .into(),
        ),
    }
    let disk = config.capacity.disk_mib >= u32::from(like.threads) * THREAD_DISK_MIB;
    if !disk {
        told("the disk is not benchmarked: capacity.disk_mib is too small".into());
    }
    let files = [Task::DirectRead, Task::DirectWrite, Task::SyncWrite];
    let possible = |task: &Task| {
        (like.peer.is_some() || !task.needs_peer()) && (disk || !files.contains(task))
    };
    let tasks: Vec<Task> = Task::ALL.into_iter().filter(possible).collect();
    let planned = plan(wanted.seed, &like, &tasks, MIXES);
    let bandwidth = bandwidth.filter(|_| like.peer.is_some());
    let host = HostDetails::of(config, like.threads, bandwidth);
    let mut report = Report::new(unix_secs(), wanted.kind, wanted.seed, host);
    report.benchmarks = planned.iter().map(empty).collect();
    measure_all(rig, wanted.kind, &planned, &mut report, told).await?;
    Ok(report)
}

fn empty(planned: &Planned) -> Benchmark {
    let mix = Some(planned.mix.to_string());
    Benchmark { name: planned.name.clone(), mix, runs: vec![] }
}

/// Runs all once, then all again: what changes with time is spread over all of them.
async fn measure_all(
    rig: &mut Rig,
    kind: Kind,
    planned: &[Planned],
    report: &mut Report,
    told: &mut impl FnMut(String),
) -> Result<(), RigError> {
    let (began, count) = (std::time::Instant::now(), planned.len() * kind.repetitions());
    let mut done = 0;
    for _ in 0..kind.repetitions() {
        for (planned, benchmark) in planned.iter().zip(&mut report.benchmarks) {
            benchmark.runs.push(rig.measure(&planned.mix, kind.span()).await?);
            done += 1;
            let left = began.elapsed().mul_f64((count - done) as f64 / done as f64);
            let parts = planned.mix.parts().map(|(task, part)| format!("{task} {}%", part / 10));
            let parts = parts.collect::<Vec<_>>().join(", ");
            told(format!("{done:>3}/{count}  {parts:<60} {:>5} s left", left.as_secs()));
        }
    }
    Ok(())
}
