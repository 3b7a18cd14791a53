//! How a payment is divided.

use sp_runtime::traits::Zero;
use zennet_primitives::{
    amount::Balance,
    record::{AppShare, ChannelRecord},
};

/// One payment out of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Payout {
    pub(crate) to_provider: Balance,
    pub(crate) to_developer: Balance,
}

impl Payout {
    /// What raising the paid amount to `cumulative` pays to whom; nothing if that is no raise.
    ///
    /// The developer's part is the difference of its floors at both amounts, so many small claims
    /// pay the same as a single one.
    pub(crate) fn of<BlockNumber>(
        record: &ChannelRecord<BlockNumber>,
        cumulative: Balance,
    ) -> Option<Self> {
        let due = cumulative.checked_sub(record.paid).filter(|due| !due.is_zero())?;
        let to_developer = match &record.app {
            Some(app) if app.developer != record.provider => {
                part(app, cumulative).checked_sub(part(app, record.paid))?
            }
            _ => 0,
        };
        Some(Self { to_provider: due.checked_sub(to_developer)?, to_developer })
    }

    /// The same payment when the developer's account cannot take its part: the provider gets all.
    pub(crate) fn without_developer(self) -> Option<Self> {
        let to_provider = self.to_provider.checked_add(self.to_developer)?;
        Some(Self { to_provider, to_developer: 0 })
    }
}

fn part(app: &AppShare, cumulative: Balance) -> Balance {
    app.share.mul_floor(cumulative)
}
