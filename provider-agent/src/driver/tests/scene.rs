//! A lease's surroundings, played by hand.

use sp_core::{sr25519, Pair};
use tokio::{task::JoinHandle, time::timeout};
use zennet_lease::{ProviderLimits, ProviderSetup};
use zennet_primitives::{
    amount::{Balance, Rates, RATE_SCALE},
    announcement::ImageRef,
    auth::PeerIdBytes,
    contract::{Capabilities, Offer, Quote, Resources, Volume},
    frame::{Hello, PROTOCOL_VERSION},
    pow::Role,
    record::ChannelRecord,
    signed::Signable,
    usage::{Counter, Usage},
    Hash,
};

use super::super::*;
use crate::{
    config,
    ending::{endings, Teller},
};

pub(super) const GENESIS: Hash = Hash::repeat_byte(1);
pub(super) const ID: Hash = Hash::repeat_byte(2);
pub(super) const WAIT: Duration = Duration::from_secs(20);

pub(super) fn cpu(micros: u64) -> Usage {
    Usage::default().with(Counter::CpuMicros, micros)
}

pub(super) fn peer_id(byte: u8) -> PeerIdBytes {
    PeerIdBytes::truncate_from(vec![byte; 38])
}

/// A publisher played by hand, with every task around the driver played as well.
pub(super) struct Scene {
    pub(super) shared: Shared,
    pub(super) key: AccountKey,
    pub(super) session: sr25519::Pair,
    pub(super) from_driver: mpsc::Receiver<Vec<u8>>,
    pub(super) machine: mpsc::Receiver<MachineCommand>,
    pub(super) chain: mpsc::Receiver<ChainCommand>,
    pub(super) wire: mpsc::Sender<ProviderEvent>,
    pub(super) events: mpsc::Sender<ProviderEvent>,
    pub(super) stop: Teller,
    pub(super) new_links: mpsc::Sender<NewLink>,
    pub(super) dialled: watch::Receiver<Option<Terms>>,
    pub(super) driver: JoinHandle<Ended>,
    pub(super) quote: Option<Quote>,
    pub(super) terms: Option<Terms>,
}

pub(super) fn quote() -> Quote {
    Quote {
        rates: Rates::default().with(Counter::CpuMicros, RATE_SCALE),
        basis: None,
        tick_ms: 500,
        grace_ms: 300,
        max_exposure: 10_000_000,
        prepay: 0,
        lease_secs: 3600,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        resources: Resources { cpu_millis: 1000, memory_mib: 64, disk_mib: 0, volume_mib: 0 },
        image: ImageRef::truncate_from(b"zennet-os:latest".to_vec()),
        image_digest: [3; 32],
        host_key: [4; 32],
    }
}

fn setup(publisher: AccountId, account: AccountId) -> ProviderSetup {
    ProviderSetup {
        genesis: GENESIS,
        announcement: ID,
        publisher,
        account,
        offer: Offer {
            capabilities: Capabilities {
                cores: 2,
                clock_mhz: None,
                memory_mib: 1024,
                disk_mib: 0,
                bandwidth_kbit_per_sec: None,
                benchmarks: Default::default(),
                wall: zennet_primitives::contract::Wall::Namespaces,
            },
            stamp: 0,
            report: None,
        },
        quote: quote(),
        floor: quote().rates,
        limits: ProviderLimits { stop_after_ms: 700, reconnect_ms: 700, ..Default::default() },
    }
}

/// A provider that has met nobody.
pub(super) fn provider() -> Provider {
    Provider::new(setup(AccountId::new([1; 32]), AccountId::new([2; 32])))
}

impl Scene {
    pub(super) fn begin(store: Store) -> Scene {
        Scene::begin_with(store, quote())
    }

    /// The same with a quote of a volume, which the terms name then.
    pub(super) fn begin_with_volume(store: Store) -> Scene {
        let resources = Resources { volume_mib: 10, ..quote().resources };
        let (max_keep_secs, keep_unpaid_secs) = (1000, 60);
        Scene::begin_with(store, Quote { resources, max_keep_secs, keep_unpaid_secs, ..quote() })
    }

    fn begin_with(store: Store, quote: Quote) -> Scene {
        let (provider_key, key) = (AccountKey::generate(), AccountKey::generate());
        let setup = ProviderSetup { quote, ..setup(key.account(), provider_key.account()) };
        let config = config::Volumes { max_mib: 10, ..Default::default() };
        let volumes = Volumes::open(&store, &config).unwrap();
        let (board, clock) = (Board::default(), Clock::start());
        let shared = Shared { store, board, key: provider_key, clock, volumes };
        let (to_wire, from_driver) = mpsc::channel(32);
        let (to_machine, machine) = mpsc::channel(16);
        let (to_chain, chain) = mpsc::channel(16);
        let (wire, incoming) = mpsc::channel(16);
        let (events, reports) = mpsc::channel(16);
        let (stop, endings) = endings();
        let (redial, dialled) = watch::channel(None);
        let (new_links, links) = mpsc::channel(1);
        let ports = Ports { wire: Some(to_wire), machine: to_machine, chain: to_chain, redial };
        let inputs = Inputs { wire: incoming, events: reports, links, endings };
        let lease = Kept {
            began_at: 1,
            endpoint: "/ip4/127.0.0.1/tcp/1".into(),
            banked: Banked::default(),
            provider: Provider::new(setup),
            journal: Default::default(),
        };
        let books = Books::default();
        let driver =
            Driver::new(shared.clone(), LeaseName::new(ID, 0), key.account(), lease, ports, books);
        let connected = ProviderEvent::Connected {
            own_peer: peer_id(1),
            other_peer: peer_id(2),
            challenge: [7; 32],
        };
        let driver = tokio::spawn(driver.run(connected, inputs));
        let (session, _) = sr25519::Pair::generate();
        Scene {
            shared,
            key,
            session,
            from_driver,
            machine,
            chain,
            wire,
            events,
            stop,
            new_links,
            dialled,
            driver,
            quote: None,
            terms: None,
        }
    }

    pub(super) async fn frame(&mut self) -> Frame {
        let bytes = timeout(WAIT, self.from_driver.recv()).await.expect("a frame in time");
        Frame::from_bytes(&bytes.expect("the wire is open")).unwrap()
    }

    pub(super) async fn machine(&mut self) -> MachineCommand {
        timeout(WAIT, self.machine.recv()).await.expect("a command in time").unwrap()
    }

    pub(super) async fn chain(&mut self) -> ChainCommand {
        timeout(WAIT, self.chain.recv()).await.expect("a command in time").unwrap()
    }

    pub(super) async fn say(&self, frame: Frame) {
        self.wire.send(ProviderEvent::Received(frame)).await.unwrap();
    }

    pub(super) async fn report(&self, event: ProviderEvent) {
        self.events.send(event).await.unwrap();
    }

    /// Plays up to the quote.
    pub(super) async fn meet(&mut self) {
        let Frame::Hello(hello) = self.frame().await else { panic!("a hello comes first") };
        let challenge = [8; 32];
        self.say(Frame::Hello(Hello {
            version: PROTOCOL_VERSION,
            genesis: GENESIS,
            announcement: ID,
            account: self.key.account(),
            challenge,
            lease: None,
        }))
        .await;
        let context = AuthContext {
            genesis: GENESIS,
            announcement: ID,
            own_peer: peer_id(2),
            other_peer: peer_id(1),
            own_challenge: challenge,
            other_challenge: hello.challenge,
            other_account: hello.account.clone(),
        };
        let Frame::Auth(signature) = self.frame().await else { panic!("a proof comes second") };
        let claim = AuthClaim { role: Role::Provider, account: hello.account.clone() };
        let mirrored = context.mirrored(self.key.account());
        let account = zennet_primitives::signed::account_key(&hello.account);
        Unverified { payload: claim, signature }.verify(&mirrored, &account).unwrap();
        let claim = AuthClaim { role: Role::Publisher, account: self.key.account() };
        self.say(Frame::Auth(self.key.sign_payload(claim, &context).signature)).await;
        assert!(matches!(self.frame().await, Frame::Offer(_)));
        let Frame::Quote(quote) = self.frame().await else { panic!("a quote follows") };
        self.quote = Some(quote);
    }

    pub(super) fn make_terms(&self) -> Terms {
        let name = b"data".to_vec().try_into().unwrap();
        let volume = Volume { name, keep_secs: 100 };
        let has_volume = self.quote.as_ref().unwrap().resources.volume_mib > 0;
        Terms {
            genesis: GENESIS,
            announcement: ID,
            publisher: self.key.account(),
            provider: self.shared.key.account(),
            session_key: self.session.public(),
            client_key: [5; 32],
            quote: self.quote.clone().unwrap(),
            deposit: 1_000_000_000,
            challenge_blocks: 20,
            app: None,
            volume: has_volume.then_some(volume),
            read_only: false,
        }
    }

    /// Plays up to the countersignature.
    pub(super) async fn contract(&mut self) {
        self.meet().await;
        let terms = self.make_terms();
        self.say(Frame::Contract(self.key.sign_payload(terms.clone(), &()))).await;
        assert!(matches!(self.frame().await, Frame::Countersign(_)));
        assert_eq!(self.machine().await, MachineCommand::Prepare(terms.clone()));
        self.terms = Some(terms);
    }

    pub(super) fn context(&self) -> ChannelContext {
        self.terms.as_ref().unwrap().channel(0)
    }

    /// Plays up to a machine that serves.
    pub(super) async fn serve(&mut self) {
        self.contract().await;
        self.say(Frame::Opened { nonce: 0 }).await;
        assert_eq!(
            self.chain().await,
            ChainCommand::Watch { context: self.context(), open: false }
        );
        let terms = self.terms.clone().unwrap();
        self.report(ProviderEvent::ChannelFinal(ChannelRecord {
            publisher: terms.publisher.clone(),
            provider: terms.provider.clone(),
            contract: terms.hash(),
            session_key: terms.session_key,
            deposit: terms.deposit,
            paid: 0,
            record_deposit: 1,
            expires_at: 1_000_000,
            challenge: terms.challenge_blocks,
            closing_at: None,
            app: None,
        }))
        .await;
        assert_eq!(self.machine().await, MachineCommand::Start);
        self.report(ProviderEvent::MachineReady { baseline: cpu(50) }).await;
        assert!(matches!(self.frame().await, Frame::Ready { .. }));
    }

    /// Breaks the connection.
    pub(super) fn cut(&mut self) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.wire, closed));
    }

    /// Plays the dialler, from the wish for a connection to the new one.
    pub(super) async fn reconnect(&mut self) {
        let wanted = timeout(WAIT, self.dialled.wait_for(Option::is_some)).await;
        assert_eq!(*wanted.expect("it wants a connection").unwrap(), self.terms);
        let (outgoing, from_driver) = mpsc::channel(32);
        let (wire, incoming) = mpsc::channel(16);
        (self.from_driver, self.wire) = (from_driver, wire);
        self.new_links.send(NewLink { outgoing, incoming }).await.unwrap();
        assert!(matches!(self.frame().await, Frame::Ready { .. }));
        timeout(WAIT, self.dialled.wait_for(Option::is_none)).await.unwrap().unwrap();
    }

    /// Plays a tick up to the usage frame; gives its number.
    pub(super) async fn tick(&mut self, micros: u64) -> u32 {
        let MachineCommand::Read { tick } = self.machine().await else { panic!("a tick reads") };
        self.report(ProviderEvent::Metered { tick, usage: cpu(50 + micros) }).await;
        let Frame::Usage { tick: told, last: false, .. } = self.frame().await else {
            panic!("usage follows a reading")
        };
        assert_eq!(told, tick);
        tick
    }

    pub(super) fn voucher(&self, cumulative: Balance) -> Unverified<Voucher> {
        let payload = Voucher { cumulative, usage_hash: Hash::zero() };
        let signature = self.session.sign(&payload.signing_bytes(&self.context()));
        Unverified { payload, signature }
    }

    pub(super) async fn pay(&self, tick: u32, cumulative: Balance) {
        self.say(Frame::Voucher { tick, voucher: self.voucher(cumulative) }).await;
    }

    /// Plays from the stop of the machine to the end; gives what was settled.
    pub(super) async fn settle(&mut self) -> Option<Unverified<Voucher>> {
        loop {
            match self.machine().await {
                MachineCommand::Stop => break,
                MachineCommand::Read { .. } | MachineCommand::Freeze | MachineCommand::Thaw => (),
                other => panic!("unexpected {other:?}"),
            }
        }
        self.report(ProviderEvent::MachineStopped { usage: Some(cpu(50)) }).await;
        let ChainCommand::Settle(context, voucher) = self.chain().await else {
            panic!("the chain is asked to settle")
        };
        assert_eq!(context, self.context());
        let paid = voucher.as_ref().map_or(0, |v| v.payload.cumulative);
        self.report(ProviderEvent::Settled { paid }).await;
        voucher
    }

    /// The same where the publisher ended the lease and pays the last usage, which it has paid.
    pub(super) async fn settle_after_last_usage(&mut self, paid: Balance) -> Balance {
        while self.machine().await != MachineCommand::Stop {}
        self.report(ProviderEvent::MachineStopped { usage: None }).await;
        let tick = loop {
            match self.frame().await {
                Frame::Usage { tick, last: true, .. } => break tick,
                Frame::Usage { .. } | Frame::Notice(_) => (),
                other => panic!("unexpected {other:?}"),
            }
        };
        self.pay(tick, paid).await;
        let ChainCommand::Settle(_, Some(voucher)) = self.chain().await else {
            panic!("the last voucher is settled")
        };
        let paid = voucher.payload.cumulative;
        self.report(ProviderEvent::Settled { paid }).await;
        paid
    }

    pub(super) async fn ended(self) -> Ended {
        timeout(WAIT, self.driver).await.expect("the driver ends in time").unwrap()
    }
}

impl Scene {
    /// The voucher that was accepted: signatures differ from one signing to the next.
    pub(super) fn voucher_of(
        &self,
        cumulative: Balance,
        got: &Unverified<Voucher>,
    ) -> Unverified<Voucher> {
        assert_eq!(got.payload.cumulative, cumulative);
        got.clone().verify(&self.context(), &self.session.public()).unwrap().into_unverified()
    }
}
