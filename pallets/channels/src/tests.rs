mod changing;
mod claiming;
mod ending;
mod opening;
mod splitting;
mod weighing;

use frame_support::{
    assert_noop, assert_ok,
    dispatch::DispatchResultWithPostInfo,
    traits::{fungible::Inspect, LockableCurrency, WithdrawReasons},
};
use pallet_deposits::DepositLedger;
use sp_core::Pair;
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult, Perbill};
use zennet_primitives::{
    amount::Balance,
    channel::{channel_id, ChannelContext, ChannelId, Split, Voucher},
    record::{AppShare, ChannelRecord},
    signed::{Signable, Unverified},
    Hash, Signature,
};

use crate::{mock::*, Channels as Map, Error, Event, NextNonce};

const DEPOSIT: Balance = 1000;
const EXPIRY: u64 = 50;
const CHALLENGE: u64 = 10;

fn signed(seed: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(seed))
}

fn contract() -> Hash {
    Hash::repeat_byte(0xc0)
}

fn usage() -> Hash {
    Hash::repeat_byte(0x05)
}

fn try_open(
    provider: u8,
    deposit: Balance,
    expires_at: u64,
    challenge: u64,
    app: Option<AppShare>,
) -> DispatchResult {
    Channels::open(
        signed(PUBLISHER),
        account(provider),
        contract(),
        pair(SESSION).public(),
        deposit,
        expires_at,
        challenge,
        app,
    )
}

fn open_with(provider: u8, app: Option<AppShare>) -> ChannelId {
    let nonce = NextNonce::<Test>::get(account(PUBLISHER));
    assert_ok!(try_open(provider, DEPOSIT, EXPIRY, CHALLENGE, app));
    channel_id(Channels::genesis(), &account(PUBLISHER), &account(provider), contract(), nonce)
}

fn open() -> ChannelId {
    open_with(PROVIDER, None)
}

fn app(percent: u32) -> Option<AppShare> {
    Some(AppShare { developer: account(DEVELOPER), share: Perbill::from_percent(percent) })
}

fn context(channel: ChannelId) -> ChannelContext {
    ChannelContext { genesis: Channels::genesis(), channel }
}

fn voucher_in(context: &ChannelContext, key: u8, cumulative: Balance) -> Unverified<Voucher> {
    let payload = Voucher { cumulative, usage_hash: usage() };
    Unverified { payload, signature: pair(key).sign(&payload.signing_bytes(context)) }
}

fn voucher(channel: ChannelId, cumulative: Balance) -> Unverified<Voucher> {
    voucher_in(&context(channel), SESSION, cumulative)
}

/// The same channel number on another chain.
fn on_another_chain(channel: ChannelId) -> ChannelContext {
    ChannelContext { genesis: Hash::repeat_byte(7), ..context(channel) }
}

fn sign_split(seed: u8, channel: ChannelId, split: Split) -> Signature {
    pair(seed).sign(&split.signing_bytes(&context(channel)))
}

fn close_together(by: u8, channel: ChannelId, to_provider: Balance) -> DispatchResult {
    let split = Split { to_provider };
    let publisher = sign_split(PUBLISHER, channel, split);
    let provider = sign_split(PROVIDER, channel, split);
    Channels::close_together(signed(by), channel, split, publisher, provider)
}

fn record(channel: ChannelId) -> ChannelRecord<u64> {
    Map::<Test>::get(channel).unwrap()
}

fn free(seed: u8) -> Balance {
    Balances::balance(&account(seed))
}

fn locked(seed: u8) -> Balance {
    <Deposits as DepositLedger>::locked(&account(seed))
}

/// Leaves the publisher with nothing free, which an account with another provider may do.
fn empty_the_publisher() {
    System::inc_providers(&account(PUBLISHER));
    let all = free(PUBLISHER);
    assert_ok!(Balances::transfer_allow_death(signed(PUBLISHER), account(WATCHTOWER), all));
}

/// What a call came to, whatever it weighed.
fn outcome(done: DispatchResultWithPostInfo) -> DispatchResult {
    done.map(|_| ()).map_err(|refused| refused.error)
}

fn assert_settled(channel: ChannelId, paid: Balance, refunded: Balance) {
    assert_eq!(Map::<Test>::get(channel), None);
    let settled = Event::Settled {
        channel,
        publisher: account(PUBLISHER),
        provider: account(PROVIDER),
        paid,
        refunded,
        contract: contract(),
    };
    System::assert_last_event(settled.into());
}

#[test]
fn unknown_channels_are_refused() {
    build_and_execute(|| {
        let unknown = Hash::repeat_byte(0xff);
        let not_found: DispatchError = Error::<Test>::NotFound.into();
        assert_noop!(Channels::top_up(signed(PUBLISHER), unknown, 1), not_found);
        assert_noop!(Channels::extend(signed(PUBLISHER), unknown, 60), not_found);
        let voucher = voucher(unknown, 1);
        assert_noop!(Channels::claim(signed(PROVIDER), unknown, voucher), not_found);
        assert_noop!(Channels::close(signed(PROVIDER), unknown, None), not_found);
        assert_noop!(close_together(PROVIDER, unknown, 1), not_found);
        assert_noop!(Channels::request_close(signed(PUBLISHER), unknown), not_found);
        assert_noop!(Channels::finalize(signed(PUBLISHER), unknown), not_found);
    });
}

#[test]
fn unsigned_calls_are_refused() {
    build_and_execute(|| {
        let channel = open();
        let none = RuntimeOrigin::none;
        let bad = DispatchError::BadOrigin;
        let key = pair(SESSION).public();
        let (to, until) = (account(PROVIDER), EXPIRY);
        let open = Channels::open(none(), to, contract(), key, DEPOSIT, until, CHALLENGE, None);
        assert_noop!(open, bad);
        assert_noop!(Channels::top_up(none(), channel, 1), bad);
        assert_noop!(Channels::extend(none(), channel, 60), bad);
        assert_noop!(Channels::claim(none(), channel, voucher(channel, 1)), bad);
        assert_noop!(Channels::close(none(), channel, None), bad);
        assert_noop!(Channels::request_close(none(), channel), bad);
        assert_noop!(Channels::finalize(none(), channel), bad);
        let split = Split { to_provider: 1 };
        let signature = sign_split(PUBLISHER, channel, split);
        let close = Channels::close_together(none(), channel, split, signature, signature);
        assert_noop!(close, bad);
    });
}
