//! Frames of the control stream.

use codec::Encode;
use zennet_primitives::frame::{Frame, FrameError, MAX_FRAME_BYTES};

use crate::lease::course;

/// A frame decodes or is refused; what decodes encodes back to the same bytes, and never has more
/// of them than a frame may have.
pub fn run(data: &[u8]) {
    match Frame::from_bytes(data) {
        Ok(frame) => {
            assert!(data.len() <= MAX_FRAME_BYTES);
            assert_eq!(frame.encode(), data);
            assert_eq!(frame.encoded_size(), data.len());
        }
        Err(FrameError::TooLarge(size)) => {
            assert_eq!(size, data.len());
            assert!(size > MAX_FRAME_BYTES);
        }
        Err(FrameError::Malformed) => assert!(data.len() <= MAX_FRAME_BYTES),
    }
}

/// Every frame of two honest leases.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|prepaid| course(prepaid).frames.iter().map(Encode::encode))
        .collect();
    // Frames of one kind are of one use.
    seeds.dedup_by_key(|bytes| (bytes.first().copied(), bytes.len()));
    seeds.truncate(40);
    seeds
}
