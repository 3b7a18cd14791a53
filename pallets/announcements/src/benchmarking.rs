//! Benchmarks of the calls and hooks, each with its outcome asserted.

use alloc::vec;

use frame_benchmarking::v2::*;
use frame_support::traits::fungible::{Inspect, Mutate};
use frame_system::RawOrigin;
use sp_runtime::BoundedVec;
use zennet_primitives::announcement::{ImageRef, LeaseRange, Needs};

use super::*;

/// A body of the largest size that passes, told apart by `task`.
fn largest_body(task: u64) -> Announcement {
    let mut body = Announcement {
        task,
        machines: 1,
        images: BoundedVec::truncate_from(vec![ImageRef::truncate_from(vec![b'i'; 96]); 2]),
        needs: Needs::default(),
        lease: LeaseRange { min_secs: 60, max_secs: 3600 },
        interval_ms: 2000,
        max_rates: None,
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: BoundedVec::truncate_from(vec![b'e'; 192]),
    };
    let room = MAX_ANNOUNCEMENT_BYTES.saturating_sub(body.encoded_size() + 1);
    body.info_url = BoundedVec::truncate_from(vec![b'u'; room]);
    body
}

fn funded<T: Config>(who: AccountId) -> AccountId
where
    T::Currency: Mutate<AccountId, Balance = Balance>,
{
    let deposit =
        deposit_for(T::DepositBase::get(), T::DepositPerByte::get(), MAX_ANNOUNCEMENT_BYTES)
            .expect("the deposit fits: integrity_test has it; qed");
    let enough = deposit.saturating_mul(100).saturating_add(T::Currency::minimum_balance());
    T::Currency::mint_into(&who, enough).expect("the account is new; qed");
    T::Identities::make_known(&who);
    who
}

fn id_of<T: Config>(publisher: &AccountId, body: &Announcement) -> AnnouncementId {
    let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
    body.id(genesis, publisher)
}

fn stamp(id: AnnouncementId, difficulty: Difficulty) -> PowNonce {
    pow::mine(|n| pow::stamp_work(id, n), difficulty, 0, u64::MAX)
        .expect("some nonce of 2^64 meets it; qed")
}

/// Puts `n` announcements of different publishers in one index, without their work.
fn fill<T: Config>(n: u32, expires_at: BlockNumberFor<T>)
where
    T::Currency: Mutate<AccountId, Balance = Balance>,
{
    for i in 0..n {
        let publisher = funded::<T>(account("publisher", i, 0));
        let body = largest_body(i.into());
        let id = id_of::<T>(&publisher, &body);
        let deposit =
            deposit_for(T::DepositBase::get(), T::DepositPerByte::get(), body.encoded_size())
                .expect("the deposit fits: integrity_test has it; qed");
        T::Currency::hold(&HoldReason::Announcement.into(), &publisher, deposit)
            .expect("the account is funded; qed");
        ExpiringAt::<T>::mutate(expires_at, |ids| ids.try_push(id).expect("n is in bounds; qed"));
        let record = AnnouncementRecord { publisher, body, stamp: 0, expires_at, deposit };
        Announcements::<T>::insert(id, record);
    }
}

#[benchmarks(where T::Currency: Mutate<AccountId, Balance = Balance>)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn announce(n: Linear<0, { T::MaxExpiringPerBlock::get() - 1 }>) {
        let (now, lifetime) = (BlockNumberFor::<T>::one(), T::MaxLifetime::get());
        frame_system::Pallet::<T>::set_block_number(now);
        let expires_at = now + lifetime;
        fill::<T>(n, expires_at);
        let publisher = funded::<T>(whitelisted_caller());
        let body = largest_body(0);
        let id = id_of::<T>(&publisher, &body);
        let stamp = stamp(id, T::MinStampDifficulty::get());

        #[extrinsic_call]
        _(RawOrigin::Signed(publisher), body, lifetime, stamp);

        assert_eq!(ExpiringAt::<T>::get(expires_at).last(), Some(&id));
        assert!(Announcements::<T>::contains_key(id));
    }

    #[benchmark]
    fn cancel() {
        let expires_at = T::MaxLifetime::get();
        fill::<T>(T::MaxExpiringPerBlock::get(), expires_at);
        let id = ExpiringAt::<T>::get(expires_at).last().copied().expect("it is full; qed");
        let publisher = Announcements::<T>::get(id).expect("it is in the index; qed").publisher;
        whitelist!(publisher);

        #[extrinsic_call]
        _(RawOrigin::Signed(publisher), id);

        assert!(!Announcements::<T>::contains_key(id));
        assert!(!ExpiringAt::<T>::get(expires_at).contains(&id));
    }

    #[benchmark]
    fn expire(n: Linear<0, { T::MaxStepsPerBlock::get().min(T::MaxExpiringPerBlock::get()) - 1 }>) {
        let now = BlockNumberFor::<T>::one();
        fill::<T>(n, now);

        #[block]
        {
            Pallet::<T>::expire(now);
        }

        assert!(Announcements::<T>::iter_keys().next().is_none());
        assert!(Overdue::<T>::get().is_none());
    }

    #[benchmark]
    fn look() {
        let now = BlockNumberFor::<T>::one();

        #[block]
        {
            assert!(ExpiringAt::<T>::get(now).is_empty());
            ExpiringAt::<T>::remove(now);
        }
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
