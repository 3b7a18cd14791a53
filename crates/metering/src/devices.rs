//! Which block devices' bytes count.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Major number of loop devices.
const LOOP: &str = "7:";

/// Tells devices that store bytes from those that pass them on to others: where a machine's file
/// system is on a loop device or a volume of device-mapper, the kernel counts each byte there and
/// once more at the disk below, which is charged to the same group.
///
/// A device is looked up once, so that a total never loses what it held before.
pub(crate) struct Devices {
    folder: PathBuf,
    known: Vec<(String, bool)>,
}

impl Devices {
    pub(crate) fn new(root: &Path) -> Self {
        Devices { folder: root.join("sys/dev/block"), known: Vec::new() }
    }

    /// Whether the bytes of a device, `<major>:<minor>`, count.
    pub(crate) fn counts(&mut self, device: &str) -> bool {
        if let Some((_, counts)) = self.known.iter().find(|(known, _)| known == device) {
            return *counts;
        }
        let counts = !device.starts_with(LOOP) && !self.has_slaves(device);
        self.known.push((device.to_owned(), counts));
        counts
    }

    /// Whether it is made of other devices, as far as can be seen from here.
    fn has_slaves(&self, device: &str) -> bool {
        let slaves = fs::read_dir(self.folder.join(device).join("slaves"));
        slaves.is_ok_and(|mut slaves| slaves.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devices_at_the_bottom_count() {
        let root = tempfile::tempdir().expect("makes");
        let mut devices = Devices::new(root.path());
        for (device, slave) in [("254:0", None), ("252:0", Some("vda")), ("9:0", None)] {
            let folder = root.path().join("sys/dev/block").join(device).join("slaves");
            fs::create_dir_all(&folder).expect("makes");
            if let Some(slave) = slave {
                fs::write(folder.join(slave), "").expect("writes");
            }
        }
        for (device, counts) in
            [("254:0", true), ("252:0", false), ("9:0", true), ("7:12", false), ("8:0", true)]
        {
            assert_eq!(devices.counts(device), counts, "{device}");
        }
    }

    #[test]
    fn a_device_that_was_taken_down_is_judged_as_before() {
        let root = tempfile::tempdir().expect("makes");
        let slaves = root.path().join("sys/dev/block/252:0/slaves");
        fs::create_dir_all(slaves.join("sda")).expect("makes");
        let mut devices = Devices::new(root.path());
        assert!(!devices.counts("252:0"));
        fs::remove_dir_all(&slaves).expect("removes");
        assert!(!devices.counts("252:0"));
    }
}
