//! Profiles of work: what a machine is expected to use, so that quotes with several rates become
//! one figure.
//!
//! The predicted cost of a quote is the price of an hour of the profile at the quote's rates:
//! `Σ rate_j · amount_j`. Where a profile does not name amounts, it names shares of full use of the
//! machine's resources; see [`Workload`].

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use anyhow::{bail, Context, Result};
use codec::{Decode, Encode};
use zennet_lease::{
    full_use,
    workload::{HOUR_SECS, WHOLE},
    HourLimit, Workload,
};
use zennet_primitives::{
    amount::Balance,
    contract::Quote,
    usage::{Counter, Usage},
};

use crate::store::StoredLease;

/// Longest file of a profile, bytes.
const MAX_FILE: u64 = 64 << 10;

/// Shares of full use, in thousandths, in the order of [`Counter::ALL`].
type Shares = [u32; Counter::COUNT];

/// A busy processor: all of its time, nine tenths of it in user mode; a quarter of the memory, and
/// next to no traffic.
const CPU: Shares = [1000, 900, 100, 250, 0, 0, 0, 0, 10, 1000];

/// A program that waits for disks and networks: a third of the processor's time, most of it in the
/// kernel; half of the memory and of the traffic that full use allows for.
const IO: Shares = [300, 100, 200, 500, 500, 500, 500, 500, 50, 1000];

/// In between: most of the processor's time, half of the memory, some traffic.
const MIXED: Shares = [700, 600, 100, 500, 50, 50, 50, 50, 20, 1000];

/// What a machine is expected to use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Profile {
    /// As it is told to people.
    pub(crate) name: String,
    workload: Workload,
}

/// What quotes are compared by, and what they may come to.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Yardstick {
    /// The work that is expected.
    pub(crate) profile: Profile,
    /// The most that an hour of it may cost, in the smallest coin unit.
    pub(crate) max_per_hour: Option<Balance>,
    /// The widest half of the interval that a program's price is sure to, as a part of it, in
    /// millionths. Quotes that show no benchmarks have none.
    pub(crate) max_half_width_ppm: Option<u32>,
}

impl Default for Yardstick {
    fn default() -> Self {
        Yardstick { profile: Profile::mixed(), max_per_hour: None, max_half_width_ppm: None }
    }
}

impl Yardstick {
    /// The predicted cost of an hour, in the smallest coin unit.
    pub(crate) fn per_hour(&self, quote: &Quote) -> Balance {
        self.profile.cost_per_hour(quote)
    }

    /// Whether that much is too much.
    pub(crate) fn refuses(&self, per_hour: Balance) -> bool {
        self.max_per_hour.is_some_and(|most| per_hour > most)
    }

    /// What quotes are bargained down to.
    pub(crate) fn limit(&self) -> Option<HourLimit> {
        let workload = self.profile.workload.clone();
        self.max_per_hour.map(|most| HourLimit { workload, most })
    }

    /// The half width of a quote that says too little of what work will cost, in millionths.
    pub(crate) fn too_wide(&self, quote: &Quote) -> Option<u32> {
        let most = self.max_half_width_ppm?;
        quote.basis.map(|basis| basis.half_width_ppm).filter(|half_width| *half_width > most)
    }
}

impl Profile {
    fn shares(name: &str, shares: Shares) -> Self {
        Profile { name: name.to_owned(), workload: Workload::Shares(shares) }
    }

    /// Of the processor most of all, and some of everything.
    pub(crate) fn mixed() -> Self {
        Self::shares("mixed", MIXED)
    }

    /// A profile that comes with the program.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "cpu" => Some(Self::shares(name, CPU)),
            "io" => Some(Self::shares(name, IO)),
            "mixed" => Some(Self::mixed()),
            _ => None,
        }
    }

    /// Reads amounts a second by the names of counters, from JSON where the file is named so, and
    /// else from TOML. Counters that are not named are not used.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read the profile {}", path.display());
        let file = fs::File::open(path).with_context(failed)?;
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text).with_context(failed)?;
        if text.len() as u64 > MAX_FILE {
            bail!("the profile {} is longer than {MAX_FILE} bytes", path.display());
        }
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        Self::parse(&path.display().to_string(), &text, is_json).with_context(failed)
    }

    fn parse(name: &str, text: &str, is_json: bool) -> Result<Self> {
        let amounts: BTreeMap<String, f64> =
            if is_json { serde_json::from_str(text)? } else { toml::from_str(text)? };
        let mut hourly = Usage::ZERO;
        for (key, a_second) in amounts {
            let Some(counter) = Counter::ALL.into_iter().find(|c| c.name() == key) else {
                let names: Vec<_> = Counter::ALL.into_iter().map(Counter::name).collect();
                bail!("{key:?} is no counter: the counters are {}", names.join(", "));
            };
            hourly.set(counter, an_hour(&key, a_second)?);
        }
        if hourly.iter().all(|(_, amount)| amount == 0) {
            bail!("it names no amount above zero");
        }
        Ok(Profile { name: name.to_owned(), workload: Workload::Hourly(hourly) })
    }

    /// What the leases of the past have used of their machines: for each counter the share of full
    /// use, so that longer leases and larger machines weigh more. A counter that none of them has
    /// gets the share of `mixed`, and a volume is used whole. Nothing where they lasted for less
    /// than `least_secs` in all.
    pub(crate) fn learned(leases: &[StoredLease], least_secs: u64) -> Option<Self> {
        let (mut used, mut full) = ([0u128; Counter::COUNT], [0u128; Counter::COUNT]);
        let mut secs = 0u64;
        for lease in leases {
            let Some(usage) = &lease.figures.usage else { continue };
            let lasted = lease.journal.secs();
            let whole = full_use(&lease.terms.quote.resources, lasted.saturating_mul(1000));
            let Ok(whole) = whole else { continue };
            secs = secs.saturating_add(lasted);
            for (counter, amount) in usage.iter() {
                let place = counter as usize;
                used[place] = used[place].saturating_add(amount.into());
                let most = whole.get(counter).unwrap_or_default();
                full[place] = full[place].saturating_add(most.into());
            }
        }
        if secs < least_secs.max(1) {
            return None;
        }
        let mut shares = MIXED;
        for counter in Counter::ALL.into_iter().filter(|c| *c != Counter::VolumeByteSecs) {
            let place = counter as usize;
            let share = used[place].saturating_mul(WHOLE.into()).checked_div(full[place]);
            if let Some(share) = share {
                shares[place] = u32::try_from(share).unwrap_or(u32::MAX);
            }
        }
        Some(Self::shares("learned", shares))
    }

    /// What an hour of it costs at a quote's rates, in the smallest coin unit; the most that there
    /// is where that cannot be expressed.
    pub(crate) fn cost_per_hour(&self, quote: &Quote) -> Balance {
        self.workload.price(&quote.rates, &quote.resources).unwrap_or(Balance::MAX)
    }
}

/// An amount a second as one an hour.
fn an_hour(key: &str, a_second: f64) -> Result<u64> {
    let amount = (a_second * f64::from(HOUR_SECS)).round();
    // Above this, whole numbers have gaps.
    if !(0.0..=9e15).contains(&amount) {
        bail!("{key} = {a_second} is no amount a second: give 0 to 2.5e12");
    }
    Ok(amount as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::tests::ended,
        store::{tests::terms, Figures},
    };
    use zennet_primitives::{amount::RATE_SCALE, close::CloseReason, report::Basis, Hash};

    const CORE_HOUR: u64 = 3_600_000_000;

    fn quote(counter: Counter, rate: u128) -> Quote {
        let mut quote = terms().quote;
        quote.rates = quote.rates.with(counter, rate * RATE_SCALE);
        quote
    }

    #[test]
    fn the_cost_of_an_hour_is_its_usage_at_the_rates_of_the_quote() {
        let cpu = Profile::named("cpu").unwrap();
        assert_eq!(cpu.cost_per_hour(&quote(Counter::CpuMicros, 2)), u128::from(CORE_HOUR) * 2);
        let mixed = Profile::named("mixed").unwrap();
        let memory = quote(Counter::MemoryByteSecs, 1);
        assert_eq!(mixed.cost_per_hour(&memory), (256u128 << 20) * 3600 / 2);
        assert!(Profile::named("gpu").is_none());
    }

    #[test]
    fn which_of_two_quotes_is_cheaper_depends_on_the_work() {
        let dear_cpu = quote(Counter::CpuMicros, 100);
        let dear_traffic = quote(Counter::NetTxBytes, 1_000);
        let cost = |name: &str, quote| Profile::named(name).unwrap().cost_per_hour(quote);
        assert!(cost("cpu", &dear_cpu) > cost("cpu", &dear_traffic));
        assert!(cost("io", &dear_cpu) < cost("io", &dear_traffic));
    }

    #[test]
    fn a_quote_whose_interval_is_wider_than_allowed_is_too_wide() {
        let basis =
            |half_width_ppm| Basis { price_per_sec: 1, half_width_ppm, report: Hash::zero() };
        let quote = |basis| Quote { basis, ..terms().quote };
        let limited = Yardstick { max_half_width_ppm: Some(200_000), ..Yardstick::default() };
        assert_eq!(limited.too_wide(&quote(Some(basis(200_001)))), Some(200_001));
        assert_eq!(limited.too_wide(&quote(Some(basis(200_000)))), None);
        assert_eq!(limited.too_wide(&quote(None)), None, "it has none");
        assert_eq!(Yardstick::default().too_wide(&quote(Some(basis(u32::MAX)))), None);
    }

    #[test]
    fn a_price_beyond_all_numbers_is_the_highest_and_above_every_limit() {
        let endless = Quote {
            rates: terms().quote.rates.with(Counter::CpuMicros, u128::MAX),
            ..terms().quote
        };
        let limited = Yardstick { max_per_hour: Some(u128::MAX - 1), ..Yardstick::default() };
        assert_eq!(limited.per_hour(&endless), Balance::MAX);
        assert!(limited.refuses(Balance::MAX) && !limited.refuses(7));
        assert!(!Yardstick::default().refuses(Balance::MAX));
    }

    #[test]
    fn a_file_names_amounts_a_second_and_only_of_counters() {
        let toml = Profile::parse("f", "cpu_micros = 500000\nnet_tx_bytes = 0.5", false).unwrap();
        let json =
            Profile::parse("f", "{\"cpu_micros\": 5e5, \"net_tx_bytes\": 0.5}", true).unwrap();
        assert_eq!(toml, json);
        assert_eq!(toml.cost_per_hour(&quote(Counter::CpuMicros, 1)), u128::from(CORE_HOUR) / 2);
        assert_eq!(toml.cost_per_hour(&quote(Counter::NetTxBytes, 1)), 1800);
        for bad in ["cpu = 1", "cpu_micros = -1", "cpu_micros = 1e300", "cpu_micros = nan", ""] {
            assert!(Profile::parse("f", bad, false).is_err(), "{bad}");
        }
        assert!(Profile::load(Path::new("/no/such/file")).is_err());
    }

    #[test]
    fn what_is_learnt_is_the_share_of_all_past_machines_by_their_time() {
        // Each lasted for 60 s on one core: one was busy all the time, one for a fifth of it.
        let lease = |cpu_secs: u64| StoredLease {
            figures: Figures {
                usage: Some(Usage::default().with(Counter::CpuMicros, cpu_secs * 1_000_000)),
                ..Figures::default()
            },
            ..ended(1, 4, CloseReason::Finished, 1000)
        };
        let learned = Profile::learned(&[lease(60), lease(12)], 100).unwrap();
        let cost = learned.cost_per_hour(&quote(Counter::CpuMicros, 1));
        assert_eq!(cost, u128::from(CORE_HOUR) * 6 / 10);
        // What no lease tells of is taken from the mixed profile.
        let memory = quote(Counter::MemoryByteSecs, 1);
        assert_eq!(learned.cost_per_hour(&memory), Profile::mixed().cost_per_hour(&memory));
        assert_eq!(Profile::learned(&[lease(60)], 100), None, "too short a past");
        assert_eq!(Profile::learned(&[], 0), None);
    }
}
