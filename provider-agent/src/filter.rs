//! Which announcements are answered, and with what: a pure function with typed refusals.

#[cfg(test)]
mod tests;

use thiserror::Error;
use zennet_lease::{quote_for, Listing, QuoteError};
use zennet_pricing::format_xen;
use zennet_primitives::{
    amount::{Balance, Rates},
    announcement::{Announcement, AnnouncementError, AnnouncementId, ImageRef},
    contract::{Benchmark, Capabilities, Offer, Quote, Resources, SshKey},
    pow::{achieved, stamp_work, Difficulty, PowNonce},
    record::AnnouncementRecord,
    usage::Counter,
    AccountId,
};
use zennet_transport::{is_relayed, parse_endpoint, EndpointError, Multiaddr};

use crate::{
    config::{self, Config, Filter, Lease},
    prices::Prices,
    volumes::Volumes,
};

/// The smallest machine.
const LEAST: Resources = Resources { cpu_millis: 10, memory_mib: 16, disk_mib: 0, volume_mib: 0 };

/// What this provider accepts and asks for.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) account: AccountId,
    pub(crate) filter: Filter,
    /// Given where the publisher asks for nothing in particular.
    pub(crate) usual: Resources,
    pub(crate) lease: Lease,
    /// Machines of one announcement.
    pub(crate) max_per_order: u32,
    /// Largest machine.
    pub(crate) largest: Resources,
    pub(crate) prices: Prices,
    pub(crate) floor: Rates,
    pub(crate) allow: Vec<AccountId>,
    pub(crate) deny: Vec<AccountId>,
    pub(crate) capabilities: Capabilities,
    pub(crate) volume_terms: config::Volumes,
    /// Volumes for machines, where they can be had.
    pub(crate) volumes: Option<Volumes>,
}

/// An announcement that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) endpoint: Multiaddr,
    /// The opening quote, without the image's digest and the host key.
    pub(crate) quote: Quote,
}

/// Why an announcement is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("it is our own")]
    Own,
    #[error("it expires in block {0}")]
    Expired(u32),
    #[error("{0}")]
    Malformed(AnnouncementError),
    #[error("the publisher is on the list of those denied, or not on that of those allowed")]
    Publisher,
    #[error("the publisher's identity is not mined")]
    NoIdentity,
    #[error("its stamp is worth {found} hashes, {asked} are asked")]
    StampTooSmall { found: Difficulty, asked: Difficulty },
    #[error("it asks for {asked} hashes of work, at most {most} are done")]
    TooMuchWork { asked: Difficulty, most: Difficulty },
    #[error("{0}")]
    Endpoint(EndpointError),
    #[error("its publisher is reached through a relay only, and allow_relayed is false")]
    Relayed,
    #[error("none of its images is admitted")]
    Image,
    #[error("its lease time of {min_secs} to {max_secs} s is not offered")]
    LeaseTime { min_secs: u32, max_secs: u32 },
    #[error("it needs {needed} {what}, {found} were measured or configured")]
    TooSlow { what: &'static str, needed: u64, found: u64 },
    #[error("it pays less than the floor")]
    PaysTooLittle,
    #[error("a tick and the grace may cost {price}, more than the {most} that may be unpaid")]
    TickTooDear { price: Balance, most: Balance },
    #[error("{0}")]
    Quote(#[from] QuoteError),
    #[error(
        "{found} leases with the publisher ended by its fault in the last {days} days, at most \
         {most} may"
    )]
    Faults { found: u64, most: u64, days: u32 },
    #[error(
        "the publisher has settled {} XEN, at least {} are asked for",
        format_xen(*.found),
        format_xen(*.least)
    )]
    SettledTooLittle { found: Balance, least: Balance },
    #[error(
        "the account has {} XEN free, {} are kept for the fees of its leases: send it some",
        format_xen(*.found),
        format_xen(*.least)
    )]
    NoCoin { found: Balance, least: Balance },
    #[error("the publisher's record cannot be had: {0}")]
    NoRecord(String),
}

impl Policy {
    /// Takes the policy from the configuration; `parse` reads an address.
    pub(crate) fn new<E>(
        config: &Config,
        account: AccountId,
        prices: Prices,
        capabilities: Capabilities,
        parse: impl Fn(&str) -> Result<AccountId, E>,
    ) -> Result<Policy, E> {
        let accounts = |list: &[String]| -> Result<Vec<AccountId>, E> {
            list.iter().map(|address| parse(address)).collect()
        };
        Ok(Policy {
            account,
            filter: config.filter.clone(),
            usual: Resources {
                cpu_millis: config.machine.cpu_millis,
                memory_mib: config.machine.memory_mib,
                disk_mib: config.machine.disk_mib,
                volume_mib: 0,
            },
            lease: config.lease,
            max_per_order: config.capacity.max_per_order,
            largest: Resources {
                cpu_millis: config.capacity.cpu_millis.min(u32::from(capabilities.cores) * 1000),
                memory_mib: config.capacity.memory_mib,
                disk_mib: config.capacity.disk_mib,
                volume_mib: 0,
            },
            floor: floor_of(&prices.rates, config.floor.percent),
            prices,
            allow: accounts(&config.filter.publishers_allow)?,
            deny: accounts(&config.filter.publishers_deny)?,
            capabilities,
            volume_terms: config.volumes,
            volumes: None,
        })
    }

    /// What this provider says of itself, with the work on its answer.
    pub(crate) fn offer(&self, stamp: PowNonce) -> Offer {
        let (capabilities, report) = (self.capabilities.clone(), self.prices.report());
        Offer { capabilities, stamp, report }
    }

    /// Decides on an announcement as it stands in block `at`.
    pub(crate) fn admit(
        &self,
        id: AnnouncementId,
        record: &AnnouncementRecord<u32>,
        at: u32,
    ) -> Result<Admitted, Refusal> {
        let body = &record.body;
        self.check_publisher(&record.publisher)?;
        if record.expires_at <= at {
            return Err(Refusal::Expired(record.expires_at));
        }
        body.check().map_err(Refusal::Malformed)?;
        self.check_work(id, record)?;
        let endpoint = parse_endpoint(&body.endpoint, self.filter.allow_private_endpoints)
            .map_err(Refusal::Endpoint)?;
        if is_relayed(&endpoint) && !self.filter.allow_relayed {
            return Err(Refusal::Relayed);
        }
        self.check_speed(body)?;
        let shortest = body.lease.min_secs.max(self.filter.min_lease_secs);
        if shortest > body.lease.max_secs.min(self.filter.max_lease_secs) {
            let (min_secs, max_secs) = (body.lease.min_secs, body.lease.max_secs);
            return Err(Refusal::LeaseTime { min_secs, max_secs });
        }
        let quote = self.quote(body, &record.publisher)?;
        let most = self.lease.max_exposure_xen.0;
        if quote.max_exposure > most {
            return Err(Refusal::TickTooDear { price: quote.max_exposure, most });
        }
        Ok(Admitted { endpoint, quote })
    }

    /// The same policy, with volumes for machines.
    pub(crate) fn with_volumes(self, volumes: Volumes) -> Policy {
        Policy { volumes: Some(volumes), ..self }
    }

    /// Size of the largest volume that a publisher can have.
    fn volume_mib(&self, publisher: &AccountId) -> u32 {
        self.volumes.as_ref().map_or(0, |volumes| volumes.available(publisher))
    }

    /// Whether the account's own coin pays the fees of one more lease beside those under way.
    pub(crate) fn check_coin(&self, free: Balance, under_way: usize) -> Result<(), Refusal> {
        let leases = Balance::try_from(under_way).unwrap_or(Balance::MAX).saturating_add(1);
        let least = self.lease.fee_reserve_xen.0.saturating_mul(leases);
        if free < least {
            return Err(Refusal::NoCoin { found: free, least });
        }
        Ok(())
    }

    fn check_publisher(&self, publisher: &AccountId) -> Result<(), Refusal> {
        if publisher == &self.account {
            return Err(Refusal::Own);
        }
        let allowed = self.allow.is_empty() || self.allow.contains(publisher);
        if !allowed || self.deny.contains(publisher) {
            return Err(Refusal::Publisher);
        }
        Ok(())
    }

    fn check_work(
        &self,
        id: AnnouncementId,
        record: &AnnouncementRecord<u32>,
    ) -> Result<(), Refusal> {
        let (found, asked) = (achieved(stamp_work(id, record.stamp)), self.filter.min_stamp);
        if found < asked {
            return Err(Refusal::StampTooSmall { found, asked });
        }
        let (asked, most) = (record.body.asks, self.filter.max_stamp);
        if asked > most {
            return Err(Refusal::TooMuchWork { asked, most });
        }
        Ok(())
    }

    fn check_speed(&self, body: &Announcement) -> Result<(), Refusal> {
        let own = &self.capabilities;
        let measured = |benchmark, per_unit: u64| {
            own.benchmarks.iter().find(|b| b.benchmark == benchmark).map(|b| b.value / per_unit)
        };
        let enough = |what, needed: Option<u32>, found: Option<u64>| {
            let needed: u64 = needed.unwrap_or(0).into();
            match found.unwrap_or(0) {
                found if found < needed => Err(Refusal::TooSlow { what, needed, found }),
                _ => Ok(()),
            }
        };
        let needs = &body.needs;
        enough("MHz", needs.clock_mhz, own.clock_mhz.map(u64::from))?;
        let memory = measured(Benchmark::MemoryCopyMibPerSec, 1);
        enough("MiB/s of memory", needs.memory_mib_per_sec, memory)?;
        let disk = measured(Benchmark::DiskWriteKibPerSec, 1024);
        enough("MiB/s of disk", needs.disk_mib_per_sec, disk)?;
        let bandwidth = own.bandwidth_kbit_per_sec.map(u64::from);
        enough("kbit/s of bandwidth", needs.bandwidth_kbit_per_sec, bandwidth)
    }

    /// The usual rates, lowered to what the publisher pays where the floor allows it.
    fn opening_rates(&self, body: &Announcement) -> Result<Rates, Refusal> {
        let Some(limit) = &body.max_rates else { return Ok(self.prices.rates) };
        if !self.floor.within(limit) {
            return Err(Refusal::PaysTooLittle);
        }
        Ok(Counter::ALL
            .into_iter()
            .fold(self.prices.rates, |rates, c| rates.with(c, rates.get(c).min(limit.get(c)))))
    }

    fn image(&self, body: &Announcement) -> Result<ImageRef, Refusal> {
        if body.images.is_empty() {
            let name = self.filter.default_image.clone().into_bytes();
            return ImageRef::try_from(name).map_err(|_| Refusal::Image);
        }
        let admitted = |image: &&ImageRef| {
            std::str::from_utf8(image).is_ok_and(|name| self.filter.admits_image(name))
        };
        body.images.iter().find(admitted).cloned().ok_or(Refusal::Image)
    }

    fn quote(&self, body: &Announcement, publisher: &AccountId) -> Result<Quote, Refusal> {
        let mut needs = body.clone();
        // Below these a machine cannot run the guest and one ssh session.
        needs.needs.cpu_millis = needs.needs.cpu_millis.map(|cpu| cpu.max(LEAST.cpu_millis));
        needs.needs.memory_mib = needs.needs.memory_mib.map(|mib| mib.max(LEAST.memory_mib));
        let rates = self.opening_rates(body)?;
        let listing = Listing {
            rates,
            // Lowered ones are no longer those of the benchmarks.
            basis: self.prices.basis().filter(|_| rates == self.prices.rates),
            grace_ms: self.lease.grace_ms,
            available: Resources { volume_mib: self.volume_mib(publisher), ..self.largest },
            default: self.usual,
            max_lease_secs: self.filter.max_lease_secs,
            notice_secs: self.lease.notice_secs,
            max_keep_secs: self.volume_terms.max_keep_secs,
            keep_unpaid_secs: self.volume_terms.keep_unpaid_secs,
            image: self.image(body)?,
            image_digest: Default::default(),
            host_key: Default::default(),
        };
        Ok(quote_for(&needs, &listing)?)
    }
}

impl Admitted {
    /// The quote for an image that is there and a host key that was made.
    pub(crate) fn quote(&self, image_digest: [u8; 32], host_key: SshKey) -> Quote {
        Quote { image_digest, host_key, ..self.quote.clone() }
    }
}

/// Rates lowered to a part of them, rounded up.
fn floor_of(rates: &Rates, percent: u32) -> Rates {
    rates.priced().fold(Rates::default(), |floor, (counter, rate)| {
        // Divided first where the product would not fit: then the loss is below one part in 1e36.
        let part = match rate.checked_mul(percent.into()) {
            Some(product) => product.div_ceil(100),
            None => (rate / 100).saturating_mul(percent.into()).min(rate),
        };
        floor.with(counter, part)
    })
}
