//! A whole machine on the real engine, reached over a real connection.

use tokio::{io::AsyncReadExt, task::JoinHandle};
use zennet_primitives::{
    announcement::ImageRef,
    contract::{Quote, Resources},
    usage::Counter,
    AccountId, Hash, SessionKey,
};
use zennet_transport::{Endpoint, Limits, Link};

use super::*;
use crate::containers::tests::{TestEngine, IMAGE};

const WAIT: Duration = Duration::from_secs(60);

pub(crate) fn terms(image_digest: [u8; 32], rates: Rates) -> Terms {
    Terms {
        genesis: Hash::zero(),
        announcement: Hash::zero(),
        publisher: AccountId::new([1; 32]),
        provider: AccountId::new([2; 32]),
        session_key: SessionKey::from_raw([3; 32]),
        client_key: [4; 32],
        quote: Quote {
            rates,
            basis: None,
            tick_ms: 1000,
            grace_ms: 1000,
            max_exposure: 1,
            prepay: 0,
            lease_secs: 60,
            notice_secs: 0,
            max_keep_secs: 0,
            keep_unpaid_secs: 0,
            resources: Resources { cpu_millis: 1000, memory_mib: 128, disk_mib: 0, volume_mib: 0 },
            image: ImageRef::truncate_from(IMAGE.into()),
            image_digest,
            host_key: [0; 32],
        },
        deposit: 1,
        challenge_blocks: 10,
        app: None,
        volume: None,
        read_only: false,
    }
}

/// Both ends of one connection.
async fn links() -> (Endpoint, Endpoint, Link, Link) {
    let limits = Limits { allow_private: true, ..Default::default() };
    let address = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let publisher = Endpoint::listen(vec![address], limits.clone()).await.unwrap();
    let provider = Endpoint::dialer(limits).unwrap();
    let target = publisher.addresses().remove(0);
    let (dialed, accepted) =
        tokio::join!(provider.dial(&target, Duration::from_secs(10)), publisher.accept());
    (publisher, provider, dialed.unwrap(), accepted.unwrap())
}

struct Scene {
    name: String,
    commands: mpsc::Sender<MachineCommand>,
    events: mpsc::Receiver<ProviderEvent>,
    task: JoinHandle<Rest>,
    publisher: Link,
    _endpoints: (Endpoint, Endpoint),
    folders: tempfile::TempDir,
}

impl Scene {
    async fn begin(engine: &Arc<TestEngine>) -> Scene {
        let name = format!("test-{:08x}", rand::random::<u32>());
        Self::named(engine, name, tempfile::tempdir().unwrap(), Some(HostKey::generate())).await
    }

    /// A daemon's next run with what this one has left.
    async fn another(self, engine: &Arc<TestEngine>) -> Scene {
        Self::named(engine, self.name, self.folders, None).await
    }

    async fn named(
        engine: &Arc<TestEngine>,
        name: String,
        folders: tempfile::TempDir,
        host_key: Option<HostKey>,
    ) -> Scene {
        let (listening, dialing, provider, publisher) = links().await;
        let (commands, received) = mpsc::channel(16);
        let (report, events) = mpsc::channel(16);
        let (connections, connected) = watch::channel(Some(provider.connection.clone()));
        let workshop = Workshop {
            engine: engine.engine.clone(),
            folders: folders.path().join("machines"),
            name: name.clone(),
            host_key,
            connections: connected,
            books: Books::default(),
        };
        let task = tokio::spawn(async move {
            let _control = (provider.sender, provider.receiver, connections);
            serve(workshop, received, report).await
        });
        let _endpoints = (listening, dialing);
        Scene { name, commands, events, task, publisher, _endpoints, folders }
    }

    async fn ask(&mut self, command: MachineCommand) {
        self.commands.send(command).await.unwrap();
    }

    async fn event(&mut self) -> ProviderEvent {
        timeout(WAIT, self.events.recv()).await.expect("an event in time").unwrap()
    }

    async fn end(self) {
        drop(self.commands);
        assert_eq!(timeout(WAIT, self.task).await.unwrap().unwrap(), Rest::None);
        let left = std::fs::read_dir(self.folders.path().join("machines"));
        assert_eq!(left.map_or(0, Iterator::count), 0, "the folder of the lease is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_serves_ssh_is_metered_frozen_thawed_and_leaves_nothing() {
    let engine = Arc::new(TestEngine::connect().await);
    let digest = engine.engine.image(IMAGE).await.unwrap();
    let mut scene = Scene::begin(&engine).await;
    let rates = Rates::default().with(Counter::CpuMicros, 1);
    scene.ask(MachineCommand::Prepare(terms(digest, rates))).await;
    scene.ask(MachineCommand::Start).await;
    let ProviderEvent::MachineReady { baseline } = scene.event().await else {
        panic!("the machine comes up")
    };

    let mut stream = scene.publisher.connection.open_ssh(WAIT).await.unwrap();
    let mut banner = [0; 8];
    timeout(WAIT, stream.read_exact(&mut banner)).await.unwrap().unwrap();
    assert_eq!(&banner, b"SSH-2.0-");

    scene.ask(MachineCommand::Read { tick: 1 }).await;
    let ProviderEvent::Metered { tick: 1, usage } = scene.event().await else {
        panic!("a reading follows")
    };
    assert_eq!(usage.first_fallen(&baseline), None);
    // An sshd was started since the baseline.
    assert!(usage.get(Counter::CpuMicros) > baseline.get(Counter::CpuMicros));

    scene.ask(MachineCommand::Freeze).await;
    scene.ask(MachineCommand::Read { tick: 2 }).await;
    let ProviderEvent::Metered { usage: frozen, .. } = scene.event().await else { panic!() };
    scene.ask(MachineCommand::Read { tick: 3 }).await;
    let ProviderEvent::Metered { usage: later, .. } = scene.event().await else { panic!() };
    assert_eq!(frozen.get(Counter::CpuMicros), later.get(Counter::CpuMicros));
    scene.ask(MachineCommand::Thaw).await;

    scene.ask(MachineCommand::Stop).await;
    let ProviderEvent::MachineStopped { usage: Some(last) } = scene.event().await else {
        panic!("the last counters are read")
    };
    assert_eq!(last.first_fallen(&later), None);
    scene.end().await;
    assert_eq!(engine.engine.sweep(&HashSet::new()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_machine_is_started_again_and_its_counters_go_on() {
    let engine = Arc::new(TestEngine::connect().await);
    let digest = engine.engine.image(IMAGE).await.unwrap();
    let mut scene = Scene::begin(&engine).await;
    let rates = Rates::default().with(Counter::CpuMicros, 1);
    scene.ask(MachineCommand::Prepare(terms(digest, rates))).await;
    scene.ask(MachineCommand::Start).await;
    assert!(matches!(scene.event().await, ProviderEvent::MachineReady { .. }));
    scene.ask(MachineCommand::Read { tick: 1 }).await;
    let ProviderEvent::Metered { usage, .. } = scene.event().await else { panic!() };
    engine.kill_all();
    // It answers once it is there again.
    let mut stream = scene.publisher.connection.open_ssh(WAIT).await.unwrap();
    let mut banner = [0; 8];
    timeout(WAIT, stream.read_exact(&mut banner)).await.unwrap().unwrap();
    scene.ask(MachineCommand::Stop).await;
    let ProviderEvent::MachineStopped { usage: Some(last) } = scene.event().await else {
        panic!("the last counters are read")
    };
    assert!(last.get(Counter::CpuMicros) > usage.get(Counter::CpuMicros));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_left_is_found_again_with_its_counters() {
    let engine = Arc::new(TestEngine::connect().await);
    let digest = engine.engine.image(IMAGE).await.unwrap();
    let mut scene = Scene::begin(&engine).await;
    let rates = Rates::default().with(Counter::CpuMicros, 1);
    let terms = terms(digest, rates);
    scene.ask(MachineCommand::Prepare(terms.clone())).await;
    scene.ask(MachineCommand::Start).await;
    let ProviderEvent::MachineReady { baseline } = scene.event().await else {
        panic!("the machine comes up")
    };
    // As when the daemon is killed: nothing is removed.
    scene.task.abort();
    let mut scene = scene.another(&engine).await;
    scene.ask(MachineCommand::Resume(terms)).await;
    assert_eq!(scene.event().await, ProviderEvent::MachineResumed);
    let mut stream = scene.publisher.connection.open_ssh(WAIT).await.unwrap();
    let mut banner = [0; 8];
    timeout(WAIT, stream.read_exact(&mut banner)).await.unwrap().unwrap();
    scene.ask(MachineCommand::Read { tick: 7 }).await;
    let ProviderEvent::Metered { tick: 7, usage } = scene.event().await else { panic!() };
    assert_eq!(usage.first_fallen(&baseline), None);
    scene.ask(MachineCommand::Stop).await;
    assert!(matches!(scene.event().await, ProviderEvent::MachineStopped { usage: Some(_) }));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_left_stays_frozen_for_the_next_start() {
    let engine = Arc::new(TestEngine::connect().await);
    let digest = engine.engine.image(IMAGE).await.unwrap();
    let mut scene = Scene::begin(&engine).await;
    let terms = terms(digest, Rates::default().with(Counter::CpuMicros, 1));
    scene.ask(MachineCommand::Prepare(terms.clone())).await;
    scene.ask(MachineCommand::Start).await;
    assert!(matches!(scene.event().await, ProviderEvent::MachineReady { .. }));
    scene.ask(MachineCommand::Leave).await;
    let (closed, _) = mpsc::channel(1);
    scene.commands = closed;
    assert_eq!(timeout(WAIT, &mut scene.task).await.unwrap().unwrap(), Rest::Machine);
    assert_eq!(engine.states(), ["paused"]);
    let mut scene = scene.another(&engine).await;
    scene.ask(MachineCommand::Resume(terms)).await;
    assert_eq!(scene.event().await, ProviderEvent::MachineResumed);
    scene.ask(MachineCommand::Thaw).await;
    let mut stream = scene.publisher.connection.open_ssh(WAIT).await.unwrap();
    let mut banner = [0; 8];
    timeout(WAIT, stream.read_exact(&mut banner)).await.unwrap().unwrap();
    scene.ask(MachineCommand::Stop).await;
    assert!(matches!(scene.event().await, ProviderEvent::MachineStopped { usage: Some(_) }));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_machine_comes_up_and_what_it_writes_to_its_volume_outlasts_it() {
    let engine = Arc::new(TestEngine::connect().await);
    let digest = engine.engine.image("zennet-os:latest").await.unwrap();
    let mut terms = terms(digest, Rates::default().with(Counter::VolumeByteSecs, 1));
    terms.quote.resources.volume_mib = 32;
    let name = b"data".to_vec().try_into().unwrap();
    terms.volume = Some(zennet_primitives::contract::Volume { name, keep_secs: 0 });
    terms.read_only = true;
    for (command, said) in [
        ("echo kept >/volume/file && echo x >/root/x && echo done", "done\n"),
        ("cat /volume/file", "kept\n"),
        ("touch /etc/x 2>/dev/null || echo refused", "refused\n"),
    ] {
        let mut scene = Scene::begin(&engine).await;
        scene.ask(MachineCommand::Prepare(terms.clone())).await;
        scene.ask(MachineCommand::Start).await;
        let event = scene.event().await;
        assert!(matches!(event, ProviderEvent::MachineReady { .. }), "{event:?}");
        assert_eq!(engine.exec(&container_name(&scene.name), command), said);
        scene.ask(MachineCommand::Stop).await;
        assert!(matches!(scene.event().await, ProviderEvent::MachineStopped { .. }));
        scene.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_gone_fails_the_machine_and_stopping_is_still_answered() {
    let engine = Arc::new(TestEngine::connect().await);
    let mut scene = Scene::begin(&engine).await;
    scene.ask(MachineCommand::Prepare(terms([9; 32], Rates::default()))).await;
    assert_eq!(scene.event().await, ProviderEvent::MachineFailed);
    scene.ask(MachineCommand::Stop).await;
    assert_eq!(scene.event().await, ProviderEvent::MachineStopped { usage: None });
    scene.end().await;
}

/// Passes connections on to the real engine until it is dropped, as an engine that stops.
struct Relay {
    folder: tempfile::TempDir,
    host: String,
    task: JoinHandle<()>,
}

impl Relay {
    fn start() -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        Relay { task: Relay::relay(&path), folder, host }
    }

    /// As an engine that is there again.
    fn again(&mut self) {
        let path = self.folder.path().join("docker.sock");
        std::fs::remove_file(&path).unwrap();
        self.task = Relay::relay(&path);
    }

    fn relay(path: &Path) -> JoinHandle<()> {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            let mut relayed = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                relayed.spawn(async move {
                    let mut far = tokio::net::UnixStream::connect("/var/run/docker.sock").await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_costs_neither_the_machine_nor_its_counters() {
    let mut relay = Relay::start();
    let engine = Arc::new(TestEngine::connect_to(relay.host.clone()).await);
    let digest = engine.engine.image(IMAGE).await.unwrap();
    let mut scene = Scene::begin(&engine).await;
    scene.ask(MachineCommand::Prepare(terms(digest, Rates::default()))).await;
    scene.ask(MachineCommand::Start).await;
    let ProviderEvent::MachineReady { baseline } = scene.event().await else {
        panic!("the machine comes up")
    };
    relay.task.abort();
    scene.ask(MachineCommand::Freeze).await;
    scene.ask(MachineCommand::Read { tick: 1 }).await;
    assert!(matches!(scene.event().await, ProviderEvent::Metered { tick: 1, .. }));
    scene.ask(MachineCommand::Stop).await;
    let ProviderEvent::MachineStopped { usage: Some(last) } = scene.event().await else {
        panic!("the last counters are there")
    };
    assert_eq!(last.first_fallen(&baseline), None);
    // The lease goes on to its end; but for as long as the container is there, so is its task.
    drop(scene.commands);
    assert!(!scene.task.is_finished() && !engine.states().is_empty());
    relay.again();
    assert_eq!(timeout(WAIT, scene.task).await.unwrap().unwrap(), Rest::None);
    assert_eq!(engine.states(), Vec::<String>::new());
}
