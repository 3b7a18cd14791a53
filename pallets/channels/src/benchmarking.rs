//! Benchmarks of every call on its dearest successful path.

use frame_benchmarking::v2::*;
use frame_support::traits::{fungible, Get};
use frame_system::RawOrigin;
use pallet_deposits::DepositLedger;
use sp_runtime::{KeyTypeId, Perbill};
use zennet_primitives::{
    amount::Balance,
    channel::{channel_id, ChannelContext, ChannelId, Split, Voucher},
    record::AppShare,
    signed::{Signable, Unverified},
    AccountId, Hash, SessionKey, Signature,
};

use crate::{Call, Channels, Config, Pallet};

const KEYS: KeyTypeId = KeyTypeId(*b"znch");

type CurrencyOf<T> = <T as pallet_deposits::Config>::Currency;

/// A channel, and the keys of those who sign for it.
struct Setup {
    channel: ChannelId,
    publisher: AccountId,
    publisher_key: SessionKey,
    provider: AccountId,
    provider_key: SessionKey,
    session_key: SessionKey,
    deposit: Balance,
}

fn new_key() -> (SessionKey, AccountId) {
    let key = sp_io::crypto::sr25519_generate(KEYS, None);
    (key, AccountId::new(key.0))
}

fn sign(key: &SessionKey, bytes: &[u8]) -> Signature {
    sp_io::crypto::sr25519_sign(KEYS, key, bytes).expect("the key was just made")
}

fn fund<T: Config + pallet_deposits::Config>(who: &AccountId) -> Result<Balance, BenchmarkError>
where
    CurrencyOf<T>: fungible::Mutate<AccountId>,
{
    let unit = T::Ledger::existential_deposit();
    let coin = unit * 1000 + <T as Config>::RecordDeposit::get();
    <CurrencyOf<T> as fungible::Mutate<_>>::mint_into(who, coin)?;
    Ok(unit * 100)
}

fn app_of<T: Config + pallet_deposits::Config>() -> Result<AppShare, BenchmarkError>
where
    CurrencyOf<T>: fungible::Mutate<AccountId>,
{
    let developer = account("developer", 0, 0);
    fund::<T>(&developer)?;
    Ok(AppShare { developer, share: Perbill::from_percent(10) })
}

/// A channel with a developer's share.
fn opened<T: Config + pallet_deposits::Config>() -> Result<Setup, BenchmarkError>
where
    CurrencyOf<T>: fungible::Mutate<AccountId>,
{
    opened_with::<T>(Some(app_of::<T>()?))
}

fn opened_with<T: Config + pallet_deposits::Config>(
    app: Option<AppShare>,
) -> Result<Setup, BenchmarkError>
where
    CurrencyOf<T>: fungible::Mutate<AccountId>,
{
    let (publisher_key, publisher) = new_key();
    let (provider_key, provider) = new_key();
    let (session_key, _) = new_key();
    let deposit = fund::<T>(&publisher)?;
    let contract = Hash::repeat_byte(1);
    let expires_at = frame_system::Pallet::<T>::block_number() + T::MinChallenge::get();
    Pallet::<T>::open(
        RawOrigin::Signed(publisher.clone()).into(),
        provider.clone(),
        contract,
        session_key,
        deposit,
        expires_at,
        T::MaxChallenge::get(),
        app,
    )?;
    let channel = channel_id(Pallet::<T>::genesis(), &publisher, &provider, contract, 0);
    Ok(Setup { channel, publisher, publisher_key, provider, provider_key, session_key, deposit })
}

impl Setup {
    fn context<T: Config>(&self) -> ChannelContext {
        ChannelContext { genesis: Pallet::<T>::genesis(), channel: self.channel }
    }

    /// A voucher for half of the deposit.
    fn voucher<T: Config>(&self) -> Unverified<Voucher> {
        let payload = Voucher { cumulative: self.deposit / 2, usage_hash: Hash::repeat_byte(2) };
        let signature = sign(&self.session_key, &payload.signing_bytes(&self.context::<T>()));
        Unverified { payload, signature }
    }
}

#[benchmarks(
    where
        T: pallet_deposits::Config,
        CurrencyOf<T>: fungible::Mutate<AccountId>,
)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn open() -> Result<(), BenchmarkError> {
        let publisher: AccountId = whitelisted_caller();
        let deposit = fund::<T>(&publisher)?;
        let app = app_of::<T>()?;
        let expires_at = frame_system::Pallet::<T>::block_number() + T::MinChallenge::get();

        #[extrinsic_call]
        open(
            RawOrigin::Signed(publisher.clone()),
            account("provider", 0, 0),
            Hash::repeat_byte(1),
            SessionKey::from_raw([1; 32]),
            deposit,
            expires_at,
            T::MaxChallenge::get(),
            Some(app),
        );

        assert_eq!(T::Ledger::locked(&publisher), deposit + <T as Config>::RecordDeposit::get());
        Ok(())
    }

    #[benchmark]
    fn top_up() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let publisher = setup.publisher.clone();
        whitelist!(publisher);

        #[extrinsic_call]
        top_up(RawOrigin::Signed(publisher), setup.channel, setup.deposit);

        let locked = setup.deposit * 2 + <T as Config>::RecordDeposit::get();
        assert_eq!(T::Ledger::locked(&setup.publisher), locked);
        Ok(())
    }

    #[benchmark]
    fn extend() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let expires_at = frame_system::Pallet::<T>::block_number() + T::MaxLifetime::get();

        #[extrinsic_call]
        extend(RawOrigin::Signed(setup.publisher.clone()), setup.channel, expires_at);

        let record = Channels::<T>::get(setup.channel).expect("the channel is open");
        assert_eq!(record.expires_at, expires_at);
        Ok(())
    }

    #[benchmark]
    fn claim() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let voucher = setup.voucher::<T>();
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        claim(RawOrigin::Signed(caller), setup.channel, voucher);

        let record = Channels::<T>::get(setup.channel).expect("the channel is open");
        assert_eq!(record.paid, setup.deposit / 2);
        Ok(())
    }

    #[benchmark]
    fn claim_without_developer() -> Result<(), BenchmarkError> {
        let setup = opened_with::<T>(None)?;
        let voucher = setup.voucher::<T>();
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        claim(RawOrigin::Signed(caller), setup.channel, voucher);

        let record = Channels::<T>::get(setup.channel).expect("the channel is open");
        assert_eq!(record.paid, setup.deposit / 2);
        Ok(())
    }

    #[benchmark]
    fn close() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let voucher = Some(setup.voucher::<T>());
        let provider = setup.provider.clone();
        whitelist!(provider);

        #[extrinsic_call]
        close(RawOrigin::Signed(provider), setup.channel, voucher);

        assert!(!Channels::<T>::contains_key(setup.channel));
        assert_eq!(T::Ledger::locked(&setup.publisher), 0);
        Ok(())
    }

    #[benchmark]
    fn close_without_developer() -> Result<(), BenchmarkError> {
        let setup = opened_with::<T>(None)?;
        let voucher = Some(setup.voucher::<T>());
        let provider = setup.provider.clone();
        whitelist!(provider);

        #[extrinsic_call]
        close(RawOrigin::Signed(provider), setup.channel, voucher);

        assert!(!Channels::<T>::contains_key(setup.channel));
        assert_eq!(T::Ledger::locked(&setup.publisher), 0);
        Ok(())
    }

    #[benchmark]
    fn close_together() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let split = Split { to_provider: setup.deposit / 2 };
        let bytes = split.signing_bytes(&setup.context::<T>());
        let by_publisher = sign(&setup.publisher_key, &bytes);
        let by_provider = sign(&setup.provider_key, &bytes);
        let provider = setup.provider.clone();
        whitelist!(provider);

        #[extrinsic_call]
        close_together(
            RawOrigin::Signed(provider),
            setup.channel,
            split,
            by_publisher,
            by_provider,
        );

        assert!(!Channels::<T>::contains_key(setup.channel));
        assert_eq!(T::Ledger::locked(&setup.publisher), 0);
        Ok(())
    }

    #[benchmark]
    fn request_close() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;

        #[extrinsic_call]
        request_close(RawOrigin::Signed(setup.publisher.clone()), setup.channel);

        let record = Channels::<T>::get(setup.channel).expect("the channel is open");
        assert!(record.closing_at.is_some());
        Ok(())
    }

    #[benchmark]
    fn finalize() -> Result<(), BenchmarkError> {
        let setup = opened::<T>()?;
        let record = Channels::<T>::get(setup.channel).expect("the channel is open");
        frame_system::Pallet::<T>::set_block_number(record.expires_at);
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        finalize(RawOrigin::Signed(caller), setup.channel);

        assert!(!Channels::<T>::contains_key(setup.channel));
        assert_eq!(T::Ledger::locked(&setup.publisher), 0);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
