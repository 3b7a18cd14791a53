//! The socket on which a running `submit` answers `list`, `usage`, `history`, `extend`,
//! `volume`, `cancel` and `stop`.
//!
//! One request and one answer for each connection, each a line of JSON.

pub(crate) mod client;
pub(crate) mod registry;
pub(crate) mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    history::{History, Query},
    output::{Machine, MachineUsage},
    volumes::Shown,
};

/// Longest request, bytes.
const MAX_REQUEST: u64 = 4096;

/// Longest answer, bytes.
const MAX_ANSWER: u64 = 128 << 20;

/// What is asked.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Which command.
    pub(crate) verb: Verb,
    /// Of which machine, or which volume; all where none is named.
    pub(crate) machine: Option<String>,
    /// Of which provider's, by its address; all where none is named.
    #[serde(default)]
    pub(crate) provider: Option<String>,
}

/// A command.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// All leases, stored ones too.
    List,
    /// Usage of leases.
    Usage,
    /// End leases.
    Cancel,
    /// End the order, with all of them.
    Stop,
    /// Make a lease last longer.
    Extend {
        /// By how much.
        secs: u32,
    },
    /// Volumes that providers keep.
    Volumes,
    /// Stop paying for volumes of a name.
    DropVolume,
    /// Terms, figures and events of leases.
    History(Query),
}

/// What is answered.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug, Default)]
pub(crate) struct Answer {
    /// Why there is no answer.
    pub(crate) error: Option<String>,
    /// Leases.
    pub(crate) machines: Vec<Machine>,
    /// Their usage.
    pub(crate) usage: Vec<MachineUsage>,
    /// Volumes.
    #[serde(default)]
    pub(crate) volumes: Vec<Shown>,
    /// What is kept of leases.
    #[serde(default)]
    pub(crate) history: History,
}

/// Where the socket of a data folder is.
pub(crate) fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_verb_or_field_is_refused() {
        let good = "{\"verb\":\"list\",\"machine\":null}";
        assert!(serde_json::from_str::<Request>(good).is_ok());
        assert!(serde_json::from_str::<Request>("{\"verb\":\"drop\",\"machine\":null}").is_err());
        let more = "{\"verb\":\"list\",\"machine\":null,\"force\":true}";
        assert!(serde_json::from_str::<Request>(more).is_err());
    }
}
