//! Counts inbound connections and hands out the ends of each connection's queues.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    core::{transport::PortUse, Endpoint},
    ping,
    swarm::{
        behaviour::{toggle::Toggle, ConnectionClosed, DialFailure, ListenFailure},
        derive_prelude::Either,
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, Stream, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
    Multiaddr, PeerId,
};
use tokio::sync::{mpsc, oneshot, Semaphore};

use crate::{
    config::Limits,
    door::Door,
    handler::{Handler, Inbound, InboundSsh, OpenRequest, INBOUND_SSH},
    nudge::Nudge,
};

/// Wishes for streams that may wait in a connection's queue.
const WISHES: usize = 16;

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) ping: ping::Behaviour,
    pub(crate) links: Links,
    /// Only where a relay is used.
    pub(crate) relay: Toggle<libp2p_relay::client::Behaviour>,
}

/// The holder's ends of a connection's queues.
pub(crate) struct Ends {
    pub(crate) open: mpsc::Sender<OpenRequest>,
    pub(crate) side: Side,
}

/// What comes in, by side.
pub(crate) enum Side {
    Listener { control: oneshot::Receiver<Stream> },
    Dialer { ssh: mpsc::Receiver<InboundSsh> },
}

/// Raw streams on every connection but those to relays.
pub(crate) struct Links {
    door: Door,
    /// Dials that the endpoint asked for. Other outbound connections lead to a relay.
    dialed: HashSet<ConnectionId>,
    fresh: HashMap<ConnectionId, Ends>,
}

impl Links {
    pub(crate) fn new(limits: &Limits) -> Self {
        let door = Door::new(limits.connections, limits.connections_per_ip);
        Links { door, dialed: HashSet::new(), fresh: HashMap::new() }
    }

    /// Says that a connection which is about to be dialed leads to a peer, not to a relay.
    pub(crate) fn expect(&mut self, id: ConnectionId) {
        self.dialed.insert(id);
    }

    /// Takes the queues of a connection that was just established; each is handed out once.
    pub(crate) fn take(&mut self, id: ConnectionId) -> Option<Ends> {
        self.fresh.remove(&id)
    }

    fn forget(&mut self, id: ConnectionId) {
        self.door.forget(id);
        self.dialed.remove(&id);
        self.fresh.remove(&id);
    }
}

impl NetworkBehaviour for Links {
    type ConnectionHandler = Either<Handler, Nudge>;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.door.admit(id, local, remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let (open, wishes) = mpsc::channel(WISHES);
        let (sender, control) = oneshot::channel();
        self.fresh.insert(id, Ends { open, side: Side::Listener { control } });
        Ok(Either::Left(Handler::new(Inbound::Listener { control: Some(sender) }, wishes)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.dialed.contains(&id) {
            return Ok(Either::Right(Nudge::new()));
        }
        let (open, wishes) = mpsc::channel(WISHES);
        let (sender, ssh) = mpsc::channel(INBOUND_SSH);
        self.fresh.insert(id, Ends { open, side: Side::Dialer { ssh } });
        let places = Arc::new(Semaphore::new(INBOUND_SSH));
        Ok(Either::Left(Handler::new(Inbound::Dialer { ssh: sender, places }, wishes)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.forget(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(never) | Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
