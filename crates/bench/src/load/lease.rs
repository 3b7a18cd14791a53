//! The driver of one lease: the real state machine, with counters in place of a machine.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use anyhow::{bail, Result};
use codec::Encode;
use rand::random;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep_until, Instant},
};
use zennet_lease::{Provider as Lease, ProviderAction, ProviderEvent, ProviderSetup};
use zennet_primitives::{
    auth::PeerIdBytes,
    channel::Voucher,
    close::CloseReason,
    contract::{SshKey, Terms},
    frame::Frame,
    signed::Unverified,
};
use zennet_transport::{Connection, FrameReceiver, FrameSender, Link, PeerId};

use super::{
    lie::Reports,
    machine::Machine,
    provider::Provider,
    ssh::{self, HostKey},
};

/// Reports that may wait for the driver.
const REPORTS: usize = 16;

/// Shortest time between two timer events, so that a deadline in the past cannot spin.
const TIMER_PAUSE: Duration = Duration::from_millis(20);

/// Serves one lease from the first frame to the end.
pub(crate) async fn run(
    provider: &Arc<Provider>,
    link: Link,
    setup: ProviderSetup,
    host_key: HostKey,
    said: Reports,
) -> Result<CloseReason> {
    let Link { connection, sender, receiver } = link;
    let connected = ProviderEvent::Connected {
        own_peer: peer_bytes(connection.local_peer()),
        other_peer: peer_bytes(connection.remote_peer()),
        challenge: random(),
    };
    let driver = Driver {
        provider: provider.clone(),
        lease: Lease::new(setup),
        connection,
        sender: Some(sender),
        host_key,
        machine: None,
        said,
        reports: mpsc::channel(REPORTS),
        tasks: JoinSet::new(),
    };
    Box::pin(driver.drive(receiver, connected)).await
}

fn peer_bytes(peer: PeerId) -> PeerIdBytes {
    PeerIdBytes::truncate_from(peer.to_bytes())
}

struct Driver {
    provider: Arc<Provider>,
    lease: Lease,
    connection: Connection,
    /// Absent once the connection is closed.
    sender: Option<FrameSender>,
    host_key: HostKey,
    machine: Option<Arc<Machine>>,
    said: Reports,
    reports: (mpsc::Sender<ProviderEvent>, mpsc::Receiver<ProviderEvent>),
    tasks: JoinSet<()>,
}

impl Driver {
    async fn drive(
        mut self,
        mut receiver: FrameReceiver,
        first: ProviderEvent,
    ) -> Result<CloseReason> {
        let clock = self.provider.grounds.clock;
        let mut event = Some(first);
        let mut timer_not_before = Instant::now();
        let mut receiving = true;
        loop {
            if let Some(event) = event.take() {
                if let Some(reason) = self.on(event).await {
                    self.account_for(reason);
                    return Ok(reason);
                }
            }
            let deadline = self.lease.deadline().map(|at| clock.instant(at).into());
            let wake = deadline.unwrap_or_else(Instant::now).max(timer_not_before);
            event = tokio::select! {
                biased;
                () = sleep_until(wake), if deadline.is_some() => {
                    timer_not_before = Instant::now() + TIMER_PAUSE;
                    Some(ProviderEvent::Timer)
                }
                report = self.reports.1.recv() => report,
                frame = receiver.recv(), if receiving => Some(match frame {
                    Ok(bytes) => Frame::from_bytes(&bytes)
                        .map_or(ProviderEvent::Malformed, ProviderEvent::Received),
                    Err(error) => {
                        tracing::debug!(%error, phase = %self.lease.phase(), "disconnected");
                        receiving = false;
                        ProviderEvent::Disconnected
                    }
                }),
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => None,
            };
            if !receiving && self.lease.wants_connection() {
                bail!("the connection was lost while the lease was {}", self.lease.phase());
            }
        }
    }

    /// One event and all that follows from it at once.
    async fn on(&mut self, event: ProviderEvent) -> Option<CloseReason> {
        let mut pending = VecDeque::from([event]);
        let mut finished = None;
        while let Some(event) = pending.pop_front() {
            let name = event.name();
            let step = match self.lease.step(event, self.provider.grounds.clock.now()) {
                Ok(step) => step,
                Err(denied) => {
                    tracing::debug!(event = name, phase = %denied.phase, "event dropped");
                    continue;
                }
            };
            self.lease = step.next;
            for action in step.actions {
                if let ProviderAction::Finished(reason) = action {
                    finished = Some(reason);
                    continue;
                }
                pending.extend(self.perform(action).await);
            }
        }
        finished
    }

    async fn perform(&mut self, action: ProviderAction) -> Option<ProviderEvent> {
        let key = self.provider.key.clone();
        match action {
            ProviderAction::Send(frame) => self.send(&frame).await,
            ProviderAction::SendAuth { claim, context } => {
                self.send(&Frame::Auth(key.sign_payload(claim, &context).signature)).await
            }
            ProviderAction::Countersign(terms) => {
                self.send(&Frame::Countersign(key.sign_payload(terms, &()).signature)).await
            }
            ProviderAction::CountersignAmendment(amendment) => {
                let number = amendment.number;
                let signature = key.sign_payload(amendment, &()).signature;
                self.send(&Frame::Granted { number, signature }).await
            }
            ProviderAction::WatchChannel(context) | ProviderAction::WatchOpenChannel(context) => {
                let reports = self.reports.0.clone();
                self.provider.grounds.channels.watch(context.channel, reports).await;
                None
            }
            ProviderAction::ReserveVolume(_) => Some(ProviderEvent::VolumeRefused),
            // There is nothing to fetch.
            ProviderAction::PrepareMachine(_) => None,
            ProviderAction::StartMachine => self.lease.terms().cloned().map(|t| self.start(&t)),
            ProviderAction::ReadUsage { tick } => {
                let usage = self.said.report(Some(tick), self.machine.as_ref()?.usage());
                Some(ProviderEvent::Metered { tick, usage })
            }
            ProviderAction::Freeze => {
                tracing::warn!(due = self.lease.due(), paid = self.lease.paid(), "frozen");
                self.machine.as_ref()?.freeze();
                None
            }
            ProviderAction::Thaw => {
                self.machine.as_ref()?.thaw();
                None
            }
            ProviderAction::StopMachine => {
                let truth = self.machine.as_ref().map(|machine| machine.usage());
                let usage = truth.map(|truth| self.said.report(None, truth));
                Some(ProviderEvent::MachineStopped { usage })
            }
            // A machine lives as long as this program.
            ProviderAction::ResumeMachine(_) => Some(ProviderEvent::MachineFailed),
            ProviderAction::Claim(voucher) => {
                self.claim(voucher);
                None
            }
            ProviderAction::Settle(voucher) => self.settle(voucher),
            ProviderAction::Disconnect => {
                if let Some(sender) = self.sender.take() {
                    // Closed on both sides then, in whatever way.
                    let _ = sender.finish().await;
                }
                self.connection.close();
                None
            }
            ProviderAction::Finished(_) => None,
        }
    }

    /// Prints what a machine's lease came to.
    fn account_for(&self, reason: CloseReason) {
        if self.machine.is_some() {
            let provider = self.provider.grounds.chain.address(&self.provider.key.account());
            println!("{}", self.said.account(&provider, reason, self.lease.paid()));
        }
    }

    async fn send(&mut self, frame: &Frame) -> Option<ProviderEvent> {
        let sent = self.sender.as_mut()?.send(&frame.encode()).await;
        sent.is_err().then_some(ProviderEvent::Disconnected)
    }

    /// Starts the counters, and the server that tells them.
    fn start(&mut self, terms: &Terms) -> ProviderEvent {
        let machine = Arc::new(Machine::start(terms.quote.resources));
        let baseline = machine.usage();
        self.machine = Some(machine.clone());
        let connection = self.connection.clone();
        self.tasks.spawn(serve_ssh(connection, self.host_key.clone(), terms.client_key, machine));
        ProviderEvent::MachineReady { baseline }
    }

    fn claim(&mut self, voucher: Unverified<Voucher>) {
        let Some(context) = self.lease.channel() else { return };
        let (chain, key) = (self.provider.grounds.chain.clone(), self.provider.key.clone());
        let reports = self.reports.0.clone();
        self.tasks.spawn(async move {
            let paid = voucher.payload.cumulative;
            let event = match chain.claim(&key, context.channel, &voucher).await {
                Ok(_) => ProviderEvent::Claimed { paid },
                Err(error) => {
                    tracing::warn!(%error, "claiming failed; it is tried again");
                    ProviderEvent::ClaimFailed
                }
            };
            let _ = reports.send(event).await;
        });
    }

    fn settle(&mut self, voucher: Option<Unverified<Voucher>>) -> Option<ProviderEvent> {
        // Without a channel there is nothing to settle.
        let Some(context) = self.lease.channel() else {
            return Some(ProviderEvent::Settled { paid: 0 });
        };
        let (chain, key) = (self.provider.grounds.chain.clone(), self.provider.key.clone());
        let reports = self.reports.0.clone();
        self.tasks.spawn(async move {
            let paid = voucher.as_ref().map_or(0, |voucher| voucher.payload.cumulative);
            let event = match chain.close(&key, context.channel, voucher.as_ref()).await {
                Ok(_) => ProviderEvent::Settled { paid },
                Err(error) => {
                    tracing::warn!(%error, "settling failed; it is tried again");
                    ProviderEvent::SettleFailed
                }
            };
            // The driver waits for it.
            let _ = reports.send(event).await;
        });
        None
    }
}

/// Serves every ssh connection that the publisher opens.
async fn serve_ssh(
    connection: Connection,
    host_key: HostKey,
    client: SshKey,
    machine: Arc<Machine>,
) {
    let mut sessions = JoinSet::new();
    while let Ok(incoming) = connection.accept_ssh().await {
        let (host_key, machine) = (host_key.clone(), machine.clone());
        sessions.spawn(async move {
            let served = match incoming.ready().await {
                Ok(stream) => ssh::serve(stream, host_key, client, machine).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = served {
                tracing::debug!(error = format!("{error:#}"), "an ssh connection ended");
            }
        });
        while sessions.try_join_next().is_some() {}
    }
}
