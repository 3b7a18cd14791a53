//! What the pallet needs to know of blocks, slots and seats.

use alloc::vec::Vec;
use core::ops::Range;

/// Tells who authors the block that is being executed.
pub trait BlockAuthor<AccountId> {
    /// The author's account, if it is known.
    fn author() -> Option<AccountId>;
}

impl<R: pallet_authorship::Config> BlockAuthor<R::AccountId> for pallet_authorship::Pallet<R> {
    fn author() -> Option<R::AccountId> {
        Self::author()
    }
}

/// Tells which slots went by without a block.
pub trait SkippedSlots {
    /// The slots between that of the parent block and that of the block being executed.
    ///
    /// Slot `s` is the turn of the bookkeeper with the index `s` modulo their number. Asked for at
    /// the start of a block, before the session pallet may seat others.
    fn skipped() -> Range<u64>;
}

/// Knows who is seated next, takes turns away from seats and gives them back.
pub trait Seating<AccountId> {
    /// Those who are seated when the next session begins.
    fn next() -> Vec<AccountId>;

    /// Indices of the seats that have no turns now.
    fn disabled() -> Vec<u32>;

    /// Takes the turns of a seat, if it has them, until others are seated.
    fn disable(index: u32);

    /// Gives a seat its turns back, if it has none.
    fn enable(index: u32);
}

impl<R: pallet_session::Config> Seating<R::ValidatorId> for pallet_session::Pallet<R> {
    fn next() -> Vec<R::ValidatorId> {
        pallet_session::QueuedKeys::<R>::get().into_iter().map(|(who, _)| who).collect()
    }

    fn disabled() -> Vec<u32> {
        Self::disabled_validators()
    }

    fn disable(index: u32) {
        Self::disable_index(index);
    }

    fn enable(index: u32) {
        Self::reenable_index(index);
    }
}
