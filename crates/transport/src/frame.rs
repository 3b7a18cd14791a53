//! Frames on the control stream: a length (u32, little endian), then that many bytes.

use std::{io, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time,
};

use crate::{
    connection::{CloseReason, Shared},
    ssh::RawStream,
};

/// Bytes that a frame may carry.
pub const MAX_FRAME: usize = 64 * 1024;

const HEADER: usize = 4;

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
        if payload.len() > MAX_FRAME {
            return Err(FrameError::Oversized(payload.len()));
        }
        if self.broken {
            return Err(FrameError::Closed);
        }
        self.broken = true;
        let mut frame = Vec::with_capacity(HEADER + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(payload);
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
    /// The frame that is being read, header included.
    buffer: Vec<u8>,
    filled: usize,
    shared: Arc<Shared>,
}

impl FrameReceiver {
    pub(crate) fn new(stream: ReadHalf<RawStream>, shared: Arc<Shared>) -> Self {
        FrameReceiver { stream, buffer: vec![0; HEADER], filled: 0, shared }
    }

    /// Receives the next frame; a dropped future loses nothing.
    ///
    /// An oversized or truncated frame closes the connection.
    pub async fn recv(&mut self) -> Result<Vec<u8>, FrameError> {
        loop {
            while self.filled < self.buffer.len() {
                let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
                if read == 0 && self.filled == 0 {
                    return Err(FrameError::Closed);
                }
                if read == 0 {
                    self.shared.close(CloseReason::BadFrame);
                    return Err(FrameError::Truncated(self.filled));
                }
                self.filled += read;
            }
            if self.filled > HEADER {
                return Ok(self.take());
            }
            let mut header = [0; HEADER];
            header.copy_from_slice(&self.buffer[..HEADER]);
            let length = u32::from_le_bytes(header) as usize;
            if length > MAX_FRAME {
                self.shared.close(CloseReason::BadFrame);
                return Err(FrameError::Oversized(length));
            }
            if length == 0 {
                return Ok(self.take());
            }
            self.buffer.resize(HEADER + length, 0);
        }
    }

    /// Receives the next frame, or gives up after `deadline`.
    pub async fn recv_within(&mut self, deadline: Duration) -> Result<Vec<u8>, FrameError> {
        match time::timeout(deadline, self.recv()).await {
            Ok(result) => result,
            Err(_) => Err(FrameError::Silent(deadline)),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let mut frame = std::mem::replace(&mut self.buffer, vec![0; HEADER]);
        self.filled = 0;
        frame.drain(..HEADER);
        frame
    }
}
