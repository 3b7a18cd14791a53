//! What accounts can do.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes the sender a candidate and holds `bond` on its account.
        ///
        /// The sender must have session keys. To be elected for the first time it needs the votes
        /// of a certain part of all coin, the threshold. Once it is seated, it keeps the part
        /// `commission` of its rewards, in parts of a billion, and its voters share the rest.
        ///
        /// If as many stand as can, the sender takes the place of the weakest candidate without a
        /// seat in this session or the next, which retires by that, provided that the sender bonds
        /// more. The weakest is the one with the lowest tally, where one below the threshold counts
        /// as none; among equals the one with the lowest bond, then the last to have come.
        /// Candidates of the first block never have to go.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::stand().saturating_add(T::WeightInfo::make_room()))]
        pub fn stand(
            origin: OriginFor<T>,
            bond: BalanceOf<T>,
            commission: Perbill,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            ensure!(T::Sessions::is_registered(&who), Error::<T>::NoSessionKeys);
            let full = Candidates::<T>::count() >= T::MaxCandidates::get();
            if full {
                Self::make_room(&who, bond)?;
            }
            Self::admit(&who, bond, commission, Standing::Newcomer)?;
            Self::deposit_event(Event::Stood { candidate: who, bond, commission });
            Ok((!full).then(T::WeightInfo::stand).into())
        }

        /// Ends the sender's candidacy.
        ///
        /// If it is seated, or elected for the next session, it serves to the end. Its bond
        /// stays held for the unbonding time, which begins again with each session that it serves.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::retire())]
        pub fn retire(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let withdrawable_at = Self::end_candidacy(&who)?;
            Self::deposit_event(Event::Retired { candidate: who, withdrawable_at });
            Ok(())
        }

        /// Releases the bond of the sender, who is no candidate any more, once the unbonding time
        /// is over. It is never over for one that is seated.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw())]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let Leaving { bond, withdrawable_at, .. } =
                Retired::<T>::get(&who).ok_or(Error::<T>::NothingToWithdraw)?;
            ensure!(
                T::Sessions::session_index() >= withdrawable_at,
                Error::<T>::TooEarlyToWithdraw
            );
            Retired::<T>::remove(&who);
            Missed::<T>::remove(&who);
            T::Currency::release(&HoldReason::Candidacy.into(), &who, bond, Precision::Exact)?;
            Self::deposit_event(Event::Withdrawn { candidate: who, bond });
            Ok(())
        }

        /// Sets the sender's vote, in place of the one that it may have: `stake` is held, and all
        /// of it counts for each of the `candidates`.
        ///
        /// What others delegate to the sender counts for them too, if it is an open proxy voter.
        /// What a higher stake adds is taken first from coins that wait to be unlocked; what a
        /// lower stake leaves over waits with them for a new lock time.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::vote(candidates.len() as u32))]
        pub fn vote(
            origin: OriginFor<T>,
            candidates: Choices<T::AccountId>,
            stake: BalanceOf<T>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(!candidates.is_empty(), Error::<T>::NoChoice);
            ensure!(stake >= T::MinStake::get(), Error::<T>::StakeTooLow);
            ensure!(!Delegations::<T>::contains_key(&who), Error::<T>::Delegating);
            let distinct: BTreeSet<_> = candidates.iter().collect();
            ensure!(distinct.len() == candidates.len(), Error::<T>::DuplicateChoice);
            ensure!(
                candidates.iter().all(Candidates::<T>::contains_key),
                Error::<T>::ChoiceNotCandidate
            );
            let old = Votes::<T>::get(&who);
            let old_stake = old.as_ref().map_or_else(Zero::zero, |vote| vote.stake);
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old_stake, stake, unlockable_at)?;

            if let Some(old) = old {
                let old = Self::credit_vote(&who, old)?;
                Self::uncount(&old.candidates, Self::weight(&who, old.stake)?)?;
            }
            Self::count(&candidates, Self::weight(&who, stake)?)?;
            Self::apply(&who, change)?;
            let credited_to = Self::pooled(&candidates);
            let vote = Vote { candidates, stake, credited_to };
            Votes::<T>::insert(&who, &vote);
            Self::deposit_event(Event::Voted { voter: who, candidates: vote.candidates, stake });
            Ok(())
        }

        /// Takes the sender's vote back; its stake leaves the tallies now and waits for the lock
        /// time to be over.
        ///
        /// What is delegated to the sender leaves the tallies too, until it votes again.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::unvote())]
        pub fn unvote(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let old = Votes::<T>::get(&who).ok_or(Error::<T>::NotVoting)?;
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old.stake, Zero::zero(), unlockable_at)?;
            let old = Self::credit_vote(&who, old)?;
            Self::uncount(&old.candidates, Self::weight(&who, old.stake)?)?;
            Votes::<T>::remove(&who);
            Self::leave_fraction(&who)?;
            Self::apply(&who, change)?;
            Self::deposit_event(Event::Unvoted { voter: who, unlockable_at });
            Ok(())
        }

        /// Releases the coins that the sender has taken out of its votes and delegations, once
        /// their lock time is over.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::unlock())]
        pub fn unlock(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let Unlocking { amount, unlockable_at } =
                Unlockings::<T>::get(&who).ok_or(Error::<T>::NothingToUnlock)?;
            ensure!(T::Sessions::session_index() >= unlockable_at, Error::<T>::TooEarlyToUnlock);
            Unlockings::<T>::remove(&who);
            T::Currency::release(&HoldReason::Vote.into(), &who, amount, Precision::Exact)?;
            Self::deposit_event(Event::Unlocked { voter: who, amount });
            Ok(())
        }

        /// Makes the sender a proxy voter: others can delegate their stake to it, and its vote
        /// counts with all of it.
        ///
        /// It may have a vote already or cast one later. The smallest stake is held on its account
        /// for as long as it is open; this deposit does not vote.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::open_proxy())]
        pub fn open_proxy(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(!Delegations::<T>::contains_key(&who), Error::<T>::Delegating);
            let proxy = ProxyVoters::<T>::get(&who).unwrap_or_default();
            ensure!(!proxy.open, Error::<T>::AlreadyProxyVoter);

            if let Some(vote) = Votes::<T>::get(&who) {
                // What the vote has earned so far is none of the delegators'.
                let vote = Self::credit_vote(&who, vote)?;
                Self::count(&vote.candidates, proxy.delegated)?;
                Votes::<T>::insert(&who, vote);
            }
            T::Currency::hold(&HoldReason::ProxyVoter.into(), &who, T::MinStake::get())?;
            ProxyVoters::<T>::insert(&who, ProxyVoter { open: true, ..proxy });
            Self::deposit_event(Event::ProxyOpened { proxy: who });
            Ok(())
        }

        /// Ends the sender's voting for others, and releases the deposit for it.
        ///
        /// A vote of its own stays. What was delegated to it counts nowhere, until its holders
        /// take it back, or until the sender opens again.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::close_proxy())]
        pub fn close_proxy(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let proxy = Self::open_proxy_voter(&who).ok_or(Error::<T>::NotProxyVoter)?;
            let per_unit = Self::proxy_rewards(&who)?;

            if let Some(vote) = Votes::<T>::get(&who) {
                let vote = Self::credit_vote(&who, vote)?;
                Self::uncount(&vote.candidates, proxy.delegated)?;
                Votes::<T>::insert(&who, vote);
            }
            let reason = HoldReason::ProxyVoter.into();
            T::Currency::release_all(&reason, &who, Precision::Exact)?;
            Self::keep_proxy_voter(&who, ProxyVoter { open: false, per_unit, ..proxy });
            Self::deposit_event(Event::ProxyClosed { proxy: who });
            Ok(())
        }

        /// Lets the proxy voter `proxy` vote with `stake`, which is held on the sender's account, in
        /// place of what the sender may have delegated before.
        ///
        /// The sender cannot have a vote of its own at the same time, nor be a proxy voter. It
        /// has its part of what the proxy voter's vote earns.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::delegate())]
        pub fn delegate(
            origin: OriginFor<T>,
            proxy: T::AccountId,
            stake: BalanceOf<T>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(stake >= T::MinStake::get(), Error::<T>::StakeTooLow);
            ensure!(!Votes::<T>::contains_key(&who), Error::<T>::Voting);
            ensure!(Self::open_proxy_voter(&who).is_none(), Error::<T>::AlreadyProxyVoter);
            ensure!(Self::open_proxy_voter(&proxy).is_some(), Error::<T>::NotProxyVoter);
            let old = Delegations::<T>::get(&who);
            let old_stake = old.as_ref().map_or_else(Zero::zero, |delegation| delegation.stake);
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old_stake, stake, unlockable_at)?;

            if let Some(old) = old {
                Self::take_delegated(&who, &old)?;
            }
            let credited_to = Self::add_delegated(&proxy, stake)?;
            Self::apply(&who, change)?;
            let delegation = Delegation { proxy: proxy.clone(), stake, credited_to };
            Delegations::<T>::insert(&who, delegation);
            Self::deposit_event(Event::Delegated { holder: who, proxy, stake });
            Ok(())
        }

        /// Takes back what the sender has delegated; it leaves the tallies now and waits for the
        /// lock time to be over.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::undelegate())]
        pub fn undelegate(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let old = Delegations::<T>::get(&who).ok_or(Error::<T>::NotDelegating)?;
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old.stake, Zero::zero(), unlockable_at)?;
            Self::take_delegated(&who, &old)?;
            Delegations::<T>::remove(&who);
            Self::leave_fraction(&who)?;
            Self::apply(&who, change)?;
            Self::deposit_event(Event::Undelegated { holder: who, unlockable_at });
            Ok(())
        }

        /// Pays the sender what it has earned: as a bookkeeper, by its vote, or by what it has
        /// delegated.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            if let Some(vote) = Votes::<T>::get(&who) {
                let vote = Self::credit_vote(&who, vote)?;
                Votes::<T>::insert(&who, vote);
            }
            if let Some(delegation) = Delegations::<T>::get(&who) {
                let credited_to = Self::credit_delegation(&who, &delegation)?;
                Delegations::<T>::insert(&who, Delegation { credited_to, ..delegation });
            }
            let amount = Self::take_earned(&who)?;
            if !Votes::<T>::contains_key(&who) && !Delegations::<T>::contains_key(&who) {
                Self::leave_fraction(&who)?;
            }
            T::Currency::transfer(&Self::pot(), &who, amount, Preservation::Preserve)?;
            Self::deposit_event(Event::Claimed { account: who, amount });
            Ok(())
        }

        /// Sets the part `commission` of its rewards that the sender, a candidate, keeps, in parts of a
        /// billion.
        ///
        /// It counts after a delay, so that voters who do not agree can choose another. A change
        /// that does not count yet is replaced.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::set_commission())]
        pub fn set_commission(origin: OriginFor<T>, commission: Perbill) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(commission <= T::MaxCommission::get(), Error::<T>::CommissionTooHigh);
            let candidate = Candidates::<T>::get(&who).ok_or(Error::<T>::NotCandidate)?;
            let from = Self::session_in(T::CommissionDelay::get())?;
            let now = T::Sessions::session_index();
            let change = CommissionChange { rate: commission, from };
            let changed =
                Candidate { commission: candidate.commission.changed(now, change), ..candidate };
            Candidates::<T>::insert(&who, changed);
            Self::deposit_event(Event::CommissionChanged { candidate: who, commission, from });
            Ok(())
        }

        /// Ends the sender's time in jail, once it is over: it can be elected again, and has its
        /// turns back if it is still seated.
        #[pallet::call_index(12)]
        #[pallet::weight(T::WeightInfo::unjail())]
        pub fn unjail(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let until = Jailed::<T>::get(&who).ok_or(Error::<T>::NotJailed)?;
            let now = frame_system::Pallet::<T>::block_number();
            ensure!(now >= until, Error::<T>::StillJailed);
            Jailed::<T>::remove(&who);
            Self::enable(&who);
            Self::deposit_event(Event::Unjailed { account: who });
            Ok(())
        }

        /// Sets the number of bookkeepers that are elected to `seats`, from the next election on.
        /// Seats that nobody has the votes for stay empty.
        ///
        /// Only by the origin that administers the chain.
        #[pallet::call_index(13)]
        #[pallet::weight(T::WeightInfo::set_seats())]
        pub fn set_seats(origin: OriginFor<T>, seats: u32) -> DispatchResult {
            T::AdminOrigin::ensure_origin(origin)?;
            ensure!((1..=T::MaxSeats::get()).contains(&seats), Error::<T>::SeatsOutOfRange);
            Seats::<T>::put(seats);
            Self::deposit_event(Event::SeatsSet { seats });
            Ok(())
        }
    }
}
