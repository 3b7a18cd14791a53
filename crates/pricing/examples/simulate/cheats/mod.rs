//! Each kind of cheat with what notices it: how often, and from what size on.

mod answers;
mod counters;
mod work;

use serde_json::{json, Value};
use zennet_pricing::outliers::Limits;

use self::{
    counters::{Inflated, BUSY, HOUR},
    work::{Against, Fraud, SPREAD, TASKS},
};
use crate::{chance::Chance, median, percent, short};

/// Cases of each kind and size.
const CASES: usize = 1_000;

/// Part of the cases that must be noticed for a size to count as caught.
const CAUGHT: f64 = 0.95;

/// Sizes that are tried, in rising order.
const SIZES: [f64; 17] = [
    0.012, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45,
    0.60, 0.90,
];

/// The size of a cheat by which kinds are compared.
const TYPICAL: f64 = 0.05;

/// Hosts of a fleet, and the modified z-score from which one of them is an outlier.
const FLEETS: [(usize, f64); 6] =
    [(12, 3.5), (30, 3.5), (100, 3.5), (1_000, 3.5), (30, 2.8), (100, 2.5)];

/// The least of the sizes that is caught, where one is. What is caught at one size is caught at
/// every greater one.
fn smallest(sizes: &[f64], caught: impl Fn(f64) -> f64) -> Option<f64> {
    sizes.get(sizes.partition_point(|size| caught(*size) < CAUGHT)).copied()
}

/// How leases go whose provider bills too much.
struct Leases {
    /// Part of them that was ended within the hour.
    ended: f64,
    /// Median time to the end, seconds.
    secs: u64,
    /// Median of what was billed too much by then, in units of the counter.
    excess: u64,
}

fn leases(inflated: Inflated, by: f64, cases: usize, seed: u64) -> Leases {
    let mut chance = Chance::new(seed);
    let courses: Vec<_> = (0..cases).map(|_| counters::lease(inflated, by, &mut chance)).collect();
    let ended: Vec<_> = courses.iter().filter_map(|course| course.ended).collect();
    let typical = |numbers: Vec<u64>| match numbers.is_empty() {
        true => 0,
        false => median(numbers.into_iter().map(|number| number as f64).collect()) as u64,
    };
    Leases {
        ended: ended.len() as f64 / cases as f64,
        secs: typical(ended),
        excess: typical(courses.iter().filter(|c| c.ended.is_some()).map(|c| c.excess).collect()),
    }
}

fn size_of(size: Option<f64>) -> String {
    size.map_or(String::from("–"), percent)
}

fn counters_too_high(seed: u64) -> Vec<Value> {
    let honest = leases(Inflated::All, 0.0, CASES, seed).ended;
    println!("inflated counters, against own readings; honest leases ended: {}", percent(honest));
    println!("counter            5 % caught in {HOUR} s  after, s         excess  smallest caught");
    let each = BUSY.iter().map(|(counter, _)| (counter.name(), Inflated::One(*counter)));
    let line = |(name, inflated): (&str, Inflated)| {
        let typical = leases(inflated, TYPICAL, CASES, seed);
        let least = smallest(&SIZES, |size| leases(inflated, size, CASES, seed).ended);
        println!(
            "{name:<18} {:>20} {:>9} {:>14} {:>16}",
            percent(typical.ended),
            typical.secs,
            typical.excess,
            size_of(least)
        );
        json!({
            "kind": "inflated", "counter": name, "false_alarms": short(honest),
            "caught": short(typical.ended), "secs": typical.secs, "excess": typical.excess,
            "smallest_caught": least,
        })
    };
    each.chain([("all", Inflated::All)]).map(line).collect()
}

const FRAUDS: [(&str, Fraud); 3] = [
    ("slowed_cpu", Fraud::Slowed),
    ("stolen_cycles", Fraud::Stolen),
    ("false_rows", Fraud::FalseRows),
];

fn less_work(seed: u64) -> Vec<Value> {
    let mut lines = Vec::new();
    // Beyond these a thief would need more than all of the time in which it steals.
    let sizes: Vec<f64> = SIZES.into_iter().filter(|size| *size < 0.5).collect();
    println!("less work, against {TASKS} surprise tasks");
    println!("kind           held against  noise of counters  false alarms  smallest caught");
    for (name, fraud) in FRAUDS {
        for (against, held) in [(Against::Price, "price"), (Against::Runs, "runs")] {
            for noise in [0.02, 0.10] {
                let by = |size| work::by_tasks(fraud, size, noise, against, CASES, seed);
                let (honest, least) = (by(0.0), smallest(&sizes, by));
                println!(
                    "{name:<14} {held:>12} {:>18} {:>13} {:>16}",
                    percent(noise),
                    percent(honest),
                    size_of(least)
                );
                lines.push(json!({
                    "kind": name, "detector": "tasks", "held_against": held,
                    "counter_noise": noise, "false_alarms": short(honest),
                    "smallest_caught": least,
                }));
            }
        }
    }
    lines.extend(dear_hosts(&sizes, seed));
    lines
}

fn dear_hosts(sizes: &[f64], seed: u64) -> Vec<Value> {
    println!("the same, against a fleet whose costs spread by {}", percent(SPREAD));
    println!("hosts  threshold  false alarms  smallest caught");
    let line = |(hosts, threshold)| {
        let limits = Limits { threshold, ..Limits::default() };
        let by = |size| work::by_fleet(size, hosts, &limits, CASES, seed);
        let (honest, least) = (by(0.0).1, smallest(sizes, |size| by(size).0));
        println!("{hosts:>5} {threshold:>10} {:>13} {:>16}", percent(honest), size_of(least));
        json!({
            "kind": "less_work", "detector": "fleet", "hosts": hosts, "threshold": threshold,
            "false_alarms": short(honest), "smallest_caught": least,
        })
    };
    FLEETS.map(line).to_vec()
}

fn wrong_answers(seed: u64) -> Vec<Value> {
    println!(
        "wrong answers, {} of {} units done by three providers",
        percent(answers::REPEATED),
        answers::UNITS
    );
    println!("in league  false alarms  smallest caught");
    let line = |league| {
        let least = smallest(&SIZES, |size| answers::caught(size, league, CASES, seed));
        let honest = answers::accused(least.unwrap_or(1.0), league, CASES, seed);
        println!("{league:>9} {:>13} {:>16}", percent(honest), size_of(least));
        json!({
            "kind": "wrong_answers", "league": league, "false_alarms": short(honest),
            "smallest_caught": least,
        })
    };
    [1, 3].map(line).to_vec()
}

/// Prints a table for each kind, and gives all as JSON.
pub(crate) fn run(seed: u64) -> Value {
    let mut lines = counters_too_high(seed);
    lines.extend(less_work(seed));
    lines.extend(wrong_answers(seed));
    json!({ "cases": CASES, "lines": lines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SEED;

    #[test]
    fn an_honest_lease_is_never_ended_for_its_counters() {
        assert_eq!(leases(Inflated::All, 0.0, 50, SEED).ended, 0.0);
    }

    #[test]
    fn five_percent_more_of_any_counter_is_noticed_within_minutes() {
        for (counter, _) in BUSY {
            let found = leases(Inflated::One(counter), TYPICAL, 50, SEED);
            assert_eq!(found.ended, 1.0, "{counter:?}");
            assert!(found.secs <= 120, "{counter:?}: {}", found.secs);
        }
    }

    #[test]
    fn surprise_tasks_find_false_rows_and_slow_processors_and_spare_the_honest() {
        for (name, fraud) in FRAUDS {
            for (against, size) in [(Against::Price, 0.3), (Against::Runs, 0.05)] {
                let part = |size| work::by_tasks(fraud, size, 0.02, against, 200, SEED);
                assert!(part(0.0) <= 0.01, "{name} {against:?}: {}", part(0.0));
                assert!(part(size) >= CAUGHT, "{name} {against:?}: {}", part(size));
            }
        }
    }

    #[test]
    fn a_fleet_finds_a_host_at_half_its_speed_and_spares_the_honest() {
        let (caught, accused) = work::by_fleet(0.5, 30, &Limits::default(), 200, SEED);
        assert!(caught >= CAUGHT, "{caught}");
        assert!(accused <= 0.01, "{accused}");
    }

    #[test]
    fn repeated_work_finds_one_wrong_answer_in_ten_and_spares_the_honest() {
        assert!(answers::caught(0.15, 1, 200, SEED) >= CAUGHT);
        assert!(answers::accused(0.15, 3, 200, SEED) <= 0.01);
    }
}
