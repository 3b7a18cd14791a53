//! What others may know of a lease while its driver runs.

use std::time::Instant;

use codec::DecodeAll;
use zennet_lease::{Deviation, Millis, Phase, Publisher};
use zennet_primitives::{
    amendment::Scope, amount::Balance, close::CloseReason, contract::Terms, frame::Notice,
    usage::Usage, AccountId,
};

use super::world::OpenedChannel;
use crate::{
    output::{counters, rates, Machine, MachineUsage},
    store::{Figures, StoredLease},
};

/// A snapshot of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// Its number in this folder.
    pub(crate) lease: u64,
    /// Name of its machine, once it has a seat.
    pub(crate) name: Option<String>,
    /// How far it is.
    pub(crate) phase: Phase,
    /// Whether its provider is waited for to dial again.
    pub(crate) lost: bool,
    /// The terms, once signed.
    pub(crate) terms: Option<Terms>,
    /// The deposit and the lease time that hold at present.
    pub(crate) scope: Option<Scope>,
    /// The predicted cost of an hour, in the smallest coin unit, once there is a contract.
    pub(crate) per_hour: Option<Balance>,
    /// Local port.
    pub(crate) port: Option<u16>,
    /// When the machine was ready.
    pub(crate) ready_at: Option<Instant>,
    /// When its lease time ends, Unix time in milliseconds.
    pub(crate) ends_at: Option<Millis>,
    /// Usage and payments.
    pub(crate) figures: Figures,
    /// Why it ended.
    pub(crate) close_reason: Option<CloseReason>,
    /// What the chain paid.
    pub(crate) settled: Option<Balance>,
    /// Whether a deposit was locked for it.
    pub(crate) opened: bool,
    /// Transactions that its channel is known to have had.
    pub(crate) transactions: u32,
}

impl Status {
    /// A lease that has just met its provider.
    pub(crate) fn new(lease: u64) -> Self {
        Status {
            lease,
            name: None,
            phase: Phase::Greeting,
            lost: false,
            terms: None,
            scope: None,
            per_hour: None,
            port: None,
            ready_at: None,
            ends_at: None,
            figures: Figures::default(),
            close_reason: None,
            settled: None,
            opened: false,
            transactions: 0,
        }
    }

    /// Takes over what the state machine knows.
    pub(crate) fn follow(&mut self, machine: &Publisher) {
        self.phase = machine.phase();
        self.lost = machine.is_lost();
        self.terms = machine.terms().cloned();
        self.close_reason = machine.close_reason();
        self.scope = machine.scope();
        self.ends_at = machine.ends_at();
        self.figures = figures(machine);
    }

    /// What the channel locks at present, once there is a contract.
    pub(crate) fn deposit(&self) -> Balance {
        let agreed = self.terms.as_ref().map_or(0, |terms| terms.deposit);
        self.scope.map_or(agreed, |scope| scope.deposit)
    }

    /// As `list` prints it, once there is a contract.
    pub(crate) fn machine(&self, address: impl Fn(&AccountId) -> String) -> Option<Machine> {
        let terms = self.terms.as_ref()?;
        let left = |ends: Millis| ends.saturating_sub(zennet_time::unix_ms()) / 1000;
        Some(Machine {
            machine: self.name.clone()?,
            lease: self.lease,
            provider: address(&terms.provider),
            port: self.port,
            phase: if self.lost { "lost" } else { self.phase.name() }.to_owned(),
            paid: self.settled.unwrap_or(self.figures.paid),
            deposit: self.deposit(),
            lease_secs: self.scope.map_or(terms.quote.lease_secs, |scope| scope.lease_secs),
            left_secs: self.ends_at.filter(|_| self.port.is_some()).map(left),
            close_reason: self.close_reason,
        })
    }

    /// As `usage` prints it, once there is a contract.
    pub(crate) fn usage(&self) -> Option<MachineUsage> {
        let terms = self.terms.as_ref()?;
        Some(usage_of(self.name.clone()?, self.lease, terms, &self.figures))
    }
}

/// The figures of a state machine.
pub(crate) fn figures(machine: &Publisher) -> Figures {
    Figures {
        paid: machine.paid(),
        vouchers: machine.vouchers(),
        usage: machine.usage(),
        own_usage: machine.own_usage(),
        agreed: machine.agreed(),
        kept_secs: machine.kept_secs(),
    }
}

fn usage_of(machine: String, lease: u64, terms: &Terms, figures: &Figures) -> MachineUsage {
    let priced = &terms.quote.rates;
    let price = |usage: &Usage| {
        let mut start = Usage::default();
        usage.iter().for_each(|(counter, _)| start.set(counter, 0));
        priced.price(usage, &start).ok()
    };
    let shown = |usage: &Option<Usage>| usage.as_ref().map(counters).unwrap_or_default();
    MachineUsage {
        machine,
        lease,
        usage: shown(&figures.usage),
        own_usage: shown(&figures.own_usage),
        agreed: figures.agreed,
        rates: rates(priced),
        price: figures.usage.as_ref().and_then(price),
        own_price: figures.own_usage.as_ref().and_then(price),
        paid: figures.paid,
        vouchers: figures.vouchers,
    }
}

/// A lease of the store, as `list` prints it.
pub(crate) fn stored_machine(
    lease: &StoredLease,
    address: impl Fn(&AccountId) -> String,
) -> Machine {
    let settled = lease.ended.and_then(|ended| ended.settled);
    let scope = stored_scope(lease);
    Machine {
        machine: lease.name.clone(),
        lease: lease.id,
        provider: address(&lease.terms.provider),
        port: None,
        phase: if lease.ended.is_some() { "closed" } else { "unsettled" }.to_owned(),
        paid: settled.unwrap_or(lease.figures.paid),
        deposit: scope.deposit,
        lease_secs: scope.lease_secs,
        left_secs: None,
        close_reason: lease.ended.map(|ended| ended.reason),
    }
}

/// The deposit and the lease time that a lease of the store had at last.
pub(crate) fn stored_scope(lease: &StoredLease) -> Scope {
    let machine = Publisher::decode_all(&mut lease.machine.as_slice()).ok();
    machine.and_then(|machine| machine.scope()).unwrap_or_else(|| Scope::of(&lease.terms))
}

/// A lease of the store, as `usage` prints it.
pub(crate) fn stored_usage(lease: &StoredLease) -> MachineUsage {
    usage_of(lease.name.clone(), lease.id, &lease.terms, &lease.figures)
}

/// What a driver tells the order.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// Number of the lease.
    pub(crate) lease: u64,
    /// When it happened.
    pub(crate) at: Instant,
    /// What happened.
    pub(crate) what: What,
}

/// What happened to a lease.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Its offer will do, but all seats are taken at the moment.
    Waiting,
    /// An hour of it would cost more than the order allows, and its provider comes no further down.
    TooDear {
        /// Whose offer it is.
        provider: AccountId,
        /// The predicted cost of an hour by its last quote, in the smallest coin unit.
        per_hour: Balance,
    },
    /// Its benchmarks say too little of what work will cost.
    TooUnsure {
        /// Whose offer it is.
        provider: AccountId,
        /// Half width of the interval, as a part of a price, in millionths.
        half_width_ppm: u32,
    },
    /// Both have signed; the channel is about to be opened.
    Negotiated,
    /// The account's coin does not suffice for the deposit; why is in words.
    NoCoin(String),
    /// The channel is in a block.
    Opened(OpenedChannel),
    /// That block is final.
    Final,
    /// The machine can be logged in to.
    Ready,
    /// The machine was frozen or runs again, or its provider is to leave.
    Changed(Notice),
    /// What the provider reports is out of the tolerance of what was read in the machine.
    Disagreed(Deviation),
    /// The lease has more deposit or more time from now on.
    Amended(Scope),
    /// It does not get what was asked for; why is in words.
    NotAmended(String),
    /// The connection is lost: the provider is waited for.
    Lost,
    /// The provider is connected again.
    Back,
    /// The chain is asked to close the channel.
    Reclaiming,
    /// Nothing is left to do; the snapshot is the last one.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{tests::terms, Ended};
    use zennet_primitives::{amount::RATE_SCALE, usage::Counter};

    #[test]
    fn a_meeting_without_a_contract_is_no_machine() {
        assert!(Status::new(1).machine(|_| String::new()).is_none());
        assert!(Status::new(1).usage().is_none());
    }

    #[test]
    fn both_readings_are_priced_by_the_contract() {
        let mut terms = terms();
        terms.quote.rates = terms.quote.rates.with(Counter::CpuMicros, 2 * RATE_SCALE);
        let figures = Figures {
            usage: Some(Usage::default().with(Counter::CpuMicros, 5)),
            own_usage: Some(Usage::default().with(Counter::CpuMicros, 4)),
            ..Figures::default()
        };
        let shown = usage_of("zn-1".into(), 1, &terms, &figures);
        assert_eq!((shown.price, shown.own_price), (Some(10), Some(8)));
        assert_eq!(shown.rates["cpu_micros"], 2 * RATE_SCALE);
    }

    #[test]
    fn a_stored_lease_shows_what_the_chain_paid() {
        let mut lease = StoredLease {
            id: 4,
            name: "zn-1".into(),
            session_seed: [0; 32],
            machine: Vec::new(),
            terms: terms(),
            since: 0,
            transactions: 1,
            port: None,
            ended: None,
            figures: Figures { paid: 9, ..Figures::default() },
            readings: Default::default(),
            journal: Default::default(),
            odd_result: false,
        };
        let open = stored_machine(&lease, |_| "5F".into());
        assert_eq!((open.phase.as_str(), open.paid), ("unsettled", 9));
        lease.ended = Some(Ended { reason: CloseReason::Finished, settled: Some(8) });
        let closed = stored_machine(&lease, |_| "5F".into());
        assert_eq!((closed.phase.as_str(), closed.paid), ("closed", 8));
    }
}
