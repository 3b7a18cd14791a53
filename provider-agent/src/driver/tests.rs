mod scene;

use tokio::time::timeout;

use self::scene::{cpu, Scene, ID, WAIT};
use zennet_primitives::{frame::Notice, pow::Role};

use super::*;
use crate::{answers::answered_before, ending::endings, history::journal::Happening, meet::Old};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[tokio::test]
async fn a_paid_lease_runs_ends_and_is_filed_with_what_was_paid() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    let tick = scene.tick(2500).await;
    scene.pay(tick, 2500).await;
    scene.say(Frame::Close(CloseReason::Finished)).await;
    let best = loop {
        match scene.machine().await {
            MachineCommand::Stop => break cpu(50 + 3000),
            MachineCommand::Read { .. } => (),
            other => panic!("unexpected {other:?}"),
        }
    };
    scene.report(ProviderEvent::MachineStopped { usage: Some(best) }).await;
    let last = loop {
        match scene.frame().await {
            Frame::Usage { tick, last: true, .. } => break tick,
            Frame::Close(_) | Frame::Notice(_) | Frame::Usage { .. } => (),
            other => panic!("unexpected {other:?}"),
        }
    };
    scene.pay(last, 3000).await;
    let ChainCommand::Settle(_, Some(voucher)) = scene.chain().await else {
        panic!("the last voucher is settled")
    };
    assert_eq!(voucher, scene.voucher_of(3000, &voucher));
    scene.report(ProviderEvent::Settled { paid: 3000 }).await;
    let board = scene.shared.board.clone();
    let ended = scene.ended().await;
    assert_eq!(ended, Ended { reason: CloseReason::Finished, contracted: true });
    assert_eq!(store.leases().unwrap(), vec![]);
    let past = store.past(9).unwrap();
    assert_eq!((past.len(), past[0].paid, past[0].settled), (1, 3000, Some(3000)));
    assert_eq!((past[0].vouchers, past[0].reason), (3, CloseReason::Finished));
    assert_eq!(past[0].closed_by, Some(Role::Publisher));
    let proof = past[0].voucher.clone().unwrap();
    assert_eq!((proof.cumulative, proof.signature), (3000, hex::encode(voucher.signature.0)));
    let terms = past[0].terms.clone().unwrap();
    assert_eq!((terms.deposit, terms.tick_ms), (1_000_000_000, 500));
    use Happening::{Closing, Ended as Over, Final, Negotiated, Ready, Settling};
    assert_eq!(happenings(&past[0]), [Negotiated, Final, Ready, Closing, Settling, Over]);
    assert!(past[0].events.iter().all(|entry| entry.at_ms >= 1_600_000_000_000));
    let shown: Vec<_> = board.leases().into_iter().map(|lease| lease.phase).collect();
    assert_eq!(shown, ["removing"], "until nothing is left of its machine");
}

fn happenings(past: &PastLease) -> Vec<Happening> {
    past.events.iter().map(|entry| entry.event).collect()
}

#[test]
fn a_lease_that_an_earlier_version_stored_is_still_read() {
    let kept = Kept {
        began_at: 7,
        endpoint: "/ip4/127.0.0.1/tcp/1".into(),
        banked: Banked::default(),
        provider: scene::provider(),
        journal: Journal { left_out: 3, ..Default::default() },
    };
    assert_eq!(Kept::read(&kept.to_row()).unwrap().journal, kept.journal);
    let old = Kept::read(&kept.encode()).unwrap();
    assert_eq!((old.began_at, old.journal), (7, Journal::default()));
    let garbage = [kept.to_row(), vec![0]].concat();
    assert!(Kept::read(&garbage).is_none());
}

#[tokio::test]
async fn a_contract_is_stored_before_it_is_countersigned() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.contract().await;
    let stored = store.leases().unwrap();
    assert_eq!(stored.len(), 1);
    let old = Old::read(stored[0].0, &stored[0].1).unwrap();
    assert_eq!(old.publisher, scene.key.account());
}

#[tokio::test]
async fn a_contract_is_countersigned_when_its_volume_is_taken() {
    let (_dir, store) = store();
    let mut scene = Scene::begin_with_volume(store.clone());
    scene.contract().await;
    let taken = scene.shared.volumes.list().remove(0);
    let lease = LeaseName::new(ID, 0).short(&scene.shared.key.account());
    assert_eq!((taken.used_by, taken.mib), (Some(lease), 10));
}

#[tokio::test]
async fn a_volume_that_another_lease_has_ends_the_meeting_with_that_reason() {
    let (_dir, store) = store();
    let mut scene = Scene::begin_with_volume(store.clone());
    scene.meet().await;
    let terms = scene.make_terms();
    scene.shared.volumes.take(&terms, "other").await.unwrap();
    scene.say(Frame::Contract(scene.key.sign_payload(terms, &()))).await;
    let reason = CloseReason::VolumeUnavailable;
    assert_eq!(scene.frame().await, Frame::Close(reason));
    let volumes = scene.shared.volumes.clone();
    assert_eq!(scene.ended().await, Ended { reason, contracted: false });
    assert_eq!(volumes.list()[0].used_by.as_deref(), Some("other"));
    assert!(store.leases().unwrap().is_empty());
}

#[tokio::test]
async fn a_meeting_without_a_contract_leaves_no_trace() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.meet().await;
    scene.say(Frame::Close(CloseReason::EnoughMachines)).await;
    let ended = scene.ended().await;
    assert_eq!(ended, Ended { reason: CloseReason::EnoughMachines, contracted: false });
    assert!(store.leases().unwrap().is_empty() && store.past(1).unwrap().is_empty());
}

#[tokio::test]
async fn whoever_stops_paying_is_frozen_and_then_settled_with_the_last_voucher() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    scene.tick(2000).await;
    loop {
        match scene.machine().await {
            MachineCommand::Freeze => break,
            MachineCommand::Read { tick } => {
                let usage = cpu(50 + 3000);
                scene.report(ProviderEvent::Metered { tick, usage }).await;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    let settled = scene.settle().await.expect("the last voucher is settled");
    assert_eq!(settled.payload.cumulative, 1000);
    assert_eq!(scene.ended().await.reason, CloseReason::NotPaid);
    let past = store.past(1).unwrap().remove(0);
    assert_eq!(past.closed_by, Some(Role::Provider));
    assert!(happenings(&past).contains(&Happening::Frozen), "{:?}", past.events);
    assert_eq!(store.record(&past.publisher.parse().unwrap(), 0).faults, Some(1));
}

#[tokio::test]
async fn a_lost_connection_costs_the_provider_no_voucher() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    // The voucher is in the store before the wire ends.
    let paid = || {
        let (id, bytes) = store.leases().unwrap().remove(0);
        Old::read(id, &bytes).unwrap().lease.provider.paid()
    };
    let until = Instant::now() + WAIT;
    while paid() != 1000 {
        assert!(Instant::now() < until, "the voucher is not stored");
        tokio::task::yield_now().await;
    }
    scene.cut();
    let settled = scene.settle().await.expect("the voucher is settled");
    assert_eq!(settled.payload.cumulative, 1000);
    let reason = scene.ended().await.reason;
    assert!(matches!(reason, CloseReason::ConnectionLost | CloseReason::NotPaid), "{reason}");
}

#[tokio::test]
async fn a_connection_that_is_built_again_goes_on_with_the_next_tick() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    scene.cut();
    scene.reconnect().await;
    let tick = scene.tick(2500).await;
    scene.pay(tick, 2500).await;
    scene.say(Frame::Close(CloseReason::Finished)).await;
    let settled = scene.settle_after_last_usage(2500).await;
    assert_eq!(settled, 2500);
    assert_eq!(scene.ended().await.reason, CloseReason::Finished);
    let told = happenings(&store.past(1).unwrap()[0]);
    let at = |wanted| told.iter().position(|event| *event == wanted);
    assert!(at(Happening::Lost).is_some() && at(Happening::Lost) < at(Happening::Back), "{told:?}");
}

#[tokio::test]
async fn a_machine_that_dies_ends_the_lease_with_what_was_paid() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    scene.report(ProviderEvent::MachineFailed).await;
    // Whether the voucher or the death was first, no more than it is settled.
    let settled = scene.settle().await.map_or(0, |voucher| voucher.payload.cumulative);
    assert!(settled == 0 || settled == 1000, "{settled}");
    assert_eq!(scene.ended().await.reason, CloseReason::MachineFailed);
}

#[tokio::test]
async fn a_daemon_that_is_asked_to_end_settles_its_leases_first() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    assert!(scene.stop.tell(Ending::Stop));
    let settled = scene.settle().await.expect("the voucher is settled");
    assert_eq!(settled.payload.cumulative, 1000);
    assert_eq!(scene.ended().await.reason, CloseReason::ProviderLeaves);
}

#[tokio::test]
async fn whoever_leaves_says_so_and_ends_the_lease_when_the_notice_is_over() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    assert!(scene.stop.tell(Ending::Leave));
    loop {
        match scene.frame().await {
            Frame::Notice(notice) => break assert_eq!(notice, Notice::Leaving { in_secs: 0 }),
            Frame::Usage { .. } => (),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(scene.settle().await.expect("it is settled").payload.cumulative, 1000);
    assert_eq!(scene.ended().await.reason, CloseReason::ProviderLeaves);
    assert!(happenings(&store.past(1).unwrap().remove(0)).contains(&Happening::Leaving));
}

/// What the only stored lease was paid.
fn stored_payment(store: &Store) -> u128 {
    let (key, stored) = store.leases().unwrap().remove(0);
    Old::read(key, &stored).unwrap().lease.provider.paid()
}

#[tokio::test]
async fn a_daemon_that_goes_away_leaves_its_lease_to_the_next_start() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    let until = Instant::now() + WAIT;
    while stored_payment(&store) != 1000 {
        assert!(Instant::now() < until, "the voucher is not stored");
        tokio::task::yield_now().await;
    }
    assert!(scene.stop.tell(Ending::Away));
    while scene.machine().await != MachineCommand::Leave {}
    assert_eq!(scene.ended().await.reason, CloseReason::ConnectionLost);
    assert!(store.past(1).unwrap().is_empty());
    let (key, stored) = store.leases().unwrap().remove(0);
    let left = Old::read(key, &stored).unwrap().lease.provider;
    assert_eq!((left.paid(), left.leaves_machine()), (1000, true));
}

#[tokio::test]
async fn what_does_not_serve_yet_ends_when_the_daemon_goes_away() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.meet().await;
    assert!(scene.stop.tell(Ending::Away));
    assert_eq!(scene.ended().await.reason, CloseReason::ProviderLeaves);
    assert!(store.leases().unwrap().is_empty());
}

#[tokio::test]
async fn a_malformed_frame_ends_the_meeting_as_a_violation() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store);
    scene.meet().await;
    scene.wire.send(ProviderEvent::Malformed).await.unwrap();
    assert_eq!(scene.ended().await.reason, CloseReason::ProtocolViolation);
}

#[tokio::test]
async fn a_peer_that_takes_no_frames_is_hung_up_on_and_dialled_again() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store);
    scene.meet().await;
    // Nothing reads the outgoing queue any more.
    let (_, closed) = mpsc::channel(1);
    drop(std::mem::replace(&mut scene.from_driver, closed));
    let terms = scene.make_terms();
    scene.say(Frame::Contract(scene.key.sign_payload(terms, &()))).await;
    timeout(WAIT, scene.dialled.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(scene.stop.tell(Ending::Stop));
    while scene.machine().await != MachineCommand::Stop {}
    scene.report(ProviderEvent::MachineStopped { usage: None }).await;
    let ended = scene.ended().await;
    assert_eq!(ended, Ended { reason: CloseReason::ProviderLeaves, contracted: true });
}

#[tokio::test]
async fn a_contract_that_cannot_be_stored_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::store::tests::broken(dir.path());
    let mut scene = Scene::begin(store);
    scene.meet().await;
    let terms = scene.make_terms();
    scene.say(Frame::Contract(scene.key.sign_payload(terms, &()))).await;
    let mut signed = false;
    while let Some(bytes) = timeout(WAIT, scene.from_driver.recv()).await.unwrap() {
        signed |= matches!(Frame::from_bytes(&bytes), Ok(Frame::Countersign(_)));
    }
    assert!(!signed);
    assert_eq!(scene.ended().await.reason, CloseReason::ProviderLeaves);
}

#[tokio::test]
async fn several_leases_of_one_announcement_are_found_after_a_restart() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let (first, row) = store.leases().unwrap().remove(0);
    let (one, two) = (LeaseName::new(ID, 0), LeaseName::new(ID, 1));
    store.save(two.key, row).await.unwrap();
    let mut found: Vec<_> = store.leases().unwrap();
    found.sort_by_key(|(key, _)| *key != first);
    let names = found.iter().map(|(key, row)| Old::read(*key, row).unwrap().name);
    assert_eq!(names.collect::<Vec<_>>(), [one, two]);
    store.finish(one.key, None).await.unwrap();
    let orders = answered_before(&store).unwrap();
    assert!(!orders.wants(&ID, 9, Instant::now()), "what is left of it names the announcement");
}

#[tokio::test]
async fn after_a_restart_without_the_machine_the_stored_voucher_is_settled() {
    let (_dir, store) = store();
    let mut scene = Scene::begin(store.clone());
    scene.serve().await;
    let tick = scene.tick(1000).await;
    scene.pay(tick, 1000).await;
    let stored = || store.leases().unwrap().remove(0);
    let until = Instant::now() + WAIT;
    while stored_payment(&store) != 1000 {
        assert!(Instant::now() < until, "the voucher is not stored");
        tokio::task::yield_now().await;
    }
    scene.driver.abort();
    let old = Old::read(stored().0, &stored().1).unwrap();
    let (to_machine, mut machine) = mpsc::channel(16);
    let (to_chain, mut chain) = mpsc::channel(16);
    let (events, reports) = mpsc::channel(16);
    let (_wire, incoming) = mpsc::channel(1);
    let (_stop, endings) = endings();
    let (redial, _dialled) = watch::channel(None);
    let (_links, links) = mpsc::channel(1);
    let ports = Ports { wire: None, machine: to_machine, chain: to_chain, redial };
    let inputs = Inputs { wire: incoming, events: reports, links, endings };
    let (shared, books) = (scene.shared.clone(), Books::default());
    let driver = Driver::new(shared, old.name, old.publisher, old.lease, ports, books);
    let driver = tokio::spawn(driver.run(ProviderEvent::Restarted, inputs));
    let answers = events.clone();
    tokio::spawn(async move {
        while let Some(command) = machine.recv().await {
            let answer = match command {
                MachineCommand::Resume(_) => ProviderEvent::MachineFailed,
                MachineCommand::Stop => ProviderEvent::MachineStopped { usage: None },
                other => panic!("unexpected {other:?}"),
            };
            answers.send(answer).await.unwrap();
        }
    });
    let watched = timeout(WAIT, chain.recv()).await.expect("it watches").unwrap();
    assert_eq!(watched, ChainCommand::Watch { context: scene.context(), open: true });
    let settle = timeout(WAIT, chain.recv()).await.expect("it settles").unwrap();
    let ChainCommand::Settle(context, Some(voucher)) = settle else {
        panic!("the stored voucher is settled, not {settle:?}")
    };
    assert_eq!((context, voucher.payload.cumulative), (scene.context(), 1000));
    events.send(ProviderEvent::SettleFailed).await.unwrap();
    let again = timeout(WAIT, chain.recv()).await.expect("it tries again").unwrap();
    assert!(matches!(again, ChainCommand::Settle(_, Some(_))));
    events.send(ProviderEvent::Settled { paid: 1000 }).await.unwrap();
    timeout(WAIT, driver).await.unwrap().unwrap();
    assert!(store.leases().unwrap().is_empty());
    let past = store.past(1).unwrap().remove(0);
    assert_eq!(
        (past.settled, past.voucher.as_ref().map(|v| v.cumulative)),
        (Some(1000), Some(1000))
    );
    let told = happenings(&past);
    assert_eq!(told[..3], [Happening::Negotiated, Happening::Final, Happening::Ready]);
    assert!(told.contains(&Happening::Restarted), "{told:?}");
}
