//! Keeps the book of offers as the chain has it: everything is read once, then what each block
//! changed; everything again after a gap, or after blocks that were given up for others.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;
use tracing::{debug, info};
use zennet_chain_client::{ChainError, Head};
use zennet_lease::QuoteError;
use zennet_primitives::{announcement::AnnouncementId, record::AnnouncementRecord, AccountId};

use crate::{
    answers::short,
    desk::Desk,
    filter::Admitted,
    history::days_ago,
    market::profit::{Outlook, PerMille, Worth},
    meet::Grounds,
    offers::{Priced, Verdict},
};

/// Follows announcements.
pub(crate) struct Follower {
    grounds: Arc<Grounds>,
    outlook: Outlook,
    desk: Desk,
    /// The block that the book is as of.
    at: Option<Head>,
}

/// Shares of their prices that publishers are expected to pay, each looked up once.
type Trusts = HashMap<AccountId, PerMille>;

impl Follower {
    pub(crate) fn new(grounds: Arc<Grounds>, outlook: Outlook, desk: Desk) -> Self {
        Follower { grounds, outlook, desk, at: None }
    }

    /// Brings the book to a block.
    pub(crate) async fn read(&mut self, head: Head) -> Result<(), ChainError> {
        let lacks_some = self.desk.book().lacks_some();
        let Some(last) = self.at.filter(|_| !lacks_some) else { return self.read_all(head).await };
        let Some(changes) = self.grounds.chain.announcement_changes(last, head).await? else {
            return self.read_all(head).await;
        };
        let mut trusts = Trusts::new();
        let mut book = self.desk.book();
        for id in &changes.gone {
            book.remove(id);
        }
        for (id, record) in changes.came {
            book.insert(id, record, |r| self.appraise(id, r, head, &mut trusts), Instant::now());
        }
        self.at = Some(head);
        Ok(())
    }

    async fn read_all(&mut self, head: Head) -> Result<(), ChainError> {
        self.at = None;
        let began = Instant::now();
        let mut trusts = Trusts::new();
        self.desk.book().begin_reading();
        let mut next = None;
        loop {
            let page = self.grounds.chain.announcements_page(next, head.hash).await?;
            let mut book = self.desk.book();
            for (id, record) in page.found {
                book.insert(id, record, |r| self.appraise(id, r, head, &mut trusts), began);
            }
            match page.next {
                Some(id) => next = Some(id),
                None => {
                    book.end_reading();
                    let millis = began.elapsed().as_millis();
                    info!(
                        block = head.number,
                        offers = book.len(),
                        millis,
                        "read all announcements"
                    );
                    self.at = Some(head);
                    return Ok(());
                }
            }
        }
    }

    /// What a publisher's record changed about its offers.
    pub(crate) fn reprice(&self, publisher: &AccountId) {
        let trust = self.trust(publisher);
        self.desk
            .book()
            .reprice(publisher, |record, admitted| self.worth(record, admitted, trust).ok());
    }

    fn appraise(
        &self,
        id: AnnouncementId,
        record: &AnnouncementRecord<u32>,
        head: Head,
        trusts: &mut Trusts,
    ) -> Verdict {
        let passed = self.grounds.policy.admit(id, record, head.number);
        let admitted = passed.inspect_err(|refusal| {
            debug!(announcement = short(&id), %refusal, "announcement passed over");
        })?;
        let publisher = &record.publisher;
        let trust = match trusts.get(publisher) {
            Some(trust) => *trust,
            None => self.trust(publisher),
        };
        trusts.insert(publisher.clone(), trust);
        let worth = self.worth(record, &admitted, trust)?;
        Ok(Priced { admitted, worth })
    }

    fn worth(
        &self,
        record: &AnnouncementRecord<u32>,
        admitted: &Admitted,
        trust: PerMille,
    ) -> Result<Worth, QuoteError> {
        let shortest = record.body.lease.min_secs.max(self.grounds.policy.filter.min_lease_secs);
        Ok(self.outlook.worth(&admitted.quote, shortest, trust)?)
    }

    fn trust(&self, publisher: &AccountId) -> PerMille {
        let since = days_ago(self.grounds.policy.filter.fault_days);
        self.outlook.trust(&self.grounds.shared.store.record(publisher, since))
    }
}
