use std::{io::Write, path::PathBuf};

use clap::Args;
use zennet_pricing::format_xen;

use super::NOT_RUNNING;
use crate::{
    config::{self, Config},
    status::{self, Report},
    store::Store,
    trial::{Trial, Verdict},
};

/// Show capacity, leases under way and past leases.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent status
  provider-agent status --json | jq '.leases[] | {phase, paid}'

Without a running daemon it shows what the store tells and exits with 7.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object; amounts are in the smallest coin unit.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = runtime.block_on(status::ask(&config.data_dir))?;
    let (report, code) = match running {
        Some(report) => (report, 0),
        None => {
            eprintln!("no provider-agent is running with data_dir {}", config.data_dir.display());
            let report = if Store::exists(&config.data_dir) {
                status::of_store(&Store::open(&config.data_dir)?)?
            } else {
                Report {
                    running: false,
                    daemon: None,
                    leases: vec![],
                    unsettled: 0,
                    past: vec![],
                    volumes: vec![],
                }
            };
            (report, NOT_RUNNING)
        }
    };
    if opts.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        show(&report, out)?;
    }
    Ok(code)
}

fn show(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    if let Some(daemon) = &report.daemon {
        let (used, total) = (&daemon.used, &daemon.capacity);
        writeln!(out, "account   {}", daemon.address)?;
        writeln!(
            out,
            "chain     block {} (final {}) at {}",
            daemon.best, daemon.finalized, daemon.node_url
        )?;
        writeln!(
            out,
            "in use    {}/{} leases, {}/{} m of cpu, {}/{} MiB of memory, {}/{} MiB of disk",
            used.leases,
            total.leases,
            used.cpu_millis,
            total.cpu_millis,
            used.memory_mib,
            total.memory_mib,
            used.disk_mib,
            total.disk_mib
        )?;
    }
    if let Some(trial) = report.daemon.as_ref().and_then(|daemon| daemon.trial.as_ref()) {
        writeln!(out, "counters  {}", counters(trial))?;
    }
    if report.unsettled > 0 {
        writeln!(out, "unsettled {} leases; the next run settles them", report.unsettled)?;
    }
    if !report.leases.is_empty() {
        writeln!(
            out,
            "\n{:<14} {:<14} {:>14} {:>14} {:>14} {:>8} {:>8}",
            "LEASE", "PHASE", "DUE", "PAID", "DEPOSIT", "LEFT", "VOUCHERS"
        )?;
        for lease in &report.leases {
            writeln!(
                out,
                "{:<14} {:<14} {:>14} {:>14} {:>14} {:>8} {:>8}",
                short(&lease.announcement),
                lease.phase,
                format_xen(lease.due),
                format_xen(lease.paid),
                lease.deposit.map_or_else(|| "-".into(), format_xen),
                first_end(lease).map_or_else(|| "-".into(), left),
                lease.vouchers
            )?;
        }
    }
    if !report.volumes.is_empty() {
        writeln!(out, "\n{:<14} {:>8} {:>10}  PUBLISHER", "VOLUME", "MIB", "KEPT FOR")?;
        for volume in &report.volumes {
            let kept = match volume.used_by {
                Some(_) => "in use".into(),
                None => left(volume.kept_until),
            };
            writeln!(
                out,
                "{:<14} {:>8} {:>10}  {}",
                volume.name, volume.mib, kept, volume.publisher
            )?;
        }
    }
    if !report.past.is_empty() {
        writeln!(out, "\n{:<14} {:>14} {:>8}  REASON", "PAST LEASE", "PAID", "VOUCHERS")?;
        for past in &report.past {
            writeln!(
                out,
                "{:<14} {:>14} {:>8}  {}",
                short(&past.announcement),
                format_xen(past.settled.unwrap_or(past.paid)),
                past.vouchers,
                past.reason
            )?;
        }
    }
    Ok(())
}

/// What this host counts, and what of it cannot be priced.
fn counters(trial: &Trial) -> String {
    let right = trial.findings.iter().filter(|finding| finding.verdict == Verdict::Right);
    let mut parts = match trial.findings.len() {
        0 => vec!["not tried; see the log".into()],
        all => vec![format!("{} of {all} right", right.count())],
    };
    let others = trial.findings.iter().filter(|finding| finding.verdict != Verdict::Right);
    parts.extend(others.map(ToString::to_string));
    if trial.late_writes_counted == Some(false) {
        parts.push("writes without fsync are not counted".into());
    }
    parts.join("; ")
}

/// When a lease ends, by its time or by a notice.
fn first_end(lease: &status::LeaseStatus) -> Option<u64> {
    [lease.ends_at, lease.leaves_at].into_iter().flatten().min()
}

/// Time until a moment, as people read it.
fn left(ends_at: u64) -> String {
    format!("{}s", ends_at.saturating_sub(zennet_time::unix_secs()))
}

/// The first six bytes of a hash, as logs show it.
fn short(hash: &str) -> &str {
    let digits = hash.strip_prefix("0x").unwrap_or(hash);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::close::CloseReason;

    #[test]
    fn a_stopped_daemons_store_is_shown_with_its_reasons() {
        let past = crate::store::tests::past(CloseReason::NotPaid);
        let report = Report {
            running: false,
            daemon: None,
            leases: vec![],
            unsettled: 2,
            past: vec![past],
            volumes: vec![],
        };
        let mut out = Vec::new();
        show(&report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("unsettled 2"), "{text}");
        assert!(text.contains("the publisher stopped paying"), "{text}");
    }

    #[test]
    fn counters_that_cannot_be_priced_are_named() {
        use crate::trial::Finding;
        use zennet_primitives::usage::Counter;
        let finding =
            |counter, verdict, truth, counted| Finding { counter, verdict, truth, counted };
        let trial = Trial {
            findings: vec![
                finding(Counter::CpuMicros, Verdict::Right, Some(9), Some(9)),
                finding(Counter::DiskReadBytes, Verdict::Absent, Some(8), None),
                finding(Counter::NetTxBytes, Verdict::Wrong, Some(100), Some(1)),
            ],
            late_writes_counted: Some(false),
        };
        assert_eq!(
            counters(&trial),
            "1 of 3 right; disk_read_bytes is absent; net_tx_bytes is wrong: 1 were counted of 100; \
             writes without fsync are not counted"
        );
        assert_eq!(counters(&Trial::default()), "not tried; see the log");
    }

    #[test]
    fn status_without_a_daemon_exits_with_seven() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(config::FILE_NAME);
        std::fs::write(&path, config::DEFAULT).unwrap();
        let mut out = Vec::new();
        let code = run(Opts { config: Some(path), json: true }, &mut out).unwrap();
        assert_eq!(code, NOT_RUNNING);
        let report: Report = serde_json::from_slice(&out).unwrap();
        assert!(!report.running);
    }
}
