//! One side's place in the network: it listens, or dials, or both.

use std::{io, net::SocketAddr, time::Duration};

use futures::StreamExt;
use libp2p::{
    identity::{DecodingError, Keypair},
    multiaddr::Protocol,
    noise,
    swarm::{
        dial_opts::{DialOpts, PeerCondition},
        DialError as SwarmDialError, SwarmEvent,
    },
    Multiaddr, PeerId,
};
use thiserror::Error;
use tokio::{
    net,
    sync::{mpsc, oneshot, watch, Mutex},
    time,
};

use crate::{
    address::{check_ip, EndpointError, Host, Parts},
    config::Limits,
    connection::{CloseReason, Link},
    handler::LEASE,
    swarm::{listening, Dial, Task},
};

/// Accepted links that may wait for [`Endpoint::accept`].
const ACCEPT_QUEUE: usize = 16;
/// Dials that may wait for the swarm's task.
const DIAL_QUEUE: usize = 16;
/// Addresses of a name that are tried.
const ADDRESSES_PER_NAME: usize = 8;
/// Time in which the system must give the addresses to listen on.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);

/// Why an endpoint does not listen.
#[derive(Debug, Error)]
pub enum ListenError {
    #[error("cannot set up encryption: {0}")]
    Noise(#[from] noise::Error),
    #[error("the key cannot be used: {0}")]
    Key(DecodingError),
    #[error("cannot listen on {address}: {error}; is the port taken?")]
    Address { address: Multiaddr, error: String },
    #[error("the system gave no address to listen on within {0:?}")]
    Timeout(Duration),
}

/// Why a dial failed.
#[derive(Debug, Error)]
pub enum DialError {
    #[error("not dialed: {0}")]
    Endpoint(#[from] EndpointError),
    #[error("cannot resolve {name}: {error}")]
    Resolve { name: String, error: io::Error },
    #[error("{name} has no address that may be dialed")]
    NoAddress { name: String },
    #[error("expected peer {expected} but {obtained} answered: someone stands in between")]
    WrongPeer { expected: PeerId, obtained: PeerId },
    #[error("the address leads back to this endpoint")]
    Own,
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    #[error("cannot connect: {0}")]
    Unreachable(String),
    #[error("connected, but the control stream could not be opened: {0}")]
    NoControl(String),
    #[error("the connection ended: {0}")]
    Closed(CloseReason),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl DialError {
    pub(crate) fn from_swarm(error: SwarmDialError) -> Self {
        match error {
            SwarmDialError::WrongPeerId { obtained, endpoint } => {
                let expected = endpoint.get_remote_address().iter().find_map(|part| match part {
                    Protocol::P2p(peer) => Some(peer),
                    _ => None,
                });
                match expected {
                    Some(expected) => DialError::WrongPeer { expected, obtained },
                    None => DialError::Unreachable(format!("unexpected peer {obtained}")),
                }
            }
            SwarmDialError::LocalPeerId { .. } => DialError::Own,
            SwarmDialError::Transport(failures) => {
                let all: Vec<_> = failures.iter().map(|(to, why)| format!("{to}: {why}")).collect();
                DialError::Unreachable(all.join("; "))
            }
            other => DialError::Unreachable(other.to_string()),
        }
    }
}

/// The endpoint's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the endpoint has stopped")]
pub struct Stopped;

/// One side's swarm; dropping it ends every connection.
pub struct Endpoint {
    local: PeerId,
    limits: Limits,
    dials: mpsc::Sender<Dial>,
    accepted: Mutex<mpsc::Receiver<Link>>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
    _stop: oneshot::Sender<()>,
}

impl Endpoint {
    /// Starts an endpoint that only dials (the provider's), with a key made for this run.
    ///
    /// Needs a tokio runtime.
    pub fn dialer(limits: Limits) -> Result<Self, ListenError> {
        let (accepted, links) = mpsc::channel(ACCEPT_QUEUE);
        let keypair = Keypair::generate_ed25519();
        let task = Task::new(&keypair, limits.clone(), accepted)?;
        Ok(Self::start(task, limits, links))
    }

    /// Starts an endpoint that listens (the publisher's), with a key made for this run.
    pub async fn listen(addresses: Vec<Multiaddr>, limits: Limits) -> Result<Self, ListenError> {
        Self::listen_as(Keypair::generate_ed25519(), addresses, limits).await
    }

    /// Starts an endpoint that listens with the key of an earlier run, so that it is found again.
    ///
    /// `secret` is 32 random bytes: any are a key.
    pub async fn listen_again(
        mut secret: [u8; 32],
        addresses: Vec<Multiaddr>,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        let keypair = Keypair::ed25519_from_bytes(&mut secret).map_err(ListenError::Key)?;
        Self::listen_as(keypair, addresses, limits).await
    }

    /// Starts an endpoint that listens with a given key.
    pub async fn listen_as(
        keypair: Keypair,
        addresses: Vec<Multiaddr>,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        let (accepted, links) = mpsc::channel(ACCEPT_QUEUE);
        let mut task = Task::new(&keypair, limits.clone(), accepted)?;
        let mut waiting = std::collections::HashMap::new();
        for address in addresses {
            match task.swarm.listen_on(address.clone()) {
                Ok(id) => drop(waiting.insert(id, address)),
                Err(e) => return Err(ListenError::Address { address, error: e.to_string() }),
            }
        }
        let all_up = async {
            while !waiting.is_empty() {
                let event = task.swarm.select_next_some().await;
                match &event {
                    SwarmEvent::NewListenAddr { listener_id, .. } => {
                        waiting.remove(listener_id);
                    }
                    SwarmEvent::ListenerClosed { listener_id, reason: Err(e), .. }
                    | SwarmEvent::ListenerError { listener_id, error: e } => {
                        if let Some(address) = waiting.remove(listener_id) {
                            let error = e.to_string();
                            return Err(ListenError::Address { address, error });
                        }
                    }
                    _ => {}
                }
                task.on_event(event);
            }
            Ok(())
        };
        match time::timeout(LISTEN_DEADLINE, all_up).await {
            Ok(result) => result?,
            Err(_) => return Err(ListenError::Timeout(LISTEN_DEADLINE)),
        }
        Ok(Self::start(task, limits, links))
    }

    fn start(task: Task, limits: Limits, links: mpsc::Receiver<Link>) -> Self {
        let local = *task.swarm.local_peer_id();
        let (dials, requests) = mpsc::channel(DIAL_QUEUE);
        let (stop, stopped) = oneshot::channel();
        let (known, addresses) = watch::channel(listening(&task.swarm, local));
        tokio::spawn(task.run(requests, stopped, known));
        Endpoint { local, limits, dials, accepted: Mutex::new(links), addresses, _stop: stop }
    }

    /// This endpoint's peer id.
    pub fn local_peer(&self) -> PeerId {
        self.local
    }

    /// The addresses that are listened on now, each with `/p2p/<peer id>`.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.addresses.borrow().clone()
    }

    /// Waits for the next peer that connected and opened its control stream.
    pub async fn accept(&self) -> Result<Link, Stopped> {
        self.accepted.lock().await.recv().await.ok_or(Stopped)
    }

    /// Connects to `/…/tcp/<port>/p2p/<peer id>` and opens the control stream, all within `timeout`.
    ///
    /// Every dial makes a connection of its own, also to a peer that is connected already.
    pub async fn dial(&self, address: &Multiaddr, timeout: Duration) -> Result<Link, DialError> {
        match time::timeout(timeout, self.dial_unbounded(address)).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Timeout(timeout)),
        }
    }

    async fn dial_unbounded(&self, address: &Multiaddr) -> Result<Link, DialError> {
        let parts = Parts::of(address)?;
        parts.check(self.limits.allow_private)?;
        let addresses = self.resolve(&parts).await?;
        let opts = DialOpts::peer_id(parts.peer)
            .condition(PeerCondition::Always)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let (reply, answer) = oneshot::channel();
        self.dials.send(Dial { opts, reply }).await.map_err(|_| Stopped)?;
        let shared = answer.await.map_err(|_| Stopped)??;
        let control = tokio::select! {
            stream = shared.open_stream(LEASE) => stream,
            reason = shared.closed() => return Err(DialError::Closed(reason)),
        };
        let control = control.map_err(|e| DialError::NoControl(e.to_string()))?;
        Ok(Link::new(shared, control))
    }

    /// Turns a name into addresses, each checked: a name must not lead where an address may not.
    async fn resolve(&self, parts: &Parts) -> Result<Vec<Multiaddr>, DialError> {
        let (name, family) = match &parts.host {
            Host::Ip(ip) => return Ok(vec![tcp_address(SocketAddr::new(*ip, parts.port))]),
            Host::Name { name, family } => (name, *family),
        };
        let found = net::lookup_host((name.as_str(), parts.port))
            .await
            .map_err(|error| DialError::Resolve { name: name.clone(), error })?;
        let addresses: Vec<_> = found
            .filter(|found| family.admits(found.ip()))
            .filter(|found| check_ip(found.ip(), self.limits.allow_private).is_ok())
            .take(ADDRESSES_PER_NAME)
            .map(tcp_address)
            .collect();
        if addresses.is_empty() {
            return Err(DialError::NoAddress { name: name.clone() });
        }
        Ok(addresses)
    }
}

fn tcp_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}
