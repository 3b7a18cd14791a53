//! What transactions cost, and what they take of a block, when they are done.

use codec::Encode;
use frame_support::{
    assert_ok,
    dispatch::DispatchClass,
    weights::{Weight, WeightToFee},
};
use pallet_transaction_payment::Event as Payment;
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    generic::{Era, SignedPayload},
    MultiAddress, MultiSignature, Perbill,
};
use zennet_primitives::{
    channel::{ChannelContext, ChannelId, Voucher},
    record::AppShare,
    signed::{Signable, Unverified},
    Hash,
};

use super::{blocks::on_a_chain_of, opened};
use crate::{
    tx_extension, Balance, Channels, Executive, Runtime, RuntimeCall, RuntimeEvent, System,
    TransactionPayment, TxExtension, UncheckedExtrinsic, HOURS, MINUTES, XEN,
};

pub(super) const PUBLISHER: Sr25519Keyring = Sr25519Keyring::Eve;
pub(super) const PROVIDER: Sr25519Keyring = Sr25519Keyring::Bob;
const SESSION: Sr25519Keyring = Sr25519Keyring::Charlie;
const DEVELOPER: Sr25519Keyring = Sr25519Keyring::Dave;
const WATCHTOWER: Sr25519Keyring = Sr25519Keyring::Alice;

/// A transaction that is done.
pub(super) struct Done {
    /// What was paid, in the smallest coin unit.
    fee: Balance,
    /// What it takes of its block.
    pub(super) weight: Weight,
}

/// Has a block take in a transaction, which must succeed, and cost no more than was shown before.
pub(super) fn send(by: Sr25519Keyring, call: RuntimeCall) -> Done {
    let transaction = signed(by, call);
    let bytes = transaction.encoded_size() as u32;
    let estimate = TransactionPayment::query_info(transaction.clone(), bytes).partial_fee;
    let before = System::block_weight();
    assert_ok!(Executive::apply_extrinsic(transaction).expect("it is valid"));
    let paid = System::events().into_iter().rev().find_map(|record| match record.event {
        RuntimeEvent::TransactionPayment(Payment::TransactionFeePaid { actual_fee, .. }) => {
            Some(actual_fee)
        }
        _ => None,
    });
    let fee = paid.expect("a fee was paid");
    assert!(fee <= estimate, "{fee} is more than {estimate}");
    let class = DispatchClass::Normal;
    let weight = System::block_weight().get(class).saturating_sub(*before.get(class));
    Done { fee, weight }
}

fn signed(by: Sr25519Keyring, call: RuntimeCall) -> UncheckedExtrinsic {
    let who = by.to_account_id();
    let extension = tx_extension(System::account_nonce(&who), 0, Era::Immortal);
    let payload: SignedPayload<RuntimeCall, TxExtension> =
        SignedPayload::new(call, extension.clone()).expect("what it signs beside is known");
    let signature = MultiSignature::Sr25519(payload.using_encoded(|bytes| by.sign(bytes)));
    let (call, ..) = payload.deconstruct();
    UncheckedExtrinsic::new_signed(call, MultiAddress::Id(who), signature, extension)
}

pub(super) fn open(app: Option<AppShare>) -> RuntimeCall {
    RuntimeCall::Channels(pallet_channels::Call::open {
        provider: PROVIDER.to_account_id(),
        contract: Hash::zero(),
        session_key: SESSION.public(),
        deposit: XEN,
        expires_at: HOURS,
        challenge: MINUTES,
        app,
    })
}

/// The channel that was opened last.
pub(super) fn newest() -> ChannelId {
    opened().last().expect("a channel was opened").1
}

/// A channel with a developer's share or without one.
fn new_channel(with_developer: bool) -> ChannelId {
    let developer = DEVELOPER.to_account_id();
    let app = AppShare { developer, share: Perbill::from_percent(10) };
    send(PUBLISHER, open(with_developer.then_some(app)));
    newest()
}

fn voucher(channel: ChannelId, cumulative: Balance) -> Unverified<Voucher> {
    let payload = Voucher { cumulative, usage_hash: Hash::zero() };
    let context = ChannelContext { genesis: Channels::genesis(), channel };
    let signature = SESSION.sign(&payload.signing_bytes(&context));
    Unverified { payload, signature }
}

pub(super) fn claim(channel: ChannelId, cumulative: Balance) -> RuntimeCall {
    let voucher = voucher(channel, cumulative);
    RuntimeCall::Channels(pallet_channels::Call::claim { channel, voucher })
}

pub(super) fn close(channel: ChannelId, cumulative: Option<Balance>) -> RuntimeCall {
    let voucher = cumulative.map(|cumulative| voucher(channel, cumulative));
    RuntimeCall::Channels(pallet_channels::Call::close { channel, voucher })
}

/// What reading and writing an account adds to a fee.
fn fee_of_an_account() -> Balance {
    type Config = Runtime;
    let weight = <Config as frame_system::Config>::DbWeight::get().reads_writes(1, 1);
    <Config as pallet_transaction_payment::Config>::WeightToFee::weight_to_fee(&weight)
}

#[test]
fn a_claim_is_charged_for_each_account_that_it_changes_beside_the_callers() {
    on_a_chain_of(DEV_RUNTIME_PRESET, || {
        let (plain, shared) = (new_channel(false), new_channel(true));
        let by_provider = send(PROVIDER, claim(plain, XEN / 4)).fee;
        let with_developer = send(PROVIDER, claim(shared, XEN / 4)).fee;
        let by_another = send(WATCHTOWER, claim(plain, XEN / 2)).fee;
        let dearest = send(WATCHTOWER, claim(shared, XEN / 2)).fee;
        assert!(with_developer > by_provider + fee_of_an_account());
        assert_eq!(by_another, by_provider + fee_of_an_account());
        assert_eq!(dearest, with_developer + fee_of_an_account());
    });
}

#[test]
fn a_close_is_charged_for_the_developer_and_the_voucher_only_where_there_is_one() {
    on_a_chain_of(DEV_RUNTIME_PRESET, || {
        let (plain, shared, unused) = (new_channel(false), new_channel(true), new_channel(true));
        let with_voucher = send(PROVIDER, close(plain, Some(XEN / 2))).fee;
        let with_developer = send(PROVIDER, close(shared, Some(XEN / 2))).fee;
        let without_voucher = send(PROVIDER, close(unused, None)).fee;
        assert!(with_developer > with_voucher + fee_of_an_account());
        assert!(without_voucher < with_voucher, "{without_voucher}, {with_voucher}");
    });
}

#[test]
fn a_block_has_the_room_that_a_payment_did_not_need() {
    on_a_chain_of(DEV_RUNTIME_PRESET, || {
        let (plain, shared) = (new_channel(false), new_channel(true));
        let usual = send(PROVIDER, claim(plain, XEN / 2)).weight;
        let dearest = send(WATCHTOWER, claim(shared, XEN / 2)).weight;
        let spared = <Runtime as frame_system::Config>::DbWeight::get().reads_writes(2, 2);
        assert!(usual.ref_time() + spared.ref_time() < dearest.ref_time());
    });
}
