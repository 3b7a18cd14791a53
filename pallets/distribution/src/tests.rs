use frame_support::{
    derive_impl, parameter_types,
    traits::{fungible::Inspect, ConstU128, ConstU64, WithdrawReasons},
};
use proptest::prelude::*;
use sp_runtime::{traits::ConvertInto, BuildStorage};

use crate::{
    self as pallet_distribution, hundredths, Class, Owners, Plan, Refusal, Release, Share,
};

const SUPPLY: u128 = 10_000;
const MONTH: u64 = 100;
const RESERVE: u64 = 99;

const AT_ONCE: &[Release] = &[Release { month: 0, percent: 100 }];
const IN_THREE: &[Release] = &[
    Release { month: 0, percent: 25 },
    Release { month: 2, percent: 33 },
    Release { month: 3, percent: 42 },
];
const PLAN: Plan = Plan {
    cornerstone: Share { percent: 10, releases: IN_THREE },
    private: Share { percent: 30, releases: AT_ONCE },
    promotion: Share { percent: 20, releases: AT_ONCE },
    team: Share { percent: 20, releases: AT_ONCE },
    reserve: 20,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Distribution: pallet_distribution,
        Vesting: pallet_vesting,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
    type AccountData = pallet_balances::AccountData<u128>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = u128;
    type ExistentialDeposit = ConstU128<1>;
    type AccountStore = System;
}

parameter_types! {
    pub const ThePlan: Plan = PLAN;
    pub const UnvestedMay: WithdrawReasons = WithdrawReasons::empty();
}

impl pallet_vesting::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type BlockNumberToBalance = ConvertInto;
    type MinVestedTransfer = ConstU128<1>;
    type WeightInfo = ();
    type UnvestedFundsAllowedWithdrawReasons = UnvestedMay;
    type BlockNumberProvider = System;
    const MAX_VESTING_SCHEDULES: u32 = 3;
}

impl pallet_distribution::Config for Test {
    type Currency = Balances;
    type Vesting = Vesting;
    type Supply = ConstU128<SUPPLY>;
    type Plan = ThePlan;
    type Month = ConstU64<MONTH>;
    type Reserve = ConstU64<RESERVE>;
}

fn owners() -> Owners<u64> {
    Owners {
        cornerstone: vec![(1, 999), (2, 1)],
        private: vec![(3, 3_000)],
        promotion: vec![(4, 2_000)],
        team: vec![(5, 1_500), (6, 500)],
    }
}

fn state() -> sp_io::TestExternalities {
    RuntimeGenesisConfig::default().build_storage().unwrap().into()
}

fn distribute(owners: Owners<u64>) -> Result<(), Refusal> {
    Distribution::distribute(&owners)
}

/// What an account can move in a block.
fn movable(who: u64, block: u64) -> u128 {
    System::set_block_number(block);
    // Nobody has to vest: an account without a schedule is refused.
    let _ = Vesting::vest_other(RuntimeOrigin::signed(RESERVE), who);
    let frozen = System::account(who).data.frozen;
    Balances::balance(&who) - frozen
}

#[test]
fn a_genesis_without_owners_makes_no_coin() {
    state().execute_with(|| assert_eq!(Balances::total_issuance(), 0));
}

#[test]
fn a_genesis_gives_each_its_amount_and_the_rest_to_the_reserve() {
    let distribution = pallet_distribution::GenesisConfig { owners: Some(owners()) };
    let config = RuntimeGenesisConfig { distribution, ..Default::default() };
    sp_io::TestExternalities::from(config.build_storage().unwrap()).execute_with(|| {
        assert_eq!(Balances::total_issuance(), SUPPLY);
        for (who, amount) in [(1, 999), (2, 1), (3, 3_000), (4, 2_000), (5, 1_500), (6, 500)] {
            assert_eq!(Balances::total_balance(&who), amount, "of {who}");
        }
        assert_eq!(Balances::total_balance(&RESERVE), 2_000);
    });
}

#[test]
fn each_part_can_be_moved_from_its_month_on_and_not_a_block_earlier() {
    state().execute_with(|| {
        distribute(owners()).unwrap();
        // A quarter of 999, then a third of it, then what is left.
        for (block, can_move) in [
            (0, 249),
            (2 * MONTH - 1, 249),
            (2 * MONTH, 249 + 329),
            (3 * MONTH - 1, 249 + 329),
            (3 * MONTH, 999),
        ] {
            assert_eq!(movable(1, block), can_move, "in block {block}");
        }
        assert_eq!(movable(3, 0), 3_000);
    });
}

#[test]
fn a_class_that_gets_more_or_less_than_its_share_is_refused() {
    for (amount, given) in [(998, 999), (1_000, 1_001), (u128::MAX, 0)] {
        let mut owners = owners();
        owners.cornerstone[0].1 = amount;
        let refusal = state().execute_with(|| distribute(owners)).unwrap_err();
        if amount == u128::MAX {
            assert_eq!(refusal, Refusal::Overflow);
        } else {
            let class = Class::Cornerstone;
            assert_eq!(refusal, Refusal::NotTheShare { class, given, share: 1_000 });
        }
    }
}

#[test]
#[should_panic(
    expected = "distribution.owners.team names accounts with 0 together; its share is 2000"
)]
fn a_chain_does_not_start_while_a_class_has_no_owners() {
    let owners = Owners { team: Vec::new(), ..owners() };
    let distribution = pallet_distribution::GenesisConfig { owners: Some(owners) };
    let _ = RuntimeGenesisConfig { distribution, ..Default::default() }.build_storage();
}

#[test]
fn coin_from_elsewhere_is_refused() {
    use frame_support::traits::Currency;
    state().execute_with(|| {
        drop(<Balances as Currency<u64>>::deposit_creating(&7, 5));
        let more = distribute(owners()).unwrap_err();
        assert_eq!(more, Refusal::NotTheSupply { found: SUPPLY + 5, supply: SUPPLY });
    });
}

#[test]
fn more_releases_than_an_account_can_have_are_refused() {
    let mut owners = owners();
    // Two releases each time.
    owners.cornerstone = vec![(1, 500), (1, 500)];
    let refusal = state().execute_with(|| distribute(owners)).unwrap_err();
    let class = Class::Cornerstone;
    assert_eq!(refusal, Refusal::Schedule { class, reason: "AtMaxVestingSchedules" });
}

#[test]
fn a_plan_that_gives_away_another_part_than_all_is_not_whole() {
    assert!(PLAN.is_whole());
    assert!(!Plan { reserve: 19, ..PLAN }.is_whole());
    const SHORT: &[Release] = &[Release { month: 0, percent: 99 }];
    assert!(!Plan { team: Share { percent: 20, releases: SHORT }, ..PLAN }.is_whole());
    const BACK: &[Release] =
        &[Release { month: 2, percent: 50 }, Release { month: 1, percent: 50 }];
    assert!(!Plan { team: Share { percent: 20, releases: BACK }, ..PLAN }.is_whole());
}

proptest! {
    #[test]
    fn the_parts_are_the_whole_and_none_exceeds_its_percentage(amount: u128) {
        let share = Share { percent: 10, releases: IN_THREE };
        let parts = share.parts(amount).unwrap();
        prop_assert_eq!(parts.iter().map(|(_, part)| part).sum::<u128>(), amount);
        for ((month, part), release) in parts.iter().zip(IN_THREE) {
            prop_assert_eq!(*month, release.month);
            let exact = hundredths(amount, release.percent).unwrap();
            // The last one has what the rounding of the others left.
            prop_assert!(*part >= exact && part - exact <= IN_THREE.len() as u128);
        }
    }

    #[test]
    fn hundredths_round_down(amount in 0..u128::MAX / 100, percent in 0u32..=100) {
        prop_assert_eq!(hundredths(amount, percent), Some(amount * u128::from(percent) / 100));
    }
}
