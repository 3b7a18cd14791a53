//! Evidence against a bookkeeper, from the headers or votes to what it costs.

use codec::{Decode, Encode};
use frame_support::{
    assert_noop, assert_ok,
    traits::{fungible::InspectHold, Hooks},
};
use pallet_equivocation::{
    runtime_decl_for_equivocation_api::EquivocationApiV1, Judgement, ProofOf, Seal,
};
use sp_consensus_aura::{digests::CompatibleDigestItem, Slot, AURA_ENGINE_ID};
use sp_consensus_grandpa::{
    runtime_decl_for_grandpa_api::GrandpaApiV3, EquivocationProof, OpaqueKeyOwnershipProof,
};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::{
    traits::{Dispatchable, Header as _},
    transaction_validity::{InvalidTransaction, TransactionSource},
    Digest, DigestItem,
};

use super::state_of;
use crate::{
    configs::distribution::ReserveAccount, Balance, Balances, BlockNumber, Dpos, Executive,
    Grandpa, Hash, Header, Runtime, RuntimeCall, RuntimeOrigin, Session, SessionKeys, System,
    TOTAL_SUPPLY,
};

const OFFENDER: Sr25519Keyring = Sr25519Keyring::Bob;
const OFFENDING_VOTER: Ed25519Keyring = Ed25519Keyring::Bob;

fn with_four_bookkeepers(test: impl FnOnce()) {
    let mut state = state_of(LOCAL_TESTNET_RUNTIME_PRESET);
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state.execute_with(|| {
        System::set_block_number(1);
        test();
    });
}

fn block(slot: u64, tag: u8) -> Header {
    let pre_digest = <DigestItem as CompatibleDigestItem<Seal>>::aura_pre_digest(slot.into());
    let root = Hash::repeat_byte(tag);
    let mut header = Header::new(2, root, root, root, Digest { logs: vec![pre_digest] });
    let seal = OFFENDER.sign(header.hash().as_ref());
    header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
    header
}

fn two_blocks(slot: u64) -> ProofOf<Runtime> {
    ProofOf::<Runtime> {
        offender: OFFENDER.public().into(),
        slot: slot.into(),
        first_header: block(slot, 1),
        second_header: block(slot, 2),
    }
}

/// A vote as GRANDPA encodes it: a prevote, in a round and a set.
fn vote(hash: Hash, round: u64, set: u64) -> impl Encode {
    let target: (Hash, BlockNumber) = (hash, 2);
    let signature = OFFENDING_VOTER.sign(&(0u8, target, round, set).encode());
    (target, signature)
}

fn two_votes(round: u64, set: u64) -> EquivocationProof<Hash, BlockNumber> {
    let votes = (vote(Hash::repeat_byte(1), round, set), vote(Hash::repeat_byte(2), round, set));
    let bytes = (set, 0u8, round, OFFENDING_VOTER.public(), votes).encode();
    EquivocationProof::decode(&mut &bytes[..]).expect("it is a proof")
}

fn report_votes(
    proof: EquivocationProof<Hash, BlockNumber>,
    ownership: OpaqueKeyOwnershipProof,
) -> sp_runtime::DispatchResult {
    let ownership = ownership.decode().expect("it is what this runtime made");
    Grandpa::report_equivocation_unsigned(RuntimeOrigin::none(), Box::new(proof), ownership)
        .map(|_| ())
        .map_err(|refused| refused.error)
}

fn report_blocks(slot: u64, session: u32) {
    let call = pallet_equivocation::Call::report { proof: two_blocks(slot), session };
    let origin = frame_system::RawOrigin::Authorized.into();
    assert_ok!(RuntimeCall::Equivocation(call).dispatch(origin));
}

fn bond() -> Balance {
    Balances::balance_on_hold(&pallet_dpos::HoldReason::Candidacy.into(), &OFFENDER.to_account_id())
}

fn offences() -> usize {
    pallet_offences::Reports::<Runtime>::iter().count()
}

/// The bookkeeper has other keys from the next session but one.
fn set_new_keys() {
    let account = OFFENDER.to_account_id();
    let new = SessionKeys::generate(&account.encode(), None);
    let proof = new.proof.encode();
    assert_ok!(Session::set_keys(RuntimeOrigin::signed(account), new.keys, proof));
}

#[test]
fn two_blocks_for_one_slot_are_an_offence_that_needs_no_fee() {
    with_four_bookkeepers(|| {
        let call = pallet_equivocation::Call::report { proof: two_blocks(5), session: 0 };
        let call = RuntimeCall::Equivocation(call);
        let transaction = <Runtime as frame_system::offchain::CreateAuthorizedTransaction<
            pallet_equivocation::Call<Runtime>,
        >>::create_authorized_transaction(call.clone());
        let validate = || {
            Executive::validate_transaction(
                TransactionSource::External,
                transaction.clone(),
                System::parent_hash(),
            )
        };
        assert!(validate().expect("a sound report may enter the pool").propagate);
        assert_eq!(Runtime::judge(two_blocks(5)), Judgement::New);

        assert_ok!(call.dispatch(frame_system::RawOrigin::Authorized.into()));
        assert_eq!(offences(), 1);
        assert_eq!(Runtime::judge(two_blocks(6)), Judgement::Known);
        assert_eq!(validate(), Err(InvalidTransaction::Stale.into()));
    });
}

#[test]
fn two_blocks_cost_the_seat_for_good_and_part_of_the_bond_and_no_coin_is_lost() {
    with_four_bookkeepers(|| {
        let (account, before) = (OFFENDER.to_account_id(), bond());
        report_blocks(5, 0);
        assert!(pallet_dpos::Barred::<Runtime>::contains_key(&account));
        assert!(!pallet_dpos::Candidates::<Runtime>::contains_key(&account));
        let part = <Runtime as pallet_dpos::Config>::SlashFraction::get();
        assert_eq!(before - bond(), part * before);
        // Nobody who could report it, or have itself reported, has a part of it.
        assert_eq!(Balances::free_balance(ReserveAccount::get()), part * before);
        assert_eq!(Balances::total_issuance(), TOTAL_SUPPLY);
    });
}

#[test]
fn who_is_barred_cannot_fill_blocks_with_evidence_against_itself() {
    with_four_bookkeepers(|| {
        let ownership = || {
            Runtime::generate_key_ownership_proof(0, OFFENDING_VOTER.public().into())
                .expect("the voter is of the set")
        };
        assert_ok!(report_votes(two_votes(7, 0), ownership()));
        let left = bond();
        for round in [7, 8, u64::MAX] {
            assert_noop!(
                report_votes(two_votes(round, 0), ownership()),
                pallet_grandpa::Error::<Runtime>::InvalidKeyOwnershipProof
            );
        }
        assert_eq!((offences(), bond()), (1, left));
    });
}

#[test]
fn an_equivocator_has_no_turn_in_the_next_block_and_no_seat_two_sessions_later() {
    with_four_bookkeepers(|| {
        let seat = Session::validators().iter().position(|who| *who == OFFENDER.to_account_id());
        report_blocks(5, 0);
        Dpos::on_initialize(2);
        assert_eq!(Session::disabled_validators(), [seat.expect("it is seated") as u32]);
        for _ in 0..2 {
            Session::rotate_session();
        }
        assert_eq!(Session::validators().len(), 3);
        assert!(!Session::validators().contains(&OFFENDER.to_account_id()));
    });
}

#[test]
fn two_votes_of_one_round_are_an_offence() {
    with_four_bookkeepers(|| {
        let ownership = Runtime::generate_key_ownership_proof(0, OFFENDING_VOTER.public().into())
            .expect("the voter is of the set");
        assert_ok!(report_votes(two_votes(7, 0), ownership));
        assert_eq!(offences(), 1);
        let stranger = Ed25519Keyring::Ferdie.public().into();
        assert!(Runtime::generate_key_ownership_proof(0, stranger).is_none());
    });
}

#[test]
fn who_sets_new_keys_stays_accountable_for_the_old_ones() {
    with_four_bookkeepers(|| {
        set_new_keys();
        // In the session in which they are set, and after both sessions that the old ones are in
        // force.
        for ended in 1u64..=3 {
            assert_eq!(Runtime::judge(two_blocks(5)), Judgement::New);
            let voter = OFFENDING_VOTER.public().into();
            assert!(Runtime::generate_key_ownership_proof(0, voter).is_some());
            pallet_aura::CurrentSlot::<Runtime>::put(Slot::from(ended * 10));
            Session::rotate_session();
        }
        assert_eq!(Runtime::judge(two_blocks(5)), Judgement::New);
        assert_eq!(Runtime::judge(two_blocks(35)), Judgement::Refused);
        let voter = OFFENDING_VOTER.public().into();
        let ownership = Runtime::generate_key_ownership_proof(0, voter).expect("it was of the set");
        assert_ok!(report_votes(two_votes(7, 0), ownership));
        assert_eq!(offences(), 1);
    });
}
