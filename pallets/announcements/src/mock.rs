//! A chain with balances and this pallet.

use std::collections::BTreeSet;

use frame_support::{derive_impl, parameter_types, traits::Hooks};
use sp_runtime::{traits::IdentityLookup, BoundedVec, BuildStorage};
use zennet_primitives::{
    amount::Balance,
    announcement::{Announcement, AnnouncementId, ImageRef, LeaseRange, Needs},
    pow::{self, Difficulty, PowNonce},
    AccountId, Hash,
};

use crate as pallet_announcements;
use crate::KnownPublisher;

type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Announcements: pallet_announcements,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

parameter_types! {
    pub const ExistentialDeposit: Balance = 10;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
}

parameter_types! {
    pub const MinStampDifficulty: Difficulty = 16;
    pub const MaxLifetime: u64 = 100;
    pub const MaxExpiringPerBlock: u32 = 6;
    pub const MaxStepsPerBlock: u32 = 4;
    pub const DepositBase: Balance = 100;
    pub static DepositPerByte: Balance = 2;
    pub static MaxDeposit: Balance = 1200;
    pub static Known: BTreeSet<AccountId> = BTreeSet::new();
}

impl crate::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Identities = Known;
    type MinStampDifficulty = MinStampDifficulty;
    type MaxLifetime = MaxLifetime;
    type MaxDeposit = MaxDeposit;
    type MaxExpiringPerBlock = MaxExpiringPerBlock;
    type MaxStepsPerBlock = MaxStepsPerBlock;
    type DepositBase = DepositBase;
    type DepositPerByte = DepositPerByte;
    type WeightInfo = ();
}

/// Makes an account known as a publisher.
pub(crate) fn make_known(account: &AccountId) {
    Known::mutate(|known| known.insert(account.clone()));
}

impl KnownPublisher for Known {
    fn is_known(account: &AccountId) -> bool {
        Known::get().contains(account)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn make_known(account: &AccountId) {
        make_known(account);
    }
}

pub(crate) const PUBLISHERS: u8 = 5;
pub(crate) const START: Balance = 10_000;

/// Accounts 1 to 5 are known publishers with coin; the others own nothing and are unknown.
pub(crate) fn who(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

pub(crate) fn genesis() -> Hash {
    System::block_hash(0)
}

pub(crate) fn body(task: u64) -> Announcement {
    Announcement {
        task,
        machines: 3,
        images: Default::default(),
        needs: Needs { memory_mib: Some(256), ..Default::default() },
        lease: LeaseRange { min_secs: 60, max_secs: 3600 },
        interval_ms: 2000,
        max_rates: None,
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: BoundedVec::truncate_from(b"/ip4/192.0.2.1/tcp/4001/p2p/peer".to_vec()),
    }
}

/// A body whose fields are all in bounds and whose sum is not.
pub(crate) fn oversized_body() -> Announcement {
    let image = ImageRef::truncate_from(vec![b'i'; 96]);
    Announcement {
        images: BoundedVec::truncate_from(vec![image; 4]),
        endpoint: BoundedVec::truncate_from(vec![b'e'; 192]),
        ..body(0)
    }
}

pub(crate) fn id_of(publisher: &AccountId, body: &Announcement) -> AnnouncementId {
    body.id(genesis(), publisher)
}

/// A nonce whose work on the body meets the minimum.
pub(crate) fn stamp(publisher: &AccountId, body: &Announcement) -> PowNonce {
    let id = id_of(publisher, body);
    pow::mine(|n| pow::stamp_work(id, n), MinStampDifficulty::get(), 0, 1 << 20)
        .expect("the difficulty of the mock is low")
}

/// Starts blocks up to `n`, hooks included.
pub(crate) fn run_to(n: u64) {
    while System::block_number() < n {
        let next = System::block_number() + 1;
        System::set_block_number(next);
        Announcements::on_initialize(next);
    }
}

/// Every key and value of the state, without the bookkeeping of the block itself.
pub(crate) fn state() -> Vec<(Vec<u8>, Vec<u8>)> {
    let skipped: Vec<Vec<u8>> = ["Number", "Events", "EventCount", "ExecutionPhase"]
        .iter()
        .map(|item| frame_support::storage::storage_prefix(b"System", item.as_bytes()).to_vec())
        .collect();
    let (mut all, mut key) = (Vec::new(), Vec::new());
    while let Some(next) = sp_io::storage::next_key(&key) {
        if !skipped.contains(&next) {
            let value = sp_io::storage::get(&next).map(|v| v.to_vec()).unwrap_or_default();
            all.push((next.clone(), value));
        }
        key = next;
    }
    all
}

pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    Known::set((1..=PUBLISHERS).map(who).collect());
    let balances = (1..=PUBLISHERS).map(|n| (who(n), START)).collect();
    let genesis = RuntimeGenesisConfig {
        system: Default::default(),
        balances: pallet_balances::GenesisConfig { balances, ..Default::default() },
    };
    genesis.build_storage().expect("the genesis of the mock is sound").into()
}

/// Runs a test from block 1 on, then checks the state that it leaves.
pub(crate) fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        run_to(1);
        test();
        Announcements::do_try_state(System::block_number())
            .expect("the state is sound after the test");
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
