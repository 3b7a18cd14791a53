//! How it stands with each announcement: which leases of it are here, and whether more are tried.

use std::{
    collections::{BTreeSet, HashMap},
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
/// Announcements without a lease under way that are remembered; the oldest make room.
pub(crate) const REMEMBERED: usize = 10_000;

/// The stamp on this provider's answers to one announcement; it is mined once.
pub(crate) type Stamp = Arc<OnceCell<PowNonce>>;

/// One announcement.
#[derive(Debug)]
struct Order {
    /// Leases that are under way.
    running: BTreeSet<u32>,
    /// Leases that came to a contract and ended: their numbers are not used again.
    used: BTreeSet<u32>,
    /// When it was first answered.
    since: Instant,
    /// No more leases of it are tried.
    done: bool,
    attempts: u32,
    not_before: Instant,
    stamp: Stamp,
    /// Later ones have higher numbers.
    number: u64,
}

/// How it stands with an announcement that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Leases under way.
    pub(crate) running: u32,
    /// No more leases of it are tried.
    pub(crate) done: bool,
}

/// Whether a meeting without a contract may come to one later: it failed, or another machine had
/// the volume that was asked for.
fn is_tried_again(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::TimedOut | CloseReason::ConnectionLost | CloseReason::VolumeUnavailable
    )
}

/// All announcements that were answered.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    orders: HashMap<AnnouncementId, Order>,
    next: u64,
}

impl Orders {
    /// Announcements that are not answered again, the oldest first.
    pub(crate) fn answered(ids: impl IntoIterator<Item = AnnouncementId>, now: Instant) -> Self {
        let mut orders = Orders::default();
        for id in ids {
            orders.entry(id, now).done = true;
        }
        orders
    }

    fn entry(&mut self, id: AnnouncementId, now: Instant) -> &mut Order {
        let next = &mut self.next;
        self.orders.entry(id).or_insert_with(|| {
            *next += 1;
            Order::new(*next, now)
        })
    }

    /// Further leases of an announcement that may be tried, where `most` may be here. The first one
    /// goes ahead of them.
    pub(crate) fn wanted(&self, id: &AnnouncementId, most: u32, now: Instant) -> u32 {
        match self.orders.get(id) {
            None => most,
            Some(order) if order.done || order.not_before > now => 0,
            Some(order) => order.left(most),
        }
    }

    /// Whether another lease of an announcement is to be tried now, where `most` may be here.
    pub(crate) fn wants(&self, id: &AnnouncementId, most: u32, now: Instant) -> bool {
        let next = self.orders.get(id).is_none_or(|order| {
            let none = order.running.is_empty() && order.used.is_empty();
            none || order.since + AHEAD <= now
        });
        next && self.wanted(id, most, now) > 0
    }

    /// How it stands with an announcement; none where it was not answered.
    pub(crate) fn progress(&self, id: &AnnouncementId) -> Option<Progress> {
        let order = self.orders.get(id)?;
        let running = u32::try_from(order.running.len()).unwrap_or(u32::MAX);
        Some(Progress { running, done: order.done })
    }

    /// Begins another lease; gives its number and the stamp. None where there are `most` already.
    pub(crate) fn begin(
        &mut self,
        id: AnnouncementId,
        most: u32,
        now: Instant,
    ) -> Option<(u32, Stamp)> {
        let order = self.entry(id, now);
        let slot = order.free(most)?;
        order.running.insert(slot);
        Some((slot, order.stamp.clone()))
    }

    /// A lease ended that came to a contract, or may have: its number is not used again.
    pub(crate) fn use_up(&mut self, id: AnnouncementId, slot: u32, now: Instant) {
        let order = self.entry(id, now);
        order.running.remove(&slot);
        order.used.insert(slot);
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
        let again = match ended {
            Some(Ended { contracted: true, .. }) => {
                self.use_up(id, slot, now);
                return None;
            }
            Some(Ended { contracted: false, reason }) => is_tried_again(reason),
            None => true,
        };
        let order = self.entry(id, now);
        order.running.remove(&slot);
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

    /// Forgets announcements that do not stand any more and of which nothing is left. What must not
    /// be answered again if it comes back is remembered, in bounds.
    pub(crate) fn keep(&mut self, stands: impl Fn(&AnnouncementId) -> bool) {
        self.orders.retain(|id, order| !order.is_idle() || order.is_past() || stands(id));
        let idle = |orders: &Self| orders.orders.values().filter(|order| order.is_idle()).count();
        let excess = idle(self).saturating_sub(REMEMBERED);
        if excess == 0 {
            return;
        }
        let open = self.orders.iter().filter(|(_, order)| order.is_idle());
        // Those that stand go last: they would be answered once more.
        let mut open: Vec<_> = open.map(|(id, order)| (stands(id), order.number, *id)).collect();
        open.sort_unstable();
        for (.., id) in &open[..excess] {
            self.orders.remove(id);
        }
    }
}

impl Order {
    fn new(number: u64, now: Instant) -> Self {
        Order {
            running: BTreeSet::new(),
            used: BTreeSet::new(),
            since: now,
            done: false,
            attempts: 0,
            not_before: now,
            stamp: Stamp::default(),
            number,
        }
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether it was answered in a way that must be remembered.
    fn is_past(&self) -> bool {
        self.done || !self.used.is_empty()
    }

    fn has(&self, slot: &u32) -> bool {
        self.running.contains(slot) || self.used.contains(slot)
    }

    fn free(&self, most: u32) -> Option<u32> {
        let mut slots: Range<u32> = 0..most;
        slots.find(|slot| !self.has(slot))
    }

    /// How many numbers below `most` are free.
    fn left(&self, most: u32) -> u32 {
        (0..most).filter(|slot| !self.has(slot)).count() as u32
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
    fn an_order_whose_volume_another_lease_has_is_answered_again() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        slots(&mut orders, 1, now);
        let pause = orders.end(ID, 0, parted(CloseReason::VolumeUnavailable), now).unwrap();
        assert!(orders.wants(&ID, 1, now + pause));
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
        orders.keep(|_| false);
        assert!(!orders.wants(&ID, 1, now), "its lease is under way");
        orders.end(ID, slot, None, now);
        orders.keep(|_| false);
        assert!(orders.wants(&ID, 1, now));
    }

    #[test]
    fn what_must_not_be_answered_again_is_remembered_in_bounds() {
        let now = Instant::now();
        let id = |number: u64| Hash::from_low_u64_be(number);
        let most = REMEMBERED as u64;
        let mut orders = Orders::answered((0..most + 5).map(id), now);
        let (running, _) = orders.begin(id(most + 9), 1, now).unwrap();
        orders.keep(|standing| *standing == id(0));
        assert_eq!(orders.orders.len(), REMEMBERED + 1);
        assert!(!orders.wants(&id(0), 1, now), "it stands");
        assert!(orders.wants(&id(5), 1, now) && !orders.wants(&id(6), 1, now), "the oldest goes");
        assert!(!orders.wants(&id(most + 9), 1, now), "it is under way");
        orders.end(id(most + 9), running, None, now);
        orders.keep(|_| true);
        assert_eq!(orders.orders.len(), REMEMBERED);
    }

    #[test]
    fn a_number_that_may_have_a_contract_is_not_used_again_and_its_seat_is_free() {
        let (mut orders, now) = (Orders::default(), Instant::now());
        let (slot, _) = orders.begin(ID, 2, now).unwrap();
        assert_eq!(orders.progress(&ID), Some(Progress { running: 1, done: false }));
        orders.use_up(ID, slot, now);
        assert_eq!(orders.progress(&ID), Some(Progress { running: 0, done: false }));
        assert_eq!(orders.wanted(&ID, 2, now), 1);
        assert_eq!(slots(&mut orders, 2, now), [1]);
    }
}
