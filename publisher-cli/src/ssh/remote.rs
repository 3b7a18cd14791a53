//! Commands of this program inside machines, over ssh sessions of its own. What they write is the
//! machine's word: its length and its time are bounded.

use std::time::Duration;

use russh::{client, ChannelMsg};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{timeout, Instant},
};
use zennet_primitives::contract::SshKey;
use zennet_transport::Connection;

use super::{
    keys::ClientKey,
    login::{login, Logins, Pinned},
    ports,
};

/// Why a command gave no answer.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error("cannot log in to the machine: {0}")]
    Login(String),
    #[error("the session broke: {0}")]
    Broken(#[from] russh::Error),
    #[error("the machine did not start the command")]
    Refused,
    #[error("it was ended by signal {0}")]
    Signal(String),
    #[error("the session ended without an exit code")]
    NoExitCode,
    #[error("it was not done within {0} s")]
    TooLong(u64),
    #[error("it wrote more than {0} bytes to standard output")]
    TooMuch(u64),
}

/// What a command may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    /// Time in all, the login included.
    pub(crate) time: Duration,
    /// Bytes of standard output.
    pub(crate) stdout: u64,
}

/// A command that has ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    /// What it exited with.
    pub(crate) exit_code: u32,
    /// Bytes that it wrote to standard output.
    pub(crate) stdout: u64,
    /// Time from its start to its end.
    pub(crate) took: Duration,
}

/// The way into one machine, over whichever connection to its provider there is.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(super) lines: watch::Receiver<Option<Connection>>,
    pub(super) key: ClientKey,
    pub(super) logins: Logins,
}

/// An ssh connection to a machine, for commands one after the other.
pub(crate) struct Session(client::Handle<Pinned>);

impl Remote {
    /// Logs in; while its provider is away, waits for it some time. That is not part of a turn: a
    /// provider that stays away must not keep logins into other machines waiting.
    pub(crate) async fn login(&self, host_key: &SshKey) -> Result<Session, RunError> {
        let failed = |error: anyhow::Error| RunError::Login(format!("{error:#}"));
        let stream = ports::open(self.lines.clone()).await.map_err(failed)?;
        let _turn = self.logins.turn().await;
        Ok(Session(login(stream, &self.key, host_key).await.map_err(failed)?))
    }

    /// Runs one command and gives what it writes to standard output to `take`, as it comes.
    pub(crate) async fn run(
        &self,
        host_key: &SshKey,
        command: &str,
        bounds: Bounds,
        take: impl FnMut(&[u8]),
    ) -> Result<Done, RunError> {
        let began = Instant::now();
        let session = timeout(bounds.time, self.login(host_key)).await;
        let session = session.map_err(|_| RunError::TooLong(bounds.time.as_secs()))??;
        let time = bounds.time.saturating_sub(began.elapsed());
        session.run(command, Bounds { time, ..bounds }, take).await.map_err(|error| match error {
            RunError::TooLong(_) => RunError::TooLong(bounds.time.as_secs()),
            other => other,
        })
    }
}

impl Session {
    /// Runs a command without input and gives what it writes to standard output to `take`.
    pub(crate) async fn run(
        &self,
        command: &str,
        bounds: Bounds,
        take: impl FnMut(&[u8]),
    ) -> Result<Done, RunError> {
        let running = self.until_end(command, bounds.stdout, take);
        let ended = timeout(bounds.time, running).await;
        ended.map_err(|_| RunError::TooLong(bounds.time.as_secs()))?
    }

    async fn until_end(
        &self,
        command: &str,
        most: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Done, RunError> {
        let mut channel = self.0.channel_open_session().await?;
        let began = Instant::now();
        channel.exec(true, command).await?;
        channel.eof().await?;
        let (mut stdout, mut exit_code) = (0u64, None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    stdout = stdout.saturating_add(data.len() as u64);
                    if stdout > most {
                        return Err(RunError::TooMuch(most));
                    }
                    take(&data);
                }
                ChannelMsg::Failure => return Err(RunError::Refused),
                ChannelMsg::ExitStatus { exit_status } => exit_code = Some(exit_status),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    return Err(RunError::Signal(format!("{signal_name:?}")));
                }
                _ => {}
            }
        }
        let exit_code = exit_code.ok_or(RunError::NoExitCode)?;
        Ok(Done { exit_code, stdout, took: began.elapsed() })
    }
}

/// A command of several words as one line for a shell; one word is such a line already.
pub(crate) fn shell_line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_reads_the_words_that_were_given() {
        let words = ["printf", "%s|", "a b", "it's", "", "$HOME", "x;y"].map(str::to_owned);
        let line = shell_line(&words);
        let output = std::process::Command::new("sh").arg("-c").arg(&line).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|it's||$HOME|x;y|", "{line}");
        assert_eq!(shell_line(&["seq 3 | wc -l".to_owned()]), "seq 3 | wc -l");
    }
}
