//! Random sequences of calls beside a model that keeps only the votes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Tallies, Votes};

#[derive(Clone, Debug)]
enum Op {
    Stand { who: u64, bond: u128 },
    Retire { who: u64 },
    Withdraw { who: u64 },
    Vote { who: u64, choices: Vec<u64>, stake: u128 },
    Unvote { who: u64 },
    Unlock { who: u64 },
    NextSession,
}

fn candidate() -> impl Strategy<Value = u64> {
    1..=8u64
}

fn voter() -> impl Strategy<Value = u64> {
    prop_oneof![1..=3u64, 21..=24u64]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (candidate(), 90..300u128).prop_map(|(who, bond)| Op::Stand { who, bond }),
        1 => candidate().prop_map(|who| Op::Retire { who }),
        1 => candidate().prop_map(|who| Op::Withdraw { who }),
        6 => (voter(), prop::collection::vec(candidate(), 0..5), 10..ENDOWED + 500)
            .prop_map(|(who, choices, stake)| Op::Vote { who, choices, stake }),
        2 => voter().prop_map(|who| Op::Unvote { who }),
        2 => voter().prop_map(|who| Op::Unlock { who }),
        1 => Just(Op::NextSession),
    ]
}

/// The votes that stand, as the caller of the pallet sees them.
#[derive(Default)]
struct Model(BTreeMap<u64, (Vec<u64>, u128)>);

impl Model {
    fn apply(&mut self, op: Op) {
        // A refusal is as good an outcome as any; it must only leave everything as it was.
        match op {
            Op::Stand { who, bond } => drop(stand(who, bond)),
            Op::Retire { who } => drop(retire(who)),
            Op::Withdraw { who } => drop(withdraw(who)),
            Op::Unlock { who } => drop(unlock(who)),
            Op::NextSession => run_to_session(Session::current_index() + 1),
            Op::Vote { who, choices, stake } => {
                if vote(who, &choices, stake).is_ok() {
                    self.0.insert(who, (choices, stake));
                }
            }
            Op::Unvote { who } => {
                assert_eq!(unvote(who).is_ok(), self.0.remove(&who).is_some());
            }
        }
    }

    fn tally(&self, candidate: u64) -> u128 {
        let votes = self.0.values().filter(|(choices, _)| choices.contains(&candidate));
        votes.map(|(_, stake)| stake).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn tallies_are_always_the_sums_of_the_votes(ops in prop::collection::vec(op(), 1..60)) {
        ExtBuilder::default().build_and_execute(|| {
            let supply = Balances::total_issuance();
            let mut model = Model::default();
            for op in ops {
                model.apply(op);
                for candidate in 1..=8 {
                    assert_eq!(Tallies::<Test>::get(candidate), model.tally(candidate));
                }
                assert_eq!(Votes::<Test>::iter().count(), model.0.len());
                assert_eq!(Balances::total_issuance(), supply);
                assert!(!Session::validators().is_empty());
                Dpos::do_try_state().expect("the state is sound after every call");
            }
            let elected = Dpos::elect();
            assert!(elected.windows(2).all(|pair| model.tally(pair[0]) >= model.tally(pair[1])));
        });
    }
}
