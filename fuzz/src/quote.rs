//! What both sides make of each other's offers before they sign.

use codec::{Decode, Encode};
use zennet_lease::{
    deposit_for, judge, price_of_full_use, quote_for, requote, HourLimit, Listing, PublisherPolicy,
    Verdict, Workload,
};
use zennet_primitives::{
    amount::{Rates, TOTAL_SUPPLY},
    announcement::Announcement,
    contract::{Capabilities, CounterOffer, Quote, Resources},
    usage::Counter,
};

use crate::sample::{body, capabilities, listing, rates};

type Offers =
    (Announcement, Capabilities, Quote, CounterOffer, (Rates, Resources, u32), PublisherPolicy);

/// Arbitrary announcements, offers and policies are judged without a panic; an accepted deposit
/// keeps the policy's limits, as what is asked for does; a further quote never asks for more than the one before; an opening
/// quote gives no more than there is.
pub fn run(mut data: &[u8]) {
    let Ok((body, capabilities, quote, asked, mine, policy)) = Offers::decode(&mut data) else {
        return;
    };
    match judge(&quote, &capabilities, &body, &policy) {
        Verdict::Accept { deposit } => {
            assert_eq!(deposit_for(&quote, &policy), Ok(deposit));
            assert!(deposit > 0 && deposit <= TOTAL_SUPPLY);
            assert!(policy.max_price.is_none_or(|limit| deposit <= limit));
            assert!(body.max_rates.is_none_or(|limit| quote.rates.within(&limit)));
            assert!(policy.max_rates.is_none_or(|limit| quote.rates.within(&limit)));
            assert!(is_within_hour(&policy, &quote.rates, &quote.resources));
        }
        Verdict::Counter(wanted) => {
            assert!(wanted.rates.within(&quote.rates));
            assert!(is_within_hour(&policy, &wanted.rates, &quote.resources));
        }
        Verdict::Unfit | Verdict::Unaffordable => {}
    }
    let (floor, available, max_lease_secs) = mine;
    if let Some(next) = requote(&quote, &asked, &floor) {
        assert!(next.rates.within(&quote.rates));
        assert!(next.lease_secs <= quote.lease_secs && next.prepay <= quote.prepay);
        for counter in Counter::ALL {
            let least = floor.get(counter).min(quote.rates.get(counter));
            assert!(next.rates.get(counter) >= least);
        }
    }
    let listing = Listing { rates: floor, available, max_lease_secs, ..listing() };
    if let Ok(opening) = quote_for(&body, &listing) {
        assert!(opening.resources.cpu_millis <= available.cpu_millis);
        assert!(opening.resources.memory_mib <= available.memory_mib);
        assert!(opening.resources.disk_mib <= available.disk_mib);
        assert!(opening.resources.volume_mib <= available.volume_mib);
        assert!(opening.lease_secs <= max_lease_secs.min(body.lease.max_secs));
        let tick = price_of_full_use(&opening.rates, &opening.resources, opening.tick_ms.into());
        assert!(tick.is_ok_and(|tick| tick <= opening.max_exposure));
    }
}

fn is_within_hour(policy: &PublisherPolicy, rates: &Rates, resources: &Resources) -> bool {
    policy.max_per_hour.as_ref().is_none_or(|limit| {
        limit.workload.price(rates, resources).is_some_and(|price| price <= limit.most)
    })
}

/// An offer that is accepted, one that is haggled over, and one that nobody could pay.
pub fn seeds() -> Vec<Vec<u8>> {
    let all = |prepaid: bool, rate: u128, policy: PublisherPolicy| {
        let listing = Listing { rates: rates().with(Counter::CpuMicros, rate), ..listing() };
        let body = body(prepaid);
        let quote = quote_for(&body, &listing).expect("the listing answers the announcement");
        let asked = CounterOffer { rates: rates(), lease_secs: 30 };
        let mine = (rates(), listing.available, listing.max_lease_secs);
        (body, capabilities(), quote, asked, mine, policy).encode()
    };
    let rate = rates().get(Counter::CpuMicros);
    let with =
        |max_rates, max_price| PublisherPolicy { max_rates, max_price, ..Default::default() };
    let limit = |most| HourLimit { workload: Workload::Shares([500; Counter::COUNT]), most };
    let hourly =
        |most| PublisherPolicy { max_per_hour: Some(limit(most)), ..Default::default() };
    vec![
        all(false, rate, hourly(u128::MAX)),
        all(false, rate, hourly(1)),
        all(false, rate, with(None, None)),
        all(true, rate, with(None, None)),
        all(false, 2 * rate, with(Some(rates()), None)),
        all(true, 2 * rate, with(Some(rates()), Some(1))),
        all(false, 10u128.pow(29), with(None, Some(1 << 60))),
        all(false, 10u128.pow(29), with(None, None)),
    ]
}
