//! Which processors a machine keeps to. A limit of time alone lets a busy machine run on all of
//! them at once, in everybody's way; one that keeps to as many as its part fills leaves the others
//! free.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

use rustix::fs::{flock, FlockOperation};
use tracing::debug;

/// Where processors are that can be used.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// Held by whoever chooses: several providers may share this host.
const LOCK: &str = "zennet-processors.lock";

/// What a machine keeps to, and how much of a processor it may use, in thousandths.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) processors: Vec<u16>,
    pub(super) millis: u32,
}

/// The turn to choose; over when dropped.
pub(super) struct Turn(#[expect(dead_code, reason = "it is held, not used")] Option<File>);

/// Waits for the turn. Where there can be no lock, two may choose the same processors.
pub(super) async fn turn() -> Turn {
    let waiting = tokio::task::spawn_blocking(|| {
        let folder = ["/run/lock", "/tmp"].into_iter().map(Path::new).find(|path| path.is_dir())?;
        let file = File::create(folder.join(LOCK)).ok()?;
        flock(&file, FlockOperation::LockExclusive).ok()?;
        Some(file)
    });
    let file = waiting.await.ok().flatten();
    if file.is_none() {
        debug!("processors are chosen without a lock");
    }
    Turn(file)
}

/// The processors of this host.
pub(super) fn online() -> Vec<u16> {
    parse(fs::read_to_string(ONLINE).unwrap_or_default().trim())
}

/// Numbers in a list such as `0-3,5`; nothing of what is no list.
pub(super) fn parse(list: &str) -> Vec<u16> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// The processors for a machine: as many as its part fills, and those that others use least. None
/// when it may use them all.
pub(super) fn choose(allowed: &[u16], taken: &[Taken], millis: u32) -> Option<String> {
    let wanted = usize::try_from(millis.div_ceil(1000)).unwrap_or(usize::MAX);
    if wanted >= allowed.len() {
        return None;
    }
    let mut load: BTreeMap<u16, u32> = allowed.iter().map(|processor| (*processor, 0)).collect();
    for Taken { processors, millis } in taken {
        let share = millis / u32::try_from(processors.len().max(1)).unwrap_or(u32::MAX);
        for processor in processors {
            load.entry(*processor).and_modify(|load| *load = load.saturating_add(share));
        }
    }
    let mut order: Vec<_> = load.into_iter().collect();
    // The host's own work, and that of interrupts, is mostly on the first ones.
    order.sort_by_key(|(processor, load)| (*load, u16::MAX - processor));
    let mut chosen: Vec<_> =
        order.into_iter().take(wanted).map(|(processor, _)| processor).collect();
    chosen.sort_unstable();
    Some(chosen.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(list: &str, millis: u32) -> Taken {
        Taken { processors: parse(list), millis }
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse("0-2,5"), [0, 1, 2, 5]);
        assert!(parse("").is_empty() && parse("x-1").is_empty());
        assert!(!online().is_empty());
    }

    #[test]
    fn machines_are_spread_until_every_processor_is_used() {
        let all = [0, 1, 2, 3];
        assert_eq!(choose(&all, &[], 1000).as_deref(), Some("3"));
        let mut machines = vec![taken("3", 1000)];
        assert_eq!(choose(&all, &machines, 1500).as_deref(), Some("1,2"));
        machines.push(taken("1-2", 1500));
        assert_eq!(choose(&all, &machines, 500).as_deref(), Some("0"));
        machines.push(taken("0", 500));
        assert_eq!(choose(&all, &machines, 500).as_deref(), Some("0"));
    }

    #[test]
    fn a_machine_that_fills_all_processors_keeps_to_none() {
        assert_eq!(choose(&[0, 1], &[], 1001), None);
        assert_eq!(choose(&[2], &[], 500), None);
        assert_eq!(choose(&[], &[], 500), None);
    }
}
