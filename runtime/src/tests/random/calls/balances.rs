//! Transfers of the coin.

use sp_runtime::MultiAddress;

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, Runtime, XEN,
};

type Call = pallet_balances::Call<Runtime>;

pub(super) struct Balances;

impl Generator for Balances {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let from = world.person();
        let receiver = world.receiver();
        let dest = MultiAddress::Id(receiver.clone());
        let spendable = world.spendable(&from);
        let value = world.amount(spendable);
        let call = match world.chance.below(24) {
            0..=5 => Call::transfer_allow_death { dest, value },
            6..=11 => Call::transfer_keep_alive { dest, value },
            12 => Call::transfer_all { dest, keep_alive: !world.chance.once_in(4) },
            13 => Call::upgrade_accounts { who: vec![receiver; world.chance.below(4)] },
            _ => return Some(gift(&receiver, world)),
        };
        Some(Transaction::new(from, call))
    }
}

/// From somebody who has much, so that the others can go on.
fn gift(to: &AccountId, world: &mut World) -> Transaction {
    let people = world.people().to_vec();
    let some = world.chance.some(&people, 8);
    let rich = some.into_iter().max_by_key(|who| world.spendable(who));
    let rich = rich.expect("some are never none; qed");
    let most = (world.spendable(&rich) / 10).min(50_000 * XEN);
    let value = world.chance.between(most / 1000, most);
    let dest = MultiAddress::Id(to.clone());
    Transaction::new(rich, Call::transfer_keep_alive { dest, value })
}
