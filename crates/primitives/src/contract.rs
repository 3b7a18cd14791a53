//! Offers, quotes and the contract that both sides sign.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{sr25519, ConstU32, H256};
use sp_runtime::BoundedVec;
use thiserror::Error;

use crate::{
    amount::{Balance, Rates},
    announcement::{is_printable, AnnouncementId, ImageRef, MAX_TICK_MS, MIN_TICK_MS},
    channel::{channel_id, ChannelContext},
    record::AppShare,
    signed::Signable,
    AccountId,
};

/// Public half of an ed25519 SSH key.
pub type SshKey = [u8; 32];

/// What the provider's host can do.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct Capabilities {
    /// Cores of the host.
    pub cores: u16,
    /// Clock of a core, MHz; absent where the host does not tell.
    pub clock_mhz: Option<u32>,
    /// Memory for rent, MiB.
    pub memory_mib: u32,
    /// Disk for rent, MiB.
    pub disk_mib: u32,
    /// Network bandwidth as configured by the operator, kbit/s.
    pub bandwidth_kbit_per_sec: Option<u32>,
    /// Measured benchmarks.
    pub benchmarks: BoundedVec<BenchmarkResult, ConstU32<16>>,
}

/// A figure that the provider measured on its host.
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
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct BenchmarkResult {
    /// What was measured.
    pub benchmark: Benchmark,
    /// The figure, in the unit of the benchmark.
    pub value: u64,
}

/// A standard benchmark.
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
#[cfg_attr(feature = "std", derive(serde::Serialize))]
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
pub enum Benchmark {
    /// BLAKE2b-256 on one core, KiB/s.
    #[codec(index = 0)]
    HashKibPerSec,
    /// Copying memory on one core, MiB/s.
    #[codec(index = 1)]
    MemoryCopyMibPerSec,
    /// Sequential writing to the data directory with a final sync, KiB/s.
    #[codec(index = 2)]
    DiskWriteKibPerSec,
}

/// Resources that the machine gets.
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
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct Resources {
    /// CPU time a second, in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Disk, MiB.
    pub disk_mib: u32,
}

/// The provider's priced answer.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Quote {
    /// Rates per unit of each counter.
    pub rates: Rates,
    /// Metering and payment interval, milliseconds.
    pub tick_ms: u32,
    /// How long after a tick its voucher may come before the machine is frozen, milliseconds.
    pub grace_ms: u32,
    /// Most that may be unpaid before the machine is frozen, in the smallest coin unit.
    pub max_exposure: Balance,
    /// Paid ahead of usage at any time, in the smallest coin unit; zero is postpaid.
    pub prepay: Balance,
    /// Lease time, seconds.
    pub lease_secs: u32,
    /// Resources of the machine.
    pub resources: Resources,
    /// Image of the machine.
    pub image: ImageRef,
    /// Digest of the image that will run, SHA-256.
    pub image_digest: [u8; 32],
    /// SSH host key of the machine, to be pinned.
    pub host_key: SshKey,
}

/// What the publisher asks for instead of a quote.
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
pub struct CounterOffer {
    /// Rates that it would accept.
    pub rates: Rates,
    /// Lease time that it would accept, seconds.
    pub lease_secs: u32,
}

/// The terms of one lease, signed by both sides.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Terms {
    /// Hash of the chain's first block.
    pub genesis: H256,
    /// The announcement that the lease answers.
    pub announcement: AnnouncementId,
    /// Who pays.
    pub publisher: AccountId,
    /// Who is paid.
    pub provider: AccountId,
    /// Key that signs the vouchers.
    pub session_key: sr25519::Public,
    /// The publisher's SSH key, the only one that the machine lets in.
    pub client_key: SshKey,
    /// Price and resources, as quoted.
    pub quote: Quote,
    /// What the channel locks, in the smallest coin unit.
    pub deposit: Balance,
    /// Time for the provider to answer a request to close, in blocks.
    pub challenge_blocks: u32,
    /// Share of the developer of the application that runs, where there is one.
    pub app: Option<AppShare>,
}

/// Why terms cannot be signed by anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TermsError {
    /// The tick is out of bounds.
    #[error("the tick must be from {MIN_TICK_MS} to {MAX_TICK_MS} ms")]
    BadTick,
    /// The grace is zero or longer than an hour.
    #[error("the grace must be from 1 to {MAX_TICK_MS} ms")]
    BadGrace,
    /// The lease time or a resource is zero.
    #[error("lease time, cpu and memory must be above zero")]
    EmptyLease,
    /// The deposit does not cover what must be paid ahead.
    #[error("the deposit must be above zero and cover the prepayment")]
    BadDeposit,
    /// Nobody may be both sides.
    #[error("publisher and provider are the same account")]
    SameParty,
    /// The provider needs time to answer a request to close.
    #[error("the challenge period must be above zero")]
    NoChallenge,
    /// The image's name has something in it that a terminal would not print as it is.
    #[error("the name of the image must be printable ASCII without spaces")]
    NotPrintable,
}

impl Terms {
    /// Checks what both sides check before they sign.
    pub fn check(&self) -> Result<(), TermsError> {
        let q = &self.quote;
        if !(MIN_TICK_MS..=MAX_TICK_MS).contains(&q.tick_ms) {
            return Err(TermsError::BadTick);
        }
        if q.grace_ms == 0 || q.grace_ms > MAX_TICK_MS {
            return Err(TermsError::BadGrace);
        }
        if q.lease_secs == 0 || q.resources.cpu_millis == 0 || q.resources.memory_mib == 0 {
            return Err(TermsError::EmptyLease);
        }
        if self.deposit == 0 || self.deposit < q.prepay {
            return Err(TermsError::BadDeposit);
        }
        if self.publisher == self.provider {
            return Err(TermsError::SameParty);
        }
        if self.challenge_blocks == 0 {
            return Err(TermsError::NoChallenge);
        }
        if !is_printable(&q.image) {
            return Err(TermsError::NotPrintable);
        }
        Ok(())
    }

    /// Hash that the channel is opened for.
    pub fn hash(&self) -> H256 {
        H256(sp_crypto_hashing::blake2_256(&self.signing_bytes(&())))
    }

    /// The channel that pays for this lease when it is opened with `nonce`.
    pub fn channel(&self, nonce: u64) -> ChannelContext {
        let channel = channel_id(self.genesis, &self.publisher, &self.provider, self.hash(), nonce);
        ChannelContext { genesis: self.genesis, channel }
    }
}

impl Signable for Terms {
    type Context = ();

    fn signing_bytes(&self, (): &()) -> Vec<u8> {
        (*b"zennet/contract/v1", self).encode()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn terms() -> Terms {
        Terms {
            genesis: H256::repeat_byte(1),
            announcement: H256::repeat_byte(2),
            publisher: AccountId::new([3; 32]),
            provider: AccountId::new([4; 32]),
            session_key: sr25519::Public::from_raw([5; 32]),
            client_key: [6; 32],
            quote: Quote {
                rates: Rates::default(),
                tick_ms: 2000,
                grace_ms: 2000,
                max_exposure: 10,
                prepay: 0,
                lease_secs: 60,
                resources: Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 0 },
                image: ImageRef::truncate_from(b"os".to_vec()),
                image_digest: [7; 32],
                host_key: [8; 32],
            },
            deposit: 100,
            challenge_blocks: 9,
            app: None,
        }
    }

    #[test]
    fn sound_terms_pass_and_each_defect_is_named() {
        assert_eq!(terms().check(), Ok(()));
        let with = |change: fn(&mut Terms)| {
            let mut t = terms();
            change(&mut t);
            t.check()
        };
        assert_eq!(with(|t| t.quote.tick_ms = 499), Err(TermsError::BadTick));
        assert_eq!(with(|t| t.quote.grace_ms = 0), Err(TermsError::BadGrace));
        assert_eq!(with(|t| t.quote.resources.memory_mib = 0), Err(TermsError::EmptyLease));
        assert_eq!(with(|t| t.deposit = 0), Err(TermsError::BadDeposit));
        assert_eq!(with(|t| t.quote.prepay = 101), Err(TermsError::BadDeposit));
        assert_eq!(with(|t| t.provider = t.publisher.clone()), Err(TermsError::SameParty));
        assert_eq!(with(|t| t.challenge_blocks = 0), Err(TermsError::NoChallenge));
        let rings = |t: &mut Terms| t.quote.image = ImageRef::truncate_from(b"os\x07".to_vec());
        assert_eq!(with(rings), Err(TermsError::NotPrintable));
    }

    #[test]
    fn the_signed_bytes_are_golden() {
        let golden = [
            hex::encode("zennet/contract/v1"),
            "01".repeat(32),
            "02".repeat(32),
            "03".repeat(32),
            "04".repeat(32),
            "05".repeat(32),
            "06".repeat(32),
            "00".repeat(9),
            "d0070000d0070000".into(),
            "0a000000000000000000000000000000".into(),
            "00".repeat(16),
            "3c000000e80300000001000000000000".into(),
            "086f73".into(),
            "07".repeat(32),
            "08".repeat(32),
            "64000000000000000000000000000000".into(),
            "0900000000".into(),
        ]
        .concat();
        assert_eq!(hex::encode(terms().signing_bytes(&())), golden);
    }

    #[test]
    fn every_changed_term_changes_the_hash_and_the_channel() {
        let mut other = terms();
        other.quote.lease_secs += 1;
        assert_ne!(terms().hash(), other.hash());
        assert_ne!(terms().channel(0), other.channel(0));
        assert_ne!(terms().channel(0), terms().channel(1));
    }
}
