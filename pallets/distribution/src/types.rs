//! Who gets what, and when.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zennet_primitives::amount::Balance;

/// Accounts with the amounts that they get.
pub type Amounts<AccountId> = Vec<(AccountId, Balance)>;

/// The first owners of the coin, by what they get it for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owners<AccountId> {
    /// Cornerstone investors.
    pub cornerstone: Amounts<AccountId>,
    /// Private investors.
    pub private: Amounts<AccountId>,
    /// Whoever promotes the market.
    pub promotion: Amounts<AccountId>,
    /// The team.
    pub team: Amounts<AccountId>,
}

impl<AccountId> Default for Owners<AccountId> {
    fn default() -> Self {
        let none = Vec::new;
        Self { cornerstone: none(), private: none(), promotion: none(), team: none() }
    }
}

/// A class of owners.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Cornerstone investors.
    Cornerstone,
    /// Private investors.
    Private,
    /// Whoever promotes the market.
    Promotion,
    /// The team.
    Team,
}

impl Class {
    /// Name of the class in a genesis.
    pub fn name(self) -> &'static str {
        match self {
            Class::Cornerstone => "cornerstone",
            Class::Private => "private",
            Class::Promotion => "promotion",
            Class::Team => "team",
        }
    }
}

/// A part of what an account gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// Months after genesis at which it can be moved; zero is at once.
    pub month: u32,
    /// Hundredths of what the account gets.
    pub percent: u32,
}

/// What a class of owners gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Hundredths of the supply.
    pub percent: u32,
    /// When it can be moved, by rising months; together all of it.
    pub releases: &'static [Release],
}

/// The plan of a distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Of cornerstone investors.
    pub cornerstone: Share,
    /// Of private investors.
    pub private: Share,
    /// Of whoever promotes the market.
    pub promotion: Share,
    /// Of the team.
    pub team: Share,
    /// Hundredths of the supply that are kept in reserve.
    pub reserve: u32,
}

/// Why a genesis was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// A class gets another amount than its share.
    #[error(
        "distribution.owners.{} names accounts with {given} together; its share is {share}: name in \
         the chain specification whose coin it is", .class.name()
    )]
    NotTheShare {
        /// The class.
        class: Class,
        /// What its accounts get together.
        given: Balance,
        /// What they must get together.
        share: Balance,
    },
    /// There is other coin than that of the distribution.
    #[error(
        "there are {found} after the distribution, not {supply}: leave balances.balances empty"
    )]
    NotTheSupply {
        /// What there is.
        found: Balance,
        /// What there must be.
        supply: Balance,
    },
    /// An account cannot have so many releases, or the coin is too little for them.
    #[error("an account of distribution.owners.{} cannot have its releases: {reason}", .class.name())]
    Schedule {
        /// The class.
        class: Class,
        /// Why not.
        reason: &'static str,
    },
    /// A sum leaves its range.
    #[error("the amounts of the distribution overflow")]
    Overflow,
}

/// A number of hundredths of an amount, rounded down; none if there are too many of them.
pub fn hundredths(amount: Balance, percent: u32) -> Option<Balance> {
    let percent = Balance::from(percent);
    // Divided first, so that up to a hundred of them never overflow.
    let whole = (amount / 100).checked_mul(percent)?;
    whole.checked_add((amount % 100).checked_mul(percent)? / 100)
}

impl Share {
    /// When which part of an amount can be moved: months and amounts, which are the whole together.
    /// What the rounding leaves over comes with the last release.
    pub fn parts(&self, amount: Balance) -> Option<Vec<(u32, Balance)>> {
        let (last, earlier) = self.releases.split_last()?;
        let mut left = amount;
        let mut parts = Vec::with_capacity(self.releases.len());
        for release in earlier {
            let part = hundredths(amount, release.percent)?;
            left = left.checked_sub(part)?;
            parts.push((release.month, part));
        }
        parts.push((last.month, left));
        Some(parts)
    }

    fn is_whole(&self) -> bool {
        let together: u32 = self.releases.iter().map(|release| release.percent).sum();
        together == 100 && self.releases.windows(2).all(|pair| pair[0].month < pair[1].month)
    }
}

impl Plan {
    /// The classes with their shares, in the order of a genesis.
    pub fn shares(&self) -> [(Class, Share); 4] {
        [
            (Class::Cornerstone, self.cornerstone),
            (Class::Private, self.private),
            (Class::Promotion, self.promotion),
            (Class::Team, self.team),
        ]
    }

    /// Whether everything is given away, and is released in the end.
    pub fn is_whole(&self) -> bool {
        let given: u32 = self.shares().iter().map(|(_, share)| share.percent).sum();
        given + self.reserve == 100 && self.shares().iter().all(|(_, share)| share.is_whole())
    }
}

impl<AccountId> Owners<AccountId> {
    /// The accounts of a class.
    pub fn of(&self, class: Class) -> &Amounts<AccountId> {
        match class {
            Class::Cornerstone => &self.cornerstone,
            Class::Private => &self.private,
            Class::Promotion => &self.promotion,
            Class::Team => &self.team,
        }
    }

    /// What the accounts of a class get together; none if it overflows.
    pub fn sum(&self, class: Class) -> Option<Balance> {
        let mut amounts = self.of(class).iter().map(|(_, amount)| *amount);
        amounts.try_fold(0, Balance::checked_add)
    }
}
