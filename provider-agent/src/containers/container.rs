//! One container from its creation to its removal.

use std::time::Duration;

use bollard::{
    errors::Error as ApiError,
    query_parameters::{InspectContainerOptions, StartContainerOptions, WaitContainerOptions},
    Docker,
};
use futures::StreamExt;
use tokio::time::sleep;
use tracing::warn;

use super::{is_status, remove_container, EngineError};

/// Pauses between attempts to remove a container double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 8;

/// A container; it stays until [`Container::remove`].
#[derive(Clone)]
pub(crate) struct Container {
    docker: Docker,
    id: String,
}

impl Container {
    pub(super) fn new(docker: Docker, id: String) -> Self {
        Container { docker, id }
    }

    /// Starts it and gives its first process's id on the host.
    pub(crate) async fn start(&self) -> Result<u32, EngineError> {
        let started = self.docker.start_container(&self.id, None::<StartContainerOptions>).await;
        started.map_err(EngineError::refused("start the container"))?;
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let state = found.map_err(EngineError::refused("inspect the container"))?.state;
        let pid = state.and_then(|s| s.pid).and_then(|pid| u32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).ok_or(EngineError::NotRunning)
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
            match remove_container(&self.docker, &self.id).await {
                Ok(()) => return Ok(()),
                Err(error) => warn!(%error, "a container could not be removed, trying again"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
        remove_container(&self.docker, &self.id).await
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}
