//! How the two sides come to a price of an hour, or part.

use proptest::prelude::*;
use zennet_pricing::verify_basis;
use zennet_primitives::{
    amount::{Balance, Rates},
    close::CloseReason,
    contract::{Quote, Resources},
    frame::Frame,
    report::Basis,
    usage::{Counter, Usage},
};

use super::{
    generators::{any_rates, any_workload},
    meeting::{benchmarked, meet},
    pair::{Faults, Pair},
    setups::*,
};
use crate::*;

/// A provider that asks for these rates and comes down to a floor.
fn asking(rates: Rates, floor: Rates) -> ProviderSetup {
    let listing = Listing { rates, ..listing() };
    let quote = quote_for(&body(false), &listing).unwrap();
    ProviderSetup { quote, floor, ..provider_setup(false) }
}

/// A publisher that pays so much for an hour at most.
fn paying(workload: &Workload, most: Balance) -> PublisherSetup {
    let limit = HourLimit { workload: workload.clone(), most };
    let mut own = publisher_setup(false);
    own.policy.max_per_hour = Some(limit);
    own
}

fn part(rates: &Rates, percent: u32) -> Rates {
    rates.priced().fold(Rates::default(), |floor, (counter, rate)| {
        floor.with(counter, (rate * u128::from(percent)).div_ceil(100))
    })
}

fn resources() -> Resources {
    provider_setup(false).quote.resources
}

/// An hour of one processor.
fn cpu_hour() -> Workload {
    Workload::Hourly(Usage::ZERO.with(Counter::CpuMicros, 3_600_000_000))
}

/// How often the publisher asked for less.
fn counter_offers(pair: &Pair) -> usize {
    let sent = pair.publisher_did.iter();
    sent.filter(|(_, did)| matches!(did, PublisherAction::Send(Frame::Counter(_)))).count()
}

#[test]
fn an_hour_that_is_too_dear_is_bargained_down_to_the_limit_by_all_rates_alike() {
    let workload = cpu_hour();
    let hour = workload.price(&rates(), &resources()).unwrap();
    let pair = meet(asking(rates(), part(&rates(), 30)), paying(&workload, hour / 2));
    let agreed = pair.publisher.terms().expect("a contract").quote.rates;
    for (counter, rate) in rates().priced() {
        let off = (rate / 2).abs_diff(agreed.get(counter));
        assert!(off <= rate / 1_000_000, "{} is {off} off", counter.name());
    }
    assert!(workload.price(&agreed, &resources()).unwrap() <= hour / 2);
    assert_eq!(counter_offers(&pair), 1);
}

#[test]
fn an_hour_within_the_limit_is_not_bargained_over() {
    let workload = cpu_hour();
    let hour = workload.price(&rates(), &resources()).unwrap();
    let pair = meet(asking(rates(), Rates::default()), paying(&workload, hour));
    assert_eq!(pair.publisher.terms().expect("a contract").quote.rates, rates());
    assert_eq!(counter_offers(&pair), 0);
}

#[test]
fn a_provider_that_comes_down_a_little_each_time_is_left_after_the_last_round() {
    let workload = cpu_hour();
    let mut pair = Pair::with(Faults::default(), asking(rates(), rates()), paying(&workload, 1));
    assert!(pair.run_until(60_000, |pair| counter_offers(pair) == 1));
    let mut publisher = pair.publisher.clone();
    let quote = asking(rates(), rates()).quote;
    let mut quotes = 1;
    while publisher.close_reason().is_none() {
        quotes += 1;
        let rates = part(&quote.rates, 100 - quotes);
        let next = Quote { rates, ..quote.clone() };
        let step = publisher.step(PublisherEvent::Received(Frame::Quote(next)), pair.now).unwrap();
        publisher = step.next;
    }
    assert_eq!(publisher.close_reason(), Some(CloseReason::NoAgreement));
    assert_eq!(quotes, u32::from(PublisherLimits::default().max_rounds));
}

#[test]
fn benchmarked_rates_are_bargained_down_as_the_price_of_full_load_and_stay_benchmarked() {
    let theirs = benchmarked();
    let (opening, before) = (theirs.quote.rates, theirs.quote.basis.unwrap());
    assert_eq!(opening.priced().count(), 2);
    let workload = cpu_hour();
    let hour = workload.price(&opening, &resources()).unwrap();
    let mut own = paying(&workload, hour / 2);
    own.policy.report_required = true;
    let pair = meet(theirs, own);
    let quote = &pair.publisher.terms().expect("a contract").quote;
    let agreed = quote.basis.expect("it comes from the report still");
    assert!(agreed.price_per_sec.abs_diff(before.price_per_sec / 2) <= 1, "{agreed:?}");
    assert_eq!(Basis { price_per_sec: before.price_per_sec, ..agreed }, before);
}

#[test]
fn a_second_quote_that_raises_a_rate_is_refused_though_the_hour_fits() {
    let workload = cpu_hour();
    let theirs = benchmarked();
    let opening = theirs.quote.clone();
    let hour = workload.price(&opening.rates, &resources()).unwrap();
    let mut own = paying(&workload, hour / 2);
    own.policy.report_required = true;
    let mut pair = Pair::with(Faults::default(), theirs, own);
    assert!(pair.run_until(60_000, |pair| counter_offers(pair) == 1));
    let answered = |rates| {
        let quote = Quote { rates, basis: None, ..opening.clone() };
        let event = PublisherEvent::Received(Frame::Quote(quote));
        pair.publisher.step(event, pair.now).unwrap().next.close_reason()
    };
    let lower = part(&opening.rates, 40);
    // What the work expected does not use is not in its hour.
    let unused = Counter::ALL.into_iter().find(|c| opening.rates.get(*c) == 0).unwrap();
    assert_eq!(answered(lower), None);
    assert_eq!(answered(lower.with(unused, 1)), Some(CloseReason::RequirementsNotMet));
}

#[test]
fn a_floor_that_is_no_part_of_the_rates_ends_what_is_said_of_benchmarks() {
    let mut theirs = benchmarked();
    let opening = theirs.quote.rates;
    theirs.floor = Rates::default().with(Counter::CpuMicros, opening.get(Counter::CpuMicros));
    let workload = Workload::Hourly(Usage::ZERO.with(Counter::MemoryByteSecs, 3600 << 30));
    let hour = workload.price(&opening, &resources()).unwrap();
    let pair = meet(theirs, paying(&workload, hour / 2));
    let quote = &pair.publisher.terms().expect("a contract").quote;
    assert_eq!(quote.basis, None);
    assert_eq!(quote.rates.get(Counter::CpuMicros), opening.get(Counter::CpuMicros));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_provider_whose_floor_is_a_part_of_its_rates_gets_a_contract_wherever_that_allows_it(
        rates in any_rates(), percent in 1u32..=100, workload in any_workload(), most in 0u32..=120
    ) {
        let floor = part(&rates, percent);
        let hour = workload.price(&rates, &resources()).unwrap();
        let most = hour / 100 * Balance::from(most);
        let pair = meet(asking(rates, floor), paying(&workload, most));
        let is_affordable = workload.price(&floor, &resources()).unwrap() <= most;
        prop_assert_eq!(pair.publisher.terms().is_some(), is_affordable);
        prop_assert!(counter_offers(&pair) <= 2);
        match pair.publisher.terms() {
            Some(terms) => {
                let agreed = terms.quote.rates;
                prop_assert!(workload.price(&agreed, &resources()).unwrap() <= most);
                prop_assert!(floor.within(&agreed) && agreed.within(&rates));
            }
            None => {
                prop_assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoAgreement));
                prop_assert_eq!(pair.provider.close_reason(), Some(CloseReason::NoAgreement));
            }
        }
    }

    #[test]
    fn any_floor_ends_the_rounds_and_nobody_goes_beyond_what_it_said(
        rates in any_rates(), floor in any_rates(), workload in any_workload(), most in 0u32..=120
    ) {
        let hour = workload.price(&rates, &resources()).unwrap();
        let most = hour / 100 * Balance::from(most);
        let pair = meet(asking(rates, floor), paying(&workload, most));
        prop_assert!(counter_offers(&pair) < PublisherLimits::default().max_rounds.into());
        let Some(terms) = pair.publisher.terms() else {
            prop_assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoAgreement));
            return Ok(());
        };
        let agreed = terms.quote.rates;
        prop_assert!(workload.price(&agreed, &resources()).unwrap() <= most);
        let least = |counter| floor.get(counter).min(rates.get(counter));
        prop_assert!(Counter::ALL.iter().all(|c| agreed.get(*c) >= least(*c)));
    }

    #[test]
    fn every_lower_price_of_full_load_gives_rates_of_the_same_report(
        percent in 1u32..=100, floor in 0u32..=100
    ) {
        let mut theirs = benchmarked();
        let opening = theirs.quote.rates;
        theirs.floor = part(&opening, floor);
        let report = theirs.offer.report.clone().unwrap();
        let workload = Workload::Shares([500; Counter::COUNT]);
        let hour = workload.price(&opening, &resources()).unwrap();
        let most = hour * Balance::from(percent) / 100;
        let pair = meet(theirs, paying(&workload, most));
        let Some(terms) = pair.publisher.terms() else {
            prop_assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoAgreement));
            prop_assert!(floor >= percent);
            return Ok(());
        };
        let Some(basis) = terms.quote.basis else {
            // Between the two there is no price of whole units.
            prop_assert_eq!(floor, percent);
            return Ok(());
        };
        prop_assert_eq!(verify_basis(&basis, &terms.quote.rates, &report), Ok(()));
        prop_assert!(floor <= percent);
    }
}
