//! One answer to one announcement: from the stamp to the end of the lease.

use std::{path::PathBuf, sync::Arc, time::Duration};

use codec::DecodeAll;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{info, Instrument, Span};
use zennet_chain_client::Chain;
use zennet_lease::{Provider, ProviderEvent, ProviderLimits, ProviderSetup};
use zennet_primitives::{announcement::AnnouncementId, record::AnnouncementRecord, AccountId};
use zennet_transport::{DialError, Endpoint};

use crate::{
    capacity::Reservation,
    containers::{Engine, EngineError},
    driver::{ChainCommand, Driver, Ended, Inputs, MachineCommand, Ports, Shared},
    filter::{Admitted, Policy},
    hostkey::HostKey,
    ledger::{self, Account, Heads, WatchPolicy},
    machine::{self, Workshop},
    mining,
    wire::{self, Wire},
};

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(15);
/// Commands that may wait for a machine or for the chain; more means that it hangs.
const COMMANDS: usize = 16;
/// Reports that may wait for the driver.
const EVENTS: usize = 16;

/// What every meeting works with.
pub(crate) struct Grounds {
    pub(crate) shared: Shared,
    pub(crate) chain: Chain,
    pub(crate) heads: Heads,
    pub(crate) policy: Policy,
    pub(crate) engine: Arc<Engine>,
    pub(crate) endpoint: Endpoint,
    pub(crate) folders: PathBuf,
    pub(crate) watch: WatchPolicy,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a meeting did not come about.
#[derive(Debug, Error)]
pub(crate) enum MeetError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the publisher was not reached: {0}")]
    Dial(#[from] DialError),
    #[error("the image's name is no text")]
    ImageName,
    #[error("the daemon is ending")]
    Ending,
}

impl Grounds {
    /// Meets the publisher of an announcement and serves the lease that comes of it.
    pub(crate) async fn meet(
        &self,
        id: AnnouncementId,
        record: &AnnouncementRecord<u32>,
        admitted: &Admitted,
        _reserved: Reservation,
    ) -> Result<Ended, MeetError> {
        let image = std::str::from_utf8(&admitted.quote.image).map_err(|_| MeetError::ImageName)?;
        let mut stop = self.stop.clone();
        let prepared = async {
            let digest = self.engine.image(image).await?;
            let genesis = self.chain.genesis();
            let account = &self.policy.account;
            let stamp = mining::acceptance_stamp(genesis, id, account, record.body.asks);
            let stamp = stamp.await.ok_or(MeetError::Ending)?;
            let link = self.endpoint.dial(&admitted.endpoint, DIAL).await?;
            Ok::<_, MeetError>((digest, stamp, link))
        };
        let (digest, stamp, link) = tokio::select! {
            prepared = prepared => prepared?,
            _ = stop.wait_for(|stop| *stop) => return Err(MeetError::Ending),
        };
        info!(peer = %link.connection.remote_peer(), "publisher reached");
        let host_key = HostKey::generate();
        let setup = ProviderSetup {
            genesis: self.chain.genesis(),
            announcement: id,
            publisher: record.publisher.clone(),
            account: self.policy.account.clone(),
            capabilities: self.policy.capabilities.clone(),
            stamp,
            quote: admitted.quote(digest, host_key.public()),
            floor: self.policy.floor,
            limits: self.limits(),
        };
        let connected = ProviderEvent::Connected {
            own_peer: wire::peer_bytes(link.connection.local_peer()),
            other_peer: wire::peer_bytes(link.connection.remote_peer()),
            challenge: rand::random(),
        };
        let Wire { connection, outgoing, incoming } = wire::start(link);
        let (events, reports) = mpsc::channel(EVENTS);
        let (to_machine, machine_commands) = mpsc::channel(COMMANDS);
        let workshop = Workshop {
            engine: self.engine.clone(),
            folders: self.folders.clone(),
            name: self.short_name(&id),
            host_key,
            connection,
        };
        let machine = tokio::spawn(
            machine::serve(workshop, machine_commands, events.clone()).instrument(Span::current()),
        );
        let account = Account { chain: self.chain.clone(), key: self.shared.key.clone() };
        let ports = Ports {
            wire: Some(outgoing),
            machine: to_machine,
            chain: start_ledger(account, self.heads.clone(), self.watch, events),
        };
        let inputs = Inputs { wire: incoming, events: reports, stop: self.stop.clone() };
        let publisher = record.publisher.clone();
        let provider = Provider::new(setup);
        let driver = Driver::new(self.shared.clone(), id, publisher, provider, ports);
        let ended = driver.run(connected, inputs).await;
        // The capacity is free again when nothing of the machine is left.
        if machine.await.is_err() {
            tracing::error!("the machine's task failed; the next start removes what is left");
        }
        Ok(ended)
    }

    fn limits(&self) -> ProviderLimits {
        let lease = &self.policy.lease;
        ProviderLimits {
            stop_after_ms: lease.stop_after_secs.saturating_mul(1000),
            min_challenge_blocks: lease.min_challenge_blocks,
            claim_threshold: lease.claim_threshold_xen.0,
            ..Default::default()
        }
    }

    /// Names of containers and folders, of this provider and this announcement alone.
    fn short_name(&self, id: &AnnouncementId) -> String {
        let account: &[u8] = self.policy.account.as_ref();
        format!("{}-{}", hex::encode(&id.0[..6]), hex::encode(&account[..4]))
    }
}

fn start_ledger(
    account: Account,
    heads: Heads,
    policy: WatchPolicy,
    events: mpsc::Sender<ProviderEvent>,
) -> mpsc::Sender<ChainCommand> {
    let (commands, received) = mpsc::channel(COMMANDS);
    let serving = ledger::serve(account, heads, policy, received, events);
    tokio::spawn(serving.instrument(Span::current()));
    commands
}

/// A lease that an earlier run left in the store.
pub(crate) struct Old {
    pub(crate) id: AnnouncementId,
    pub(crate) publisher: AccountId,
    pub(crate) began_at: u64,
    pub(crate) provider: Provider,
    pub(crate) stored: Vec<u8>,
}

impl Old {
    /// Reads what a driver stored; nothing where it cannot be read.
    pub(crate) fn read(id: AnnouncementId, stored: Vec<u8>) -> Option<Old> {
        let (began_at, provider) = <(u64, Provider)>::decode_all(&mut &stored[..]).ok()?;
        // Whatever is stored has terms, and those name the publisher.
        let publisher = provider.terms()?.publisher.clone();
        Some(Old { id, publisher, began_at, provider, stored })
    }
}

/// Settles a lease of an earlier run.
pub(crate) async fn settle_old(
    old: Old,
    shared: Shared,
    account: Account,
    heads: Heads,
    policy: WatchPolicy,
    stop: watch::Receiver<bool>,
) -> Ended {
    let (events, reports) = mpsc::channel(EVENTS);
    // There is no machine any more: its commands are answered at once.
    let (to_machine, mut machine_commands) = mpsc::channel(COMMANDS);
    let answers = events.clone();
    tokio::spawn(async move {
        while let Some(command) = machine_commands.recv().await {
            if command == MachineCommand::Stop {
                let stopped = ProviderEvent::MachineStopped { usage: None };
                if answers.send(stopped).await.is_err() {
                    return;
                }
            }
        }
    });
    let chain = start_ledger(account, heads, policy, events);
    let ports = Ports { wire: None, machine: to_machine, chain };
    let (_closed, wire) = mpsc::channel(1);
    let inputs = Inputs { wire, events: reports, stop };
    let Old { id, publisher, began_at, provider, stored } = old;
    let driver = Driver::new(shared, id, publisher, provider, ports).resumed(stored, began_at);
    driver.run(ProviderEvent::Restarted, inputs).await
}
