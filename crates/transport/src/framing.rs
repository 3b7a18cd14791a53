//! Frames in a stream of bytes: a length (u32, little endian), then that many bytes. No input or
//! output here.

use crate::frame::FrameError;

/// Bytes that a frame may carry.
pub const MAX_FRAME: usize = 64 * 1024;

const HEADER: usize = 4;

/// A payload behind its length.
pub fn framed(payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    if payload.len() > MAX_FRAME {
        return Err(FrameError::Oversized(payload.len()));
    }
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(payload);
    Ok(frame)
}

/// Takes frames out of a stream, however it is cut. It holds one frame at most, and none of a
/// length that is refused.
#[derive(Debug)]
pub struct Framing {
    /// The frame that is being read, as far as its length is known.
    buffer: Vec<u8>,
    filled: usize,
}

impl Default for Framing {
    fn default() -> Self {
        Framing { buffer: vec![0; HEADER], filled: 0 }
    }
}

impl Framing {
    /// The next frame's payload, once all of it is there. Where it is not, there is [`Self::room`].
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if self.filled < self.buffer.len() {
            return Ok(None);
        }
        if self.filled == HEADER {
            let mut header = [0; HEADER];
            header.copy_from_slice(&self.buffer);
            let length = u32::from_le_bytes(header) as usize;
            if length > MAX_FRAME {
                return Err(FrameError::Oversized(length));
            }
            if length > 0 {
                self.buffer.resize(HEADER + length, 0);
                return Ok(None);
            }
        }
        let mut frame = std::mem::take(self).buffer;
        frame.drain(..HEADER);
        Ok(Some(frame))
    }

    /// Where the stream's next bytes go; not empty when [`Self::next_frame`] gave none.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Notes how many bytes were written into [`Self::room`].
    pub fn fill(&mut self, count: usize) {
        self.filled = self.buffer.len().min(self.filled.saturating_add(count));
    }

    /// What it means that the stream ends here.
    pub fn end(&self) -> FrameError {
        match self.filled {
            0 => FrameError::Closed,
            filled => FrameError::Truncated(filled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a stream in pieces of `size` bytes; gives its frames and how it ended.
    fn read(mut stream: &[u8], size: usize) -> (Vec<Vec<u8>>, FrameError) {
        let (mut framing, mut frames) = (Framing::default(), Vec::new());
        loop {
            match framing.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) if stream.is_empty() => return (frames, framing.end()),
                Ok(None) => {
                    let room = framing.room();
                    let count = size.min(room.len()).min(stream.len());
                    room[..count].copy_from_slice(&stream[..count]);
                    framing.fill(count);
                    stream = &stream[count..];
                }
                Err(error) => return (frames, error),
            }
        }
    }

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut() {
        let payloads = [vec![], vec![7], vec![1; 300], vec![], vec![9; MAX_FRAME]];
        let stream: Vec<u8> = payloads.iter().flat_map(|p| framed(p).unwrap()).collect();
        for size in [1, 3, 4, 5, 1 << 20] {
            let (frames, end) = read(&stream, size);
            assert_eq!(frames, payloads);
            assert!(matches!(end, FrameError::Closed));
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_room_is_made_for_it() {
        let length = MAX_FRAME + 1;
        let (frames, end) = read(&(length as u32).to_le_bytes(), 4);
        assert!(frames.is_empty() && matches!(end, FrameError::Oversized(l) if l == length));
        assert!(matches!(framed(&vec![0; length]), Err(FrameError::Oversized(l)) if l == length));
    }

    #[test]
    fn an_oversized_length_stays_refused() {
        let mut framing = Framing::default();
        framing.room().copy_from_slice(&[255; 4]);
        framing.fill(4);
        for _ in 0..2 {
            assert!(matches!(framing.next_frame(), Err(FrameError::Oversized(_))));
        }
    }

    #[test]
    fn a_stream_that_ends_in_a_frame_says_after_how_many_bytes() {
        let stream = framed(&[5; 9]).unwrap();
        for left in 1..stream.len() {
            let (frames, end) = read(&stream[..left], 2);
            assert!(frames.is_empty());
            assert!(matches!(end, FrameError::Truncated(after) if after == left));
        }
    }
}
