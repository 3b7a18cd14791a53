//! How the difficulty of identities follows those who mine them, and how fast work is done here.
//!
//! `identity [--json]` prints two tables; with `--json` the last line is one JSON object. All but the
//! speed follows from a fixed seed.

mod population;
mod speed;

use std::process::ExitCode;

use population::{run, Kind, Outcome, HOURS, WANTED};
use serde_json::{json, Value};

/// Seed of the first run of each population.
const SEED: u64 = 2014;

/// Runs of each population, with seeds in a row.
const RUNS: u64 = 100;

/// Populations, and whether an epoch ends early, as it does on the chain.
const POPULATIONS: [(&str, Kind, bool); 13] = [
    ("steady", Kind::Steady(1.0), true),
    ("1000 times as strong", Kind::Steady(1000.0), true),
    ("1000 times as weak", Kind::Steady(0.001), true),
    ("rising", Kind::Rising, true),
    ("falling", Kind::Falling, true),
    ("people who wait", Kind::Waiting, true),
    ("bursts", Kind::Bursty, true),
    ("bursts, by time", Kind::Bursty, false),
    ("farm of 50", Kind::Farm(50.0), true),
    ("hopping farm of 50", Kind::Hopping(50.0), true),
    ("hopping farm of 1000", Kind::Hopping(1000.0), true),
    ("same of 50, by time", Kind::Hopping(50.0), false),
    ("same of 1000, by time", Kind::Hopping(1000.0), false),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let json = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--json"] => true,
        _ => {
            eprintln!("usage: identity [--json]");
            return ExitCode::from(2);
        }
    };
    let report = json!({ "populations": populations(), "speed": speed::run() });
    if json {
        println!("{report}");
    }
    ExitCode::SUCCESS
}

/// Prints the table of the populations and gives it as JSON.
fn populations() -> Value {
    println!(
        "{WANTED} identities an hour are wanted; {RUNS} runs of four days, seeds from {SEED} on"
    );
    println!(
        "population                 mean      most  settled  change    lowest    highest  farm part  farm price"
    );
    let lines = POPULATIONS.map(|(name, kind, early)| {
        let runs: Vec<_> = (0..RUNS).map(|i| run(kind, early, SEED + i)).collect();
        let all = |of: fn(&Outcome) -> f64| runs.iter().map(of);
        let most = |of: fn(&Outcome) -> f64| short(all(of).fold(0.0, f64::max));
        let mean = |of: fn(&Outcome) -> f64| short(all(of).sum::<f64>() / RUNS as f64);
        let settled = runs.iter().map(|o| o.settled).max().filter(|hours| *hours < HOURS / 2);
        let line = json!({
            "population": name,
            "mean": mean(|o| o.mean),
            "most": most(|o| o.most),
            "settled_hours": settled,
            "change": most(|o| o.change),
            "lowest": short(all(|o| o.lowest).fold(f64::MAX, f64::min)),
            "highest": most(|o| o.highest),
            "farm_part": mean(|o| o.farm_part),
            "farm_price": mean(|o| o.farm_price),
        });
        let column = |name: &str| line[name].to_string();
        println!(
            "{name:22} {:>8} {:>9} {:>8} {:>7} {:>9} {:>10} {:>10} {:>11}",
            column("mean"),
            column("most"),
            column("settled_hours"),
            column("change"),
            column("lowest"),
            column("highest"),
            column("farm_part"),
            column("farm_price"),
        );
        line
    });
    lines.to_vec().into()
}

fn short(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::{population::BURST, *};
    use proptest::prelude::*;

    /// What chance does to a difficulty, at most: the count that it follows from is off by a tenth as
    /// a rule, by a fifth where the difficulty was four times the ordinary one.
    const LOWEST: f64 = 0.3;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_steady_population_gets_what_is_wanted_within_seven_hours(
            seed: u64,
            doublings in -10.0..10.0f64,
        ) {
            let found = run(Kind::Steady(doublings.exp2()), true, seed);
            prop_assert!(found.settled <= 7, "{}", found.settled);
            prop_assert!((found.mean - 1.0).abs() < 0.05, "{}", found.mean);
            prop_assert!(found.change <= 4.001, "{}", found.change);
        }

        #[test]
        fn a_population_that_rises_or_falls_is_followed_an_hour_behind(seed: u64) {
            let hourly = 2f64.powf(1.0 / 12.0);
            let (rising, falling) = (run(Kind::Rising, true, seed), run(Kind::Falling, true, seed));
            prop_assert!((rising.mean / hourly - 1.0).abs() < 0.05, "{}", rising.mean);
            prop_assert!((falling.mean * hourly - 1.0).abs() < 0.05, "{}", falling.mean);
            prop_assert!(rising.settled <= 7 && falling.settled <= 7);
        }

        #[test]
        fn a_burst_is_priced_out_and_leaves_no_swing_behind(seed: u64) {
            let found = run(Kind::Bursty, true, seed);
            // Each four-fold rise lets as many in as it takes to cause it.
            let rises = BURST.log(4.0).ceil() + 1.0;
            prop_assert!(found.most <= 4.0 * rises, "{}", found.most);
            prop_assert!(found.highest <= 4.0 * BURST, "{}", found.highest);
            prop_assert!(found.lowest > LOWEST, "{}", found.lowest);
            prop_assert!(found.change <= 4.001, "{}", found.change);
        }

        #[test]
        fn however_strong_a_hopping_farm_is_it_gets_little_more_than_four_times_what_is_wanted(
            seed: u64,
            strength in 1.0..10_000.0f64,
        ) {
            let found = run(Kind::Hopping(strength), true, seed);
            prop_assert!(found.mean < 5.0, "{}", found.mean);
            prop_assert!(found.highest <= 8.0, "{}", found.highest);
            prop_assert!(found.lowest > LOWEST, "{}", found.lowest);
        }

        #[test]
        fn a_farm_that_stays_pays_for_its_strength(seed: u64, strength in 2.0..1000.0f64) {
            let found = run(Kind::Farm(strength), true, seed);
            prop_assert!((found.mean - 1.0).abs() < 0.05, "{}", found.mean);
            prop_assert!((found.farm_price / (strength + 1.0) - 1.0).abs() < 0.1);
        }

        #[test]
        fn people_who_wait_are_served_at_the_rate_that_is_wanted(seed: u64) {
            let found = run(Kind::Waiting, true, seed);
            prop_assert!((found.mean - 1.0).abs() < 0.15, "{}", found.mean);
        }
    }
}
