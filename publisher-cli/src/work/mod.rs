//! Standard work that this program gives to machines, to see what a unit of it costs there.

pub(crate) mod chain;
pub(crate) mod measure;
pub(crate) mod recheck;
mod task;
