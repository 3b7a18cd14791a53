//! System, time and the size of blocks.

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU32, ConstU64, Contains},
    weights::{
        constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_SECOND},
        Weight,
    },
};
use frame_system::limits::{BlockLength, BlockWeights};
use sp_runtime::{traits::AccountIdLookup, Perbill};
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Aura, Balance, Block, BlockNumber, Hash, Migrations, Nonce, PalletInfo, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, RuntimeTask, SLOT_MILLIS, SS58_PREFIX, VERSION,
};

/// Time that a block takes on the machine of the weights: a part of a slot in which one bookkeeper
/// builds it and the next one checks it, with a fifth of the slot left for the way between them.
const BLOCK_PICOS: u64 = WEIGHT_REF_TIME_PER_SECOND * SLOT_MILLIS * 2 / 5 / 1000;

/// Part of a block that is open to ordinary transactions.
const NORMAL_RATIO: Perbill = Perbill::from_percent(85);

/// Bytes of a block.
const BLOCK_BYTES: u32 = 5 * 1024 * 1024;

parameter_types! {
    pub const BlockHashCount: BlockNumber = 2400;
    pub const Version: RuntimeVersion = VERSION;
    /// No bound on proofs, which only parachains need.
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(BLOCK_PICOS, u64::MAX),
        NORMAL_RATIO,
    );
    pub Length: BlockLength = BlockLength::builder()
        .max_length(BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |most| *most = NORMAL_RATIO * BLOCK_BYTES)
        .build();
}

/// Calls that accounts may make: all but those that would change the supply, take the session keys
/// of bookkeepers away, without whom the chain would end (keys can be replaced), or lock coin of
/// others, who then could not rent.
pub struct Permitted;

impl Contains<RuntimeCall> for Permitted {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(
            call,
            RuntimeCall::Balances(pallet_balances::Call::burn { .. })
                | RuntimeCall::Session(pallet_session::Call::purge_keys { .. })
                | RuntimeCall::Vesting(pallet_vesting::Call::vested_transfer { .. })
        )
    }
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BlockWeights = Weights;
    type BlockLength = Length;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type BlockHashCount = BlockHashCount;
    type DbWeight = ParityDbWeight;
    type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SS58Prefix = frame_support::traits::ConstU16<SS58_PREFIX>;
    type MaxConsumers = ConstU32<64>;
    type BaseCallFilter = Permitted;
    type SingleBlockMigrations = Migrations;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Aura;
    type MinimumPeriod = ConstU64<{ SLOT_MILLIS / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}
