//! What the pallet stores, and the arithmetic on it that needs no storage.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{CheckedAdd, CheckedSub, Zero},
    Perbill,
};
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
    /// What it keeps of its rewards.
    pub commission: Commission,
    /// How it came to be one.
    pub standing: Standing,
}

impl<Balance> Candidate<Balance> {
    /// Whether it can be elected only with a tally from the threshold on.
    pub(crate) fn is_newcomer(&self) -> bool {
        self.standing == Standing::Newcomer
    }
}

/// How a candidate came to be one.
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
pub enum Standing {
    /// It stood, and has not been elected since: only a tally from the threshold on elects it.
    Newcomer,
    /// It has been elected since it stood: it can be elected with any tally.
    Elected,
    /// It was named at genesis: it can be elected with any tally, and is never displaced.
    Founder,
}

/// The part of its rewards that a bookkeeper keeps before its voters have theirs.
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
pub struct Commission {
    /// What it keeps until there is a change.
    pub rate: Perbill,
    /// The change that was made last.
    pub change: Option<CommissionChange>,
}

/// A change of a commission, known to the voters before it counts.
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
pub struct CommissionChange {
    /// What the bookkeeper keeps from then on.
    pub rate: Perbill,
    /// First session whose rewards it counts for.
    pub from: SessionIndex,
}

impl Commission {
    /// A commission without a change.
    pub const fn of(rate: Perbill) -> Self {
        Self { rate, change: None }
    }

    /// What is kept of the rewards of a session.
    pub fn in_session(&self, session: SessionIndex) -> Perbill {
        match self.change {
            Some(change) if change.from <= session => change.rate,
            Some(_) | None => self.rate,
        }
    }

    /// The commission with a new change. An earlier one that does not count yet in session `now` is
    /// forgotten.
    pub fn changed(&self, now: SessionIndex, change: CommissionChange) -> Self {
        Self { rate: self.in_session(now), change: Some(change) }
    }
}

/// One that was a candidate and waits for its bond.
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
    /// First session in which the bond can be withdrawn; later with each session in which the
    /// account is still seated.
    pub withdrawable_at: SessionIndex,
    /// What it keeps of its rewards while it is still seated.
    pub commission: Commission,
}

/// One voter's vote.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Vote<AccountId, Balance> {
    /// Each of them has the whole stake in its tally, and what is delegated to the voter.
    pub candidates: Choices<AccountId>,
    /// Held on the voter's account.
    pub stake: Balance,
    /// Sum of the candidates' rewards per unit of stake, up to which the voter has been credited
    /// with its own.
    pub credited_to: u128,
}

/// An account that votes with what others delegate to it.
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
pub struct ProxyVoter<Balance> {
    /// Whether it votes for others now. Once it is closed, what is left with it counts nowhere.
    pub open: bool,
    /// Sum of the stakes that are delegated to it.
    pub delegated: Balance,
    /// Rewards of each unit of delegated stake since the beginning, in 2^-64 of a unit of coin, up
    /// to which its vote has been credited.
    pub per_unit: u128,
}

/// The stake that one holder lets a proxy voter vote with.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Delegation<AccountId, Balance> {
    /// Who votes with it.
    pub proxy: AccountId,
    /// Held on the account of the holder.
    pub stake: Balance,
    /// The proxy voter's rewards per unit of stake, up to which the holder has been credited with
    /// its own.
    pub credited_to: u128,
}

/// Coins that were taken out of a vote or a delegation and wait for the end of their lock.
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
    /// Still held on the account, counted in no tally.
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
