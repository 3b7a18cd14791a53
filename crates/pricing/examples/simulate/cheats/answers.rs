//! Providers that answer without computing.
//!
//! A publisher has a few units of work done by three providers and compares. A provider is caught
//! when its answer stood alone twice: once may be a flipped bit, or a majority in league.

use zennet_pricing::answers::{compare, Answers};

use crate::chance::Chance;

/// Units of work that each provider does, and the part of them that two others do as well.
pub(super) const UNITS: usize = 1_000;
pub(super) const REPEATED: f64 = 0.05;

/// Providers of the publisher.
const FLEET: usize = 30;

/// How often an honest answer is wrong.
const FLIPPED: f64 = 1e-6;

/// Times that an answer stands alone until its provider is caught.
const PATIENCE: usize = 2;

/// Part of the cases in which a provider is caught that is in league with `league − 1` others: all
/// of them answer a part `by` of the units wrong, and alike.
pub(super) fn caught(by: f64, league: usize, cases: usize, seed: u64) -> f64 {
    let mut chance = Chance::new(seed);
    let is_caught = |_: &usize| odd(true, by, league, &mut chance) >= PATIENCE;
    (0..cases).filter(is_caught).count() as f64 / cases as f64
}

/// Part of the cases in which an honest provider is, in the same fleet.
pub(super) fn accused(by: f64, league: usize, cases: usize, seed: u64) -> f64 {
    let mut chance = Chance::new(seed);
    let is_accused = |_: &usize| odd(false, by, league, &mut chance) >= PATIENCE;
    (0..cases).filter(is_accused).count() as f64 / cases as f64
}

/// How often the answer of one provider stands alone.
fn odd(cheats: bool, by: f64, league: usize, chance: &mut Chance) -> usize {
    // Providers below `league` are in it; the one looked at is the first or the last.
    let own = if cheats { 0 } else { FLEET - 1 };
    let mut odd = 0;
    for _ in 0..UNITS {
        if !chance.happens(REPEATED) {
            continue;
        }
        let faked = chance.happens(by);
        let second = other(own, own, chance);
        let third = other(own, second, chance);
        let answers = [own, second, third].map(|provider| {
            if provider < league && faked {
                Answer::Faked
            } else if chance.happens(FLIPPED) {
                Answer::Flipped(provider)
            } else {
                Answer::Right
            }
        });
        odd += match compare(&answers) {
            Answers::Odd(places) => usize::from(places.contains(&0)),
            Answers::Agreed | Answers::Undecided => 0,
        };
    }
    odd
}

#[derive(PartialEq, Eq)]
enum Answer {
    Right,
    Faked,
    Flipped(usize),
}

/// A provider that is neither of two.
fn other(one: usize, two: usize, chance: &mut Chance) -> usize {
    loop {
        let place = chance.place(FLEET);
        if place != one && place != two {
            return place;
        }
    }
}
