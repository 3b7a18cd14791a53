//! The lines of counters that a machine's guest writes, and their sums over several sessions. No input
//! or output here: the machine is the provider's, so what it says may be anything.

use anyhow::{bail, Context, Result};
use codec::{Decode, Encode};
use serde::Deserialize;
use zennet_primitives::usage::{Counter, Usage};

/// Longest line of counters, bytes.
pub(crate) const MAX_LINE: usize = 4096;

/// Cuts bytes into lines of bounded length.
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Gives every line that these bytes complete to `take`.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end])?;
            take(&std::mem::take(&mut self.0))?;
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        if self.0.len() + bytes.len() > MAX_LINE {
            bail!("the machine sent a line of counters longer than {MAX_LINE} bytes");
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A line as the guest writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Reading {
    /// Time since the machine's host was booted.
    pub(crate) at_ms: u64,
    pub(crate) usage: Usage,
}

#[derive(Deserialize)]
struct Line {
    at_ms: u64,
    usage: std::collections::BTreeMap<String, u64>,
}

impl Reading {
    /// Reads a line; counters that it does not name stay absent.
    pub(crate) fn parse(line: &[u8]) -> Result<Self> {
        let line: Line = serde_json::from_slice(line).context("the guest wrote no counters")?;
        let mut usage = Usage::default();
        for counter in Counter::ALL {
            if let Some(value) = line.usage.get(counter.name()) {
                usage.set(counter, *value);
            }
        }
        Ok(Reading { at_ms: line.at_ms, usage })
    }
}

/// Cumulative counters over several sessions.
///
/// The guest integrates memory from its first line on, so a new session starts again at zero; the
/// time in between counts with the last rate that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Totals {
    memory: u64,
    /// Memory of the present session that `memory` includes.
    counted: u64,
    last: Option<Reading>,
    /// Byte-seconds a millisecond, of the last two lines.
    rate: u64,
    interrupted: bool,
}

impl Totals {
    /// Notes that a session ended: the next line is of another one.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
        self.counted = 0;
    }

    /// Takes a line in; gives all that was counted so far.
    pub(crate) fn add(&mut self, reading: &Reading) -> Usage {
        let Some(memory) = reading.usage.get(Counter::MemoryByteSecs) else {
            return reading.usage;
        };
        let passed = self.last.map_or(0, |last| reading.at_ms.saturating_sub(last.at_ms));
        let gained = if std::mem::take(&mut self.interrupted) {
            self.rate.saturating_mul(passed).saturating_add(memory)
        } else {
            let gained = memory.saturating_sub(self.counted);
            if let Some(rate) = gained.checked_div(passed) {
                self.rate = rate;
            }
            gained
        };
        self.counted = memory;
        self.memory = self.memory.saturating_add(gained);
        self.last = Some(*reading);
        reading.usage.with(Counter::MemoryByteSecs, self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_whole_however_they_are_cut() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in [&b"ab"[..], b"c\nd", b"", b"e\n\nf"] {
            lines
                .push(part, |line| {
                    seen.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(seen, ["abc", "de", ""]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        assert!(lines.push(&[b'x'; MAX_LINE], |_| Ok(())).is_ok());
        assert!(lines.push(b"x", |_| Ok(())).is_err());
        let mut lines = Lines::default();
        assert!(lines.push(&[&[b'x'; MAX_LINE + 1][..], b"\n"].concat(), |_| Ok(())).is_err());
    }

    #[test]
    fn counters_are_read_by_name_and_absent_ones_stay_absent() {
        let line = b"{\"at_ms\":5,\"usage\":{\"cpu_micros\":7,\"of_tomorrow\":1}}";
        let reading = Reading::parse(line).unwrap();
        assert_eq!(
            reading,
            Reading { at_ms: 5, usage: Usage::default().with(Counter::CpuMicros, 7) }
        );
        for bad in [&b"{}"[..], b"", b"cpu 1", b"{\"at_ms\":-1,\"usage\":{}}", &[0xff]] {
            assert!(Reading::parse(bad).is_err());
        }
    }

    #[test]
    fn memory_goes_on_where_the_last_session_ended() {
        let line = |at_ms, memory| Reading {
            at_ms,
            usage: Usage::default()
                .with(Counter::MemoryByteSecs, memory)
                .with(Counter::CpuMicros, 9),
        };
        let mut totals = Totals::default();
        let memory = |usage: Usage| usage.get(Counter::MemoryByteSecs).unwrap();
        assert_eq!(memory(totals.add(&line(1000, 0))), 0);
        assert_eq!(memory(totals.add(&line(2000, 5000))), 5000);
        totals.interrupt();
        assert_eq!(memory(totals.add(&line(4000, 0))), 15_000);
        assert_eq!(memory(totals.add(&line(5000, 6000))), 21_000);
        assert_eq!(totals.add(&line(6000, 7000)).get(Counter::CpuMicros), Some(9));
    }
}
