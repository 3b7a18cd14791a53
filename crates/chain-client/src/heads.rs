//! Following the chain head by head.

use subxt::{
    config::{Header, RpcConfigFor, SubstrateConfig},
    rpcs::{client::RpcSubscription, LegacyRpcMethods},
};
use zennet_primitives::Hash;

use crate::ChainError;

type RpcConfig = RpcConfigFor<SubstrateConfig>;
type SubstrateHeader = <SubstrateConfig as subxt::Config>::Header;

/// A block by number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Number of the block.
    pub number: u32,
    /// Hash of the block.
    pub hash: Hash,
}

/// Which heads are followed.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Best,
    Finalized,
}

/// New heads as they come. After a lost connection it goes on by itself.
pub struct HeadStream {
    rpc: LegacyRpcMethods<RpcConfig>,
    which: Which,
    subscription: RpcSubscription<SubstrateHeader>,
}

impl HeadStream {
    pub(crate) async fn open(
        rpc: LegacyRpcMethods<RpcConfig>,
        which: Which,
    ) -> Result<Self, ChainError> {
        let subscription = subscribe(&rpc, which).await?;
        Ok(Self { rpc, which, subscription })
    }

    /// The next head. An error means that the node cannot be reached now; asking again tries again.
    pub async fn next(&mut self) -> Option<Result<Head, ChainError>> {
        loop {
            match self.subscription.next().await {
                Some(Ok(header)) => return Some(Ok(head_of(&header))),
                Some(Err(error)) if error.is_disconnected_will_reconnect() => {}
                Some(Err(error)) => return Some(Err(ChainError::rpc("the next head")(error))),
                None => {}
            }
            match subscribe(&self.rpc, self.which).await {
                Ok(subscription) => self.subscription = subscription,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

async fn subscribe(
    rpc: &LegacyRpcMethods<RpcConfig>,
    which: Which,
) -> Result<RpcSubscription<SubstrateHeader>, ChainError> {
    let subscribed = match which {
        Which::Best => rpc.chain_subscribe_new_heads().await,
        Which::Finalized => rpc.chain_subscribe_finalized_heads().await,
    };
    subscribed.map_err(ChainError::rpc("a subscription to heads"))
}

pub(crate) fn head_of(header: &SubstrateHeader) -> Head {
    let encoded = codec::Encode::encode(header);
    let hash = Hash(sp_crypto_hashing::blake2_256(&encoded));
    Head { number: header.number() as u32, hash }
}
