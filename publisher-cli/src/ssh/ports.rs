//! Local ports: each accepted connection becomes an ssh stream to the machine.

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{anyhow, bail, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{watch, Semaphore},
    task::JoinSet,
    time::{timeout_at, Instant},
};
use zennet_transport::{splice, Connection, OpenError, SshStream};

/// Ports that are tried from the base on: some belong to others.
const TRIED: u16 = 4 * 1024;

/// Connections to a machine that may be accepted at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 256;

/// Time in which the provider must have connected the machine's side; a connection that is lost may
/// be built again meanwhile.
const OPEN: Duration = Duration::from_secs(30);

/// The local ports of one run, so that two machines never get the same one.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    base: u16,
    taken: Arc<Mutex<BTreeSet<u16>>>,
}

impl Ports {
    /// Ports from `base` on.
    pub(crate) fn from(base: u16) -> Self {
        Ports { base, taken: Arc::default() }
    }

    /// Listens on the loopback address: on the port that the machine had before, if it is free, or
    /// on the first that is.
    pub(crate) async fn listen(&self, before: Option<u16>) -> Result<LocalPort> {
        for port in before.into_iter().chain(self.base..=self.base.saturating_add(TRIED)) {
            if !self.taken.lock().unwrap_or_else(|e| e.into_inner()).insert(port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => {
                    return Ok(LocalPort { listener, port, taken: self.taken.clone() });
                }
                Err(e) => {
                    release(&self.taken, port);
                    match e.kind() {
                        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {}
                        _ => bail!("cannot listen on 127.0.0.1:{port}: {e}"),
                    }
                }
            }
        }
        bail!(
            "no free port from {} on after {TRIED} tries: set another ssh_port_base in the \
             configuration",
            self.base
        )
    }
}

fn release(taken: &Mutex<BTreeSet<u16>>, port: u16) {
    taken.lock().unwrap_or_else(|e| e.into_inner()).remove(&port);
}

/// A port of a machine; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct LocalPort {
    listener: TcpListener,
    /// Its number.
    pub(crate) port: u16,
    taken: Arc<Mutex<BTreeSet<u16>>>,
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        release(&self.taken, self.port);
    }
}

impl LocalPort {
    /// Forwards every connection to the machine until dropped, over whichever connection to its
    /// provider there is.
    pub(crate) async fn serve(self, lines: watch::Receiver<Option<Connection>>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut live = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((client, _)) => {
                        let lines = lines.clone();
                        live.spawn(async move {
                            forward(client, lines).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: others must end first.
                        tracing::warn!(port = self.port, %error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                },
                Some(_) = live.join_next(), if !live.is_empty() => {}
            }
        }
    }
}

async fn forward(client: TcpStream, lines: watch::Receiver<Option<Connection>>) {
    // Keystrokes must not wait for an acknowledgement.
    let _ = client.set_nodelay(true);
    match open(lines).await {
        Ok(stream) => match splice(client, stream).await {
            Ok((sent, received)) => tracing::debug!(sent, received, "ssh connection ended"),
            Err(error) => tracing::debug!(%error, "ssh connection broke"),
        },
        Err(error) => tracing::warn!(%error, "no ssh stream to the machine"),
    }
}

/// Opens a stream to the machine; while its provider is away, waits for the next connection.
pub(super) async fn open(mut lines: watch::Receiver<Option<Connection>>) -> Result<SshStream> {
    let until = Instant::now() + OPEN;
    let late = |_| anyhow!("the provider is not connected");
    loop {
        let connection = timeout_at(until, lines.wait_for(Option::is_some)).await.map_err(late)?;
        let Some(connection) = connection?.clone() else { continue };
        match connection.open_ssh(until.saturating_duration_since(Instant::now())).await {
            Ok(stream) => return Ok(stream),
            Err(OpenError::Closed(reason)) => {
                tracing::debug!(%reason, "waiting for the provider to connect again");
                timeout_at(until, lines.changed()).await.map_err(late)??;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_passed_over_and_a_dropped_one_is_free_again() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = other.local_addr().unwrap().port();
        let ports = Ports::from(base);
        let first = ports.listen(None).await.unwrap();
        let second = ports.listen(None).await.unwrap();
        assert!(first.port > base && second.port > first.port);
        let freed = first.port;
        drop(first);
        assert_eq!(ports.listen(None).await.unwrap().port, freed);
        let again = ports.listen(Some(freed)).await.unwrap();
        assert_ne!(again.port, second.port);
    }

    #[tokio::test]
    async fn two_machines_never_get_one_port() {
        let ports = Ports::from(23000);
        let (a, b) = tokio::join!(ports.listen(None), ports.listen(None));
        assert_ne!(a.unwrap().port, b.unwrap().port);
    }
}
