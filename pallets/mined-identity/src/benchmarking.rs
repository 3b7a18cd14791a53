//! Benchmarks of the calls and hooks, each with its outcome asserted.

use frame_benchmarking::v2::*;
use frame_support::traits::Authorize;
use sp_runtime::traits::One;

use super::*;

/// A registration that is sound, last of the block, with the tallies in storage.
fn prepare<T: Config>() -> (Role, AccountId, BlockNumberFor<T>, PowNonce) {
    let role = Role::Provider;
    let account: AccountId = account("miner", 0, 0);
    let anchor_number = BlockNumberFor::<T>::one();
    let now = anchor_number + T::AnchorWindow::get();
    frame_system::Pallet::<T>::set_block_number(now);
    let anchor = Hash::repeat_byte(1);
    frame_system::BlockHash::<T>::insert(anchor_number, anchor);
    let difficulty = T::MinDifficulty::get();
    Difficulties::<T>::insert(role, difficulty);
    RegisteredInBlock::<T>::put(BlockTally { block: now, count: T::MaxPerBlock::get() - 1 });
    RegisteredThisEpoch::<T>::insert(role, 1);
    let nonce =
        pow::mine(|n| pow::identity_work(role, &account, anchor, n), difficulty, 0, u64::MAX)
            .expect("some nonce of 2^64 meets it; qed");
    (role, account, anchor_number, nonce)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() {
        let (role, account, anchor_number, nonce) = prepare::<T>();

        #[extrinsic_call]
        _(frame_system::RawOrigin::Authorized, role, account.clone(), anchor_number, nonce);

        assert!(<Pallet<T> as MinedIdentities>::is_mined(role, &account));
    }

    #[benchmark]
    fn authorize_register() -> Result<(), BenchmarkError> {
        let (role, account, anchor_number, nonce) = prepare::<T>();
        let call = Call::<T>::register { role, account, anchor_number, nonce };
        let validity;

        #[block]
        {
            validity = call
                .authorize(TransactionSource::External)
                .ok_or("the call has rules of authorization")?
                .map_err(|_| "a sound registration is authorized")?;
        }

        assert_eq!(validity.0.provides.len(), 1);
        Ok(())
    }

    #[benchmark]
    fn retarget() {
        for role in ROLES {
            Difficulties::<T>::insert(role, 1 << 40);
            RegisteredThisEpoch::<T>::insert(role, u32::MAX);
        }

        #[block]
        {
            Pallet::<T>::retarget_all();
        }

        for role in ROLES {
            assert_eq!(Difficulties::<T>::get(role), 1 << 42);
            assert_eq!(RegisteredThisEpoch::<T>::get(role), 0);
        }
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
