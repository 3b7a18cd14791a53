//! What can go wrong between a client and the chain.

use thiserror::Error;
use zennet_primitives::Hash;

/// Why the chain could not be read or written.
#[derive(Debug, Error)]
pub enum ChainError {
    /// No node answers at the address.
    #[error("no node answers at {url}: {reason}; is zennet-node running there?")]
    Unreachable {
        /// Address that was tried.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The node follows another chain than the configured one.
    #[error("the node at {url} follows the chain {found:?}, {expected:?} is configured")]
    OtherGenesis {
        /// Address of the node.
        url: String,
        /// Hash of the configured chain's first block.
        expected: Hash,
        /// Hash of the node's first block.
        found: Hash,
    },
    /// The node runs a runtime without something that this client needs.
    #[error("the chain has no {0}: node and client are of different versions")]
    Incompatible(String),
    /// The node did not answer a request.
    #[error("the node did not answer {request}: {reason}")]
    Rpc {
        /// What was asked.
        request: &'static str,
        /// What came back.
        reason: String,
    },
    /// The node gave a block that is too old to say what was asked.
    #[error("the node has to catch up with the chain: its block is {secs} s too old")]
    Behind {
        /// By how much, seconds.
        secs: u64,
    },
    /// Something on the chain has another shape than this client knows.
    #[error(
        "cannot decode {0} as it stands on the chain: node and client are of different versions"
    )]
    Decode(&'static str),
    /// The transaction is in a block and was refused there.
    #[error("the chain refused {call}: {reason}")]
    Rejected {
        /// Call that was refused.
        call: String,
        /// Name of the error, with its pallet.
        reason: String,
    },
    /// The account cannot pay the fee, or what the call locks or sends.
    #[error("account {account} has not enough coin for {call}: send some XEN to it first")]
    NoCoin {
        /// The account's address.
        account: String,
        /// Call that it could not pay.
        call: String,
    },
    /// The node's pool refused the transaction: it is in no block and will not be.
    #[error("the node did not take {call}: {reason}")]
    NotTaken {
        /// Call that was submitted.
        call: String,
        /// What the node said.
        reason: String,
    },
    /// The transaction, or an earlier one that does as much, was given to the node, and whether it will be
    /// in a block is not known.
    #[error("what becomes of {call} is not known: {reason}")]
    Lost {
        /// Call that was submitted.
        call: String,
        /// What was heard last.
        reason: String,
    },
    /// The transaction did not get into a block in time.
    #[error("{call} did not get into a block within {secs} s")]
    NotIncluded {
        /// Call that was submitted.
        call: String,
        /// How long it was waited for, seconds.
        secs: u64,
    },
    /// No identity was found in time.
    #[error(
        "no identity was mined over {anchors} anchors: this machine is too slow for the chain's present \
         difficulty; try again later"
    )]
    NotMined {
        /// How many recent blocks it was mined for, one after the other.
        anchors: usize,
    },
    /// Text that is no address.
    #[error("{0:?} is no address of an account")]
    BadAddress(String),
}

impl ChainError {
    /// Whether the transaction has done nothing as far as is known; another one may.
    pub fn is_not_taken(&self) -> bool {
        use ChainError::{Lost, NotIncluded, NotTaken, Rejected};
        matches!(self, Rejected { .. } | NotTaken { .. } | Lost { .. } | NotIncluded { .. })
    }

    pub(crate) fn rpc(request: &'static str) -> impl Fn(subxt::rpcs::Error) -> ChainError {
        move |error| ChainError::Rpc { request, reason: error.to_string() }
    }
}
