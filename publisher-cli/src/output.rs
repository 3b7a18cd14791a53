//! What the program prints: every struct here is one line with `--json` and text without it.
//!
//! Amounts are integers in the smallest unit of the coin, times are seconds. Fields are only ever
//! added.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    io::{self, Write},
};

use serde::{Deserialize, Serialize};
use zennet_primitives::{
    amount::{Balance, Rates},
    close::CloseReason,
    usage::Usage,
};

use crate::{units::xen, volumes::Shown};

/// Where data goes; status goes to stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
}

impl Out {
    /// Prints one item of data.
    pub(crate) fn data<T: Serialize + Display>(&self, item: &T) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            let line = serde_json::to_string(item).map_err(io::Error::other)?;
            writeln!(out, "{line}")?;
        } else {
            let text = item.to_string();
            writeln!(out, "{}", text.trim_end_matches('\n'))?;
        }
        out.flush()
    }
}

/// Counters by their names.
pub(crate) type Counters = BTreeMap<String, u64>;

/// Counters as they are printed.
pub(crate) fn counters(usage: &Usage) -> Counters {
    usage.iter().map(|(counter, value)| (counter.name().to_owned(), value)).collect()
}

/// Rates as they are printed, in 1e-18 of the smallest coin unit.
pub(crate) fn rates(rates: &Rates) -> BTreeMap<String, u128> {
    rates.priced().map(|(counter, rate)| (counter.name().to_owned(), rate)).collect()
}

/// An account.
#[derive(Serialize, Debug)]
pub(crate) struct Account {
    /// Address.
    pub(crate) address: String,
    /// Public key, hexadecimal.
    pub(crate) public_key: String,
}

impl Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.address)
    }
}

/// What `init` made.
#[derive(Serialize, Debug)]
pub(crate) struct Initialised {
    /// The configuration.
    pub(crate) config: String,
    /// The key file.
    pub(crate) key_file: String,
    /// Address of the account.
    pub(crate) address: String,
}

impl Display for Initialised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address  {}", self.address)?;
        writeln!(f, "config   {}", self.config)?;
        writeln!(f, "key      {}", self.key_file)
    }
}

/// Balance of an account.
#[derive(Serialize, Debug)]
pub(crate) struct AccountBalance {
    /// Address.
    pub(crate) address: String,
    /// What is not held.
    pub(crate) free: Balance,
    /// Deposits of channels, of their records and of announcements.
    pub(crate) held: Balance,
    /// What can be spent.
    pub(crate) spendable: Balance,
}

impl Display for AccountBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.address)?;
        writeln!(f, "spendable  {}", xen(self.spendable))?;
        writeln!(f, "free       {}", xen(self.free))?;
        writeln!(f, "held       {}", xen(self.held))
    }
}

/// A transfer that is in a block.
#[derive(Serialize, Debug)]
pub(crate) struct Transferred {
    /// Address of the receiver.
    pub(crate) dest: String,
    /// What was sent.
    pub(crate) amount: Balance,
    /// What it cost.
    pub(crate) fee: Balance,
    /// Number of the block.
    pub(crate) block: u32,
}

impl Display for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dest, amount, fee, block } = self;
        writeln!(f, "sent {} to {dest} in block {block}, fee {}", xen(*amount), xen(*fee))
    }
}

/// A mined identity, or the lack of one.
#[derive(Serialize, Debug)]
pub(crate) struct Identity {
    /// Address.
    pub(crate) address: String,
    /// Role.
    pub(crate) role: String,
    /// Whether it is registered.
    pub(crate) mined: bool,
    /// Block of its registration.
    pub(crate) registered_at: Option<u32>,
    /// Difficulty that it met.
    pub(crate) difficulty: Option<u64>,
    /// Time that this run mined for, where it did.
    pub(crate) secs: Option<f64>,
}

impl Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.registered_at, self.difficulty) {
            (Some(block), Some(difficulty)) => writeln!(
                f,
                "{} of {}: registered in block {block}, difficulty {difficulty}",
                self.role, self.address
            ),
            _ => writeln!(
                f,
                "{} of {}: not registered; run `publisher-cli identity mine`",
                self.role, self.address
            ),
        }
    }
}

/// A lease in `list`.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct Machine {
    /// Name of the machine, such as `zn-1`.
    pub(crate) machine: String,
    /// Number of the lease in this folder.
    pub(crate) lease: u64,
    /// Address of the provider.
    pub(crate) provider: String,
    /// Local port, while it can be logged in to.
    pub(crate) port: Option<u16>,
    /// How far the lease is.
    pub(crate) phase: String,
    /// Sum of the vouchers, or what the chain paid when it is settled.
    pub(crate) paid: Balance,
    /// What the channel locks in all.
    pub(crate) deposit: Balance,
    /// Lease time in all.
    #[serde(default)]
    pub(crate) lease_secs: u32,
    /// Lease time left.
    pub(crate) left_secs: Option<u64>,
    /// Why it ended.
    pub(crate) close_reason: Option<CloseReason>,
}

/// Volumes that providers keep.
#[derive(Serialize, Debug)]
pub(crate) struct Volumes {
    pub(crate) volumes: Vec<Shown>,
}

impl Display for Volumes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.volumes.is_empty() {
            return writeln!(f, "no volumes are kept");
        }
        self.volumes.iter().try_for_each(|volume| writeln!(f, "{volume}"))
    }
}

/// All leases of a folder.
#[derive(Serialize, Debug)]
pub(crate) struct Machines {
    /// Running ones first.
    pub(crate) machines: Vec<Machine>,
}

impl Display for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.machines.is_empty() {
            return writeln!(f, "no leases");
        }
        writeln!(
            f,
            "{:<8} {:<12} {:>5} {:>7}  {:<34} provider",
            "machine", "phase", "port", "left", "paid / deposit"
        )?;
        for m in &self.machines {
            let port = m.port.map_or_else(|| "-".into(), |p| p.to_string());
            let left = m.left_secs.map_or_else(|| "-".into(), |s| format!("{s}s"));
            let money = format!("{} / {}", xen(m.paid), xen(m.deposit));
            write!(
                f,
                "{:<8} {:<12} {port:>5} {left:>7}  {money:<34} {}",
                m.machine, m.phase, m.provider
            )?;
            match m.close_reason {
                Some(reason) => writeln!(f, "  ({reason})")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// Usage of a lease as both sides read it.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct MachineUsage {
    /// Name of the machine.
    pub(crate) machine: String,
    /// Number of the lease in this folder.
    pub(crate) lease: u64,
    /// Since the start, as the provider reads it.
    pub(crate) usage: Counters,
    /// Since the first own reading, as read inside the machine.
    pub(crate) own_usage: Counters,
    /// Whether the latest comparison was within the tolerance.
    pub(crate) agreed: bool,
    /// Price of one unit of each counter, in 1e-18 of the smallest coin unit.
    pub(crate) rates: BTreeMap<String, u128>,
    /// Price of the provider's figures.
    pub(crate) price: Option<Balance>,
    /// Price of the own figures.
    pub(crate) own_price: Option<Balance>,
    /// Sum of the vouchers.
    pub(crate) paid: Balance,
    /// How many vouchers were signed.
    pub(crate) vouchers: u32,
}

/// Usage of several leases.
#[derive(Serialize, Debug)]
pub(crate) struct Usages {
    /// By machine.
    pub(crate) machines: Vec<MachineUsage>,
}

impl Display for Usages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.machines.is_empty() {
            return writeln!(f, "no leases");
        }
        for (place, m) in self.machines.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            let agreed = if m.agreed { "readings agree" } else { "readings not in agreement" };
            writeln!(f, "{}: {agreed}, {} vouchers, paid {}", m.machine, m.vouchers, xen(m.paid))?;
            writeln!(f, "  {:<18} {:>20} {:>20}", "counter", "provider", "own")?;
            for (name, value) in &m.usage {
                let own = m.own_usage.get(name).map_or_else(|| "-".into(), u64::to_string);
                let free = if m.rates.contains_key(name) { "" } else { "  free" };
                writeln!(f, "  {name:<18} {value:>20} {own:>20}{free}")?;
            }
            let price = |p: Option<Balance>| p.map_or_else(|| "-".into(), xen);
            let (theirs, own) = (price(m.price), price(m.own_price));
            writeln!(f, "  {:<18} {theirs:>20} {own:>20}", "price")?;
        }
        Ok(())
    }
}

/// Leases that were told to end.
#[derive(Serialize, Debug)]
pub(crate) struct Cancelled {
    /// Their machines as they ended.
    pub(crate) machines: Vec<Machine>,
}

impl Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for m in &self.machines {
            writeln!(f, "{}: {}, paid {}", m.machine, m.phase, xen(m.paid))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            machine: "zn-1".into(),
            lease: 3,
            provider: "5Fake".into(),
            port: Some(20001),
            phase: "serving".into(),
            paid: 250_000_000_000,
            deposit: 30_000_000_000_000_000_000_000,
            lease_secs: 60,
            left_secs: Some(12),
            close_reason: None,
        }
    }

    #[test]
    fn the_json_of_a_machine_is_stable_and_reads_back() {
        let json = serde_json::to_string(&machine()).unwrap();
        assert_eq!(
            json,
            "{\"machine\":\"zn-1\",\"lease\":3,\"provider\":\"5Fake\",\"port\":20001,\
             \"phase\":\"serving\",\"paid\":250000000000,\
             \"deposit\":30000000000000000000000,\"lease_secs\":60,\"left_secs\":12,\"close_reason\":null}"
        );
        assert_eq!(serde_json::from_str::<Machine>(&json).unwrap(), machine());
    }

    #[test]
    fn the_table_of_machines_is_this() {
        let ended = Machine {
            machine: "zn-2".into(),
            port: None,
            phase: "closed".into(),
            left_secs: None,
            deposit: 1,
            paid: 0,
            close_reason: Some(CloseReason::NotPaid),
            ..machine()
        };
        let text = Machines { machines: vec![machine(), ended] }.to_string();
        let expected = "\
machine  phase         port    left  paid / deposit                     provider
zn-1     serving      20001     12s  0.25 XEN / 30000000000 XEN         5Fake
zn-2     closed           -       -  0 XEN / 0.000000000001 XEN         5Fake  (the publisher stopped paying)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn usage_stands_beside_the_own_reading() {
        let usage = MachineUsage {
            machine: "zn-1".into(),
            lease: 3,
            usage: [("cpu_micros".to_owned(), 5), ("net_rx_bytes".to_owned(), 7)].into(),
            own_usage: [("cpu_micros".to_owned(), 4)].into(),
            agreed: true,
            rates: [("cpu_micros".to_owned(), 1u128 << 70)].into(),
            price: Some(10),
            own_price: None,
            paid: 9,
            vouchers: 2,
        };
        let json = serde_json::to_string(&usage).unwrap();
        assert_eq!(serde_json::from_str::<MachineUsage>(&json).unwrap(), usage);
        let text = Usages { machines: vec![usage] }.to_string();
        assert!(text.contains("readings agree, 2 vouchers"), "{text}");
        assert!(text.lines().any(|l| l.trim_end().ends_with("5                    4")), "{text}");
        assert!(text.contains("net_rx_bytes") && text.contains("-  free"), "{text}");
    }
}
