//! How many files this program may have open: connections and local ports are files.

use anyhow::{ensure, Result};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// What each machine needs: the provider's connection and the local port.
const EACH: u64 = 2;

/// What is needed besides: the node, the store, the terminal, meetings, some ssh connections.
const BESIDES: u64 = 128;

/// Makes room for some machines: the limit is raised as far as the system lets it.
pub(crate) fn make_room(machines: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => limit.current,
    };
    check(current, machines)
}

/// Without a limit everything has room.
fn check(limit: Option<u64>, machines: u64) -> Result<()> {
    let needed = machines.saturating_mul(EACH).saturating_add(BESIDES);
    let limit = limit.unwrap_or(u64::MAX);
    ensure!(
        needed <= limit,
        "{machines} machines need {needed} open files, the system allows {limit}: raise the hard \
         limit (`ulimit -Hn {needed}` as root) or order fewer machines"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_the_limit_has_no_room_for_is_refused_with_what_it_needs() {
        assert!(check(None, 1024).is_ok());
        assert!(check(Some(1024), 448).is_ok());
        let error = check(Some(1024), 449).unwrap_err().to_string();
        assert!(error.contains("1026") && error.contains("1024"), "{error}");
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        make_room(1).unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
