//! Rows that are written, read again, and read by a later version.

use super::*;
use zennet_primitives::{
    amount::Rates,
    announcement::ImageRef,
    contract::{Quote, Resources},
    AccountId, Hash, SessionKey,
};

/// From now on no lease can be written, as on a full disk.
pub(crate) fn fill(store: &Store) {
    const OTHER: TableDefinition<u64, u64> = TableDefinition::new("leases/1");
    let filled = store.database.write(|write| {
        write.delete_table(LEASES)?;
        write.open_table(OTHER)?;
        Ok(())
    });
    filled.unwrap();
}

pub(crate) fn terms() -> Terms {
    Terms {
        genesis: Hash::repeat_byte(1),
        announcement: Hash::repeat_byte(2),
        publisher: AccountId::new([3; 32]),
        provider: AccountId::new([4; 32]),
        session_key: SessionKey::from_raw([5; 32]),
        client_key: [6; 32],
        quote: Quote {
            rates: Rates::default(),
            basis: None,
            tick_ms: 2000,
            grace_ms: 2000,
            max_exposure: 10,
            prepay: 0,
            lease_secs: 60,
            notice_secs: 0,
            max_keep_secs: 0,
            keep_unpaid_secs: 0,
            resources: Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 0, volume_mib: 0 },
            image: ImageRef::truncate_from(b"os".to_vec()),
            image_digest: [7; 32],
            host_key: [8; 32],
        },
        deposit: 100,
        challenge_blocks: 9,
        app: None,
        volume: None,
        read_only: false,
    }
}

pub(crate) fn lease(id: u64, ended: bool) -> StoredLease {
    StoredLease {
        id,
        name: format!("zn-{id}"),
        session_seed: [9; 32],
        machine: vec![1, 2],
        terms: terms(),
        since: 7,
        transactions: 1,
        port: None,
        ended: ended.then_some(Ended { reason: CloseReason::Finished, settled: Some(5) }),
        figures: Figures::default(),
        readings: Totals::default(),
        journal: Journal::default(),
        odd_result: false,
    }
}

#[test]
fn leases_survive_reopening_and_numbers_are_never_reused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.next_lease().unwrap(), 1);
    store.put(&lease(1, false)).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.lease(1).unwrap(), Some(lease(1, false)));
    assert_eq!(store.next_lease().unwrap(), 2);
    let mode = fs::metadata(path(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn only_leases_without_an_end_are_unfinished() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put(&lease(1, true)).unwrap();
    store.put(&lease(2, false)).unwrap();
    let open: Vec<_> = store.unfinished().unwrap().iter().map(|l| l.id).collect();
    assert_eq!(open, [2]);
    store.put(&lease(2, true)).unwrap();
    assert!(store.unfinished().unwrap().is_empty());
}

#[test]
fn pruning_forgets_the_oldest_ended_leases_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put(&lease(1, false)).unwrap();
    for id in 2..9 {
        store.put(&lease(id, true)).unwrap();
    }
    let ids = || store.leases().unwrap().iter().map(|lease| lease.id).collect::<Vec<_>>();
    store.prune_to(8).unwrap();
    assert_eq!(ids(), [1, 2, 3, 4, 5, 6, 7, 8]);
    store.prune_to(5).unwrap();
    assert_eq!(ids(), [1, 5, 6, 7, 8]);
}

#[test]
fn a_row_of_an_earlier_version_is_still_read() {
    let mut kept = lease(7, true);
    kept.journal.note(Happening::Ready);
    assert_eq!(StoredLease::from_row(&kept.to_row()).unwrap(), kept);
    let old = StoredLease::from_row(&kept.encode()).unwrap();
    assert_eq!(old, lease(7, true));
    assert!(StoredLease::from_row(&kept.encode()[1..]).is_err());
}

#[test]
fn a_run_is_kept_with_what_it_looks_for_and_one_of_an_earlier_version_without() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let run = Run {
        peer_seed: [1; 32],
        listen: vec!["/ip4/127.0.0.1/tcp/1".into()],
        ssh_seed: [2; 32],
        ssh_config: "/x".into(),
        sought: Some(crate::order::sought::tests::sought(3)),
        selection: Some(Selection::Chosen { dropped: vec![4] }),
    };
    store.put_run(&run).unwrap();
    assert_eq!(store.run().unwrap(), Some(run.clone()));
    let without = Run { sought: None, selection: None, ..run.clone() };
    assert_eq!(Run::from_row(&run.encode()).unwrap(), without);
    let unnumbered = (&run, &run.sought, &run.selection).encode();
    let mut longer = run.to_row();
    longer.push(0);
    for other in [unnumbered, longer] {
        assert_eq!(Run::from_row(&other).unwrap(), without);
    }
}

#[test]
fn the_list_has_every_unfinished_lease_but_not_every_ended_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put(&lease(1, false)).unwrap();
    for id in 2..LISTED as u64 + 4 {
        store.put(&lease(id, true)).unwrap();
    }
    let listed = store.listed().unwrap();
    assert_eq!(listed.len(), LISTED + 1);
    assert_eq!((listed[0].id, listed[LISTED].id), (LISTED as u64 + 3, 1));
    let newest = store.newest(2, |lease| lease.ended.is_none()).unwrap();
    assert_eq!(newest.iter().map(|lease| lease.id).collect::<Vec<_>>(), [1]);
}
