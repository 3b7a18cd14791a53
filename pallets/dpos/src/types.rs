//! What the pallet stores, and the arithmetic on it that needs no storage.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_runtime::traits::{CheckedAdd, CheckedSub, Zero};
use sp_staking::SessionIndex;

/// Most candidates that one vote can name.
pub const MAX_CHOICES: u32 = 16;

/// The candidates that one voter chose.
pub type Choices<AccountId> = BoundedVec<AccountId, ConstU32<MAX_CHOICES>>;

/// An account that asks for a seat.
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
pub struct Candidate<Balance> {
    /// Held on the candidate's account.
    pub bond: Balance,
    /// Position in the order of registration; the lower of two equals wins a tie.
    pub order: u64,
}

/// A candidate that has retired and waits for its bond.
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
pub struct Leaving<Balance> {
    /// Still held on the account.
    pub bond: Balance,
    /// First session in which the bond can be withdrawn.
    pub withdrawable_at: SessionIndex,
}

/// One voter's vote.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Vote<AccountId, Balance> {
    /// Each of them has the whole stake in its tally.
    pub candidates: Choices<AccountId>,
    /// Held on the voter's account.
    pub stake: Balance,
}

/// Coins that were taken out of a vote and wait for the end of their lock.
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
pub struct Unlocking<Balance> {
    /// Still held on the voter's account, counted in no tally.
    pub amount: Balance,
    /// First session in which they can be released.
    pub unlockable_at: SessionIndex,
}

/// What a new stake does to the coins that a voter has held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StakeChange<Balance> {
    /// To be held in addition.
    pub hold: Balance,
    /// What waits afterwards.
    pub unlocking: Option<Unlocking<Balance>>,
}

impl<Balance: Copy + Ord + Zero + CheckedAdd + CheckedSub> StakeChange<Balance> {
    /// Computes the change from the stake `old` to the stake `new`.
    ///
    /// More stake is taken first from what waits, so that nobody has to own a coin twice to vote
    /// with it again. Less stake joins what waits, and all of it then waits until
    /// `unlockable_at`. `None` if a sum leaves its range.
    pub fn between(
        old: Balance,
        new: Balance,
        waiting: Option<Unlocking<Balance>>,
        unlockable_at: SessionIndex,
    ) -> Option<Self> {
        let amount = waiting.map_or_else(Zero::zero, |unlocking| unlocking.amount);
        if new < old {
            let amount = amount.checked_add(&old.checked_sub(&new)?)?;
            return Some(Self {
                hold: Zero::zero(),
                unlocking: Some(Unlocking { amount, unlockable_at }),
            });
        }
        let more = new.checked_sub(&old)?;
        let reused = more.min(amount);
        let left = amount.checked_sub(&reused)?;
        Some(Self {
            hold: more.checked_sub(&reused)?,
            unlocking: waiting
                .filter(|_| !left.is_zero())
                .map(|unlocking| Unlocking { amount: left, ..unlocking }),
        })
    }
}
