//! A cap on the streams that a peer may have open towards us, and on the time that closing takes.
//!
//! yamux lets a peer send 256 KiB into each of 512 streams before anyone looks at them. Streams
//! above the cap are reset here before they are negotiated, so a stranger costs a known amount.

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{ready, AsyncRead, AsyncWrite, Future};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use tokio::time::{sleep, Sleep};

/// Time for what the streams have sent to leave, and to be read, before the connection says
/// goodbye: a peer's streams end at the goodbye, whatever they still hold unread.
const LINGER: Duration = Duration::from_millis(300);
/// Time for the goodbye; a peer that reads nothing must not keep the socket.
const GOODBYE: Duration = Duration::from_secs(3);

/// A muxer that resets inbound streams above a number alive at once.
pub(crate) struct Capped<M> {
    inner: M,
    cap: usize,
    /// One clone lives in each inbound stream.
    alive: Arc<()>,
    closing: Closing,
}

/// How far closing has come.
enum Closing {
    Open,
    Lingering(Pin<Box<Sleep>>),
    Goodbye(Pin<Box<Sleep>>),
}

impl<M> Capped<M> {
    pub(crate) fn new(inner: M, cap: usize) -> Self {
        Capped { inner, cap, alive: Arc::new(()), closing: Closing::Open }
    }

    fn alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Capped<M>
where
    M::Substream: Unpin,
{
    type Substream = Counted<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        if self.alive() >= self.cap {
            tracing::debug!(cap = self.cap, "peer opened too many streams; reset one");
            drop(stream);
            // Give other tasks a turn: a flood may have the next stream ready at once.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(Counted { inner: stream, _alive: Some(self.alive.clone()) }))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let inner = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(Counted { inner, _alive: None }))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        loop {
            match &mut this.closing {
                Closing::Open => this.closing = Closing::Lingering(Box::pin(sleep(LINGER))),
                Closing::Lingering(over) => {
                    // Only the writing matters; a failure shows again in the goodbye.
                    let failed = matches!(Pin::new(&mut this.inner).poll(cx), Poll::Ready(Err(_)));
                    if !failed {
                        ready!(over.as_mut().poll(cx));
                    }
                    this.closing = Closing::Goodbye(Box::pin(sleep(GOODBYE)));
                }
                Closing::Goodbye(over) => {
                    if let Poll::Ready(closed) = Pin::new(&mut this.inner).poll_close(cx) {
                        return Poll::Ready(closed);
                    }
                    return over.as_mut().poll(cx).map(Ok);
                }
            }
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A stream that counts as alive until it is dropped.
pub(crate) struct Counted<S> {
    inner: S,
    _alive: Option<Arc<()>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read_vectored(cx, bufs)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
