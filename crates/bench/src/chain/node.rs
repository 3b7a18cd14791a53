//! What a node's process and its Prometheus endpoint tell.

use std::{collections::BTreeMap, fs, io, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long the endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parts of a second in which the kernel tells times.
const USER_HZ: f64 = 100.0;

/// Largest answer that is read, bytes.
const LARGEST: u64 = 4 << 20;

/// A node on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Its process.
    pub(crate) pid: u32,
    /// Port of its figures for Prometheus.
    pub(crate) prometheus: u16,
}

/// The figures of a moment; what counts up counts from the node's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Processor time used, seconds.
    pub(crate) cpu_secs: f64,
    /// Time that its blocks took to build, seconds: transactions, what the runtime does at a block's
    /// begin and end, and the root of the state.
    pub(crate) built_secs: f64,
    /// Blocks built.
    pub(crate) built: f64,
    /// Why building a block ended, and how often.
    pub(crate) ends: BTreeMap<String, f64>,
}

impl Node {
    /// The figures at this moment.
    pub(crate) async fn sample(&self) -> Result<Sample> {
        let figures = self.figures().await.context("cannot read the node's figures")?;
        Ok(Sample { cpu_secs: self.cpu_secs()?, ..Sample::of(&figures) })
    }

    /// The most memory that it ever had, MiB.
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    fn cpu_secs(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .with_context(|| format!("the node, process {}, is gone", self.pid))?;
        let ticks = cpu_ticks(&stat).context("the process's figures cannot be read")?;
        Ok(ticks as f64 / USER_HZ)
    }

    async fn figures(&self) -> io::Result<String> {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.prometheus)).await?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
            let mut answer = String::new();
            stream.take(LARGEST).read_to_string(&mut answer).await?;
            Ok(answer)
        };
        timeout(PATIENCE, ask).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Time in user and in kernel mode: the 14th and 15th field of `/proc/PID/stat`, of which the second
/// may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, kernel) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + kernel)
}

impl Sample {
    fn of(figures: &str) -> Self {
        let mut sample = Self::default();
        for line in figures.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            if name.starts_with("substrate_proposer_block_constructed_sum") {
                sample.built_secs += value;
            } else if name.starts_with("substrate_proposer_block_constructed_count") {
                sample.built += value;
            } else if name.starts_with("substrate_proposer_end_proposal_reason") {
                let reason = name.split("reason=\"").nth(1).and_then(|rest| rest.split('"').next());
                *sample.ends.entry(reason.unwrap_or("unknown").into()).or_default() += value;
            }
        }
        sample
    }

    /// What was added since an earlier moment.
    pub(crate) fn since(&self, earlier: &Sample) -> Sample {
        let before = |reason: &str| earlier.ends.get(reason).copied().unwrap_or_default();
        let ends = self.ends.iter().map(|(reason, n)| (reason.clone(), n - before(reason)));
        Sample {
            cpu_secs: self.cpu_secs - earlier.cpu_secs,
            built_secs: self.built_secs - earlier.built_secs,
            built: self.built - earlier.built,
            ends: ends.filter(|(_, n)| *n > 0.0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = "\
# HELP substrate_proposer_block_constructed Histogram of time taken to construct new block
substrate_proposer_block_constructed_bucket{chain=\"zennet_dev\",le=\"0.005\"} 3
substrate_proposer_block_constructed_sum{chain=\"zennet_dev\"} 0.25
substrate_proposer_block_constructed_count{chain=\"zennet_dev\"} 4
substrate_proposer_end_proposal_reason{reason=\"hit_deadline\",chain=\"zennet_dev\"} 1
substrate_proposer_end_proposal_reason{reason=\"no_more_transactions\",chain=\"zennet_dev\"} 3
";

    #[test]
    fn the_proposers_figures_are_read_and_subtracted() {
        let now = Sample::of(FIGURES);
        assert_eq!((now.built_secs, now.built), (0.25, 4.0));
        assert_eq!(now.ends["no_more_transactions"], 3.0);
        let earlier =
            Sample { built: 1.0, ends: [("hit_deadline".into(), 1.0)].into(), ..Sample::default() };
        let since = now.since(&earlier);
        assert_eq!((since.built, since.ends.len()), (3.0, 1));
    }

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces() {
        let stat = "7 (a ) name) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("7 (a"), None);
    }
}
