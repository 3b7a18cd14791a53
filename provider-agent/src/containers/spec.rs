//! How a machine's container is made: hardened, and with no more than was agreed on.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum, ThrottleDevice,
};
use zennet_primitives::contract::Resources;

use super::{
    disk::Disk,
    processors::{self, Taken},
    seccomp, Engine, LEASE, MILLIS, PROCESSORS, PROVIDER, RUN,
};
use crate::config::Seccomp;

/// Where the guest expects the bundle and the folder of the lease.
const BUNDLE: &str = "/.zennet";
const LEASE_FOLDER: &str = "/run/zennet";
/// Where a machine has its volume.
const VOLUME: &str = "/volume";

/// sshd needs the first three as root; the others make an ordinary system of the machine.
const CAPABILITIES: [&str; 8] =
    ["SETUID", "SETGID", "SYS_CHROOT", "KILL", "CHOWN", "FOWNER", "DAC_OVERRIDE", "FSETID"];

/// Processes and threads of one machine. A limit by user (`nproc`) would be shared with the same
/// user of other machines, so there is none.
const PIDS: i64 = 1024;

/// Limits of each process: `nofile` is what most hosts let an engine give. A core of one byte is
/// what the kernel takes for "none, and no handler": the host's own one would keep them on its disk.
/// Pending signals and timers count against the host's user of the same number.
const ULIMITS: [(&str, i64); 3] = [("nofile", 16_384), ("core", 1), ("sigpending", 4096)];

/// Weight of one core's machine, and by how much each step of nice divides it.
const SHARES: f64 = 1024.0;
const NICE_STEP: f64 = 1.25;
/// No weight is smaller.
const LEAST_SHARES: f64 = 2.0;

/// How often processor time is handed out, microseconds. Shorter than usual, so that a machine that
/// has used up its part waits, and makes others wait, for a moment only.
const PERIOD: i64 = 10_000;
/// The usual one, for machines whose part of a short one is below what the kernel takes.
const LONG_PERIOD: i64 = 100_000;
const LEAST_QUOTA: i64 = 1000;

/// Machines speak IPv4 only: what keeps them in is written once, for that.
const NO_IPV6: [&str; 2] = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"];

/// A limit that no disk reaches: bytes a second.
const UNREACHED: i64 = 1 << 50;

/// What the labels of a container say that it takes; nothing where an earlier version made it.
pub(super) fn taken(labels: &HashMap<String, String>) -> Option<Taken> {
    let processors = processors::parse(labels.get(PROCESSORS)?);
    Some(Taken { processors, millis: labels.get(MILLIS)?.parse().ok()? })
}

/// What a machine is made from.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Name of the container.
    pub(crate) name: String,
    /// Name of the host as the machine sees itself.
    pub(crate) hostname: String,
    /// The lease, as its label says.
    pub(crate) lease: String,
    pub(crate) image_digest: [u8; 32],
    pub(crate) resources: Resources,
    /// Folder of the lease on the host.
    pub(crate) folder: PathBuf,
    /// Folder of its volume, mounted on the host.
    pub(crate) volume: Option<PathBuf>,
    /// Whether its own files cannot be changed.
    pub(crate) read_only: bool,
    pub(crate) task: Task,
}

/// What the guest does in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// It is a machine's first process.
    Machine,
    /// It works for a trial of the host's counters.
    Trial,
    /// It runs benchmarks as it is told to.
    Suite,
}

impl Task {
    /// Words for the guest; a machine ends by itself when it has had no agent for `alone_secs`.
    fn words(self, alone_secs: u32) -> Vec<String> {
        match self {
            Task::Machine => vec!["run".into(), "--alone-secs".into(), alone_secs.to_string()],
            Task::Trial => vec!["trial".into()],
            Task::Suite => vec!["suite".into(), "serve".into()],
        }
    }
}

impl Spec {
    fn entrypoint(&self, alone_secs: u32) -> Vec<String> {
        [vec![format!("{BUNDLE}/guest")], self.task.words(alone_secs)].concat()
    }

    pub(super) fn image(&self) -> String {
        format!("sha256:{}", hex::encode(self.image_digest))
    }

    /// `quota` is whether the storage driver is asked for one; `disk` is what stands in for that.
    pub(super) fn body(
        &self,
        engine: &Engine,
        quota: bool,
        disk: Option<&Disk>,
        volumes: &[String],
        processors: Option<String>,
    ) -> ContainerCreateBody {
        let labels = [
            (PROVIDER, engine.owner.clone()),
            (LEASE, self.lease.clone()),
            (RUN, engine.run.clone()),
            (PROCESSORS, processors.clone().unwrap_or_default()),
            (MILLIS, self.resources.cpu_millis.to_string()),
        ];
        ContainerCreateBody {
            image: Some(self.image()),
            hostname: Some(self.hostname.clone()),
            entrypoint: Some(self.entrypoint(engine.host.isolation.alone_secs)),
            cmd: Some(vec![]),
            user: Some("0:0".into()),
            working_dir: Some("/".into()),
            labels: Some(labels.map(|(k, v)| (k.into(), v)).into()),
            // An image's health check would run at the tenant's cost.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..Default::default()
            }),
            stop_signal: Some("SIGTERM".into()),
            host_config: Some(HostConfig {
                cpuset_cpus: processors,
                ..self.host_config(engine, quota, disk, volumes)
            }),
            ..Default::default()
        }
    }

    fn host_config(
        &self,
        engine: &Engine,
        quota: bool,
        disk: Option<&Disk>,
        volumes: &[String],
    ) -> HostConfig {
        let isolation = &engine.host.isolation;
        let Resources { cpu_millis, memory_mib, disk_mib, volume_mib: _ } = self.resources;
        let memory = i64::from(memory_mib) << 20;
        let read_only = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
        let temporary = |mode: &str| {
            format!("rw,exec,nosuid,nodev,mode={mode},size={}m", (memory_mib / 2).max(8))
        };
        let mut tmpfs = HashMap::from([("/tmp".to_owned(), temporary("1777"))]);
        if self.read_only {
            // What an ordinary system writes while it runs; memory bounds it.
            let folders = [("/run", "0755"), ("/root", "0700"), ("/var/tmp", "1777")];
            tmpfs.extend(folders.map(|(path, mode)| (path.to_owned(), temporary(mode))));
        }
        let throttle = engine
            .sleeping_disk
            .clone()
            .map(|path| vec![ThrottleDevice { path: Some(path), rate: Some(UNREACHED) }]);
        let size = (quota && disk_mib > 0)
            .then(|| HashMap::from([("size".to_owned(), format!("{disk_mib}m"))]));
        let (period, quota) = processor_time(cpu_millis);
        let mut binds =
            vec![read_only(&engine.bundle, BUNDLE), read_only(&self.folder, LEASE_FOLDER)];
        let files = disk.map(Disk::files).into_iter().flatten();
        binds.extend(files.map(|(from, to)| format!("{}:{to}", from.display())));
        binds.extend(self.volume.iter().map(|from| format!("{}:{VOLUME}", from.display())));
        let mut security = vec!["no-new-privileges:true".to_owned()];
        if isolation.seccomp == Seccomp::Own {
            security.push(format!("seccomp={}", seccomp::profile()));
        }
        HostConfig {
            cpu_period: Some(period),
            cpu_quota: Some(quota),
            cpu_shares: Some(shares(cpu_millis, isolation.nice)),
            memory: Some(memory),
            // The same number means no swap.
            memory_swap: Some(memory),
            // The second version of cgroups has no such figure.
            memory_swappiness: engine.host.first_cgroup.then_some(0),
            pids_limit: Some(PIDS),
            ulimits: Some(ULIMITS.map(ulimit).to_vec()),
            // Rather a machine dies than the host's own services.
            oom_score_adj: Some(500),
            cap_drop: Some(vec!["ALL".into()]),
            cap_add: Some(CAPABILITIES.map(String::from).to_vec()),
            security_opt: Some(security),
            runtime: isolation.runtime.clone(),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            ipc_mode: Some("private".into()),
            init: Some(false),
            privileged: Some(false),
            network_mode: Some(engine.network.clone()),
            publish_all_ports: Some(false),
            // Without them the engine asks the host's own servers, from the host's own network.
            dns: Some(isolation.resolvers.iter().map(ToString::to_string).collect()),
            sysctls: Path::new("/proc/sys/net/ipv6")
                .exists()
                .then(|| NO_IPV6.map(|key| (key.to_owned(), "1".to_owned())).into()),
            binds: Some(binds),
            mounts: disk.map(|disk| mounts(disk, volumes)),
            tmpfs: Some(tmpfs),
            readonly_rootfs: Some(self.read_only),
            blkio_device_write_bps: throttle,
            storage_opt: size,
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            // The tenant may write to its process 1's output: that must not fill the host's disk.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".into()),
                config: Some(HashMap::from([
                    ("max-size".to_owned(), "256k".to_owned()),
                    ("max-file".to_owned(), "1".to_owned()),
                ])),
            }),
            ..Default::default()
        }
    }
}

/// Period and quota of a machine's processor time, microseconds.
fn processor_time(cpu_millis: u32) -> (i64, i64) {
    let part = |period: i64| i64::from(cpu_millis) * period / 1000;
    match part(PERIOD) {
        quota if quota >= LEAST_QUOTA => (PERIOD, quota),
        _ => (LONG_PERIOD, part(LONG_PERIOD).max(LEAST_QUOTA)),
    }
}

/// Weight of a machine against its neighbours and, below a common parent, the host's own work.
fn shares(cpu_millis: u32, nice: u32) -> i64 {
    let weight = SHARES * f64::from(cpu_millis) / 1000.0;
    let divisor = (0..nice).fold(1.0, |divisor, _| divisor * NICE_STEP);
    (weight / divisor).max(LEAST_SHARES) as i64
}

fn ulimit((name, limit): (&str, i64)) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.into()), soft: Some(limit), hard: Some(limit) }
}

/// Volumes that an image declares, on the machine's disk: the engine copies the image's files
/// there when it makes the container.
fn mounts(disk: &Disk, volumes: &[String]) -> Vec<Mount> {
    let mount = |(n, target): (usize, &String)| {
        let options = [("type", "none".into()), ("o", "bind".into())];
        let device = ("device", disk.volume(n).display().to_string());
        let options = options.into_iter().chain([device]);
        Mount {
            target: Some(target.clone()),
            typ: Some(MountType::VOLUME),
            volume_options: Some(MountVolumeOptions {
                driver_config: Some(MountVolumeOptionsDriverConfig {
                    name: Some("local".into()),
                    options: Some(options.map(|(k, v)| (k.to_owned(), v)).collect()),
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    };
    volumes.iter().enumerate().map(mount).collect()
}

/// The whole disk that holds a folder, as a device file, where there is one.
pub(super) fn disk_of(folder: &Path) -> Option<String> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut block = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if block.join("partition").exists() {
        block.pop();
    }
    let path = Path::new("/dev").join(block.file_name()?);
    path.exists().then(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_handed_out_in_pieces_that_the_kernel_takes() {
        assert_eq!(processor_time(1500), (10_000, 15_000));
        assert_eq!(processor_time(100), (10_000, 1000));
        assert_eq!(processor_time(99), (100_000, 9900));
        assert_eq!(processor_time(10), (100_000, 1000));
    }

    #[test]
    fn what_a_machine_takes_is_read_from_its_labels_and_not_guessed() {
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let said = taken(&labels(&[(PROCESSORS, "1-2"), (MILLIS, "1500")])).unwrap();
        assert_eq!((said.processors, said.millis), (vec![1, 2], 1500));
        let everywhere = taken(&labels(&[(PROCESSORS, ""), (MILLIS, "9000")])).unwrap();
        assert!(everywhere.processors.is_empty());
        assert!(taken(&labels(&[(LEASE, "0x01")])).is_none(), "an earlier version made it");
    }

    #[test]
    fn a_nicer_machine_weighs_less_and_never_nothing() {
        assert_eq!(shares(1000, 0), 1024);
        assert_eq!(shares(2000, 0), 2048);
        assert_eq!(shares(1000, 5), 335);
        assert_eq!(shares(10, 19), 2);
    }
}
