//! The meter over saved trees of the kernel's files: v2, v1, and a host that has both.
//!
//! Each holds what one container of 5.1 s of processor time has; the machine's file system is on a
//! loop device (7:3) whose file is on the disk 254:0. In that of v2 there is also a volume of
//! device-mapper (252:0) on a part of that disk, whose bytes were charged at both.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use zennet_metering::{Banked, CgroupPaths, Counter, Meter, MeterError, Usage};

const PID: u32 = 4242;
const V2_GROUP: &str = "sys/fs/cgroup/system.slice/docker-7f3c.scope";

/// A copy of a saved tree, which a test may change.
struct Tree(tempfile::TempDir);

impl Tree {
    fn of(name: &str) -> Tree {
        let tree = tempfile::tempdir().expect("makes");
        let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(name);
        copy(&saved, tree.path());
        Tree(tree)
    }

    fn v2_file(&self, name: &str) -> PathBuf {
        self.0.path().join(V2_GROUP).join(name)
    }

    fn paths(&self) -> CgroupPaths {
        CgroupPaths::of_process_below(self.0.path(), PID).expect("finds the groups")
    }

    fn open(&self) -> Meter {
        Meter::open(&self.paths(), PID).expect("opens")
    }

    fn read(&self) -> Usage {
        self.open().read(secs(10)).expect("reads")
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("has a type").is_symlink() {
            symlink(fs::read_link(entry.path()).expect("reads"), target).expect("links");
        } else if entry.file_type().expect("has a type").is_dir() {
            fs::create_dir_all(&target).expect("makes");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}

/// Replaces in a file that a meter holds open.
fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("reads");
    assert!(text.contains(from), "{from} is in {}", path.display());
    fs::write(path, text.replace(from, to)).expect("writes");
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What every tree shows but the transfers of its disks.
fn without_disks() -> Usage {
    Usage::default()
        .with(Counter::CpuMicros, 5_104_331)
        .with(Counter::CpuUserMicros, 4_890_112)
        .with(Counter::CpuSystemMicros, 214_219)
        .with(Counter::MemoryByteSecs, 0)
        .with(Counter::NetRxBytes, 52_883_764)
        .with(Counter::NetTxBytes, 52_891_218)
        .with(Counter::PageFaults, 70_821)
}

#[test]
fn a_v2_tree_gives_every_counter() {
    let read = (109_051_904 + 8_192, 110_100_480 + 4_096);
    let expected =
        without_disks().with(Counter::DiskReadBytes, read.0).with(Counter::DiskWriteBytes, read.1);
    let tree = Tree::of("v2");
    assert_eq!(tree.read(), expected);
    assert_eq!(tree.open().oom_kills().expect("reads"), Some(1));
}

#[test]
fn writes_that_are_charged_at_the_top_of_a_stack_alone_count() {
    let tree = Tree::of("v2");
    replace(&tree.v2_file("io.stat"), "wbytes=1048576", "wbytes=210100480");
    assert_eq!(tree.read().get(Counter::DiskWriteBytes), Some(210_100_480 + 4_096));
    assert_eq!(tree.read().get(Counter::DiskReadBytes), Some(109_051_904 + 8_192));
}

#[test]
fn a_v1_tree_gives_every_counter() {
    let expected = without_disks()
        .with(Counter::DiskReadBytes, 109_051_904)
        .with(Counter::DiskWriteBytes, 110_100_480);
    assert_eq!(Tree::of("v1").read(), expected);
}

#[test]
fn a_hybrid_tree_counts_in_v1_and_a_sleeping_disk_counter_is_absent() {
    assert_eq!(Tree::of("hybrid").read(), without_disks());
}

#[test]
fn files_that_are_absent_take_their_counters_alone() {
    let tree = Tree::of("v2");
    for (file, counters) in [
        ("io.stat", &[Counter::DiskReadBytes, Counter::DiskWriteBytes][..]),
        ("memory.stat", &[Counter::PageFaults]),
        ("memory.current", &[Counter::MemoryByteSecs]),
        ("cpu.stat", &[Counter::CpuMicros, Counter::CpuUserMicros, Counter::CpuSystemMicros]),
    ] {
        let before = tree.read();
        fs::remove_file(tree.v2_file(file)).expect("removes");
        let after = tree.read();
        for counter in Counter::ALL {
            let expected = before.get(counter).filter(|_| !counters.contains(&counter));
            assert_eq!(after.get(counter), expected, "{counter:?} without {file}");
        }
    }
}

#[test]
fn keys_that_are_absent_take_their_counters_alone() {
    let tree = Tree::of("v2");
    replace(&tree.v2_file("memory.stat"), "pgfault 70821\n", "");
    replace(&tree.v2_file("cpu.stat"), "user_usec 4890112\n", "");
    let usage = tree.read();
    assert_eq!(usage.get(Counter::PageFaults), None, "pgmajfault is another key");
    assert_eq!(usage.get(Counter::CpuUserMicros), None);
    assert_eq!(usage.get(Counter::CpuMicros), Some(5_104_331));
}

#[test]
fn counters_that_go_back_add_to_what_was_banked() {
    let tree = Tree::of("v2");
    let mut meter = tree.open();
    meter.read(secs(10)).expect("reads");
    replace(&tree.v2_file("cpu.stat"), "usage_usec 5104331", "usage_usec 4331");
    let net = tree.0.path().join("proc/4242/net/dev");
    replace(&net, "52883764", "    3764");
    replace(&tree.v2_file("io.stat"), "254:0 rbytes=109051904", "254:0 rbytes=51904");
    replace(&tree.v2_file("io.stat"), "252:0 rbytes=4194304", "252:0 rbytes=4304");
    let usage = meter.read(secs(12)).expect("reads");
    assert_eq!(usage.get(Counter::CpuMicros), Some(5_104_331 + 4_331));
    assert_eq!(usage.get(Counter::NetRxBytes), Some(52_883_764 + 3_764));
    let read = (109_051_904 + 8_192) + (51_904 + 8_192);
    assert_eq!(usage.get(Counter::DiskReadBytes), Some(read));
    assert_eq!(usage.get(Counter::CpuUserMicros), Some(4_890_112), "it did not go back");
    assert_eq!(usage.get(Counter::MemoryByteSecs), Some(2 * 281_411_584));
}

#[test]
fn a_group_that_has_not_run_is_read_in_part_until_it_runs() {
    for (name, stat) in [
        ("v2", format!("{V2_GROUP}/memory.stat")),
        ("v1", "sys/fs/cgroup/memory/docker/7f3c/memory.stat".into()),
    ] {
        let tree = Tree::of(name);
        let mut meter = tree.open();
        meter.read(secs(10)).expect("reads");
        let faults =
            |meter: &mut Meter, at| meter.read(secs(at)).expect("reads").get(Counter::PageFaults);
        let stat = tree.0.path().join(stat);
        replace(&stat, "pgfault 70821", "pgfault 70900");
        assert_eq!(faults(&mut meter, 12), Some(70_900), "the kernel may tell of it late");
        assert_eq!(faults(&mut meter, 16), Some(70_900));
        // Nothing ran, so nothing can have faulted: the file is not opened for it.
        replace(&stat, "pgfault 70900", "pgfault 71000");
        assert_eq!(faults(&mut meter, 17), Some(70_900));
        for (file, from, to) in [
            (format!("{V2_GROUP}/cpu.stat"), "usage_usec 5104331", "usage_usec 5104332"),
            (
                "sys/fs/cgroup/cpu,cpuacct/docker/7f3c/cpuacct.usage".into(),
                "5104331900",
                "5104332900",
            ),
        ] {
            let path = tree.0.path().join(file);
            if path.exists() {
                replace(&path, from, to);
            }
        }
        assert_eq!(faults(&mut meter, 18), Some(71_000), "{name}");
    }
}

#[test]
fn a_text_longer_than_a_page_is_read_to_its_end() {
    let tree = Tree::of("v2");
    let many: String = (0..200)
        .map(|n| format!("8:{n} rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n"))
        .collect();
    fs::write(tree.v2_file("io.stat"), many).expect("writes");
    assert_eq!(tree.read().get(Counter::DiskWriteBytes), Some(400));
}

#[test]
fn devices_that_come_later_are_counted_and_loops_never() {
    let tree = Tree::of("v2");
    let mut meter = tree.open();
    let before = meter.read(secs(10)).expect("reads");
    let come =
        "259:0 rbytes=8192 wbytes=4096 rios=2 wios=1\n8:0 rbytes=1000 wbytes=1 rios=1 wios=1\n\
                7:9 rbytes=5000 wbytes=5000 rios=1 wios=1\n";
    replace(&tree.v2_file("io.stat"), "259:0 rbytes=8192 wbytes=4096 rios=2 wios=1", come.trim());
    let used = meter.read(secs(11)).expect("reads").since(&before).expect("nothing fell");
    assert_eq!(used.get(Counter::DiskReadBytes), Some(1000));
    assert_eq!(used.get(Counter::DiskWriteBytes), Some(1));
}

#[test]
fn another_boot_adds_to_what_was_banked() {
    let tree = Tree::of("v2");
    let mut meter = tree.open();
    meter.read(secs(10)).expect("reads");
    let banked: Banked = meter.banked().clone();
    let boot = tree.0.path().join("proc/sys/kernel/random/boot_id");
    replace(&boot, "4d055b30", "5d055b30");
    let mut meter = Meter::resume(&tree.paths(), PID, &banked).expect("resumes");
    let usage = meter.read(secs(20)).expect("reads");
    assert_eq!(usage.get(Counter::CpuMicros), Some(2 * 5_104_331));
    assert_eq!(usage.get(Counter::MemoryByteSecs), Some(0), "nothing ran in between");
}

#[test]
fn a_broken_file_is_an_error_that_names_it() {
    let tree = Tree::of("v2");
    replace(&tree.v2_file("io.stat"), "254:0 rbytes=109051904", "254:0 rbytes=-1");
    let error = tree.open().read(secs(10)).expect_err("is refused");
    assert!(matches!(error, MeterError::Source(_)));
    assert!(error.to_string().contains("io.stat"), "{error}");
}
