//! `[isolation]`: how machines are kept apart from the host, its network and each other.

use std::{fmt, net::Ipv4Addr, path::PathBuf, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Isolation {
    pub(crate) network: Network,
    /// Whether machines are served only behind firewall rules.
    pub(crate) require_firewall: bool,
    /// Servers of names for machines; they are reached through the firewall.
    pub(crate) resolvers: Vec<Ipv4Addr>,
    /// Networks that machines do not reach, besides those that never are.
    pub(crate) deny_networks: Vec<Subnet>,
    /// OCI runtime of the engine; absent means its default.
    pub(crate) runtime: Option<String>,
    pub(crate) seccomp: Seccomp,
    /// Processors of the host on which machines run; absent means all.
    pub(crate) pin_cpus: Option<String>,
    /// Whether a machine keeps to as many of those as its part fills.
    pub(crate) spread_cpus: bool,
    /// How far machines stand back behind the host's own work, as by nice(1).
    pub(crate) nice: u32,
    /// Rate of one machine's network, each way; absent means none.
    pub(crate) bandwidth_kbit_per_sec: Option<u32>,
    /// How long a machine runs while no agent does, seconds. Then it ends, and an agent that comes
    /// back starts it again.
    pub(crate) alone_secs: u32,
    /// Whether a machine's disk is a file system of its own, of the agreed size.
    pub(crate) disk_quota: bool,
    /// Folder of those file systems; resolved when the file is loaded.
    pub(crate) disk_dir: Option<PathBuf>,
}

impl Default for Isolation {
    fn default() -> Self {
        Isolation {
            network: Network::Internet,
            require_firewall: true,
            resolvers: vec![Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 1, 1, 1)],
            deny_networks: Vec::new(),
            runtime: None,
            seccomp: Seccomp::Own,
            pin_cpus: None,
            spread_cpus: true,
            nice: 0,
            bandwidth_kbit_per_sec: None,
            alone_secs: 3600,
            disk_quota: true,
            disk_dir: None,
        }
    }
}

/// What the machines' network reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    Internet,
    None,
}

/// Which filter of system calls machines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Seccomp {
    Own,
    Engine,
}

/// An IPv4 network, written `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

/// What is no network.
#[derive(Debug, Error)]
#[error("{0:?} is no IPv4 network; write one like 10.0.0.0/8")]
pub(crate) struct NoSubnet(String);

impl Subnet {
    /// The network of an address; bits behind the prefix are cleared.
    pub(crate) const fn new(address: Ipv4Addr, prefix: u8) -> Subnet {
        let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix as u32) };
        Subnet { address: Ipv4Addr::from_bits(address.to_bits() & mask), prefix }
    }
}

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let no = || NoSubnet(text.into());
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(no)?;
        Ok(Subnet::new(address.parse().map_err(|_| no())?, prefix))
    }
}

impl TryFrom<String> for Subnet {
    type Error = NoSubnet;

    fn try_from(text: String) -> Result<Self, NoSubnet> {
        text.parse()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Whether a text is a list of processors as the kernel reads it.
pub(super) fn is_cpu_list(text: &str) -> bool {
    text.split(',').all(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => first <= last,
            _ => false,
        }
    })
}
