//! How it stands with each announcement: which leases of it are here, and whether more are tried.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::OnceCell, time::Instant};
use zennet_primitives::{announcement::AnnouncementId, close::CloseReason, pow::PowNonce};

use crate::driver::Ended;

/// Pauses between answers to the same announcement double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(64);
const ATTEMPTS: u32 = 8;
/// How long the first lease of an announcement goes ahead of the others: publishers spread their
/// machines, so the first ones of other providers are met before the second of this one.
const AHEAD: Duration = Duration::from_secs(1);

/// The stamp on this provider's answers to one announcement; it is mined once.
pub(crate) type Stamp = Arc<OnceCell<PowNonce>>;

/// One announcement.
#[derive(Debug)]
struct Order {
    /// Leases that are under way, or that came to a contract.
    taken: BTreeSet<u32>,
    /// When it was first answered.
    since: Instant,
    /// No more leases of it are tried.
    done: bool,
    attempts: u32,
    not_before: Instant,
    stamp: Stamp,
}

/// All announcements that were answered.
#[derive(Debug, Default)]
pub(crate) struct Orders(HashMap<AnnouncementId, Order>);

impl Orders {
    /// Announcements that are not answered again.
    pub(crate) fn answered(ids: impl IntoIterator<Item = AnnouncementId>, now: Instant) -> Self {
        let done = |id| (id, Order { done: true, ..Order::new(now) });
        Orders(ids.into_iter().map(done).collect())
    }

    /// Whether another lease of an announcement is to be tried now, where `most` may be here.
    pub(crate) fn wants(&self, id: &AnnouncementId, most: u32, now: Instant) -> bool {
        self.0.get(id).is_none_or(|order| {
            let next = order.taken.is_empty() || order.since + AHEAD <= now;
            !order.done && next && order.not_before <= now && order.free(most).is_some()
        })
    }

    /// Begins another lease; gives its number and the stamp. None where there are `most` already.
    pub(crate) fn begin(
        &mut self,
        id: AnnouncementId,
        most: u32,
        now: Instant,
    ) -> Option<(u32, Stamp)> {
        let order = self.0.entry(id).or_insert_with(|| Order::new(now));
        let slot = order.free(most)?;
        order.taken.insert(slot);
        Some((slot, order.stamp.clone()))
    }

    /// A lease ended; an answer that came to none is told as nothing. Gives the pause before the
    /// announcement is answered again, if it failed and is.
    pub(crate) fn end(
        &mut self,
        id: AnnouncementId,
        slot: u32,
        ended: Option<Ended>,
        now: Instant,
    ) -> Option<Duration> {
        let order = self.0.entry(id).or_insert_with(|| Order::new(now));
        let again = match ended {
            // Its machine was rented: the number is not used again.
            Some(Ended { contracted: true, .. }) => return None,
            Some(Ended { contracted: false, reason }) => {
                matches!(reason, CloseReason::TimedOut | CloseReason::ConnectionLost)
            }
            None => true,
        };
        order.taken.remove(&slot);
        if !again {
            order.done = true;
        }
        // Leases of one announcement fail together: that is one attempt.
        if order.done || order.not_before > now {
            return None;
        }
        order.attempts += 1;
        if order.attempts >= ATTEMPTS {
            order.done = true;
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (order.attempts - 1)).min(LAST_PAUSE);
        order.not_before = now + pause;
        Some(pause)
    }

    /// Forgets announcements that do not stand any more and of which no lease is here.
    pub(crate) fn keep(&mut self, standing: &HashSet<AnnouncementId>) {
        self.0.retain(|id, order| standing.contains(id) || order.done || !order.taken.is_empty());
    }
}

impl Order {
    fn new(now: Instant) -> Self {
        let (taken, stamp) = (BTreeSet::new(), Stamp::default());
        Order { taken, since: now, done: false, attempts: 0, not_before: now, stamp }
    }

    fn free(&self, most: u32) -> Option<u32> {
        let mut slots: Range<u32> = 0..most;
        slots.find(|slot| !self.taken.contains(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::Hash;

    const ID: Hash = Hash::repeat_byte(1);

    fn parted(reason: CloseReason) -> Option<Ended> {
        Some(Ended { reason, contracted: false })
    }

    fn rented() -> Option<Ended> {
        Some(Ended { reason: CloseReason::Finished, contracted: true })
    }

    fn slots(orders: &mut Orders, most: u32, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| orders.begin(ID, most, now).map(|(slot, _)| slot)).collect()
    }

    #[test]
    fn as_many_leases_begin_as_are_wanted_and_they_share_a_stamp() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        assert!(orders.wants(&ID, 3, now));
        let (_, first) = orders.begin(ID, 3, now).unwrap();
        let (_, second) = orders.begin(ID, 3, now).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(slots(&mut orders, 3, now), [2]);
        assert!(!orders.wants(&ID, 3, now));
    }

    #[test]
    fn the_first_lease_of_an_order_goes_ahead_of_the_others() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        assert!(orders.wants(&ID, 3, now));
        orders.begin(ID, 3, now).unwrap();
        assert!(!orders.wants(&ID, 3, now));
        assert!(orders.wants(&ID, 3, now + AHEAD));
        assert!(!orders.wants(&ID, 1, now + AHEAD));
    }

    #[test]
    fn a_lease_that_failed_is_tried_again_under_its_number_after_a_pause() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        slots(&mut orders, 3, now);
        let pause = orders.end(ID, 1, parted(CloseReason::TimedOut), now).unwrap();
        assert_eq!(pause, FIRST_PAUSE);
        assert_eq!(orders.end(ID, 2, None, now), None, "both are one attempt");
        assert!(!orders.wants(&ID, 3, now));
        assert!(orders.wants(&ID, 3, now + pause));
        assert_eq!(slots(&mut orders, 3, now + pause), [1, 2]);
        assert_eq!(orders.end(ID, 1, None, now + pause), Some(2 * FIRST_PAUSE));
    }

    #[test]
    fn an_announcement_that_fails_again_and_again_is_left_alone() {
        let (mut orders, mut now) = (Orders::default(), Instant::now());
        let mut pauses = 0;
        while orders.wants(&ID, 1, now) {
            let (slot, _) = orders.begin(ID, 1, now).unwrap();
            now += orders.end(ID, slot, None, now).unwrap_or_default();
            pauses += 1;
        }
        assert_eq!(pauses, ATTEMPTS);
    }

    #[test]
    fn a_publisher_that_has_enough_is_not_dialled_again() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        slots(&mut orders, 2, now);
        assert_eq!(orders.end(ID, 1, parted(CloseReason::EnoughMachines), now), None);
        assert!(!orders.wants(&ID, 2, now + LAST_PAUSE));
    }

    #[test]
    fn a_machine_that_was_rented_is_not_offered_to_the_same_order_again() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        slots(&mut orders, 2, now);
        orders.end(ID, 0, rented(), now);
        assert!(!orders.wants(&ID, 2, now));
        orders.end(ID, 1, parted(CloseReason::ConnectionLost), now);
        assert_eq!(slots(&mut orders, 2, now), [1]);
    }

    #[test]
    fn what_an_earlier_run_answered_is_not_answered_again() {
        let now = Instant::now();
        let orders = Orders::answered([ID], now);
        assert!(!orders.wants(&ID, 9, now + LAST_PAUSE));
        assert!(orders.wants(&Hash::zero(), 9, now));
    }

    #[test]
    fn an_announcement_that_is_gone_is_forgotten_when_nothing_is_left_of_it() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        let (slot, _) = orders.begin(ID, 1, now).unwrap();
        orders.keep(&HashSet::new());
        assert!(!orders.wants(&ID, 1, now), "its lease is under way");
        orders.end(ID, slot, None, now);
        orders.keep(&HashSet::new());
        assert!(orders.wants(&ID, 1, now));
    }
}
