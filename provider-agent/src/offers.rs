//! The announcements that stand, what each is worth here, and the operator's word on them.
//!
//! ```text
//!  chain ── follow.rs ──► Book ──► market::choose ── answers.rs
//!                          ▲ │
//!     accept, refuse ── desk.rs └──► offers
//! ```
//!
//! The book is bounded: when there are too many, the least profitable are dropped, first those that
//! the filter refuses; one that the operator spoke of never is. Once there is room again, all are to
//! be read anew.

pub(crate) mod list;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use thiserror::Error;
use tokio::time::Instant;
use zennet_primitives::{
    announcement::AnnouncementId, record::AnnouncementRecord, AccountId, Hash,
};

pub(crate) use self::list::{OfferList, OfferStatus, MOST_LISTED};
use crate::{
    filter::{Admitted, Refusal},
    market::{profit::Worth, Candidate, Word},
    meet::Answer,
    orders::{Orders, Progress},
    store::StoreError,
    vain::Vain,
};

/// Offers that the operator may have spoken of at a time.
const MOST_WORDS: usize = 1000;

/// An announcement that passed the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) admitted: Admitted,
    pub(crate) worth: Worth,
}

/// What the filter makes of an announcement.
pub(crate) type Verdict = Result<Priced, Refusal>;

/// Why the operator's word was not taken.
#[derive(Debug, Error)]
pub(crate) enum WordError {
    #[error(
        "{0:?} is no identifier: write 4 to 64 hex digits, as `provider-agent offers` shows them"
    )]
    NotAnId(String),
    #[error("no offer begins with {0}: `provider-agent offers` shows those that stand")]
    Unknown(String),
    #[error("{found} offers begin with {text}: write more digits")]
    Ambiguous { text: String, found: usize },
    #[error("the filter refuses {id}: {refusal}; change the configuration to have it served")]
    Filtered { id: String, refusal: Refusal },
    #[error("{MOST_WORDS} offers are accepted or refused already; wait until some are gone")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How it stands with an offer that the filter lets pass, as it was found last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Found {
    /// It was not looked at yet.
    #[default]
    New,
    Chosen,
    /// There is no room for it, or others earn more.
    NoRoom,
    /// It is expected to earn less than nothing.
    Loses,
    /// In manual mode nobody accepted it yet.
    NoWord,
    /// It was answered in vain and is answered again later.
    Pausing,
    Answered,
    Expired,
    /// Its publisher was turned away, or the own account has too little coin.
    TurnedAway(String),
}

/// One announcement.
#[derive(Debug)]
struct Offer {
    record: AnnouncementRecord<u32>,
    verdict: Verdict,
    since: Instant,
    /// The reading in which it was seen last.
    reading: u64,
    found: Found,
    /// Leases of it under way here.
    leases: u32,
}

/// What candidates are looked for with.
pub(crate) struct Search<'a> {
    pub(crate) orders: &'a Orders,
    /// Publishers that were turned away, and why.
    pub(crate) shunned: &'a HashMap<AccountId, (Instant, String)>,
    /// Answers to publishers that came to nothing.
    pub(crate) vain: &'a Vain,
    /// Only what was accepted by hand.
    pub(crate) manual: bool,
    /// Machines of one announcement.
    pub(crate) per_order: u32,
    /// Number of the block.
    pub(crate) at: u32,
    pub(crate) now: Instant,
}

/// All announcements that stand, as far as they are kept.
#[derive(Debug)]
pub(crate) struct Book {
    offers: BTreeMap<AnnouncementId, Offer>,
    words: HashMap<AnnouncementId, Word>,
    most: usize,
    reading: u64,
    /// Some were dropped since everything was read.
    dropped: bool,
}

impl Book {
    /// An empty one for `most` announcements.
    pub(crate) fn new(most: usize) -> Self {
        let (offers, words) = (BTreeMap::new(), HashMap::new());
        Book { offers, words, most, reading: 0, dropped: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    pub(crate) fn stands(&self, id: &AnnouncementId) -> bool {
        self.offers.contains_key(id)
    }

    /// Those whose offers stand.
    pub(crate) fn publishers(&self) -> HashSet<&AccountId> {
        self.offers.values().map(|offer| &offer.record.publisher).collect()
    }

    /// Whether there is room for those that were dropped.
    pub(crate) fn lacks_some(&self) -> bool {
        self.dropped && self.offers.len() <= self.most / 4 * 3
    }

    /// Everything is about to be read.
    pub(crate) fn begin_reading(&mut self) {
        self.reading += 1;
        self.dropped = false;
    }

    /// Everything was read: what was not among it is gone.
    pub(crate) fn end_reading(&mut self) {
        self.offers.retain(|_, offer| offer.reading == self.reading);
        self.words.retain(|id, _| self.offers.contains_key(id));
    }

    /// Takes an announcement in. What is known of the same one is kept.
    pub(crate) fn insert(
        &mut self,
        id: AnnouncementId,
        record: AnnouncementRecord<u32>,
        verdict: impl FnOnce(&AnnouncementRecord<u32>) -> Verdict,
        now: Instant,
    ) {
        let reading = self.reading;
        if let Some(known) = self.offers.get_mut(&id).filter(|known| known.record == record) {
            known.reading = reading;
            return;
        }
        let verdict = verdict(&record);
        let found = Found::default();
        let offer = Offer { record, verdict, since: now, reading, found, leases: 0 };
        self.offers.insert(id, offer);
        // Many at once, so that a flood does not have all sorted for each.
        if self.offers.len() > self.most + self.most / 8 {
            self.shrink();
        }
    }

    /// Forgets an announcement, and the operator's word on it.
    pub(crate) fn remove(&mut self, id: &AnnouncementId) {
        self.offers.remove(id);
        self.words.remove(id);
    }

    /// Drops the least profitable beyond the bound.
    fn shrink(&mut self) {
        let profit = |offer: &Offer| offer.verdict.as_ref().ok().map(|priced| priced.worth.profit);
        let ranks =
            self.offers.iter().map(|(id, offer)| (self.words.contains_key(id), profit(offer), *id));
        let mut ranks: Vec<_> = ranks.collect();
        ranks.sort_unstable();
        let excess = ranks.len().saturating_sub(self.most);
        for (.., id) in &ranks[..excess] {
            self.offers.remove(id);
        }
        self.dropped = true;
    }

    /// Prices the offers of a publisher anew.
    pub(crate) fn reprice(
        &mut self,
        publisher: &AccountId,
        worth: impl Fn(&AnnouncementRecord<u32>, &Admitted) -> Option<Worth>,
    ) {
        for Offer { record, verdict, .. } in self.offers.values_mut() {
            let Ok(priced) = verdict else { continue };
            if record.publisher == *publisher {
                priced.worth = worth(record, &priced.admitted).unwrap_or(priced.worth);
            }
        }
    }

    /// The offers that may be served, and when the first of those came that nobody spoke of. Each
    /// answer to its publisher that came to nothing halves what is expected of an offer: whoever lets
    /// itself be dialled in vain does not stay ahead of others, however much it announces.
    pub(crate) fn candidates(&mut self, search: &Search) -> (Vec<Candidate>, Option<Instant>) {
        let (mut candidates, mut first) = (Vec::new(), None);
        for (id, offer) in &mut self.offers {
            let progress = search.orders.progress(id);
            offer.leases = progress.map_or(0, |progress| progress.running);
            let Ok(priced) = &offer.verdict else { continue };
            let word = self.words.get(id).copied().unwrap_or(Word::Unsaid);
            let most = offer.record.body.machines.min(search.per_order);
            let machines = search.orders.wanted(id, most, search.now);
            let vain = search.vain.times(&offer.record.publisher);
            let profit = priced.worth.profit >> vain.min(100);
            offer.found = match barred(&offer.record, word, machines, progress, search) {
                Some(found) => found,
                None if word == Word::Unsaid && profit < 0 => Found::Loses,
                None => {
                    let part = priced.admitted.quote.resources;
                    candidates.push(Candidate { id: *id, part, machines, profit, word });
                    if word == Word::Unsaid {
                        first = Some(first.map_or(offer.since, |first| offer.since.min(first)));
                    }
                    Found::NoRoom
                }
            };
        }
        (candidates, first)
    }

    /// Notes which offers were chosen.
    pub(crate) fn choose(&mut self, ids: impl Iterator<Item = AnnouncementId>) {
        for id in ids {
            self.find(&id, Found::Chosen);
        }
    }

    /// Notes why a chosen offer is not served after all.
    pub(crate) fn turn_away(&mut self, id: &AnnouncementId, cause: String) {
        self.find(id, Found::TurnedAway(cause));
    }

    fn find(&mut self, id: &AnnouncementId, found: Found) {
        if let Some(offer) = self.offers.get_mut(id) {
            offer.found = found;
        }
    }

    /// What answering an offer takes.
    pub(crate) fn answer(&self, id: &AnnouncementId) -> Option<Answer> {
        let offer = self.offers.get(id)?;
        let admitted = offer.verdict.as_ref().ok()?.admitted.clone();
        Some(Answer { id: *id, record: offer.record.clone(), admitted })
    }

    /// The words as they would be with another one on each of some offers, which are named by the
    /// first digits of their identifiers.
    pub(crate) fn words_with(
        &self,
        names: &[String],
        accept: bool,
    ) -> Result<(Vec<AnnouncementId>, HashMap<AnnouncementId, Word>), WordError> {
        let mut words = self.words.clone();
        let mut ids = Vec::new();
        for name in names {
            let id = self.named(name)?;
            let word = match (accept, words.get(&id)) {
                (true, Some(Word::Accepted(order))) => Word::Accepted(*order),
                (true, _) => Word::Accepted(next_order(&words)),
                (false, _) => Word::Refused,
            };
            let verdict = self.offers.get(&id).map(|offer| &offer.verdict);
            if let (true, Some(Err(refusal))) = (accept, verdict) {
                let (id, refusal) = (hex::encode(&id.0[..6]), refusal.clone());
                return Err(WordError::Filtered { id, refusal });
            }
            words.insert(id, word);
            ids.push(id);
        }
        if words.len() > MOST_WORDS {
            return Err(WordError::TooMany);
        }
        Ok((ids, words))
    }

    /// Takes over words, on what stands or was not read yet.
    pub(crate) fn set_words(&mut self, mut words: HashMap<AnnouncementId, Word>) {
        words.retain(|id, _| self.offers.contains_key(id) || self.words.contains_key(id));
        self.words = words;
    }

    /// Takes over the words of an earlier run; what they are on is read later.
    pub(crate) fn restore_words(&mut self, words: Words) {
        let known = words.0.into_iter().take(MOST_WORDS).enumerate();
        let word = |order: usize, accepted| match accepted {
            true => Word::Accepted(order as u64),
            false => Word::Refused,
        };
        self.words =
            known.map(|(order, (id, accepted))| (Hash(id), word(order, accepted))).collect();
    }

    /// The only offer that begins with some hex digits.
    fn named(&self, text: &str) -> Result<AnnouncementId, WordError> {
        let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex || !(4..=64).contains(&digits.len()) {
            return Err(WordError::NotAnId(text.chars().take(80).collect()));
        }
        let begins = |id: &&AnnouncementId| hex::encode(id.0).starts_with(&digits);
        let found: Vec<_> = self.offers.keys().filter(begins).collect();
        match found[..] {
            [id] => Ok(*id),
            [] => Err(WordError::Unknown(digits)),
            _ => Err(WordError::Ambiguous { text: digits, found: found.len() }),
        }
    }
}

/// Why an offer that passed the filter is no candidate.
fn barred(
    record: &AnnouncementRecord<u32>,
    word: Word,
    machines: u32,
    progress: Option<Progress>,
    search: &Search,
) -> Option<Found> {
    if machines == 0 {
        let over = progress.is_some_and(|progress| progress.done || progress.running > 0);
        return Some(if over { Found::Answered } else { Found::Pausing });
    }
    if record.expires_at <= search.at {
        return Some(Found::Expired);
    }
    if word == Word::Refused || search.manual && word == Word::Unsaid {
        return Some(Found::NoWord);
    }
    let shunned = search.shunned.get(&record.publisher);
    shunned.map(|(_, cause)| Found::TurnedAway(cause.clone()))
}

fn next_order(words: &HashMap<AnnouncementId, Word>) -> u64 {
    let orders = words.values().filter_map(|word| match word {
        Word::Accepted(order) => Some(*order),
        Word::Unsaid | Word::Refused => None,
    });
    orders.max().map_or(0, |last| last.saturating_add(1))
}

/// Words as they are stored: identifiers, and whether each was accepted; the accepted ones in their
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Words(Vec<([u8; 32], bool)>);

impl Words {
    pub(crate) fn of(words: &HashMap<AnnouncementId, Word>) -> Self {
        let mut sorted: Vec<_> = words
            .iter()
            .map(|(id, word)| match word {
                Word::Accepted(order) => (*order, id.0, true),
                Word::Unsaid | Word::Refused => (u64::MAX, id.0, false),
            })
            .collect();
        sorted.sort_unstable();
        Words(sorted.into_iter().map(|(_, id, accepted)| (id, accepted)).collect())
    }
}
