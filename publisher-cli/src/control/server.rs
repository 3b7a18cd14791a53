//! The side of the socket that a running `submit` has.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

use super::{registry::Registry, Answer, Request, MAX_REQUEST};

/// Requests that are answered at once.
const CLIENTS: usize = 16;

/// Time that one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The listening socket; it is removed when this is dropped.
pub(crate) struct Server {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers requests from now on. The caller holds the lock of the data folder, so a socket that
/// is there already is a dead one.
pub(crate) fn serve(path: &Path, registry: Registry) -> Result<Server> {
    let failed = || format!("cannot listen on the control socket {}", path.display());
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(failed)?;
    let places = Arc::new(Semaphore::new(CLIENTS));
    let task = tokio::spawn(async move {
        while let Ok(place) = places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((client, _)) => {
                    let registry = registry.clone();
                    tokio::spawn(async move {
                        if let Ok(Err(error)) = timeout(PATIENCE, answer(client, registry)).await {
                            tracing::debug!(%error, "a control connection failed");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    });
    Ok(Server { path: path.to_owned(), task })
}

async fn answer(mut client: UnixStream, registry: Registry) -> Result<()> {
    let (read, mut write) = client.split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str::<Request>(&line) {
        // The store is read from disk.
        Ok(request) => tokio::task::spawn_blocking(move || registry.answer(&request)).await?,
        Err(error) => Answer { error: Some(format!("bad request: {error}")), ..Answer::default() },
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    write.shutdown().await?;
    Ok(())
}
