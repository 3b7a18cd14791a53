//! Ssh streams: raw bytes both ways, each direction ending on its own.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::swarm::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::OwnedSemaphorePermit,
    time,
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use crate::connection::Shared;

/// The byte by which the provider says that the machine's socket is connected.
pub(crate) const READY: u8 = 1;

/// Bytes that a splice holds for each direction.
const SPLICE_BUFFER: usize = 32 * 1024;

/// Time in which the publisher must take the ready byte.
const READY_WRITE: Duration = Duration::from_secs(10);

pub(crate) type RawStream = Compat<Stream>;

pub(crate) fn raw(stream: Stream) -> RawStream {
    stream.compat()
}

/// One ssh connection's bytes; shutting down the writing half leaves the reading half open.
pub struct SshStream {
    stream: RawStream,
    _place: OwnedSemaphorePermit,
    _shared: Arc<Shared>,
}

impl SshStream {
    pub(crate) fn new(stream: Stream, place: OwnedSemaphorePermit, shared: Arc<Shared>) -> Self {
        SshStream { stream: raw(stream), _place: place, _shared: shared }
    }
}

impl fmt::Debug for SshStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SshStream")
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// An ssh stream that the publisher opened; dropping it makes the publisher try again.
#[derive(Debug)]
pub struct IncomingSsh {
    stream: SshStream,
}

impl IncomingSsh {
    pub(crate) fn new(stream: Stream, place: OwnedSemaphorePermit, shared: Arc<Shared>) -> Self {
        IncomingSsh { stream: SshStream::new(stream, place, shared) }
    }

    /// Tells the publisher that the machine's socket is connected.
    pub async fn ready(self) -> io::Result<SshStream> {
        let mut stream = self.stream;
        let write = async {
            stream.write_all(&[READY]).await?;
            stream.flush().await
        };
        time::timeout(READY_WRITE, write).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "the publisher did not take the ready byte")
        })??;
        Ok(stream)
    }
}

/// Copies both ways until both directions ended or one failed; gives the bytes (a to b, b to a).
///
/// The end of one direction is passed on while the other still flows. At most 32 KiB wait in
/// each direction.
pub async fn splice<A, B>(mut a: A, mut b: B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::io::copy_bidirectional_with_sizes(&mut a, &mut b, SPLICE_BUFFER, SPLICE_BUFFER).await
}
