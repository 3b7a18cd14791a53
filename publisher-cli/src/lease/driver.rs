//! The only task of a lease: select → step → persist → perform.

use std::{collections::VecDeque, future::pending, panic::resume_unwind, time::Instant};

use rand::{rngs::OsRng, RngCore};
use tokio::{
    sync::{mpsc, watch},
    task::{spawn_blocking, JoinSet},
    time::sleep_until,
};
use zennet_chain_client::AccountKey;
use zennet_lease::{Denied, Phase, Publisher, PublisherAction, PublisherEvent, Step};
use zennet_primitives::{channel::ChannelId, close::CloseReason, frame::Frame, pow::Role};
use zennet_time::Clock;

use super::{
    keep::promises,
    seats::{self, Bid, Seats, Take, Waiting},
    session::Session,
    status::{News, Status, What},
    world::{
        ChannelChange, LeaseChain, OpenError, OpenedChannel, Rejoined, Shell, Wire, WireError,
    },
};
use crate::{
    choice::{profile::Yardstick, quoted::Quoted},
    history::{
        journal::{Happening, Journal},
        screen::Screen,
    },
    ssh::readings::Reading,
    store::{Ended, Store, StoredLease},
};

/// Results of tasks that may wait for the driver.
const INBOX: usize = 32;

/// What a lease is made of.
pub(crate) struct Parts<W, C, S> {
    /// Its number in this folder.
    pub(crate) id: u64,
    /// The state machine.
    pub(crate) machine: Publisher,
    /// The control stream; none when a lease of an earlier run is settled.
    pub(crate) wire: Option<W>,
    /// The chain.
    pub(crate) chain: C,
    /// Ports and own counters.
    pub(crate) shell: S,
    /// Signs proofs and contracts.
    pub(crate) account: AccountKey,
    /// Signs vouchers.
    pub(crate) session: Session,
    /// The seats of the order.
    pub(crate) seats: Seats,
    /// Where leases are kept.
    pub(crate) store: Store,
    /// Which providers are dealt with.
    pub(crate) screen: Screen,
    /// What its quote is compared by.
    pub(crate) yardstick: Yardstick,
}

/// What the user wants of a lease while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// It is to last longer.
    Extend {
        /// By how much, seconds.
        secs: u32,
    },
    /// Its volume is not to be kept.
    DropVolume,
}

/// How others reach a lease's driver and hear of it.
pub(crate) struct Lines<W, L> {
    /// Reasons to end the lease.
    pub(crate) stops: mpsc::Receiver<CloseReason>,
    /// What the user wants of the lease beyond what it was ordered with.
    pub(crate) wishes: mpsc::Receiver<Wish>,
    /// The newest snapshot.
    pub(crate) status: watch::Sender<Status>,
    /// What happened.
    pub(crate) news: mpsc::Sender<News>,
    /// New connections, once the last one broke.
    pub(crate) links: mpsc::Receiver<Rejoined<W, L>>,
}

/// A lease that an earlier run left open.
pub(crate) struct Earlier {
    /// As it was stored.
    pub(crate) lease: StoredLease,
    /// Its channel, which is open.
    pub(crate) channel: ChannelId,
    /// The channel's nonce, where the stored machine does not know of the channel.
    pub(crate) nonce: Option<u64>,
    /// Number of a block at which the channel stood.
    pub(crate) at: u32,
}

/// What comes back from a lease's own tasks.
pub(super) enum Input {
    Identity {
        mined: bool,
    },
    /// The provider's past speaks against it.
    Unwelcome,
    Open(Result<OpenedChannel, OpenError>),
    /// Whether a transaction was needed, or why the channel has not what it should.
    Funded(Result<bool, String>),
}

/// A step that was not taken yet, and the next change of a seat.
struct Parked {
    step: Step<Publisher, PublisherAction>,
    turn: Waiting,
}

/// A lease that runs.
pub(crate) struct Lease<W, C, S: Shell> {
    pub(super) parts: Parts<W, C, S>,
    pub(super) lines: Lines<W, S::Line>,
    clock: Clock,
    pub(super) queue: VecDeque<PublisherEvent>,
    pub(super) inbox: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    pub(super) changes: (mpsc::Sender<ChannelChange>, mpsc::Receiver<ChannelChange>),
    pub(super) readings: (mpsc::Sender<Reading>, mpsc::Receiver<Reading>),
    pub(super) tasks: JoinSet<()>,
    quoted: Quoted,
    /// A step that signs a contract and waits for a seat. It was not taken yet.
    parked: Option<Parked>,
    /// Whether it was told that it waits.
    told_waiting: bool,
    pub(super) seat: Option<usize>,
    /// The seat was given back: by now it may be another lease's.
    released: bool,
    pub(super) stored: Option<StoredLease>,
    pub(super) journal: Journal,
    /// The transaction that opens the channel is out and nothing is known of it.
    open_unknown: bool,
    pub(super) reclaiming: bool,
    timer_denied: bool,
    pub(super) finished: Option<CloseReason>,
}

impl<W: Wire, C: LeaseChain, S: Shell> Lease<W, C, S> {
    /// A lease that meets its provider now.
    pub(crate) fn new(parts: Parts<W, C, S>, lines: Lines<W, S::Line>) -> Self {
        Lease {
            parts,
            lines,
            clock: Clock::start(),
            queue: VecDeque::new(),
            inbox: mpsc::channel(INBOX),
            changes: mpsc::channel(INBOX),
            readings: mpsc::channel(INBOX),
            tasks: JoinSet::new(),
            quoted: Quoted::default(),
            parked: None,
            told_waiting: false,
            seat: None,
            released: false,
            stored: None,
            journal: Journal::default(),
            open_unknown: false,
            reclaiming: false,
            timer_denied: false,
            finished: None,
        }
    }

    /// Runs a new lease until nothing is left to do; gives the last snapshot.
    pub(crate) async fn run(mut self) -> Status {
        if let Some(wire) = &self.parts.wire {
            let (own_peer, other_peer) = wire.peers();
            let mut challenge = [0; 32];
            OsRng.fill_bytes(&mut challenge);
            self.queue.push_back(PublisherEvent::Connected { own_peer, other_peer, challenge });
        }
        self.drive().await
    }

    /// Goes on with a lease of an earlier run, whose provider is waited for. One that was not ready
    /// yet still has its seat.
    pub(crate) async fn resume(mut self, earlier: Earlier, seat: Option<usize>) -> Status {
        self.seat = seat;
        self.load(earlier);
        self.drive().await
    }

    /// Settles a lease of an earlier run, whose provider cannot reach this one.
    pub(crate) async fn settle(mut self, earlier: Earlier) -> Status {
        self.load(earlier);
        self.queue.push_back(PublisherEvent::GiveUp);
        self.drive().await
    }

    fn load(&mut self, earlier: Earlier) {
        let Earlier { lease, channel, nonce, at } = earlier;
        self.lines.status.send_modify(|status| {
            status.name = Some(lease.name.clone());
            status.transactions = lease.transactions;
            status.opened = true;
            status.follow(&self.parts.machine);
        });
        self.journal = lease.journal.clone();
        self.journal.note(Happening::Restarted);
        self.stored = Some(lease);
        self.watch(channel, at);
        self.queue.extend(nonce.map(|nonce| PublisherEvent::ChannelOpened { nonce }));
        self.queue.push_back(PublisherEvent::Restarted);
    }

    async fn drive(&mut self) -> Status {
        while self.finished.is_none() {
            let event = match self.queue.pop_front() {
                Some(event) => Some(event),
                None => self.next().await,
            };
            if let Some(event) = event {
                self.step(event).await;
            }
        }
        self.end().await
    }

    /// Waits for whatever comes first.
    async fn next(&mut self) -> Option<PublisherEvent> {
        let deadline = self.parts.machine.deadline().filter(|_| !self.timer_denied);
        let at = deadline.map(|deadline| self.clock.instant(deadline).into());
        let parked = &mut self.parked;
        let wire = &mut self.parts.wire;
        tokio::select! {
            biased;
            Some(reason) = self.lines.stops.recv() => Some(PublisherEvent::Stop(reason)),
            Some(wish) = self.lines.wishes.recv() => Some(match wish {
                Wish::Extend { secs } => PublisherEvent::Extend { secs },
                Wish::DropVolume => PublisherEvent::DropVolume,
            }),
            Some(input) = self.inbox.1.recv() => self.input(input).await,
            Some(change) = self.changes.1.recv() => self.change(change).await,
            received = async {
                match wire {
                    Some(wire) => wire.receive().await,
                    None => pending().await,
                }
            } => Some(match received {
                Ok(frame) => PublisherEvent::Received(frame),
                Err(WireError::Malformed) => PublisherEvent::Malformed,
                Err(WireError::Lost(why)) => {
                    tracing::debug!(lease = self.parts.id, why, "disconnected");
                    self.parts.wire = None;
                    PublisherEvent::Disconnected
                }
            }),
            Some(link) = self.lines.links.recv() => {
                // One that comes too late is closed by being dropped.
                if !self.parts.machine.must_persist() {
                    return None;
                }
                self.parts.wire = Some(link.wire);
                self.parts.shell.attach(link.line);
                Some(PublisherEvent::Reconnected)
            }
            Some(Reading { usage, at_ms }) = self.readings.1.recv() => {
                Some(PublisherEvent::OwnUsage { usage, at_ms })
            },
            () = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            } => Some(PublisherEvent::Timer),
            () = async {
                match parked {
                    Some(parked) => parked.turn.changed().await,
                    None => pending().await,
                }
            } => {
                if let Some(Parked { step, .. }) = self.parked.take() {
                    self.adopt(step).await;
                }
                None
            }
            Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => None,
        }
    }

    async fn input(&mut self, input: Input) -> Option<PublisherEvent> {
        match input {
            Input::Identity { mined } => Some(PublisherEvent::IdentityChecked { mined }),
            Input::Unwelcome => Some(PublisherEvent::Stop(CloseReason::RequirementsNotMet)),
            Input::Open(Ok(opened)) => {
                self.lines.status.send_modify(|status| {
                    status.opened = true;
                    status.transactions += 1;
                });
                self.tell(What::Opened(opened)).await;
                self.watch(opened.channel, opened.block);
                Some(PublisherEvent::ChannelOpened { nonce: opened.nonce })
            }
            Input::Open(Err(error)) => {
                tracing::warn!(lease = self.parts.id, %error, "cannot open the channel");
                self.open_unknown = matches!(error, OpenError::Unknown(_));
                if let OpenError::NoCoin(why) = error {
                    self.tell(What::NoCoin(why)).await;
                }
                Some(PublisherEvent::OpenFailed)
            }
            Input::Funded(Ok(sent)) => {
                self.lines.status.send_modify(|status| status.transactions += u32::from(sent));
                Some(PublisherEvent::Funded)
            }
            Input::Funded(Err(why)) => {
                tracing::warn!(lease = self.parts.id, why, "cannot add to the channel");
                self.tell(What::NotAmended(why)).await;
                Some(PublisherEvent::FundFailed)
            }
        }
    }

    async fn change(&mut self, change: ChannelChange) -> Option<PublisherEvent> {
        match change {
            // Long ago, for a lease of an earlier run.
            ChannelChange::Final if self.seat.is_none() => None,
            ChannelChange::Final => {
                self.tell(What::Final).await;
                None
            }
            ChannelChange::Claimed | ChannelChange::Requested => {
                self.lines.status.send_modify(|status| status.transactions += 1);
                None
            }
            // Its own request is no news to the machine.
            ChannelChange::Closing if self.reclaiming => None,
            ChannelChange::Closing => Some(PublisherEvent::ChannelClosing),
            ChannelChange::Settled { paid } => {
                self.lines.status.send_modify(|status| {
                    status.settled = Some(paid);
                    status.transactions += 1;
                });
                Some(PublisherEvent::Settled { paid })
            }
        }
    }

    /// What an event leads to. That of a quote is found elsewhere than on the runtime's threads: the
    /// check of a benchmark report computes for milliseconds.
    async fn next_step(
        &mut self,
        event: PublisherEvent,
    ) -> Result<Step<Publisher, PublisherAction>, Denied> {
        let now = self.clock.now();
        let is_quoted = matches!(
            event,
            PublisherEvent::Received(Frame::Quote(_)) | PublisherEvent::IdentityChecked { .. }
        );
        if !is_quoted {
            return self.parts.machine.step(event, now);
        }
        let machine = self.parts.machine.clone();
        match spawn_blocking(move || machine.step(event, now)).await {
            Ok(step) => step,
            Err(broken) => resume_unwind(broken.into_panic()),
        }
    }

    async fn step(&mut self, event: PublisherEvent) {
        let timer = matches!(event, PublisherEvent::Timer);
        let who = match event {
            PublisherEvent::Received(Frame::Close(_)) => Role::Provider,
            _ => Role::Publisher,
        };
        if let PublisherEvent::Received(Frame::Quote(quote)) = &event {
            self.quoted.hear(quote, &self.parts.yardstick);
        }
        let open = self.parts.machine.close_reason().is_none();
        match self.next_step(event).await {
            Ok(step) => {
                if let (true, Some(reason)) = (open, step.next.close_reason()) {
                    self.journal.closed_by = Some(who);
                    self.tell_price(reason).await;
                }
                self.adopt(step).await;
            }
            Err(denied) => {
                tracing::debug!(lease = self.parts.id, %denied, "dropped an event");
                self.timer_denied |= timer;
            }
        }
    }

    /// Tells what an hour would have cost, where the two did not come to terms over that.
    async fn tell_price(&mut self, reason: CloseReason) {
        let per_hour = self.quoted.too_dear.filter(|_| reason == CloseReason::NoAgreement);
        if let Some((per_hour, provider)) = per_hour.zip(self.parts.machine.provider().cloned()) {
            self.tell(What::TooDear { provider, per_hour }).await;
        }
    }

    /// Takes a step: a seat first, then the store, then the actions.
    async fn adopt(&mut self, step: Step<Publisher, PublisherAction>) {
        let contract = step.actions.iter().find_map(|action| match action {
            PublisherAction::SendContract(terms) => Some(terms),
            _ => None,
        });
        if let (Some(terms), None) = (contract, self.seat) {
            let per_hour = self.parts.yardstick.per_hour(&terms.quote);
            if let Some(half_width_ppm) = self.quoted.too_wide {
                let provider = terms.provider.clone();
                self.tell(What::TooUnsure { provider, half_width_ppm }).await;
                self.queue.push_back(PublisherEvent::Stop(CloseReason::RequirementsNotMet));
                return;
            }
            let bid = Bid { lease: self.parts.id, provider: terms.provider.clone(), per_hour };
            // From before the look at them, so that no change is missed.
            let turn = self.parts.seats.wait();
            match self.parts.seats.bid(&bid) {
                Take::Seat(number) => {
                    self.seat = Some(number);
                    let name = seats::name(number);
                    self.lines.status.send_modify(|status| {
                        status.name = Some(name);
                        status.per_hour = Some(per_hour);
                    });
                }
                Take::Wait => {
                    self.parked = Some(Parked { step, turn });
                    if !std::mem::replace(&mut self.told_waiting, true) {
                        self.tell(What::Waiting).await;
                    }
                    return;
                }
                Take::Never => {
                    self.queue.push_back(PublisherEvent::Stop(CloseReason::EnoughMachines));
                    return;
                }
            }
        }
        self.parked = None;
        // A step without actions tells nobody anything: the next one is stored with it.
        let due = step.next.must_persist() && !step.actions.is_empty();
        if due && !self.persist(&step.next).await && promises(&step.actions) {
            // What could not be stored is not promised: the lease ends with the last promise.
            self.queue.push_back(PublisherEvent::Stop(CloseReason::Finished));
            return;
        }
        self.timer_denied = false;
        let was_lost = self.parts.machine.is_lost();
        let disagreed = self.parts.machine.disagreements();
        self.parts.machine = step.next;
        if self.parts.machine.disagreements() > disagreed {
            if let Some(deviation) = self.parts.machine.deviation() {
                self.tell(What::Disagreed(deviation)).await;
            }
        }
        for action in step.actions {
            self.perform(action).await;
        }
        self.publish();
        match (was_lost, self.parts.machine.is_lost()) {
            (false, true) => self.tell(What::Lost).await,
            (true, false) if self.parts.wire.is_some() => self.tell(What::Back).await,
            (true, _) | (false, false) => {}
        }
    }

    pub(super) fn watch(&mut self, channel: ChannelId, opened: u32) {
        let (chain, changes) = (self.parts.chain.clone(), self.changes.0.clone());
        self.tasks.spawn(async move { chain.watch(channel, opened, changes).await });
    }

    pub(super) async fn tell(&mut self, what: What) {
        self.journal.hear(&what);
        let news = News { lease: self.parts.id, at: Instant::now(), what };
        let _ = self.lines.news.send(news).await;
    }

    /// Publishes the snapshot; frees the seat and the port as soon as they are of no more use.
    pub(super) fn publish(&mut self) {
        let machine = &self.parts.machine;
        let over = matches!(machine.phase(), Phase::Settling | Phase::Closed);
        if over {
            self.parts.shell.stop();
        }
        self.lines.status.send_modify(|status| {
            status.follow(machine);
            status.port = status.port.filter(|_| !over);
        });
        if machine.close_reason().is_some() {
            self.release_seat();
        }
    }

    fn release_seat(&mut self) {
        match self.seat {
            Some(_) if self.released => {}
            Some(seat) => self.parts.seats.release(seat),
            None => self.parts.seats.withdraw(self.parts.id),
        }
        self.released = true;
    }

    async fn end(&mut self) -> Status {
        self.disconnect();
        self.parts.shell.stop();
        self.tasks.shutdown().await;
        self.publish();
        self.release_seat();
        let reason = self.finished.unwrap_or(CloseReason::Finished);
        let (opened, settled) = {
            let status = self.lines.status.borrow();
            (status.opened, status.settled)
        };
        // A deposit that may still be locked stays in the store as unfinished.
        let done = settled.is_some() || !(opened || self.open_unknown);
        if self.stored.is_some() {
            let machine = self.parts.machine.clone();
            let last = self.record(&machine).map(|lease| match done {
                true => lease.over(Ended { reason, settled }),
                false => lease,
            });
            let kept = match &last {
                Some(lease) => self.parts.store.keep(lease).await,
                None => Ok(()),
            };
            if let Err(error) = kept {
                tracing::error!(lease = self.parts.id, %error, "cannot store the end of the lease");
            }
        }
        self.lines.status.send_modify(|status| {
            status.close_reason = status.close_reason.or(Some(reason));
            status.opened |= self.open_unknown;
        });
        self.tell(What::Ended).await;
        self.lines.status.borrow().clone()
    }
}
