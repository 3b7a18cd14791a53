//! The file systems of volumes, which outlast the machines that they are mounted in.
//!
//! ```text
//!  <disk_dir>/volumes/<publisher>/<name>/image     the whole size is reserved
//!  <disk_dir>/volumes/<publisher>/<name>/mnt       the image, mounted while a machine has it
//! ```

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{chown, DirBuilderExt, FileExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    disk::{failed, is_mounted, make_file_system, reserve, unmount, DiskError, Disks, VOLUMES},
    program,
};
use crate::volumes::Place;

/// How often an image is looked at that is still in use, and the pause between.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Begins the name of a volume that is being deleted; no volume is called so.
const AWAY: &str = ".";

impl Disks {
    /// Mounts a volume, which is made where there is none; gives the folder. One that is smaller than
    /// was agreed on stays so until [`Disks::grow_volume`]; one that is mounted is left so.
    pub(super) async fn open_volume(&self, place: &Place) -> Result<PathBuf, DiskError> {
        let folder = self.volume_folder(&place.path);
        let (image, mount) = (folder.join("image"), folder.join("mnt"));
        if is_mounted(&mount) {
            return Ok(mount);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&mount)
            .map_err(failed("cannot make the folder", &mount))?;
        let is_new = !image.exists();
        if is_new {
            // Renamed into place, so that one that was made in part is never taken for a volume.
            let draft = folder.join("draft");
            let _ = fs::remove_file(&draft);
            make_file_system(&draft, place.mib).await?;
            fs::rename(&draft, &image).map_err(failed("cannot rename", &draft))?;
        } else {
            self.ensure_idle(&image).await?;
        }
        self.mount(&image, &mount).await?;
        if is_new {
            chown(&mount, Some(self.root.0), Some(self.root.1))
                .map_err(failed("cannot give away", &mount))?;
        }
        info!(volume = place.path, mib = place.mib, is_new, "volume mounted");
        Ok(mount)
    }

    /// Makes a volume as large as was agreed on, which no machine may use meanwhile, and mounts it as
    /// [`Disks::open_volume`] does.
    pub(super) async fn grow_volume(&self, place: &Place) -> Result<PathBuf, DiskError> {
        let folder = self.volume_folder(&place.path);
        let (image, mount) = (folder.join("image"), folder.join("mnt"));
        // Told by the file system, not by the file: the growth of an earlier run may have been cut
        // off between the two.
        if image.exists() && u64::from(place.mib) << 20 > file_system_bytes(&image)? {
            self.close_volume(&place.path).await;
            self.ensure_idle(&image).await?;
            self.grow(&image, &mount, place.mib).await?;
            info!(volume = place.path, mib = place.mib, "volume grown");
        }
        self.open_volume(place).await
    }

    /// Makes sure that no earlier mount of an image lives on out of sight: two would destroy it.
    async fn ensure_idle(&self, image: &Path) -> Result<(), DiskError> {
        let name = image.display().to_string();
        // A device that was given back goes a moment later.
        for _ in 0..PATIENCE {
            if program::run("losetup", &["-j", &name]).await?.trim().is_empty() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err(DiskError::Busy(image.into()))
    }

    /// Makes the file and the file system in it as large as agreed on.
    async fn grow(&self, image: &Path, mount: &Path, mib: u32) -> Result<(), DiskError> {
        // Mounted once, so that what a power failure left unfinished is finished before.
        self.mount(image, mount).await?;
        unmount(mount).await;
        let opened = OpenOptions::new().write(true).open(image);
        let file = opened.map_err(failed("cannot open", image))?;
        reserve(&file, u64::from(mib) << 20).map_err(failed("cannot reserve the volume", image))?;
        program::run("resize2fs", &["-f", &image.display().to_string()]).await?;
        Ok(())
    }

    /// Unmounts a volume whose machine is gone.
    pub(super) async fn close_volume(&self, path: &str) {
        unmount(&self.volume_folder(path).join("mnt")).await;
    }

    /// Puts a volume where none is looked for; [`Disks::clear_put_away`] deletes it.
    pub(super) async fn put_volume_away(&self, path: &str) {
        self.close_volume(path).await;
        let folder = self.volume_folder(path);
        let away = folder.with_file_name(format!("{AWAY}{:016x}", rand::random::<u64>()));
        if let Err(error) = fs::rename(&folder, away) {
            warn!(%error, path = %folder.display(), "a volume could not be put away");
        }
    }

    /// Deletes a volume and all that is in it.
    async fn delete_volume(&self, path: &str) {
        self.close_volume(path).await;
        let folder = self.volume_folder(path);
        if let Err(error) = fs::remove_dir_all(&folder) {
            warn!(%error, path = %folder.display(), "a volume could not be deleted");
        }
        // The folders above go with their last volume.
        for above in folder.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(above);
        }
    }

    /// Deletes what was put away, while leases may take and make volumes.
    pub(super) async fn clear_put_away(&self) {
        self.delete_where(|_, name| name.starts_with(AWAY)).await;
    }

    /// Deletes whatever no row stands for, before any lease can take a volume.
    pub(super) async fn clear_volumes(&self, kept: &HashSet<String>) {
        self.delete_where(|path, _| !kept.contains(path)).await;
    }

    /// Deletes the volumes that are named by their path and by its last part.
    async fn delete_where(&self, unwanted: impl Fn(&str, &str) -> bool) {
        for publisher in names_in(&self.folder.join(VOLUMES)) {
            for name in names_in(&self.volume_folder(&publisher)) {
                let path = format!("{publisher}/{name}");
                if unwanted(&path, &name) {
                    self.delete_volume(&path).await;
                }
            }
        }
    }

    fn volume_folder(&self, path: &str) -> PathBuf {
        self.folder.join(VOLUMES).join(path)
    }
}

/// Size of the ext4 file system in an image, bytes, by the fields of its superblock
/// (<https://docs.kernel.org/filesystems/ext4/super.html>).
fn file_system_bytes(image: &Path) -> Result<u64, DiskError> {
    const INCOMPAT_64BIT: u32 = 0x80;
    let mut superblock = [0; 1024];
    File::open(image)
        .and_then(|file| file.read_exact_at(&mut superblock, 1024))
        .map_err(failed("cannot read", image))?;
    let word = |at: usize| {
        let bytes = superblock[at..at + 4].try_into().expect("four bytes are four; qed");
        u32::from_le_bytes(bytes)
    };
    let (blocks, log_block_kib, incompat) = (word(0x4), word(0x18), word(0x60));
    let more = if incompat & INCOMPAT_64BIT == 0 { 0 } else { word(0x150) };
    let blocks = u64::from(more) << 32 | u64::from(blocks);
    Ok(blocks.saturating_mul(1024 << log_block_kib.min(6)))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::statvfs;

    fn place(mib: u32) -> Place {
        Place { path: "aa/data".into(), mib }
    }

    fn mib_of(mount: &Path) -> u64 {
        let stat = statvfs(mount).unwrap();
        (stat.f_blocks * stat.f_frsize) >> 20
    }

    #[tokio::test]
    async fn a_volume_outlasts_its_mount_grows_and_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let disks = Disks::new(folder.path().join("disks"), (0, 0));
        let mount = disks.open_volume(&place(16)).await.unwrap();
        fs::write(mount.join("kept"), "x").unwrap();
        disks.close_volume("aa/data").await;
        assert!(!is_mounted(&mount) && !mount.join("kept").exists());

        // As a start does, which removes the disks of machines.
        disks.clear(&HashSet::new()).await;
        let before = disks.open_volume(&place(16)).await.map(|mount| mib_of(&mount)).unwrap();
        assert_eq!(fs::read_to_string(mount.join("kept")).unwrap(), "x");
        // What comes to nothing leaves it as it was.
        disks.close_volume("aa/data").await;
        disks.open_volume(&place(48)).await.unwrap();
        assert_eq!(mib_of(&mount), before);
        disks.grow_volume(&place(48)).await.unwrap();
        assert!(mib_of(&mount) > before + 20, "{before} {}", mib_of(&mount));
        assert_eq!(fs::read_to_string(mount.join("kept")).unwrap(), "x");

        // As when all ends between the file's growth and that of the file system.
        disks.close_volume("aa/data").await;
        let before = mib_of(&disks.open_volume(&place(48)).await.unwrap());
        disks.close_volume("aa/data").await;
        let file = OpenOptions::new().write(true).open(mount.with_file_name("image")).unwrap();
        reserve(&file, 80 << 20).unwrap();
        drop(file);
        disks.grow_volume(&place(80)).await.unwrap();
        assert!(mib_of(&mount) > before + 20, "{before} {}", mib_of(&mount));

        disks.clear_volumes(&HashSet::from(["aa/data".to_owned()])).await;
        assert!(mount.join("kept").exists());
        disks.put_volume_away("aa/data").await;
        assert!(!is_mounted(&mount) && !mount.exists());
        // One that a lease makes at the same moment has no row in anybody's earlier list.
        disks.open_volume(&place(16)).await.unwrap();
        disks.clear_put_away().await;
        assert_eq!(names_in(&disks.volume_folder("aa")), ["data"]);
        disks.clear_volumes(&HashSet::new()).await;
        assert!(!is_mounted(&mount));
        assert_eq!(names_in(&disks.folder.join(VOLUMES)), Vec::<String>::new());
    }
}
