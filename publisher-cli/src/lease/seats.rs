//! The seats of an order: one for each machine that was asked for.
//!
//! Machines are spread first: each provider may hold one seat. When no new provider has come for a
//! while and seats are still free, those who came may hold more: at first as many as fill the order
//! in equal parts, then twice as many each time. A number of machines a provider that the user set
//! stays as it is.
//!
//! Who comes first is served first, unless the order has time to choose: then what is quoted in
//! that time is gathered, and the seats go to those whose predicted cost is the lowest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::watch;
use zennet_primitives::{amount::Balance, AccountId};

/// Time between two calls of [`Seats::grow`].
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// Beats without a new provider after which a provider may hold more seats.
const QUIET_BEATS: u32 = 6;

/// Beats from one growth to the next.
const GROWTH_BEATS: u32 = 2;

/// The seats of one order; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    seats: Vec<Seat>,
    /// Seats that one provider may hold.
    most: usize,
    pinned: bool,
    /// Providers for which a seat is kept until they hold one, since they keep the volume of its
    /// machine: elsewhere it would be another, empty one.
    keepers: BTreeSet<AccountId>,
    /// Providers that have wished for a seat.
    known: BTreeSet<AccountId>,
    /// Whether one of them came since the last beat.
    fresh: bool,
    quiet: u32,
    /// Whether `most` was raised before.
    grown: bool,
    /// Leases that wait for a seat.
    waiting: usize,
    window: Window,
    /// What was quoted while the window was open, by lease.
    bids: BTreeMap<u64, Bid>,
    /// Seats that were given to leases which have not taken them yet.
    granted: BTreeMap<u64, usize>,
}

/// Whether quotes are gathered at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Window {
    /// From the first one on, for so many beats.
    Awaiting(u32),
    /// For so many more beats.
    Open(u32),
    Closed,
}

/// A wish for a seat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bid {
    /// The lease that needs it.
    pub(crate) lease: u64,
    /// Its provider.
    pub(crate) provider: AccountId,
    /// The predicted cost of an hour, in the smallest coin unit.
    pub(crate) per_hour: Balance,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum Seat {
    #[default]
    Free,
    /// A contract is being signed.
    Taken(AccountId),
    /// It is signed, and the channel is to be opened.
    Signed(AccountId),
    Ready(AccountId),
}

impl Seat {
    fn holder(&self) -> Option<&AccountId> {
        match self {
            Seat::Free => None,
            Seat::Taken(account) | Seat::Signed(account) | Seat::Ready(account) => Some(account),
        }
    }
}

/// The answer to a wish for a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// It is the caller's: the number of the machine, from one.
    Seat(usize),
    /// One may become free, or this provider may hold more later.
    Wait,
    /// The order needs no more, or this provider has all that it may ever have.
    Never,
}

/// What may still come, for whoever gathers contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outlook {
    /// Seats that nobody has.
    pub(crate) free: usize,
    /// Seats whose contract is being signed.
    pub(crate) signing: usize,
    /// Leases that wait for a seat.
    pub(crate) waiting: usize,
}

/// A wait for a seat; it counts as one until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    seats: Seats,
    changes: watch::Receiver<()>,
}

impl Waiting {
    /// Waits for the next change of any seat. The seats live as long as this.
    pub(crate) async fn changed(&mut self) {
        drop(self.changes.changed().await);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.seats.lock().waiting -= 1;
    }
}

impl Seats {
    /// As many seats as machines are wanted, and how many of them one provider may have where that
    /// is set.
    pub(crate) fn new(wanted: usize, per_provider: Option<usize>) -> Self {
        let state = State {
            seats: vec![Seat::Free; wanted],
            most: per_provider.unwrap_or(1),
            pinned: per_provider.is_some(),
            keepers: BTreeSet::new(),
            known: BTreeSet::new(),
            fresh: false,
            quiet: 0,
            grown: false,
            waiting: 0,
            window: Window::Closed,
            bids: BTreeMap::new(),
            granted: BTreeMap::new(),
        };
        Seats { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(()) }
    }

    /// Gathers quotes for some time from the first one on, rounded up to beats, before any is
    /// taken.
    #[must_use]
    pub(crate) fn choosing_within(self, time: Duration) -> Self {
        let beats = time.as_millis().div_ceil(BEAT.as_millis());
        if beats > 0 {
            self.lock().window = Window::Awaiting(u32::try_from(beats).unwrap_or(u32::MAX));
        }
        self
    }

    /// Keeps a seat for each of these providers, also when its machine fails before it is ready;
    /// others get what is left.
    pub(crate) fn keep_for(&self, providers: impl IntoIterator<Item = AccountId>) {
        let mut state = self.lock();
        let most = state.seats.len();
        state.keepers = providers.into_iter().take(most).collect();
    }

    /// Takes a seat for a provider, whatever its quote.
    #[cfg(test)]
    pub(crate) fn take(&self, provider: &AccountId) -> Take {
        self.lock().take(provider)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes the seat that a lease was chosen for, or any where nothing is chosen.
    pub(crate) fn bid(&self, bid: &Bid) -> Take {
        let mut state = self.lock();
        if let Some(number) = state.granted.remove(&bid.lease) {
            return Take::Seat(number);
        }
        if state.gathers() {
            state.meet(&bid.provider);
            state.bids.insert(bid.lease, bid.clone());
            return Take::Wait;
        }
        state.take(&bid.provider)
    }

    /// Takes back what a lease wished for: it ended without a seat.
    pub(crate) fn withdraw(&self, lease: u64) {
        let granted = {
            let mut state = self.lock();
            state.bids.remove(&lease);
            state.granted.remove(&lease)
        };
        if let Some(number) = granted {
            self.release(number);
        }
    }

    /// One beat has passed: chooses among what was quoted, or lets a provider hold more seats, if
    /// it is time for that.
    pub(crate) fn grow(&self) {
        let changed = {
            let mut state = self.lock();
            match state.gathers() {
                true => state.choose(),
                false => state.grow(),
            }
        };
        if changed {
            self.changed.send_replace(());
        }
    }

    /// A seat has been a provider's since an earlier run.
    pub(crate) fn hold(&self, number: usize, provider: &AccountId, ready: bool) {
        self.lock().known.insert(provider.clone());
        let holder = provider.clone();
        self.change(number, |_| if ready { Seat::Ready(holder) } else { Seat::Signed(holder) });
    }

    /// The contract of a seat is signed.
    pub(crate) fn signed(&self, number: usize) {
        self.change(number, |seat| match seat {
            Seat::Taken(account) => Seat::Signed(account),
            other => other,
        });
    }

    /// The machine on a seat is ready: the seat stays its own for good.
    pub(crate) fn ready(&self, number: usize) {
        self.change(number, |seat| match seat {
            Seat::Taken(account) | Seat::Signed(account) => Seat::Ready(account),
            other => other,
        });
        // Only the last one changes anything for those who wait: none is free any more.
        if self.count_ready() == self.lock().seats.len() {
            self.changed.send_replace(());
        }
    }

    /// Frees a seat whose machine never became ready.
    pub(crate) fn release(&self, number: usize) {
        self.change(number, |seat| match seat {
            Seat::Taken(_) | Seat::Signed(_) => Seat::Free,
            other => other,
        });
        self.changed.send_replace(());
    }

    fn change(&self, number: usize, to: impl FnOnce(Seat) -> Seat) {
        if let Some(seat) = self.lock().seats.get_mut(number.wrapping_sub(1)) {
            *seat = to(std::mem::take(seat));
        }
    }

    /// Begins to wait for a seat.
    pub(crate) fn wait(&self) -> Waiting {
        let changes = self.changed.subscribe();
        self.lock().waiting += 1;
        Waiting { seats: self.clone(), changes }
    }

    /// Changes of the seats from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until nobody has some of the seats; gives how many.
    pub(crate) async fn any_free(&self) -> usize {
        let mut changes = self.changes();
        loop {
            match self.outlook().free {
                0 => drop(changes.changed().await),
                free => return free,
            }
        }
    }

    /// What may still come.
    pub(crate) fn outlook(&self) -> Outlook {
        let state = self.lock();
        let count = |wanted: fn(&Seat) -> bool| state.seats.iter().filter(|s| wanted(s)).count();
        Outlook {
            free: count(|seat| *seat == Seat::Free),
            signing: count(|seat| matches!(seat, Seat::Taken(_))),
            waiting: state.waiting,
        }
    }

    /// How many machines became ready.
    pub(crate) fn count_ready(&self) -> usize {
        self.lock().seats.iter().filter(|seat| matches!(seat, Seat::Ready(_))).count()
    }
}

/// Name of the machine on a seat.
pub(crate) fn name(number: usize) -> String {
    format!("zn-{number}")
}

/// The seat of a machine.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("zn-")?.parse().ok()
}

impl State {
    /// Notes a provider that wishes for a seat.
    fn meet(&mut self, provider: &AccountId) {
        if self.known.insert(provider.clone()) {
            self.fresh = true;
        }
    }

    /// Takes a seat for a provider.
    fn take(&mut self, provider: &AccountId) -> Take {
        self.meet(provider);
        let held = self.seats.iter().filter(|seat| seat.holder() == Some(provider)).count();
        let full = held >= self.most;
        if full && self.pinned {
            return Take::Never;
        }
        let has_none =
            |account: &AccountId| self.seats.iter().all(|seat| seat.holder() != Some(account));
        let awaited = self.keepers.iter().filter(|keeper| has_none(keeper)).count();
        let is_awaited = self.keepers.contains(provider) && has_none(provider);
        let free = self.seats.iter().filter(|seat| **seat == Seat::Free).count();
        let is_left = is_awaited || free > awaited;
        match self.seats.iter().position(|seat| *seat == Seat::Free) {
            Some(place) if !full && is_left => {
                self.seats[place] = Seat::Taken(provider.clone());
                Take::Seat(place + 1)
            }
            Some(_) => Take::Wait,
            None if self.seats.iter().all(|seat| matches!(seat, Seat::Ready(_))) => Take::Never,
            None => Take::Wait,
        }
    }

    /// Whether a quote is to wait for others.
    fn gathers(&mut self) -> bool {
        // Where nothing is free there is nothing to choose.
        if !self.seats.contains(&Seat::Free) {
            self.window = Window::Closed;
        }
        self.window != Window::Closed
    }

    /// A beat of the window; whether seats were given at its end: to the lowest predicted cost
    /// first, and of equals to the lease that came first.
    fn choose(&mut self) -> bool {
        self.window = match self.window {
            Window::Awaiting(beats) if self.bids.is_empty() => Window::Awaiting(beats),
            Window::Awaiting(beats) | Window::Open(beats) if beats > 0 => Window::Open(beats - 1),
            Window::Awaiting(_) | Window::Open(_) | Window::Closed => Window::Closed,
        };
        if self.window != Window::Closed {
            return false;
        }
        let mut bids: Vec<Bid> = std::mem::take(&mut self.bids).into_values().collect();
        bids.sort_by_key(|bid| (bid.per_hour, bid.lease));
        for bid in bids {
            if let Take::Seat(number) = self.take(&bid.provider) {
                self.granted.insert(bid.lease, number);
            }
        }
        // All may ask again.
        true
    }

    /// Whether a provider may now hold more.
    fn grow(&mut self) -> bool {
        if std::mem::take(&mut self.fresh) {
            self.quiet = 0;
            return false;
        }
        self.quiet = self.quiet.saturating_add(1);
        let wanted = self.waiting > 0 && self.seats.contains(&Seat::Free);
        if self.pinned || !wanted || self.quiet < QUIET_BEATS {
            return false;
        }
        let equal = self.seats.len().div_ceil(self.known.len().max(1));
        let doubled = self.most.saturating_mul(2);
        self.most = if self.grown { doubled } else { equal.max(doubled) };
        self.grown = true;
        self.quiet = QUIET_BEATS - GROWTH_BEATS;
        true
    }
}

#[cfg(test)]
mod tests;
