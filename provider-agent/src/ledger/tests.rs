use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::timeout;
use zennet_primitives::{AccountId, SessionKey, Signature};

use super::*;

const WAIT: Duration = Duration::from_secs(10);
const POLICY: WatchPolicy = WatchPolicy {
    wait_for_finality: true,
    expiry_margin: 10,
    block_ms: 2_000,
    settle_loss: 50,
    tip_percent: 10,
};

type Closing = Result<Option<Balance>, ChainError>;

/// A chain in memory: the channel by the number in a block's hash, and prepared answers.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<FakeState>>);

#[derive(Default)]
struct FakeState {
    /// From this block on there is a channel.
    opened_at: Option<u64>,
    record: Option<ChannelRecord<u32>>,
    /// What it is from a block on.
    later: Option<(u64, ChannelRecord<u32>)>,
    closings: VecDeque<Closing>,
    /// The block that a channel is closed in, once it is.
    closes_in: u64,
    closed_in: Option<u64>,
    /// Has the best block reach the channel's end while it is being closed.
    ends: Option<watch::Sender<Head>>,
    closed_with: Vec<Option<Balance>>,
    claimed: Vec<Balance>,
    /// Highest tips of claims and closings.
    tips: Vec<Balance>,
    /// Claims that fail before one succeeds.
    claims_fail: u32,
    /// Claims that a fork undoes after they were included.
    claims_undone: u32,
    /// Whether a claim is never answered.
    claims_hang: bool,
    /// What each transaction costs.
    fee: Balance,
}

impl Ledger for Fake {
    async fn channel(
        &self,
        _id: ChannelId,
        at: Hash,
    ) -> Result<Option<ChannelRecord<u32>>, ChainError> {
        let state = self.0.lock().unwrap();
        let at_or_after = |block: u64| at.to_low_u64_be() >= block;
        let closed = state.closed_in.is_some_and(at_or_after);
        let open = state.opened_at.is_some_and(at_or_after) && !closed;
        let later = state.later.clone().filter(|(from, _)| at.to_low_u64_be() >= *from);
        Ok(later.map(|(_, record)| record).or_else(|| state.record.clone()).filter(|_| open))
    }

    fn note_open(&self) {}

    async fn claim_fee(
        &self,
        _id: ChannelId,
        _voucher: &Unverified<Voucher>,
    ) -> Result<Balance, ChainError> {
        Ok(self.0.lock().unwrap().fee)
    }

    async fn close_fee(
        &self,
        _id: ChannelId,
        _voucher: Option<&Unverified<Voucher>>,
    ) -> Result<Balance, ChainError> {
        Ok(self.0.lock().unwrap().fee)
    }

    async fn claim(
        &self,
        _id: ChannelId,
        voucher: Unverified<Voucher>,
        bounds: Bounds,
    ) -> Result<(), ChainError> {
        if self.0.lock().unwrap().claims_hang {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        if state.claims_fail > 0 {
            state.claims_fail -= 1;
            return Err(failed());
        }
        let amount = voucher.payload.cumulative;
        state.claimed.push(amount);
        state.tips.push(bounds.most_tip);
        if state.claims_undone > 0 {
            state.claims_undone -= 1;
        } else if let Some(record) = &mut state.record {
            record.paid = amount;
        }
        Ok(())
    }

    async fn close(
        &self,
        _id: ChannelId,
        voucher: Option<Unverified<Voucher>>,
        bounds: Bounds,
    ) -> Closing {
        let mut state = self.0.lock().unwrap();
        state.tips.push(bounds.most_tip);
        state.closed_with.push(voucher.map(|v| v.payload.cumulative));
        if let Some(best) = &state.ends {
            best.send_replace(head(9));
        }
        let answer = state.closings.pop_front().expect("a prepared answer");
        if answer.is_ok() {
            state.closed_in = Some(state.closes_in);
        }
        answer
    }
}

fn record() -> ChannelRecord<u32> {
    ChannelRecord {
        publisher: AccountId::new([1; 32]),
        provider: AccountId::new([2; 32]),
        contract: Hash::zero(),
        session_key: SessionKey::from_raw([3; 32]),
        deposit: 1000,
        paid: 100,
        record_deposit: 1,
        expires_at: 500,
        challenge: 10,
        closing_at: None,
        app: None,
    }
}

fn voucher(cumulative: Balance) -> Unverified<Voucher> {
    let payload = Voucher { cumulative, usage_hash: Hash::zero() };
    Unverified { payload, signature: Signature::from_raw([0; 64]) }
}

fn head(number: u32) -> Head {
    Head { number, hash: Hash::from_low_u64_be(number.into()) }
}

struct Scene {
    fake: Fake,
    best: watch::Sender<Head>,
    finalized: watch::Sender<Head>,
    commands: mpsc::Sender<ChainCommand>,
    events: mpsc::Receiver<ProviderEvent>,
}

const CONTEXT: ChannelContext =
    ChannelContext { genesis: Hash::zero(), channel: Hash::repeat_byte(9) };

fn scene(opened_at: Option<u64>) -> Scene {
    let fake = Fake::default();
    fake.0.lock().unwrap().opened_at = opened_at;
    fake.0.lock().unwrap().record = Some(record());
    let (best, best_heads) = watch::channel(head(5));
    let (finalized, finalized_heads) = watch::channel(head(3));
    let heads = Heads { best: best_heads, finalized: finalized_heads };
    let (commands, received) = mpsc::channel(4);
    let (report, events) = mpsc::channel(4);
    tokio::spawn(serve(fake.clone(), heads, POLICY, received, report));
    Scene { fake, best, finalized, commands, events }
}

impl Scene {
    async fn event(&mut self) -> ProviderEvent {
        timeout(WAIT, self.events.recv()).await.expect("an event in time").unwrap()
    }

    async fn settle(&mut self, offered: Option<Unverified<Voucher>>, answer: Closing) {
        self.fake.0.lock().unwrap().closings.push_back(answer);
        self.commands.send(ChainCommand::Settle(CONTEXT, offered)).await.unwrap();
    }

    fn closed_with(&self) -> Vec<Option<Balance>> {
        self.fake.0.lock().unwrap().closed_with.clone()
    }
}

fn failed() -> ChainError {
    ChainError::NotIncluded { call: "close".into(), secs: 1 }
}

#[tokio::test]
async fn a_channel_counts_only_when_it_is_final() {
    let mut scene = scene(Some(5));
    scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: false }).await.unwrap();
    scene.finalized.send_replace(head(4));
    scene.best.send_replace(head(6));
    tokio::task::yield_now().await;
    assert!(scene.events.try_recv().is_err());
    scene.finalized.send_replace(head(5));
    assert_eq!(scene.event().await, ProviderEvent::ChannelFinal(record()));
}

#[tokio::test]
async fn a_request_to_close_and_a_near_expiry_are_reported_once() {
    for change in [
        (|r: &mut ChannelRecord<u32>| r.closing_at = Some(400)) as fn(&mut _),
        |r: &mut ChannelRecord<u32>| r.expires_at = 17,
    ] {
        let mut scene = scene(Some(0));
        scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: false }).await.unwrap();
        assert!(matches!(scene.event().await, ProviderEvent::ChannelFinal(_)));
        change(scene.fake.0.lock().unwrap().record.as_mut().unwrap());
        scene.best.send_replace(head(7));
        assert_eq!(scene.event().await, ProviderEvent::ChannelClosing);
    }
}

#[tokio::test]
async fn what_is_added_to_a_channel_counts_only_when_it_is_final() {
    let mut scene = scene(Some(0));
    scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: false }).await.unwrap();
    assert!(matches!(scene.event().await, ProviderEvent::ChannelFinal(_)));
    let more = ChannelRecord { deposit: 1500, expires_at: 600, ..record() };
    scene.fake.0.lock().unwrap().later = Some((7, more.clone()));
    scene.best.send_replace(head(7));
    scene.best.send_replace(head(8));
    tokio::task::yield_now().await;
    assert!(scene.events.try_recv().is_err());
    scene.finalized.send_replace(head(7));
    scene.best.send_replace(head(9));
    let lasts_ms = (600 - 9) * 2_000;
    assert_eq!(scene.event().await, ProviderEvent::ChannelChanged { record: more, lasts_ms });
    // It goes on watching, and tells nothing twice.
    scene.best.send_replace(head(10));
    tokio::task::yield_now().await;
    assert!(scene.events.try_recv().is_err());
    scene.best.send_replace(head(595));
    assert_eq!(scene.event().await, ProviderEvent::ChannelClosing);
}

#[tokio::test]
async fn a_channel_that_is_watched_anew_is_told_as_it_stands() {
    let mut scene = scene(Some(0));
    scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: true }).await.unwrap();
    let lasts_ms = (500 - 5) * 2_000;
    let told = || ProviderEvent::ChannelChanged { record: record(), lasts_ms };
    assert_eq!(scene.event().await, told());
    // However often that is asked for, what it sees meanwhile is told.
    scene.fake.0.lock().unwrap().record.as_mut().unwrap().closing_at = Some(400);
    for _ in 0..3 {
        scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: true }).await.unwrap();
    }
    assert_eq!(scene.event().await, ProviderEvent::ChannelClosing);
}

#[tokio::test]
async fn an_open_channel_that_is_gone_meanwhile_is_reported() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().record = None;
    scene.commands.send(ChainCommand::Watch { context: CONTEXT, open: true }).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::ChannelClosing);
}

#[tokio::test]
async fn a_settlement_shows_the_voucher_and_tells_what_the_chain_paid() {
    let mut scene = scene(Some(0));
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
    assert_eq!(scene.closed_with(), [Some(300)]);
}

#[tokio::test]
async fn a_voucher_that_was_claimed_before_is_not_shown_again() {
    let mut scene = scene(Some(0));
    scene.settle(Some(voucher(100)), Ok(Some(100))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
    assert_eq!(scene.closed_with(), [None]);
}

#[tokio::test]
async fn a_failed_settlement_is_reported_and_one_that_went_through_after_all_counts() {
    let mut scene = scene(Some(0));
    scene.settle(Some(voucher(300)), Err(failed())).await;
    assert_eq!(scene.event().await, ProviderEvent::SettleFailed);
    scene.fake.0.lock().unwrap().record = None;
    scene.settle(Some(voucher(300)), Err(failed())).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
}

#[tokio::test]
async fn an_ended_channel_is_settled_at_what_it_paid() {
    // The next block is the first one that refuses vouchers.
    for best in [500, 499] {
        let mut scene = scene(Some(0));
        scene.best.send_replace(head(best));
        scene.settle(Some(voucher(300)), Err(failed())).await;
        assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
        assert!(scene.closed_with().is_empty());
    }
}

#[tokio::test]
async fn a_channel_that_ends_while_it_is_closed_has_paid_what_it_says() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().record.as_mut().unwrap().expires_at = 10;
    scene.fake.0.lock().unwrap().ends = Some(scene.best.clone());
    scene.settle(Some(voucher(300)), Err(failed())).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
    assert_eq!(scene.closed_with(), [Some(300)]);
}

#[tokio::test]
async fn what_a_refused_settlement_would_have_paid_is_not_told_as_paid() {
    let mut scene = scene(Some(0));
    let refused = ChainError::Rejected { call: "close".into(), reason: "Ended".into() };
    scene.settle(Some(voucher(300)), Err(refused)).await;
    assert_eq!(scene.event().await, ProviderEvent::SettleFailed);
    scene.fake.0.lock().unwrap().record = None;
    scene.settle(Some(voucher(300)), Err(failed())).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
}

#[tokio::test]
async fn without_coin_only_what_gains_nothing_is_given_up() {
    let no_coin = || ChainError::NoCoin { account: "5x".into(), call: "close".into() };
    let mut scene = scene(Some(0));
    scene.settle(Some(voucher(300)), Err(no_coin())).await;
    assert_eq!(scene.event().await, ProviderEvent::SettleFailed);
    scene.settle(None, Err(no_coin())).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
}

#[tokio::test]
async fn a_claim_goes_to_the_chain_while_the_lease_goes_on() {
    let mut scene = scene(None);
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::Claimed { paid: 200 });
    scene.settle(None, Ok(None)).await;
    // The channel is gone; what was claimed is known.
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 200 });
    assert_eq!(scene.fake.0.lock().unwrap().claimed, [200]);
}

#[tokio::test]
async fn a_claim_that_fails_is_reported_and_may_be_made_again() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().claims_fail = 1;
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::ClaimFailed);
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(250))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::Claimed { paid: 250 });
    assert_eq!(scene.fake.0.lock().unwrap().claimed, [250]);
}

#[tokio::test]
async fn a_claim_that_a_fork_has_undone_is_made_again() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().claims_undone = 1;
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    // Block 5 was the best when it was included.
    scene.finalized.send_replace(head(5 + FINAL_WITHIN));
    assert_eq!(scene.event().await, ProviderEvent::ClaimFailed);
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::Claimed { paid: 200 });
    assert_eq!(scene.fake.0.lock().unwrap().claimed, [200, 200]);
}

#[tokio::test]
async fn a_part_of_what_a_claim_or_a_close_brings_besides_its_fee_may_be_tipped() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().fee = 20;
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::Claimed { paid: 200 });
    scene.settle(Some(voucher(350)), Ok(Some(350))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 350 });
    // 100 and 150 more than was paid.
    assert_eq!(scene.fake.0.lock().unwrap().tips, [8, 13]);
}

#[tokio::test]
async fn a_close_that_brings_nothing_tips_nothing() {
    let mut scene = scene(Some(0));
    scene.settle(None, Ok(Some(100))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
    assert_eq!(scene.fake.0.lock().unwrap().tips, [0]);
}

#[tokio::test]
async fn a_settlement_counts_when_it_is_final_and_is_not_begun_twice_meanwhile() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().closes_in = 6;
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    scene.commands.send(ChainCommand::Settle(CONTEXT, Some(voucher(300)))).await.unwrap();
    scene.finalized.send_replace(head(5));
    tokio::task::yield_now().await;
    assert!(scene.events.try_recv().is_err());
    scene.finalized.send_replace(head(6));
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
    assert_eq!(scene.closed_with(), [Some(300)]);
}

#[tokio::test]
async fn a_settlement_that_a_fork_has_undone_is_made_again() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().closes_in = u64::MAX;
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    scene.finalized.send_replace(head(5 + FINAL_WITHIN));
    assert_eq!(scene.event().await, ProviderEvent::SettleFailed);
    scene.fake.0.lock().unwrap().closes_in = 0;
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
    assert_eq!(scene.closed_with(), [Some(300), Some(300)]);
}

#[test]
fn a_block_from_before_a_channel_was_open_does_not_say_that_it_is_gone() {
    let known_at = 1_000_000;
    assert!(ensure_not_before(known_at + 5, known_at).is_ok());
    assert!(ensure_not_before(known_at - CLOCKS, known_at).is_ok(), "clocks differ");
    let behind = ensure_not_before(known_at - CLOCKS - 7, known_at);
    assert!(matches!(behind, Err(ChainError::Behind { secs: 7 })), "{behind:?}");
    assert!(ensure_not_before(0, known_at).is_err(), "the first block has no time");
    assert!(ensure_not_before(0, 0).is_ok());
}

#[tokio::test]
async fn a_claim_that_hangs_holds_up_no_settlement() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().claims_hang = true;
    scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(200))).await.unwrap();
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
}

#[tokio::test]
async fn a_claim_that_costs_what_it_brings_is_not_made() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().fee = 100;
    // The record has paid 100 already.
    for (amount, answer) in [
        (100, ProviderEvent::Claimed { paid: 100 }),
        (150, ProviderEvent::ClaimFailed),
        (200, ProviderEvent::ClaimFailed),
        (201, ProviderEvent::Claimed { paid: 201 }),
    ] {
        scene.commands.send(ChainCommand::Claim(CONTEXT, voucher(amount))).await.unwrap();
        assert_eq!(scene.event().await, answer);
    }
    scene.settle(Some(voucher(300)), Ok(Some(300))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 300 });
    assert_eq!(scene.fake.0.lock().unwrap().claimed, [201]);
}

#[tokio::test]
async fn a_channel_that_costs_too_much_to_close_is_left_to_its_publisher() {
    let mut scene = scene(Some(0));
    scene.fake.0.lock().unwrap().fee = 150;
    // A loss of 51, where 50 are borne.
    scene.commands.send(ChainCommand::Settle(CONTEXT, Some(voucher(199)))).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::SettleFailed, "the fee may fall");
    scene.commands.send(ChainCommand::Settle(CONTEXT, None)).await.unwrap();
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 100 });
    assert!(scene.closed_with().is_empty());
    scene.settle(Some(voucher(200)), Ok(Some(200))).await;
    assert_eq!(scene.event().await, ProviderEvent::Settled { paid: 200 });
}
