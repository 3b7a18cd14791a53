//! What surrounds the stored announcements: traits to the other pallets and the plan of expiry.

use frame_support::pallet_prelude::*;
use sp_runtime::traits::One;
use zennet_primitives::{amount::Balance, AccountId};

/// Answers whether an account may announce. The runtime writes the adapter.
pub trait KnownPublisher {
    /// Whether `account` is known as a publisher.
    fn is_known(account: &AccountId) -> bool;

    /// Makes an account known, so that its announcements can be measured.
    #[cfg(feature = "runtime-benchmarks")]
    fn make_known(account: &AccountId);
}

/// What is held for an announcement of `bytes`; none on overflow.
pub fn deposit_for(base: Balance, per_byte: Balance, bytes: usize) -> Option<Balance> {
    let bytes = Balance::try_from(bytes).ok()?;
    per_byte.checked_mul(bytes)?.checked_add(base)
}

/// The work of expiry in one block: it walks over the index from the oldest unfinished block up
/// to the current one. Each block looked at and each announcement pruned is a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk<BlockNumber> {
    /// Block whose index is next.
    pub at: BlockNumber,
    /// Steps left in this block.
    pub steps: u32,
}

impl<BlockNumber: Copy + Ord + One + core::ops::Add<Output = BlockNumber>> Walk<BlockNumber> {
    /// Whether another index may be looked at in block `now`.
    pub fn may_look(&self, now: BlockNumber) -> bool {
        self.at <= now && self.steps > 0
    }

    /// Pays for looking at an index of `entries` and returns how many of them may be pruned.
    pub fn look(&mut self, entries: usize) -> usize {
        self.steps = self.steps.saturating_sub(1);
        let pruned = u32::try_from(entries).unwrap_or(u32::MAX).min(self.steps);
        self.steps = self.steps.saturating_sub(pruned);
        pruned as usize
    }

    /// Goes on to the next block, after an index was finished.
    pub fn advance(&mut self) {
        self.at = self.at + One::one();
    }
}
