//! Where a container's counters are: one directory per resource, of v1 or of v2.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::parse::{memberships, mounts, Malformed, Membership, Mount};

/// Why the directories were not found.
#[derive(Debug, Error)]
pub enum PathsError {
    #[error("cannot read {path}: {error}; does the process still run?")]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot understand {path}: {error}")]
    Malformed { path: PathBuf, error: Malformed },
    #[error("no cgroup hierarchy that counts is mounted here: mount cgroup2 at /sys/fs/cgroup")]
    NoHierarchy,
}

/// A group's directory in the hierarchy that has the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    V1(PathBuf),
    V2(PathBuf),
}

impl Group {
    pub(crate) fn directory(&self) -> &Path {
        match self {
            Group::V1(path) | Group::V2(path) => path,
        }
    }
}

/// The directories with a container's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPaths {
    /// What the kernel's other files are below: `/`, or a saved tree.
    pub(crate) root: PathBuf,
    pub(crate) cpu: Option<Group>,
    pub(crate) memory: Option<Group>,
    pub(crate) io: Option<Group>,
}

impl CgroupPaths {
    /// Finds the groups that a process is in, as seen from here (the provider's host).
    pub fn of_process(pid: u32) -> Result<Self, PathsError> {
        Self::of_process_below(Path::new("/"), pid)
    }

    /// Finds the groups of this process (the guest, inside a private cgroup namespace).
    pub fn own() -> Result<Self, PathsError> {
        Self::discover(Path::new("/"), "proc/self/cgroup")
    }

    /// Finds the groups of a process in a tree of the kernel's files, which holds `proc` and `sys`.
    pub fn of_process_below(root: &Path, pid: u32) -> Result<Self, PathsError> {
        Self::discover(root, &format!("proc/{pid}/cgroup"))
    }

    fn discover(root: &Path, membership: &str) -> Result<Self, PathsError> {
        let memberships = read(root.join(membership), memberships)?;
        let mut mounts = read(root.join("proc/self/mountinfo"), mounts)?;
        for mount in &mut mounts {
            mount.point = below(root, &mount.point);
        }
        Self::resolve(root, &memberships, &mounts)
    }

    fn resolve(
        root: &Path,
        memberships: &[Membership],
        mounts: &[Mount],
    ) -> Result<Self, PathsError> {
        let find = |controller| find(controller, memberships, mounts);
        let paths = CgroupPaths {
            root: root.to_owned(),
            cpu: find("cpuacct"),
            memory: find("memory"),
            io: find("blkio"),
        };
        if paths.cpu.is_none() && paths.memory.is_none() && paths.io.is_none() {
            return Err(PathsError::NoHierarchy);
        }
        Ok(paths)
    }

    /// A directory that stands for the container: its inode changes when the group is made anew.
    pub(crate) fn identity(&self) -> Option<&Path> {
        [&self.cpu, &self.memory, &self.io].into_iter().flatten().next().map(Group::directory)
    }
}

/// The v1 hierarchy of the controller, else v2: a controller is in one of them only, and on hybrid
/// hosts v2 has no more than a part of the figures.
fn find(controller: &str, memberships: &[Membership], mounts: &[Mount]) -> Option<Group> {
    let v1 = memberships.iter().find(|m| m.controllers.iter().any(|c| c == controller)).and_then(
        |member| {
            let hosts = |m: &&Mount| {
                m.v1.as_ref().is_some_and(|names| names.iter().any(|n| n == controller))
            };
            mounts.iter().filter(hosts).find_map(|mount| directory(&member.path, mount))
        },
    );
    if let Some(path) = v1 {
        return Some(Group::V1(path));
    }
    let member = memberships.iter().find(|m| m.controllers.is_empty())?;
    let v2 = mounts.iter().filter(|m| m.v1.is_none());
    v2.into_iter().find_map(|mount| directory(&member.path, mount)).map(Group::V2)
}

/// Where a group stands below a mount point, if it is visible there.
fn directory(group: &str, mount: &Mount) -> Option<PathBuf> {
    let below = Path::new(group).strip_prefix(&mount.root).ok()?;
    // A path that climbs is a group outside this cgroup namespace.
    let plain = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    plain.then(|| mount.point.join(below))
}

/// A path of the kernel's, in a tree.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn read<T>(path: PathBuf, parse: impl Fn(&str) -> Result<T, Malformed>) -> Result<T, PathsError> {
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).map_err(|error| PathsError::Malformed { path, error }),
        Err(error) => Err(PathsError::Io { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const V2_MOUNTS: &str = "\
24 1 254:0 / / rw - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

    fn resolve(cgroup: &str, mountinfo: &str) -> Result<CgroupPaths, PathsError> {
        CgroupPaths::resolve(
            Path::new("/"),
            &memberships(cgroup).expect("memberships"),
            &mounts(mountinfo).expect("mounts"),
        )
    }

    fn v1(path: &str) -> Option<Group> {
        Some(Group::V1(PathBuf::from(path)))
    }

    fn v2(path: &str) -> Option<Group> {
        Some(Group::V2(PathBuf::from(path)))
    }

    #[test]
    fn a_hybrid_host_counts_in_v1() {
        let cgroup =
            "7:blkio:/docker/ab\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n0::/docker/ab\n";
        let paths = resolve(cgroup, HYBRID_MOUNTS).expect("resolves");
        assert_eq!(paths.cpu, v1("/sys/fs/cgroup/cpu,cpuacct/docker/ab"));
        assert_eq!(paths.memory, v1("/sys/fs/cgroup/memory/docker/ab"));
        assert_eq!(paths.io, v1("/sys/fs/cgroup/blkio/docker/ab"));
    }

    #[test]
    fn controllers_that_moved_to_v2_are_found_there() {
        let cgroup = "2:cpu,cpuacct:/docker/ab\n0::/system.slice/docker-ab.scope\n";
        let paths = resolve(cgroup, HYBRID_MOUNTS).expect("resolves");
        assert_eq!(paths.cpu, v1("/sys/fs/cgroup/cpu,cpuacct/docker/ab"));
        assert_eq!(paths.memory, v2("/sys/fs/cgroup/unified/system.slice/docker-ab.scope"));
    }

    #[test]
    fn a_v2_host_has_one_directory() {
        let paths = resolve("0::/zennet/l1/ab\n", V2_MOUNTS).expect("resolves");
        let group = v2("/sys/fs/cgroup/zennet/l1/ab");
        assert_eq!([paths.cpu, paths.memory, paths.io], [group.clone(), group.clone(), group]);
    }

    #[test]
    fn inside_a_private_namespace_the_mount_point_is_the_group() {
        let paths = resolve("0::/\n", V2_MOUNTS).expect("resolves");
        assert_eq!(paths.cpu, v2("/sys/fs/cgroup/"));
        let paths = resolve("2:cpu,cpuacct:/\n4:memory:/\n", HYBRID_MOUNTS).expect("resolves");
        assert_eq!(paths.memory, v1("/sys/fs/cgroup/memory/"));
    }

    #[test]
    fn a_mount_of_the_group_itself_is_the_group() {
        let mounts = "33 31 0:30 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let paths = resolve("4:memory:/docker/ab\n", mounts).expect("resolves");
        assert_eq!(paths.memory, v1("/sys/fs/cgroup/memory/"));
    }

    #[test]
    fn groups_outside_the_namespace_are_not_read() {
        assert!(matches!(resolve("0::/../other\n", V2_MOUNTS), Err(PathsError::NoHierarchy)));
        let elsewhere = "31 23 0:28 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert!(matches!(resolve("0::/docker/cd\n", elsewhere), Err(PathsError::NoHierarchy)));
        assert!(matches!(resolve("0::/\n", ""), Err(PathsError::NoHierarchy)));
    }

    #[test]
    fn a_process_that_ended_is_an_error_with_its_path() {
        let error = CgroupPaths::of_process(u32::MAX).expect_err("no such process");
        assert!(error.to_string().contains("/proc/4294967295/cgroup"), "{error}");
    }
}
