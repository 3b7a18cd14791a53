//! The order's only task: accepts providers, hears of the leases, ends them.

use std::{future::pending, time::Duration};

use anyhow::Result;
use tokio::{
    signal::unix::{signal, Signal, SignalKind},
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

use super::report::{status, Report};
use crate::{
    control::registry::{Entry, Registry},
    failure::Failure,
    history::screen::Screen,
    lease::{
        chain::NodeChain,
        driver::{Earlier, Lease, Lines, Parts},
        recover::Recovery,
        rejoin::greet,
        seats::{Seats, BEAT},
        session::Session,
        status::{News, Status, What},
        wire::LinkWire,
        world::Wire,
    },
    ssh::{
        keys::ClientKey,
        ports::Ports,
        readings::{Logins, Totals},
        shell::{Access, ConnectionShell},
    },
    store::Store,
};

/// News that may wait for the order.
const NEWS: usize = 256;

/// Meetings beyond the machines wanted that may go on at once.
const SPARE_MEETINGS: usize = 16;

/// Leases of an order for `machines` that may be under way at once, meetings included.
pub(crate) const fn most_meetings(machines: usize) -> usize {
    2 * machines + SPARE_MEETINGS
}

/// Longest time to settle after the end was asked for: the challenge of a vanished provider is
/// part of it.
const SETTLE: Duration = Duration::from_secs(15 * 60);

/// Time to take the announcement back.
const CANCEL: Duration = Duration::from_secs(20);

/// What every lease of an order shares.
pub(crate) struct Order {
    /// The node.
    pub(crate) chain: Chain,
    /// The account that pays.
    pub(crate) key: AccountKey,
    /// What is asked for; nothing where leases of an earlier run go on.
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
    /// Time in which all machines must be ready.
    pub(crate) timeout: Duration,
}

impl Order {
    /// Machines that are wanted of new providers.
    fn machines(&self) -> usize {
        self.wanted.as_ref().map_or(0, |wanted| wanted.body.machines as usize)
    }
}

/// How far the order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Machines are missing.
    Gathering,
    /// All are or were ready.
    Complete,
    /// Everything ends.
    Ending,
}

/// Which lease of which kind ended.
enum Ended {
    Own(Status),
    Earlier(Option<Status>),
}

/// Runs an order to its end, with the leases of earlier runs in the background.
pub(crate) async fn run(order: Order, recovery: Recovery, report: &mut Report) -> Result<()> {
    let mut signals = Signals::new()?;
    let (news, heard) = mpsc::channel(NEWS);
    let mut running = Running {
        stage: if order.wanted.is_some() { Stage::Gathering } else { Stage::Complete },
        deadline: Instant::now() + order.wanted.as_ref().map_or(SETTLE, |wanted| wanted.timeout),
        live: 0,
        ready: 0,
        listening: true,
        leases: JoinSet::new(),
        greetings: JoinSet::new(),
        news,
        heard,
        failure: None,
        cancelling: None,
        chain: recovery.node().clone().of_order(order.seats.clone()),
        order,
    };
    running.recover(recovery, report).await;
    let ended = running.until_end(report, &mut signals).await;
    running.leases.abort_all();
    ended?;
    if let Some(cancelling) = running.cancelling {
        let _ = timeout(CANCEL, cancelling).await;
    }
    match running.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

struct Running {
    stage: Stage,
    deadline: Instant,
    live: usize,
    ready: u32,
    listening: bool,
    leases: JoinSet<Ended>,
    /// Connections whose first frame is awaited.
    greetings: JoinSet<Option<LinkWire>>,
    news: mpsc::Sender<News>,
    heard: mpsc::Receiver<News>,
    failure: Option<Failure>,
    cancelling: Option<JoinHandle<()>>,
    /// The chain as leases see it.
    chain: NodeChain,
    order: Order,
}

impl Running {
    async fn until_end(
        &mut self,
        report: &mut Report,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Vec::new();
        loop {
            if self.live == 0 && self.stage != Stage::Gathering {
                return Ok(());
            }
            let deadline = (self.stage != Stage::Complete).then_some(self.deadline);
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
                Some(greeted) = self.greetings.join_next(), if !self.greetings.is_empty() => {
                    if let Ok(Some(wire)) = greeted {
                        self.meet(wire, report);
                    }
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
                    if self.stage == Stage::Ending {
                        let left = self.live.max(1);
                        self.failure.get_or_insert(Failure::Unsettled(left));
                        return Ok(());
                    }
                    self.failure = Some(Failure::NotEnough {
                        ready: self.order.seats.count_ready(),
                        wanted: self.order.machines(),
                        secs: self.order.wanted.as_ref().map_or(0, |w| w.timeout.as_secs()),
                    });
                    self.end();
                }
                () = signals.next() => {
                    if self.stage == Stage::Ending {
                        return Err(Failure::Interrupted);
                    }
                    status(format_args!(
                        "ending {} leases and settling them; interrupt again to leave at once",
                        self.live
                    ));
                    self.end();
                }
            }
        }
    }

    /// Ends every lease and takes back an announcement that is not needed any more.
    fn end(&mut self) {
        let cancel = self.stage == Stage::Gathering;
        self.stage = Stage::Ending;
        self.deadline = Instant::now() + SETTLE;
        self.order.registry.stop(CloseReason::Finished, |_| true);
        if let (true, Some(wanted)) = (cancel, &self.order.wanted) {
            let (chain, key) = (self.order.chain.clone(), self.order.key.clone());
            let announcement = wanted.announcement;
            self.cancelling = Some(tokio::spawn(async move {
                if let Err(error) = chain.cancel(&key, announcement).await {
                    // It expires by itself soon.
                    tracing::debug!(%error, "cannot cancel the announcement");
                }
            }));
        }
    }

    /// Finds out whom a connection belongs to.
    fn greet(&mut self, link: Link) {
        if self.greetings.len() >= most_meetings(self.live.max(self.order.machines())) {
            link.connection.close();
            return;
        }
        let (registry, key) = (self.order.registry.clone(), self.order.key.clone());
        self.greetings.spawn(greet(link, registry, key));
    }

    fn meet(&mut self, mut wire: LinkWire, report: &mut Report) {
        let most = most_meetings(self.order.machines());
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
        };
        let (rejoined, links) = mpsc::channel(1);
        let (wish, wishes) = mpsc::channel(1);
        let news = self.news.clone();
        let lines = Lines { stops, wishes, status: told, news, links };
        self.leases
            .spawn(async move { Ended::Own(Box::pin(Lease::new(parts, lines).run()).await) });
        self.order.registry.add(id, Entry { status: snapshot, wish, stop, links: rejoined });
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
        self.ready += u32::from(matches!(news.what, What::Ready));
        if let (What::NoCoin(why), Stage::Gathering) = (&news.what, self.stage) {
            // No other provider's deposit would be paid either.
            self.failure = Some(Failure::NoCoin(why.clone()));
            self.end();
        }
        if self.stage == Stage::Gathering && self.ready as usize >= self.order.machines() {
            self.stage = Stage::Complete;
            report.complete();
            // Whoever still negotiates is not needed.
            self.order
                .registry
                .stop(CloseReason::EnoughMachines, |status| status.ready_at.is_none());
        }
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

    /// Settles what earlier runs left open, in the background.
    async fn recover(&mut self, recovery: Recovery, report: &Report) {
        let open = match recovery.open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "cannot look for leases of earlier runs");
                return;
            }
        };
        if open.is_empty() {
            return;
        }
        report.tell(&crate::events::Event::Recovering { leases: open.len() });
        for earlier in open {
            let id = earlier.lease.id;
            let (stop, stops) = mpsc::channel(1);
            let (told, snapshot) = watch::channel(Status::new(id));
            let (rejoined, links) = mpsc::channel(1);
            let (wish, wishes) = mpsc::channel(1);
            self.order.registry.add(id, Entry { status: snapshot, wish, stop, links: rejoined });
            let news = self.news.clone();
            if self.order.wanted.is_none() && earlier.is_live() {
                self.resume(earlier, Lines { stops, wishes, status: told, news, links });
                continue;
            }
            let settling = recovery
                .clone()
                .settle(earlier, Lines { stops, wishes, status: told, news, links });
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
    }
}

impl Running {
    /// Goes on with a lease of an earlier run.
    fn resume(&mut self, earlier: Earlier, lines: Lines<LinkWire, Connection>) {
        let machine = match earlier.machine() {
            Ok(machine) => machine,
            Err(error) => {
                tracing::error!(lease = earlier.lease.id, error = format!("{error:#}"));
                return;
            }
        };
        let parts = Parts {
            id: earlier.lease.id,
            machine,
            wire: None,
            chain: self.chain.clone(),
            shell: self.order.shell(None, earlier.lease.port, earlier.lease.readings),
            account: self.order.key.clone(),
            session: Session::from_seed(earlier.lease.session_seed),
            seats: self.order.seats.clone(),
            store: self.order.store.clone(),
            screen: Screen::default(),
        };
        self.live += 1;
        self.leases.spawn(async move {
            Ended::Own(Box::pin(Lease::new(parts, lines).resume(earlier)).await)
        });
    }
}

impl Order {
    fn shell(
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

/// Ctrl-C and the signals that mean the same.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
