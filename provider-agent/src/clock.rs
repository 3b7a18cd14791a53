//! The clock of the lease machines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use zennet_lease::Millis;

/// Milliseconds that never go back while the daemon runs, and begin at the Unix time at which it
/// started: deadlines that were stored by an earlier run so lie in the past of a later one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    offset: Millis,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { origin: Instant::now(), offset: millis(unix_time()) }
    }

    pub(crate) fn now(&self) -> Millis {
        self.offset.saturating_add(millis(self.origin.elapsed()))
    }

    /// The moment of a deadline; one that has passed is now.
    pub(crate) fn instant(&self, deadline: Millis) -> Instant {
        let left = deadline.saturating_sub(self.now());
        // A deadline beyond a year is never waited for in one piece.
        Instant::now() + Duration::from_millis(left.min(366 * 24 * 3_600_000))
    }
}

/// Time since 1970, as the system says.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap_or(Millis::MAX)
}
