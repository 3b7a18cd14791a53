//! The seats of an order: one for each machine that was asked for, each for another provider.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use zennet_primitives::AccountId;

/// The seats of one order; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    state: Arc<Mutex<Vec<Seat>>>,
    changed: watch::Sender<()>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum Seat {
    #[default]
    Free,
    Taken(AccountId),
    Ready(AccountId),
}

impl Seat {
    fn holder(&self) -> Option<&AccountId> {
        match self {
            Seat::Free => None,
            Seat::Taken(account) | Seat::Ready(account) => Some(account),
        }
    }
}

/// The answer to a wish for a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// It is the caller's: the number of the machine, from one.
    Seat(usize),
    /// All are taken, but one may become free.
    Wait,
    /// The order needs no more, or this provider has a seat.
    Never,
}

impl Seats {
    /// As many seats as machines are wanted.
    pub(crate) fn new(wanted: usize) -> Self {
        Seats {
            state: Arc::new(Mutex::new(vec![Seat::Free; wanted])),
            changed: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes a seat for a provider.
    pub(crate) fn take(&self, provider: &AccountId) -> Take {
        let mut seats = self.lock();
        if seats.iter().any(|seat| seat.holder() == Some(provider)) {
            return Take::Never;
        }
        if let Some(place) = seats.iter().position(|seat| *seat == Seat::Free) {
            seats[place] = Seat::Taken(provider.clone());
            return Take::Seat(place + 1);
        }
        match seats.iter().any(|seat| matches!(seat, Seat::Taken(_))) {
            true => Take::Wait,
            false => Take::Never,
        }
    }

    /// The machine on a seat is ready: the seat stays its own for good.
    pub(crate) fn ready(&self, number: usize) {
        self.change(number, |seat| match seat {
            Seat::Taken(account) => Seat::Ready(account),
            other => other,
        });
    }

    /// Frees a seat whose machine never became ready.
    pub(crate) fn release(&self, number: usize) {
        self.change(number, |seat| match seat {
            Seat::Taken(_) => Seat::Free,
            other => other,
        });
    }

    fn change(&self, number: usize, to: impl FnOnce(Seat) -> Seat) {
        if let Some(seat) = self.lock().get_mut(number.wrapping_sub(1)) {
            *seat = to(std::mem::take(seat));
        }
        self.changed.send_replace(());
    }

    /// Waits for the next change of any seat.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How many machines became ready.
    pub(crate) fn count_ready(&self) -> usize {
        self.lock().iter().filter(|seat| matches!(seat, Seat::Ready(_))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(n: u8) -> AccountId {
        AccountId::new([n; 32])
    }

    #[test]
    fn a_provider_gets_one_seat_and_an_order_no_more_than_it_wants() {
        let seats = Seats::new(2);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        assert_eq!(seats.take(&provider(1)), Take::Never);
        assert_eq!(seats.take(&provider(2)), Take::Seat(2));
        assert_eq!(seats.take(&provider(3)), Take::Wait);
        seats.ready(1);
        assert_eq!(seats.take(&provider(3)), Take::Wait);
        seats.ready(2);
        assert_eq!(seats.take(&provider(3)), Take::Never);
        assert_eq!(seats.count_ready(), 2);
    }

    #[test]
    fn the_seat_of_a_machine_that_failed_goes_to_another_and_a_ready_one_does_not() {
        let seats = Seats::new(1);
        assert_eq!(seats.take(&provider(1)), Take::Seat(1));
        let mut changed = seats.watch();
        seats.release(1);
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        assert_eq!(seats.take(&provider(2)), Take::Seat(1));
        seats.ready(1);
        seats.release(1);
        assert_eq!(seats.take(&provider(3)), Take::Never);
    }
}
