//! What the meter costs, and what it says of a container's work; see `scripts/bench meter` and
//! `scripts/metering`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{bail, Context};
use clap::{Parser, Subcommand};
use rustix::time::{clock_gettime, ClockId};
use tokio::{
    io::{stdin, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    task::JoinSet,
    time::{interval, sleep_until},
};
use zennet_metering::{boottime, line, CgroupPaths, Meter};

/// How often the agent reads a machine.
const SAMPLING: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);
/// Readings before those that are measured: the first ones read all of a container.
const FIRST: u32 = 7;
/// What each of the engine's statistics has once.
const MARK: &[u8] = b"\"read\":";

#[derive(Parser)]
struct Opts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads containers once a second, by their first processes, and prints what that cost.
    Cost {
        #[arg(long)]
        secs: u64,
        pids: Vec<u32>,
    },
    /// Takes the engine's own statistics, which come once a second, and prints what that cost here.
    Stats {
        #[arg(long)]
        secs: u64,
        #[arg(long)]
        socket: PathBuf,
        ids: Vec<String>,
    },
    /// Reads a container as the agent does, and prints its counters after each line of the input.
    Follow { pid: u32 },
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Opts::parse().command {
        Command::Cost { secs, pids } => cost(secs, &pids),
        Command::Stats { secs, socket, ids } => runtime.block_on(stats(secs, socket, ids)),
        Command::Follow { pid } => runtime.block_on(follow(pid)),
    }
}

fn meter(pid: u32) -> anyhow::Result<Meter> {
    let paths = CgroupPaths::of_process(pid).with_context(|| format!("process {pid}"))?;
    Ok(Meter::open(&paths, pid)?)
}

/// Processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let secs = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn print(began: Duration, samples: u64) {
    println!("{{\"cpu_micros\":{},\"samples\":{samples}}}", (cpu() - began).as_micros());
}

fn cost(secs: u64, pids: &[u32]) -> anyhow::Result<()> {
    let mut meters = pids.iter().map(|pid| meter(*pid)).collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let (mut began, mut samples) = (cpu(), 0);
    for second in 1..=FIRST + u32::try_from(secs)? {
        if second == FIRST + 1 {
            (began, samples) = (cpu(), 0);
        }
        for meter in &mut meters {
            meter.read(boottime())?;
            samples += 1;
        }
        let next = start + SECOND * second;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    print(began, samples);
    Ok(())
}

async fn stats(secs: u64, socket: PathBuf, ids: Vec<String>) -> anyhow::Result<()> {
    let end = tokio::time::Instant::now() + Duration::from_secs(secs);
    let began = cpu();
    let mut streams = JoinSet::new();
    for id in ids {
        streams.spawn(take(socket.clone(), id, end));
    }
    let mut samples = 0;
    while let Some(taken) = streams.join_next().await {
        samples += taken??;
    }
    print(began, samples);
    Ok(())
}

/// Reads one container's statistics and throws them away, which no client could do for less.
async fn take(socket: PathBuf, id: String, end: tokio::time::Instant) -> anyhow::Result<u64> {
    let mut stream = UnixStream::connect(&socket).await?;
    let request = format!("GET /containers/{id}/stats?stream=1 HTTP/1.1\r\nHost: engine\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut samples, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read?,
            () = sleep_until(end) => return Ok(samples),
        };
        if read == 0 {
            bail!("the engine ended the statistics of {id}");
        }
        samples += buffer[..read].windows(MARK.len()).filter(|bytes| *bytes == MARK).count() as u64;
    }
}

async fn follow(pid: u32) -> anyhow::Result<()> {
    let mut meter = meter(pid)?;
    let mut sampling = interval(SAMPLING);
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        let asked = tokio::select! {
            _ = sampling.tick() => false,
            line = lines.next_line() => match line? {
                Some(_) => true,
                None => return Ok(()),
            },
        };
        let now = boottime();
        let usage = meter.read(now)?;
        if asked {
            print!("{}", line(now, &usage));
            std::io::Write::flush(&mut std::io::stdout())?;
        }
    }
}
