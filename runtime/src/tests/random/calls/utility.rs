//! Calls in a row, and calls of accounts that derive from others.

use pallet_utility::{derivative_account_id, Call};

use super::{Source, Wrapper};
use crate::{
    tests::random::world::{Transaction, World},
    Runtime, RuntimeCall,
};

pub(super) struct Utility;

impl Wrapper for Utility {
    fn next(&mut self, world: &mut World, inner: &mut Source) -> Option<Transaction> {
        let first = inner(world);
        let by = first.by?;
        let call = Box::new(first.call);
        let wrapped = match world.chance.below(8) {
            0..=1 => {
                let index = world.chance.below(2) as u16;
                world.learn(derivative_account_id(by.clone(), index));
                Call::<Runtime>::as_derivative { index, call }
            }
            2 => Call::if_else { main: call, fallback: Box::new(inner(world).call) },
            kind => {
                let mut calls: Vec<RuntimeCall> = vec![*call];
                calls.extend((0..world.chance.below(6)).map(|_| inner(world).call));
                match kind {
                    3 => Call::force_batch { calls },
                    4..=5 => Call::batch { calls },
                    _ => Call::batch_all { calls },
                }
            }
        };
        Some(Transaction::new(by, wrapped))
    }
}
