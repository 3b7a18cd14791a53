//! Who authors, who finalizes, and how they are elected.

use core::ops::Range;

use frame_support::{
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64, Contains, FindAuthor, Get},
    ConsensusEngineId, PalletId,
};
use frame_system::EnsureRoot;
use pallet_equivocation::{NoteKeys, Offender};
use pallet_session::PeriodicSessions;
use sp_consensus_aura::{
    digests::CompatibleDigestItem,
    sr25519::{AuthorityId as AuraId, AuthoritySignature as AuraSignature},
    Slot,
};
use sp_runtime::{
    traits::{Convert, OpaqueKeys},
    Perbill,
};
use sp_staking::SessionIndex;

use crate::{
    AccountId, Aura, Authorship, Balances, BlockNumber, Dpos, Equivocation, Offences, Runtime,
    RuntimeEvent, RuntimeHoldReason, Session, SessionKeys, System, SLOT_MILLIS, XEN,
};

/// Most bookkeepers that there can be.
pub(crate) const MAX_SEATS: u32 = 21;

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

/// Bookkeepers that lost their seat for good.
pub struct BarredBookkeepers;

impl Contains<AccountId> for BarredBookkeepers {
    fn contains(who: &AccountId) -> bool {
        pallet_dpos::Barred::<Runtime>::contains_key(who)
    }
}

impl pallet_equivocation::Config for Runtime {
    type MaxSeats = ConstU32<MAX_SEATS>;
    type EvidenceSessions = EvidenceSessions;
    type CurrentSession = CurrentSession;
    type CurrentSlot = CurrentSlot;
    type Offences = Offences;
    type Barred = BarredBookkeepers;
    type WeightInfo = pallet_equivocation::weights::SubstrateWeight<Runtime>;
}

impl pallet_offences::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type IdentificationTuple = Offender<AccountId>;
    type OnOffenceHandler = Dpos;
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

/// Slots without a block, by Aura's records.
pub struct AuraSlots;

impl pallet_dpos::SkippedSlots for AuraSlots {
    /// Aura runs after the pallet that asks, so what it knows is still the parent's slot.
    fn skipped() -> Range<u64> {
        let first = u64::from(pallet_aura::CurrentSlot::<Runtime>::get()).saturating_add(1);
        let logs = System::digest().logs;
        let slot = logs.iter().find_map(CompatibleDigestItem::<AuraSignature>::as_aura_pre_digest);
        first..slot.map_or(first, u64::from)
    }
}

parameter_types! {
    pub const PotId: PalletId = PalletId(*b"zn/fees0");
    /// A hundred million XEN, a thirtieth of the private class; one holder can give it to as many
    /// candidates as a vote can name.
    pub const ElectoralThreshold: Perbill = Perbill::from_percent(1);
    pub const MaxCommission: Perbill = Perbill::from_percent(50);
    pub const SlashFraction: Perbill = Perbill::from_percent(30);
}

impl pallet_dpos::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Sessions = Session;
    type Author = Authorship;
    type Slots = AuraSlots;
    type Slashed = super::distribution::ToReserve;
    type AdminOrigin = EnsureRoot<AccountId>;
    type PotId = PotId;
    type MinBond = ConstU128<{ 10_000 * XEN }>;
    type MinStake = ConstU128<XEN>;
    type MaxCandidates = ConstU32<256>;
    type MaxSeats = ConstU32<MAX_SEATS>;
    type ElectoralThreshold = ElectoralThreshold;
    // GRANDPA goes on without one of four, and not without one of three.
    type MinBookkeepers = ConstU32<3>;
    // A day: long enough for a proof of misconduct to be brought.
    type UnbondingSessions = ConstU32<144>;
    type VoteLockSessions = ConstU32<2>;
    type MaxCommission = MaxCommission;
    // An hour: long enough for voters to see it.
    type CommissionDelay = ConstU32<6>;
    type JailLength = pallet_pace::Jail<Runtime>;
    type SlashFraction = SlashFraction;
    type WeightInfo = pallet_dpos::weights::SubstrateWeight<Runtime>;
}
