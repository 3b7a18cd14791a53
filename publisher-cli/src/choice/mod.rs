//! How an order chooses: by what work costs. Pure functions over quotes, measurements and answers.
//!
//! ```text
//!  quotes ──────► profile: what an hour of such work would cost ──► the cheapest get the seats
//!  machines ────► ranking: what a unit of work did cost ──────────► the worst are dropped
//!  tasks again ─► slow: whether it has become slower or dearer ───► it is told, or let go
//!  answers ─────► majority: what most of them say ────────────────► who differs is written down
//! ```

pub(crate) mod majority;
pub(crate) mod profile;
pub(crate) mod quoted;
pub(crate) mod ranking;
pub(crate) mod slow;
