//! What an order looks for, as the store keeps it, so that `resume` can go on looking after a crash.

use std::time::Duration;

use anyhow::{Context, Result};
use codec::{Decode, Encode};
use rand::{rngs::OsRng, RngCore};
use zennet_chain_client::{AccountKey, Chain};
use zennet_lease::{PublisherLimits, PublisherPolicy};
use zennet_primitives::{
    announcement::{Announcement, AnnouncementId},
    pow::Difficulty,
};

use super::{run::Wanted, spec::announcement_blocks};
use crate::{
    choice::profile::Yardstick,
    context::node_failure,
    events::Event,
    history::screen::Screen,
    lease::seats::Seats,
    mining,
    store::{Run, Store},
    teller::Teller,
};

/// An order that is not complete.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Sought {
    /// Machines in all.
    pub(crate) machines: u32,
    /// Machines of one provider at most, where that is set.
    pub(crate) per_provider: Option<u32>,
    /// The announcement that it was last looked for with.
    pub(crate) body: Announcement,
    /// What is accepted.
    pub(crate) policy: PublisherPolicy,
    /// How long is waited for a provider.
    pub(crate) limits: PublisherLimits,
    /// Leases that a provider's fault may have ended lately.
    pub(crate) max_faults: u32,
    /// What quotes are compared by.
    pub(crate) yardstick: Yardstick,
    /// Time in which quotes are gathered before the cheapest are taken, milliseconds.
    pub(crate) choose_within_ms: u32,
    /// Time in which all machines must be ready, milliseconds.
    pub(crate) timeout_ms: u64,
    /// Work on the announcement.
    pub(crate) stamp: Difficulty,
}

impl Sought {
    /// The same with an announcement of its own for `missing` machines, where providers dial
    /// `endpoint`.
    pub(crate) fn again(&self, missing: u32, endpoint: &str) -> Result<Self> {
        let endpoint = endpoint.as_bytes().to_vec().try_into().ok();
        let endpoint = endpoint.context("the endpoint is too long to be announced")?;
        let body = Announcement {
            task: OsRng.next_u64(),
            machines: missing,
            endpoint,
            ..self.body.clone()
        };
        Ok(Sought { body, ..self.clone() })
    }

    /// Time in which all machines must be ready.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The seats of its machines; all of them are free.
    pub(crate) fn seats(&self) -> Seats {
        let seats = Seats::new(self.machines as usize, self.per_provider.map(|most| most as usize));
        seats.choosing_within(Duration::from_millis(self.choose_within_ms.into()))
    }
}

/// What an order is announced with.
pub(crate) struct Announcer {
    /// The node.
    pub(crate) chain: Chain,
    /// The account that pays.
    pub(crate) key: AccountKey,
    /// Where the run is kept.
    pub(crate) store: Store,
    /// Tells it.
    pub(crate) teller: Teller,
}

impl Announcer {
    /// Announces what is missing of an order of an earlier run, as soon as a seat is free: those
    /// that it has may suffice.
    pub(crate) async fn announce_free(
        self,
        run: Run,
        sought: Sought,
        endpoint: String,
        seats: Seats,
    ) -> Result<Wanted> {
        let missing = u32::try_from(seats.any_free().await).unwrap_or(u32::MAX);
        let before = sought.body.id(self.chain.genesis(), &self.key.account());
        let sought = Some(sought.again(missing, &endpoint)?);
        self.announce(Run { sought, ..run }, Some(before)).await
    }

    /// Announces what a run looks for, once the store has it. What it was announced with before is
    /// taken back.
    pub(crate) async fn announce(self, run: Run, before: Option<AnnouncementId>) -> Result<Wanted> {
        let Announcer { chain, key, store, teller } = self;
        let sought = run.sought.clone().context("nothing is looked for")?;
        let constants = chain.constants();
        let screen = Screen::new(&store, sought.max_faults)?;
        let announcement = sought.body.id(chain.genesis(), &key.account());
        let work = sought.stamp.max(constants.min_stamp);
        let stamp = mining::stamp(announcement, work, Some(&teller)).await?;
        let blocks = announcement_blocks(sought.timeout(), constants);
        store.put_run(&run)?;
        let announced = chain.announce(&key, &sought.body, blocks, stamp).await;
        let included = announced.map_err(node_failure)?;
        if let Some(before) = before {
            tokio::spawn(take_back(chain.clone(), key, before));
        }
        let secs = teller.secs();
        teller.tell(&Event::Announced {
            announcement: format!("{announcement:?}"),
            block: included.block.number,
            expires_at: included.block.number.saturating_add(blocks),
            endpoint: String::from_utf8_lossy(&sought.body.endpoint).into_owned(),
            fee: included.fee,
            profile: sought.yardstick.profile.name.clone(),
            secs,
        });
        Ok(Wanted {
            announcement,
            body: sought.body,
            policy: sought.policy,
            limits: sought.limits,
            screen,
            yardstick: sought.yardstick,
            announced_secs: secs,
        })
    }
}

/// Takes an announcement back, if it still stands.
pub(crate) async fn take_back(chain: Chain, key: AccountKey, id: AnnouncementId) {
    let stands = async { chain.announcement(id, chain.best().await?.hash).await };
    let gone = match stands.await {
        Ok(Some(_)) => chain.cancel(&key, id).await.map(drop),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = gone {
        // It expires by itself soon.
        tracing::debug!(%error, "cannot cancel the announcement");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::order::spec::{
        tests::{constants, spec},
        Spec,
    };

    pub(crate) fn sought(machines: u32) -> Sought {
        let peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let body = spec().announcement(&format!("/ip4/8.8.8.8/tcp/4001/p2p/{peer}")).unwrap();
        let spec = Spec { machines, ..spec() };
        spec.sought(body, spec.policy(&constants()).unwrap(), None)
    }

    #[test]
    fn what_is_missing_is_announced_as_a_task_of_its_own_and_all_else_stays() {
        let first = sought(9);
        let again = first.again(2, "/ip4/8.8.4.4/tcp/1").unwrap();
        assert_eq!((again.machines, again.body.machines), (9, 2));
        assert_ne!(again.body.task, first.body.task);
        assert_eq!(again.body.endpoint.to_vec(), b"/ip4/8.8.4.4/tcp/1");
        let body = Announcement {
            task: first.body.task,
            machines: first.body.machines,
            endpoint: first.body.endpoint.clone(),
            ..again.body.clone()
        };
        assert_eq!(Sought { body, ..again }, first);
        assert!(first.again(2, &"x".repeat(193)).is_err());
    }
}
