//! Rates from N benchmarks, judged by programs that were not among them.

use serde_json::{json, Value};
use zennet_pricing::fit::{half_width, Mode, Table, MAX_ROWS};

use crate::{
    chance::Chance,
    median, percent,
    programs::{Machine, Program, COUNTERS, HIDDEN, PRICE_NOISE},
    short,
};

/// Machines, each with benchmarks and programs of its own.
const REPETITIONS: usize = 200;

/// Programs by which the rates of a machine are judged.
const JUDGES: usize = 200;

const ROWS: [usize; 4] = [6, 12, 24, 48];

/// Noise of counters, and how many runs a figure is the average of.
const NOISES: [(f64, usize); 4] = [(0.02, 1), (0.10, 1), (0.10, 3), (0.10, 5)];

/// What rates from some number of rows are worth.
pub(crate) struct Quality {
    /// Median error of a price as negotiated, by the default mode.
    pub(crate) error: f64,
    /// Of the price by the hidden resources.
    worth_error: f64,
    /// Part of the programs whose price is within the half width.
    pub(crate) coverage: f64,
    half_width: f64,
    /// Median error by the pseudo-inverse.
    pinv_error: f64,
    /// Part of the machines with a rate below zero, by either mode.
    negative: f64,
    pinv_negative: f64,
}

/// Measures on machines of their own, which only the seed decides.
pub(crate) fn quality(
    rows: usize,
    (noise, runs): (f64, usize),
    (machines, judges): (usize, usize),
    seed: u64,
) -> Quality {
    let mut chance = Chance::new(seed);
    let (mut errors, mut worth_errors, mut pinv_errors) = (vec![], vec![], vec![]);
    let (mut covered, mut widths, mut negative, mut pinv_negative) = (0, vec![], 0, 0);
    for _ in 0..machines {
        let machine = Machine::new(&mut chance);
        let mut programs = |count: usize| -> Vec<Program> {
            (0..count).map(|_| machine.program(noise, runs, &mut chance)).collect()
        };
        let table = table(&programs(rows));
        let rates = table.solve(Mode::NonNegative).expect("benchmarks are solved");
        let pinv = table.solve(Mode::Pinv).expect("benchmarks are solved");
        let width = half_width(&table.errors(Mode::NonNegative).expect("benchmarks are solved"));
        negative += usize::from(rates.iter().any(|rate| *rate < 0.0));
        pinv_negative += usize::from(pinv.iter().any(|rate| *rate < 0.0));
        widths.push(width);
        for program in programs(judges) {
            let error = missed(&program, &rates, program.price);
            covered += usize::from(error <= width);
            errors.push(error);
            worth_errors.push(missed(&program, &rates, program.worth));
            pinv_errors.push(missed(&program, &pinv, program.price));
        }
    }
    let part = |count: usize, of: usize| count as f64 / of as f64;
    Quality {
        error: median(errors),
        worth_error: median(worth_errors),
        coverage: part(covered, machines * judges),
        half_width: median(widths),
        pinv_error: median(pinv_errors),
        negative: part(negative, machines),
        pinv_negative: part(pinv_negative, machines),
    }
}

/// The median error of rates from as many rows as are ever looked at: what more benchmarks tend to.
fn floor((noise, runs): (f64, usize), machines: usize, seed: u64) -> f64 {
    let mut chance = Chance::new(seed);
    let of_machine = |_| {
        let machine = Machine::new(&mut chance);
        let rows: Vec<_> =
            (0..MAX_ROWS).map(|_| machine.program(noise, runs, &mut chance)).collect();
        let rates = table(&rows).solve(Mode::NonNegative).expect("benchmarks are solved");
        let judges = (0..JUDGES).map(|_| machine.program(noise, runs, &mut chance));
        judges.map(|program| missed(&program, &rates, program.price)).collect::<Vec<_>>()
    };
    median((0..machines).flat_map(of_machine).collect())
}

fn table(programs: &[Program]) -> Table {
    let figures: Vec<_> = programs.iter().map(|program| program.figures.clone()).collect();
    let prices: Vec<_> = programs.iter().map(|program| program.price).collect();
    Table::new(&figures, &prices).expect("programs are within range")
}

/// By which part of a price the rates miss it.
fn missed(program: &Program, rates: &[f64], price: f64) -> f64 {
    let predicted: f64 = program.figures.iter().zip(rates).map(|(v, r)| v * r).sum();
    (predicted - price).abs() / price
}

/// Prints the table, and gives it as JSON.
pub(crate) fn run(seed: u64) -> Value {
    println!(
        "{COUNTERS} counters, {HIDDEN} hidden resources, {} noise of prices, {REPETITIONS} \
         machines with {JUDGES} programs each",
        percent(PRICE_NOISE)
    );
    println!(
        "noise  runs  rows   error  of worth  covered  half width  below zero    pinv  below zero"
    );
    let mut lines = Vec::new();
    let mut floors = Vec::new();
    for noise in NOISES {
        for rows in ROWS {
            let found = quality(rows, noise, (REPETITIONS, JUDGES), seed);
            println!(
                "{:>6} {:>4} {rows:>5} {:>7} {:>9} {:>8} {:>11} {:>11} {:>7} {:>11}",
                percent(noise.0),
                noise.1,
                percent(found.error),
                percent(found.worth_error),
                percent(found.coverage),
                percent(found.half_width),
                percent(found.negative),
                percent(found.pinv_error),
                percent(found.pinv_negative),
            );
            lines.push(json!({
                "counter_noise": noise.0,
                "runs": noise.1,
                "rows": rows,
                "median_error": short(found.error),
                "median_error_of_worth": short(found.worth_error),
                "coverage": short(found.coverage),
                "half_width": short(found.half_width),
                "negative": short(found.negative),
                "pinv_median_error": short(found.pinv_error),
                "pinv_negative": short(found.pinv_negative),
            }));
        }
        let floor = floor(noise, REPETITIONS, seed);
        println!("{:>6} {:>4} {MAX_ROWS:>5} {:>7}", percent(noise.0), noise.1, percent(floor));
        floors.push(json!({
            "counter_noise": noise.0, "runs": noise.1, "median_error": short(floor),
        }));
    }
    json!({ "machines": REPETITIONS, "programs": JUDGES, "lines": lines, "floors": floors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SEED;

    const MACHINES: (usize, usize) = (REPETITIONS, 50);

    #[test]
    fn twenty_four_benchmarks_price_other_programs_within_five_percent() {
        let found = quality(24, (0.02, 1), MACHINES, SEED);
        assert!(found.error <= 0.05, "{}", found.error);
        assert!(found.coverage >= 0.93, "{}", found.coverage);
        assert_eq!(found.negative, 0.0);
        assert!(found.pinv_negative > 0.5, "{}", found.pinv_negative);
    }

    #[test]
    fn averages_of_runs_make_up_for_noisy_counters() {
        let found = quality(24, (0.10, 5), MACHINES, SEED);
        assert!(found.error <= 0.05, "{}", found.error);
        assert!(found.coverage >= 0.93, "{}", found.coverage);
    }
}
