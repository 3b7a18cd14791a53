//! `composite.xml` of the Phoronix Test Suite: our benchmarks in its structure, and its results as
//! benchmarks.
//!
//! ```text
//!  PhoronixTestSuite
//!    Generated  Title LastModified TestClient Description
//!    System     Identifier Hardware Software User TimeStamp TestClientVersion Notes
//!    Result*    Identifier Title AppVersion Arguments Description Scale Proportion DisplayFormat
//!      Data
//!        Entry  Identifier Value RawString JSON
//! ```
//!
//! The suite does not count what a test used. `provider-agent record` does; its lines, one a result and
//! in the same order, stand beside the file.

mod parse;

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::json;
use thiserror::Error;
use zennet_suite::{Mix, Task, WHOLE};
use zennet_time::utc;

pub(crate) use self::parse::Record;
use self::parse::{records, results, ParseError};
use super::report::{Benchmark, Report, Run};

/// Longest file that is read, bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Why results of another suite are no benchmarks.
#[derive(Debug, Error)]
pub(crate) enum CompositeError {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} has more than {MOST_BYTES} bytes", .0.display())]
    TooLong(PathBuf),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("there are {results} results and {lines} lines of usage: record each result by itself, in the same order")]
    Unequal { results: usize, lines: usize },
}

/// Reads a file of at most [`MOST_BYTES`].
pub(crate) fn read_text(path: &Path) -> Result<String, CompositeError> {
    let failed = |source| CompositeError::File { path: path.into(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(CompositeError::TooLong(path.into()));
    }
    Ok(text)
}

/// The results of a `composite.xml` as benchmarks that used what stands in these lines.
pub(crate) fn read(xml: &str, usage: &str) -> Result<Vec<Benchmark>, CompositeError> {
    let names = results(xml)?;
    let records = records(usage)?;
    if names.len() != records.len() {
        return Err(CompositeError::Unequal { results: names.len(), lines: records.len() });
    }
    let benchmark = |(name, record): (String, Record)| Benchmark {
        name,
        mix: None,
        runs: vec![Run {
            usage: record.usage,
            millis: record.millis,
            units: BTreeMap::new(),
            worked_millis: record.millis,
            beside_micros: 0,
        }],
    };
    Ok(names.into_iter().zip(records).map(benchmark).collect())
}

/// A report as a `composite.xml`. The value of a task alone is its speed; that of a mix is how many
/// units of all its tasks it did a second. The counters stand in each entry's JSON.
pub(crate) fn write(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_all(report, &mut text);
    text
}

fn write_all(report: &Report, out: &mut String) -> fmt::Result {
    let (version, host) = (env!("CARGO_PKG_VERSION"), &report.host);
    let when = utc(report.made_at);
    let system = format!("zennet {}", report.made_at);
    out.write_str("<?xml version=\"1.0\"?>\n<PhoronixTestSuite>\n")?;
    group(
        out,
        "Generated",
        &[
            ("Title", &"Zennet benchmarks"),
            ("LastModified", &when),
            ("TestClient", &format_args!("zennet provider-agent {version}")),
            ("Description", &format_args!("seed {}, {:?}", report.seed, report.kind)),
        ],
    )?;
    let threads = host.threads;
    group(
        out,
        "System",
        &[
            ("Identifier", &system),
            (
                "Hardware",
                &format_args!(
                    "Processor: {} ({threads} threads), Memory: {} MiB, Disk: {} MiB",
                    host.processor, host.memory_mib, host.disk_mib
                ),
            ),
            ("Software", &format_args!("Kernel: {}", host.kernel)),
            ("User", &""),
            ("TimeStamp", &when),
            ("TestClientVersion", &version),
            ("Notes", &""),
        ],
    )?;
    for benchmark in &report.benchmarks {
        result(benchmark, version, &system, out)?;
    }
    out.write_str("</PhoronixTestSuite>\n")
}

fn result(benchmark: &Benchmark, version: &str, system: &str, out: &mut String) -> fmt::Result {
    let mix = benchmark.mix.as_deref().unwrap_or_default();
    let alone = mix
        .parse::<Mix>()
        .ok()
        .and_then(|mix| mix.parts().find(|(_, part)| *part == WHOLE).map(|(task, _)| task));
    let (scale, values) = match alone {
        Some(task) => {
            let (size, what) = task.unit();
            (
                format!("{what}/s"),
                speeds(
                    benchmark,
                    |name, units| {
                        if name == task.name() {
                            units as f64 * size
                        } else {
                            0.0
                        }
                    },
                ),
            )
        }
        None => ("Units/s".into(), speeds(benchmark, |_, units| units as f64)),
    };
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let raw: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    let times: Vec<String> =
        benchmark.runs.iter().map(|run| format!("{:.3}", run.worked_millis as f64 / 1e3)).collect();
    let usage: Vec<_> = benchmark.runs.iter().map(|run| (&run.usage, run.millis)).collect();
    let usage: Vec<_> = usage
        .into_iter()
        .map(|(usage, millis)| json!({ "millis": millis, "usage": usage }))
        .collect();
    let more = json!({ "test-run-times": times.join(":"), "zennet": usage });
    out.write_str("  <Result>\n")?;
    elements(
        out,
        "    ",
        &[
            ("Identifier", &format_args!("zennet/{}-{version}", benchmark.name)),
            ("Title", &format_args!("Zennet {}", benchmark.name)),
            ("AppVersion", &version),
            ("Arguments", &mix),
            ("Description", &alone.map_or("a mix at random", Task::name)),
            ("Scale", &scale),
            ("Proportion", &"HIB"),
            ("DisplayFormat", &"BAR_GRAPH"),
        ],
    )?;
    out.write_str("    <Data>\n      <Entry>\n")?;
    elements(
        out,
        "        ",
        &[
            ("Identifier", &system),
            ("Value", &format_args!("{mean:.4}")),
            ("RawString", &raw.join(":")),
            ("JSON", &more),
        ],
    )?;
    out.write_str("      </Entry>\n    </Data>\n  </Result>\n")
}

/// What each run did a second.
fn speeds(benchmark: &Benchmark, amount: impl Fn(&str, u64) -> f64) -> Vec<f64> {
    let speed = |run: &Run| {
        let sum: f64 = run.units.iter().map(|(name, units)| amount(name, *units)).sum();
        sum * 1e3 / run.worked_millis.max(1) as f64
    };
    benchmark.runs.iter().map(speed).collect()
}

fn group(out: &mut String, name: &str, inside: &[(&str, &dyn Display)]) -> fmt::Result {
    writeln!(out, "  <{name}>")?;
    elements(out, "    ", inside)?;
    writeln!(out, "  </{name}>")
}

fn elements(out: &mut String, indent: &str, all: &[(&str, &dyn Display)]) -> fmt::Result {
    all.iter().try_for_each(|(name, value)| {
        writeln!(out, "{indent}<{name}>{}</{name}>", Escaped(&value.to_string()))
    })
}

/// A text as XML has it; what XML cannot hold is left out.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\t' | '\n' => f.write_char(character),
            '\u{fffe}' | '\u{ffff}' => Ok(()),
            character if character.is_control() => Ok(()),
            character => f.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests;
