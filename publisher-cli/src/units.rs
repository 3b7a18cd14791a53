//! Sizes, times, amounts and prices as people write them on a command line.

use std::time::Duration;

use thiserror::Error;
use zennet_primitives::{
    amount::{Balance, Rate, Rates, DECIMALS, RATE_SCALE, XEN},
    contract::{is_volume_name, Wall, MAX_VOLUME_NAME},
    usage::Counter,
};

/// Why a text is no quantity.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum UnitError {
    #[error("{0:?} is no size: write a number and one of M, G, T, such as 512M or 1.5G")]
    Size(String),
    #[error("{0:?} is no time: write numbers with ms, s, m, h or d, such as 500ms, 2s or 1h30m")]
    Time(String),
    #[error("{0:?} is no number of cpus: write a number above 0 with at most 3 decimals, such as 1 or 0.5")]
    Cpus(String),
    #[error(
        "{0:?} is no amount of XEN: write a number with at most {DECIMALS} decimals, such as 1.25"
    )]
    Amount(String),
    #[error("{text:?} is out of range: {range}")]
    OutOfRange { text: String, range: &'static str },
    #[error("{0:?} is no rate: write KEY=XEN, where KEY is one of {keys}", keys = rate_keys())]
    Rate(String),
    #[error(
        "{0:?} is no name of a volume: write up to {MAX_VOLUME_NAME} lower-case letters, digits and \
         hyphens, and a size behind a colon, such as data:1G"
    )]
    Volume(String),
    #[error("{0:?} is no wall: write namespaces, gvisor or vm")]
    Wall(String),
}

/// Parses a size in MiB; the suffixes are powers of 1024.
pub(crate) fn size_mib(text: &str) -> Result<u32, UnitError> {
    let bad = || UnitError::Size(text.to_owned());
    let range = || UnitError::OutOfRange { text: text.to_owned(), range: "from 1M to 4095T" };
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(split);
    let mib: u128 = match unit.to_ascii_lowercase().as_str() {
        "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 1 << 10,
        "t" | "tb" | "tib" => 1 << 20,
        _ => return Err(bad()),
    };
    let thousandths = decimal(number.trim_end(), 3).ok_or_else(bad)?;
    let size = thousandths.checked_mul(mib).ok_or_else(range)? / 1000;
    match u32::try_from(size) {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(range()),
    }
}

/// Parses a time that may be zero.
pub(crate) fn time_or_none(text: &str) -> Result<Duration, UnitError> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => time(text),
    }
}

/// Parses what stands between a machine and its host.
pub(crate) fn wall(text: &str) -> Result<Wall, UnitError> {
    match text {
        "namespaces" => Ok(Wall::Namespaces),
        "gvisor" => Ok(Wall::Gvisor),
        "vm" => Ok(Wall::Vm),
        _ => Err(UnitError::Wall(text.to_owned())),
    }
}

/// Parses the name of a volume and, behind a colon, its size.
pub(crate) fn volume(text: &str) -> Result<(String, Option<u32>), UnitError> {
    let (name, size) = match text.split_once(':') {
        Some((name, size)) => (name, Some(size_mib(size)?)),
        None => (text, None),
    };
    if !is_volume_name(name.as_bytes()) || name.len() > MAX_VOLUME_NAME {
        return Err(UnitError::Volume(name.to_owned()));
    }
    Ok((name.to_owned(), size))
}

/// Parses a time; parts may follow each other, as in `1h30m`.
pub(crate) fn time(text: &str) -> Result<Duration, UnitError> {
    let bad = || UnitError::Time(text.to_owned());
    let range = || UnitError::OutOfRange { text: text.to_owned(), range: "from 1ms to 10000d" };
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit: u64 = match &after[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        let part = number.checked_mul(unit).ok_or_else(range)?;
        total = total.checked_add(part).ok_or_else(range)?;
        rest = &after[letters..];
    }
    match total {
        0 if text.is_empty() => Err(bad()),
        1..=864_000_000_000 => Ok(Duration::from_millis(total)),
        _ => Err(range()),
    }
}

/// Parses a number of cpus into thousandths of a core.
pub(crate) fn cpu_millis(text: &str) -> Result<u32, UnitError> {
    let millis = decimal(text, 3).ok_or_else(|| UnitError::Cpus(text.to_owned()))?;
    match u32::try_from(millis) {
        Ok(millis) if (1..=1_024_000).contains(&millis) => Ok(millis),
        _ => Err(UnitError::OutOfRange { text: text.to_owned(), range: "from 0.001 to 1024 cpus" }),
    }
}

/// Parses an amount of XEN into its smallest unit.
pub(crate) fn amount(text: &str) -> Result<Balance, UnitError> {
    let number = text.strip_suffix("XEN").map_or(text, str::trim_end);
    decimal(number, DECIMALS).ok_or_else(|| UnitError::Amount(text.to_owned()))
}

/// Writes an amount in XEN without trailing zeros.
pub(crate) fn xen(amount: Balance) -> String {
    let whole = amount / XEN;
    let part = format!("{:0width$}", amount % XEN, width = DECIMALS as usize);
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        format!("{whole} XEN")
    } else {
        format!("{whole}.{part} XEN")
    }
}

/// What a price on the command line is for: a name, the counter, and how many units of it.
struct Priced {
    key: &'static str,
    counter: Counter,
    units: u128,
    per: &'static str,
}

const GIB: u128 = 1 << 30;
const HOUR_MICROS: u128 = 3_600_000_000;

const PRICED: [Priced; Counter::COUNT] = [
    Priced { key: "cpu", counter: Counter::CpuMicros, units: HOUR_MICROS, per: "core-hour" },
    Priced {
        key: "cpu-user",
        counter: Counter::CpuUserMicros,
        units: HOUR_MICROS,
        per: "core-hour",
    },
    Priced {
        key: "cpu-system",
        counter: Counter::CpuSystemMicros,
        units: HOUR_MICROS,
        per: "core-hour",
    },
    Priced { key: "memory", counter: Counter::MemoryByteSecs, units: GIB * 3600, per: "GiB-hour" },
    Priced { key: "disk-read", counter: Counter::DiskReadBytes, units: GIB, per: "GiB" },
    Priced { key: "disk-write", counter: Counter::DiskWriteBytes, units: GIB, per: "GiB" },
    Priced { key: "net-rx", counter: Counter::NetRxBytes, units: GIB, per: "GiB" },
    Priced { key: "net-tx", counter: Counter::NetTxBytes, units: GIB, per: "GiB" },
    Priced { key: "faults", counter: Counter::PageFaults, units: 1_000_000, per: "million" },
    Priced { key: "volume", counter: Counter::VolumeByteSecs, units: GIB * 3600, per: "GiB-hour" },
];

/// Every key of a price with its unit, for help and errors.
pub(crate) fn rate_keys() -> String {
    let each: Vec<_> = PRICED.iter().map(|p| format!("{} (per {})", p.key, p.per)).collect();
    each.join(", ")
}

/// Parses `KEY=XEN` into a counter and its rate in the chain's unit.
pub(crate) fn rate(text: &str) -> Result<(Counter, Rate), UnitError> {
    let bad = || UnitError::Rate(text.to_owned());
    let (key, price) = text.split_once('=').ok_or_else(bad)?;
    let priced = PRICED.iter().find(|p| p.key == key).ok_or_else(bad)?;
    let price = amount(price).map_err(|_| bad())?;
    let scaled = price.checked_mul(RATE_SCALE).ok_or_else(|| UnitError::OutOfRange {
        text: text.to_owned(),
        range: "at most 340282366 XEN a unit",
    })?;
    Ok((priced.counter, scaled / priced.units))
}

/// The highest rates that a list of prices allows; what is not named must be free.
pub(crate) fn max_rates(prices: &[(Counter, Rate)]) -> Option<Rates> {
    let all = |rates: Rates, (counter, rate): &(Counter, Rate)| rates.with(*counter, *rate);
    (!prices.is_empty()).then(|| prices.iter().fold(Rates::default(), all))
}

/// Reads a plain decimal number as an integer of `10^-places` units.
fn decimal(text: &str, places: u32) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > places as usize {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let padded = format!("{part:0<width$}", width = places as usize);
    let part: u128 = if padded.is_empty() { 0 } else { padded.parse().ok()? };
    whole.checked_mul(10u128.checked_pow(places)?)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_need_a_unit() {
        assert_eq!(size_mib("512M"), Ok(512));
        assert_eq!(size_mib("1.5G"), Ok(1536));
        assert_eq!(size_mib("2GiB"), Ok(2048));
        assert_eq!(size_mib("1T"), Ok(1 << 20));
        for bad in ["512", "", "M", "-1M", "1K", "1.2345G", "1e3M", "1.G"] {
            assert!(matches!(size_mib(bad), Err(UnitError::Size(_))), "{bad}");
        }
        for out in ["0M", "0.5M", "4096T"] {
            assert!(matches!(size_mib(out), Err(UnitError::OutOfRange { .. })), "{out}");
        }
    }

    #[test]
    fn times_may_have_several_parts() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "5", "h", "1 h", "-1s", "1.5h", "1w"] {
            assert!(matches!(time(bad), Err(UnitError::Time(_))), "{bad}");
        }
        assert!(matches!(time("0s"), Err(UnitError::OutOfRange { .. })));
        assert!(matches!(time("99999999999999999d"), Err(UnitError::OutOfRange { .. })));
    }

    #[test]
    fn cpus_have_at_most_three_decimals() {
        assert_eq!(cpu_millis("1"), Ok(1000));
        assert_eq!(cpu_millis("0.25"), Ok(250));
        assert!(matches!(cpu_millis("0"), Err(UnitError::OutOfRange { .. })));
        assert!(matches!(cpu_millis("0.0001"), Err(UnitError::Cpus(_))));
        assert!(matches!(cpu_millis("two"), Err(UnitError::Cpus(_))));
    }

    #[test]
    fn amounts_are_exact_and_written_back_the_same() {
        assert_eq!(amount("1"), Ok(XEN));
        assert_eq!(amount("0.000000000001 XEN"), Ok(1));
        assert_eq!(xen(1), "0.000000000001 XEN");
        assert_eq!(xen(5 * XEN / 4), "1.25 XEN");
        assert_eq!(xen(3 * XEN), "3 XEN");
        assert!(amount("0.0000000000001").is_err());
        assert!(amount("-1").is_err());
        assert!(amount("999999999999999999999999999999999").is_err());
    }

    #[test]
    fn a_rate_is_a_price_per_unit_that_people_use() {
        let (counter, per_micro) = rate("cpu=3.6").unwrap();
        assert_eq!(counter, Counter::CpuMicros);
        assert_eq!(per_micro, 1000 * RATE_SCALE);
        let hour = zennet_primitives::usage::Usage::default().with(counter, 3_600_000_000);
        let start = hour.with(counter, 0);
        let rates = max_rates(&[(counter, per_micro)]).unwrap();
        assert_eq!(rates.price(&hour, &start), Ok(36 * XEN / 10));
        assert!(matches!(rate("gold=1"), Err(UnitError::Rate(_))));
        assert!(matches!(rate("cpu"), Err(UnitError::Rate(_))));
        assert!(matches!(rate("cpu=999999999999999"), Err(UnitError::OutOfRange { .. })));
    }

    #[test]
    fn without_prices_there_is_no_limit() {
        assert_eq!(max_rates(&[]), None);
    }

    #[test]
    fn each_counter_has_one_key() {
        for counter in Counter::ALL {
            assert_eq!(PRICED.iter().filter(|p| p.counter == counter).count(), 1);
        }
    }
}
