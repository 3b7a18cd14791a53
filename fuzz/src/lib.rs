//! What the fuzz targets do: one module for each decoder of what comes from the network, the other
//! party or the store, with the claims that hold for any input and the seeds of its corpus.
//!
//! A target is a function over bytes that panics where a claim does not hold. Everything is a
//! function of the bytes alone, so an input that failed once fails again; only the signatures of
//! sr25519, which no claim depends on, differ from run to run.
//!
//! - [`input`]: bytes, taken apart into choices and numbers
//! - [`memory`]: what one input may allocate
//! - [`sample`]: keys, offers and terms
//! - [`lease`]: an honest lease, and both of its machines among arbitrary events

pub mod amount;
pub mod announcement;
pub mod composite;
pub mod contract;
pub mod endpoint;
pub mod frame;
pub mod framing;
pub mod input;
pub mod lease;
pub mod memory;
pub mod quote;
pub mod readings;
pub mod sample;
pub mod signed;

use std::{env, ffi::OsString, fs, path::Path, process};

/// Set to a folder, it makes a target write its seeds there and exit.
pub const SEEDS: &str = "ZENNET_FUZZ_SEEDS";

/// Writes the seeds of a target if it is asked to; runs before libFuzzer does anything.
///
/// The honest leases are made here, so that their branches are not taken for those of an input.
pub fn begin(seeds: fn() -> Vec<Vec<u8>>) {
    lease::course(false);
    lease::course(true);
    let Some(folder) = env::var_os(SEEDS) else { return };
    match write_seeds(&folder, &seeds()) {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("writing seeds to {} failed: {error}", Path::new(&folder).display());
            process::exit(1);
        }
    }
}

fn write_seeds(folder: &OsString, seeds: &[Vec<u8>]) -> std::io::Result<()> {
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(Path::new(folder).join(format!("seed-{number:02}")), seed)?;
    }
    Ok(())
}

/// The program of a target: `$run` over each input, within the bounds of [`memory`].
#[macro_export]
macro_rules! target {
    ($run:path, $seeds:path) => {
        libfuzzer_sys::fuzz_target!(init: $crate::begin($seeds), |data: &[u8]| {
            $crate::memory::bounded(|| $run(data))
        });
    };
}
