//! One connection's streams: what is asked for is opened, what comes in is queued or dropped.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    core::upgrade::ReadyUpgrade,
    swarm::{
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
        ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
        SubstreamProtocol,
    },
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, OwnedSemaphorePermit, Semaphore};

/// The one control stream, opened by the dialer.
pub(crate) const LEASE: StreamProtocol = StreamProtocol::new("/zennet/lease/1");
/// One ssh connection, opened by the listener.
pub(crate) const SSH: StreamProtocol = StreamProtocol::new("/zennet/ssh/1");

/// Time in which a new stream must have agreed on its protocol.
const NEGOTIATION: Duration = Duration::from_secs(10);

/// Inbound ssh streams alive at once on a connection. It stands above what the other side opens
/// (200), since that side may count a stream as ended before this one does.
pub(crate) const INBOUND_SSH: usize = 256;

/// Inbound streams of every kind alive at once, those still negotiating and ping included.
pub(crate) const DIALER_INBOUND: usize = INBOUND_SSH + 32;
/// The same where only a control stream is expected.
pub(crate) const LISTENER_INBOUND: usize = 8;

/// Why a stream could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StreamRefused {
    #[error("the peer does not speak {0}")]
    Unsupported(StreamProtocol),
    #[error("the peer did not agree on a protocol in time")]
    Timeout,
    #[error("the connection ended")]
    Gone,
    #[error("{0}")]
    Io(String),
}

/// A wish for an outbound stream.
pub(crate) struct OpenRequest {
    pub(crate) protocol: StreamProtocol,
    pub(crate) reply: oneshot::Sender<Result<Stream, StreamRefused>>,
}

/// An inbound ssh stream with its place among [`INBOUND_SSH`].
pub(crate) type InboundSsh = (Stream, OwnedSemaphorePermit);

/// Which side of the connection this is, and where its inbound streams go.
pub(crate) enum Inbound {
    /// The listener takes one control stream.
    Listener { control: Option<oneshot::Sender<Stream>> },
    /// The dialer takes ssh streams.
    Dialer { ssh: mpsc::Sender<InboundSsh>, places: Arc<Semaphore> },
}

/// The handler of one connection.
pub(crate) struct Handler {
    inbound: Inbound,
    wishes: mpsc::Receiver<OpenRequest>,
}

impl Handler {
    pub(crate) fn new(inbound: Inbound, wishes: mpsc::Receiver<OpenRequest>) -> Self {
        Handler { inbound, wishes }
    }

    fn take(&mut self, stream: Stream) {
        match &mut self.inbound {
            Inbound::Listener { control } => match control.take() {
                // The receiver is gone when the peer missed its deadline; the stream is reset then.
                Some(control) => drop(control.send(stream)),
                None => tracing::debug!("peer opened a second control stream; reset"),
            },
            Inbound::Dialer { ssh, places } => {
                let Ok(place) = places.clone().try_acquire_owned() else {
                    tracing::debug!(limit = INBOUND_SSH, "too many ssh streams; reset");
                    return;
                };
                if ssh.try_send((stream, place)).is_err() {
                    tracing::debug!("nobody accepts ssh streams; reset");
                }
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenRequest;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, ()> {
        let protocol = match self.inbound {
            Inbound::Listener { .. } => LEASE,
            Inbound::Dialer { .. } => SSH,
        };
        SubstreamProtocol::new(ReadyUpgrade::new(protocol), ()).with_timeout(NEGOTIATION)
    }

    /// Connections end when their holders let go of them, not for being quiet.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, OpenRequest, Infallible>> {
        while let Poll::Ready(Some(wish)) = self.wishes.poll_recv(cx) {
            if wish.reply.is_closed() {
                continue;
            }
            let upgrade = ReadyUpgrade::new(wish.protocol.clone());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(upgrade, wish).with_timeout(NEGOTIATION),
            });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), OpenRequest>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.take(stream),
            // Whoever asked may have gone away; the stream is reset by being dropped.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info,
            }) => drop(info.reply.send(Ok(stream))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let refused = match error {
                    StreamUpgradeError::Timeout => StreamRefused::Timeout,
                    StreamUpgradeError::NegotiationFailed => {
                        StreamRefused::Unsupported(info.protocol)
                    }
                    StreamUpgradeError::Io(e) => StreamRefused::Io(e.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                drop(info.reply.send(Err(refused)));
            }
            _ => {}
        }
    }
}
