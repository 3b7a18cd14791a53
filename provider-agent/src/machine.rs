//! The task of one machine: container, meter and ssh streams behind a queue of commands.

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tracing::{error, info, warn, Instrument, Span};
use zennet_lease::ProviderEvent;
use zennet_metering::{boottime, CgroupPaths, Meter, MeterError, PathsError};
use zennet_primitives::{amount::Rates, contract::Terms, usage::Usage};
use zennet_transport::Connection;

use crate::{
    containers::{Container, Engine, EngineError, Spec},
    driver::MachineCommand,
    hostkey::{HostKey, LeaseFolder},
    ssh::{self, Door},
};

/// How long the guest may take to come up.
const GUEST_START: Duration = Duration::from_secs(20);

/// Why a machine does not run.
#[derive(Debug, Error)]
enum MachineError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the folder of the lease cannot be made: {0}")]
    Folder(io::Error),
    #[error("the guest did not come up within {} s", GUEST_START.as_secs())]
    Silent,
    #[error("the guest cannot be reached: {0}")]
    Door(io::Error),
    #[error("the machine's counters cannot be found: {0}")]
    Paths(#[from] PathsError),
    #[error("the machine's counters cannot be read: {0}")]
    Meter(#[from] MeterError),
    #[error("{0} has a rate, but this host does not count it: remove it from [rates]")]
    Uncounted(&'static str),
    #[error("it was asked for before it was prepared")]
    NotPrepared,
}

/// What a machine is made with.
pub(crate) struct Workshop {
    pub(crate) engine: Arc<Engine>,
    /// Folder of all leases' folders.
    pub(crate) folders: PathBuf,
    /// Short name of the lease, unique on this host.
    pub(crate) name: String,
    pub(crate) host_key: HostKey,
    pub(crate) connection: Connection,
}

/// A machine as far as it has come.
#[derive(Default)]
struct Machine {
    container: Option<Container>,
    door: Option<Door>,
    rates: Rates,
    meter: Option<Meter>,
    ssh: Option<JoinHandle<()>>,
    watcher: Option<JoinHandle<()>>,
    /// Removed after the container.
    folder: Option<LeaseFolder>,
}

/// Serves one lease's commands until its driver is gone, and leaves nothing behind.
pub(crate) async fn serve(
    workshop: Workshop,
    mut commands: mpsc::Receiver<MachineCommand>,
    events: mpsc::Sender<ProviderEvent>,
) {
    let mut machine = Machine::default();
    while let Some(command) = commands.recv().await {
        let event = match command {
            MachineCommand::Prepare(terms) => {
                failed("prepare", machine.prepare(&workshop, &terms).await)
            }
            MachineCommand::Start => match machine.start(&workshop, &events).await {
                Ok(baseline) => Some(ProviderEvent::MachineReady { baseline }),
                Err(error) => failed("start", Err(error)),
            },
            MachineCommand::Read { tick } => match machine.read() {
                Ok(usage) => Some(ProviderEvent::Metered { tick, usage }),
                Err(error) => failed("meter", Err(error)),
            },
            MachineCommand::Freeze => failed("freeze", machine.freeze().await),
            MachineCommand::Thaw => failed("thaw", machine.thaw().await),
            MachineCommand::Stop => {
                let usage = machine.stop().await;
                Some(ProviderEvent::MachineStopped { usage })
            }
        };
        if let Some(event) = event {
            if events.send(event).await.is_err() {
                break;
            }
        }
    }
    machine.stop().await;
}

fn failed(what: &'static str, outcome: Result<(), MachineError>) -> Option<ProviderEvent> {
    let error = outcome.err()?;
    error!(%error, what, "the machine failed");
    Some(ProviderEvent::MachineFailed)
}

impl Machine {
    async fn prepare(&mut self, workshop: &Workshop, terms: &Terms) -> Result<(), MachineError> {
        let name = &workshop.name;
        let folder =
            LeaseFolder::create(&workshop.folders, name, &workshop.host_key, &terms.client_key)
                .map_err(MachineError::Folder)?;
        self.door = Some(Door::open(folder.path()).map_err(MachineError::Folder)?);
        let spec = Spec {
            name: format!("zennet-{name}"),
            hostname: format!("zn-{}", name.chars().take(8).collect::<String>()),
            lease: format!("{:?}", terms.hash()),
            image_digest: terms.quote.image_digest,
            resources: terms.quote.resources,
            folder: folder.path().into(),
        };
        self.folder = Some(folder);
        self.rates = terms.quote.rates;
        self.container = Some(workshop.engine.create(&spec).await?);
        info!(container = spec.name, "container created");
        Ok(())
    }

    async fn start(
        &mut self,
        workshop: &Workshop,
        events: &mpsc::Sender<ProviderEvent>,
    ) -> Result<Usage, MachineError> {
        let (Some(container), Some(door)) = (&self.container, &self.door) else {
            return Err(MachineError::NotPrepared);
        };
        let pid = container.start().await?;
        self.watcher = Some(watch(container.clone(), events.clone()));
        match timeout(GUEST_START, door.guest_is_up()).await {
            Ok(up) => up.map_err(MachineError::Door)?,
            Err(_) => return Err(MachineError::Silent),
        }
        let mut meter = Meter::open(&CgroupPaths::of_process(pid)?, pid)?;
        // What the start itself cost is not the tenant's.
        let baseline = meter.read(boottime())?;
        if let Some((counter, _)) = self.rates.priced().find(|(c, _)| baseline.get(*c).is_none()) {
            return Err(MachineError::Uncounted(counter.name()));
        }
        self.meter = Some(meter);
        let serving = ssh::serve(door.clone(), workshop.connection.clone());
        self.ssh = Some(tokio::spawn(serving.instrument(Span::current())));
        info!(pid, "machine runs");
        Ok(baseline)
    }

    fn read(&mut self) -> Result<Usage, MachineError> {
        Ok(self.meter.as_mut().ok_or(MachineError::NotPrepared)?.read(boottime())?)
    }

    async fn freeze(&self) -> Result<(), MachineError> {
        match &self.container {
            Some(container) => Ok(container.freeze().await?),
            None => Err(MachineError::NotPrepared),
        }
    }

    async fn thaw(&self) -> Result<(), MachineError> {
        match &self.container {
            Some(container) => Ok(container.thaw().await?),
            None => Err(MachineError::NotPrepared),
        }
    }

    /// Ends everything and gives the last counters, where there were any.
    async fn stop(&mut self) -> Option<Usage> {
        for task in [self.watcher.take(), self.ssh.take()].into_iter().flatten() {
            task.abort();
        }
        let mut usage = None;
        if let (Some(container), Some(mut meter)) = (&self.container, self.meter.take()) {
            // The counters vanish with the container; frozen, it uses nothing after the reading.
            if let Err(error) = container.freeze().await {
                warn!(%error, "the machine could not be frozen before its last reading");
            }
            match meter.read(boottime()) {
                Ok(last) => usage = Some(last),
                Err(error) => {
                    warn!(%error, "the last reading failed, the one before it counts");
                    usage = meter.banked().usage().ok();
                }
            }
        }
        if let Some(container) = self.container.take() {
            // In a task of its own, so that a hanging engine does not hold up the settlement.
            let folder = self.folder.take();
            let removal = async move {
                match container.remove().await {
                    Ok(()) => info!("container removed"),
                    Err(error) => {
                        error!(%error, "a container is left behind; the next start removes it");
                    }
                }
                drop(folder);
            };
            let removal = tokio::spawn(removal.instrument(Span::current()));
            self.removal(removal).await;
        }
        self.door = None;
        self.folder = None;
        usage
    }

    /// Waits a little for a removal, which goes on by itself.
    async fn removal(&self, removal: JoinHandle<()>) {
        if timeout(REMOVAL_WAIT, removal).await.is_err() {
            warn!("removing the container takes long, the lease goes on without it");
        }
    }
}

/// How long the end of a lease waits for its container's removal.
const REMOVAL_WAIT: Duration = Duration::from_secs(15);

/// Reports a machine that ends by itself.
fn watch(container: Container, events: mpsc::Sender<ProviderEvent>) -> JoinHandle<()> {
    let watching = async move {
        let cause = container.ended().await;
        warn!(cause, "the machine ended by itself");
        // Without a listener the lease is over already.
        let _ = events.send(ProviderEvent::MachineFailed).await;
    };
    tokio::spawn(watching.instrument(Span::current()))
}

/// Removes what earlier runs left in the folder of leases.
pub(crate) fn clear_folders(folders: &Path) {
    match std::fs::remove_dir_all(folders) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%error, path = %folders.display(), "folders of past leases could not be removed");
        }
        _ => (),
    }
}
