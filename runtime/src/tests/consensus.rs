//! Whole blocks: who is paid for them, and what missed turns cost.

use codec::Encode;
use frame_support::{assert_ok, traits::fungible::Inspect};
use pallet_pace::Lengths;
use sp_consensus_aura::{digests::CompatibleDigestItem, sr25519::AuthoritySignature};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Dave, Eve};
use sp_runtime::{
    generic::{Digest, DigestItem, Era, SignedPayload},
    traits::{Dispatchable, Header as _},
};

use super::state_of;
use crate::{
    tx_extension, AccountId, Balance, Balances, Dpos, Executive, Hash, Header, Runtime,
    RuntimeCall, RuntimeOrigin, Session, System, UncheckedExtrinsic, EXISTENTIAL_DEPOSIT,
    SLOT_MILLIS, TOTAL_SUPPLY, XEN,
};

/// A slot of the first bookkeeper of four, and of the one alone.
const FIRST: u64 = 400;

/// A chain whose blocks are made here.
struct Chain {
    parent: Hash,
    number: u32,
}

impl Chain {
    fn at_genesis() -> Self {
        Self { parent: System::block_hash(0), number: 0 }
    }

    /// Makes the block of a slot, with the transactions given.
    fn block(&mut self, slot: u64, transactions: Vec<UncheckedExtrinsic>) {
        self.number += 1;
        let item: DigestItem =
            CompatibleDigestItem::<AuthoritySignature>::aura_pre_digest(slot.into());
        let digest = Digest { logs: vec![item] };
        let (parent, none) = (self.parent, Hash::default());
        Executive::initialize_block(&Header::new(self.number, none, none, parent, digest));
        let now = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * SLOT_MILLIS });
        for transaction in [vec![UncheckedExtrinsic::new_bare(now)], transactions].concat() {
            assert_ok!(Executive::apply_extrinsic(transaction).expect("the transaction is valid"));
        }
        self.parent = Executive::finalize_block().hash();
    }
}

/// A transaction without tip.
fn signed(key: Sr25519Keyring, call: RuntimeCall) -> UncheckedExtrinsic {
    let nonce = System::account_nonce(key.to_account_id());
    let extension = tx_extension(nonce, 0, Era::Immortal);
    let payload = SignedPayload::new(call, extension).expect("the extension signs no past block");
    let signature = payload.using_encoded(|bytes| key.sign(bytes));
    let (call, extension, _) = payload.deconstruct();
    UncheckedExtrinsic::new_signed(call, key.to_account_id().into(), signature.into(), extension)
}

fn vote(candidates: &[Sr25519Keyring], stake: Balance) -> RuntimeCall {
    let candidates: Vec<AccountId> = candidates.iter().map(|key| key.to_account_id()).collect();
    let candidates = candidates.try_into().expect("a test names at most 16");
    RuntimeCall::Dpos(pallet_dpos::Call::vote { candidates, stake })
}

/// What a claim, that itself costs nothing, pays.
fn claimed(key: Sr25519Keyring) -> Balance {
    let who = key.to_account_id();
    let before = Balances::balance(&who);
    let claim = RuntimeCall::Dpos(pallet_dpos::Call::claim {});
    assert_ok!(claim.dispatch(RuntimeOrigin::signed(who.clone())));
    Balances::balance(&who) - before
}

fn supply() -> Balance {
    let accounts = frame_system::Account::<Runtime>::iter_values();
    accounts.map(|account| account.data.free + account.data.reserved).sum()
}

#[test]
fn fees_of_a_session_reach_its_authors_by_blocks_and_their_voters_by_claim() {
    state_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Chain::at_genesis();
        chain.block(FIRST, vec![signed(Eve, vote(&[Alice, Bob], 1024 * XEN))]);
        let fees = Balances::balance(&Dpos::pot()) - EXISTENTIAL_DEPOSIT;
        assert!(fees > 0);
        // Bob, who has the second slot of each round, misses nine.
        let slots = (FIRST + 1..).filter(|slot| slot % 4 != 1 || *slot > FIRST + 36);
        let mut blocks: [Balance; 4] = [1, 0, 0, 0];
        let session = Lengths::<Runtime>::get().session;
        for slot in slots.take(session as usize - 1) {
            chain.block(slot, vec![]);
            blocks[slot as usize % 4] += 1;
            assert_eq!(supply(), TOTAL_SUPPLY);
        }
        assert_eq!(Session::current_index(), 1);
        let [of_alice, of_bob, of_charlie, of_dave] =
            blocks.map(|blocks| fees * blocks / Balance::from(session));
        assert!(of_bob < of_charlie);
        assert_eq!((claimed(Charlie), claimed(Dave)), (of_charlie, of_dave));
        // Alice and Bob have a voter and no commission.
        let shared = of_alice + of_bob;
        let of_eve = claimed(Eve);
        assert!((shared - 1..=shared).contains(&of_eve), "{of_eve} of {shared}");
        for key in [Alice, Bob] {
            assert!(!pallet_dpos::Earnings::<Runtime>::contains_key(key.to_account_id()));
        }
        assert_eq!(supply(), TOTAL_SUPPLY);
    });
}

#[test]
fn ten_missed_turns_cost_a_bookkeeper_its_turns() {
    state_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Chain::at_genesis();
        let who = Dave.to_account_id();
        chain.block(FIRST, vec![]);
        for round in 0..10 {
            assert_eq!(pallet_dpos::Missed::<Runtime>::get(&who), round);
            let first = FIRST + 4 * u64::from(round);
            // Dave's is the last slot of each round.
            for slot in [first + 1, first + 2, first + 4] {
                chain.block(slot, vec![]);
            }
        }
        let until = chain.number + Lengths::<Runtime>::get().jail;
        assert_eq!(pallet_dpos::Jailed::<Runtime>::get(&who), Some(until));
        assert_eq!(Session::disabled_validators(), [3]);
        assert_eq!(Dpos::elect(), [Alice, Bob, Charlie].map(|key| key.to_account_id()));
    });
}

#[test]
fn a_bookkeeper_alone_is_never_jailed() {
    state_of(DEV_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Chain::at_genesis();
        for slot in (FIRST..).step_by(2).take(24) {
            chain.block(slot, vec![]);
        }
        assert_eq!(pallet_dpos::Missed::<Runtime>::iter().count(), 0);
        assert_eq!(pallet_dpos::Jailed::<Runtime>::iter().count(), 0);
    });
}
