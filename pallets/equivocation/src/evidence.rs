//! The rules of a report.

use codec::{DecodeAll, Encode};
use frame_support::pallet_prelude::*;
use frame_system::pallet_prelude::*;
use sp_consensus_aura::{digests::CompatibleDigestItem, Slot, AURA_ENGINE_ID};
use sp_runtime::{traits::Header, DigestItem, RuntimeAppPublic};
use sp_staking::SessionIndex;

use crate::{
    AuthorKey, BlockEquivocation, Config, Equivocators, Error, Keys, Offender, Pallet, ProofOf,
    Seal, Since, MAX_EVIDENCE_BYTES,
};

/// Blocks for which a report waits in a pool.
const LONGEVITY: TransactionLongevity = 64;

impl<T: Config> Pallet<T> {
    /// Checks every rule of a report; the cheapest first, two signatures last.
    pub(crate) fn examine(
        proof: &ProofOf<T>,
        session: SessionIndex,
    ) -> Result<BlockEquivocation<Offender<T::AccountId>>, Error<T>> {
        ensure!(proof.encoded_size() <= MAX_EVIDENCE_BYTES, Error::TooLarge);
        ensure!(session >= Self::oldest_session(), Error::UnknownSession);
        let seats = Keys::<T>::get(session).ok_or(Error::UnknownSession)?;
        ensure!(Self::is_about(session, proof.slot), Error::OtherSession);
        let seat = seats.iter().find(|seat| seat.author == proof.offender);
        let account = seat.ok_or(Error::NotSeated)?.account.clone();
        ensure!(!Equivocators::<T>::contains_key(&account), Error::AlreadyReported);
        check_headers::<T>(proof)?;
        Ok(BlockEquivocation {
            slot: proof.slot,
            session,
            seats: seats.len() as u32,
            offender: (account, ()),
        })
    }

    /// The oldest session that evidence is taken of.
    fn oldest_session() -> SessionIndex {
        T::CurrentSession::get().saturating_sub(T::EvidenceSessions::get())
    }

    /// A session in which `author` was seated and which `slot` is about, the latest.
    pub(crate) fn session_about(slot: Slot, author: &AuthorKey) -> Option<SessionIndex> {
        let sessions = Self::oldest_session()..=T::CurrentSession::get();
        sessions.rev().find(|session| {
            Self::is_about(*session, slot)
                && Keys::<T>::get(session)
                    .is_some_and(|seats| seats.iter().any(|seat| seat.author == *author))
        })
    }

    /// Whether a slot is of a session or of one beside it.
    ///
    /// A session is a number of blocks. On a branch that lost, it may have begun earlier or later
    /// than here, and its first block is authored by one of the session before.
    pub(crate) fn is_about(session: SessionIndex, slot: Slot) -> bool {
        let after_the_one_before = match session.checked_sub(1) {
            Some(before) => Since::<T>::get(before).is_some_and(|since| slot > since),
            None => true,
        };
        let next_but_one = session.checked_add(2).and_then(Since::<T>::get);
        after_the_one_before && next_but_one.is_none_or(|since| slot <= since)
    }

    /// Whether a report may enter the pool and the block.
    pub(crate) fn authorize_report(
        _source: TransactionSource,
        proof: &ProofOf<T>,
        session: &SessionIndex,
    ) -> TransactionValidityWithRefund {
        let offence = Self::examine(proof, *session).map_err(|error| match error {
            Error::AlreadyReported => InvalidTransaction::Stale,
            _ => InvalidTransaction::BadProof,
        })?;
        let validity = ValidTransaction::with_tag_prefix("BlockEquivocation")
            // One report about each bookkeeper, before everything else.
            .and_provides(offence.offender)
            .priority(TransactionPriority::MAX)
            .longevity(LONGEVITY)
            .propagate(true)
            .build()?;
        Ok((validity, Weight::zero()))
    }

    /// Checks that what is remembered is of the sessions that evidence is taken of, and in order.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        let current = T::CurrentSession::get();
        let sessions: alloc::collections::BTreeMap<_, _> = Since::<T>::iter().collect();
        let last = sessions.last_key_value().map(|(session, _)| *session);
        ensure!(last.is_none_or(|last| last == current), "the current session is not the last");
        for ((earlier, since), (later, until)) in sessions.iter().zip(sessions.iter().skip(1)) {
            ensure!(earlier + 1 == *later, "a session is missing");
            ensure!(since <= until, "a session began before the one before it");
        }
        ensure!(
            sessions.len() as u64 <= u64::from(T::EvidenceSessions::get()) + 2,
            "sessions are remembered for too long"
        );
        ensure!(
            Keys::<T>::iter_keys().count() == sessions.len()
                && sessions.keys().all(Keys::<T>::contains_key),
            "a session has keys or a beginning alone"
        );
        Ok(())
    }
}

/// Checks that the headers are two blocks for one slot, sealed with the same key.
fn check_headers<T: Config>(proof: &ProofOf<T>) -> Result<(), Error<T>> {
    let headers = [&proof.first_header, &proof.second_header];
    ensure!(headers[0].hash() != headers[1].hash(), Error::SameBlock);
    let [first, second] = headers.map(|header| unseal::<HeaderFor<T>>(header.clone()));
    for (header, seal) in [first.ok_or(Error::NotSealed)?, second.ok_or(Error::NotSealed)?] {
        ensure!(slot_of(&header) == Some(proof.slot), Error::OtherSlot);
        ensure!(proof.offender.verify(&header.hash(), &seal), Error::BadSeal);
    }
    Ok(())
}

/// Takes the seal off a header; nothing may stand behind it, in the digest or in its bytes.
fn unseal<H: Header>(mut header: H) -> Option<(H, Seal)> {
    match header.digest_mut().pop()? {
        DigestItem::Seal(AURA_ENGINE_ID, bytes) => {
            Some((header, Seal::decode_all(&mut bytes.as_slice()).ok()?))
        }
        _ => None,
    }
}

/// The slot that a header names, if it is one.
fn slot_of<H: Header>(header: &H) -> Option<Slot> {
    let mut slots =
        header.digest().logs().iter().filter_map(|item| {
            <DigestItem as CompatibleDigestItem<Seal>>::as_aura_pre_digest(item)
        });
    let slot = slots.next()?;
    slots.next().is_none().then_some(slot)
}
