//! The leases of a running `submit`, for whoever asks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::{mpsc, watch, Notify};
use zennet_lease::Phase;
use zennet_primitives::{close::CloseReason, contract::Terms, AccountId, Hash};
use zennet_transport::Connection;

use super::{Answer, Request, Verb};
use crate::{
    history,
    lease::{
        driver::Wish,
        status::{stored_machine, stored_usage, Status},
        wire::LinkWire,
        world::Rejoined,
    },
    output::{Machine, MachineUsage},
    ssh::remote::Remote,
    store::Store,
    volumes::{forget, held, Held},
};

/// Writes an account as the chain does.
pub(crate) type Address = Arc<dyn Fn(&AccountId) -> String + Send + Sync>;

/// A lease that runs, or has just ended.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Its newest snapshot.
    pub(crate) status: watch::Receiver<Status>,
    /// Takes what is wanted of it.
    pub(crate) wish: mpsc::Sender<Wish>,
    /// Ends it.
    pub(crate) stop: mpsc::Sender<CloseReason>,
    /// Takes the connections of a provider that dials again.
    pub(crate) links: mpsc::Sender<Rejoined<LinkWire, Connection>>,
    /// The way into its machine, where it may have one.
    pub(crate) remote: Option<Remote>,
}

/// All leases of this run; clones share them.
#[derive(Clone)]
pub(crate) struct Registry {
    entries: Arc<Mutex<BTreeMap<u64, Entry>>>,
    ending: Arc<Notify>,
    store: Store,
    address: Address,
}

impl Registry {
    /// No leases yet.
    pub(crate) fn new(store: Store, address: Address) -> Self {
        Registry { entries: Arc::default(), ending: Arc::default(), store, address }
    }

    /// Waits until somebody asks for the end of the order; one who asked before is heard too.
    pub(crate) async fn asked_to_end(&self) {
        self.ending.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds a lease.
    pub(crate) fn add(&self, lease: u64, entry: Entry) {
        self.lock().insert(lease, entry);
    }

    /// Forgets a lease: what is to be known of it is in the store.
    pub(crate) fn remove(&self, lease: u64) {
        self.lock().remove(&lease);
    }

    /// The newest snapshot of a lease.
    pub(crate) fn status(&self, lease: u64) -> Option<Status> {
        self.lock().get(&lease).map(|entry| entry.status.borrow().clone())
    }

    /// The newest snapshots of all.
    pub(crate) fn all(&self) -> Vec<Status> {
        self.lock().values().map(|entry| entry.status.borrow().clone()).collect()
    }

    /// The way into a lease's machine, and its snapshots.
    pub(crate) fn remote(&self, lease: u64) -> Option<(Remote, watch::Receiver<Status>)> {
        let entries = self.lock();
        let entry = entries.get(&lease)?;
        Some((entry.remote.clone()?, entry.status.clone()))
    }

    /// The terms of the lease under a contract, and where its provider's new connection goes.
    pub(crate) fn rejoinable(
        &self,
        contract: Hash,
    ) -> Option<(Terms, mpsc::Sender<Rejoined<LinkWire, Connection>>)> {
        self.lock().values().find_map(|entry| {
            let terms = entry.status.borrow().terms.clone()?;
            (terms.hash() == contract).then(|| (terms, entry.links.clone()))
        })
    }

    /// Ends every lease that `which` names.
    pub(crate) fn stop(&self, reason: CloseReason, which: impl Fn(&Status) -> bool) {
        for entry in self.lock().values() {
            if which(&entry.status.borrow()) {
                // A full queue holds a reason to stop already.
                let _ = entry.stop.try_send(reason);
            }
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let wanted = |name: &str| request.machine.as_deref().is_none_or(|wanted| wanted == name);
        let answer = match request.verb {
            Verb::List => Answer { machines: self.machines(wanted), ..Answer::default() },
            Verb::Usage => Answer { usage: self.usage(wanted), ..Answer::default() },
            Verb::History(query) => {
                let address = &self.address;
                match history::of_store(&self.store, &query, |account| address(account)) {
                    Ok(history) => Answer { history, ..Answer::default() },
                    Err(error) => Answer { error: Some(format!("{error:#}")), ..Answer::default() },
                }
            }
            Verb::Extend { .. } if request.machine.is_none() => {
                Answer { error: Some("a machine must be named".into()), ..Answer::default() }
            }
            Verb::Extend { secs } => self.extend(secs, wanted),
            Verb::Volumes => self.volumes(),
            Verb::DropVolume => return self.drop_volume(request),
            Verb::Cancel => {
                let live = self.live(wanted);
                let named = |status: &Status| live.iter().any(|m| m.lease == status.lease);
                self.stop(CloseReason::Finished, named);
                Answer { machines: live, ..Answer::default() }
            }
            Verb::Stop => {
                self.ending.notify_one();
                Answer { machines: self.live(wanted), ..Answer::default() }
            }
        };
        let nothing = answer.machines.is_empty() && answer.usage.is_empty();
        match &request.machine {
            Some(name) if nothing && answer.error.is_none() => Answer {
                error: Some(format!(
                    "there is no such machine as {name}: run `publisher-cli list` to see all"
                )),
                ..Answer::default()
            },
            _ => answer,
        }
    }

    fn volumes(&self) -> Answer {
        let shown = held(&self.store, zennet_time::unix_secs());
        self.shown(shown)
    }

    /// Stops paying for volumes of a name: leases that run do not pay for keeping theirs.
    fn drop_volume(&self, request: &Request) -> Answer {
        let Some(name) = request.machine.as_deref() else {
            return Answer { error: Some("a volume must be named".into()), ..Answer::default() };
        };
        let address = &self.address;
        let wanted =
            |account: &AccountId| request.provider.as_ref().is_none_or(|p| *p == address(account));
        for entry in self.lock().values() {
            let status = entry.status.borrow();
            let terms = status.terms.as_ref().filter(|terms| wanted(&terms.provider));
            let volume = terms.and_then(|terms| terms.volume.as_ref());
            if volume.is_some_and(|volume| &volume.name[..] == name.as_bytes())
                && entry.wish.try_send(Wish::DropVolume).is_err()
            {
                let error = Some("a lease is busy with another wish: try again".into());
                return Answer { error, ..Answer::default() };
            }
        }
        self.shown(forget(&self.store, name, wanted, zennet_time::unix_secs()))
    }

    fn shown(&self, volumes: anyhow::Result<Vec<Held>>) -> Answer {
        let address = &self.address;
        match volumes {
            Ok(volumes) => Answer {
                volumes: volumes.iter().map(|held| held.shown(|a| address(a))).collect(),
                ..Answer::default()
            },
            Err(error) => Answer { error: Some(format!("{error:#}")), ..Answer::default() },
        }
    }

    /// Has one machine's lease last longer, if its provider grants it.
    fn extend(&self, secs: u32, wanted: impl Fn(&str) -> bool) -> Answer {
        let live = self.live(wanted);
        let refused = |why: String| Answer { error: Some(why), ..Answer::default() };
        for machine in &live {
            let entry = self.lock().get(&machine.lease).cloned();
            let Some(entry) = entry else { continue };
            if !matches!(entry.status.borrow().phase, Phase::Serving { .. }) {
                return refused(format!(
                    "{} does not run: it is {}",
                    machine.machine, machine.phase
                ));
            }
            if entry.wish.try_send(Wish::Extend { secs }).is_err() {
                return refused(format!("{} is busy with another wish", machine.machine));
            }
        }
        Answer { machines: live, ..Answer::default() }
    }

    fn live(&self, wanted: impl Fn(&str) -> bool) -> Vec<Machine> {
        let address = &self.address;
        let shown = self.all().into_iter().filter_map(|status| status.machine(|a| address(a)));
        shown.filter(|machine| wanted(&machine.machine)).collect()
    }

    fn machines(&self, wanted: impl Fn(&str) -> bool) -> Vec<Machine> {
        let mut machines = self.live(&wanted);
        let live: Vec<u64> = machines.iter().map(|machine| machine.lease).collect();
        let stored = self.store.listed().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the store");
            Vec::new()
        });
        let address = &self.address;
        let past = stored.iter().filter(|lease| !live.contains(&lease.id));
        machines.extend(past.map(|lease| stored_machine(lease, |a| address(a))));
        machines.retain(|machine| wanted(&machine.machine));
        machines
    }

    fn usage(&self, wanted: impl Fn(&str) -> bool) -> Vec<MachineUsage> {
        let mut usage: Vec<_> = self.all().iter().filter_map(Status::usage).collect();
        usage.retain(|usage| wanted(&usage.machine));
        if usage.is_empty() {
            // The latest of the past leases of that name.
            let stored = self.store.leases().unwrap_or_default();
            usage = latest_usage(&stored.iter().map(stored_usage).collect::<Vec<_>>(), wanted);
        }
        usage
    }
}

/// For each machine the usage of its latest lease.
pub(crate) fn latest_usage(
    usage: &[MachineUsage],
    wanted: impl Fn(&str) -> bool,
) -> Vec<MachineUsage> {
    let mut latest: BTreeMap<&str, &MachineUsage> = BTreeMap::new();
    for each in usage.iter().filter(|usage| wanted(&usage.machine)) {
        let known = latest.entry(&each.machine).or_insert(each);
        if known.lease < each.lease {
            *known = each;
        }
    }
    latest.into_values().cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;
    use crate::store::tests::terms;

    fn registry(dir: &std::path::Path) -> Registry {
        Registry::new(Store::open(dir).unwrap(), Arc::new(|_: &AccountId| "5F".to_owned()))
    }

    #[test]
    fn extend_reaches_a_machine_that_runs_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        let (mut one, _) = running(1, "zn-1");
        let (wish, mut wishes) = mpsc::channel(1);
        one.wish = wish;
        registry.add(1, one.clone());
        let verb = Verb::Extend { secs: 60 };
        let early = ask(&registry, verb, Some("zn-1")).error.unwrap();
        assert!(early.contains("does not run"), "{early}");
        let mut status = one.status.borrow().clone();
        status.phase = Phase::Serving { frozen: false };
        registry.add(1, Entry { status: watch::channel(status).1, ..one });
        assert_eq!(ask(&registry, verb, Some("zn-1")).machines[0].machine, "zn-1");
        assert_eq!(wishes.try_recv(), Ok(Wish::Extend { secs: 60 }));
        assert!(ask(&registry, verb, Some("zn-9")).error.is_some());
        assert!(ask(&registry, verb, None).error.is_some());
    }

    fn running(lease: u64, name: &str) -> (Entry, mpsc::Receiver<CloseReason>) {
        let mut status = Status::new(lease);
        status.name = Some(name.to_owned());
        status.terms = Some(terms());
        let (stop, stopped) = mpsc::channel(1);
        let links = mpsc::channel(1).0;
        let (status, wish) = (watch::channel(status).1, mpsc::channel(1).0);
        (Entry { status, wish, stop, links, remote: None }, stopped)
    }

    fn ask(registry: &Registry, verb: Verb, machine: Option<&str>) -> Answer {
        registry.answer(&Request { verb, machine: machine.map(str::to_owned), provider: None })
    }

    #[test]
    fn cancel_ends_the_named_machine_alone() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        let (one, mut one_stopped) = running(1, "zn-1");
        let (two, mut two_stopped) = running(2, "zn-2");
        registry.add(1, one);
        registry.add(2, two);
        assert_eq!(ask(&registry, Verb::List, None).machines.len(), 2);
        let answer = ask(&registry, Verb::Cancel, Some("zn-2"));
        assert_eq!(answer.machines[0].machine, "zn-2");
        assert!(one_stopped.try_recv().is_err());
        assert_eq!(two_stopped.try_recv(), Ok(CloseReason::Finished));
        let twice = ask(&registry, Verb::Cancel, None);
        assert_eq!(twice.machines.len(), 2);
        assert_eq!(one_stopped.try_recv(), Ok(CloseReason::Finished));
    }

    #[tokio::test]
    async fn who_asks_for_the_end_is_heard_later_too() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        assert_eq!(ask(&registry, Verb::Stop, None), Answer::default());
        registry.asked_to_end().await;
        let mut again = std::pin::pin!(registry.asked_to_end());
        let waits =
            std::future::poll_fn(|cx| std::task::Poll::Ready(again.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
    }

    #[test]
    fn the_history_comes_from_the_store_with_the_chains_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        registry.store.put(&crate::store::tests::lease(7, true)).unwrap();
        let query = history::Query { provider: None, lease: Some(7), limit: 5 };
        let answer = ask(&registry, Verb::History(query), None);
        let leases: Vec<_> =
            answer.history.leases.iter().map(|l| (l.lease, &*l.provider)).collect();
        assert_eq!((answer.error, leases), (None, vec![(7, "5F")]));
    }

    #[test]
    fn an_unknown_machine_is_an_error_that_says_where_to_look() {
        let dir = tempfile::tempdir().unwrap();
        let answer = ask(&registry(dir.path()), Verb::Usage, Some("zn-9"));
        assert!(answer.error.unwrap().contains("publisher-cli list"));
    }

    #[test]
    fn the_latest_lease_of_a_name_is_shown() {
        let usage = |lease, machine: &str| {
            let mut status = Status::new(lease);
            status.name = Some(machine.to_owned());
            status.terms = Some(terms());
            status.usage().unwrap()
        };
        let all = [usage(1, "zn-1"), usage(3, "zn-1"), usage(2, "zn-2")];
        let shown: Vec<_> = latest_usage(&all, |_| true).iter().map(|u| u.lease).collect();
        assert_eq!(shown, [3, 2]);
    }
}
