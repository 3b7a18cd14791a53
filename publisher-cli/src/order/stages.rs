//! How an order comes from one stage to the next.

use std::time::Duration;

use anyhow::Result;
use tokio::{task::JoinError, time::Instant};
use zennet_primitives::{announcement::AnnouncementId, close::CloseReason};

use super::{
    ends::Ask,
    report::Report,
    run::{Running, Wanted},
    sought::take_back,
    start::forget_sought,
};
use crate::{
    failure::{exit_code, Failure},
    lease::status::Status,
    teller::status,
};

/// Longest time to settle after the end was asked for: the challenge of a vanished provider is
/// part of it.
const SETTLE: Duration = Duration::from_secs(15 * 60);

/// How far the order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Machines are missing.
    Gathering,
    /// All are or were ready.
    Complete,
    /// Everything ends.
    Ending,
}

impl Running {
    pub(super) fn is_over(&self) -> bool {
        // What an earlier order left is not waited for, unless this goes on with it.
        let clear = self.unclear == 0 || !self.order.resumes;
        self.live == 0 && clear && self.stage != Stage::Gathering
    }

    /// Calls the order complete when it is, and tells so when those of an earlier run are back.
    pub(super) fn advance(&mut self, report: &Report) {
        if self.stage == Stage::Gathering && self.ready.len() >= self.order.machines {
            self.stop_gathering();
        }
        if self.stage == Stage::Complete && self.returning.is_empty() {
            self.tell_complete(report);
        }
    }

    fn stop_gathering(&mut self) {
        self.stage = Stage::Complete;
        forget_sought(&self.order.store);
        // Whoever still negotiates is not needed; a machine of an earlier run may be on its way.
        let (ready, returning) = (&self.ready, &self.returning);
        self.order.registry.stop(CloseReason::EnoughMachines, |status| {
            !ready.contains(&status.lease) && !returning.contains(&status.lease)
        });
    }

    /// Goes on with the machines that are ready, where those that are to stay are among them.
    fn make_do(&mut self) -> bool {
        let ready = self.ready.len();
        let suffices = self.undecided().is_some_and(|keep| ready >= keep as usize);
        if suffices {
            self.order.machines = ready;
            self.stop_gathering();
            if let Some(wanted) = &self.order.wanted {
                self.take_back(wanted.announcement);
            }
        }
        suffices
    }

    fn tell_complete(&mut self, report: &Report) {
        if !std::mem::replace(&mut self.told_complete, true) && self.live > 0 {
            let not_found = self.order.machines.saturating_sub(self.ready.len());
            report.complete(self.returning.len().max(not_found));
            self.begin_choosing();
            self.begin_job(report);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Complete if self.told_complete => self.choosing.at,
            Stage::Complete => Some(self.return_until),
            // Its time begins when it is announced.
            Stage::Gathering if !self.announcing.is_empty() => None,
            Stage::Gathering | Stage::Ending => Some(self.deadline),
        }
    }

    /// The time is up; whether that is the end.
    pub(super) fn late(&mut self, report: &Report) -> bool {
        match self.stage {
            Stage::Complete if self.told_complete => {
                self.choose(report);
                false
            }
            Stage::Complete => {
                self.tell_complete(report);
                false
            }
            Stage::Gathering => {
                if self.make_do() {
                    return false;
                }
                self.failure = Some(Failure::NotEnough {
                    ready: self.order.seats.count_ready(),
                    wanted: self.order.machines,
                    secs: self.order.timeout.as_secs(),
                });
                self.end();
                false
            }
            Stage::Ending => {
                let left = self.live.max(1);
                self.failure.get_or_insert(Failure::Unsettled(left));
                true
            }
        }
    }

    pub(super) fn asked(&mut self, ask: Ask) -> Result<(), Failure> {
        match (ask, self.stage) {
            (Ask::Leave, _) => {
                let open = |status: &&Status| status.opened && status.settled.is_none();
                Err(Failure::Left(self.order.registry.all().iter().filter(open).count()))
            }
            (Ask::Interrupt, Stage::Ending) => Err(Failure::Interrupted),
            (Ask::Stop, Stage::Ending) => Ok(()),
            (Ask::Interrupt | Ask::Stop, Stage::Gathering | Stage::Complete) => {
                status(format_args!(
                    "ending {} leases and settling them; interrupt again to leave at once",
                    self.live
                ));
                self.end();
                Ok(())
            }
        }
    }

    /// What is missing of an order of an earlier run is announced, or is not.
    pub(super) fn announce_done(
        &mut self,
        wanted: Result<Result<Wanted>, JoinError>,
        report: &mut Report,
    ) {
        if wanted.as_ref().is_err_and(JoinError::is_cancelled) {
            // The order ends.
            return;
        }
        match wanted.map_err(Into::into).and_then(|wanted| wanted) {
            Ok(wanted) if self.stage == Stage::Gathering => {
                self.order.wanted = Some(wanted);
                self.deadline = Instant::now() + self.order.timeout;
                self.announced(report);
            }
            Ok(wanted) => self.take_back(wanted.announcement),
            Err(error) => {
                let (code, why) = (exit_code(&error), format!("{error:#}"));
                tracing::error!(why, "cannot announce what is missing: `resume` tries it again");
                if self.live == 0 {
                    self.failure.get_or_insert(Failure::Other { code, why });
                }
                // The machines that are there go on, and the store still says what is missing.
                if self.stage == Stage::Gathering {
                    self.stage = Stage::Complete;
                }
            }
        }
    }

    pub(super) fn announced(&self, report: &mut Report) {
        if let Some(wanted) = &self.order.wanted {
            report.announced(wanted.announced_secs);
        }
    }

    fn take_back(&mut self, announcement: AnnouncementId) {
        let (chain, key) = (self.order.chain.clone(), self.order.key.clone());
        self.cancelling = Some(tokio::spawn(take_back(chain, key, announcement)));
    }

    /// Ends every lease and takes back an announcement that is not needed any more.
    pub(super) fn end(&mut self) {
        let cancel = self.stage == Stage::Gathering;
        self.stage = Stage::Ending;
        self.deadline = Instant::now() + SETTLE;
        self.order.registry.stop(CloseReason::Finished, |_| true);
        // First: it stores what is looked for.
        self.announcing.abort_all();
        forget_sought(&self.order.store);
        if let (true, Some(wanted)) = (cancel, &self.order.wanted) {
            self.take_back(wanted.announcement);
        }
    }
}
