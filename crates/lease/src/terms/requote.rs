//! What a provider comes down to.

use zennet_primitives::{
    amount::{part_of, Balance, Rate, Rates},
    contract::{CounterOffer, Quote},
    report::Basis,
    usage::Counter,
};

use super::price_of_full_use;

/// The lowest price of full load that rates are still said to come from, in the smallest coin unit a
/// second: at lower ones the rounding of rates would be taken for other rates.
const LEAST_PRICE: Balance = 1000;

/// By how much rates that are all lowered by the same part may be off, for rounding.
const ROUNDING: Rate = 2;

/// The provider's answer to a counter-offer, or nothing where it cannot come any nearer.
///
/// Each rate becomes what is asked for, but not less than the floor and never more than before. Where
/// rates that come from benchmarks are all lowered by the same part, they still do, at a lower price of
/// full load; others no longer do.
pub fn requote(last: &Quote, asked: &CounterOffer, floor: &Rates) -> Option<Quote> {
    let mut quote = last.clone();
    for counter in Counter::ALL {
        let wanted = asked.rates.get(counter).max(floor.get(counter));
        quote.rates = quote.rates.with(counter, wanted.min(last.rates.get(counter)));
    }
    if let Some(basis) = last.basis.filter(|_| quote.rates != last.rates) {
        let cheaper = at_lower_price(&basis, &last.rates, &quote.rates, floor);
        quote.rates = cheaper.map_or(quote.rates, |(_, rates)| rates);
        quote.basis = cheaper.map(|(basis, _)| basis);
    }
    if asked.lease_secs > 0 {
        quote.lease_secs = asked.lease_secs.min(last.lease_secs);
    }
    let tick = price_of_full_use(&quote.rates, &quote.resources, quote.tick_ms.into()).ok()?;
    quote.prepay = last.prepay.min(tick);
    (quote != *last).then_some(quote)
}

/// The price of full load at which the same benchmarks give about the rates that are wanted, and the
/// rates that they give then: no higher, unless that would be below the floor. Nothing where no lower
/// price gives them.
fn at_lower_price(
    basis: &Basis,
    last: &Rates,
    wanted: &Rates,
    floor: &Rates,
) -> Option<(Basis, Rates)> {
    // What keeping a volume costs comes from no benchmark.
    let measured = || last.priced().filter(|(counter, _)| *counter != Counter::VolumeByteSecs);
    let (highest, whole) = measured().max_by_key(|(_, rate)| *rate)?;
    let part = wanted.get(highest);
    let is_part = |(counter, rate): (Counter, Rate)| {
        wanted.get(counter).abs_diff(part_of(rate, part, whole)) <= ROUNDING
    };
    if !measured().all(is_part) {
        return None;
    }
    let before = basis.price_per_sec;
    let least = |counter, rate: Rate| floor.get(counter).min(rate);
    let at = |price| {
        measured().fold(*wanted, |rates, (c, rate)| rates.with(c, part_of(rate, price, before)))
    };
    let mut price = part_of(before, part, whole);
    let mut rates = at(price);
    if measured().any(|(counter, rate)| rates.get(counter) < least(counter, rate)) {
        price = price.saturating_add(1);
        rates = measured().fold(at(price), |rates, (counter, rate)| {
            rates.with(counter, rates.get(counter).max(least(counter, rate)))
        });
    }
    let lowered = Basis { price_per_sec: price, ..*basis };
    (LEAST_PRICE..before).contains(&price).then_some((lowered, rates))
}
