//! Whose the coin is at first, and when it becomes theirs to move.
//!
//! The plan is that of ZeusNet's white paper, section 5. "In month n" is n months after genesis.

use frame_support::{
    parameter_types,
    traits::{fungible::Balanced, ConstU128, ConstU32, OnUnbalanced, WithdrawReasons},
    PalletId,
};
use pallet_distribution::{Plan, Release, Share};
use pallet_dpos::{FeeOf, FeesToPot};
use sp_runtime::traits::{AccountIdConversion, ConvertInto};

use crate::{
    AccountId, Balances, BlockNumber, Runtime, RuntimeEvent, System, Vesting, DAYS, TOTAL_SUPPLY,
    XEN,
};

/// A twelfth of a year.
pub(crate) const MONTH: BlockNumber = 365 * DAYS / 12;

/// What the account of the reserve is derived from; no key belongs to it.
pub const RESERVE: PalletId = PalletId(*b"zn/resrv");

const fn in_month(month: u32, percent: u32) -> Release {
    Release { month, percent }
}

/// Half a year nothing, then a part each month to the end of the year.
const CORNERSTONE: &[Release] = &[
    in_month(7, 15),
    in_month(8, 15),
    in_month(9, 15),
    in_month(10, 15),
    in_month(11, 15),
    in_month(12, 25),
];

/// A part each month for half a year.
const PRIVATE: &[Release] = &[
    in_month(1, 15),
    in_month(2, 15),
    in_month(3, 15),
    in_month(4, 15),
    in_month(5, 15),
    in_month(6, 25),
];

/// All at once.
const PROMOTION: &[Release] = &[in_month(0, 100)];

/// A quarter at once, and one each year.
const TEAM: &[Release] = &[in_month(0, 25), in_month(12, 25), in_month(24, 25), in_month(36, 25)];

parameter_types! {
    pub const ThePlan: Plan = Plan {
        cornerstone: Share { percent: 10, releases: CORNERSTONE },
        private: Share { percent: 30, releases: PRIVATE },
        promotion: Share { percent: 20, releases: PROMOTION },
        team: Share { percent: 20, releases: TEAM },
        reserve: 20,
    };
    pub ReserveAccount: AccountId = RESERVE.into_account_truncating();
    pub UnvestedMay: WithdrawReasons =
        WithdrawReasons::except(WithdrawReasons::TRANSFER | WithdrawReasons::RESERVE);
}

/// Gives slashed coin to the reserve, which no bookkeeper has a part of.
pub struct ToReserve;

impl OnUnbalanced<FeeOf<Runtime>> for ToReserve {
    fn on_nonzero_unbalanced(slashed: FeeOf<Runtime>) {
        // Less than an account can have at least goes where dust goes.
        if let Err(left) = Balances::resolve(&ReserveAccount::get(), slashed) {
            FeesToPot::<Runtime>::on_unbalanced(left);
        }
    }
}

impl pallet_vesting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type BlockNumberToBalance = ConvertInto;
    type MinVestedTransfer = ConstU128<XEN>;
    type WeightInfo = pallet_vesting::weights::SubstrateWeight<Runtime>;
    type UnvestedFundsAllowedWithdrawReasons = UnvestedMay;
    type BlockNumberProvider = System;
    const MAX_VESTING_SCHEDULES: u32 = 28;
}

impl pallet_distribution::Config for Runtime {
    type Currency = Balances;
    type Vesting = Vesting;
    type Supply = ConstU128<TOTAL_SUPPLY>;
    type Plan = ThePlan;
    type Month = ConstU32<MONTH>;
    type Reserve = ReserveAccount;
}
