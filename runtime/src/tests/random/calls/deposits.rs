//! Deposits of two, with spends that both really sign.

use pallet_deposits::{Call, DepositContext, DepositId, DepositRecord, Deposits as Map, Spend};
use sp_core::{sr25519::Signature, Pair};
use zennet_primitives::signed::Signable;

use super::{any_key, Generator};
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, BlockNumber, Deposits as Pallet, Runtime, System, DAYS,
};

pub(super) struct Deposits;

impl Generator for Deposits {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        if world.chance.once_in(3) {
            return Some(lock(world));
        }
        let deposit = any_key::<Map<Runtime>, _, _>(&mut world.chance)?;
        let record = Map::<Runtime>::get(deposit)?;
        let by = world.person();
        let refund = world.chance.once_in(12) || record.is_refundable(System::block_number());
        if refund {
            return Some(Transaction::new(by, Call::<Runtime>::refund { deposit }));
        }
        Some(Transaction::new(by, spend(deposit, &record, world)))
    }
}

fn lock(world: &mut World) -> Transaction {
    let owner = world.person();
    let spendable = world.spendable(&owner);
    let call = Call::<Runtime>::lock {
        counterparty: world.person(),
        amount: world.amount(spendable),
        refund_at: System::block_number().saturating_add(world.lifetime(365 * DAYS)),
    };
    Transaction::new(owner, call)
}

fn spend(
    deposit: DepositId,
    record: &DepositRecord<BlockNumber>,
    world: &mut World,
) -> Call<Runtime> {
    let sequence = match world.chance.below(20) {
        0 => record.sequence.wrapping_sub(1),
        1 => record.sequence.wrapping_add(1),
        _ => record.sequence,
    };
    let spend = Spend { sequence, to: world.receiver(), amount: world.amount(record.amount) };
    let context = DepositContext { genesis: Pallet::genesis(), deposit };
    let bytes = spend.signing_bytes(&context);
    let owner = world.mostly(&record.owner);
    let counterparty = world.mostly(&record.counterparty);
    Call::spend {
        deposit,
        spend,
        owner_signature: sign(&owner, &bytes, world),
        counterparty_signature: sign(&counterparty, &bytes, world),
    }
}

fn sign(by: &AccountId, bytes: &[u8], world: &World) -> Signature {
    world.pair(by).map_or_else(Default::default, |pair| pair.sign(bytes))
}
