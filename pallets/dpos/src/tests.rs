mod calls;
mod commission;
mod election;
mod fees;
mod genesis;
mod model;
mod offences;
mod proxies;
mod rewards;
mod room;
mod shares;
mod threshold;
mod turns;
mod votes;

use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    traits::fungible::InspectHold,
};
use pallet_transaction_payment::OnChargeTransaction;
use sp_runtime::{DispatchResult, Perbill};
use sp_staking::offence::{OffenceDetails, OnOffenceHandler};

use crate::{mock::*, Choices, HoldReason};

type Charge = <Test as pallet_transaction_payment::Config>::OnChargeTransaction;

fn stand(who: u64, bond: u128) -> DispatchResult {
    Dpos::stand(RuntimeOrigin::signed(who), bond, Perbill::zero())
        .map(|_| ())
        .map_err(|refused| refused.error)
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

fn open_proxy(who: u64) -> DispatchResult {
    Dpos::open_proxy(RuntimeOrigin::signed(who))
}

fn close_proxy(who: u64) -> DispatchResult {
    Dpos::close_proxy(RuntimeOrigin::signed(who))
}

fn delegate(who: u64, proxy: u64, stake: u128) -> DispatchResult {
    Dpos::delegate(RuntimeOrigin::signed(who), proxy, stake)
}

fn undelegate(who: u64) -> DispatchResult {
    Dpos::undelegate(RuntimeOrigin::signed(who))
}

fn claim(who: u64) -> DispatchResult {
    Dpos::claim(RuntimeOrigin::signed(who))
}

fn set_commission(who: u64, percent: u32) -> DispatchResult {
    Dpos::set_commission(RuntimeOrigin::signed(who), Perbill::from_percent(percent))
}

fn unjail(who: u64) -> DispatchResult {
    Dpos::unjail(RuntimeOrigin::signed(who))
}

fn set_seats(seats: u32) -> DispatchResult {
    Dpos::set_seats(RuntimeOrigin::root(), seats)
}

/// Proves that a bookkeeper signed two different blocks in one slot.
fn report(who: u64) {
    let offender = OffenceDetails { offender: (who, ()), reporters: Vec::new() };
    <Dpos as OnOffenceHandler<u64, _, _>>::on_offence(&[offender], &[Perbill::one()], 0);
}

/// Charges an account for a transaction.
fn charge(who: u64, fee: u128, tip: u128) {
    let call = RuntimeCall::System(frame_system::Call::remark { remark: Vec::new() });
    let (info, post) = (DispatchInfo::default(), PostDispatchInfo::default());
    // More is withdrawn at first than the transaction turns out to cost.
    let held =
        <Charge as OnChargeTransaction<Test>>::withdraw_fee(&who, &call, &info, fee + tip + 5, tip)
            .expect("the account can pay");
    let all = fee + tip;
    <Charge as OnChargeTransaction<Test>>::correct_and_deposit_fee(
        &who, &info, &post, all, tip, held,
    )
    .expect("a fee can be deposited");
}

fn tallies<const N: usize>(of: [u64; N]) -> [u128; N] {
    of.map(crate::Tallies::<Test>::get)
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
