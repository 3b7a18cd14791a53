//! The events of an order: one JSON line each with `--json`, a line of status without it.

mod text;

use serde::Serialize;
use zennet_primitives::{amount::Balance, close::CloseReason};

use crate::output::Counters;

/// When a lease reached each stage, seconds since the order began.
#[derive(Clone, Copy, Serialize, PartialEq, Debug, Default)]
pub(crate) struct Stages {
    /// The announcement was in a block.
    pub(crate) announced: Option<f64>,
    /// The provider had dialed.
    pub(crate) met: Option<f64>,
    /// Both had signed the contract.
    pub(crate) negotiated: Option<f64>,
    /// The channel was in a block.
    pub(crate) channel_included: Option<f64>,
    /// That block was final.
    pub(crate) channel_final: Option<f64>,
    /// The machine could be logged in to.
    pub(crate) ready: Option<f64>,
}

/// What is mined.
#[derive(Clone, Copy, Serialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// The publisher's identity.
    Identity,
    /// The stamp of an announcement.
    Stamp,
}

impl Work {
    /// As people read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Identity => "identity",
            Work::Stamp => "stamp",
        }
    }
}

/// What happens during an order. Amounts are in the smallest coin unit.
#[derive(Clone, Serialize, PartialEq, Debug)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A proof of work takes longer than a second. Each hash has the same chance, so the time that is
    /// expected from now on stays the same however long it has taken.
    Mining {
        /// What for.
        work: Work,
        /// Hashes that it takes on average.
        difficulty: u64,
        /// Speed on this machine.
        hashes_per_sec: u64,
        /// Time that is expected from now on.
        expected_secs: f64,
        /// Since the begin.
        secs: f64,
    },
    /// The publisher's identity stands on chain.
    Identity {
        /// Address.
        address: String,
        /// Time that mining took, where it was needed.
        mined_secs: Option<f64>,
    },
    /// Leases of an earlier run are being settled in the background.
    Recovering {
        /// How many.
        leases: usize,
    },
    /// The announcement is in a block; times count from the order's begin.
    Announced {
        /// Its identifier.
        announcement: String,
        /// Number of the block.
        block: u32,
        /// First block in which it no longer stands.
        expires_at: u32,
        /// Where providers dial.
        endpoint: String,
        /// Fee.
        fee: Balance,
        /// Profile of work that offers are compared by.
        profile: String,
        /// Since the begin.
        secs: f64,
    },
    /// A provider has dialed.
    Met {
        /// Number of the lease.
        lease: u64,
        /// Where it dialed from.
        from: String,
        /// Since the begin.
        secs: f64,
    },
    /// A provider's offer will do, but it is asked to wait: all machines are taken at the moment, or
    /// the order gathers offers first.
    Waiting {
        /// Number of the lease.
        lease: u64,
        /// Since the begin.
        secs: f64,
    },
    /// Both have signed a contract.
    Negotiated {
        /// Number of the lease.
        lease: u64,
        /// Name of the machine.
        machine: String,
        /// Address of the provider.
        provider: String,
        /// What the channel will lock.
        deposit: Balance,
        /// Predicted cost of an hour of the order's profile.
        per_hour: Balance,
        /// Since the begin.
        secs: f64,
    },
    /// An hour of an offer would cost more than the order allows, and its provider comes no further
    /// down.
    TooDear {
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// Predicted cost of an hour of the order's profile, by the provider's last quote.
        per_hour: Balance,
    },
    /// What work will cost at an offer's rates is less sure than the order allows.
    TooUnsure {
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// By how much of its price a program may cost more or less, percent.
        half_width_percent: f64,
    },
    /// The channel is in a block.
    Opened {
        /// Name of the machine.
        machine: String,
        /// The channel.
        channel: String,
        /// Number of the block.
        block: u32,
        /// Fee.
        fee: Balance,
        /// Since the begin.
        secs: f64,
    },
    /// The channel's block is final.
    Final {
        /// Name of the machine.
        machine: String,
        /// Since the begin.
        secs: f64,
    },
    /// The machine can be logged in to.
    Ready {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Local port.
        port: u16,
        /// Address of the provider.
        provider: String,
        /// Since the begin.
        order_to_ready_secs: f64,
        /// When each stage was reached.
        stages: Stages,
    },
    /// All machines are ready.
    Complete {
        /// How many.
        machines: usize,
        /// Machines of an earlier run that have not come back yet; they are waited for.
        missing: usize,
        /// Configuration for ssh.
        ssh_config: String,
        /// Since the begin.
        secs: f64,
    },
    /// What a machine's work has cost so far.
    Measured {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// Units of work whose answers were right.
        work: u64,
        /// What the lease came to meanwhile.
        cost: Balance,
        /// Time that the work took.
        work_secs: f64,
        /// Answers that were wrong.
        wrong: u32,
    },
    /// The machine's work is among the dearest: its lease ends.
    Dropped {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
    },
    /// The machines were chosen that stay.
    Kept {
        /// How many.
        machines: usize,
        /// How many go.
        dropped: usize,
        /// Since the begin.
        secs: f64,
    },
    /// Standard work takes longer on a machine than at first, or costs more, or came to nothing.
    Slow {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// How much longer it takes, percent; nothing where the answer was wrong.
        slower_percent: Option<f64>,
        /// How much more it costs, percent; nothing where the answer was wrong.
        dearer_percent: Option<f64>,
        /// Whether it costs more than what the other machines explain.
        outlier: bool,
        /// For which time in a row.
        times: u32,
    },
    /// What a command came to on one machine.
    Result {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// What it exited with.
        exit_code: Option<u32>,
        /// SHA-256 of its standard output, hexadecimal.
        stdout_sha256: Option<String>,
        /// Length of that.
        stdout_bytes: Option<u64>,
        /// Time that it took.
        took_secs: Option<f64>,
        /// Why there is none.
        error: Option<String>,
        /// Whether it differs from that of the majority.
        odd: bool,
    },
    /// What the results of all machines come to.
    Verdict {
        /// How many were asked.
        machines: usize,
        /// How many gave the result of the majority; none where there is no majority.
        agreed: usize,
        /// Addresses of the providers whose results differ from it.
        odd: Vec<String>,
    },
    /// Machines of an earlier run are waited for.
    Resuming {
        /// How many.
        machines: usize,
        /// Machines that the earlier run was still looking for.
        wanted: usize,
    },
    /// The machine is frozen until what is due is paid.
    Frozen {
        /// Name of the machine.
        machine: String,
        /// Price of all usage so far.
        due: Balance,
    },
    /// The machine runs again.
    Thawed {
        /// Name of the machine.
        machine: String,
    },
    /// The provider goes out of service and ends the lease then.
    Leaving {
        /// Name of the machine.
        machine: String,
        /// Time that is left, seconds.
        in_secs: u32,
    },
    /// What the provider reports is out of the tolerance of what was read in the machine.
    Disagreed {
        /// Name of the machine.
        machine: String,
        /// The counter that is furthest off.
        counter: &'static str,
        /// What the provider says was used since both were first compared.
        claimed: u64,
        /// What was read in the machine.
        read: u64,
        /// By how much they may differ.
        tolerance: u64,
    },
    /// The lease has more deposit or more time from now on.
    Amended {
        /// Name of the machine.
        machine: String,
        /// What the channel locks in all.
        deposit: Balance,
        /// Lease time in all.
        lease_secs: u32,
        /// Since the begin.
        secs: f64,
    },
    /// The lease did not get what was asked for; it goes on as it was.
    NotAmended {
        /// Name of the machine.
        machine: String,
        /// Why.
        why: String,
    },
    /// The connection is lost: the provider dials again, and the machine is frozen meanwhile.
    Lost {
        /// Name of the machine.
        machine: String,
    },
    /// The provider is connected again.
    Back {
        /// Name of the machine.
        machine: String,
    },
    /// The provider is gone: the chain is asked to close the channel.
    Reclaiming {
        /// Name of the machine.
        machine: String,
        /// Blocks that the provider has to answer.
        challenge_blocks: u32,
    },
    /// A meeting ended without a contract.
    Parted {
        /// Number of the lease.
        lease: u64,
        /// Address of the provider, where it said who it is.
        provider: Option<String>,
        /// Why.
        close_reason: CloseReason,
    },
    /// A lease ended and its channel was settled on chain.
    Settled {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// What the channel paid on chain.
        paid: Balance,
        /// What it had locked.
        deposit: Balance,
        /// Sum of the vouchers.
        signed: Balance,
        /// How many vouchers were signed.
        vouchers: u32,
        /// Since the start, as the provider read it.
        usage: Counters,
        /// Since the first own reading, as read inside the machine.
        own_usage: Counters,
        /// Whether the last comparison was within the tolerance.
        agreed: bool,
        /// Why it ended.
        close_reason: CloseReason,
        /// Transactions of this channel, by either side.
        transactions: u32,
    },
    /// A lease ended without a channel, or its channel was not settled.
    Unsettled {
        /// Name of the machine.
        machine: String,
        /// Number of the lease.
        lease: u64,
        /// Address of the provider.
        provider: String,
        /// What is locked until the channel ends; zero where none was opened.
        locked: Balance,
        /// Why it ended.
        close_reason: CloseReason,
    },
    /// The order is over, or left to `resume`; always the last line.
    Finished {
        /// Leases that were settled.
        settled: usize,
        /// Leases that were not.
        unsettled: usize,
        /// What all channels paid.
        paid: Balance,
        /// Since the begin.
        secs: f64,
        /// What the program exits with.
        exit_code: u8,
        /// Why that is not zero.
        error: Option<String>,
    },
}

impl Event {
    /// Whether it is the data that a person asked for; everything else is status.
    pub(crate) fn is_data(&self) -> bool {
        matches!(
            self,
            Event::Ready { .. }
                | Event::Complete { .. }
                | Event::Result { .. }
                | Event::Verdict { .. }
                | Event::Settled { .. }
        )
    }
}

/// The same of an event's name.
pub(crate) fn is_data(event: &str) -> bool {
    matches!(event, "ready" | "complete" | "result" | "verdict" | "settled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_settled_lease_is_stable() {
        let event = Event::Settled {
            machine: "zn-1".into(),
            lease: 1,
            provider: "5F".into(),
            paid: 7,
            deposit: 9,
            signed: 7,
            vouchers: 3,
            usage: [("cpu_micros".to_owned(), 5)].into(),
            own_usage: [("cpu_micros".to_owned(), 4)].into(),
            agreed: true,
            close_reason: CloseReason::Finished,
            transactions: 2,
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            "{\"event\":\"settled\",\"machine\":\"zn-1\",\"lease\":1,\"provider\":\"5F\",\
             \"paid\":7,\"deposit\":9,\"signed\":7,\"vouchers\":3,\"usage\":{\"cpu_micros\":5},\
             \"own_usage\":{\"cpu_micros\":4},\"agreed\":true,\"close_reason\":\"finished\",\
             \"transactions\":2}"
        );
        assert!(event.is_data());
    }

    #[test]
    fn the_json_of_a_ready_machine_is_stable() {
        let event = Event::Ready {
            machine: "zn-1".into(),
            lease: 1,
            port: 20001,
            provider: "5F".into(),
            order_to_ready_secs: 4.5,
            stages: Stages { announced: Some(1.0), ready: Some(4.5), ..Stages::default() },
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            "{\"event\":\"ready\",\"machine\":\"zn-1\",\"lease\":1,\"port\":20001,\
             \"provider\":\"5F\",\"order_to_ready_secs\":4.5,\"stages\":{\"announced\":1.0,\
             \"met\":null,\"negotiated\":null,\"channel_included\":null,\"channel_final\":null,\
             \"ready\":4.5}}"
        );
    }

    #[test]
    fn an_event_and_its_name_agree_on_whether_it_is_data() {
        let ready = Event::Complete { machines: 1, missing: 0, ssh_config: "x".into(), secs: 1.0 };
        let lost = Event::Lost { machine: "zn-1".into() };
        for event in [ready, lost] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(is_data(json["event"].as_str().unwrap()), event.is_data(), "{json}");
        }
        assert!(is_data("ready") && is_data("settled"));
    }

    #[test]
    fn amounts_above_64_bits_are_printed_whole() {
        let event = Event::Frozen { machine: "zn-1".into(), due: u128::MAX };
        assert!(serde_json::to_string(&event).unwrap().contains(&u128::MAX.to_string()));
    }
}
