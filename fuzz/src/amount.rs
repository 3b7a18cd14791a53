//! Money as people write it, and the price of usage.

use codec::{Decode, Encode};
use serde::{
    de::{
        value::{Error, F64Deserializer, I64Deserializer, U64Deserializer},
        IntoDeserializer,
    },
    Deserialize,
};
use sp_core::U256;
use zennet_pricing::{
    decimal::MAX_DIGITS, describe, format_xen, parse_xen, Decimal, RateConfig, RateError,
};
use zennet_primitives::{
    amount::{PriceError, Rates, RATE_SCALE},
    usage::{Counter, Usage},
};

use crate::{input::Input, sample::rates};

/// Texts and numbers are read or refused, what is read is written so that it reads the same, and a
/// price is exact or an error.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 4 {
        0 => text(&String::from_utf8_lossy(input.rest())),
        1 => number(&mut input),
        2 => config(&String::from_utf8_lossy(input.rest())),
        _ => price(input.rest()),
    }
}

fn text(text: &str) {
    if let Ok(decimal) = text.parse::<Decimal>() {
        assert!(decimal.scale() as usize <= MAX_DIGITS);
        assert_eq!(decimal.to_string().parse(), Ok(decimal));
    }
    if let Ok(balance) = parse_xen(text) {
        assert_eq!(parse_xen(&format_xen(balance)), Ok(balance));
    }
}

fn number(input: &mut Input) {
    let bits = input.u64();
    let float: F64Deserializer<Error> = f64::from_bits(bits).into_deserializer();
    if let Ok(decimal) = Decimal::deserialize(float) {
        assert_eq!(decimal.to_string().parse(), Ok(f64::from_bits(bits)));
    }
    let unsigned: U64Deserializer<Error> = bits.into_deserializer();
    let read = Decimal::deserialize(unsigned).expect("every whole number is a decimal");
    assert_eq!(read.to_string(), bits.to_string());
    let signed: I64Deserializer<Error> = (bits as i64).into_deserializer();
    assert_eq!(Decimal::deserialize(signed).is_ok(), bits as i64 >= 0);
    let balance = input.u128();
    assert!(!format_xen(balance).is_empty());
}

/// Rates of a configuration whose prices stand in the text, one a line.
fn config(text: &str) {
    let mut lines = text.lines().map(|line| line.parse().ok());
    let mut next = || lines.next().flatten();
    let config = RateConfig {
        cpu_hour: next(),
        cpu_user_hour: next(),
        cpu_system_hour: next(),
        memory_gib_hour: next(),
        disk_read_gib: next(),
        disk_write_gib: next(),
        net_rx_gib: next(),
        net_tx_gib: next(),
        page_faults_million: next(),
        volume_gib_hour: next(),
    };
    match config.rates() {
        Ok(rates) => assert_eq!(describe(&rates).rates(), Ok(rates), "{config:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn price(mut data: &[u8]) {
    let Ok((rates, usage, baseline)) = <(Rates, Usage, Usage)>::decode(&mut data) else { return };
    assert_eq!(rates.price(&usage, &baseline), exact_price(&rates, &usage, &baseline));
    let shown = describe(&rates);
    for (_, decimal) in shown.entries() {
        assert!(!decimal.to_string().is_empty());
    }
    match shown.rates() {
        Ok(_) | Err(RateError::TooLarge { .. } | RateError::CpuTwice) => {}
        Err(error) => panic!("what is shown is no rate: {error}"),
    }
}

/// The price by numbers that cannot overflow, and by the definition: the first counter in order
/// that has no price is the one that is named.
fn exact_price(rates: &Rates, usage: &Usage, baseline: &Usage) -> Result<u128, PriceError> {
    let mut sum = U256::zero();
    for (counter, rate) in rates.priced() {
        let now = usage.get(counter).ok_or(PriceError::Absent(counter))?;
        let start = baseline.get(counter).ok_or(PriceError::Absent(counter))?;
        if now < start {
            return Err(PriceError::BelowBaseline(counter));
        }
        sum += U256::from(rate) * U256::from(now - start);
        if sum > U256::from(u128::MAX) {
            return Err(PriceError::Overflow(counter));
        }
    }
    Ok((sum / U256::from(RATE_SCALE)).as_u128())
}

/// Numbers that are and that are none, configurations, and usage with its rates.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |kind: u8, rest: &[u8]| [&[kind], rest].concat();
    let mut seeds: Vec<_> = [
        "0.05",
        "1.5",
        "007",
        "0.000000000001",
        "0.0000000000001",
        " 10 ",
        "-1",
        "1e3",
        "1.2.3",
        "999999999999999999999999999999",
        "1.3333333333333333333333333333333",
    ]
    .iter()
    .map(|text| of(0, text.as_bytes()))
    .collect();
    for float in [0.05, 3.0, 1e300, 5e-324, -0.5, f64::NAN, f64::INFINITY, 0.123_456_789_012_345_67]
    {
        seeds.push(of(1, &[&float.to_bits().to_le_bytes()[..], &[7; 16]].concat()));
    }
    seeds.push(of(2, b"0.05\n\n\n0.01\n0\n0.002\n0.003\n0.004\n0.1"));
    seeds.push(of(2, b"\n0.05\n0.06"));
    seeds.push(of(2, b"1\n1\n1"));
    seeds.push(of(2, b"\n\n\n300000000\n0.00000000000000000000000000001"));
    let zero = Counter::ALL.into_iter().fold(Usage::default(), |usage, c| usage.with(c, 0));
    let full = Counter::ALL.into_iter().fold(Usage::default(), |usage, c| usage.with(c, u64::MAX));
    let dear = Counter::ALL.into_iter().fold(Rates::default(), |rates, c| rates.with(c, u128::MAX));
    for (rates, usage, baseline) in [
        (rates(), full, zero),
        (rates(), zero, full),
        (rates(), Usage::default(), zero),
        (dear, full, zero),
        (dear, full, full),
        (Rates::default().with(Counter::PageFaults, 1), full, zero),
    ] {
        seeds.push(of(3, &(rates, usage, baseline).encode()));
    }
    seeds
}
