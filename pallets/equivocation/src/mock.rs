//! A chain with this pallet alone; its sessions begin when a test says so.

use codec::Encode;
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, Nothing},
};
use frame_system::offchain::{
    CreateAuthorizedTransaction, CreateTransaction, CreateTransactionBase,
};
use pallet_session::{SessionHandler, TestSessionHandler};
use sp_consensus_aura::{digests::CompatibleDigestItem, Slot, AURA_ENGINE_ID};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{
    generic::{self, UncheckedExtrinsic},
    impl_opaque_keys,
    traits::{BlakeTwo256, Header as _, IdentityLookup},
    AccountId32, BuildStorage, Digest, DigestItem, MultiSignature,
};
use sp_staking::{
    offence::{Offence, OffenceError, ReportOffence},
    SessionIndex,
};

use crate as pallet_equivocation;
use crate::{AuthorKey, BlockEquivocation, NoteKeys, Offender, ProofOf, Seal, VoterKey};

pub(crate) type TxExtension = (
    frame_system::AuthorizeCall<Test>,
    frame_system::CheckNonZeroSender<Test>,
    frame_system::CheckGenesis<Test>,
    frame_system::CheckNonce<Test>,
    frame_system::CheckWeight<Test>,
);
pub(crate) type Extrinsic =
    UncheckedExtrinsic<AccountId32, RuntimeCall, MultiSignature, TxExtension>;
pub(crate) type Header = generic::Header<u64, BlakeTwo256>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Equivocation: pallet_equivocation,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = generic::Block<Header, Extrinsic>;
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
}

parameter_types! {
    pub static CurrentSession: SessionIndex = 0;
    pub static CurrentSlot: Slot = Slot::from(0);
    /// What was reported: who, by whom, and the session.
    pub static Reported: Vec<(AccountId32, Vec<AccountId32>, SessionIndex)> = Vec::new();
}

/// Sessions for which evidence is taken here.
pub(crate) const EVIDENCE_SESSIONS: SessionIndex = 3;

impl crate::Config for Test {
    type MaxSeats = ConstU32<4>;
    type EvidenceSessions = ConstU32<EVIDENCE_SESSIONS>;
    type CurrentSession = CurrentSession;
    type CurrentSlot = CurrentSlot;
    type Offences = Offences;
    type Barred = Nothing;
    type WeightInfo = ();
}

/// Keeps what is reported, each slot of an offender once.
pub struct Offences;

type Offending = Offender<AccountId32>;

impl ReportOffence<AccountId32, Offending, BlockEquivocation<Offending>> for Offences {
    fn report_offence(
        reporters: Vec<AccountId32>,
        offence: BlockEquivocation<Offending>,
    ) -> Result<(), OffenceError> {
        let report = (offence.offender.0.clone(), reporters, offence.session_index());
        Reported::mutate(|all| all.push(report));
        Ok(())
    }

    fn is_known_offence(_: &[Offending], _: &Slot) -> bool {
        false
    }
}

impl CreateTransactionBase<crate::Call<Test>> for Test {
    type Extrinsic = Extrinsic;
    type RuntimeCall = RuntimeCall;
}

impl CreateTransaction<crate::Call<Test>> for Test {
    type Extension = TxExtension;

    fn create_transaction(call: RuntimeCall, extension: TxExtension) -> Extrinsic {
        Extrinsic::new_transaction(call, extension)
    }
}

impl CreateAuthorizedTransaction<crate::Call<Test>> for Test {
    fn create_extension() -> TxExtension {
        (
            frame_system::AuthorizeCall::new(),
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckNonce::from(0),
            frame_system::CheckWeight::new(),
        )
    }
}

impl_opaque_keys! {
    pub struct TestKeys {
        pub author: AuthorKey,
        pub voter: VoterKey,
    }
}

/// An account whose own key is its author key, and its keys.
pub(crate) fn seat(who: Sr25519Keyring) -> (AccountId32, TestKeys) {
    let voter = match who {
        Sr25519Keyring::Alice => Ed25519Keyring::Alice,
        Sr25519Keyring::Bob => Ed25519Keyring::Bob,
        Sr25519Keyring::Charlie => Ed25519Keyring::Charlie,
        other => unreachable!("{other:?} is not seated in these tests"),
    };
    let keys = TestKeys { author: who.public().into(), voter: voter.public().into() };
    (who.to_account_id(), keys)
}

/// Begins a session after the block of slot `since`.
pub(crate) fn begin(session: SessionIndex, since: u64, seated: &[(AccountId32, TestKeys)]) {
    CurrentSession::set(session);
    CurrentSlot::set(since.into());
    let queued = [seat(Sr25519Keyring::Charlie)];
    NoteKeys::<Test, TestSessionHandler>::on_new_session(true, seated, &queued);
}

/// A header without seal. `tag` makes it one of a kind.
pub(crate) fn header(slot: u64, tag: u8) -> Header {
    let slot = <DigestItem as CompatibleDigestItem<Seal>>::aura_pre_digest(slot.into());
    let root = sp_core::H256::repeat_byte(tag);
    Header::new(7, root, root, root, Digest { logs: vec![slot] })
}

/// Seals a header.
pub(crate) fn sealed(by: Sr25519Keyring, mut header: Header) -> Header {
    let seal = by.sign(header.hash().as_ref());
    header.digest.push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
    header
}

/// Two blocks of one author for one slot.
pub(crate) fn two_blocks(by: Sr25519Keyring, slot: u64) -> ProofOf<Test> {
    ProofOf::<Test> {
        offender: by.public().into(),
        slot: slot.into(),
        first_header: sealed(by, header(slot, 1)),
        second_header: sealed(by, header(slot, 2)),
    }
}

pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    CurrentSession::set(0);
    CurrentSlot::set(0.into());
    Reported::take();
    let genesis = frame_system::GenesisConfig::<Test>::default();
    let mut ext: sp_io::TestExternalities =
        genesis.build_storage().expect("the genesis of the mock is sound").into();
    ext.register_extension(sp_keystore::KeystoreExt::new(
        sp_keystore::testing::MemoryKeystore::new(),
    ));
    ext.execute_with(|| System::set_block_number(1));
    ext
}

/// Runs a test in a chain whose session 0 has Alice and Bob seated, then checks its state.
pub(crate) fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        let seated = [seat(Sr25519Keyring::Alice), seat(Sr25519Keyring::Bob)];
        NoteKeys::<Test, TestSessionHandler>::on_genesis_session(&seated);
        test();
        Equivocation::do_try_state().expect("the state is sound after the test");
    });
}
