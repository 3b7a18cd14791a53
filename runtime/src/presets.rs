//! Genesis of test networks, and the frame of the main chain's.

use alloc::{format, string::String, vec::Vec};

use frame_support::build_struct_json_patch;
use pallet_distribution::Owners;
use pallet_pace::Pace;
use serde_json::Value;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::Perbill;

use crate::{
    configs::{
        consensus::{ElectoralThreshold, MAX_SEATS},
        pace::{MAIN, SHORT},
    },
    AccountId, Balance, BalancesConfig, BlockNumber, DistributionConfig, DposConfig, PaceConfig,
    Runtime, RuntimeGenesisConfig, Session, SessionConfig, SessionKeys, TOTAL_SUPPLY, XEN,
};

/// Name of the main chain's preset.
pub const MAIN_PRESET: &str = "main";

/// What the first bookkeepers bond.
const BOND: Balance = 1_000_000 * XEN;

/// Votes that a newcomer needs on a test network: a hundred thousand XEN, a small part of what each
/// account has, and more than is voted by chance.
const THRESHOLD: Perbill = Perbill::from_parts(10_000);

/// Coin of the account that tests draw from.
const FAUCET: Sr25519Keyring = Sr25519Keyring::Ferdie;

/// One bookkeeper, or four.
fn genesis(bookkeepers: &[(Sr25519Keyring, Ed25519Keyring)], lengths: Pace<BlockNumber>) -> Value {
    let keys = bookkeepers.iter().map(|(account, finality)| {
        let who: AccountId = account.to_account_id();
        let session = SessionKeys {
            aura: AuraId::from(account.public()),
            grandpa: GrandpaId::from(finality.public()),
        };
        (who.clone(), who, session)
    });
    let keys: Vec<_> = keys.collect();
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig { balances: endowments() },
        dpos: DposConfig {
            candidates: keys.iter().map(|(who, ..)| (who.clone(), BOND)).collect(),
            seats: keys.len() as u32,
            threshold: THRESHOLD,
        },
        session: SessionConfig { keys },
        pace: PaceConfig { lengths },
    })
}

/// The main chain's, in which whoever launches it names the owners of the coin and the first
/// bookkeepers. Until then no chain can be made of it.
fn main_chain() -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        distribution: DistributionConfig { owners: Some(Owners::default()) },
        dpos: DposConfig {
            candidates: Vec::new(),
            seats: MAX_SEATS,
            threshold: ElectoralThreshold::get(),
        },
        session: SessionConfig { keys: Vec::new() },
        pace: PaceConfig { lengths: MAIN },
    })
}

/// Refuses a first state that nobody could write a block on.
pub(crate) fn check_built() -> Result<(), String> {
    if pallet_aura::Authorities::<Runtime>::get().is_empty() {
        return Err("the chain has no bookkeepers: give session.keys theirs, and dpos.candidates \
                    their bonds"
            .into());
    }
    // Its keys alone would seat it if too few others stand, and nothing could be taken from it.
    let is_bonded = |who: &AccountId| pallet_dpos::Candidates::<Runtime>::contains_key(who);
    match Session::validators().into_iter().find(|who| !is_bonded(who)) {
        Some(who) => Err(format!("the bookkeeper {who:?} has no bond among dpos.candidates")),
        None => Ok(()),
    }
}

/// The whole supply, in equal parts, and the rest of the division where tests draw from.
fn endowments() -> Vec<(AccountId, Balance)> {
    let accounts: Vec<AccountId> =
        Sr25519Keyring::well_known().map(|key| key.to_account_id()).collect();
    let part = TOTAL_SUPPLY / accounts.len() as Balance;
    let rest = TOTAL_SUPPLY % accounts.len() as Balance;
    let share = |who: AccountId| {
        let more = if who == FAUCET.to_account_id() { rest } else { 0 };
        (who, part + more)
    };
    accounts.into_iter().map(share).collect()
}

/// JSON of a preset.
pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    use Ed25519Keyring as Finality;
    use Sr25519Keyring as Account;
    let genesis = match id.as_ref() {
        DEV_RUNTIME_PRESET => {
            genesis(&[(Account::Alice, Finality::Alice)], Pace { session: MAIN.session, ..SHORT })
        }
        LOCAL_TESTNET_RUNTIME_PRESET => genesis(
            &[
                (Account::Alice, Finality::Alice),
                (Account::Bob, Finality::Bob),
                (Account::Charlie, Finality::Charlie),
                (Account::Dave, Finality::Dave),
            ],
            SHORT,
        ),
        MAIN_PRESET => main_chain(),
        _ => return None,
    };
    Some(serde_json::to_vec(&genesis).expect("a genesis of plain values is JSON; qed"))
}

/// Names of the presets.
pub fn names() -> Vec<PresetId> {
    [DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, MAIN_PRESET].map(PresetId::from).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tests::state_of, Balances, MINUTES};

    #[test]
    fn the_supply_is_whole_at_genesis_and_the_bookkeepers_sit() {
        for (id, count) in [(DEV_RUNTIME_PRESET, 1), (LOCAL_TESTNET_RUNTIME_PRESET, 4)] {
            state_of(id).execute_with(|| {
                assert_eq!(Balances::total_issuance(), TOTAL_SUPPLY);
                assert_eq!(Session::validators().len(), count);
                assert_eq!(pallet_aura::Authorities::<Runtime>::get().len(), count);
                assert_eq!(pallet_dpos::Seats::<Runtime>::get(), count as u32);
            });
        }
    }

    #[test]
    fn newcomers_need_a_hundredth_of_all_coin_and_little_on_test_networks() {
        for id in [DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET] {
            let needed = || pallet_dpos::Threshold::<Runtime>::get() * TOTAL_SUPPLY;
            assert_eq!(state_of(id).execute_with(needed), 100_000 * XEN);
        }
        let main: Value = serde_json::from_slice(&preset(&MAIN_PRESET.into()).unwrap()).unwrap();
        assert_eq!(main["dpos"]["threshold"], Perbill::from_percent(1).deconstruct());
    }

    #[test]
    fn a_chain_without_bookkeepers_is_refused() {
        sp_io::TestExternalities::default().execute_with(|| assert!(check_built().is_err()));
        state_of(DEV_RUNTIME_PRESET).execute_with(|| {
            assert_eq!(check_built(), Ok(()));
            pallet_dpos::Candidates::<Runtime>::remove(Sr25519Keyring::Alice.to_account_id());
            assert!(check_built().is_err());
        });
    }

    #[test]
    fn a_test_network_is_quick_and_the_development_chain_keeps_the_main_chains_sessions() {
        let lengths = |id| state_of(id).execute_with(pallet_pace::Lengths::<Runtime>::get);
        assert_eq!(lengths(LOCAL_TESTNET_RUNTIME_PRESET), SHORT);
        assert_eq!(lengths(DEV_RUNTIME_PRESET), Pace { session: 10 * MINUTES, ..SHORT });
        assert_eq!((SHORT.session, SHORT.jail), (30, 90));
    }
}
