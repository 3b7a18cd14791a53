//! The course of the work: what is asked of the guest, and what is counted of it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::sleep,
};
use tracing::warn;
use zennet_metering::{boottime, CgroupPaths, Meter};
use zennet_primitives::usage::{Counter, Usage};

use super::{is_near, Finding, Trial, TrialError};

/// How long memory is held, and how long it is looked at before.
const HOLD: Duration = Duration::from_millis(400);
const CALM: Duration = Duration::from_millis(200);
/// Datagrams for the machine; a few at a time, so that its socket has room for them.
const DATAGRAMS: usize = 200;
const AT_ONCE: usize = 20;
const PAUSE: Duration = Duration::from_millis(2);
const PAYLOAD: usize = 1400;
/// Longest answer, bytes.
const MOST_ANSWER: u64 = 512;

/// The guest at work, beside its meter.
pub(super) struct Work {
    meter: Meter,
    guest: BufReader<UnixStream>,
    findings: Vec<Finding>,
}

impl Work {
    pub(super) fn begin(pid: u32, guest: UnixStream) -> Result<Work, TrialError> {
        let meter = Meter::open(&CgroupPaths::of_process(pid)?, pid)?;
        Ok(Work { meter, guest: BufReader::new(guest), findings: Vec::new() })
    }

    /// Has all of it done. A network whose rate is limited loses datagrams, and is not tried.
    pub(super) async fn run(mut self, is_shaped: bool) -> Result<Trial, TrialError> {
        self.meter.read(boottime())?;
        self.compute().await?;
        self.memory().await?;
        let late_writes_counted = self.disk().await?;
        self.network(is_shaped).await?;
        self.findings.sort_by_key(|finding| finding.counter);
        Ok(Trial { findings: self.findings, late_writes_counted })
    }

    async fn compute(&mut self) -> Result<(), TrialError> {
        let (truth, used) = self.count("compute").await?;
        let [user, system] = split(truth);
        let both = user.zip(system).map(|(user, system)| user.saturating_add(system));
        self.found(Counter::CpuMicros, both, &used);
        self.found(Counter::CpuUserMicros, user, &used);
        self.found(Counter::CpuSystemMicros, system, &used);
        Ok(())
    }

    async fn memory(&mut self) -> Result<(), TrialError> {
        let (before, _) = self.level(CALM).await?;
        let (truth, mut used) = self.count("hold").await?;
        let [bytes, faults] = split(truth);
        let (held, more) = self.level(HOLD).await?;
        self.ask("release").await?;
        // The kernel passes on the newest ones a moment later.
        let late = more.get(Counter::PageFaults).unwrap_or_default();
        if let Some(counted) = used.get(Counter::PageFaults) {
            used.set(Counter::PageFaults, counted.saturating_add(late));
        }
        self.found(Counter::PageFaults, faults, &used);
        // Of a moment of a second.
        let levels = before.zip(held).map(|(before, held)| held.saturating_sub(before));
        let level = levels.map(|level| Usage::default().with(Counter::MemoryByteSecs, level));
        self.found(Counter::MemoryByteSecs, bytes, &level.unwrap_or_default());
        Ok(())
    }

    /// Bytes in use over a time, on an average, and all that was used meanwhile.
    async fn level(&mut self, time: Duration) -> Result<(Option<u64>, Usage), TrialError> {
        let began = boottime();
        let before = self.meter.read(began)?;
        sleep(time).await;
        let now = boottime();
        let used = self.used_since(&before, now)?;
        let millis = u64::try_from((now - began).as_millis()).unwrap_or(u64::MAX).max(1);
        let level =
            used.get(Counter::MemoryByteSecs).map(|area| area.saturating_mul(1000) / millis);
        Ok((level, used))
    }

    async fn disk(&mut self) -> Result<Option<bool>, TrialError> {
        let (written, used) = self.count("write").await?;
        let [written] = split(written);
        self.found(Counter::DiskWriteBytes, written, &used);
        let is_counted = used.get(Counter::DiskWriteBytes).is_some();
        let (read, used) = self.count("read").await?;
        let [read] = split(read);
        self.found(Counter::DiskReadBytes, read, &used);
        let (later, used) = self.count("write-later").await?;
        let [later] = split(later);
        let counted = used.get(Counter::DiskWriteBytes).unwrap_or_default();
        let is_right = later.map(|later| is_near(Counter::DiskWriteBytes, later, counted));
        Ok(is_right.filter(|_| is_counted))
    }

    async fn network(&mut self, is_shaped: bool) -> Result<(), TrialError> {
        let (sent, used) =
            if is_shaped { (None, self.nothing()?) } else { self.count("send").await? };
        let [sent] = split(sent);
        self.found(Counter::NetTxBytes, sent, &used);
        let address = if is_shaped { None } else { self.ask("listen").await? };
        let address = address.and_then(|text| text.parse().ok());
        let before = self.meter.read(boottime())?;
        let received = match address {
            Some(address) => {
                self.say("receive").await?;
                if let Err(error) = send_to(address).await {
                    warn!(%error, "nothing could be sent to the trial's container");
                }
                self.answer("receive").await?
            }
            None => None,
        };
        let used = self.used_since(&before, boottime())?;
        // Where a firewall lets nothing from this host in, nothing is known.
        let received = received.and_then(|text| text.parse().ok()).filter(|bytes| *bytes > 0);
        self.found(Counter::NetRxBytes, received, &used);
        Ok(())
    }

    fn found(&mut self, counter: Counter, truth: Option<u64>, used: &Usage) {
        self.findings.push(Finding::of(counter, truth, used));
    }

    /// Has some work done: its own account, and what was counted meanwhile.
    async fn count(&mut self, word: &'static str) -> Result<(Option<String>, Usage), TrialError> {
        let before = self.meter.read(boottime())?;
        let account = self.ask(word).await?;
        Ok((account, self.used_since(&before, boottime())?))
    }

    /// What is counted of no work.
    fn nothing(&mut self) -> Result<Usage, TrialError> {
        let before = self.meter.read(boottime())?;
        self.used_since(&before, boottime())
    }

    fn used_since(&mut self, before: &Usage, now: Duration) -> Result<Usage, TrialError> {
        // A meter's totals never fall.
        Ok(self.meter.read(now)?.since(before).unwrap_or_default())
    }

    /// What the guest says it did; nothing where it could not.
    async fn ask(&mut self, word: &'static str) -> Result<Option<String>, TrialError> {
        self.say(word).await?;
        self.answer(word).await
    }

    async fn say(&mut self, word: &'static str) -> Result<(), TrialError> {
        Ok(self.guest.write_all(format!("{word}\n").as_bytes()).await?)
    }

    async fn answer(&mut self, word: &'static str) -> Result<Option<String>, TrialError> {
        let mut line = String::new();
        let length = (&mut self.guest).take(MOST_ANSWER).read_line(&mut line).await?;
        if length == 0 || !line.ends_with('\n') {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match line.trim_end().strip_prefix("error: ") {
            Some(reason) => {
                warn!(word, reason, "work of the trial could not be done");
                Ok(None)
            }
            None => Ok(Some(line.trim_end().to_owned())),
        }
    }
}

/// The numbers of an account, where it has as many.
fn split<const N: usize>(account: Option<String>) -> [Option<u64>; N] {
    let words = account.unwrap_or_default();
    let mut numbers = words.split(' ').map(|word| word.parse().ok());
    [(); N].map(|()| numbers.next().flatten())
}

async fn send_to(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    for _ in 0..DATAGRAMS / AT_ONCE {
        for _ in 0..AT_ONCE {
            socket.send(&[0x5a; PAYLOAD])?;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
