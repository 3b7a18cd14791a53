//! Who authors, who finalizes, and how they are elected.

use frame_support::{
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64, FindAuthor, Get},
    ConsensusEngineId,
};
use pallet_equivocation::{NoteKeys, Offender};
use pallet_session::PeriodicSessions;
use sp_consensus_aura::{sr25519::AuthorityId as AuraId, Slot};
use sp_runtime::traits::{Convert, OpaqueKeys};
use sp_staking::SessionIndex;

use crate::{
    AccountId, Aura, Authorship, Balances, BlockNumber, Dpos, Equivocation, Offences, Runtime,
    RuntimeEvent, RuntimeHoldReason, Session, SessionKeys, SLOT_MILLIS, XEN,
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
    type MaxSetIdSessionEntries = EvidenceSets;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Runtime, Offences, Equivocation, EvidenceBlocks>;
}

/// Sessions for which evidence of misconduct is taken: as long as there may be a bond to take from.
type EvidenceSessions = <Runtime as pallet_dpos::Config>::UnbondingSessions;

/// The same in sets of voters; a set changes at most with each session, and the one before the
/// oldest has to be known, too.
pub struct EvidenceSets;

impl Get<u64> for EvidenceSets {
    fn get() -> u64 {
        let sessions: SessionIndex = EvidenceSessions::get();
        u64::from(sessions).saturating_add(2)
    }
}

/// The same in blocks.
pub struct EvidenceBlocks;

impl Get<u64> for EvidenceBlocks {
    fn get() -> u64 {
        let sessions: SessionIndex = EvidenceSessions::get();
        u64::from(sessions).saturating_mul(SessionLength::get().into())
    }
}

/// The session that is in progress.
pub struct CurrentSession;

impl Get<SessionIndex> for CurrentSession {
    fn get() -> SessionIndex {
        Session::current_index()
    }
}

/// The slot of this block, or of its parent while this block is being initialised.
pub struct CurrentSlot;

impl Get<Slot> for CurrentSlot {
    fn get() -> Slot {
        pallet_aura::CurrentSlot::<Runtime>::get()
    }
}

impl pallet_equivocation::Config for Runtime {
    type MaxSeats = ConstU32<MAX_SEATS>;
    type EvidenceSessions = EvidenceSessions;
    type CurrentSession = CurrentSession;
    type CurrentSlot = CurrentSlot;
    type Offences = Offences;
    type WeightInfo = pallet_equivocation::weights::SubstrateWeight<Runtime>;
}

impl pallet_offences::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type IdentificationTuple = Offender<AccountId>;
    type OnOffenceHandler = ();
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
    type SessionHandler = NoteKeys<Runtime, <SessionKeys as OpaqueKeys>::KeyTypeIdProviders>;
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
