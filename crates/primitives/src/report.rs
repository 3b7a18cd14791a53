//! What a provider measured on its host, and what it says that its rates come from.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_crypto_hashing::blake2_256;
use sp_runtime::BoundedVec;

use crate::{amount::Balance, usage::Usage};

/// Most runs in a report.
pub const MAX_REPORT_ROWS: u32 = 64;

/// One run of a mix of benchmarks at full load.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ReportRow {
    /// By how much each counter grew; a counter that is not to be priced is absent.
    pub usage: Usage,
    /// How long it ran, milliseconds.
    pub millis: u32,
}

/// The runs from which rates were computed.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Report {
    /// The runs.
    pub rows: BoundedVec<ReportRow, ConstU32<MAX_REPORT_ROWS>>,
    /// When they were made, Unix seconds.
    pub measured_at: u64,
}

impl Report {
    /// The hash that a contract names a report by.
    pub fn hash(&self) -> H256 {
        blake2_256(&self.encode()).into()
    }
}

/// What the rates of a quote come from: what is negotiated is the price of full load, the report
/// gives the rates.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Basis {
    /// What each run of the report is to earn, in the smallest coin unit a second.
    pub price_per_sec: Balance,
    /// By which part of its price a program may cost more or less than the rates say, with 95 %
    /// confidence, in millionths.
    pub half_width_ppm: u32,
    /// [`Report::hash`] of the runs.
    pub report: H256,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Counter;
    use alloc::vec;

    #[test]
    fn the_hash_of_a_report_is_golden() {
        let usage = Usage::default().with(Counter::CpuMicros, 2).with(Counter::PageFaults, 3);
        let rows = BoundedVec::truncate_from(vec![ReportRow { usage, millis: 1000 }]);
        let report = Report { rows, measured_at: 4 };
        let bytes = hex::encode(report.encode());
        assert_eq!(
            bytes,
            "04010200000000000000000000000000000103000000000000000\
             0e80300000400000000000000"
        );
        assert_eq!(report.hash().as_bytes(), blake2_256(&hex::decode(bytes).unwrap()));
    }
}
