//! What is still free of the configured capacity.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use zennet_primitives::contract::Resources;

/// The configured capacity and what is taken of it.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    total: Totals,
    used: Arc<Mutex<Totals>>,
}

/// Sums over machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u32,
    pub(crate) leases: u32,
}

impl Totals {
    fn plus(&self, more: &Resources) -> Option<Totals> {
        Some(Totals {
            cpu_millis: self.cpu_millis.checked_add(more.cpu_millis)?,
            memory_mib: self.memory_mib.checked_add(more.memory_mib)?,
            disk_mib: self.disk_mib.checked_add(more.disk_mib)?,
            leases: self.leases.checked_add(1)?,
        })
    }

    fn fits(&self, total: &Totals) -> bool {
        self.cpu_millis <= total.cpu_millis
            && self.memory_mib <= total.memory_mib
            && self.disk_mib <= total.disk_mib
            && self.leases <= total.leases
    }
}

/// A part of the capacity, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    part: Resources,
    used: Arc<Mutex<Totals>>,
}

impl Capacity {
    pub(crate) fn new(config: &crate::config::Capacity) -> Self {
        let total = Totals {
            cpu_millis: config.cpu_millis,
            memory_mib: config.memory_mib,
            disk_mib: config.disk_mib,
            leases: config.max_leases,
        };
        Capacity { total, used: Arc::default() }
    }

    /// Takes a part, if that much is free.
    pub(crate) fn reserve(&self, part: Resources) -> Option<Reservation> {
        let mut used = lock(&self.used);
        let next = used.plus(&part).filter(|next| next.fits(&self.total))?;
        *used = next;
        Some(Reservation { part, used: self.used.clone() })
    }

    pub(crate) fn total(&self) -> Totals {
        self.total
    }

    pub(crate) fn used(&self) -> Totals {
        *lock(&self.used)
    }

    /// What a further machine may take a part of.
    pub(crate) fn free(&self) -> Totals {
        let (total, used) = (self.total, self.used());
        Totals {
            cpu_millis: total.cpu_millis.saturating_sub(used.cpu_millis),
            memory_mib: total.memory_mib.saturating_sub(used.memory_mib),
            disk_mib: total.disk_mib.saturating_sub(used.disk_mib),
            leases: total.leases.saturating_sub(used.leases),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut used = lock(&self.used);
        used.cpu_millis -= self.part.cpu_millis;
        used.memory_mib -= self.part.memory_mib;
        used.disk_mib -= self.part.disk_mib;
        used.leases -= 1;
    }
}

/// The sums are replaced as a whole, so a panic elsewhere leaves them sound.
fn lock(used: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity() -> Capacity {
        Capacity::new(&crate::config::Capacity {
            cpu_millis: 2000,
            memory_mib: 1000,
            disk_mib: 100,
            max_leases: 2,
            max_per_order: 2,
            bandwidth_kbit_per_sec: None,
        })
    }

    fn part(cpu_millis: u32, memory_mib: u32) -> Resources {
        Resources { cpu_millis, memory_mib, disk_mib: 0, volume_mib: 0 }
    }

    #[test]
    fn no_more_is_given_than_there_is_and_drops_give_back() {
        let capacity = capacity();
        let first = capacity.reserve(part(1500, 10)).unwrap();
        assert!(capacity.reserve(part(501, 10)).is_none());
        let second = capacity.reserve(part(500, 990)).unwrap();
        assert!(capacity.reserve(part(0, 0)).is_none(), "the number of leases is bounded");
        drop(first);
        let free = Totals { cpu_millis: 1500, memory_mib: 10, disk_mib: 100, leases: 1 };
        assert_eq!(capacity.free(), free);
        assert!(capacity.reserve(part(1500, 10)).is_some());
        drop(second);
        assert_eq!(capacity.used(), Totals::default());
    }

    #[test]
    fn sums_that_overflow_do_not_fit() {
        let capacity = capacity();
        let _first = capacity.reserve(part(1, 1)).unwrap();
        assert!(capacity.reserve(part(u32::MAX, u32::MAX)).is_none());
    }
}
