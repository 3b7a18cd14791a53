//! One container from its creation to its removal.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bollard::{
    errors::Error as ApiError,
    query_parameters::{
        InspectContainerOptions, KillContainerOptions, RemoveContainerOptions,
        StartContainerOptions, WaitContainerOptions,
    },
    Docker,
};
use futures::StreamExt;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::{disk, disk::Disk, host::Host, is_status, EngineError};

/// Pauses between attempts to remove a container double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 8;

/// A container; it stays until [`Container::remove`].
#[derive(Clone)]
pub(crate) struct Container {
    docker: Docker,
    host: Arc<Host>,
    id: String,
    /// Its name is that of its disk, too.
    name: String,
}

impl Container {
    pub(super) fn new(docker: Docker, host: Arc<Host>, id: String, name: String) -> Self {
        Container { docker, host, id, name }
    }

    /// Moves what it will write onto its disk, where it has one. Whatever unmounted the disk, a
    /// power failure or the engine's restart, it is mounted before each start.
    pub(super) async fn attach(&self) -> Result<Option<Disk>, EngineError> {
        let Some(disk) = self.host.disks.find(&self.name) else { return Ok(None) };
        let layer = self.layer().await?.ok_or(EngineError::NotRunning)?;
        self.host.disks.attach(&disk, &layer).await?;
        Ok(Some(disk))
    }

    /// Starts it and gives its first process's id on the host.
    pub(crate) async fn start(&self) -> Result<u32, EngineError> {
        // It is never closed.
        let _turn = self.host.turns.acquire().await;
        let disk = self.attach().await?;
        let started = self.docker.start_container(&self.id, None::<StartContainerOptions>).await;
        started.map_err(EngineError::refused("start the container"))?;
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let state = found.map_err(EngineError::refused("inspect the container"))?.state;
        let pid = state.and_then(|s| s.pid).and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.filter(|pid| *pid > 0).ok_or(EngineError::NotRunning)?;
        // The first process of other runtimes than the engine's first one has another root.
        if self.host.isolation.runtime.as_deref().is_none_or(|runtime| runtime == "runc") {
            if let Some(disk) = disk {
                disk.holds(pid)?;
            }
        }
        self.host.confine(pid).await;
        Ok(pid)
    }

    /// Its first process's id on the host while it runs, frozen or not.
    pub(crate) async fn running(&self) -> Result<Option<u32>, EngineError> {
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let found = match found {
            Err(error) if is_status(&error, 404) => return Ok(None),
            found => found.map_err(EngineError::refused("inspect the container"))?,
        };
        let running = found.state.filter(|state| state.running == Some(true));
        let pid = running.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        Ok(pid.filter(|pid| *pid > 0))
    }

    /// Freezes every process; one that is frozen stays so.
    pub(crate) async fn freeze(&self) -> Result<(), EngineError> {
        match self.docker.pause_container(&self.id).await {
            Err(error)
                if is_status(&error, 409) && error.to_string().contains("already paused") =>
            {
                Ok(())
            }
            outcome => outcome.map_err(EngineError::refused("freeze the container")),
        }
    }

    /// Lets every process run again.
    pub(crate) async fn thaw(&self) -> Result<(), EngineError> {
        match self.docker.unpause_container(&self.id).await {
            Err(error) if error.to_string().contains("is not paused") => Ok(()),
            outcome => outcome.map_err(EngineError::refused("thaw the container")),
        }
    }

    /// Waits until it ended or the engine no longer knows.
    pub(crate) async fn ended(&self) -> String {
        let options = WaitContainerOptions { condition: "not-running".into() };
        let mut ends = self.docker.wait_container(&self.id, Some(options));
        match ends.next().await {
            Some(Ok(end)) => format!("it ended with status {}", end.status_code),
            Some(Err(ApiError::DockerContainerWaitError { code, .. })) => {
                format!("it ended with status {code}")
            }
            Some(Err(error)) => error.to_string(),
            None => "the engine closed the connection".into(),
        }
    }

    /// Kills and removes it, with patience while the engine is away.
    pub(crate) async fn remove(&self) -> Result<(), EngineError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.try_remove().await {
                Ok(()) => return Ok(()),
                Err(error) => warn!(%error, "a container could not be removed, trying again"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
        self.try_remove().await
    }

    /// Removes it, running or not, with its volumes and its disk; one that is gone is fine.
    pub(super) async fn try_remove(&self) -> Result<(), EngineError> {
        if let Some(layer) = self.layer().await? {
            // The engine can neither remove a layer that something is mounted on, nor can that be
            // unmounted while processes use it.
            self.kill().await;
            disk::detach(&layer).await;
        }
        self.remove_from_engine().await?;
        self.host.disks.remove(&self.name).await;
        Ok(())
    }

    async fn kill(&self) {
        let options = KillContainerOptions { signal: "SIGKILL".into() };
        // It may not run any more, or never have.
        if let Err(error) = self.docker.kill_container(&self.id, Some(options)).await {
            debug!(%error, "a container was not killed before its removal");
        }
    }

    async fn remove_from_engine(&self) -> Result<(), EngineError> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match self.docker.remove_container(&self.id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_status(&error, 404) => Ok(()),
            // Another removal of the same container is under way.
            Err(error) if is_status(&error, 409) && error.to_string().contains("already") => Ok(()),
            Err(error) => Err(EngineError::refused("remove the container")(error)),
        }
    }

    /// The folder of its writable layer; none when it is gone.
    pub(super) async fn layer(&self) -> Result<Option<PathBuf>, EngineError> {
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let driver = match found {
            Err(error) if is_status(&error, 404) => return Ok(None),
            found => found.map_err(EngineError::refused("inspect the container"))?.graph_driver,
        };
        let upper = driver.and_then(|mut driver| driver.data.remove("UpperDir"));
        Ok(upper.and_then(|upper| PathBuf::from(upper).parent().map(PathBuf::from)))
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
