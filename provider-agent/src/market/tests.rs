use std::time::Instant;

use rand::{rngs::StdRng, Rng, SeedableRng};
use zennet_primitives::Hash;

use super::*;

const ROOM: Totals = Totals { cpu_millis: 4000, memory_mib: 8192, disk_mib: 1000, leases: 5 };

fn candidate(id: u8, part: (u32, u32, u32), machines: u32, profit: Profit) -> Candidate {
    let (cpu_millis, memory_mib, disk_mib) = part;
    let part = Resources { cpu_millis, memory_mib, disk_mib, volume_mib: 0 };
    Candidate { id: Hash::repeat_byte(id), part, machines, profit, word: Word::Unsaid }
}

/// Machines of up to half of a capacity, and a few that take nothing of a dimension.
fn random(rng: &mut StdRng, count: u8) -> Vec<Candidate> {
    let words = [Word::Unsaid, Word::Unsaid, Word::Unsaid, Word::Unsaid, Word::Refused];
    (0..count)
        .map(|id| {
            let part = (rng.gen_range(10..2000), rng.gen_range(16..4096), rng.gen_range(0..500));
            let mut made = candidate(id, part, rng.gen_range(1..4), rng.gen_range(-100..10_000));
            made.word = match rng.gen_range(0..12) {
                0 => Word::Accepted(rng.gen_range(0..100)),
                other => words[other % words.len()],
            };
            made
        })
        .collect()
}

fn cases(count: u64, most: u8) -> impl Iterator<Item = (u64, Vec<Candidate>)> {
    (0..count).map(move |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let size = rng.gen_range(0..=most);
        (seed, random(&mut rng, size))
    })
}

fn sum_of(candidates: &[Candidate], chosen: &[u32]) -> Profit {
    candidates.iter().zip(chosen).map(|(c, n)| c.profit * Profit::from(*n)).sum()
}

fn used(candidates: &[Candidate], chosen: &[u32]) -> [u64; 4] {
    let mut sums = [0; 4];
    for (candidate, machines) in candidates.iter().zip(chosen) {
        for (sum, need) in sums.iter_mut().zip(needs(&candidate.part)) {
            *sum += u64::from(need) * u64::from(*machines);
        }
    }
    sums
}

fn fits(candidates: &[Candidate], chosen: &[u32]) -> bool {
    let used = used(candidates, chosen);
    used.into_iter().zip(dimensions(&ROOM)).all(|(used, free)| used <= free.into())
}

/// The plain heuristic, written on its own: one machine after the other by density.
fn plain_greedy(candidates: &[Candidate]) -> Vec<u32> {
    let free = dimensions(&ROOM);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.retain(|i| candidates[*i].word == Word::Unsaid && candidates[*i].profit >= 0);
    order.sort_by_key(|i| (Reverse(density(&candidates[*i], &free)), candidates[*i].id));
    let mut chosen = vec![0; candidates.len()];
    for place in order {
        for _ in 0..candidates[place].machines {
            chosen[place] += 1;
            if !fits(candidates, &chosen) {
                chosen[place] -= 1;
            }
        }
    }
    chosen
}

/// Every filling there is.
fn optimum(candidates: &[Candidate], place: usize, chosen: &mut Vec<u32>) -> Profit {
    if place == candidates.len() {
        return sum_of(candidates, chosen);
    }
    let mut best = Profit::MIN;
    for machines in 0..=candidates[place].machines {
        chosen[place] = machines;
        if !fits(candidates, chosen) {
            break;
        }
        best = best.max(optimum(candidates, place + 1, chosen));
    }
    chosen[place] = 0;
    best
}

#[test]
fn the_capacity_is_never_exceeded_and_nobody_gets_more_than_is_wanted() {
    for (seed, candidates) in cases(500, 40) {
        let chosen = choose(&ROOM, &candidates);
        assert!(fits(&candidates, &chosen), "seed {seed}");
        let bounded = candidates.iter().zip(&chosen).all(|(c, n)| *n <= c.machines);
        assert!(bounded && chosen.len() == candidates.len(), "seed {seed}");
    }
}

#[test]
fn what_was_refused_or_loses_is_never_in() {
    for (seed, candidates) in cases(500, 40) {
        let chosen = choose(&ROOM, &candidates);
        for (candidate, machines) in candidates.iter().zip(chosen) {
            let out = candidate.word == Word::Refused
                || candidate.word == Word::Unsaid && candidate.profit < 0;
            assert!(!out || machines == 0, "seed {seed}: {candidate:?}");
        }
    }
}

#[test]
fn what_was_accepted_is_in_as_far_as_it_fits_in_the_order_of_acceptance() {
    for (seed, mut candidates) in cases(500, 40) {
        for (order, candidate) in candidates.iter_mut().enumerate() {
            if let Word::Accepted(number) = &mut candidate.word {
                *number = 1000 - order as u64;
            }
        }
        let chosen = choose(&ROOM, &candidates);
        let mut alone = vec![0; candidates.len()];
        for place in (0..candidates.len()).rev() {
            if matches!(candidates[place].word, Word::Accepted(_)) {
                for _ in 0..candidates[place].machines {
                    alone[place] += 1;
                    if !fits(&candidates, &alone) {
                        alone[place] -= 1;
                    }
                }
                assert_eq!(chosen[place], alone[place], "seed {seed}, place {place}");
            }
        }
    }
}

#[test]
fn it_is_never_worse_than_plain_greedy() {
    for (seed, mut candidates) in cases(500, 40) {
        candidates.retain(|candidate| !matches!(candidate.word, Word::Accepted(_)));
        let plain = sum_of(&candidates, &plain_greedy(&candidates));
        let chosen = sum_of(&candidates, &choose(&ROOM, &candidates));
        assert!(chosen >= plain, "seed {seed}: {chosen} < {plain}");
    }
}

#[test]
fn the_choice_does_not_depend_on_the_order_of_the_candidates() {
    for (seed, mut candidates) in cases(300, 40) {
        let of = |candidates: &[Candidate]| -> BTreeMap<Hash, u32> {
            let ids = candidates.iter().map(|candidate| candidate.id);
            ids.zip(choose(&ROOM, candidates)).collect()
        };
        // Equal orders of acceptance do not occur.
        candidates.retain(|candidate| !matches!(candidate.word, Word::Accepted(_)));
        let first = of(&candidates);
        candidates.reverse();
        assert_eq!(first, of(&candidates), "seed {seed}");
    }
}

#[test]
fn it_comes_near_the_best_filling() {
    let mut parts: Vec<u32> = Vec::new();
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut candidates = random(&mut rng, 8);
        candidates.iter_mut().for_each(|candidate| candidate.word = Word::Unsaid);
        candidates.retain(|candidate| candidate.profit > 0);
        let best = optimum(&candidates, 0, &mut vec![0; candidates.len()]);
        let found = sum_of(&candidates, &choose(&ROOM, &candidates));
        assert!(found <= best, "seed {seed}: the search of all is wrong");
        parts.push((found * 1000 / best.max(1)) as u32);
    }
    parts.sort_unstable();
    let (least, tenth, median) = (parts[0], parts[parts.len() / 10], parts[parts.len() / 2]);
    let exact = parts.iter().filter(|part| **part == 1000).count();
    println!("of the optimum, in thousandths: least {least}, tenth {tenth}, median {median}");
    println!("the optimum itself in {exact} of {} cases", parts.len());
    assert!(median >= 990 && tenth >= 950 && least >= 800, "{least} {tenth} {median}");
}

#[test]
fn one_large_machine_wins_over_small_ones_that_are_denser_but_earn_less() {
    let candidates = [candidate(1, (100, 16, 0), 1, 1000), candidate(2, (4000, 16, 0), 1, 3000)];
    assert_eq!(choose(&ROOM, &candidates), [0, 1]);
}

#[test]
fn a_swap_finds_what_both_orders_miss() {
    // By density and by profit the first comes in, and keeps the two others out.
    let room = Totals { cpu_millis: 1000, memory_mib: 1000, disk_mib: 0, leases: 9 };
    let candidates = [
        candidate(1, (600, 10, 0), 1, 610),
        candidate(2, (500, 10, 0), 1, 500),
        candidate(3, (500, 10, 0), 1, 500),
    ];
    assert_eq!(choose(&room, &candidates), [0, 1, 1]);
}

#[test]
fn offers_that_earn_nothing_are_served_where_there_is_room() {
    assert_eq!(choose(&ROOM, &[candidate(1, (100, 16, 0), 9, 0)]), [5]);
    assert_eq!(choose(&ROOM, &[candidate(1, (100, 16, 0), 1, -1)]), [0]);
}

#[test]
fn figures_at_their_bounds_are_no_error() {
    let all = (u32::MAX, u32::MAX, u32::MAX);
    let candidates = [
        candidate(1, all, u32::MAX, Profit::MAX),
        candidate(2, (0, 0, 0), u32::MAX, Profit::MAX),
        candidate(3, (1, 1, 1), u32::MAX, Profit::MIN),
    ];
    let full = u32::MAX;
    let room = Totals { cpu_millis: full, memory_mib: full, disk_mib: full, leases: full };
    assert!(choose(&room, &candidates).iter().any(|machines| *machines > 0));
    assert_eq!(choose(&Totals::default(), &candidates), [0, 0, 0]);
}

#[test]
fn ten_thousand_candidates_are_chosen_among_in_a_moment() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut candidates = Vec::new();
    while candidates.len() < 10_000 {
        let mut more = random(&mut rng, 250);
        for candidate in &mut more {
            candidate.id = Hash::from(rng.gen::<[u8; 32]>());
            candidate.word = Word::Unsaid;
        }
        candidates.append(&mut more);
    }
    let room = Totals { cpu_millis: 64_000, memory_mib: 131_072, disk_mib: 16_000, leases: 1000 };
    let began = Instant::now();
    let chosen = choose(&room, &candidates);
    println!("10000 candidates, {} machines: {:?}", chosen.iter().sum::<u32>(), began.elapsed());
    assert!(chosen.iter().sum::<u32>() > 10);
}
