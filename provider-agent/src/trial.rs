//! A trial of this host's counters, once a boot: known work in a container of the agent's own, made
//! like a machine, beside what the meter says of it.
//!
//! A counter that is absent, or off by more than [`FACTOR`], must have no price: the agent does not
//! start with one. What could not be tried is said and not refused.

#[cfg(test)]
mod tests;
mod work;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::timeout;
use tracing::{info, warn};
use zennet_pricing::describe;
use zennet_primitives::{
    amount::Rates,
    contract::Resources,
    usage::{Counter, Usage},
};

use crate::{
    config::Config,
    containers::{Engine, EngineError, Spec, Task},
    hostkey::{HostKey, LeaseFolder},
    machine::MACHINES,
    ssh::Door,
    store::Store,
};

/// By how much a counter may be off, either way. The work is short and hosts are busy; what is broken
/// is off by far more.
const FACTOR: u64 = 2;
/// Name of the findings in the store.
const FACT: &str = "trial";
/// How long the guest may take to come up, and the whole work.
const GUEST_START: Duration = Duration::from_secs(20);
const WORK_WAIT: Duration = Duration::from_secs(60);
/// Longest that a start waits for it all.
const LONGEST: Duration = Duration::from_secs(120);
/// Room for the work.
const RESOURCES: Resources =
    Resources { cpu_millis: 1000, memory_mib: 128, disk_mib: 64, volume_mib: 0 };
/// Name of the folder and, with more behind it, of the container.
const NAME: &str = "trial";

/// Prices of what this host does not count.
#[derive(Debug, Error)]
#[error("[rates] has prices that this host cannot bill: {0}")]
pub(crate) struct Uncounted(pub(crate) String);

/// Why there was no trial.
#[derive(Debug, Error)]
enum TrialError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the folder cannot be made: {0}")]
    Folder(std::io::Error),
    #[error("the guest did not come up within {} s: is the bundle of this version?", GUEST_START.as_secs())]
    Silent,
    #[error("the guest's connection: {0}")]
    Guest(#[from] std::io::Error),
    #[error("the counters cannot be found: {0}")]
    Paths(#[from] zennet_metering::PathsError),
    #[error("the counters cannot be read: {0}")]
    Meter(#[from] zennet_metering::MeterError),
    #[error("the work took longer than {} s", WORK_WAIT.as_secs())]
    Late,
}

/// What is known of this host's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// One for each counter that is read; none where there was no trial.
    pub(crate) findings: Vec<Finding>,
    /// Whether the disk's counter has what the kernel writes back by itself; it is not known where
    /// the disk is not counted.
    pub(crate) late_writes_counted: Option<bool>,
}

/// What is known of one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) counter: Counter,
    pub(crate) verdict: Verdict,
    /// What the work took by its own account, in the counter's unit.
    pub(crate) truth: Option<u64>,
    /// What was counted of it.
    pub(crate) counted: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Right,
    /// Off by more than the factor.
    Wrong,
    /// The host does not give it.
    Absent,
    /// It is there; the work could not be done, or not be known.
    Untried,
}

impl Finding {
    /// Judges a counter by the work's own account and what was counted, where either is known.
    fn of(counter: Counter, truth: Option<u64>, used: &Usage) -> Finding {
        let counted = used.get(counter);
        let verdict = match (counted, truth) {
            (None, _) => Verdict::Absent,
            (Some(_), None) => Verdict::Untried,
            (Some(counted), Some(truth)) if is_near(counter, truth, counted) => Verdict::Right,
            (Some(_), Some(_)) => Verdict::Wrong,
        };
        Finding { counter, verdict, truth, counted: counted.filter(|_| truth.is_some()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.counter.name();
        match (self.verdict, self.truth, self.counted) {
            (Verdict::Wrong, Some(truth), Some(counted)) => {
                write!(f, "{name} is wrong: {counted} were counted of {truth}")
            }
            (Verdict::Wrong, ..) => write!(f, "{name} is wrong"),
            (Verdict::Absent, ..) => write!(f, "{name} is absent"),
            (Verdict::Right, ..) => write!(f, "{name} is right"),
            (Verdict::Untried, ..) => write!(f, "{name} was not tried"),
        }
    }
}

/// Whether what was counted comes near the truth, but for what goes on besides.
fn is_near(counter: Counter, truth: u64, counted: u64) -> bool {
    let besides: u64 = match counter {
        // Timer ticks of the kernel, and the guest's own conversation.
        Counter::CpuMicros | Counter::CpuUserMicros | Counter::CpuSystemMicros => 50_000,
        Counter::MemoryByteSecs => 4 << 20,
        // A file system's own records.
        Counter::DiskReadBytes | Counter::DiskWriteBytes => 2 << 20,
        Counter::NetRxBytes | Counter::NetTxBytes => 32 << 10,
        // What the kernel has not passed on yet.
        Counter::PageFaults => 1024,
        Counter::VolumeByteSecs => 0,
    };
    counted <= truth.saturating_mul(FACTOR).saturating_add(besides)
        && truth <= counted.saturating_mul(FACTOR).saturating_add(besides)
}

impl Trial {
    fn finding(&self, counter: Counter) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.counter == counter)
    }

    fn has_wrong(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Wrong)
    }

    /// Refuses prices of what this host does not count.
    pub(crate) fn admit(&self, rates: &Rates) -> Result<(), Uncounted> {
        let mut refused = Vec::new();
        for (counter, rate) in rates.priced() {
            let Some(finding) = self.finding(counter) else { continue };
            match finding.verdict {
                Verdict::Right => (),
                Verdict::Untried => warn!("{finding}, but it has a price"),
                Verdict::Wrong | Verdict::Absent => {
                    let one = describe(&Rates::default().with(counter, rate));
                    let key = one.entries().next().map_or(counter.name(), |(key, _)| key);
                    refused.push(format!("remove {key}, since {finding}{}", hint(counter)));
                }
            }
        }
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Uncounted(refused.join("; ")))
        }
    }

    fn say(&self) {
        for finding in &self.findings {
            match finding.verdict {
                Verdict::Right => (),
                Verdict::Wrong => warn!("a counter of this host: {finding}"),
                Verdict::Absent | Verdict::Untried => info!("a counter of this host: {finding}"),
            }
        }
        if self.late_writes_counted == Some(false) {
            info!("what machines write without fsync is not counted here; cgroup v2 counts it");
        }
        let right = self.findings.iter().filter(|f| f.verdict == Verdict::Right).count();
        info!(right, of = self.findings.len(), "counters of this host tried");
    }
}

/// What may give a counter back.
fn hint(counter: Counter) -> &'static str {
    match counter {
        Counter::DiskReadBytes | Counter::DiskWriteBytes => {
            " (cgroup v2 with its io controller counts disks)"
        }
        Counter::NetRxBytes | Counter::NetTxBytes => {
            " (a runtime with a network of its own hides it from the host)"
        }
        Counter::CpuMicros
        | Counter::CpuUserMicros
        | Counter::CpuSystemMicros
        | Counter::MemoryByteSecs
        | Counter::PageFaults
        | Counter::VolumeByteSecs => "",
    }
}

/// What this boot's trial found, or finds now. What refuses a price is found anew: the host may have
/// been busy, or somebody may have mended it.
pub(crate) async fn of_this_boot(
    config: &Config,
    rates: &Rates,
    store: &Store,
    engine: &Engine,
) -> Trial {
    let known = known(config, store);
    if let Some(trial) = known.filter(|trial| !trial.has_wrong() || trial.admit(rates).is_ok()) {
        return trial;
    }
    let trial = match timeout(LONGEST, twice(config, engine)).await {
        Ok(Ok(trial)) => trial,
        Ok(Err(error)) => {
            warn!(%error, "this host's counters could not be tried; the next start tries again");
            return Trial::default();
        }
        Err(_) => {
            warn!(
                "this host's counters could not be tried in {} s; the next start tries again",
                LONGEST.as_secs()
            );
            return Trial::default();
        }
    };
    trial.say();
    if let Some(conditions) = conditions(config) {
        if let Err(error) = store.put_fact(FACT, &(conditions, &trial)).await {
            warn!(%error, "what the trial found could not be stored");
        }
    }
    trial
}

/// What an earlier trial of this boot found.
pub(crate) fn known(config: &Config, store: &Store) -> Option<Trial> {
    let conditions = conditions(config)?;
    let (of, trial): (String, Trial) = store.fact(FACT).ok()??;
    (of == conditions).then_some(trial)
}

/// A host that was busy with something else deserves another trial.
async fn twice(config: &Config, engine: &Engine) -> Result<Trial, TrialError> {
    let first = run(config, engine).await?;
    if first.has_wrong() {
        return run(config, engine).await;
    }
    Ok(first)
}

/// What the findings hold for: this boot, this program, machines like these.
fn conditions(config: &Config) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let isolation = &config.isolation;
    Some(format!(
        "{} {} {:?} {:?} {:?} {}",
        boot.trim(),
        env!("CARGO_PKG_VERSION"),
        config.docker.host,
        isolation.runtime,
        isolation.bandwidth_kbit_per_sec,
        isolation.disk_quota
    ))
}

async fn run(config: &Config, engine: &Engine) -> Result<Trial, TrialError> {
    let image_digest = engine.image(&config.filter.default_image).await?;
    let folders = config.data_dir.join(MACHINES);
    // Nobody logs in: the keys are nobody's.
    let client = HostKey::generate().public();
    let folder = LeaseFolder::create(&folders, NAME, &HostKey::generate(), &client)
        .map_err(TrialError::Folder)?;
    let spec = Spec {
        name: format!("zennet-{NAME}-{:016x}", rand::random::<u64>()),
        hostname: NAME.into(),
        lease: NAME.into(),
        image_digest,
        resources: RESOURCES,
        folder: folder.path().into(),
        volume: None,
        read_only: false,
        task: Task::Trial,
    };
    let found = in_container(config, engine, &spec).await;
    folder.remove();
    found
}

async fn in_container(config: &Config, engine: &Engine, spec: &Spec) -> Result<Trial, TrialError> {
    let door = Door::open(&spec.folder).map_err(TrialError::Folder)?;
    let container = engine.create(spec).await?;
    let worked = async {
        let pid = container.start().await?;
        let guest = timeout(GUEST_START, door.guest()).await;
        let guest = guest.map_err(|_| TrialError::Silent)??;
        let is_shaped = config.isolation.bandwidth_kbit_per_sec.is_some();
        let work = work::Work::begin(pid, guest)?.run(is_shaped);
        timeout(WORK_WAIT, work).await.map_err(|_| TrialError::Late)?
    };
    let found = worked.await;
    if let Err(error) = container.remove().await {
        warn!(%error, "the trial's container is left behind; the next start removes it");
    }
    found
}
