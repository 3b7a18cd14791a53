//! How many transactions fit into a block by what they weigh when they are done.

use alloc::vec;

use frame_support::{dispatch::DispatchClass, traits::Get, weights::Weight};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{BoundedVec, MultiAddress};
use zennet_primitives::{
    announcement::{Announcement, LeaseRange, Needs},
    pow,
    record::IdentityRecord,
};

use super::{
    blocks::on_a_chain_of,
    fees::{claim, close, newest, open, send, PROVIDER, PUBLISHER},
};
use crate::{Channels, Runtime, RuntimeCall, HOURS, SLOT_MILLIS, XEN};

/// What the chain is to take in for as long as it is asked to, transactions a second.
const WANTED_PER_SEC: u64 = 500;

/// Transactions a second of a weight, if blocks have nothing else in them.
fn per_sec(one: Weight) -> u64 {
    let limits = <Runtime as frame_system::Config>::BlockWeights::get();
    let room = limits.get(DispatchClass::Normal).max_total;
    let room = room.expect("ordinary transactions have a bound; qed");
    room.ref_time() / one.ref_time() * 1000 / SLOT_MILLIS
}

fn transfer() -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
        dest: MultiAddress::Id(Sr25519Keyring::Bob.to_account_id()),
        value: XEN,
    })
}

fn announce() -> RuntimeCall {
    let body = Announcement {
        task: 0,
        machines: 1,
        images: Default::default(),
        needs: Needs::default(),
        lease: LeaseRange { min_secs: 60, max_secs: 3600 },
        interval_ms: 2000,
        max_rates: None,
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: BoundedVec::truncate_from(vec![b'e'; 64]),
    };
    let id = body.id(Channels::genesis(), &PUBLISHER.to_account_id());
    let work: u64 = <Runtime as pallet_announcements::Config>::MinStampDifficulty::get();
    let stamp = pow::mine(|nonce| pow::stamp_work(id, nonce), work, 0, u64::MAX);
    RuntimeCall::Announcements(pallet_announcements::Call::announce {
        body,
        lifetime: HOURS,
        stamp: stamp.expect("some nonce of 2^64 meets it; qed"),
    })
}

fn make_known() {
    let (who, record) =
        (PUBLISHER.to_account_id(), IdentityRecord { registered_at: 0, difficulty: 1 });
    pallet_mined_identity::Identities::<Runtime>::insert(pow::Role::Publisher, who, record);
}

/// Transactions a second of each kind. The usual payment has no developer, and its provider asks.
fn rates() -> Vec<(&'static str, u64)> {
    make_known();
    let mut rates = Vec::new();
    let mut add = |name, by, call| rates.push((name, per_sec(send(by, call).weight)));
    add("transfer", PUBLISHER, transfer());
    add("announce", PUBLISHER, announce());
    add("open", PUBLISHER, open(None));
    add("claim", PROVIDER, claim(newest(), XEN / 4));
    add("close", PROVIDER, close(newest(), Some(XEN / 2)));
    rates
}

#[test]
fn blocks_have_room_for_the_wanted_rate_of_every_kind() {
    on_a_chain_of(DEV_RUNTIME_PRESET, || {
        let rates = rates();
        for (name, rate) in &rates {
            assert!(*rate >= WANTED_PER_SEC, "{name} is too slow: {rates:?}");
        }
    });
}

#[test]
fn a_block_can_prune_as_many_announcements_as_it_takes_in() {
    type Config = Runtime;
    let steps: u32 = <Config as pallet_announcements::Config>::MaxStepsPerBlock::get();
    assert!(u64::from(steps) >= WANTED_PER_SEC * SLOT_MILLIS / 1000, "expiry falls behind");
    let most = <Config as frame_system::Config>::BlockWeights::get().max_block;
    let pruning = <<Config as pallet_announcements::Config>::WeightInfo as
        pallet_announcements::WeightInfo>::expire(steps);
    assert!(pruning.ref_time() <= most.ref_time() / 3, "expiry takes a block: {pruning:?}");
}
