//! The public record of an account, as it is printed.

use std::fmt::{self, Display};

use serde::Serialize;
use zennet_chain_client::{PublicRecord, Sums};
use zennet_primitives::amount::Balance;

use crate::units::xen;

/// What the chain tells of an account.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub(crate) struct PublicReport {
    /// Address.
    pub(crate) account: String,
    /// The oldest block that was read: a node has dropped its older ones.
    pub(crate) first_block: u32,
    /// The newest block that was read.
    pub(crate) last_block: u32,
    /// Channels that it paid by.
    pub(crate) as_publisher: RoleReport,
    /// Channels that it was paid by.
    pub(crate) as_provider: RoleReport,
}

/// Channels that were settled.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub(crate) struct RoleReport {
    /// How many.
    pub(crate) channels: u64,
    /// Different accounts at the other ends.
    pub(crate) counterparties: u64,
    /// What they paid.
    pub(crate) paid: Balance,
    /// What returned to the publishers.
    pub(crate) refunded: Balance,
}

impl From<Sums> for RoleReport {
    fn from(sums: Sums) -> Self {
        let Sums { channels, counterparties, paid, refunded } = sums;
        RoleReport { channels, counterparties, paid, refunded }
    }
}

impl PublicReport {
    /// With the address as the chain writes it.
    pub(crate) fn new(account: String, record: PublicRecord) -> Self {
        PublicReport {
            account,
            first_block: record.first,
            last_block: record.last,
            as_publisher: record.as_publisher.into(),
            as_provider: record.as_provider.into(),
        }
    }
}

impl Display for PublicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account    {}", self.account)?;
        writeln!(f, "blocks     {} to {}", self.first_block, self.last_block)?;
        for (role, sums) in [("publisher", &self.as_publisher), ("provider", &self.as_provider)] {
            writeln!(
                f,
                "{role:<9}  {} channels settled with {} accounts, {} paid, {} refunded",
                sums.channels,
                sums.counterparties,
                xen(sums.paid),
                xen(sums.refunded)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_record_is_printed_for_people_and_for_programs() {
        let sums = Sums { channels: 3, counterparties: 2, paid: 1_500_000_000_000, refunded: 0 };
        let record =
            PublicRecord { first: 7, last: 9, as_publisher: Sums::default(), as_provider: sums };
        let report = PublicReport::new("5F".into(), record);
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            "{\"account\":\"5F\",\"first_block\":7,\"last_block\":9,\"as_publisher\":\
             {\"channels\":0,\"counterparties\":0,\"paid\":0,\"refunded\":0},\"as_provider\":\
             {\"channels\":3,\"counterparties\":2,\"paid\":1500000000000,\"refunded\":0}}"
        );
        let text = report.to_string();
        assert!(text.contains("provider   3 channels settled with 2 accounts, 1.5 XEN"), "{text}");
    }
}
