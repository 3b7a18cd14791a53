//! What several sign together.

use codec::Encode;
use frame_support::dispatch::GetDispatchInfo;
use pallet_multisig::{Call, Multisigs};
use sp_io::hashing::blake2_256;

use super::{Source, Wrapper};
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, Multisig as Pallet, Runtime, RuntimeCall,
};

/// Operations that are remembered, at most.
const MOST: usize = 30;

#[derive(Clone)]
struct Operation {
    /// In order.
    signatories: Vec<AccountId>,
    threshold: u16,
    call: RuntimeCall,
}

impl Operation {
    fn account(&self) -> AccountId {
        Pallet::multi_account_id(&self.signatories, self.threshold)
    }

    fn hash(&self) -> [u8; 32] {
        self.call.using_encoded(blake2_256)
    }

    fn others(&self, signatory: &AccountId) -> Vec<AccountId> {
        self.signatories.iter().filter(|who| *who != signatory).cloned().collect()
    }
}

#[derive(Default)]
pub(super) struct Multisig(Vec<Operation>);

impl Wrapper for Multisig {
    fn next(&mut self, world: &mut World, inner: &mut Source) -> Option<Transaction> {
        if world.chance.once_in(8) {
            return Some(alone(world, inner));
        }
        if self.0.is_empty() || world.chance.once_in(4) {
            return Some(self.start(world, inner));
        }
        let place = world.chance.below(self.0.len());
        let operation = self.0[place].clone();
        if !Multisigs::<Runtime>::contains_key(operation.account(), operation.hash()) {
            self.0.swap_remove(place);
        }
        go_on(&operation, world)
    }
}

impl Multisig {
    fn start(&mut self, world: &mut World, inner: &mut Source) -> Transaction {
        let people = world.people().to_vec();
        let mut signatories = world.chance.some(&people, 4);
        signatories.sort();
        let threshold = 2 + world.chance.below(signatories.len()) as u16;
        let operation = Operation { signatories, threshold, call: inner(world).call };
        world.learn(operation.account());
        if self.0.len() >= MOST {
            self.0.swap_remove(world.chance.below(MOST));
        }
        self.0.push(operation.clone());
        let by = world.chance.pick(&operation.signatories).cloned();
        let by = by.expect("some are never none; qed");
        approve(&operation, by, None, world)
    }
}

/// The next step of an operation: an approval, the last one, or its end.
fn go_on(operation: &Operation, world: &mut World) -> Option<Transaction> {
    let Operation { signatories, threshold, .. } = operation;
    let call_hash = operation.hash();
    let state = Multisigs::<Runtime>::get(operation.account(), call_hash)?;
    let depositor = world.mostly(&state.depositor);
    let other_signatories = operation.others(&depositor);
    let threshold = *threshold;
    let call = match world.chance.below(10) {
        0 => Call::<Runtime>::cancel_as_multi {
            threshold,
            other_signatories,
            timepoint: state.when,
            call_hash,
        },
        1 => Call::poke_deposit { threshold, other_signatories, call_hash },
        _ => {
            let missing = signatories.iter().find(|who| !state.approvals.contains(who));
            let by = missing.or(signatories.first())?.clone();
            return Some(approve(operation, by, Some(state.when), world));
        }
    };
    Some(Transaction::new(depositor, call))
}

fn approve(
    operation: &Operation,
    by: AccountId,
    maybe_timepoint: Option<pallet_multisig::Timepoint<crate::BlockNumber>>,
    world: &mut World,
) -> Transaction {
    let Operation { threshold, call, .. } = operation;
    let (threshold, other_signatories) = (*threshold, operation.others(&by));
    let max_weight = call.get_dispatch_info().call_weight;
    let call = if world.chance.once_in(3) {
        let call_hash = operation.hash();
        Call::<Runtime>::approve_as_multi {
            threshold,
            other_signatories,
            maybe_timepoint,
            call_hash,
            max_weight,
        }
    } else {
        let call = Box::new(call.clone());
        Call::as_multi { threshold, other_signatories, maybe_timepoint, call, max_weight }
    };
    Transaction::new(by, call)
}

/// One of several, whose signature is enough.
fn alone(world: &mut World, inner: &mut Source) -> Transaction {
    let (by, other) = (world.person(), world.person());
    let mut signatories = vec![by.clone(), other.clone()];
    signatories.sort();
    world.learn(Pallet::multi_account_id(&signatories, 1));
    let call = Box::new(inner(world).call);
    let other_signatories = vec![other];
    Transaction::new(by, Call::<Runtime>::as_multi_threshold_1 { other_signatories, call })
}
