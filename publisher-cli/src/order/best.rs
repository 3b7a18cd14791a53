//! Many are hired, each is measured from its start, and those whose work costs least stay.

use std::time::Duration;

use codec::{Decode, Encode};
use tokio::time::Instant;
use zennet_primitives::close::CloseReason;

use super::{report::Report, run::Running};
use crate::{
    choice::ranking::worst,
    events::Event,
    lease::status::Status,
    store::Run,
    work::measure::{measure, Board},
};

/// Pause before a choice that could not be stored is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Which machines of an order are to stay, as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Selection {
    /// They are being measured.
    Measuring {
        /// How many are to stay.
        keep: u32,
        /// Time from when all are ready to the choice, milliseconds.
        after_ms: u64,
    },
    /// They are chosen.
    Chosen {
        /// Leases that go.
        dropped: Vec<u64>,
    },
}

/// How far the choice of an order is.
#[derive(Default)]
pub(super) struct Choosing {
    board: Board,
    /// When the choice is due.
    pub(super) at: Option<Instant>,
}

impl Running {
    /// How many machines are to stay, while that is not decided.
    pub(super) fn undecided(&self) -> Option<u32> {
        match &self.order.selection {
            Some(Selection::Measuring { keep, .. }) => Some(*keep),
            Some(Selection::Chosen { .. }) | None => None,
        }
    }

    /// Whether a lease of an earlier run was to go.
    pub(super) fn is_dropped(&self, lease: u64) -> bool {
        match &self.order.selection {
            Some(Selection::Chosen { dropped }) => dropped.contains(&lease),
            Some(Selection::Measuring { .. }) | None => false,
        }
    }

    /// A machine is ready: it is measured from now on.
    pub(super) fn measure(&mut self, lease: u64) {
        if self.undecided().is_none() {
            return;
        }
        if let Some((remote, status)) = self.order.registry.remote(lease) {
            self.measuring.spawn(measure(
                remote,
                status,
                self.choosing.board.clone(),
                self.checker.clone(),
            ));
        }
    }

    /// All machines are there: the choice is due after the time that was given.
    pub(super) fn begin_choosing(&mut self) {
        if let Some(Selection::Measuring { after_ms, .. }) = &self.order.selection {
            self.choosing.at = Some(Instant::now() + Duration::from_millis(*after_ms));
        }
    }

    /// Ends the leases of the worst machines, once the store knows which they are.
    pub(super) fn choose(&mut self, report: &Report) {
        self.choosing.at = None;
        let Some(keep) = self.undecided() else { return };
        let live =
            |status: &Status| self.ready.contains(&status.lease) && status.close_reason.is_none();
        let live: Vec<Status> = self.order.registry.all().into_iter().filter(live).collect();
        let measured: Vec<_> =
            live.iter().map(|status| (status.lease, self.choosing.board.of(status))).collect();
        let dropped = worst(&measured, keep as usize);
        let selection = Selection::Chosen { dropped: dropped.clone() };
        if let Err(error) = self.remember(&selection) {
            tracing::error!(error = format!("{error:#}"), "the choice waits: it cannot be stored");
            self.choosing.at = Some(Instant::now() + AGAIN);
            return;
        }
        self.order.selection = Some(selection);
        self.measuring.abort_all();
        for (status, (_, measured)) in live.iter().zip(&measured) {
            report.measured(status, measured);
        }
        let named = |status: &Status| dropped.contains(&status.lease);
        self.order.registry.stop(CloseReason::Finished, named);
        live.iter().filter(|status| named(status)).for_each(|status| report.dropped(status));
        let (machines, dropped) = (live.len() - dropped.len(), dropped.len());
        report.tell(&Event::Kept { machines, dropped, secs: report.secs() });
    }

    /// Stores the choice. Nothing is looked for from then on: a later run must not hire machines in
    /// place of those that go.
    fn remember(&self, selection: &Selection) -> anyhow::Result<()> {
        let store = &self.order.store;
        let selection = Some(selection.clone());
        match store.run()? {
            Some(run) => store.put_run(&Run { sought: None, selection, ..run }),
            None => anyhow::bail!("the store has no run"),
        }
    }
}
