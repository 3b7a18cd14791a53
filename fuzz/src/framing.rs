//! The control stream below its frames: lengths, and bytes that come in any pieces.

use zennet_transport::{framed, FrameError, Framing, MAX_FRAME};

use crate::input::Input;

/// Largest piece in which a stream arrives, bytes.
const PIECE: u8 = 64;

/// A stream gives the frames that its lengths say, and no others, however it is cut; a length above
/// the limit ends it before room is made for so much. Payloads that were framed come back.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, sizes) = (input.u8() % 2, input.bytes(8));
    let rest = input.rest();
    if kind == 0 {
        stream(rest, sizes);
    } else {
        payloads(rest, sizes);
    }
}

fn stream(stream: &[u8], sizes: &[u8]) {
    let (frames, end) = read(stream, sizes);
    let (expected, ends) = expected(stream);
    assert_eq!(frames, expected);
    assert_eq!(end.to_string(), ends.to_string());
}

fn payloads(data: &[u8], sizes: &[u8]) {
    let payloads: Vec<_> = data.split(|byte| *byte == b'|').collect();
    let all = payloads.iter().map(|payload| framed(payload).expect("it is short"));
    let (frames, end) = read(&all.collect::<Vec<_>>().concat(), sizes);
    assert_eq!(frames, payloads);
    assert!(matches!(end, FrameError::Closed));
}

/// Frames of a stream that arrives in pieces of these sizes, over and over, and how it ended.
fn read(mut stream: &[u8], sizes: &[u8]) -> (Vec<Vec<u8>>, FrameError) {
    let mut sizes = sizes.iter().map(|size| usize::from(size % PIECE) + 1).cycle();
    let (mut framing, mut frames) = (Framing::default(), Vec::new());
    loop {
        match framing.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) if stream.is_empty() => return (frames, framing.end()),
            Ok(None) => {
                let room = framing.room();
                assert!(!room.is_empty() && room.len() <= MAX_FRAME);
                let count = sizes.next().unwrap_or(1).min(room.len()).min(stream.len());
                let (piece, rest) = stream.split_at(count);
                room[..count].copy_from_slice(piece);
                framing.fill(count);
                stream = rest;
            }
            Err(error) => return (frames, error),
        }
    }
}

/// The same by the definition, from the whole stream at once.
fn expected(mut stream: &[u8]) -> (Vec<Vec<u8>>, FrameError) {
    let mut frames = Vec::new();
    loop {
        let Some((header, rest)) = stream.split_first_chunk::<4>() else {
            let end = match stream.len() {
                0 => FrameError::Closed,
                left => FrameError::Truncated(left),
            };
            return (frames, end);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_FRAME {
            return (frames, FrameError::Oversized(length));
        }
        if length > rest.len() {
            return (frames, FrameError::Truncated(stream.len()));
        }
        let (frame, after) = rest.split_at(length);
        frames.push(frame.to_vec());
        stream = after;
    }
}

/// Streams with frames of each kind of length, whole, cut short and too long.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |kind: u8, stream: &[u8]| [&[kind, 0, 1, 3, 4, 9, 63, 2, 5][..], stream].concat();
    let whole: Vec<u8> = [&b""[..], b"a", b"frame", &[7; 200]]
        .iter()
        .flat_map(|payload| framed(payload).unwrap_or_default())
        .collect();
    let long = |length: usize| [&(length as u32).to_le_bytes()[..], &[1; 40]].concat();
    vec![
        of(0, &[]),
        of(0, &whole),
        of(0, &whole[..whole.len() - 9]),
        of(0, &whole[..10]),
        of(0, &[&whole[..], &long(MAX_FRAME)].concat()),
        of(0, &[&whole[..], &long(MAX_FRAME + 1)].concat()),
        of(0, &[255; 12]),
        of(1, b"one|two||three"),
        of(1, b""),
    ]
}
