//! When a transaction has to tip more, and how much it can.

use tokio::time::sleep;
use zennet_primitives::amount::Balance;

use super::Sending;
use crate::{
    tips::{self, Bids, Offer},
    Chain, ChainError,
};

impl Chain {
    /// Waits until a transaction has to tip more, and raises its offer: because blocks pass it by, or for
    /// the sake of those that wait for it. One that is in no pool is not waited for when it cannot.
    pub(super) async fn outbid(
        &self,
        sending: &Sending<'_>,
        bids: &Bids,
        nonce: Option<u64>,
        offer: &mut Offer,
        is_pooled: bool,
    ) {
        let mut since = None;
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
                if passed >= tips::BLOCKS && self.raise(sending, offer).await {
                    return;
                }
            }
            sleep(tips::LOOK).await;
        }
    }

    /// Raises an offer by a step, as far as its account has coin; whether it is higher now.
    async fn raise(&self, sending: &Sending<'_>, offer: &mut Offer) -> bool {
        let room = match self.room_for_tips(sending).await {
            Ok(room) => room,
            Err(error) => {
                tracing::debug!(%error, "what can be tipped is not known");
                return false;
            }
        };
        let (call, is_higher) = (sending.action.title(), offer.rise(room));
        match is_higher {
            true => tracing::info!(call, tip = offer.tip, "blocks are full; it is sent with a tip"),
            false => tracing::warn!(call, room, "blocks are full, and there is no coin for a tip"),
        }
        is_higher
    }

    /// What an account can tip for a transaction besides its fee.
    async fn room_for_tips(&self, sending: &Sending<'_>) -> Result<Balance, ChainError> {
        let ground = self.ground().await?;
        let call = sending.action.call(&ground.block)?.into_owned();
        let fee = self.fee(sending.key, call).await?;
        let hash = self.best().await?.hash;
        let balance = self.balance(&sending.key.account(), hash).await?;
        Ok(balance.spendable.saturating_sub(fee))
    }
}
