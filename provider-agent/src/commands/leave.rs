use std::{io::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;

use crate::{
    config::{self, Config},
    status::{self, Report},
};

/// Exit code when no daemon runs.
const NOT_RUNNING: u8 = 7;

/// Go out of service: no new lease, and those that run end after the notice promised to publishers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent leave                    the daemon ends when the last lease has ended
  provider-agent leave --json | jq .last_end
  provider-agent leave --now              end all leases at once; publishers count it as a fault

Publishers hear of it at once and have the time of `lease.notice_secs` to move their work. What was
said to them holds, whatever becomes of the daemon meanwhile.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End all leases at once, without the promised notice.
    #[arg(long)]
    now: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was begun.
#[derive(Debug, Serialize)]
struct Leaving {
    leases: usize,
    /// When the last lease ends at the latest, Unix time in seconds.
    last_end: u64,
}

impl Leaving {
    fn of(report: &Report, notice_secs: u32, now: u64) -> Leaving {
        let latest = now + u64::from(notice_secs);
        let ends = report.leases.iter().map(|lease| match (lease.ends_at, lease.leaves_at) {
            // The lease's own driver has not heard of it yet.
            (ends_at, None) => ends_at.map_or(latest, |at| at.min(latest)),
            (ends_at, Some(leaves_at)) => ends_at.map_or(leaves_at, |at| at.min(leaves_at)),
        });
        Leaving { leases: report.leases.len(), last_end: ends.max().unwrap_or(now) }
    }
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Some(report) = runtime.block_on(status::leave(&config.data_dir, opts.now))? else {
        eprintln!("no provider-agent is running with data_dir {}", config.data_dir.display());
        return Ok(NOT_RUNNING);
    };
    let notice_secs = if opts.now { 0 } else { config.lease.notice_secs };
    let now = zennet_time::unix_secs();
    let leaving = Leaving::of(&report, notice_secs, now);
    if opts.json {
        serde_json::to_writer(&mut *out, &leaving)?;
        writeln!(out)?;
    } else {
        let left = leaving.last_end.saturating_sub(now);
        writeln!(out, "leaving: {} leases, the last one ends in {left} s", leaving.leases)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_by_its_time_or_by_the_notice() {
        let mut report = status::tests::report();
        report.leases.clear();
        assert_eq!(Leaving::of(&report, 600, 1_000).last_end, 1_000);
        let lease = status::tests::lease();
        let with = |ends_at, leaves_at| status::LeaseStatus { ends_at, leaves_at, ..lease.clone() };
        report.leases = vec![with(Some(1_100), None), with(None, Some(1_200))];
        assert_eq!(Leaving::of(&report, 600, 1_000).last_end, 1_200);
        report.leases = vec![with(None, None)];
        assert_eq!(Leaving::of(&report, 600, 1_000).last_end, 1_600);
    }
}
