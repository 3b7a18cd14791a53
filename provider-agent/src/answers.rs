//! Which announcements are answered, when, and how often.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};
use tracing::{debug, error, info, info_span, warn, Instrument};
use zennet_chain_client::{ChainError, Head};
use zennet_primitives::{
    announcement::AnnouncementId, close::CloseReason, pow::Role, record::AnnouncementRecord,
};

use crate::{
    capacity::Capacity,
    driver::Ended,
    filter::Refusal,
    history::screen::Screen,
    meet::{Grounds, MeetError, Old},
    mining,
    store::{Store, StoreError},
};

/// Pauses between answers to the same announcement double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(64);
const ATTEMPTS: u32 = 8;
/// Past leases whose announcements are not answered again.
const REMEMBERED: usize = 10_000;

/// The first six bytes, as logs show a hash.
pub(crate) fn short(id: &AnnouncementId) -> String {
    hex::encode(&id.0[..6])
}

/// How it stands with an announcement.
enum Known {
    /// It is being answered, or needs no answer any more.
    Answered,
    /// An answer failed; there may be another one later.
    Failed { attempts: u32, not_before: Instant },
}

fn answered_before(store: &Store) -> Result<HashMap<AnnouncementId, Known>, StoreError> {
    let under_way = store.leases()?.into_iter().map(|(id, _)| id);
    let past = store.past(REMEMBERED)?;
    let past = past.iter().filter_map(|lease| lease.announcement.parse().ok());
    Ok(under_way.chain(past).map(|id| (id, Known::Answered)).collect())
}

type Meeting = (AnnouncementId, Result<Ended, MeetError>);

/// Answers to the announcements of a chain.
pub(crate) struct Answers {
    grounds: Arc<Grounds>,
    capacity: Capacity,
    screen: Screen,
    meetings: JoinSet<Meeting>,
    known: HashMap<AnnouncementId, Known>,
    /// Refusals that were logged, so that each is logged once.
    said: HashMap<AnnouncementId, String>,
}

impl Answers {
    /// Answers nothing that was answered before.
    pub(crate) fn new(grounds: Arc<Grounds>, capacity: Capacity) -> Result<Self, StoreError> {
        let known = answered_before(&grounds.shared.store)?;
        let store = grounds.shared.store.clone();
        let screen = Screen::new(&grounds.policy.filter, store, &grounds.chain);
        let (meetings, said) = (JoinSet::new(), HashMap::new());
        Ok(Answers { grounds, capacity, screen, meetings, known, said })
    }

    /// Goes on with a lease of an earlier run.
    pub(crate) fn resume(&mut self, old: Old) {
        let id = old.id;
        let span = info_span!("lease", announcement = short(&id));
        let part = old.lease.provider.terms().map(|terms| terms.quote.resources);
        let reserved = part.and_then(|part| self.capacity.reserve(part));
        if reserved.is_none() {
            warn!(parent: &span, "the capacity was lowered below what a lease has; it goes on");
        }
        info!(parent: &span, paid = old.lease.provider.paid(), "going on with a lease of an earlier run");
        let grounds = self.grounds.clone();
        self.meetings
            .spawn(async move { (id, Ok(grounds.resume(old, reserved).await)) }.instrument(span));
    }

    /// Waits for the end of all leases.
    pub(crate) async fn end(&mut self) {
        while self.meetings.join_next().await.is_some() {}
    }

    /// Follows the chain and answers until it is told to end.
    pub(crate) async fn serve(
        &mut self,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ChainError> {
        let grounds = self.grounds.clone();
        tokio::select! {
            mined = mining::ensure_identity(&grounds.chain, &grounds.policy.account) => mined?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
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
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
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
        for (id, record) in standing {
            match self.known.get(&id) {
                Some(Known::Answered) => continue,
                Some(Known::Failed { not_before, .. }) if *not_before > Instant::now() => continue,
                Some(Known::Failed { .. }) | None => (),
            }
            self.consider(id, record, head).await?;
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
        if let Err(refusal) = grounds.policy.check_coin(balance, self.meetings.len()) {
            self.pass_over(id, &refusal);
            return Ok(());
        }
        let Some(reserved) = self.capacity.reserve(admitted.quote.resources) else {
            self.pass_over(id, &"there is no room for it now");
            return Ok(());
        };
        let span = info_span!(
            "lease",
            announcement = short(&id),
            publisher = grounds.chain.address(&record.publisher)
        );
        info!(parent: &span, "answering an announcement");
        let attempts = self.attempts(&id);
        self.known.insert(id, Known::Failed { attempts, not_before: far_future() });
        self.meetings.spawn(
            async move { (id, grounds.meet(id, &record, &admitted, reserved).await) }
                .instrument(span),
        );
        Ok(())
    }

    fn attempts(&self, id: &AnnouncementId) -> u32 {
        match self.known.get(id) {
            Some(Known::Failed { attempts, .. }) => *attempts,
            Some(Known::Answered) | None => 0,
        }
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
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => return error!(%error, "a lease's task failed"),
        };
        let again = match &outcome {
            Ok(Ended { contracted: false, reason }) => {
                matches!(reason, CloseReason::TimedOut | CloseReason::ConnectionLost)
            }
            Ok(Ended { contracted: true, .. }) => false,
            Err(error) => {
                warn!(%error, announcement = short(&id), "an announcement could not be answered");
                true
            }
        };
        let attempts = self.attempts(&id) + 1;
        let known = if again && attempts < ATTEMPTS {
            let pause = FIRST_PAUSE.saturating_mul(1 << (attempts - 1)).min(LAST_PAUSE);
            debug!(announcement = short(&id), ?pause, "it is answered again later");
            Known::Failed { attempts, not_before: Instant::now() + pause }
        } else {
            Known::Answered
        };
        self.known.insert(id, known);
    }
}

/// Longer than any lease.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
