//! What a publisher puts on the chain: its needs, its offer and where to meet it.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;
use thiserror::Error;

use crate::{amount::Rates, hash_of, pow::Difficulty, AccountId};

/// Largest encoded announcement, bytes.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 512;

/// Identifies an announcement: the hash of the chain, its publisher and its body.
pub type AnnouncementId = H256;

/// Name of a container image, printable ASCII without spaces.
pub type ImageRef = BoundedVec<u8, ConstU32<96>>;

/// Shortest interval between payments, milliseconds.
pub const MIN_TICK_MS: u32 = 500;

/// Longest interval between payments, milliseconds.
pub const MAX_TICK_MS: u32 = 3_600_000;

/// What a machine must have. Whatever is absent is left to the provider.
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
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct Needs {
    /// CPU time a second, in thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Clock of each core, MHz.
    pub clock_mhz: Option<u32>,
    /// Memory, MiB.
    pub memory_mib: Option<u32>,
    /// Speed of the memory, MiB/s.
    pub memory_mib_per_sec: Option<u32>,
    /// Disk, MiB.
    pub disk_mib: Option<u32>,
    /// Speed of the disk, MiB/s.
    pub disk_mib_per_sec: Option<u32>,
    /// Network bandwidth, kbit/s.
    pub bandwidth_kbit_per_sec: Option<u32>,
    /// Size of a volume that the provider keeps between leases, MiB.
    pub volume_mib: Option<u32>,
}

/// A range of lease times, seconds.
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
pub struct LeaseRange {
    /// Shortest lease worth having.
    pub min_secs: u32,
    /// Longest lease wanted.
    pub max_secs: u32,
}

/// A publisher's task, as it stands on the chain.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Announcement {
    /// Publisher's own number of the task.
    pub task: u64,
    /// How many machines are wanted; a provider may give several.
    pub machines: u32,
    /// Images to choose from; none leaves the choice to the provider.
    pub images: BoundedVec<ImageRef, ConstU32<4>>,
    /// What each machine must have.
    pub needs: Needs,
    /// Preferred lease time.
    pub lease: LeaseRange,
    /// Interval between payments, milliseconds; negative means that the publisher prepays.
    pub interval_ms: i32,
    /// Highest rates that the publisher pays, if it says so.
    pub max_rates: Option<Rates>,
    /// How long a quote stands open for acceptance, seconds.
    pub proposal_secs: u16,
    /// Work asked of each acceptance.
    pub asks: Difficulty,
    /// Where to read more, printable ASCII without spaces.
    pub info_url: BoundedVec<u8, ConstU32<96>>,
    /// Where the publisher listens: a multiaddr in text form with its peer id.
    pub endpoint: BoundedVec<u8, ConstU32<192>>,
}

/// Why an announcement is malformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AnnouncementError {
    /// The body is larger than the chain accepts.
    #[error("the announcement has {0} bytes, {MAX_ANNOUNCEMENT_BYTES} are allowed")]
    TooLarge(usize),
    /// No machine is wanted.
    #[error("the announcement asks for no machine")]
    NoMachines,
    /// The lease range is empty or zero.
    #[error("the lease range must have 0 < min <= max")]
    BadLeaseRange,
    /// The payment interval is out of bounds.
    #[error("the payment interval must be from {MIN_TICK_MS} to {MAX_TICK_MS} ms, either sign")]
    BadInterval,
    /// There is nowhere to dial.
    #[error("the announcement has no endpoint")]
    NoEndpoint,
    /// A text has something in it that a terminal would not print as it is.
    #[error("images, the information URL and the endpoint must be printable ASCII without spaces")]
    NotPrintable,
}

/// Whether a text of the other party can be logged and shown as it is. What it names, images, URLs
/// and addresses, never needs more than printable ASCII.
pub fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

impl Announcement {
    /// Checks what the chain and every provider check.
    pub fn check(&self) -> Result<(), AnnouncementError> {
        let size = self.encoded_size();
        if size > MAX_ANNOUNCEMENT_BYTES {
            return Err(AnnouncementError::TooLarge(size));
        }
        if self.machines == 0 {
            return Err(AnnouncementError::NoMachines);
        }
        if self.lease.min_secs == 0 || self.lease.min_secs > self.lease.max_secs {
            return Err(AnnouncementError::BadLeaseRange);
        }
        if !(MIN_TICK_MS..=MAX_TICK_MS).contains(&self.tick_ms()) {
            return Err(AnnouncementError::BadInterval);
        }
        if self.endpoint.is_empty() {
            return Err(AnnouncementError::NoEndpoint);
        }
        let mut texts = self.images.iter().map(|image| &image[..]);
        if !texts.all(is_printable)
            || !is_printable(&self.info_url)
            || !is_printable(&self.endpoint)
        {
            return Err(AnnouncementError::NotPrintable);
        }
        Ok(())
    }

    /// Length of a tick, milliseconds, whoever pays first.
    pub fn tick_ms(&self) -> u32 {
        self.interval_ms.unsigned_abs()
    }

    /// Whether the publisher pays each tick before it begins.
    pub fn is_prepaid(&self) -> bool {
        self.interval_ms < 0
    }

    /// Identifier of this announcement by `publisher`; also the message that its stamp is for.
    pub fn id(&self, genesis: H256, publisher: &AccountId) -> AnnouncementId {
        hash_of(&(*b"zennet/announcement/v1", genesis, publisher, self))
    }
}

/// The message that a provider's acceptance stamp is for.
pub fn acceptance_message(
    genesis: H256,
    announcement: AnnouncementId,
    provider: &AccountId,
) -> H256 {
    hash_of(&(*b"zennet/acceptance/v1", genesis, announcement, provider))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            task: 1,
            machines: 3,
            images: Default::default(),
            needs: Needs { memory_mib: Some(256), ..Default::default() },
            lease: LeaseRange { min_secs: 60, max_secs: 3600 },
            interval_ms: 2000,
            max_rates: None,
            proposal_secs: 30,
            asks: 1,
            info_url: Default::default(),
            endpoint: BoundedVec::truncate_from(b"/ip4/127.0.0.1/tcp/1/p2p/x".to_vec()),
        }
    }

    #[test]
    fn a_sound_announcement_passes() {
        assert_eq!(announcement().check(), Ok(()));
    }

    #[test]
    fn each_defect_is_named() {
        let with = |change: fn(&mut Announcement)| {
            let mut a = announcement();
            change(&mut a);
            a.check()
        };
        assert_eq!(with(|a| a.machines = 0), Err(AnnouncementError::NoMachines));
        assert_eq!(with(|a| a.lease.min_secs = 0), Err(AnnouncementError::BadLeaseRange));
        assert_eq!(with(|a| a.lease.min_secs = 3601), Err(AnnouncementError::BadLeaseRange));
        assert_eq!(with(|a| a.interval_ms = 0), Err(AnnouncementError::BadInterval));
        assert_eq!(with(|a| a.interval_ms = i32::MIN), Err(AnnouncementError::BadInterval));
        assert_eq!(with(|a| a.endpoint = Default::default()), Err(AnnouncementError::NoEndpoint));
    }

    #[test]
    fn what_a_terminal_would_not_print_as_it_is_is_refused() {
        let hostile = ["os\x1b[2J", "os\n", "os latest", "\u{202e}so", "\u{9b}2J"];
        for text in hostile.map(|text| text.as_bytes().to_vec()) {
            let image = ImageRef::truncate_from(text.clone());
            for body in [
                Announcement {
                    images: BoundedVec::truncate_from(alloc::vec![image]),
                    ..announcement()
                },
                Announcement {
                    info_url: BoundedVec::truncate_from(text.clone()),
                    ..announcement()
                },
                Announcement { endpoint: BoundedVec::truncate_from(text), ..announcement() },
            ] {
                assert_eq!(body.check(), Err(AnnouncementError::NotPrintable));
            }
        }
    }

    #[test]
    fn the_largest_fields_together_are_too_large() {
        let mut a = announcement();
        let image = ImageRef::truncate_from(alloc::vec![b'a'; 96]);
        a.images = BoundedVec::truncate_from(alloc::vec![image; 4]);
        a.endpoint = BoundedVec::truncate_from(alloc::vec![b'e'; 192]);
        assert!(matches!(a.check(), Err(AnnouncementError::TooLarge(n)) if n > 512));
    }

    #[test]
    fn a_negative_interval_means_prepaid() {
        let prepaid = Announcement { interval_ms: -2000, ..announcement() };
        assert!(prepaid.is_prepaid());
        assert_eq!(prepaid.tick_ms(), 2000);
    }

    #[test]
    fn the_id_depends_on_chain_and_publisher() {
        let (a, b) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
        let id = announcement().id(H256::zero(), &a);
        assert_ne!(id, announcement().id(H256::zero(), &b));
        assert_ne!(id, announcement().id(H256::repeat_byte(1), &a));
    }
}
