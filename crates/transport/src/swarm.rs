//! The task that owns the swarm.

use std::{collections::HashMap, io, sync::Arc};

use futures::StreamExt;
use libp2p::{
    core::{
        muxing::StreamMuxerBox,
        transport::{timeout::TransportTimeout, OptionalTransport},
        upgrade,
    },
    identity::Keypair,
    noise, ping,
    swarm::{dial_opts::DialOpts, ConnectionId, SwarmEvent},
    tcp, yamux, Multiaddr, PeerId, Swarm, Transport,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time,
};

use crate::{
    address::is_relayed,
    behaviour::{Behaviour, BehaviourEvent, Links},
    config::Limits,
    connection::{Close, CloseReason, Established, Link, Shared},
    endpoint::DialError,
    handler::{DIALER_INBOUND, LISTENER_INBOUND},
    muxer::Capped,
    reservation::{chain, Reservations, Wish},
};

/// A dial that the endpoint asks for.
pub(crate) struct Dial {
    pub(crate) opts: DialOpts,
    pub(crate) reply: oneshot::Sender<Result<Arc<Shared>, DialError>>,
}

/// A live connection as the task keeps it.
struct Live {
    closed: watch::Sender<Option<CloseReason>>,
}

/// Everything that the swarm's task owns.
pub(crate) struct Task {
    pub(crate) swarm: Swarm<Behaviour>,
    limits: Limits,
    live: HashMap<ConnectionId, Live>,
    dials: HashMap<ConnectionId, oneshot::Sender<Result<Arc<Shared>, DialError>>>,
    closer: mpsc::UnboundedSender<Close>,
    closes: mpsc::UnboundedReceiver<Close>,
    accepted: mpsc::Sender<Link>,
    reservations: Reservations,
    /// Why the relay of a dial was not reached.
    no_relay: Option<String>,
}

/// Whether a swarm speaks to relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relays {
    Used,
    Unused,
}

/// What the task is asked for.
pub(crate) struct Requests {
    pub(crate) dials: mpsc::Receiver<Dial>,
    pub(crate) wishes: mpsc::Receiver<Wish>,
    /// The endpoint's end is the task's.
    pub(crate) stop: watch::Receiver<()>,
}

impl Task {
    pub(crate) fn new(
        keypair: &Keypair,
        limits: Limits,
        accepted: mpsc::Sender<Link>,
        relays: Relays,
    ) -> Result<Self, noise::Error> {
        let (circuits, relay) = match relays {
            Relays::Used => {
                let (transport, client) = libp2p_relay::client::new(keypair.public().to_peer_id());
                (OptionalTransport::some(transport), Some(client))
            }
            Relays::Unused => (OptionalTransport::none(), None),
        };
        // Both sides prove their peer ids inside a circuit as on a direct connection.
        let transport = circuits
            .or_transport(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)))
            .upgrade(upgrade::Version::V1Lazy)
            .authenticate(noise::Config::new(keypair)?)
            .multiplex(yamux::Config::default())
            .map(|(peer, muxer), endpoint| {
                let cap = if endpoint.is_dialer() { DIALER_INBOUND } else { LISTENER_INBOUND };
                (peer, StreamMuxerBox::new(Capped::new(muxer, cap)))
            });
        let transport = TransportTimeout::new(transport, limits.handshake).boxed();
        let ping = ping::Config::new()
            .with_interval(limits.ping_interval)
            .with_timeout(limits.ping_timeout);
        let behaviour = Behaviour {
            ping: ping::Behaviour::new(ping),
            links: Links::new(&limits),
            relay: relay.into(),
        };
        // Negotiations are bounded by the muxer's cap; below it none may wait outside our sight.
        let config = libp2p::swarm::Config::with_tokio_executor()
            .with_max_negotiating_inbound_streams(DIALER_INBOUND);
        let swarm = Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config);
        let (closer, closes) = mpsc::unbounded_channel();
        Ok(Task {
            swarm,
            limits,
            live: HashMap::new(),
            dials: HashMap::new(),
            closer,
            closes,
            accepted,
            reservations: Reservations::default(),
            no_relay: None,
        })
    }

    /// Runs until the endpoint is dropped; every connection ends with it.
    pub(crate) async fn run(
        mut self,
        requests: Requests,
        addresses: watch::Sender<Vec<Multiaddr>>,
    ) {
        let Requests { mut dials, mut wishes, mut stop } = requests;
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                Some(dial) = dials.recv() => self.dial(dial),
                Some(wish) = wishes.recv() => self.reservations.ask(wish, &mut self.swarm),
                Some((id, reason)) = self.closes.recv() => self.close(id, reason),
                event = self.swarm.select_next_some() => {
                    self.on_event(event);
                    let local = *self.swarm.local_peer_id();
                    let now = listening(&self.swarm, local);
                    addresses.send_if_modified(|old| {
                        let changed = *old != now;
                        *old = now;
                        changed
                    });
                }
            }
        }
        self.stopped();
    }

    /// Runs for one dial and the connection that comes of it, and ends with it or the endpoint.
    pub(crate) async fn run_for(mut self, dial: Dial, mut stop: watch::Receiver<()>) {
        self.dial(dial);
        while self.swarm.network_info().connection_counters().num_connections() > 0 {
            tokio::select! {
                _ = stop.changed() => break,
                Some((id, reason)) = self.closes.recv() => self.close(id, reason),
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
        self.stopped();
    }

    fn stopped(&mut self) {
        for (_, live) in self.live.drain() {
            end(&live, CloseReason::Stopped);
        }
    }

    fn dial(&mut self, Dial { opts, reply }: Dial) {
        let id = opts.connection_id();
        self.swarm.behaviour_mut().links.expect(id);
        match self.swarm.dial(opts) {
            Ok(()) => drop(self.dials.insert(id, reply)),
            Err(error) => drop(reply.send(Err(DialError::from_swarm(error)))),
        }
    }

    /// Ends a connection; one to a relay has no holder who is told.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(live) = self.live.get(&id) {
            end(live, reason);
        }
        self.swarm.close_connection(id);
    }

    pub(crate) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let established = Established {
                    id: connection_id,
                    local: *self.swarm.local_peer_id(),
                    remote: peer_id,
                    address: endpoint.get_remote_address().clone(),
                };
                self.on_established(established);
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                if let Some(live) = self.live.remove(&connection_id) {
                    let cause =
                        cause.map_or_else(|| String::from("closed"), |cause| cause.to_string());
                    end(&live, CloseReason::Lost(cause));
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                match (self.dials.remove(&connection_id), peer_id) {
                    (Some(reply), _) => {
                        let error = match self.no_relay.take() {
                            Some(why) => DialError::NoRelay(why),
                            None => DialError::from_swarm(error),
                        };
                        drop(reply.send(Err(error)));
                    }
                    (None, Some(relay)) => {
                        let why = DialError::from_swarm(error).to_string();
                        self.reservations.unreachable(relay, &why);
                        self.no_relay = Some(why);
                    }
                    (None, None) => {}
                }
            }
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                self.reservations.accepted(listener_id)
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(%send_back_addr, %error, "inbound connection failed");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                peer,
            })) => {
                tracing::debug!(%peer, %error, "ping failed");
                self.close(connection, CloseReason::Unresponsive);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                let error = reason.err().map(|error| chain(&error));
                if !self.reservations.closed(listener_id, error.clone()) && error.is_some() {
                    tracing::warn!(error, "listener failed");
                }
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "listener failed");
            }
            _ => {}
        }
    }

    fn on_established(&mut self, established: Established) {
        let id = established.id;
        // A connection to a relay carries circuits, no streams of ours, and nobody holds it.
        let Some(ends) = self.swarm.behaviour_mut().links.take(id) else { return };
        let (closed, watcher) = watch::channel(None);
        self.live.insert(id, Live { closed });
        let (shared, control) =
            Shared::new(self.limits.clone(), established, ends, watcher, self.closer.clone());
        match control {
            Some(control) => {
                tokio::spawn(welcome(shared, control, self.accepted.clone()));
            }
            None => {
                if let Some(reply) = self.dials.remove(&id) {
                    // A dialer that gave up drops the connection, which closes it.
                    drop(reply.send(Ok(shared)));
                }
            }
        }
    }
}

/// The addresses that are listened on, with the peer id; not those that relays name.
pub(crate) fn listening(swarm: &Swarm<Behaviour>, local: PeerId) -> Vec<Multiaddr> {
    let with_peer = |address: &Multiaddr| address.clone().with_p2p(local).unwrap_or_else(|a| a);
    swarm.listeners().filter(|address| !is_relayed(address)).map(with_peer).collect()
}

/// Says why a connection ends; the first reason stays.
fn end(live: &Live, reason: CloseReason) {
    live.closed.send_if_modified(|known| {
        let first = known.is_none();
        if first {
            *known = Some(reason);
        }
        first
    });
}

/// Waits for an inbound connection's control stream, then queues it for whoever accepts.
async fn welcome(
    shared: Arc<Shared>,
    control: oneshot::Receiver<libp2p::Stream>,
    accepted: mpsc::Sender<Link>,
) {
    let arrival = async {
        let control = control.await.map_err(io::Error::other)?;
        let place = accepted.reserve().await.map_err(io::Error::other)?;
        place.send(Link::new(shared.clone(), control));
        io::Result::Ok(())
    };
    match time::timeout(shared.limits.handshake, arrival).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => shared.close(CloseReason::Local),
        Err(_) => shared.close(CloseReason::NoControl),
    }
}
