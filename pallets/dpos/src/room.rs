//! Room for a newcomer where as many stand as can.
//!
//! Bonds return, so whoever has enough coin for a while could fill the list of candidates and keep
//! everybody else out. Therefore a full list is open to those who bond more than the lowest bond of
//! those without votes that count. Candidates whom holders want are the last that have to go, and
//! those of genesis never: they are whom the chain falls back on.

use core::cmp::Reverse;

use frame_support::traits::ValidatorSet;

use crate::{BalanceOf, Candidate, Candidates, Config, Error, Event, Pallet, Seating, Standing};

impl<T: Config> Pallet<T> {
    /// Lets the weakest candidate without a seat retire, if `newcomer` bonds more than it.
    pub(crate) fn make_room(newcomer: &T::AccountId, bond: BalanceOf<T>) -> Result<(), Error<T>> {
        let (candidate, _) = Self::weakest()
            .filter(|(_, weakest)| bond > weakest.bond)
            .ok_or(Error::TooManyCandidates)?;
        let withdrawable_at = Self::end_candidacy(&candidate)?;
        let by = newcomer.clone();
        Self::deposit_event(Event::Displaced { candidate, by, withdrawable_at });
        Ok(())
    }

    /// Of the candidates without a seat in this session or the next, but for those of genesis, the one
    /// with the lowest tally that counts; among equals the one with the lowest bond, then the last to
    /// have registered. Reads two items a candidate.
    fn weakest() -> Option<(T::AccountId, Candidate<BalanceOf<T>>)> {
        let least = Self::least_tally();
        let (seated, next) = (T::Sessions::validators(), T::Sessions::next());
        let may_go = |who: &T::AccountId, candidate: &Candidate<_>| {
            candidate.standing != Standing::Founder && !seated.contains(who) && !next.contains(who)
        };
        Candidates::<T>::iter().filter(|(who, candidate)| may_go(who, candidate)).min_by_key(
            |(who, Candidate { bond, order, .. })| {
                (Self::counted(who, least), *bond, Reverse(*order))
            },
        )
    }
}
