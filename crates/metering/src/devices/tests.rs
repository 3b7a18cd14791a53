//! Devices of saved trees of `/sys/dev/block`.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::parse;

/// Disks 254:0 with two partitions and 254:16, and what is made of them.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Host {
        let host = Host(tempfile::tempdir().expect("makes"));
        fs::create_dir_all(host.path("sys/dev/block")).expect("makes");
        host.device("254:0", "vda", &[]);
        host.device("254:16", "vdb", &[]);
        for (number, name) in [("254:1", "vda/vda1"), ("254:2", "vda/vda2")] {
            host.device(number, name, &[]);
            fs::write(host.path(&format!("sys/devices/{name}/partition")), "1\n").expect("writes");
        }
        host
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn device(&self, number: &str, name: &str, slaves: &[&str]) {
        let folder = self.path(&format!("sys/devices/{name}"));
        fs::create_dir_all(folder.join("slaves")).expect("makes");
        fs::write(folder.join("dev"), format!("{number}\n")).expect("writes");
        symlink(&folder, self.path(&format!("sys/dev/block/{number}"))).expect("links");
        for slave in slaves {
            let last = slave.rsplit('/').next().expect("has a last part");
            let target = self.path(&format!("sys/devices/{slave}"));
            symlink(target, folder.join("slaves").join(last)).expect("links");
        }
    }

    fn array(&self, level: &str) {
        self.device("9:0", "md0", &["vda/vda2", "vdb"]);
        fs::create_dir(self.path("sys/devices/md0/md")).expect("makes");
        fs::write(self.path("sys/devices/md0/md/level"), format!("{level}\n")).expect("writes");
    }

    fn devices(&self) -> Devices {
        Devices::new(self.0.path())
    }
}

/// Bytes read and written that count, of what was charged at each device.
fn total(devices: &mut Devices, charged: &[(&str, u64, u64)]) -> (u64, u64) {
    let lines =
        charged.iter().map(|(n, read, write)| format!("{n} rbytes={read} wbytes={write}\n"));
    let text: String = lines.collect();
    let sum = devices.total(parse::devices(&text), |asked| parse::io_stat(&text, asked).map(Some));
    let sum = sum.expect("is well-formed").expect("is there");
    (sum.input, sum.output)
}

#[test]
fn disks_count_and_loops_never() {
    let mut devices = Host::new().devices();
    let charged = [("7:12", 9, 9), ("254:0", 1, 2), ("254:16", 10, 20), ("8:0", 100, 200)];
    assert_eq!(total(&mut devices, &charged), (111, 222));
    assert_eq!(total(&mut devices, &[]), (0, 0));
}

#[test]
fn what_is_made_of_a_loop_counts_where_the_loop_has_its_file() {
    let host = Host::new();
    host.device("7:0", "loop0", &[]);
    host.device("252:0", "dm-0", &["loop0"]);
    let charged = [("252:0", 5, 7), ("7:0", 5, 7), ("254:0", 4, 7)];
    assert_eq!(total(&mut host.devices(), &charged), (4, 7));
}

#[test]
fn what_an_encrypted_disk_moves_counts_once() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vda/vda2"]);
    // Reads are charged at both levels, writes at the top alone.
    for charged in [[("252:0", 5, 7), ("254:0", 5, 0)], [("254:0", 5, 0), ("252:0", 5, 7)]] {
        assert_eq!(total(&mut host.devices(), &charged), (5, 7));
    }
    assert_eq!(total(&mut host.devices(), &[("252:0", 0, 7)]), (0, 7));
}

#[test]
fn volumes_count_once_and_what_moves_beside_them_as_well() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vda/vda2"]);
    host.device("252:1", "dm-1", &["vda/vda2"]);
    let charged = [("252:0", 5, 7), ("252:1", 50, 70), ("254:0", 555, 777)];
    assert_eq!(total(&mut host.devices(), &charged), (555, 777));
    assert_eq!(total(&mut host.devices(), &charged[..2]), (55, 77));
}

#[test]
fn both_sides_count_the_same_whenever_they_began() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vda/vda2"]);
    // Swap that is encrypted, on the disk of the machine's own files.
    let later = [("254:0", 500, 500), ("252:0", 20, 20)];
    let mut first = host.devices();
    assert_eq!(total(&mut first, &[("254:0", 400, 400)]), (400, 400));
    assert_eq!(total(&mut first, &later), (500, 500));
    assert_eq!(total(&mut host.devices(), &later), (500, 500));
}

#[test]
fn of_volumes_on_an_encrypted_array_each_byte_counts_once() {
    let host = Host::new();
    host.array("raid5");
    host.device("252:0", "dm-0", &["md0"]);
    host.device("252:1", "dm-1", &["dm-0"]);
    host.device("252:2", "dm-2", &["dm-0"]);
    let charged = [
        ("254:0", 60, 0),
        ("254:16", 50, 0),
        ("9:0", 110, 0),
        ("252:0", 110, 220),
        ("252:1", 10, 20),
        ("252:2", 100, 200),
    ];
    assert_eq!(total(&mut host.devices(), &charged), (110, 220));
}

#[test]
fn the_copies_of_a_mirror_do_not_count() {
    let host = Host::new();
    host.array("raid1");
    let charged = [("254:0", 3, 70), ("254:16", 4, 70), ("9:0", 7, 70)];
    assert_eq!(total(&mut host.devices(), &charged), (7, 70));
    let stripes = Host::new();
    stripes.array("raid0");
    let charged = [("254:0", 3, 30), ("254:16", 4, 40), ("9:0", 7, 70)];
    assert_eq!(total(&mut stripes.devices(), &charged), (7, 70));
}

#[test]
fn a_disk_beside_a_stack_of_others_counts_as_well() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vdb"]);
    let charged = [("254:0", 1, 2), ("254:16", 10, 0), ("252:0", 10, 20)];
    assert_eq!(total(&mut host.devices(), &charged), (11, 22));
}

#[test]
fn what_joins_two_disks_that_count_does_not() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vda/vda2", "vdb"]);
    let mut devices = host.devices();
    assert_eq!(total(&mut devices, &[("254:0", 1, 2), ("254:16", 10, 20)]), (11, 22));
    let charged = [("254:0", 2, 4), ("254:16", 11, 22), ("252:0", 2, 4)];
    assert_eq!(total(&mut devices, &charged), (13, 26));
}

#[test]
fn a_device_that_was_taken_down_is_judged_as_before() {
    let host = Host::new();
    host.device("252:0", "dm-0", &["vda/vda2"]);
    let mut devices = host.devices();
    let charged = [("252:0", 5, 7), ("254:0", 5, 0)];
    assert_eq!(total(&mut devices, &charged), (5, 7));
    fs::remove_dir_all(host.path("sys/devices/dm-0")).expect("removes");
    assert_eq!(total(&mut devices, &charged), (5, 7));
}

#[test]
fn devices_that_are_made_of_each_other_end() {
    let host = Host::new();
    host.device("252:0", "dm-0", &[]);
    host.device("252:1", "dm-1", &["dm-0"]);
    let circle = host.path("sys/devices/dm-0/slaves/dm-1");
    symlink(host.path("sys/devices/dm-1"), circle).expect("links");
    let (read, written) = total(&mut host.devices(), &[("252:0", 5, 7), ("252:1", 5, 7)]);
    assert!((5..=10).contains(&read) && (7..=14).contains(&written));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is made of whatever, in whatever order devices come: as long as none of them loses
    /// bytes, the total does not, and no byte counts that was not charged.
    #[test]
    fn a_total_never_falls(
        slaves in proptest::collection::vec(any::<u8>(), 1..6),
        is_mirror in any::<bool>(),
        rounds in proptest::collection::vec((0..8_usize, 0..8_usize, 0..1_000_u64), 1..24),
    ) {
        let host = Host::new();
        let level = if is_mirror { "raid1" } else { "raid0" };
        host.array(level);
        let disks = [("254:0", "vda"), ("254:16", "vdb"), ("9:0", "md0")];
        let mut names: Vec<(String, String)> =
            disks.iter().map(|(number, name)| ((*number).into(), (*name).into())).collect();
        for (place, bits) in slaves.iter().enumerate() {
            let is_part = |(n, _): &(usize, &(String, String))| bits >> n & 1 == 1;
            let of = names.iter().enumerate().filter(is_part);
            let of: Vec<&str> = of.map(|(_, (_, name))| name.as_str()).collect();
            let (number, name) = (format!("252:{place}"), format!("dm-{place}"));
            host.device(&number, &name, &of);
            names.push((number, name));
        }
        let (mut devices, mut bytes, mut before) = (host.devices(), vec![0; names.len()], 0);
        let mut shown = names.len();
        for (first, grows, by) in rounds {
            // What was named once is named for good.
            shown = shown.min(first);
            bytes[grows % names.len()] += by;
            let named = names.iter().zip(&bytes).skip(shown);
            let charged: Vec<_> = named.map(|((number, _), n)| (number.as_str(), *n, *n)).collect();
            let (now, _) = total(&mut devices, &charged);
            prop_assert!(now >= before, "{before} {now}");
            prop_assert!(now <= charged.iter().map(|(_, n, _)| n).sum());
            before = now;
        }
    }
}
