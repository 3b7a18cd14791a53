//! Totals that never fall, made from raw figures that may.

use std::time::Duration;

use codec::{Decode, Encode};
use thiserror::Error;

use crate::{
    paths::CgroupPaths,
    sources::{Identity, Sample, SourceError, Sources},
    Counter, Usage,
};

const NANOS: u128 = 1_000_000_000;

/// Why there is no reading.
#[derive(Debug, Error)]
pub enum MeterError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the total of {0:?} does not fit 64 bits")]
    Overflow(Counter),
}

/// One counter: what was counted by sources that are gone, and the newest raw figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Total {
    banked: u64,
    raw: u64,
}

impl Total {
    fn value(self) -> Option<u64> {
        self.banked.checked_add(self.raw)
    }

    /// Starts a new source at zero.
    fn bank(self) -> Option<Total> {
        Some(Total { banked: self.value()?, raw: 0 })
    }

    fn next(self, raw: u64) -> Option<Total> {
        let base = if raw < self.raw { self.bank()? } else { self };
        Some(Total { raw, ..base })
    }
}

/// The newest reading of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct MemoryPoint {
    bytes: u64,
    /// Since boot.
    nanos: u64,
}

/// Totals up to the newest reading; kept by the owner so that a restart loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Banked {
    identity: Option<Identity>,
    totals: [Option<Total>; Counter::COUNT],
    /// Byte-nanoseconds, once memory was read.
    memory: Option<u128>,
    memory_point: Option<MemoryPoint>,
}

impl Banked {
    /// The totals as usage.
    pub fn usage(&self) -> Result<Usage, MeterError> {
        let mut usage = Usage::default();
        for (counter, total) in Counter::ALL.into_iter().zip(self.totals) {
            if let Some(total) = total {
                usage.set(counter, total.value().ok_or(MeterError::Overflow(counter))?);
            }
        }
        if let Some(byte_nanos) = self.memory {
            let counter = Counter::MemoryByteSecs;
            let secs = byte_nanos / NANOS;
            usage.set(counter, u64::try_from(secs).map_err(|_| MeterError::Overflow(counter))?);
        }
        Ok(usage)
    }

    /// Goes over to a source: another one than before starts at zero.
    fn attach(&self, identity: Option<Identity>) -> Result<Banked, MeterError> {
        let mut next = self.clone();
        if self.identity != identity {
            for (counter, total) in Counter::ALL.into_iter().zip(&mut next.totals) {
                if let Some(known) = *total {
                    *total = Some(known.bank().ok_or(MeterError::Overflow(counter))?);
                }
            }
            next.memory_point = None;
        }
        next.identity = identity;
        Ok(next)
    }

    /// Adds a reading. Memory since the one before is counted by the trapezoid rule; across a gap
    /// in which nobody read, as the smaller of both ends.
    fn add(&self, sample: &Sample, now: Duration, gap: bool) -> Result<Banked, MeterError> {
        let mut next = self.clone();
        for (counter, total) in Counter::ALL.into_iter().zip(&mut next.totals) {
            let overflow = MeterError::Overflow(counter);
            *total = match (*total, sample.counters.get(counter)) {
                (Some(known), Some(raw)) => Some(known.next(raw).ok_or(overflow)?),
                // The kernel no longer says; what it said stays counted, a new start is added.
                (Some(known), None) => Some(known.bank().ok_or(overflow)?),
                (None, Some(raw)) => Some(Total { banked: 0, raw }),
                (None, None) => None,
            };
        }
        let overflow = || MeterError::Overflow(Counter::MemoryByteSecs);
        if let Some(bytes) = sample.memory {
            let nanos = u64::try_from(now.as_nanos()).map_err(|_| overflow())?;
            let mut sum = self.memory.unwrap_or(0);
            if let Some(before) = self.memory_point {
                let elapsed = u128::from(nanos.saturating_sub(before.nanos));
                let twice = if gap {
                    2 * u128::from(bytes.min(before.bytes))
                } else {
                    u128::from(bytes) + u128::from(before.bytes)
                };
                let area = twice.checked_mul(elapsed).ok_or_else(overflow)? / 2;
                sum = sum.checked_add(area).ok_or_else(overflow)?;
            }
            next.memory = Some(sum);
            next.memory_point = Some(MemoryPoint { bytes, nanos });
        }
        Ok(next)
    }
}

/// Reads one container's cumulative usage.
///
/// Holding it keeps the container's network namespace alive: drop it when the lease ended.
pub struct Meter {
    sources: Sources,
    banked: Banked,
    /// Whether the next reading is the first of this process.
    gap: bool,
}

impl Meter {
    /// Opens the counters of a container that was not metered before.
    ///
    /// `init_pid` is a process in the container's network namespace, as seen from here.
    pub fn open(paths: &CgroupPaths, init_pid: u32) -> Result<Self, MeterError> {
        Self::resume(paths, init_pid, &Banked::default())
    }

    /// Opens the counters of a container and goes on from what was banked, be it of the same
    /// group, of one that was made anew, or of the boot before.
    pub fn resume(paths: &CgroupPaths, init_pid: u32, banked: &Banked) -> Result<Self, MeterError> {
        let banked = banked.attach(Identity::of(paths)?)?;
        Ok(Meter { sources: Sources::open(paths, init_pid)?, banked, gap: true })
    }

    /// Reads every counter at `now`, the time since boot (see [`crate::boottime`]).
    ///
    /// Figures never fall from one reading to the next. A failed reading changes nothing.
    pub fn read(&mut self, now: Duration) -> Result<Usage, MeterError> {
        let sample = self.sources.sample(now)?;
        let next = self.banked.add(&sample, now, self.gap)?;
        let usage = next.usage()?;
        self.banked = next;
        self.gap = false;
        Ok(usage)
    }

    /// What to keep for [`Meter::resume`].
    pub fn banked(&self) -> &Banked {
        &self.banked
    }

    /// Processes that the kernel killed for want of memory since the group was made, where it
    /// counts them.
    pub fn oom_kills(&mut self) -> Result<Option<u64>, MeterError> {
        Ok(self.sources.oom_kills()?)
    }
}

#[cfg(test)]
mod tests;
