//! Which announcements are answered, when, and how often.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::{task::JoinSet, time::Instant};
use tracing::{debug, error, info, info_span, warn, Instrument};
use zennet_chain_client::{ChainError, Head};
use zennet_primitives::{announcement::AnnouncementId, pow::Role, record::AnnouncementRecord};

use crate::{
    capacity::{Capacity, Reservation},
    driver::{Ended, Kept},
    ending::Endings,
    filter::Refusal,
    history::screen::Screen,
    meet::{Answer, Grounds, MeetError, Old},
    mining,
    orders::Orders,
    store::{Store, StoreError},
};

/// Past leases whose announcements are not answered again.
const REMEMBERED: usize = 10_000;

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
    let past = past.iter().filter_map(|lease| lease.announcement.parse().ok());
    Ok(Orders::answered(under_way.chain(past), Instant::now()))
}

/// What came of a lease: its announcement, its number where it has one, and how it ended.
type Meeting = (AnnouncementId, Option<u32>, Result<Ended, MeetError>);

/// Answers to the announcements of a chain.
pub(crate) struct Answers {
    grounds: Arc<Grounds>,
    capacity: Capacity,
    screen: Screen,
    meetings: JoinSet<Meeting>,
    orders: Orders,
    /// Refusals that were logged, so that each is logged once.
    said: HashMap<AnnouncementId, String>,
}

impl Answers {
    /// Answers nothing that was answered before.
    pub(crate) fn new(grounds: Arc<Grounds>, capacity: Capacity) -> Result<Self, StoreError> {
        let orders = answered_before(&grounds.shared.store)?;
        let store = grounds.shared.store.clone();
        let screen = Screen::new(&grounds.policy.filter, store, &grounds.chain);
        let (meetings, said) = (JoinSet::new(), HashMap::new());
        Ok(Answers { grounds, capacity, screen, meetings, orders, said })
    }

    /// Goes on with a lease of an earlier run.
    pub(crate) fn resume(&mut self, old: Old) {
        let id = old.name.announcement;
        let span = info_span!("lease", announcement = short(&id));
        let part = old.lease.provider.terms().map(|terms| terms.quote.resources);
        let reserved = part.and_then(|part| self.capacity.reserve(part));
        if reserved.is_none() {
            warn!(parent: &span, "the capacity was lowered below what a lease has; it goes on");
        }
        info!(parent: &span, paid = old.lease.provider.paid(), "going on with a lease of an earlier run");
        let grounds = self.grounds.clone();
        self.meetings.spawn(
            async move { (id, None, Ok(grounds.resume(old, reserved).await)) }.instrument(span),
        );
    }

    /// Waits for the end of all leases.
    pub(crate) async fn end(&mut self) {
        while self.meetings.join_next().await.is_some() {}
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
            tokio::select! {
                () = endings.begun() => return Ok(()),
                Some(ended) = self.meetings.join_next() => self.note(ended),
                changed = best.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let head = *best.borrow_and_update();
                    if let Err(error) = self.look(head).await {
                        warn!(%error, block = head.number, "announcements could not be read");
                    }
                }
            }
        }
    }

    /// Answers what is new among the announcements of a block.
    async fn look(&mut self, head: Head) -> Result<(), ChainError> {
        let standing = self.grounds.chain.announcements(head.hash).await?;
        let ids: HashSet<AnnouncementId> = standing.iter().map(|(id, _)| *id).collect();
        self.said.retain(|id, _| ids.contains(id));
        self.orders.keep(&ids);
        for (id, record) in standing {
            if self.orders.wants(&id, self.most(&record), Instant::now()) {
                self.consider(id, record, head).await?;
            }
        }
        Ok(())
    }

    async fn consider(
        &mut self,
        id: AnnouncementId,
        record: AnnouncementRecord<u32>,
        head: Head,
    ) -> Result<(), ChainError> {
        let grounds = self.grounds.clone();
        let admitted = match grounds.policy.admit(id, &record, head.number) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.pass_over(id, &refusal);
                return Ok(());
            }
        };
        if grounds.policy.filter.require_identity {
            let role = Role::Publisher;
            let identity = grounds.chain.identity(role, &record.publisher, head.hash).await?;
            if identity.is_none() {
                self.pass_over(id, &Refusal::NoIdentity);
                return Ok(());
            }
        }
        if let Err(refusal) = self.screen.admit(&record.publisher).await {
            self.pass_over(id, &refusal);
            return Ok(());
        }
        let balance = grounds.balance().await?;
        let answer = Answer { id, record, admitted };
        let mut begun = 0;
        // As many machines as the publisher wants and this host has room for.
        while self.orders.wants(&id, self.most(&answer.record), Instant::now()) {
            if let Err(refusal) = grounds.policy.check_coin(balance, self.meetings.len()) {
                if begun == 0 {
                    self.pass_over(id, &refusal);
                }
                break;
            }
            let Some(reserved) = self.capacity.reserve(answer.admitted.quote.resources) else {
                if begun == 0 {
                    self.pass_over(id, &"there is no room for it now");
                }
                break;
            };
            if !self.begin(&answer, reserved) {
                break;
            }
            begun += 1;
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
        let span = info_span!(
            "lease",
            announcement = short(&id),
            slot,
            publisher = grounds.chain.address(&answer.record.publisher)
        );
        info!(parent: &span, "answering an announcement");
        self.meetings.spawn(
            async move { (id, Some(slot), grounds.meet(answer, slot, stamp, reserved).await) }
                .instrument(span),
        );
        true
    }

    fn pass_over(&mut self, id: AnnouncementId, cause: &dyn ToString) {
        let cause = cause.to_string();
        if self.said.get(&id) != Some(&cause) {
            info!(announcement = short(&id), cause, "announcement passed over");
            self.said.insert(id, cause);
        }
    }

    /// Decides whether an announcement is answered again.
    fn note(&mut self, ended: Result<Meeting, tokio::task::JoinError>) {
        let (id, slot, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => return error!(%error, "a lease's task failed"),
        };
        if let Err(error) = &outcome {
            warn!(%error, announcement = short(&id), "an announcement could not be answered");
        }
        // Leases of an earlier run have no number: their announcements are not answered again.
        let Some(slot) = slot else { return };
        if let Some(pause) = self.orders.end(id, slot, outcome.ok(), Instant::now()) {
            debug!(announcement = short(&id), ?pause, "it is answered again later");
        }
    }
}
