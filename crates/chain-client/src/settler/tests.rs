use std::{future::Future, pin::pin};

use subxt::error::DispatchError;
use zennet_primitives::Hash;

use super::*;
use crate::stand_in::{Answer, Node, FEE};

const WAIT: Duration = Duration::from_secs(20);

fn call(argument: u8) -> RawCall {
    RawCall::new("Test", "call", argument)
}

const CHANNEL: ChannelId = Hash::repeat_byte(1);

/// Without an end, with tips up to a highest.
fn tips(most_tip: Balance) -> Bounds {
    Bounds { most_tip, ends_at: u32::MAX }
}

impl Settler {
    /// A call of its own channel.
    async fn test(&self, argument: u8, most_tip: Balance) -> Result<Included, ChainError> {
        self.settle(Hash::repeat_byte(argument), call(argument), tips(most_tip)).await
    }
}

async fn settler(node: &Node) -> Settler {
    Settler::start(node.chain().await, node.key().clone())
}

/// Runs a settlement until the node has seen so many transactions: the nonces and tips of these.
async fn offers<T: std::fmt::Debug>(
    node: &Node,
    count: usize,
    settled: impl Future<Output = T>,
) -> Vec<(u32, u128)> {
    let seen = async {
        while node.seen().len() < count {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        settled = settled => panic!("it ends: {settled:?}"),
        seen = timeout(WAIT, seen) => seen.expect("transactions in time"),
    }
    node.seen().iter().take(count).map(|seen| (seen.nonce, seen.tip)).collect()
}

/// Whether nothing more comes for a while, in which less blocks pass than a transaction lives for.
async fn rests<T>(node: &Node, settled: impl Future<Output = T>) -> bool {
    let before = node.seen().len();
    timeout(LOOK * 10, settled).await.is_err() && node.seen().len() == before
}

#[tokio::test]
async fn what_blocks_pass_by_is_signed_again_with_ever_higher_tips_up_to_the_highest() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 6]);
    let settler = settler(&node).await;
    let mut settled = pin!(settler.test(7, 640));
    let offers = offers(&node, 5, &mut settled).await;
    assert_eq!(offers, [(5, 0), (5, 1), (5, 10), (5, 80), (5, 640)]);
    assert!(rests(&node, settled).await);
}

#[tokio::test]
async fn what_no_pool_can_have_any_more_is_offered_again_whatever_was_told() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 9]);
    let settler = settler(&node).await;
    let offers = offers(&node, 4, settler.test(7, 8)).await;
    assert_eq!(offers, [(5, 0), (5, 1), (5, 8), (5, 8)]);
}

#[tokio::test]
async fn nothing_is_offered_while_no_blocks_come() {
    let node = Node::new(100, 99);
    node.answers([Answer::Stall]);
    let settler = settler(&node).await;
    let mut settled = pin!(settler.test(7, 640));
    offers(&node, 1, &mut settled).await;
    assert!(rests(&node, settled).await);
}

#[tokio::test]
async fn no_more_is_tipped_than_there_is_coin_for_until_there_is_more() {
    let node = Node::new(100, 99);
    node.has_free(FEE + 50);
    node.answers([Answer::Keep; 9]);
    let settler = settler(&node).await;
    let mut settled = pin!(settler.test(7, 640));
    offers(&node, 3, &mut settled).await;
    assert!(rests(&node, &mut settled).await);
    node.has_free(FEE + 1_000);
    let offers = offers(&node, 5, settled).await;
    assert_eq!(offers, [(5, 0), (5, 6), (5, 50), (5, 80), (5, 640)]);
}

#[tokio::test]
async fn a_pool_that_is_full_or_has_another_with_the_nonce_is_offered_more() {
    let node = Node::new(100, 99);
    node.answers([Answer::Full, Answer::TooLow, Answer::Full, Answer::Keep]);
    let settler = settler(&node).await;
    let offers = offers(&node, 4, settler.test(7, 640)).await;
    assert_eq!(offers, [(5, 0), (5, 1), (5, 10), (5, 80)]);
}

#[tokio::test]
async fn a_full_pool_is_asked_again_by_one_that_can_tip_no_more() {
    let node = Node::new(100, 99);
    node.answers([Answer::Full, Answer::Full, Answer::Full, Answer::Full, Answer::Keep]);
    let settler = settler(&node).await;
    let offers = offers(&node, 5, settler.test(7, 10)).await;
    assert_eq!(offers, [(5, 0), (5, 1), (5, 10), (5, 10), (5, 10)]);
}

#[tokio::test]
async fn what_a_pool_drops_is_offered_again() {
    let node = Node::new(100, 99);
    // It drops what comes after these.
    node.answers([Answer::Full]);
    let settler = settler(&node).await;
    let offers = offers(&node, 6, settler.test(7, 10)).await;
    assert_eq!(offers, [(5, 0), (5, 1), (5, 10), (5, 10), (5, 10), (5, 10)]);
}

#[tokio::test]
async fn a_dear_call_takes_the_place_of_a_cheap_one_that_waits() {
    let node = Node::new(100, 99);
    node.answers([Answer::Keep; 9]);
    let settler = settler(&node).await;
    let mut cheap = pin!(settler.test(1, 10));
    offers(&node, 1, &mut cheap).await;
    let both = async { tokio::join!(cheap, settler.test(2, 640)) };
    let offers = offers(&node, 5, both).await;
    let calls: Vec<_> = node.seen().into_iter().take(5).map(|seen| seen.calls).collect();
    assert_eq!(offers.last(), Some(&(5, 640)));
    assert_eq!(calls.first(), Some(&vec![1]));
    assert_eq!(calls.last(), Some(&vec![2]), "{calls:?}");
}

#[tokio::test]
async fn one_that_is_given_up_is_offered_no_more() {
    let node = Node::new(100, 99);
    node.answers([Answer::Stall, Answer::Keep]);
    let settler = settler(&node).await;
    let mut settled = Box::pin(settler.test(1, 640));
    offers(&node, 1, &mut settled).await;
    drop(settled);
    node.passes();
    offers(&node, 2, settler.test(2, 640)).await;
    assert_eq!(node.seen()[1].calls, [2]);
}

#[tokio::test]
async fn calls_that_wait_go_together_and_one_by_one_where_a_batch_is_refused() {
    let node = Node::new(100, 99);
    let unexpected = Answer::Deny("Transaction call is not expected");
    node.answers([Answer::Stall, unexpected, unexpected, Answer::Keep]);
    let settler = settler(&node).await;
    let mut first = pin!(settler.test(1, 0));
    offers(&node, 1, &mut first).await;
    let (mut dear, mut cheap) = (pin!(settler.test(2, 9)), pin!(settler.test(3, 8)));
    assert!(rests(&node, async { tokio::join!(&mut dear, &mut cheap) }).await);
    node.uses_nonce();
    node.passes();
    // Nobody told what became of it.
    assert!(matches!(first.await, Err(ChainError::Lost { .. })));
    let refused = timeout(WAIT, async {
        tokio::select! { refused = dear => refused, _ = &mut cheap => panic!("it is kept") }
    });
    assert!(matches!(refused.await.unwrap(), Err(ChainError::NotTaken { .. })));
    offers(&node, 4, cheap).await;
    let seen = node.seen().into_iter().take(4).map(|seen| (seen.nonce, seen.calls));
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen, [(5, vec![1]), (6, vec![2, 3]), (6, vec![2]), (6, vec![3])]);
}

#[tokio::test]
async fn what_may_be_in_a_block_is_not_told_as_refused() {
    let node = Node::new(100, 99);
    // The pool drops the first one, and has no room for it; then the coin is gone.
    node.answers([Answer::Full]);
    let settler = settler(&node).await;
    let mut settled = pin!(settler.test(7, 0));
    offers(&node, 2, &mut settled).await;
    node.answers([Answer::Deny("Inability to pay some fees (e.g. account balance too low)")]);
    let told = timeout(WAIT, settled).await.unwrap();
    assert!(matches!(told, Err(ChainError::Lost { .. })), "{told:?}");
}

#[tokio::test]
async fn one_that_cannot_be_paid_names_the_account() {
    let node = Node::new(100, 99);
    node.answers([Answer::Deny("Inability to pay some fees (e.g. account balance too low)")]);
    let refused = settler(&node).await.test(7, 640).await;
    assert!(matches!(refused, Err(ChainError::NoCoin { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_an_upgrade_overtakes_is_signed_anew_without_a_tip() {
    let node = Node::new(100, 99);
    node.answers([Answer::Deny("Transaction has a bad signature"), Answer::Stall]);
    let settler = settler(&node).await;
    let offers = offers(&node, 2, settler.test(7, 640)).await;
    assert_eq!(offers, [(5, 0), (5, 0)]);
}

#[tokio::test]
async fn a_dear_call_is_offered_beside_a_batch_that_tips_more_in_all() {
    let node = Node::new(100, 99);
    node.answers([Answer::Stall; 1]);
    let settler = settler(&node).await;
    let mut first = pin!(settler.test(1, 0));
    offers(&node, 1, &mut first).await;
    let mut cheap = pin!(async {
        tokio::join!(settler.test(2, 6), settler.test(3, 6), settler.test(4, 6), settler.test(5, 6))
    });
    assert!(rests(&node, &mut cheap).await);
    node.answers([Answer::Keep; 99]);
    node.uses_nonce();
    node.passes();
    assert!(first.await.is_err());
    // Up to the highest of all four, 24.
    let before = node.seen().len();
    let highest = async {
        while node.seen().last().is_none_or(|seen| seen.tip != 24) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        ended = &mut cheap => panic!("it ends: {ended:?}"),
        highest = timeout(WAIT, highest) => highest.expect("the highest tip"),
    }
    assert!(node.seen()[before..].iter().all(|seen| seen.calls == [2, 3, 4, 5]));
    let count = node.seen().len() + 1;
    offers(&node, count, async { tokio::join!(cheap, settler.test(6, 60)) }).await;
    let seen = node.seen();
    let (dear, standing) = (&seen[count - 1], &seen[count - 2]);
    assert_eq!((&dear.calls[..], dear.tip, standing.tip), (&[6][..], 7, 24));
}

#[tokio::test]
async fn what_the_chain_refuses_from_now_on_is_not_sent() {
    let node = Node::new(100, 99);
    let settler = settler(&node).await;
    let ended = Bounds { most_tip: 640, ends_at: 101 };
    let refused = settler.settle(CHANNEL, call(7), ended).await;
    assert!(matches!(refused, Err(ChainError::NotTaken { .. })), "{refused:?}");
    assert!(node.seen().is_empty());
    let bounds = Bounds { ends_at: 102, ..ended };
    offers(&node, 1, settler.settle(CHANNEL, call(7), bounds)).await;
    assert_eq!(node.seen()[0].birth, 100, "it lives from the best block, for a short while");
}

/// One that is told what becomes of its transactions, with calls that wait, by their channels.
async fn settling(channels: &[u8]) -> (Settling, Vec<oneshot::Receiver<Answered>>) {
    let node = Node::new(100, 99);
    let (_, queue) = mpsc::channel(1);
    let mut settling = Settling::new(node.chain().await, node.key().clone(), queue);
    settling.round = Some(Round::new(5));
    let mut answers = Vec::new();
    for (number, channel) in (0..).zip(channels) {
        let (reply, answer) = oneshot::channel();
        let channel = Hash::repeat_byte(*channel);
        settling.waiting.insert(number, Waiting { channel, call: call(7), bounds: tips(0), reply });
        answers.push(answer);
    }
    (settling, answers)
}

type Answered = Result<Included, ChainError>;

fn offer(calls: &[Number], channels: &[u8], amount: Balance) -> Offer {
    let channels = channels.iter().map(|channel| Hash::repeat_byte(*channel)).collect();
    let tip = Tip { amount, calls: calls.len() };
    Offer { calls: calls.to_vec(), channels, tip, ends_at: u32::MAX }
}

fn included(items: Vec<Option<DispatchError>>) -> Result<Fate, ChainError> {
    let block = Head { number: 101, hash: Hash::zero() };
    let events = TransactionEvents { items, ..Default::default() };
    Ok(Fate::Included((Included { block, fee: 10 }, events)))
}

#[tokio::test]
async fn each_call_of_a_batch_has_its_own_answer_and_a_part_of_the_fee() {
    let (mut settling, mut answers) = settling(&[1, 2, 3]).await;
    let items = vec![None, Some(DispatchError::Other)];
    settling.ended((offer(&[0, 1], &[1, 2], 16), included(items)));
    let mut last = answers.pop().unwrap();
    assert!(last.try_recv().is_err(), "it waits on");
    assert!(matches!(answers.remove(0).await, Ok(Ok(Included { fee: 5, .. }))));
    assert!(matches!(answers.remove(0).await, Ok(Err(ChainError::Rejected { .. }))));
    assert!(settling.round.is_none() && settling.used == Some((5, 103)));
    // The next one need not begin without a tip.
    assert_eq!(settling.needed, Some((Tip { amount: 16, calls: 2 }, 105)));
}

#[tokio::test]
async fn a_later_call_of_a_channel_is_sent_back_when_a_block_has_an_earlier_one() {
    let (mut settling, mut answers) = settling(&[1, 2]).await;
    // The first one was given up, a call of its channel came later.
    settling.ended((offer(&[9], &[1], 0), included(Vec::new())));
    assert!(matches!(answers[0].try_recv(), Ok(Err(ChainError::Lost { .. }))));
    assert!(answers[1].try_recv().is_err(), "it waits on");
    assert_eq!(settling.needed, None);
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_goes_one_by_one_from_then_on() {
    let (mut settling, mut answers) = settling(&[1, 2, 3]).await;
    let failed = ChainError::Rejected { call: "Utility.force_batch".into(), reason: "no".into() };
    settling.ended((offer(&[0, 1], &[1, 2], 0), Err(failed)));
    for answer in &mut answers[..2] {
        assert!(matches!(answer.try_recv(), Ok(Err(ChainError::Lost { .. }))));
    }
    assert!(answers[2].try_recv().is_err(), "it waits on");
    assert!(settling.batches_fail && settling.round.is_none());
    let (mut settling, _answers) = self::settling(&[1, 2]).await;
    let unread = ChainError::Rpc { request: "events", reason: "the connection is gone".into() };
    settling.ended((offer(&[0, 1], &[1, 2], 0), Err(unread)));
    assert!(!settling.batches_fail && settling.waiting.is_empty());
}

#[tokio::test]
async fn what_a_pool_is_rid_of_leaves_its_calls_waiting_in_the_same_round() {
    let (mut settling, mut answers) = settling(&[1]).await;
    let lost = ChainError::Lost { call: "close".into(), reason: "gone".into() };
    for fate in [Ok(Fate::Dropped("full".into())), Ok(Fate::Invalid("old".into())), Err(lost)] {
        settling.ended((offer(&[0], &[1], 0), fate));
        assert!(answers[0].try_recv().is_err(), "it waits on");
        assert!(settling.round.is_some());
    }
}
