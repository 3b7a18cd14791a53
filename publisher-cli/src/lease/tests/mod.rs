//! The driver against a provider's real state machine, in memory.

mod stand_ins;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use zennet_chain_client::AccountKey;
use zennet_lease::{Phase, Publisher, PublisherLimits, PublisherPolicy, PublisherSetup};
use zennet_primitives::{
    amount::Balance,
    announcement::{Announcement, LeaseRange, Needs},
    close::CloseReason,
    pow::Role,
};

use self::stand_ins::{
    provide, quote, Chain, Counterparty, Manner, Pipe, Port, ANNOUNCEMENT, GENESIS,
};
use crate::{
    choice::profile::Yardstick,
    history::{journal::Happening, screen::Screen},
    lease::{
        driver::{Lease, Lines, Parts, Wish},
        seats::{Seats, BEAT},
        session::Session,
        status::{News, Status, What},
        world::Rejoined,
    },
    store::{tests::fill, Store},
};

const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    key: AccountKey,
    chain: Chain,
    seats: Seats,
    store: Store,
    screen: Screen,
    yardstick: Yardstick,
    policy: PublisherPolicy,
    _dir: tempfile::TempDir,
}

struct Running {
    wish: mpsc::Sender<Wish>,
    stop: mpsc::Sender<CloseReason>,
    status: watch::Receiver<Status>,
    news: mpsc::Receiver<News>,
    publisher: JoinHandle<Status>,
    provider: JoinHandle<anyhow::Result<(CloseReason, Balance)>>,
    port_stopped: Arc<std::sync::Mutex<bool>>,
    rejoined: mpsc::Sender<Rejoined<Pipe, ()>>,
    dial: mpsc::Sender<Pipe>,
}

impl Bench {
    fn new(machines: usize, chain: Chain) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Bench {
            key: AccountKey::generate(),
            chain,
            seats: Seats::new(machines, None),
            store: Store::open(dir.path()).unwrap(),
            screen: Screen::default(),
            yardstick: Yardstick::default(),
            policy: PublisherPolicy { lease_secs: 60, ..PublisherPolicy::default() },
            _dir: dir,
        }
    }

    /// Lets an hour of the profile cost so much at most.
    fn limit(&mut self, per_hour: Balance) {
        self.yardstick.max_per_hour = Some(per_hour);
        self.policy.max_per_hour = self.yardstick.limit();
    }

    fn meet(&self, id: u64, provider: AccountKey, manner: Manner) -> Running {
        let (own, other) = Pipe::pair();
        let session = Session::generate();
        let setup = PublisherSetup {
            genesis: GENESIS,
            announcement: ANNOUNCEMENT,
            body: body(),
            account: self.key.account(),
            session_key: session.public(),
            client_key: [6; 32],
            policy: self.policy.clone(),
            limits: PublisherLimits { reconnect_ms: 1_000, ..PublisherLimits::default() },
        };
        let (stop, stops) = mpsc::channel(1);
        let (status, snapshot) = watch::channel(Status::new(id));
        let (news, heard) = mpsc::channel(256);
        let port = Port::default();
        let port_stopped = port.stopped.clone();
        let parts = Parts {
            id,
            machine: Publisher::new(setup),
            wire: Some(own),
            chain: self.chain.clone(),
            shell: port,
            account: self.key.clone(),
            session,
            seats: self.seats.clone(),
            store: self.store.clone(),
            screen: self.screen.clone(),
            yardstick: self.yardstick.clone(),
        };
        let (rejoined, links) = mpsc::channel(1);
        let (wish, wishes) = mpsc::channel(1);
        let lines = Lines { stops, wishes, status, news, links };
        let publisher = tokio::spawn(Lease::new(parts, lines).run());
        let chain = self.chain.clone();
        let (dial, dials) = mpsc::channel(1);
        let peer = Counterparty { key: provider, publisher: self.key.account(), manner, dials };
        let provider = tokio::spawn(provide(other, chain, peer));
        Running {
            wish,
            stop,
            status: snapshot,
            news: heard,
            publisher,
            provider,
            port_stopped,
            rejoined,
            dial,
        }
    }
}

impl Running {
    async fn until(&mut self, wanted: impl FnMut(&Status) -> bool) {
        timeout(PATIENCE, self.status.wait_for(wanted)).await.unwrap().unwrap();
    }
}

fn body() -> Announcement {
    Announcement {
        task: 1,
        machines: 1,
        images: Default::default(),
        needs: Needs { memory_mib: Some(256), ..Needs::default() },
        lease: LeaseRange { min_secs: 10, max_secs: 60 },
        interval_ms: 500,
        max_rates: None,
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: b"/x".to_vec().try_into().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_paid_by_the_tick_and_settled_with_the_last_voucher() {
    let bench = Bench::new(1, Chain::default());
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::Honest);
    lease.until(|s| s.figures.vouchers >= 3 && s.figures.agreed).await;
    let live = lease.status.borrow().clone();
    assert_eq!((live.phase, live.port), (Phase::Serving { frozen: false }, Some(20001)));
    assert_eq!(live.name.as_deref(), Some("zn-1"));
    assert!(live.figures.paid > 0);
    let stored = bench.store.lease(1).unwrap().unwrap();
    assert!(stored.ended.is_none(), "a running lease is unfinished in the store");
    lease.stop.send(CloseReason::Finished).await.unwrap();
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    let (reason, paid) = timeout(PATIENCE, lease.provider).await.unwrap().unwrap().unwrap();
    assert_eq!((end.close_reason, reason), (Some(CloseReason::Finished), CloseReason::Finished));
    assert_eq!(end.settled, Some(end.figures.paid));
    assert_eq!(paid, end.figures.paid);
    assert_eq!(end.transactions, 2, "open and close");
    assert!(*lease.port_stopped.lock().unwrap());
    let ended = bench.store.lease(1).unwrap().unwrap().ended.unwrap();
    assert_eq!((ended.reason, ended.settled), (CloseReason::Finished, Some(paid)));
    let journal = bench.store.lease(1).unwrap().unwrap().journal;
    assert_eq!(journal.closed_by, Some(Role::Publisher));
    let events: Vec<Happening> = journal.entries.iter().map(|entry| entry.event).collect();
    use Happening::{Ended, Final, Negotiated, Opened, Ready};
    assert_eq!(events, [Negotiated, Opened, Final, Ready, Ended]);
    let mut order = Vec::new();
    while let Ok(news) = lease.news.try_recv() {
        order.push(news.what);
    }
    assert!(matches!(
        order[..],
        [What::Negotiated, What::Opened(_), What::Final, What::Ready, What::Ended]
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_vanishes_costs_a_request_and_returns_the_deposit() {
    let bench = Bench::new(1, Chain::default());
    let lease = bench.meet(1, AccountKey::generate(), Manner::VanishesWhenReady);
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    assert_eq!(end.close_reason, Some(CloseReason::ConnectionLost));
    assert_eq!((end.settled, bench.chain.requests()), (Some(0), 1));
    assert_eq!(end.transactions, 3, "open, request and refund");
    assert_eq!(bench.seats.take(&AccountKey::generate().account()), super::seats::Take::Seat(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_dials_again_is_paid_for_all_of_its_usage() {
    let bench = Bench::new(1, Chain::default());
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::LosesItsConnection);
    lease.until(|s| s.lost).await;
    let (own, other) = Pipe::pair();
    lease.dial.send(other).await.unwrap();
    lease.rejoined.send(Rejoined { wire: own, line: () }).await.unwrap();
    lease.until(|s| s.figures.vouchers >= 5 && s.figures.agreed).await;
    lease.stop.send(CloseReason::Finished).await.unwrap();
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    let (reason, paid) = timeout(PATIENCE, lease.provider).await.unwrap().unwrap().unwrap();
    assert_eq!((end.close_reason, reason), (Some(CloseReason::Finished), CloseReason::Finished));
    assert_eq!((end.settled, paid), (Some(end.figures.paid), end.figures.paid));
    let mut order = Vec::new();
    while let Ok(news) = lease.news.try_recv() {
        order.push(news.what);
    }
    let lost = order.iter().position(|what| matches!(what, What::Lost));
    let back = order.iter().position(|what| matches!(what, What::Back));
    assert!(lost.is_some() && lost < back, "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_goes_on_beyond_its_first_deposit_and_is_extended_when_asked() {
    let mut bench = Bench::new(1, Chain::default());
    // Half a core is used, so that the first deposit is spent after eight seconds.
    bench.policy.deposit_secs = Some(4);
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::Honest);
    lease.until(|s| s.port.is_some()).await;
    let agreed = lease.status.borrow().deposit();
    lease.wish.send(Wish::Extend { secs: 30 }).await.unwrap();
    lease.until(|s| s.scope.is_some_and(|scope| scope.lease_secs == 90)).await;
    lease.until(|s| s.figures.paid > agreed).await;
    let live = lease.status.borrow().clone();
    assert!(live.deposit() >= live.figures.paid && live.deposit() > agreed);
    assert_eq!(live.machine(|_| String::new()).unwrap().deposit, live.deposit());
    lease.stop.send(CloseReason::Finished).await.unwrap();
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    let (reason, paid) = timeout(PATIENCE, lease.provider).await.unwrap().unwrap().unwrap();
    assert_eq!((end.close_reason, reason), (Some(CloseReason::Finished), CloseReason::Finished));
    assert!(paid > agreed);
    assert_eq!(end.settled, Some(paid));
    assert!(end.transactions > 2, "open, at least one top-up, close");
    let stored = bench.store.lease(1).unwrap().unwrap();
    assert!(stored.journal.entries.iter().any(|entry| entry.event == Happening::Amended));
    assert_eq!(
        crate::lease::status::stored_machine(&stored, |_| "5F".into()).deposit,
        end.deposit()
    );
    let mut told = Vec::new();
    while let Ok(news) = lease.news.try_recv() {
        told.push(news.what);
    }
    assert!(told.iter().any(|what| matches!(what, What::Amended(_))), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_cannot_be_paid_ends_the_lease_frees_its_seat_and_is_told() {
    let bench = Bench::new(1, Chain::refusing());
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::Honest);
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    assert_eq!(end.close_reason, Some(CloseReason::ChannelNotOpened));
    assert!(!end.opened && end.settled.is_none());
    assert!(bench.store.unfinished().unwrap().is_empty());
    let mut heard = Vec::new();
    while let Ok(news) = lease.news.try_recv() {
        heard.push(news.what);
    }
    assert!(matches!(&heard[..], [What::Negotiated, What::NoCoin(_), What::Ended]), "{heard:?}");
    assert_eq!(bench.seats.take(&AccountKey::generate().account()), super::seats::Take::Seat(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_past_speaks_against_it_is_told_so_and_gets_no_contract() {
    let mut bench = Bench::new(1, Chain::default());
    let provider = AccountKey::generate();
    let mut past =
        crate::history::tests::ended(9, 4, CloseReason::MachineFailed, zennet_time::unix_secs());
    past.terms.provider = provider.account();
    bench.store.put(&past).unwrap();
    bench.screen = Screen::new(&bench.store, 0).unwrap();
    let failing = bench.meet(1, provider, Manner::Honest);
    let end = timeout(PATIENCE, failing.publisher).await.unwrap().unwrap();
    let (reason, _) = timeout(PATIENCE, failing.provider).await.unwrap().unwrap().unwrap();
    assert_eq!(end.close_reason, Some(CloseReason::RequirementsNotMet));
    assert_eq!((reason, bench.chain.opened()), (CloseReason::RequirementsNotMet, 0));
    let mut other = bench.meet(2, AccountKey::generate(), Manner::Honest);
    other.until(|s| s.port.is_some()).await;
    other.stop.send(CloseReason::Finished).await.unwrap();
    timeout(PATIENCE, other.publisher).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_above_the_limit_of_an_hour_gets_no_contract_and_is_told() {
    let mut bench = Bench::new(1, Chain::default());
    bench.limit(1);
    let mut dear = bench.meet(1, AccountKey::generate(), Manner::Honest);
    let news = timeout(PATIENCE, dear.news.recv()).await.unwrap().unwrap();
    assert!(matches!(news.what, What::TooDear { per_hour, .. } if per_hour > 1), "{news:?}");
    let end = timeout(PATIENCE, dear.publisher).await.unwrap().unwrap();
    let (reason, _) = timeout(PATIENCE, dear.provider).await.unwrap().unwrap().unwrap();
    assert_eq!((end.close_reason, reason), (Some(CloseReason::NoAgreement), reason));
    assert!(bench.chain.is_unused() && bench.seats.outlook().free == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_above_the_limit_of_an_hour_is_bargained_down_where_its_provider_yields() {
    let mut bench = Bench::new(1, Chain::default());
    let limit = bench.yardstick.per_hour(&quote()) / 2;
    bench.limit(limit);
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::Yielding);
    lease.until(|s| s.port.is_some()).await;
    let live = lease.status.borrow().clone();
    let per_hour = live.per_hour.unwrap();
    assert!((limit - limit / 1000..=limit).contains(&per_hour), "{per_hour} of {limit}");
    assert_eq!(per_hour, bench.yardstick.per_hour(&live.terms.unwrap().quote));
    lease.stop.send(CloseReason::Finished).await.unwrap();
    timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    while let Ok(news) = lease.news.try_recv() {
        assert!(!matches!(news.what, What::TooDear { .. }), "{news:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_quotes_that_come_in_time_the_cheaper_is_taken() {
    let mut bench = Bench::new(1, Chain::default());
    bench.seats = Seats::new(1, None).choosing_within(BEAT);
    let mut dear = bench.meet(1, AccountKey::generate(), Manner::Dear);
    let mut cheap = bench.meet(2, AccountKey::generate(), Manner::Honest);
    for lease in [&mut dear, &mut cheap] {
        let news = timeout(PATIENCE, lease.news.recv()).await.unwrap().unwrap();
        assert!(matches!(news.what, What::Waiting), "{news:?}");
    }
    (0..3).for_each(|_| bench.seats.grow());
    cheap.until(|s| s.port.is_some()).await;
    assert!(cheap.status.borrow().per_hour.is_some());
    let other = timeout(PATIENCE, dear.publisher).await.unwrap().unwrap();
    assert_eq!(other.close_reason, Some(CloseReason::EnoughMachines));
    cheap.stop.send(CloseReason::Finished).await.unwrap();
    timeout(PATIENCE, cheap.publisher).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_provider_gets_one_machine_where_the_user_wants_that() {
    let mut bench = Bench::new(2, Chain::default());
    bench.seats = Seats::new(2, Some(1));
    let provider = AccountKey::generate();
    let mut first = bench.meet(1, provider.clone(), Manner::Honest);
    first.until(|s| s.port.is_some()).await;
    let second = bench.meet(2, provider, Manner::Honest);
    let end = timeout(PATIENCE, second.publisher).await.unwrap().unwrap();
    assert_eq!(end.close_reason, Some(CloseReason::EnoughMachines));
    let (reason, _) = timeout(PATIENCE, second.provider).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, CloseReason::EnoughMachines);
    assert_eq!(bench.chain.opened(), 1);
    first.stop.send(CloseReason::Finished).await.unwrap();
    timeout(PATIENCE, first.publisher).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_too_late_waits_for_a_seat_and_leaves_when_none_can_come() {
    let bench = Bench::new(1, Chain::default());
    // The seat is taken by a lease that is not ready yet.
    let early = AccountKey::generate().account();
    assert_eq!(bench.seats.take(&early), super::seats::Take::Seat(1));
    let mut late = bench.meet(2, AccountKey::generate(), Manner::Honest);
    let news = timeout(PATIENCE, late.news.recv()).await.unwrap().unwrap();
    assert!(matches!(news.what, What::Waiting));
    bench.seats.release(1);
    late.until(|s| s.port.is_some()).await;
    assert_eq!(late.status.borrow().name.as_deref(), Some("zn-1"));
    let last = bench.meet(3, AccountKey::generate(), Manner::Honest);
    let end = timeout(PATIENCE, last.publisher).await.unwrap().unwrap();
    assert_eq!(end.close_reason, Some(CloseReason::EnoughMachines));
    late.stop.send(CloseReason::Finished).await.unwrap();
    timeout(PATIENCE, late.publisher).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_cannot_be_stored_opens_no_channel() {
    let bench = Bench::new(1, Chain::default());
    fill(&bench.store);
    let lease = bench.meet(1, AccountKey::generate(), Manner::Honest);
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    assert!(!end.opened && end.settled.is_none() && bench.chain.is_unused(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_that_cannot_be_stored_is_not_sent() {
    let bench = Bench::new(1, Chain::default());
    let mut lease = bench.meet(1, AccountKey::generate(), Manner::Honest);
    lease.until(|s| s.figures.vouchers >= 2).await;
    fill(&bench.store);
    let end = timeout(PATIENCE, lease.publisher).await.unwrap().unwrap();
    let (_, paid) = timeout(PATIENCE, lease.provider).await.unwrap().unwrap().unwrap();
    // The lease ends at the last one that was stored.
    assert_eq!((end.settled, paid), (Some(end.figures.paid), end.figures.paid));
    assert!(paid > 0);
}
