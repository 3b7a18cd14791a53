//! What sshd asks of an image before it lets anyone in: accounts and two folders.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Adds to the machine what sshd needs and the image lacks.
pub(crate) fn prepare() -> Result<(), String> {
    prepare_in(Path::new("/"))
}

fn prepare_in(root: &Path) -> Result<(), String> {
    let hint = "; with a read-only root the host must provide it";
    passwd(&root.join("etc/passwd"))
        .map_err(|e| format!("adding the account sshd to /etc/passwd failed: {e}{hint}"))?;
    folder(&root.join("run/sshd"), 0o755)
        .map_err(|e| format!("making the folder /run/sshd failed: {e}{hint}"))?;
    // A missing home or a locked root hinders only who logs in as root, so it is no reason to stop.
    if let Err(e) = folder(&root.join("root"), 0o700) {
        eprintln!("zennet-guest: making the folder /root failed: {e}");
    }
    if let Err(e) = unlock(&root.join("etc/shadow")) {
        eprintln!("zennet-guest: unlocking root for key logins in /etc/shadow failed: {e}");
    }
    Ok(())
}

/// Adds the accounts root and sshd where they are missing.
fn passwd(path: &PathBuf) -> io::Result<()> {
    let present = read_or_empty(path)?;
    let has = |name: &str| present.lines().any(|line| line.split(':').next() == Some(name));
    let mut added = String::new();
    if !present.is_empty() && !present.ends_with('\n') {
        added.push('\n');
    }
    if !has("root") {
        added.push_str("root:x:0:0:root:/root:/bin/sh\n");
    }
    if !has("sshd") {
        let taken = |uid: &u32| {
            present.lines().any(|line| line.split(':').nth(2) == Some(uid.to_string().as_str()))
        };
        let uid = (100..1000).rev().find(|uid| !taken(uid)).unwrap_or(65_533);
        added.push_str(&format!("sshd:x:{uid}:65534::/run/sshd:/usr/sbin/nologin\n"));
    }
    if added.trim().is_empty() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        folder(parent, 0o755)?;
    }
    OpenOptions::new().create(true).append(true).open(path)?.write_all(added.as_bytes())
}

/// An image often locks root's password with `!`, upon which sshd refuses keys as well; `*` means
/// the same without that.
fn unlock(path: &Path) -> io::Result<()> {
    let present = read_or_empty(path)?;
    let mut changed = false;
    let lines: Vec<String> = present
        .lines()
        .map(|line| match line.split(':').collect::<Vec<_>>().as_slice() {
            ["root", password, rest @ ..] if password.starts_with('!') => {
                changed = true;
                format!("root:*:{}", rest.join(":"))
            }
            _ => line.to_owned(),
        })
        .collect();
    if !changed {
        return Ok(());
    }
    // Written in place: the file keeps its owner and mode.
    fs::write(path, lines.join("\n") + "\n")
}

fn read_or_empty(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(e),
    }
}

fn folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_accounts_gets_root_and_sshd() {
        let root = tempfile::tempdir().unwrap();
        prepare_in(root.path()).unwrap();
        let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
        let expected = "root:x:0:0:root:/root:/bin/sh\n\
                        sshd:x:999:65534::/run/sshd:/usr/sbin/nologin\n";
        assert_eq!(passwd, expected);
        assert!(root.path().join("run/sshd").is_dir());
        assert!(root.path().join("root").is_dir());
    }

    #[test]
    fn preparing_twice_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let path = root.path().join("etc/passwd");
        fs::write(&path, "root:x:0:0::/root:/bin/bash\na:x:999:1::/:/bin/sh").unwrap();
        prepare_in(root.path()).unwrap();
        let once = fs::read_to_string(&path).unwrap();
        let expected = "root:x:0:0::/root:/bin/bash\na:x:999:1::/:/bin/sh\n\
                        sshd:x:998:65534::/run/sshd:/usr/sbin/nologin\n";
        assert_eq!(once, expected);
        prepare_in(root.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), once);
    }

    #[test]
    fn a_locked_root_may_log_in_by_key_and_others_stay_locked() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("shadow");
        fs::write(&path, "root:!locked::0:99999:7:::\nbin:!:1::::::\n").unwrap();
        unlock(&path).unwrap();
        let now = fs::read_to_string(&path).unwrap();
        assert_eq!(now, "root:*::0:99999:7:::\nbin:!:1::::::\n");
    }
}
