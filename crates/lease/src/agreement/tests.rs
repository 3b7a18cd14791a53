use super::*;

const RESOURCES: Resources =
    Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 0, volume_mib: 0 };

fn cpu(micros: u64) -> Usage {
    Usage::default().with(Counter::CpuMicros, micros)
}

fn rates() -> Rates {
    Rates::default().with(Counter::CpuMicros, 1)
}

fn paired() -> Agreement {
    let mut agreement = Agreement::new(0);
    agreement.read(cpu(700), 1_900, 1_900);
    assert_eq!(agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 2_000), UNCHECKED);
    agreement
}

const UNCHECKED: Comparison = Comparison::Unchecked;

#[test]
fn readings_of_different_origins_agree_by_their_differences() {
    let mut agreement = paired();
    agreement.read(cpu(30_000_700), 31_900, 31_900);
    let now = agreement.compare(&cpu(30_001_000), &rates(), &RESOURCES, 32_000);
    assert_eq!(now, Comparison::Agreed);
    assert_eq!(agreement.own_usage(), Some(cpu(30_000_000)));
}

#[test]
fn the_tolerance_is_granted_once_and_not_at_every_tick() {
    let mut agreement = paired();
    let mut refused = 0;
    for tick in 1..=20u64 {
        let now = 2_000 + 2_000 * tick;
        agreement.read(cpu(700), now - 100, now - 100);
        let claimed = cpu(1_000 + 500_000 * tick);
        match agreement.compare(&claimed, &rates(), &RESOURCES, now) {
            Comparison::Agreed | Comparison::Unchecked | Comparison::Overdue => {}
            Comparison::Disagreed { bound } => {
                refused += 1;
                // What was let through before the first closer look, and its slack.
                let most = 1_000 + 500_000 + 20_000;
                assert_eq!(bound.get(Counter::CpuMicros), Some(most));
            }
        }
    }
    assert_eq!(refused, 18);
    assert_eq!(agreement.disagreements(), 18);
}

/// Two of traffic: what the provider says and what is read, as parts of 1 MiB a second.
fn traffic(percent: u64, millis: u64) -> Usage {
    Usage::default().with(Counter::NetTxBytes, (millis * 1_048 + 7) * percent / 100)
}

/// Reports every two seconds, own readings every 250 ms that begin `phase` ms later, each some
/// time on its way; gives the tick at which figures were refused first and the last bound.
fn exchange(percent: u64, phase: u64, ticks: u64) -> (Option<u64>, Agreement, Usage) {
    let rates = Rates::default().with(Counter::NetTxBytes, 1);
    let mut agreement = Agreement::new(0);
    let (mut refused, mut believed) = (None, Usage::default());
    // By the machine's clock it is later by an hour.
    let booted = 3_600_000;
    for millis in 0..=ticks * 2_000 {
        if millis % 250 == phase {
            let late = 3 + millis % 90;
            agreement.read(
                traffic(100, millis - millis.min(late)),
                booted + millis - millis.min(late),
                millis,
            );
        }
        if millis > 0 && millis % 2_000 == 0 {
            let claimed = traffic(percent, millis - 5 - millis % 70);
            match agreement.compare(&claimed, &rates, &RESOURCES, millis) {
                Comparison::Disagreed { bound } => {
                    refused = refused.or(Some(millis / 2_000));
                    believed = bounded(&claimed, &bound);
                }
                Comparison::Agreed | Comparison::Unchecked | Comparison::Overdue => {
                    believed = claimed;
                }
            }
        }
    }
    (refused, agreement, believed)
}

#[test]
fn five_percent_too_much_is_out_of_agreement_for_five_ticks_within_ten() {
    for phase in (0..250).step_by(10) {
        let (refused, agreement, believed) = exchange(105, phase, 10);
        assert!(refused.is_some_and(|tick| tick <= 6), "{phase}: {refused:?}");
        assert!(agreement.disagreements() >= 5, "{phase}: {agreement:?}");
        let off = agreement.deviation().unwrap();
        assert_eq!(off.counter, Counter::NetTxBytes);
        assert!(off.claimed > off.read + off.tolerance);
        // One percent, the slack, and what is sent between two own readings.
        let truth = traffic(100, 20_000).get(Counter::NetTxBytes).unwrap();
        let most = truth + truth / 100 + (1 << 16) + 400 * 1_048;
        assert!(believed.get(Counter::NetTxBytes).unwrap() <= most, "{phase}");
    }
}

#[test]
fn an_honest_provider_agrees_at_every_phase_of_the_readings() {
    for phase in (0..250).step_by(10) {
        let (refused, agreement, _) = exchange(100, phase, 300);
        assert_eq!(refused, None, "{phase}: {:?}", agreement.deviation());
        assert!(agreement.agreed());
    }
}

#[test]
fn a_machine_whose_host_was_booted_anew_grants_no_second_tolerance() {
    let (refused, mut agreement, _) = exchange(100, 0, 20);
    assert_eq!(refused, None);
    let rates = Rates::default().with(Counter::NetTxBytes, 1);
    let mut claimed = 0;
    for tick in 21..40u64 {
        let now = tick * 2_000;
        // The clock starts again and nothing is sent any more.
        for part in 0..5 {
            let at = (tick - 21) * 2_000 + part * 400;
            agreement.read(traffic(100, 40_000), at, now + part * 400);
        }
        claimed = 40_000 + (tick - 20) * 2_000;
        let _ = agreement.compare(&traffic(100, claimed), &rates, &RESOURCES, now + 1_900);
    }
    assert!(claimed > 70_000 && agreement.disagreements() >= 5, "{agreement:?}");
}

#[test]
fn a_counter_that_falls_alone_grants_nothing() {
    let both = |micros: u64, sent: u64| cpu(micros).with(Counter::NetTxBytes, sent);
    let rates = rates().with(Counter::NetTxBytes, 1);
    let mut agreement = Agreement::new(0);
    for tick in 1..40u64 {
        let now = tick * 2_000;
        for part in 0..8 {
            // An interface comes and goes, so that the sum of them falls before each report.
            let sent = if part == 7 { 5_000 } else { 9_000 };
            agreement.read(both(100 * tick, sent), now + part * 250, now + part * 250);
        }
        let claimed = both(100 * tick, 9_000 + tick * 100_000_000);
        let _ = agreement.compare(&claimed, &rates, &RESOURCES, now + 1_900);
    }
    assert!(agreement.disagreements() >= 5, "{agreement:?}");
}

#[test]
fn an_honest_provider_whose_machine_is_started_anew_stays_in_agreement() {
    let mut agreement = Agreement::new(0);
    // Its own sums go on; the machine counts from zero after its end at 21 s.
    let used = |millis: u64| cpu(millis * 1_000 + 50_000);
    let raw = |millis: u64| cpu(millis.checked_sub(22_000).unwrap_or(millis) * 1_000 + 50_000);
    for millis in (0..120_000).step_by(50) {
        let is_down = (19_600..22_300).contains(&millis);
        if millis % 250 == 100 && !is_down {
            agreement.read(raw(millis), millis, millis);
        }
        if millis % 2_000 == 0 && millis > 0 {
            // The restart cost the host a little, which is counted too.
            let claimed = used(millis).get(Counter::CpuMicros).unwrap();
            let compared = agreement.compare(&cpu(claimed), &rates(), &RESOURCES, millis);
            assert!(!matches!(compared, Comparison::Disagreed { .. }), "{millis}: {compared:?}");
        }
    }
    assert!(agreement.agreed());
}

#[test]
fn a_first_report_that_was_long_on_its_way_is_passed_over() {
    let mut agreement = Agreement::new(0);
    for millis in (0..60_000).step_by(50) {
        if millis % 250 == 100 {
            agreement.read(cpu(millis * 1_000), millis, millis);
        }
        if millis % 2_000 == 0 && millis > 0 {
            let read_at = if millis == 4_000 { 1_000 } else { millis };
            let _ = agreement.compare(&cpu(read_at * 1_000), &rates(), &RESOURCES, millis);
        }
    }
    assert!(agreement.agreed() && agreement.disagreements() == 0, "{agreement:?}");
}

#[test]
fn a_machine_whose_clock_says_anything_does_no_harm() {
    let times = [0, 1, u64::MAX, 1 << 63, 5, i64::MAX as u64, 0, u64::MAX];
    for (tick, (at, now)) in times.into_iter().zip(times.into_iter().rev()).enumerate() {
        let mut agreement = paired();
        for (k, at) in [at, now, at].into_iter().enumerate() {
            agreement.read(cpu(700 + (tick + k) as u64), at, now);
            let _ = agreement.compare(&cpu(1_000), &rates(), &RESOURCES, now);
        }
    }
}

#[test]
fn holding_back_the_own_readings_does_not_widen_the_tolerance_for_ever() {
    let mut agreement = paired();
    let full = |now: u64| cpu(1_000 + (now - 2_000) * 1_000);
    assert_eq!(agreement.compare(&full(14_000), &rates(), &RESOURCES, 14_000), Comparison::Agreed);
    let later = agreement.compare(&full(40_000), &rates(), &RESOURCES, 40_000);
    assert!(matches!(later, Comparison::Disagreed { .. }), "{later:?}");
}

#[test]
fn a_provider_that_never_lets_the_publisher_read_is_out_of_agreement() {
    let mut agreement = Agreement::new(0);
    assert_eq!(agreement.compare(&cpu(1), &rates(), &RESOURCES, FIRST_READING_MS), UNCHECKED);
    let late = agreement.compare(&cpu(2), &rates(), &RESOURCES, FIRST_READING_MS + 1);
    assert_eq!(late, Comparison::Overdue);
}

#[test]
fn a_counter_without_price_may_differ() {
    let mut agreement = Agreement::new(0);
    let both = |cpu: u64, net: u64| {
        Usage::default().with(Counter::CpuMicros, cpu).with(Counter::NetRxBytes, net)
    };
    agreement.read(both(0, 0), 0, 0);
    let _ = agreement.compare(&both(0, 0), &rates(), &RESOURCES, 0);
    let now = agreement.compare(&both(0, u64::MAX), &rates(), &RESOURCES, 10);
    assert_eq!(now, Comparison::Agreed);
}

#[test]
fn figures_that_are_too_low_are_out_of_agreement_as_well() {
    let mut agreement = paired();
    agreement.read(cpu(60_000_700), 61_900, 61_900);
    let now = agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 62_000);
    assert!(matches!(now, Comparison::Disagreed { .. }));
}

#[test]
fn own_counters_that_fall_go_on_where_the_last_comparison_ended() {
    let mut agreement = paired();
    agreement.read(cpu(5), 3_900, 3_900);
    let honest = agreement.clone().compare(&cpu(1_900_000), &rates(), &RESOURCES, 4_000);
    assert_eq!(honest, Comparison::Agreed);
    assert_eq!(agreement.own_usage(), Some(cpu(5)));
    let now = agreement.compare(&cpu(60_000_000), &rates(), &RESOURCES, 4_000);
    assert!(matches!(now, Comparison::Disagreed { .. }), "{now:?}");
}

#[test]
fn full_use_is_within_the_physical_limit_and_twice_that_is_not() {
    let limit = physical_limit(&cpu(10), &RESOURCES, 60_000);
    let most = limit.get(Counter::CpuMicros).unwrap();
    assert!((60_000_000..120_000_000).contains(&most), "{most}");
    assert_eq!(limit.get(Counter::NetRxBytes), None);
    let endless = physical_limit(&cpu(u64::MAX), &RESOURCES, u64::MAX);
    assert_eq!(endless.get(Counter::CpuMicros), Some(u64::MAX));
}
