//! Leases that an earlier run left open: they go on, or are settled beside the order.

use anyhow::Result;
use tokio::{
    sync::{mpsc, watch},
    task::JoinError,
};
use zennet_primitives::close::CloseReason;
use zennet_transport::Connection;

use super::{
    report::Report,
    run::{Ended, Running},
    stages::Stage,
};
use crate::{
    choice::profile::Yardstick,
    control::registry::Entry,
    events::Event,
    history::screen::Screen,
    lease::{
        driver::{Earlier, Lease, Lines, Parts},
        recover::{Cleared, Found},
        seats,
        session::Session,
        status::Status,
        wire::LinkWire,
    },
    ssh::shell::ConnectionShell,
    store::StoredLease,
};

impl Running {
    /// Takes over what earlier runs left.
    pub(super) fn take_over(&mut self, found: Found, report: &Report) {
        let settling = match self.order.resumes {
            true => found.open.len() - found.live(),
            false => found.open.len(),
        };
        if settling > 0 {
            report.tell(&Event::Recovering { leases: settling });
        }
        for earlier in found.open {
            let goes_on = self.order.resumes && earlier.is_live();
            self.take_up(earlier, goes_on);
        }
        for lease in found.unclear {
            self.clear(lease);
        }
    }

    /// Finds out whether the channel of a lease is opened. Its seat waits for that.
    fn clear(&mut self, lease: StoredLease) {
        tracing::warn!(lease = lease.id, "its channel may still be opened: it is looked for");
        if let (true, Some(seat)) = (self.order.resumes, seats::number(&lease.name)) {
            self.order.seats.hold(seat, &lease.terms.provider, false);
        }
        self.unclear += 1;
        let recovery = self.recovery.clone();
        self.clearing.spawn(async move { (false, recovery.clear(lease, false).await) });
    }

    /// It has become clear, or is not expected any more. `late` tells which search it was.
    pub(super) fn cleared(&mut self, cleared: Result<(bool, Result<Cleared>), JoinError>) {
        let (late, cleared) = match cleared {
            Ok((late, cleared)) => (late, cleared),
            Err(error) => (false, Err(error.into())),
        };
        if !late {
            self.unclear = self.unclear.saturating_sub(1);
        }
        match cleared {
            Ok(Cleared::Open(earlier)) => {
                // Its seat may be another's by now.
                let goes_on = self.order.resumes && !late && earlier.is_live();
                self.take_up(earlier, goes_on);
            }
            Ok(Cleared::Never(machine)) => {
                tracing::warn!(machine, "its channel was never opened: nothing is locked");
                if !late {
                    self.free(&machine);
                }
            }
            Ok(Cleared::Doubtful(lease)) => {
                self.free(&lease.name);
                let recovery = self.recovery.clone();
                self.clearing.spawn(async move { (true, recovery.clear(lease, true).await) });
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "it stays unclear whether a channel was opened");
            }
        }
    }

    fn free(&self, machine: &str) {
        if let (true, Some(seat)) = (self.order.resumes, seats::number(machine)) {
            self.order.seats.release(seat);
        }
    }

    /// Goes on with a lease, or settles it in the background.
    fn take_up(&mut self, earlier: Earlier, goes_on: bool) {
        let id = earlier.lease.id;
        let (stop, stops) = mpsc::channel(1);
        let (told, snapshot) = watch::channel(Status::new(id));
        let (rejoined, links) = mpsc::channel(1);
        let (wish, wishes) = mpsc::channel(1);
        if goes_on && (self.stage == Stage::Ending || self.is_dropped(id)) {
            let _ = stop.try_send(CloseReason::Finished);
        }
        let shell = self.order.shell(None, earlier.lease.port, earlier.lease.readings);
        let remote = goes_on.then(|| shell.remote());
        let entry = Entry { status: snapshot, wish, stop, links: rejoined, remote };
        self.order.registry.add(id, entry);
        let lines = Lines { stops, wishes, status: told, news: self.news.clone(), links };
        if goes_on {
            return self.resume(earlier, lines, shell);
        }
        let settling = self.recovery.clone().settle(earlier, lines);
        self.leases.spawn(async move {
            Ended::Earlier(match settling.await {
                Ok(status) => Some(status),
                Err(error) => {
                    tracing::warn!(%error, "cannot settle a lease of an earlier run");
                    None
                }
            })
        });
    }

    /// Goes on with a lease.
    fn resume(
        &mut self,
        earlier: Earlier,
        lines: Lines<LinkWire, Connection>,
        shell: ConnectionShell,
    ) {
        let id = earlier.lease.id;
        let machine = match earlier.machine() {
            Ok(machine) => machine,
            Err(error) => {
                tracing::error!(lease = id, error = format!("{error:#}"));
                return;
            }
        };
        let ready = earlier.was_ready();
        let seat = seats::number(&earlier.lease.name);
        if let Some(seat) = seat {
            self.order.seats.hold(seat, &earlier.lease.terms.provider, ready);
        }
        if ready {
            self.ready.insert(id);
        }
        self.returning.insert(id);
        let parts = Parts {
            id,
            machine,
            wire: None,
            chain: self.chain.clone(),
            shell,
            account: self.order.key.clone(),
            session: Session::from_seed(earlier.lease.session_seed),
            seats: self.order.seats.clone(),
            store: self.order.store.clone(),
            screen: Screen::default(),
            yardstick: Yardstick::default(),
        };
        self.live += 1;
        // What was ready keeps its seat for good.
        let seat = seat.filter(|_| !ready);
        self.leases.spawn(async move {
            Ended::Own(Box::pin(Lease::new(parts, lines).resume(earlier, seat)).await)
        });
    }
}
