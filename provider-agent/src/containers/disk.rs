//! A file system of its own for each machine, as large as was agreed on.
//!
//! Most storage drivers enforce no quota. So each machine gets an ext4 image of the agreed size,
//! and what the engine would write for it on the host's disk is moved there before it starts:
//!
//! ```text
//!  <disk_dir>/<machine>/image     the whole size is reserved; its inodes are limited too
//!  <disk_dir>/<machine>/mnt       the image, mounted
//!      layer/      bound over overlay2/<id>: the writable layer of the container's root
//!      etc/        hosts, hostname and resolv.conf, which the engine keeps beside its own files
//!      volumes/    the volumes that an image declares
//!  <disk_dir>/volumes/            what outlasts machines; see `volume.rs`
//! ```
//!
//! An image's files stay what they are, and a full disk is `ENOSPC` for the machine alone. The
//! image is deleted with the container; what an earlier run left is unmounted and deleted by a sweep.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    net::Ipv4Addr,
    os::unix::fs::{chown, DirBuilderExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{fallocate, statvfs, FallocateFlags};
use thiserror::Error;
use tokio::{sync::Mutex, time::sleep};
use tracing::warn;

use super::program::{self, ProgramError};

/// No file system is smaller.
const LEAST_MIB: u32 = 16;
/// Disk for each inode, bytes: an image of many small files fits, and no flood of empty ones does.
const BYTES_PER_INODE: &str = "8192";
/// Attempts to unmount what the engine is still leaving, and the pause between them.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// Folder of the volumes among those of machines, whose names are longer.
pub(super) const VOLUMES: &str = "volumes";
/// Name of the trial at start.
const TRIAL: &str = "trial";

/// Why a disk could not be made.
#[derive(Debug, Error)]
pub(crate) enum DiskError {
    #[error("{what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("the engine's storage driver is {0}, and only overlay2 is known")]
    Driver(String),
    #[error("the engine is not on this host")]
    Elsewhere,
    #[error("isolation.disk_quota is false")]
    Unwanted,
    #[error("{0} is still in use by a machine that is being removed")]
    Busy(PathBuf),
    #[error("{0} is no layer of a container here")]
    NoLayer(PathBuf),
    #[error("the machine's root has {found} MiB, not {agreed} MiB: the engine does not see what is mounted here")]
    Unseen { found: u64, agreed: u32 },
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError::File { what, path, source }
}

/// The disks of one provider's machines.
pub(crate) struct Disks {
    pub(super) folder: PathBuf,
    /// Whether new ones are made; those of an earlier run are removed in any case.
    pub(super) usable: bool,
    /// The machine's root user as the host knows it.
    pub(super) root: (u32, u32),
    /// Loop devices are taken one at a time.
    taking: Mutex<()>,
}

/// A disk that is mounted.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    mib: u32,
}

impl Disk {
    fn mount(&self) -> PathBuf {
        self.folder.join("mnt")
    }

    /// Files of a machine that the engine would keep elsewhere, and where the machine has them.
    pub(super) fn files(&self) -> [(PathBuf, &'static str); 3] {
        ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].map(|to| {
            let from = self.mount().join(to.trim_start_matches('/'));
            (from, to)
        })
    }

    /// Folder of the volume number `n` that an image declares.
    pub(super) fn volume(&self, n: usize) -> PathBuf {
        self.mount().join("volumes").join(n.to_string())
    }

    /// Whether the root of a running process is on the disk.
    pub(super) fn holds(&self, pid: u32) -> Result<(), DiskError> {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let stat = statvfs(&root).map_err(|e| failed("cannot inspect", &root)(e.into()))?;
        let found = stat.f_blocks.saturating_mul(stat.f_frsize) >> 20;
        if found <= u64::from(self.mib) {
            Ok(())
        } else {
            Err(DiskError::Unseen { found, agreed: self.mib })
        }
    }
}

impl Disks {
    pub(super) fn new(folder: PathBuf, root: (u32, u32)) -> Disks {
        Disks { folder, usable: false, root, taking: Mutex::new(()) }
    }

    /// Tries whether disks can be made here.
    pub(super) async fn try_out(&mut self) -> Result<(), DiskError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed("cannot make the folder", &self.folder))?;
        let tried = self.make(TRIAL, LEAST_MIB, TRIAL, &[], 0).await;
        self.remove(TRIAL).await;
        self.usable = tried.is_ok();
        tried.map(drop)
    }

    /// Makes and mounts the disk of a machine.
    pub(super) async fn make(
        &self,
        name: &str,
        mib: u32,
        hostname: &str,
        resolvers: &[Ipv4Addr],
        volumes: usize,
    ) -> Result<Disk, DiskError> {
        // One that an earlier run left, whose container is gone.
        self.remove(name).await;
        let disk = Disk { folder: self.folder.join(name), mib: mib.max(LEAST_MIB) };
        let made = self.fill(&disk, hostname, resolvers, volumes).await;
        if made.is_err() {
            self.remove(name).await;
        }
        made.map(|()| disk)
    }

    async fn fill(
        &self,
        disk: &Disk,
        hostname: &str,
        resolvers: &[Ipv4Addr],
        volumes: usize,
    ) -> Result<(), DiskError> {
        let mount = disk.mount();
        fs::create_dir_all(&mount).map_err(failed("cannot make the folder", &mount))?;
        let image = disk.folder.join("image");
        make_file_system(&image, disk.mib).await?;
        self.mount(&image, &mount).await?;

        let folder = |path: &Path| {
            fs::create_dir(path)
                .and_then(|()| chown(path, Some(self.root.0), Some(self.root.1)))
                .map_err(failed("cannot make the folder", path))
        };
        let file = |path: &Path, text: &str| {
            fs::write(path, text)
                .and_then(|()| chown(path, Some(self.root.0), Some(self.root.1)))
                .map_err(failed("cannot write", path))
        };
        for name in ["etc", "volumes"] {
            folder(&mount.join(name))?;
        }
        for n in 0..volumes {
            folder(&disk.volume(n))?;
        }
        let local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
        file(&mount.join("etc/hosts"), &format!("{local}127.0.1.1\t{hostname}\n"))?;
        file(&mount.join("etc/hostname"), &format!("{hostname}\n"))?;
        let lines: String = resolvers.iter().map(|r| format!("nameserver {r}\n")).collect();
        file(&mount.join("etc/resolv.conf"), &lines)
    }

    /// Mounts an image.
    pub(super) async fn mount(&self, image: &Path, mount: &Path) -> Result<(), DiskError> {
        let _taking = self.taking.lock().await;
        let image = image.display().to_string();
        // Past the host's page cache, which the machine's own cache above it makes useless.
        let direct = program::run("losetup", &["--find", "--show", "--direct-io=on", &image]).await;
        let device = match direct {
            Ok(device) => device,
            Err(_) => program::run("losetup", &["--find", "--show", &image]).await?,
        };
        let device = device.trim();
        let mount = mount.display().to_string();
        let mounted =
            program::run("mount", &["-t", "ext4", "-o", "nodev,noatime", device, &mount]).await;
        // While it is mounted this only marks it to be given back by the unmounting.
        let detached = program::run("losetup", &["-d", device]).await;
        mounted.and(detached).map(drop).map_err(DiskError::from)
    }

    /// The disk of a machine, mounted or not.
    pub(super) fn find(&self, name: &str) -> Option<Disk> {
        let folder = self.folder.join(name);
        let bytes = fs::metadata(folder.join("image")).ok()?.len();
        Some(Disk { folder, mib: (bytes >> 20).try_into().unwrap_or(u32::MAX) })
    }

    /// Puts the writable layer of a container that does not run onto its disk.
    pub(super) async fn attach(&self, disk: &Disk, layer: &Path) -> Result<(), DiskError> {
        if !is_mounted(&disk.mount()) {
            self.mount(&disk.folder.join("image"), &disk.mount()).await?;
        }
        if is_mounted(layer) {
            return Ok(());
        }
        if !layer.join("diff").is_dir() {
            return Err(DiskError::NoLayer(layer.into()));
        }
        let there = disk.mount().join("layer");
        let (from, to) = (format!("{}/.", layer.display()), there.display().to_string());
        // Renamed into place, so that a layer that was copied in part is never taken for one.
        if !there.exists() {
            let copy = disk.mount().join("copy").display().to_string();
            program::run("cp", &["-a", &from, &copy]).await?;
            fs::rename(&copy, &there).map_err(failed("cannot rename", &there))?;
        }
        program::run("mount", &["--bind", &to, &layer.display().to_string()]).await?;
        Ok(())
    }

    /// Unmounts and deletes the disk of a machine; one that is not there is fine.
    pub(super) async fn remove(&self, name: &str) {
        let folder = self.folder.join(name);
        if !folder.exists() {
            return;
        }
        unmount(&folder.join("mnt")).await;
        if let Err(error) = fs::remove_dir_all(&folder) {
            warn!(%error, path = %folder.display(), "a machine's disk could not be deleted");
        }
    }

    /// Removes all disks but those of the names that are kept. Their containers are gone already.
    pub(super) async fn clear(&self, kept: &HashSet<String>) {
        let found = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names: Vec<_> =
            found.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        for name in names.iter().filter(|name| !kept.contains(*name) && *name != VOLUMES) {
            self.remove(name).await;
        }
    }
}

/// Gives a container's layer back to the engine, which is about to remove it.
pub(super) async fn detach(layer: &Path) {
    unmount(layer).await;
}

/// Makes an image with an empty file system in it.
pub(super) async fn make_file_system(image: &Path, mib: u32) -> Result<(), DiskError> {
    let file = File::create_new(image).map_err(failed("cannot make the image", image))?;
    reserve(&file, u64::from(mib) << 20).map_err(failed("cannot reserve the disk", image))?;
    let image = image.display().to_string();
    // What is reserved must not be given back.
    let kept = ["-q", "-F", "-E", "nodiscard,lazy_itable_init=1"];
    let sizes = ["-b", "4096", "-i", BYTES_PER_INODE, "-m", "0"];
    program::run("mkfs.ext4", &[&kept[..], &sizes[..], &[image.as_str()]].concat()).await?;
    Ok(())
}

/// Makes a file of the whole size, so that no other file can take its place later.
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system can reserve.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes),
        outcome => Ok(outcome?),
    }
}

/// Unmounts a folder as often as something is mounted there.
pub(super) async fn unmount(path: &Path) {
    let text = path.display().to_string();
    for attempt in 1..=ATTEMPTS {
        if !is_mounted(path) {
            return;
        }
        match program::run("umount", &[&text]).await {
            Ok(_) => continue,
            Err(error) if attempt == ATTEMPTS => {
                warn!(%error, "unmounting it as soon as it is not in use any more");
                // What fails here too stays, and the next start tries again.
                let _ = program::run("umount", &["-l", &text]).await;
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

pub(super) fn is_mounted(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    mounts_at(&table, &path)
}

/// Whether a table of mounts, as `/proc/self/mountinfo` has it, names a folder.
fn mounts_at(table: &str, path: &Path) -> bool {
    let Some(path) = path.to_str() else { return false };
    let mut escaped = String::new();
    for character in path.chars() {
        match character {
            ' ' | '\t' | '\n' | '\\' => {
                escaped.push_str(&format!("\\{:03o}", u32::from(character)))
            }
            _ => escaped.push(character),
        }
    }
    table.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_their_exact_and_escaped_place() {
        let table =
            "38 31 7:0 / /a/b\\040c rw - ext4 /dev/loop0 rw\n39 31 7:1 / /a rw - ext4 x rw\n";
        assert!(mounts_at(table, Path::new("/a/b c")) && mounts_at(table, Path::new("/a")));
        assert!(!mounts_at(table, Path::new("/a/b")) && !mounts_at("", Path::new("/a")));
    }

    #[tokio::test]
    async fn a_disk_has_its_size_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut disks = Disks::new(folder.path().join("disks"), (0, 0));
        disks.try_out().await.unwrap();
        let disk = disks.make("one", 24, "zn", &[Ipv4Addr::new(9, 9, 9, 9)], 1).await.unwrap();
        let stat = statvfs(disk.mount()).unwrap();
        let mib = (stat.f_blocks * stat.f_frsize) >> 20;
        assert!((16..=24).contains(&mib), "{mib} MiB");
        assert!(stat.f_files <= 24 * 1024 * 1024 / 8192);
        assert!(disk.volume(0).is_dir());
        let text = |n: usize| fs::read_to_string(&disk.files()[n].0).unwrap();
        assert!(text(0).contains("127.0.1.1\tzn\n"));
        assert_eq!((text(1), text(2)), ("zn\n".into(), "nameserver 9.9.9.9\n".into()));
        let full = fs::write(disk.mount().join("x"), vec![0; 32 << 20]).unwrap_err();
        assert_eq!(full.raw_os_error(), Some(28), "{full}");
        // As a start after a crash does.
        Disks::new(disks.folder.clone(), (0, 0)).clear(&HashSet::new()).await;
        assert!(!is_mounted(&disk.mount()));
        assert_eq!(fs::read_dir(&disks.folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_the_host_cannot_reserve_is_refused_without_a_rest() {
        let folder = tempfile::tempdir().unwrap();
        let disks = Disks::new(folder.path().join("disks"), (0, 0));
        let error = disks.make("huge", u32::MAX, "zn", &[], 0).await.unwrap_err();
        assert!(matches!(error, DiskError::File { .. }), "{error}");
        assert_eq!(fs::read_dir(&disks.folder).unwrap().count(), 0);
    }
}
