//! How a machine's container is made: hardened, and with no more than was agreed on.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    RestartPolicy, RestartPolicyNameEnum, ThrottleDevice,
};
use zennet_primitives::contract::Resources;

use super::{Engine, LEASE, PROVIDER, RUN};

/// Where the guest expects the bundle and the folder of the lease.
const BUNDLE: &str = "/.zennet";
const LEASE_FOLDER: &str = "/run/zennet";

/// sshd needs the first three as root; the others make an ordinary system of the machine.
const CAPABILITIES: [&str; 8] =
    ["SETUID", "SETGID", "SYS_CHROOT", "KILL", "CHOWN", "FOWNER", "DAC_OVERRIDE", "FSETID"];

/// Processes and threads of one machine.
const PIDS: i64 = 1024;

/// A limit that no disk reaches: bytes a second.
const UNREACHED: i64 = 1 << 50;

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
}

impl Spec {
    pub(super) fn body(&self, engine: &Engine, quota: bool) -> ContainerCreateBody {
        let labels = [(PROVIDER, &engine.owner), (LEASE, &self.lease), (RUN, &engine.run)];
        ContainerCreateBody {
            image: Some(format!("sha256:{}", hex::encode(self.image_digest))),
            hostname: Some(self.hostname.clone()),
            entrypoint: Some(vec![format!("{BUNDLE}/guest"), "run".into()]),
            cmd: Some(vec![]),
            user: Some("0:0".into()),
            working_dir: Some("/".into()),
            labels: Some(labels.map(|(k, v)| (k.into(), v.clone())).into()),
            // An image's health check would run at the tenant's cost.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..Default::default()
            }),
            stop_signal: Some("SIGTERM".into()),
            host_config: Some(self.host_config(engine, quota)),
            ..Default::default()
        }
    }

    fn host_config(&self, engine: &Engine, quota: bool) -> HostConfig {
        let Resources { cpu_millis, memory_mib, disk_mib } = self.resources;
        let memory = i64::from(memory_mib) << 20;
        let read_only = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
        let temporary = format!("rw,exec,nosuid,nodev,mode=1777,size={}m", (memory_mib / 2).max(8));
        let throttle = engine
            .sleeping_disk
            .clone()
            .map(|path| vec![ThrottleDevice { path: Some(path), rate: Some(UNREACHED) }]);
        let size = (quota && disk_mib > 0 && engine.quota.load(Ordering::Relaxed))
            .then(|| HashMap::from([("size".to_owned(), format!("{disk_mib}m"))]));
        HostConfig {
            nano_cpus: Some(i64::from(cpu_millis) * 1_000_000),
            memory: Some(memory),
            // The same number means no swap.
            memory_swap: Some(memory),
            pids_limit: Some(PIDS),
            // Rather a machine dies than the host's own services.
            oom_score_adj: Some(500),
            cap_drop: Some(vec!["ALL".into()]),
            cap_add: Some(CAPABILITIES.map(String::from).to_vec()),
            security_opt: Some(vec!["no-new-privileges:true".into()]),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            ipc_mode: Some("private".into()),
            init: Some(false),
            privileged: Some(false),
            network_mode: Some(engine.network.clone()),
            publish_all_ports: Some(false),
            binds: Some(vec![
                read_only(&engine.bundle, BUNDLE),
                read_only(&self.folder, LEASE_FOLDER),
            ]),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), temporary)])),
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
