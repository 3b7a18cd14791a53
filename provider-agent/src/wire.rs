//! The control stream of a lease: frames in, frames out, in tasks of their own.

use tokio::sync::mpsc;
use tracing::debug;
use zennet_lease::ProviderEvent;
use zennet_primitives::{auth::PeerIdBytes, frame::Frame};
use zennet_transport::{Connection, FrameError, FrameReceiver, FrameSender, Link, PeerId};

/// Frames that may wait for the driver; the peer waits beyond that.
const INCOMING: usize = 16;
/// Frames that may wait for the peer.
const OUTGOING: usize = 32;

/// A running control stream.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
    /// Encoded frames to send; when it is dropped, the rest is sent and the connection closed.
    pub(crate) outgoing: mpsc::Sender<Vec<u8>>,
    /// What came in; it ends with the connection.
    pub(crate) incoming: mpsc::Receiver<ProviderEvent>,
}

/// Starts both directions.
pub(crate) fn start(link: Link) -> Wire {
    let Link { connection, sender, receiver } = link;
    let (outgoing, to_send) = mpsc::channel(OUTGOING);
    let (received, incoming) = mpsc::channel(INCOMING);
    tokio::spawn(send_all(sender, to_send, connection.clone()));
    tokio::spawn(receive_all(receiver, received));
    Wire { connection, outgoing, incoming }
}

/// A peer id as it is signed; the transport's ids are far shorter than the bound.
pub(crate) fn peer_bytes(peer: PeerId) -> PeerIdBytes {
    PeerIdBytes::truncate_from(peer.to_bytes())
}

async fn send_all(
    mut sender: FrameSender,
    mut frames: mpsc::Receiver<Vec<u8>>,
    connection: Connection,
) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = sender.send(&frame).await {
            debug!(%error, "sending a frame failed");
            connection.close();
            return;
        }
    }
    if let Err(error) = sender.finish().await {
        debug!(%error, "the control stream did not end in order");
    }
    connection.close();
}

async fn receive_all(mut receiver: FrameReceiver, events: mpsc::Sender<ProviderEvent>) {
    loop {
        let event = match receiver.recv().await {
            Ok(bytes) => match Frame::from_bytes(&bytes) {
                Ok(frame) => ProviderEvent::Received(frame),
                Err(error) => {
                    debug!(%error, "malformed frame");
                    ProviderEvent::Malformed
                }
            },
            Err(error @ (FrameError::Oversized(_) | FrameError::Truncated(_))) => {
                debug!(%error, "malformed frame");
                ProviderEvent::Malformed
            }
            Err(error) => {
                debug!(%error, "the control stream ended");
                return;
            }
        };
        let last = matches!(event, ProviderEvent::Malformed);
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}
