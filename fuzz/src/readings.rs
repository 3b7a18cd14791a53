//! Counters that a machine tells its publisher: the machine is the provider's.

#[path = "../../publisher-cli/src/ssh/counters.rs"]
mod counters;

use codec::{DecodeAll, Encode};
use zennet_primitives::usage::Counter;

use self::counters::{Lines, Reading, Totals, MAX_LINE};
use crate::input::Input;

/// Output of a guest is cut into the lines that it has, one that is too long is refused, and sums
/// over it never fall. Sums that were stored decode or are refused, and go on without a panic.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (length, times, sizes) = (input.u8(), input.u8(), input.bytes(8));
    let mut totals = Totals::default();
    if length > 0 {
        let bytes = input.bytes(length.into());
        let Ok(decoded) = Totals::decode_all(&mut &bytes[..]) else { return };
        assert_eq!(decoded.encode(), bytes);
        totals = decoded;
    }
    // An input alone is no longer than a line may be.
    let output = input.rest().repeat(usize::from(times % 4) + 1);
    let (lines, whole) = cut(&output, sizes);
    let mut expected: Vec<&[u8]> = output.split(|byte| *byte == b'\n').collect();
    assert_eq!(whole, expected.iter().all(|line| line.len() <= MAX_LINE));
    expected.pop();
    // Lines before the one that is too long were given.
    let sound = expected.iter().take_while(|line| line.len() <= MAX_LINE).count();
    assert_eq!(lines, expected[..sound]);
    sum(&lines, totals);
}

/// Lines of an output that arrives in pieces of these sizes, and whether none was refused.
fn cut(mut output: &[u8], sizes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut sizes = sizes.iter().map(|size| usize::from(*size) + 1).cycle();
    let (mut cutter, mut lines) = (Lines::default(), Vec::new());
    while !output.is_empty() {
        let (piece, rest) = output.split_at(sizes.next().unwrap_or(1).min(output.len()));
        output = rest;
        let keep = |line: &[u8]| {
            lines.push(line.to_vec());
            Ok(())
        };
        if cutter.push(piece, keep).is_err() {
            return (lines, false);
        }
    }
    (lines, true)
}

/// A session ends before each line that is no reading, as it does for real.
fn sum(lines: &[Vec<u8>], mut totals: Totals) {
    let mut before = None;
    for line in lines {
        let Ok(reading) = Reading::parse(line) else {
            totals.interrupt();
            continue;
        };
        let usage = totals.add(&reading);
        for counter in Counter::ALL {
            assert_eq!(usage.get(counter).is_some(), reading.usage.get(counter).is_some());
        }
        let memory = usage.get(Counter::MemoryByteSecs);
        assert!(memory.is_none() || memory >= before);
        before = memory.or(before);
        assert_eq!(Totals::decode_all(&mut &totals.encode()[..]), Ok(totals));
    }
}

/// Lines of a guest, over two sessions, and of what is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |stored: &[u8], times: u8, output: &[u8]| {
        let head = [&[stored.len() as u8, times, 0, 3, 200, 40, 255, 7, 90, 1][..], stored];
        [&head.concat(), output].concat()
    };
    let line = |at: u64, memory: u64| {
        format!(
            "{{\"at_ms\":{at},\"usage\":{{\"cpu_micros\":{at},\"memory_byte_secs\":{memory},\
             \"net_rx_bytes\":9,\"of_tomorrow\":1}}}}\n"
        )
    };
    let session = [line(1000, 0), line(1500, 5000), line(2000, 9000)].concat();
    let two = format!("{session}no reading\n{}{}", line(4000, 0), line(4500, 700));
    let large = format!("{}{}", line(u64::MAX - 1, u64::MAX), line(0, 1));
    let mut stored = Totals::default();
    for text in session.lines() {
        stored.add(&Reading::parse(text.as_bytes()).expect("it is a reading"));
    }
    vec![
        of(&[], 0, session.as_bytes()),
        of(&[], 1, two.as_bytes()),
        of(&[], 0, large.as_bytes()),
        of(&[], 0, session.trim_end().as_bytes()),
        of(&[], 3, &[b'x'; 2000]),
        of(&[], 0, b"{\"at_ms\":5,\"usage\":{}}\n{\"usage\":{}}\n{}\n\n\xff\n"),
        of(&[], 0, b"{\"at_ms\":-1,\"usage\":{\"cpu_micros\":1e3}}\n[[[[[[[[\n"),
        of(&Totals::default().encode(), 0, session.as_bytes()),
        of(&stored.encode(), 2, two.as_bytes()),
    ]
}
