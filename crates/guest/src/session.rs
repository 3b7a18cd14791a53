//! `guest session`: sshd's forced command, which becomes the user's shell or command.

use crate::REGISTRY;
use std::{
    convert::Infallible,
    env,
    ffi::{OsStr, OsString},
    io::Read,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::{SocketAddr, UnixStream},
            process::CommandExt,
        },
    },
    path::Path,
    process::Command,
    time::Duration,
};

/// How long process 1 may take to answer.
const WAIT: Duration = Duration::from_secs(10);
/// More than a kernel lets a program start with.
const MAX_ENVIRONMENT: u64 = 4 << 20;
/// What the shell between sshd and this program sets for itself.
const OF_THE_SHELL: [&str; 4] = ["SSH_ORIGINAL_COMMAND", "SHLVL", "OLDPWD", "_"];

/// Registers this session, then becomes what was asked for.
pub(crate) fn run() -> Result<Infallible, String> {
    let image = register().map_err(|e| format!("the machine's process 1 did not answer: {e}"))?;
    if image.is_empty() {
        return Err("this session was not started by the machine's ssh server".to_owned());
    }
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(&shell);
    match env::var_os("SSH_ORIGINAL_COMMAND") {
        Some(asked) => {
            command.arg0(name_of(&shell)).arg("-c").arg(asked);
        }
        None => {
            // A dash in front makes it a login shell.
            let mut name = OsString::from("-");
            name.push(name_of(&shell));
            command.arg0(name);
        }
    }
    for name in OF_THE_SHELL {
        command.env_remove(name);
    }
    for (name, value) in missing(&image, |name| env::var_os(name).is_some()) {
        command.env(name, value);
    }
    let error = command.exec();
    Err(format!("starting the shell {} failed: {error}", shell.to_string_lossy()))
}

fn register() -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(REGISTRY)?)?;
    stream.set_read_timeout(Some(WAIT))?;
    let mut image = Vec::new();
    (&mut stream).take(MAX_ENVIRONMENT).read_to_end(&mut image)?;
    Ok(image)
}

fn name_of(shell: &OsStr) -> &OsStr {
    Path::new(shell).file_name().unwrap_or(shell)
}

/// The variables of the image that the session does not have: what sshd or the client has set
/// goes before, except for PATH, of which sshd knows only a default.
fn missing(image: &[u8], is_set: impl Fn(&OsStr) -> bool) -> Vec<(OsString, OsString)> {
    image
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
            Some((OsStr::from_bytes(&entry[..at]), entry[at + 1..].to_vec()))
        })
        .filter(|(name, _)| *name == "PATH" || !is_set(name))
        .map(|(name, value)| (name.to_owned(), OsString::from_vec(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_fills_in_what_the_session_lacks_and_sets_the_path() {
        let image = b"LANG=C\0A=1=2\nx\0PATH=/bin\0=odd\0none\0";
        let got = missing(image, |name| name == "LANG" || name == "PATH");
        assert_eq!(got, [("A".into(), "1=2\nx".into()), ("PATH".into(), "/bin".into())]);
    }

    #[test]
    fn a_shell_is_named_without_its_folder() {
        assert_eq!(name_of(OsStr::new("/bin/bash")), "bash");
        assert_eq!(name_of(OsStr::new("ash")), "ash");
    }
}
