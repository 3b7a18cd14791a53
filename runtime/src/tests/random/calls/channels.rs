//! Payment channels, with vouchers and splits that are really signed.

use pallet_channels::{Call, Channels as Map};
use sp_core::{sr25519::Signature, Pair};
use sp_runtime::Perbill;
use zennet_primitives::{
    channel::{ChannelContext, ChannelId, Split, Voucher},
    record::{AppShare, ChannelRecord},
    signed::{Signable, Unverified},
    Hash,
};

use super::{any_key, Generator};
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, Balance, BlockNumber, Channels as Pallet, Runtime, System, DAYS, MINUTES,
};

type Record = ChannelRecord<BlockNumber>;

pub(super) struct Channels;

impl Generator for Channels {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        if world.chance.once_in(4) {
            return Some(open(world));
        }
        let channel = any_key::<Map<Runtime>, _, _>(&mut world.chance)?;
        let record = Map::<Runtime>::get(channel)?;
        let now = System::block_number();
        let ended = now >= record.ends_at();
        let transaction = match world.chance.below(24) {
            0..=3 if ended => by_anyone(world, Call::finalize { channel }),
            0..=9 => {
                let voucher = voucher(channel, &record, world);
                by_anyone(world, Call::claim { channel, voucher })
            }
            10..=11 => {
                let spendable = world.spendable(&record.publisher);
                let amount = world.amount(spendable);
                by(&record.publisher, world, Call::top_up { channel, amount })
            }
            12..=13 => {
                let expires_at = record.expires_at.saturating_add(world.lifetime(90 * DAYS));
                by(&record.publisher, world, Call::extend { channel, expires_at })
            }
            14..=16 => {
                let voucher = (!world.chance.once_in(4)).then(|| voucher(channel, &record, world));
                by(&record.provider, world, Call::close { channel, voucher })
            }
            17..=19 => close_together(channel, &record, world),
            20..=22 => by(&record.publisher, world, Call::request_close { channel }),
            _ => by_anyone(world, Call::finalize { channel }),
        };
        Some(transaction)
    }
}

fn by(wanted: &AccountId, world: &mut World, call: Call<Runtime>) -> Transaction {
    Transaction::new(world.mostly(wanted), call)
}

fn by_anyone(world: &mut World, call: Call<Runtime>) -> Transaction {
    Transaction::new(world.person(), call)
}

fn open(world: &mut World) -> Transaction {
    let publisher = world.person();
    let spendable = world.spendable(&publisher);
    let share = [0, 1, 50, 99, 100][world.chance.below(5)];
    let app = world
        .chance
        .once_in(3)
        .then(|| AppShare { developer: world.receiver(), share: Perbill::from_percent(share) });
    let challenge = match world.chance.below(12) {
        0 => 0,
        1 => 7 * DAYS,
        2 => 7 * DAYS + 1,
        _ => world.chance.blocks(MINUTES / 2, 5 * MINUTES),
    };
    let call = Call::<Runtime>::open {
        provider: world.person(),
        contract: Hash(world.chance.bytes()),
        // Vouchers are signed with the key of some account; its session key could be any.
        session_key: zennet_primitives::signed::account_key(&world.person()),
        deposit: world.amount(spendable),
        expires_at: System::block_number().saturating_add(world.lifetime(90 * DAYS)),
        challenge,
        app,
    };
    Transaction::new(publisher, call)
}

/// What a channel is to have paid in the end.
fn cumulative(record: &Record, world: &mut World) -> Balance {
    match world.chance.below(20) {
        0 => record.paid,
        1 => record.paid.saturating_sub(1),
        2 => record.deposit,
        3 => record.deposit.saturating_add(1),
        4 => Balance::MAX,
        5 => record.paid.saturating_add(1),
        _ => world.chance.between(record.paid, record.deposit),
    }
}

fn voucher(channel: ChannelId, record: &Record, world: &mut World) -> Unverified<Voucher> {
    let payload =
        Voucher { cumulative: cumulative(record, world), usage_hash: Hash(world.chance.bytes()) };
    let signer = world.mostly(&AccountId::from(record.session_key));
    let signature = sign(&signer, &payload, channel, world);
    Unverified { payload, signature }
}

fn close_together(channel: ChannelId, record: &Record, world: &mut World) -> Transaction {
    let split = Split { to_provider: cumulative(record, world) };
    let (publisher, provider) = (world.mostly(&record.publisher), world.mostly(&record.provider));
    let call = Call::close_together {
        channel,
        split,
        publisher_signature: sign(&publisher, &split, channel, world),
        provider_signature: sign(&provider, &split, channel, world),
    };
    let either = [&record.publisher, &record.provider][world.chance.below(2)];
    by(either, world, call)
}

fn sign<T: Signable<Context = ChannelContext>>(
    signer: &AccountId,
    payload: &T,
    channel: ChannelId,
    world: &World,
) -> Signature {
    let context = ChannelContext { genesis: Pallet::genesis(), channel };
    let bytes = payload.signing_bytes(&context);
    world.pair(signer).map_or_else(Default::default, |pair| pair.sign(&bytes))
}
