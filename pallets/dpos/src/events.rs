//! What the pallet reports.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet.
#[pallet_section]
mod events {
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account became a candidate.
        Stood { candidate: T::AccountId, bond: BalanceOf<T>, commission: Perbill },
        /// A candidate will not be elected again; its bond can be withdrawn from the session named,
        /// or later if it is still seated.
        Retired { candidate: T::AccountId, withdrawable_at: SessionIndex },
        /// The bond of an account that was a candidate was released.
        Withdrawn { candidate: T::AccountId, bond: BalanceOf<T> },
        /// A vote was cast or replaced.
        Voted { voter: T::AccountId, candidates: Choices<T::AccountId>, stake: BalanceOf<T> },
        /// A vote was taken back; its stake can be unlocked from the session named.
        Unvoted { voter: T::AccountId, unlockable_at: SessionIndex },
        /// Coins that had been taken out of votes or delegations were released.
        Unlocked { voter: T::AccountId, amount: BalanceOf<T> },
        /// Another set of bookkeepers was elected for a session.
        Elected { session: SessionIndex, bookkeepers: Vec<T::AccountId> },
        /// Too few could be elected for a session; the seated bookkeepers stay.
        TooFewElectable { session: SessionIndex, electable: u32 },
        /// The account of the fees cannot take so little; it is kept until more fees come.
        FeesCarried { amount: BalanceOf<T> },
        /// A candidate will keep another part of its rewards, from the session named on.
        CommissionChanged { candidate: T::AccountId, commission: Perbill, from: SessionIndex },
        /// An account votes from now on with what others delegate to it.
        ProxyOpened { proxy: T::AccountId },
        /// An account does not vote for others any more; what they delegated counts nowhere.
        ProxyClosed { proxy: T::AccountId },
        /// A stake was delegated to a proxy voter, in place of what was delegated before.
        Delegated { holder: T::AccountId, proxy: T::AccountId, stake: BalanceOf<T> },
        /// A delegated stake was taken back; it can be unlocked from the session named.
        Undelegated { holder: T::AccountId, unlockable_at: SessionIndex },
        /// A bookkeeper was given its part of the fees of a session by the blocks that it authored.
        Rewarded {
            bookkeeper: T::AccountId,
            session: SessionIndex,
            blocks: u32,
            /// What it keeps.
            kept: BalanceOf<T>,
            /// What its voters share.
            shared: BalanceOf<T>,
        },
        /// Rewards were paid.
        Claimed { account: T::AccountId, amount: BalanceOf<T> },
        /// A bookkeeper let its turn go by, so many times in a row now.
        TurnMissed { bookkeeper: T::AccountId, in_a_row: u32 },
        /// A bookkeeper missed too many turns in a row; it can come back from the block named.
        Jailed { bookkeeper: T::AccountId, until: BlockNumberFor<T> },
        /// An account came back from jail.
        Unjailed { account: T::AccountId },
        /// A bookkeeper was proven to have signed two different things where it may sign one: it
        /// can never stand again, and lost a part of its bond.
        Barred { bookkeeper: T::AccountId, slashed: BalanceOf<T> },
        /// The number of bookkeepers to be elected was set.
        SeatsSet { seats: u32 },
        /// A candidate without a seat had to make room for one with a higher bond; it has retired,
        /// and its bond can be withdrawn from the session named.
        Displaced { candidate: T::AccountId, by: T::AccountId, withdrawable_at: SessionIndex },
    }
}
