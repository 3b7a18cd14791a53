use proptest::prelude::*;
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use zennet_primitives::amount::XEN;

use super::*;

const PRICED: [Counter; 4] =
    [Counter::CpuMicros, Counter::MemoryByteSecs, Counter::DiskWriteBytes, Counter::NetTxBytes];

/// About 1 XEN in all for each run of [`runs`].
fn planted() -> Rates {
    let prices =
        [XEN / 10_000_000, XEN / 100_000_000_000, XEN / 5_000_000_000, XEN / 2_000_000_000];
    PRICED.iter().zip(prices).fold(Rates::default(), |rates, (counter, price)| {
        rates.with(*counter, price * RATE_SCALE + RATE_SCALE / 3)
    })
}

/// Runs of 20 to 40 seconds that use each of the priced counters, more or less.
fn runs(count: usize, seed: u64) -> Vec<Row> {
    let mut random = StdRng::seed_from_u64(seed);
    let most = [40_000_000, 10_000_000_000, 5_000_000_000, 2_000_000_000];
    let mut run = || {
        let figures = PRICED.iter().zip(most);
        let usage = figures.fold(Usage::default(), |usage, (counter, most)| {
            usage.with(*counter, random.gen_range(most / 100..most))
        });
        Row { usage, millis: random.gen_range(20_000..40_000) }
    };
    (0..count).map(|_| run()).collect()
}

/// Prices of the runs under some rates, each times a number that `noise` gives.
fn priced(runs: &[Row], rates: &Rates, mut noise: impl FnMut() -> f64) -> Rows {
    let of_run = |row: &Row| {
        let price = rates.price(&row.usage, &Usage::ZERO).unwrap();
        (*row, (price as f64 * noise()) as Balance)
    };
    Rows::negotiated(runs.iter().map(of_run).collect()).unwrap()
}

fn noisy(seed: u64) -> Rows {
    let mut random = StdRng::seed_from_u64(seed);
    priced(&runs(24, seed), &planted(), || random.gen_range(0.8..1.2))
}

fn assert_near(found: &Rates, expected: &Rates, part: f64) {
    for counter in Counter::ALL {
        let (found, expected) = (found.get(counter) as f64, expected.get(counter) as f64);
        assert!((found - expected).abs() <= part * expected, "{counter:?}: {found} {expected}");
    }
}

/// The rates with each rate times a number.
fn times(rates: &Rates, factor: impl Fn(Counter) -> f64) -> Rates {
    rates.priced().fold(Rates::default(), |all, (counter, rate)| {
        all.with(counter, (rate as f64 * factor(counter)) as u128)
    })
}

#[test]
fn planted_rates_are_recovered() {
    for mode in [Mode::NonNegative, Mode::Pinv] {
        let found = fit(&priced(&runs(24, 1), &planted(), || 1.0), mode).unwrap();
        assert_near(&found.rates, &planted(), 1e-9);
        assert!(found.half_width < 1e-9, "{}", found.half_width);
        assert!((1.0..20.0).contains(&found.condition), "{}", found.condition);
        for (price, predicted) in found.predictions {
            assert!(price.abs_diff(predicted) <= price / 1_000_000_000 + 1);
        }
    }
}

#[test]
fn planted_rates_are_recovered_from_runs_that_earn_the_same() {
    const A_SECOND: Balance = XEN / 50;
    let balanced = |row: Row| {
        let price = planted().price(&row.usage, &Usage::ZERO).unwrap();
        let factor = (A_SECOND * u128::from(row.millis)) as f64 / (1000 * price) as f64;
        let usage = row.usage.iter().fold(Usage::default(), |usage, (counter, figure)| {
            usage.with(counter, (figure as f64 * factor).round() as u64)
        });
        Row { usage, ..row }
    };
    let rows = runs(12, 2).into_iter().map(balanced).collect();
    let found = fit(&Rows::new(rows, A_SECOND).unwrap(), Mode::NonNegative).unwrap();
    assert_near(&found.rates, &planted(), 1e-5);
}

#[test]
fn rates_follow_the_unit_of_their_counter() {
    let fine = runs(24, 3);
    let coarse: Vec<Row> = fine
        .iter()
        .map(|row| {
            let bytes = row.usage.get(Counter::NetTxBytes).unwrap();
            Row { usage: row.usage.with(Counter::NetTxBytes, bytes * 1024), ..*row }
        })
        .collect();
    let mut random = StdRng::seed_from_u64(3);
    let prices: Vec<Balance> = fine.iter().map(|_| random.gen_range(XEN..2 * XEN)).collect();
    let rates = |runs: Vec<Row>| {
        let rows = Rows::negotiated(runs.into_iter().zip(prices.clone()).collect()).unwrap();
        fit(&rows, Mode::NonNegative).unwrap().rates
    };
    let unit = |counter| if counter == Counter::NetTxBytes { 1.0 / 1024.0 } else { 1.0 };
    assert_near(&rates(coarse), &times(&rates(fine), unit), 1e-9);
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = noisy(4);
    let mut pairs: Vec<_> = rows.rows().iter().copied().zip(rows.prices().to_vec()).collect();
    pairs.shuffle(&mut StdRng::seed_from_u64(4));
    let shuffled = fit(&Rows::negotiated(pairs).unwrap(), Mode::NonNegative).unwrap();
    let first = fit(&rows, Mode::NonNegative).unwrap();
    assert_near(&shuffled.rates, &first.rates, 1e-9);
    assert!((shuffled.half_width - first.half_width).abs() < 1e-9);
}

#[test]
fn rates_are_linear_in_the_prices() {
    let rows = noisy(5);
    let sevenfold = rows.rows().iter().copied().zip(rows.prices().iter().map(|price| price * 7));
    let dear = fit(&Rows::negotiated(sevenfold.collect()).unwrap(), Mode::NonNegative).unwrap();
    let cheap = fit(&rows, Mode::NonNegative).unwrap();
    assert_near(&dear.rates, &times(&cheap.rates, |_| 7.0), 1e-9);
    assert!((dear.half_width - cheap.half_width).abs() < 1e-9);
}

#[test]
fn counters_in_a_fixed_proportion_are_refused_by_name() {
    let doubled = runs(24, 6).into_iter().map(|row| {
        let sent = row.usage.get(Counter::NetTxBytes).unwrap();
        (Row { usage: row.usage.with(Counter::NetRxBytes, sent / 3), ..row }, XEN)
    });
    let rows = Rows::negotiated(doubled.collect()).unwrap();
    let both = vec![Counter::NetRxBytes, Counter::NetTxBytes];
    assert_eq!(fit(&rows, Mode::NonNegative), Err(FitError::Collinear(both.clone())));
    assert_eq!(fit(&rows, Mode::Pinv), Err(FitError::Collinear(both)));
}

#[test]
fn what_a_host_cannot_separate_is_no_reason_to_pick_a_side() {
    let table = Table::new(&[vec![2.0, 2.0], vec![6.0, 6.0]], &[4.0, 12.0]).unwrap();
    let halves = table.solve(Mode::Pinv).unwrap();
    assert!(halves.iter().all(|price| (price - 1.0).abs() < 1e-12), "{halves:?}");
    let either = table.solve(Mode::NonNegative).unwrap();
    assert!((either[0] + either[1] - 2.0).abs() < 1e-12, "{either:?}");
    assert_eq!(table.collinear(), Ok(Some(vec![0, 1])));
}

#[test]
fn fewer_rows_than_counters_give_the_shortest_solution_of_the_scaled_system() {
    let table = Table::new(&[vec![3.0, 4.0, 5.0]], &[60.0]).unwrap();
    let prices = table.solve(Mode::Pinv).unwrap();
    for (price, expected) in prices.iter().zip([20.0 / 3.0, 5.0, 4.0]) {
        assert!((price - expected).abs() < 1e-12, "{prices:?}");
    }
    let prices = table.solve(Mode::NonNegative).unwrap();
    let sum: f64 = prices.iter().zip([3.0, 4.0, 5.0]).map(|(price, figure)| price * figure).sum();
    assert!((sum - 60.0).abs() < 1e-9, "{prices:?}");
}

#[test]
fn a_negative_rate_is_refused_by_the_pseudo_inverse_and_avoided_by_default() {
    let figures = [[1_000_000, 1_000_000], [2_000_000, 1_000_000], [1_000_000, 3_000_000]];
    let prices = [2 * XEN, 4 * XEN, XEN];
    let runs = figures.iter().zip(prices).map(|([cpu, sent], price)| {
        let usage = Usage::default().with(Counter::CpuMicros, *cpu);
        (Row { usage: usage.with(Counter::NetTxBytes, *sent), millis: 1000 }, price)
    });
    let rows = Rows::negotiated(runs.clone().chain(runs).collect()).unwrap();
    assert_eq!(fit(&rows, Mode::Pinv), Err(FitError::Negative(Counter::NetTxBytes)));
    let found = fit(&rows, Mode::NonNegative).unwrap();
    assert_eq!(found.rates.get(Counter::NetTxBytes), 0);
    assert!(found.rates.get(Counter::CpuMicros) > 0);
}

#[test]
fn claimed_rates_are_verified_and_others_are_not() {
    let rows = noisy(7);
    let rates = fit(&rows, Mode::NonNegative).unwrap().rates;
    assert_eq!(verify(&rows, &rates), Ok(()));
    for (wrong, direction) in [(1.001, -1.0), (0.999, 1.0)] {
        for (counter, _) in rates.priced() {
            let changed = times(&rates, |c| if c == counter { wrong } else { 1.0 });
            match verify(&rows, &changed) {
                Err(VerifyError::NotOptimal { gradient, .. }) => {
                    assert!(gradient * direction > 0.0, "{counter:?} {gradient}");
                }
                other => panic!("{counter:?}: {other:?}"),
            }
        }
    }
    let unused = rates.with(Counter::PageFaults, 1);
    assert_eq!(verify(&rows, &unused), Err(VerifyError::Unused(Counter::PageFaults)));
    assert!(verify(&rows, &Rates::default()).is_err());
}

#[test]
fn rates_of_another_benchmark_are_not_verified() {
    let rates = fit(&noisy(8), Mode::NonNegative).unwrap().rates;
    assert!(matches!(verify(&noisy(9), &rates), Err(VerifyError::NotOptimal { .. })));
}

#[test]
fn prices_too_small_for_rates_are_refused() {
    let row =
        |bytes| Row { usage: Usage::default().with(Counter::MemoryByteSecs, bytes), millis: 1000 };
    let rows = [1 << 62, 1 << 63, 3 << 61].map(row).to_vec();
    let error = fit(&Rows::new(rows, 2).unwrap(), Mode::NonNegative).unwrap_err();
    assert!(matches!(error, FitError::TooSmall(_)), "{error}");
}

#[test]
fn rates_that_do_not_fit_are_refused() {
    let counter = Counter::PageFaults;
    assert_eq!(to_rate(counter, 0.5), Ok(RATE_SCALE / 2));
    assert_eq!(to_rate(counter, 4e20), Err(FitError::TooLarge(counter)));
    assert_eq!(to_rate(counter, -1e-9), Err(FitError::Negative(counter)));
    assert_eq!(to_rate(counter, -0.0), Ok(0));
}

#[test]
fn runs_of_a_benchmark_add_up_to_one_row() {
    let run = runs(1, 11)[0];
    let thrice = Row::total(&[run; 3]).unwrap();
    let sent = |row: &Row| row.usage.get(Counter::NetTxBytes).unwrap();
    assert_eq!((sent(&thrice), thrice.millis), (3 * sent(&run), 3 * run.millis));
    assert_eq!(thrice.usage.get(Counter::PageFaults), None);
    let more = Row { usage: run.usage.with(Counter::PageFaults, 1), ..run };
    assert_eq!(Row::total(&[run, more]), None);
    assert_eq!(Row::total(&[run, Row { millis: u64::MAX, ..run }]), None);
    assert_eq!(Row::total(&[]), None);
}

mod refused {
    use super::*;

    fn of(rows: Vec<Row>) -> RowsError {
        Rows::new(rows, XEN).unwrap_err()
    }

    fn with(counter: Counter, figure: u64) -> Vec<Row> {
        let add = |row: Row| Row { usage: row.usage.with(counter, figure), ..row };
        runs(24, 10).into_iter().map(add).collect()
    }

    #[test]
    fn rows_that_are_too_few_or_too_many() {
        let few = RowsError::TooFew { rows: 11, counters: 4, needed: 12 };
        assert_eq!(of(runs(11, 10)), few);
        assert_eq!(of(runs(MAX_ROWS + 1, 10)), RowsError::TooMany(MAX_ROWS + 1));
        assert_eq!(of(vec![]), RowsError::Nothing);
    }

    #[test]
    fn the_sum_of_processor_time_beside_its_parts() {
        assert_eq!(of(with(Counter::CpuUserMicros, 5)), RowsError::CpuTwice);
        assert!(Rows::new(with(Counter::CpuUserMicros, 0), XEN).is_ok());
        let chosen = with(Counter::CpuUserMicros, 5)
            .into_iter()
            .map(|row| Row { usage: select(&row.usage, &PRICED), ..row });
        assert_eq!(chosen.collect::<Vec<_>>(), runs(24, 10));
    }

    #[test]
    fn a_counter_that_is_a_clock() {
        let mut rows = runs(24, 10);
        for row in &mut rows {
            row.usage = row.usage.with(Counter::PageFaults, row.millis * 17 + 3);
        }
        assert_eq!(of(rows), RowsError::Clock(Counter::PageFaults));
    }

    #[test]
    fn a_figure_that_only_some_rows_have() {
        let mut rows = runs(24, 10);
        rows[3].usage = rows[3].usage.with(Counter::PageFaults, 9);
        assert_eq!(of(rows), RowsError::Partial(Counter::PageFaults));
    }

    #[test]
    fn rows_without_duration_or_price() {
        let mut rows = runs(24, 10);
        assert_eq!(Rows::new(rows.clone(), 0).unwrap_err(), RowsError::Free(0));
        assert_eq!(Rows::new(rows.clone(), u128::MAX / 9).unwrap_err(), RowsError::TooDear(0));
        rows[5].millis = 0;
        assert_eq!(of(rows), RowsError::Instant(5));
    }

    #[test]
    fn tables_of_bad_shape_or_bad_numbers() {
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e300, 1e-300] {
            let error = Table::new(&[vec![1.0], vec![bad]], &[1.0, 1.0]).unwrap_err();
            assert_eq!(error, TableError::Range(1), "{bad}");
            let error = Table::new(&[vec![1.0], vec![2.0]], &[bad, 1.0]).unwrap_err();
            assert_eq!(error, TableError::Range(0), "{bad}");
        }
        assert_eq!(Table::new(&[], &[]), Err(TableError::Shape));
        assert_eq!(Table::new(&[vec![]], &[1.0]), Err(TableError::Shape));
        assert_eq!(Table::new(&[vec![1.0], vec![]], &[1.0, 1.0]), Err(TableError::Shape));
        assert_eq!(Table::new(&[vec![1.0]], &[]), Err(TableError::Shape));
        assert_eq!(Table::new(&[vec![1.0; 11]], &[1.0]), Err(TableError::Shape));
        assert_eq!(Table::new(&[vec![1.0, 0.0]], &[1.0]), Err(TableError::Unused(1)));
        let single = Table::new(&[vec![1.0]], &[1.0]).unwrap();
        assert_eq!(single.errors(Mode::NonNegative), Err(TableError::Shape));
    }
}

#[test]
fn the_half_width_is_the_right_order_statistic() {
    let errors = |count: usize| (1..=count).rev().map(|e| e as f64).collect::<Vec<_>>();
    for (count, rank) in [(1, 1), (6, 6), (18, 18), (19, 19), (24, 24), (39, 38), (48, 47)] {
        assert_eq!(half_width(&errors(count)), rank as f64, "{count}");
    }
    assert_eq!(half_width(&[]), f64::INFINITY);
}

/// The least sum of squares over all choices of columns whose free solution is not negative.
fn least_by_trying_all(figures: &[Vec<f64>], columns: usize) -> f64 {
    let ones = vec![1.0; figures.len()];
    let of_choice = |choice: usize| {
        let kept: Vec<usize> = (0..columns).filter(|j| choice >> j & 1 == 1).collect();
        let part: Vec<Vec<f64>> =
            figures.iter().map(|row| kept.iter().map(|j| row[*j]).collect()).collect();
        let prices = match kept.len() {
            0 => vec![],
            _ => Table::new(&part, &ones).ok()?.solve(Mode::Pinv).ok()?,
        };
        prices.iter().all(|price| *price >= 0.0).then(|| squares(&part, &prices))
    };
    (0..1 << columns).filter_map(of_choice).fold(f64::INFINITY, f64::min)
}

/// The sum of squared errors where every price is one.
fn squares(figures: &[Vec<f64>], prices: &[f64]) -> f64 {
    let predicted = |row: &Vec<f64>| row.iter().zip(prices).map(|(v, r)| v * r).sum::<f64>();
    figures.iter().map(|row| (1.0 - predicted(row)).powi(2)).sum()
}

fn figures(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<f64>>> {
    (1usize..=4).prop_flat_map(move |columns| {
        prop::collection::vec(prop::collection::vec(0.01f64..10.0, columns), rows.clone())
    })
}

/// Figures and prices of which some are many orders of magnitude greater than others.
fn wild_figures() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<f64>)> {
    let figure = || (-20.0f64..20.0).prop_map(|power| 10f64.powf(power));
    (1usize..=10, 1usize..40).prop_flat_map(move |(columns, rows)| {
        let row = prop::collection::vec(figure(), columns);
        (prop::collection::vec(row, rows), prop::collection::vec(figure(), rows))
    })
}

/// Rows with any figures, of which each counter has one in all rows, in some or in none.
fn any_rows() -> impl Strategy<Value = Vec<(Row, Balance)>> {
    let number = || (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift);
    let presence = prop_oneof![60 => Just(0), 60 => Just(100), 1 => Just(97)];
    prop::collection::vec(presence, Counter::COUNT).prop_flat_map(move |presence| {
        let figure = |percent| {
            let figure = prop_oneof![1 => Just(0), 9 => number()];
            (0..100, figure).prop_map(move |(dice, figure)| (dice < percent).then_some(figure))
        };
        let figures = presence.into_iter().map(figure).collect::<Vec<_>>();
        let price = prop_oneof![99 => number().prop_map(Balance::from), 1 => any::<u128>()];
        let row = (figures, number(), price).prop_map(|(figures, millis, price)| {
            let present = Counter::ALL.into_iter().zip(figures);
            let usage = present.fold(Usage::default(), |usage, (counter, figure)| {
                figure.map_or(usage, |figure| usage.with(counter, figure))
            });
            (Row { usage, millis }, price)
        });
        prop::collection::vec(row, 0..40)
    })
}

fn any_rates() -> impl Strategy<Value = Rates> {
    prop::collection::vec((any::<u128>(), 0u32..129), Counter::COUNT).prop_map(|rates| {
        let shifted = |(rate, shift): (u128, u32)| rate.checked_shr(shift).unwrap_or(0);
        let all = Counter::ALL.into_iter().zip(rates);
        all.fold(Rates::default(), |all, (counter, rate)| all.with(counter, shifted(rate)))
    })
}

proptest! {
    #[test]
    fn the_default_mode_finds_the_best_of_all_choices(figures in figures(4..12)) {
        let ones = vec![1.0; figures.len()];
        let prices = Table::new(&figures, &ones).unwrap().solve(Mode::NonNegative).unwrap();
        prop_assert!(prices.iter().all(|price| *price >= 0.0));
        let found = squares(&figures, &prices);
        let best = least_by_trying_all(&figures, prices.len());
        prop_assert!(found <= best + 1e-9, "{found} {best}");
    }

    #[test]
    fn both_modes_agree_where_the_pseudo_inverse_is_not_negative(figures in figures(4..12)) {
        let table = Table::new(&figures, &vec![1.0; figures.len()]).unwrap();
        let pinv = table.solve(Mode::Pinv).unwrap();
        if pinv.iter().all(|price| *price >= 0.0) && table.condition().unwrap() < 1e4 {
            for (a, b) in pinv.iter().zip(table.solve(Mode::NonNegative).unwrap()) {
                prop_assert!((a - b).abs() <= 1e-8 * (1.0 + a.abs()), "{pinv:?}");
            }
        }
    }

    #[test]
    fn rates_of_noisy_rows_pass_and_their_neighbours_do_not(
        seed: u64, place in 0usize..4, part in prop_oneof![0.5f64..0.99, 1.01f64..2.0]
    ) {
        let rows = noisy(seed);
        let rates = fit(&rows, Mode::NonNegative).unwrap().rates;
        prop_assert_eq!(verify(&rows, &rates), Ok(()));
        if rates.get(PRICED[place]) > 0 {
            let changed = times(&rates, |c| if c == PRICED[place] { part } else { 1.0 });
            prop_assert!(verify(&rows, &changed).is_err());
        }
    }

    #[test]
    fn solutions_meet_the_conditions_of_an_optimum_far_within_the_tolerance(
        (figures, prices) in wild_figures()
    ) {
        let table = Table::new(&figures, &prices).unwrap();
        let solution = table.solve(Mode::NonNegative).unwrap();
        for (price, gradient) in solution.iter().zip(table.gradient(&solution)) {
            prop_assert!(gradient < TOLERANCE / 100.0, "{gradient}");
            prop_assert!(*price == 0.0 || gradient > -TOLERANCE / 100.0, "{gradient}");
        }
    }
}

proptest! {
    // Most of these rows are refused for one reason or another.
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_rows_are_fitted_or_refused(
        pairs in any_rows(), price in any::<u128>(), shift in 0u32..128, rates in any_rates()
    ) {
        let alike = pairs.iter().map(|(row, _)| *row).collect();
        for rows in [Rows::new(alike, price >> shift), Rows::negotiated(pairs)] {
            let Ok(rows) = rows else { continue };
            let _ = verify(&rows, &rates);
            match fit(&rows, Mode::NonNegative) {
                Ok(found) => prop_assert_eq!(verify(&rows, &found.rates), Ok(())),
                Err(error) => prop_assert!(!matches!(error, FitError::Negative(_)), "{error}"),
            }
            let _ = fit(&rows, Mode::Pinv);
        }
    }
}
