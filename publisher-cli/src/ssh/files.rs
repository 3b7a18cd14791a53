//! `ssh_config` and `known_hosts` of a run: with them the stock `ssh` asks nothing and warns of
//! nothing.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{bail, Context, Result};
use zennet_primitives::contract::SshKey;

use super::keys::{host_key_text, replace};

/// A machine that can be logged in to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Host {
    /// Its name, such as `zn-1`.
    pub(crate) name: String,
    /// Local port.
    pub(crate) port: u16,
    /// The host key that the contract pins.
    pub(crate) key: SshKey,
}

/// Where the files of a run are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Files {
    /// The configuration that `ssh -F` reads.
    pub(crate) config: PathBuf,
    /// The pinned host keys.
    pub(crate) known_hosts: PathBuf,
    /// The private key of the run.
    pub(crate) identity: PathBuf,
}

impl Files {
    /// Writes the configuration and the pinned keys of these machines, replacing earlier ones.
    pub(crate) fn write(&self, hosts: &[Host]) -> Result<()> {
        let known = known_hosts(hosts)?;
        replace(&self.known_hosts, known.as_bytes(), 0o600)
            .with_context(|| format!("cannot write {}", self.known_hosts.display()))?;
        let config = self.render(hosts)?;
        replace(&self.config, config.as_bytes(), 0o600)
            .with_context(|| format!("cannot write {}", self.config.display()))
    }

    fn render(&self, hosts: &[Host]) -> Result<String> {
        let identity = quoted(&self.identity)?;
        let known_hosts = quoted(&self.known_hosts)?;
        // Newer OpenSSH warns of key exchanges without a post-quantum part, older ones do not know
        // the option. It is read for all hosts at once, so it stands before the first.
        let mut text = String::from(
            "# Written by publisher-cli; the next submit replaces it.\nIgnoreUnknown WarnWeakCrypto\n",
        );
        for Host { name, port, .. } in hosts {
            // The connection below is encrypted already, and curve25519 is twice as fast to set up.
            let _ = write!(
                text,
                "
Host {name}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {identity}
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications publickey
    HostKeyAlias {name}
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    HostKeyAlgorithms ssh-ed25519
    StrictHostKeyChecking yes
    UpdateHostKeys no
    CheckHostIP no
    KexAlgorithms ^curve25519-sha256,curve25519-sha256@libssh.org
    WarnWeakCrypto no
    LogLevel ERROR
"
            );
        }
        Ok(text)
    }
}

fn known_hosts(hosts: &[Host]) -> Result<String> {
    let mut text = String::new();
    for host in hosts {
        let _ = writeln!(text, "{} {}", host.name, host_key_text(&host.key)?.trim_end());
    }
    Ok(text)
}

/// A path as `ssh_config` reads it: quoted, with `%` doubled.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().unwrap_or_default();
    if text.is_empty() || text.contains(['"', '\n', '\r']) || text.contains("${") {
        bail!("ssh cannot be told of the path {path:?}: use a --dir without such characters");
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ssh::keys::ClientKey;

    fn hosts() -> Vec<Host> {
        vec![
            Host { name: "zn-1".into(), port: 20001, key: [1; 32] },
            Host { name: "zn-2".into(), port: 20005, key: [2; 32] },
        ]
    }

    fn files(dir: &Path) -> Files {
        Files {
            config: dir.join("ssh_config"),
            known_hosts: dir.join("known_hosts"),
            identity: dir.join("id_ed25519"),
        }
    }

    #[test]
    fn the_configuration_of_a_machine_is_this() {
        let text = files(Path::new("/d")).render(&hosts()[..1]).unwrap();
        let expected = r#"# Written by publisher-cli; the next submit replaces it.
IgnoreUnknown WarnWeakCrypto

Host zn-1
    HostName 127.0.0.1
    Port 20001
    User root
    IdentityFile "/d/id_ed25519"
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications publickey
    HostKeyAlias zn-1
    UserKnownHostsFile "/d/known_hosts"
    GlobalKnownHostsFile /dev/null
    HostKeyAlgorithms ssh-ed25519
    StrictHostKeyChecking yes
    UpdateHostKeys no
    CheckHostIP no
    KexAlgorithms ^curve25519-sha256,curve25519-sha256@libssh.org
    WarnWeakCrypto no
    LogLevel ERROR
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn host_keys_stand_under_the_names_of_machines() {
        let text = known_hosts(&hosts()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("zn-1 ssh-ed25519 "));
        assert!(lines[1].starts_with("zn-2 ssh-ed25519 "));
        assert_ne!(lines[0][4..], lines[1][4..]);
    }

    #[test]
    fn the_stock_client_accepts_every_line() {
        let dir = tempfile::tempdir().unwrap();
        let spaced = dir.path().join("a folder 100%");
        std::fs::create_dir(&spaced).unwrap();
        let files = files(&spaced);
        ClientKey::generate().unwrap().write(&files.identity).unwrap();
        files.write(&hosts()).unwrap();
        let ssh = Command::new("ssh").arg("-G").arg("-F").arg(&files.config).arg("zn-2").output();
        let ssh = match ssh {
            Ok(output) => output,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
            Err(e) => panic!("cannot run ssh: {e}"),
        };
        assert!(ssh.status.success() && ssh.stderr.is_empty(), "{ssh:?}");
        let text = String::from_utf8(ssh.stdout).unwrap();
        for line in ["port 20005", "hostname 127.0.0.1", "user root", "hostkeyalias zn-2"] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        assert!(text.contains("stricthostkeychecking true"), "{text}");
        assert!(text.contains("a folder 100%"), "{text}");
        assert!(text.contains("kexalgorithms curve25519-sha256"), "{text}");
    }

    #[test]
    fn a_path_that_ssh_would_misread_is_refused() {
        assert!(quoted(Path::new("/a\"b")).is_err());
        assert!(quoted(Path::new("/a${HOME}")).is_err());
        assert_eq!(quoted(Path::new("/a b%")).unwrap(), "\"/a b%%\"");
    }
}
