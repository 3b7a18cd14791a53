//! How well rates from benchmarks price other programs, and which cheats are noticed.
//!
//! `simulate pricing|cheats [--json]` prints a table; with `--json` the last line is one JSON
//! object. Every figure follows from a fixed seed.

mod chance;
mod cheats;
mod pricing;
mod programs;

use std::process::ExitCode;

/// Seed of everything that is random.
const SEED: u64 = 2014;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (what, json) = match args[..] {
        [what] => (what, false),
        [what, "--json"] => (what, true),
        _ => ("", false),
    };
    let report = match what {
        "pricing" => pricing::run(SEED),
        "cheats" => cheats::run(SEED),
        _ => {
            eprintln!("usage: simulate pricing|cheats [--json]");
            return ExitCode::from(2);
        }
    };
    if json {
        println!("{report}");
    }
    ExitCode::SUCCESS
}

/// A number with so many digits after the point that it is short in JSON.
fn short(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// A part as percent.
fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
