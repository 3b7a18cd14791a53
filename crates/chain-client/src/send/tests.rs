//! Against a node that stands in: it has blocks and versions, and takes transactions as it is told to.

use serde_json::value::to_raw_value;
use subxt::{
    error::{BackendError, RpcError},
    rpcs,
};

use super::*;
use crate::stand_in::{Answer, Node};

fn refused(code: i32, data: Option<&str>) -> ExtrinsicError {
    let data = data.map(|text| to_raw_value(text).unwrap());
    let answer = rpcs::UserError { code, message: "Invalid Transaction".into(), data };
    let error = RpcError::ClientError(rpcs::Error::User(answer));
    ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(error))
}

#[test]
fn a_life_begins_at_a_final_block_unless_half_of_it_would_be_over() {
    assert_eq!(birth_number(100, 97), 97);
    assert_eq!(birth_number(100, 68), 68);
    assert_eq!(birth_number(100, 67), 68);
    assert_eq!(birth_number(100, 0), 68);
    assert_eq!(birth_number(3, 0), 0);
    assert_eq!(birth_number(3, 4), 4, "finality went on between the two requests");
}

#[test]
fn a_transaction_lives_no_longer_than_it_is_of_use_but_for_the_shortest_life() {
    assert_eq!([0, 4, 7, 8, 63, 64, u32::MAX].map(life), [4, 4, 4, 8, 32, 64, 64]);
}

#[test]
fn what_was_right_a_block_ago_is_signed_anew_and_nothing_else() {
    for outdated in [
        "Transaction has a bad signature",
        "Transaction is outdated",
        "Transaction has an ancient birth block",
    ] {
        assert!(is_outdated(&refused(INVALID, Some(outdated))), "{outdated}");
        assert!(!is_outdated(&refused(INVALID + 1, Some(outdated))), "{outdated}");
    }
    let payment = "Inability to pay some fees (e.g. account balance too low)";
    assert_eq!(text(InvalidTransaction::Payment), payment);
    assert!(!is_outdated(&refused(INVALID, Some(payment))));
    assert!(!is_outdated(&refused(INVALID, None)));
    assert!(!is_outdated(&ExtrinsicError::UnexpectedEndOfTransactionStatusStream));
}

#[test]
fn a_refusal_says_why_and_a_lost_connection_is_none() {
    let error = refused(INVALID, Some("Transaction is outdated"));
    let told = reason(answer(&error).unwrap());
    assert_eq!(told, "Invalid Transaction (1010): Transaction is outdated");
    let gone = rpcs::Error::DisconnectedWillReconnect("closed".into());
    let gone = BackendError::Rpc(RpcError::ClientError(gone));
    assert!(answer(&ExtrinsicError::ErrorSubmittingTransaction(gone)).is_none());
}

const BAD_SIGNATURE: Answer = Answer::Refuse("Transaction has a bad signature");
const STALE: Answer = Answer::Refuse("Transaction is outdated");
const UPGRADE: Answer = Answer::TakeAndUpgrade;

async fn submitted(node: &Node) -> ChainError {
    let chain = node.chain().await;
    let call = RawCall::new("Test", "call", 7u8);
    // Nothing gets into a block here: the node drops what it takes.
    chain.submit(&call.into(), Some(node.key())).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_transaction_is_signed_for_the_newest_block_and_lives_from_a_final_one_on() {
    let node = Node::new(100, 97);
    node.upgrade_at(100);
    assert!(matches!(submitted(&node).await, ChainError::Lost { .. }));
    let seen = node.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].version, seen[0].birth, seen[0].nonce), (2, 97, 5));
}

#[tokio::test]
async fn where_finality_lags_a_transaction_lives_from_a_newer_block_on() {
    let node = Node::new(1000, 97);
    submitted(&node).await;
    assert_eq!(node.seen()[0].birth, 968);
}

#[tokio::test]
async fn one_that_an_upgrade_overtakes_is_signed_anew_and_sent_once_more() {
    let node = Node::new(100, 99);
    node.answers([BAD_SIGNATURE]);
    node.upgrade_after_refusal();
    assert!(matches!(submitted(&node).await, ChainError::Lost { .. }));
    let versions: Vec<_> = node.seen().iter().map(|seen| seen.version).collect();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn what_is_always_refused_is_sent_three_times_and_known_to_be_in_no_block() {
    let node = Node::new(100, 99);
    node.answers([BAD_SIGNATURE; 9]);
    let error = submitted(&node).await;
    assert!(matches!(&error, ChainError::NotTaken { reason, .. } if reason.contains("signature")));
    assert_eq!(node.seen().len(), TRIES);
}

#[tokio::test]
async fn another_refusal_is_final_and_one_for_want_of_coin_names_the_account() {
    let node = Node::new(100, 99);
    node.answers([Answer::Refuse("Transaction call is not expected"); 2]);
    assert!(matches!(submitted(&node).await, ChainError::NotTaken { .. }));
    node.answers([Answer::Refuse(text(InvalidTransaction::Payment))]);
    assert!(matches!(submitted(&node).await, ChainError::NoCoin { .. }));
    assert_eq!(node.seen().len(), 2);
}

#[tokio::test]
async fn a_nonce_that_was_used_meanwhile_is_asked_for_anew() {
    let node = Node::new(100, 99);
    node.answers([STALE]);
    submitted(&node).await;
    let nonces: Vec<_> = node.seen().iter().map(|seen| seen.nonce).collect();
    assert_eq!(nonces, [5, 6]);
}

#[tokio::test]
async fn one_that_was_taken_keeps_its_nonce_when_it_is_signed_anew() {
    let node = Node::new(100, 99);
    node.answers([UPGRADE, STALE, STALE]);
    let error = submitted(&node).await;
    let seen: Vec<_> = node.seen().iter().map(|seen| (seen.version, seen.nonce)).collect();
    assert_eq!(seen, [(1, 5), (2, 5), (2, 5)]);
    assert!(matches!(error, ChainError::Lost { .. }), "the first may be in a block: {error}");
}

#[tokio::test]
async fn one_that_becomes_invalid_without_an_upgrade_is_not_signed_anew() {
    let node = Node::new(100, 99);
    node.answers([Answer::TakeAndInvalidate]);
    assert!(matches!(submitted(&node).await, ChainError::Lost { .. }));
    assert_eq!(node.seen().len(), 1);
}
