use codec::{Decode, Encode};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{GetDispatchInfo, Pays},
    traits::{Hooks, KeyOwnerProofSystem},
};
use frame_system::offchain::CreateAuthorizedTransaction;
use proptest::prelude::*;
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_core::offchain::{testing::TestTransactionPoolExt, TransactionPoolExt};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};
use sp_runtime::{
    traits::{Applyable, Checkable, IdentityLookup},
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
    },
    ApplyExtrinsicResult, Digest, DigestItem, DispatchError, RuntimeAppPublic,
};
use sp_staking::{offence::Offence, SessionIndex};

use super::*;
use crate::mock::*;

fn report(proof: ProofOf<Test>, session: SessionIndex) -> Result<(), DispatchError> {
    let origin = frame_system::RawOrigin::Authorized.into();
    Equivocation::report(origin, proof, session).map(|_| ()).map_err(|refused| refused.error)
}

fn extrinsic(proof: ProofOf<Test>, session: SessionIndex) -> Extrinsic {
    Test::create_authorized_transaction(Call::report { proof, session }.into())
}

fn validate(xt: Extrinsic) -> TransactionValidity {
    let info = xt.get_dispatch_info();
    let checked = xt.check(&IdentityLookup::default())?;
    checked.validate::<Test>(TransactionSource::External, &info, 200)
}

fn apply(xt: Extrinsic) -> ApplyExtrinsicResult {
    let info = xt.get_dispatch_info();
    let checked = xt.check(&IdentityLookup::default())?;
    Ok(checked.apply::<Test>(&info, 200)?.map(|_| ()).map_err(|failed| failed.error))
}

fn invalid(reason: InvalidTransaction) -> TransactionValidityError {
    TransactionValidityError::Invalid(reason)
}

#[track_caller]
fn refused(proof: ProofOf<Test>, session: SessionIndex, error: Error<Test>) {
    assert_eq!(
        validate(extrinsic(proof.clone(), session)),
        Err(invalid(InvalidTransaction::BadProof))
    );
    assert_noop!(report(proof, session), error);
}

// ---- two blocks ----

#[test]
fn two_blocks_for_one_slot_name_the_owner_of_the_key() {
    build_and_execute(|| {
        let xt = extrinsic(two_blocks(Bob, 5), 0);
        assert_eq!(validate(xt.clone()).map(|valid| valid.provides.len()), Ok(1));
        assert_eq!(apply(xt), Ok(Ok(())));
        assert_eq!(Reported::get(), [(Bob.to_account_id(), vec![], 0)]);
        assert_eq!(Equivocators::<Test>::get(Bob.to_account_id()), Some(5.into()));
        let account = Bob.to_account_id();
        System::assert_has_event(Event::Equivocated { account, slot: 5.into(), session: 0 }.into());
    });
}

#[test]
fn who_signs_a_sound_report_is_named_and_pays_nothing() {
    build_and_execute(|| {
        let origin = RuntimeOrigin::signed(Charlie.to_account_id());
        let done = Equivocation::report(origin, two_blocks(Bob, 5), 0).unwrap();
        assert_eq!(done.pays_fee, Pays::No);
        assert_eq!(Reported::get(), [(Bob.to_account_id(), vec![Charlie.to_account_id()], 0)]);
    });
}

#[test]
fn a_report_needs_an_authorization_or_a_signature() {
    build_and_execute(|| {
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            let done = Equivocation::report(origin, two_blocks(Bob, 5), 0);
            assert_noop!(done.map_err(|refused| refused.error), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn the_same_block_twice_proves_nothing() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header = proof.first_header.clone();
        refused(proof, 0, Error::SameBlock);
    });
}

#[test]
fn a_block_that_is_sealed_twice_is_two_blocks() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header = sealed(Bob, header(5, 1));
        assert_ne!(proof.first_header, proof.second_header);
        assert_ok!(report(proof, 0));
    });
}

#[test]
fn bytes_behind_a_seal_do_not_make_another_block() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header = proof.first_header.clone();
        let Some(DigestItem::Seal(engine, mut seal)) = proof.second_header.digest.pop() else {
            panic!("a sealed header ends with its seal");
        };
        seal.push(0);
        proof.second_header.digest.push(DigestItem::Seal(engine, seal));
        assert_ne!(proof.first_header.hash(), proof.second_header.hash());
        refused(proof, 0, Error::NotSealed);
    });
}

#[test]
fn blocks_of_different_slots_prove_nothing() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header = sealed(Bob, header(6, 2));
        for slot in [5u64, 6] {
            proof.slot = slot.into();
            refused(proof.clone(), 0, Error::OtherSlot);
        }
    });
}

#[test]
fn a_header_with_no_slot_or_two_proves_nothing() {
    build_and_execute(|| {
        let slots = |slots: &[u64]| {
            let mut header = header(5, 2);
            header.digest.logs = slots.iter().map(|slot| pre_runtime(&slot.encode())).collect();
            sealed(Bob, header)
        };
        for second_header in [slots(&[]), slots(&[5, 5])] {
            let proof = ProofOf::<Test> { second_header, ..two_blocks(Bob, 5) };
            refused(proof, 0, Error::OtherSlot);
        }
    });
}

#[test]
fn a_header_without_its_seal_proves_nothing() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header.digest.pop();
        refused(proof.clone(), 0, Error::NotSealed);
        proof.second_header.digest.logs.clear();
        refused(proof, 0, Error::NotSealed);
    });
}

#[test]
fn a_seal_of_another_key_proves_nothing() {
    build_and_execute(|| {
        let mut proof = two_blocks(Bob, 5);
        proof.second_header = sealed(Alice, header(5, 2));
        refused(proof.clone(), 0, Error::BadSeal);
        proof.offender = Alice.public().into();
        refused(proof, 0, Error::BadSeal);
    });
}

#[test]
fn a_key_that_nobody_had_proves_nothing() {
    build_and_execute(|| refused(two_blocks(Charlie, 5), 0, Error::NotSeated));
}

#[test]
fn a_report_larger_than_two_headers_is_refused() {
    build_and_execute(|| {
        let mut large = header(5, 2);
        large.digest.push(DigestItem::Other(vec![0; MAX_EVIDENCE_BYTES]));
        let proof = ProofOf::<Test> { second_header: sealed(Bob, large), ..two_blocks(Bob, 5) };
        refused(proof, 0, Error::TooLarge);
    });
}

#[test]
fn a_second_report_about_a_bookkeeper_is_stale() {
    build_and_execute(|| {
        assert_ok!(report(two_blocks(Bob, 5), 0));
        for slot in [5, 6] {
            let again = extrinsic(two_blocks(Bob, slot), 0);
            assert_eq!(validate(again), Err(invalid(InvalidTransaction::Stale)));
            assert_noop!(report(two_blocks(Bob, slot), 0), Error::<Test>::AlreadyReported);
        }
        assert_ok!(report(two_blocks(Alice, 5), 0));
    });
}

#[test]
fn the_pool_holds_one_report_about_a_bookkeeper() {
    build_and_execute(|| {
        let tags = |by, slot| validate(extrinsic(two_blocks(by, slot), 0)).unwrap().provides;
        assert_eq!(tags(Bob, 5), tags(Bob, 6));
        assert_ne!(tags(Bob, 5), tags(Alice, 5));
    });
}

// ---- sessions and keys ----

#[test]
fn evidence_of_a_session_that_has_not_begun_is_refused() {
    build_and_execute(|| refused(two_blocks(Bob, 5), 1, Error::UnknownSession));
}

#[test]
fn evidence_is_taken_until_the_bond_may_be_gone() {
    build_and_execute(|| {
        let seated = [seat(Alice), seat(Bob)];
        for session in 1..=1 + EVIDENCE_SESSIONS {
            begin(session, u64::from(session) * 10, &seated);
        }
        // Session 1 was from slot 11 to 20.
        assert_eq!(Equivocation::judge(&two_blocks(Bob, 15)), Judgement::New);
        let last = 2 + EVIDENCE_SESSIONS;
        begin(last, u64::from(last) * 10, &seated);
        refused(two_blocks(Bob, 15), 1, Error::UnknownSession);
        begin(last + 1, u64::from(last) * 10 + 10, &seated);
        assert_eq!(Equivocation::judge(&two_blocks(Bob, 15)), Judgement::Refused);
        refused(two_blocks(Bob, 15), 3, Error::OtherSession);
    });
}

#[test]
fn a_bookkeeper_is_accountable_for_the_keys_that_were_in_force() {
    build_and_execute(|| {
        // Bob gets new keys in session 1, and his old ones go to nobody.
        let renewed = (Bob.to_account_id(), seat(Charlie).1);
        begin(1, 10, &[seat(Alice), renewed]);
        begin(2, 20, &[seat(Alice)]);
        assert_eq!(Equivocation::judge(&two_blocks(Bob, 5)), Judgement::New);
        refused(two_blocks(Bob, 15), 1, Error::NotSeated);
        assert_ok!(report(two_blocks(Charlie, 15), 1));
        assert_eq!(Reported::get(), [(Bob.to_account_id(), vec![], 1)]);
        assert_eq!(Equivocation::judge(&two_blocks(Bob, 5)), Judgement::Known);
    });
}

#[test]
fn keys_that_wait_for_a_later_session_are_not_in_force() {
    build_and_execute(|| {
        begin(1, 10, &[seat(Alice), seat(Bob)]);
        let seated: Vec<_> =
            Keys::<Test>::get(1).unwrap().into_iter().map(|seat| seat.account).collect();
        assert_eq!(seated, [Alice.to_account_id(), Bob.to_account_id()]);
    });
}

#[test]
fn the_owner_of_a_voter_key_is_known_by_its_session() {
    build_and_execute(|| {
        let voter = seat(Bob).1.voter;
        let key = (VoterKey::ID, voter.clone());
        let proof = Equivocation::prove(key.clone()).unwrap();
        begin(1, 10, &[seat(Alice)]);
        assert_eq!(Equivocation::prove(key.clone()), None);
        let owner = Equivocation::check_proof(key.clone(), proof.clone());
        assert_eq!(owner, Some((Bob.to_account_id(), ())));

        let mut other = proof.clone();
        other.session = 1;
        assert_eq!(Equivocation::check_proof(key.clone(), other), None);
        let mut other = proof.clone();
        other.validator_count += 1;
        assert_eq!(Equivocation::check_proof(key.clone(), other), None);
        let mut other = proof;
        other.trie_nodes.push(vec![0]);
        assert_eq!(Equivocation::check_proof(key, other), None);
    });
}

#[test]
fn more_offenders_at_once_weigh_more() {
    let offence = BlockEquivocation { slot: 5.into(), session: 0, seats: 21, offender: () };
    let parts = |offenders| offence.slash_fraction(offenders).deconstruct();
    // (3 / 21)^2 is 0.0204.
    assert_eq!(parts(1) / 100_000, 204);
    assert_eq!(parts(7), 1_000_000_000);
    assert_eq!(parts(u32::MAX), 1_000_000_000);
}

// ---- what a node asks ----

#[test]
fn a_node_submits_what_it_saw_once() {
    let (pool, state) = TestTransactionPoolExt::new();
    let mut ext = new_test_ext();
    ext.register_extension(TransactionPoolExt::new(pool));
    ext.execute_with(|| {
        begin(0, 0, &[seat(Alice), seat(Bob)]);
        let proof = two_blocks(Bob, 5);
        assert_eq!(Equivocation::judge(&proof), Judgement::New);
        assert_eq!(Equivocation::submit_report(proof.clone()), Some(()));
        let sent = state.write().transactions.pop().expect("one was submitted");
        let sent = Extrinsic::decode(&mut &sent[..]).expect("it is a transaction");
        assert_eq!(sent.encode(), extrinsic(proof.clone(), 0).encode());
        assert_eq!(apply(sent), Ok(Ok(())));

        assert_eq!(Equivocation::judge(&proof), Judgement::Known);
        assert_eq!(Equivocation::submit_report(proof), None);
        assert_eq!(Equivocation::judge(&two_blocks(Charlie, 5)), Judgement::Refused);
        assert_eq!(Equivocation::submit_report(two_blocks(Charlie, 5)), None);
        assert!(state.read().transactions.is_empty());
    });
}

// ---- what a header carries ----

fn pre_runtime(data: &[u8]) -> DigestItem {
    DigestItem::PreRuntime(AURA_ENGINE_ID, data.to_vec())
}

fn begin_block(logs: Vec<DigestItem>) {
    new_test_ext().execute_with(|| {
        System::initialize(&2, &Default::default(), &Digest { logs });
        Equivocation::on_initialize(2);
    });
}

#[test]
fn a_header_carries_its_slot() {
    begin_block(vec![pre_runtime(&5u64.encode())]);
    begin_block(vec![]);
}

#[test]
#[should_panic(expected = "something else than its slot")]
fn a_header_with_bytes_behind_its_slot_is_refused() {
    begin_block(vec![pre_runtime(&[0; 9])]);
}

#[test]
#[should_panic(expected = "something else than its slot")]
fn a_header_for_another_engine_is_refused() {
    begin_block(vec![DigestItem::PreRuntime(*b"BABE", 5u64.encode())]);
}

#[test]
#[should_panic(expected = "more than its slot")]
fn a_header_with_something_beside_its_slot_is_refused() {
    begin_block(vec![pre_runtime(&5u64.encode()), DigestItem::PreRuntime(*b"more", vec![])]);
}

// ---- properties ----

/// The session in progress when a block of `slot` came, from the slots before each session.
fn session_of(slot: u64, since: &[u64]) -> usize {
    since.iter().rposition(|since| *since < slot).unwrap_or(0)
}

proptest! {
    /// A report that anything was changed in proves nothing.
    #[test]
    fn no_bit_of_a_report_can_be_changed(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        build_and_execute(|| {
            let mut bytes = two_blocks(Bob, 5).encode();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(changed) = ProofOf::<Test>::decode(&mut &bytes[..]) {
                assert!(report(changed, 0).is_err());
            }
            assert_eq!(Reported::get(), []);
        });
    }

    /// A slot is about its own session and those beside it, and about no other.
    #[test]
    fn a_slot_is_about_its_session_and_its_neighbours(
        lengths in prop::collection::vec(0u64..6, 1..10),
        slot in 1u64..60,
    ) {
        build_and_execute(|| {
            let mut since = vec![0];
            for length in lengths {
                since.push(since[since.len() - 1] + length);
                begin(since.len() as u32 - 1, since[since.len() - 1], &[seat(Bob)]);
            }
            let (current, actual) = (since.len() - 1, session_of(slot, &since));
            let oldest = current.saturating_sub(EVIDENCE_SESSIONS as usize);
            for session in oldest..=current {
                let beside = session.abs_diff(actual) <= 1;
                assert_eq!(Equivocation::is_about(session as u32, slot.into()), beside);
            }
        });
    }
}
