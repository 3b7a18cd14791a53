//! The container engine. Types of bollard stop here.

mod container;
mod spec;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bollard::{
    errors::Error as ApiError,
    models::NetworkCreateRequest,
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, InspectNetworkOptions, ListContainersOptions,
        RemoveContainerOptions,
    },
    Docker,
};
use futures::StreamExt;
use thiserror::Error;
use tokio::{sync::Mutex, time::timeout};
use tracing::{info, warn};

pub(crate) use self::{container::Container, spec::Spec};
use crate::config;

/// Label with the provider's account.
const PROVIDER: &str = "zennet.provider";
/// Label with the lease.
const LEASE: &str = "zennet.lease";
/// Label with the run of the daemon.
const RUN: &str = "zennet.run";
/// Label of a network that this program made.
const NETWORK: &str = "zennet.network";
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
}

impl Engine {
    /// Connects and finds out what the engine can do.
    pub(crate) async fn connect(
        config: &config::Docker,
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
        let first_cgroup = !format!("{:?}", system.cgroup_version).contains('2');
        let root = system.docker_root_dir.unwrap_or_default();
        info!(
            version = system.server_version,
            storage = system.driver,
            cgroup = if first_cgroup { "v1" } else { "v2" },
            "container engine found"
        );
        // Docker lets two that ask at the same moment make networks of one name.
        let network = format!("{}-{owner}", config.network);
        Ok(Engine {
            docker,
            owner,
            run: format!("{:016x}", rand::random::<u64>()),
            network,
            making_network: Mutex::new(()),
            bundle,
            pull_timeout: Duration::from_secs(config.pull_timeout_secs.into()),
            quota: AtomicBool::new(true),
            sleeping_disk: first_cgroup.then(|| spec::disk_of(root.as_ref())).flatten(),
        })
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
        let mut last = EngineError::NotRunning;
        // The network may be removed by hand; a quota may not be possible.
        for _ in 0..3 {
            self.ensure_network().await?;
            let quota = self.quota.load(Ordering::Relaxed);
            let body = spec.body(self, quota);
            let options =
                CreateContainerOptions { name: Some(spec.name.clone()), ..Default::default() };
            match self.docker.create_container(Some(options), body).await {
                Ok(created) => return Ok(Container::new(self.docker.clone(), created.id)),
                Err(error) if quota && error.to_string().contains("storage-opt") => {
                    warn!(%error, "the storage driver enforces no disk quota; machines may use more disk than agreed");
                    self.quota.store(false, Ordering::Relaxed);
                }
                // Left by an earlier run that did not end in order.
                Err(error) if is_status(&error, 409) => {
                    self.remove(&spec.name).await?;
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

    async fn ensure_network(&self) -> Result<(), EngineError> {
        let refused = EngineError::refused("make the network");
        let _making = self.making_network.lock().await;
        match self.docker.inspect_network(&self.network, None::<InspectNetworkOptions>).await {
            Ok(_) => return Ok(()),
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
            options: pairs(&[("com.docker.network.bridge.enable_icc", "false")]),
            labels: pairs(&[(NETWORK, "1")]),
            ..Default::default()
        };
        self.docker.create_network(request).await.map(drop).map_err(refused)
    }

    /// Removes this provider's containers, of earlier runs too; gives their number.
    pub(crate) async fn sweep(&self) -> Result<usize, EngineError> {
        let label = format!("{PROVIDER}={}", self.owner);
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = self.docker.list_containers(Some(options)).await;
        let ids: Vec<String> = found
            .map_err(EngineError::refused("list containers"))?
            .into_iter()
            .filter_map(|container| container.id)
            .collect();
        for id in &ids {
            self.remove(id).await?;
        }
        Ok(ids.len())
    }

    /// Removes the network, if this program made it and nobody uses it.
    pub(crate) async fn remove_network(&self) {
        let inspected =
            self.docker.inspect_network(&self.network, None::<InspectNetworkOptions>).await;
        let Ok(network) = inspected else { return };
        let made_here = network.labels.is_some_and(|labels| labels.contains_key(NETWORK));
        if made_here {
            // Refused while something is still on it: then the next end removes it.
            let _ = self.docker.remove_network(&self.network).await;
        }
    }

    async fn remove(&self, id: &str) -> Result<(), EngineError> {
        remove_container(&self.docker, id).await
    }
}

/// Removes a container, running or not, with its volumes; one that is gone is fine.
async fn remove_container(docker: &Docker, id: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    match docker.remove_container(id, Some(options)).await {
        Ok(()) => Ok(()),
        Err(error) if is_status(&error, 404) => Ok(()),
        // Another removal of the same container is under way.
        Err(error) if is_status(&error, 409) && error.to_string().contains("already") => Ok(()),
        Err(error) => Err(EngineError::refused("remove the container")(error)),
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
