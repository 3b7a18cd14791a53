//! Benchmarks run in turns, and lines through their results.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{ensure, Context, Result};
use frame_benchmarking::{
    Analysis, BenchmarkConfig, BenchmarkParameter, BenchmarkResult, BenchmarkSelector,
};

use crate::compiled::Compiled;

/// A size on which the time of a call depends, with its least and its largest value.
pub(crate) type Component = (BenchmarkParameter, u32, u32);

/// The largest values of components.
pub(crate) fn largest(components: &[Component]) -> Vec<u32> {
    components.iter().map(|(_, _, most)| *most).collect()
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How often each call has its turn.
    pub(crate) rounds: u32,
    /// About how long a turn is.
    pub(crate) share: Duration,
    /// Values of each component that are tried.
    pub(crate) steps: u32,
}

/// A benchmark: a call's or a hook's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) pallet: String,
    pub(crate) call: String,
}

impl Name {
    pub(crate) fn new(pallet: &str, call: &str) -> Self {
        Self { pallet: pallet.into(), call: call.into() }
    }

    pub(crate) fn is(&self, pallet: &str, call: &str) -> bool {
        self.pallet == pallet && self.call == call
    }

    /// The pallet's folder within `pallets`.
    pub(crate) fn folder(&self) -> String {
        self.pallet.trim_start_matches("pallet_").replace('_', "-")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}::{}", self.pallet, self.call)
    }
}

/// A benchmark as the runtime lists it.
#[derive(Clone)]
pub(crate) struct Benchmark {
    pub(crate) pallet: Vec<u8>,
    pub(crate) instance: Vec<u8>,
    pub(crate) call: Vec<u8>,
    pub(crate) components: Vec<Component>,
}

impl Benchmark {
    pub(crate) fn name(&self) -> Name {
        Name::new(&String::from_utf8_lossy(&self.pallet), &String::from_utf8_lossy(&self.call))
    }

    fn config(&self, values: &[u32]) -> BenchmarkConfig {
        let parameters = self.components.iter().map(|(parameter, ..)| *parameter);
        BenchmarkConfig {
            pallet: self.pallet.clone(),
            instance: self.instance.clone(),
            benchmark: self.call.clone(),
            selected_components: parameters.zip(values.iter().copied()).collect(),
            ..Default::default()
        }
    }
}

/// A benchmark with the values of its components that are measured.
pub(crate) struct Series {
    benchmark: Benchmark,
    points: Vec<Vec<u32>>,
}

impl Series {
    /// Each component goes from its least to its largest value, with the others at their largest.
    pub(crate) fn new(benchmark: Benchmark, steps: u32) -> Self {
        let points = points(&benchmark.components, steps);
        Self { benchmark, points }
    }

    pub(crate) fn at_largest(benchmark: Benchmark) -> Self {
        let points = vec![largest(&benchmark.components)];
        Self { benchmark, points }
    }
}

fn points(components: &[Component], steps: u32) -> Vec<Vec<u32>> {
    let mut points = vec![largest(components)];
    for (number, (_, least, most)) in components.iter().enumerate() {
        let (least, most) = (u64::from(*least), u64::from(*most));
        let last = u64::from(steps).saturating_sub(1).max(1);
        for step in 0..last {
            let value = least + (most - least) * step / last;
            let mut point = largest(components);
            point[number] = value as u32;
            if !points.contains(&point) {
                points.push(point);
            }
        }
    }
    points
}

/// A quantity that grows in proportion to each component, from a base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) base: f64,
    pub(crate) slopes: Vec<f64>,
}

impl Line {
    pub(crate) fn at(&self, values: &[u32]) -> f64 {
        let slopes = self.slopes.iter().zip(values);
        self.base + slopes.map(|(slope, value)| slope * f64::from(*value)).sum::<f64>()
    }

    fn scaled(&self, by: f64) -> Self {
        let slopes = self.slopes.iter().map(|slope| slope * by).collect();
        Self { base: self.base * by, slopes }
    }
}

/// What a benchmark came to.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) name: Name,
    pub(crate) components: Vec<Component>,
    /// Time without the database, picoseconds.
    pub(crate) time: Line,
    pub(crate) reads: Line,
    pub(crate) writes: Line,
}

impl Measured {
    pub(crate) fn largest(&self) -> Vec<u32> {
        largest(&self.components)
    }

    /// Adds what a part of this call takes that has a benchmark without components of its own.
    pub(crate) fn add(&mut self, part: &Measured) {
        self.time.base += part.time.at(&part.largest());
        self.reads.base += part.reads.at(&part.largest());
        self.writes.base += part.writes.at(&part.largest());
    }

    /// The same on a machine that is faster than this one by a factor.
    pub(crate) fn on_faster(self, factor: f64) -> Self {
        Self { time: self.time.scaled(1.0 / factor), ..self }
    }
}

/// One point of a series.
struct Job {
    series: usize,
    config: BenchmarkConfig,
    /// How often it is run in a turn.
    times: u32,
    counts: BenchmarkResult,
    results: Vec<BenchmarkResult>,
}

pub(crate) fn run(compiled: &Compiled, all: Vec<Series>, effort: Effort) -> Result<Vec<Measured>> {
    let mut jobs = Vec::new();
    for (number, series) in all.iter().enumerate() {
        for point in &series.points {
            let config = series.benchmark.config(point);
            // The first run also translates the program.
            let about = || format!("in {}", series.benchmark.name());
            let counts = compiled.count(&config).with_context(about)?;
            let began = Instant::now();
            compiled.time(&config, 1).with_context(about)?;
            let times = effort.share.as_secs_f64() / began.elapsed().as_secs_f64();
            // Set-up is a part of a run and of no result.
            let times = (times as u32).clamp(1, 100);
            jobs.push(Job { series: number, config, times, counts, results: Vec::new() });
        }
    }
    for round in 1..=effort.rounds {
        eprintln!("   round {round} of {}", effort.rounds);
        for job in &mut jobs {
            job.results.extend(compiled.time(&job.config, job.times)?);
        }
    }
    all.into_iter()
        .enumerate()
        .map(|(number, series)| {
            let jobs = jobs.iter().filter(|job| job.series == number);
            let (counts, results): (Vec<_>, Vec<_>) =
                jobs.map(|job| (job.counts.clone(), job.results.clone())).unzip();
            measured(series.benchmark, &counts, &results)
        })
        .collect()
}

/// Lines through the results of a benchmark; there is one count for each point.
fn measured(
    benchmark: Benchmark,
    counts: &[BenchmarkResult],
    results: &[Vec<BenchmarkResult>],
) -> Result<Measured> {
    let name = benchmark.name();
    ensure!(results.iter().all(|point| !point.is_empty()), "{name} has no results");
    let times = results.concat();
    let time = if results.len() == 1 {
        let nanos = times.iter().map(|result| result.extrinsic_time as f64).collect();
        Line { base: median(nanos) * 1000.0, slopes: Vec::new() }
    } else {
        let found = Analysis::min_squares_iqr(&times, BenchmarkSelector::ExtrinsicTime)
            .with_context(|| format!("no line fits {name}"))?;
        let slopes = found.slopes.into_iter().map(|slope| slope as f64).collect();
        Line { base: found.base as f64, slopes }
    };
    let line = |of: fn(&BenchmarkResult) -> u32| {
        let points = counts.iter().map(|count| {
            let values = count.components.iter().map(|(_, value)| *value).collect();
            (values, f64::from(of(count)))
        });
        above(&points.collect::<Vec<_>>())
    };
    Ok(Measured {
        name,
        components: benchmark.components,
        time,
        reads: line(|count| count.reads),
        writes: line(|count| count.writes),
    })
}

/// The line of whole numbers from point to point that no count is above, of which the first is that at
/// the largest components.
fn above(points: &[(Vec<u32>, f64)]) -> Line {
    let (most, at_most) = &points[0];
    let slope = |number: usize| {
        let least = points.iter().min_by_key(|(values, _)| values[number]);
        let (values, count) = least.expect("there is a first point; qed");
        let steps = f64::from(most[number] - values[number]).max(1.0);
        ((at_most - count) / steps).round().max(0.0)
    };
    let slopes = if points.len() == 1 { Vec::new() } else { (0..most.len()).map(slope).collect() };
    let line = Line { base: 0.0, slopes };
    let base = points.iter().map(|(values, count)| count - line.at(values)).fold(0.0, f64::max);
    Line { base, ..line }
}

/// The middle of values, of which there is at least one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_is_tried_from_end_to_end_with_the_others_at_their_largest() {
        let components = [(BenchmarkParameter::s, 2, 10), (BenchmarkParameter::z, 0, 1)];
        let found = points(&components, 5);
        let wanted = [[10, 1], [2, 1], [4, 1], [6, 1], [8, 1], [10, 0]];
        assert_eq!(found, wanted.map(Vec::from));
        assert_eq!(points(&[], 5), [Vec::<u32>::new()]);
    }

    /// Results of a call that takes 3 µs and 2 µs for each of n, now and then disturbed.
    fn results(n: u32) -> Vec<BenchmarkResult> {
        let time = 3_000 + 2_000 * u128::from(n);
        let one = BenchmarkResult {
            components: vec![(BenchmarkParameter::n, n)],
            extrinsic_time: time,
            reads: 2 + 4 * n,
            writes: 1,
            ..Default::default()
        };
        let disturbed = BenchmarkResult { extrinsic_time: time * 50, ..one.clone() };
        vec![one.clone(), one.clone(), one.clone(), disturbed, one]
    }

    #[test]
    fn a_line_is_found_through_results_that_are_disturbed_now_and_then() {
        let benchmark = Benchmark {
            pallet: b"pallet_some".to_vec(),
            instance: b"Some".to_vec(),
            call: b"call".to_vec(),
            components: vec![(BenchmarkParameter::n, 0, 9)],
        };
        let results: Vec<_> = [9, 0, 3, 6].map(results).into();
        let counts: Vec<_> = results.iter().map(|point| point[0].clone()).collect();
        let found = measured(benchmark, &counts, &results).expect("a line fits");
        let near = |line: &Line, at: u32, wanted: f64| {
            let found = line.at(&[at]);
            assert!((found - wanted).abs() <= wanted / 1000.0 + 1.0, "{found} at {at}");
        };
        for at in [0, 9] {
            near(&found.time, at, 3e6 + 2e6 * f64::from(at));
            near(&found.reads, at, 2.0 + 4.0 * f64::from(at));
            near(&found.writes, at, 1.0);
        }
        let faster = found.on_faster(2.0);
        near(&faster.time, 9, 10.5e6);
        near(&faster.reads, 9, 38.0);
    }

    #[test]
    fn no_count_is_above_its_line() {
        let points = |counts: [(u32, f64); 4]| counts.map(|(value, count)| (vec![value], count));
        let straight = points([(20, 86.0), (0, 6.0), (5, 26.0), (10, 46.0)]);
        assert_eq!(above(&straight), Line { base: 6.0, slopes: vec![4.0] });
        let bent = points([(20, 30.0), (0, 4.0), (5, 16.0), (10, 20.0)]);
        assert_eq!(above(&bent), Line { base: 11.0, slopes: vec![1.0] });
        assert_eq!(above(&[(vec![7], 3.0)]), Line { base: 3.0, slopes: Vec::new() });
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
    }
}
