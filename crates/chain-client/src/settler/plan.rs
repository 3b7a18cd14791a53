//! Which calls go into the next transaction, and what it tips.

use std::{cmp::Reverse, time::Duration};

use zennet_primitives::amount::Balance;

/// Blocks that may pass a transaction by until it is offered again. The first of them may have been begun
/// before it came.
pub(super) const BLOCKS: u32 = 2;

/// Time between two looks at what has happened meanwhile. Tests look all the time.
pub(super) const LOOK: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 1_000 });

/// Calls of one transaction at most: a small part of a block.
pub(super) const MOST_CALLS: usize = 50;

/// How often a tip is raised.
const STEPS: u32 = 6;

/// How much higher each tip is than the one before; and how much more than another one a call may tip at
/// most that waits with it while blocks are full.
const FACTOR: Balance = 8;

/// The tip of a transaction, which pools and blocks compare by its weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tip {
    /// In the smallest coin unit.
    pub(super) amount: Balance,
    /// Calls that it is for.
    pub(super) calls: usize,
}

impl Tip {
    /// What is as high for so many calls.
    pub(super) fn of(&self, calls: usize) -> Balance {
        self.amount.saturating_mul(calls as Balance).div_ceil(self.calls.max(1) as Balance)
    }

    /// What is offered first for so many calls, where this tip was needed just before: a step less.
    pub(super) fn again(&self, calls: usize) -> Balance {
        self.of(calls) / FACTOR
    }
}

/// The places of those calls that go into the next transaction, by what each may tip at most: those that
/// may tip most, among equals the first to have come. Where blocks are full, those that may tip far less
/// wait, since they would add as much to its weight and little to its tip.
pub(super) fn choose(most_tips: &[Balance], are_full: bool, most_calls: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..most_tips.len()).collect();
    places.sort_by_key(|place| Reverse(most_tips[*place]));
    if are_full {
        let least = places.first().map_or(0, |first| most_tips[*first] / FACTOR);
        places.retain(|place| most_tips[*place] >= least);
    }
    places.truncate(most_calls);
    places
}

/// The next tip above one: a step higher, or as far as there is coin. None is above `most`.
pub(super) fn next_tip(tip: Balance, most: Balance, coin: Balance) -> Option<Balance> {
    let mut steps = (0..STEPS).rev().map(|left| most / FACTOR.pow(left));
    let next = steps.find(|step| *step > tip)?;
    Some(next.min(coin)).filter(|next| *next > tip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tips(most: Balance, coin: Balance) -> Vec<Balance> {
        std::iter::successors(next_tip(0, most, coin), |tip| next_tip(*tip, most, coin)).collect()
    }

    #[test]
    fn tips_rise_to_the_highest_and_no_further() {
        let coin = Balance::MAX;
        assert_eq!(tips(1 << 15, coin), [1, 8, 64, 512, 4096, 1 << 15]);
        assert_eq!(tips(100, coin), [1, 12, 100]);
        assert_eq!(tips(1, coin), [1]);
        assert!(tips(0, coin).is_empty());
        assert_eq!(tips(coin, coin).last(), Some(&coin));
    }

    #[test]
    fn no_tip_is_above_what_there_is_coin_for() {
        assert_eq!(tips(640, 50), [1, 10, 50]);
        assert!(tips(100, 0).is_empty());
        assert_eq!(next_tip(50, 640, 1_000), Some(80), "there may be more later");
    }

    #[test]
    fn dear_calls_go_first_and_cheap_ones_wait_while_blocks_are_full() {
        let most_tips = [5, 0, 80, 640, 80, 640];
        assert_eq!(choose(&most_tips, false, MOST_CALLS), [3, 5, 2, 4, 0, 1]);
        assert_eq!(choose(&most_tips, true, MOST_CALLS), [3, 5, 2, 4]);
        assert_eq!(choose(&most_tips, true, 1), [3]);
        assert_eq!(choose(&[0, 0], true, MOST_CALLS), [0, 1]);
        assert!(choose(&[], true, MOST_CALLS).is_empty());
    }

    #[test]
    fn a_tip_is_compared_by_the_calls_that_it_is_for() {
        let batch = Tip { amount: 50_000, calls: 50 };
        assert_eq!([1, 2, 50].map(|calls| batch.of(calls)), [1_000, 2_000, 50_000]);
        assert_eq!(Tip { amount: 7, calls: 2 }.of(1), 4, "no less");
        assert_eq!(batch.again(8), 1_000);
        assert_eq!(Tip { amount: Balance::MAX, calls: 1 }.of(2), Balance::MAX);
    }

    proptest! {
        #[test]
        fn whatever_stands_the_dearest_call_tips_for_its_weight_an_eighth_of_what_it_may_or_more(
            most_tips in prop::collection::vec(0..1_000_000u128, 1..80),
            amount in 0..50_000_000u128,
            calls in 1..=MOST_CALLS,
        ) {
            let standing = Tip { amount, calls };
            let dearest = most_tips.iter().max().copied().unwrap_or_default();
            let chosen = choose(&most_tips, true, MOST_CALLS);
            prop_assert_eq!(most_tips[chosen[0]], dearest);
            let most: Balance = chosen.iter().map(|place| most_tips[*place]).sum();
            // As often as blocks pass by, and in the end alone.
            let mut tip = Tip { amount: standing.of(chosen.len()), calls: chosen.len() };
            while let Some(next) = next_tip(tip.of(tip.calls), most, Balance::MAX) {
                prop_assert!(next <= most);
                tip.amount = next;
            }
            prop_assert!(tip.of(1) >= dearest / FACTOR);
            if standing.of(1) < dearest {
                prop_assert!(next_tip(standing.of(1), dearest, Balance::MAX).is_some());
            }
        }
    }
}
