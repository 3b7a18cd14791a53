//! The public record of an account, as it is printed.

use std::io;

use serde::Serialize;
use zennet_chain_client::{PublicRecord, Sums};
use zennet_pricing::format_xen;
use zennet_primitives::amount::Balance;

/// What the chain tells of an account. The field names are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PublicReport {
    pub(crate) account: String,
    /// The blocks that were read: a node has dropped its older ones.
    pub(crate) first_block: u32,
    pub(crate) last_block: u32,
    pub(crate) as_publisher: RoleReport,
    pub(crate) as_provider: RoleReport,
}

/// Channels that were settled. Amounts are in the smallest coin unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoleReport {
    pub(crate) channels: u64,
    /// Different accounts at the other ends.
    pub(crate) counterparties: u64,
    pub(crate) paid: Balance,
    pub(crate) refunded: Balance,
}

impl From<Sums> for RoleReport {
    fn from(sums: Sums) -> Self {
        let Sums { channels, counterparties, paid, refunded } = sums;
        RoleReport { channels, counterparties, paid, refunded }
    }
}

impl PublicReport {
    pub(crate) fn new(account: String, record: PublicRecord) -> Self {
        PublicReport {
            account,
            first_block: record.first,
            last_block: record.last,
            as_publisher: record.as_publisher.into(),
            as_provider: record.as_provider.into(),
        }
    }

    /// For people.
    pub(crate) fn show(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "account   {}", self.account)?;
        writeln!(out, "blocks    {} to {}", self.first_block, self.last_block)?;
        for (role, sums) in [("publisher", self.as_publisher), ("provider", self.as_provider)] {
            writeln!(
                out,
                "{role:<9} {} channels settled with {} accounts, {} XEN paid, {} XEN refunded",
                sums.channels,
                sums.counterparties,
                format_xen(sums.paid),
                format_xen(sums.refunded)
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
            PublicRecord { first: 7, last: 9, as_publisher: sums, as_provider: Sums::default() };
        let report = PublicReport::new("5F".into(), record);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            "{\"account\":\"5F\",\"first_block\":7,\"last_block\":9,\"as_publisher\":\
             {\"channels\":3,\"counterparties\":2,\"paid\":1500000000000,\"refunded\":0},\
             \"as_provider\":{\"channels\":0,\"counterparties\":0,\"paid\":0,\"refunded\":0}}"
        );
        let mut text = Vec::new();
        report.show(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("blocks    7 to 9"), "{text}");
        assert!(text.contains("3 channels settled with 2 accounts, 1.5 XEN paid"), "{text}");
    }
}
