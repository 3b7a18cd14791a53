//! The machine's own counters, read inside it over an ssh session of our own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{anyhow, bail, Result};
use russh::ChannelMsg;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use zennet_primitives::contract::SshKey;
use zennet_transport::Connection;

pub(crate) use super::counters::{Reading, Totals};
use super::{
    counters::Lines,
    keys::ClientKey,
    login::{login, Logins, SETUP},
};

/// Intervals without a line after which the session is taken for dead. A frozen machine is silent
/// too, so this is generous.
const SILENT_INTERVALS: u32 = 30;

/// Pauses between two sessions double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Shortest and longest interval between two readings.
const INTERVAL_MS: (u64, u64) = (100, 2000);

/// Reads the counters over whichever connection there is, for as long as there may be one; sessions
/// that break are replaced.
pub(crate) async fn follow(
    mut lines: watch::Receiver<Option<Connection>>,
    key: ClientKey,
    logins: Logins,
    host_key: SshKey,
    tick_ms: u64,
    carried: Carried,
    readings: mpsc::Sender<Reading>,
) {
    let every = interval(tick_ms);
    lock(&carried).interrupt();
    let mut pause = FIRST_PAUSE;
    loop {
        let connection = match lines.wait_for(Option::is_some).await {
            Ok(line) => line.clone(),
            Err(_) => return,
        };
        let Some(connection) = connection else { continue };
        let tell = |reading| {
            // A driver that is behind needs the newest figures, which the next line brings.
            let _ = readings.try_send(reading);
        };
        let ended = tokio::select! {
            ended = session(&connection, (&key, &logins), &host_key, every, &carried, tell) => ended,
            reason = connection.closed() => {
                tracing::debug!(%reason, "no own readings until the provider connects again");
                lock(&carried).interrupt();
                if lines.changed().await.is_err() {
                    return;
                }
                continue;
            }
        };
        match ended {
            Ok(lines) => {
                tracing::debug!(lines, "the session with own readings ended");
                pause = FIRST_PAUSE;
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot read own usage"),
        }
        lock(&carried).interrupt();
        sleep(pause).await;
        pause = LAST_PAUSE.min(pause * 2);
    }
}

fn interval(tick_ms: u64) -> Duration {
    Duration::from_millis((tick_ms / 8).clamp(INTERVAL_MS.0, INTERVAL_MS.1))
}

/// What was read so far; a later run goes on with it.
pub(crate) type Carried = Arc<Mutex<Totals>>;

/// Looks at what was read so far.
pub(crate) fn lock(carried: &Carried) -> MutexGuard<'_, Totals> {
    carried.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One session; gives the number of lines that it brought.
async fn session(
    connection: &Connection,
    (key, logins): (&ClientKey, &Logins),
    host_key: &SshKey,
    every: Duration,
    carried: &Carried,
    mut tell: impl FnMut(Reading),
) -> Result<u64> {
    let turn = logins.turn().await;
    let ssh = login(connection.open_ssh(SETUP).await?, key, host_key).await?;
    let mut channel = timeout(SETUP, ssh.channel_open_session()).await??;
    let command = format!("/.zennet/guest usage --follow --every-ms {}", every.as_millis());
    channel.exec(true, command).await?;
    drop(turn);
    let mut lines = Lines::default();
    let mut count = 0;
    loop {
        let message = timeout(every * SILENT_INTERVALS + SETUP, channel.wait())
            .await
            .map_err(|_| anyhow!("the machine told no counters for long"))?;
        match message {
            Some(ChannelMsg::Data { data }) => lines.push(&data, |line| {
                let reading = Reading::parse(line)?;
                count += 1;
                let usage = lock(carried).add(&reading);
                tell(Reading { usage, ..reading });
                Ok(())
            })?,
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                let text = String::from_utf8_lossy(&data[..data.len().min(200)]).into_owned();
                tracing::debug!(text, "the guest complained");
            }
            Some(ChannelMsg::Failure) => bail!("the machine did not start its guest"),
            Some(ChannelMsg::ExitStatus { exit_status }) if exit_status != 0 => {
                bail!("the guest ended with status {exit_status}");
            }
            Some(_) => {}
            None => return Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_come_several_times_a_tick_within_bounds() {
        assert_eq!(interval(2000), Duration::from_millis(250));
        assert_eq!(interval(500), Duration::from_millis(100));
        assert_eq!(interval(3_600_000), Duration::from_secs(2));
    }
}
