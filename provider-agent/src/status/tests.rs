use tokio::sync::watch;
use zennet_chain_client::Head;
use zennet_primitives::{close::CloseReason, Hash};

use super::*;
use crate::ending::endings;

/// What a daemon without leases reports.
pub(crate) fn report() -> Report {
    Report {
        running: true,
        daemon: None,
        leases: Vec::new(),
        unsettled: 0,
        past: Vec::new(),
        volumes: Vec::new(),
    }
}

/// A lease under way.
pub(crate) fn lease() -> LeaseStatus {
    LeaseStatus {
        announcement: "0x01".into(),
        publisher: "5y".into(),
        phase: "serving".into(),
        frozen: false,
        channel: None,
        began_at: 1,
        due: u128::MAX,
        paid: 2,
        deposit: Some(3),
        ends_at: None,
        leaves_at: None,
        vouchers: 1,
        connected: true,
        usage: serde_json::json!({ "cpu_micros": 4 }),
    }
}

pub(crate) fn source(store: Store) -> Source {
    let (_, best) = watch::channel(Head { number: 7, hash: Hash::zero() });
    let (_, finalized) = watch::channel(Head { number: 5, hash: Hash::zero() });
    let config = crate::config::Config::parse(crate::config::DEFAULT, Path::new("/x")).unwrap();
    Source {
        address: "5x".into(),
        node_url: "ws://x".into(),
        genesis: "0x00".into(),
        heads: Heads { best, finalized },
        capacity: Capacity::new(&config.capacity),
        board: Board::default(),
        volumes: Volumes::open(&store, &config.volumes).unwrap(),
        desk: crate::desk::Desk::open(store.clone(), 100).unwrap(),
        store,
        teller: endings().0,
        trial: Default::default(),
    }
}

#[tokio::test]
async fn a_running_daemon_answers_with_its_leases_and_the_past() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let past = crate::store::tests::past(CloseReason::Finished);
    store.finish(Hash::zero(), Some(&past)).await.unwrap();
    let source = source(store);
    let lease = lease();
    source.board.update((Hash::repeat_byte(1), lease.clone()));
    let socket = listen(dir.path(), Arc::new(source)).unwrap();
    let mode = fs::metadata(dir.path().join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let report = ask(dir.path()).await.unwrap().unwrap();
    assert!(report.running);
    assert_eq!(report.leases, vec![lease]);
    assert_eq!(report.past, vec![past.clone()]);
    let query = Query { limit: 9, ..Query::default() };
    let history = ask_history(dir.path(), query).await.unwrap().unwrap();
    assert_eq!(history, History { leases: report.past, record: None });
    let daemon = report.daemon.unwrap();
    assert_eq!((daemon.best, daemon.finalized, daemon.capacity.leases), (7, 5, 8));
    drop(socket);
    assert!(ask(dir.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_tool_that_only_reads_gets_the_status_and_a_bad_request_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = listen(dir.path(), Arc::new(source(Store::open(dir.path()).unwrap()))).unwrap();
    let said = |words: &'static [u8]| {
        let dir = dir.path();
        async move {
            let mut stream = connect(dir).await.unwrap();
            stream.write_all(words).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        }
    };
    assert!(said(b"").await.starts_with("{\"Ok\":{\"running\":true"));
    assert!(said(b"\"shutdown\"\n").await.contains("bad request"));
}

#[tokio::test]
async fn the_operator_is_shown_offers_and_decides_on_them_over_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let source = source(store.clone());
    let (id, other) = (Hash::repeat_byte(0xab), Hash::repeat_byte(0xac));
    crate::offers::tests::fill(&mut source.desk.book(), &[(id, 5), (other, 7)]);
    let desk = source.desk.clone();
    let socket = listen(dir.path(), Arc::new(source)).unwrap();
    let listed = ask_offers(dir.path(), 1).await.unwrap();
    assert_eq!((listed.total, listed.offers[0].profit), (2, Some(7)));

    let name = vec!["ABAB".to_owned()];
    let accepted = speak_of(dir.path(), name.clone(), true).await.unwrap();
    assert_eq!(accepted[0].state, crate::offers::list::OfferState::Accepted);
    let told = tokio::time::timeout(ANSWER_WAIT, desk.spoken()).await;
    assert!(told.is_ok(), "the agent is told at once");
    let refused = speak_of(dir.path(), name, false).await.unwrap();
    assert_eq!(refused[0].state, crate::offers::list::OfferState::Refused);

    let both = vec!["acac".to_owned(), "dddd".to_owned()];
    let error = speak_of(dir.path(), both, true).await.unwrap_err().to_string();
    assert!(error.contains("no offer begins with dddd"), "{error}");
    let state = |list: OfferList| list.offers.into_iter().map(|offer| offer.state);
    let states: Vec<_> = state(ask_offers(dir.path(), 9).await.unwrap()).collect();
    use crate::offers::list::OfferState::{Refused, Waiting};
    assert_eq!(states, [Waiting, Refused], "all or none");

    // The next run knows of it.
    let again = crate::desk::Desk::open(store, 100).unwrap();
    crate::offers::tests::fill(&mut again.book(), &[(id, 5)]);
    assert_eq!(again.book().status(&id).unwrap().state, Refused);
    drop(socket);
    assert!(matches!(ask_offers(dir.path(), 9).await, Err(StatusError::NotRunning(_))));
}

#[tokio::test]
async fn a_socket_left_by_a_killed_daemon_counts_as_not_running() {
    let dir = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap());
    assert!(ask(dir.path()).await.unwrap().is_none());
    let report = of_store(&Store::open(dir.path()).unwrap()).unwrap();
    assert!(!report.running && report.past.is_empty() && report.unsettled == 0);
}

#[tokio::test]
async fn a_daemon_that_is_asked_to_leave_is_told_so_and_shows_its_leases() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = source(Store::open(dir.path()).unwrap());
    let (teller, heard) = endings();
    source.teller = teller;
    source.board.update((Hash::repeat_byte(1), lease()));
    let _socket = listen(dir.path(), Arc::new(source)).unwrap();
    assert_eq!(leave(dir.path(), false).await.unwrap().unwrap().leases, vec![lease()]);
    assert_eq!(heard.get(), Ending::Leave);
    leave(dir.path(), true).await.unwrap().unwrap();
    assert_eq!(heard.get(), Ending::Stop);
}
