//! Everything that makes a lease reachable by the stock `ssh`: keys, configuration, local ports,
//! and the reading of the machine's own counters.

mod counters;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod ports;
pub(crate) mod readings;
pub(crate) mod shell;
