mod calls;
mod election;
mod fees;
mod genesis;
mod model;
mod votes;

use frame_support::traits::fungible::InspectHold;
use sp_runtime::DispatchResult;

use crate::{mock::*, Choices, HoldReason};

fn stand(who: u64, bond: u128) -> DispatchResult {
    Dpos::stand(RuntimeOrigin::signed(who), bond)
}

fn vote(who: u64, candidates: &[u64], stake: u128) -> DispatchResult {
    Dpos::vote(RuntimeOrigin::signed(who), choices(candidates), stake)
}

fn unvote(who: u64) -> DispatchResult {
    Dpos::unvote(RuntimeOrigin::signed(who))
}

fn unlock(who: u64) -> DispatchResult {
    Dpos::unlock(RuntimeOrigin::signed(who))
}

fn retire(who: u64) -> DispatchResult {
    Dpos::retire(RuntimeOrigin::signed(who))
}

fn withdraw(who: u64) -> DispatchResult {
    Dpos::withdraw(RuntimeOrigin::signed(who))
}

fn choices(candidates: &[u64]) -> Choices<u64> {
    candidates.to_vec().try_into().expect("a test names at most 16")
}

fn held(reason: HoldReason, who: u64) -> u128 {
    Balances::balance_on_hold(&reason.into(), &who)
}

fn has_event(event: crate::Event<Test>) -> bool {
    System::events().iter().any(|record| record.event == RuntimeEvent::Dpos(event.clone()))
}
