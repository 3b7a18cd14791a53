use std::{fs, path::Path, time::Instant};

use proptest::prelude::*;

use super::*;
use crate::{boottime, paths::Group};

const MIB: u64 = 1024 * 1024;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn cpu(micros: u64) -> Sample {
    Sample { counters: Usage::default().with(Counter::CpuMicros, micros), memory: None }
}

fn memory(bytes: u64) -> Sample {
    Sample { memory: Some(bytes), ..Sample::default() }
}

fn get(banked: &Banked, counter: Counter) -> Option<u64> {
    banked.usage().expect("fits").get(counter)
}

#[test]
fn a_counter_that_goes_back_is_banked() {
    let mut banked = Banked::default();
    for (raw, total) in [(100, 100), (150, 150), (20, 170), (20, 170), (0, 170), (5, 175)] {
        banked = banked.add(&cpu(raw), secs(0), false).expect("adds");
        assert_eq!(get(&banked, Counter::CpuMicros), Some(total));
    }
}

#[test]
fn a_counter_that_vanishes_keeps_its_total() {
    let banked = Banked::default().add(&cpu(100), secs(0), false).expect("adds");
    let banked = banked.add(&Sample::default(), secs(1), false).expect("adds");
    assert_eq!(get(&banked, Counter::CpuMicros), Some(100));
    let banked = banked.add(&cpu(130), secs(2), false).expect("adds");
    assert_eq!(get(&banked, Counter::CpuMicros), Some(230));
}

#[test]
fn a_counter_that_was_never_read_is_absent() {
    let banked = Banked::default().add(&cpu(0), secs(0), false).expect("adds");
    assert_eq!(get(&banked, Counter::CpuMicros), Some(0));
    assert_eq!(get(&banked, Counter::NetRxBytes), None);
    assert_eq!(get(&banked, Counter::MemoryByteSecs), None);
}

#[test]
fn memory_is_integrated_by_trapezoids() {
    let mut banked = Banked::default();
    banked = banked.add(&memory(100), secs(10), true).expect("adds");
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(0));
    banked = banked.add(&memory(300), secs(12), false).expect("adds");
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(400));
    banked = banked.add(&memory(0), secs(13), false).expect("adds");
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(550));
    banked = banked.add(&memory(700), secs(5), false).expect("a clock that steps back");
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(550));
}

#[test]
fn memory_across_a_gap_counts_as_the_smaller_end() {
    let banked = Banked::default().add(&memory(100), secs(0), false).expect("adds");
    let banked = banked.add(&memory(900), secs(10), true).expect("adds");
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(1000));
}

#[test]
fn fractions_of_a_second_add_up() {
    let mut banked = Banked::default();
    for tick in 0..=1000u64 {
        banked = banked.add(&memory(3), Duration::from_millis(tick), false).expect("adds");
    }
    assert_eq!(get(&banked, Counter::MemoryByteSecs), Some(3));
}

#[test]
fn totals_above_64_bits_are_an_error() {
    let banked = Banked::default().add(&cpu(u64::MAX), secs(0), false).expect("adds");
    let banked = banked.add(&cpu(u64::MAX - 1), secs(1), false).expect("banks");
    assert!(matches!(banked.usage(), Err(MeterError::Overflow(Counter::CpuMicros))));
    let banked = Banked::default().add(&memory(u64::MAX), secs(0), false).expect("adds");
    let banked = banked.add(&memory(u64::MAX), secs(2), false).expect("adds");
    assert!(matches!(banked.usage(), Err(MeterError::Overflow(Counter::MemoryByteSecs))));
}

proptest! {
    #[test]
    fn totals_never_fall(raws in proptest::collection::vec((0u64..1 << 40, 0u64..1 << 40), 1..50)) {
        let mut banked = Banked::default();
        let mut before = Usage::default();
        for (at, (raw, bytes)) in raws.into_iter().enumerate() {
            let sample = Sample { memory: Some(bytes), ..cpu(raw) };
            banked = banked.add(&sample, secs(at as u64), at % 5 == 0).expect("adds");
            let usage = banked.usage().expect("fits");
            prop_assert_eq!(usage.first_fallen(&before), None);
            before = usage;
        }
    }

    #[test]
    fn banked_survives_its_encoding(raw in any::<u64>(), bytes in any::<u64>()) {
        let sample = Sample { memory: Some(bytes), ..cpu(raw) };
        let banked = Banked::default().add(&sample, secs(7), true).expect("adds");
        let decoded = Banked::decode(&mut &banked.encode()[..]).expect("decodes");
        prop_assert_eq!(decoded, banked);
    }
}

/// A made-up v2 group.
fn group(directory: &Path, cpu: u64, bytes: u64) -> CgroupPaths {
    fs::create_dir_all(directory).expect("makes");
    let cpu = format!("usage_usec {cpu}\nuser_usec {cpu}\nsystem_usec 0\n");
    fs::write(directory.join("cpu.stat"), cpu).expect("writes");
    fs::write(directory.join("memory.current"), format!("{bytes}\n")).expect("writes");
    fs::write(directory.join("memory.events"), "low 0\noom 1\noom_kill 2\n").expect("writes");
    let group = Some(Group::V2(directory.to_owned()));
    CgroupPaths { root: "/".into(), cpu: group.clone(), memory: group.clone(), io: group }
}

#[test]
fn a_meter_goes_on_after_a_restart_of_its_owner() {
    let root = tempfile::tempdir().expect("makes");
    let paths = group(&root.path().join("a"), 1000, 10 * MIB);
    let mut meter = Meter::open(&paths, std::process::id()).expect("opens");
    meter.read(secs(100)).expect("reads");
    let kept = Banked::decode(&mut &meter.banked().encode()[..]).expect("decodes");
    drop(meter);

    group(&root.path().join("a"), 1500, 20 * MIB);
    let mut meter = Meter::resume(&paths, std::process::id(), &kept).expect("resumes");
    let usage = meter.read(secs(102)).expect("reads");
    assert_eq!(usage.get(Counter::CpuMicros), Some(1500));
    assert_eq!(usage.get(Counter::MemoryByteSecs), Some(20 * MIB));
    assert_eq!(usage.get(Counter::PageFaults), None);
    assert_eq!(usage.get(Counter::DiskReadBytes), None);
    assert_eq!(meter.oom_kills().expect("reads"), Some(2));
}

#[test]
fn a_group_made_anew_adds_to_what_was_banked() {
    let root = tempfile::tempdir().expect("makes");
    let old = group(&root.path().join("old"), 1000, 10 * MIB);
    let mut meter = Meter::open(&old, std::process::id()).expect("opens");
    meter.read(secs(100)).expect("reads");
    let new = group(&root.path().join("new"), 1200, 10 * MIB);
    let mut meter = Meter::resume(&new, std::process::id(), meter.banked()).expect("resumes");
    let usage = meter.read(secs(200)).expect("reads");
    assert_eq!(usage.get(Counter::CpuMicros), Some(2200));
    assert_eq!(usage.get(Counter::MemoryByteSecs), Some(0), "nothing ran in between");
}

#[test]
fn a_malformed_file_is_an_error_and_changes_nothing() {
    let root = tempfile::tempdir().expect("makes");
    let paths = group(root.path(), 1000, MIB);
    let mut meter = Meter::open(&paths, std::process::id()).expect("opens");
    meter.read(secs(1)).expect("reads");
    let before = meter.banked().clone();
    fs::write(root.path().join("memory.current"), "lots\n").expect("writes");
    let error = meter.read(secs(2)).expect_err("is malformed");
    assert!(error.to_string().contains("memory.current"), "{error}");
    assert_eq!(meter.banked(), &before);
}

#[test]
fn a_group_that_is_gone_is_a_typed_error() {
    let root = tempfile::tempdir().expect("makes");
    let paths = group(&root.path().join("a"), 1, 1);
    fs::remove_dir_all(root.path().join("a")).expect("removes");
    let gone = Meter::open(&paths, std::process::id()).err();
    assert!(matches!(gone, Some(MeterError::Source(SourceError::Gone { .. }))), "{gone:?}");
}

#[test]
fn the_cpu_time_of_this_process_shows_in_its_own_group() {
    // A machine without cgroups has nothing to show.
    let Ok(paths) = CgroupPaths::own() else { return };
    let mut meter = Meter::open(&paths, std::process::id()).expect("opens");
    let first = meter.read(boottime()).expect("reads");
    // Busy until it shows, which takes longer on a loaded machine.
    let deadline = Instant::now() + Duration::from_secs(30);
    let used = loop {
        let usage = meter.read(boottime()).expect("reads");
        assert_eq!(usage.first_fallen(&first), None);
        let used = usage.since(&first).expect("nothing fell");
        match used.get(Counter::CpuMicros) {
            Some(micros) if micros < 200_000 => {
                assert!(Instant::now() < deadline, "{micros} µs after 30 s of work");
            }
            Some(_) | None => break used,
        }
    };
    if let Some(byte_secs) = used.get(Counter::MemoryByteSecs) {
        assert!(byte_secs > MIB / 16, "{byte_secs} byte-seconds");
    }
}
