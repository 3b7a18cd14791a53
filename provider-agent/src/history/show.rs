//! The history for people: a line a lease, or all of one.

use std::io::{self, Write};

use zennet_pricing::format_xen;
use zennet_time::{length, utc};

use super::History;
use crate::store::PastLease;

/// A table, and the record of the publisher where one was asked for.
pub(crate) fn table(history: &History, out: &mut impl Write) -> io::Result<()> {
    if history.leases.is_empty() {
        writeln!(out, "no past leases")?;
    } else {
        writeln!(
            out,
            "{:<19}  {:<12}  {:<48}  {:>8}  {:>16}  {:>8}  END",
            "ENDED (UTC)", "LEASE", "PUBLISHER", "TIME", "PAID (XEN)", "VOUCHERS"
        )?;
    }
    for lease in &history.leases {
        writeln!(
            out,
            "{:<19}  {:<12}  {:<48}  {:>8}  {:>16}  {:>8}  {}{}",
            utc(lease.ended_at),
            short(&lease.announcement),
            lease.publisher,
            length(lease.secs()),
            format_xen(lease.settled.unwrap_or(lease.paid)),
            lease.vouchers,
            lease.reason,
            if lease.deed().fault { " (its fault)" } else { "" }
        )?;
    }
    if let Some(record) = &history.record {
        writeln!(
            out,
            "{}: {} leases, {} in use, {} XEN paid, {} ended by its fault since {}",
            record.publisher,
            record.leases,
            length(record.secs),
            format_xen(record.paid),
            record.faults,
            utc(record.faults_since)
        )?;
    }
    Ok(())
}

/// All that is kept of one lease.
pub(crate) fn details(lease: &PastLease, out: &mut impl Write) -> io::Result<()> {
    let optional = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let xen = |amount| format!("{} XEN", format_xen(amount));
    let mut line = |name: &str, value: String| writeln!(out, "{name:<13} {value}");
    line("announcement", lease.announcement.clone())?;
    line("publisher", lease.publisher.clone())?;
    line("channel", optional(lease.channel.clone()))?;
    line("began", utc(lease.began_at))?;
    line("ready", optional(lease.ready_at().map(utc)))?;
    line("ended", format!("{}: {}", utc(lease.ended_at), lease.reason))?;
    line("due", xen(lease.due))?;
    line("paid", format!("{} by {} vouchers", xen(lease.paid), lease.vouchers))?;
    line("settled", optional(lease.settled.map(xen)))?;
    if let Some(voucher) = &lease.voucher {
        line(
            "last voucher",
            format!("{}, signature {}", xen(voucher.cumulative), voucher.signature),
        )?;
    }
    if let Some(terms) = &lease.terms {
        line("contract", terms.contract.clone())?;
        line("image", format!("{} (sha256 {})", terms.image, terms.image_sha256))?;
        line(
            "machine",
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
    }
    if let Some(usage) = lease.usage.as_object() {
        for (counter, value) in usage {
            line("usage", format!("{counter} {value}"))?;
        }
    }
    for entry in &lease.events {
        let time = format!("{}.{:03}", utc(entry.at_ms / 1000), entry.at_ms % 1000);
        line("event", format!("{time} {}", entry.event.text()))?;
    }
    if lease.events_left_out > 0 {
        line("", format!("({} events in the middle are left out)", lease.events_left_out))?;
    }
    Ok(())
}

/// The first six bytes of a hash, as logs show it.
fn short(hash: &str) -> &str {
    let digits = hash.strip_prefix("0x").unwrap_or(hash);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{
            journal::{Entry, Happening},
            terms::{self, VoucherRecord},
            OwnRecord,
        },
        store::tests::past,
    };
    use zennet_primitives::close::CloseReason;

    fn text(show: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        show(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_has_a_line_a_lease_and_the_record_at_its_end() {
        let record = OwnRecord {
            publisher: "5x".into(),
            leases: 1,
            secs: 1,
            paid: 3,
            faults: 1,
            faults_since: 0,
        };
        let history = History { leases: vec![past(CloseReason::NotPaid)], record: Some(record) };
        let text = text(|out| table(&history, out));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("1970-01-01 00:00:02  01            5x"), "{text}");
        assert!(text.contains("the publisher stopped paying (its fault)"), "{text}");
        assert!(text.contains("5x: 1 leases, 1s in use, 0.000000000003 XEN paid"), "{text}");
        let empty = self::text(|out| table(&History::default(), out));
        assert_eq!(empty, "no past leases\n");
    }

    #[test]
    fn the_details_have_terms_proof_and_events() {
        let voucher =
            VoucherRecord { cumulative: 3, usage_hash: "0x".into(), signature: "abcd".into() };
        let lease = PastLease {
            terms: Some(terms::tests::record()),
            voucher: Some(voucher),
            events: vec![Entry { at_ms: 1500, event: Happening::Frozen }],
            events_left_out: 2,
            ..past(CloseReason::Finished)
        };
        let text = text(|out| details(&lease, out));
        for part in [
            "paid          0.000000000003 XEN by 4 vouchers",
            "signature abcd",
            "256 MiB of memory",
            "1970-01-01 00:00:01.500 the machine was frozen",
            "2 events in the middle",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
