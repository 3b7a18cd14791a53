//! Why calls are refused.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet.
#[pallet_section]
mod errors {
    #[pallet::error]
    pub enum Error<T> {
        /// The account is a candidate already.
        AlreadyCandidate,
        /// The bond of an earlier candidacy is still held; withdraw it first.
        StillUnbonding,
        /// The bond is below the smallest one.
        BondTooLow,
        /// The account has no session keys; set them first.
        NoSessionKeys,
        /// As many stand as can, and the bond is no higher than that of the weakest candidate
        /// without a seat.
        TooManyCandidates,
        /// The account is not a candidate.
        NotCandidate,
        /// The account has no bond to withdraw; only one that was a candidate has.
        NothingToWithdraw,
        /// The unbonding time is not over.
        TooEarlyToWithdraw,
        /// The vote names nobody.
        NoChoice,
        /// The vote names an account twice.
        DuplicateChoice,
        /// The vote names an account that is not a candidate.
        ChoiceNotCandidate,
        /// The stake is below the smallest one.
        StakeTooLow,
        /// The account has no vote.
        NotVoting,
        /// The account has no coins that wait to be unlocked.
        NothingToUnlock,
        /// The lock time is not over.
        TooEarlyToUnlock,
        /// A tally, a stake, a reward or a session number would leave its range.
        OutOfRange,
        /// The account signed two different things where it may sign one; it can never stand again.
        Barred,
        /// The commission is above the highest one.
        CommissionTooHigh,
        /// The account has a vote of its own; take it back first.
        Voting,
        /// The account has delegated its stake; take it back first.
        Delegating,
        /// The account has delegated nothing.
        NotDelegating,
        /// The account is a proxy voter already, and cannot delegate what it is to vote with.
        AlreadyProxyVoter,
        /// The account is not an open proxy voter.
        NotProxyVoter,
        /// The account has earned nothing that it could claim.
        NothingToClaim,
        /// The account is not in jail.
        NotJailed,
        /// The time in jail is not over.
        StillJailed,
        /// The number of seats is zero or above the largest one.
        SeatsOutOfRange,
    }
}
