//! An order: announce, meet providers, keep one lease a machine, end them all.

pub(crate) mod best;
pub(crate) mod compare;
mod earlier;
pub(crate) mod ends;
mod greetings;
pub(crate) mod recheck;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod sought;
pub(crate) mod spec;
mod stages;
pub(crate) mod start;
