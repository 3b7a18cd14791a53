//! What holds in every state.

use zennet_primitives::{amount::Balance, close::CloseReason};

use super::{
    book::Meter,
    checker::{Expectation, Property},
    setup::*,
    world::*,
    Lease,
};
use crate::price_of_full_use;

pub(super) const EXPOSURE: &str = "unpaid use is at most that of a tick and the grace";
pub(super) const SIGNED: &str = "signed is at most what was used, the prepayment and two ticks";
pub(super) const PAID: &str = "the chain pays no more than was signed, and than the deposit";
pub(super) const WITHIN: &str = "signed is at most what the chain has locked";
pub(super) const TAKEN: &str = "a provider takes every voucher of an honest publisher";
pub(super) const RISING: &str = "signed amounts never fall";
pub(super) const BEST: &str = "a settlement carries the best voucher that was counted";
pub(super) const DURABLE: &str = "a voucher is stored before it counts";
pub(super) const FINAL: &str = "the machine starts only when the right channel is final";
pub(super) const CLAIMED: &str = "a provider that is there at the end got its best voucher";
pub(super) const PEACE: &str = "two honest sides never accuse each other";

pub(super) fn properties(rules: &Rules) -> Vec<Property<Lease>> {
    let mut all = vec![always(PAID, pays_what_was_signed)];
    if rules.dishonest != Dishonest::Provider {
        all.push(always(EXPOSURE, exposure_is_bounded));
        all.push(always(BEST, |_, world| !world.notes.undersold));
        all.push(always(DURABLE, counts_what_is_stored));
        all.push(always(FINAL, |_, world| !world.notes.early));
        all.push(always(CLAIMED, ends_paid));
    }
    if rules.dishonest != Dishonest::Publisher {
        all.push(always(SIGNED, signs_what_was_used));
        all.push(always(WITHIN, |_, world| !world.notes.overdrawn));
        all.push(always(RISING, |_, world| !world.notes.signed_less));
    }
    if rules.dishonest == Dishonest::Nobody {
        all.push(always(PEACE, no_accusation));
        all.push(always(TAKEN, |_, world| !world.notes.refused));
    }
    all.push(sometimes(
        "the channel pays for use",
        |_, world| matches!(world.chain.stage, Stage::Gone { paid } if paid > 0),
    ));
    if rules.amends && rules.dishonest != Dishonest::Provider {
        all.push(sometimes("more is paid than was locked at first", |lease, world| {
            matches!(world.chain.stage, Stage::Gone { paid } if paid > lease.terms.deposit)
        }));
    }
    all.push(sometimes("the machine is frozen", |_, world| world.plant == Plant::Frozen));
    all.push(sometimes("a machine runs on after a crash of its provider", |_, world| {
        world.notes.restarted && world.plant == Plant::Running && world.is_connected()
    }));
    all.push(sometimes("a publisher that never comes back has paid", |_, world| {
        let paid = matches!(world.chain.stage, Stage::Gone { paid } if paid > 0);
        paid && world.publisher.program == Program::Gone
    }));
    all
}

type Condition = fn(&Lease, &World) -> bool;

fn always(name: &'static str, condition: Condition) -> Property<Lease> {
    Property { name, expectation: Expectation::Always, condition }
}

fn sometimes(name: &'static str, condition: Condition) -> Property<Lease> {
    Property { name, expectation: Expectation::Sometimes, condition }
}

/// Price of so many milliseconds of full use.
fn full(lease: &Lease, millis: u32) -> Balance {
    let quote = &lease.terms.quote;
    price_of_full_use(&quote.rates, &quote.resources, millis.into()).expect("it is priced")
}

/// Prices are rounded down, and so are counters.
const ROUNDING: Balance = 2;

/// The provider loses at most the use of one tick and the grace, whoever stops or lies, and on top
/// of it only what it gave without looking.
fn exposure_is_bounded(lease: &Lease, world: &World) -> bool {
    let stored = world.provider.stored.map(|id| lease.provider(id).paid);
    let paid = stored.unwrap_or(world.notes.counted);
    let unpaid = price(&lease.terms, world.used).saturating_sub(paid);
    let quote = &lease.terms.quote;
    assert_eq!(quote.max_exposure, full(lease, TICK + GRACE));
    let Meter { busy, held } = world.notes.unwatched;
    // A program that was started again lets its publisher have one more grace.
    let most = if world.notes.restarted { TICK + 2 * GRACE } else { TICK + GRACE };
    let bound = Meter { busy: busy + most, held: held + most };
    unpaid <= price(&lease.terms, bound) + ROUNDING
}

fn settled(world: &World) -> Balance {
    match world.chain.stage {
        Stage::Gone { paid } => paid,
        _ => 0,
    }
}

fn signs_what_was_used(lease: &Lease, world: &World) -> bool {
    let used = price(&lease.terms, world.used);
    world.notes.signed <= used + lease.terms.quote.prepay + full(lease, 2 * TICK)
}

fn pays_what_was_signed(_: &Lease, world: &World) -> bool {
    settled(world) <= world.notes.signed.min(world.chain.locked)
}

fn counts_what_is_stored(lease: &Lease, world: &World) -> bool {
    world.provider.stored.is_none_or(|id| lease.provider(id).paid >= world.notes.counted)
}

fn ends_paid(_: &Lease, world: &World) -> bool {
    let is_over = matches!(world.chain.stage, Stage::Gone { .. });
    let was_there = !world.notes.missed && world.provider.program != Program::Gone;
    !is_over || !was_there || settled(world) >= world.notes.counted
}

fn no_accusation(lease: &Lease, world: &World) -> bool {
    use CloseReason::*;
    let reasons = [
        (world.provider.program == Program::Runs)
            .then(|| lease.provider(world.provider.live).reason),
        (world.publisher.program == Program::Runs)
            .then(|| lease.publisher(world.publisher.live).reason),
    ];
    let accuses = |reason| {
        matches!(reason, ProtocolViolation | NotAuthentic | Incompatible | UsageDisagreement)
    };
    !reasons.into_iter().flatten().flatten().any(accuses)
}
