//! The proof that exposure is bounded: every order in which two drivers, a connection, a machine
//! and a chain can act is tried over the real `step` functions of both sides, up to two faults.
//!
//! ```text
//!   Provider::step ◄─ driver ◄══ frames, both ways ══► driver ─► Publisher::step
//!      stored ◄──────┤   │       cut, silent, held        ├──────► stored
//!                    │   ▼                                ▼
//!                    │  machine: starts, runs,           chain: opens, is final, settles,
//!                    │  freezes, dies, is found          closes after the challenge, refunds
//! ```
//!
//! A state ([`world::World`]) has both sides' values as they run and as they are stored, the frames
//! on their way, the channel with the transactions that are pending, the machine with its use, and
//! the time. An action ([`moves::What`]) delivers one frame, lets one transaction into a block,
//! fires one timer or lets time pass to the next moment at which anything is due.
//!
//! In a part of the checks the deposit runs low and is topped up once: the provider's signature, the
//! publisher's transaction, its finality, and the provider's word that it counts come at any time
//! that they can.
//!
//! At most two of these happen in a run, at any time, alone or together: a driver crashes, also
//! between the store and each of its actions, and is started again at any later time or never; the
//! connection is cut, or goes silent; a user ends the lease; the machine dies, does not start or
//! does not answer; a transaction fails. A dishonest publisher holds back, drops, repeats and
//! swaps frames, sends an old voucher, one for less, one above the deposit, one for another
//! channel, opens a channel that is not the one of the contract, or closes it early. A dishonest
//! provider treats frames likewise, reports more than was used, does not let the publisher read,
//! and sets the counters that are read back.
//!
//! # What holds
//!
//! The properties are in [`properties`]. Two of them say it all:
//!
//! - What a provider gave and has no stored voucher for is at most full use of a tick and the
//!   grace, `max_exposure`. When its own program crashed it is one grace more, since nobody could
//!   pay meanwhile; and on top of it comes what it did not look at itself: use while its program
//!   did not run or had not found the machine again, and the memory of a frozen machine, which is
//!   kept for as long as the provider's limits say.
//! - What a publisher signed is at most the price of what was used, the prepayment, and full use
//!   of two ticks. It is never more than what the chain has locked at that moment, and an honest
//!   provider takes each of its vouchers.
//!
//! That every run ends well is a claim about the whole graph: it has no cycle, so that every run is
//! finite, and in each state that nothing follows the deposit is paid out and returned, unless the
//! publisher never came back, and the provider did not either or never heard of the channel. Then
//! it is locked until it expires. All that it assumes is that time does not pass a transaction by:
//! the chain takes it within 30 s, unless it fails.
//!
//! # What is left out
//!
//! - The meeting before the contract, where nothing is at stake, and claims before the end.
//! - Delays below the time between two deadlines. A frame on a whole connection arrives, an end of
//!   it is noticed and the machine answers before time passes; a transaction takes up to 30 s.
//!   Timers are fired on time, and freezing and stopping work at once.
//! - The expiry of the channel, watchtowers, forks of the chain, and a challenge during all of
//!   which the provider is not there: it loses what it did not claim.
//! - More than two faults, other numbers than those of [`setup`], and a false signature: vouchers
//!   are really signed and verified, each once.

mod book;
mod chain;
mod checker;
mod choices;
mod drivers;
mod effects;
mod moves;
mod properties;
mod setup;
mod world;

use std::{cell::RefCell, time::Instant};

use zennet_primitives::contract::Terms;

use self::{
    book::{Books, Facts, Id},
    checker::{check, Model, Property, Report, Violation, ENDS},
    choices::tricks,
    drivers::Turn,
    moves::Move,
    properties::*,
    setup::*,
    world::*,
};

/// Most actions of one step of a driver.
const MOST_ACTS: u8 = 6;

/// The model of one lease.
struct Lease {
    rules: Rules,
    terms: Terms,
    start: World,
    books: RefCell<Books>,
}

impl Lease {
    fn new(rules: Rules) -> Self {
        let (provider, publisher, now) = contracted(rules.prepaid, rules.amends);
        let terms = publisher.terms().expect("it has signed").clone();
        let mut books = Books::new();
        let (provider, publisher) =
            (books.provider.keep(provider), books.publisher.keep(publisher));
        let start = World::begin(now, rules.faults, terms.deposit, provider, publisher);
        Lease { rules, terms, start, books: RefCell::new(books) }
    }

    fn provider(&self, id: Id) -> Facts {
        *self.books.borrow().provider.facts(id)
    }

    fn publisher(&self, id: Id) -> Facts {
        *self.books.borrow().publisher.facts(id)
    }

    fn facts(&self, who: Who, id: Id) -> Facts {
        match who {
            Who::Provider => self.provider(id),
            Who::Publisher => self.publisher(id),
        }
    }
}

impl Model for Lease {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let loads: &[Load] = match self.rules.dishonest {
            Dishonest::Provider => &[Load::Never, Load::Early],
            Dishonest::Nobody | Dishonest::Publisher => &[Load::Always, Load::Late],
        };
        loads.iter().map(|load| World { load: *load, ..self.start }).collect()
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        let mut add = |what| moves.push(Move { what, crash: None });
        self.usual(world, &mut add);
        if world.faults == 0 {
            return;
        }
        self.faulty(world, &mut add);
        if let Some(who) = self.dishonest() {
            tricks(who, world, &mut add);
        }
        for index in 0..moves.len() {
            let what = moves[index].what;
            if what.has_listener() {
                let crashing = |acts| Move { what, crash: Some(acts) };
                moves.extend((0..MOST_ACTS).map(crashing));
            }
        }
    }

    fn next_state(&self, world: &World, next: Move) -> Option<World> {
        let mut turn = Turn { lease: self, world: *world, crash: next.crash };
        if next.what.is_fault() {
            turn.world.faults = world.faults.checked_sub(1)?;
        }
        if next.crash.is_some() {
            turn.world.faults = turn.world.faults.checked_sub(1)?;
        }
        turn.make(next.what);
        // A crash that found no step of so many actions is none.
        let happened = next.crash.is_none() || turn.crash.is_none();
        (happened && turn.world != *world).then_some(turn.world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(&self.rules)
    }

    fn may_end(&self, world: &World) -> bool {
        if world.now > HORIZON {
            return false;
        }
        match world.chain.stage {
            Stage::Gone { .. } | Stage::Refused => true,
            // Nobody is left who could end it before it expires, or who knows of it.
            Stage::Opening { .. } | Stage::Open { .. } | Stage::Final | Stage::Closing { .. } => {
                let knows = self.provider(world.provider.live).knows_channel;
                world.publisher.program == Program::Gone
                    && (world.provider.program == Program::Gone || !knows)
            }
        }
    }
}

/// Checks one set of rules and says what came of it.
fn run(rules: Rules) -> Report {
    let began = Instant::now();
    let model = Lease::new(rules);
    let report = check(&model);
    let properties = model.properties().len() + 1;
    let held = properties - report.violations.len();
    println!(
        "model: {} states, {} transitions, {held} of {properties} properties hold, {:.1} s; {}",
        report.states,
        report.transitions,
        began.elapsed().as_secs_f32(),
        rules.describe(),
    );
    for Violation { property, trace } in &report.violations {
        println!("  not: {property}\n    {}", trace.join("\n    "));
    }
    report
}

fn violated(report: &Report) -> Vec<&'static str> {
    report.violations.iter().map(|violation| violation.property).collect()
}

#[test]
fn no_reachable_state_costs_an_honest_side_more_than_two_ticks() {
    let mut states = 0;
    for dishonest in [Dishonest::Nobody, Dishonest::Provider, Dishonest::Publisher] {
        let report = run(Rules { dishonest, faults: 2, ..Rules::default() });
        assert!(report.violations.is_empty(), "{:?}", violated(&report));
        states += report.states;
    }
    println!("model: {states} states in all");
}

#[test]
fn the_same_holds_for_a_lease_that_is_paid_ahead() {
    for dishonest in [Dishonest::Nobody, Dishonest::Provider, Dishonest::Publisher] {
        let report = run(Rules { dishonest, prepaid: true, ..Rules::default() });
        assert!(report.violations.is_empty(), "{:?}", violated(&report));
    }
}

#[test]
fn the_same_holds_for_a_lease_that_is_topped_up() {
    for (dishonest, faults) in
        [(Dishonest::Nobody, 2), (Dishonest::Provider, 1), (Dishonest::Publisher, 1)]
    {
        let report = run(Rules { dishonest, faults, amends: true, ..Rules::default() });
        assert!(report.violations.is_empty(), "{:?}", violated(&report));
    }
}

#[test]
fn a_publisher_that_signs_above_the_old_deposit_too_early_is_refused() {
    let rules = Rules { amends: true, mistake: Mistake::CountsEarly, ..Rules::default() };
    notices(rules, &[WITHIN, TAKEN]);
}

/// What breaks the rules must be noticed by these properties, or the check shows nothing.
fn notices(rules: Rules, properties: &[&str]) {
    let report = run(rules);
    let found = violated(&report);
    assert!(properties.iter().all(|property| found.contains(property)), "{found:?}");
}

#[test]
fn a_provider_that_skips_its_store_can_lose_a_payment() {
    let rules = Rules { provider_stores: Storing::NotFrames, ..Rules::default() };
    notices(rules, &[DURABLE, BEST, CLAIMED]);
}

#[test]
fn a_provider_that_acts_before_it_stores_can_lose_a_payment() {
    let rules = Rules { provider_stores: Storing::Last, faults: 2, ..Rules::default() };
    notices(rules, &[DURABLE, BEST]);
}

#[test]
fn a_publisher_that_skips_its_store_signs_less_than_it_had_signed() {
    let publisher_stores = Storing::NotFrames;
    notices(Rules { publisher_stores, prepaid: true, ..Rules::default() }, &[RISING]);
}

#[test]
fn a_provider_that_never_freezes_gives_more_than_two_ticks_away() {
    let (mistake, dishonest) = (Mistake::NeverFreezes, Dishonest::Publisher);
    notices(Rules { mistake, dishonest, ..Rules::default() }, &[EXPOSURE]);
}

#[test]
fn a_provider_that_does_not_wait_for_finality_serves_without_money() {
    notices(Rules { mistake: Mistake::StartsEarly, ..Rules::default() }, &[FINAL]);
}

#[test]
fn a_publisher_that_does_not_ask_for_its_deposit_does_not_get_it_back() {
    notices(Rules { mistake: Mistake::NeverReclaims, ..Rules::default() }, &[ENDS]);
}
