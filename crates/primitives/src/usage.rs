//! Usage: a vector of cumulative counters.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;

/// A quantity that is metered. The discriminant is its place in [`Usage`] and never changes.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
#[repr(u8)]
pub enum Counter {
    /// CPU time in user and kernel mode together, microseconds.
    CpuMicros = 0,
    /// CPU time in user mode, microseconds.
    CpuUserMicros = 1,
    /// CPU time in kernel mode, microseconds.
    CpuSystemMicros = 2,
    /// Memory in use integrated over time, byte-seconds.
    MemoryByteSecs = 3,
    /// Bytes read from block devices.
    DiskReadBytes = 4,
    /// Bytes written to block devices.
    DiskWriteBytes = 5,
    /// Bytes received on all interfaces but loopback.
    NetRxBytes = 6,
    /// Bytes sent on all interfaces but loopback.
    NetTxBytes = 7,
    /// Page faults, minor and major.
    PageFaults = 8,
    /// Size of the machine's volume integrated over the time that it is kept, byte-seconds. It is not
    /// read but computed, by both sides, from the contract and their clocks.
    VolumeByteSecs = 9,
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = 10;

    /// Every counter, in the order of their places.
    pub const ALL: [Counter; Self::COUNT] = [
        Counter::CpuMicros,
        Counter::CpuUserMicros,
        Counter::CpuSystemMicros,
        Counter::MemoryByteSecs,
        Counter::DiskReadBytes,
        Counter::DiskWriteBytes,
        Counter::NetRxBytes,
        Counter::NetTxBytes,
        Counter::PageFaults,
        Counter::VolumeByteSecs,
    ];

    /// Name used in configuration and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::CpuMicros => "cpu_micros",
            Counter::CpuUserMicros => "cpu_user_micros",
            Counter::CpuSystemMicros => "cpu_system_micros",
            Counter::MemoryByteSecs => "memory_byte_secs",
            Counter::DiskReadBytes => "disk_read_bytes",
            Counter::DiskWriteBytes => "disk_write_bytes",
            Counter::NetRxBytes => "net_rx_bytes",
            Counter::NetTxBytes => "net_tx_bytes",
            Counter::PageFaults => "page_faults",
            Counter::VolumeByteSecs => "volume_byte_secs",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// Cumulative counters. A figure that the host cannot give is absent, never zero.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Usage([Option<u64>; Counter::COUNT]);

impl Usage {
    /// Every counter at zero: what the use of a time is counted from.
    pub const ZERO: Usage = Usage([Some(0); Counter::COUNT]);

    /// The figure of one counter, or nothing where the host cannot give it.
    pub fn get(&self, counter: Counter) -> Option<u64> {
        self.0[counter.index()]
    }

    /// Sets the figure of one counter.
    pub fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter.index()] = Some(value);
    }

    /// Sets one counter, for building a value in one expression.
    #[must_use]
    pub fn with(mut self, counter: Counter, value: u64) -> Self {
        self.set(counter, value);
        self
    }

    /// The counters that are present, with their figures.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().filter_map(|c| self.get(c).map(|v| (c, v)))
    }

    /// What was used since `baseline`: only counters present in both. Nothing if one of them fell.
    pub fn since(&self, baseline: &Usage) -> Option<Usage> {
        let mut used = Usage::default();
        for (counter, value) in self.iter() {
            if let Some(start) = baseline.get(counter) {
                used.set(counter, value.checked_sub(start)?);
            }
        }
        Some(used)
    }

    /// The first counter that is below its figure in `earlier`, or that vanished since.
    pub fn first_fallen(&self, earlier: &Usage) -> Option<Counter> {
        earlier.iter().find(|(c, before)| self.get(*c).is_none_or(|now| now < *before)).map(|x| x.0)
    }

    /// The smaller figure of each counter that both have.
    pub fn min(&self, other: &Usage) -> Usage {
        let mut least = Usage::default();
        for (counter, value) in self.iter() {
            if let Some(o) = other.get(counter) {
                least.set(counter, value.min(o));
            }
        }
        least
    }

    /// Hash that a voucher commits to.
    pub fn hash(&self) -> H256 {
        crate::hash_of(self)
    }
}

#[cfg(feature = "std")]
impl serde::Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(c, v)| (c.name(), v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::{Decode, Encode};

    #[test]
    fn counters_stand_at_their_places() {
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
        }
    }

    #[test]
    fn an_absent_counter_is_not_zero() {
        let usage = Usage::default().with(Counter::CpuMicros, 0);
        assert_eq!(usage.get(Counter::CpuMicros), Some(0));
        assert_eq!(usage.get(Counter::NetRxBytes), None);
        assert_ne!(usage, Usage::default());
        assert!(Counter::ALL.into_iter().all(|counter| Usage::ZERO.get(counter) == Some(0)));
    }

    #[test]
    fn usage_since_a_baseline_refuses_a_counter_that_fell() {
        let base = Usage::default().with(Counter::CpuMicros, 5);
        assert_eq!(Usage::default().with(Counter::CpuMicros, 4).since(&base), None);
        let later = Usage::default().with(Counter::CpuMicros, 7).with(Counter::NetRxBytes, 9);
        assert_eq!(later.since(&base), Some(Usage::default().with(Counter::CpuMicros, 2)));
    }

    #[test]
    fn a_vanished_counter_counts_as_fallen() {
        let before = Usage::default().with(Counter::PageFaults, 1);
        assert_eq!(Usage::default().first_fallen(&before), Some(Counter::PageFaults));
        assert_eq!(before.first_fallen(&before), None);
    }

    #[test]
    fn truncated_usage_is_refused() {
        let bytes = Usage::default().with(Counter::CpuMicros, 1).encode();
        assert!(Usage::decode(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
