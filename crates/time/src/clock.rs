//! Clocks that leases run by.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds that never go back while a program runs, and begin at the Unix time, so that what
/// an earlier run stored means the same to a later one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    offset: u64,
}

/// No deadline is waited for longer than ten years, which no clock overflows.
const LONGEST_MS: u64 = 10 * 366 * 24 * 3_600_000;

impl Clock {
    /// Starts at the Unix time.
    pub fn start() -> Self {
        Clock { origin: Instant::now(), offset: unix_ms() }
    }

    /// The time, in milliseconds.
    pub fn now(&self) -> u64 {
        self.offset.saturating_add(millis(self.origin.elapsed()))
    }

    /// The moment of a deadline.
    pub fn instant(&self, deadline: u64) -> Instant {
        self.origin + Duration::from_millis(deadline.saturating_sub(self.offset).min(LONGEST_MS))
    }
}

/// Time since 1970, as the system says.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970, as the system says.
pub fn unix_secs() -> u64 {
    unix_time().as_secs()
}

/// Milliseconds since 1970, as the system says.
pub fn unix_ms() -> u64 {
    millis(unix_time())
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_of_an_earlier_run_have_passed_and_endless_ones_do_not_overflow() {
        let clock = Clock::start();
        assert!(clock.instant(0) <= Instant::now());
        assert!(clock.instant(clock.now() + 60_000) > Instant::now());
        assert!(clock.instant(u64::MAX) > Instant::now());
    }
}
