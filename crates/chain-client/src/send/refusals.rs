//! What pools answer to transactions that they do not take.

use sp_runtime::transaction_validity::InvalidTransaction;
use subxt::{
    error::{BackendError, ExtrinsicError, RpcError},
    rpcs,
};

use crate::ChainError;

/// What a node's pool answers to a transaction that is not valid.
pub(crate) const INVALID: i32 = 1010;

/// What it answers to a transaction that it has dropped a while ago.
const BANNED: i32 = 1012;

/// What it answers to one that it has already.
const KNOWN: i32 = 1013;

/// What it answers where it has one with the same nonce that tips as much for its weight.
pub(crate) const TOO_LOW: i32 = 1014;

/// What it answers where all that it has room for tip more.
pub(crate) const FULL: i32 = 1016;

/// The node's answer to a submission, where it is one: then its pool has not taken the transaction.
pub(super) fn answer(error: &ExtrinsicError) -> Option<&rpcs::UserError> {
    match error {
        ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(
            error,
        ))) => answer_of(error),
        _ => None,
    }
}

/// What a node has answered to a request, where an error is that and no lost connection.
pub(crate) fn answer_of(error: &rpcs::Error) -> Option<&rpcs::UserError> {
    match error {
        rpcs::Error::User(answer) => Some(answer),
        _ => None,
    }
}

/// The pool's refusal of a call, or that nothing is known of it.
pub(crate) fn refusal(
    call: String,
    answer: Option<&rpcs::UserError>,
    error: &dyn ToString,
) -> ChainError {
    match answer {
        Some(answer) => ChainError::NotTaken { call, reason: reason(answer) },
        None => ChainError::Lost { call, reason: error.to_string() },
    }
}

/// Whether a node has answered.
pub(crate) fn is_answer(error: &ExtrinsicError) -> bool {
    answer(error).is_some()
}

/// Whether a pool has no room but for a higher tip: it is full, or another one with the same nonce is in
/// it. It turns away for a while what it has dropped.
pub(crate) fn is_occupied(error: &ExtrinsicError) -> bool {
    let occupied = [BANNED, KNOWN, TOO_LOW, FULL];
    answer(error).is_some_and(|answer| occupied.contains(&answer.code))
}

/// Why a pool calls a transaction invalid.
pub(super) fn invalidity(error: &ExtrinsicError) -> Option<String> {
    let answer = answer(error).filter(|answer| answer.code == INVALID)?;
    serde_json::from_str(answer.data.as_ref()?.get()).ok()
}

/// An answer in words, with what the node has added to it.
pub(super) fn reason(answer: &rpcs::UserError) -> String {
    match &answer.data {
        Some(data) => format!("{answer}: {}", data.get().trim_matches('"')),
        None => answer.to_string(),
    }
}

/// Whether a transaction was refused that would have been right at an earlier block: signed for another
/// version of the program, with a nonce that was used since, or from a block that is too old.
pub(crate) fn is_outdated(error: &ExtrinsicError) -> bool {
    use InvalidTransaction::{AncientBirthBlock, BadProof, Stale};
    let outdated = [BadProof, Stale, AncientBirthBlock].map(text);
    invalidity(error).is_some_and(|why| outdated.contains(&why.as_str()))
}

/// Whether a transaction was refused because its nonce is used.
pub(crate) fn is_stale(error: &ExtrinsicError) -> bool {
    invalidity(error).is_some_and(|why| why == text(InvalidTransaction::Stale))
}

/// As nodes write it.
pub(super) fn text(invalid: InvalidTransaction) -> &'static str {
    invalid.into()
}
