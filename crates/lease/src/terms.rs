//! Plain functions over offers: what a lease may cost, what a provider quotes, what a publisher
//! accepts.

use thiserror::Error;
use zennet_primitives::{
    amount::{Balance, PriceError, Rates, TOTAL_SUPPLY},
    announcement::{Announcement, ImageRef},
    contract::{Benchmark, Capabilities, CounterOffer, Quote, Resources, SshKey, Terms, Volume},
    report::Basis,
    usage::{Counter, Usage},
};

use crate::PublisherPolicy;

mod requote;

pub use self::requote::requote;

/// What full use of a machine counts for each kind of disk and network traffic, bytes a second.
///
/// Nothing in a contract bounds traffic, so deposits and prepayments take this much of it.
pub const TRAFFIC_ALLOWANCE: u64 = 4 * 1024 * 1024;

/// What full use of a machine counts in page faults a second.
pub const FAULT_ALLOWANCE: u64 = 10_000;

/// Why a deposit cannot be computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DepositError {
    /// Full use costs more than can be expressed.
    #[error("full use of the machine cannot be priced: {0}")]
    Price(#[from] PriceError),
    /// Full use overflows a counter.
    #[error("full use of the machine overflows counter {}", .0.name())]
    Usage(Counter),
    /// The price limit does not even pay for one tick.
    #[error("one tick of full use costs {tick}, the deposit may be at most {limit}")]
    BelowOneTick {
        /// Price of one tick.
        tick: Balance,
        /// Highest deposit.
        limit: Balance,
    },
}

/// What a provider has for one machine: the input of [`quote_for`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Rates of the opening quote.
    pub rates: Rates,
    /// What they come from, unless they were chosen.
    pub basis: Option<Basis>,
    /// Time that a voucher may take, milliseconds.
    pub grace_ms: u32,
    /// Most that can be given to this machine.
    pub available: Resources,
    /// Given where the announcement does not say.
    pub default: Resources,
    /// Longest lease, seconds.
    pub max_lease_secs: u32,
    /// Notice before the provider goes out of service, seconds.
    pub notice_secs: u32,
    /// Longest that a volume is kept after a lease for pay, seconds.
    pub max_keep_secs: u32,
    /// How long it is kept in any case, seconds.
    pub keep_unpaid_secs: u32,
    /// Image that will run.
    pub image: ImageRef,
    /// Its digest.
    pub image_digest: [u8; 32],
    /// SSH host key of the machine.
    pub host_key: SshKey,
}

/// Why a provider does not answer an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum QuoteError {
    /// More is needed than is left.
    #[error("the announcement needs {needed} {what}, {available} are available")]
    TooBig {
        /// Which resource.
        what: &'static str,
        /// How much is needed.
        needed: u32,
        /// How much there is.
        available: u32,
    },
    /// The publisher does not want this image.
    #[error("the announcement names other images")]
    OtherImage,
    /// The shortest lease is too long.
    #[error("the announcement asks for at least {needed} s, leases last at most {available} s")]
    TooLong {
        /// Shortest lease wanted.
        needed: u32,
        /// Longest lease given.
        available: u32,
    },
    /// The rates cannot be used.
    #[error(transparent)]
    Deposit(#[from] DepositError),
}

/// The opening quote that answers an announcement.
///
/// The exposure that it allows is the price of full use over one tick and the grace; where the
/// publisher prepays, it pays one tick of full use ahead.
pub fn quote_for(body: &Announcement, listing: &Listing) -> Result<Quote, QuoteError> {
    let fit = |what, needed: Option<u32>, default: u32, available: u32| match needed {
        Some(needed) if needed > available => Err(QuoteError::TooBig { what, needed, available }),
        Some(needed) => Ok(needed),
        None => Ok(default.min(available)),
    };
    let (needs, default, available) = (&body.needs, &listing.default, &listing.available);
    let resources = Resources {
        cpu_millis: fit(
            "thousandths of a core",
            needs.cpu_millis,
            default.cpu_millis,
            available.cpu_millis,
        )?,
        memory_mib: fit(
            "MiB of memory",
            needs.memory_mib,
            default.memory_mib,
            available.memory_mib,
        )?,
        disk_mib: fit("MiB of disk", needs.disk_mib, default.disk_mib, available.disk_mib)?,
        volume_mib: fit("MiB of volumes", needs.volume_mib, 0, available.volume_mib)?,
    };
    if !body.images.is_empty() && !body.images.contains(&listing.image) {
        return Err(QuoteError::OtherImage);
    }
    if body.lease.min_secs > listing.max_lease_secs {
        let (needed, available) = (body.lease.min_secs, listing.max_lease_secs);
        return Err(QuoteError::TooLong { needed, available });
    }
    let tick_ms = body.tick_ms();
    let window_ms = u64::from(tick_ms) + u64::from(listing.grace_ms);
    let prepay = if body.is_prepaid() {
        price_of_full_use(&listing.rates, &resources, tick_ms.into())?
    } else {
        0
    };
    Ok(Quote {
        rates: listing.rates,
        basis: listing.basis,
        tick_ms,
        grace_ms: listing.grace_ms,
        max_exposure: price_of_full_use(&listing.rates, &resources, window_ms)?,
        prepay,
        lease_secs: body.lease.max_secs.min(listing.max_lease_secs),
        notice_secs: listing.notice_secs,
        max_keep_secs: listing.max_keep_secs,
        keep_unpaid_secs: listing.keep_unpaid_secs,
        resources,
        image: listing.image.clone(),
        image_digest: listing.image_digest,
        host_key: listing.host_key,
    })
}

/// Full use of a machine's resources over some time, with [`TRAFFIC_ALLOWANCE`] and
/// [`FAULT_ALLOWANCE`] for what no contract bounds.
pub fn full_use(resources: &Resources, duration_ms: u64) -> Result<Usage, DepositError> {
    let mut usage = Usage::default();
    for counter in Counter::ALL {
        let a_second = match counter {
            Counter::CpuMicros | Counter::CpuUserMicros | Counter::CpuSystemMicros => {
                u64::from(resources.cpu_millis) * 1000
            }
            Counter::MemoryByteSecs => u64::from(resources.memory_mib) << 20,
            Counter::DiskReadBytes
            | Counter::DiskWriteBytes
            | Counter::NetRxBytes
            | Counter::NetTxBytes => TRAFFIC_ALLOWANCE,
            Counter::PageFaults => FAULT_ALLOWANCE,
            Counter::VolumeByteSecs => u64::from(resources.volume_mib) << 20,
        };
        let total = u128::from(a_second) * u128::from(duration_ms) / 1000;
        usage.set(counter, u64::try_from(total).map_err(|_| DepositError::Usage(counter))?);
    }
    Ok(usage)
}

/// Price of [`full_use`].
pub fn price_of_full_use(
    rates: &Rates,
    resources: &Resources,
    duration_ms: u64,
) -> Result<Balance, DepositError> {
    Ok(rates.price(&full_use(resources, duration_ms)?, &Usage::ZERO)?)
}

/// What a volume counts over some time: its size, whatever is in it. Both sides compute it.
pub fn volume_use(resources: &Resources, duration_ms: u64) -> u64 {
    let total = (u128::from(resources.volume_mib) << 20) * u128::from(duration_ms) / 1000;
    u64::try_from(total).unwrap_or(u64::MAX)
}

/// What keeping the volume of a lease counts, from the lease's end on.
pub(crate) fn retention(resources: &Resources, volume: Option<&Volume>) -> u64 {
    volume.map_or(0, |volume| volume_use(resources, u64::from(volume.keep_secs) * 1000))
}

/// How long a volume is kept after the lease, seconds, by whether that was paid for.
pub(crate) fn kept_secs(terms: &Terms, is_paid: bool) -> u32 {
    let in_any_case = terms.quote.keep_unpaid_secs;
    match &terms.volume {
        Some(volume) if is_paid => volume.keep_secs.max(in_any_case),
        Some(_) => in_any_case,
        None => 0,
    }
}

/// Price of keeping a volume after the lease.
pub(crate) fn price_of_retention(
    rates: &Rates,
    resources: &Resources,
    volume: Option<&Volume>,
) -> Result<Balance, PriceError> {
    let kept = Rates::default().with(Counter::VolumeByteSecs, rates.get(Counter::VolumeByteSecs));
    let zero = Usage::default().with(Counter::VolumeByteSecs, 0);
    kept.price(&zero.with(Counter::VolumeByteSecs, retention(resources, volume)), &zero)
}

/// What the channel of a lease locks at first: the price of full use over the lease time that is
/// wanted, or over the time that the policy says, and that of keeping its volume afterwards; at
/// most the policy's limit and at least one tick.
pub fn deposit_for(quote: &Quote, policy: &PublisherPolicy) -> Result<Balance, DepositError> {
    let secs = quote.lease_secs.min(policy.deposit_secs.unwrap_or(policy.lease_secs));
    let full =
        price_of_full_use(&quote.rates, &quote.resources, u64::from(secs).saturating_mul(1000));
    let kept = price_of_retention(&quote.rates, &quote.resources, policy.volume.as_ref())?;
    let full = match full {
        Ok(price) => price.saturating_add(kept),
        // A limit makes an endless price harmless.
        Err(_) if policy.max_price.is_some() => Balance::MAX,
        Err(error) => return Err(error),
    };
    let limit = policy.max_price.unwrap_or(TOTAL_SUPPLY).min(TOTAL_SUPPLY);
    let tick = price_of_full_use(&quote.rates, &quote.resources, quote.tick_ms.into())?;
    // One tick is owed and, where the publisher prepays, another is ahead.
    let least = tick.saturating_add(quote.prepay).saturating_add(kept).max(1);
    if least > limit {
        return Err(DepositError::BelowOneTick { tick, limit });
    }
    Ok(full.clamp(least, limit))
}

/// Whether a deposit can pay for anything and can exist.
pub(crate) fn deposit_is_plausible(terms: &Terms) -> bool {
    let quote = &terms.quote;
    let tick = price_of_full_use(&quote.rates, &quote.resources, quote.tick_ms.into());
    terms.deposit <= TOTAL_SUPPLY
        && tick.is_ok_and(|tick| terms.deposit >= tick.saturating_add(quote.prepay))
}

/// What a publisher makes of a quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It will do, with this deposit.
    Accept {
        /// What the channel would lock.
        deposit: Balance,
    },
    /// It would do at these terms.
    Counter(CounterOffer),
    /// It does not meet the requirements.
    Unfit,
    /// No counter-offer would help.
    Unaffordable,
}

/// Judges a quote against the announcement, the capabilities behind it and the policy.
pub fn judge(
    quote: &Quote,
    capabilities: &Capabilities,
    body: &Announcement,
    policy: &PublisherPolicy,
) -> Verdict {
    if !meets_needs(quote, capabilities, body, policy) {
        return Verdict::Unfit;
    }
    let limits = [body.max_rates.as_ref(), policy.max_rates.as_ref()];
    let mut asked = quote.rates;
    for limit in limits.into_iter().flatten() {
        asked = cheaper(&asked, limit);
    }
    if let Some(limit) = &policy.max_per_hour {
        match limit.lower(&asked, &quote.resources) {
            Some(lower) => asked = lower,
            None => return Verdict::Unaffordable,
        }
    }
    if asked != quote.rates {
        let lease_secs = quote.lease_secs.min(policy.lease_secs).max(body.lease.min_secs);
        return Verdict::Counter(CounterOffer { rates: asked, lease_secs });
    }
    let tick = price_of_full_use(&quote.rates, &quote.resources, quote.tick_ms.into());
    let ahead = if body.is_prepaid() { tick.unwrap_or(0).min(policy.max_tick_exposure) } else { 0 };
    if quote.prepay > ahead {
        return Verdict::Unaffordable;
    }
    match deposit_for(quote, policy) {
        Ok(deposit) => Verdict::Accept { deposit },
        Err(_) => Verdict::Unaffordable,
    }
}

fn meets_needs(
    quote: &Quote,
    capabilities: &Capabilities,
    body: &Announcement,
    policy: &PublisherPolicy,
) -> bool {
    let (needs, got) = (&body.needs, &quote.resources);
    let measured = |benchmark| {
        capabilities.benchmarks.iter().find(|b| b.benchmark == benchmark).map(|b| b.value)
    };
    let has = |needed: Option<u32>, given: Option<u64>| match needed {
        Some(needed) => given.is_some_and(|given| given >= needed.into()),
        None => true,
    };
    let images = if policy.images.is_empty() { &body.images[..] } else { &policy.images[..] };

    quote.tick_ms == body.tick_ms()
        && (body.lease.min_secs..=body.lease.max_secs).contains(&quote.lease_secs)
        && (images.is_empty() || images.contains(&quote.image))
        && (policy.walls.is_empty() || policy.walls.contains(&capabilities.wall))
        && quote.notice_secs >= policy.min_notice_secs
        && got.volume_mib == needs.volume_mib.unwrap_or(0)
        && policy.volume.as_ref().is_none_or(|volume| volume.keep_secs <= quote.max_keep_secs)
        && got.cpu_millis <= u32::from(capabilities.cores) * 1000
        && got.memory_mib <= capabilities.memory_mib
        && got.disk_mib <= capabilities.disk_mib
        && has(needs.cpu_millis, Some(got.cpu_millis.into()))
        && has(needs.memory_mib, Some(got.memory_mib.into()))
        && has(needs.disk_mib, Some(got.disk_mib.into()))
        && has(needs.clock_mhz, capabilities.clock_mhz.map(u64::from))
        && has(needs.bandwidth_kbit_per_sec, capabilities.bandwidth_kbit_per_sec.map(u64::from))
        && has(needs.memory_mib_per_sec, measured(Benchmark::MemoryCopyMibPerSec))
        && has(needs.disk_mib_per_sec, measured(Benchmark::DiskWriteKibPerSec).map(|k| k / 1024))
}

/// The lower rate of each counter.
fn cheaper(a: &Rates, b: &Rates) -> Rates {
    Counter::ALL
        .into_iter()
        .fold(Rates::default(), |rates, c| rates.with(c, a.get(c).min(b.get(c))))
}

#[cfg(test)]
mod tests;
