//! The rules of a registration, free of storage.

use frame_support::pallet_prelude::*;
use sp_runtime::traits::{One, SaturatedConversion, Saturating};

/// Where an anchor stands in relation to the block being made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// The block does not exist yet.
    Ahead,
    /// Too far back.
    Expired,
    /// May be mined on; good for this many more blocks, the one being made included.
    Fresh { blocks_left: u64 },
}

impl Anchor {
    /// Judges an anchor at block `now`, when anchors are good for `window` blocks.
    pub fn judge<BlockNumber>(anchor: BlockNumber, now: BlockNumber, window: BlockNumber) -> Self
    where
        BlockNumber: Copy + Ord + One + Saturating + SaturatedConversion + TryInto<u64>,
    {
        let last_good = anchor.saturating_add(window);
        if anchor >= now {
            Anchor::Ahead
        } else if now > last_good {
            Anchor::Expired
        } else {
            let left = last_good.saturating_sub(now).saturating_add(One::one());
            Anchor::Fresh { blocks_left: left.saturated_into() }
        }
    }
}

/// Registrations taken in by the block that was last written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct BlockTally<BlockNumber> {
    /// The block that the count belongs to.
    pub block: BlockNumber,
    /// Registrations in it.
    pub count: u32,
}

impl<BlockNumber: Copy + PartialEq> BlockTally<BlockNumber> {
    /// Registrations in block `now`.
    pub fn count_at(&self, now: BlockNumber) -> u32 {
        if self.block == now {
            self.count
        } else {
            0
        }
    }

    /// The tally after one more registration in block `now`.
    pub fn with_one_more(&self, now: BlockNumber) -> Self {
        Self { block: now, count: self.count_at(now).saturating_add(1) }
    }
}
