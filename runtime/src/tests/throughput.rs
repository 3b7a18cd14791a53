//! How many transactions fit into a block by their weights.

use alloc::vec;

use frame_support::{
    dispatch::{DispatchClass, GetDispatchInfo},
    traits::Get,
    weights::Weight,
};
use sp_core::sr25519::Signature;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, traits::TransactionExtension, BoundedVec, MultiAddress};
use zennet_primitives::{
    announcement::{Announcement, LeaseRange, Needs},
    channel::Voucher,
    signed::Unverified,
};

use crate::{tx_extension, Hash, Runtime, RuntimeCall, HOURS, MINUTES, SLOT_MILLIS, XEN};

/// What the chain is to take in for as long as it is asked to, transactions a second.
const WANTED_PER_SEC: u64 = 500;

/// Transactions a second of a kind, if blocks have nothing else in them.
fn per_sec(call: RuntimeCall) -> u64 {
    let limits = <Runtime as frame_system::Config>::BlockWeights::get();
    let normal = limits.get(DispatchClass::Normal);
    let room = normal.max_total.expect("ordinary transactions have a bound; qed");
    let extension = tx_extension(0, 0, Era::Immortal);
    let one: Weight = normal
        .base_extrinsic
        .saturating_add(call.get_dispatch_info().call_weight)
        .saturating_add(extension.weight(&call));
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
    assert!(body.check().is_ok());
    RuntimeCall::Announcements(pallet_announcements::Call::announce {
        body,
        lifetime: HOURS,
        stamp: 0,
    })
}

fn open() -> RuntimeCall {
    RuntimeCall::Channels(pallet_channels::Call::open {
        provider: Sr25519Keyring::Bob.to_account_id(),
        contract: Hash::zero(),
        session_key: Sr25519Keyring::Charlie.public(),
        deposit: XEN,
        expires_at: HOURS,
        challenge: MINUTES,
        app: None,
    })
}

fn voucher() -> Unverified<Voucher> {
    let payload = Voucher { cumulative: 1, usage_hash: Hash::zero() };
    Unverified { payload, signature: Signature::default() }
}

fn claim() -> RuntimeCall {
    let (channel, voucher) = (Hash::zero(), voucher());
    RuntimeCall::Channels(pallet_channels::Call::claim { channel, voucher })
}

fn close() -> RuntimeCall {
    let (channel, voucher) = (Hash::zero(), Some(voucher()));
    RuntimeCall::Channels(pallet_channels::Call::close { channel, voucher })
}

#[test]
fn blocks_have_room_for_the_wanted_rate_of_every_kind() {
    let kinds = [
        ("transfer", transfer()),
        ("announce", announce()),
        ("open", open()),
        ("claim", claim()),
        ("close", close()),
    ];
    let rates = kinds.map(|(name, call)| (name, per_sec(call)));
    for (name, rate) in rates {
        assert!(rate >= WANTED_PER_SEC, "{name} is too slow: {rates:?}");
    }
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
