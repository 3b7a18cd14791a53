//! A runtime with only what deposits need.

use frame_support::{
    derive_impl, parameter_types,
    traits::{Contains, VariantCountOf},
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::{sr25519, Pair};
use sp_runtime::{traits::IdentityLookup, BuildStorage};
use zennet_primitives::{amount::Balance, AccountId};

use crate as pallet_deposits;

pub(crate) const EXISTENTIAL_DEPOSIT: Balance = 10;
pub(crate) const ENDOWMENT: Balance = 10_000;
pub(crate) const RECORD_DEPOSIT: Balance = 30;
pub(crate) const MAX_LOCK: u64 = 100;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Deposits: pallet_deposits,
    }
);

parameter_types! {
    pub const ExistentialDeposit: Balance = EXISTENTIAL_DEPOSIT;
    pub const RecordDeposit: Balance = RECORD_DEPOSIT;
    pub const MaxLock: u64 = MAX_LOCK;
}

parameter_types! {
    /// An account with coin that is locked elsewhere.
    pub static Locked: Option<AccountId> = None;
}

pub struct UnlockedOfTest;

impl Contains<AccountId> for UnlockedOfTest {
    fn contains(who: &AccountId) -> bool {
        Locked::get().as_ref() != Some(who)
    }
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
}

impl pallet_deposits::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Unlocked = UnlockedOfTest;
    type RecordDeposit = RecordDeposit;
    type MaxLock = MaxLock;
    type WeightInfo = ();
}

/// A key pair whose account exists for the seeds that are endowed.
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
        balances: (1..=3).map(|seed| (account(seed), ENDOWMENT)).collect(),
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
        Deposits::do_try_state().unwrap();
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
