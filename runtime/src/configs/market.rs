//! Identities, announcements, deposits and channels.

use codec::MaxEncodedLen;
use frame_support::{
    parameter_types,
    traits::{ConstU128, ConstU32, ConstU64},
};
use pallet_deposits::DepositRecord;
use pallet_mined_identity::MinedIdentities;
use zennet_primitives::{announcement::MAX_ANNOUNCEMENT_BYTES, pow::Role, record::ChannelRecord};

use super::{accounts::deposit, voting_coin::Unlocked};
use crate::{
    AccountId, Balance, Balances, BlockNumber, Deposits, MinedIdentity, Runtime, RuntimeHoldReason,
    DAYS, HOURS, MINUTES,
};

/// Announcements of the largest size that an account may have at a time; of smaller ones it may have
/// more, since what is scarce is the space.
const LARGEST_PER_ACCOUNT: Balance = 16;

impl pallet_mined_identity::Config for Runtime {
    type AnchorWindow = ConstU32<{ 10 * MINUTES }>;
    type EpochLength = ConstU32<HOURS>;
    type WantedPerEpoch = ConstU32<120>;
    type MinDifficulty = ConstU64<{ 1 << 16 }>;
    type MaxPerBlock = ConstU32<16>;
    type WeightInfo = pallet_mined_identity::weights::SubstrateWeight<Runtime>;
}

/// Publishers are known by their mined identities.
pub struct MinedPublishers;

impl pallet_announcements::KnownPublisher for MinedPublishers {
    fn is_known(account: &AccountId) -> bool {
        MinedIdentity::is_mined(Role::Publisher, account)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn make_known(account: &AccountId) {
        let record = zennet_primitives::record::IdentityRecord { registered_at: 0, difficulty: 1 };
        pallet_mined_identity::Identities::<Runtime>::insert(Role::Publisher, account, record);
    }
}

impl pallet_announcements::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Identities = MinedPublishers;
    type MinStampDifficulty = ConstU64<{ 1 << 12 }>;
    type MaxLifetime = ConstU32<DAYS>;
    type MaxDeposit =
        ConstU128<{ LARGEST_PER_ACCOUNT * deposit(1, MAX_ANNOUNCEMENT_BYTES as u32) }>;
    type MaxExpiringPerBlock = ConstU32<1024>;
    // As many as blocks can take in for a long time.
    type MaxStepsPerBlock = ConstU32<1024>;
    type DepositBase = ConstU128<{ deposit(1, 0) }>;
    type DepositPerByte = ConstU128<{ deposit(0, 1) }>;
    type WeightInfo = pallet_announcements::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
    pub DepositRecordDeposit: Balance = record_deposit::<DepositRecord<BlockNumber>>();
    pub ChannelRecordDeposit: Balance = record_deposit::<ChannelRecord<BlockNumber>>();
}

/// What the largest record of a kind costs while it is kept.
///
/// The next nonce of its owner is not in it. That stays for good, so a deposit that returns does not
/// pay for it; what bounds it is the fees of a deposit or channel of an account of its own.
fn record_deposit<Record: MaxEncodedLen>() -> Balance {
    deposit(1, Record::max_encoded_len() as u32)
}

impl pallet_deposits::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Unlocked = Unlocked;
    type RecordDeposit = DepositRecordDeposit;
    type MaxLock = ConstU32<{ 365 * DAYS }>;
    type WeightInfo = pallet_deposits::weights::SubstrateWeight<Runtime>;
}

impl pallet_channels::Config for Runtime {
    type Ledger = Deposits;
    type RecordDeposit = ChannelRecordDeposit;
    type MinChallenge = ConstU32<{ MINUTES / 2 }>;
    type MaxChallenge = ConstU32<{ 7 * DAYS }>;
    type MaxLifetime = ConstU32<{ 90 * DAYS }>;
    type WeightInfo = pallet_channels::weights::SubstrateWeight<Runtime>;
}
