//! Which block devices' bytes count.
//!
//! Where a file system is on a device that is made of others (device-mapper: LVM, dm-crypt; md
//! RAID), the kernel charges its group for each transfer at the top, where the file system gives it
//! away. What it charges below depends on the driver. One that hands the transfer on as a clone
//! (LVM's linear volumes, the reads of dm-crypt, RAID 0 and 1) has the same group charged once
//! more, at each device that gets one. One that makes transfers of its own (the writes of dm-crypt,
//! RAID 4, 5 and 6) makes them in the kernel's threads, which are in no container's group
//! (`blk_cgroup_bio_start`, `bio_clone_blkg_association` in Linux's `block/blk-cgroup.c`).
//!
//! So of each stack of devices the level counts at which most bytes were charged: that at the top,
//! or a lower one that the group also uses directly, on another part of the same disk. Each level's
//! sum only rises, and so does the greatest of them. The copies of a mirror (md RAID 1 and 10) do
//! not count.
//!
//! A loop device is another matter: its thread works in the name of the group that gave it the
//! transfer, so the disk below has what reached it, while the loop device, and what is made of it, has
//! also what the page cache served.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::parse::{Malformed, Transfer};

/// Major number of loop devices.
const LOOP: &str = "7:";

/// Levels of devices that are made of others; more is taken for a circle.
const MAX_LEVELS: u32 = 8;

/// Numbers of devices, `<major>:<minor>`.
type Numbers = BTreeSet<String>;

/// What a device is made of.
#[derive(Default)]
struct Made {
    /// The disks below it, at every level.
    of: Numbers,
    /// Those of them that hold copies.
    copies: Numbers,
    /// Levels below it.
    height: u32,
}

/// A device that was named to a group.
struct Device {
    number: String,
    made: Made,
    /// Number of its stack; nothing where its bytes never count.
    stack: Option<usize>,
}

impl Device {
    /// Whether it is a loop device, or made of one.
    fn is_over_loop(&self) -> bool {
        self.made.of.iter().chain([&self.number]).any(|number| number.starts_with(LOOP))
    }

    /// Whether the two have a disk in common, or one is made of the other.
    fn is_related(&self, other: &Device) -> bool {
        self.made.of.contains(&other.number)
            || other.made.of.contains(&self.number)
            || !self.made.of.is_disjoint(&other.made.of)
    }
}

/// The devices whose bytes were charged to one group, and how they are stacked.
///
/// A device is judged once, so that a total never loses what it held before.
pub(crate) struct Devices {
    folder: PathBuf,
    known: Vec<Device>,
    stacks: usize,
}

impl Devices {
    pub(crate) fn new(root: &Path) -> Self {
        Devices { folder: root.join("sys/dev/block"), known: Vec::new(), stacks: 0 }
    }

    /// The bytes that count of a text that names these devices. `sum` adds up those of the devices
    /// that it is asked for; there are none where it names no device.
    pub(crate) fn total<'a>(
        &mut self,
        named: impl Iterator<Item = &'a str>,
        sum: impl Fn(&dyn Fn(&str) -> bool) -> Result<Option<Transfer>, Malformed>,
    ) -> Result<Option<Transfer>, Malformed> {
        self.meet(named);
        let mut total = sum(&|_| false)?;
        for stack in 0..self.stacks {
            let mut most: Option<Transfer> = None;
            for level in 0..=MAX_LEVELS {
                let is_there =
                    |device: &Device| device.stack == Some(stack) && device.made.height == level;
                if !self.known.iter().any(is_there) {
                    continue;
                }
                let is_asked = |number: &str| {
                    self.known.iter().any(|known| known.number == number && is_there(known))
                };
                if let Some(moved) = sum(&is_asked)? {
                    most = Some(most.map_or(moved, |most| most.greater(moved)));
                }
            }
            if let Some(most) = most {
                total.get_or_insert_default().add(most.input, most.output)?;
            }
        }
        Ok(total)
    }

    /// Takes note of the devices that are new.
    fn meet<'a>(&mut self, named: impl Iterator<Item = &'a str>) {
        let mut met: Vec<Device> = Vec::new();
        for number in named {
            if self.known.iter().chain(&met).all(|known| known.number != number) {
                let made = made(&self.folder.join(number), MAX_LEVELS);
                met.push(Device { number: number.to_owned(), made, stack: None });
            }
        }
        while let Some(first) = met.pop() {
            let mut related = vec![first];
            // Each that is found may have others.
            let mut looked = 0;
            while looked < related.len() {
                let is_new = |device: &mut Device| device.is_related(&related[looked]);
                let more: Vec<Device> = met.extract_if(.., is_new).collect();
                related.extend(more);
                looked += 1;
            }
            self.stack(related);
        }
    }

    /// Puts devices of one stack to those that are known. What joins two of them does not count:
    /// its bytes may be among those of either.
    fn stack(&mut self, mut related: Vec<Device>) {
        let joined: BTreeSet<usize> = self
            .known
            .iter()
            .filter(|known| related.iter().any(|device| device.is_related(known)))
            .filter_map(|known| known.stack)
            .collect();
        let stack = match joined.len() {
            0 => {
                self.stacks += 1;
                Some(self.stacks - 1)
            }
            1 => joined.first().copied(),
            _ => None,
        };
        let all = || self.known.iter().chain(&related);
        let copies: Numbers = all().flat_map(|device| device.made.copies.iter().cloned()).collect();
        for device in &mut related {
            let counts = !device.is_over_loop() && !copies.contains(&device.number);
            device.stack = stack.filter(|_| counts);
        }
        self.known.append(&mut related);
    }
}

/// What the device of a folder is made of, as far as can be seen from here.
fn made(device: &Path, levels: u32) -> Made {
    let mut made = Made::default();
    let Some(levels) = levels.checked_sub(1) else { return made };
    let level = fs::read_to_string(device.join("md/level")).unwrap_or_default();
    let is_mirror = matches!(level.trim(), "raid1" | "raid10");
    for slave in fs::read_dir(device.join("slaves")).into_iter().flatten().flatten() {
        let Ok(mut disk) = fs::canonicalize(slave.path()) else { continue };
        // A group is charged for the whole disk, never for a part of it.
        if disk.join("partition").exists() && !disk.pop() {
            continue;
        }
        let Ok(number) = fs::read_to_string(disk.join("dev")) else { continue };
        let below = self::made(&disk, levels);
        made.height = made.height.max(below.height + 1);
        made.copies.extend(below.copies);
        if is_mirror {
            made.copies.insert(number.trim().to_owned());
            made.copies.extend(below.of.iter().cloned());
        }
        made.of.insert(number.trim().to_owned());
        made.of.extend(below.of);
    }
    made
}
