//! Turns that are taken and missed, and the jail for those who miss too many in a row.

use alloc::vec::Vec;
use core::ops::Range;

use frame_support::traits::{Get, ValidatorSet};
use sp_runtime::traits::Saturating;

use crate::{
    Authored, Barred, Config, Event, Jailed, Missed, Pallet, Seating, Seats, MISSED_TURNS_TO_JAIL,
};

/// Most bookkeepers of `seats` that may lose their turns: GRANDPA needs the votes of more than two
/// thirds, so it goes on without `(seats - 1) / 3` of them, rounded down.
const fn dispensable(seats: u32) -> u32 {
    seats.saturating_sub(1) / 3
}

impl<T: Config> Pallet<T> {
    /// Counts the block of `author` and the turns that the slots `skipped` were. Returns how many
    /// of them counted.
    ///
    /// If as many slots as there are seats or more went by without a block, then every bookkeeper
    /// let a turn go by, the author too: the network stood still, and none of them is held to
    /// blame. A bookkeeper that is away by itself is found out all the same, because the others'
    /// blocks leave shorter gaps.
    pub(crate) fn note_turns(author: Option<T::AccountId>, skipped: Range<u64>) -> u32 {
        if let Some(author) = author {
            Authored::<T>::mutate(&author, |blocks| blocks.saturating_inc());
            Missed::<T>::remove(&author);
        }
        if skipped.is_empty() {
            return 0;
        }
        let seated = T::Sessions::validators();
        let seats = seated.len() as u64;
        let missed = skipped.end.saturating_sub(skipped.start);
        if missed >= seats {
            return 0;
        }
        for slot in skipped {
            let index = (slot % seats) as u32;
            if let Some(who) = seated.get(index as usize) {
                Self::note_missed(who, index, seated.len() as u32);
            }
        }
        missed as u32
    }

    /// Counts a missed turn of the bookkeeper `who` in the seat `index`, and jails it if it missed
    /// too many in a row.
    fn note_missed(who: &T::AccountId, index: u32, seats: u32) {
        if Jailed::<T>::contains_key(who)
            || Barred::<T>::contains_key(who)
            || T::Sessions::disabled().contains(&index)
        {
            return;
        }
        let in_a_row = Missed::<T>::get(who).saturating_add(1);
        Self::deposit_event(Event::TurnMissed { bookkeeper: who.clone(), in_a_row });
        if in_a_row < MISSED_TURNS_TO_JAIL || !Self::can_spare_one(seats) {
            Missed::<T>::insert(who, in_a_row);
            return;
        }
        let until = frame_system::Pallet::<T>::block_number().saturating_add(T::JailLength::get());
        Missed::<T>::remove(who);
        Jailed::<T>::insert(who, until);
        T::Sessions::disable(index);
        Self::deposit_event(Event::Jailed { bookkeeper: who.clone(), until });
    }

    /// Takes the turns of those among the seated who are barred or in jail, as far as enough
    /// others are left; of the barred first, for whom some in jail have theirs back.
    ///
    /// They may have them still if they were reported in the last block, or if others were seated:
    /// then the session pallet gives everyone turns.
    pub(crate) fn disable_excluded() {
        let seated = T::Sessions::validators();
        let disabled = T::Sessions::disabled();
        let rank = |(who, index): (&T::AccountId, u32)| {
            let barred = Barred::<T>::contains_key(who);
            let has_turns = !disabled.contains(&index);
            (barred || Jailed::<T>::contains_key(who)).then_some((!barred, has_turns, index))
        };
        // The barred, then those who have no turns already, so that no turns go round in jail.
        let mut excluded: Vec<_> = seated.iter().zip(0u32..).filter_map(rank).collect();
        excluded.sort_unstable();
        let spare = excluded.len().min(Self::spare(seated.len() as u32) as usize);
        let (without, with) = excluded.split_at(spare);
        with.iter().for_each(|(.., index)| T::Sessions::enable(*index));
        without.iter().for_each(|(.., index)| T::Sessions::disable(*index));
    }

    /// Whether one more of the bookkeepers in `seats` may lose its turns.
    fn can_spare_one(seats: u32) -> bool {
        (T::Sessions::disabled().len() as u32) < Self::spare(seats)
    }

    /// How many of the bookkeepers in `seats` may be without turns.
    fn spare(seats: u32) -> u32 {
        dispensable(seats).min(seats.saturating_sub(Self::fewest()))
    }

    /// The fewest bookkeepers that are elected or keep their turns.
    pub(crate) fn fewest() -> u32 {
        T::MinBookkeepers::get().min(Seats::<T>::get())
    }

    /// Gives an account that came back from jail its turns back, if it is seated.
    pub(crate) fn enable(who: &T::AccountId) {
        let seated = T::Sessions::validators();
        if let Some(index) = seated.iter().position(|seat| seat == who) {
            T::Sessions::enable(index as u32);
        }
    }
}
