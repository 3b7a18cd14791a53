//! The task of one machine: container, meter and ssh streams behind a queue of commands.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{interval, sleep, timeout, MissedTickBehavior},
};
use tracing::{debug, error, info, warn, Instrument, Span};
use zennet_lease::ProviderEvent;
use zennet_metering::{boottime, Banked, CgroupPaths, Meter, MeterError, PathsError, SourceError};
use zennet_primitives::{
    amount::Rates,
    contract::Terms,
    usage::{Counter, Usage},
};
use zennet_transport::Connection;

use crate::{
    containers::{Container, Engine, EngineError, Spec, Task},
    driver::{Books, MachineCommand},
    hostkey::{HostKey, LeaseFolder},
    ssh::{self, Door},
    volumes::Place,
};

/// How long the guest may take to come up.
const GUEST_START: Duration = Duration::from_secs(20);
/// Pause before an engine that is away is asked again.
const ENGINE_PAUSE: Duration = Duration::from_secs(1);
/// Time between two readings of a machine. Memory is integrated over them, here as in the machine:
/// both must see a short burst alike.
const SAMPLING: Duration = Duration::from_millis(250);
/// Folder of the machines' own folders, in the data folder.
pub(crate) const MACHINES: &str = "machines";
/// How often a machine of one lease is started again.
const RESTARTS: u32 = 16;

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
    #[error("the container of the lease is gone")]
    Vanished,
    #[error("it ended {RESTARTS} times and was started again each time")]
    Restless,
}

/// What a machine is made with.
pub(crate) struct Workshop {
    pub(crate) engine: Arc<Engine>,
    /// Folder of all leases' folders.
    pub(crate) folders: PathBuf,
    /// Short name of the lease, unique on this host.
    pub(crate) name: String,
    /// Absent for a machine that is there already.
    pub(crate) host_key: Option<HostKey>,
    /// The connection that ssh streams come over, while there is one.
    pub(crate) connections: watch::Receiver<Option<Connection>>,
    /// What the meter has counted: where it goes on, and what it says after each reading.
    pub(crate) books: Books,
}

impl Workshop {
    fn container(&self) -> String {
        container_name(&self.name)
    }
}

/// Name of the container of a lease with this short name.
pub(crate) fn container_name(name: &str) -> String {
    format!("zennet-{name}")
}

/// A machine as far as it has come.
#[derive(Default)]
struct Machine {
    container: Option<Container>,
    door: Option<Door>,
    rates: Rates,
    meter: Option<Meter>,
    /// Ends with the machine.
    ssh: JoinSet<()>,
    watcher: JoinSet<()>,
    frozen: bool,
    /// Whether it stays for the daemon's next start.
    left: bool,
    /// Whether the engine has yet to be told so: it may be away.
    untold: bool,
    restarts: u32,
    /// Removed after the container.
    folder: Option<LeaseFolder>,
    volume: Option<Place>,
    /// Removals that go on by themselves.
    removals: JoinSet<()>,
}

/// What a machine's task leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    None,
    /// A frozen machine for the daemon's next start.
    Machine,
}

/// Serves one lease's commands until its driver is gone and nothing is left of the machine, unless
/// it is to stay.
pub(crate) async fn serve(
    workshop: Workshop,
    mut commands: mpsc::Receiver<MachineCommand>,
    events: mpsc::Sender<ProviderEvent>,
) -> Rest {
    let mut machine = Machine::default();
    let (died, mut deaths) = mpsc::channel(1);
    let mut sampling = interval(SAMPLING);
    let mut retry = interval(ENGINE_PAUSE);
    for timer in [&mut sampling, &mut retry] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let event = tokio::select! {
            biased;
            Some(cause) = deaths.recv() => {
                warn!(cause, "the machine ended, it is started again");
                failed("start again", machine.restart(&workshop, &died).await)
            }
            command = commands.recv() => match command {
                Some(command) => machine.obey(&workshop, &died, command).await,
                None => break,
            },
            _ = sampling.tick(), if machine.meter.is_some() => {
                machine.sample(&workshop);
                None
            }
            _ = retry.tick(), if machine.untold => {
                machine.follow().await;
                None
            }
        };
        if let Some(event) = event {
            if events.send(event).await.is_err() {
                break;
            }
        }
    }
    if machine.left {
        return Rest::Machine;
    }
    machine.stop(&workshop).await;
    // However long that takes: nobody else may have the machine's place and its volume before.
    machine.removals.join_all().await;
    Rest::None
}

fn failed(what: &'static str, outcome: Result<(), MachineError>) -> Option<ProviderEvent> {
    let error = outcome.err()?;
    error!(%error, what, "the machine failed");
    Some(ProviderEvent::MachineFailed)
}

impl Machine {
    async fn obey(
        &mut self,
        workshop: &Workshop,
        died: &mpsc::Sender<String>,
        command: MachineCommand,
    ) -> Option<ProviderEvent> {
        match command {
            MachineCommand::Prepare(terms) => {
                failed("prepare", self.prepare(workshop, &terms).await)
            }
            MachineCommand::Start => match self.start(workshop, died).await {
                Ok(baseline) => Some(ProviderEvent::MachineReady { baseline }),
                Err(error) => failed("start", Err(error)),
            },
            MachineCommand::Resume(terms) => match self.resume(workshop, &terms, died).await {
                Ok(()) => Some(ProviderEvent::MachineResumed),
                Err(error) => failed("resume", Err(error)),
            },
            MachineCommand::Read { tick } => match self.read(workshop) {
                Ok(usage) => Some(ProviderEvent::Metered { tick, usage }),
                Err(error) => failed("meter", Err(error)),
            },
            MachineCommand::Freeze => self.set_frozen(true).await,
            MachineCommand::Thaw => self.set_frozen(false).await,
            MachineCommand::Leave => {
                self.set_frozen(true).await;
                self.left = true;
                None
            }
            MachineCommand::Stop => {
                let usage = self.stop(workshop).await;
                Some(ProviderEvent::MachineStopped { usage })
            }
        }
    }

    async fn prepare(&mut self, workshop: &Workshop, terms: &Terms) -> Result<(), MachineError> {
        let name = &workshop.name;
        self.volume = Place::of(terms);
        // As it is: it grows when the deposit is final, with the start.
        let volume = match &self.volume {
            Some(place) => Some(workshop.engine.open_volume(place).await?),
            None => None,
        };
        let host_key = workshop.host_key.as_ref().ok_or(MachineError::NotPrepared)?;
        let folder = LeaseFolder::create(&workshop.folders, name, host_key, &terms.client_key)
            .map_err(MachineError::Folder)?;
        self.door = Some(Door::open(folder.path()).map_err(MachineError::Folder)?);
        let spec = Spec {
            name: workshop.container(),
            hostname: format!("zn-{}", name.chars().take(8).collect::<String>()),
            lease: format!("{:?}", terms.hash()),
            image_digest: terms.quote.image_digest,
            resources: terms.quote.resources,
            folder: folder.path().into(),
            volume,
            read_only: terms.read_only,
            task: Task::Machine,
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
        died: &mpsc::Sender<String>,
    ) -> Result<Usage, MachineError> {
        let container = self.container.clone().ok_or(MachineError::NotPrepared)?;
        let pid = self.start_container(workshop, &container).await?;
        self.run(workshop, container, pid, died)?;
        let door = self.door.as_ref().ok_or(MachineError::NotPrepared)?;
        match timeout(GUEST_START, door.guest_is_up()).await {
            Ok(up) => up.map_err(MachineError::Door)?,
            Err(_) => return Err(MachineError::Silent),
        }
        // What the start itself cost is not the tenant's.
        let baseline = self.read(workshop)?;
        // A volume is not read: both sides compute what it counts.
        let is_uncounted = |c: Counter| c != Counter::VolumeByteSecs && baseline.get(c).is_none();
        if let Some((counter, _)) = self.rates.priced().find(|(c, _)| is_uncounted(*c)) {
            return Err(MachineError::Uncounted(counter.name()));
        }
        info!(pid, "machine runs");
        Ok(baseline)
    }

    /// Finds the machine that an earlier run of the daemon left.
    async fn resume(
        &mut self,
        workshop: &Workshop,
        terms: &Terms,
        died: &mpsc::Sender<String>,
    ) -> Result<(), MachineError> {
        self.volume = Place::of(terms);
        let found = workshop.engine.find(&workshop.container()).await?;
        let container = found.ok_or(MachineError::Vanished)?;
        self.container = Some(container.clone());
        let folder = LeaseFolder::adopt(&workshop.folders, &workshop.name);
        let folder = folder.map_err(MachineError::Folder)?;
        // The guest dials the new socket as soon as it is there.
        self.door = Some(Door::open(folder.path()).map_err(MachineError::Folder)?);
        self.folder = Some(folder);
        self.rates = terms.quote.rates;
        let pid = match container.running().await? {
            Some(pid) => pid,
            None => self.start_container(workshop, &container).await?,
        };
        self.run(workshop, container, pid, died)?;
        info!(pid, "machine found again");
        Ok(())
    }

    /// Starts a machine again that ended, with all that is on its disk.
    async fn restart(
        &mut self,
        workshop: &Workshop,
        died: &mpsc::Sender<String>,
    ) -> Result<(), MachineError> {
        let container = self.container.clone().ok_or(MachineError::NotPrepared)?;
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(MachineError::Restless);
        }
        let pid = self.start_container(workshop, &container).await?;
        self.run(workshop, container, pid, died)?;
        self.untold = self.frozen;
        self.follow().await;
        info!(pid, restarts = self.restarts, "machine runs again");
        Ok(())
    }

    /// Starts the container with its volume mounted, which a power failure has unmounted, and as large
    /// as was agreed on.
    async fn start_container(
        &self,
        workshop: &Workshop,
        container: &Container,
    ) -> Result<u32, MachineError> {
        if let Some(place) = &self.volume {
            workshop.engine.grow_volume(place).await?;
        }
        Ok(container.start().await?)
    }

    /// Meters a machine that runs, and lets ssh streams in.
    fn run(
        &mut self,
        workshop: &Workshop,
        container: Container,
        pid: u32,
        died: &mpsc::Sender<String>,
    ) -> Result<(), MachineError> {
        let door = self.door.clone().ok_or(MachineError::NotPrepared)?;
        self.watcher.abort_all();
        self.watcher.spawn(watch_over(container, died.clone()).instrument(Span::current()));
        let banked = books(&workshop.books).clone();
        self.meter = Some(Meter::resume(&CgroupPaths::of_process(pid)?, pid, &banked)?);
        if self.ssh.is_empty() {
            let serving = ssh::serve(door, workshop.connections.clone());
            self.ssh.spawn(serving.instrument(Span::current()));
        }
        Ok(())
    }

    fn read(&mut self, workshop: &Workshop) -> Result<Usage, MachineError> {
        let meter = self.meter.as_mut().ok_or(MachineError::NotPrepared)?;
        let usage = match meter.read(boottime()) {
            // It has just ended, and is about to be started again.
            Err(MeterError::Source(SourceError::Gone { .. })) => meter.banked().usage()?,
            read => read?,
        };
        *books(&workshop.books) = meter.banked().clone();
        Ok(usage)
    }

    /// Reads in between, for what is integrated over time.
    fn sample(&mut self, workshop: &Workshop) {
        if let Err(error) = self.read(workshop) {
            debug!(%error, "a reading between two ticks failed");
        }
    }

    async fn set_frozen(&mut self, frozen: bool) -> Option<ProviderEvent> {
        if self.container.is_none() {
            return failed("freeze or thaw", Err(MachineError::NotPrepared));
        }
        (self.frozen, self.untold) = (frozen, true);
        self.follow().await;
        None
    }

    /// Makes the machine what it should be; it is tried again while the engine is away.
    async fn follow(&mut self) {
        let Some(container) = self.container.as_ref().filter(|_| self.untold) else { return };
        let done = match self.frozen {
            true => container.freeze().await,
            false => container.thaw().await,
        };
        match done {
            Ok(()) => self.untold = false,
            Err(error) => {
                warn!(%error, frozen = self.frozen, "the engine did not do it yet, trying again");
            }
        }
    }

    /// Ends everything and gives the last counters, where there were any.
    async fn stop(&mut self, workshop: &Workshop) -> Option<Usage> {
        self.untold = false;
        self.watcher.shutdown().await;
        self.ssh.shutdown().await;
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
            *books(&workshop.books) = meter.banked().clone();
        }
        if self.container.is_none() {
            // One that was left, and not found again by an engine that had other things to do.
            match workshop.engine.find(&workshop.container()).await {
                Ok(found) => self.container = found,
                Err(error) => warn!(%error, "the engine cannot say whether a container is left"),
            }
        }
        if let Some(container) = self.container.take() {
            // In a task of its own, so that a hanging engine does not hold up the settlement.
            let (folder, volume) = (self.folder.take(), self.volume.take());
            let engine = workshop.engine.clone();
            let removal = async move {
                while let Err(error) = container.remove().await {
                    error!(%error, "a container cannot be removed; it keeps its place until it is");
                    sleep(REMOVAL_PAUSE).await;
                }
                info!("container removed");
                if let Some(volume) = volume {
                    engine.close_volume(&volume).await;
                }
                if let Some(folder) = folder {
                    folder.remove();
                }
            };
            self.removals.spawn(removal.instrument(Span::current()));
            self.removed().await;
        }
        self.door = None;
        if let Some(volume) = self.volume.take() {
            workshop.engine.close_volume(&volume).await;
        }
        if let Some(folder) = self.folder.take() {
            folder.remove();
        }
        usage
    }

    /// Waits a little for a removal, which goes on by itself.
    async fn removed(&mut self) {
        if timeout(REMOVAL_WAIT, self.removals.join_next()).await.is_err() {
            warn!("removing the container takes long, the lease is settled meanwhile");
        }
    }
}

/// How long the end of a lease waits for its container's removal.
const REMOVAL_WAIT: Duration = Duration::from_secs(15);
/// Pause before a container is removed again that could not be with all patience.
const REMOVAL_PAUSE: Duration = Duration::from_secs(10);

fn books(books: &Books) -> MutexGuard<'_, Banked> {
    // It is replaced as a whole, so a panic elsewhere leaves it sound.
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports a machine that does not run any more. While the engine is away nothing is known of it:
/// it may run on, or be ended by the engine's next start.
async fn watch_over(container: Container, died: mpsc::Sender<String>) {
    loop {
        let cause = container.ended().await;
        match container.running().await {
            Ok(Some(_)) => (),
            Ok(None) => {
                // Without a listener the lease is over already.
                let _ = died.send(cause).await;
                return;
            }
            Err(error) => {
                debug!(%error, "the engine cannot say how the machine is");
                sleep(ENGINE_PAUSE).await;
            }
        }
    }
}

/// Removes what earlier runs left in the folder of leases, but for those whose names are kept.
pub(crate) fn clear_folders(folders: &Path, kept: &HashSet<String>) {
    let entries = match std::fs::read_dir(folders) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            warn!(%error, path = %folders.display(), "folders of past leases could not be read");
            return;
        }
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
            continue;
        }
        if let Err(error) = std::fs::remove_dir_all(entry.path()) {
            warn!(%error, path = %entry.path().display(), "a past lease's folder stays");
        }
    }
}
