//! The control stream of a transport connection.

use codec::Encode;
use zennet_primitives::{auth::PeerIdBytes, frame::Frame};
use zennet_transport::{Connection, FrameError, FrameReceiver, FrameSender, Link, PeerId};

use super::world::{Wire, WireError};

/// A connection to one provider.
pub(crate) struct LinkWire {
    connection: Connection,
    sender: FrameSender,
    receiver: FrameReceiver,
    /// Received already, and not looked at by the lease yet.
    first: Option<Frame>,
}

impl LinkWire {
    /// Takes a fresh connection.
    pub(crate) fn new(link: Link) -> Self {
        let Link { connection, sender, receiver } = link;
        LinkWire { connection, sender, receiver, first: None }
    }

    /// Puts a frame back that was received, so that it is received next.
    pub(crate) fn put_back(&mut self, frame: Frame) {
        self.first = Some(frame);
    }

    /// The connection, for ssh streams.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn bytes(peer: PeerId) -> PeerIdBytes {
    // Peer ids have at most 44 bytes.
    PeerIdBytes::truncate_from(peer.to_bytes())
}

fn wire_error(error: FrameError) -> WireError {
    match error {
        FrameError::Oversized(_) | FrameError::Truncated(_) => WireError::Malformed,
        FrameError::Closed | FrameError::Silent(_) | FrameError::Stalled(_) | FrameError::Io(_) => {
            WireError::Lost(error.to_string())
        }
    }
}

impl Wire for LinkWire {
    fn peers(&self) -> (PeerIdBytes, PeerIdBytes) {
        (bytes(self.connection.local_peer()), bytes(self.connection.remote_peer()))
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), WireError> {
        self.sender.send(&frame.encode()).await.map_err(wire_error)
    }

    async fn receive(&mut self) -> Result<Frame, WireError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let received = tokio::select! {
            frame = self.receiver.recv() => frame.map_err(wire_error)?,
            reason = self.connection.closed() => return Err(WireError::Lost(reason.to_string())),
        };
        Frame::from_bytes(&received).map_err(|_| WireError::Malformed)
    }

    fn close(&mut self) {
        self.connection.close();
    }
}
