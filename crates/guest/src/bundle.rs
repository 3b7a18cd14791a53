//! Programs of the bundle: always through its own loader, with its own libraries.

use crate::{BUNDLE, LEASE};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::stat::{fchmod, Mode};
use std::{
    convert::Infallible,
    fs,
    io::Write,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

/// A command that runs the program `name` of the bundle.
fn command(name: &str) -> Command {
    let mut command = Command::new(format!("{BUNDLE}/lib/ld.so"));
    command.args(["--inhibit-cache", "--library-path"]).arg(format!("{BUNDLE}/lib"));
    command.arg("--argv0").arg(format!("{BUNDLE}/bin/{name}"));
    command.arg(format!("{BUNDLE}/libexec/{name}"));
    command
}

/// Becomes the program that the bundle's command `file` stands for.
pub(crate) fn exec(file: &str, args: &[&str]) -> Result<Infallible, String> {
    let name = Path::new(file)
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| format!("{file} names no program of the bundle"))?;
    let error = command(name).args(args).exec();
    Err(format!("starting {name} of the bundle failed: {error}"))
}

/// The ssh server: its configuration and host key, in memory that only process 1 opens, so that
/// nothing that happens to the machine's files can end the way in.
pub(crate) struct Sshd {
    config: OwnedFd,
    _host_key: OwnedFd,
}

impl Sshd {
    /// Reads the host key of the lease and writes the configuration.
    pub(crate) fn prepare() -> Result<Self, String> {
        let path = format!("{LEASE}/host_key");
        let key = fs::read(&path).map_err(|e| {
            format!("reading the host key {path} failed: {e}; the host mounts it there")
        })?;
        let host_key = in_memory("host_key", &key)?;
        let config = in_memory("sshd_config", config(host_key.as_raw_fd()).as_bytes())?;
        Ok(Self { config, _host_key: host_key })
    }

    /// Starts a server for one connection and returns its process id.
    pub(crate) fn serve(&self, connection: UnixStream) -> std::io::Result<i32> {
        connection.set_nonblocking(false)?;
        let output = connection.try_clone()?;
        let child = command("sshd")
            .args(["-i", "-f"])
            .arg(format!("/proc/1/fd/{}", self.config.as_raw_fd()))
            .env_clear()
            // The image's own OpenSSL settings are for another OpenSSL.
            .env("OPENSSL_CONF", "/dev/null")
            .current_dir("/")
            // With its helpers: what they leave is ended with the group.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(connection)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .spawn()?;
        Ok(child.id() as i32)
    }
}

fn in_memory(name: &str, content: &[u8]) -> Result<OwnedFd, String> {
    let failed = |e: std::io::Error| format!("keeping {name} in memory failed: {e}");
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC).map_err(|e| failed(e.into()))?;
    // sshd refuses a host key that others may read.
    fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| failed(e.into()))?;
    let mut file = fs::File::from(fd);
    file.write_all(content).map_err(failed)?;
    Ok(file.into())
}

fn config(host_key: i32) -> String {
    let mut config = format!(
        "HostKey /proc/1/fd/{host_key}\n\
         AuthorizedKeysFile {LEASE}/authorized_keys\n\
         ForceCommand {BUNDLE}/guest session\n\
         Subsystem sftp {BUNDLE}/bin/sftp-server\n"
    );
    // The folder of the keys belongs to whoever runs the agent: StrictModes would refuse it.
    config.push_str(
        "StrictModes no\n\
         PermitRootLogin prohibit-password\n\
         AuthenticationMethods publickey\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UsePAM no\n\
         UseDNS no\n\
         AcceptEnv *\n\
         AllowAgentForwarding yes\n\
         AllowTcpForwarding yes\n\
         AllowStreamLocalForwarding yes\n\
         X11Forwarding no\n\
         PrintMotd no\n\
         PrintLastLog no\n\
         TCPKeepAlive no\n\
         LoginGraceTime 30\n\
         MaxSessions 64\n\
         PidFile none\n\
         LogLevel ERROR\n",
    );
    for (option, name) in [("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")] {
        let path = format!("{BUNDLE}/bin/{name}");
        if Path::new(&path).exists() {
            config.push_str(&format!("{option} {path}\n"));
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn only_public_keys_open_the_way_in() {
        let config = config(7);
        assert!(config.contains("HostKey /proc/1/fd/7\n"));
        assert!(config.contains("AuthenticationMethods publickey\n"));
        assert!(config.contains("PasswordAuthentication no\n"));
    }

    #[test]
    fn what_is_kept_in_memory_is_for_its_owner_alone() {
        let mut file = fs::File::from(in_memory("test", b"secret").unwrap());
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        file.rewind().unwrap();
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "secret");
    }
}
