//! The seats of an order: one for each machine that was asked for.
//!
//! Machines are spread first: each provider may hold one seat. When no new provider has come for a
//! while and seats are still free, those who came may hold more: at first as many as fill the order
//! in equal parts, then twice as many each time. A number of machines a provider that the user set
//! stays as it is.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::watch;
use zennet_primitives::AccountId;

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
    /// Providers for which a seat is kept, since they keep the volume of its machine.
    expected: BTreeSet<AccountId>,
    /// Providers that have wished for a seat.
    known: BTreeSet<AccountId>,
    /// Whether one of them came since the last beat.
    fresh: bool,
    quiet: u32,
    /// Whether `most` was raised before.
    grown: bool,
    /// Leases that wait for a seat.
    waiting: usize,
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
            expected: BTreeSet::new(),
            known: BTreeSet::new(),
            fresh: false,
            quiet: 0,
            grown: false,
            waiting: 0,
        };
        Seats { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(()) }
    }

    /// Keeps a seat for each of these providers; others get what is left.
    pub(crate) fn keep_for(&self, providers: impl IntoIterator<Item = AccountId>) {
        let mut state = self.lock();
        let most = state.seats.len();
        state.expected = providers.into_iter().take(most).collect();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes a seat for a provider.
    pub(crate) fn take(&self, provider: &AccountId) -> Take {
        let mut state = self.lock();
        if state.known.insert(provider.clone()) {
            state.fresh = true;
        }
        let held = state.seats.iter().filter(|seat| seat.holder() == Some(provider)).count();
        let full = held >= state.most;
        if full && state.pinned {
            return Take::Never;
        }
        let is_expected = state.expected.contains(provider);
        let free = state.seats.iter().filter(|seat| **seat == Seat::Free).count();
        let is_left = is_expected || free > state.expected.len();
        match state.seats.iter().position(|seat| *seat == Seat::Free) {
            Some(place) if !full && is_left => {
                state.expected.remove(provider);
                state.seats[place] = Seat::Taken(provider.clone());
                Take::Seat(place + 1)
            }
            Some(_) => Take::Wait,
            None if state.seats.iter().all(|seat| matches!(seat, Seat::Ready(_))) => Take::Never,
            None => Take::Wait,
        }
    }

    /// One beat has passed: lets a provider hold more seats, if it is time for that.
    pub(crate) fn grow(&self) {
        if self.lock().grow() {
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
mod tests {
    use super::*;

    fn provider(n: u8) -> AccountId {
        AccountId::new([n; 32])
    }

    fn beats(seats: &Seats, count: u32) {
        (0..count).for_each(|_| seats.grow());
    }

    #[test]
    fn a_seat_of_an_earlier_run_is_taken_by_no_other_until_its_machine_fails() {
        let seats = Seats::new(3, Some(2));
        assert_eq!(number(&name(3)), Some(3));
        seats.hold(1, &provider(1), true);
        seats.hold(3, &provider(2), false);
        // No seat of this order.
        seats.hold(9, &provider(2), false);
        assert_eq!((seats.count_ready(), seats.outlook().free), (1, 1));
        assert_eq!(seats.take(&provider(1)), Take::Seat(2));
        assert_eq!(seats.take(&provider(3)), Take::Wait);
        seats.release(1);
        seats.release(3);
        assert_eq!(seats.take(&provider(3)), Take::Seat(3));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_free_seat_hears_of_it() {
        let seats = Seats::new(2, None);
        seats.hold(1, &provider(1), true);
        seats.hold(2, &provider(2), false);
        let waiting = tokio::spawn({
            let seats = seats.clone();
            async move { seats.any_free().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        seats.release(2);
        assert_eq!(waiting.await.unwrap(), 1);
    }

    #[test]
    fn an_order_gets_no_more_than_it_wants() {
        let seats = Seats::new(2, None);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        assert_eq!(seats.take(&provider(2)), Take::Seat(2));
        assert_eq!(seats.take(&provider(3)), Take::Wait);
        seats.ready(1);
        assert_eq!(seats.take(&provider(3)), Take::Wait);
        seats.ready(2);
        assert_eq!(seats.take(&provider(3)), Take::Never);
        assert_eq!(seats.count_ready(), 2);
    }

    #[test]
    fn three_machines_go_to_three_providers_though_one_would_take_all() {
        let seats = Seats::new(3, None);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        let _eager = seats.wait();
        assert_eq!(seats.take(&provider(1)), Take::Wait);
        beats(&seats, QUIET_BEATS - 1);
        assert_eq!(seats.take(&provider(2)), Take::Seat(2));
        assert_eq!(seats.take(&provider(1)), Take::Wait, "a new one came: the count begins anew");
        beats(&seats, QUIET_BEATS);
        assert_eq!(seats.take(&provider(1)), Take::Wait);
        assert_eq!(seats.take(&provider(3)), Take::Seat(3));
    }

    #[test]
    fn when_nobody_new_comes_the_providers_fill_the_order_in_equal_parts() {
        let seats = Seats::new(10, None);
        let providers = [provider(1), provider(2)];
        for provider in &providers {
            assert!(matches!(seats.take(provider), Take::Seat(_)));
            assert_eq!(seats.take(provider), Take::Wait);
        }
        let mut waiting = seats.wait();
        beats(&seats, QUIET_BEATS + 1);
        assert!(waiting.changes.has_changed().unwrap());
        waiting.changes.mark_unchanged();
        for provider in &providers {
            (0..4).for_each(|_| assert!(matches!(seats.take(provider), Take::Seat(_))));
        }
        assert_eq!(seats.outlook(), Outlook { free: 0, signing: 10, waiting: 1 });
    }

    #[test]
    fn where_some_have_no_more_room_the_others_may_hold_twice_as_many_each_time() {
        let seats = Seats::new(8, None);
        (1..=4).for_each(|n| assert!(matches!(seats.take(&provider(n)), Take::Seat(_))));
        let _waiting = seats.wait();
        beats(&seats, QUIET_BEATS + 1);
        assert!(matches!(seats.take(&provider(1)), Take::Seat(_)));
        assert_eq!(seats.take(&provider(1)), Take::Wait, "an equal part is two");
        beats(&seats, GROWTH_BEATS);
        (0..2).for_each(|_| assert!(matches!(seats.take(&provider(1)), Take::Seat(_))));
        assert_eq!(seats.take(&provider(1)), Take::Wait, "four by now");
    }

    #[test]
    fn nobody_gets_more_while_nobody_waits() {
        let seats = Seats::new(2, None);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        beats(&seats, 100);
        assert_eq!(seats.take(&provider(1)), Take::Wait);
        let _waiting = seats.wait();
        beats(&seats, 1);
        assert_eq!(seats.take(&provider(1)), Take::Seat(2), "it was quiet for long enough");
    }

    #[test]
    fn seats_are_kept_for_the_providers_that_are_expected() {
        let seats = Seats::new(2, Some(1));
        seats.keep_for([provider(7)]);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        assert_eq!(seats.take(&provider(2)), Take::Wait);
        assert_eq!(seats.take(&provider(7)), Take::Seat(2));
        // Its machine failed before it was ready: anybody may have the seat.
        seats.release(2);
        assert_eq!(seats.take(&provider(2)), Take::Seat(2));
    }

    #[test]
    fn a_number_that_the_user_set_never_grows() {
        let seats = Seats::new(9, Some(2));
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        assert_eq!(seats.take(&provider(1)), Take::Seat(2));
        assert_eq!(seats.take(&provider(1)), Take::Never);
        let _waiting = seats.wait();
        beats(&seats, 100);
        assert_eq!(seats.take(&provider(1)), Take::Never);
        assert_eq!(seats.take(&provider(2)), Take::Seat(3));
    }

    #[test]
    fn the_seat_of_a_machine_that_failed_goes_to_another_and_a_ready_one_does_not() {
        let seats = Seats::new(1, None);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        let waiting = seats.wait();
        seats.signed(1);
        assert_eq!(seats.outlook(), Outlook { free: 0, signing: 0, waiting: 1 });
        seats.release(1);
        assert!(waiting.changes.has_changed().unwrap());
        drop(waiting);
        assert_eq!(seats.outlook(), Outlook { free: 1, signing: 0, waiting: 0 });
        assert_eq!(seats.take(&provider(2)), Take::Seat(1));
        seats.ready(1);
        seats.release(1);
        assert_eq!(seats.take(&provider(3)), Take::Never);
    }
}
