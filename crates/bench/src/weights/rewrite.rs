//! Writes the times that were measured into the files of weights, whose form stays. Accesses to the
//! database stay as they are: some were counted where a benchmark does not go.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{bail, Context, Result};

use crate::{measure::Measured, report::Row};

/// Times are rounded up to this, picoseconds.
const STEP: f64 = 1_000.0;

/// Rewrites the weights of all pallets that were measured, in the folder that has the pallets.
pub(crate) fn all(pallets: &Path, rows: &[Row]) -> Result<()> {
    let mut by_folder = HashMap::<String, Vec<&Measured>>::new();
    for Row { measured, .. } in rows {
        by_folder.entry(measured.name.folder()).or_default().push(measured);
    }
    for (folder, calls) in by_folder {
        let path = pallets.join(folder).join("src/weights.rs");
        let about = || format!("cannot write the weights in {}", path.display());
        let old = fs::read_to_string(&path).with_context(about)?;
        let new = rewritten(&old, &calls).with_context(about)?;
        fs::write(&path, new).with_context(about)?;
    }
    Ok(())
}

/// The text of a file with other numbers: each stands in a line of its own, below the function's head.
fn rewritten(text: &str, calls: &[&Measured]) -> Result<String> {
    let mut new = String::with_capacity(text.len());
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = function_of(line) {
            current = calls.iter().find(|call| call.name.call == name && line.ends_with('{'));
        }
        match current {
            Some(call) => new.push_str(&rewritten_line(line, call)?),
            None => new.push_str(line),
        }
        new.push('\n');
    }
    Ok(new)
}

fn function_of(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("fn ")?.split('(').next()
}

fn rewritten_line(line: &str, call: &Measured) -> Result<String> {
    const BEFORE: &str = "Weight::from_parts(";
    let Some(start) = line.find(BEFORE).map(|at| at + BEFORE.len()) else {
        return Ok(line.to_string());
    };
    let value = match component_of(line) {
        None => call.time.base,
        Some(name) => slope(call, name)?,
    };
    let end = line[start..].find(',').context("a number has no end")? + start;
    Ok(format!("{}{}{}", &line[..start], picos(value), &line[end..]))
}

/// The component that a line multiplies by: `n` of `.saturating_mul(n.into())`.
fn component_of(line: &str) -> Option<&str> {
    line.split_once(".saturating_mul(")?.1.split_once(".into()").map(|(name, _)| name)
}

fn slope(call: &Measured, name: &str) -> Result<f64> {
    let number = call.components.iter().position(|(parameter, ..)| parameter.to_string() == name);
    match number.and_then(|number| call.time.slopes.get(number)) {
        Some(slope) => Ok(*slope),
        None => bail!("the benchmark of {} has no component {name}", call.name),
    }
}

/// A time as it stands in the code: 81_300_000.
fn picos(value: f64) -> String {
    let digits = format!("{}", (value / STEP).ceil() * STEP);
    let mut grouped = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number) % 3 == 0 {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use frame_benchmarking::BenchmarkParameter;

    use super::*;
    use crate::measure::{Line, Name};

    const OLD: &str = "\
pub trait WeightInfo {
	fn look() -> Weight;
	fn expire(n: u32) -> Weight;
}
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn look() -> Weight {
		Weight::from_parts(6_000_000, 11671)
			.saturating_add(T::DbWeight::get().reads(1_u64))
	}
	fn expire(n: u32) -> Weight {
		Weight::from_parts(20_000_000, 11671)
			.saturating_add(Weight::from_parts(100_000_000, 3466).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().reads((4_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((4_u64).saturating_mul(n.into())))
	}
}
";

    const NEW: &str = "\
pub trait WeightInfo {
	fn look() -> Weight;
	fn expire(n: u32) -> Weight;
}
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn look() -> Weight {
		Weight::from_parts(6_000_000, 11671)
			.saturating_add(T::DbWeight::get().reads(1_u64))
	}
	fn expire(n: u32) -> Weight {
		Weight::from_parts(1_235_000, 11671)
			.saturating_add(Weight::from_parts(77_000, 3466).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().reads((4_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((4_u64).saturating_mul(n.into())))
	}
}
";

    fn expire(component: BenchmarkParameter) -> Measured {
        let line = |base, slope| Line { base, slopes: vec![slope] };
        Measured {
            name: Name::new("pallet_announcements", "expire"),
            components: vec![(component, 0, 9)],
            time: line(1_234_001.5, 76_999.5),
            reads: line(3.0, 5.0),
            writes: line(2.0, 6.0),
        }
    }

    #[test]
    fn times_of_measured_calls_are_replaced_and_nothing_else() {
        let found = rewritten(OLD, &[&expire(BenchmarkParameter::n)]).expect("the form is known");
        assert_eq!(found, NEW);
    }

    #[test]
    fn a_line_for_a_component_that_was_not_measured_is_refused() {
        let error = rewritten(OLD, &[&expire(BenchmarkParameter::m)]).expect_err("n is unknown");
        assert!(error.to_string().contains("no component n"), "{error}");
    }
}
