//! A runtime with only what channels need.

use frame_support::{derive_impl, parameter_types, weights::constants::RocksDbWeight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::{sr25519, Pair};
use sp_runtime::{traits::IdentityLookup, BuildStorage};
use zennet_primitives::{amount::Balance, AccountId};

use crate as pallet_channels;

pub(crate) const EXISTENTIAL_DEPOSIT: Balance = 10;
pub(crate) const ENDOWMENT: Balance = 10_000;
pub(crate) const RECORD_DEPOSIT: Balance = 30;
pub(crate) const MIN_CHALLENGE: u64 = 5;
pub(crate) const MAX_CHALLENGE: u64 = 20;
pub(crate) const MAX_LIFETIME: u64 = 100;

/// Accounts that exist from the start are 1 to 5.
pub(crate) const PUBLISHER: u8 = 1;
pub(crate) const PROVIDER: u8 = 2;
pub(crate) const WATCHTOWER: u8 = 3;
pub(crate) const DEVELOPER: u8 = 4;
pub(crate) const SECOND_PUBLISHER: u8 = 5;
/// A provider without an account.
pub(crate) const POOR_PROVIDER: u8 = 9;
/// The key that signs vouchers.
pub(crate) const SESSION: u8 = 100;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Deposits: pallet_deposits,
        Channels: pallet_channels,
    }
);

parameter_types! {
    pub const ExistentialDeposit: Balance = EXISTENTIAL_DEPOSIT;
    pub const MaxLock: u64 = MAX_LIFETIME;
    pub const RecordDeposit: Balance = RECORD_DEPOSIT;
    pub const MinChallenge: u64 = MIN_CHALLENGE;
    pub const MaxChallenge: u64 = MAX_CHALLENGE;
    pub const MaxLifetime: u64 = MAX_LIFETIME;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
    type AccountId = AccountId;
    // That of the weights for tests.
    type DbWeight = RocksDbWeight;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
}

impl pallet_deposits::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Unlocked = frame_support::traits::Everything;
    type RecordDeposit = RecordDeposit;
    type MaxLock = MaxLock;
    type WeightInfo = ();
}

impl pallet_channels::Config for Test {
    type Ledger = Deposits;
    type RecordDeposit = RecordDeposit;
    type MinChallenge = MinChallenge;
    type MaxChallenge = MaxChallenge;
    type MaxLifetime = MaxLifetime;
    type WeightInfo = ();
}

pub(crate) fn pair(seed: u8) -> sr25519::Pair {
    sr25519::Pair::from_seed(&[seed; 32])
}

pub(crate) fn account(seed: u8) -> AccountId {
    AccountId::new(pair(seed).public().0)
}

pub(crate) fn go_to(block: BlockNumberFor<Test>) {
    System::set_block_number(block);
}

/// The first state, from which benchmarks are run as well.
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
    pallet_balances::GenesisConfig::<Test> {
        balances: (1..=5).map(|seed| (account(seed), ENDOWMENT)).collect(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    let mut ext = sp_io::TestExternalities::from(storage);
    ext.register_extension(sp_keystore::KeystoreExt::new(
        sp_keystore::testing::MemoryKeystore::new(),
    ));
    ext
}

/// Runs a test, then checks that the state is sound and that no coin appeared or vanished.
pub(crate) fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        System::set_block_number(1);
        let supply = Balances::total_issuance();
        test();
        assert_eq!(Balances::total_issuance(), supply, "the supply changed");
        Channels::do_try_state().unwrap();
        #[cfg(feature = "try-runtime")]
        try_hooks();
    });
}

/// The hooks that a dry run calls, those of the other pallets included.
#[cfg(feature = "try-runtime")]
fn try_hooks() {
    use frame_support::traits::{TryState, TryStateSelect};
    AllPalletsWithSystem::try_state(System::block_number(), TryStateSelect::All)
        .expect("the state is sound after the test");
}
