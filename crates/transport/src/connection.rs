//! What the holders of a connection see of it.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Duration,
};

use libp2p::{
    swarm::{ConnectionId, Stream, StreamProtocol},
    Multiaddr, PeerId,
};
use thiserror::Error;
use tokio::{
    io::{self, AsyncReadExt},
    sync::{mpsc, oneshot, watch, Mutex, Semaphore},
    time::{self, Instant},
};

use crate::{
    behaviour::{Ends, Side},
    config::Limits,
    door::ip,
    frame::{FrameReceiver, FrameSender},
    handler::{InboundSsh, OpenRequest, StreamRefused, SSH},
    ssh::{raw, IncomingSsh, SshStream, READY},
};

/// Ssh streams of a connection that may wait for the peer's ready byte at once.
const OPENING: usize = 4;
/// Pauses between attempts to open an ssh stream double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 12;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// This side closed it or let go of it.
    Local,
    /// The peer sent a frame that is oversized or ends too early.
    BadFrame,
    /// The peer opened no control stream in time.
    NoControl,
    /// The peer answered no ping.
    Unresponsive,
    /// The peer closed it or the network broke.
    Lost(String),
    /// The endpoint was dropped.
    Stopped,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Local => f.write_str("closed by this side"),
            CloseReason::BadFrame => f.write_str("the peer sent a malformed frame"),
            CloseReason::NoControl => f.write_str("the peer opened no control stream in time"),
            CloseReason::Unresponsive => f.write_str("the peer answered no ping"),
            CloseReason::Lost(cause) => write!(f, "closed by the peer or lost: {cause}"),
            CloseReason::Stopped => f.write_str("the endpoint stopped"),
        }
    }
}

/// Why an ssh stream could not be opened or accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    #[error("no ssh stream was free within {0:?}: {1} are open; close some")]
    Busy(Duration, usize),
    #[error("the peer readied no ssh stream in {attempts} attempts: {last}")]
    NotReady { attempts: u32, last: String },
    #[error("connection ended: {0}")]
    Closed(CloseReason),
}

/// A fresh connection with both halves of its control stream.
pub struct Link {
    /// The connection; clones are cheap.
    pub connection: Connection,
    /// Sends frames.
    pub sender: FrameSender,
    /// Receives frames.
    pub receiver: FrameReceiver,
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>, control: Stream) -> Self {
        let (read, write) = io::split(raw(control));
        Link {
            sender: FrameSender::new(write, shared.limits.frame_write, shared.clone()),
            receiver: FrameReceiver::new(read, shared.clone()),
            connection: Connection { shared },
        }
    }
}

/// A connection to one peer.
///
/// It ends by [`Connection::close`], or when the last clone, frame half and ssh stream is dropped.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("remote", &self.shared.remote)
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// The inner parts, for peers that break the protocol.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// This side's peer id on the connection.
    pub fn local_peer(&self) -> PeerId {
        self.shared.local
    }

    /// The other side's peer id, proved by Noise.
    pub fn remote_peer(&self) -> PeerId {
        self.shared.remote
    }

    /// The address that the peer was reached at or came from.
    pub fn remote_address(&self) -> &Multiaddr {
        &self.shared.address
    }

    /// The IP address that the peer came from; none where it came through a relay.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        ip(&self.shared.address)
    }

    /// Closes the connection with all its streams.
    ///
    /// What was sent before gets a third of a second to leave and to be read.
    pub fn close(&self) {
        self.shared.close(CloseReason::Local);
    }

    /// Waits until the connection ended and says why.
    pub async fn closed(&self) -> CloseReason {
        self.shared.closed().await
    }

    /// Opens an ssh stream and waits until the provider has it connected (publisher's side).
    ///
    /// Waits for a free place first, then tries again while the provider is not ready; all of it
    /// within `deadline`.
    pub async fn open_ssh(&self, deadline: Duration) -> Result<SshStream, OpenError> {
        tokio::select! {
            result = self.shared.open_ssh(deadline) => result,
            reason = self.shared.closed() => Err(OpenError::Closed(reason)),
        }
    }

    /// Waits for the publisher's next ssh stream (provider's side).
    ///
    /// Where the publisher cannot open any (on its own side) this waits until the end.
    pub async fn accept_ssh(&self) -> Result<IncomingSsh, OpenError> {
        let next = async {
            match self.shared.incoming.lock().await.as_mut() {
                Some(incoming) => incoming.recv().await,
                None => None,
            }
        };
        match next.await {
            Some((stream, place)) => Ok(IncomingSsh::new(stream, place, self.shared.clone())),
            None => Err(OpenError::Closed(self.shared.closed().await)),
        }
    }
}

/// A wish of a connection's holder to close it.
pub(crate) type Close = (ConnectionId, CloseReason);

/// What all holders of a connection share; dropping the last one closes it.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    id: ConnectionId,
    local: PeerId,
    remote: PeerId,
    address: Multiaddr,
    open: mpsc::Sender<OpenRequest>,
    incoming: Mutex<Option<mpsc::Receiver<InboundSsh>>>,
    closed: watch::Receiver<Option<CloseReason>>,
    /// Unbounded, but a connection sends at most one wish (`closing`).
    closer: mpsc::UnboundedSender<Close>,
    closing: AtomicBool,
    live: Arc<Semaphore>,
    opening: Semaphore,
}

/// Who is connected by what.
pub(crate) struct Established {
    pub(crate) id: ConnectionId,
    pub(crate) local: PeerId,
    pub(crate) remote: PeerId,
    pub(crate) address: Multiaddr,
}

impl Shared {
    /// Makes the shared part, and on the listener's side the place where the control stream comes.
    pub(crate) fn new(
        limits: Limits,
        established: Established,
        ends: Ends,
        closed: watch::Receiver<Option<CloseReason>>,
        closer: mpsc::UnboundedSender<Close>,
    ) -> (Arc<Self>, Option<oneshot::Receiver<Stream>>) {
        let Established { id, local, remote, address } = established;
        let (incoming, control) = match ends.side {
            Side::Listener { control } => (None, Some(control)),
            Side::Dialer { ssh } => (Some(ssh), None),
        };
        let shared = Shared {
            id,
            local,
            remote,
            address,
            open: ends.open,
            incoming: Mutex::new(incoming),
            closed,
            closer,
            closing: AtomicBool::new(false),
            live: Arc::new(Semaphore::new(limits.ssh_streams)),
            opening: Semaphore::new(OPENING),
            limits,
        };
        (Arc::new(shared), control)
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        if !self.closing.swap(true, Ordering::Relaxed) {
            // Without an endpoint there is no connection to close.
            let _ = self.closer.send((self.id, reason));
        }
    }

    pub(crate) async fn closed(&self) -> CloseReason {
        let mut closed = self.closed.clone();
        let reason = match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        reason.unwrap_or(CloseReason::Stopped)
    }

    /// Opens one raw stream.
    pub(crate) async fn open_stream(
        &self,
        protocol: StreamProtocol,
    ) -> Result<Stream, StreamRefused> {
        let (reply, answer) = oneshot::channel();
        let wish = OpenRequest { protocol, reply };
        self.open.send(wish).await.map_err(|_| StreamRefused::Gone)?;
        answer.await.unwrap_or(Err(StreamRefused::Gone))
    }

    async fn open_ssh(self: &Arc<Self>, deadline: Duration) -> Result<SshStream, OpenError> {
        let until = Instant::now() + deadline;
        let busy = || OpenError::Busy(deadline, self.limits.ssh_streams);
        let place = time::timeout_at(until, self.live.clone().acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        let _turn = time::timeout_at(until, self.opening.acquire())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;

        let mut pause = FIRST_PAUSE;
        let mut last = String::from("no answer");
        for attempts in 1..=ATTEMPTS {
            let attempt = until.min(Instant::now() + self.limits.ssh_attempt);
            match time::timeout_at(attempt, self.open_ready()).await {
                Ok(Ok(stream)) => return Ok(SshStream::new(stream, place, self.clone())),
                Ok(Err(error)) => last = error,
                Err(_) => last = String::from("no ready byte in time"),
            }
            let resume = Instant::now() + pause;
            if resume >= until {
                return Err(OpenError::NotReady { attempts, last });
            }
            tracing::debug!(peer = %self.remote, attempts, %last, "ssh stream not ready, trying again");
            time::sleep_until(resume).await;
            pause = LAST_PAUSE.min(pause * 2);
        }
        Err(OpenError::NotReady { attempts: ATTEMPTS, last })
    }

    async fn open_ready(&self) -> Result<Stream, String> {
        let stream = self.open_stream(SSH).await.map_err(|e| e.to_string())?;
        let mut stream = raw(stream);
        match stream.read_u8().await {
            Ok(READY) => Ok(stream.into_inner()),
            Ok(other) => Err(format!("the peer sent {other:#04x} instead of the ready byte")),
            Err(_) => Err(String::from("the peer dropped the stream before it was ready")),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close(CloseReason::Local);
    }
}
