//! What holds between the pallets as this runtime puts them together.

mod blocks;
mod consensus;
mod distribution;
mod equivocation;
mod fees;
mod governance;
mod locks;
#[cfg(feature = "try-runtime")]
mod random;
mod throughput;
mod versions;

use alloc::{vec, vec::Vec};

use codec::Encode;
use frame_support::{
    assert_ok, assert_storage_noop,
    dispatch::{DispatchClass, GetDispatchInfo},
    traits::Get,
};
use pallet_deposits::DepositLedger;
use serde_json::Value;
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{traits::Dispatchable, BuildStorage, DispatchError, Perbill, Storage};
use zennet_primitives::{channel::ChannelId, record::AppShare};

use crate::{
    presets, AccountId, Balance, Balances, Deposits, Hash, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeGenesisConfig, RuntimeOrigin, System, MINUTES, XEN,
};

/// Machines of one order, each with a channel of its own.
const MACHINES: usize = 50;

/// The first state of a preset's chain.
pub(crate) fn state_of(preset: &str) -> sp_io::TestExternalities {
    genesis_of(preset).into()
}

fn genesis_of(preset: &str) -> Storage {
    let json: Value = serde_json::from_slice(&presets::preset(&preset.into()).unwrap()).unwrap();
    let mut whole = serde_json::to_value(RuntimeGenesisConfig::default()).unwrap();
    merge(&mut whole, json);
    let config: RuntimeGenesisConfig = serde_json::from_value(whole).unwrap();
    config.build_storage().unwrap()
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

/// Runs a test in the first block of a chain, then the hooks that a dry run calls.
fn in_the_first_block(test: impl FnOnce()) {
    state_of(DEV_RUNTIME_PRESET).execute_with(|| {
        System::set_block_number(1);
        test();
        #[cfg(feature = "try-runtime")]
        assert_sound();
    });
}

#[cfg(feature = "try-runtime")]
fn assert_sound() {
    use frame_support::traits::{TryState, TryStateSelect};
    let now = System::block_number();
    crate::AllPalletsWithSystem::try_state(now, TryStateSelect::All).expect("the state is sound");
}

fn publisher() -> AccountId {
    Sr25519Keyring::Eve.to_account_id()
}

fn provider() -> AccountId {
    Sr25519Keyring::Bob.to_account_id()
}

/// The same each time, so that only the nonce tells the channels apart.
fn open(provider: AccountId, deposit: Balance) -> RuntimeCall {
    RuntimeCall::Channels(pallet_channels::Call::open {
        provider,
        contract: Hash::repeat_byte(1),
        session_key: Sr25519Keyring::Charlie.public(),
        deposit,
        expires_at: 60 * MINUTES,
        challenge: MINUTES,
        app: None,
    })
}

fn batch(calls: Vec<RuntimeCall>) -> RuntimeCall {
    RuntimeCall::Utility(pallet_utility::Call::batch_all { calls })
}

fn by_the_publisher(call: RuntimeCall) -> Result<(), DispatchError> {
    let origin = RuntimeOrigin::signed(publisher());
    call.dispatch(origin).map(|_| ()).map_err(|refused| refused.error)
}

fn opened() -> Vec<(u64, ChannelId)> {
    let events = System::events().into_iter().map(|record| record.event);
    let opened = events.filter_map(|event| match event {
        RuntimeEvent::Channels(pallet_channels::Event::Opened { nonce, channel, .. }) => {
            Some((nonce, channel))
        }
        _ => None,
    });
    opened.collect()
}

#[test]
fn a_batch_of_opens_gives_a_channel_each_with_nonces_in_a_row() {
    in_the_first_block(|| {
        assert_ok!(by_the_publisher(open(provider(), XEN)));
        assert_ok!(by_the_publisher(batch(vec![open(provider(), XEN); MACHINES])));
        let (nonces, mut channels): (Vec<_>, Vec<_>) = opened().into_iter().unzip();
        assert_eq!(nonces, (0..=MACHINES as u64).collect::<Vec<_>>());
        channels.sort();
        channels.dedup();
        assert_eq!(channels.len(), MACHINES + 1);
        assert!(channels.iter().all(pallet_channels::Channels::<Runtime>::contains_key));
        let locked = <Deposits as DepositLedger>::locked(&publisher());
        let each = XEN + <Runtime as pallet_channels::Config>::RecordDeposit::get();
        assert_eq!(locked, each * (MACHINES as Balance + 1));
    });
}

#[test]
fn the_largest_record_of_a_channel_costs_as_much_as_an_announcement_of_its_size() {
    in_the_first_block(|| {
        let mut largest = open(provider(), XEN);
        if let RuntimeCall::Channels(pallet_channels::Call::open { app, .. }) = &mut largest {
            let share = Perbill::from_percent(10);
            *app = Some(AppShare { developer: publisher(), share });
        }
        assert_ok!(by_the_publisher(largest));
        let (_, channel) = opened()[0];
        let close = pallet_channels::Call::request_close { channel };
        assert_ok!(by_the_publisher(RuntimeCall::Channels(close)));
        let record = pallet_channels::Channels::<Runtime>::get(channel).unwrap();
        let cost = pallet_announcements::deposit_for(
            <Runtime as pallet_announcements::Config>::DepositBase::get(),
            <Runtime as pallet_announcements::Config>::DepositPerByte::get(),
            record.encoded_size(),
        );
        assert_eq!(Some(record.record_deposit), cost);
    });
}

#[test]
fn a_batch_of_opens_takes_less_than_half_of_a_block() {
    let call = batch(vec![open(provider(), XEN); MACHINES]);
    let weights = <Runtime as frame_system::Config>::BlockWeights::get();
    let base = weights.get(DispatchClass::Normal).base_extrinsic;
    let weight = call.get_dispatch_info().total_weight().saturating_add(base);
    assert!(weight.all_lte(weights.max_block / 2), "{weight:?} of {:?}", weights.max_block);
    let lengths = <Runtime as frame_system::Config>::BlockLength::get();
    let most = *lengths.max.get(DispatchClass::Normal) as usize;
    assert!(call.encoded_size() <= most / 2, "{} of {most} bytes", call.encoded_size());
}

#[test]
fn a_batch_in_which_one_open_fails_opens_nothing() {
    in_the_first_block(|| {
        let mut calls = vec![open(provider(), XEN); MACHINES];
        calls[MACHINES / 2] = open(publisher(), XEN);
        let to_oneself = pallet_channels::Error::<Runtime>::SameParty.into();
        assert_storage_noop!(assert_eq!(by_the_publisher(batch(calls)), Err(to_oneself)));
        assert_eq!(opened(), vec![]);
    });
}

#[test]
fn a_batch_beyond_what_the_publisher_owns_opens_nothing() {
    in_the_first_block(|| {
        // All but the last fit.
        let deposit = Balances::free_balance(publisher()) / MACHINES as Balance;
        let calls = vec![open(provider(), deposit); MACHINES];
        let poor = pallet_deposits::Error::<Runtime>::NotEnoughFree.into();
        assert_storage_noop!(assert_eq!(by_the_publisher(batch(calls)), Err(poor)));
        assert_eq!(opened(), vec![]);
    });
}

#[test]
fn nobody_can_burn_coin_or_leave_the_chain_without_keys() {
    in_the_first_block(|| {
        let burn = pallet_balances::Call::burn { value: XEN, keep_alive: true };
        let purge = pallet_session::Call::purge_keys {};
        let filtered = frame_system::Error::<Runtime>::CallFiltered.into();
        for call in [RuntimeCall::Balances(burn), RuntimeCall::Session(purge)] {
            for call in [call.clone(), batch(vec![call])] {
                assert_storage_noop!(assert_eq!(by_the_publisher(call), Err(filtered)));
            }
        }
    });
}

#[cfg(feature = "try-runtime")]
#[test]
fn the_first_state_of_every_preset_is_sound() {
    // The main chain's has no owners yet; its own test gives it some.
    for preset in presets::names().iter().filter(|name| *name != presets::MAIN_PRESET) {
        state_of(preset).execute_with(assert_sound);
    }
}

#[cfg(feature = "runtime-benchmarks")]
#[test]
fn every_call_of_this_projects_pallets_can_be_measured() {
    use frame_benchmarking::runtime_decl_for_benchmark::BenchmarkV2;
    use frame_support::traits::GetCallName;

    let (list, _) = Runtime::benchmark_metadata(false);
    for (pallet, calls) in [
        ("pallet_announcements", pallet_announcements::Call::<Runtime>::get_call_names()),
        ("pallet_channels", pallet_channels::Call::<Runtime>::get_call_names()),
        ("pallet_deposits", pallet_deposits::Call::<Runtime>::get_call_names()),
        ("pallet_dpos", pallet_dpos::Call::<Runtime>::get_call_names()),
        ("pallet_equivocation", pallet_equivocation::Call::<Runtime>::get_call_names()),
        ("pallet_mined_identity", pallet_mined_identity::Call::<Runtime>::get_call_names()),
    ] {
        let listed = list.iter().find(|listed| listed.pallet == pallet.as_bytes());
        let benchmarks = &listed.unwrap_or_else(|| panic!("{pallet} is not listed")).benchmarks;
        for call in calls {
            let measured = benchmarks.iter().any(|benchmark| benchmark.name == call.as_bytes());
            assert!(measured, "{pallet}::{call} has no benchmark");
        }
    }
}
