use zennet_primitives::{amount::Rates, contract};

use super::*;

fn terms(publisher: u8, name: &str, mib: u32) -> Terms {
    let mut terms = crate::machine::tests::terms([9; 32], Rates::default());
    terms.publisher = AccountId::new([publisher; 32]);
    terms.quote.resources.volume_mib = mib;
    let name = name.as_bytes().to_vec().try_into().unwrap();
    terms.volume = Some(contract::Volume { name, keep_secs: 500 });
    terms
}

fn volumes(store: &Store) -> Volumes {
    let config = config::Volumes { max_mib: 100, max_keep_secs: 1000, keep_unpaid_secs: 60 };
    Volumes::open(store, &config).unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

/// The end of a lease that has served.
async fn give_back(volumes: &Volumes, terms: &Terms, lease: &str, kept_secs: u32, now: u64) {
    volumes.keep(terms, lease, kept_secs, now).await.unwrap();
    volumes.release(lease).await.unwrap();
}

#[tokio::test]
async fn a_lease_without_a_volume_takes_none() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    let none = crate::machine::tests::terms([9; 32], Rates::default());
    assert_eq!(volumes.take(&none, "a").await.unwrap(), None);
    volumes.keep(&none, "a", 9, 9).await.unwrap();
    volumes.release("a").await.unwrap();
    assert_eq!(volumes.list(), []);
}

#[tokio::test]
async fn a_volume_is_one_leases_at_a_time_and_the_next_one_finds_it_again() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    let terms = terms(1, "data", 40);
    let place = volumes.take(&terms, "a").await.unwrap().unwrap();
    assert_eq!(place.path, format!("{}/data", "01".repeat(32)));
    assert!(matches!(volumes.take(&terms, "b").await, Err(VolumeError::InUse(_))));
    // That of the lease that was refused is not taken from the one that has it.
    volumes.release("b").await.unwrap();
    assert_eq!(volumes.list()[0].used_by.as_deref(), Some("a"));
    // Settled or not: while anything is left of the machine, it is its own.
    volumes.keep(&terms, "a", 500, 1_000).await.unwrap();
    assert!(matches!(volumes.take(&terms, "b").await, Err(VolumeError::InUse(_))));
    assert_eq!(volumes.expired(u64::MAX), Vec::<String>::new());
    volumes.release("a").await.unwrap();
    assert_eq!((volumes.list()[0].used_by.clone(), volumes.list()[0].kept_until), (None, 1_500));
    assert_eq!(volumes.take(&terms, "b").await.unwrap().unwrap(), place);
}

#[tokio::test]
async fn what_is_kept_leaves_less_for_others_and_may_only_grow() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    volumes.take(&terms(1, "data", 70), "a").await.unwrap();
    give_back(&volumes, &terms(1, "data", 70), "a", 500, 0).await;
    assert_eq!(volumes.available(&AccountId::new([1; 32])), 100, "its own can be had again");
    assert_eq!(volumes.available(&AccountId::new([2; 32])), 30);
    let refused = volumes.take(&terms(2, "x", 31), "b").await;
    assert!(matches!(refused, Err(VolumeError::NoRoom { asked: 31, free: 30 })));
    volumes.take(&terms(2, "x", 30), "b").await.unwrap();
    let smaller = volumes.take(&terms(1, "data", 60), "c").await;
    assert!(matches!(smaller, Err(VolumeError::Larger { found: 70, asked: 60 })));
    let larger = volumes.take(&terms(1, "data", 71), "c").await;
    assert!(matches!(larger, Err(VolumeError::NoRoom { .. })));
}

#[tokio::test]
async fn what_a_publisher_has_under_other_names_is_no_room_for_a_new_volume() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    for (name, mib) in [("a", 30), ("b", 50)] {
        volumes.take(&terms(1, name, mib), name).await.unwrap();
        give_back(&volumes, &terms(1, name, mib), name, 500, 0).await;
    }
    // Its larger one may grow by what is free.
    assert_eq!(volumes.available(&AccountId::new([1; 32])), 70);
    volumes.take(&terms(1, "b", 70), "c").await.unwrap();
    assert_eq!(volumes.available(&AccountId::new([1; 32])), 30);
}

#[tokio::test]
async fn a_start_gives_back_a_volume_for_as_long_as_was_paid_for() {
    let (_dir, store) = store();
    let first = volumes(&store);
    first.take(&terms(1, "a", 10), "gone").await.unwrap();
    first.keep(&terms(1, "a", 10), "gone", 500, 1_000).await.unwrap();
    let again = volumes(&store);
    again.release_all_but(&HashSet::new(), 1_100).await.unwrap();
    assert_eq!(again.list()[0].kept_until, 1_500);
    assert_eq!(again.list()[0].used_by, None);
}

#[tokio::test]
async fn volumes_go_when_their_time_is_over_and_not_while_a_lease_has_them() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    let terms = terms(1, "data", 40);
    let path = volumes.take(&terms, "a").await.unwrap().unwrap().path;
    assert_eq!(volumes.expired(u64::MAX), Vec::<String>::new());
    give_back(&volumes, &terms, "a", 60, 1_000).await;
    assert_eq!(volumes.expired(1_059), Vec::<String>::new());
    assert_eq!(volumes.expired(1_060), vec![path.clone()]);
    volumes.take(&terms, "b").await.unwrap();
    assert!(!volumes.forget(&path, 1_060, || async {}).await, "it was taken meanwhile");
    give_back(&volumes, &terms, "b", 60, 1_000).await;
    assert!(volumes.forget(&path, 1_060, || async {}).await);
    assert_eq!(volumes.list(), []);
}

#[tokio::test]
async fn a_start_keeps_volumes_and_takes_back_those_of_leases_that_are_gone() {
    let (_dir, store) = store();
    let first = volumes(&store);
    first.take(&terms(1, "a", 10), "live").await.unwrap();
    first.take(&terms(1, "b", 10), "gone").await.unwrap();
    let again = volumes(&store);
    assert_eq!(again.list(), first.list());
    again.release_all_but(&HashSet::from(["live".to_owned()]), 1_000).await.unwrap();
    let used: Vec<_> = again.list().into_iter().map(|v| (v.name, v.used_by.is_some())).collect();
    assert_eq!(used, [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert_eq!(again.list()[1].kept_until, 1_060);
    assert_eq!(volumes(&store).list(), again.list());
}

#[tokio::test]
async fn a_lease_that_never_served_leaves_volumes_as_they_were() {
    let (_dir, store) = store();
    let volumes = volumes(&store);
    volumes.take(&terms(1, "data", 40), "a").await.unwrap();
    give_back(&volumes, &terms(1, "data", 40), "a", 500, 1_000).await;
    let before = volumes.list();
    volumes.take(&terms(1, "data", 60), "b").await.unwrap();
    volumes.take(&terms(2, "new", 30), "c").await.unwrap();
    // What it has is not counted anew when it is asked for once more.
    volumes.take(&terms(1, "data", 60), "b").await.unwrap();
    volumes.release("b").await.unwrap();
    volumes.release("c").await.unwrap();
    assert_eq!(volumes.list()[0].mib, before[0].mib);
    assert_eq!(volumes.list()[0].kept_until, before[0].kept_until);
    assert_eq!(volumes.expired(1_100).len(), 1, "what was new is not kept");
    // Nor does a later lease shorten what an earlier one has paid for.
    volumes.take(&terms(1, "data", 40), "d").await.unwrap();
    give_back(&volumes, &terms(1, "data", 40), "d", 60, 1_200).await;
    assert_eq!(volumes.list()[0].kept_until, before[0].kept_until);
}
