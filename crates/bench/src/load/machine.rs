//! A machine that is nothing but counters: it works steadily while it is not frozen.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use zennet_primitives::{
    contract::Resources,
    usage::{Counter, Usage},
};

/// Part of its processors and its memory that a machine uses: a quarter.
const PART: u64 = 4;

pub(crate) struct Machine {
    resources: Resources,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    /// Time in which it ran, up to `since`.
    ran: Duration,
    /// Since when it runs; nothing while it is frozen.
    since: Option<Instant>,
}

impl Machine {
    pub(crate) fn start(resources: Resources) -> Self {
        let began = Instant::now();
        let state = State { ran: Duration::ZERO, since: Some(began) };
        Machine { resources, began, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn freeze(&self) {
        let mut state = self.state();
        if let Some(since) = state.since.take() {
            state.ran += since.elapsed();
        }
    }

    pub(crate) fn thaw(&self) {
        self.state().since.get_or_insert_with(Instant::now);
    }

    /// Time since it was started, milliseconds.
    pub(crate) fn age_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Cumulative counters.
    pub(crate) fn usage(&self) -> Usage {
        let ran = {
            let state = self.state();
            state.ran + state.since.map_or(Duration::ZERO, |since| since.elapsed())
        };
        let micros = u64::try_from(ran.as_micros()).unwrap_or(u64::MAX);
        let cpu = micros / 1000 * u64::from(self.resources.cpu_millis) / PART;
        let memory = (u64::from(self.resources.memory_mib) << 20) / PART;
        Usage::default()
            .with(Counter::CpuMicros, cpu)
            .with(Counter::CpuUserMicros, cpu / 2)
            .with(Counter::CpuSystemMicros, cpu / 2)
            .with(Counter::MemoryByteSecs, memory / 1000 * (micros / 1000))
            .with(Counter::DiskReadBytes, micros / 100)
            .with(Counter::DiskWriteBytes, micros / 100)
            .with(Counter::NetRxBytes, micros / 100)
            .with(Counter::NetTxBytes, micros / 100)
            .with(Counter::PageFaults, micros / 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_with_time_and_stand_still_in_a_frozen_machine() {
        let machine = Machine::start(Resources {
            cpu_millis: 1000,
            memory_mib: 64,
            disk_mib: 0,
            volume_mib: 0,
        });
        let hour_ago = Instant::now().checked_sub(Duration::from_secs(3600));
        machine.state().since = hour_ago;
        let cpu = |usage: Usage| usage.get(Counter::CpuMicros).unwrap();
        assert!(cpu(machine.usage()) >= 900_000_000);
        machine.freeze();
        let frozen = machine.usage();
        machine.freeze();
        assert_eq!(machine.usage(), frozen);
        machine.thaw();
        machine.state().since = hour_ago;
        assert!(cpu(machine.usage()) >= cpu(frozen) + 900_000_000);
    }
}
