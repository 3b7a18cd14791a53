//! The arithmetic of shares, beside sums of fractions.

use proptest::prelude::*;

use crate::{Earned, RewardPool, FRACTION_BITS};

const ONE: u128 = 1 << FRACTION_BITS;

#[test]
fn a_reward_is_divided_by_the_tally_and_the_rest_is_carried() {
    let pool = RewardPool::default().share(100, 300).unwrap();
    assert_eq!(pool.per_unit, 100 * ONE / 300);
    assert_eq!(pool.carry, 100 * ONE % 300);
    let pool = pool.share(100, 300).unwrap().share(100, 300).unwrap();
    assert_eq!(pool, RewardPool { per_unit: ONE, carry: 0 });
}

#[test]
fn a_reward_too_small_for_the_tally_is_carried_whole() {
    let tally = u128::MAX;
    let pool = RewardPool::default().share(1, tally).unwrap();
    assert_eq!(pool, RewardPool { per_unit: 0, carry: ONE });
    assert_eq!(pool.share(0, 1).unwrap(), RewardPool { per_unit: ONE, carry: 0 });
}

#[test]
fn nothing_is_shared_where_nobody_has_a_stake() {
    assert_eq!(RewardPool::default().share(100, 0), None);
}

#[test]
fn a_pool_never_leaves_the_range_in_which_sixteen_can_be_summed() {
    let pool = RewardPool::default().share((1 << 60) - 1, 1).unwrap();
    assert!(pool.per_unit.checked_mul(16).is_some());
    assert_eq!(pool.share(1, 1), None);
    assert_eq!(RewardPool::default().share(u128::MAX, 1), None);
    assert_eq!(RewardPool::default().share(u128::MAX, u128::MAX).unwrap().per_unit, ONE);
}

#[test]
fn earnings_keep_their_fraction_and_refuse_what_leaves_their_range() {
    let half = Earned::default().with_share(1, ONE / 2).unwrap();
    assert_eq!(half, Earned { amount: 0, fraction: 1 << 63 });
    assert_eq!(half.with_share(3, ONE / 2).unwrap(), Earned { amount: 2, fraction: 0 });
    assert_eq!(half.with(7).unwrap(), Earned { amount: 7, fraction: 1 << 63 });
    assert_eq!(Earned::default().with_share(u128::MAX, u128::MAX), None);
    let full = Earned { amount: u128::MAX, fraction: 1 << 63 };
    assert_eq!(full.with_share(1, ONE / 2), None);
    assert_eq!(full.with(1), None);
}

#[derive(Clone, Debug)]
enum Step {
    Share(u128),
    Stake(usize, u128),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..1_000_000u128).prop_map(Step::Share),
        (0..4usize, 0..1_000_000u128).prop_map(|(who, stake)| Step::Stake(who, stake)),
    ]
}

#[derive(Default)]
struct Holder {
    stake: u128,
    credited_to: u128,
    earned: Earned,
    /// Its shares, each rounded to the nearest number of 53 bits.
    expected: f64,
}

proptest! {
    #[test]
    fn everyone_earns_in_proportion_and_nothing_is_lost(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut pool = RewardPool::default();
        let mut holders: [Holder; 4] = Default::default();
        let mut given = 0;
        for step in steps {
            let tally = holders.iter().map(|holder| holder.stake).sum::<u128>();
            match step {
                Step::Share(amount) => {
                    let Some(shared) = pool.share(amount, tally) else {
                        prop_assert_eq!(tally, 0);
                        continue;
                    };
                    pool = shared;
                    given += amount;
                    for holder in &mut holders {
                        holder.expected += amount as f64 * holder.stake as f64 / tally as f64;
                    }
                }
                Step::Stake(who, stake) => {
                    let holder = &mut holders[who];
                    let more = pool.per_unit - holder.credited_to;
                    holder.earned = holder.earned.with_share(holder.stake, more).unwrap();
                    holder.credited_to = pool.per_unit;
                    holder.stake = stake;
                }
            }
        }
        let mut sum = pool.carry;
        for holder in holders {
            let more = pool.per_unit - holder.credited_to;
            let earned = holder.earned.with_share(holder.stake, more).unwrap();
            sum += earned.amount * ONE + u128::from(earned.fraction);
            let figure = earned.amount as f64 + earned.fraction as f64 / ONE as f64;
            prop_assert!((figure - holder.expected).abs() < 1e-3, "{figure} {}", holder.expected);
        }
        prop_assert_eq!(sum, given * ONE);
    }
}
