//! How fast work is done and checked on one core of this machine.

use std::{hint::black_box, time::Instant};

use serde_json::{json, Value};
use sp_core::H256;
use zennet_primitives::{
    pow::{identity_work, meets, Difficulty, Role},
    AccountId,
};

/// The fastest of so many pieces counts: others may be at work on this machine.
const PIECES: u64 = 40;
const HASHES: u64 = 100_000;

/// The least difficulty of the runtime.
const LEAST: Difficulty = 1 << 16;

/// Prints what was measured and gives it as JSON.
pub(crate) fn run() -> Value {
    let (account, anchor) = (AccountId::new([1; 32]), H256::repeat_byte(2));
    let piece = |number: u64| {
        let began = Instant::now();
        let nonces = number * HASHES..(number + 1) * HASHES;
        let works = nonces.map(|nonce| identity_work(Role::Provider, &account, anchor, nonce));
        black_box(works.filter(|work| meets(*work, LEAST)).count());
        began.elapsed().as_nanos() as f64 / HASHES as f64
    };
    let nanos = (0..PIECES).map(piece).fold(f64::MAX, f64::min);
    let per_sec = 1e9 / nanos;
    let secs = LEAST as f64 / per_sec;
    println!("\n{per_sec:.0} hashes a second on one core, {nanos:.0} ns for a check");
    println!("an identity of the least difficulty takes {secs:.2} s on average");
    json!({
        "hashes_per_sec": per_sec.round(),
        "check_nanos": nanos.round(),
        "least_identity_secs": super::short(secs),
    })
}
