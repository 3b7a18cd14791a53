//! Signing transactions, and what becomes of them.
//!
//! A transaction is signed for one version of the chain's program, and pools refuse it under any other.
//! So it is signed by the newest block's, which is two or three blocks ahead of the last final one just
//! after an upgrade. Its life is counted from a final block: with one that is given up for another it
//! would end.
//!
//! ```text
//!  sign ──► pool ──► best block
//!   ▲        │ refused, or found invalid, because the chain has gone on meanwhile
//!   └────────┘ a few times; once a pool has taken it, with the same nonce
//! ```
//!
//! Of transactions with the same nonce one at most gets into a block, so nothing is done twice. The tips
//! of those that must get into a block in time are the business of `settler`.

mod refusals;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use codec::Encode;
use sp_runtime::transaction_validity::InvalidTransaction;
use subxt::{
    client::OnlineClientAtBlockImpl,
    config::{DefaultExtrinsicParamsBuilder, SubstrateConfig},
    error::{DispatchError, ExtrinsicError, TokenError, TransactionEventsError},
    rpcs::methods::legacy::NumberOrHex,
    tx::{Signer, SubmittableTransaction, TransactionProgress, TransactionStatus},
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use zennet_primitives::{amount::Balance, AccountId, Hash};

use self::refusals::{answer, invalidity, reason, text};
pub(crate) use self::refusals::{
    answer_of, is_answer, is_occupied, is_outdated, is_stale, refusal,
};
#[cfg(test)]
pub(crate) use self::refusals::{FULL, INVALID, TOO_LOW};
use crate::{
    calls::{Action, AtBlock, RawCall},
    events::TransactionEvents,
    submit::Included,
    AccountKey, Chain, ChainError, Head,
};

/// How long a transaction may take to get into a block.
const INCLUSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Blocks after which a transaction that was not included can no longer be.
pub(crate) const MORTALITY: u32 = 64;

/// How often a transaction is signed at most.
pub(crate) const TRIES: usize = 3;

/// Pause before it is signed anew: a node's pool may be behind what the node calls its best block.
const PAUSE: Duration = Duration::from_millis(500);

type Client = OnlineClientAtBlockImpl<SubstrateConfig>;
type Signed = SubmittableTransaction<SubstrateConfig, Client>;
type Progress = TransactionProgress<SubstrateConfig, Client>;
type Done = (Included, TransactionEvents);

/// What became of one try.
enum Try {
    Done(Done),
    /// The chain has gone on since it was signed. The error is for the last try.
    Outdated(ChainError),
}

/// How a pool ends with a transaction that it has taken.
pub(crate) enum Fate {
    Included(Done),
    /// It is not valid at the newest block. Why is in words.
    Invalid(String),
    /// Others with higher tips have taken its room in the pool.
    Dropped(String),
}

/// A transaction that a pool has taken.
pub(crate) struct Taken {
    progress: Progress,
    /// What it was signed for.
    block: AtBlock,
}

/// What a transaction is signed for.
struct Ground {
    block: AtBlock,
    /// From which block on it holds, and for how many.
    birth: Head,
    life: u32,
}

/// With what a call is signed.
pub(crate) struct Signing {
    /// The account's next one, unless it was chosen before.
    pub(crate) nonce: Option<u64>,
    pub(crate) tip: Balance,
    /// From this block on it would be in vain.
    pub(crate) ends_at: u32,
}

impl Ground {
    /// One on which a transaction does not live much longer than it is of use.
    fn until(self, ends_at: u32) -> Self {
        let best = Head { number: self.number(), hash: self.block.block_hash() };
        match life(ends_at.saturating_sub(best.number)) {
            MORTALITY => self,
            life => Ground { birth: best, life, ..self },
        }
    }

    fn number(&self) -> u32 {
        u32::try_from(self.block.block_number()).unwrap_or(u32::MAX)
    }
}

impl Chain {
    /// What a call would cost now, in the smallest coin unit.
    pub(crate) async fn fee(&self, key: &AccountKey, call: RawCall) -> Result<Balance, ChainError> {
        fee(&self.ground().await?, key, &call).await
    }

    /// What an account can spend besides the fee of a transaction.
    pub(crate) async fn coin_besides(
        &self,
        key: &AccountKey,
        action: &Action,
    ) -> Result<Balance, ChainError> {
        let ground = self.ground().await?;
        let call = action.call(&ground.block)?;
        // With a nonce and a tip of the greatest length.
        let signed = sign(&ground, &call, key, u32::MAX.into(), Balance::MAX);
        let fee = estimate(signed).await?;
        let balance = self.balance(&key.account(), ground.block.block_hash()).await?;
        Ok(balance.spendable.saturating_sub(fee))
    }

    /// Sends a transaction, signed by a key or by nobody, and waits until a best block has it.
    pub(crate) async fn submit(
        &self,
        action: &Action,
        key: Option<&AccountKey>,
    ) -> Result<Done, ChainError> {
        let not_included =
            |_| ChainError::NotIncluded { call: action.title(), secs: INCLUSION_TIMEOUT.as_secs() };
        let submitting = async {
            match key {
                Some(key) => self.sign_and_submit(action, key).await,
                None => self.submit_unsigned(action).await,
            }
        };
        timeout(INCLUSION_TIMEOUT, submitting).await.map_err(not_included)?
    }

    async fn submit_unsigned(&self, action: &Action) -> Result<Done, ChainError> {
        let block = self.at(self.best().await?).await?;
        let call = action.call(&block)?.encoded(&block)?;
        let general = block.transactions().from_bytes(general_transaction(&call));
        let submitted = general.submit_and_watch().await;
        let progress = submitted.map_err(|error| self.not_taken(action, None, &error))?;
        let mut taken = Taken { progress, block };
        match self.follow(action, None, &mut taken).await? {
            Fate::Included(done) => Ok(done),
            Fate::Invalid(reason) | Fate::Dropped(reason) => {
                Err(ChainError::Lost { call: action.title(), reason })
            }
        }
    }

    async fn sign_and_submit(&self, action: &Action, key: &AccountKey) -> Result<Done, ChainError> {
        let mut nonce = None;
        for _ in 1..TRIES {
            match self.try_signed(action, key, &mut nonce).await? {
                Try::Done(done) => return Ok(done),
                Try::Outdated(error) => tracing::debug!(%error, "signing a transaction anew"),
            }
            sleep(PAUSE).await;
        }
        match self.try_signed(action, key, &mut nonce).await? {
            Try::Done(done) => Ok(done),
            Try::Outdated(error) => Err(error),
        }
    }

    /// Signs and submits once. The nonce is left where a pool has taken the transaction.
    async fn try_signed(
        &self,
        action: &Action,
        key: &AccountKey,
        nonce: &mut Option<u64>,
    ) -> Result<Try, ChainError> {
        let signing = Signing { nonce: *nonce, tip: 0, ends_at: u32::MAX };
        let (chosen, mut taken) = match self.sign_once(action, key, signing).await? {
            Ok(taken) => taken,
            Err(error) => {
                let told = match nonce {
                    // The one before it may have got into a block.
                    Some(_) => lost(action, &error),
                    None => self.not_taken(action, Some(key), &error),
                };
                return if is_outdated(&error) { Ok(Try::Outdated(told)) } else { Err(told) };
            }
        };
        *nonce = Some(chosen);
        match self.follow(action, Some(key), &mut taken).await? {
            Fate::Included(done) => Ok(Try::Done(done)),
            Fate::Dropped(reason) => Err(ChainError::Lost { call: action.title(), reason }),
            Fate::Invalid(reason) => {
                let signed_for = taken.block.spec_version();
                let told = ChainError::Lost { call: action.title(), reason };
                let now = self.at(self.best().await?).await?.spec_version();
                if now == signed_for {
                    Err(told)
                } else {
                    Ok(Try::Outdated(told))
                }
            }
        }
    }

    /// Signs and submits once, with a nonce that was chosen before or the account's next.
    pub(crate) async fn sign_once(
        &self,
        action: &Action,
        key: &AccountKey,
        Signing { nonce, tip, ends_at }: Signing,
    ) -> Result<Result<(u64, Taken), ExtrinsicError>, ChainError> {
        let ground = self.ground().await?.until(ends_at);
        let call = action.call(&ground.block)?;
        let turn = self.turn(key.account()).await;
        let _turn = turn.lock().await;
        let nonce = match nonce {
            Some(nonce) => nonce,
            None => self.next_nonce(key).await?,
        };
        let signed = sign(&ground, &call, key, nonce, tip);
        let signed = signed.map_err(|_| ChainError::Incompatible(action.title()))?;
        let submitted = signed.submit_and_watch().await;
        Ok(submitted.map(|progress| (nonce, Taken { progress, block: ground.block })))
    }

    /// Follows a transaction that a pool has taken to the first best block that has it.
    pub(crate) async fn follow(
        &self,
        action: &Action,
        key: Option<&AccountKey>,
        taken: &mut Taken,
    ) -> Result<Fate, ChainError> {
        let lost = |reason: String| ChainError::Lost { call: action.title(), reason };
        while let Some(status) = taken.progress.next().await {
            let in_block = match status.map_err(|error| lost(error.to_string()))? {
                TransactionStatus::InBestBlock(block) => block,
                TransactionStatus::InFinalizedBlock(block) => block,
                TransactionStatus::Invalid { message } => return Ok(Fate::Invalid(message)),
                TransactionStatus::Dropped { message } => return Ok(Fate::Dropped(message)),
                TransactionStatus::Error { message } => return Err(lost(message)),
                TransactionStatus::Validated
                | TransactionStatus::Broadcasted
                | TransactionStatus::NoLongerInBestBlock => continue,
            };
            let rejected = |error| self.rejected(action, key, error);
            let events = in_block.wait_for_success().await.map_err(rejected)?;
            let block = self.head(Some(in_block.block_hash())).await?;
            let events = TransactionEvents::of(&events, &taken.block.metadata())?;
            return Ok(Fate::Included((Included { block, fee: events.fee }, events)));
        }
        Err(lost("the node stopped reporting on it".into()))
    }

    /// A client at a block.
    async fn at(&self, head: Head) -> Result<AtBlock, ChainError> {
        let client = self.client.at_block_hash_and_number(head.hash, head.number.into()).await;
        client.map_err(|error| ChainError::Rpc {
            request: "the version of its program",
            reason: error.to_string(),
        })
    }

    /// What to sign for at this moment.
    async fn ground(&self) -> Result<Ground, ChainError> {
        let best = self.best().await?;
        let (block, birth) = tokio::try_join!(self.at(best), self.birth(best))?;
        Ok(Ground { block, birth, life: MORTALITY })
    }

    /// From which block on a transaction holds that is signed now.
    async fn birth(&self, best: Head) -> Result<Head, ChainError> {
        let last = self.finalized().await?;
        let number = birth_number(best.number, last.number);
        match number == last.number {
            true => Ok(last),
            false => Ok(Head { number, hash: self.hash_at(number).await? }),
        }
    }

    /// Hash of the block at a height of the best chain.
    async fn hash_at(&self, number: u32) -> Result<Hash, ChainError> {
        let missing = ChainError::Rpc { request: "a block's hash", reason: "no such block".into() };
        let found = self.rpc.chain_get_block_hash(Some(NumberOrHex::Number(number.into()))).await;
        found.map_err(ChainError::rpc("a block's hash"))?.ok_or(missing)
    }

    async fn next_nonce(&self, key: &AccountKey) -> Result<u64, ChainError> {
        let next = self.rpc.system_account_next_index(&Signer::account_id(key)).await;
        next.map_err(ChainError::rpc("an account's next nonce"))
    }

    /// The lock that lets one transaction of an account at a time choose its nonce.
    async fn turn(&self, account: AccountId) -> Arc<Mutex<()>> {
        self.turns.lock().await.entry(account).or_default().clone()
    }

    fn rejected(
        &self,
        action: &Action,
        key: Option<&AccountKey>,
        error: TransactionEventsError,
    ) -> ChainError {
        match error {
            TransactionEventsError::ExtrinsicFailed(dispatch) => {
                self.refused(action.title(), key, dispatch)
            }
            // It is in a block, and may have done what it says.
            other => ChainError::Rpc {
                request: "what became of a transaction",
                reason: other.to_string(),
            },
        }
    }

    /// The runtime's refusal of a call, alone or in a batch.
    pub(crate) fn refused(
        &self,
        call: String,
        key: Option<&AccountKey>,
        error: DispatchError,
    ) -> ChainError {
        let no_coin = match &error {
            DispatchError::Token(TokenError::FundsUnavailable) => true,
            DispatchError::Module(module) => module.details_string() == "Deposits::NotEnoughFree",
            _ => false,
        };
        match key.filter(|_| no_coin) {
            Some(key) => ChainError::NoCoin { account: self.address(&key.account()), call },
            // Its own text has the name of the error and its pallet.
            None => ChainError::Rejected { call, reason: error.to_string() },
        }
    }

    /// A pool's refusal of a transaction, or that nothing is known of it.
    pub(crate) fn not_taken(
        &self,
        action: &Action,
        key: Option<&AccountKey>,
        error: &ExtrinsicError,
    ) -> ChainError {
        let call = action.title();
        let cannot_pay =
            invalidity(error).is_some_and(|why| why == text(InvalidTransaction::Payment));
        match key.filter(|_| cannot_pay) {
            Some(key) => ChainError::NoCoin { account: self.address(&key.account()), call },
            None => refusal(call, answer(error), error),
        }
    }
}

/// What a call costs on some ground without a tip, in the smallest coin unit; a byte more or less for its
/// nonce.
async fn fee(ground: &Ground, key: &AccountKey, call: &RawCall) -> Result<Balance, ChainError> {
    estimate(sign(ground, call, key, 0, 0)).await
}

async fn estimate(signed: Result<Signed, ExtrinsicError>) -> Result<Balance, ChainError> {
    let failed =
        |error: &dyn ToString| ChainError::Rpc { request: "a fee", reason: error.to_string() };
    signed.map_err(|e| failed(&e))?.partial_fee_estimate().await.map_err(|e| failed(&e))
}

fn sign(
    ground: &Ground,
    call: &RawCall,
    key: &AccountKey,
    nonce: u64,
    tip: Balance,
) -> Result<Signed, ExtrinsicError> {
    let Head { number, hash } = ground.birth;
    let params = DefaultExtrinsicParamsBuilder::new()
        .mortal_from_unchecked(ground.life.into(), number.into(), hash)
        .nonce(nonce)
        .tip(tip)
        .build();
    ground.block.transactions().create_signable_offline(call, params)?.sign(key)
}

/// The number of the block from which on a transaction holds: that of the last final block, or where
/// finality is further behind than half of the transaction's life, so much below the best one.
fn birth_number(best: u32, last_final: u32) -> u32 {
    last_final.max(best.saturating_sub(MORTALITY / 2))
}

/// For how many blocks a transaction lives that is of use for so many: a power of two, from 4 on.
fn life(of_use: u32) -> u32 {
    1 << of_use.clamp(4, MORTALITY).ilog2()
}

/// A general transaction (version 5, no signature) around an encoded call.
///
/// What follows the version are the values of the runtime's transaction extensions that take any
/// space: the era (immortal), the nonce, the tip and the mode of the metadata hash, each zero.
fn general_transaction(call: &[u8]) -> Vec<u8> {
    const GENERAL_VERSION_5: u8 = 0b0100_0101;
    const EXTENSION_VERSION: u8 = 0;
    let head = [GENERAL_VERSION_5, EXTENSION_VERSION, 0, 0, 0, 0];
    [&head[..], call].concat().encode()
}

fn lost(action: &Action, error: &ExtrinsicError) -> ChainError {
    let reason = answer(error).map_or_else(|| error.to_string(), reason);
    ChainError::Lost { call: action.title(), reason }
}
