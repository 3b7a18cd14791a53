use super::*;

pub(crate) fn past(reason: CloseReason) -> PastLease {
    PastLease {
        announcement: "0x01".into(),
        publisher: "5x".into(),
        channel: None,
        began_at: 1,
        ended_at: 2,
        reason,
        due: u128::MAX,
        paid: 3,
        settled: Some(3),
        vouchers: 4,
        usage: PastLease::usage_of(None),
        closed_by: None,
        terms: None,
        voucher: None,
        events: Vec::new(),
        events_left_out: 0,
    }
}

#[tokio::test]
async fn saved_leases_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Hash::repeat_byte(1), Hash::repeat_byte(2));
    let store = Store::open(dir.path()).unwrap();
    store.save(a, vec![1]).await.unwrap();
    store.save(b, vec![2]).await.unwrap();
    store.save(a, vec![3]).await.unwrap();
    store.finish(b, Some(&past(CloseReason::Finished))).await.unwrap();
    drop(store);
    let store = reopen(dir.path());
    assert_eq!(store.leases().unwrap(), vec![(a, vec![3])]);
    assert_eq!(store.past(10).unwrap(), vec![past(CloseReason::Finished)]);
}

/// The writer's thread lets go of the file a moment after the last handle.
pub(crate) fn reopen(dir: &Path) -> Store {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match Store::open(dir) {
            Ok(store) => return store,
            Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_second_agent_on_the_same_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    let Err(second) = Store::open(dir.path()) else { panic!("the store was opened twice") };
    assert!(matches!(second, StoreError::InUse(_)), "{second}");
    assert!(second.to_string().contains("another provider-agent"));
}

#[tokio::test]
async fn a_store_serves_one_chain_and_one_account() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.belongs_to(Hash::repeat_byte(1), "a").await.unwrap();
    store.belongs_to(Hash::repeat_byte(1), "a").await.unwrap();
    let other_chain = store.belongs_to(Hash::repeat_byte(2), "a").await;
    assert!(matches!(other_chain, Err(StoreError::Foreign { what: "the chain", .. })));
    let other_account = store.belongs_to(Hash::repeat_byte(1), "b").await;
    assert!(matches!(other_account, Err(StoreError::Foreign { what: "the account", .. })));
}

#[tokio::test]
async fn past_leases_come_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (old, new) = (past(CloseReason::Finished), past(CloseReason::NotPaid));
    store.finish(Hash::zero(), Some(&old)).await.unwrap();
    store.finish(Hash::zero(), Some(&new)).await.unwrap();
    assert_eq!(store.past(1).unwrap(), vec![new.clone()]);
    assert_eq!(store.past(9).unwrap(), vec![new, old]);
}

#[tokio::test]
async fn all_of_a_past_lease_is_there_after_reopening() {
    use crate::history::journal::Happening;
    let dir = tempfile::tempdir().unwrap();
    let lease = PastLease {
        closed_by: Some(Role::Publisher),
        terms: Some(crate::history::terms::tests::record()),
        voucher: Some(VoucherRecord {
            cumulative: u128::MAX,
            usage_hash: "0x00".into(),
            signature: "ff".into(),
        }),
        events: vec![Entry { at_ms: 5, event: Happening::Lost }],
        events_left_out: 7,
        ..past(CloseReason::Finished)
    };
    let store = Store::open(dir.path()).unwrap();
    store.finish(Hash::zero(), Some(&lease)).await.unwrap();
    drop(store);
    assert_eq!(reopen(dir.path()).past(1).unwrap(), vec![lease]);
}

#[tokio::test]
async fn a_past_lease_of_an_earlier_version_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let old = br#"{"announcement":"0x01","publisher":"5x","channel":null,"began_at":1,"ended_at":2,
        "reason":"finished","due":340282366920938463463374607431768211455,"paid":3,"settled":3,
        "vouchers":4,"usage":null}"#;
    store.write(Write::Finish(Hash::zero(), Some(old.to_vec()))).await.unwrap();
    assert_eq!(store.past(1).unwrap(), vec![past(CloseReason::Finished)]);
}

#[tokio::test]
async fn a_past_lease_that_cannot_be_read_is_named_and_loses_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.write(Write::Finish(Hash::zero(), Some(b"{}".to_vec()))).await.unwrap();
    let publisher = AccountId::new([1; 32]);
    let good = PastLease { publisher: publisher.to_string(), ..past(CloseReason::NotPaid) };
    store.finish(Hash::zero(), Some(&good)).await.unwrap();
    assert!(matches!(store.past(9), Err(StoreError::Corrupt(_))));
    drop(store);
    assert_eq!(reopen(dir.path()).record(&publisher, 0).faults, Some(1));
}

#[tokio::test]
async fn many_writers_are_all_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let saves = (0..100u8).map(|i| {
        let store = store.clone();
        async move { store.save(Hash::repeat_byte(i), vec![i]).await }
    });
    for outcome in futures::future::join_all(saves).await {
        outcome.unwrap();
    }
    assert_eq!(store.leases().unwrap().len(), 100);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let Err(error) = Store::open(&file.path().join("x")) else { panic!("opened in a file") };
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_never_a_success() {
    // A file size limit stands in for a full disk; it is per process, so a child does the writing.
    const MARK: &str = "ZENNET_TEST_FULL_DISK";
    if let Some(dir) = std::env::var_os(MARK) {
        let store = Store::open(Path::new(&dir)).unwrap();
        use rustix::process::{setrlimit, Resource, Rlimit};
        let limit = Rlimit { current: Some(64 << 10), maximum: Some(64 << 10) };
        setrlimit(Resource::Fsize, limit).unwrap();
        let error = store.save(Hash::zero(), vec![7; 4 << 20]).await.unwrap_err();
        assert!(error.to_string().contains("free space"), "{error}");
        assert_eq!(store.leases().unwrap_or_default(), vec![]);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "store::tests::a_full_disk_is_an_error_and_never_a_success";
    // Ignored, the signal of the limit becomes the error of the write.
    let script = "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture";
    let child = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(MARK, dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// A store whose every write fails, as on a full disk.
pub(crate) fn broken(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    let fail = |_: &WriteTransaction, _: &[Write]| Err(redb::Error::DatabaseClosed);
    let writer = Writer::start(store.database.clone(), Duration::ZERO, fail).unwrap();
    Store { writer: Arc::new(writer), ..store }
}
