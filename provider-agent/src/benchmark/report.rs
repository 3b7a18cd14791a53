//! What a benchmark found, kept in the data folder until the next one.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zennet_primitives::usage::{Counter, Usage};

use crate::{bench, config::Config};

/// Name of the file in the data folder.
const FILE: &str = "benchmark.json";
/// Longest file that is read, bytes.
const MOST_BYTES: u64 = 8 << 20;
/// The only version there is.
const VERSION: u32 = 1;

/// Why there is no report to work with.
#[derive(Debug, Error)]
pub(crate) enum ReportError {
    #[error("no benchmark of this host is in {}: run `provider-agent benchmark`", .0.display())]
    Missing(PathBuf),
    #[error("the benchmark's report {}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the benchmark's report {} cannot be read: {reason}; run `provider-agent benchmark` again", .path.display())]
    Unreadable { path: PathBuf, reason: String },
}

/// How long and how often mixes were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Quick,
    Full,
}

/// The computer that was benchmarked, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostDetails {
    pub(crate) processor: String,
    pub(crate) clock_mhz: Option<u32>,
    pub(crate) kernel: String,
    pub(crate) threads: u16,
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u32,
    pub(crate) bandwidth_kbit_per_sec: Option<u32>,
}

impl HostDetails {
    pub(crate) fn of(config: &Config, threads: u16, bandwidth: Option<u32>) -> HostDetails {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        HostDetails {
            processor: bench::processor().unwrap_or_default(),
            clock_mhz: bench::clock_mhz(),
            kernel: release.trim().to_owned(),
            threads,
            cpu_millis: config.capacity.cpu_millis,
            memory_mib: config.capacity.memory_mib,
            disk_mib: config.capacity.disk_mib,
            bandwidth_kbit_per_sec: bandwidth,
        }
    }
}

/// Counters with their growth.
pub(crate) type Figures = BTreeMap<Counter, u64>;

/// One run: what it used while it was metered, and the units that it did while it worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) usage: Figures,
    pub(crate) millis: u64,
    #[serde(default)]
    pub(crate) units: BTreeMap<String, u64>,
    /// Longer than it was metered.
    #[serde(default)]
    pub(crate) worked_millis: u64,
    /// Processor time that the rest of the host took while it was metered.
    #[serde(default)]
    pub(crate) beside_micros: u64,
}

/// One benchmark, run once or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Benchmark {
    pub(crate) name: String,
    /// The mix of the embedded suite; nothing of another's benchmark.
    pub(crate) mix: Option<String>,
    pub(crate) runs: Vec<Run>,
}

impl Benchmark {
    /// What all runs together used, and how long. A counter that one of them lacks is absent.
    pub(crate) fn total(&self) -> (Usage, u64) {
        let mut usage = Usage::default();
        let mut runs = self.runs.iter();
        if let Some(first) = runs.next() {
            usage = first.usage.iter().fold(usage, |usage, (c, figure)| usage.with(*c, *figure));
        }
        for run in runs {
            let both = usage
                .iter()
                .filter_map(|(c, sum)| Some((c, sum.saturating_add(*run.usage.get(&c)?))));
            usage = both.fold(Usage::default(), |usage, (c, sum)| usage.with(c, sum));
        }
        let millis = self.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.millis));
        (usage, millis)
    }
}

/// Benchmarks of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    version: u32,
    /// Unix time, seconds.
    pub(crate) made_at: u64,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) host: HostDetails,
    pub(crate) benchmarks: Vec<Benchmark>,
}

impl Report {
    pub(crate) fn new(made_at: u64, kind: Kind, seed: u64, host: HostDetails) -> Report {
        Report { version: VERSION, made_at, kind, seed, host, benchmarks: vec![] }
    }

    /// Processors that the rest of the host kept busy meanwhile, on average. Some of it is the kernel's
    /// work for the machine's disk and network.
    pub(crate) fn processors_beside(&self) -> f64 {
        let runs = || self.benchmarks.iter().flat_map(|benchmark| &benchmark.runs);
        let micros: f64 = runs().map(|run| run.beside_micros as f64).sum();
        let millis: f64 = runs().map(|run| run.millis as f64).sum();
        micros / 1e3 / millis.max(1.0)
    }

    /// Where the report of a data folder is.
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    pub(crate) fn load(data_dir: &Path) -> Result<Report, ReportError> {
        let path = Self::path(data_dir);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReportError::Missing(data_dir.into()));
            }
            opened => opened.map_err(|source| ReportError::File { path: path.clone(), source })?,
        };
        let mut text = String::new();
        let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
        read.map_err(|source| ReportError::File { path: path.clone(), source })?;
        let unreadable = |reason: String| ReportError::Unreadable { path: path.clone(), reason };
        if text.len() as u64 > MOST_BYTES {
            return Err(unreadable(format!("it has more than {MOST_BYTES} bytes")));
        }
        let report: Report = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        if report.version != VERSION {
            return Err(unreadable(format!("it is of version {}, not {VERSION}", report.version)));
        }
        Ok(report)
    }

    /// Replaces the report of a data folder as a whole; durable when this returns.
    pub(crate) fn store(&self, data_dir: &Path) -> Result<PathBuf, ReportError> {
        let path = Self::path(data_dir);
        let new = data_dir.join(format!("{FILE}.new"));
        let write = || -> io::Result<()> {
            fs::create_dir_all(data_dir)?;
            let options =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
            let mut file = options?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(data_dir)?.sync_all()
        };
        match write() {
            Ok(()) => Ok(path),
            Err(source) => Err(ReportError::File { path, source }),
        }
    }
}

/// The growth of counters as a report keeps it.
pub(crate) fn figures(usage: &Usage) -> Figures {
    usage.iter().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn host() -> HostDetails {
        HostDetails {
            processor: "a <processor> & more".into(),
            clock_mhz: Some(2600),
            kernel: "6.1".into(),
            threads: 2,
            cpu_millis: 2000,
            memory_mib: 2048,
            disk_mib: 8192,
            bandwidth_kbit_per_sec: None,
        }
    }

    fn run(cpu: u64, faults: Option<u64>) -> Run {
        let mut usage = Figures::from([(Counter::CpuMicros, cpu)]);
        faults.map(|faults| usage.insert(Counter::PageFaults, faults));
        Run {
            usage,
            millis: 1000,
            units: BTreeMap::new(),
            worked_millis: 1200,
            beside_micros: 250_000,
        }
    }

    #[test]
    fn a_report_is_what_was_stored_and_its_absence_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Report::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("run `provider-agent benchmark`"), "{error}");
        let mut report = Report::new(1, Kind::Quick, 2, host());
        let runs = vec![run(3, Some(4))];
        report.benchmarks.push(Benchmark { name: "sha256".into(), mix: None, runs });
        report.store(dir.path()).unwrap();
        assert_eq!(Report::load(dir.path()).unwrap(), report);
        assert_eq!(report.processors_beside(), 0.25);
        report.version = 2;
        report.store(dir.path()).unwrap();
        let error = Report::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    #[test]
    fn runs_add_up_and_a_counter_that_one_lacks_is_absent() {
        let of = |runs| Benchmark { name: "x".into(), mix: None, runs }.total();
        let (usage, millis) = of(vec![run(3, Some(4)), run(5, None)]);
        assert_eq!((usage, millis), (Usage::default().with(Counter::CpuMicros, 8), 2000));
        assert_eq!(of(vec![]), (Usage::default(), 0));
    }
}
