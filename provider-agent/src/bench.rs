//! Small measurements of the host for the capabilities that publishers see.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use codec::{Decode, Encode};
use sp_crypto_hashing::blake2_256;
use tracing::{info, warn};
use zennet_primitives::contract::{Benchmark, BenchmarkResult, Capabilities, Wall};

use zennet_time::unix_secs;

use crate::{config::Config, store::Store};

/// How long one measurement goes on.
const SPAN: Duration = Duration::from_millis(400);
/// Name of the measurements in the store, and how long they hold.
const FACT: &str = "benchmarks";
const HOLD_SECS: u64 = 24 * 3600;
/// Piece of a measurement, bytes.
const PIECE: usize = 4 << 20;
/// Most that the disk is written with, bytes.
const DISK_MOST: usize = 256 << 20;

/// What this host can do, measured anew when the last time was more than a day ago.
pub(crate) async fn capabilities(config: &Config, store: &Store, wall: Wall) -> Capabilities {
    let benchmarks = match recent(store) {
        Some(results) => results,
        None => measure(config, store).await,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Capabilities {
        cores: cores.try_into().unwrap_or(u16::MAX),
        clock_mhz: clock_mhz(),
        memory_mib: config.capacity.memory_mib,
        disk_mib: config.capacity.disk_mib,
        bandwidth_kbit_per_sec: config.capacity.bandwidth_kbit_per_sec,
        benchmarks: benchmarks.try_into().unwrap_or_default(),
        wall,
    }
}

fn recent(store: &Store) -> Option<Vec<BenchmarkResult>> {
    let (at, encoded): (u64, Vec<u8>) = store.fact(FACT).ok()??;
    let age = unix_secs().checked_sub(at)?;
    let results = Vec::<BenchmarkResult>::decode(&mut &encoded[..]).ok()?;
    (age < HOLD_SECS).then_some(results)
}

async fn measure(config: &Config, store: &Store) -> Vec<BenchmarkResult> {
    let folder = config.data_dir.clone();
    let measured = tokio::task::spawn_blocking(move || run(&folder)).await.unwrap_or_default();
    let value = (unix_secs(), measured.encode());
    if let Err(error) = store.put_fact(FACT, &value).await {
        warn!(%error, "the measurements could not be stored");
    }
    measured
}

fn run(folder: &Path) -> Vec<BenchmarkResult> {
    let mut results = vec![
        BenchmarkResult { benchmark: Benchmark::HashKibPerSec, value: hash() / 1024 },
        BenchmarkResult { benchmark: Benchmark::MemoryCopyMibPerSec, value: copy() >> 20 },
    ];
    match disk(folder) {
        Ok(rate) => results
            .push(BenchmarkResult { benchmark: Benchmark::DiskWriteKibPerSec, value: rate / 1024 }),
        Err(error) => warn!(%error, "the disk could not be measured"),
    }
    for BenchmarkResult { benchmark, value } in &results {
        info!(?benchmark, value, "measured");
    }
    results
}

/// Bytes a second of repeated work on pieces, until the span is over or `most` bytes are done.
fn rate(most: usize, mut work: impl FnMut() -> io::Result<()>) -> io::Result<u64> {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < SPAN && done < most {
        work()?;
        done += PIECE;
    }
    Ok(per_second(done, start.elapsed()))
}

fn per_second(bytes: usize, elapsed: Duration) -> u64 {
    (bytes as f64 / elapsed.as_secs_f64().max(1e-9)) as u64
}

fn hash() -> u64 {
    let data = vec![0x5a; PIECE];
    let hashing = rate(usize::MAX, || {
        black_box(blake2_256(black_box(&data)));
        Ok(())
    });
    hashing.unwrap_or_default()
}

fn copy() -> u64 {
    // Far larger than caches, or the figure would be theirs.
    let from = vec![0x5a_u8; 16 * PIECE];
    let mut to = vec![0_u8; 16 * PIECE];
    let mut at = 0;
    let copying = rate(usize::MAX, || {
        to[at..at + PIECE].copy_from_slice(black_box(&from[at..at + PIECE]));
        black_box(&mut to);
        at = (at + PIECE) % from.len();
        Ok(())
    });
    copying.unwrap_or_default()
}

fn disk(folder: &Path) -> io::Result<u64> {
    let path = folder.join(format!("measure-{}", std::process::id()));
    let mut data = vec![0; PIECE];
    // Not all zeros, which some file systems do not write.
    data.chunks_mut(8).enumerate().for_each(|(i, chunk)| {
        let word = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    });
    let measured = (|| {
        let mut file = File::create(&path)?;
        let start = Instant::now();
        let mut done = 0;
        // Half of the span for writing; what is not written yet by then takes the rest.
        while start.elapsed() < SPAN / 2 && done < DISK_MOST {
            file.write_all(&data)?;
            file.sync_data()?;
            done += PIECE;
        }
        Ok(per_second(done, start.elapsed()))
    })();
    // It may not have been made.
    let _ = std::fs::remove_file(&path);
    measured
}

/// Clock of the first core, as the kernel says.
pub(crate) fn clock_mhz() -> Option<u32> {
    of_first_core("cpu MHz")?.parse::<f64>().ok().map(|mhz| mhz as u32)
}

/// Name of the processor, as the kernel says.
pub(crate) fn processor() -> Option<String> {
    of_first_core("model name")
}

fn of_first_core(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_measured_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let results = run(dir.path());
        assert_eq!(results.len(), 3);
        assert!(results.iter().all(|r| r.value > 0), "{results:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_rate_is_bytes_over_time() {
        assert_eq!(per_second(1000, Duration::from_millis(500)), 2000);
    }
}
