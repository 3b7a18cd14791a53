//! Against a node that stands in: it has blocks and versions, and takes transactions as it is told to.

mod node;

use std::pin::pin;

use serde_json::value::to_raw_value;
use subxt::{
    error::{BackendError, RpcError},
    rpcs,
};

use self::node::{Answer, Node};
use super::{refusals::INVALID, *};
use crate::tips;

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

/// The nonces and tips that a node has seen.
fn offers(node: &Node) -> Vec<(u32, u128)> {
    node.seen().iter().map(|seen| (seen.nonce, seen.tip)).collect()
}

/// Sends with tips up to 640; the nonces and tips that the node has seen, and how it ended.
async fn tipped(node: &Node) -> (Vec<(u32, u128)>, ChainError) {
    let chain = node.chain().await;
    let call = RawCall::new("Test", "call", 7u8);
    let sent = chain.submit_with_tips(&call.into(), Some(node.key()), 640).await;
    (offers(node), sent.map(|_| ()).unwrap_err())
}

#[tokio::test]
async fn one_that_waits_is_sent_again_with_ever_higher_tips() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 4]);
    let (seen, error) = tipped(&node).await;
    assert_eq!(seen, [(5, 0), (5, 1), (5, 10), (5, 80), (5, 640)]);
    assert!(matches!(error, ChainError::Lost { .. }), "the node has dropped the last: {error}");
}

#[tokio::test]
async fn nothing_is_offered_while_no_blocks_come() {
    let node = Node::new(100, 99);
    node.answers([Answer::Stall]);
    let waited = tokio::time::timeout(tips::LOOK * 50, tipped(&node)).await;
    assert!(waited.is_err(), "it is waited for");
    assert_eq!(node.seen().len(), 1);
}

#[tokio::test]
async fn no_more_is_offered_than_there_is_besides_the_fee_until_there_is_more() {
    let node = Node::new(100, 99);
    node.has_free(node::FEE + 50);
    node.answers([Answer::Keep; 6]);
    let mut sent = pin!(tipped(&node));
    assert!(tokio::time::timeout(tips::LOOK * 100, &mut sent).await.is_err(), "it is waited for");
    assert_eq!(offers(&node), [(5, 0), (5, 1), (5, 10), (5, 50)]);
    node.has_free(node::FEE + 1_000);
    node.answers([Answer::Keep]);
    let (seen, _) = sent.await;
    assert_eq!(seen[4..], [(5, 80), (5, 640)]);
}

#[tokio::test]
async fn a_full_pool_is_asked_again_by_one_that_has_no_coin_for_a_tip() {
    let node = Node::new(100, 99);
    node.has_free(node::FEE);
    node.answers([Answer::Full, Answer::Full, Answer::Keep]);
    assert!(tokio::time::timeout(tips::LOOK * 100, tipped(&node)).await.is_err());
    assert_eq!(offers(&node), [(5, 0); 3]);
}

#[tokio::test]
async fn one_that_waits_for_others_shares_with_them_what_it_may_tip() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 9]);
    let chain = node.chain().await;
    let bids = chain.sender(node.key().account()).await.bids.clone();
    let ahead = [3, 4].map(|nonce| bids.place(nonce, 0));
    let action = RawCall::new("Test", "call", 7u8).into();
    let mut sent = pin!(chain.submit_with_tips(&action, Some(node.key()), 640));
    assert!(tokio::time::timeout(tips::LOOK * 100, &mut sent).await.is_err());
    assert_eq!(offers(&node), [(5, 0), (5, 1), (5, 10), (5, 80), (5, 213)]);
    drop(ahead);
    node.answers([]);
    assert!(matches!(sent.await, Err(ChainError::Lost { .. })), "the node drops the last");
    assert_eq!(offers(&node).last(), Some(&(5, 640)));
}

#[tokio::test]
async fn one_that_others_of_its_account_wait_for_offers_what_they_do() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 9]);
    let chain = node.chain().await;
    let bids = chain.sender(node.key().account()).await.bids.clone();
    let (key, call) = (node.key().clone(), RawCall::new("Test", "call", 7u8));
    let _behind = bids.place(6, 80);
    let action = call.into();
    let without_tips = chain.submit(&action, Some(&key));
    assert!(tokio::time::timeout(tips::LOOK * 50, without_tips).await.is_err());
    assert_eq!(offers(&node), [(5, 0), (5, 80)]);
    assert_eq!(bids.highest_behind(4), 80, "what is given up bids no more");
    assert_eq!(bids.highest_behind(5), 80);
}

#[tokio::test]
async fn a_pool_that_others_fill_is_offered_more() {
    let node = Node::new(100, 99);
    // Three find no room, one is taken and pushed out again, as is the last.
    node.answers([Answer::Full; 3]);
    let (seen, error) = tipped(&node).await;
    assert_eq!(seen, [(5, 0), (5, 1), (5, 10), (5, 80), (5, 640)]);
    assert!(matches!(error, ChainError::Lost { .. }), "{error}");
    node.answers([Answer::Full; 5]);
    let (_, error) = tipped(&node).await;
    assert!(matches!(error, ChainError::NotTaken { .. }), "{error}");
}

#[tokio::test]
async fn where_a_higher_tip_is_refused_the_one_before_is_followed_on() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep, STALE, STALE, Answer::Keep]);
    let (seen, error) = tipped(&node).await;
    assert_eq!(seen, [(5, 0), (5, 1), (5, 10), (5, 80), (5, 640)]);
    assert!(matches!(error, ChainError::Lost { .. }), "{error}");
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
