//! One answer to one announcement: from the stamp to the end of the lease.

use std::{path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, Instrument, Span};
use zennet_chain_client::{Chain, ChainError};
use zennet_lease::{Provider, ProviderEvent, ProviderLimits, ProviderSetup};
use zennet_metering::Banked;
use zennet_primitives::{
    amount::Balance, announcement::AnnouncementId, record::AnnouncementRecord, AccountId, Hash,
};
use zennet_transport::{DialError, Endpoint, Multiaddr};

use crate::{
    capacity::Reservation,
    containers::{Engine, EngineError},
    driver::{Books, ChainCommand, Driver, Ended, Inputs, Kept, MachineCommand, Ports, Shared},
    ending::Endings,
    filter::{Admitted, Policy},
    hostkey::HostKey,
    lease_name::LeaseName,
    ledger::{self, Account, Heads, WatchPolicy},
    machine::{self, Rest, Workshop},
    mining,
    orders::Stamp,
    redial::Redial,
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
    pub(crate) ledger: Account,
    pub(crate) heads: Heads,
    pub(crate) policy: Policy,
    pub(crate) engine: Arc<Engine>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) folders: PathBuf,
    pub(crate) watch: WatchPolicy,
    pub(crate) endings: Endings,
}

/// An announcement that is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) id: AnnouncementId,
    pub(crate) record: AnnouncementRecord<u32>,
    pub(crate) admitted: Admitted,
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
    #[error("the image that the publisher names cannot be had: {0}")]
    Image(EngineError),
    #[error("the daemon is ending")]
    Ending,
}

impl MeetError {
    /// Whether that was the publisher's doing.
    pub(crate) fn is_publishers(&self) -> bool {
        match self {
            MeetError::Dial(_) | MeetError::ImageName | MeetError::Image(_) => true,
            MeetError::Engine(_) | MeetError::Ending => false,
        }
    }
}

impl Grounds {
    /// Own coin that can be spent.
    pub(crate) async fn balance(&self) -> Result<Balance, ChainError> {
        let at = self.heads.best.borrow().hash;
        Ok(self.chain.balance(&self.policy.account, at).await?.spendable)
    }

    /// Meets the publisher of an announcement and serves the lease that comes of it.
    pub(crate) async fn meet(
        &self,
        answer: Answer,
        slot: u32,
        stamp: Stamp,
        _reserved: Reservation,
    ) -> Result<Ended, MeetError> {
        let Answer { id, record, admitted } = answer;
        let image = std::str::from_utf8(&admitted.quote.image).map_err(|_| MeetError::ImageName)?;
        let mut endings = self.endings.clone();
        let prepared = async {
            let found = self.engine.image(image).await;
            let digest = found.map_err(|error| match error {
                EngineError::ImageMissing(_) | EngineError::Pull { .. }
                    if !record.body.images.is_empty() =>
                {
                    MeetError::Image(error)
                }
                error => MeetError::Engine(error),
            })?;
            let genesis = self.chain.genesis();
            let account = &self.policy.account;
            let mine = || async {
                let stamp = mining::acceptance_stamp(genesis, id, account, record.body.asks);
                stamp.await.ok_or(MeetError::Ending)
            };
            let stamp = *stamp.get_or_try_init(mine).await?;
            let link = self.endpoint.dial(&admitted.endpoint, DIAL).await?;
            Ok::<_, MeetError>((digest, stamp, link))
        };
        let (digest, stamp, link) = tokio::select! {
            prepared = prepared => prepared?,
            () = endings.begun() => return Err(MeetError::Ending),
        };
        info!(peer = %link.connection.remote_peer(), "publisher reached");
        let host_key = HostKey::generate();
        let setup = ProviderSetup {
            genesis: self.chain.genesis(),
            announcement: id,
            publisher: record.publisher.clone(),
            account: self.policy.account.clone(),
            offer: self.policy.offer(stamp),
            quote: admitted.quote(digest, host_key.public()),
            floor: self.policy.floor,
            limits: self.limits(),
        };
        let connected = ProviderEvent::Connected {
            own_peer: wire::peer_bytes(link.connection.local_peer()),
            other_peer: wire::peer_bytes(link.connection.remote_peer()),
            challenge: rand::random(),
        };
        let lease = Kept {
            began_at: zennet_time::unix_secs(),
            endpoint: admitted.endpoint.to_string(),
            banked: Banked::default(),
            provider: Provider::new(setup),
            journal: Default::default(),
        };
        let publisher = record.publisher.clone();
        let setting = Setting {
            name: LeaseName::new(id, slot),
            publisher,
            lease,
            address: admitted.endpoint.clone(),
            host_key: Some(host_key),
            wire: Some(wire::start(link)),
        };
        Ok(Box::pin(self.drive(setting, connected)).await)
    }

    /// Goes on with a lease of an earlier run.
    pub(crate) async fn resume(&self, old: Old, _reserved: Option<Reservation>) -> Ended {
        let Old { name, publisher, address, lease } = old;
        let setting = Setting { name, publisher, lease, address, host_key: None, wire: None };
        Box::pin(self.drive(setting, ProviderEvent::Restarted)).await
    }

    /// Puts a lease's tasks around its driver and runs it to its end.
    async fn drive(&self, setting: Setting, first: ProviderEvent) -> Ended {
        let Setting { name, publisher, lease, address, host_key, wire } = setting;
        let (connection, outgoing, incoming) = match wire {
            Some(Wire { connection, outgoing, incoming }) => {
                (Some(connection), Some(outgoing), incoming)
            }
            None => (None, None, mpsc::channel(1).1),
        };
        let (events, reports) = mpsc::channel(EVENTS);
        let (to_machine, machine_commands) = mpsc::channel(COMMANDS);
        let (connections, current) = watch::channel(connection);
        let (new_links, links) = mpsc::channel(1);
        let (redial, wanted) = watch::channel(None);
        let books = Books::new(lease.banked.clone().into());
        let key = self.shared.key.clone();
        let endpoint = self.endpoint.clone();
        let dialling = Redial { endpoint, address, key, connections, links: new_links };
        tokio::spawn(dialling.serve(wanted).instrument(Span::current()));
        let workshop = Workshop {
            engine: self.engine.clone(),
            folders: self.folders.clone(),
            name: name.short(&self.policy.account),
            host_key,
            connections: current,
            books: books.clone(),
        };
        let machine = tokio::spawn(
            machine::serve(workshop, machine_commands, events.clone()).instrument(Span::current()),
        );
        let account = self.ledger.of_lease(lease.known_at());
        let ports = Ports {
            wire: outgoing,
            machine: to_machine,
            chain: start_ledger(account, self.heads.clone(), self.watch, events),
            redial,
        };
        let inputs =
            Inputs { wire: incoming, events: reports, links, endings: self.endings.clone() };
        let driver = Driver::new(self.shared.clone(), name, publisher, lease, ports, books);
        let ended = Box::pin(driver.run(first, inputs)).await;
        // The capacity and the volume are free again when nothing of the machine is left.
        match machine.await {
            Ok(Rest::None) => {
                let lease = name.short(&self.policy.account);
                if let Err(error) = self.shared.volumes.release(&lease).await {
                    error!(%error, "the volume was not given back; the next start does it");
                }
            }
            Ok(Rest::Machine) => (),
            Err(_) => error!("the machine's task failed; the next start removes what is left"),
        }
        self.shared.board.remove(&name.key);
        ended
    }

    fn limits(&self) -> ProviderLimits {
        let lease = &self.policy.lease;
        ProviderLimits {
            stop_after_ms: lease.stop_after_secs.saturating_mul(1000),
            reconnect_ms: lease.reconnect_secs.saturating_mul(1000),
            min_challenge_blocks: lease.min_challenge_blocks,
            claim_threshold: lease.claim_threshold_xen.0,
            max_lease_secs: self.policy.filter.max_lease_secs,
            ..Default::default()
        }
    }
}

/// What a lease is driven with.
struct Setting {
    name: LeaseName,
    publisher: AccountId,
    lease: Kept,
    address: Multiaddr,
    /// Absent for a machine that is there already.
    host_key: Option<HostKey>,
    wire: Option<Wire>,
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
    pub(crate) name: LeaseName,
    pub(crate) publisher: AccountId,
    pub(crate) address: Multiaddr,
    pub(crate) lease: Kept,
}

impl Old {
    /// Reads what a driver stored; nothing where it cannot be read.
    pub(crate) fn read(key: Hash, stored: &[u8]) -> Option<Old> {
        let lease = Kept::read(stored)?;
        let address = lease.endpoint.parse().ok()?;
        // Whatever is stored has terms, and those name the publisher.
        let publisher = lease.provider.terms()?.publisher.clone();
        let name = LeaseName { key, announcement: lease.announcement()? };
        Some(Old { name, publisher, address, lease })
    }
}

/// Settles a lease of an earlier run where no container engine answers, so that its machine cannot
/// be found.
pub(crate) async fn settle_old(
    old: Old,
    shared: Shared,
    account: Account,
    heads: Heads,
    policy: WatchPolicy,
    endings: Endings,
) -> Ended {
    let (events, reports) = mpsc::channel(EVENTS);
    let (to_machine, mut machine_commands) = mpsc::channel(COMMANDS);
    let answers = events.clone();
    tokio::spawn(async move {
        while let Some(command) = machine_commands.recv().await {
            let answer = match command {
                MachineCommand::Stop => ProviderEvent::MachineStopped { usage: None },
                MachineCommand::Resume(_) => ProviderEvent::MachineFailed,
                MachineCommand::Prepare(_)
                | MachineCommand::Start
                | MachineCommand::Read { .. }
                | MachineCommand::Freeze
                | MachineCommand::Thaw
                | MachineCommand::Leave => continue,
            };
            if answers.send(answer).await.is_err() {
                return;
            }
        }
    });
    let account = account.of_lease(old.lease.known_at());
    let chain = start_ledger(account, heads, policy, events);
    let (redial, _wanted) = watch::channel(None);
    let ports = Ports { wire: None, machine: to_machine, chain, redial };
    let (_closed, wire) = mpsc::channel(1);
    let (_no_links, links) = mpsc::channel(1);
    let inputs = Inputs { wire, events: reports, links, endings };
    let Old { name, publisher, lease, .. } = old;
    let books = Books::new(lease.banked.clone().into());
    let driver = Driver::new(shared, name, publisher, lease, ports, books);
    Box::pin(driver.run(ProviderEvent::Restarted, inputs)).await
}
