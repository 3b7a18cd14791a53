//! A connection to a node, and reads.

use std::{collections::HashMap, sync::Arc, time::Duration};

use codec::Decode;
use sp_core::crypto::{Ss58AddressFormat, Ss58Codec};
use subxt::{
    backend::LegacyBackend,
    config::{RpcConfigFor, SubstrateConfig},
    rpcs::{
        client::{reconnecting_rpc_client as reconnecting, RpcClient},
        LegacyRpcMethods,
    },
    OnlineClient,
};
use tokio::sync::Mutex;
use zennet_primitives::{
    amount::Balance,
    announcement::AnnouncementId,
    channel::ChannelId,
    pow::{Difficulty, Role},
    record::{AnnouncementRecord, ChannelRecord, IdentityRecord},
    AccountId, Hash,
};

use crate::{
    events::SettledEvent,
    heads::{head_of, Which},
    storage::{Key, Storage},
    ChainError, Head, HeadStream,
};

/// How long a node may take to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request waits, a lost connection's return included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Pauses between attempts to reach a node that is away double from the first to the last: what waits
/// for it, a settlement before all, has a time limit of its own.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// A connection to a node, which is rebuilt by itself when it is lost. Clones share it.
#[derive(Clone)]
pub struct Chain {
    pub(crate) client: OnlineClient<SubstrateConfig>,
    pub(crate) rpc: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>,
    pub(crate) storage: Storage,
    /// Accounts that send transactions, each with a lock for the choice of a nonce.
    pub(crate) turns: Arc<Mutex<HashMap<AccountId, Arc<Mutex<()>>>>>,
    genesis: Hash,
    properties: Properties,
    constants: Constants,
}

/// What the chain tells wallets of its coin.
#[derive(Clone, Debug)]
pub struct Properties {
    /// Symbol of the coin.
    pub symbol: String,
    /// Decimals of the coin.
    pub decimals: u32,
    /// Prefix of addresses.
    pub ss58: u16,
}

/// Bounds that the runtime sets.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Longest life of an announcement, blocks.
    pub announcement_max_lifetime: u32,
    /// Longest life of a channel, blocks.
    pub channel_max_lifetime: u32,
    /// What is held for the record of a channel, besides its deposit, until it is settled.
    pub channel_record_deposit: Balance,
    /// Shortest time to answer a request to close, blocks.
    pub min_challenge: u32,
    /// Longest time to answer a request to close, blocks.
    pub max_challenge: u32,
    /// Least work on an announcement.
    pub min_stamp: Difficulty,
    /// Smallest balance that an account may have.
    pub existential_deposit: Balance,
    /// Time between blocks, milliseconds.
    pub block_ms: u64,
    /// How old the anchor of an identity may be, blocks.
    pub anchor_window: u32,
}

/// Balance of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountBalance {
    /// What is not held.
    pub free: Balance,
    /// What is held: deposits of channels, of their records and of announcements, bonds.
    pub held: Balance,
    /// What can be spent without closing the account.
    pub spendable: Balance,
}

/// Head of `System.Account`, whose later fields are not needed.
#[derive(Decode)]
struct AccountInfo {
    nonce: u32,
    _consumers: u32,
    _providers: u32,
    _sufficients: u32,
    free: Balance,
    reserved: Balance,
    frozen: Balance,
}

impl Chain {
    /// Connects to a node, and checks that it follows the expected chain where one is given.
    pub async fn connect(url: &str, expected: Option<Hash>) -> Result<Chain, ChainError> {
        let unreachable = |reason: String| ChainError::Unreachable { url: url.into(), reason };
        let connecting = reconnecting::RpcClient::builder()
            .retry_policy(pauses())
            .request_timeout(REQUEST_TIMEOUT)
            .connection_timeout(CONNECT_TIMEOUT)
            .max_response_size(64 * 1024 * 1024)
            .build(url);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let socket = connected
            .map_err(|_| unreachable(format!("no answer in {} s", CONNECT_TIMEOUT.as_secs())))?
            .map_err(|error| unreachable(error.to_string()))?;
        let transport = RpcClient::new(socket);
        let rpc = LegacyRpcMethods::new(transport.clone());
        let backend = Arc::new(LegacyBackend::builder().build(transport));
        let client = OnlineClient::from_backend(backend).await;
        let client = client.map_err(|error| unreachable(error.to_string()))?;
        let genesis = client.genesis_hash();
        if let Some(expected) = expected.filter(|expected| *expected != genesis) {
            return Err(ChainError::OtherGenesis { url: url.into(), expected, found: genesis });
        }
        let properties = rpc.system_properties().await.map_err(ChainError::rpc("properties"))?;
        let number = |name: &str| properties.get(name).and_then(serde_json::Value::as_u64);
        let properties = Properties {
            symbol: properties
                .get("tokenSymbol")
                .and_then(serde_json::Value::as_str)
                .unwrap_or("XEN")
                .into(),
            decimals: number("tokenDecimals").unwrap_or(12) as u32,
            ss58: number("ss58Format").unwrap_or(42) as u16,
        };
        let constants = Constants::read(&client).await?;
        let storage = Storage::new(rpc.clone());
        let turns = Default::default();
        Ok(Chain { client, rpc, storage, turns, genesis, properties, constants })
    }

    /// Over a node that stands in, whose constants are not looked at.
    #[cfg(test)]
    pub(crate) async fn over(transport: RpcClient) -> Chain {
        let rpc = LegacyRpcMethods::new(transport.clone());
        let backend = Arc::new(LegacyBackend::builder().build(transport));
        let client = OnlineClient::from_backend(backend).await.unwrap();
        Chain {
            genesis: client.genesis_hash(),
            storage: Storage::new(rpc.clone()),
            client,
            rpc,
            turns: Default::default(),
            properties: Properties { symbol: "XEN".into(), decimals: 12, ss58: 42 },
            constants: Constants {
                announcement_max_lifetime: 0,
                channel_max_lifetime: 0,
                channel_record_deposit: 0,
                min_challenge: 0,
                max_challenge: 0,
                min_stamp: 0,
                existential_deposit: 0,
                block_ms: 0,
                anchor_window: 0,
            },
        }
    }

    /// Hash of the chain's first block.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// The coin and the form of addresses.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Bounds that the runtime sets.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// An account as this chain writes it.
    pub fn address(&self, account: &AccountId) -> String {
        account.to_ss58check_with_version(Ss58AddressFormat::custom(self.properties.ss58))
    }

    /// Reads an address in any Substrate form, or 32 bytes in hex.
    pub fn parse_address(text: &str) -> Result<AccountId, ChainError> {
        let bad = || ChainError::BadAddress(text.into());
        if let Some(digits) = text.strip_prefix("0x") {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digits, &mut bytes).map_err(|_| bad())?;
            return Ok(AccountId::new(bytes));
        }
        AccountId::from_ss58check(text).map_err(|_| bad())
    }

    /// The newest block.
    pub async fn best(&self) -> Result<Head, ChainError> {
        self.head(None).await
    }

    /// The newest block that can no longer be undone.
    pub async fn finalized(&self) -> Result<Head, ChainError> {
        let hash = self.rpc.chain_get_finalized_head().await;
        self.head(Some(hash.map_err(ChainError::rpc("the finalized head"))?)).await
    }

    /// Whether the node is far behind the chain, so that it does not know all that stands on it.
    pub async fn is_syncing(&self) -> Result<bool, ChainError> {
        let health = self.rpc.system_health().await;
        Ok(health.map_err(ChainError::rpc("whether it is syncing"))?.is_syncing)
    }

    /// New best blocks from now on.
    pub async fn follow_best(&self) -> Result<HeadStream, ChainError> {
        HeadStream::open(self.rpc.clone(), Which::Best).await
    }

    /// New finalized blocks from now on.
    pub async fn follow_finalized(&self) -> Result<HeadStream, ChainError> {
        HeadStream::open(self.rpc.clone(), Which::Finalized).await
    }

    /// One announcement, if it stands at a block.
    pub async fn announcement(
        &self,
        id: AnnouncementId,
        at: Hash,
    ) -> Result<Option<AnnouncementRecord<u32>>, ChainError> {
        let key = Key::of("Announcements", "Announcements").identity(&id);
        self.storage.value("an announcement", &key, at).await
    }

    /// An account's mined identity in a role.
    pub async fn identity(
        &self,
        role: Role,
        account: &AccountId,
        at: Hash,
    ) -> Result<Option<IdentityRecord<u32>>, ChainError> {
        let key = Key::of("MinedIdentity", "Identities").twox(&role).blake2(account);
        self.storage.value("an identity", &key, at).await
    }

    /// Difficulty of an identity in a role.
    pub async fn difficulty(&self, role: Role, at: Hash) -> Result<Difficulty, ChainError> {
        let key = Key::of("MinedIdentity", "Difficulties").twox(&role);
        let found = self.storage.value("a difficulty", &key, at).await?;
        found.ok_or_else(|| ChainError::Incompatible("difficulty of identities".into()))
    }

    /// A channel, if it is open at a block.
    pub async fn channel(
        &self,
        id: ChannelId,
        at: Hash,
    ) -> Result<Option<ChannelRecord<u32>>, ChainError> {
        self.storage.value("a channel", &Key::of("Channels", "Channels").blake2(&id), at).await
    }

    /// Channels as they stand at a block, in the order in which they are asked for; one that is
    /// not open is none. Many cost a few requests.
    pub async fn channels(
        &self,
        ids: &[ChannelId],
        at: Hash,
    ) -> Result<Vec<Option<ChannelRecord<u32>>>, ChainError> {
        self.storage.many("channels", &channel_keys(ids), at).await
    }

    /// Which of these channels are open at a block.
    pub async fn open_channels(
        &self,
        ids: &[ChannelId],
        at: Hash,
    ) -> Result<Vec<ChannelId>, ChainError> {
        let found = self.storage.present("channels", &channel_keys(ids), at).await?;
        Ok(ids.iter().zip(found).filter_map(|(id, found)| found.then_some(*id)).collect())
    }

    /// The nonce that the next channel of an account will have.
    pub async fn next_channel_nonce(
        &self,
        publisher: &AccountId,
        at: Hash,
    ) -> Result<u64, ChainError> {
        let key = Key::of("Channels", "NextNonce").blake2(publisher);
        Ok(self.storage.value("a nonce of channels", &key, at).await?.unwrap_or_default())
    }

    /// How a channel was settled, if that happened in this very block.
    pub async fn settled(
        &self,
        id: ChannelId,
        at: Hash,
    ) -> Result<Option<SettledEvent>, ChainError> {
        for event in self.events::<SettledEvent>("Channels", "Settled", at).await? {
            if event.channel == id {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Balance of an account.
    pub async fn balance(
        &self,
        account: &AccountId,
        at: Hash,
    ) -> Result<AccountBalance, ChainError> {
        let key = Key::of("System", "Account").blake2(account);
        let found: Option<AccountInfo> = self.storage.value("an account", &key, at).await?;
        let Some(info) = found else { return Ok(AccountBalance::default()) };
        let untouchable =
            info.frozen.saturating_sub(info.reserved).max(self.constants.existential_deposit);
        Ok(AccountBalance {
            free: info.free,
            held: info.reserved,
            spendable: info.free.saturating_sub(untouchable),
        })
    }

    /// Transactions of an account in all blocks up to one.
    pub(crate) async fn nonce(&self, account: &AccountId, at: Hash) -> Result<u32, ChainError> {
        let key = Key::of("System", "Account").blake2(account);
        let found: Option<AccountInfo> = self.storage.value("an account", &key, at).await?;
        Ok(found.map_or(0, |info| info.nonce))
    }

    /// When a block was made, Unix time in milliseconds.
    pub async fn time(&self, at: Hash) -> Result<u64, ChainError> {
        let key = Key::of("Timestamp", "Now");
        Ok(self.storage.value("a block's time", &key, at).await?.unwrap_or_default())
    }

    /// All coin that there is.
    pub async fn total_issuance(&self, at: Hash) -> Result<Balance, ChainError> {
        let key = Key::of("Balances", "TotalIssuance");
        Ok(self.storage.value("the issuance", &key, at).await?.unwrap_or_default())
    }

    /// Decoded events of one kind in a block.
    pub(crate) async fn events<T: Decode>(
        &self,
        pallet: &str,
        name: &str,
        at: Hash,
    ) -> Result<Vec<T>, ChainError> {
        let failed = |error: String| ChainError::Rpc { request: "events", reason: error };
        let block = self.client.at_block(at).await.map_err(|e| failed(e.to_string()))?;
        let events = block.events().fetch().await.map_err(|e| failed(e.to_string()))?;
        let mut found = Vec::new();
        for event in events.iter() {
            let event = event.map_err(|e| failed(e.to_string()))?;
            if event.pallet_name() == pallet && event.event_name() == name {
                let decoded = T::decode(&mut event.field_bytes());
                found.push(decoded.map_err(|_| ChainError::Decode("an event"))?);
            }
        }
        Ok(found)
    }

    pub(crate) async fn head(&self, hash: Option<Hash>) -> Result<Head, ChainError> {
        let header = self.rpc.chain_get_header(hash).await.map_err(ChainError::rpc("a header"))?;
        let missing = ChainError::Rpc { request: "a header", reason: "no such block".into() };
        Ok(head_of(&header.ok_or(missing)?))
    }
}

/// Pauses between attempts to reach the node, without end.
fn pauses() -> impl Iterator<Item = Duration> + Clone + Send {
    std::iter::successors(Some(FIRST_PAUSE), |pause| Some(LAST_PAUSE.min(*pause * 2)))
}

impl Constants {
    async fn read(client: &OnlineClient<SubstrateConfig>) -> Result<Self, ChainError> {
        let block = client.at_current_block().await;
        let block = block.map_err(|error| ChainError::Rpc {
            request: "the runtime's metadata",
            reason: error.to_string(),
        })?;
        let constants = block.constants();
        fn get<T: Decode>(
            bytes: Result<Vec<u8>, subxt::error::ConstantError>,
            what: &str,
        ) -> Result<T, ChainError> {
            let missing = || ChainError::Incompatible(format!("constant {what}"));
            T::decode(&mut &bytes.map_err(|_| missing())?[..]).map_err(|_| missing())
        }
        let bytes = |pallet: &str, name: &str| {
            constants.entry_bytes(subxt::dynamic::constant::<Vec<u8>>(pallet, name))
        };
        Ok(Constants {
            announcement_max_lifetime: get(
                bytes("Announcements", "MaxLifetime"),
                "Announcements.MaxLifetime",
            )?,
            channel_max_lifetime: get(bytes("Channels", "MaxLifetime"), "Channels.MaxLifetime")?,
            channel_record_deposit: get(
                bytes("Channels", "RecordDeposit"),
                "Channels.RecordDeposit",
            )?,
            min_challenge: get(bytes("Channels", "MinChallenge"), "Channels.MinChallenge")?,
            max_challenge: get(bytes("Channels", "MaxChallenge"), "Channels.MaxChallenge")?,
            min_stamp: get(
                bytes("Announcements", "MinStampDifficulty"),
                "Announcements.MinStampDifficulty",
            )?,
            existential_deposit: get(
                bytes("Balances", "ExistentialDeposit"),
                "Balances.ExistentialDeposit",
            )?,
            block_ms: get(bytes("Aura", "SlotDuration"), "Aura.SlotDuration")?,
            anchor_window: get(
                bytes("MinedIdentity", "AnchorWindow"),
                "MinedIdentity.AnchorWindow",
            )?,
        })
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("genesis", &self.genesis).finish_non_exhaustive()
    }
}

fn channel_keys(ids: &[ChannelId]) -> Vec<Key> {
    let prefix = Key::of("Channels", "Channels");
    ids.iter().map(|id| prefix.clone().blake2(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_back_is_noticed_within_two_seconds_however_long_it_was_away() {
        let pauses: Vec<_> = pauses().take(1000).collect();
        assert_eq!(pauses.len(), 1000);
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(2)));
        assert!(pauses[..3].iter().sum::<Duration>() < Duration::from_secs(1));
    }
}
