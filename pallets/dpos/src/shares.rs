//! Sharing rewards in proportion to stake, with work that does not grow with the number of voters.
//!
//! Instead of paying every voter, a pool notes how much each unit of stake has been given since it
//! began, in fixed point. A voter remembers the figure that stood when its stake came in; what it
//! has earned is its stake times the difference. As in Batog, Boca and Johnson, "Scalable Reward
//! Distribution on the Ethereum Blockchain" (2018). Divisions round down, and what they leave
//! over is kept in the same fixed point, so that the parts are always exactly the whole.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::U256;

use crate::MAX_CHOICES;

/// Bits after the point of a reward per unit of stake.
pub const FRACTION_BITS: u32 = 64;

/// Largest reward per unit of stake that a pool gets to, so that those of all choices of a vote can
/// be added up.
const MOST_PER_UNIT: u128 = u128::MAX / MAX_CHOICES as u128;

/// What the voters of one candidate have been given.
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
pub struct RewardPool {
    /// Given to each unit of stake since the beginning, in 2^-64 of a unit of coin.
    pub per_unit: u128,
    /// What could not be divided yet, in 2^-64 of a unit of coin.
    pub carry: u128,
}

impl RewardPool {
    /// Gives `amount` to the stakes that sum up to `tally`.
    ///
    /// `None` if there is no stake, or if the figure would leave its range: for that the rewards of
    /// all time have to come to 2^60 times the tally.
    pub fn share(self, amount: u128, tally: u128) -> Option<Self> {
        if tally == 0 {
            return None;
        }
        // Below 2^193, as `amount` is below 2^128 and the carry too.
        let all = (U256::from(amount) << FRACTION_BITS) + U256::from(self.carry);
        let (more, carry) = all.div_mod(U256::from(tally));
        let per_unit = self.per_unit.checked_add(u128::try_from(more).ok()?)?;
        (per_unit <= MOST_PER_UNIT).then_some(Self { per_unit, carry: carry.low_u128() })
    }
}

/// What an account has earned and not claimed yet.
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
pub struct Earned {
    /// Whole units of coin, which can be claimed.
    pub amount: u128,
    /// Beyond them, in 2^-64 of a unit of coin.
    pub fraction: u64,
}

impl Earned {
    /// Adds what `stake` has earned while its reward per unit rose by `per_unit`. `None` if the sum
    /// would leave its range.
    pub fn with_share(self, stake: u128, per_unit: u128) -> Option<Self> {
        // Below 2^256, as (2^128 - 1)^2 + 2^64 is.
        let scaled = U256::from(stake) * U256::from(per_unit) + U256::from(self.fraction);
        let whole = u128::try_from(scaled >> FRACTION_BITS).ok()?;
        Some(Self { amount: self.amount.checked_add(whole)?, fraction: scaled.low_u64() })
    }

    /// Adds whole units. `None` if the sum would leave its range.
    pub fn with(self, amount: u128) -> Option<Self> {
        Some(Self { amount: self.amount.checked_add(amount)?, ..self })
    }

    /// Whether nothing is left.
    pub fn is_zero(&self) -> bool {
        self.amount == 0 && self.fraction == 0
    }
}
