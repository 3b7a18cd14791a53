//! Settlements of an account: claims and closings of channels, by one transaction at a time.
//!
//! Blocks take the transactions with the highest tips for their weight first. Whoever gains from keeping
//! another's transaction out, such as a publisher whose channel is about to end, could fill the blocks
//! until then with transactions that tip a little. So one that blocks pass by is signed again with an ever
//! higher tip, up to a part of what its calls bring. To keep it out still, a whole block of others would
//! have to tip as much for their weight, and so in every block.
//!
//! ```text
//!  calls ──► waiting ──► one transaction ──► best block ──► an answer to each call
//!               ▲               │ blocks pass it by, or a pool loses it
//!               └───────────────┘ the same nonce, the dearest calls, a higher tip
//! ```
//!
//! Since there is one at a time, no call waits for the nonce of another. It is a batch in which each call
//! stands for itself. Its tip comes out of what its calls may tip together: while blocks are full, calls
//! that may tip less than an eighth of the dearest wait until that is in. Of all that was signed for a nonce
//! one at most gets into a block. The nonce is the account's next one at the best block: what an earlier
//! run left in a pool is replaced, too, once the tip is above its own.

mod plan;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{future::BoxFuture, stream::FuturesUnordered, FutureExt, StreamExt};
use subxt::error::ExtrinsicError;
use tokio::{
    sync::{mpsc, oneshot},
    time::{interval, timeout, MissedTickBehavior},
};
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelId, Voucher},
    signed::Unverified,
};

use self::plan::{choose, tip, Tip, BLOCKS, LOOK, MOST_CALLS};
use crate::{
    calls::{Action, RawCall},
    events::TransactionEvents,
    send::{is_answer, is_occupied, is_outdated, is_stale, Fate, Signing, MORTALITY, TRIES},
    submit::{claim_call, close_call, Included},
    AccountKey, Chain, ChainError, Head,
};

/// Longest that a settlement is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Calls that wait at most; whoever asks for more is kept waiting itself.
const MOST_WAITING: usize = 4096;

/// Makes the settlements of an account; clones are the same one. No other program should sign with the
/// key meanwhile.
#[derive(Clone)]
pub struct Settler {
    calls: mpsc::Sender<Waiting>,
}

impl Settler {
    /// Begins to settle, for as long as there is a clone.
    pub fn start(chain: Chain, key: AccountKey) -> Self {
        let (calls, queue) = mpsc::channel(1);
        tokio::spawn(Settling::new(chain, key, queue).run());
        Settler { calls }
    }

    /// Has a voucher paid out; the channel stays open. Dropped, it is given up, and may be made all the
    /// same.
    pub async fn claim(
        &self,
        channel: ChannelId,
        voucher: Unverified<Voucher>,
        bounds: Bounds,
    ) -> Result<Included, ChainError> {
        self.settle(channel, claim_call(channel, &voucher), bounds).await
    }

    /// Settles a channel with its last voucher. Dropped, it is given up, and may be made all the same.
    pub async fn close(
        &self,
        channel: ChannelId,
        voucher: Option<Unverified<Voucher>>,
        bounds: Bounds,
    ) -> Result<Included, ChainError> {
        self.settle(channel, close_call(channel, voucher.as_ref()), bounds).await
    }

    async fn settle(
        &self,
        channel: ChannelId,
        call: RawCall,
        bounds: Bounds,
    ) -> Result<Included, ChainError> {
        let title = call.title();
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.calls.send(Waiting { channel, call, bounds, reply }).await.ok()?;
            answer.await.ok()
        };
        match timeout(PATIENCE, answered).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(lost(title, "it is settled no more")),
            Err(_) => Err(ChainError::NotIncluded { call: title, secs: PATIENCE.as_secs() }),
        }
    }
}

/// How far a settlement goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The highest tip for its sake where blocks are full, in the smallest coin unit.
    pub most_tip: Balance,
    /// From this block on the channel takes no voucher.
    pub ends_at: u32,
}

/// A call that is to get into a block.
struct Waiting {
    channel: ChannelId,
    call: RawCall,
    bounds: Bounds,
    reply: oneshot::Sender<Result<Included, ChainError>>,
}

/// Numbers of calls, in the order in which they came.
type Number = u64;

/// What is offered with one transaction.
#[derive(Clone, Debug)]
struct Offer {
    calls: Vec<Number>,
    channels: BTreeSet<ChannelId>,
    tip: Tip,
    /// From this block on it would be in vain.
    ends_at: u32,
}

/// What became of a transaction that a pool had taken.
type Ended = (Offer, Result<Fate, ChainError>);

/// All that is signed for one nonce.
struct Round {
    nonce: u64,
    /// Channels of all that was offered.
    offered: BTreeSet<ChannelId>,
    /// Whether some pool may have any of it.
    may_be_pooled: bool,
    /// The tip that a pool has taken last, or found too low.
    tip: Option<Tip>,
    /// The block at which a pool has taken the last one.
    taken_at: u32,
    /// From which block on the next one is offered.
    not_before: u32,
    /// Whether calls are offered one by one, since a batch was refused.
    one_by_one: bool,
    refusals: usize,
    /// Since which block the nonce is another one than the account's next.
    passed_at: Option<u32>,
}

struct Settling {
    chain: Chain,
    key: AccountKey,
    queue: mpsc::Receiver<Waiting>,
    waiting: BTreeMap<Number, Waiting>,
    next: Number,
    round: Option<Round>,
    /// What pools have taken of the round, until they are rid of it.
    followed: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// The last nonce that is known to be used, and until which block a node may not know it.
    used: Option<(u64, u32)>,
    /// The tip of the last transaction that got into a block, and until which block it says anything.
    needed: Option<(Tip, u32)>,
    /// Whether a batch has failed as a whole in a block.
    batches_fail: bool,
}

impl Settling {
    fn new(chain: Chain, key: AccountKey, queue: mpsc::Receiver<Waiting>) -> Self {
        Settling {
            chain,
            key,
            queue,
            waiting: BTreeMap::new(),
            next: 0,
            round: None,
            followed: FuturesUnordered::new(),
            used: None,
            needed: None,
            batches_fail: false,
        }
    }

    async fn run(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_room = self.waiting.len() < MOST_WAITING;
            let is_busy = self.round.is_some() || !self.waiting.is_empty();
            tokio::select! {
                Some(ended) = self.followed.next() => {
                    self.ended(ended);
                    if self.round.is_none() && !self.waiting.is_empty() {
                        self.look().await;
                    }
                }
                call = self.queue.recv(), if has_room => {
                    let Some(call) = call else { return };
                    self.waiting.insert(self.next, call);
                    self.next += 1;
                    if self.round.is_none() {
                        self.look().await;
                    }
                }
                _ = looks.tick(), if is_busy => self.look().await,
            }
        }
    }

    /// Looks at the chain and does what is due. What the node does not answer is asked again next time.
    async fn look(&mut self) {
        self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        match self.advance().await {
            Ok(()) => (),
            Err(ChainError::Incompatible(what)) => {
                for (_, waiting) in std::mem::take(&mut self.waiting) {
                    answer(waiting, Err(ChainError::Incompatible(what.clone())));
                }
            }
            Err(error) => tracing::debug!(%error, "settlements wait for the node"),
        }
    }

    async fn advance(&mut self) -> Result<(), ChainError> {
        let best = self.chain.best().await?;
        self.drop_ended(best);
        let next = u64::from(self.chain.nonce(&self.key.account(), best.hash).await?);
        if self.used.is_some_and(|(used, until)| next <= used && best.number < until) {
            return Ok(());
        }
        if let Some(round) = &mut self.round {
            if next != round.nonce {
                // A block has one of them, which is reported as a rule; or what an earlier run left. Or a
                // fork has undone what was before.
                let since = *round.passed_at.get_or_insert(best.number);
                if best.number >= since.saturating_add(BLOCKS) {
                    self.end_unknown();
                }
                return Ok(());
            }
            round.passed_at = None;
            if best.number > round.taken_at.saturating_add(MORTALITY) {
                // No pool has any of them, whatever was told.
                self.followed.clear();
            }
            if best.number < round.not_before {
                return Ok(());
            }
        }
        if !self.waiting.is_empty() {
            return self.offer(best, next).await;
        }
        if self.followed.is_empty() {
            self.round = None;
        }
        Ok(())
    }

    /// Signs what is to be done next, and gives it to the node.
    async fn offer(&mut self, best: Head, nonce: u64) -> Result<(), ChainError> {
        let round = self.round.get_or_insert_with(|| Round::new(nonce));
        // Whether or not the node answers, it is asked again no sooner.
        round.not_before = best.number.saturating_add(1);
        let next = self.next_offer(best).await?;
        let Some(round) = &mut self.round else { return Ok(()) };
        let Some((action, offer)) = next else {
            round.not_before = best.number.saturating_add(BLOCKS);
            return Ok(());
        };
        let tip = offer.tip.amount;
        if tip > 0 {
            tracing::info!(call = action.title(), tip, "blocks are full; it is sent with a tip");
        }
        round.offered.extend(&offer.channels);
        let signing = Signing { nonce: Some(nonce), tip, ends_at: offer.ends_at };
        match self.chain.sign_once(&action, &self.key, signing).await? {
            Ok((_, mut taken)) => {
                round.is_answered(offer.tip, best);
                round.taken_at = best.number;
                round.may_be_pooled = true;
                let (chain, key) = (self.chain.clone(), self.key.clone());
                let followed = async move {
                    let fate = chain.follow(&action, Some(&key), &mut taken).await;
                    (offer, fate)
                };
                self.followed.push(followed.boxed());
            }
            Err(error) => self.refused(&error, &action, &offer, best),
        }
        Ok(())
    }

    /// What goes into the next transaction; nothing where it can tip no more than the one that stands.
    async fn next_offer(&mut self, best: Head) -> Result<Option<(Action, Offer)>, ChainError> {
        let Some(round) = &self.round else { return Ok(None) };
        let numbers: Vec<Number> = self.waiting.keys().copied().collect();
        let most_tips: Vec<Balance> = self.waiting.values().map(|w| w.bounds.most_tip).collect();
        let most_calls = if round.one_by_one || self.batches_fail { 1 } else { MOST_CALLS };
        let needed = self.needed.filter(|(_, until)| best.number < *until).map(|(tip, _)| tip);
        let is_full = round.tip.is_some() || needed.is_some();
        let mut chosen = choose(&most_tips, is_full, most_calls);
        loop {
            let calls: Vec<_> = chosen.iter().map(|place| numbers[*place]).collect();
            let waiting = calls.iter().filter_map(|number| self.waiting.get(number));
            let (action, most) = (action(waiting.clone()), most_tip(waiting));
            let tip = match is_full {
                false => Some(0),
                true => {
                    let most = most.min(self.chain.coin_besides(&self.key, &action).await?);
                    tip(round.tip, needed, !self.followed.is_empty(), calls.len(), most)
                }
            };
            match tip {
                Some(tip) => return Ok(Some((action, self.offer_of(calls, tip)))),
                // The dearest alone weighs less, and costs less coin.
                None if calls.len() > 1 => chosen.truncate(1),
                None => {
                    tracing::debug!(most, "blocks are full; no higher tip is given");
                    return Ok(None);
                }
            }
        }
    }

    fn offer_of(&self, calls: Vec<Number>, amount: Balance) -> Offer {
        let waiting = calls.iter().filter_map(|number| self.waiting.get(number));
        let ends_at = waiting.clone().map(|waiting| waiting.bounds.ends_at).min();
        let channels = waiting.map(|waiting| waiting.channel).collect();
        let tip = Tip { amount, calls: calls.len() };
        Offer { calls, channels, tip, ends_at: ends_at.unwrap_or(u32::MAX) }
    }

    /// Answers those whose channels have ended.
    fn drop_ended(&mut self, best: Head) {
        let next = best.number.saturating_add(1);
        let ended = self.waiting.extract_if(.., |_, waiting| waiting.bounds.ends_at <= next);
        for (_, waiting) in ended {
            let (call, reason) = (waiting.call.title(), "its channel has ended");
            let offered = self.round.as_ref().map(|round| &round.offered);
            let told = match offered.is_some_and(|offered| offered.contains(&waiting.channel)) {
                true => lost(call, reason),
                false => ChainError::NotTaken { call, reason: reason.into() },
            };
            answer(waiting, Err(told));
        }
    }

    /// A transaction was not taken.
    fn refused(&mut self, error: &ExtrinsicError, action: &Action, offer: &Offer, best: Head) {
        tracing::debug!(%error, call = action.title(), "a settlement was not taken");
        let Some(round) = &mut self.round else { return };
        // That the nonce was used is seen at the best block; without an answer it may have been taken.
        if is_stale(error) || !is_answer(error) {
            round.may_be_pooled = true;
            return;
        }
        if is_occupied(error) {
            return round.is_answered(offer.tip, best);
        }
        if !self.followed.is_empty() {
            // What was taken before stands.
            round.one_by_one |= offer.calls.len() > 1;
            round.not_before = best.number.saturating_add(BLOCKS);
            return;
        }
        round.not_before = best.number;
        round.refusals += 1;
        if is_outdated(error) && round.refusals < TRIES {
            return;
        }
        match offer.calls[..] {
            [call] => {
                let told = match round.may_be_pooled {
                    true => lost(action.title(), "a block may have it as it was signed before"),
                    false => self.chain.not_taken(action, Some(&self.key), error),
                };
                if let Some(waiting) = self.waiting.remove(&call) {
                    answer(waiting, Err(told));
                }
            }
            _ => round.one_by_one = true,
        }
    }

    /// A pool is rid of a transaction.
    fn ended(&mut self, (offer, fate): Ended) {
        match fate {
            Ok(Fate::Included((included, events))) => self.included(&offer, &included, events),
            Ok(Fate::Invalid(reason) | Fate::Dropped(reason)) => {
                tracing::debug!(reason, "a pool has dropped a settlement");
            }
            Err(error @ ChainError::Lost { .. }) => {
                tracing::debug!(%error, "a settlement is not followed any more");
            }
            Err(error) => self.failed(&offer, error),
        }
    }

    /// A best block has a transaction: each of its calls is answered.
    fn included(&mut self, offer: &Offer, included: &Included, events: TransactionEvents) {
        let until = included.block.number.saturating_add(BLOCKS);
        self.end_round(until);
        self.needed =
            Some((offer.tip, until.saturating_add(BLOCKS))).filter(|_| offer.tip.amount > 0);
        let fee = included.fee / (offer.calls.len().max(1) as Balance);
        let mut items = events.items.into_iter();
        for call in &offer.calls {
            let outcome = match offer.calls[..] {
                [_] => Some(None),
                _ => items.next(),
            };
            let Some(waiting) = self.waiting.remove(call) else { continue };
            let answered = match outcome {
                Some(None) => Ok(Included { block: included.block, fee }),
                Some(Some(error)) => {
                    Err(self.chain.refused(waiting.call.title(), Some(&self.key), error))
                }
                None => Err(ChainError::Decode("what became of a call in a batch")),
            };
            answer(waiting, answered);
        }
        self.send_back(&offer.channels);
    }

    /// A block has a transaction that did not do what it says, or of which it cannot be told.
    fn failed(&mut self, offer: &Offer, error: ChainError) {
        let until = self.round.as_ref().map_or(0, |round| round.not_before);
        self.end_round(until);
        match offer.calls[..] {
            [call] => {
                if let Some(waiting) = self.waiting.remove(&call) {
                    answer(waiting, Err(error));
                }
            }
            _ if matches!(error, ChainError::Rejected { .. } | ChainError::NoCoin { .. }) => {
                tracing::warn!(%error, "a batch of settlements has failed; they go one by one");
                self.batches_fail = true;
            }
            _ => tracing::debug!(%error, "what became of a batch is not known"),
        }
        self.send_back(&offer.channels);
    }

    /// The round's nonce is used; until a block, a node may not know it.
    fn end_round(&mut self, until: u32) {
        self.used = self.round.take().map(|round| (round.nonce, until));
        self.followed.clear();
    }

    /// Nobody told what became of a round.
    fn end_unknown(&mut self) {
        if let Some(round) = self.round.take() {
            self.followed.clear();
            self.send_back(&round.offered);
        }
    }

    /// Whoever waits for a call of these channels has to look whether it is needed yet: a block may have
    /// an earlier one.
    fn send_back(&mut self, channels: &BTreeSet<ChannelId>) {
        for (_, waiting) in
            self.waiting.extract_if(.., |_, waiting| channels.contains(&waiting.channel))
        {
            let title = waiting.call.title();
            answer(waiting, Err(lost(title, "a block may have an earlier one of its channel")));
        }
    }
}

impl Round {
    fn new(nonce: u64) -> Self {
        Round {
            nonce,
            offered: BTreeSet::new(),
            may_be_pooled: false,
            tip: None,
            taken_at: u32::MAX,
            not_before: 0,
            one_by_one: false,
            refusals: 0,
            passed_at: None,
        }
    }

    /// A pool has taken a transaction with this tip, or found that too low.
    fn is_answered(&mut self, tip: Tip, best: Head) {
        self.tip = Some(tip);
        self.not_before = best.number.saturating_add(BLOCKS);
    }
}

/// One transaction of several calls, each of which stands for itself.
fn action<'a>(waiting: impl Iterator<Item = &'a Waiting>) -> Action {
    let mut calls: Vec<RawCall> = waiting.map(|waiting| waiting.call.clone()).collect();
    match calls.pop() {
        Some(call) if calls.is_empty() => Action::Call(call),
        last => {
            calls.extend(last);
            Action::Batch { how: "force_batch", calls }
        }
    }
}

/// The highest tip of a transaction of several calls.
fn most_tip<'a>(waiting: impl Iterator<Item = &'a Waiting>) -> Balance {
    waiting.fold(0, |sum, waiting| sum.saturating_add(waiting.bounds.most_tip))
}

/// Whoever asked may be gone.
fn answer(waiting: Waiting, outcome: Result<Included, ChainError>) {
    let _ = waiting.reply.send(outcome);
}

fn lost(call: String, reason: &str) -> ChainError {
    ChainError::Lost { call, reason: reason.into() }
}
