//! How fast work is done and checked on one core of this machine.

use std::{hint::black_box, time::Instant};

use serde_json::{json, Value};
use sp_core::H256;
use zennet_primitives::{
    pow::{identity_work, meets, Difficulty, Role},
    AccountId,
};

const HASHES: u64 = 4_000_000;

/// The least difficulty of the runtime.
const LEAST: Difficulty = 1 << 16;

/// Prints what was measured and gives it as JSON.
pub(crate) fn run() -> Value {
    let (account, anchor) = (AccountId::new([1; 32]), H256::repeat_byte(2));
    let began = Instant::now();
    let good = (0..HASHES).filter(|nonce| {
        let work = identity_work(Role::Provider, &account, anchor, black_box(*nonce));
        meets(work, LEAST)
    });
    let good = good.count();
    let nanos = began.elapsed().as_nanos() as f64 / HASHES as f64;
    let per_sec = 1e9 / nanos;
    let secs = LEAST as f64 / per_sec;
    println!("\n{per_sec:.0} hashes a second on one core, {nanos:.0} ns for a check; {good} of {HASHES} meet the least difficulty");
    println!("an identity of the least difficulty takes {secs:.2} s on average");
    json!({
        "hashes_per_sec": per_sec.round(),
        "check_nanos": nanos.round(),
        "least_identity_secs": super::short(secs),
    })
}
