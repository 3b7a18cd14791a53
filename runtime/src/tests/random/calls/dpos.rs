//! Candidates, their voters, and what both earn.

use frame_support::BoundedVec;
use pallet_dpos::{
    Call, Candidates, Delegations, Earnings, Jailed, ProxyVoters, Retired, Unlockings, Votes,
};
use sp_runtime::Perbill;

use super::{any_key, Generator};
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, Balance, Runtime, Session, XEN,
};

/// Least bond of a candidate.
const MIN_BOND: Balance = 10_000 * XEN;

pub(super) struct Dpos;

impl Generator for Dpos {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let transaction = match world.chance.below(36) {
            0..=2 => stand(world),
            3 => {
                let who = candidate(world)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::retire {})
            }
            4..=5 => {
                let who = any_key::<Retired<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::withdraw {})
            }
            6..=8 => {
                let who = any_key::<Votes<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::unvote {})
            }
            9..=11 => {
                let who = any_key::<Unlockings<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::unlock {})
            }
            12 => {
                let who = candidate(world)?;
                let commission = Perbill::from_percent(world.chance.below(60) as u32);
                let call = Call::<Runtime>::set_commission { commission };
                Transaction::new(world.mostly(&who), call)
            }
            13..=14 => Transaction::new(world.person(), Call::<Runtime>::open_proxy {}),
            15 => {
                let who = any_key::<ProxyVoters<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::close_proxy {})
            }
            16..=18 => delegate(world)?,
            19..=20 => {
                let who = any_key::<Delegations<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::undelegate {})
            }
            21..=22 => {
                let who = any_key::<Earnings<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::claim {})
            }
            23 => Transaction::new(world.person(), Call::<Runtime>::claim {}),
            24 => {
                let who = any_key::<Jailed<Runtime>, _, _>(&mut world.chance)?;
                Transaction::new(world.mostly(&who), Call::<Runtime>::unjail {})
            }
            25 if world.chance.once_in(8) => {
                Transaction::new(world.person(), Call::<Runtime>::set_seats { seats: 1 })
            }
            _ => vote(world),
        };
        Some(transaction)
    }
}

/// Whoever has session keys may stand; others seldom try.
fn stand(world: &mut World) -> Transaction {
    let with_keys: Vec<_> = world
        .people()
        .iter()
        .filter(|who| pallet_session::NextKeys::<Runtime>::contains_key(who))
        .cloned()
        .collect();
    let who = world.chance.pick(&with_keys).cloned();
    let who = who.unwrap_or_else(|| world.person());
    let who = world.mostly(&who);
    let spendable = world.spendable(&who);
    let bond = match world.chance.below(3) {
        0 => world.amount(spendable),
        _ => MIN_BOND + world.chance.between(0, spendable / 100),
    };
    let commission = Perbill::from_percent(world.chance.below(60) as u32);
    Transaction::new(who, Call::<Runtime>::stand { bond, commission })
}

fn candidate(world: &mut World) -> Option<AccountId> {
    let candidates: Vec<_> = Candidates::<Runtime>::iter_keys().collect();
    world.chance.pick(&candidates).cloned()
}

/// To somebody who votes for others, or did.
fn delegate(world: &mut World) -> Option<Transaction> {
    let proxy = any_key::<ProxyVoters<Runtime>, _, _>(&mut world.chance)?;
    let proxy = world.mostly(&proxy);
    let who = world.person();
    let spendable = world.spendable(&who);
    let stake = world.amount(spendable);
    Some(Transaction::new(who, Call::<Runtime>::delegate { proxy, stake }))
}

fn vote(world: &mut World) -> Transaction {
    let who = world.person();
    let mut choices: Vec<AccountId> = Candidates::<Runtime>::iter_keys().collect();
    if choices.is_empty() {
        choices = Session::validators();
    }
    let mut candidates = world.chance.some(&choices, 16);
    if world.chance.once_in(12) {
        candidates.push(world.person());
    }
    let spendable = world.spendable(&who);
    let stake = world.amount(spendable);
    let candidates = BoundedVec::truncate_from(candidates);
    Transaction::new(who, Call::<Runtime>::vote { candidates, stake })
}
