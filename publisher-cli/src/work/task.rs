//! One standard task in a machine: its answer, its time, and what the machine used meanwhile.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use zennet_primitives::{contract::SshKey, usage::Usage};

use super::chain::{Chain, Claim};
use crate::ssh::{
    counters::Reading,
    remote::{Bounds, Remote, Session},
};

/// Units of the first task.
pub(super) const FIRST_UNITS: u64 = 50;

/// Most units of one task.
const MOST_UNITS: u64 = 20_000;

/// Time that a task is to take.
const TASK: Duration = Duration::from_secs(2);

/// What a task may take: it waits while its machine is frozen.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(60), stdout: 16 << 10 };

/// A task that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// What the machine says that it comes to.
    pub(super) claim: Claim,
    /// Time that it took.
    pub(super) took: Duration,
    /// What the whole machine used meanwhile, but for memory, which is integrated over time; nothing
    /// where its guest told no counters.
    pub(super) used: Option<Usage>,
}

/// Gives tasks to one machine, over an ssh connection that lasts as long as all goes well.
pub(super) struct Worker {
    remote: Remote,
    host_key: SshKey,
    session: Option<Session>,
}

impl Worker {
    pub(super) fn new(remote: Remote, host_key: SshKey) -> Self {
        Worker { remote, host_key, session: None }
    }

    /// Has the machine do so many units.
    pub(super) async fn task(&mut self, units: u64) -> Result<Outcome> {
        let outcome = self.run(units).await;
        if outcome.is_err() {
            self.session = None;
        }
        outcome
    }

    async fn run(&mut self, units: u64) -> Result<Outcome> {
        let session = match &mut self.session {
            Some(session) => session,
            empty => empty.insert(self.remote.login(&self.host_key).await?),
        };
        let chain = Chain::fresh(units);
        let mut stdout = Vec::new();
        let command = between_readings(&chain.command());
        let ran = session.run(&command, BOUNDS, |bytes| stdout.extend_from_slice(bytes)).await;
        let done = ran.context("the standard task")?;
        if done.exit_code != 0 {
            bail!("the standard task ended with exit code {}", done.exit_code);
        }
        let (answer, used) = split(&stdout);
        Ok(Outcome { claim: chain.claim(answer), took: done.took, used })
    }
}

/// A command with the machine's counters before it and after it.
fn between_readings(command: &str) -> String {
    format!("/.zennet/guest usage && {command} && /.zennet/guest usage")
}

/// The answer between the lines of counters, and what was used.
fn split(stdout: &[u8]) -> (&[u8], Option<Usage>) {
    let mut lines = stdout.split(|byte| *byte == b'\n');
    let [before, answer, after] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let reading = |line: &[u8]| Reading::parse(line).ok().map(|reading| reading.usage);
    let used = reading(before).zip(reading(after)).and_then(|(from, to)| to.since(&from));
    (answer, used)
}

/// Units of the next task, so that it takes about [`TASK`].
pub(super) fn next_units(units: u64, took: Duration) -> u64 {
    let scaled = u128::from(units) * TASK.as_millis() / took.as_millis().max(1);
    // By a factor of ten at most: one time may be off.
    let most = units.saturating_mul(10).min(MOST_UNITS);
    u64::try_from(scaled).unwrap_or(MOST_UNITS).clamp((units / 10).max(1), most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::usage::Counter;

    #[test]
    fn tasks_come_to_take_two_seconds_in_bounded_steps() {
        assert_eq!(next_units(100, Duration::from_secs(1)), 200);
        assert_eq!(next_units(100, Duration::from_secs(4)), 50);
        assert_eq!(next_units(50, Duration::from_millis(1)), 500);
        assert_eq!(next_units(50, Duration::from_secs(3600)), 5);
        assert_eq!(next_units(1, Duration::from_secs(3600)), 1);
        assert_eq!(next_units(MOST_UNITS, Duration::ZERO), MOST_UNITS);
    }

    #[test]
    fn what_was_used_lies_between_the_two_readings() {
        let line = |micros: u64| format!("{{\"at_ms\":1,\"usage\":{{\"cpu_micros\":{micros}}}}}");
        let stdout = format!("{}\nabc\n{}\n", line(5), line(12));
        let used = Usage::default().with(Counter::CpuMicros, 7);
        assert_eq!(split(stdout.as_bytes()), (&b"abc"[..], Some(used)));
        let fallen = format!("{}\nabc\n{}\n", line(12), line(5));
        assert_eq!(split(fallen.as_bytes()), (&b"abc"[..], None));
        assert_eq!(split(b"lies"), (&b""[..], None));
        assert_eq!(split(b""), (&b""[..], None));
    }
}
