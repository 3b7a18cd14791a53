//! Random calls over the whole runtime, in real blocks.
//!
//! A [`Lane`] is one chain. Accounts send it signed transactions that [`calls`] makes up: mostly
//! such as fit the state, some that are hostile. Blocks are executed as a node does it, with digests,
//! timestamps, signatures, nonces, fees and limits of weight; between busy blocks time passes, so
//! that sessions end, channels time out and announcements expire. After every busy block all that
//! must hold is checked ([`sound`]). In the end each call of the runtime must have succeeded at least
//! once, but for those that no account may make ([`tally`]).
//!
//! All follows from the seed. `scripts/pallets --calls N --seed S` runs more of it, and replays.
//!
//! A pallet that comes to the runtime gets a file in `calls`.

mod alarm;
mod calls;
mod chain;
mod chance;
mod lane;
mod sound;
mod state;
mod tally;
mod transactions;
mod world;

use std::{env, io::Write, str::FromStr, thread};

use lane::Lane;
use tally::Tally;

/// Calls of a run that does not say how many it wants.
const CALLS: u64 = 200_000;

/// Chains that run beside each other, each with its part of the calls and a seed of its own.
const LANES: u64 = 2;

const SEED: u64 = 2014;

/// With fewer calls than these, some kind may by chance never have succeeded.
const CALLS_FOR_ALL_KINDS: u64 = 100_000;

/// A setting of the run, from the environment.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}

/// Tells a person also where a test's output is kept back.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn random_calls_break_no_invariant() {
    let calls = setting("ZENNET_RANDOM_CALLS", CALLS);
    let lanes = setting("ZENNET_RANDOM_LANES", LANES);
    let seed = setting("ZENNET_RANDOM_SEED", SEED);
    say(format_args!("{calls} random calls in {lanes} chains, seed {seed}"));
    let part = calls.div_ceil(lanes);
    let tally = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes)
            .map(|lane| scope.spawn(move || Lane::new(seed.wrapping_add(lane)).run(part)))
            .collect();
        let tallies = lanes.into_iter().map(|lane| lane.join().expect("see above"));
        tallies.fold(Tally::default(), Tally::and)
    });
    say(&tally);
    tally.assert_nothing_forbidden();
    if calls >= CALLS_FOR_ALL_KINDS {
        tally.assert_all_kinds();
    }
}

#[test]
fn a_seed_tells_all() {
    let accounts = |seed| {
        let mut lane = Lane::new(seed);
        lane.run(500);
        lane.accounts()
    };
    assert_eq!(accounts(1), accounts(1));
    assert_ne!(accounts(1), accounts(2));
}
