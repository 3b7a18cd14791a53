//! What a node asks the runtime when it has seen two blocks for one slot.

use frame_system::offchain::{CreateAuthorizedTransaction, SubmitTransaction};
use sp_consensus_slots::EquivocationProof;

use crate::{AuthorKey, Call, Config, Error, Judgement, Pallet, ProofOf};

sp_api::decl_runtime_apis! {
    /// Reports of two blocks for one slot.
    pub trait EquivocationApi {
        /// What the chain makes of evidence.
        fn judge(proof: EquivocationProof<Block::Header, AuthorKey>) -> Judgement;

        /// Puts a report into the node's transaction pool; `None` if the pool does not take it, or
        /// the evidence is not sound and new.
        fn submit_report(proof: EquivocationProof<Block::Header, AuthorKey>) -> Option<()>;
    }
}

impl<T: Config> Pallet<T> {
    /// What the chain makes of evidence.
    pub fn judge(proof: &ProofOf<T>) -> Judgement {
        let session = Self::session_about(proof.slot, &proof.offender);
        match session.map(|session| Self::examine(proof, session)) {
            Some(Ok(_)) => Judgement::New,
            Some(Err(Error::AlreadyReported)) => Judgement::Known,
            Some(Err(_)) | None => Judgement::Refused,
        }
    }
}

impl<T: Config + CreateAuthorizedTransaction<Call<T>>> Pallet<T> {
    /// Puts a report into the transaction pool of the node that calls the runtime.
    pub fn submit_report(proof: ProofOf<T>) -> Option<()> {
        let session = Self::session_about(proof.slot, &proof.offender)?;
        Self::examine(&proof, session).ok()?;
        let transaction =
            T::create_authorized_transaction(Call::<T>::report { proof, session }.into());
        SubmitTransaction::<T, Call<T>>::submit_transaction(transaction).ok()
    }
}
