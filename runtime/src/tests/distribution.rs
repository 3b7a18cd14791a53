//! The main chain's coin: whose it is, and when.

use frame_support::{
    assert_ok,
    traits::{
        fungible::Inspect,
        tokens::{Fortitude, Preservation},
    },
};
use pallet_distribution::Owners;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Dave, Eve, Ferdie, One, Two};
use sp_runtime::{
    traits::{AccountIdConversion, Dispatchable},
    BuildStorage,
};

use crate::{
    configs::distribution::{MONTH, RESERVE},
    presets, AccountId, Balance, Balances, BlockNumber, DistributionConfig, Runtime, RuntimeCall,
    RuntimeGenesisConfig, RuntimeOrigin, System, Vesting, TOTAL_SUPPLY, XEN,
};

/// A hundredth of everything.
const PERCENT: Balance = TOTAL_SUPPLY / 100;

fn account(who: Sr25519Keyring) -> AccountId {
    who.to_account_id()
}

/// Two owners in each class, one of them with an odd amount.
fn owners() -> Owners<AccountId> {
    let split = |who: [Sr25519Keyring; 2], percent: Balance| {
        let odd = 12_345_678_901_234_567;
        vec![(account(who[0]), odd), (account(who[1]), percent * PERCENT - odd)]
    };
    Owners {
        cornerstone: split([Alice, Bob], 10),
        private: split([Charlie, Dave], 30),
        promotion: split([Eve, Ferdie], 20),
        team: split([One, Two], 20),
    }
}

fn main_chain() -> sp_io::TestExternalities {
    let distribution = DistributionConfig { owners: Some(owners()) };
    RuntimeGenesisConfig { distribution, ..Default::default() }.build_storage().unwrap().into()
}

/// What an account can move in a block, but for the existential deposit.
fn movable(who: &AccountId, block: BlockNumber) -> Balance {
    System::set_block_number(block);
    // Whose coin is all released has nothing to vest, and is refused.
    let _ = Vesting::vest_other(RuntimeOrigin::signed(account(Eve)), who.clone().into());
    Balances::reducible_balance(who, Preservation::Expendable, Fortitude::Polite)
}

/// What of a hundred can be moved in a month, by the white paper.
fn released(class: &str, month: u32) -> Balance {
    Balance::from(match (class, month) {
        // "locked and get unlocked after 6 months, from the 7th month, 15% of them will be released
        // each month, and at the 12th month, 25%"
        ("cornerstone", 0..=6) => 0,
        ("cornerstone", 7..=11) => 15 * (month - 6),
        ("cornerstone", _) => 100,
        // "each month there will be 15% of them get released, and in the 6th month, 25%"
        ("private", 0..=5) => 15 * month,
        ("private", _) => 100,
        ("promotion", _) => 100,
        // "25% of this portion will be released in the initial stage, the rest [...] 25% each year"
        ("team", _) => 25 * (1 + month / 12).min(4),
        _ => unreachable!("there is no such class"),
    })
}

#[test]
fn the_shares_are_the_whole_supply() {
    main_chain().execute_with(|| {
        let sum_of = |amounts: Vec<(AccountId, Balance)>| -> Balance {
            amounts.iter().map(|(who, _)| Balances::total_balance(who)).sum()
        };
        let Owners { cornerstone, private, promotion, team } = owners();
        let reserve = Balances::total_balance(&RESERVE.into_account_truncating());
        let shares =
            [sum_of(cornerstone), sum_of(private), sum_of(promotion), sum_of(team), reserve];
        assert_eq!(shares, [10, 30, 20, 20, 20].map(|percent| percent * PERCENT));
        assert_eq!(shares.iter().sum::<Balance>(), TOTAL_SUPPLY);
        assert_eq!(Balances::total_issuance(), TOTAL_SUPPLY);
    });
}

#[test]
fn each_month_releases_what_the_white_paper_says() {
    main_chain().execute_with(|| {
        let Owners { cornerstone, private, promotion, team } = owners();
        let classes = [
            ("cornerstone", cornerstone),
            ("private", private),
            ("promotion", promotion),
            ("team", team),
        ];
        for month in 0..=40 {
            let first = month * MONTH;
            for (class, amounts) in &classes {
                for (who, amount) in amounts {
                    // The last block before the month, and its first.
                    for (block, of) in
                        [(first.checked_sub(1), month.saturating_sub(1)), (Some(first), month)]
                    {
                        let Some(block) = block else { continue };
                        let exact = amount * released(class, of) / 100;
                        let found = movable(who, block);
                        // Each release is rounded down, but for the last.
                        let lost = exact.saturating_sub(found);
                        assert!(
                            found <= exact && lost <= 6 && (released(class, of) < 100 || lost == 0),
                            "{class} in month {of}, block {block}: {found} of {exact}"
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn only_root_moves_the_reserve() {
    main_chain().execute_with(|| {
        let reserve: AccountId = RESERVE.into_account_truncating();
        let give = pallet_balances::Call::<Runtime>::force_transfer {
            source: reserve.clone().into(),
            dest: account(Eve).into(),
            value: PERCENT,
        };
        let give = RuntimeCall::from(give);
        let before = Balances::total_balance(&account(Eve));
        assert!(give.clone().dispatch(RuntimeOrigin::signed(account(Eve))).is_err());
        assert_ok!(give.dispatch(RuntimeOrigin::root()));
        assert_eq!(Balances::total_balance(&account(Eve)), before + PERCENT);
        assert_eq!(Balances::total_balance(&reserve), 19 * PERCENT);
    });
}

#[test]
fn coin_that_is_not_released_votes_and_bonds_but_does_not_move() {
    main_chain().execute_with(|| {
        System::set_block_number(1);
        let bob = account(Bob);
        let all = Balances::total_balance(&bob);
        assert_eq!(movable(&bob, 1), 0);
        let send = pallet_balances::Call::<Runtime>::transfer_allow_death {
            dest: account(Eve).into(),
            value: XEN,
        };
        assert!(super::blocks::call(&bob, send).is_err());
        let open = super::open(account(Eve), XEN);
        let locked = pallet_deposits::Error::<Runtime>::CoinLocked.into();
        assert_eq!(super::blocks::call(&bob, open), Err(locked));
        // It is held as a bond and as stake...
        use frame_support::traits::fungible::MutateHold;
        let reason = pallet_dpos::HoldReason::Candidacy.into();
        assert_ok!(Balances::hold(&reason, &bob, all / 2));
        // ...and counts in a referendum all the same.
        let submit = pallet_referenda::Call::<Runtime>::submit {
            proposal_origin: Box::new(frame_system::RawOrigin::Root.into()),
            proposal: frame_support::traits::Bounded::Inline(Default::default()),
            enactment_moment: frame_support::traits::schedule::DispatchTime::After(0),
        };
        assert_ok!(super::blocks::call(&account(Eve), submit));
        let vote = pallet_conviction_voting::Vote {
            aye: true,
            conviction: pallet_conviction_voting::Conviction::Locked1x,
        };
        let vote = pallet_conviction_voting::AccountVote::Standard { vote, balance: all };
        let vote = pallet_conviction_voting::Call::<Runtime>::vote { poll_index: 0, vote };
        assert_ok!(super::blocks::call(&bob, vote));
        assert_eq!(Balances::total_balance(&bob), all);
    });
}

#[test]
#[should_panic(expected = "distribution.owners.cornerstone names accounts with 0 together")]
fn the_main_chain_does_not_start_before_its_owners_are_named() {
    let _ = super::state_of(presets::MAIN_PRESET);
}
