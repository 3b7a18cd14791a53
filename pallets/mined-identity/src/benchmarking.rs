//! Benchmarks of the calls and hooks, each with its outcome asserted.

use frame_benchmarking::v2::*;
use frame_support::traits::{Authorize, Hooks};
use sp_runtime::traits::One;

use super::*;

/// A registration that is sound, last of the block and of its epoch.
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
    let registered = pow::MAX_CHANGE * T::WantedPerEpoch::get() - 1;
    Epochs::<T>::insert(role, Epoch { began: now, registered });
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
        let raised = Difficulty::from(pow::MAX_CHANGE) * T::MinDifficulty::get();
        assert_eq!(Difficulties::<T>::get(role), raised);
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
            Epochs::<T>::insert(role, Epoch { began: Zero::zero(), registered: u32::MAX });
        }
        let end = T::EpochLength::get();

        #[block]
        {
            Pallet::<T>::on_initialize(end);
        }

        for role in ROLES {
            assert_eq!(Difficulties::<T>::get(role), 1 << 42);
            assert_eq!(Epochs::<T>::get(role), Epoch { began: end, registered: 0 });
        }
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
