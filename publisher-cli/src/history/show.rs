//! The history for people: a line a lease, or all of one.

use std::fmt::{self, Display};

use serde::Serialize;
use zennet_time::{length, utc};

use super::{lease::PastLease, History};
use crate::units::xen;

/// The history as it is printed.
#[derive(Serialize, Debug)]
#[serde(transparent)]
pub(crate) struct Shown {
    /// What is shown.
    pub(crate) history: History,
    /// Whether people see all of each lease.
    #[serde(skip)]
    pub(crate) details: bool,
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.details {
            true => self.history.leases.iter().try_for_each(|lease| details(lease, f)),
            false => table(&self.history, f),
        }
    }
}

fn table(history: &History, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if history.leases.is_empty() {
        writeln!(f, "no leases")?;
    } else {
        writeln!(
            f,
            "{:>5}  {:<8}  {:<19}  {:<48}  {:>8}  {:>18}  {:>8}  end",
            "lease", "machine", "began (UTC)", "provider", "time", "paid", "vouchers"
        )?;
    }
    for lease in &history.leases {
        let times = lease.ready_at.zip(lease.ended_at);
        let time = times.map_or_else(|| "-".into(), |(from, to)| length(to.saturating_sub(from)));
        let end = match (lease.close_reason, lease.fault) {
            (Some(reason), true) if lease.odd_result => format!("{reason} (its result differed)"),
            (Some(reason), true) => format!("{reason} (its fault)"),
            (Some(reason), false) => reason.to_string(),
            (None, _) => "not settled yet".into(),
        };
        writeln!(
            f,
            "{:>5}  {:<8}  {:<19}  {:<48}  {:>8}  {:>18}  {:>8}  {end}",
            lease.lease,
            lease.machine,
            utc(lease.began_at),
            lease.provider,
            time,
            xen(lease.settled.unwrap_or(lease.signed)),
            lease.vouchers,
        )?;
    }
    if let Some(record) = &history.record {
        writeln!(
            f,
            "{}: {} leases, {} in use, {} paid, {} ended by its fault since {}",
            record.provider,
            record.leases,
            length(record.secs),
            xen(record.paid),
            record.faults,
            utc(record.faults_since)
        )?;
    }
    Ok(())
}

fn details(lease: &PastLease, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let optional = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let mut line = |name: &str, value: String| writeln!(f, "{name:<13} {value}");
    let terms = &lease.terms;
    line("lease", format!("{} ({})", lease.lease, lease.machine))?;
    line("provider", lease.provider.clone())?;
    line("announcement", lease.announcement.clone())?;
    line("channel", optional(lease.channel.clone()))?;
    line("began", utc(lease.began_at))?;
    line("ready", optional(lease.ready_at.map(utc)))?;
    line("ended", optional(lease.ended_at.map(utc)))?;
    line("end", optional(lease.close_reason.map(|reason| reason.to_string())))?;
    line("signed", format!("{} by {} vouchers", xen(lease.signed), lease.vouchers))?;
    line("settled", optional(lease.settled.map(xen)))?;
    line("in all", format!("{} s, {} locked", lease.lease_secs, xen(lease.locked)))?;
    line("transactions", lease.transactions.to_string())?;
    line("contract", terms.contract.clone())?;
    line("image", format!("{} (sha256 {})", terms.image, terms.image_sha256))?;
    line(
        "resources",
        format!(
            "{} m of cpu, {} MiB of memory, {} MiB of disk",
            terms.cpu_millis, terms.memory_mib, terms.disk_mib
        ),
    )?;
    line(
        "terms",
        format!(
            "{} s, a tick each {} ms, grace {} ms, deposit {}, prepaid {}",
            terms.lease_secs,
            terms.tick_ms,
            terms.grace_ms,
            xen(terms.deposit),
            xen(terms.prepay)
        ),
    )?;
    for (counter, rate) in &terms.rates_atto {
        line("rate", format!("{counter} {rate}e-18 of the smallest coin unit"))?;
    }
    for (counter, value) in &lease.usage {
        let own = lease.own_usage.get(counter).map_or_else(|| "-".into(), u64::to_string);
        line("usage", format!("{counter} {value}, own reading {own}"))?;
    }
    line("readings", if lease.agreed { "agreed" } else { "did not agree" }.into())?;
    for entry in &lease.events {
        let time = format!("{}.{:03}", utc(entry.at_ms / 1000), entry.at_ms % 1000);
        line("event", format!("{time} {}", entry.event.text()))?;
    }
    if lease.events_left_out > 0 {
        line("", format!("({} events in the middle are left out)", lease.events_left_out))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::ended, *};
    use crate::{history::OwnRecord, store::tests::lease};
    use zennet_primitives::close::CloseReason;

    fn history() -> History {
        let rows = [lease(8, false), ended(7, 4, CloseReason::MachineFailed, 1000)];
        let leases = rows.iter().map(|row| PastLease::new(row, |_| "5F".into())).collect();
        let record = OwnRecord {
            provider: "5F".into(),
            leases: 1,
            secs: 60,
            paid: 5,
            faults: 1,
            faults_since: 0,
        };
        History { leases, record: Some(record) }
    }

    #[test]
    fn the_table_has_a_line_a_lease_and_the_record_at_its_end() {
        let text = Shown { history: history(), details: false }.to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("not settled yet"), "{text}");
        assert!(text.contains("the machine failed (its fault)"), "{text}");
        assert!(text.contains("5F: 1 leases, 1m 00s in use, 0.000000000005 XEN paid"), "{text}");
        let empty = Shown { history: History::default(), details: false };
        assert_eq!(empty.to_string(), "no leases\n");
        assert_eq!(serde_json::to_string(&empty).unwrap(), "{\"leases\":[],\"record\":null}");
    }

    #[test]
    fn the_details_have_terms_figures_and_events() {
        let text = Shown { history: history(), details: true }.to_string();
        for part in [
            "settled       0.000000000005 XEN",
            "256 MiB of memory",
            "1970-01-01 00:15:40.000 the machine is ready",
            "1970-01-01 00:16:40.000 the lease ended",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
