//! What `provider-agent offers` shows.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use zennet_primitives::{amount::Balance, announcement::AnnouncementId};

use super::{Book, Found, Offer};
use crate::market::{profit::Profit, Word};

/// Offers in one answer at most.
pub(crate) const MOST_LISTED: usize = 10_000;

/// How it stands with an offer, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OfferState {
    /// Its leases are under way, or were.
    Answered,
    /// It is being answered.
    Chosen,
    /// The operator accepted it, and it could not be answered yet.
    Accepted,
    /// It could be answered, and is not for the reason that is told.
    Waiting,
    /// The operator refused it.
    Refused,
    /// The filter refuses it, for the reason that is told.
    Filtered,
}

impl OfferState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            OfferState::Answered => "answered",
            OfferState::Chosen => "chosen",
            OfferState::Accepted => "accepted",
            OfferState::Waiting => "waiting",
            OfferState::Refused => "refused",
            OfferState::Filtered => "filtered",
        }
    }
}

/// One offer. Its field names are stable; amounts are in the smallest coin unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfferStatus {
    pub(crate) id: String,
    pub(crate) publisher: String,
    pub(crate) state: OfferState,
    pub(crate) reason: Option<String>,
    /// Machines that are announced.
    pub(crate) machines: u32,
    /// Leases of it under way here.
    pub(crate) leases: u32,
    /// What a machine of it gets here; where the filter refuses it, what it asks for.
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) memory_mib: Option<u32>,
    pub(crate) disk_mib: Option<u32>,
    pub(crate) min_secs: u32,
    pub(crate) max_secs: u32,
    /// First block in which it no longer stands.
    pub(crate) expires_at: u32,
    /// Price of full use of one machine for an hour.
    pub(crate) price_hour: Option<Balance>,
    /// Expected profit of one machine; below zero is a loss.
    pub(crate) profit: Option<Profit>,
}

/// Some of the offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfferList {
    /// By state, and the most profitable first.
    pub(crate) offers: Vec<OfferStatus>,
    /// All that there are.
    pub(crate) total: usize,
}

impl Book {
    /// The first offers up to a number.
    pub(crate) fn list(&self, limit: usize) -> OfferList {
        let rank = |(id, offer): (&AnnouncementId, &Offer)| {
            let profit = offer.verdict.as_ref().ok().map(|priced| priced.worth.profit);
            (self.state(id, offer).0, Reverse(profit), *id)
        };
        let mut ranks: Vec<_> = self.offers.iter().map(rank).collect();
        ranks.sort_unstable();
        let offers = ranks.iter().take(limit).filter_map(|(.., id)| self.status(id)).collect();
        OfferList { offers, total: self.offers.len() }
    }

    /// One offer.
    pub(crate) fn status(&self, id: &AnnouncementId) -> Option<OfferStatus> {
        let offer = self.offers.get(id)?;
        let (state, reason) = self.state(id, offer);
        let (body, priced) = (&offer.record.body, offer.verdict.as_ref().ok());
        let part = priced.map(|priced| priced.admitted.quote.resources);
        let needs = &body.needs;
        Some(OfferStatus {
            id: format!("{id:?}"),
            publisher: offer.record.publisher.to_string(),
            state,
            reason,
            machines: body.machines,
            leases: offer.leases,
            cpu_millis: part.map_or(needs.cpu_millis, |part| Some(part.cpu_millis)),
            memory_mib: part.map_or(needs.memory_mib, |part| Some(part.memory_mib)),
            disk_mib: part.map_or(needs.disk_mib, |part| Some(part.disk_mib)),
            min_secs: body.lease.min_secs,
            max_secs: body.lease.max_secs,
            expires_at: offer.record.expires_at,
            price_hour: priced.map(|priced| priced.worth.hour),
            profit: priced.map(|priced| priced.worth.profit),
        })
    }

    fn state(&self, id: &AnnouncementId, offer: &Offer) -> (OfferState, Option<String>) {
        if let Err(refusal) = &offer.verdict {
            return (OfferState::Filtered, Some(refusal.to_string()));
        }
        let reason = match &offer.found {
            Found::Answered => return (OfferState::Answered, None),
            Found::Chosen => return (OfferState::Chosen, None),
            Found::New => "it is new",
            Found::NoRoom => "there is no room for it, or others earn more",
            Found::Loses => "it is expected to cost more than it brings",
            Found::NoWord => "nobody accepted it",
            Found::Pausing => "its publisher was not reached, it is tried again",
            Found::Expired => "its time is over",
            Found::TurnedAway(cause) => cause,
        };
        let state = match self.words.get(id) {
            Some(Word::Refused) => return (OfferState::Refused, None),
            Some(Word::Accepted(_)) => OfferState::Accepted,
            Some(Word::Unsaid) | None => OfferState::Waiting,
        };
        (state, Some(reason.into()))
    }
}
