//! Benchmarks of every call on its dearest successful path.

use frame_benchmarking::v2::*;
use frame_support::traits::{fungible, Get};
use frame_system::RawOrigin;
use sp_runtime::KeyTypeId;
use zennet_primitives::{amount::Balance, signed::Signable, AccountId, SessionKey, Signature};

use crate::{deposit_id, Call, Config, DepositContext, DepositId, Deposits, Event, Pallet, Spend};

const KEYS: KeyTypeId = KeyTypeId(*b"zndp");

fn new_key() -> (SessionKey, AccountId) {
    let key = sp_io::crypto::sr25519_generate(KEYS, None);
    (key, AccountId::new(key.0))
}

fn sign(key: &SessionKey, bytes: &[u8]) -> Signature {
    sp_io::crypto::sr25519_sign(KEYS, key, bytes).expect("the key was just made")
}

fn unit<T: Config>() -> Balance {
    Pallet::<T>::minimum_balance()
}

/// Gives an account the coin for a deposit and its record.
fn fund<T: Config>(owner: &AccountId) -> Result<(), BenchmarkError>
where
    T::Currency: fungible::Mutate<AccountId>,
{
    let coin = unit::<T>() * 1000 + T::RecordDeposit::get();
    <T::Currency as fungible::Mutate<_>>::mint_into(owner, coin)?;
    Ok(())
}

fn locked<T: Config>(
    owner: &AccountId,
    counterparty: &AccountId,
) -> Result<DepositId, BenchmarkError>
where
    T::Currency: fungible::Mutate<AccountId>,
{
    fund::<T>(owner)?;
    let refund_at = frame_system::Pallet::<T>::block_number() + T::MaxLock::get();
    Pallet::<T>::lock(
        RawOrigin::Signed(owner.clone()).into(),
        counterparty.clone(),
        unit::<T>() * 100,
        refund_at,
    )?;
    Ok(deposit_id(Pallet::<T>::genesis(), owner, counterparty, 0))
}

#[benchmarks(where T::Currency: fungible::Mutate<AccountId>)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn lock() -> Result<(), BenchmarkError> {
        let owner: AccountId = whitelisted_caller();
        let counterparty: AccountId = account("counterparty", 0, 0);
        fund::<T>(&owner)?;
        let amount = unit::<T>() * 100;
        let refund_at = T::MaxLock::get();

        #[extrinsic_call]
        lock(RawOrigin::Signed(owner.clone()), counterparty.clone(), amount, refund_at);

        let deposit = deposit_id(Pallet::<T>::genesis(), &owner, &counterparty, 0);
        assert!(Deposits::<T>::contains_key(deposit));
        Ok(())
    }

    #[benchmark]
    fn spend() -> Result<(), BenchmarkError> {
        let (owner_key, owner) = new_key();
        let (other_key, counterparty) = new_key();
        let deposit = locked::<T>(&owner, &counterparty)?;
        // The receiver's account is new, which is the dearer case.
        let to: AccountId = account("receiver", 0, 0);
        let payload = Spend { sequence: 0, to: to.clone(), amount: unit::<T>() * 100 };
        let context = DepositContext { genesis: Pallet::<T>::genesis(), deposit };
        let bytes = payload.signing_bytes(&context);
        let (by_owner, by_other) = (sign(&owner_key, &bytes), sign(&other_key, &bytes));
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        spend(RawOrigin::Signed(caller), deposit, payload.clone(), by_owner, by_other);

        assert!(!Deposits::<T>::contains_key(deposit));
        frame_system::Pallet::<T>::assert_last_event(
            <T as frame_system::Config>::RuntimeEvent::from(Event::<T>::Spent {
                deposit,
                to,
                amount: payload.amount,
                left: 0,
            }),
        );
        Ok(())
    }

    #[benchmark]
    fn refund() -> Result<(), BenchmarkError> {
        let owner: AccountId = account("owner", 0, 0);
        let deposit = locked::<T>(&owner, &account("counterparty", 0, 0))?;
        let refund_at = frame_system::Pallet::<T>::block_number() + T::MaxLock::get();
        frame_system::Pallet::<T>::set_block_number(refund_at);
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        refund(RawOrigin::Signed(caller), deposit);

        assert!(!Deposits::<T>::contains_key(deposit));
        assert_eq!(Pallet::<T>::held(crate::HoldReason::Deposit, &owner), 0);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
