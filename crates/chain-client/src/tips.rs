//! Tips of transactions that must get into a block in time.
//!
//! Blocks take the transactions with the highest tips for their weight first. Whoever gains from keeping
//! another's transaction out, such as a publisher whose channel is about to end, could fill the blocks
//! until then with transactions that tip a little. So one that blocks pass by is signed again with an ever
//! higher tip. The highest is a part of what the transaction brings; to keep it out still, a whole block of
//! others would have to tip as much as a block full of such transactions, and so in every block.
//!
//! A transaction waits for those of its account with lower nonces. So these bid as much as it does, and
//! what it may tip is shared among all of them: together they tip no more for its sake than it may alone.

use std::{
    collections::BTreeMap,
    iter::Peekable,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
    vec,
};

use zennet_primitives::amount::Balance;

/// Blocks that may pass a transaction by until its tip is raised. The first of them may have been begun
/// before it came.
pub(crate) const BLOCKS: u32 = 2;

/// Time between two looks at what has happened meanwhile. Tests look all the time.
pub(crate) const LOOK: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 1_000 });

/// How often a tip is raised.
const STEPS: u32 = 6;

/// How much higher each tip is than the one before.
const FACTOR: Balance = 8;

/// What one transaction tips, and may tip yet.
pub(crate) struct Offer {
    /// The tip now.
    pub(crate) tip: Balance,
    higher: Peekable<vec::IntoIter<Balance>>,
}

impl Offer {
    /// No tip at first, and none above `most`.
    pub(crate) fn up_to(most: Balance) -> Self {
        let steps = (0..STEPS).rev().map(|left| most / FACTOR.pow(left)).filter(|tip| *tip > 0);
        Self { tip: 0, higher: steps.collect::<Vec<_>>().into_iter().peekable() }
    }

    /// Whether it may be raised for its own sake.
    pub(crate) fn may_rise(&mut self) -> bool {
        while self.higher.next_if(|next| *next <= self.tip).is_some() {}
        self.higher.peek().is_some()
    }

    /// Raises it by a step, or as far as there is room; whether it is higher now.
    pub(crate) fn rise(&mut self, room: Balance) -> bool {
        let before = self.tip;
        if self.may_rise() {
            let next = self.higher.peek().copied().unwrap_or(before);
            self.tip = next.min(room).max(before);
        }
        self.tip > before
    }
}

/// The tips of an account's transactions that wait, by their nonces.
#[derive(Default)]
pub(crate) struct Bids(Mutex<BTreeMap<u64, Balance>>);

impl Bids {
    /// Adds a transaction that waits, until what is given back is dropped.
    pub(crate) fn place(self: &Arc<Self>, nonce: u64, tip: Balance) -> Bid {
        self.all().insert(nonce, tip);
        Bid { bids: self.clone(), nonce }
    }

    /// The highest tip of those that wait for the one with this nonce.
    pub(crate) fn highest_behind(&self, nonce: u64) -> Balance {
        let all = self.all();
        let behind = nonce.checked_add(1).map(|first| all.range(first..));
        behind.and_then(|behind| behind.map(|(_, tip)| *tip).max()).unwrap_or_default()
    }

    /// How many wait that the one with this nonce waits for.
    pub(crate) fn ahead(&self, nonce: u64) -> usize {
        self.all().range(..nonce).count()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Balance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the bids of an account.
pub(crate) struct Bid {
    bids: Arc<Bids>,
    nonce: u64,
}

impl Drop for Bid {
    fn drop(&mut self) {
        self.bids.all().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tips(most: Balance, room: Balance) -> Vec<Balance> {
        let mut offer = Offer::up_to(most);
        let mut tips = Vec::new();
        while offer.may_rise() && offer.rise(room) {
            tips.push(offer.tip);
        }
        tips
    }

    #[test]
    fn tips_rise_to_the_highest_and_no_further() {
        let most = Balance::MAX;
        assert_eq!(tips(1 << 15, most), [1, 8, 64, 512, 4096, 1 << 15]);
        assert_eq!(tips(100, most), [1, 12, 100]);
        assert_eq!(tips(1, most), [1]);
        assert!(tips(0, most).is_empty());
        assert_eq!(tips(most, most).last(), Some(&most));
    }

    #[test]
    fn no_tip_is_above_what_there_is_room_for() {
        assert_eq!(tips(640, 50), [1, 10, 50]);
        assert!(tips(100, 0).is_empty());
        let mut offer = Offer::up_to(100);
        assert!(!offer.rise(0) && offer.may_rise(), "there may be room later");
        assert!(offer.rise(100));
        assert_eq!(offer.tip, 1, "no step is left out");
    }

    #[test]
    fn steps_below_a_tip_that_others_asked_for_are_left_out() {
        let mut offer = Offer::up_to(1 << 15);
        offer.tip = 64;
        assert!(offer.may_rise() && offer.rise(Balance::MAX));
        assert_eq!(offer.tip, 512);
        offer.tip = 1 << 20;
        assert!(!offer.may_rise());
    }

    #[test]
    fn a_transaction_bids_for_those_that_wait_for_it() {
        let bids = Arc::new(Bids::default());
        let first = bids.place(5, 0);
        let second = bids.place(6, 80);
        let third = bids.place(7, 10);
        let behind = |nonce| bids.highest_behind(nonce);
        assert_eq!([5, 6, 7, u64::MAX].map(behind), [80, 10, 0, 0]);
        assert_eq!([5, 6, 7, u64::MAX].map(|nonce| bids.ahead(nonce)), [0, 1, 2, 3]);
        drop(second);
        assert_eq!(behind(5), 10);
        drop((first, third));
        assert_eq!(behind(0), 0);
    }
}
