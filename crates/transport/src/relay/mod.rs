//! A relay: carries connections to those who cannot be dialed, and can read none of them.
//!
//! libp2p's circuit relay, version 2. A publisher behind a router connects here and asks for a
//! place; a provider connects here and asks for a circuit to that publisher's peer id; from then on
//! bytes are copied between two streams. Noise runs inside the circuit from end to end, so a relay
//! can delay and cut, and nothing else.
//!
//! ```text
//!  publisher ──── place ────► relay ◄──── circuit to the publisher ──── provider
//!      ▲                                                                   │
//!      └══════════════ Noise, yamux, streams: as on a direct connection ═══┘
//! ```
//!
//! Whoever asks is served, within [`RelayLimits`]. What a stranger can cost is bounded by the
//! connections of an address, the streams of a connection and 256 KiB that wait in each stream.

mod behaviour;
mod secret;

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use futures::{FutureExt, StreamExt};
use libp2p::{
    core::{muxing::StreamMuxerBox, transport::timeout::TransportTimeout, upgrade},
    identity::Keypair,
    noise, ping,
    swarm::SwarmEvent,
    tcp, yamux, Multiaddr, PeerId, Swarm, Transport,
};
use tokio::time;

use self::behaviour::{Behaviour, BehaviourEvent, Gate};
pub use self::secret::{relay_secret, SecretError};
use crate::{address::parse_endpoint, endpoint::ListenError, muxer::Capped};

/// Time for TCP and Noise.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time in which the system must give the addresses to listen on.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);
/// Pings find peers that died without a word, and keep a router's memory of the connection.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A place is asked for again after three quarters of this.
const PLACE: Duration = Duration::from_secs(3600);
/// Streams of a connection beside its circuits: requests and pings.
const SPARE_STREAMS: usize = 32;
/// Places that an address may ask for at once, and the time after which it may ask for one more.
const PLACES_PER_IP: (u32, Duration) = (64, Duration::from_secs(1));
/// The same for circuits: machines of one provider come back all at once when a publisher does.
const CIRCUITS_PER_IP: (u32, Duration) = (1024, Duration::from_millis(20));

/// What a relay carries at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLimits {
    /// Connections at once, those still shaking hands included; each takes a file descriptor.
    pub connections: usize,
    /// Connections at once from one IP address: a provider has one for each of its machines.
    pub connections_per_ip: usize,
    /// Circuits at once.
    pub circuits: usize,
    /// Circuits at once that one peer has asked for.
    pub circuits_per_peer: usize,
    /// Time after which a circuit is cut, whole seconds; a lease goes on over a new one.
    pub circuit_duration: Duration,
    /// Bytes after which a circuit is cut, both ways together; zero is no limit.
    pub circuit_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        RelayLimits {
            connections: 900,
            connections_per_ip: 256,
            circuits: 800,
            circuits_per_peer: 256,
            circuit_duration: Duration::from_secs(7 * 24 * 3600),
            circuit_bytes: 1 << 40,
        }
    }
}

/// A relay that listens; it works while [`Relay::serve`] runs.
pub struct Relay {
    swarm: Swarm<Behaviour>,
    addresses: Vec<Multiaddr>,
}

impl Relay {
    /// Starts to listen under the peer id of a secret, so that it is found again after a restart.
    ///
    /// `announce` names addresses that others reach, without the peer id, where they differ from
    /// those listened on. Needs a tokio runtime.
    pub async fn listen(
        mut secret: [u8; 32],
        listen: Vec<Multiaddr>,
        announce: Vec<Multiaddr>,
        limits: &RelayLimits,
    ) -> Result<Self, ListenError> {
        let keypair = Keypair::ed25519_from_bytes(&mut secret).map_err(ListenError::Key)?;
        let mut swarm = swarm(&keypair, limits)?;
        let listening = time::timeout(LISTEN_DEADLINE, listening(&mut swarm, listen)).await;
        let mut found = listening.map_err(|_| ListenError::Timeout(LISTEN_DEADLINE))??;
        if !announce.is_empty() {
            found = announce;
        }
        // Clients take an answer without addresses for none.
        found.iter().for_each(|address| swarm.add_external_address(address.clone()));
        let local = *swarm.local_peer_id();
        let with_peer = |address: Multiaddr| address.with_p2p(local).unwrap_or_else(|other| other);
        let mut addresses: Vec<_> = found.into_iter().map(with_peer).collect();
        addresses.sort_by_key(|address| {
            let text = address.to_string();
            let private = parse_endpoint(&text, false).is_err();
            (private, text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/"), text)
        });
        Ok(Relay { swarm, addresses })
    }

    /// The relay's peer id.
    pub fn local_peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Its addresses with the peer id, public ones first.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    /// Carries circuits until the future is dropped, which ends them all.
    pub async fn serve(&mut self) -> ! {
        loop {
            let event = self.swarm.select_next_some().await;
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                peer,
            })) => {
                tracing::debug!(%peer, %error, "ping failed");
                self.swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Relay(event)) => {
                tracing::debug!(?event, "relay");
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(%send_back_addr, %error, "inbound connection failed");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener failed"),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                tracing::error!(%error, "listener closed: restart the relay");
            }
            _ => {}
        }
    }
}

fn swarm(keypair: &Keypair, limits: &RelayLimits) -> Result<Swarm<Behaviour>, noise::Error> {
    let streams = limits.circuits_per_peer.saturating_add(SPARE_STREAMS);
    let mut muxer = yamux::Config::default();
    // This one has windows of a fixed size; the usual one lets a stream's grow, and here nobody may
    // have more than their share. A publisher resets circuits above its own number.
    muxer.set_max_num_streams(streams.saturating_mul(2).max(1024));
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(muxer)
        .map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(Capped::new(muxer, streams))));
    let transport = TransportTimeout::new(transport, HANDSHAKE).boxed();
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    let local = keypair.public().to_peer_id();
    let behaviour = Behaviour {
        gate: Gate::new(limits),
        ping: ping::Behaviour::new(ping),
        relay: libp2p_relay::Behaviour::new(local, config(limits)),
    };
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_max_negotiating_inbound_streams(SPARE_STREAMS);
    Ok(Swarm::new(transport, behaviour, local, config))
}

fn config(limits: &RelayLimits) -> libp2p_relay::Config {
    let most = Duration::from_secs(u32::MAX.into());
    let rate = |(burst, _): (u32, Duration)| NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    // Each place is a connection's, and those are counted. At a number of its own that is reached,
    // libp2p-relay would refuse those who hold a place and renew it.
    let places = usize::MAX;
    libp2p_relay::Config {
        max_reservations: places,
        max_reservations_per_peer: places,
        reservation_duration: PLACE,
        reservation_rate_limiters: Vec::new(),
        max_circuits: limits.circuits,
        // One more than this is let through.
        max_circuits_per_peer: limits.circuits_per_peer.saturating_sub(1),
        max_circuit_duration: limits.circuit_duration.min(most),
        max_circuit_bytes: limits.circuit_bytes,
        circuit_src_rate_limiters: Vec::new(),
    }
    .reservation_rate_per_ip(rate(PLACES_PER_IP), PLACES_PER_IP.1)
    .circuit_src_per_ip(rate(CIRCUITS_PER_IP), CIRCUITS_PER_IP.1)
}

/// Listens, and gives the addresses that came of it.
async fn listening(
    swarm: &mut Swarm<Behaviour>,
    listen: Vec<Multiaddr>,
) -> Result<Vec<Multiaddr>, ListenError> {
    let mut waiting = HashMap::new();
    for address in listen {
        match swarm.listen_on(address.clone()) {
            Ok(id) => drop(waiting.insert(id, address)),
            Err(e) => return Err(ListenError::Address { address, error: e.to_string() }),
        }
    }
    let mut found = Vec::new();
    // Then what else is known already: an unspecified address stands for several.
    while let Some(event) = match waiting.is_empty() {
        false => swarm.next().await,
        true => swarm.next().now_or_never().flatten(),
    } {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                waiting.remove(&listener_id);
                found.push(address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason: Err(e), .. }
            | SwarmEvent::ListenerError { listener_id, error: e } => {
                if let Some(address) = waiting.remove(&listener_id) {
                    return Err(ListenError::Address { address, error: e.to_string() });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
