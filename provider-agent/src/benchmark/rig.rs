//! A machine of the provider's own that runs benchmarks, metered from here as a lease's machine is.

use std::{
    ffi::OsString,
    fs,
    future::{pending, ready},
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::{interval, sleep, timeout, MissedTickBehavior},
};
use tracing::warn;
use zennet_metering::{boottime, CgroupPaths, Meter, MeterError, PathsError};
use zennet_primitives::{
    contract::Resources,
    usage::{Counter, Usage},
};
use zennet_suite::{
    wire::{Answer, Request, MOST_LINE},
    Mix, Sink,
};

use super::report::{figures, Run};
use crate::{
    config::Config,
    containers::{self, Container, Engine, EngineError, Spec},
    hostkey::LeaseFolder,
    machine::container_name,
    ssh::{self, SOCKET},
};

/// Name of the machine's folder, and the beginning of its container's name.
const NAME: &str = "benchmark";
/// How long the machine may take to come up.
const START: Duration = Duration::from_secs(20);
/// How long preparing a mix may take: files are written, and memory is filled.
const PREPARE: Duration = Duration::from_secs(180);
/// How long the end of a mix may take: units under way end first.
const END: Duration = Duration::from_secs(60);
/// Work before it is metered, until it is steady.
const SETTLE: Duration = Duration::from_millis(250);
/// Time between two readings, for what is integrated over time.
const SAMPLING: Duration = Duration::from_millis(100);
/// Output of a command that is passed on at once, bytes.
const PIECE: usize = 64 << 10;
/// Pieces that are passed on after its end: more than a socket holds.
const LAST_PIECES: usize = 64;

/// Why a benchmark could not be run.
#[derive(Debug, Error)]
pub(crate) enum RigError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the folder of the machine: {0}")]
    Folder(io::Error),
    #[error("the machine did not {0} in time")]
    Late(&'static str),
    #[error("talking to the machine failed: {0}")]
    Talk(io::Error),
    #[error("the machine ended")]
    Ended,
    #[error("the machine said what it should not: {0}")]
    Unexpected(String),
    #[error("the machine could not do it: {0}")]
    Failed(String),
    #[error("the machine's counters cannot be found: {0}")]
    Paths(#[from] PathsError),
    #[error("the machine's counters cannot be read: {0}")]
    Meter(#[from] MeterError),
    #[error("the command's output cannot be passed on: {0}")]
    Output(io::Error),
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) status: i32,
    pub(crate) usage: Usage,
    pub(crate) millis: u64,
}

/// The machine as the engine knows it.
struct Raised {
    engine: Engine,
    container: Option<Container>,
    folder: LeaseFolder,
}

impl Raised {
    /// Leaves nothing behind.
    async fn end(self) {
        if let Some(container) = self.container {
            if let Err(error) = container.remove().await {
                warn!(%error, "the benchmark's machine is left; the next start removes it");
            }
        }
        // Machines of a daemon that runs keep it.
        self.engine.remove_network().await;
        self.folder.remove();
    }
}

/// A machine that waits for work.
pub(crate) struct Rig {
    raised: Raised,
    pid: u32,
    listener: UnixListener,
    lines: BufReader<UnixStream>,
    meter: Meter,
    peer: Option<Sink>,
}

impl Rig {
    /// Starts a machine with all that [capacity] offers, from an image.
    pub(crate) async fn start(
        config: &Config,
        folders: PathBuf,
        owner: &str,
        image: &str,
    ) -> Result<Rig, RigError> {
        let engine = Engine::connect(&config.docker, &config.isolation, owner.to_owned()).await?;
        let folder = LeaseFolder::bare(&folders, NAME).map_err(RigError::Folder)?;
        let mut raised = Raised { engine, container: None, folder };
        match Self::raise(&mut raised, config, owner, image).await {
            Ok((pid, listener, lines, meter)) => {
                Ok(Rig { raised, pid, listener, lines, meter, peer: None })
            }
            Err(error) => {
                raised.end().await;
                Err(error)
            }
        }
    }

    async fn raise(
        raised: &mut Raised,
        config: &Config,
        owner: &str,
        image: &str,
    ) -> Result<(u32, UnixListener, BufReader<UnixStream>, Meter), RigError> {
        let path = raised.folder.path();
        let listener = ssh::bind(path, SOCKET, 0o666).map_err(RigError::Folder)?;
        let spec = Spec {
            name: container_name(&format!("{NAME}-{}", owner.chars().take(12).collect::<String>())),
            hostname: NAME.into(),
            lease: NAME.into(),
            image_digest: raised.engine.image(image).await?,
            resources: Resources {
                cpu_millis: config.capacity.cpu_millis,
                memory_mib: config.capacity.memory_mib,
                disk_mib: config.capacity.disk_mib,
                volume_mib: 0,
            },
            folder: path.into(),
            volume: None,
            read_only: false,
            task: containers::Task::Suite,
        };
        let container = raised.engine.create(&spec).await?;
        let container = raised.container.insert(container);
        let pid = container.start().await?;
        let accepted = timeout(START, listener.accept()).await;
        let (stream, _) =
            accepted.map_err(|_| RigError::Late("come up"))?.map_err(RigError::Talk)?;
        let meter = Meter::open(&CgroupPaths::of_process(pid)?, pid)?;
        Ok((pid, listener, BufReader::new(stream), meter))
    }

    /// A peer on this host behind a link of this rate; its address.
    pub(crate) async fn peer(&mut self, kbit_per_sec: u32) -> Result<SocketAddr, RigError> {
        let address = self.raised.engine.join(self.pid, kbit_per_sec).await?;
        let sink = Sink::listen((IpAddr::V4(address), 0).into()).map_err(RigError::Talk)?;
        Ok(self.peer.insert(sink).address())
    }

    /// Removes the machine and all that belongs to it.
    pub(crate) async fn end(self) {
        self.raised.end().await;
    }

    /// Runs a mix and meters it for a span once it is steady.
    pub(crate) async fn measure(&mut self, mix: &Mix, span: Duration) -> Result<Run, RigError> {
        match self.ask(&Request::Mix(mix.clone()), "prepare a mix", PREPARE).await? {
            Answer::Ready => (),
            other => return Err(unexpected(other)),
        }
        let began = boottime();
        self.say(&Request::Go).await?;
        sleep(SETTLE).await;
        let (start, busy) = (boottime(), busy_micros());
        let baseline = self.meter.read(start)?;
        loop {
            let left = span.saturating_sub(boottime().saturating_sub(start));
            if left.is_zero() {
                break;
            }
            sleep(SAMPLING.min(left)).await;
            self.meter.read(boottime())?;
        }
        let end = boottime();
        let last = self.meter.read(end)?;
        let all = busy_micros().saturating_sub(busy);
        let counts = match self.ask(&Request::Stop, "end a mix", END).await? {
            Answer::Done(counts) => counts,
            other => return Err(unexpected(other)),
        };
        let worked = boottime().saturating_sub(began);
        let usage = last.since(&baseline).unwrap_or_default();
        Ok(Run {
            beside_micros: all.saturating_sub(usage.get(Counter::CpuMicros).unwrap_or_default()),
            usage: figures(&usage),
            millis: millis(end.saturating_sub(start)),
            units: counts.iter().map(|(task, units)| (task.name().into(), units)).collect(),
            worked_millis: millis(worked),
        })
    }

    /// Runs a command to its end, passes its output on, and meters all of it.
    pub(crate) async fn record(
        &mut self,
        command: Vec<OsString>,
        output: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Recorded, RigError> {
        let start = boottime();
        let baseline = self.meter.read(start)?;
        self.say(&Request::Run(command)).await?;
        let mut line = String::new();
        {
            let Rig { listener, lines, meter, .. } = self;
            let mut limited = lines.take(MOST_LINE as u64);
            let answered = limited.read_line(&mut line);
            tokio::pin!(answered);
            let mut printed: Option<UnixStream> = None;
            let mut piece = vec![0; PIECE];
            let (mut ended, mut left) = (false, LAST_PIECES);
            let mut sampling = interval(SAMPLING);
            sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    _ = sampling.tick() => {
                        meter.read(boottime())?;
                    }
                    read = read_some(&mut printed, &mut piece), if left > 0 => {
                        left -= usize::from(ended);
                        match read.map_err(RigError::Talk)? {
                            0 => printed = None,
                            count => {
                                let passed = output.write_all(&piece[..count]).await;
                                passed.map_err(RigError::Output)?;
                            }
                        }
                    }
                    accepted = listener.accept(), if printed.is_none() && !ended => {
                        printed = Some(accepted.map_err(RigError::Talk)?.0);
                    }
                    read = &mut answered, if !ended => {
                        read.map_err(RigError::Talk)?;
                        ended = true;
                    }
                    // What a command left behind may print on: it is not waited for.
                    () = ready(()), if ended => break,
                }
            }
        }
        let end = boottime();
        let last = self.meter.read(end)?;
        output.flush().await.map_err(RigError::Output)?;
        match understood(&line)? {
            Answer::Ended(status) => Ok(Recorded {
                status,
                usage: last.since(&baseline).unwrap_or_default(),
                millis: millis(end.saturating_sub(start)),
            }),
            other => Err(unexpected(other)),
        }
    }

    async fn say(&mut self, request: &Request) -> Result<(), RigError> {
        let line = format!("{request}\n");
        self.lines.get_mut().write_all(line.as_bytes()).await.map_err(RigError::Talk)
    }

    async fn ask(
        &mut self,
        request: &Request,
        what: &'static str,
        patience: Duration,
    ) -> Result<Answer, RigError> {
        self.say(request).await?;
        let mut line = String::new();
        let mut limited = (&mut self.lines).take(MOST_LINE as u64);
        let read = timeout(patience, limited.read_line(&mut line)).await;
        read.map_err(|_| RigError::Late(what))?.map_err(RigError::Talk)?;
        understood(&line)
    }
}

/// Waits for output where there is any to wait for.
async fn read_some(from: &mut Option<UnixStream>, piece: &mut [u8]) -> io::Result<usize> {
    match from {
        Some(stream) => stream.read(piece).await,
        None => pending().await,
    }
}

/// Processor time of this host since its boot, microseconds; zero where the kernel does not say.
fn busy_micros() -> u64 {
    fs::read_to_string("/proc/stat").ok().and_then(|text| busy(&text)).unwrap_or_default()
}

/// All time of `/proc/stat` but for that without work, from hundredths of a second.
pub(super) fn busy(text: &str) -> Option<u64> {
    let figures = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let ticks: Vec<u64> = figures.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice.
    let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|place| ticks.get(place));
    busy.sum::<u64>().checked_mul(10_000)
}

fn understood(line: &str) -> Result<Answer, RigError> {
    match line.strip_suffix('\n') {
        None => Err(RigError::Ended),
        Some(line) => match line.parse().map_err(RigError::Unexpected)? {
            Answer::Failed(reason) => Err(RigError::Failed(reason)),
            answer => Ok(answer),
        },
    }
}

fn unexpected(answer: Answer) -> RigError {
    RigError::Unexpected(answer.to_string())
}

fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}
