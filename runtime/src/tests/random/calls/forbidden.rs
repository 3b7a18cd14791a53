//! What no account may do.

use frame_system::Call as System;
use pallet_balances::AdjustmentDirection;
use pallet_grandpa::Call as Grandpa;
use pallet_utility::Call as Utility;
use sp_runtime::MultiAddress;

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, OriginCaller, Runtime, RuntimeCall, XEN,
};

type Balances = pallet_balances::Call<Runtime>;

pub(super) struct Forbidden;

impl Generator for Forbidden {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let (by, of) = (world.person(), world.person());
        let calls = [coin, code, storage, as_root];
        let make = calls[world.chance.below(calls.len())];
        let call = make(world.chance.below(5), &by, &of);
        Some(Transaction::new(by, call))
    }
}

fn coin(kind: usize, by: &AccountId, of: &AccountId) -> RuntimeCall {
    let (own, other) = (MultiAddress::Id(by.clone()), MultiAddress::Id(of.clone()));
    let call = match kind {
        0 => Balances::burn { value: XEN, keep_alive: true },
        1 => Balances::force_transfer { source: other, dest: own, value: XEN },
        2 => Balances::force_set_balance { who: own, new_free: 10 * XEN },
        3 => Balances::force_unreserve { who: own, amount: XEN },
        _ => Balances::force_adjust_total_issuance {
            direction: AdjustmentDirection::Increase,
            delta: XEN,
        },
    };
    call.into()
}

fn code(kind: usize, _: &AccountId, _: &AccountId) -> RuntimeCall {
    let code = vec![0; 8];
    let call = match kind {
        0 => System::<Runtime>::set_code { code },
        1 => System::set_code_without_checks { code },
        2 => System::authorize_upgrade { code_hash: Default::default() },
        3 => System::authorize_upgrade_without_checks { code_hash: Default::default() },
        _ => System::apply_authorized_upgrade { code },
    };
    call.into()
}

fn storage(kind: usize, by: &AccountId, _: &AccountId) -> RuntimeCall {
    let key = frame_system::Account::<Runtime>::hashed_key_for(by);
    let call = match kind {
        0 => System::<Runtime>::set_storage { items: vec![(key, vec![0xff; 80])] },
        1 => System::kill_storage { keys: vec![key] },
        2 => System::kill_prefix { prefix: key[..16].to_vec(), subkeys: 100 },
        3 => System::set_heap_pages { pages: 1 },
        _ => {
            return Grandpa::<Runtime>::note_stalled { delay: 1, best_finalized_block_number: 0 }
                .into()
        }
    };
    call.into()
}

fn as_root(kind: usize, by: &AccountId, of: &AccountId) -> RuntimeCall {
    let call = Box::new(coin(kind, by, of));
    let origin = || Box::new(OriginCaller::system(frame_system::RawOrigin::Root));
    match kind {
        0 => Utility::<Runtime>::dispatch_as { as_origin: origin(), call }.into(),
        1 => Utility::<Runtime>::dispatch_as_fallible { as_origin: origin(), call }.into(),
        2 => Utility::<Runtime>::with_weight { call, weight: Default::default() }.into(),
        3 => pallet_timestamp::Call::<Runtime>::set { now: u64::MAX }.into(),
        _ => *call,
    }
}
