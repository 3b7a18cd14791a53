//! Proof of work: mined identities, stamps on messages, and retargeting.

use core::time::Duration;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{H256, U256};
use sp_runtime::traits::Saturating;

use crate::{hash_of, AccountId};

/// Expected number of hashes that a proof costs. Zero and one ask for nothing.
pub type Difficulty = u64;

/// What an identity is mined for. Each role has its own difficulty.
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
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
pub enum Role {
    /// Rents machines.
    #[codec(index = 0)]
    Publisher,
    /// Rents machines out.
    #[codec(index = 1)]
    Provider,
}

/// Number that makes a hash fall under its target.
pub type PowNonce = u64;

/// Hash of the work on an identity. The anchor is the hash of a recent block, so nothing can be
/// mined ahead.
pub fn identity_work(role: Role, account: &AccountId, anchor: H256, nonce: PowNonce) -> H256 {
    hash_of(&(*b"zennet/identity/v1", role, account, anchor, nonce))
}

/// Hash of the work on one message.
pub fn stamp_work(message: H256, nonce: PowNonce) -> H256 {
    hash_of(&(*b"zennet/stamp/v1", message, nonce))
}

/// The largest hash, read as a big-endian number, that satisfies a difficulty.
pub fn target(difficulty: Difficulty) -> U256 {
    U256::MAX / U256::from(difficulty.max(1))
}

/// Whether a hash proves the work that a difficulty asks for.
pub fn meets(hash: H256, difficulty: Difficulty) -> bool {
    U256::from_big_endian(hash.as_bytes()) <= target(difficulty)
}

/// The highest difficulty that a hash meets.
pub fn achieved(hash: H256) -> Difficulty {
    let number = U256::from_big_endian(hash.as_bytes());
    let hashes = U256::MAX / number.max(U256::one());
    u64::try_from(hashes).unwrap_or(u64::MAX)
}

/// Searches up to `limit` nonces, from `start` on, for one whose work meets a difficulty.
///
/// Searches are bounded so that the caller can report progress, stop, or take a newer anchor.
pub fn mine(
    work: impl Fn(PowNonce) -> H256,
    difficulty: Difficulty,
    start: PowNonce,
    limit: u64,
) -> Option<PowNonce> {
    (0..limit).map(|i| start.wrapping_add(i)).find(|nonce| meets(work(*nonce), difficulty))
}

/// How long a search is still expected to take at the speed measured so far; nothing before any hash
/// was tried.
///
/// Each hash meets a difficulty with the same chance, one in so many, whatever was tried before. So
/// the expectation is `difficulty / speed` at every moment of a search: it does not fall with what has
/// been done already.
pub fn expected(difficulty: Difficulty, hashes: u64, took: Duration) -> Option<Duration> {
    let nanos = took.as_nanos().saturating_mul(difficulty.max(1).into());
    let nanos = nanos.checked_div(hashes.into())?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// Factor by which a difficulty changes at most, either way.
pub const MAX_CHANGE: u32 = 4;

/// The difficulty of the next epoch, from the number registered against the number wanted.
///
/// As in Bitcoin: proportional, and clamped to [`MAX_CHANGE`] each way. Never below one.
pub fn retarget(difficulty: Difficulty, registered: u32, wanted: u32) -> Difficulty {
    let proportional = u128::from(difficulty) * u128::from(registered) / u128::from(wanted.max(1));
    let least = u128::from(difficulty / Difficulty::from(MAX_CHANGE)).max(1);
    let most = (u128::from(difficulty) * u128::from(MAX_CHANGE)).min(u64::MAX.into());
    u64::try_from(proportional.clamp(least, most.max(least))).unwrap_or(u64::MAX)
}

/// What was registered in one role since its difficulty was last set.
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
pub struct Epoch<BlockNumber> {
    /// Block in which the difficulty was set.
    pub began: BlockNumber,
    /// Registrations since then.
    pub registered: u32,
}

impl<BlockNumber: Copy + Ord + Saturating> Epoch<BlockNumber> {
    /// The epoch after one more registration.
    #[must_use]
    pub fn with_one_more(self) -> Self {
        Self { registered: self.registered.saturating_add(1), ..self }
    }

    /// Whether the difficulty is to be set anew in block `now`: after `length` blocks, or as soon
    /// as the registrations are so many that it rises by all that it may.
    ///
    /// So a farm that comes at once cannot register for a whole epoch at the price of those before
    /// it. In Bitcoin, too, an epoch ends after a number of solutions, however fast they come.
    pub fn is_over(&self, now: BlockNumber, length: BlockNumber, wanted: u32) -> bool {
        now.saturating_sub(self.began) >= length
            || self.registered >= wanted.saturating_mul(MAX_CHANGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_epoch_ends_with_its_time_or_with_four_times_the_registrations_wanted() {
        let epoch = |registered| Epoch { began: 100u32, registered };
        assert!(!epoch(0).is_over(100, 20, 5));
        assert!(!epoch(19).is_over(119, 20, 5));
        assert!(epoch(0).is_over(120, 20, 5));
        assert!(epoch(20).is_over(100, 20, 5));
        assert_eq!(epoch(19).with_one_more(), epoch(20));
        // Where it ends early, the difficulty rises by all that it may, never by less.
        assert_eq!(retarget(1000, 20, 5), 4000);
    }

    #[test]
    fn a_mined_stamp_meets_its_difficulty_and_a_changed_one_does_not() {
        let message = H256::repeat_byte(7);
        let nonce = mine(|n| stamp_work(message, n), 1 << 10, 0, 1 << 20).unwrap();
        assert!(meets(stamp_work(message, nonce), 1 << 10));
        let other = H256::repeat_byte(8);
        let still = (0..64).filter(|i| meets(stamp_work(other, nonce + i), 1 << 10)).count();
        assert!(still < 4);
    }

    #[test]
    fn mining_stops_at_its_limit() {
        assert_eq!(mine(|n| stamp_work(H256::zero(), n), u64::MAX, 0, 100), None);
    }

    #[test]
    fn what_is_expected_depends_on_the_speed_and_not_on_what_was_done() {
        let secs = Duration::from_secs;
        assert_eq!(expected(1000, 100, secs(1)), Some(secs(10)));
        assert_eq!(expected(1000, 100_000, secs(1000)), Some(secs(10)));
        assert_eq!(expected(1000, 0, secs(1)), None);
        assert_eq!(expected(0, 2, secs(1)), Some(Duration::from_millis(500)));
        assert_eq!(
            expected(u64::MAX, 1, Duration::MAX),
            Some(Duration::from_nanos(u64::MAX)),
            "the longest that there is"
        );
    }

    #[test]
    fn a_search_takes_as_many_hashes_as_are_expected_on_average() {
        const DIFFICULTY: u64 = 64;
        let hashes = (0..400u64).map(|n| {
            let message = crate::hash_of(&n);
            mine(|nonce| stamp_work(message, nonce), DIFFICULTY, 0, 1 << 20).unwrap() + 1
        });
        let mean = hashes.sum::<u64>() as f64 / 400.0;
        // The mean of 400 has a standard deviation of a twentieth.
        assert!((0.8..1.2).contains(&(mean / DIFFICULTY as f64)), "{mean}");
    }

    #[test]
    fn the_work_of_an_identity_depends_on_every_input() {
        let a = AccountId::new([1; 32]);
        let base = identity_work(Role::Publisher, &a, H256::zero(), 0);
        assert_ne!(base, identity_work(Role::Provider, &a, H256::zero(), 0));
        assert_ne!(base, identity_work(Role::Publisher, &a, H256::repeat_byte(1), 0));
        assert_ne!(base, identity_work(Role::Publisher, &a, H256::zero(), 1));
        assert_ne!(base, identity_work(Role::Publisher, &AccountId::new([2; 32]), H256::zero(), 0));
    }

    proptest! {
        #[test]
        fn a_retarget_stays_within_a_factor_of_four(d in 1u64.., n in 0u32.., w in 0u32..) {
            let next = retarget(d, n, w);
            prop_assert!(next >= (d / 4).max(1));
            prop_assert!(u128::from(next) <= u128::from(d) * 4);
        }

        #[test]
        fn what_a_hash_achieved_it_meets(bytes: [u8; 32]) {
            let hash = H256(bytes);
            prop_assert!(meets(hash, achieved(hash)));
        }
    }
}
