//! Tells the user how an order goes, and keeps the ssh files up to date.

use std::collections::BTreeMap;

use zennet_lease::Deviation;
use zennet_primitives::{amount::Balance, close::CloseReason, frame::Notice, AccountId};

use super::recheck::Slow;
use crate::{
    choice::{majority::Answer, ranking::Measured},
    control::registry::Address,
    events::{Event, Stages},
    lease::status::{News, Status, What},
    output::counters,
    ssh::{
        files::{Files, Host},
        remote::{Done, RunError},
    },
    teller::Teller,
};

/// The report of one order.
pub(crate) struct Report {
    teller: Teller,
    address: Address,
    files: Files,
    hosts: BTreeMap<u64, Host>,
    stages: BTreeMap<u64, Stages>,
    announced: Option<f64>,
    totals: Totals,
}

/// What became of the leases of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Totals {
    /// Leases that were settled.
    pub(crate) settled: usize,
    /// Leases whose deposit may still be locked.
    pub(crate) unsettled: usize,
    /// What all channels paid.
    pub(crate) paid: Balance,
}

impl Report {
    /// Nothing has happened yet.
    pub(crate) fn new(teller: Teller, address: Address, files: Files) -> Self {
        Report {
            teller,
            address,
            files,
            hosts: BTreeMap::new(),
            stages: BTreeMap::new(),
            announced: None,
            totals: Totals::default(),
        }
    }

    /// Where the ssh configuration is written.
    pub(crate) fn ssh_config(&self) -> String {
        self.files.config.display().to_string()
    }

    /// Seconds since the order began.
    pub(crate) fn secs(&self) -> f64 {
        self.teller.secs()
    }

    /// What became of the leases so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: &Event) {
        self.teller.tell(event);
    }

    /// When the announcement was in a block, seconds since the order began.
    pub(crate) fn announced(&mut self, secs: f64) {
        self.announced = Some(secs);
    }

    /// A provider has dialed.
    pub(crate) fn met(&mut self, lease: u64, from: String) {
        let secs = self.secs();
        let stages = Stages { announced: self.announced, met: Some(secs), ..Stages::default() };
        self.stages.insert(lease, stages);
        self.tell(&Event::Met { lease, from, secs });
    }

    /// All machines are ready, or all but some of an earlier run.
    pub(crate) fn complete(&self, missing: usize) {
        self.tell(&Event::Complete {
            machines: self.hosts.len(),
            missing,
            ssh_config: self.ssh_config(),
            secs: self.secs(),
        });
        self.teller.hint("Ctrl-C, or `publisher-cli stop`, ends the leases and settles them");
    }

    /// Names machines that are ready to ssh.
    pub(crate) fn let_in(&mut self, ready: Vec<Status>) {
        let hosts = ready.into_iter().filter_map(|status| {
            let key = status.terms?.quote.host_key;
            Some((status.lease, Host { name: status.name?, port: status.port?, key }))
        });
        let before = self.hosts.len();
        self.hosts.extend(hosts);
        if self.hosts.len() > before {
            self.write_files();
        }
    }

    /// Something happened to a lease of this order.
    pub(crate) fn news(&mut self, news: &News, status: &Status) {
        let secs = self.teller.since(news.at);
        let machine = status.name.clone().unwrap_or_default();
        let provider = self.provider(status);
        let stages = self.stages.entry(news.lease).or_default();
        let event = match &news.what {
            What::Waiting => Event::Waiting { lease: news.lease, secs },
            What::Negotiated => {
                stages.negotiated = Some(secs);
                let (lease, deposit) = (news.lease, status.deposit());
                let per_hour = status.per_hour.unwrap_or_default();
                Event::Negotiated { lease, machine, provider, deposit, per_hour, secs }
            }
            What::TooDear { provider, per_hour } => {
                let provider = (self.address)(provider);
                Event::TooDear { lease: news.lease, provider, per_hour: *per_hour }
            }
            What::TooUnsure { provider, half_width_ppm } => Event::TooUnsure {
                lease: news.lease,
                provider: (self.address)(provider),
                half_width_percent: f64::from(*half_width_ppm) / 1e4,
            },
            What::Opened(opened) => {
                stages.channel_included = Some(secs);
                let channel = format!("{:?}", opened.channel);
                Event::Opened { machine, channel, block: opened.block, fee: opened.fee, secs }
            }
            What::Final => {
                stages.channel_final = Some(secs);
                Event::Final { machine, secs }
            }
            What::Ready => {
                stages.ready = Some(secs);
                let stages = *stages;
                let Some(port) = status.port else { return };
                let (lease, order_to_ready_secs) = (news.lease, secs);
                Event::Ready { machine, lease, port, provider, order_to_ready_secs, stages }
            }
            What::Changed(Notice::Frozen { due }) => Event::Frozen { machine, due: *due },
            What::Changed(Notice::Thawed) => Event::Thawed { machine },
            What::Changed(Notice::Leaving { in_secs }) => {
                Event::Leaving { machine, in_secs: *in_secs }
            }
            What::Disagreed(Deviation { counter, claimed, read, tolerance }) => Event::Disagreed {
                machine,
                counter: counter.name(),
                claimed: *claimed,
                read: *read,
                tolerance: *tolerance,
            },
            What::Amended(scope) => {
                let (deposit, lease_secs) = (scope.deposit, scope.lease_secs);
                Event::Amended { machine, deposit, lease_secs, secs }
            }
            What::NotAmended(why) => Event::NotAmended { machine, why: why.clone() },
            What::Lost => Event::Lost { machine },
            What::Back => Event::Back { machine },
            What::Reclaiming => {
                let blocks = status.terms.as_ref().map_or(0, |terms| terms.challenge_blocks);
                Event::Reclaiming { machine, challenge_blocks: blocks }
            }
            // Told as the order's failure.
            What::NoCoin(_) | What::Ended => return,
        };
        self.tell(&event);
    }

    /// A lease of this order ended.
    pub(crate) fn ended(&mut self, status: &Status) {
        self.stages.remove(&status.lease);
        if self.hosts.remove(&status.lease).is_some() {
            self.write_files();
        }
        let event = ending(status, |account| (self.address)(account));
        match &event {
            Event::Settled { paid, .. } => {
                self.totals.settled += 1;
                self.totals.paid = self.totals.paid.saturating_add(*paid);
            }
            Event::Unsettled { locked, .. } if *locked > 0 => self.totals.unsettled += 1,
            _ => {}
        }
        self.tell(&event);
    }

    /// What was measured of a machine.
    pub(crate) fn measured(&self, status: &Status, measured: &Measured) {
        self.tell(&Event::Measured {
            machine: status.name.clone().unwrap_or_default(),
            lease: status.lease,
            provider: self.provider(status),
            work: measured.work,
            cost: measured.cost,
            work_secs: measured.millis as f64 / 1000.0,
            wrong: measured.wrong,
        });
    }

    /// A machine is not among those that stay.
    pub(crate) fn dropped(&self, status: &Status) {
        let machine = status.name.clone().unwrap_or_default();
        let provider = self.provider(status);
        self.tell(&Event::Dropped { machine, lease: status.lease, provider });
    }

    /// A machine has become slow, or its answer was wrong.
    pub(crate) fn slow(&self, status: &Status, slow: &Slow) {
        let percent = |part: f64| (part * 1000.0).round() / 10.0;
        self.tell(&Event::Slow {
            machine: status.name.clone().unwrap_or_default(),
            lease: status.lease,
            provider: self.provider(status),
            slower_percent: slow.excess.map(|excess| percent(excess.secs)),
            dearer_percent: slow.excess.map(|excess| percent(excess.cost)),
            outlier: slow.is_outlier,
            times: slow.times,
        });
    }

    /// What the order's job came to on a machine.
    pub(crate) fn result(
        &self,
        status: &Status,
        result: &Result<(Answer, Done), RunError>,
        odd: bool,
    ) {
        let (answer, done) = result.as_ref().ok().copied().unzip();
        self.tell(&Event::Result {
            machine: status.name.clone().unwrap_or_default(),
            lease: status.lease,
            provider: self.provider(status),
            exit_code: answer.map(|answer| answer.exit_code),
            stdout_sha256: answer.map(|answer| hex::encode(answer.stdout_sha256)),
            stdout_bytes: done.map(|done| done.stdout),
            took_secs: done.map(|done| done.took.as_secs_f64()),
            error: result.as_ref().err().map(ToString::to_string),
            odd,
        });
    }

    /// A lease of an earlier run was settled, or not.
    pub(crate) fn recovered(&self, status: &Status) {
        self.tell(&ending(status, |account| (self.address)(account)));
    }

    /// Address of a lease's provider.
    pub(crate) fn provider(&self, status: &Status) -> String {
        status.terms.as_ref().map(|t| (self.address)(&t.provider)).unwrap_or_default()
    }

    fn write_files(&self) {
        let mut hosts: Vec<Host> = self.hosts.values().cloned().collect();
        hosts.sort_by_key(|host| host.port);
        if let Err(error) = self.files.write(&hosts) {
            tracing::error!(error = format!("{error:#}"), "cannot write the files for ssh");
        }
    }
}

/// How a lease ended, from its last snapshot.
pub(crate) fn ending(status: &Status, address: impl Fn(&AccountId) -> String) -> Event {
    let close_reason = status.close_reason.unwrap_or(CloseReason::Finished);
    let (Some(machine), Some(terms)) = (status.name.clone(), &status.terms) else {
        let provider = status.terms.as_ref().map(|terms| address(&terms.provider));
        return Event::Parted { lease: status.lease, provider, close_reason };
    };
    let provider = address(&terms.provider);
    let figures = &status.figures;
    let shown = |usage: &Option<_>| usage.as_ref().map(counters).unwrap_or_default();
    match status.settled {
        Some(paid) => Event::Settled {
            machine,
            lease: status.lease,
            provider,
            paid,
            deposit: status.deposit(),
            signed: figures.paid,
            vouchers: figures.vouchers,
            usage: shown(&figures.usage),
            own_usage: shown(&figures.own_usage),
            agreed: figures.agreed,
            close_reason,
            transactions: status.transactions,
        },
        None => Event::Unsettled {
            machine,
            lease: status.lease,
            provider,
            locked: if status.opened { status.deposit() } else { 0 },
            close_reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{event_log::EventLog, output::Out, store::tests::terms};

    fn status() -> Status {
        let mut status = Status::new(1);
        status.name = Some("zn-1".into());
        status.terms = Some(terms());
        status
    }

    #[test]
    fn only_a_deposit_that_was_locked_counts_as_unsettled() {
        let address = |_: &AccountId| "5F".to_owned();
        let before = ending(&status(), address);
        assert!(matches!(before, Event::Unsettled { locked: 0, .. }));
        let mut opened = status();
        opened.opened = true;
        assert!(matches!(ending(&opened, address), Event::Unsettled { locked: 100, .. }));
        opened.settled = Some(0);
        assert!(matches!(ending(&opened, address), Event::Settled { paid: 0, .. }));
        let met = Status { name: None, terms: None, ..status() };
        assert!(matches!(ending(&met, address), Event::Parted { provider: None, .. }));
    }

    #[test]
    fn the_ssh_files_hold_the_machines_that_are_ready() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files {
            config: dir.path().join("ssh_config"),
            known_hosts: dir.path().join("known_hosts"),
            identity: dir.path().join("id"),
        };
        let config = files.config.clone();
        let address: Address = std::sync::Arc::new(|_: &AccountId| "5F".to_owned());
        let teller = Teller::new(Out { json: true }, EventLog::open(dir.path()).unwrap());
        let mut report = Report::new(teller, address, files);
        let mut status = status();
        status.port = Some(20001);
        let news = News { lease: 1, at: Instant::now(), what: What::Ready };
        report.let_in(vec![status.clone()]);
        report.news(&news, &status);
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains("Host zn-1\n") && text.contains("Port 20001"), "{text}");
        status.settled = Some(3);
        report.ended(&status);
        assert!(!std::fs::read_to_string(&config).unwrap().contains("zn-1"));
        assert_eq!(report.totals(), Totals { settled: 1, unsettled: 0, paid: 3 });
    }
}
