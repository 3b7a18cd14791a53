//! Random sequences of calls, blocks and offences beside a model that keeps only who votes with what.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Barred, Candidates, Delegations, Jailed, SeatsToCheck, Tallies, Threshold, Votes};

#[derive(Clone, Debug)]
enum Op {
    Stand {
        who: u64,
        bond: u128,
    },
    Retire {
        who: u64,
    },
    Withdraw {
        who: u64,
    },
    SetCommission {
        who: u64,
        percent: u32,
    },
    Vote {
        who: u64,
        choices: Vec<u64>,
        stake: u128,
    },
    Unvote {
        who: u64,
    },
    Unlock {
        who: u64,
    },
    OpenProxy {
        who: u64,
    },
    CloseProxy {
        who: u64,
    },
    Delegate {
        who: u64,
        proxy: u64,
        stake: u128,
    },
    Undelegate {
        who: u64,
    },
    Claim {
        who: u64,
    },
    Unjail {
        who: u64,
    },
    SetSeats {
        seats: u32,
    },
    Report {
        who: u64,
    },
    Fee {
        who: u64,
        amount: u128,
    },
    /// Blocks by the bookkeeper in a seat, each after slots without one.
    Blocks {
        number: u32,
        seat: usize,
        skipped: u64,
    },
    NextSession,
}

fn candidate() -> impl Strategy<Value = u64> {
    1..=8u64
}

fn voter() -> impl Strategy<Value = u64> {
    prop_oneof![1..=3u64, 21..=24u64]
}

fn stake() -> impl Strategy<Value = u128> {
    prop_oneof![4 => 10..3_000u128, 1 => 10..ENDOWED + 500]
}

fn call() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (candidate(), 90..300u128).prop_map(|(who, bond)| Op::Stand { who, bond }),
        1 => candidate().prop_map(|who| Op::Retire { who }),
        1 => candidate().prop_map(|who| Op::Withdraw { who }),
        1 => (candidate(), 0..60u32).prop_map(|(who, percent)| Op::SetCommission { who, percent }),
        6 => (voter(), prop::collection::vec(candidate(), 0..5), stake())
            .prop_map(|(who, choices, stake)| Op::Vote { who, choices, stake }),
        2 => voter().prop_map(|who| Op::Unvote { who }),
        2 => voter().prop_map(|who| Op::Unlock { who }),
        2 => voter().prop_map(|who| Op::OpenProxy { who }),
        1 => voter().prop_map(|who| Op::CloseProxy { who }),
        4 => (voter(), voter(), stake())
            .prop_map(|(who, proxy, stake)| Op::Delegate { who, proxy, stake }),
        2 => voter().prop_map(|who| Op::Undelegate { who }),
        3 => prop_oneof![voter(), candidate()].prop_map(|who| Op::Claim { who }),
        1 => candidate().prop_map(|who| Op::Unjail { who }),
        1 => (0..7u32).prop_map(|seats| Op::SetSeats { seats }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => call(),
        1 => candidate().prop_map(|who| Op::Report { who }),
        3 => (voter(), 0..200u128).prop_map(|(who, amount)| Op::Fee { who, amount }),
        4 => (1..12u32, 0..5usize, 0..6u64)
            .prop_map(|(number, seat, skipped)| Op::Blocks { number, seat, skipped }),
        2 => Just(Op::NextSession),
    ]
}

/// Who votes and delegates with what, as the callers of the pallet see it.
struct Model {
    votes: BTreeMap<u64, (Vec<u64>, u128)>,
    delegations: BTreeMap<u64, (u64, u128)>,
    open: BTreeSet<u64>,
    /// The smallest tally that counts.
    least: u128,
    /// Who can be elected without.
    established: BTreeSet<u64>,
}

impl Model {
    fn new(threshold: Perbill) -> Self {
        Threshold::<Test>::put(threshold);
        Self {
            votes: BTreeMap::new(),
            delegations: BTreeMap::new(),
            open: BTreeSet::new(),
            least: threshold.mul_ceil(SUPPLY),
            established: GENESIS.into(),
        }
    }

    /// A refusal is as good an outcome as any; it must only leave everything as it was.
    fn apply(&mut self, op: Op) {
        match op {
            Op::Stand { who, bond } => drop(stand(who, bond)),
            Op::Retire { who } => drop(retire(who)),
            Op::Withdraw { who } => drop(withdraw(who)),
            Op::SetCommission { who, percent } => drop(set_commission(who, percent)),
            Op::Unlock { who } => drop(unlock(who)),
            Op::Claim { who } => drop(claim(who)),
            Op::Unjail { who } => drop(unjail(who)),
            Op::SetSeats { seats } => assert_eq!(set_seats(seats).is_ok(), (1..6).contains(&seats)),
            Op::Report { who } => report(who),
            Op::Fee { who, amount } => pay(who, amount),
            Op::Blocks { number, seat, skipped } => blocks(number, seat, skipped),
            Op::NextSession => run_to_session(Session::current_index() + 1),
            Op::Vote { .. }
            | Op::Unvote { .. }
            | Op::OpenProxy { .. }
            | Op::CloseProxy { .. }
            | Op::Delegate { .. }
            | Op::Undelegate { .. } => self.vote(op),
        }
    }

    fn vote(&mut self, op: Op) {
        match op {
            Op::Vote { who, choices, stake } => {
                if vote(who, &choices, stake).is_ok() {
                    assert!(!self.delegations.contains_key(&who));
                    self.votes.insert(who, (choices, stake));
                }
            }
            Op::Unvote { who } => {
                assert_eq!(unvote(who).is_ok(), self.votes.remove(&who).is_some());
            }
            Op::OpenProxy { who } => {
                if open_proxy(who).is_ok() {
                    assert!(self.open.insert(who) && !self.delegations.contains_key(&who));
                }
            }
            Op::CloseProxy { who } => {
                assert_eq!(close_proxy(who).is_ok(), self.open.remove(&who));
            }
            Op::Delegate { who, proxy, stake } => {
                if delegate(who, proxy, stake).is_ok() {
                    assert!(!self.votes.contains_key(&who) && !self.open.contains(&who));
                    assert!(self.open.contains(&proxy));
                    self.delegations.insert(who, (proxy, stake));
                }
            }
            Op::Undelegate { who } => {
                assert_eq!(undelegate(who).is_ok(), self.delegations.remove(&who).is_some());
            }
            _ => unreachable!("only what concerns votes comes here"),
        }
    }

    fn weight(&self, who: u64) -> u128 {
        let delegated = self.delegations.values().filter(|(proxy, _)| *proxy == who);
        let delegated: u128 = delegated.map(|(_, stake)| stake).sum();
        self.votes[&who].1 + if self.open.contains(&who) { delegated } else { 0 }
    }

    fn tally(&self, candidate: u64) -> u128 {
        let votes = self.votes.iter().filter(|(_, (choices, _))| choices.contains(&candidate));
        votes.map(|(who, _)| self.weight(*who)).sum()
    }

    /// The tally, if it counts.
    fn counted(&self, candidate: u64) -> Option<u128> {
        Some(self.tally(candidate)).filter(|tally| *tally >= self.least)
    }

    /// A newcomer can do without votes only once it was elected with them.
    fn assert_nobody_came_without_votes(&mut self) {
        let stand = Candidates::<Test>::iter();
        let established = stand.filter(|(_, it)| !it.is_newcomer()).map(|(who, _)| who).collect();
        for who in BTreeSet::difference(&established, &self.established) {
            assert!(self.counted(*who).is_some(), "{who} was elected");
        }
        self.established = established;
    }

    fn assert_agrees(&self) {
        for candidate in 1..=8 {
            assert_eq!(Tallies::<Test>::get(candidate), self.tally(candidate));
        }
        assert_eq!(Votes::<Test>::iter().count(), self.votes.len());
        assert_eq!(Delegations::<Test>::iter().count(), self.delegations.len());
    }
}

fn pay(who: u64, amount: u128) {
    // The rest is what a transaction may cost at first, and the existential deposit.
    if Balances::free_balance(who) > amount + 5 + ED {
        charge(who, amount, 0);
    }
}

fn blocks(number: u32, seat: usize, skipped: u64) {
    for _ in 0..number {
        let seated = Session::validators();
        let seats = seated.len();
        let enabled = |index: &usize| !Session::disabled_validators().contains(&(*index as u32));
        let index = (seat..seat + seats).map(|index| index % seats).find(enabled).unwrap();
        // The slots before that of the author.
        let slot = (seats * 10 + index) as u64;
        next_block_after(Some(seated[index]), slot - skipped..slot);
    }
}

fn assert_enough_have_turns() {
    let seats = Session::validators().len();
    let disabled = Session::disabled_validators();
    assert!(disabled.len() <= (seats - 1) / 3, "{disabled:?} of {seats}");
    let (mut in_jail, mut barred_with_turns) = (false, false);
    for (who, index) in Session::validators().into_iter().zip(0..) {
        let (jailed, barred) =
            (Jailed::<Test>::contains_key(who), Barred::<Test>::contains_key(who));
        if disabled.contains(&index) {
            assert!(jailed || barred);
            in_jail |= jailed;
        } else {
            barred_with_turns |= barred;
        }
    }
    // Who was barred in this block loses its turns in the next.
    assert!(SeatsToCheck::<Test>::get() || !(in_jail && barred_with_turns), "{disabled:?}");
    for who in Dpos::elect() {
        assert!(Candidates::<Test>::contains_key(who) && !Jailed::<Test>::contains_key(who));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_sequence_leaves_a_sound_state_and_the_whole_supply(
        ops in prop::collection::vec(op(), 1..120),
        threshold in prop_oneof![Just(0), 1..4u32],
        candidates in 5..9u32,
    ) {
        ExtBuilder { seats: 4, ..Default::default() }.build_and_execute(|| {
            MaxCandidates::set(candidates);
            let mut model = Model::new(Perbill::from_percent(threshold));
            for op in ops {
                model.apply(op);
                model.assert_agrees();
                model.assert_nobody_came_without_votes();
                assert_supply_is_conserved();
                assert_enough_have_turns();
                Dpos::do_try_state().expect("the state is sound after every call");
            }
            let elected = Dpos::elect();
            assert!(elected.windows(2).all(|two| model.counted(two[0]) >= model.counted(two[1])));
            let may = |who: &u64| model.counted(*who).is_some() || model.established.contains(who);
            assert!(elected.iter().all(may));
        });
    }
}
