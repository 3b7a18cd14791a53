//! Both halves of the control stream, which carries frames.

use std::{io, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time,
};

use crate::{
    connection::{CloseReason, Shared},
    framing::{framed, Framing, MAX_FRAME},
    ssh::RawStream,
};

/// Why a frame was not sent or received.
#[derive(Debug, Error)]
pub enum FrameError {
    #[error("frame of {0} bytes is above the limit of {MAX_FRAME}")]
    Oversized(usize),
    #[error("the stream ended inside a frame, after {0} bytes of it")]
    Truncated(usize),
    #[error("the control stream is closed")]
    Closed,
    #[error("no frame came within {0:?}")]
    Silent(Duration),
    #[error("the peer did not take a frame within {0:?}")]
    Stalled(Duration),
    #[error("control stream failed: {0}")]
    Io(#[from] io::Error),
}

/// The sending half of the control stream.
pub struct FrameSender {
    stream: WriteHalf<RawStream>,
    deadline: Duration,
    /// Set while a frame is under way: what follows half a frame cannot be understood.
    broken: bool,
    _shared: Arc<Shared>,
}

impl FrameSender {
    pub(crate) fn new(
        stream: WriteHalf<RawStream>,
        deadline: Duration,
        shared: Arc<Shared>,
    ) -> Self {
        FrameSender { stream, deadline, broken: false, _shared: shared }
    }

    /// Sends one frame and waits until the connection took it, at most the configured time.
    ///
    /// After an error other than [`FrameError::Oversized`], or when the future is dropped before
    /// it is done, the sender stays closed.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        let frame = framed(payload)?;
        if self.broken {
            return Err(FrameError::Closed);
        }
        self.broken = true;
        let write = async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await
        };
        match time::timeout(self.deadline, write).await {
            Ok(result) => result?,
            Err(_) => return Err(FrameError::Stalled(self.deadline)),
        }
        self.broken = false;
        Ok(())
    }

    /// The stream below the frames, for peers that break them.
    #[cfg(test)]
    pub(crate) fn raw(&mut self) -> &mut WriteHalf<RawStream> {
        &mut self.stream
    }

    /// Ends the stream; the peer reads what was sent and then [`FrameError::Closed`].
    pub async fn finish(mut self) -> Result<(), FrameError> {
        match time::timeout(self.deadline, self.stream.shutdown()).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FrameError::Stalled(self.deadline)),
        }
    }
}

/// The receiving half of the control stream.
pub struct FrameReceiver {
    stream: ReadHalf<RawStream>,
    framing: Framing,
    shared: Arc<Shared>,
}

impl FrameReceiver {
    pub(crate) fn new(stream: ReadHalf<RawStream>, shared: Arc<Shared>) -> Self {
        FrameReceiver { stream, framing: Framing::default(), shared }
    }

    /// Receives the next frame; a dropped future loses nothing.
    ///
    /// An oversized or truncated frame closes the connection.
    pub async fn recv(&mut self) -> Result<Vec<u8>, FrameError> {
        let received = self.next_frame().await;
        if let Err(FrameError::Oversized(_) | FrameError::Truncated(_)) = received {
            self.shared.close(CloseReason::BadFrame);
        }
        received
    }

    async fn next_frame(&mut self) -> Result<Vec<u8>, FrameError> {
        loop {
            if let Some(frame) = self.framing.next_frame()? {
                return Ok(frame);
            }
            match self.stream.read(self.framing.room()).await? {
                0 => return Err(self.framing.end()),
                count => self.framing.fill(count),
            }
        }
    }

    /// Receives the next frame, or gives up after `deadline`.
    pub async fn recv_within(&mut self, deadline: Duration) -> Result<Vec<u8>, FrameError> {
        match time::timeout(deadline, self.recv()).await {
            Ok(result) => result,
            Err(_) => Err(FrameError::Silent(deadline)),
        }
    }
}
