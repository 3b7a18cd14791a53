//! Memory: its bandwidth, its latency, and fresh pages.

use std::{hint::black_box, io, thread::sleep, time::Duration};

use super::{Random, Work};

/// Numbers in each array: beyond the caches that one core has for itself.
const TRIAD_LEN: usize = 2 << 20;
/// Bytes that one unit moves.
pub(crate) const TRIAD_BYTES: f64 = (3 * TRIAD_LEN * size_of::<f64>()) as f64;
/// Lines of a cache that a chase goes through: 48 MiB.
const LINES: usize = 48 << 14;
/// Steps of one unit.
pub(crate) const STEPS: u32 = 1 << 16;
/// Memory of one unit of fresh pages, bytes: above what an allocator keeps for later.
const FRESH: usize = 40 << 20;
const PAGE: usize = 4096;
/// Pages of one unit.
pub(crate) const TOUCHED: usize = FRESH / PAGE;
/// How long one unit of rest takes.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// The triad of McCalpin's STREAM.
pub(crate) struct Triad {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Triad {
    pub(crate) fn new() -> Self {
        Triad { a: vec![0.0; TRIAD_LEN], b: vec![1.0; TRIAD_LEN], c: vec![2.0; TRIAD_LEN] }
    }
}

impl Work for Triad {
    fn unit(&mut self) -> io::Result<()> {
        let sources = self.b.iter().zip(&self.c);
        self.a.iter_mut().zip(sources).for_each(|(a, (b, c))| *a = b + 3.0 * c);
        black_box(&mut self.a);
        Ok(())
    }
}

/// A line of the cache that names the next one.
#[repr(align(64))]
struct Line(u32);

/// One cycle through all lines in random order.
pub(crate) struct Chase {
    lines: Vec<Line>,
    at: u32,
}

impl Chase {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut lines: Vec<Line> = (0..LINES as u32).map(Line).collect();
        // Sattolo's algorithm: every permutation that it gives is a single cycle.
        for last in (1..LINES).rev() {
            lines.swap(last, random.below(last));
        }
        Chase { lines, at: 0 }
    }
}

impl Work for Chase {
    fn unit(&mut self) -> io::Result<()> {
        for _ in 0..STEPS {
            self.at = self.lines[self.at as usize].0;
        }
        black_box(self.at);
        Ok(())
    }
}

/// Pages that the kernel has to clear.
pub(crate) struct Touch;

impl Work for Touch {
    fn unit(&mut self) -> io::Result<()> {
        // What is zero need not be written, so it comes from the kernel untouched.
        let mut fresh = vec![0_u8; FRESH];
        fresh.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        black_box(&mut fresh);
        Ok(())
    }
}

/// A pause: the time of a machine whose memory is what is used.
pub(crate) struct Rest;

impl Work for Rest {
    fn unit(&mut self) -> io::Result<()> {
        sleep(PAUSE);
        Ok(())
    }
}

/// Memory that is in use, every page of it.
pub(crate) fn held(bytes: u64) -> Vec<u8> {
    let mut memory = vec![0_u8; usize::try_from(bytes).unwrap_or(usize::MAX)];
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chase_comes_by_every_line() {
        let mut chase = Chase::new(5);
        let mut steps = 0;
        loop {
            chase.at = chase.lines[chase.at as usize].0;
            steps += 1;
            if chase.at == 0 {
                break;
            }
        }
        assert_eq!(steps, LINES);
    }
}
