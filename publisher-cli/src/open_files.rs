//! How many files this program may have open: connections and local ports are files.

use anyhow::{ensure, Result};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// What each machine needs: the provider's connection and the local port.
const EACH: usize = 2;

/// What is needed besides: the node, the store, the terminal, meetings, some ssh connections.
const BESIDES: usize = 128;

/// Connections that are let in at least: they have room in what is needed besides.
const LEAST_CONNECTIONS: usize = 32;

/// Makes room for some machines, and for as many connections of providers as are wanted, as far as
/// there is; gives for how many. The limit is raised as far as the system lets it.
pub(crate) fn make_room(machines: usize, connections: usize) -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => limit.current,
    };
    room(current, machines, connections)
}

/// Without a limit everything has room.
fn room(limit: Option<u64>, machines: usize, connections: usize) -> Result<usize> {
    let needed = machines.saturating_mul(EACH).saturating_add(BESIDES);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    ensure!(
        needed <= limit,
        "{machines} machines need {needed} open files, the system allows {limit}: raise the hard \
         limit (`ulimit -Hn {needed}` as root) or order fewer machines"
    );
    // What is needed besides has room for some meetings, too.
    let left = limit - needed;
    Ok(connections.min(machines.saturating_add(left).max(LEAST_CONNECTIONS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_the_limit_has_no_room_for_is_refused_with_what_it_needs() {
        assert_eq!(room(None, 1024, 4096).unwrap(), 4096);
        assert!(room(Some(1024), 448, 448).is_ok());
        let error = room(Some(1024), 449, 449).unwrap_err().to_string();
        assert!(error.contains("1026") && error.contains("1024"), "{error}");
    }

    #[test]
    fn no_more_connections_are_let_in_than_there_is_room_for() {
        assert_eq!(room(Some(1024), 300, 1200).unwrap(), 596);
        assert_eq!(room(Some(20_000), 300, 1200).unwrap(), 1200);
        assert_eq!(room(Some(1024), 1, 64).unwrap(), 64);
        assert_eq!(room(Some(130), 1, 64).unwrap(), LEAST_CONNECTIONS);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        make_room(1, 64).unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
