//! The only loop of a lease: an event comes, the machine steps, the store keeps, actions follow.
//!
//! ```text
//!  frames ─┐                                       ┌─► wire      (wire.rs)
//!  timer  ─┤                                       ├─► machine   (machine.rs)
//!  events ─┼─► Provider::step ─► store ─► actions ─┼─► chain     (ledger.rs)
//!  stop   ─┤                                       ├─► board     (status.rs)
//!  links  ─┘                                       └─► redial    (redial.rs)
//! ```
//!
//! All that takes time happens in other tasks, so that no container, node or peer can hold up a
//! freeze. Every queue is bounded; a full one means that its other end hangs.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codec::{Decode, DecodeAll, Encode};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep_until, Instant},
};
use tracing::{debug, error, info, warn};
use zennet_chain_client::AccountKey;
use zennet_lease::{Provider, ProviderAction, ProviderEvent};
use zennet_metering::Banked;
use zennet_primitives::{
    announcement::AnnouncementId,
    auth::{AuthClaim, AuthContext},
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    contract::Terms,
    frame::Frame,
    signed::Unverified,
    AccountId,
};
use zennet_time::{unix_ms, unix_secs, Clock};

use crate::{
    ending::{Ending, Endings},
    history::journal::Journal,
    lease_name::LeaseName,
    status::{Board, LeaseStatus},
    store::{PastLease, Store},
    volumes::Volumes,
};

/// Shortest time between two timer events, so that a deadline in the past cannot spin.
const TIMER_PAUSE: Duration = Duration::from_millis(20);

/// What the driver asks of a machine's task.
#[derive(Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a lease sends few commands, one at a time")]
pub(crate) enum MachineCommand {
    Prepare(Terms),
    Start,
    Resume(Terms),
    Read {
        tick: u32,
    },
    Freeze,
    Thaw,
    Stop,
    /// Freeze it for the daemon's next start, and let go of it.
    Leave,
}

/// What the driver asks of a lease's chain task.
#[derive(Debug, PartialEq)]
pub(crate) enum ChainCommand {
    /// `open` says that the channel was final before.
    Watch {
        context: ChannelContext,
        open: bool,
    },
    Claim(ChannelContext, Unverified<Voucher>),
    Settle(ChannelContext, Option<Unverified<Voucher>>),
}

/// Where a driver's actions go.
pub(crate) struct Ports {
    /// Encoded frames; absent for a lease that goes on after a restart.
    pub(crate) wire: Option<mpsc::Sender<Vec<u8>>>,
    pub(crate) machine: mpsc::Sender<MachineCommand>,
    pub(crate) chain: mpsc::Sender<ChainCommand>,
    /// The contract whose publisher is to be dialled again, while one is.
    pub(crate) redial: watch::Sender<Option<Terms>>,
}

/// A connection on which the publisher has proved itself, as frames.
pub(crate) struct NewLink {
    pub(crate) outgoing: mpsc::Sender<Vec<u8>>,
    pub(crate) incoming: mpsc::Receiver<ProviderEvent>,
}

/// A lease as it is stored. The journal follows the rest; stores of earlier versions have none.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Kept {
    /// Unix time, seconds.
    pub(crate) began_at: u64,
    /// Where the publisher is dialled.
    pub(crate) endpoint: String,
    /// What the machine's meter has counted.
    pub(crate) banked: Banked,
    pub(crate) provider: Provider,
    #[codec(skip)]
    pub(crate) journal: Journal,
}

impl Kept {
    /// Reads what a driver stored; nothing where it cannot be read.
    pub(crate) fn read(stored: &[u8]) -> Option<Kept> {
        let mut input = stored;
        let mut kept = Kept::decode(&mut input).ok()?;
        if !input.is_empty() {
            kept.journal = Journal::decode_all(&mut input).ok()?;
        }
        Some(kept)
    }

    /// The announcement that it came of, once there are terms.
    pub(crate) fn announcement(&self) -> Option<AnnouncementId> {
        self.provider.terms().map(|terms| terms.announcement)
    }

    /// When its channel was known to be open, or else it began; Unix time in seconds.
    pub(crate) fn known_at(&self) -> u64 {
        self.journal.final_at().unwrap_or(self.began_at)
    }

    fn to_row(&self) -> Vec<u8> {
        (self, &self.journal).encode()
    }
}

/// What a machine's meter has counted, as its task last said.
pub(crate) type Books = Arc<Mutex<Banked>>;

/// Where a driver's events come from.
pub(crate) struct Inputs {
    /// What the wire brought: frames, malformed ones, its end.
    pub(crate) wire: mpsc::Receiver<ProviderEvent>,
    /// What the other tasks report.
    pub(crate) events: mpsc::Receiver<ProviderEvent>,
    /// New connections, once the last one broke.
    pub(crate) links: mpsc::Receiver<NewLink>,
    /// How the daemon ends.
    pub(crate) endings: Endings,
}

/// What all drivers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) board: Board,
    pub(crate) key: AccountKey,
    pub(crate) clock: Clock,
    pub(crate) volumes: Volumes,
}

/// How a meeting or a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) reason: CloseReason,
    /// Whether there was a contract.
    pub(crate) contracted: bool,
}

/// The driver of one lease.
pub(crate) struct Driver {
    shared: Shared,
    name: LeaseName,
    publisher: AccountId,
    endpoint: String,
    books: Books,
    began_at: u64,
    provider: Provider,
    journal: Journal,
    ports: Ports,
    /// The state as it was last stored.
    stored: Option<Vec<u8>>,
    /// Storing failed: the lease ends with what is in memory.
    store_failed: bool,
}

impl Driver {
    pub(crate) fn new(
        shared: Shared,
        name: LeaseName,
        publisher: AccountId,
        lease: Kept,
        ports: Ports,
        books: Books,
    ) -> Self {
        let Kept { began_at, endpoint, provider, journal, .. } = lease;
        // What was loaded from the store stands there as it is.
        let stored = provider.must_persist().then(Vec::new);
        Driver {
            shared,
            name,
            publisher,
            endpoint,
            books,
            began_at,
            provider,
            journal,
            ports,
            stored,
            store_failed: false,
        }
    }

    /// Drives the lease from its first event to its end.
    pub(crate) async fn run(mut self, first: ProviderEvent, mut inputs: Inputs) -> Ended {
        let mut finished = self.on(first).await;
        let mut ending = Ending::None;
        let mut wire_open = true;
        let mut timer_not_before = Instant::now();
        loop {
            if let Some(reason) = finished {
                return self.finish(reason).await;
            }
            let deadline = self.provider.deadline().map(|at| self.shared.clock.instant(at).into());
            let wake = deadline.unwrap_or_else(Instant::now).max(timer_not_before);
            // In this order, so that no flood of frames holds up a stop, a timer or a report.
            finished = tokio::select! {
                biased;
                said = inputs.endings.beyond(ending), if ending < Ending::Stop => {
                    ending = said;
                    match said {
                        Ending::None => None,
                        Ending::Leave => self.on(ProviderEvent::Leave).await,
                        Ending::Away if self.goes_on_later() => return self.leave(),
                        // What has not begun to serve is not worth a wait for the next start, and
                        // what ends already is ended.
                        Ending::Away | Ending::Stop => {
                            self.on(ProviderEvent::Stop(CloseReason::ProviderLeaves)).await
                        }
                    }
                }
                () = sleep_until(wake), if deadline.is_some() => {
                    timer_not_before = Instant::now() + TIMER_PAUSE;
                    self.on(ProviderEvent::Timer).await
                }
                Some(event) = inputs.events.recv() => self.on(event).await,
                event = inputs.wire.recv(), if wire_open => match event {
                    Some(event) => self.on(event).await,
                    None => {
                        wire_open = false;
                        self.on(ProviderEvent::Disconnected).await
                    }
                },
                Some(link) = inputs.links.recv() => {
                    // One that is not wanted any more is closed by being dropped.
                    if self.provider.wants_connection() {
                        (inputs.wire, wire_open) = (link.incoming, true);
                        self.ports.wire = Some(link.outgoing);
                        self.on(ProviderEvent::Reconnected).await
                    } else {
                        None
                    }
                }
            };
            self.redial();
        }
    }

    /// Whether the daemon's next start can go on with the lease.
    fn goes_on_later(&self) -> bool {
        self.provider.leaves_machine() && !self.store_failed
    }

    /// Lets go of a lease that the daemon's next start goes on with: all of it is stored.
    fn leave(self) -> Ended {
        info!(paid = self.provider.paid(), "machine left for the next start");
        let _ = self.machine(MachineCommand::Leave);
        Ended { reason: CloseReason::ConnectionLost, contracted: true }
    }

    /// One event and all that follows from it at once.
    async fn on(&mut self, event: ProviderEvent) -> Option<CloseReason> {
        let mut pending = VecDeque::from([event]);
        let mut finished = None;
        while let Some(event) = pending.pop_front() {
            let name = event.name();
            let step = match self.provider.step(event.clone(), self.shared.clock.now()) {
                Ok(step) => step,
                Err(denied) => {
                    debug!(event = name, phase = %denied.phase, "event dropped");
                    continue;
                }
            };
            let now = unix_ms();
            let journal = self.journal.after(&self.provider, &step.next, &event, now);
            if let Err(error) = self.persist(&step.next, &journal).await {
                error!(%error, "the lease ends because its state cannot be stored");
                self.store_failed = true;
                // The step is not taken: no promise or payment counts that was not stored. From
                // here on the lease only ends, and what it still gains is claimed from memory.
                let is_contracted = self.provider.must_persist();
                if is_contracted && !matches!(event, ProviderEvent::Received(_)) {
                    pending.push_back(event);
                }
                pending.push_back(ProviderEvent::Stop(CloseReason::ProviderLeaves));
                continue;
            }
            let before = self.provider.phase();
            (self.provider, self.journal) = (step.next, journal);
            let after = self.provider.phase();
            if before != after {
                info!(phase = %after, event = name, "phase changed");
            }
            for action in step.actions {
                match self.perform(action).await {
                    Outcome::Done => (),
                    Outcome::Follows(event) => pending.push_back(event),
                    Outcome::Finished(reason) => finished = Some(reason),
                }
            }
            self.report();
        }
        finished
    }

    /// Has the publisher dialled for as long as it is missing.
    fn redial(&self) {
        let wanted = self.provider.wants_connection().then(|| self.provider.terms()).flatten();
        self.ports.redial.send_if_modified(|dialled| {
            let changes = dialled.is_some() != wanted.is_some();
            if changes {
                *dialled = wanted.cloned();
            }
            changes
        });
    }

    async fn persist(
        &mut self,
        next: &Provider,
        journal: &Journal,
    ) -> Result<(), crate::store::StoreError> {
        if !next.must_persist() {
            return Ok(());
        }
        let lease = Kept {
            began_at: self.began_at,
            endpoint: self.endpoint.clone(),
            banked: self.books.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            provider: next.clone(),
            journal: journal.clone(),
        };
        let state = lease.to_row();
        if self.stored.as_ref() == Some(&state) {
            return Ok(());
        }
        match self.shared.store.save(self.name.key, state.clone()).await {
            Ok(()) => self.stored = Some(state),
            Err(error) if self.store_failed => debug!(%error, "still not stored"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn perform(&mut self, action: ProviderAction) -> Outcome {
        match action {
            ProviderAction::Send(frame) => self.send(&frame),
            ProviderAction::SendAuth { claim, context } => {
                let signature = self.sign_auth(claim, &context);
                self.send(&signature)
            }
            ProviderAction::ReserveVolume(terms) => Box::pin(self.reserve_volume(&terms)).await,
            ProviderAction::Countersign(terms) => {
                let signature = self.shared.key.sign_payload(terms, &()).signature;
                self.send(&Frame::Countersign(signature))
            }
            ProviderAction::CountersignAmendment(amendment) => {
                let number = amendment.number;
                let signature = self.shared.key.sign_payload(amendment, &()).signature;
                self.send(&Frame::Granted { number, signature })
            }
            ProviderAction::PrepareMachine(terms) => self.machine(MachineCommand::Prepare(terms)),
            ProviderAction::StartMachine => self.machine(MachineCommand::Start),
            ProviderAction::ReadUsage { tick } => self.machine(MachineCommand::Read { tick }),
            ProviderAction::Freeze => {
                info!(due = self.provider.due(), paid = self.provider.paid(), "machine frozen");
                self.machine(MachineCommand::Freeze)
            }
            ProviderAction::Thaw => self.machine(MachineCommand::Thaw),
            ProviderAction::StopMachine => self.machine(MachineCommand::Stop),
            ProviderAction::ResumeMachine(terms) => self.machine(MachineCommand::Resume(terms)),
            ProviderAction::WatchChannel(context) => {
                self.chain(ChainCommand::Watch { context, open: false })
            }
            ProviderAction::WatchOpenChannel(context) => {
                self.chain(ChainCommand::Watch { context, open: true })
            }
            ProviderAction::Claim(voucher) => match self.provider.channel() {
                Some(channel) => self.chain(ChainCommand::Claim(channel, voucher)),
                None => Outcome::Done,
            },
            ProviderAction::Settle(voucher) => match self.provider.channel() {
                Some(channel) => self.chain(ChainCommand::Settle(channel, voucher)),
                // No channel was ever opened, so there is nothing to settle.
                None => Outcome::Follows(ProviderEvent::Settled { paid: 0 }),
            },
            ProviderAction::Disconnect => {
                self.ports.wire = None;
                Outcome::Done
            }
            ProviderAction::Finished(reason) => Outcome::Finished(reason),
        }
    }

    fn sign_auth(&self, claim: AuthClaim, context: &AuthContext) -> Frame {
        Frame::Auth(self.shared.key.sign_payload(claim, context).signature)
    }

    async fn reserve_volume(&self, terms: &Terms) -> Outcome {
        let lease = self.name.short(&terms.provider);
        Outcome::Follows(match self.shared.volumes.take(terms, &lease).await {
            Ok(_) => ProviderEvent::VolumeReserved,
            Err(error) => {
                warn!(%error, "the contract is not signed, since its volume cannot be had");
                ProviderEvent::VolumeRefused
            }
        })
    }

    fn send(&mut self, frame: &Frame) -> Outcome {
        let Some(wire) = &self.ports.wire else { return Outcome::Done };
        if wire.try_send(frame.encode()).is_err() {
            warn!("the publisher takes no frames, the connection is given up");
            self.ports.wire = None;
            return Outcome::Follows(ProviderEvent::Disconnected);
        }
        Outcome::Done
    }

    fn machine(&self, command: MachineCommand) -> Outcome {
        let stopping = command == MachineCommand::Stop;
        match self.ports.machine.try_send(command) {
            Ok(()) => Outcome::Done,
            Err(_) if stopping => {
                warn!("the container engine hangs; the machine is removed when it answers");
                Outcome::Follows(ProviderEvent::MachineStopped { usage: None })
            }
            Err(_) => Outcome::Follows(ProviderEvent::MachineFailed),
        }
    }

    fn chain(&self, command: ChainCommand) -> Outcome {
        let failed = match &command {
            ChainCommand::Watch { .. } => None,
            ChainCommand::Claim(..) => Some(ProviderEvent::ClaimFailed),
            ChainCommand::Settle(..) => Some(ProviderEvent::SettleFailed),
        };
        match (self.ports.chain.try_send(command), failed) {
            (Ok(()), _) => Outcome::Done,
            (Err(_), Some(event)) => {
                warn!("the node hangs, it is tried again");
                Outcome::Follows(event)
            }
            (Err(_), None) => {
                warn!("the node hangs, the channel is not watched");
                Outcome::Done
            }
        }
    }

    fn report(&self) {
        let (name, provider) = (self.name, &self.provider);
        let status = LeaseStatus::of(name, &self.publisher, self.began_at, provider);
        self.shared.board.update(status);
    }

    async fn finish(self, reason: CloseReason) -> Ended {
        let provider = &self.provider;
        info!(%reason, paid = provider.paid(), vouchers = provider.vouchers(), "lease ended");
        self.shared.board.removing(&self.name.key);
        let ended = Ended { reason, contracted: provider.terms().is_some() };
        if self.stored.is_none() {
            return ended;
        }
        // A machine that never ran leaves its volume as it was.
        if let (Some(terms), Some(_)) = (provider.terms(), provider.usage()) {
            let (volumes, lease) = (&self.shared.volumes, self.name.short(&terms.provider));
            if let Err(error) = volumes.keep(terms, &lease, provider.kept_secs(), unix_secs()).await
            {
                error!(%error, "the volume is kept only as long as was promised in any case");
            }
        }
        let past = PastLease {
            announcement: format!("{:?}", self.name.announcement),
            publisher: self.publisher.to_string(),
            channel: provider.channel().map(|c| format!("{:?}", c.channel)),
            began_at: self.began_at,
            ended_at: unix_secs(),
            reason,
            due: provider.due(),
            paid: provider.paid(),
            settled: provider.settled(),
            vouchers: provider.vouchers(),
            usage: PastLease::usage_of(provider.usage()),
            closed_by: self.journal.closed_by,
            terms: provider.terms().map(Into::into),
            voucher: self.journal.voucher.as_ref().map(Into::into),
            events: self.journal.entries.clone(),
            events_left_out: self.journal.left_out,
        };
        if let Err(error) = self.shared.store.finish(self.name.key, Some(&past)).await {
            error!(%error, "the end of the lease was not stored; it is settled again next time");
        }
        ended
    }
}

/// What came of an action.
#[allow(clippy::large_enum_variant, reason = "handled at once, never kept")]
enum Outcome {
    Done,
    Follows(ProviderEvent),
    Finished(CloseReason),
}
