//! Time as both programs use it.
//!
//! - [`Clock`]: what drives a lease's state machine, and [`Anchor`], by which a later run goes on with it
//! - [`unix_time`], [`unix_secs`], [`unix_ms`]: what the system says
//! - [`utc`], [`length`], [`since`]: times as people read and write them, in UTC

mod calendar;
mod clock;

pub use calendar::{length, since, utc, NoTime};
pub use clock::{unix_ms, unix_secs, unix_time, Anchor, Clock};
