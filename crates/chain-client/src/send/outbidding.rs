//! When a transaction has to tip more, and how much it can.

use tokio::time::sleep;
use zennet_primitives::amount::Balance;

use super::{fee, Sending};
use crate::{
    tips::{self, Bids, Offer},
    Chain, ChainError,
};

impl Chain {
    /// Waits until a transaction has to tip more, and raises its offer: because blocks pass it by, or for
    /// the sake of those that wait for it. One that is in no pool waits for blocks alone, and is offered
    /// again even where it cannot tip more: there may be room for it now.
    pub(super) async fn outbid(
        &self,
        sending: &Sending<'_>,
        bids: &Bids,
        nonce: Option<u64>,
        offer: &mut Offer,
        is_pooled: bool,
    ) {
        let (mut since, mut is_told) = (None, false);
        loop {
            let behind = nonce.map_or(0, |nonce| bids.highest_behind(nonce));
            if behind > offer.tip {
                offer.tip = behind;
                return;
            }
            if !offer.may_rise() && !is_pooled {
                return;
            }
            if offer.may_rise() {
                let best = self.best().await.ok().map(|best| best.number);
                since = since.or(best);
                let passed = best.zip(since).map_or(0, |(best, since)| best.saturating_sub(since));
                if passed >= tips::BLOCKS {
                    since = best;
                    let ahead = nonce.map_or(0, |nonce| bids.ahead(nonce));
                    if self.raise(sending, offer, ahead, &mut is_told).await || !is_pooled {
                        return;
                    }
                }
            }
            sleep(tips::LOOK).await;
        }
    }

    /// Raises an offer by a step, as far as its account has coin and leaves it to this transaction, which
    /// waits for some `ahead`; whether it is higher now. That it is not is told once.
    async fn raise(
        &self,
        sending: &Sending<'_>,
        offer: &mut Offer,
        ahead: usize,
        is_told: &mut bool,
    ) -> bool {
        let room = match self.room_for_tips(sending).await {
            Ok(room) => room.min(share(sending.most_tip, ahead)),
            Err(error) => {
                tracing::debug!(%error, "what can be tipped is not known");
                return false;
            }
        };
        let (call, is_higher) = (sending.action.title(), offer.rise(room));
        if is_higher {
            tracing::info!(call, tip = offer.tip, "blocks are full; it is sent with a tip");
        } else if !std::mem::replace(is_told, true) {
            tracing::warn!(call, room, ahead, "blocks are full, and there is no more for a tip");
        }
        is_higher
    }

    /// What an account can tip for a transaction besides its fee.
    async fn room_for_tips(&self, sending: &Sending<'_>) -> Result<Balance, ChainError> {
        let ground = self.ground().await?;
        let call = sending.action.call(&ground.block)?.into_owned();
        let fee = fee(&ground, sending.key, &call).await?;
        let balance = self.balance(&sending.key.account(), ground.block.block_hash()).await?;
        Ok(balance.spendable.saturating_sub(fee))
    }
}

/// What is left of the highest tip for one that waits for some ahead of it, which tip as much as it does.
fn share(most_tip: Balance, ahead: usize) -> Balance {
    most_tip / (ahead as Balance).saturating_add(1)
}
