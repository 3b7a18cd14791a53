//! Cumulative counters of a container, read from cgroup v1 or v2 and procfs.
//!
//! The provider reads a container from the host, the guest reads itself from inside a private
//! cgroup namespace; both through the same files, so their figures agree to within the cost and
//! the moment of reading. A counter that the host cannot give is absent, never zero.
//!
//! ```text
//!  CgroupPaths ── which directory has which controller (v1, v2, hybrid)
//!      │
//!  Sources ────── open descriptors, one raw Sample per reading
//!      │
//!  Meter ──────── totals that never fall: a raw figure that fell was banked before
//! ```
//!
//! What each counter is, where it is read and what it does not count is in this crate's
//! `README.md`.

mod devices;
mod line;
mod meter;
mod parse;
mod paths;
mod sources;

pub use self::{
    line::line,
    meter::{Banked, Meter, MeterError},
    parse::Malformed,
    paths::{CgroupPaths, PathsError},
    sources::SourceError,
};
pub use zennet_primitives::usage::{Counter, Usage};

use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

/// Time since boot, sleep included: the clock that memory is integrated over.
pub fn boottime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}
