//! `guest usage`: the machine's own counters, for the publisher, end to end inside its ssh session.
//!
//! One JSON object a line: `{"at_ms":184467,"usage":{"cpu_micros":51234,"net_rx_bytes":0}}`. `at_ms` is
//! the time since boot; a counter that the machine cannot read is absent. All figures are cumulative
//! since the machine was made, except `memory_byte_secs`, which is integrated from the first line on.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};
use zennet_metering::{boottime, line, CgroupPaths, Meter};

const DEFAULT_EVERY: Duration = Duration::from_secs(1);
/// Reading costs the tenant CPU time, and no tick is as short.
const LEAST_MILLIS: u64 = 50;
const MOST_MILLIS: u64 = 3_600_000;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    follow: bool,
    every: Duration,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Options { follow: false, every: DEFAULT_EVERY };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match *word {
                "--follow" => options.follow = true,
                "--every-ms" => {
                    let millis = rest
                        .next()
                        .and_then(|number| number.parse().ok())
                        .filter(|millis| (LEAST_MILLIS..=MOST_MILLIS).contains(millis));
                    options.every = Duration::from_millis(millis.ok_or_else(|| {
                        format!("--every-ms takes {LEAST_MILLIS} to {MOST_MILLIS}")
                    })?);
                }
                other => return Err(format!("unknown option {other}\n{}", crate::HELP)),
            }
        }
        Ok(options)
    }
}

/// Prints the counters, once or until whoever reads them goes.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let paths = CgroupPaths::own().map_err(|e| format!("finding the own cgroup failed: {e}"))?;
    let mut meter = Meter::open(&paths, std::process::id()).map_err(|e| e.to_string())?;
    let mut due = Instant::now();
    loop {
        let now = boottime();
        let usage = meter.read(now).map_err(|e| e.to_string())?;
        match io::stdout().lock().write_all(line(now, &usage).as_bytes()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(format!("printing failed: {e}")),
        }
        if !options.follow {
            return Ok(());
        }
        due += options.every;
        let left = due.saturating_duration_since(Instant::now());
        // After a freeze the missed lines are not caught up with.
        if left.is_zero() {
            due = Instant::now();
        }
        std::thread::sleep(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_metering::{Counter, Usage};

    #[test]
    fn a_line_is_one_json_object_without_absent_counters() {
        let usage =
            Usage::default().with(Counter::CpuMicros, 7).with(Counter::NetTxBytes, u64::MAX);
        assert_eq!(
            line(Duration::from_millis(1500), &usage),
            "{\"at_ms\":1500,\"usage\":{\"cpu_micros\":7,\"net_tx_bytes\":18446744073709551615}}\n"
        );
        assert_eq!(line(Duration::ZERO, &Usage::default()), "{\"at_ms\":0,\"usage\":{}}\n");
    }

    #[test]
    fn intervals_out_of_range_are_refused() {
        let options = Options::parse(&["--follow", "--every-ms", "250"]).unwrap();
        assert_eq!(options, Options { follow: true, every: Duration::from_millis(250) });
        for bad in [&["--every-ms"][..], &["--every-ms", "0"], &["--every-ms", "x"], &["--fast"]] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
