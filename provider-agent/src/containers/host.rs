//! What this host and its engine can do to keep machines apart, found out once at start.

use std::{path::Path, sync::Arc};

use bollard::models::SystemInfo;
use tokio::{sync::Semaphore, task::JoinHandle};
use tracing::{debug, info, warn};
use zennet_primitives::contract::Wall;

use super::{
    disk::{DiskError, Disks},
    firewall::{Firewall, FirewallError},
    link, EngineError,
};
use crate::config::Isolation;

/// Folder of the machines' disks where no configuration was loaded.
const DISKS: &str = "disks";

/// Containers that one daemon makes or starts at once.
const TURNS: usize = 4;

/// What is there for machines besides the engine.
pub(super) struct Host {
    pub(super) isolation: Isolation,
    pub(super) disks: Disks,
    pub(super) firewall: Arc<Firewall>,
    guard: Option<JoinHandle<()>>,
    /// The user and group that the machines' root is on this host, where it is not root.
    pub(super) root: Option<(u32, u32)>,
    pub(super) first_cgroup: bool,
    /// Containers that are made or started at once: more would only hold each other up.
    pub(super) turns: Semaphore,
    runtimes: Vec<String>,
    default_runtime: Option<String>,
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(guard) = &self.guard {
            guard.abort();
        }
    }
}

impl Host {
    /// Finds out, says it in the log, and refuses what was asked for and cannot be.
    pub(super) async fn find(
        isolation: &Isolation,
        system: &SystemInfo,
        local: bool,
        network: &str,
    ) -> Result<Host, EngineError> {
        let options = system.security_options.clone().unwrap_or_default();
        let has = |name: &str| options.iter().any(|o| o.split(',').any(|part| part == name));
        let data = system.docker_root_dir.clone().unwrap_or_default();
        let root = mapped_root(&data).filter(|_| has("name=userns"));
        let mut runtimes: Vec<String> =
            system.runtimes.iter().flatten().map(|(name, _)| name.clone()).collect();
        runtimes.sort();
        if let Some(wanted) = &isolation.runtime {
            if !runtimes.contains(wanted) {
                return Err(EngineError::NoRuntime { wanted: wanted.clone(), found: runtimes });
            }
        }
        let folder = isolation.disk_dir.clone().unwrap_or_else(|| DISKS.into());
        let mut host = Host {
            isolation: isolation.clone(),
            disks: Disks::new(folder, root.unwrap_or_default()),
            firewall: Arc::new(Firewall::new(network, isolation)),
            guard: None,
            root,
            first_cgroup: !format!("{:?}", system.cgroup_version).contains('2'),
            turns: Semaphore::new(TURNS),
            runtimes,
            default_runtime: system.default_runtime.clone(),
        };
        if let Err(error) = host.try_disks(system, local).await {
            warn!(%error, "no file system for each machine: unless the storage driver has quotas, machines may use more disk than agreed");
        }
        host.raise_firewall(local && !has("name=rootless")).await?;
        info!(
            runtime = isolation.runtime.as_ref().or(system.default_runtime.as_ref()),
            users_mapped = has("name=userns"),
            rootless = has("name=rootless"),
            seccomp = has("name=seccomp"),
            firewall = host.guard.is_some(),
            disk_quota = host.disks.usable,
            "isolation of machines"
        );
        if !options.iter().any(|option| option.starts_with("name=seccomp")) {
            warn!("the engine filters no system calls: machines reach more of the kernel");
        }
        if system.live_restore_enabled != Some(true) {
            warn!("machines end when the engine is started again, and leases with them that are paid for: set \"live-restore\": true in its daemon.json");
        }
        Ok(host)
    }

    async fn try_disks(&mut self, system: &SystemInfo, local: bool) -> Result<(), DiskError> {
        let driver = system.driver.clone().unwrap_or_default();
        match driver.as_str() {
            _ if !self.isolation.disk_quota => Err(DiskError::Unwanted),
            _ if !local => Err(DiskError::Elsewhere),
            "overlay2" => self.disks.try_out().await,
            _ => Err(DiskError::Driver(driver)),
        }
    }

    async fn raise_firewall(&mut self, reachable: bool) -> Result<(), EngineError> {
        let raised = if reachable {
            self.firewall.ensure().await
        } else {
            Err(FirewallError::Elsewhere(self.firewall.bridge().into()))
        };
        if self.admits(raised)? {
            self.guard = Some(self.firewall.guard());
        }
        Ok(())
    }

    /// Makes sure of the rules before a machine is made; its network is there already.
    pub(super) async fn check_firewall(&self) -> Result<(), EngineError> {
        if self.guard.is_none() {
            return Ok(());
        }
        let checked = match self.firewall.covers_bridge() {
            Ok(()) => self.firewall.ensure().await,
            outside => outside,
        };
        self.admits(checked).map(drop)
    }

    /// Removes the rules when there are no machines any more.
    pub(super) async fn lower_firewall(&self) {
        if let Some(guard) = &self.guard {
            guard.abort();
            self.firewall.remove().await;
        }
    }

    /// Whether there are rules; an error where there are none and must be.
    fn admits(&self, outcome: Result<(), FirewallError>) -> Result<bool, EngineError> {
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if self.isolation.require_firewall => Err(EngineError::NoFirewall(error)),
            Err(error) => {
                warn!(%error, "no firewall: machines reach this host and its networks");
                Ok(false)
            }
        }
    }

    /// The wall that the runtime of machines makes, by its usual name.
    pub(super) fn wall(&self) -> Wall {
        let runtime = self.isolation.runtime.as_ref().or(self.default_runtime.as_ref());
        wall_of(runtime.map_or("", |name| name))
    }

    /// OCI runtimes that the engine lists.
    pub(super) fn runtimes(&self) -> &[String] {
        &self.runtimes
    }

    /// What can be done to a machine's network only when it is there.
    pub(super) async fn confine(&self, pid: u32) {
        if let Err(error) = link::isolate(pid).await {
            debug!(%error, "a machine's port of the bridge is not isolated by itself");
        }
        let Some(rate) = self.isolation.bandwidth_kbit_per_sec else { return };
        if let Err(error) = link::limit(pid, rate).await {
            warn!(%error, "a machine's network has no limit of its rate");
        }
    }
}

/// gVisor's runtime is called `runsc`; those of Kata Containers begin with its name.
fn wall_of(runtime: &str) -> Wall {
    let name = runtime.trim_start_matches("io.containerd.");
    if name.starts_with("runsc") {
        Wall::Gvisor
    } else if name.starts_with("kata") {
        Wall::Vm
    } else {
        Wall::Namespaces
    }
}

/// The user and group that root is mapped to: an engine that maps users has its data in a folder
/// named after them.
fn mapped_root(data: &str) -> Option<(u32, u32)> {
    let (user, group) = Path::new(data).file_name()?.to_str()?.split_once('.')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_is_known_by_the_name_of_the_runtime() {
        for (name, wall) in [
            ("runc", Wall::Namespaces),
            ("", Wall::Namespaces),
            ("runsc", Wall::Gvisor),
            ("io.containerd.runsc.v1", Wall::Gvisor),
            ("kata-qemu", Wall::Vm),
            ("io.containerd.kata.v2", Wall::Vm),
        ] {
            assert_eq!(wall_of(name), wall, "{name}");
        }
    }

    #[test]
    fn the_mapped_root_is_in_the_name_of_the_data_folder() {
        assert_eq!(mapped_root("/var/lib/docker/100000.100001"), Some((100_000, 100_001)));
        assert_eq!(mapped_root("/var/lib/docker"), None);
        assert_eq!(mapped_root("/var/lib/docker.d"), None);
    }
}
