//! The order's only task: accepts providers, hears of the leases, ends them.

use std::{
    collections::BTreeSet,
    future::{pending, Future},
    pin::Pin,
    time::Duration,
};

use anyhow::Result;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::{interval, sleep_until, timeout, Instant, MissedTickBehavior},
};
use zennet_chain_client::{AccountKey, Chain};
use zennet_lease::{Publisher, PublisherLimits, PublisherPolicy, PublisherSetup};
use zennet_primitives::{
    announcement::{Announcement, AnnouncementId},
    close::CloseReason,
};
use zennet_transport::{Connection, Endpoint, Link};

use super::{
    best::{Choosing, Selection},
    compare::{Comparing, Job, Ran},
    ends::Ends,
    greetings::Greetings,
    recheck::Rechecking,
    report::Report,
    stages::Stage,
    start::forget_sought,
};
use crate::{
    choice::profile::Yardstick,
    config::Recheck,
    control::registry::{Entry, Registry},
    failure::Failure,
    history::screen::Screen,
    lease::{
        chain::NodeChain,
        driver::{Lease, Lines, Parts},
        recover::{Cleared, Found, Recovery},
        rejoin::greet,
        seats::{Seats, BEAT},
        session::Session,
        status::{News, Status, What},
        wire::LinkWire,
        world::Wire,
    },
    ssh::{
        keys::ClientKey,
        login::Logins,
        ports::Ports,
        readings::Totals,
        shell::{Access, ConnectionShell},
    },
    store::Store,
    teller::status,
    work::{chain::Checker, recheck::Check},
};

/// News that may wait for the order.
const NEWS: usize = 256;

/// Measurements of machines that may wait for the order.
const CHECKS: usize = 16;

/// Meetings beyond the machines wanted that may go on at once.
const SPARE_MEETINGS: usize = 16;

/// Leases of an order for `machines` that may be under way at once, meetings included.
pub(crate) const fn most_meetings(machines: usize) -> usize {
    2 * machines + SPARE_MEETINGS
}

/// Time to take the announcement back once all leases are settled; otherwise it expires by itself.
const CANCEL: Duration = Duration::from_secs(8);

/// Time in which machines of an earlier run are expected back.
const RETURN: Duration = Duration::from_secs(60);

/// What every lease of an order shares.
pub(crate) struct Order {
    /// The node.
    pub(crate) chain: Chain,
    /// The account that pays.
    pub(crate) key: AccountKey,
    /// Machines that are wanted in all; none where only leases of an earlier run go on.
    pub(crate) machines: usize,
    /// Time in which they must be ready.
    pub(crate) timeout: Duration,
    /// Whether leases of an earlier run go on; otherwise they are settled.
    pub(crate) resumes: bool,
    /// What new providers are met with, once it is announced.
    pub(crate) wanted: Option<Wanted>,
    /// Where providers dial.
    pub(crate) endpoint: Endpoint,
    /// Local ports.
    pub(crate) ports: Ports,
    /// The ssh key of this run.
    pub(crate) client_key: ClientKey,
    /// Where leases are kept.
    pub(crate) store: Store,
    /// The leases, for the control socket.
    pub(crate) registry: Registry,
    /// The seats.
    pub(crate) seats: Seats,
    /// Logins of this program that may begin at once.
    pub(crate) logins: Logins,
    /// Which machines are to stay, where not all are.
    pub(crate) selection: Option<Selection>,
    /// Whether machines are measured again.
    pub(crate) recheck: Recheck,
    /// What all machines do once, where the order ends with that.
    pub(crate) job: Option<Job>,
}

/// What new providers are met with.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// The announcement.
    pub(crate) announcement: AnnouncementId,
    /// Its body.
    pub(crate) body: Announcement,
    /// What is accepted.
    pub(crate) policy: PublisherPolicy,
    /// How long is waited.
    pub(crate) limits: PublisherLimits,
    /// Which providers are dealt with.
    pub(crate) screen: Screen,
    /// What their quotes are compared by.
    pub(crate) yardstick: Yardstick,
    /// When it was announced, seconds since the run began.
    pub(crate) announced_secs: f64,
}

/// Announces what is missing of an order of an earlier run, while its leases go on.
pub(crate) type Announcing = Pin<Box<dyn Future<Output = Result<Wanted>> + Send>>;

/// Which lease of which kind ended.
pub(super) enum Ended {
    Own(Status),
    Earlier(Option<Status>),
}

/// Runs an order to its end, with the leases of earlier runs.
pub(crate) async fn run(
    order: Order,
    announcing: Option<Announcing>,
    found: Found,
    recovery: Recovery,
    report: &mut Report,
    ends: &mut Ends,
) -> Result<()> {
    let (news, heard) = mpsc::channel(NEWS);
    let mut running = Running {
        stage: if order.machines > 0 { Stage::Gathering } else { Stage::Complete },
        deadline: Instant::now() + order.timeout,
        live: 0,
        ready: BTreeSet::new(),
        returning: BTreeSet::new(),
        return_until: Instant::now() + RETURN,
        told_complete: false,
        listening: true,
        leases: JoinSet::new(),
        greetings: Greetings::new(),
        clearing: JoinSet::new(),
        unclear: 0,
        announcing: JoinSet::new(),
        news,
        heard,
        failure: None,
        cancelling: None,
        choosing: Choosing::default(),
        measuring: JoinSet::new(),
        comparing: Comparing::default(),
        jobs: JoinSet::new(),
        rechecking: Rechecking::default(),
        rechecks: JoinSet::new(),
        checks: mpsc::channel(CHECKS),
        checker: Checker::new(),
        chain: recovery.node().clone().of_order(order.seats.clone()),
        recovery,
        order,
    };
    running.announced(report);
    // They take their seats first.
    running.take_over(found, report);
    if let Some(announcing) = announcing {
        running.announcing.spawn(announcing);
    }
    let ended = running.until_end(report, ends).await;
    running.leases.abort_all();
    running.announcing.shutdown().await;
    if running.stage == Stage::Ending {
        // The announcing may have stored it while it was being stopped.
        forget_sought(&running.order.store);
    }
    ended?;
    running.miss_job();
    if let Some(cancelling) = running.cancelling.filter(|task| !task.is_finished()) {
        let secs = CANCEL.as_secs();
        status(format_args!("taking the announcement back, which may take {secs} s"));
        if timeout(CANCEL, cancelling).await.is_err() {
            status(format_args!("it is not taken back yet: it expires by itself"));
        }
    }
    match running.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

pub(super) struct Running {
    pub(super) stage: Stage,
    pub(super) deadline: Instant,
    pub(super) live: usize,
    /// Leases whose machine was ready at some time.
    pub(super) ready: BTreeSet<u64>,
    /// Leases of an earlier run that are expected back, until then.
    pub(super) returning: BTreeSet<u64>,
    pub(super) return_until: Instant,
    pub(super) told_complete: bool,
    listening: bool,
    pub(super) leases: JoinSet<Ended>,
    /// Connections whose first frame is awaited.
    greetings: Greetings<Option<LinkWire>>,
    /// Searches for channels that an earlier run may have opened, and whether each is a late one.
    pub(super) clearing: JoinSet<(bool, Result<Cleared>)>,
    /// Leases of an earlier run whose channel is expected to be found.
    pub(super) unclear: usize,
    pub(super) announcing: JoinSet<Result<Wanted>>,
    pub(super) news: mpsc::Sender<News>,
    heard: mpsc::Receiver<News>,
    pub(super) failure: Option<Failure>,
    pub(super) cancelling: Option<JoinHandle<()>>,
    pub(super) choosing: Choosing,
    /// What measures the machines until some are chosen.
    pub(super) measuring: JoinSet<()>,
    pub(super) comparing: Comparing,
    pub(super) jobs: JoinSet<Ran>,
    pub(super) rechecking: Rechecking,
    pub(super) rechecks: JoinSet<()>,
    pub(super) checker: Checker,
    pub(super) checks: (mpsc::Sender<Check>, mpsc::Receiver<Check>),
    /// The chain as leases see it.
    pub(super) chain: NodeChain,
    pub(super) recovery: Recovery,
    pub(super) order: Order,
}

impl Running {
    async fn until_end(&mut self, report: &mut Report, ends: &mut Ends) -> Result<(), Failure> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Vec::new();
        loop {
            self.advance(report);
            if self.is_over() {
                return Ok(());
            }
            let deadline = self.next_deadline();
            tokio::select! {
                link = self.order.endpoint.accept(), if self.listening => match link {
                    Ok(link) => self.greet(link),
                    Err(error) => {
                        tracing::error!(%error, "no provider can be met any more");
                        self.listening = false;
                        self.end();
                    }
                },
                _ = self.heard.recv_many(&mut heard, NEWS) => self.hear(&mut heard, report),
                _ = beat.tick(), if self.stage == Stage::Gathering => self.order.seats.grow(),
                greeted = self.greetings.next(), if !self.greetings.is_empty() => {
                    if let Some(Some(wire)) = greeted {
                        self.meet(wire, report);
                    }
                }
                Some(cleared) = self.clearing.join_next(), if !self.clearing.is_empty() => {
                    self.cleared(cleared);
                }
                Some(wanted) = self.announcing.join_next(), if !self.announcing.is_empty() => {
                    self.announce_done(wanted, report);
                }
                Some(check) = self.checks.1.recv() => self.rechecked(&check, report),
                Some(ran) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    self.ran(ran, report);
                }
                Some(ended) = self.leases.join_next(), if !self.leases.is_empty() => {
                    self.drain(report);
                    match ended {
                        Ok(ended) => self.ended(ended, report),
                        Err(error) => self.broke(&error),
                    }
                }
                () = async {
                    match deadline {
                        Some(at) => sleep_until(at).await,
                        None => pending().await,
                    }
                } => {
                    if self.late(report) {
                        return Ok(());
                    }
                }
                ask = ends.next() => self.asked(ask)?,
            }
        }
    }

    /// Finds out whom a connection belongs to.
    fn greet(&mut self, link: Link) {
        let from = link.connection.remote_ip();
        let most = most_meetings(self.live.max(self.order.machines));
        if !self.greetings.has_place(from, most) {
            link.connection.close();
            return;
        }
        let (registry, key) = (self.order.registry.clone(), self.order.key.clone());
        self.greetings.begin(from, greet(link, registry, key));
    }

    fn meet(&mut self, mut wire: LinkWire, report: &mut Report) {
        let most = most_meetings(self.order.machines);
        let wanted = match &self.order.wanted {
            Some(wanted) if self.live < most && self.stage != Stage::Ending => wanted.clone(),
            Some(_) | None => {
                wire.close();
                return;
            }
        };
        let id = match self.order.store.next_lease() {
            Ok(id) => id,
            Err(error) => {
                tracing::error!(%error, "cannot store a lease, a provider is sent away");
                wire.close();
                return;
            }
        };
        let from = wire.connection().remote_address().to_string();
        let session = Session::generate();
        let setup = PublisherSetup {
            genesis: self.order.chain.genesis(),
            announcement: wanted.announcement,
            body: wanted.body,
            account: self.order.key.account(),
            session_key: session.public(),
            client_key: self.order.client_key.public(),
            policy: wanted.policy,
            limits: wanted.limits,
        };
        let (stop, stops) = mpsc::channel(1);
        if self.stage == Stage::Complete {
            let _ = stop.try_send(CloseReason::EnoughMachines);
        }
        let (told, snapshot) = watch::channel(Status::new(id));
        let parts = Parts {
            id,
            machine: Publisher::new(setup),
            chain: self.chain.clone(),
            shell: self.order.shell(Some(wire.connection().clone()), None, Totals::default()),
            wire: Some(wire),
            account: self.order.key.clone(),
            session,
            seats: self.order.seats.clone(),
            store: self.order.store.clone(),
            screen: wanted.screen,
            yardstick: wanted.yardstick,
        };
        let remote = Some(parts.shell.remote());
        let (rejoined, links) = mpsc::channel(1);
        let (wish, wishes) = mpsc::channel(1);
        let news = self.news.clone();
        let lines = Lines { stops, wishes, status: told, news, links };
        self.leases
            .spawn(async move { Ended::Own(Box::pin(Lease::new(parts, lines).run()).await) });
        let entry = Entry { status: snapshot, wish, stop, links: rejoined, remote };
        self.order.registry.add(id, entry);
        self.live += 1;
        report.met(id, from);
    }

    /// Hears what leases said, in order. The files for ssh are written once for all of it, and
    /// before a machine is called ready.
    fn hear(&mut self, heard: &mut Vec<News>, report: &mut Report) {
        let ready = heard.iter().filter(|news| matches!(news.what, What::Ready));
        let ready = ready.filter_map(|news| self.order.registry.status(news.lease)).collect();
        report.let_in(ready);
        for news in heard.drain(..) {
            self.hear_one(&news, report);
        }
    }

    fn hear_one(&mut self, news: &News, report: &mut Report) {
        if let Some(status) = self.order.registry.status(news.lease) {
            report.news(news, &status);
        }
        // Counted as they are told, so that all are told before the order is called complete.
        if matches!(news.what, What::Ready) {
            self.ready.insert(news.lease);
            self.returning.remove(&news.lease);
            self.measure(news.lease);
            self.begin_rechecks(news.lease);
        }
        if let (What::NoCoin(why), Stage::Gathering) = (&news.what, self.stage) {
            // No other provider's deposit would be paid either.
            self.failure = Some(Failure::NoCoin(why.clone()));
            self.end();
        }
        self.advance(report);
    }

    /// Hears what leases said before they ended.
    fn drain(&mut self, report: &mut Report) {
        let mut heard: Vec<News> = std::iter::from_fn(|| self.heard.try_recv().ok()).collect();
        self.hear(&mut heard, report);
    }

    /// A lease's task ended without a word.
    fn broke(&mut self, error: &JoinError) {
        tracing::error!(%error, "a lease broke: its deposit is left to `publisher-cli recover`");
        self.live = self.live.saturating_sub(1);
        self.failure.get_or_insert(Failure::Unsettled(1));
    }

    fn ended(&mut self, ended: Ended, report: &mut Report) {
        match ended {
            Ended::Own(status) => {
                self.live = self.live.saturating_sub(1);
                self.returning.remove(&status.lease);
                self.rechecking.forget(status.lease);
                self.order.registry.remove(status.lease);
                report.ended(&status);
                if status.opened && status.settled.is_none() && self.failure.is_none() {
                    self.failure = Some(Failure::Unsettled(1));
                }
                if let (Some(Failure::Unsettled(count)), true) =
                    (&mut self.failure, report.totals().unsettled > 0)
                {
                    *count = report.totals().unsettled;
                }
            }
            Ended::Earlier(Some(status)) => {
                self.order.registry.remove(status.lease);
                report.recovered(&status);
            }
            Ended::Earlier(None) => {}
        }
    }
}

impl Order {
    pub(super) fn shell(
        &self,
        connection: Option<Connection>,
        port: Option<u16>,
        readings: Totals,
    ) -> ConnectionShell {
        let access = Access {
            ports: self.ports.clone(),
            key: self.client_key.clone(),
            logins: self.logins.clone(),
        };
        ConnectionShell::new(connection, access, port, readings)
    }
}
