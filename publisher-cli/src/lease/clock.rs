//! The clock of the lease machines.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zennet_lease::Millis;

/// Milliseconds that never go back while a lease is driven, and begin at the Unix time, so that
/// what an earlier run stored means the same to a later one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    offset: Millis,
}

impl Clock {
    /// Starts at the Unix time.
    pub(crate) fn start() -> Self {
        Clock { origin: Instant::now(), offset: Self::unix_ms() }
    }

    /// The time.
    pub(crate) fn now(&self) -> Millis {
        self.offset.saturating_add(millis(self.origin.elapsed()))
    }

    /// The moment of a deadline.
    pub(crate) fn instant(&self, deadline: Millis) -> Instant {
        self.origin + Duration::from_millis(deadline.saturating_sub(self.offset).min(LONGEST))
    }

    /// The Unix time in milliseconds, as the system says.
    pub(crate) fn unix_ms() -> Millis {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// No deadline is waited for longer than ten years, which no clock overflows.
const LONGEST: Millis = 10 * 366 * 24 * 3_600_000;

fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap_or(Millis::MAX)
}
