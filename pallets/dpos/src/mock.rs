//! A runtime with sessions of five blocks, for the tests and for the benchmarks' own tests.

use std::ops::Range;

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU128, ConstU32, ConstU64, ConstU8, FindAuthor, Imbalance, SuppressedDrop},
    weights::IdentityFee,
    ConsensusEngineId, PalletId,
};
use frame_system::EnsureRoot;
use pallet_transaction_payment::FungibleAdapter;
use sp_runtime::{
    impl_opaque_keys, testing::UintAuthorityId, traits::ConvertInto, BuildStorage, Perbill,
};

use crate::{self as pallet_dpos, FeesToPot, SkippedSlots};

pub(crate) const ED: u128 = 10;
pub(crate) const MIN_BOND: u128 = 100;
pub(crate) const MIN_STAKE: u128 = 20;
pub(crate) const ENDOWED: u128 = 10_000;
pub(crate) const SESSION_BLOCKS: u64 = 5;
pub(crate) const JAIL_BLOCKS: u64 = 20;
/// Coin of all accounts at genesis.
pub(crate) const SUPPLY: u128 = ENDOWED * (LAST_WITH_KEYS as u128 + VOTERS.len() as u128);

/// Candidates at genesis, in this order.
pub(crate) const GENESIS: [u64; 4] = [4, 3, 2, 1];
/// Every account up to this one has session keys.
pub(crate) const LAST_WITH_KEYS: u64 = 12;
/// Accounts that own coin but no session keys.
pub(crate) const VOTERS: [u64; 4] = [21, 22, 23, 24];

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        TransactionPayment: pallet_transaction_payment,
        Authorship: pallet_authorship,
        Dpos: pallet_dpos,
        Session: pallet_session,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
    type AccountData = pallet_balances::AccountData<u128>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = u128;
    type ExistentialDeposit = ConstU128<ED>;
    type AccountStore = System;
    type DustRemoval = FeesToPot<Test>;
}

impl pallet_transaction_payment::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = FungibleAdapter<Balances, FeesToPot<Test>>;
    type OperationalFeeMultiplier = ConstU8<1>;
    type WeightToFee = IdentityFee<u128>;
    type LengthToFee = IdentityFee<u128>;
    type FeeMultiplierUpdate = ();
    type WeightInfo = ();
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_transaction_payment::BenchmarkConfig for Test {}

parameter_types! {
    /// Author of the blocks that are run from now on.
    pub static BlockAuthor: Option<u64> = None;
    /// Slots that go by before each block that is run from now on.
    pub static Skipped: Range<u64> = 0..0;
    pub static MinBookkeepers: u32 = 2;
    pub static MaxCandidates: u32 = 40;
    pub const ElectoralThreshold: Perbill = Perbill::from_percent(1);
    pub const PotId: PalletId = PalletId(*b"zn/fees0");
    pub const MaxCommission: Perbill = Perbill::from_percent(50);
    pub const SlashFraction: Perbill = Perbill::from_percent(30);
}

pub struct SlotsOfTest;

impl SkippedSlots for SlotsOfTest {
    fn skipped() -> Range<u64> {
        Skipped::get()
    }
}

pub struct AuthorOfTest;

impl FindAuthor<u64> for AuthorOfTest {
    fn find_author<'a, I>(_: I) -> Option<u64>
    where
        I: 'a + IntoIterator<Item = (ConsensusEngineId, &'a [u8])>,
    {
        BlockAuthor::get()
    }
}

impl pallet_authorship::Config for Test {
    type FindAuthor = AuthorOfTest;
    type EventHandler = ();
}

impl_opaque_keys! {
    pub struct SessionKeys {
        pub dummy: UintAuthorityId,
    }
}

impl pallet_session::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = u64;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = pallet_session::PeriodicSessions<ConstU64<SESSION_BLOCKS>, ConstU64<0>>;
    type NextSessionRotation =
        pallet_session::PeriodicSessions<ConstU64<SESSION_BLOCKS>, ConstU64<0>>;
    type SessionManager = Dpos;
    type SessionHandler = pallet_session::TestSessionHandler;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = Balances;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_dpos::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Sessions = Session;
    type Author = Authorship;
    type Slots = SlotsOfTest;
    type Slashed = FeesToPot<Test>;
    type AdminOrigin = EnsureRoot<u64>;
    type PotId = PotId;
    type MinBond = ConstU128<MIN_BOND>;
    type MinStake = ConstU128<MIN_STAKE>;
    type MaxCandidates = MaxCandidates;
    type MaxSeats = ConstU32<5>;
    type ElectoralThreshold = ElectoralThreshold;
    type MinBookkeepers = MinBookkeepers;
    type UnbondingSessions = ConstU32<3>;
    type VoteLockSessions = ConstU32<2>;
    type MaxCommission = MaxCommission;
    type CommissionDelay = ConstU32<1>;
    type JailLength = ConstU64<JAIL_BLOCKS>;
    type SlashFraction = SlashFraction;
    type WeightInfo = ();
}

pub(crate) struct ExtBuilder {
    pub(crate) candidates: Vec<(u64, u128)>,
    pub(crate) seats: u32,
}

impl Default for ExtBuilder {
    fn default() -> Self {
        Self { candidates: GENESIS.map(|who| (who, MIN_BOND)).to_vec(), seats: 3 }
    }
}

impl ExtBuilder {
    pub(crate) fn build(self) -> sp_io::TestExternalities {
        BlockAuthor::set(None);
        Skipped::set(0..0);
        MinBookkeepers::set(2);
        MaxCandidates::set(40);
        let with_keys = 1..=LAST_WITH_KEYS;
        let storage = RuntimeGenesisConfig {
            balances: pallet_balances::GenesisConfig {
                balances: with_keys.clone().chain(VOTERS).map(|who| (who, ENDOWED)).collect(),
                dev_accounts: None,
            },
            dpos: pallet_dpos::GenesisConfig {
                candidates: self.candidates,
                seats: self.seats,
                commission: Perbill::zero(),
                // Every vote counts, except where a test is about the threshold.
                threshold: Perbill::zero(),
            },
            session: pallet_session::GenesisConfig {
                keys: with_keys
                    .map(|who| (who, who, SessionKeys { dummy: UintAuthorityId(who) }))
                    .collect(),
                non_authority_keys: Vec::new(),
            },
            ..Default::default()
        }
        .build_storage()
        .expect("the genesis of the mock is valid; qed");
        let mut ext = sp_io::TestExternalities::new(storage);
        ext.execute_with(|| System::run_to_block::<AllPalletsWithSystem>(1));
        ext
    }

    /// Runs a test from block one, then checks the state that it leaves.
    pub(crate) fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            Dpos::do_try_state().expect("the state is sound after the test");
            #[cfg(feature = "try-runtime")]
            try_hooks();
        });
    }
}

/// The hooks that a dry run calls, those of the other pallets included.
#[cfg(feature = "try-runtime")]
fn try_hooks() {
    use frame_support::traits::{TryState, TryStateSelect};
    AllPalletsWithSystem::try_state(System::block_number(), TryStateSelect::All)
        .expect("the state is sound after the test");
}

/// Runs the blocks up to the first one of a session.
pub(crate) fn run_to_session(session: u32) {
    System::run_to_block::<AllPalletsWithSystem>(u64::from(session) * SESSION_BLOCKS);
    assert_eq!(Session::current_index(), session);
}

/// Ends the block and begins the next one, by another author.
pub(crate) fn next_block_by(author: Option<u64>) {
    next_block_after(author, 0..0);
}

/// Ends the block and begins the next one, by another author and after slots without a block.
pub(crate) fn next_block_after(author: Option<u64>, skipped: Range<u64>) {
    BlockAuthor::set(author);
    Skipped::set(skipped);
    System::run_to_block::<AllPalletsWithSystem>(System::block_number() + 1);
    BlockAuthor::set(None);
    Skipped::set(0..0);
}

/// Everything on accounts and everything carried is the coin of genesis.
pub(crate) fn assert_supply_is_conserved() {
    let on_accounts: u128 = frame_system::Account::<Test>::iter_values()
        .map(|account| account.data.free + account.data.reserved)
        .sum();
    assert_eq!(Balances::total_issuance(), SUPPLY);
    assert_eq!(on_accounts + carried(), SUPPLY);
}

/// Fees that wait for the pot's account.
pub(crate) fn carried() -> u128 {
    pallet_dpos::CarriedFees::<Test>::get().map_or(0, |credit| credit.as_ref().peek())
}

#[cfg(feature = "runtime-benchmarks")]
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    ExtBuilder { candidates: Vec::new(), ..Default::default() }.build()
}
