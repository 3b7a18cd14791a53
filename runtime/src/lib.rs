//! State transition function of the Zennet chain: Aura and GRANDPA under delegated proof of stake,
//! a fixed supply, and the market's pallets.
//!
//! `configs` has the numbers, one file for each group of pallets; [`presets`] the genesis of test
//! networks and the frame of the main chain's; the runtime APIs are in `apis`. Rules live in the
//! pallets.

#![cfg_attr(not(feature = "std"), no_std)]
// The macro that puts the pallets together goes one level deeper for each of them.
#![recursion_limit = "256"]

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

extern crate alloc;

// First, since its macros are seen only by what follows.
#[cfg(feature = "runtime-benchmarks")]
#[macro_use]
mod benches;

mod apis;
mod coin;
mod configs;
mod migrations;
pub mod presets;
mod reports;
#[cfg(test)]
mod tests;

use alloc::{borrow::Cow, vec::Vec};

use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::{runtime_version, RuntimeVersion};

pub use apis::RuntimeApi;
pub use coin::{TOKEN_DECIMALS, TOKEN_SYMBOL};
pub use configs::distribution::RESERVE;
pub use migrations::Migrations;
pub use zennet_primitives::amount::{Balance, TOTAL_SUPPLY, XEN};

const _: () = assert!(TOKEN_DECIMALS as u32 == zennet_primitives::amount::DECIMALS);

/// Prefix of addresses.
pub const SS58_PREFIX: u16 = 42;

/// Time between blocks, milliseconds.
pub const SLOT_MILLIS: u64 = 2000;

/// Blocks in a minute.
pub const MINUTES: BlockNumber = 60_000 / SLOT_MILLIS as BlockNumber;

/// Blocks in an hour.
pub const HOURS: BlockNumber = 60 * MINUTES;

/// Blocks in a day.
pub const DAYS: BlockNumber = 24 * HOURS;

/// Smallest balance that an account may have.
pub const EXISTENTIAL_DEPOSIT: Balance = XEN / 1_000_000;

/// A signature of an account on the chain.
pub type Signature = MultiSignature;

/// An account.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;

/// How many transactions an account has sent.
pub type Nonce = u32;

/// Hash of blocks and state.
pub type Hash = sp_core::H256;

/// Number of a block.
pub type BlockNumber = u32;

/// How transactions name accounts.
pub type Address = MultiAddress<AccountId, ()>;

/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;

/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// What every transaction carries beside its call.
pub type TxExtension = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
);

/// What a transaction carries that pays in the coin and shows no hash of the metadata.
pub fn tx_extension(nonce: Nonce, tip: Balance, era: generic::Era) -> TxExtension {
    (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(era),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(tip),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
    )
}

/// A transaction as it comes in.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// Runs blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// Types for parts of the node that do not look into transactions.
pub mod opaque {
    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    /// A block whose transactions stay bytes.
    pub type Block = sp_runtime::generic::Block<super::Header, UncheckedExtrinsic>;
}

impl_opaque_keys! {
    /// Keys with which a bookkeeper authors and finalizes.
    pub struct SessionKeys {
        pub aura: Aura,
        pub grandpa: Grandpa,
    }
}

/// Makes the version of this runtime; it must be a number as it stands, which tools read.
macro_rules! version {
    ($spec_version:tt) => {
        /// Version of this runtime.
        #[runtime_version]
        pub const VERSION: RuntimeVersion = RuntimeVersion {
            spec_name: Cow::Borrowed("zennet"),
            impl_name: Cow::Borrowed("zennet-node"),
            authoring_version: 1,
            spec_version: $spec_version,
            impl_version: 1,
            apis: apis::RUNTIME_API_VERSIONS,
            transaction_version: 1,
            system_version: 1,
        };
    };
}

#[cfg(not(feature = "next-version"))]
version!(1);
// One more, always.
#[cfg(feature = "next-version")]
version!(2);

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;

    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;

    #[runtime::pallet_index(2)]
    pub type Balances = pallet_balances;

    // Before what holds coin of the first owners.
    #[runtime::pallet_index(3)]
    pub type Distribution = pallet_distribution;

    #[runtime::pallet_index(4)]
    pub type Authorship = pallet_authorship;

    #[runtime::pallet_index(5)]
    pub type Dpos = pallet_dpos;

    #[runtime::pallet_index(6)]
    pub type Session = pallet_session;

    #[runtime::pallet_index(7)]
    pub type Aura = pallet_aura;

    #[runtime::pallet_index(8)]
    pub type Grandpa = pallet_grandpa;

    #[runtime::pallet_index(9)]
    pub type Pace = pallet_pace;

    #[runtime::pallet_index(10)]
    pub type Utility = pallet_utility;

    #[runtime::pallet_index(11)]
    pub type Multisig = pallet_multisig;

    #[runtime::pallet_index(12)]
    pub type Proxy = pallet_proxy;

    #[runtime::pallet_index(13)]
    pub type TransactionPayment = pallet_transaction_payment;

    #[runtime::pallet_index(14)]
    pub type Vesting = pallet_vesting;

    #[runtime::pallet_index(18)]
    pub type Offences = pallet_offences;

    #[runtime::pallet_index(19)]
    pub type Equivocation = pallet_equivocation;

    #[runtime::pallet_index(20)]
    pub type MinedIdentity = pallet_mined_identity;

    #[runtime::pallet_index(21)]
    pub type Announcements = pallet_announcements;

    #[runtime::pallet_index(22)]
    pub type Deposits = pallet_deposits;

    #[runtime::pallet_index(23)]
    pub type Channels = pallet_channels;

    #[runtime::pallet_index(30)]
    pub type Preimage = pallet_preimage;

    #[runtime::pallet_index(31)]
    pub type Scheduler = pallet_scheduler;

    #[runtime::pallet_index(32)]
    pub type Referenda = pallet_referenda;

    #[runtime::pallet_index(33)]
    pub type ConvictionVoting = pallet_conviction_voting;
}
