//! Which announcements are answered, when, and how often.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{sleep_until, Instant};
use tracing::{debug, error, info, info_span, warn, Instrument};
use zennet_chain_client::{ChainError, Head};
use zennet_primitives::{
    amount::Balance, announcement::AnnouncementId, pow::Role, record::AnnouncementRecord, AccountId,
};

use crate::{
    capacity::{Capacity, Reservation},
    config,
    desk::Desk,
    driver::Kept,
    ending::Endings,
    filter::Refusal,
    follow::Follower,
    history::screen::Screen,
    lease_name::LeaseName,
    market::{choose, profit::Outlook, Candidate, Word},
    meet::{Answer, Grounds, Old},
    meetings::Meetings,
    mining,
    offers::Search,
    orders::{Orders, REMEMBERED},
    store::{Store, StoreError},
    vain::{Outcome, Vain},
};

/// How often it is chosen anew at one time, after publishers of chosen offers were turned away.
const ROUNDS: usize = 8;
/// How long a publisher that was turned away is not looked at again: so long that many of them keep
/// no honest one from being looked at.
const SHUNNED: Duration = Duration::from_secs(300);
/// The same where its record could not be had.
const SHUNNED_UNKNOWN: Duration = Duration::from_secs(10);

/// The first six bytes, as logs show a hash.
pub(crate) fn short(id: &AnnouncementId) -> String {
    hex::encode(&id.0[..6])
}

/// What an earlier run answered.
pub(crate) fn answered_before(store: &Store) -> Result<Orders, StoreError> {
    // A lease that cannot be read belongs to the announcement that it is stored under, or to none.
    let announcement = |(key, stored): (AnnouncementId, Vec<u8>)| {
        Kept::read(&stored).and_then(|lease| lease.announcement()).unwrap_or(key)
    };
    let under_way = store.leases()?.into_iter().map(announcement);
    let past = store.past(REMEMBERED)?;
    // Those come newest first.
    let past = past.iter().rev().filter_map(|lease| lease.announcement.parse().ok());
    Ok(Orders::answered(past.chain(under_way), Instant::now()))
}

/// Whose a lease is.
struct Seat {
    announcement: AnnouncementId,
    publisher: AccountId,
    /// Leases of an earlier run have no number.
    slot: Option<u32>,
}

/// Answers to the announcements of a chain.
pub(crate) struct Answers {
    grounds: Arc<Grounds>,
    capacity: Capacity,
    market: config::Market,
    screen: Screen,
    meetings: Meetings<Seat, Outcome>,
    orders: Orders,
    desk: Desk,
    follower: Follower,
    /// Publishers that were turned away: until when, and why.
    shunned: HashMap<AccountId, (Instant, String)>,
    /// Answers to publishers that came to nothing.
    vain: Vain,
    /// When it is to be chosen at the latest.
    due: Option<Instant>,
}

impl Answers {
    /// Answers nothing that was answered before.
    pub(crate) fn new(
        grounds: Arc<Grounds>,
        capacity: Capacity,
        desk: Desk,
        market: config::Market,
    ) -> Result<Self, StoreError> {
        let orders = answered_before(&grounds.shared.store)?;
        let store = grounds.shared.store.clone();
        let screen = Screen::new(&grounds.policy.filter, store, &grounds.chain);
        let follower = Follower::new(grounds.clone(), Outlook::new(&market), desk.clone());
        let (meetings, due) = (Meetings::new(), None);
        Ok(Answers {
            grounds,
            capacity,
            market,
            screen,
            meetings,
            orders,
            desk,
            follower,
            shunned: HashMap::new(),
            vain: Vain::default(),
            due,
        })
    }

    /// Goes on with a lease of an earlier run.
    pub(crate) fn resume(&mut self, old: Old) {
        let announcement = old.name.announcement;
        let span = info_span!("lease", announcement = short(&announcement));
        let part = old.lease.provider.terms().map(|terms| terms.quote.resources);
        let reserved = part.and_then(|part| self.capacity.reserve(part));
        if reserved.is_none() {
            warn!(parent: &span, "the capacity was lowered below what a lease has; it goes on");
        }
        info!(parent: &span, paid = old.lease.provider.paid(), "going on with a lease of an earlier run");
        let grounds = self.grounds.clone();
        let seat = Seat { announcement, publisher: old.publisher.clone(), slot: None };
        let lease = async move { Ok(grounds.resume(old, reserved).await) };
        self.meetings.begin(seat, lease.instrument(span));
    }

    /// Waits for the end of all leases.
    pub(crate) async fn end(&mut self) {
        while self.meetings.next().await.is_some() {}
    }

    /// Follows the chain and answers until it is told to end.
    pub(crate) async fn serve(&mut self, mut endings: Endings) -> Result<(), ChainError> {
        let grounds = self.grounds.clone();
        tokio::select! {
            mined = mining::ensure_identity(&grounds.chain, &grounds.policy.account) => mined?,
            () = endings.begun() => return Ok(()),
        }
        let balance = grounds.balance().await?;
        if let Err(refusal) = grounds.policy.check_coin(balance, self.meetings.len()) {
            warn!("no announcement can be answered: {refusal}");
        }
        info!("waiting for announcements");
        let mut best = grounds.heads.best.clone();
        best.mark_changed();
        loop {
            let due = self.due;
            let new_block = tokio::select! {
                () = endings.begun() => return Ok(()),
                Some((seat, outcome)) = self.meetings.next() => {
                    self.note(seat, outcome);
                    false
                }
                () = self.desk.spoken() => false,
                () = at(due) => false,
                changed = best.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return Ok(()),
                },
            };
            let head = *best.borrow_and_update();
            let looked = tokio::select! {
                looked = self.look(head, new_block) => looked,
                () = endings.begun() => return Ok(()),
            };
            if let Err(error) = looked {
                warn!(%error, block = head.number, "announcements could not be read");
            }
        }
    }

    /// Reads what a block changed, where it is a new one, and answers what is to be answered now.
    async fn look(&mut self, head: Head, new_block: bool) -> Result<(), ChainError> {
        if new_block {
            self.follower.read(head).await?;
            let book = self.desk.book();
            self.orders.keep(|id| book.stands(id));
            // Who left announcements behind is blamed for as long as they stand.
            if !self.vain.is_empty() {
                self.vain.keep(&book.publishers());
            }
        }
        self.due = None;
        let now = Instant::now();
        self.shunned.retain(|_, (until, _)| *until > now);
        for _ in 0..ROUNDS {
            let chosen = self.choose(head);
            if self.begin_all(&chosen, head).await? {
                break;
            }
        }
        Ok(())
    }

    /// Chooses what is to be answered now: offers, with so many machines of each.
    fn choose(&mut self, head: Head) -> Vec<(Candidate, u32)> {
        let now = Instant::now();
        let search = Search {
            orders: &self.orders,
            shunned: &self.shunned,
            vain: &self.vain,
            manual: self.market.accept == config::Accept::Manual,
            per_order: self.grounds.policy.max_per_order,
            at: head.number,
            now,
        };
        let mut book = self.desk.book();
        let (candidates, first) = book.candidates(&search);
        let machines = choose(&self.capacity.free(), &candidates);
        let gather = Duration::from_millis(self.market.gather_ms.into());
        let until = first.map(|first| first + gather).filter(|until| *until > now);
        // Only where the choice matters others are waited for.
        let gathering = until.filter(|_| is_contended(&candidates, &machines));
        self.due = gathering;
        let mut chosen: Vec<(Candidate, u32)> = candidates.into_iter().zip(machines).collect();
        chosen.retain(|(candidate, machines)| {
            *machines > 0 && (gathering.is_none() || candidate.word != Word::Unsaid)
        });
        chosen.sort_by_key(|(candidate, _)| place(candidate));
        book.choose(chosen.iter().map(|(candidate, _)| candidate.id));
        chosen
    }

    /// Begins what was chosen. False where somebody was turned away, so that it is to be chosen anew.
    async fn begin_all(
        &mut self,
        chosen: &[(Candidate, u32)],
        head: Head,
    ) -> Result<bool, ChainError> {
        let mut balance = None;
        let mut all_welcome = true;
        for (Candidate { id, .. }, machines) in chosen {
            let Some(answer) = self.desk.book().answer(id) else { continue };
            if !self.orders.wants(id, self.most(&answer.record), Instant::now()) {
                continue;
            }
            if let Err(refusal) = self.judge(&answer.record.publisher, head).await? {
                let cause = refusal.to_string();
                info!(announcement = short(id), cause, "announcement passed over");
                let unknown = matches!(refusal, Refusal::NoRecord(_));
                let until = Instant::now() + if unknown { SHUNNED_UNKNOWN } else { SHUNNED };
                self.shunned.insert(answer.record.publisher.clone(), (until, cause));
                all_welcome = false;
                continue;
            }
            let balance = match balance {
                Some(balance) => balance,
                None => *balance.insert(self.grounds.balance().await?),
            };
            if let Err(refusal) = self.begin_machines(&answer, *machines, balance) {
                debug!(announcement = short(id), %refusal, "announcement passed over");
                self.desk.book().turn_away(id, refusal.to_string());
            }
        }
        Ok(all_welcome)
    }

    /// Whether a publisher is dealt with, by what stands outside of its announcement.
    async fn judge(
        &self,
        publisher: &AccountId,
        head: Head,
    ) -> Result<Result<(), Refusal>, ChainError> {
        let grounds = &self.grounds;
        if grounds.policy.filter.require_identity {
            let identity = grounds.chain.identity(Role::Publisher, publisher, head.hash).await?;
            if identity.is_none() {
                return Ok(Err(Refusal::NoIdentity));
            }
        }
        Ok(self.screen.admit(publisher).await)
    }

    /// Begins up to so many leases of an announcement; the first one goes ahead of the others.
    fn begin_machines(
        &mut self,
        answer: &Answer,
        machines: u32,
        balance: Balance,
    ) -> Result<(), Refusal> {
        for _ in 0..machines {
            if !self.orders.wants(&answer.id, self.most(&answer.record), Instant::now()) {
                break;
            }
            self.grounds.policy.check_coin(balance, self.meetings.len())?;
            let Some(reserved) = self.capacity.reserve(answer.admitted.quote.resources) else {
                break;
            };
            if !self.begin(answer, reserved) {
                break;
            }
        }
        Ok(())
    }

    /// Machines that an announcement may have here.
    fn most(&self, record: &AnnouncementRecord<u32>) -> u32 {
        record.body.machines.min(self.grounds.policy.max_per_order)
    }

    /// Begins one lease of an announcement; whether there was a number for it.
    fn begin(&mut self, answer: &Answer, reserved: Reservation) -> bool {
        let (id, most) = (answer.id, self.most(&answer.record));
        let Some((slot, stamp)) = self.orders.begin(id, most, Instant::now()) else {
            return false;
        };
        let (grounds, answer) = (self.grounds.clone(), answer.clone());
        let publisher = answer.record.publisher.clone();
        let span = info_span!(
            "lease",
            announcement = short(&id),
            slot,
            publisher = grounds.chain.address(&publisher)
        );
        info!(parent: &span, "answering an announcement");
        let seat = Seat { announcement: id, publisher, slot: Some(slot) };
        let lease = async move { grounds.meet(answer, slot, stamp, reserved).await };
        self.meetings.begin(seat, lease.instrument(span));
        true
    }

    /// Gives a seat back, and decides whether its announcement is answered again.
    fn note(&mut self, seat: Seat, outcome: Option<Outcome>) {
        let (id, now) = (seat.announcement, Instant::now());
        if let Some(Err(error)) = &outcome {
            warn!(%error, announcement = short(&id), "an announcement could not be answered");
        }
        self.follower.reprice(&seat.publisher);
        // Leases of an earlier run have no number: their announcements are not answered again.
        let Some(slot) = seat.slot else { return };
        if outcome.is_none() && self.is_stored(LeaseName::new(id, slot)) {
            error!(announcement = short(&id), slot, "its contract is settled by the next start");
            return self.orders.use_up(id, slot, now);
        }
        self.vain.count(seat.publisher, outcome.as_ref());
        let ended = outcome.and_then(Result::ok);
        if let Some(pause) = self.orders.end(id, slot, ended, now) {
            debug!(announcement = short(&id), ?pause, "it is answered again later");
        }
    }

    /// Whether a lease has a contract in the store, or may have.
    fn is_stored(&self, name: LeaseName) -> bool {
        let leases = self.grounds.shared.store.leases();
        leases.map_or(true, |leases| leases.iter().any(|(key, _)| *key == name.key))
    }
}

/// Waits for a moment, or for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whether offers of several announcements want more than there is room for.
fn is_contended(candidates: &[Candidate], machines: &[u32]) -> bool {
    let wants_more = candidates.iter().zip(machines).any(|(c, machines)| *machines < c.machines);
    candidates.len() > 1 && wants_more
}

/// In what order chosen offers are answered.
fn place(candidate: &Candidate) -> (u64, std::cmp::Reverse<i128>) {
    let order = match candidate.word {
        Word::Accepted(order) => order,
        Word::Unsaid | Word::Refused => u64::MAX,
    };
    (order, std::cmp::Reverse(candidate.profit))
}
