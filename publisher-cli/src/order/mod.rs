//! An order: announce, meet providers, keep one lease a machine, end them all.

pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod spec;
