//! Who authors, who finalizes, and how they are elected.

use frame_support::{
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64, FindAuthor},
    ConsensusEngineId,
};
use pallet_session::PeriodicSessions;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::traits::{Convert, OpaqueKeys};

use crate::{
    AccountId, Aura, Authorship, Balances, BlockNumber, Dpos, Runtime, RuntimeEvent,
    RuntimeHoldReason, Session, SessionKeys, SLOT_MILLIS, XEN,
};

/// Most bookkeepers that there can be.
const MAX_SEATS: u32 = 21;

parameter_types! {
    pub const SessionOffset: BlockNumber = 0;
}

type SessionLength = pallet_pace::Session<Runtime>;

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type MaxAuthorities = ConstU32<MAX_SEATS>;
    type DisabledValidators = Session;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = ConstU64<SLOT_MILLIS>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_SEATS>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// The account behind the Aura key that authored a block.
pub struct AuraAccount;

impl FindAuthor<AccountId> for AuraAccount {
    fn find_author<'a, I>(digests: I) -> Option<AccountId>
    where
        I: 'a + IntoIterator<Item = (ConsensusEngineId, &'a [u8])>,
    {
        pallet_session::FindAccountFromAuthorIndex::<Runtime, Aura>::find_author(digests)
    }
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = AuraAccount;
    type EventHandler = ();
}

/// A bookkeeper's account is its validator id.
pub struct OwnValidator;

impl Convert<AccountId, Option<AccountId>> for OwnValidator {
    fn convert(account: AccountId) -> Option<AccountId> {
        Some(account)
    }
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = OwnValidator;
    type ShouldEndSession = PeriodicSessions<SessionLength, SessionOffset>;
    type NextSessionRotation = PeriodicSessions<SessionLength, SessionOffset>;
    type SessionManager = Dpos;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type KeyDeposit = ConstU128<{ XEN / 10 }>;
}

impl pallet_dpos::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Sessions = Session;
    type Author = Authorship;
    type MinBond = ConstU128<{ 10_000 * XEN }>;
    type MinStake = ConstU128<XEN>;
    type MaxCandidates = ConstU32<256>;
    type MaxSeats = ConstU32<MAX_SEATS>;
    // A day: long enough for a proof of misconduct to be brought.
    type UnbondingSessions = ConstU32<144>;
    type VoteLockSessions = ConstU32<2>;
    type WeightInfo = pallet_dpos::weights::SubstrateWeight<Runtime>;
}
