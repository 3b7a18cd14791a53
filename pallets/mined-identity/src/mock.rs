//! A chain with this pallet alone: nobody in it owns anything.

use frame_support::{derive_impl, parameter_types, traits::Hooks};
use sp_runtime::{
    generic::UncheckedExtrinsic, traits::IdentityLookup, BuildStorage, MultiSignature,
};
use zennet_primitives::{
    pow::{self, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

use crate as pallet_mined_identity;
use crate::Pallet as Identity;

pub(crate) type TxExtension = (
    frame_system::AuthorizeCall<Test>,
    frame_system::CheckNonZeroSender<Test>,
    frame_system::CheckGenesis<Test>,
    frame_system::CheckNonce<Test>,
    frame_system::CheckWeight<Test>,
);
pub(crate) type Extrinsic = UncheckedExtrinsic<AccountId, RuntimeCall, MultiSignature, TxExtension>;
type Block = sp_runtime::generic::Block<
    sp_runtime::generic::Header<u64, sp_runtime::traits::BlakeTwo256>,
    Extrinsic,
>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        MinedIdentity: pallet_mined_identity,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type BlockHashCount = frame_support::traits::ConstU64<250>;
}

parameter_types! {
    pub const AnchorWindow: u64 = 8;
    pub const EpochLength: u64 = 20;
    pub const WantedPerEpoch: u32 = 4;
    pub const MinDifficulty: Difficulty = 4;
    pub const MaxPerBlock: u32 = 3;
}

impl crate::Config for Test {
    type AnchorWindow = AnchorWindow;
    type EpochLength = EpochLength;
    type WantedPerEpoch = WantedPerEpoch;
    type MinDifficulty = MinDifficulty;
    type MaxPerBlock = MaxPerBlock;
    type WeightInfo = ();
}

pub(crate) const PUBLISHER_START: Difficulty = 16;
pub(crate) const PROVIDER_START: Difficulty = 64;

pub(crate) fn who(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

/// Hash that the test chain gives to a block.
pub(crate) fn hash_of_block(n: u64) -> Hash {
    zennet_primitives::hash_of(&("block", n))
}

/// Starts block `n`, hooks included, after the blocks before it.
pub(crate) fn run_to(n: u64) {
    while System::block_number() < n {
        let next = System::block_number() + 1;
        System::initialize(&next, &hash_of_block(next - 1), &Default::default());
        Identity::<Test>::on_initialize(next);
    }
}

/// A nonce for `account` on anchor `anchor_number` that meets the difficulty in force.
pub(crate) fn mine(role: Role, account: &AccountId, anchor_number: u64) -> PowNonce {
    let anchor = System::block_hash(anchor_number);
    let difficulty = crate::Difficulties::<Test>::get(role);
    pow::mine(|n| pow::identity_work(role, account, anchor, n), difficulty, 0, 1 << 24)
        .expect("the difficulty of the mock is low")
}

/// A nonce that does not meet the difficulty in force.
pub(crate) fn fail_to_mine(role: Role, account: &AccountId, anchor_number: u64) -> PowNonce {
    let anchor = System::block_hash(anchor_number);
    let difficulty = crate::Difficulties::<Test>::get(role);
    (0..)
        .find(|n| !pow::meets(pow::identity_work(role, account, anchor, *n), difficulty))
        .expect("most nonces fail")
}

pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let genesis = RuntimeGenesisConfig {
        system: Default::default(),
        mined_identity: crate::GenesisConfig {
            publisher_difficulty: PUBLISHER_START,
            provider_difficulty: PROVIDER_START,
            ..Default::default()
        },
    };
    genesis.build_storage().expect("the genesis of the mock is sound").into()
}

/// Runs a test from block 1 on, then checks the state that it leaves.
pub(crate) fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        run_to(1);
        test();
        Identity::<Test>::do_try_state().expect("the state is sound after the test");
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
