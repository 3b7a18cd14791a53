//! Counts inbound connections and hands out the ends of each connection's queues.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    core::{transport::PortUse, Endpoint},
    multiaddr::Protocol,
    ping,
    swarm::{
        behaviour::{ConnectionClosed, DialFailure, ListenFailure},
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, Stream, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
    Multiaddr, PeerId,
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, Semaphore};

use crate::{
    config::Limits,
    handler::{Handler, Inbound, InboundSsh, OpenRequest, INBOUND_SSH},
};

/// Wishes for streams that may wait in a connection's queue.
const WISHES: usize = 16;

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) ping: ping::Behaviour,
    pub(crate) links: Links,
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

/// Why an inbound connection is turned away.
#[derive(Debug, Error)]
enum TurnedAway {
    #[error("{0} inbound connections are open, no more are taken")]
    Full(usize),
    #[error("{0} inbound connections of {1} are open, no more are taken")]
    FullFor(usize, IpAddr),
    #[error("the remote address {0} has no IP address")]
    NoIp(Multiaddr),
}

/// Raw streams on every connection.
pub(crate) struct Links {
    limits: Limits,
    inbound: HashMap<ConnectionId, IpAddr>,
    fresh: HashMap<ConnectionId, Ends>,
}

impl Links {
    pub(crate) fn new(limits: Limits) -> Self {
        Links { limits, inbound: HashMap::new(), fresh: HashMap::new() }
    }

    /// Takes the queues of a connection that was just established; each is handed out once.
    pub(crate) fn take(&mut self, id: ConnectionId) -> Option<Ends> {
        self.fresh.remove(&id)
    }

    fn forget(&mut self, id: ConnectionId) {
        self.inbound.remove(&id);
        self.fresh.remove(&id);
    }

    fn admit(&mut self, id: ConnectionId, remote: &Multiaddr) -> Result<(), TurnedAway> {
        let ip = remote
            .iter()
            .find_map(|part| match part {
                Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
                Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
                _ => None,
            })
            .ok_or_else(|| TurnedAway::NoIp(remote.clone()))?;
        if self.inbound.len() >= self.limits.connections {
            return Err(TurnedAway::Full(self.limits.connections));
        }
        let same = self.inbound.values().filter(|other| **other == ip).count();
        if same >= self.limits.connections_per_ip {
            return Err(TurnedAway::FullFor(same, ip));
        }
        self.inbound.insert(id, ip);
        Ok(())
    }
}

impl NetworkBehaviour for Links {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit(id, remote).map_err(ConnectionDenied::new)
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
        Ok(Handler::new(Inbound::Listener { control: Some(sender) }, wishes))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let (open, wishes) = mpsc::channel(WISHES);
        let (sender, ssh) = mpsc::channel(INBOUND_SSH);
        self.fresh.insert(id, Ends { open, side: Side::Dialer { ssh } });
        let places = Arc::new(Semaphore::new(INBOUND_SSH));
        Ok(Handler::new(Inbound::Dialer { ssh: sender, places }, wishes))
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
        match event {}
    }

    fn poll(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
