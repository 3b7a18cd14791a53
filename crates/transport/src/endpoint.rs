//! One side's place in the network: it listens, or dials, or both.

use std::{
    collections::{hash_map::RandomState, HashMap},
    hash::{BuildHasher, Hasher},
    io,
    sync::Arc,
    time::Duration,
};

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
use libp2p_relay::outbound::hop::ConnectError;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch, Mutex},
    time,
};

use crate::{
    address::{is_relayed, relay_of, resolve, EndpointError, Parts},
    config::Limits,
    connection::{CloseReason, Link, Shared},
    handler::LEASE,
    reservation::{chain, keep, Standing},
    swarm::{listening, Dial, Relays, Requests, Task},
};

/// Accepted links that may wait for [`Endpoint::accept`].
const ACCEPT_QUEUE: usize = 16;
/// Dials that may wait for the swarm's task.
const DIAL_QUEUE: usize = 16;
/// Wishes for places at relays that may wait for the swarm's task.
const WISH_QUEUE: usize = 4;
/// Time in which the system must give the addresses to listen on.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);
/// Time in which a relay must have given its place.
const RELAY_DEADLINE: Duration = Duration::from_secs(20);
/// Attempts to get a circuit from a relay, and the time of each: libp2p-relay lets ten at once wait
/// for a publisher's answer and forgets those above.
const CIRCUIT_ATTEMPTS: usize = 8;
const CIRCUIT: Duration = Duration::from_secs(4);
/// Pauses between them double from the first to the last, more or less.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(2);

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
    #[error(transparent)]
    Relay(#[from] EndpointError),
    #[error(
        "no place at the relay {relay} within {} s: {error}; does it run, are its address and \
         its peer id right, and does its port answer?", RELAY_DEADLINE.as_secs()
    )]
    NoPlace { relay: Multiaddr, error: String },
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
    #[error("the relay that the address names was not reached: {0}")]
    NoRelay(String),
    #[error("the relay that the address names has no place for the peer: it is not there")]
    Absent,
    #[error("cannot set up encryption: {0}")]
    Noise(#[from] noise::Error),
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
                // The last one: before it may stand the relay's.
                let parts = endpoint.get_remote_address().iter();
                let expected = parts.filter_map(peer_id).last();
                match expected {
                    Some(expected) => DialError::WrongPeer { expected, obtained },
                    None => DialError::Unreachable(format!("unexpected peer {obtained}")),
                }
            }
            SwarmDialError::LocalPeerId { .. } => DialError::Own,
            SwarmDialError::Transport(failures)
                if failures.iter().any(|(_, error)| is_absence(error)) =>
            {
                DialError::Absent
            }
            SwarmDialError::Transport(failures) => {
                let all: Vec<_> =
                    failures.iter().map(|(to, why)| format!("{to}: {}", chain(why))).collect();
                DialError::Unreachable(all.join("; "))
            }
            other => DialError::Unreachable(other.to_string()),
        }
    }
}

/// Whether a relay said that the peer has no place there.
fn is_absence(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref() {
        Some(ConnectError::NoReservation) => true,
        _ => error.source().is_some_and(is_absence),
    }
}

/// Half of a time to one and a half of it, so that many that were refused at once come apart.
fn about(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    time.mul_f64(0.5 + random as f64 / u64::MAX as f64)
}

fn peer_id(part: Protocol<'_>) -> Option<PeerId> {
    match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// The endpoint's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the endpoint has stopped")]
pub struct Stopped;

/// One side's swarm; dropping it ends every connection.
pub struct Endpoint {
    keypair: Keypair,
    limits: Limits,
    dials: mpsc::Sender<Dial>,
    accepted: Mutex<mpsc::Receiver<Link>>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
    places: Vec<Place>,
    /// Dropping it ends every task.
    stop: watch::Sender<()>,
}

/// A place at a relay.
struct Place {
    /// `/…/p2p/<peer id of the relay>/p2p-circuit`, as it was given.
    circuit: Multiaddr,
    standing: watch::Receiver<Standing>,
}

impl Endpoint {
    /// Starts an endpoint that only dials (the provider's), with a key made for this run.
    ///
    /// Needs a tokio runtime.
    pub fn dialer(limits: Limits) -> Result<Self, ListenError> {
        let (accepted, links) = mpsc::channel(ACCEPT_QUEUE);
        let keypair = Keypair::generate_ed25519();
        let task = Task::new(&keypair, limits.clone(), accepted, Relays::Unused)?;
        Ok(Self::start(keypair, task, limits, links, Vec::new()))
    }

    /// Starts an endpoint that listens (the publisher's), with a key made for this run.
    ///
    /// An address `/…/p2p/<peer id of a relay>/p2p-circuit` listens at that relay: this returns
    /// when the relay has given a place, which is then kept, and asked for again when it is lost.
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
        let (circuits, addresses): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_relayed);
        let relays = if circuits.is_empty() { Relays::Unused } else { Relays::Used };
        let circuits = circuits
            .into_iter()
            .map(|circuit| relay_of(&circuit).map(|relay| (circuit, relay)))
            .collect::<Result<_, _>>()?;
        let mut task = Task::new(&keypair, limits.clone(), accepted, relays)?;
        let mut waiting = HashMap::new();
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
        let endpoint = Self::start(keypair, task, limits, links, circuits);
        endpoint.places_held().await?;
        Ok(endpoint)
    }

    fn start(
        keypair: Keypair,
        task: Task,
        limits: Limits,
        links: mpsc::Receiver<Link>,
        circuits: Vec<(Multiaddr, Parts)>,
    ) -> Self {
        let (dials, dial_requests) = mpsc::channel(DIAL_QUEUE);
        let (wishes, wish_requests) = mpsc::channel(WISH_QUEUE);
        let (stop, stopped) = watch::channel(());
        let known = listening(&task.swarm, *task.swarm.local_peer_id());
        let (known, addresses) = watch::channel(known);
        let requests = Requests { dials: dial_requests, wishes: wish_requests, stop: stopped };
        tokio::spawn(task.run(requests, known));
        let place = |(circuit, relay)| {
            let (shown, standing) = watch::channel(Standing::Asked(None));
            tokio::spawn(keep(relay, limits.allow_private, wishes.clone(), shown));
            Place { circuit, standing }
        };
        let places = circuits.into_iter().map(place).collect();
        Endpoint { keypair, limits, dials, accepted: Mutex::new(links), addresses, places, stop }
    }

    /// Waits until each relay has given its place.
    async fn places_held(&self) -> Result<(), ListenError> {
        let until = time::Instant::now() + RELAY_DEADLINE;
        for Place { circuit, standing } in &self.places {
            let mut standing = standing.clone();
            let held = standing.wait_for(|now| *now == Standing::Held);
            let held = matches!(time::timeout_at(until, held).await, Ok(Ok(_)));
            if !held {
                let error = match &*standing.borrow() {
                    Standing::Asked(Some(why)) => why.clone(),
                    Standing::Asked(None) | Standing::Held => String::from("it gave no answer"),
                };
                return Err(ListenError::NoPlace { relay: circuit.clone(), error });
            }
        }
        Ok(())
    }

    /// This endpoint's peer id.
    pub fn local_peer(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// The addresses that are listened on now, each with `/p2p/<peer id>`; those at relays apart.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.addresses.borrow().clone()
    }

    /// The addresses at relays whose place is held now, each with `/p2p/<peer id>`.
    pub fn relayed_addresses(&self) -> Vec<Multiaddr> {
        let held = self.places.iter().filter(|place| *place.standing.borrow() == Standing::Held);
        held.map(|place| place.circuit.clone().with(Protocol::P2p(self.local_peer()))).collect()
    }

    /// Waits for the next peer that connected and opened its control stream.
    pub async fn accept(&self) -> Result<Link, Stopped> {
        self.accepted.lock().await.recv().await.ok_or(Stopped)
    }

    /// Connects to `/…/tcp/<port>/p2p/<peer id>`, or through the relay that the address names, and
    /// opens the control stream, all within `timeout`.
    ///
    /// Every dial makes a connection of its own, also to a peer that is connected already; through
    /// a relay it has a connection to the relay of its own too, which nobody else can hold up.
    pub async fn dial(&self, address: &Multiaddr, timeout: Duration) -> Result<Link, DialError> {
        match time::timeout(timeout, self.dial_unbounded(address)).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Timeout(timeout)),
        }
    }

    async fn dial_unbounded(&self, address: &Multiaddr) -> Result<Link, DialError> {
        let parts = Parts::of(address)?;
        parts.check(self.limits.allow_private)?;
        let addresses = resolve(&parts, self.limits.allow_private).await?;
        let shared = match parts.relay {
            None => {
                let (dial, answer) = dial_of(parts.peer, addresses);
                self.dials.send(dial).await.map_err(|_| Stopped)?;
                answer.await.map_err(|_| Stopped)??
            }
            Some(relay) => self.dial_through(relay, &parts, &addresses).await?,
        };
        let control = tokio::select! {
            stream = shared.open_stream(LEASE) => stream,
            reason = shared.closed() => return Err(DialError::Closed(reason)),
        };
        let control = control.map_err(|e| DialError::NoControl(e.to_string()))?;
        Ok(Link::new(shared, control))
    }

    async fn dial_through(
        &self,
        relay: PeerId,
        parts: &Parts,
        addresses: &[Multiaddr],
    ) -> Result<Arc<Shared>, DialError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        let handshake = self.limits.handshake.min(CIRCUIT);
        loop {
            let address = addresses[attempt % addresses.len()].clone();
            let circuit = address.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit);
            let (dial, answer) = dial_of(parts.peer, vec![circuit]);
            // Nothing comes in here.
            let (accepted, _) = mpsc::channel(1);
            let limits = Limits { handshake, ..self.limits.clone() };
            let task = Task::new(&self.keypair, limits, accepted, Relays::Used)?;
            tokio::spawn(task.run_for(dial, self.stop.subscribe()));
            attempt += 1;
            match answer.await.map_err(|_| Stopped)? {
                Err(DialError::Unreachable(error)) if attempt < CIRCUIT_ATTEMPTS => {
                    tracing::debug!(%relay, %error, attempt, "no circuit, trying again");
                }
                answer => return answer,
            }
            time::sleep(about(pause)).await;
            pause = LAST_PAUSE.min(pause * 2);
        }
    }
}

fn dial_of(
    peer: PeerId,
    addresses: Vec<Multiaddr>,
) -> (Dial, oneshot::Receiver<Result<Arc<Shared>, DialError>>) {
    let opts = DialOpts::peer_id(peer)
        .condition(PeerCondition::Always)
        .addresses(addresses)
        .allocate_new_port()
        .build();
    let (reply, answer) = oneshot::channel();
    (Dial { opts, reply }, answer)
}
