//! The layout of the storage is known by number.

use frame_support::traits::{
    GetStorageVersion, NoStorageVersionSet, PalletsInfoAccess, StorageVersion,
};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET as LOCAL;

use super::state_of;
use crate::{
    AllPalletsWithSystem, Announcements, Aura, Authorship, Balances, Channels, ConvictionVoting,
    Deposits, Distribution, Dpos, Equivocation, Grandpa, MinedIdentity, Multisig, Offences, Pace,
    Preimage, Proxy, Referenda, Scheduler, Session, System, Timestamp, TransactionPayment, Utility,
    Vesting,
};

/// The version that a pallet's code knows, if it knows one.
trait InCode {
    fn number(&self) -> Option<StorageVersion>;
}

impl InCode for StorageVersion {
    fn number(&self) -> Option<StorageVersion> {
        Some(*self)
    }
}

impl InCode for NoStorageVersionSet {
    fn number(&self) -> Option<StorageVersion> {
        None
    }
}

/// Name of a pallet, the version that its code knows and the one that the chain has.
fn versions_of<P>() -> (&'static str, Option<StorageVersion>, StorageVersion)
where
    P: GetStorageVersion + frame_support::traits::PalletInfoAccess,
    P::InCodeStorageVersion: InCode,
{
    (P::name(), P::in_code_storage_version().number(), P::on_chain_storage_version())
}

macro_rules! versions {
    ($($pallet:ident)*) => { [$(versions_of::<$pallet>()),*] };
}

#[test]
fn a_new_chain_has_the_storage_of_every_pallet_in_the_version_that_its_code_knows() {
    state_of(LOCAL).execute_with(|| {
        let all = versions!(
            System Timestamp Balances Distribution Authorship Dpos Session Aura Grandpa Pace Utility
            Multisig Proxy TransactionPayment Vesting MinedIdentity Announcements Deposits Channels
            Preimage Scheduler Referenda ConvictionVoting Offences Equivocation
        );
        // None is forgotten above.
        let mut named: Vec<_> = all.iter().map(|(name, ..)| *name).collect();
        let mut present: Vec<_> =
            AllPalletsWithSystem::infos().iter().map(|info| info.name).collect();
        named.sort_unstable();
        present.sort_unstable();
        assert_eq!(named, present);
        for (name, in_code, on_chain) in all {
            let expected = in_code.unwrap_or_default();
            assert_eq!(on_chain, expected, "of {name}");
        }
    });
}

#[test]
fn the_pallets_of_this_project_number_their_storage() {
    let own = sp_io::TestExternalities::default().execute_with(
        || versions!(Distribution Dpos Equivocation Pace MinedIdentity Announcements Deposits Channels),
    );
    for (name, in_code, _) in own {
        assert!(in_code.is_some_and(|version| version >= 1), "{name} has no storage version");
    }
}
