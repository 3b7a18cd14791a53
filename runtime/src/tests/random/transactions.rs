//! Calls as transactions, signed like those of a wallet; some with a defect.

use codec::Encode;
use sp_core::Pair;
use sp_runtime::{
    generic::{Era, SignedPayload},
    MultiAddress, MultiSignature,
};

use super::world::{Transaction, World};
use crate::{
    tx_extension, AccountId, Balance, RuntimeCall, System, TxExtension, UncheckedExtrinsic,
};

/// The transaction as it goes over the network. `None` if nobody has the key that it needs.
pub(super) fn encode(transaction: Transaction, world: &mut World) -> Option<UncheckedExtrinsic> {
    let Transaction { by, call } = transaction;
    match by {
        Some(by) => signed(&by, call, world),
        // As GRANDPA reports.
        None if matches!(call, RuntimeCall::Grandpa(_)) => Some(UncheckedExtrinsic::new_bare(call)),
        None => {
            let extension = tx_extension(0, 0, Era::Immortal);
            Some(UncheckedExtrinsic::new_transaction(call, extension))
        }
    }
}

fn signed(by: &AccountId, call: RuntimeCall, world: &mut World) -> Option<UncheckedExtrinsic> {
    let nonce = System::account_nonce(by);
    let nonce = match world.chance.below(400) {
        0 => nonce.wrapping_sub(1),
        1 => nonce.wrapping_add(1),
        _ => nonce,
    };
    let tip = match world.chance.below(200) {
        0 => Balance::MAX,
        1..=10 => {
            let spendable = world.spendable(by);
            world.amount(spendable / 1000)
        }
        _ => 0,
    };
    let era = match world.chance.below(10) {
        // The block before this one is the newest whose hash is known.
        0 => Era::mortal(64, u64::from(System::block_number() - 1)),
        _ => Era::Immortal,
    };
    let extension = tx_extension(nonce, tip, era);
    let payload: SignedPayload<RuntimeCall, TxExtension> =
        SignedPayload::new(call, extension.clone()).ok()?;
    let forger = world.chance.once_in(400).then(|| world.person());
    let pair = world.pair(forger.as_ref().unwrap_or(by))?;
    let signature = payload.using_encoded(|bytes| pair.sign(bytes));
    let (call, ..) = payload.deconstruct();
    Some(UncheckedExtrinsic::new_signed(
        call,
        MultiAddress::Id(by.clone()),
        MultiSignature::Sr25519(signature),
        extension,
    ))
}
