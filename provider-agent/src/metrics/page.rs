//! The figures themselves. Names and labels are stable; amounts are in XEN, as a floating-point number.

use std::collections::BTreeMap;

use prometheus::{CounterVec, GaugeVec, Opts, Registry, TextEncoder};
use zennet_primitives::{
    amount::{Balance, XEN},
    usage::Counter,
    Hash,
};

use crate::{
    capacity::Totals,
    status::{Gone, LeaseStatus, Leases, Source},
    trial::{Trial, Verdict},
};

/// All figures of a daemon.
pub(super) fn text(source: &Source) -> prometheus::Result<String> {
    let page = Page(Registry::new());
    page.gauge("zennet_build_info", "Version of the agent.", &["version"])?
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1.0);
    let block = page.gauge("zennet_chain_block", "Newest block of the chain.", &["head"])?;
    for (head, number) in [
        ("best", source.heads.best.borrow().number),
        ("finalized", source.heads.finalized.borrow().number),
    ] {
        block.with_label_values(&[head]).set(f64::from(number));
    }
    page.room("zennet_capacity", "What leases may take.", &source.capacity.total())?;
    page.room("zennet_used", "What leases take.", &source.capacity.used())?;
    if let Some(trial) = source.trial.get() {
        page.trial(trial)?;
    }
    let Leases { current, gone } = source.board.copy();
    page.sums(&current, &gone)?;
    page.leases(&current)?;
    TextEncoder::new().encode_to_string(&page.0.gather())
}

struct Page(Registry);

impl Page {
    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        let counter = CounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn room(&self, name: &str, help: &str, totals: &Totals) -> prometheus::Result<()> {
        let gauge = self.gauge(name, help, &["resource"])?;
        for (resource, value) in [
            ("cpu_millis", totals.cpu_millis),
            ("memory_mib", totals.memory_mib),
            ("disk_mib", totals.disk_mib),
            ("leases", totals.leases),
        ] {
            gauge.with_label_values(&[resource]).set(f64::from(value));
        }
        Ok(())
    }

    fn trial(&self, trial: &Trial) -> prometheus::Result<()> {
        let help = "Whether a trial found the counter right.";
        let gauge = self.gauge("zennet_counter_right", help, &["counter"])?;
        for finding in &trial.findings {
            let right = finding.verdict == Verdict::Right;
            gauge.with_label_values(&[finding.counter.name()]).set(flag(right));
        }
        Ok(())
    }

    /// Of all leases since the daemon's start, those that it found included.
    fn sums(&self, leases: &BTreeMap<Hash, LeaseStatus>, gone: &Gone) -> prometheus::Result<()> {
        let phases = self.gauge("zennet_leases", "Leases under way.", &["phase", "frozen"])?;
        let (mut vouchers, mut paid) = (gone.vouchers, gone.paid);
        for lease in leases.values() {
            phases.with_label_values(&[&lease.phase, &lease.frozen.to_string()]).inc();
            vouchers = vouchers.saturating_add(lease.vouchers.into());
            paid = paid.saturating_add(lease.paid);
        }
        for (name, help, value) in [
            ("zennet_leases_ended_total", "Leases that ended.", gone.leases as f64),
            ("zennet_vouchers_total", "Vouchers that were signed for this host.", vouchers as f64),
            ("zennet_paid_xen_total", "What they are worth.", xen(paid)),
        ] {
            self.counter(name, help, &[])?.with_label_values(&[]).inc_by(value);
        }
        Ok(())
    }

    fn leases(&self, leases: &BTreeMap<Hash, LeaseStatus>) -> prometheus::Result<()> {
        let labels = ["lease", "announcement", "publisher", "phase"];
        let info = self.gauge("zennet_lease_info", "A lease under way.", &labels)?;
        let usage =
            self.counter("zennet_lease_usage_total", "What a lease used.", &["lease", "counter"])?;
        let one = ["lease"];
        let vouchers = self.counter("zennet_lease_vouchers_total", "Vouchers of a lease.", &one)?;
        let paid = self.counter("zennet_lease_paid_xen_total", "What a lease paid.", &one)?;
        let due =
            self.gauge("zennet_lease_due_xen", "Price of all use and what is prepaid.", &one)?;
        let deposit =
            self.gauge("zennet_lease_deposit_xen", "What a lease's channel locks.", &one)?;
        let connected =
            self.gauge("zennet_lease_connected", "Whether the publisher is connected.", &one)?;
        let frozen = self.gauge("zennet_lease_frozen", "Whether the machine is frozen.", &one)?;
        for (key, lease) in leases {
            let name = &hex::encode(&key[..6]);
            info.with_label_values(&[name, &lease.announcement, &lease.publisher, &lease.phase])
                .set(1.0);
            for counter in Counter::ALL {
                if let Some(value) = lease.usage.get(counter.name()).and_then(|v| v.as_u64()) {
                    usage.with_label_values(&[name, counter.name()]).inc_by(value as f64);
                }
            }
            vouchers.with_label_values(&[name]).inc_by(lease.vouchers.into());
            paid.with_label_values(&[name]).inc_by(xen(lease.paid));
            due.with_label_values(&[name]).set(xen(lease.due));
            if let Some(locked) = lease.deposit {
                deposit.with_label_values(&[name]).set(xen(locked));
            }
            connected.with_label_values(&[name]).set(flag(lease.connected));
            frozen.with_label_values(&[name]).set(flag(lease.frozen));
        }
        Ok(())
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn xen(amount: Balance) -> f64 {
    amount as f64 / XEN as f64
}
