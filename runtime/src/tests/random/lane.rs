//! One chain and all that is sent to it.

use std::{
    thread::panicking,
    time::{Duration, Instant},
};

use codec::Encode;
use pallet_dpos::Threshold;
use sp_core::storage::Storage;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_runtime::{
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    ApplyExtrinsicResult, Perbill,
};

use super::{
    alarm, calls::Calls, chain::Chain, say, sound::assert_sound, state::State, tally::Tally,
    transactions, world::World,
};
use crate::{tests::genesis_of, AccountId, Runtime, RuntimeCall, Session, System};

type AccountInfo =
    frame_system::AccountInfo<crate::Nonce, pallet_balances::AccountData<crate::Balance>>;

/// Calls of a busy block, at most.
const MOST_IN_A_BLOCK: usize = 40;

/// One block of so many begins a bookkeeper's absence.
const AWAY: usize = 300;

/// Turns of an absence: enough for jail.
const AWAY_FOR: usize = 15;

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_secs(10);

pub(super) struct Lane {
    seed: u64,
    state: State,
    chain: Chain,
    world: World,
    calls: Calls,
    tally: Tally,
    made: u64,
    /// What is being done, for whoever looks into a failure.
    last: Option<RuntimeCall>,
}

/// The first state. Few votes reach the usual threshold; with an even seed all of them count, so that
/// seats change hands.
fn genesis(seed: u64) -> Storage {
    let mut genesis = genesis_of(LOCAL_TESTNET_RUNTIME_PRESET);
    if seed.is_multiple_of(2) {
        let threshold = Threshold::<Runtime>::hashed_key().to_vec();
        genesis.top.insert(threshold, Perbill::zero().encode());
    }
    genesis
}

impl Lane {
    pub(super) fn new(seed: u64) -> Self {
        alarm::arm();
        Self {
            seed,
            state: State::new(genesis(seed)),
            chain: Chain::new(),
            world: World::new(seed),
            calls: Calls::new(),
            tally: Tally::default(),
            made: 0,
            last: None,
        }
    }

    /// Makes so many calls.
    pub(super) fn run(&mut self, calls: u64) -> Tally {
        let started = Instant::now();
        let mut reported = started;
        while self.made < calls {
            for _ in 0..self.quiet_blocks() {
                self.block(0);
            }
            let left = usize::try_from(calls - self.made).unwrap_or(MOST_IN_A_BLOCK);
            let count = 1 + self.world.chance.below(MOST_IN_A_BLOCK.min(left));
            self.block(count);
            self.state.execute(assert_sound);
            if reported.elapsed() >= REPORT {
                reported = Instant::now();
                let per_second = self.made as f64 / started.elapsed().as_secs_f64();
                let (seed, made, number) = (self.seed, self.made, self.chain.number());
                say(format_args!(
                    "seed {seed}: {made} of {calls} calls, block {number}, {per_second:.0} a second"
                ));
            }
        }
        std::mem::take(&mut self.tally)
    }

    /// What everyone owns.
    pub(super) fn accounts(&mut self) -> Vec<(AccountId, AccountInfo)> {
        self.state.execute(|| frame_system::Account::<Runtime>::iter().collect())
    }

    /// For how many blocks nothing is sent: a session has 30.
    fn quiet_blocks(&mut self) -> usize {
        match self.world.chance.below(200) {
            0 => 30 + self.world.chance.below(270),
            1..=20 => 10 + self.world.chance.below(40),
            21..=80 => self.world.chance.below(10),
            _ => self.world.chance.below(3),
        }
    }

    fn block(&mut self, calls: usize) {
        let missed = match self.world.chance.below(50) {
            0 => self.world.chance.below(20) as u64,
            _ => 0,
        };
        let Self { state, chain, world, calls: source, tally, made, last, .. } = self;
        *last = None;
        state.execute(|| {
            if world.chance.once_in(AWAY) {
                let seated = Session::validators();
                if let Some(who) = world.chance.pick(&seated) {
                    chain.send_away(who.clone(), (AWAY_FOR * seated.len()) as u32);
                }
            }
            chain.begin(missed);
            for _ in 0..calls {
                let transaction = source.next(world);
                let call = transaction.call.clone();
                let Some(encoded) = transactions::encode(transaction, world) else { continue };
                *last = Some(call.clone());
                *made += 1;
                let result = chain.apply(encoded);
                tally.count(&call, &result);
                if is_full(&result) {
                    break;
                }
            }
            if calls > 0 {
                for event in System::read_events_no_consensus() {
                    source.saw(&event.event, world, tally);
                }
            }
            chain.end();
        });
        state.commit();
    }
}

/// Whether the block had no room.
fn is_full(result: &ApplyExtrinsicResult) -> bool {
    let full = InvalidTransaction::ExhaustsResources;
    matches!(result, Err(TransactionValidityError::Invalid(reason)) if *reason == full)
}

impl Drop for Lane {
    fn drop(&mut self) {
        if panicking() {
            let (seed, made, number) = (self.seed, self.made, self.chain.number());
            let last = format!("{:?}", self.last).chars().take(2000).collect::<String>();
            say(format_args!(
                "seed {seed} fails at call {made} in block {number}, the last call was {last}\n\
                 replay it: scripts/pallets --calls {made} --seed {seed} --lanes 1"
            ));
        }
    }
}
