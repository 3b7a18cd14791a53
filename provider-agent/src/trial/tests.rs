use zennet_primitives::amount::Rates;

use super::*;
use crate::containers::tests::TestEngine;

fn used(counter: Counter, value: u64) -> Usage {
    Usage::default().with(counter, value)
}

fn trial(findings: Vec<Finding>) -> Trial {
    Trial { findings, late_writes_counted: None }
}

const MIB: u64 = 1 << 20;

#[test]
fn a_counter_is_judged_by_the_works_own_account() {
    let disk = Counter::DiskWriteBytes;
    let verdict = |truth, used: Usage| Finding::of(disk, truth, &used).verdict;
    assert_eq!(verdict(Some(8 * MIB), used(disk, 9 * MIB)), Verdict::Right);
    assert_eq!(verdict(Some(8 * MIB), used(disk, 18 * MIB)), Verdict::Right);
    assert_eq!(verdict(Some(8 * MIB), used(disk, 18 * MIB + 1)), Verdict::Wrong);
    assert_eq!(verdict(Some(8 * MIB), used(disk, 3 * MIB)), Verdict::Right);
    assert_eq!(verdict(Some(8 * MIB), used(disk, 3 * MIB - 1)), Verdict::Wrong);
    assert_eq!(verdict(Some(8 * MIB), used(disk, 0)), Verdict::Wrong);
    assert_eq!(verdict(Some(8 * MIB), Usage::default()), Verdict::Absent);
    assert_eq!(verdict(None, Usage::default()), Verdict::Absent);
    assert_eq!(verdict(None, used(disk, 0)), Verdict::Untried);
    assert_eq!(verdict(Some(u64::MAX), used(disk, u64::MAX)), Verdict::Right);
}

#[test]
fn a_price_on_what_is_not_counted_is_refused_by_its_key() {
    let rates = Rates::default()
        .with(Counter::CpuMicros, 5)
        .with(Counter::DiskReadBytes, 6)
        .with(Counter::DiskWriteBytes, 7);
    let found = trial(vec![
        Finding::of(Counter::CpuMicros, Some(500_000), &used(Counter::CpuMicros, 510_000)),
        Finding::of(Counter::DiskReadBytes, Some(8 * MIB), &Usage::default()),
        Finding::of(Counter::DiskWriteBytes, Some(8 * MIB), &used(Counter::DiskWriteBytes, 0)),
    ]);
    let error = found.admit(&rates).unwrap_err().to_string();
    assert!(error.contains("remove disk_read_gib, since disk_read_bytes is absent"), "{error}");
    let wrong = "remove disk_write_gib, since disk_write_bytes is wrong: 0 were counted of 8388608";
    assert!(error.contains(wrong), "{error}");
    assert!(!error.contains("cpu"), "{error}");
    found.admit(&Rates::default().with(Counter::CpuMicros, 5)).unwrap();
}

#[test]
fn what_was_not_tried_may_have_a_price() {
    let rates = Rates::default().with(Counter::NetRxBytes, 5).with(Counter::VolumeByteSecs, 6);
    Trial::default().admit(&rates).unwrap();
    let untried = Finding::of(Counter::NetRxBytes, None, &used(Counter::NetRxBytes, 0));
    trial(vec![untried]).admit(&rates).unwrap();
}

#[tokio::test]
async fn this_hosts_counters_are_tried_once_a_boot_and_nothing_is_left() {
    let test = TestEngine::connect().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = test.config().clone();
    config.data_dir = dir.path().into();
    config.filter.default_image = crate::containers::tests::IMAGE.into();
    let store = Store::open(dir.path()).unwrap();
    let rates = Rates::default().with(Counter::DiskWriteBytes, 7);
    let found = of_this_boot(&config, &rates, &store, &test.engine).await;
    let counters: Vec<Counter> = found.findings.iter().map(|finding| finding.counter).collect();
    let read: Vec<Counter> =
        Counter::ALL.into_iter().filter(|c| *c != Counter::VolumeByteSecs).collect();
    assert_eq!(counters, read);
    for counter in [Counter::CpuMicros, Counter::MemoryByteSecs, Counter::NetTxBytes] {
        let finding = found.finding(counter).unwrap();
        assert_eq!(finding.verdict, Verdict::Right, "{finding} {found:?}");
    }
    assert!(test.states().is_empty(), "{:?}", test.states());
    assert!(!config.data_dir.join(MACHINES).join(NAME).exists());

    // The second time asks nothing of the engine: there is no such image.
    config.filter.default_image = "zennet-no-such-image".into();
    assert_eq!(of_this_boot(&config, &rates, &store, &test.engine).await, found);
    // Nor where a counter is wrong that has no price; with a price it is tried anew.
    let mut wrong = found.clone();
    wrong.findings = vec![Finding::of(
        Counter::DiskWriteBytes,
        Some(8 * MIB),
        &used(Counter::DiskWriteBytes, 0),
    )];
    store.put_fact(FACT, &(conditions(&config).unwrap(), &wrong)).await.unwrap();
    assert_eq!(of_this_boot(&config, &Rates::default(), &store, &test.engine).await, wrong);
    assert_eq!(of_this_boot(&config, &rates, &store, &test.engine).await, Trial::default());
    // Machines of another kind are tried anew.
    config.isolation.bandwidth_kbit_per_sec = Some(1000);
    assert_eq!(of_this_boot(&config, &rates, &store, &test.engine).await, Trial::default());
}
