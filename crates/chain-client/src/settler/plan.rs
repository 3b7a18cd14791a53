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

/// What a transaction of so many calls tips while blocks are full: more than the one before it, or as much
/// where no pool has one; at first, a step less than what was needed just before. Nothing where it could
/// only tip less than the one that stands.
pub(super) fn tip(
    before: Option<Tip>,
    needed: Option<Tip>,
    is_pooled: bool,
    calls: usize,
    most: Balance,
) -> Option<Balance> {
    let Some(before) = before.map(|tip| tip.of(calls)) else {
        return Some(needed.map_or(0, |tip| tip.again(calls)).min(most));
    };
    next_tip(before, most).or_else(|| (!is_pooled).then_some(before.min(most)))
}

/// The next tip above one: a step higher, and none above `most`.
fn next_tip(tip: Balance, most: Balance) -> Option<Balance> {
    let mut steps = (0..STEPS).rev().map(|left| most / FACTOR.pow(left));
    steps.find(|step| *step > tip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tips(most: Balance) -> Vec<Balance> {
        std::iter::successors(next_tip(0, most), |tip| next_tip(*tip, most)).collect()
    }

    #[test]
    fn tips_rise_to_the_highest_and_no_further() {
        assert_eq!(tips(1 << 15), [1, 8, 64, 512, 4096, 1 << 15]);
        assert_eq!(tips(100), [1, 12, 100]);
        assert_eq!(tips(1), [1]);
        assert!(tips(0).is_empty());
        assert_eq!(tips(Balance::MAX).last(), Some(&Balance::MAX));
    }

    #[test]
    fn one_that_stands_is_replaced_by_a_higher_tip_alone() {
        let before = Some(Tip { amount: 100, calls: 2 });
        assert_eq!(tip(before, None, true, 2, 640), Some(640));
        assert_eq!(tip(before, None, true, 1, 640), Some(80), "a half of it is as much for one");
        assert_eq!(tip(before, None, true, 2, 100), None);
        assert_eq!(tip(before, None, false, 2, 100), Some(100), "no pool has it");
        assert_eq!(tip(before, None, false, 2, 30), Some(30), "coin went elsewhere");
        assert_eq!(
            tip(None, before, false, 2, 640),
            Some(12),
            "a step less than the last that got in"
        );
        assert_eq!(tip(None, before, false, 2, 5), Some(5));
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
            while let Some(next) = next_tip(tip.of(tip.calls), most) {
                prop_assert!(next <= most);
                tip.amount = next;
            }
            prop_assert!(tip.of(1) >= dearest / FACTOR);
            if standing.of(1) < dearest {
                prop_assert!(next_tip(standing.of(1), dearest).is_some());
            }
        }
    }
}
