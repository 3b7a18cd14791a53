//! A node in memory, as far as transactions need one.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use codec::{Compact, Decode, Encode};
use futures::{stream, StreamExt};
use serde_json::{json, value::to_raw_value, Value};
use sp_runtime::{
    generic::Era,
    scale_info::{meta_type, TypeInfo},
    traits::Verify,
    AccountId32, MultiAddress, MultiSignature,
};
use subxt::{
    ext::frame_metadata::{v16, RuntimeMetadataPrefixed},
    rpcs::{
        client::{RawRpcFuture, RawRpcSubscription, RawValue, RpcClient, RpcClientT},
        Error, UserError,
    },
};
use zennet_primitives::Hash;

use crate::{
    heads::head_of,
    send::{FULL, INVALID, TOO_LOW},
    AccountKey, Chain,
};

/// What a transaction costs.
pub(crate) const FEE: u128 = 7;

/// What the node does with a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Refuses it as invalid; why is in words.
    Refuse(&'static str),
    /// Takes it, and says later that it is invalid.
    TakeAndInvalidate,
    /// Takes it; then the program is replaced, and it is invalid.
    TakeAndUpgrade,
    /// Takes it, and says nothing more of it while blocks pass it by.
    Keep,
    /// Takes it, and no blocks come.
    Stall,
    /// Has no room for it.
    Full,
    /// Has one with the same nonce that tips more.
    TooLow,
    /// Refuses it as invalid, while its nonce stays free; why is in words.
    Deny(&'static str),
}

/// What a transaction was signed for, and the arguments of its calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) version: u32,
    pub(crate) birth: u32,
    pub(crate) nonce: u32,
    pub(crate) tip: u128,
    pub(crate) calls: Vec<u8>,
}

/// A node whose account has used five nonces; clones are the same one.
#[derive(Clone)]
pub(crate) struct Node {
    key: AccountKey,
    state: Arc<Mutex<State>>,
}

struct State {
    best: u32,
    last_final: u32,
    /// The first block after which the second version is in force.
    upgraded: u32,
    upgrades_after_refusal: bool,
    next_nonce: u32,
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
    /// Whether each request for the best block finds a newer one.
    passes: bool,
    free: u128,
}

impl Node {
    pub(crate) fn new(best: u32, last_final: u32) -> Self {
        let state = State {
            best,
            last_final,
            upgraded: u32::MAX,
            upgrades_after_refusal: false,
            next_nonce: 5,
            answers: VecDeque::new(),
            seen: Vec::new(),
            passes: false,
            free: u128::MAX,
        };
        Node { key: AccountKey::generate(), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) async fn chain(&self) -> Chain {
        Chain::over(RpcClient::new(self.clone())).await
    }

    pub(crate) fn key(&self) -> &AccountKey {
        &self.key
    }

    pub(crate) fn has_free(&self, coin: u128) {
        self.state.lock().unwrap().free = coin;
    }

    pub(crate) fn upgrade_at(&self, block: u32) {
        self.state.lock().unwrap().upgraded = block;
    }

    pub(crate) fn upgrade_after_refusal(&self) {
        self.state.lock().unwrap().upgrades_after_refusal = true;
    }

    /// From now on each request for the best block finds a newer one.
    pub(crate) fn passes(&self) {
        self.state.lock().unwrap().passes = true;
    }

    /// A block has a transaction with the account's next nonce, of which nothing is told.
    pub(crate) fn uses_nonce(&self) {
        self.state.lock().unwrap().next_nonce += 1;
    }

    /// What it does with the next transactions; it drops all that come after them.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().answers = answers.into_iter().collect();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl State {
    fn header(number: u32) -> Value {
        let zero = Hash::zero();
        json!({
            "parentHash": zero, "number": format!("{number:#x}"), "stateRoot": zero,
            "extrinsicsRoot": zero, "digest": { "logs": [] },
        })
    }

    fn hash(number: u32) -> Hash {
        head_of(&serde_json::from_value(Self::header(number)).unwrap()).hash
    }

    /// The block that a request names, or the best.
    fn number(&self, hash: Option<&Value>) -> u32 {
        match hash.filter(|hash| !hash.is_null()) {
            None => self.best,
            Some(hash) => {
                let hash: Hash = serde_json::from_value(hash.clone()).unwrap();
                (0..=self.best).rev().find(|number| Self::hash(*number) == hash).unwrap()
            }
        }
    }

    fn version(&self, block: u32) -> u32 {
        if block < self.upgraded {
            1
        } else {
            2
        }
    }

    fn answer(&self, method: &str, params: &[Value]) -> Value {
        match method {
            "chain_getHeader" => Self::header(self.number(params.first())),
            "chain_getFinalizedHead" => json!(Self::hash(self.last_final)),
            "chain_getBlockHash" => {
                json!(Self::hash(u32::try_from(params[0].as_u64().unwrap()).unwrap()))
            }
            "system_accountNextIndex" => json!(self.next_nonce),
            "state_getStorage" => {
                // An account's nonce, references, and free, reserved and frozen coin.
                let account = (self.next_nonce, 0u32, 1u32, 0u32, self.free, 0u128, 0u128);
                json!(format!("0x{}", hex::encode(account.encode())))
            }
            "state_call" => {
                let block = self.number(params.get(2));
                let answer = match params[0].as_str().unwrap() {
                    "Core_version" => {
                        let names = ("zennet", "zennet", 1u32);
                        let apis = Vec::<([u8; 8], u32)>::new();
                        (names, self.version(block), 1u32, apis, 1u32).encode()
                    }
                    "TransactionPaymentApi_query_info" => {
                        (Compact(0u64), Compact(0u64), 0u8, FEE).encode()
                    }
                    "Metadata_metadata_versions" => vec![16u32].encode(),
                    "Metadata_metadata_at_version" => Some(metadata()).encode(),
                    other => panic!("no call {other} is known"),
                };
                json!(format!("0x{}", hex::encode(answer)))
            }
            other => panic!("no request {other} is known"),
        }
    }

    /// The newest block, as a request finds it.
    fn come(&mut self) {
        self.best += u32::from(self.passes);
    }

    /// Looks at a transaction and gives what becomes of it.
    fn take(&mut self, key: &AccountKey, transaction: &str) -> Result<Vec<Value>, UserError> {
        let seen = self.examine(key, &hex::decode(&transaction[2..]).unwrap());
        self.seen.push(seen);
        match self.answers.pop_front() {
            None => Ok(vec![json!("ready"), json!("dropped")]),
            Some(Answer::Full) => {
                self.passes = true;
                Err(UserError { code: FULL, message: "Immediately Dropped".into(), data: None })
            }
            Some(Answer::TooLow) => {
                self.passes = true;
                Err(UserError { code: TOO_LOW, message: "Too low".into(), data: None })
            }
            Some(Answer::Deny(why)) => Err(invalid(why)),
            Some(Answer::Keep) => {
                self.passes = true;
                Ok(vec![json!("ready")])
            }
            Some(Answer::Stall) => Ok(vec![json!("ready")]),
            Some(Answer::TakeAndInvalidate) => Ok(vec![json!("ready"), json!("invalid")]),
            Some(Answer::TakeAndUpgrade) => {
                self.upgrade();
                Ok(vec![json!("ready"), json!("invalid")])
            }
            Some(Answer::Refuse(why)) => {
                if self.upgrades_after_refusal {
                    self.upgrade();
                }
                self.next_nonce += 1;
                Err(invalid(why))
            }
        }
    }

    fn upgrade(&mut self) {
        self.best += 1;
        self.upgraded = self.best;
    }

    /// Finds out what a transaction was signed for; its signature holds for that alone.
    fn examine(&self, key: &AccountKey, transaction: &[u8]) -> Seen {
        type Signature = (Compact<u32>, u8, MultiAddress<AccountId32, ()>, MultiSignature);
        let mut rest = transaction;
        let (_, preamble, _, signature) = Signature::decode(&mut rest).unwrap();
        assert_eq!(preamble, 0x84);
        let signed = rest;
        let (era, nonce, tip) = <(Era, Compact<u32>, Compact<u128>)>::decode(&mut rest).unwrap();
        let birth = u32::try_from(era.birth(self.best.into())).unwrap();
        let extra = &signed[..signed.len() - rest.len()];
        let holds_for = |version: &u32| {
            let implied = (version, Self::hash(birth)).encode();
            let payload = [rest, extra, &implied[..]].concat();
            signature.verify(&payload[..], &key.account())
        };
        let version = [1, 2].into_iter().find(holds_for).expect("a signature for some version");
        Seen { version, birth, nonce: nonce.0, tip: tip.0, calls: arguments(rest) }
    }
}

impl RpcClientT for Node {
    fn request_raw<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> RawRpcFuture<'a, Box<RawValue>> {
        let params = list(params);
        let mut state = self.state.lock().unwrap();
        if method == "chain_getHeader" && params.iter().all(Value::is_null) {
            state.come();
        }
        let answer = state.answer(method, &params);
        Box::pin(async move { Ok(to_raw_value(&answer).unwrap()) })
    }

    fn subscribe_raw<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
        _: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        assert_eq!(method, "author_submitAndWatchExtrinsic");
        let params = list(params);
        let taken = self.state.lock().unwrap().take(&self.key, params[0].as_str().unwrap());
        Box::pin(async move {
            let statuses = taken.map_err(Error::User)?;
            let waits = statuses.len() == 1;
            let statuses = statuses.into_iter().map(|status| Ok(to_raw_value(&status).unwrap()));
            // Without a second status the stream goes on and says nothing.
            let silence = stream::pending().take(usize::from(waits));
            let stream = stream::iter(statuses).chain(silence);
            Ok(RawRpcSubscription { stream: Box::pin(stream), id: None })
        })
    }
}

fn invalid(why: &str) -> UserError {
    let data = Some(to_raw_value(why).unwrap());
    UserError { code: INVALID, message: "Invalid Transaction".into(), data }
}

fn list(params: Option<Box<RawValue>>) -> Vec<Value> {
    params.map(|params| serde_json::from_str(params.get()).unwrap()).unwrap_or_default()
}

/// The arguments of a call, or of each in a batch of calls.
fn arguments(call: &[u8]) -> Vec<u8> {
    let one = |call: &[u8]| call[2];
    match call {
        [0, ..] => vec![one(call)],
        [_, _, batch @ ..] => {
            let mut rest = batch;
            let Compact(count) = Compact::<u32>::decode(&mut rest).unwrap();
            let calls: Vec<u8> = rest.chunks(3).map(one).collect();
            assert_eq!(calls.len(), count as usize);
            calls
        }
        short => panic!("{short:?} is no call"),
    }
}

/// The calls of the pallet for batches.
#[allow(dead_code, non_camel_case_types, reason = "they are described, not made")]
#[derive(TypeInfo)]
#[scale_info(crate = sp_runtime::scale_info)]
enum UtilityCall {
    force_batch(Vec<PalletCall>),
}

/// The calls of the other pallet.
#[allow(dead_code, non_camel_case_types, reason = "they are described, not made")]
#[derive(TypeInfo)]
#[scale_info(crate = sp_runtime::scale_info)]
enum PalletCall {
    call(u8),
}

/// A program with one call and batches of it, whose transactions say what it takes to be refused.
fn metadata() -> Vec<u8> {
    let call = meta_type::<PalletCall>;
    let nothing = meta_type::<()>;
    let extension =
        |identifier, ty, implicit| v16::TransactionExtensionMetadata { identifier, ty, implicit };
    let pallet = |name, index, ty| v16::PalletMetadata {
        name,
        storage: None,
        calls: Some(v16::PalletCallMetadata {
            ty,
            deprecation_info: v16::EnumDeprecationInfo::nothing_deprecated(),
        }),
        event: None,
        constants: Vec::new(),
        error: None,
        associated_types: Vec::new(),
        view_functions: Vec::new(),
        index,
        docs: Vec::new(),
        deprecation_info: v16::ItemDeprecationInfo::NotDeprecated,
    };
    let extensions = vec![
        extension("CheckSpecVersion", nothing(), meta_type::<u32>()),
        extension("CheckMortality", meta_type::<Era>(), meta_type::<Hash>()),
        extension("CheckNonce", meta_type::<Compact<u32>>(), nothing()),
        extension("ChargeTransactionPayment", meta_type::<Compact<u128>>(), nothing()),
    ];
    let all: Vec<_> = (0u32..4).map(Compact).collect();
    let metadata = v16::RuntimeMetadataV16::new(
        vec![pallet("Test", 0, call()), pallet("Utility", 1, meta_type::<UtilityCall>())],
        v16::ExtrinsicMetadata {
            versions: vec![4],
            address_ty: meta_type::<MultiAddress<AccountId32, ()>>(),
            call_ty: call(),
            signature_ty: meta_type::<MultiSignature>(),
            transaction_extensions_by_version: BTreeMap::from([(0, all)]),
            transaction_extensions: extensions,
        },
        Vec::new(),
        v16::OuterEnums {
            call_enum_ty: call(),
            event_enum_ty: nothing(),
            error_enum_ty: nothing(),
        },
        v16::CustomMetadata { map: Default::default() },
    );
    RuntimeMetadataPrefixed::from(metadata).encode()
}
