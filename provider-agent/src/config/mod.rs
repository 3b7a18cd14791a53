//! `provider.toml`: read, checked, and written for the first time.

mod amount;
mod isolation;
mod market;
mod price;
#[cfg(test)]
mod tests;

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;
use zennet_pricing::RateConfig;
use zennet_primitives::{amount::XEN, pow::Difficulty};

use crate::lease_name::MOST_PER_ORDER;

pub(crate) use self::{
    amount::Xen,
    isolation::{Isolation, Network, Seccomp, Subnet},
    market::{Accept, Market},
    price::{counters, Price},
};

/// The commented file that `init` writes.
pub(crate) const DEFAULT: &str = include_str!("provider.toml");
/// Name of the file in a provider's folder.
pub(crate) const FILE_NAME: &str = "provider.toml";
/// Machines of one daemon at most, whatever is configured.
const MOST_LEASES: u32 = 1000;
/// Longest notice before the provider goes out of service, seconds.
const MOST_NOTICE: u32 = 7 * 24 * 3600;
/// An agent that starts again takes seconds.
const LEAST_ALONE: u32 = 60;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}: {source}; make one with `provider-agent init`")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("{path}: {key} is {found}, but it must be {allowed}")]
    Value { path: PathBuf, key: &'static str, found: String, allowed: &'static str },
    #[error("no home folder is known: set HOME, or name the configuration with --config")]
    NoHome,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) node_url: String,
    pub(crate) genesis: Option<String>,
    pub(crate) key_file: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) capacity: Capacity,
    pub(crate) machine: Machine,
    pub(crate) rates: Option<RateConfig>,
    pub(crate) price: Option<Price>,
    #[serde(default)]
    pub(crate) floor: Floor,
    pub(crate) filter: Filter,
    #[serde(default)]
    pub(crate) market: Market,
    pub(crate) lease: Lease,
    #[serde(default)]
    pub(crate) docker: Docker,
    #[serde(default)]
    pub(crate) isolation: Isolation,
    #[serde(default)]
    pub(crate) volumes: Volumes,
    #[serde(default)]
    pub(crate) metrics: Metrics,
}

/// Figures for Prometheus.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Where they are read; nowhere when absent.
    pub(crate) listen: Option<SocketAddr>,
}

/// What is kept between leases.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Volumes {
    /// All volumes together; zero gives none.
    pub(crate) max_mib: u32,
    /// Longest that one is kept for pay after a lease.
    pub(crate) max_keep_secs: u32,
    /// How long one is kept in any case, whether it was paid for or not.
    pub(crate) keep_unpaid_secs: u32,
}

impl Default for Volumes {
    fn default() -> Self {
        Volumes { max_mib: 0, max_keep_secs: 30 * 24 * 3600, keep_unpaid_secs: 24 * 3600 }
    }
}

/// What all leases together may take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u32,
    pub(crate) max_leases: u32,
    #[serde(default = "max_per_order")]
    pub(crate) max_per_order: u32,
    pub(crate) bandwidth_kbit_per_sec: Option<u32>,
}

/// A machine whose publisher asked for nothing in particular.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u32,
}

/// How far publishers may bargain.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floor {
    pub(crate) percent: u32,
}

impl Default for Floor {
    fn default() -> Self {
        Floor { percent: 100 }
    }
}

/// Which announcements are answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    #[serde(default)]
    pub(crate) min_stamp: Difficulty,
    pub(crate) max_stamp: Difficulty,
    pub(crate) min_lease_secs: u32,
    pub(crate) max_lease_secs: u32,
    #[serde(default = "yes")]
    pub(crate) require_identity: bool,
    #[serde(default)]
    pub(crate) allow_private_endpoints: bool,
    #[serde(default = "yes")]
    pub(crate) allow_relayed: bool,
    pub(crate) images: Vec<String>,
    pub(crate) default_image: String,
    #[serde(default)]
    pub(crate) publishers_allow: Vec<String>,
    #[serde(default)]
    pub(crate) publishers_deny: Vec<String>,
    #[serde(default = "max_faults")]
    pub(crate) max_faults: u32,
    #[serde(default = "fault_days")]
    pub(crate) fault_days: u32,
    #[serde(default)]
    pub(crate) min_settled_xen: Xen,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lease {
    pub(crate) grace_ms: u32,
    pub(crate) max_exposure_xen: Xen,
    pub(crate) stop_after_secs: u32,
    pub(crate) reconnect_secs: u32,
    #[serde(default = "coin")]
    pub(crate) claim_threshold_xen: Xen,
    #[serde(default = "tenth")]
    pub(crate) settle_loss_xen: Xen,
    #[serde(default = "tenth")]
    pub(crate) fee_reserve_xen: Xen,
    #[serde(default = "tip_percent")]
    pub(crate) tip_percent: u8,
    pub(crate) min_challenge_blocks: u32,
    #[serde(default = "yes")]
    pub(crate) wait_for_finality: bool,
    #[serde(default = "notice_secs")]
    pub(crate) notice_secs: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Docker {
    pub(crate) host: Option<String>,
    pub(crate) bundle_dir: Option<PathBuf>,
    #[serde(default = "network")]
    pub(crate) network: String,
    #[serde(default = "pull_timeout")]
    pub(crate) pull_timeout_secs: u32,
}

impl Default for Docker {
    fn default() -> Self {
        Docker {
            host: None,
            bundle_dir: None,
            network: network(),
            pull_timeout_secs: pull_timeout(),
        }
    }
}

fn yes() -> bool {
    true
}

fn tenth() -> Xen {
    Xen(XEN / 10)
}

fn coin() -> Xen {
    Xen(XEN)
}

fn tip_percent() -> u8 {
    10
}

fn notice_secs() -> u32 {
    600
}

fn max_per_order() -> u32 {
    8
}

fn max_faults() -> u32 {
    3
}

fn fault_days() -> u32 {
    30
}

fn network() -> String {
    "zennet".into()
}

fn pull_timeout() -> u32 {
    300
}

impl Config {
    /// Reads and checks a file; relative paths in it become relative to its folder.
    pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Config::parse(&text, path)
    }

    pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|e| {
            let message = e.to_string().trim_end().into();
            ConfigError::Parse { path: path.into(), message }
        })?;
        config.check(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
        config.key_file = resolve(&folder, &config.key_file);
        config.data_dir = resolve(&folder, &config.data_dir);
        config.docker.bundle_dir =
            config.docker.bundle_dir.map(|dir| resolve(&folder, &dir)).or_else(default_bundle);
        config.isolation.disk_dir = match &config.isolation.disk_dir {
            Some(dir) => Some(resolve(&folder, dir)),
            None => Some(config.data_dir.join("disks")),
        };
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let ensure = |ok: bool, key: &'static str, found: &dyn ToString, allowed: &'static str| {
            if ok {
                return Ok(());
            }
            Err(ConfigError::Value { path: path.into(), key, found: found.to_string(), allowed })
        };
        let (c, m, f, l) = (&self.capacity, &self.machine, &self.filter, &self.lease);
        let url = &self.node_url;
        let scheme = url.starts_with("ws://") || url.starts_with("wss://");
        ensure(scheme, "node_url", url, "a ws:// or wss:// address")?;
        let leases = (1..=MOST_LEASES).contains(&c.max_leases);
        ensure(leases, "capacity.max_leases", &c.max_leases, "from 1 to 1000")?;
        let per_order = (1..=MOST_PER_ORDER).contains(&c.max_per_order);
        ensure(per_order, "capacity.max_per_order", &c.max_per_order, "from 1 to 256")?;
        ensure(c.cpu_millis >= 10, "capacity.cpu_millis", &c.cpu_millis, "at least 10")?;
        ensure(c.memory_mib >= 16, "capacity.memory_mib", &c.memory_mib, "at least 16")?;
        let cpu = (10..=c.cpu_millis).contains(&m.cpu_millis);
        ensure(cpu, "machine.cpu_millis", &m.cpu_millis, "from 10 to capacity.cpu_millis")?;
        let memory = (16..=c.memory_mib).contains(&m.memory_mib);
        ensure(memory, "machine.memory_mib", &m.memory_mib, "from 16 to capacity.memory_mib")?;
        let disk = m.disk_mib <= c.disk_mib;
        ensure(disk, "machine.disk_mib", &m.disk_mib, "at most capacity.disk_mib")?;
        let percent = self.floor.percent;
        ensure((1..=100).contains(&percent), "floor.percent", &percent, "from 1 to 100")?;
        ensure(f.min_lease_secs > 0, "filter.min_lease_secs", &f.min_lease_secs, "above 0")?;
        let range = f.max_lease_secs >= f.min_lease_secs;
        let at_least = "at least filter.min_lease_secs";
        ensure(range, "filter.max_lease_secs", &f.max_lease_secs, at_least)?;
        let days = (1..=3650).contains(&f.fault_days);
        ensure(days, "filter.fault_days", &f.fault_days, "from 1 to 3650")?;
        let image = f.admits_image(&f.default_image);
        ensure(image, "filter.default_image", &f.default_image, "one of filter.images")?;
        self.market.check(ensure)?;
        let mut table = self.rates.iter().flat_map(RateConfig::entries);
        match &self.price {
            Some(price) => {
                let second = table.find(|(key, _)| *key != "volume_gib_hour");
                let found = second.map(|(key, _)| key).unwrap_or_default();
                let allowed = "absent beside [price], but for volume_gib_hour";
                ensure(found.is_empty(), "rates", &found, allowed)?;
                price.check(ensure)?;
            }
            None => ensure(self.rates.is_some(), "rates", &"absent", "there, or else [price]")?,
        }
        let grace = (1..=3_600_000).contains(&l.grace_ms);
        ensure(grace, "lease.grace_ms", &l.grace_ms, "from 1 to 3600000")?;
        let exposure = l.max_exposure_xen.0 > 0;
        ensure(exposure, "lease.max_exposure_xen", &l.max_exposure_xen.0, "above 0")?;
        ensure(l.stop_after_secs > 0, "lease.stop_after_secs", &l.stop_after_secs, "above 0")?;
        ensure(l.reconnect_secs > 0, "lease.reconnect_secs", &l.reconnect_secs, "above 0")?;
        let challenge = l.min_challenge_blocks;
        ensure(challenge > 0, "lease.min_challenge_blocks", &challenge, "above 0")?;
        let tip = l.tip_percent;
        ensure(tip <= 100, "lease.tip_percent", &tip, "from 0 to 100")?;
        let notice = l.notice_secs;
        ensure(notice <= MOST_NOTICE, "lease.notice_secs", &notice, "at most 604800")?;
        let i = &self.isolation;
        ensure(i.nice <= 19, "isolation.nice", &i.nice, "from 0 to 19")?;
        let alone = i.alone_secs;
        ensure(alone >= LEAST_ALONE, "isolation.alone_secs", &alone, "at least 60")?;
        let rate = i.bandwidth_kbit_per_sec;
        let found = rate.unwrap_or_default();
        let fast = rate.is_none_or(|rate| rate >= 64);
        ensure(fast, "isolation.bandwidth_kbit_per_sec", &found, "at least 64, or absent")?;
        let cpus = i.pin_cpus.as_deref().unwrap_or("0");
        ensure(isolation::is_cpu_list(cpus), "isolation.pin_cpus", &cpus, "like 1-3 or 0,2-3")?;
        let few = i.resolvers.len() <= 3 && !i.resolvers.iter().any(|r| r.is_loopback());
        let found = format!("{:?}", i.resolvers);
        ensure(few, "isolation.resolvers", &found, "at most three addresses outside of this host")
    }
}

impl Filter {
    /// Whether machines may be made from this image.
    pub(crate) fn admits_image(&self, image: &str) -> bool {
        self.images.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => image.starts_with(start),
            None => pattern == image,
        })
    }
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from)
}

fn resolve(folder: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

fn default_bundle() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|c| !c.is_empty()).map(PathBuf::from);
    Some(cache.or_else(|| Some(home()?.join(".cache")))?.join("zennet/bundle"))
}

/// The folder where `init` works unless told otherwise.
pub(crate) fn default_dir() -> Result<PathBuf, ConfigError> {
    let config = env::var_os("XDG_CONFIG_HOME").filter(|c| !c.is_empty()).map(PathBuf::from);
    let config = config.or_else(|| Some(home()?.join(".config"))).ok_or(ConfigError::NoHome)?;
    Ok(config.join("zennet/provider"))
}

/// The configuration that a command works with.
pub(crate) fn path_or_default(path: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    match path {
        Some(path) if path.is_dir() => Ok(path.join(FILE_NAME)),
        Some(path) => Ok(path),
        None => Ok(default_dir()?.join(FILE_NAME)),
    }
}
