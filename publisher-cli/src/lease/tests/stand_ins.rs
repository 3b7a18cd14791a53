//! A provider in memory, with its real state machine, and a chain and a shell that stand in.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{bail, Result};
use tokio::sync::mpsc;
use zennet_chain_client::AccountKey;
use zennet_lease::{Provider, ProviderAction, ProviderEvent, ProviderLimits, ProviderSetup};
use zennet_primitives::{
    amount::{Balance, Rates},
    announcement::ImageRef,
    auth::PeerIdBytes,
    channel::ChannelId,
    close::CloseReason,
    contract::{Capabilities, Offer, Quote, Resources, Terms},
    frame::Frame,
    record::ChannelRecord,
    usage::{Counter, Usage},
    AccountId, Hash,
};

use crate::lease::world::{
    ChannelChange, Funding, LeaseChain, OpenError, OpenedChannel, Shell, Wire, WireError,
};
use crate::ssh::readings::{Reading, Totals};

pub(super) const GENESIS: Hash = Hash::repeat_byte(1);
pub(super) const ANNOUNCEMENT: Hash = Hash::repeat_byte(2);

pub(super) fn peer(byte: u8) -> PeerIdBytes {
    PeerIdBytes::truncate_from(vec![byte; 4])
}

/// One end of a control stream in memory.
pub(super) struct Pipe {
    own: u8,
    out: Option<mpsc::Sender<Frame>>,
    inbound: mpsc::Receiver<Frame>,
}

impl Pipe {
    pub(super) fn pair() -> (Pipe, Pipe) {
        let (a, b) = (mpsc::channel(64), mpsc::channel(64));
        let one = Pipe { own: 1, out: Some(a.0), inbound: b.1 };
        (one, Pipe { own: 2, out: Some(b.0), inbound: a.1 })
    }
}

impl Wire for Pipe {
    fn peers(&self) -> (PeerIdBytes, PeerIdBytes) {
        (peer(self.own), peer(3 - self.own))
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), WireError> {
        let gone = || WireError::Lost("the pipe is closed".into());
        self.out.as_ref().ok_or_else(gone)?.send(frame.clone()).await.map_err(|_| gone())
    }

    async fn receive(&mut self) -> Result<Frame, WireError> {
        self.inbound.recv().await.ok_or_else(|| WireError::Lost("the pipe is closed".into()))
    }

    fn close(&mut self) {
        self.out = None;
    }
}

/// A chain with one channel at most for each provider.
#[derive(Clone, Default)]
pub(super) struct Chain {
    state: Arc<Mutex<ChainState>>,
}

#[derive(Default)]
struct ChainState {
    refuses_to_open: bool,
    channels: Vec<(ChannelId, ChannelRecord<u32>)>,
    settled: Vec<(ChannelId, Balance)>,
    watchers: Vec<(ChannelId, mpsc::Sender<ChannelChange>)>,
    requests: u32,
}

impl Chain {
    /// Whether no channel was ever opened.
    pub(super) fn is_unused(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.channels.is_empty() && state.settled.is_empty()
    }

    pub(super) fn refusing() -> Self {
        let chain = Chain::default();
        chain.state.lock().unwrap().refuses_to_open = true;
        chain
    }

    fn record(&self, id: ChannelId) -> Option<ChannelRecord<u32>> {
        let state = self.state.lock().unwrap();
        state.channels.iter().find(|(channel, _)| *channel == id).map(|(_, r)| r.clone())
    }

    pub(super) fn opened(&self) -> usize {
        self.state.lock().unwrap().channels.len()
    }

    pub(super) fn requests(&self) -> u32 {
        self.state.lock().unwrap().requests
    }

    /// The provider's `close`, or the refund.
    pub(super) fn settle(&self, id: ChannelId, paid: Balance) {
        let mut state = self.state.lock().unwrap();
        state.channels.retain(|(channel, _)| *channel != id);
        state.settled.push((id, paid));
        for (channel, watcher) in &state.watchers {
            if *channel == id {
                let _ = watcher.try_send(ChannelChange::Settled { paid });
            }
        }
    }
}

impl LeaseChain for Chain {
    async fn is_mined_provider(&self, _: AccountId) -> Result<bool> {
        Ok(true)
    }

    async fn open(&self, terms: Terms) -> Result<OpenedChannel, OpenError> {
        let mut state = self.state.lock().unwrap();
        if state.refuses_to_open {
            return Err(OpenError::NoCoin("the account is empty".into()));
        }
        let nonce = state.channels.len() as u64 + state.settled.len() as u64;
        let channel = terms.channel(nonce).channel;
        let record = ChannelRecord {
            publisher: terms.publisher.clone(),
            provider: terms.provider.clone(),
            contract: terms.hash(),
            session_key: terms.session_key,
            deposit: terms.deposit,
            paid: 0,
            record_deposit: 1,
            expires_at: 100_000,
            challenge: terms.challenge_blocks,
            closing_at: None,
            app: None,
        };
        state.channels.push((channel, record));
        Ok(OpenedChannel { nonce, channel, block: 5, fee: 1 })
    }

    async fn fund(&self, funding: Funding) -> Result<bool> {
        let mut state = self.state.lock().unwrap();
        let Some((_, record)) = state.channels.iter_mut().find(|(id, _)| *id == funding.channel)
        else {
            anyhow::bail!("the channel is gone");
        };
        let missing = funding.deposit.saturating_sub(record.deposit);
        record.deposit += missing;
        Ok(missing > 0)
    }

    async fn watch(&self, channel: ChannelId, _: u32, changes: mpsc::Sender<ChannelChange>) {
        {
            let mut state = self.state.lock().unwrap();
            let _ = changes.try_send(ChannelChange::Final);
            if let Some((_, paid)) = state.settled.iter().find(|(id, _)| *id == channel) {
                let _ = changes.try_send(ChannelChange::Settled { paid: *paid });
            }
            state.watchers.push((channel, changes.clone()));
        }
        changes.closed().await;
    }

    async fn reclaim(&self, channel: ChannelId, changes: mpsc::Sender<ChannelChange>) {
        self.state.lock().unwrap().requests += 1;
        let _ = changes.send(ChannelChange::Requested).await;
        self.settle(channel, 0);
    }
}

/// Hands out one port and reads the counters of a tenant that uses as much as the provider says.
#[derive(Default)]
pub(super) struct Port {
    pub(super) stopped: Arc<Mutex<bool>>,
    started: bool,
}

impl Shell for Port {
    type Line = ();

    fn attach(&mut self, (): ()) {}

    async fn start(&mut self, _: &Terms, readings: mpsc::Sender<Reading>) -> Result<u16> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(20001);
        }
        let start = Instant::now();
        tokio::spawn(async move {
            while readings
                .send(Reading { at_ms: millis(start), usage: burned(start) })
                .await
                .is_ok()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Ok(20001)
    }

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn stop(&mut self) {
        *self.stopped.lock().unwrap() = true;
    }
}

/// What a machine that uses half a core has used since a moment.
fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

fn burned(start: Instant) -> Usage {
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap() / 2;
    Usage::default().with(Counter::CpuMicros, micros)
}

/// What a provider does when its machine is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    Honest,
    /// Takes three times as much.
    Dear,
    /// Takes whatever is offered.
    Yielding,
    VanishesWhenReady,
    /// Once, after two ticks.
    LosesItsConnection,
}

/// Who stands at the other end.
pub(super) struct Counterparty {
    pub(super) key: AccountKey,
    pub(super) publisher: AccountId,
    pub(super) manner: Manner,
    /// Connections that it makes later.
    pub(super) dials: mpsc::Receiver<Pipe>,
}

pub(super) fn quote() -> Quote {
    Quote {
        rates: Rates::default().with(Counter::CpuMicros, 1000 * 10u128.pow(18)),
        basis: None,
        tick_ms: 500,
        grace_ms: 2000,
        max_exposure: 10_000_000_000,
        prepay: 0,
        lease_secs: 60,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        resources: Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 0, volume_mib: 0 },
        image: ImageRef::truncate_from(b"os".to_vec()),
        image_digest: [7; 32],
        host_key: [8; 32],
    }
}

fn setup(publisher: &AccountId, account: &AccountId, manner: Manner) -> ProviderSetup {
    let mut quote = quote();
    if manner == Manner::Dear {
        let rate = quote.rates.get(Counter::CpuMicros);
        quote.rates = quote.rates.with(Counter::CpuMicros, 3 * rate);
    }
    ProviderSetup {
        genesis: GENESIS,
        announcement: ANNOUNCEMENT,
        publisher: publisher.clone(),
        account: account.clone(),
        offer: Offer {
            capabilities: Capabilities {
                cores: 4,
                clock_mhz: None,
                memory_mib: 4096,
                disk_mib: 4096,
                bandwidth_kbit_per_sec: None,
                benchmarks: Default::default(),
                wall: zennet_primitives::contract::Wall::Namespaces,
            },
            stamp: 0,
            report: None,
        },
        floor: if manner == Manner::Yielding { Rates::default() } else { quote.rates },
        quote,
        limits: ProviderLimits { min_challenge_blocks: 1, ..ProviderLimits::default() },
    }
}

/// Runs a provider's state machine to its end; gives why it ended and what it was paid.
pub(super) async fn provide(
    mut wire: Pipe,
    chain: Chain,
    peer: Counterparty,
) -> Result<(CloseReason, Balance)> {
    let Counterparty { key, publisher, manner, mut dials } = peer;
    let mut loses = manner == Manner::LosesItsConnection;
    let clock = Instant::now();
    let mut machine = Provider::new(setup(&publisher, &key.account(), manner));
    let (own_peer, other_peer) = wire.peers();
    let mut queue =
        VecDeque::from([ProviderEvent::Connected { own_peer, other_peer, challenge: [5; 32] }]);
    let mut channel = None;
    let mut started = None;
    loop {
        let event = match queue.pop_front() {
            Some(event) => event,
            None => {
                let left = machine.deadline().map_or(60_000, |at| {
                    at.saturating_sub(u64::try_from(clock.elapsed().as_millis()).unwrap())
                });
                match tokio::time::timeout(Duration::from_millis(left), wire.receive()).await {
                    Ok(Ok(frame)) => ProviderEvent::Received(frame),
                    Ok(Err(_)) if channel.is_some_and(|id| chain.record(id).is_none()) => {
                        return Ok((CloseReason::ConnectionLost, machine.paid()));
                    }
                    Ok(Err(_)) if machine.wants_connection() => match dials.recv().await {
                        Some(next) => {
                            wire = next;
                            ProviderEvent::Reconnected
                        }
                        None => bail!("it is not to dial again"),
                    },
                    Ok(Err(_)) => ProviderEvent::Disconnected,
                    Err(_) => ProviderEvent::Timer,
                }
            }
        };
        let now = u64::try_from(clock.elapsed().as_millis()).unwrap();
        let Ok(step) = machine.step(event, now) else { continue };
        machine = step.next;
        for action in step.actions {
            match action {
                ProviderAction::Send(frame) => {
                    let _ = wire.send(&frame).await;
                }
                ProviderAction::SendAuth { claim, context } => {
                    let signed = key.sign_payload(claim, &context);
                    let _ = wire.send(&Frame::Auth(signed.signature)).await;
                }
                ProviderAction::Countersign(terms) => {
                    let signed = key.sign_payload(terms, &());
                    let _ = wire.send(&Frame::Countersign(signed.signature)).await;
                }
                ProviderAction::CountersignAmendment(amendment) => {
                    let number = amendment.number;
                    let signature = key.sign_payload(amendment, &()).signature;
                    let _ = wire.send(&Frame::Granted { number, signature }).await;
                }
                ProviderAction::WatchChannel(context) => {
                    channel = Some(context.channel);
                    queue.extend(chain.record(context.channel).map(ProviderEvent::ChannelFinal));
                }
                ProviderAction::StartMachine => {
                    let start = *started.insert(Instant::now());
                    queue.push_back(ProviderEvent::MachineReady { baseline: burned(start) });
                    if manner == Manner::VanishesWhenReady {
                        bail!("vanished");
                    }
                }
                ProviderAction::ReadUsage { tick } => {
                    let usage = started.map(burned).unwrap_or_default();
                    // The chain is looked at each tick.
                    queue.extend(
                        channel.and_then(|id| chain.record(id)).map(|record| {
                            ProviderEvent::ChannelChanged { record, lasts_ms: 1 << 40 }
                        }),
                    );
                    queue.push_back(ProviderEvent::Metered { tick, usage });
                    if tick == 3 && std::mem::take(&mut loses) {
                        // What waits in it is lost with it.
                        wire = Pipe::pair().0;
                        queue.push_front(ProviderEvent::Disconnected);
                    }
                }
                ProviderAction::StopMachine => {
                    queue.push_back(ProviderEvent::MachineStopped { usage: started.map(burned) });
                }
                ProviderAction::Settle(voucher) => {
                    let paid = voucher.map_or(0, |voucher| voucher.payload.cumulative);
                    if let Some(id) = channel {
                        chain.settle(id, paid);
                    }
                    queue.push_back(ProviderEvent::Settled { paid });
                }
                ProviderAction::Disconnect => wire.close(),
                ProviderAction::Finished(reason) => return Ok((reason, machine.paid())),
                ProviderAction::ResumeMachine(_) => bail!("it was not loaded from a store"),
                ProviderAction::ReserveVolume(_)
                | ProviderAction::PrepareMachine(_)
                | ProviderAction::WatchOpenChannel(_)
                | ProviderAction::Freeze
                | ProviderAction::Thaw
                | ProviderAction::Claim(_) => {}
            }
        }
    }
}
