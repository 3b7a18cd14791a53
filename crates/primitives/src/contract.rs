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
    pow::PowNonce,
    record::AppShare,
    report::{Basis, Report},
    signed::Signable,
    AccountId,
};

/// Public half of an ed25519 SSH key.
pub type SshKey = [u8; 32];

/// What a provider says of itself before it quotes.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Offer {
    /// Hardware and benchmarks.
    pub capabilities: Capabilities,
    /// Work over [`crate::announcement::acceptance_message`].
    pub stamp: PowNonce,
    /// What the rates of its quotes come from, where they come from benchmarks.
    pub report: Option<Report>,
}

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
    /// What holds a machine back from its host.
    pub wall: Wall,
}

/// The kind of wall between a machine and its host: the OCI runtime that runs it.
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
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "std", serde(rename_all = "lowercase"))]
pub enum Wall {
    /// The host's own kernel, with namespaces and filters: runc and its like.
    #[codec(index = 0)]
    Namespaces,
    /// A kernel in user space: gVisor.
    #[codec(index = 1)]
    Gvisor,
    /// A virtual machine: Kata Containers.
    #[codec(index = 2)]
    Vm,
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
    /// Volume that outlasts the machine, MiB; zero is none.
    pub volume_mib: u32,
}

/// The provider's priced answer.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Quote {
    /// Rates per unit of each counter.
    pub rates: Rates,
    /// What they come from, unless they were chosen.
    pub basis: Option<Basis>,
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
    /// How long before it goes out of service the provider says so, seconds.
    pub notice_secs: u32,
    /// Longest that a volume is kept after the lease for pay, seconds.
    pub max_keep_secs: u32,
    /// How long a volume is kept after the lease in any case, seconds: the lease may have been cut off.
    pub keep_unpaid_secs: u32,
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

/// Longest name of a volume, bytes.
pub const MAX_VOLUME_NAME: usize = 32;

/// Name of a volume among those of its publisher at one provider.
pub type VolumeName = BoundedVec<u8, ConstU32<{ MAX_VOLUME_NAME as u32 }>>;

/// Whether a name can stand for a volume: in a path, on a terminal and on a command line.
pub fn is_volume_name(name: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    !name.is_empty() && name[0] != b'-' && name.iter().all(is_word)
}

/// A volume that a machine has, and that is kept after it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Volume {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: VolumeName,
    /// How long it is kept after the lease, seconds; the last voucher pays for it ahead.
    pub keep_secs: u32,
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
    /// The volume of the machine, where it has one.
    pub volume: Option<Volume>,
    /// Whether the machine's own files cannot be changed but for its volume and temporary folders.
    pub read_only: bool,
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
    /// There is a volume without a size, a size without a volume, or one that nobody could name.
    #[error("a volume needs a size and a name of lower-case letters, digits and hyphens")]
    BadVolume,
    /// The volume would have to be kept for longer than was quoted.
    #[error("the volume is to be kept for longer than the provider keeps one")]
    KeptTooLong,
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
        match &self.volume {
            None if q.resources.volume_mib == 0 => Ok(()),
            Some(volume) if q.resources.volume_mib > 0 && is_volume_name(&volume.name) => {
                if volume.keep_secs > q.max_keep_secs {
                    return Err(TermsError::KeptTooLong);
                }
                Ok(())
            }
            None | Some(_) => Err(TermsError::BadVolume),
        }
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
                basis: Some(Basis {
                    price_per_sec: 5,
                    half_width_ppm: 6,
                    report: H256::repeat_byte(9),
                }),
                tick_ms: 2000,
                grace_ms: 2000,
                max_exposure: 10,
                prepay: 0,
                lease_secs: 60,
                notice_secs: 30,
                max_keep_secs: 3600,
                keep_unpaid_secs: 60,
                resources: Resources {
                    cpu_millis: 1000,
                    memory_mib: 256,
                    disk_mib: 0,
                    volume_mib: 16,
                },
                image: ImageRef::truncate_from(b"os".to_vec()),
                image_digest: [7; 32],
                host_key: [8; 32],
            },
            deposit: 100,
            challenge_blocks: 9,
            app: None,
            volume: Some(Volume {
                name: VolumeName::truncate_from(b"data".to_vec()),
                keep_secs: 600,
            }),
            read_only: false,
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
        assert_eq!(with(|t| t.volume = None), Err(TermsError::BadVolume));
        assert_eq!(with(|t| t.quote.resources.volume_mib = 0), Err(TermsError::BadVolume));
        assert_eq!(with(|t| t.quote.max_keep_secs = 599), Err(TermsError::KeptTooLong));
        for name in ["", "-a", "a/b", "..", "A", "a b", "a\n"] {
            let mut t = terms();
            t.volume.as_mut().unwrap().name = VolumeName::truncate_from(name.into());
            assert_eq!(t.check(), Err(TermsError::BadVolume), "{name:?}");
        }
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
            "00".repeat(10),
            "0105000000000000000000000000000000".into(),
            "06000000".into(),
            "09".repeat(32),
            "d0070000d0070000".into(),
            "0a000000000000000000000000000000".into(),
            "00".repeat(16),
            "3c0000001e000000100e00003c000000".into(),
            "e8030000000100000000000010000000".into(),
            "086f73".into(),
            "07".repeat(32),
            "08".repeat(32),
            "64000000000000000000000000000000".into(),
            "0900000000".into(),
            "01106461746158020000".into(),
            "00".into(),
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
