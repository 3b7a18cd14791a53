//! Both machines back to back in virtual time, with a chain, a machine and a network between them.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    contract::Terms,
    frame::Frame,
    record::ChannelRecord,
    signed::Unverified,
    usage::{Counter, Usage},
};

use super::setups::*;
use crate::*;

const BLOCK_MS: Millis = 2_000;
const CHALLENGE_MS: Millis = 20 * BLOCK_MS;

/// What goes wrong, and when.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Times that frames take, used in turn.
    pub(super) delays: Vec<Millis>,
    pub(super) cut_at: Option<Millis>,
    pub(super) publisher_stops_at: Option<Millis>,
    pub(super) provider_stops_at: Option<Millis>,
    pub(super) stops_paying_at: Option<Millis>,
    pub(super) provider_dies_at: Option<Millis>,
    pub(super) publisher_dies_at: Option<Millis>,
    pub(super) provider_restarts_at: Option<Millis>,
    pub(super) publisher_restarts_at: Option<Millis>,
    /// Time in which a lost connection is built again, where it ever is.
    pub(super) mended_after: Option<Millis>,
    pub(super) machine_fails_at: Option<Millis>,
    /// What the provider reports, in percent of what was used.
    pub(super) lie_percent: u64,
    /// Use of the machine's CPU, in percent.
    pub(super) load_percent: u64,
    pub(super) own_readings: bool,
    pub(super) settle_failures: u32,
    pub(super) claim_failures: u32,
    /// Transactions that add to the deposit and fail.
    pub(super) fund_failures: u32,
    /// Time that a block takes to be final, for what is added.
    pub(super) finality_ms: Millis,
    pub(super) extend_at: Option<Millis>,
    /// Whether the first deposit is to be topped up.
    pub(super) low_deposit: bool,
    pub(super) prepaid: bool,
    /// Whether the volume is another lease's.
    pub(super) volume_is_taken: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            delays: vec![20],
            cut_at: None,
            publisher_stops_at: None,
            provider_stops_at: None,
            stops_paying_at: None,
            provider_dies_at: None,
            publisher_dies_at: None,
            provider_restarts_at: None,
            publisher_restarts_at: None,
            mended_after: None,
            machine_fails_at: None,
            lie_percent: 100,
            load_percent: 80,
            own_readings: true,
            settle_failures: 0,
            claim_failures: 0,
            fund_failures: 0,
            finality_ms: 2 * BLOCK_MS,
            extend_at: None,
            low_deposit: false,
            prepaid: false,
            volume_is_taken: false,
        }
    }
}

/// The machine that is rented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plant {
    Absent,
    Running,
    Frozen,
}

/// What will happen.
#[derive(Clone, Debug)]
enum Due {
    Provider(ProviderEvent),
    Publisher(PublisherEvent),
    ToProvider(Frame, u32),
    ToPublisher(Frame, u32),
    /// The connection of that number breaks; without a number, whichever there is.
    Cut(Option<u32>),
    Mended,
    OpenLands(Terms),
    SettleLands(Option<Unverified<Voucher>>),
    ClaimLands(Unverified<Voucher>),
    CloseLands,
    Finalized,
    /// The transaction that adds to the deposit.
    FundLands(Balance),
    /// The provider's driver looks at the channel.
    Look,
    OwnReading,
    ProviderDies,
    PublisherDies,
    ProviderRestarts,
    PublisherRestarts,
}

pub(super) struct Pair {
    pub(super) now: Millis,
    pub(super) faults: Faults,
    pub(super) provider: Provider,
    pub(super) publisher: Publisher,
    pub(super) chain: Option<ChannelRecord<u32>>,
    pub(super) plant: Plant,
    pub(super) provider_did: Vec<(Millis, ProviderAction)>,
    pub(super) publisher_did: Vec<(Millis, PublisherAction)>,
    /// Unpaid price at the moment of each freeze.
    pub(super) exposures: Vec<Balance>,
    provider_alive: bool,
    publisher_alive: bool,
    agenda: BTreeMap<(Millis, u64), Due>,
    entries: u64,
    frames: usize,
    arrivals: [Millis; 2],
    /// Whether the newest connection stands, and its number.
    linked: bool,
    link: u32,
    used: (u64, u64),
    used_at: Millis,
}

impl Pair {
    pub(super) fn new(faults: Faults) -> Self {
        let setups = (provider_setup(faults.prepaid), publisher_setup(faults.prepaid));
        Self::with(faults, setups.0, setups.1)
    }

    pub(super) fn with(faults: Faults, theirs: ProviderSetup, own: PublisherSetup) -> Self {
        let mut pair = Self {
            now: 1_000,
            provider: Provider::new(theirs),
            publisher: Publisher::new(own),
            chain: None,
            plant: Plant::Absent,
            provider_did: Vec::new(),
            publisher_did: Vec::new(),
            exposures: Vec::new(),
            provider_alive: true,
            publisher_alive: true,
            agenda: BTreeMap::new(),
            entries: 0,
            frames: 0,
            arrivals: [0; 2],
            linked: true,
            link: 0,
            used: (50_000, 1 << 20),
            used_at: 1_000,
            faults: faults.clone(),
        };
        let connect = |own, other, challenge| (peer(own), peer(other), [challenge; 32]);
        let (own_peer, other_peer, challenge) = connect(1, 2, 11);
        let event = PublisherEvent::Connected { own_peer, other_peer, challenge };
        pair.after(0, Due::Publisher(event));
        let (own_peer, other_peer, challenge) = connect(2, 1, 12);
        let event = ProviderEvent::Connected { own_peer, other_peer, challenge };
        pair.after(1, Due::Provider(event));
        let stop = CloseReason::Finished;
        let leave = CloseReason::ProviderLeaves;
        for (at, due) in [
            (faults.cut_at, Due::Cut(None)),
            (faults.publisher_stops_at, Due::Publisher(PublisherEvent::Stop(stop))),
            (faults.provider_stops_at, Due::Provider(ProviderEvent::Stop(leave))),
            (faults.extend_at, Due::Publisher(PublisherEvent::Extend { secs: 30 })),
            (faults.machine_fails_at, Due::Provider(ProviderEvent::MachineFailed)),
            (faults.provider_dies_at, Due::ProviderDies),
            (faults.publisher_dies_at, Due::PublisherDies),
            (faults.provider_restarts_at, Due::ProviderRestarts),
            (faults.publisher_restarts_at, Due::PublisherRestarts),
        ] {
            if let Some(at) = at {
                pair.after(at.saturating_sub(pair.now), due);
            }
        }
        pair
    }

    fn after(&mut self, delay: Millis, due: Due) {
        self.entries += 1;
        self.agenda.insert((self.now + delay, self.entries), due);
    }

    /// Frames of one direction arrive in order, as on a stream.
    fn transmit(&mut self, direction: usize, due: Due) {
        let delay = self.faults.delays[self.frames % self.faults.delays.len()];
        self.frames += 1;
        let at = (self.now + delay).max(self.arrivals[direction]);
        self.arrivals[direction] = at;
        self.after(at - self.now, due);
    }

    /// Runs until a condition holds or nothing happens any more; says whether it came to hold.
    pub(super) fn run_until(&mut self, limit: Millis, done: impl Fn(&Pair) -> bool) -> bool {
        while !done(self) {
            let provider = self.provider.deadline().filter(|_| self.provider_alive);
            let publisher = self.publisher.deadline().filter(|_| self.publisher_alive);
            let agenda = self.agenda.keys().next().map(|(at, _)| *at);
            let Some(next) = [provider, publisher, agenda].into_iter().flatten().min() else {
                return false;
            };
            if next > limit {
                return false;
            }
            self.pass_to(next.max(self.now));
            if agenda == Some(next) {
                let (_, due) = self.agenda.pop_first().unwrap();
                self.happen(due);
            } else if provider == Some(next) {
                self.tell_provider(ProviderEvent::Timer);
            } else {
                self.tell_publisher(PublisherEvent::Timer);
            }
        }
        true
    }

    /// Runs a whole lease to its end on both sides. A channel that only a dead publisher knows of
    /// stays until it expires.
    pub(super) fn run(&mut self) -> bool {
        self.run_until(3_600_000, |pair| {
            let provider_done = pair.provider.phase() == Phase::Closed || !pair.provider_alive;
            let publisher_done = pair.publisher.phase() == Phase::Closed || !pair.publisher_alive;
            let waits_for_expiry =
                !pair.publisher_alive && (!pair.provider_alive || pair.provider.paid() == 0);
            provider_done && publisher_done && (pair.chain.is_none() || waits_for_expiry)
        })
    }

    pub(super) fn run_to(&mut self, phase: Phase) {
        let reached = self.run_until(600_000, |pair| pair.publisher.phase() == phase);
        assert!(
            reached,
            "publisher {}, provider {}",
            self.publisher.phase(),
            self.provider.phase()
        );
    }

    fn pass_to(&mut self, now: Millis) {
        self.now = now;
        let passed = now - self.used_at;
        self.used_at = now;
        match self.plant {
            Plant::Running => {
                self.used.0 += passed * 10 * self.faults.load_percent;
                self.used.1 += passed * (100 << 20) / 1000;
            }
            Plant::Frozen => self.used.1 += passed * (100 << 20) / 1000,
            Plant::Absent => {}
        }
    }

    fn reading(&self, percent: u64) -> Usage {
        Usage::default()
            .with(Counter::CpuMicros, self.used.0 * percent / 100)
            .with(Counter::MemoryByteSecs, self.used.1 * percent / 100)
    }

    /// Counters as they stand.
    pub(super) fn reading_now(&self) -> Usage {
        self.reading(100)
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Provider(event) => self.tell_provider(event),
            Due::Publisher(event) => self.tell_publisher(event),
            Due::ToProvider(frame, link) if self.linked && link == self.link => {
                self.tell_provider(ProviderEvent::Received(frame))
            }
            Due::ToPublisher(frame, link) if self.linked && link == self.link => {
                self.tell_publisher(PublisherEvent::Received(frame))
            }
            Due::ToProvider(..) | Due::ToPublisher(..) => {}
            Due::Cut(link) => {
                if link.is_none_or(|link| link == self.link) {
                    self.cut();
                }
            }
            Due::Mended => self.mend(),
            Due::OpenLands(terms) => {
                self.chain = Some(record(&terms));
                self.tell_publisher(PublisherEvent::ChannelOpened { nonce: 0 });
            }
            Due::SettleLands(voucher) => self.settle(voucher),
            Due::ClaimLands(voucher) => self.claim(&voucher),
            Due::CloseLands => {
                if let Some(record) = self.chain.as_mut().filter(|r| r.closing_at.is_none()) {
                    record.closing_at = Some(1_000);
                    self.after(CHALLENGE_MS, Due::Finalized);
                    self.tell_provider(ProviderEvent::ChannelClosing);
                }
            }
            Due::Finalized => {
                if let Some(record) = self.chain.take() {
                    self.tell_provider(ProviderEvent::ChannelMissing);
                    self.tell_publisher(PublisherEvent::Settled { paid: record.paid });
                }
            }
            Due::FundLands(deposit) => {
                let failing = self.faults.fund_failures;
                self.faults.fund_failures = failing.saturating_sub(1);
                match self.chain.as_mut().filter(|r| failing == 0 && r.closing_at.is_none()) {
                    Some(record) => {
                        record.deposit = record.deposit.max(deposit);
                        self.after(self.faults.finality_ms, Due::Look);
                        self.tell_publisher(PublisherEvent::Funded);
                    }
                    None => self.tell_publisher(PublisherEvent::FundFailed),
                }
            }
            Due::Look => {
                if let Some(record) = self.chain.clone() {
                    let event = ProviderEvent::ChannelChanged { record, lasts_ms: 3_600_000 };
                    self.tell_provider(event);
                }
            }
            Due::OwnReading => {
                if self.plant == Plant::Running {
                    let usage = self.reading(100);
                    self.tell_publisher(PublisherEvent::OwnUsage { usage, at_ms: self.now });
                }
                if self.plant != Plant::Absent {
                    self.after(250, Due::OwnReading);
                }
            }
            Due::ProviderDies => {
                self.provider_alive = false;
                self.plant = Plant::Absent;
                self.cut();
            }
            Due::PublisherDies => {
                self.publisher_alive = false;
                self.cut();
            }
            Due::PublisherRestarts => {
                self.cut();
                if self.publisher.must_persist() {
                    let stored = self.publisher.encode();
                    self.publisher = Publisher::decode(&mut &stored[..]).unwrap();
                    self.tell_publisher(PublisherEvent::Restarted);
                } else {
                    self.publisher_alive = false;
                }
            }
            Due::ProviderRestarts => {
                self.cut();
                if self.provider.must_persist() {
                    let stored = self.provider.encode();
                    self.provider = Provider::decode(&mut &stored[..]).unwrap();
                    self.tell_provider(ProviderEvent::Restarted);
                } else {
                    self.provider_alive = false;
                }
            }
        }
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.linked) {
            self.tell_provider(ProviderEvent::Disconnected);
            self.tell_publisher(PublisherEvent::Disconnected);
            if let Some(delay) = self.faults.mended_after {
                self.after(delay, Due::Mended);
            }
        }
    }

    /// The provider has dialled again and both have proved themselves, as far as both want to.
    fn mend(&mut self) {
        let both = self.provider_alive && self.publisher_alive;
        if self.linked || !both || self.provider.phase() == Phase::Closed {
            return;
        }
        if !self.provider.wants_connection() || !self.publisher.must_persist() {
            // It may want to later, as long as it lasts.
            return self.after(1_000, Due::Mended);
        }
        self.linked = true;
        self.link += 1;
        self.arrivals = [self.now; 2];
        self.tell_publisher(PublisherEvent::Reconnected);
        self.tell_provider(ProviderEvent::Reconnected);
    }

    fn claim(&mut self, voucher: &Unverified<Voucher>) {
        let failing = self.faults.claim_failures;
        self.faults.claim_failures = failing.saturating_sub(1);
        let event = match self.chain.as_mut().filter(|_| failing == 0) {
            Some(record) => {
                record.paid = record.paid.max(voucher.payload.cumulative);
                ProviderEvent::Claimed { paid: record.paid }
            }
            None => ProviderEvent::ClaimFailed,
        };
        self.tell_provider(event);
    }

    fn settle(&mut self, voucher: Option<Unverified<Voucher>>) {
        if self.faults.settle_failures > 0 {
            self.faults.settle_failures -= 1;
            return self.tell_provider(ProviderEvent::SettleFailed);
        }
        let Some(mut record) = self.chain.take() else {
            return self.tell_provider(ProviderEvent::SettleFailed);
        };
        if let Some(voucher) = voucher {
            let context = self.provider.channel().expect("it settles a channel");
            let voucher = voucher.verify(&context, &record.session_key).expect("a good signature");
            assert!(voucher.payload().cumulative <= record.deposit);
            record.paid = record.paid.max(voucher.payload().cumulative);
        }
        self.tell_provider(ProviderEvent::Settled { paid: record.paid });
        self.tell_publisher(PublisherEvent::Settled { paid: record.paid });
    }

    pub(super) fn tell_provider(&mut self, event: ProviderEvent) {
        if !self.provider_alive {
            return;
        }
        let Ok(step) = self.provider.step(event, self.now) else { return };
        self.provider = step.next;
        for action in step.actions {
            self.provider_did.push((self.now, action.clone()));
            self.perform_provider(action);
        }
    }

    fn perform_provider(&mut self, action: ProviderAction) {
        match action {
            ProviderAction::Send(frame) => self.transmit(0, Due::ToPublisher(frame, self.link)),
            ProviderAction::SendAuth { claim, context } => {
                let signature = sign(PROVIDER, claim, &context).signature;
                self.transmit(0, Due::ToPublisher(Frame::Auth(signature), self.link));
            }
            ProviderAction::Countersign(terms) => {
                let signature = sign(PROVIDER, terms, &()).signature;
                self.transmit(0, Due::ToPublisher(Frame::Countersign(signature), self.link));
            }
            ProviderAction::CountersignAmendment(amendment) => {
                let number = amendment.number;
                let signature = sign(PROVIDER, amendment, &()).signature;
                let frame = Frame::Granted { number, signature };
                self.transmit(0, Due::ToPublisher(frame, self.link));
            }
            ProviderAction::ReserveVolume(_) => {
                let event = match self.faults.volume_is_taken {
                    true => ProviderEvent::VolumeRefused,
                    false => ProviderEvent::VolumeReserved,
                };
                self.after(5, Due::Provider(event));
            }
            ProviderAction::PrepareMachine(_) => {}
            ProviderAction::WatchChannel(_) => {
                if let Some(record) = self.chain.clone() {
                    let event = ProviderEvent::ChannelFinal(record);
                    self.after(BLOCK_MS, Due::Provider(event));
                }
            }
            ProviderAction::WatchOpenChannel(_) => {
                let due = match self.chain {
                    Some(_) => Due::Look,
                    None => Due::Provider(ProviderEvent::ChannelClosing),
                };
                self.after(BLOCK_MS, due);
            }
            ProviderAction::ResumeMachine(_) => {
                let event = match self.plant {
                    Plant::Absent => ProviderEvent::MachineFailed,
                    Plant::Running | Plant::Frozen => ProviderEvent::MachineResumed,
                };
                self.after(200, Due::Provider(event));
            }
            ProviderAction::StartMachine => {
                self.plant = Plant::Running;
                let baseline = self.reading(self.faults.lie_percent);
                self.after(300, Due::Provider(ProviderEvent::MachineReady { baseline }));
            }
            ProviderAction::ReadUsage { tick } => {
                let usage = self.reading(self.faults.lie_percent);
                self.tell_provider(ProviderEvent::Metered { tick, usage });
            }
            ProviderAction::Freeze => {
                // After a restart it may be frozen already.
                assert_ne!(self.plant, Plant::Absent);
                if self.plant == Plant::Running {
                    self.exposures.push(self.provider.due().saturating_sub(self.provider.paid()));
                }
                self.plant = Plant::Frozen;
            }
            ProviderAction::Thaw => {
                assert_ne!(self.plant, Plant::Absent);
                self.plant = Plant::Running;
            }
            ProviderAction::StopMachine => {
                self.plant = Plant::Absent;
                let usage = Some(self.reading(self.faults.lie_percent));
                self.after(400, Due::Provider(ProviderEvent::MachineStopped { usage }));
            }
            ProviderAction::Claim(voucher) => self.after(BLOCK_MS, Due::ClaimLands(voucher)),
            ProviderAction::Settle(voucher) => self.after(BLOCK_MS, Due::SettleLands(voucher)),
            ProviderAction::Disconnect => self.after(500, Due::Cut(Some(self.link))),
            ProviderAction::Finished(_) => {}
        }
    }

    pub(super) fn tell_publisher(&mut self, event: PublisherEvent) {
        if !self.publisher_alive {
            return;
        }
        let Ok(step) = self.publisher.step(event, self.now) else { return };
        self.publisher = step.next;
        for action in step.actions {
            self.publisher_did.push((self.now, action.clone()));
            self.perform_publisher(action);
        }
    }

    fn perform_publisher(&mut self, action: PublisherAction) {
        match action {
            PublisherAction::Send(frame) => self.transmit(1, Due::ToProvider(frame, self.link)),
            PublisherAction::SendAuth { claim, context } => {
                let signature = sign(PUBLISHER, claim, &context).signature;
                self.transmit(1, Due::ToProvider(Frame::Auth(signature), self.link));
            }
            PublisherAction::CheckIdentity(_) => {
                let event = PublisherEvent::IdentityChecked { mined: true };
                self.after(100, Due::Publisher(event));
            }
            PublisherAction::SendContract(terms) => {
                let contract = sign(PUBLISHER, terms, &());
                self.transmit(1, Due::ToProvider(Frame::Contract(contract), self.link));
            }
            PublisherAction::OpenChannel(terms) => self.after(BLOCK_MS, Due::OpenLands(terms)),
            PublisherAction::SendVoucher { tick, voucher, context } => {
                if self.faults.stops_paying_at.is_none_or(|at| self.now < at) {
                    let voucher = sign(SESSION, voucher, &context);
                    self.transmit(1, Due::ToProvider(Frame::Voucher { tick, voucher }, self.link));
                }
            }
            PublisherAction::SendAmendment(amendment) => {
                let frame = Frame::Amend(sign(PUBLISHER, amendment, &()));
                self.transmit(1, Due::ToProvider(frame, self.link));
            }
            PublisherAction::FundChannel { deposit, .. } => {
                self.after(BLOCK_MS, Due::FundLands(deposit));
            }
            PublisherAction::LeaseAmended(_) | PublisherAction::NotAmended(_) => {}
            PublisherAction::MachineReady => {
                if self.faults.own_readings {
                    self.after(700, Due::OwnReading);
                }
            }
            PublisherAction::MachineStateChanged(_) => {}
            PublisherAction::RequestClose(_) => self.after(BLOCK_MS, Due::CloseLands),
            PublisherAction::Disconnect => self.after(500, Due::Cut(Some(self.link))),
            PublisherAction::Finished(_) => {}
        }
    }

    pub(super) fn signed_vouchers(&self) -> Vec<(u32, Voucher, ChannelContext)> {
        self.publisher_did
            .iter()
            .filter_map(|(_, action)| match action {
                PublisherAction::SendVoucher { tick, voucher, context } => {
                    Some((*tick, *voucher, *context))
                }
                _ => None,
            })
            .collect()
    }

    pub(super) fn when_provider(&self, wanted: &ProviderAction) -> Option<Millis> {
        self.provider_did.iter().find(|(_, action)| action == wanted).map(|(at, _)| *at)
    }

    pub(super) fn settlements(&self) -> Vec<Option<Unverified<Voucher>>> {
        self.provider_did
            .iter()
            .filter_map(|(_, action)| match action {
                ProviderAction::Settle(voucher) => Some(voucher.clone()),
                _ => None,
            })
            .collect()
    }
}
