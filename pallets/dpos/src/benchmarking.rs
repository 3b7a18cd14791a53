//! Worst cases: a full list of candidates and votes that name as many as they can.

use alloc::vec::Vec;

use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::{
    assert_ok,
    traits::{
        fungible::{Inspect, InspectHold, Mutate},
        EnsureOrigin, Get,
    },
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_runtime::{
    traits::{TrailingZeroInput, Zero},
    Perbill,
};

use super::*;

const SEED: u32 = 0;

/// An account with enough coin for every bond and stake here.
fn funded<T: Config>(name: &'static str, index: u32) -> T::AccountId {
    let who: T::AccountId = account(name, index, SEED);
    let needed = T::MinBond::get()
        .saturating_add(stake::<T>())
        .saturating_add(T::Currency::minimum_balance());
    T::Currency::set_balance(&who, needed.saturating_mul(10));
    who
}

fn stake<T: Config>() -> BalanceOf<T> {
    T::MinStake::get().saturating_mul(2)
}

/// An account that could stand.
fn with_keys<T>(index: u32) -> T::AccountId
where
    T: Config + pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
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
{
    let accounts: Vec<_> = range
        .map(|index| {
            let who = with_keys::<T>(index);
            assert_ok!(Pallet::<T>::stand(
                RawOrigin::Signed(who.clone()).into(),
                T::MinBond::get(),
                T::MaxCommission::get()
            ));
            who
        })
        .collect();
    accounts.try_into().expect("the range is at most as long as a vote; qed")
}

/// A voter that names all of `choices`, which have rewards for it.
fn voter<T: Config>(name: &'static str, choices: &Choices<T::AccountId>) -> T::AccountId {
    let who = funded::<T>(name, 0);
    let origin = RawOrigin::Signed(who.clone()).into();
    assert_ok!(Pallet::<T>::vote(origin, choices.clone(), stake::<T>()));
    who
}

fn proxy_voter<T: Config>(name: &'static str, choices: &Choices<T::AccountId>) -> T::AccountId {
    let who = voter::<T>(name, choices);
    assert_ok!(Pallet::<T>::open_proxy(RawOrigin::Signed(who.clone()).into()));
    who
}

/// A holder that lets `proxy` vote for it.
fn holder<T: Config>(proxy: &T::AccountId) -> T::AccountId {
    let who = funded::<T>("holder", 0);
    let origin = RawOrigin::Signed(who.clone()).into();
    assert_ok!(Pallet::<T>::delegate(origin, proxy.clone(), stake::<T>()));
    who
}

/// Gives each of `choices` rewards for its voters.
fn reward<T: Config>(choices: &Choices<T::AccountId>) {
    let amount = T::Currency::minimum_balance().saturating_add(1_000);
    let all = amount.saturating_mul(choices.len() as u128);
    T::Currency::set_balance(&Pallet::<T>::pot(), all.saturating_mul(2));
    Owed::<T>::put(all);
    for who in choices {
        let pool = RewardPools::<T>::get(who).share(amount, Tallies::<T>::get(who));
        RewardPools::<T>::insert(who, pool.expect("someone votes for it; qed"));
    }
}

/// Gives each of `choices` so little for its voters that none of them has earned a unit, while a unit of
/// what others left is all but full.
fn reward_less_than_a_unit<T: Config>(choices: &Choices<T::AccountId>) {
    Owed::<T>::put(2);
    Remainder::<T>::put(u64::MAX);
    for who in choices {
        RewardPools::<T>::mutate(who, |pool| pool.per_unit = pool.per_unit.saturating_add(1));
    }
}

/// Seats `number` bookkeepers with keys.
fn seat<T>(number: u32) -> Vec<T::AccountId>
where
    T: Config + pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
{
    let seated: Vec<_> = (0..number).map(with_keys::<T>).collect();
    pallet_session::Validators::<T>::put(&seated);
    pallet_session::DisabledValidators::<T>::kill();
    Seats::<T>::put(number.max(1));
    seated
}

#[benchmarks(
    where
        T: pallet_session::Config<ValidatorId = <T as frame_system::Config>::AccountId>,
)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn stand() {
        let who = with_keys::<T>(0);
        let bond = T::MinBond::get();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), bond, T::MaxCommission::get());

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

    /// A proxy voter replaces a vote for as many others as there can be.
    #[benchmark]
    fn vote(n: Linear<1, MAX_CHOICES>) {
        let old = candidates::<T>(0..MAX_CHOICES);
        let new = candidates::<T>(MAX_CHOICES..MAX_CHOICES + n);
        let who = proxy_voter::<T>("voter", &old);
        holder::<T>(&who);
        reward::<T>(&old);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), new.clone(), stake::<T>().saturating_mul(2));

        assert_eq!(Votes::<T>::get(&who).map(|cast| cast.candidates), Some(new));
    }

    #[benchmark]
    fn unvote() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let who = proxy_voter::<T>("voter", &choices);
        holder::<T>(&who);
        reward_less_than_a_unit::<T>(&choices);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(!Votes::<T>::contains_key(&who) && !Earnings::<T>::contains_key(&who));
        assert_eq!(Owed::<T>::get(), 1);
    }

    #[benchmark]
    fn unlock() {
        let who = voter::<T>("voter", &candidates::<T>(0..1));
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

    #[benchmark]
    fn open_proxy() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let who = proxy_voter::<T>("voter", &choices);
        holder::<T>(&who);
        assert_ok!(Pallet::<T>::close_proxy(RawOrigin::Signed(who.clone()).into()));
        reward::<T>(&choices);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(Pallet::<T>::open_proxy_voter(&who).is_some());
    }

    #[benchmark]
    fn close_proxy() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let who = proxy_voter::<T>("voter", &choices);
        holder::<T>(&who);
        reward::<T>(&choices);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(Pallet::<T>::open_proxy_voter(&who).is_none());
    }

    /// From one proxy voter to another, who have no choice in common.
    #[benchmark]
    fn delegate() {
        let old = candidates::<T>(0..MAX_CHOICES);
        let new = candidates::<T>(MAX_CHOICES..2 * MAX_CHOICES);
        let from = proxy_voter::<T>("voter", &old);
        let to = proxy_voter::<T>("other", &new);
        let who = holder::<T>(&from);
        reward::<T>(&old);
        reward::<T>(&new);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), to.clone(), stake::<T>().saturating_mul(2));

        assert_eq!(Delegations::<T>::get(&who).map(|delegation| delegation.proxy), Some(to));
    }

    #[benchmark]
    fn undelegate() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let proxy = proxy_voter::<T>("voter", &choices);
        let who = holder::<T>(&proxy);
        reward_less_than_a_unit::<T>(&choices);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(!Delegations::<T>::contains_key(&who) && !Earnings::<T>::contains_key(&who));
        assert_eq!(Owed::<T>::get(), 1);
    }

    /// By a holder, whose proxy voter has as many choices as there can be.
    #[benchmark]
    fn claim() {
        let choices = candidates::<T>(0..MAX_CHOICES);
        let proxy = proxy_voter::<T>("voter", &choices);
        let who = holder::<T>(&proxy);
        reward::<T>(&choices);
        let before = <T as Config>::Currency::balance(&who);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(<T as Config>::Currency::balance(&who) > before);
    }

    #[benchmark]
    fn set_commission() {
        let who = candidates::<T>(0..1)[0].clone();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), Perbill::zero());

        let commission = Candidates::<T>::get(&who).map(|candidate| candidate.commission);
        assert!(commission.is_some_and(|commission| commission.change.is_some()));
    }

    #[benchmark]
    fn unjail() {
        let seated = seat::<T>(T::MaxSeats::get());
        let who = seated.last().expect("there is a seat; qed").clone();
        T::Sessions::disable(seated.len() as u32 - 1);
        Jailed::<T>::insert(&who, BlockNumberFor::<T>::zero());

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(!Jailed::<T>::contains_key(&who));
        assert!(T::Sessions::disabled().is_empty());
    }

    #[benchmark]
    fn set_seats() -> Result<(), BenchmarkError> {
        let origin =
            T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
        let seats = T::MaxSeats::get();

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, seats);

        assert_eq!(Seats::<T>::get(), seats);
        Ok(())
    }

    /// Every missed turn is one too many for its bookkeeper.
    #[benchmark]
    fn note_turns(m: Linear<0, 20>) {
        let seated = seat::<T>(m + 1);
        for who in &seated {
            Missed::<T>::insert(who, MISSED_TURNS_TO_JAIL);
        }
        let author = seated[0].clone();
        let counted;

        #[block]
        {
            counted = Pallet::<T>::note_turns(Some(author.clone()), 1..u64::from(m) + 1);
        }

        assert_eq!(counted, m);
        assert!(!Missed::<T>::contains_key(&author));
    }

    /// All who have no turns are in jail, and all others are barred.
    #[benchmark]
    fn disable_excluded() {
        let seats = T::MaxSeats::get();
        for (who, index) in seat::<T>(seats).iter().zip(0..) {
            if index < (seats - 1) / 3 {
                Jailed::<T>::insert(who, BlockNumberFor::<T>::zero());
                T::Sessions::disable(index);
            } else {
                Barred::<T>::insert(who, ());
            }
        }
        SeatsToCheck::<T>::put(true);

        #[block]
        {
            Pallet::<T>::disable_excluded();
        }

        assert!(T::Sessions::disabled().len() as u32 <= (seats - 1) / 3);
        assert!(!T::Sessions::disabled().contains(&0));
    }

    #[benchmark]
    fn bar() {
        let who = candidates::<T>(0..1)[0].clone();

        #[block]
        {
            Pallet::<T>::bar(&who);
        }

        assert!(Barred::<T>::contains_key(&who));
        assert!(Retired::<T>::get(&who).is_some_and(|leaving| leaving.bond < T::MinBond::get()));
    }

    /// As many stand as can, and all have votes.
    #[benchmark]
    fn make_room() {
        let bond = T::MinBond::get();
        let commission = Commission::of(T::MaxCommission::get());
        for order in 0..T::MaxCandidates::get() {
            let who: T::AccountId = account("other", order, SEED);
            let candidate =
                Candidate { bond, order: order.into(), commission, standing: Standing::Elected };
            Candidates::<T>::insert(&who, candidate);
            Tallies::<T>::insert(&who, <T as Config>::Currency::total_issuance());
        }
        let all = Candidates::<T>::count();
        let newcomer = account("candidate", 0, SEED);

        #[block]
        {
            assert_ok!(Pallet::<T>::make_room(&newcomer, bond.saturating_add(1)));
        }

        assert_eq!(Candidates::<T>::count(), all - 1);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
