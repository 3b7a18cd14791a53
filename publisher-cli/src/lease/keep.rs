//! How a driver keeps its lease in the store.

use std::time::Duration;

use codec::Encode;
use zennet_lease::{Publisher, PublisherAction};
use zennet_primitives::contract::Terms;

use super::{
    driver::Lease,
    world::{LeaseChain, Shell, Wire},
};
use crate::store::StoredLease;

/// How often the store is tried before a promise is given up.
const STORE_ATTEMPTS: u32 = 3;

/// Pause between two of these.
const STORE_PAUSE: Duration = Duration::from_millis(200);

impl<W: Wire, C: LeaseChain, S: Shell> Lease<W, C, S> {
    /// Writes the lease durably; whether that worked.
    pub(super) async fn persist(&mut self, machine: &Publisher) -> bool {
        let Some(lease) = self.record(machine) else { return true };
        for attempt in 1..=STORE_ATTEMPTS {
            match self.parts.store.keep(&lease).await {
                Ok(()) => {
                    self.stored = Some(lease);
                    return true;
                }
                Err(error) => {
                    tracing::error!(lease = self.parts.id, attempt, %error, "cannot store the lease");
                }
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        false
    }

    /// The lease as it stands, without an end.
    pub(super) fn record(&self, machine: &Publisher) -> Option<StoredLease> {
        let earlier = self.stored.as_ref();
        let terms: Option<&Terms> = machine.terms().or(earlier.map(|lease| &lease.terms));
        let status = self.lines.status.borrow();
        Some(StoredLease {
            id: self.parts.id,
            name: status.name.clone()?,
            session_seed: self.parts.session.seed(),
            machine: machine.encode(),
            terms: terms?.clone(),
            since: earlier.map_or_else(zennet_time::unix_secs, |lease| lease.since),
            transactions: status.transactions,
            port: status.port.or(earlier.and_then(|lease| lease.port)),
            ended: None,
            figures: super::status::figures(machine),
            readings: self.parts.shell.totals(),
            journal: self.journal.clone(),
            odd_result: false,
        })
    }
}

/// Whether one of the actions binds this side.
pub(super) fn promises(actions: &[PublisherAction]) -> bool {
    actions.iter().any(|action| {
        matches!(
            action,
            PublisherAction::SendContract(_)
                | PublisherAction::OpenChannel(_)
                | PublisherAction::SendVoucher { .. }
                | PublisherAction::SendAmendment(_)
                | PublisherAction::FundChannel { .. }
        )
    })
}
