//! Which offers are served where there is not room for all: about the most profitable set.
//!
//! A candidate is an announcement that passed the filter: so many equal machines, each with a part
//! of the capacity and an expected profit ([`profit`]). What is free of the capacity is a knapsack
//! with four dimensions: processors, memory, disk, machines. The best filling cannot be had in
//! reasonable time, so [`choose`] goes like this:
//!
//! 1. What the operator accepted by hand comes first, in the order of its acceptance, as far as it
//!    fits, whatever it earns. What the operator refused is never in.
//! 2. The rest is filled in by density: the profit of a machine per the greatest share that it
//!    takes of what is free in any dimension. A second filling goes by profit alone, which is
//!    better where one large machine is worth more than many small ones. The better one goes on.
//! 3. Swaps, at most [`ROUNDS`]: the best of these changes is made, as long as one earns more. One
//!    of the [`FRONT`] densest candidates that wants another machine gets one, for which the least
//!    dense of the others make room; or one of the [`FRONT`] least dense gives up one machine or all
//!    of them. Each time the rest is filled by density again.
//!
//! A machine that is expected to earn less than nothing is chosen only by hand.
//!
//! With `n` candidates that costs `O(n log n)` for the orders, and at most `ROUNDS · 3 · FRONT`
//! fillings of `FRONT` candidates, whatever others announce. The result depends on the input
//! alone: equals are told apart by their identifiers. It is never worse than the first filling by
//! density.

pub(crate) mod profit;
#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap};

use zennet_primitives::{announcement::AnnouncementId, contract::Resources};

use self::profit::Profit;
use crate::capacity::Totals;

/// Changes that are made at most.
const ROUNDS: usize = 16;
/// Candidates that changes are looked for among.
const FRONT: usize = 128;

/// What the operator said of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing: its profit decides.
    Unsaid,
    /// Accepted; lower numbers were accepted earlier.
    Accepted(u64),
    Refused,
}

/// An offer that could be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: AnnouncementId,
    /// What one machine takes.
    pub(crate) part: Resources,
    /// Machines that are wanted of this provider.
    pub(crate) machines: u32,
    /// Of one machine.
    pub(crate) profit: Profit,
    pub(crate) word: Word,
}

/// For each candidate how many machines of it are to be served within what is free.
pub(crate) fn choose(free: &Totals, candidates: &[Candidate]) -> Vec<u32> {
    let mut start = Filling { candidates, taken: BTreeMap::new(), free: dimensions(free), sum: 0 };
    let mut accepted: Vec<(u64, usize)> = Vec::new();
    let mut open = Vec::new();
    for (place, candidate) in candidates.iter().enumerate() {
        match candidate.word {
            Word::Accepted(order) => accepted.push((order, place)),
            Word::Unsaid if candidate.profit >= 0 => open.push(place),
            Word::Unsaid | Word::Refused => (),
        }
    }
    accepted.sort_unstable();
    start.fill(accepted.into_iter().map(|(_, place)| place));
    open.retain(|place| start.room_for(*place) > 0);
    let best = best_filling(&start, open);
    (0..candidates.len()).map(|place| best.taken(place)).collect()
}

/// Steps two and three.
fn best_filling<'a>(start: &Filling<'a>, open: Vec<usize>) -> Filling<'a> {
    let candidates = start.candidates;
    let sorted = |key: &dyn Fn(usize) -> i128| {
        let mut places = open.clone();
        places.sort_by_cached_key(|place| (Reverse(key(*place)), candidates[*place].id));
        places
    };
    let density = |place: usize| density(&candidates[place], &start.free);
    let dense = sorted(&density);
    let mut best = start.clone();
    best.fill(dense.iter().copied());
    let mut rich = start.clone();
    rich.fill(sorted(&|place| candidates[place].profit).into_iter());
    if rich.sum > best.sum {
        best = rich;
    }
    let front = &dense[..dense.len().min(FRONT)];
    for _ in 0..ROUNDS {
        match best.swapped(front, &density) {
            Some(better) => best = better,
            None => break,
        }
    }
    best
}

/// Profit per share of what is free, for the dimension of which a machine takes the greatest share.
/// The share is in parts of 2³², so that whole numbers suffice.
fn density(candidate: &Candidate, free: &[u32; 4]) -> i128 {
    let shares = needs(&candidate.part).into_iter().zip(free).map(|(need, free)| {
        // What is not free is not needed by any candidate that is left.
        (u64::from(need) << 32).div_ceil(u64::from((*free).max(1)))
    });
    let share = i128::from(shares.max().unwrap_or(0).max(1));
    candidate.profit.saturating_mul(1 << 32) / share
}

fn dimensions(totals: &Totals) -> [u32; 4] {
    [totals.cpu_millis, totals.memory_mib, totals.disk_mib, totals.leases]
}

fn needs(part: &Resources) -> [u32; 4] {
    [part.cpu_millis, part.memory_mib, part.disk_mib, 1]
}

/// Machines that are in, and what is left.
#[derive(Clone)]
struct Filling<'a> {
    candidates: &'a [Candidate],
    /// Machines by the place of their candidate.
    taken: BTreeMap<usize, u32>,
    free: [u32; 4],
    /// Profit of all.
    sum: Profit,
}

impl Filling<'_> {
    fn taken(&self, place: usize) -> u32 {
        self.taken.get(&place).copied().unwrap_or(0)
    }

    /// Further machines of a candidate that are wanted and fit.
    fn room_for(&self, place: usize) -> u32 {
        let wanted = self.candidates[place].machines.saturating_sub(self.taken(place));
        needs(&self.candidates[place].part)
            .into_iter()
            .zip(self.free)
            .filter_map(|(need, free)| free.checked_div(need))
            .fold(wanted, u32::min)
    }

    /// Puts in as many machines of each candidate as fit, one candidate after the other.
    fn fill(&mut self, places: impl Iterator<Item = usize>) {
        for place in places {
            self.put(place, self.room_for(place));
        }
    }

    /// Puts in machines for which there is room.
    fn put(&mut self, place: usize, machines: u32) {
        if machines == 0 {
            return;
        }
        let candidate = &self.candidates[place];
        for (free, need) in self.free.iter_mut().zip(needs(&candidate.part)) {
            *free -= need * machines;
        }
        self.sum = self.sum.saturating_add(candidate.profit.saturating_mul(machines.into()));
        *self.taken.entry(place).or_default() += machines;
    }

    /// Takes out machines that are in.
    fn take_out(&mut self, place: usize, machines: u32) {
        let candidate = &self.candidates[place];
        for (free, need) in self.free.iter_mut().zip(needs(&candidate.part)) {
            *free += need * machines;
        }
        self.sum = self.sum.saturating_sub(candidate.profit.saturating_mul(machines.into()));
        let left = self.taken(place) - machines;
        if left == 0 {
            self.taken.remove(&place);
        } else {
            self.taken.insert(place, left);
        }
    }

    /// The best change that earns more, if there is one.
    fn swapped(&self, front: &[usize], density: &dyn Fn(usize) -> i128) -> Option<Self> {
        // Those that may go, the least dense first.
        let mut loose: Vec<usize> = self.taken.keys().copied().collect();
        loose.retain(|place| self.candidates[*place].word == Word::Unsaid);
        loose.sort_by_cached_key(|place| (density(*place), self.candidates[*place].id));
        let forced = front.iter().filter_map(|place| self.with_one_more(*place, &loose, front));
        let given_up = loose.iter().take(FRONT).flat_map(|place| {
            let machines = self.taken(*place);
            [1, machines].map(|machines| self.without(*place, machines, front))
        });
        let best = forced.chain(given_up).reduce(|a, b| if b.sum > a.sum { b } else { a })?;
        (best.sum > self.sum).then_some(best)
    }

    /// With another machine of a candidate, for which the first of `loose` make room.
    fn with_one_more(&self, place: usize, loose: &[usize], front: &[usize]) -> Option<Self> {
        if self.taken(place) >= self.candidates[place].machines {
            return None;
        }
        let mut changed = self.clone();
        let mut others = loose.iter().filter(|other| **other != place);
        while changed.room_for(place) == 0 {
            let other = *others.next()?;
            while changed.taken(other) > 0 && changed.room_for(place) == 0 {
                changed.take_out(other, 1);
            }
        }
        changed.put(place, 1);
        changed.fill(front.iter().copied());
        Some(changed)
    }

    /// Without some machines of a candidate, filled with others.
    fn without(&self, place: usize, machines: u32, front: &[usize]) -> Self {
        let mut changed = self.clone();
        changed.take_out(place, machines);
        changed.fill(front.iter().copied().filter(|other| *other != place));
        changed.fill(std::iter::once(place));
        changed
    }
}
