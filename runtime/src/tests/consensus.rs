//! Whole blocks: who is paid for them, and what missed turns cost.

use codec::Encode;
use frame_support::{assert_ok, traits::fungible::Inspect};
use pallet_pace::Lengths;
use sp_consensus_aura::{digests::CompatibleDigestItem, sr25519::AuthoritySignature};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{self, Alice, AliceStash, Bob, BobStash, Charlie, Dave, Eve, Ferdie},
};
use sp_runtime::{
    generic::{Digest, DigestItem, Era, SignedPayload},
    traits::{Dispatchable, Header as _},
    Perbill,
};

use super::state_of;
use crate::{
    tx_extension, AccountId, Balance, Balances, Dpos, Executive, Hash, Header, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, Session, SessionKeys, System, UncheckedExtrinsic,
    EXISTENTIAL_DEPOSIT, SLOT_MILLIS, TOTAL_SUPPLY, XEN,
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

/// What the session that ended in this block was paid for: the blocks of each bookkeeper.
fn rewarded() -> Vec<(AccountId, u32)> {
    let mut blocks: Vec<_> = System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Dpos(pallet_dpos::Event::Rewarded { bookkeeper, blocks, .. }) => {
                Some((bookkeeper, blocks))
            }
            _ => None,
        })
        .collect();
    blocks.sort();
    blocks
}

#[test]
fn the_block_that_seats_others_counts_for_those_whose_turn_it_was() {
    state_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let of = |keys: &[Sr25519Keyring]| -> Vec<AccountId> {
            keys.iter().map(|key| key.to_account_id()).collect()
        };
        let session = u64::from(Lengths::<Runtime>::get().session);
        let mut chain = Chain::at_genesis();
        let retire = RuntimeCall::Dpos(pallet_dpos::Call::retire {});
        chain.block(FIRST, vec![signed(Bob, retire)]);
        // The last block of the second session.
        let last = FIRST + 2 * session - 2;
        for slot in FIRST + 1..last {
            chain.block(slot, vec![]);
        }
        let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        chain.block(last, vec![signed(Eve, remark)]);
        assert_eq!(Session::validators(), of(&[Alice, Bob, Charlie, Dave]));

        // Dave lets a slot go by and Alice has the next one. Of three, the turns would be those of
        // Alice and Charlie.
        assert_eq!([last + 1, last + 2].map(|slot| (slot % 4, slot % 3)), [(3, 0), (0, 1)]);
        chain.block(last + 2, vec![]);
        assert_eq!((Session::current_index(), chain.number), (2, 2 * session as u32));
        assert_eq!(Session::validators(), of(&[Alice, Charlie, Dave]));
        let missed = |key: Sr25519Keyring| pallet_dpos::Missed::<Runtime>::get(key.to_account_id());
        assert_eq!([Alice, Bob, Charlie, Dave].map(missed), [0, 0, 0, 1]);
        // Each wrote seven, Charlie another one in the last block, and Alice this one.
        let mut written: Vec<_> =
            of(&[Alice, Bob, Charlie, Dave]).into_iter().zip([8, 7, 8, 7]).collect();
        written.sort();
        assert_eq!(rewarded(), written);
        assert_eq!(pallet_dpos::Authored::<Runtime>::iter().count(), 0);

        // From the next block on there are three.
        chain.block(last + 3, vec![]);
        let authored: Vec<_> = pallet_dpos::Authored::<Runtime>::iter().collect();
        assert_eq!(authored, [(Dave.to_account_id(), 1)]);
        assert_eq!(missed(Dave), 0);
    });
}

#[test]
fn newcomers_take_no_seat_with_a_few_coins_and_one_with_the_threshold() {
    state_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Chain::at_genesis();
        let newcomers = [Eve, Ferdie, AliceStash, BobStash];
        for (key, finality) in newcomers.into_iter().zip(Ed25519Keyring::iter().skip(8)) {
            let keys = SessionKeys { aura: key.public().into(), grandpa: finality.public().into() };
            pallet_session::NextKeys::<Runtime>::insert(key.to_account_id(), keys);
        }
        let commission = Perbill::zero();
        let stand = pallet_dpos::Call::stand { bond: 10_000 * XEN, commission };
        let stand = RuntimeCall::Dpos(stand);
        chain.block(FIRST, newcomers.map(|key| signed(key, stand.clone())).to_vec());
        let votes = [Eve, Ferdie].map(|key| signed(key, vote(&newcomers, XEN)));
        chain.block(FIRST + 1, votes.to_vec());
        let elected = |keys: [Sr25519Keyring; 4]| {
            assert_eq!(Dpos::elect(), keys.map(|key| key.to_account_id()));
        };
        elected([Alice, Bob, Charlie, Dave]);
        // Ferdie's one is missing.
        chain.block(FIRST + 2, vec![signed(Eve, vote(&[BobStash], 99_999 * XEN - 1))]);
        elected([Alice, Bob, Charlie, Dave]);
        chain.block(FIRST + 3, vec![signed(Eve, vote(&[BobStash], 99_999 * XEN))]);
        elected([BobStash, Alice, Bob, Charlie]);
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
