//! The container engine. Types of bollard stop here.

mod container;
mod disk;
mod firewall;
mod host;
mod link;
mod processors;
mod program;
mod seccomp;
mod spec;
#[cfg(test)]
pub(crate) mod tests;
mod volume;

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Duration,
};

use bollard::{
    errors::Error as ApiError,
    models::{ContainerSummary, NetworkCreateRequest, NetworkInspect},
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, InspectContainerOptions, InspectNetworkOptions,
        ListContainersOptions,
    },
    Docker,
};
use futures::StreamExt;
use thiserror::Error;
use tokio::{sync::Mutex, time::timeout};
use tracing::{info, warn};
use zennet_primitives::contract::Wall;

pub(crate) use self::{
    container::Container,
    spec::{Spec, Task},
};
use self::{disk::DiskError, firewall::FirewallError, host::Host};
use crate::{config, volumes::Place};

/// Label with the provider's account.
const PROVIDER: &str = "zennet.provider";
/// Label with the lease.
const LEASE: &str = "zennet.lease";
/// Label with the run of the daemon.
const RUN: &str = "zennet.run";
/// Labels with the processors that a machine keeps to, and its part in thousandths of one.
const PROCESSORS: &str = "zennet.processors";
const MILLIS: &str = "zennet.cpu-millis";
/// Label of a network that this program made.
const NETWORK: &str = "zennet.network";
/// Option of a network: the name of its bridge, by which the firewall's rules know it.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// How long one request may take.
const REQUEST_SECS: u64 = 30;

/// Why the engine did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum EngineError {
    #[error("no container engine answers at {host}: {reason}; is Docker running? scripts/setup installs and starts it")]
    Unreachable { host: String, reason: String },
    #[error("the image {0} is not here and names no registry: build or import it first")]
    ImageMissing(String),
    #[error("the image {image} could not be pulled: {reason}")]
    Pull { image: String, reason: String },
    #[error("the image {image} has the unusual id {id}")]
    ImageId { image: String, id: String },
    #[error("the guest bundle is not at {0}: run scripts/setup, or configure docker.bundle_dir")]
    NoBundle(PathBuf),
    #[error("the engine did not {what}: {reason}")]
    Refused { what: &'static str, reason: String },
    #[error("the container ended before it ran")]
    NotRunning,
    #[error("the OCI runtime {wanted} is not one of the engine's: {}", found.join(" "))]
    NoRuntime { wanted: String, found: Vec<String> },
    #[error("no firewall between machines and this host: {0}; run it as root with iptables installed, or set isolation.require_firewall = false")]
    NoFirewall(FirewallError),
    #[error("the machine's disk: {0}; isolation.disk_quota = false does without")]
    Disk(#[from] DiskError),
    #[error("the machine's link to this host: {0}")]
    Link(#[from] program::ProgramError),
    #[error("the network {0} of an earlier version is in use: remove it")]
    OldNetwork(String),
    #[error("the folder of the lease cannot be given to the machine's root user: {0}")]
    Folder(std::io::Error),
}

impl EngineError {
    fn refused(what: &'static str) -> impl Fn(ApiError) -> EngineError {
        move |error| EngineError::Refused { what, reason: error.to_string() }
    }
}

/// A connection to the engine.
pub(crate) struct Engine {
    docker: Docker,
    /// The provider's account; its containers carry it.
    owner: String,
    run: String,
    network: String,
    /// Held while the network is looked for and made.
    making_network: Mutex<()>,
    bundle: PathBuf,
    pull_timeout: Duration,
    /// Cleared when the storage driver has refused a quota.
    quota: AtomicBool,
    /// A disk whose counters wake only under a limit (cgroup v1).
    sleeping_disk: Option<String>,
    host: Arc<Host>,
}

impl Engine {
    /// Connects and finds out what the engine can do.
    pub(crate) async fn connect(
        config: &config::Docker,
        isolation: &config::Isolation,
        owner: String,
    ) -> Result<Engine, EngineError> {
        let host = config.host.clone().unwrap_or_else(default_host);
        let unreachable =
            |e: ApiError| EngineError::Unreachable { host: host.clone(), reason: e.to_string() };
        let mut docker = Docker::connect_with_host(&host).map_err(unreachable)?;
        docker.set_timeout(Duration::from_secs(REQUEST_SECS));
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        let system = docker.info().await.map_err(unreachable)?;
        let bundle = config.bundle_dir.clone().unwrap_or_default();
        if !bundle.join("guest").is_file() || !bundle.join("lib").is_dir() {
            return Err(EngineError::NoBundle(bundle));
        }
        // Docker lets two that ask at the same moment make networks of one name.
        let network = format!("{}-{owner}", config.network);
        let local = host.starts_with("unix://");
        let found = Host::find(isolation, &system, local, &network).await?;
        let root = system.docker_root_dir.unwrap_or_default();
        let engine = Engine {
            docker,
            owner,
            run: format!("{:016x}", rand::random::<u64>()),
            network,
            making_network: Mutex::new(()),
            bundle,
            pull_timeout: Duration::from_secs(config.pull_timeout_secs.into()),
            quota: AtomicBool::new(true),
            sleeping_disk: found.first_cgroup.then(|| spec::disk_of(root.as_ref())).flatten(),
            host: Arc::new(found),
        };
        info!(
            version = system.server_version,
            storage = system.driver,
            runtimes = engine.runtimes().join(" "),
            cgroup = if engine.host.first_cgroup { "v1" } else { "v2" },
            "container engine found"
        );
        Ok(engine)
    }

    /// Whether machines can have volumes.
    pub(crate) fn has_volumes(&self) -> bool {
        self.host.disks.usable
    }

    /// Mounts a volume and gives the folder; one that is mounted is left so.
    pub(crate) async fn open_volume(&self, place: &Place) -> Result<PathBuf, EngineError> {
        Ok(self.host.disks.open_volume(place).await?)
    }

    /// Makes a volume as large as was agreed on, which no machine uses meanwhile, and mounts it.
    pub(crate) async fn grow_volume(&self, place: &Place) -> Result<PathBuf, EngineError> {
        Ok(self.host.disks.grow_volume(place).await?)
    }

    /// Unmounts a volume whose machine is gone.
    pub(crate) async fn close_volume(&self, place: &Place) {
        self.host.disks.close_volume(&place.path).await;
    }

    /// Deletes what was put away.
    pub(crate) async fn clear_put_away(&self) {
        self.host.disks.clear_put_away().await;
    }

    /// Puts a volume where none is looked for; it is deleted with the next clearing.
    pub(crate) async fn put_volume_away(&self, path: &str) {
        self.host.disks.put_volume_away(path).await;
    }

    /// Deletes volumes of an earlier run that are not kept.
    pub(crate) async fn clear_volumes(&self, kept: &HashSet<String>) {
        self.host.disks.clear_volumes(kept).await;
    }

    /// Links a running machine of the provider's own to this host at a rate, and gives the address
    /// of this end. No machine of a publisher gets such a link.
    pub(crate) async fn join(&self, pid: u32, kbit_per_sec: u32) -> Result<Ipv4Addr, EngineError> {
        Ok(link::join(pid, kbit_per_sec).await?)
    }

    /// What stands between machines and this host.
    pub(crate) fn wall(&self) -> Wall {
        self.host.wall()
    }

    /// The digest of an image, which is pulled where its name says from which registry.
    pub(crate) async fn image(&self, name: &str) -> Result<[u8; 32], EngineError> {
        let found = match self.docker.inspect_image(name).await {
            Err(error) if is_status(&error, 404) => {
                if !names_registry(name) {
                    return Err(EngineError::ImageMissing(name.into()));
                }
                self.pull(name).await?;
                self.docker.inspect_image(name).await
            }
            found => found,
        };
        let id = found.map_err(EngineError::refused("inspect the image"))?.id.unwrap_or_default();
        let mut digest = [0; 32];
        let hex = id.strip_prefix("sha256:").unwrap_or_default();
        match hex::decode_to_slice(hex, &mut digest) {
            Ok(()) => Ok(digest),
            Err(_) => Err(EngineError::ImageId { image: name.into(), id }),
        }
    }

    async fn pull(&self, name: &str) -> Result<(), EngineError> {
        let failed = |reason: String| EngineError::Pull { image: name.into(), reason };
        info!(image = name, "pulling an image");
        let options = CreateImageOptions { from_image: Some(with_tag(name)), ..Default::default() };
        let mut progress = self.docker.create_image(Some(options), None, None);
        let pulling = async {
            while let Some(step) = progress.next().await {
                step.map_err(|e| failed(e.to_string()))?;
            }
            Ok(())
        };
        let late = || failed(format!("not done in {} s", self.pull_timeout.as_secs()));
        timeout(self.pull_timeout, pulling).await.map_err(|_| late())?
    }

    /// Creates a container without starting it.
    pub(crate) async fn create(&self, spec: &Spec) -> Result<Container, EngineError> {
        self.give_to_machine(&spec.folder)?;
        // It is never closed.
        let _turn = self.host.turns.acquire().await;
        let volumes = self.volumes(&spec.image()).await?;
        let made = self.create_on(spec, &volumes).await;
        if made.is_err() {
            self.host.disks.remove(&spec.name).await;
        }
        made
    }

    async fn create_on(&self, spec: &Spec, volumes: &[String]) -> Result<Container, EngineError> {
        let mut last = EngineError::NotRunning;
        let mut disk = None;
        // The network may be removed by hand; a quota may not be possible.
        for _ in 0..3 {
            self.ensure_network().await?;
            self.host.check_firewall().await?;
            if self.host.disks.usable && disk.is_none() {
                disk = Some(self.disk(spec, volumes.len()).await?);
            }
            let quota = disk.is_none() && self.quota.load(Ordering::Relaxed);
            let _turn = processors::turn().await;
            let processors = self.processors(spec.resources.cpu_millis).await?;
            let body = spec.body(self, quota, disk.as_ref(), volumes, processors);
            let options =
                CreateContainerOptions { name: Some(spec.name.clone()), ..Default::default() };
            match self.docker.create_container(Some(options), body).await {
                Ok(created) => {
                    let container = self.container(created.id, &spec.name);
                    if let Err(error) = container.attach().await {
                        container.try_remove().await?;
                        return Err(error);
                    }
                    return Ok(container);
                }
                Err(error) if quota && error.to_string().contains("storage-opt") => {
                    warn!(%error, "the storage driver enforces no disk quota; machines may use more disk than agreed");
                    self.quota.store(false, Ordering::Relaxed);
                }
                // Left by an earlier run that did not end in order.
                Err(error) if is_status(&error, 409) => {
                    self.container(spec.name.clone(), &spec.name).try_remove().await?;
                    disk = None;
                    last = EngineError::refused("create the container")(error);
                }
                Err(error) if is_status(&error, 404) => {
                    last = EngineError::refused("create the container")(error);
                }
                Err(error) => return Err(EngineError::refused("create the container")(error)),
            }
        }
        Err(last)
    }

    /// Processors for a machine, besides those that machines of all providers here keep to.
    async fn processors(&self, millis: u32) -> Result<Option<String>, EngineError> {
        let isolation = &self.host.isolation;
        let allowed = match &isolation.pin_cpus {
            Some(list) => processors::parse(list),
            None => processors::online(),
        };
        if !isolation.spread_cpus {
            return Ok(isolation.pin_cpus.clone());
        }
        let mut taken = Vec::new();
        for container in self.labelled(RUN.into()).await? {
            if let Some(said) = container.labels.as_ref().and_then(spec::taken) {
                taken.push(said);
                continue;
            }
            // One that an earlier version made.
            let id = container.id.unwrap_or_default();
            let found = self.docker.inspect_container(&id, None::<InspectContainerOptions>).await;
            // One that is gone by now takes nothing.
            let Ok(Some(config)) = found.map(|found| found.host_config) else { continue };
            let quota = config.cpu_quota.unwrap_or_default();
            let period = config.cpu_period.filter(|period| *period > 0).unwrap_or(1);
            taken.push(processors::Taken {
                processors: processors::parse(&config.cpuset_cpus.unwrap_or_default()),
                millis: u32::try_from(quota.saturating_mul(1000) / period).unwrap_or_default(),
            });
        }
        let chosen = processors::choose(&allowed, &taken, millis);
        Ok(chosen.or_else(|| isolation.pin_cpus.clone()))
    }

    /// Containers with a label, running or not.
    async fn labelled(&self, label: String) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = self.docker.list_containers(Some(options)).await;
        found.map_err(EngineError::refused("list containers"))
    }

    async fn disk(&self, spec: &Spec, volumes: usize) -> Result<disk::Disk, EngineError> {
        let resolvers = &self.host.isolation.resolvers;
        let mib = spec.resources.disk_mib;
        Ok(self.host.disks.make(&spec.name, mib, &spec.hostname, resolvers, volumes).await?)
    }

    /// Where the machines' root is another user on this host, it must read the keys of its server.
    fn give_to_machine(&self, folder: &Path) -> Result<(), EngineError> {
        let Some((user, group)) = self.host.root else { return Ok(()) };
        for name in ["host_key", "authorized_keys"] {
            match chown(folder.join(name), Some(user), Some(group)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(EngineError::Folder(error));
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// Folders that an image wants kept apart from its other files.
    async fn volumes(&self, image: &str) -> Result<Vec<String>, EngineError> {
        let found = self.docker.inspect_image(image).await;
        let config = found.map_err(EngineError::refused("inspect the image"))?.config;
        let mut volumes = config.and_then(|config| config.volumes).unwrap_or_default();
        volumes.sort();
        Ok(volumes)
    }

    fn container(&self, id: String, name: &str) -> Container {
        Container::new(self.docker.clone(), self.host.clone(), id, name.into())
    }

    async fn ensure_network(&self) -> Result<(), EngineError> {
        let refused = EngineError::refused("make the network");
        let _making = self.making_network.lock().await;
        match self.docker.inspect_network(&self.network, None::<InspectNetworkOptions>).await {
            Ok(found) if self.has_bridge(&found) => return Ok(()),
            Ok(_) => {
                let removed = self.docker.remove_network(&self.network).await;
                removed.map_err(|_| EngineError::OldNetwork(self.network.clone()))?;
            }
            Err(error) if is_status(&error, 404) => (),
            Err(error) => return Err(refused(error)),
        }
        let pairs = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect::<HashMap<_, _>>())
        };
        let request = NetworkCreateRequest {
            name: self.network.clone(),
            driver: Some("bridge".into()),
            // Machines of different tenants do not see each other.
            options: pairs(&[
                ("com.docker.network.bridge.enable_icc", "false"),
                (BRIDGE_NAME, self.host.firewall.bridge()),
            ]),
            labels: pairs(&[(NETWORK, "1")]),
            ..Default::default()
        };
        self.docker.create_network(request).await.map(drop).map_err(refused)
    }

    fn has_bridge(&self, network: &NetworkInspect) -> bool {
        let options = network.options.as_ref();
        let name = options.and_then(|options| options.get(BRIDGE_NAME));
        name.is_some_and(|name| name == self.host.firewall.bridge())
    }

    /// A container of this provider, by its name.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Container>, EngineError> {
        let found = match self.docker.inspect_container(name, None::<InspectContainerOptions>).await
        {
            Err(error) if is_status(&error, 404) => return Ok(None),
            found => found.map_err(EngineError::refused("inspect the container"))?,
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let own = labels.get(PROVIDER) == Some(&self.owner);
        Ok(found.id.filter(|_| own).map(|id| self.container(id, name)))
    }

    /// Removes this provider's containers, of earlier runs too, but those of the names that are
    /// kept; gives their number.
    pub(crate) async fn sweep(&self, kept: &HashSet<String>) -> Result<usize, EngineError> {
        let found = self.labelled(format!("{PROVIDER}={}", self.owner)).await?;
        let mut removed = 0;
        for container in found {
            let Some(id) = container.id else { continue };
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            let name = name.trim_start_matches('/');
            if !kept.contains(name) {
                self.container(id, name).try_remove().await?;
                removed += 1;
            }
        }
        self.host.disks.clear(kept).await;
        Ok(removed)
    }

    /// Removes the network with its rules, if this program made it and nobody uses it; whether there
    /// was one.
    pub(crate) async fn remove_network(&self) -> bool {
        let inspected =
            self.docker.inspect_network(&self.network, None::<InspectNetworkOptions>).await;
        let (removed, gone) = match inspected {
            Ok(network) => {
                let made_here = network.labels.is_some_and(|labels| labels.contains_key(NETWORK));
                // Refused while something is still on it: then the next end removes it.
                let removed = made_here && self.docker.remove_network(&self.network).await.is_ok();
                (removed, removed)
            }
            Err(error) => (false, is_status(&error, 404)),
        };
        if gone {
            self.host.lower_firewall().await;
        }
        removed
    }

    /// OCI runtimes that the engine has for machines.
    pub(crate) fn runtimes(&self) -> &[String] {
        self.host.runtimes()
    }
}

fn is_status(error: &ApiError, code: u16) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code, .. } if *status_code == code)
}

fn default_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into())
}

/// Whether a name says from where to pull: `host.example/…`, `host:5000/…`, `user/image`.
fn names_registry(name: &str) -> bool {
    name.contains('/') && !name.starts_with('/')
}

/// Without a tag or digest the engine would pull every tag.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') {
        name.into()
    } else {
        format!("{name}:latest")
    }
}
