//! Populations that mine for some days, block by block, under the rule of the chain.

use rand::{rngs::StdRng, Rng, SeedableRng};
use zennet_primitives::pow::{retarget, Difficulty, Epoch};

/// The numbers of the runtime, from `runtime/src/configs/market.rs`.
pub(crate) const WANTED: u32 = 120;
const HOUR: u32 = 1800;
const MOST_IN_A_BLOCK: u32 = 16;
const MIN_DIFFICULTY: Difficulty = 1 << 16;

/// Difficulty at which the ordinary population gets what is wanted.
const ORDINARY: f64 = (1u64 << 32) as f64;

/// Hours of a run.
pub(crate) const HOURS: usize = 96;

/// Hours that are left out of averages.
const RUN_IN: usize = 6;

/// How many times as strong as the others a burst is.
pub(crate) const BURST: f64 = 30.0;

/// Hours that somebody waits for an identity before giving up.
const PATIENCE: f64 = 6.0;

/// Who mines.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Always so many times the ordinary strength.
    Steady(f64),
    /// Twice as strong every twelve hours.
    Rising,
    /// Half as strong every twelve hours.
    Falling,
    /// At times [`BURST`] times as strong, for an hour or two.
    Bursty,
    /// A farm of so many times the others, all the time.
    Farm(f64),
    /// Such a farm, which mines only while the difficulty is nearly the ordinary one.
    Hopping(f64),
    /// Twice as many people as are wanted come each hour. They mine until they have an identity or
    /// give up.
    Waiting,
}

/// What a run came to. Unless said otherwise, the first six hours are left out.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Identities an hour, by those wanted.
    pub(crate) mean: f64,
    /// The same of the hour that had the most.
    pub(crate) most: f64,
    /// Hours, from the beginning, until each further hour has from 0.4 to 2.2 times what is wanted,
    /// which chance alone does not leave.
    pub(crate) settled: usize,
    /// Largest factor between a difficulty and the next, from the beginning.
    pub(crate) change: f64,
    /// Lowest difficulty, by the ordinary one.
    pub(crate) lowest: f64,
    /// Highest difficulty, by the ordinary one.
    pub(crate) highest: f64,
    /// Part of the identities that are the farm's.
    pub(crate) farm_part: f64,
    /// Hashes that an identity cost the farm, by the ordinary difficulty.
    pub(crate) farm_price: f64,
}

struct Miners {
    kind: Kind,
    /// Blocks that a burst still lasts.
    burst: u32,
    /// People that wait.
    people: f64,
}

impl Miners {
    /// Hashes of a block, those of a farm apart.
    fn hashes(&mut self, block: u32, difficulty: f64, chance: &mut StdRng) -> (f64, f64) {
        let ordinary = f64::from(WANTED) * ORDINARY / f64::from(HOUR);
        let doublings = f64::from(block / HOUR) / 12.0;
        match self.kind {
            Kind::Steady(strength) => (strength * ordinary, 0.0),
            Kind::Rising => (ordinary * doublings.exp2(), 0.0),
            Kind::Falling => (ordinary * (-doublings).exp2(), 0.0),
            Kind::Bursty => {
                self.burst = self.burst.saturating_sub(1);
                if self.burst == 0 && chance.gen_ratio(1, 18 * HOUR) {
                    self.burst = chance.gen_range(HOUR..2 * HOUR);
                }
                (ordinary * if self.burst > 0 { BURST } else { 1.0 }, 0.0)
            }
            Kind::Farm(strength) => (ordinary, strength * ordinary),
            Kind::Hopping(strength) => {
                let cheap = difficulty < 1.5 * ORDINARY;
                (ordinary, if cheap { strength * ordinary } else { 0.0 })
            }
            Kind::Waiting => {
                self.people += f64::from(poisson(f64::from(2 * WANTED) / f64::from(HOUR), chance));
                self.people *= 1.0 - 1.0 / (PATIENCE * f64::from(HOUR));
                // At the ordinary difficulty one of them needs half an hour.
                (self.people * ORDINARY / f64::from(HOUR / 2), 0.0)
            }
        }
    }
}

/// One run. With `early`, as on the chain, an epoch ends when there are four times the registrations
/// wanted; without, by time alone.
pub(crate) fn run(kind: Kind, early: bool, seed: u64) -> Outcome {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut miners = Miners { kind, burst: 0, people: 0.0 };
    let mut difficulty = ORDINARY as Difficulty;
    let mut epoch = Epoch { began: 0, registered: 0 };
    let mut hours = vec![0u32; HOURS];
    let mut out = Outcome { lowest: f64::MAX, change: 1.0, ..Default::default() };
    let (mut of_farm, mut farm_hashes) = (0u32, 0.0);
    for block in 0..HOURS as u32 * HOUR {
        let price = difficulty as f64;
        let (ordinary, farm) = miners.hashes(block, price, &mut chance);
        let found = poisson(ordinary / price, &mut chance);
        let by_farm = poisson(farm / price, &mut chance).min(MOST_IN_A_BLOCK);
        let found = found.min(MOST_IN_A_BLOCK - by_farm);
        miners.people = (miners.people - f64::from(found)).max(0.0);
        let hour = (block / HOUR) as usize;
        hours[hour] += found + by_farm;
        epoch.registered += found + by_farm;
        if hour >= RUN_IN {
            of_farm += by_farm;
            farm_hashes += f64::from(by_farm) * price;
            out.lowest = out.lowest.min(price / ORDINARY);
            out.highest = out.highest.max(price / ORDINARY);
        }
        let by_time = Epoch { registered: 0, ..epoch };
        let ending = if early { epoch } else { by_time };
        if ending.is_over(block, HOUR, WANTED) {
            difficulty = retarget(difficulty, epoch.registered, WANTED).max(MIN_DIFFICULTY);
            let factor = difficulty as f64 / price;
            out.change = out.change.max(factor).max(1.0 / factor);
            epoch = Epoch { began: block, registered: 0 };
        }
    }
    let parts: Vec<_> = hours.iter().map(|n| f64::from(*n) / f64::from(WANTED)).collect();
    let settled = parts.iter().rposition(|part| !(0.4..2.2).contains(part));
    out.settled = settled.map_or(0, |hour| hour + 1);
    let judged = &parts[RUN_IN..];
    let sum: f64 = judged.iter().sum();
    out.mean = sum / judged.len() as f64;
    out.most = judged.iter().copied().fold(0.0, f64::max);
    out.farm_part = f64::from(of_farm) / (sum * f64::from(WANTED));
    out.farm_price = farm_hashes / f64::from(of_farm.max(1)) / ORDINARY;
    out
}

/// A number of events of which so many are expected (Knuth, 1969), which a block could not take in
/// beyond twice its bound.
fn poisson(expected: f64, chance: &mut StdRng) -> u32 {
    if expected > f64::from(2 * MOST_IN_A_BLOCK) {
        return 2 * MOST_IN_A_BLOCK;
    }
    let limit = (-expected).exp();
    let mut product: f64 = chance.gen();
    let mut count = 0;
    while product > limit {
        product *= chance.gen::<f64>();
        count += 1;
    }
    count
}
