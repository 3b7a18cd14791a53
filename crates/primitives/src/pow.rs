//! Proof of work: mined identities, stamps on messages, and retargeting.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{H256, U256};

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

/// The difficulty of the next epoch, from the number registered against the number wanted.
///
/// As in Bitcoin: proportional, and clamped to a factor of four each way. Never below one.
pub fn retarget(difficulty: Difficulty, registered: u32, wanted: u32) -> Difficulty {
    let proportional = u128::from(difficulty) * u128::from(registered) / u128::from(wanted.max(1));
    let least = u128::from(difficulty / 4).max(1);
    let most = (u128::from(difficulty) * 4).min(u64::MAX.into());
    u64::try_from(proportional.clamp(least, most.max(least))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
