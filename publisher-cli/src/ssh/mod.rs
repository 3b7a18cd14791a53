//! Everything that makes a lease reachable by the stock `ssh`: keys, configuration, local ports,
//! the reading of the machine's own counters, and commands of this program.

pub(crate) mod counters;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod ports;
pub(crate) mod readings;
pub(crate) mod remote;
pub(crate) mod shell;
