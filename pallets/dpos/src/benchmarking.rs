//! Worst cases: a full list of candidates and votes that name as many as they can.

use alloc::vec::Vec;

use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::{
    assert_ok,
    traits::{
        fungible::{Inspect, InspectHold, Mutate},
        Get,
    },
};
use frame_system::RawOrigin;
use sp_runtime::traits::{Saturating, TrailingZeroInput};

use super::*;

const SEED: u32 = 0;

/// An account with enough coin for every bond and stake here.
fn funded<T: Config>(name: &'static str, index: u32) -> T::AccountId
where
    T::Currency: Mutate<T::AccountId>,
{
    let who: T::AccountId = account(name, index, SEED);
    let needed = T::MinBond::get()
        .saturating_add(stake::<T>())
        .saturating_add(T::Currency::minimum_balance());
    T::Currency::set_balance(&who, needed.saturating_mul(10u32.into()));
    who
}

fn stake<T: Config>() -> BalanceOf<T> {
    T::MinStake::get().saturating_mul(2u32.into())
}

/// An account that could stand.
fn with_keys<T>(index: u32) -> T::AccountId
where
    T: Config + pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
    <T as Config>::Currency: Mutate<T::AccountId>,
{
    let who = funded::<T>("candidate", index);
    let keys = <T as pallet_session::Config>::Keys::decode(&mut TrailingZeroInput::zeroes())
        .expect("zeroes decode as keys; qed");
    pallet_session::NextKeys::<T>::insert(&who, keys);
    who
}

fn candidates<T>(range: core::ops::Range<u32>) -> Choices<T::AccountId>
where
    T: Config + pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
    <T as Config>::Currency: Mutate<T::AccountId>,
{
    let accounts: Vec<_> = range
        .map(|index| {
            let who = with_keys::<T>(index);
            assert_ok!(Pallet::<T>::stand(
                RawOrigin::Signed(who.clone()).into(),
                T::MinBond::get()
            ));
            who
        })
        .collect();
    accounts.try_into().expect("the range is at most as long as a vote; qed")
}

#[benchmarks(
    where
        T: pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
        <T as Config>::Currency: Mutate<T::AccountId>,
)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn stand() {
        let who = with_keys::<T>(0);
        let bond = T::MinBond::get();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), bond);

        assert!(Candidates::<T>::contains_key(&who));
    }

    #[benchmark]
    fn retire() {
        let who = candidates::<T>(0..1)[0].clone();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(Retired::<T>::contains_key(&who));
    }

    #[benchmark]
    fn withdraw() {
        let who = candidates::<T>(0..1)[0].clone();
        assert_ok!(Pallet::<T>::retire(RawOrigin::Signed(who.clone()).into()));
        Retired::<T>::mutate(&who, |leaving| {
            if let Some(leaving) = leaving {
                leaving.withdrawable_at = 0;
            }
        });

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(!Retired::<T>::contains_key(&who));
    }

    /// Replaces a vote for as many others as there can be.
    #[benchmark]
    fn vote(n: Linear<1, MAX_CHOICES>) {
        let old = candidates::<T>(0..MAX_CHOICES);
        let new = candidates::<T>(MAX_CHOICES..MAX_CHOICES + n);
        let who = funded::<T>("voter", 0);
        assert_ok!(Pallet::<T>::vote(RawOrigin::Signed(who.clone()).into(), old, stake::<T>()));

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), new.clone(), stake::<T>().saturating_mul(2u32.into()));

        assert_eq!(Votes::<T>::get(&who).map(|cast| cast.candidates), Some(new));
    }

    #[benchmark]
    fn unvote() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let who = funded::<T>("voter", 0);
        assert_ok!(Pallet::<T>::vote(RawOrigin::Signed(who.clone()).into(), choices, stake::<T>()));

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(!Votes::<T>::contains_key(&who));
    }

    #[benchmark]
    fn unlock() {
        let choices = candidates::<T>(0..1);
        let who = funded::<T>("voter", 0);
        assert_ok!(Pallet::<T>::vote(RawOrigin::Signed(who.clone()).into(), choices, stake::<T>()));
        assert_ok!(Pallet::<T>::unvote(RawOrigin::Signed(who.clone()).into()));
        Unlockings::<T>::mutate(&who, |unlocking| {
            if let Some(unlocking) = unlocking {
                unlocking.unlockable_at = 0;
            }
        });

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert_eq!(
            <T as Config>::Currency::balance_on_hold(&HoldReason::Vote.into(), &who),
            BalanceOf::<T>::default()
        );
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
