//! Vouchers a second: made and verified, and stored durably, beside bare sr25519 in the same run.
//!
//! Prints one JSON object. Each figure is the median of its rounds; the rounds of all kinds take
//! turns, so that a noisy machine disturbs them alike.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use codec::Encode;
use redb::TableDefinition;
use sp_core::{sr25519, Pair};
use zennet_chain_client::AccountKey;
use zennet_primitives::{
    amount::{Rates, RATE_SCALE},
    channel::{ChannelContext, Voucher, VOUCHER_BYTES},
    signed::account_key,
    usage::{Counter, Usage},
    Hash,
};
use zennet_store::Durable;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("vouchers");

/// Rounds of each kind.
const ROUNDS: usize = 15;

/// How long a round lasts at least.
const ROUND: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let key = AccountKey::generate();
    let public = account_key(&key.account());
    let context = ChannelContext { genesis: Hash::repeat_byte(1), channel: Hash::repeat_byte(2) };
    let rates = Rates::default().with(Counter::CpuMicros, RATE_SCALE / 7);
    let baseline = Usage::default().with(Counter::CpuMicros, 0);

    let dir = tempfile::tempdir()?;
    let store = Durable::open(&dir.path().join("vouchers.redb"))?;

    let pair = sr25519::Pair::generate().0;
    let mut message = [0u8; VOUCHER_BYTES];
    let mut tick = 0u64;
    // What a tick costs both sides: price, voucher, signature; and its verification.
    let mut exchange = || {
        tick += 1;
        let usage = Usage::default().with(Counter::CpuMicros, tick * 1_000_000);
        let cumulative = rates.price(&usage, &baseline)?;
        let voucher = Voucher { cumulative, usage_hash: usage.hash() };
        let signed = key.sign_payload(voucher, &context).verify(&context, &public)?;
        Ok::<_, Failure>(signed.into_unverified())
    };
    let persist = |bytes: &[u8]| -> Result<(), Failure> {
        store.write(|write| {
            write.open_table(TABLE)?.insert(context.channel.as_bytes(), bytes)?;
            Ok(())
        })?;
        Ok(())
    };

    let mut bare_rates = Vec::new();
    let mut voucher_rates = Vec::new();
    let mut durable_rates = Vec::new();
    for _ in 0..ROUNDS {
        bare_rates.push(per_second(|| {
            message[0] = message[0].wrapping_add(1);
            let signature = pair.sign(&message);
            if !sr25519::Pair::verify(&signature, message, &pair.public()) {
                return Err("a bare signature does not verify".into());
            }
            Ok(())
        })?);
        voucher_rates.push(per_second(|| {
            black_box(exchange()?);
            Ok(())
        })?);
        durable_rates.push(per_second(|| persist(&exchange()?.encode()))?);
    }
    let bare = median(&mut bare_rates);
    let vouchers = median(&mut voucher_rates);
    let report = serde_json::json!({
        "created_verified_per_sec": vouchers.round(),
        "durable_per_sec": median(&mut durable_rates).round(),
        "bare_sign_verify_per_sec": bare.round(),
        "ratio_to_bare": (vouchers / bare * 1000.0).round() / 1000.0,
        "rounds": ROUNDS,
    });
    println!("{report}");
    Ok(())
}

/// How often something can be done in a second, from one round.
fn per_second(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut count = 0u32;
    while began.elapsed() < ROUND {
        work()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
