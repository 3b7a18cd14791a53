//! Which keys were in force in a session, and whose they were.

use core::marker::PhantomData;

use frame_support::{
    traits::{Contains, Get, KeyOwnerProofSystem},
    BoundedVec,
};
use pallet_session::SessionHandler;
use sp_runtime::{traits::OpaqueKeys, KeyTypeId, RuntimeAppPublic};
use sp_session::MembershipProof;
use sp_staking::SessionIndex;

use crate::{AuthorKey, Config, Keys, Offender, Pallet, Seat, Since, VoterKey};

/// Notes the keys of each session that begins, and tells `Handler` of it.
///
/// To be used as the session pallet's handler, around the one that there would be otherwise.
pub struct NoteKeys<T, Handler>(PhantomData<(T, Handler)>);

impl<T, Handler> SessionHandler<T::AccountId> for NoteKeys<T, Handler>
where
    T: Config,
    Handler: SessionHandler<T::AccountId>,
{
    const KEY_TYPE_IDS: &'static [KeyTypeId] = Handler::KEY_TYPE_IDS;

    fn on_genesis_session<Ks: OpaqueKeys>(seated: &[(T::AccountId, Ks)]) {
        Pallet::<T>::note(seated);
        Handler::on_genesis_session(seated);
    }

    fn on_new_session<Ks: OpaqueKeys>(
        changed: bool,
        seated: &[(T::AccountId, Ks)],
        queued: &[(T::AccountId, Ks)],
    ) {
        Pallet::<T>::note(seated);
        Handler::on_new_session(changed, seated, queued);
    }

    fn on_before_session_ending() {
        Handler::on_before_session_ending();
    }

    fn on_disabled(seat: u32) {
        Handler::on_disabled(seat);
    }
}

impl<T: Config> Pallet<T> {
    /// Remembers the current session, which has just begun, and forgets one. The beginning of the
    /// session before the oldest that evidence is taken of is needed, too.
    fn note<Ks: OpaqueKeys>(seated: &[(T::AccountId, Ks)]) {
        let seats = seated.iter().filter_map(|(account, keys)| {
            Some(Seat {
                account: account.clone(),
                author: keys.get(AuthorKey::ID)?,
                voter: keys.get(VoterKey::ID)?,
            })
        });
        let session = T::CurrentSession::get();
        Keys::<T>::insert(session, BoundedVec::truncate_from(seats.collect()));
        Since::<T>::insert(session, T::CurrentSlot::get());
        if let Some(old) = session.checked_sub(T::EvidenceSessions::get().saturating_add(2)) {
            Keys::<T>::remove(old);
            Since::<T>::remove(old);
        }
    }

    /// That `voter` was seated in `session`, as a report of two votes has to say it.
    pub fn prove_voter(session: SessionIndex, voter: &VoterKey) -> Option<MembershipProof> {
        let seats = Keys::<T>::get(session)?;
        seats.iter().any(|seat| seat.voter == *voter).then(|| MembershipProof {
            session,
            trie_nodes: Default::default(),
            validator_count: seats.len() as u32,
        })
    }
}

/// Whose voter key it was, unless its owner is barred. The proof names a session; the chain knows the
/// rest.
impl<T: Config> KeyOwnerProofSystem<(KeyTypeId, VoterKey)> for Pallet<T> {
    type Proof = MembershipProof;
    type IdentificationTuple = Offender<T::AccountId>;

    fn prove((_, voter): (KeyTypeId, VoterKey)) -> Option<MembershipProof> {
        Self::prove_voter(T::CurrentSession::get(), &voter)
    }

    fn check_proof(
        (_, voter): (KeyTypeId, VoterKey),
        proof: MembershipProof,
    ) -> Option<Offender<T::AccountId>> {
        // Exactly what would be proved here, so that nothing can be appended.
        let wanted = Self::prove_voter(proof.session, &voter)?;
        let seats = Keys::<T>::get(proof.session).filter(|_| proof == wanted)?;
        let seat = seats.into_iter().find(|seat| seat.voter == voter)?;
        (!T::Barred::contains(&seat.account)).then_some((seat.account, ()))
    }
}
