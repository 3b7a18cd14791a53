//! How the holders of the coin decide: referenda, votes by stake with delegation, and what carries
//! their decisions out. `docs/decisions/0014-governance.md` has the reasons.

use alloc::borrow::Cow;

use frame_support::{
    parameter_types,
    traits::{
        fungible::{Balanced, HoldConsideration},
        AsEnsureOriginWithArg, ConstU128, ConstU32, EqualPrivilegeOnly, Imbalance,
        LinearStoragePrice, OnUnbalanced,
    },
    weights::Weight,
};
use frame_system::{EnsureRoot, EnsureSigned, RawOrigin};
use pallet_balances::NegativeImbalance;
use pallet_pace::Lengths;
use pallet_referenda::{Curve, Track, TrackInfo, TracksInfo};
use sp_runtime::{str_array, Perbill};

use super::{accounts::deposit, system::Weights, voting_coin::VotingCoin};
use crate::{
    AccountId, Balance, Balances, BlockNumber, OriginCaller, Preimage, Referenda, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, Scheduler, System, DAYS,
    TOTAL_SUPPLY, XEN,
};

/// Number of the only track.
const ROOT: u16 = 0;

/// Referenda that are decided at the same time: so many that the deposits to hold all places, and
/// keep everybody else waiting for a week, are a thousandth of the supply. A voter can vote on all of
/// them at once.
const MAX_DECIDING: u32 = 100;

/// Referenda on which an account can vote at the same time.
const MAX_VOTES: u32 = 128;

const _: () = assert!(MAX_DECIDING <= MAX_VOTES, "nobody could vote on all that is decided");

/// What a decision asks for, a hundred-thousandth of the supply. It returns when the referendum is
/// over, unless another one has found it malicious and killed it.
const DECISION_DEPOSIT: Balance = 100_000 * XEN;

/// What a submission asks for. It returns when the referendum is approved or cancelled; else it
/// pays for the record of it, which stays in the state.
const SUBMISSION_DEPOSIT: Balance = 100 * XEN;

/// Part of the votes that must be in favour: all of them at first, falling evenly to more than half.
const APPROVAL: Curve = Curve::LinearDecreasing {
    length: Perbill::one(),
    floor: Perbill::from_parts(500_000_001),
    ceil: Perbill::one(),
};

/// Part of the whole supply that must be in favour or abstain: half of it at first, falling evenly to a
/// tenth. Half of it in favour is a decision that nothing can change any more.
const SUPPORT: Curve = Curve::LinearDecreasing {
    length: Perbill::one(),
    floor: Perbill::from_percent(10),
    ceil: Perbill::from_percent(50),
};

/// The only track: what a referendum decides is done with the rights of root.
pub struct Tracks;

impl TracksInfo<Balance, BlockNumber> for Tracks {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u16, Balance, BlockNumber>>> {
        let pace = Lengths::<Runtime>::get();
        let info = TrackInfo {
            name: str_array("root"),
            max_deciding: MAX_DECIDING,
            decision_deposit: DECISION_DEPOSIT,
            prepare_period: pace.prepare,
            decision_period: pace.decision,
            confirm_period: pace.confirm,
            min_enactment_period: pace.enactment,
            min_approval: APPROVAL,
            min_support: SUPPORT,
        };
        core::iter::once(Cow::Owned(Track { id: ROOT, info }))
    }

    // Bounds of stored values ask for these where there is no state to read the pace from.
    fn track_ids() -> impl Iterator<Item = u16> {
        core::iter::once(ROOT)
    }

    fn track_for(origin: &OriginCaller) -> Result<u16, ()> {
        match origin {
            OriginCaller::system(RawOrigin::Root) => Ok(ROOT),
            _ => Err(()),
        }
    }
}

/// Gives the deposits of a killed referendum to whom fees go: nothing leaves the supply.
pub struct SlashedToFees;

impl OnUnbalanced<NegativeImbalance<Runtime>> for SlashedToFees {
    fn on_nonzero_unbalanced(slashed: NegativeImbalance<Runtime>) {
        // The two kinds of imbalances do not convert into each other. What one adds to the issuance,
        // the other takes out of it when it is dropped.
        let credit = <Balances as Balanced<AccountId>>::issue(slashed.peek());
        drop(slashed);
        <Runtime as pallet_balances::Config>::DustRemoval::on_unbalanced(credit);
    }
}

parameter_types! {
    /// Half of a block may be what was decided before.
    pub MaxScheduledWeight: Weight = Weights::get().max_block / 2;
    pub const PreimageBase: Balance = deposit(1, 0);
    pub const PreimageByte: Balance = deposit(0, 1);
    pub const PreimageHold: RuntimeHoldReason =
        RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_preimage::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<AccountId>;
    type Consideration = HoldConsideration<
        AccountId,
        Balances,
        PreimageHold,
        LinearStoragePrice<PreimageBase, PreimageByte, Balance>,
    >;
}

impl pallet_scheduler::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeOrigin = RuntimeOrigin;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = MaxScheduledWeight;
    type ScheduleOrigin = EnsureRoot<AccountId>;
    type OriginPrivilegeCmp = EqualPrivilegeOnly;
    type MaxScheduledPerBlock = ConstU32<256>;
    type WeightInfo = pallet_scheduler::weights::SubstrateWeight<Runtime>;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_referenda::weights::SubstrateWeight<Runtime>;
    type Scheduler = Scheduler;
    type Currency = Balances;
    type SubmitOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type CancelOrigin = EnsureRoot<AccountId>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Slash = SlashedToFees;
    type Votes = Balance;
    type Tally = pallet_conviction_voting::TallyOf<Runtime>;
    type SubmissionDeposit = ConstU128<SUBMISSION_DEPOSIT>;
    type MaxQueued = ConstU32<64>;
    type UndecidingTimeout = ConstU32<{ 14 * DAYS }>;
    type AlarmInterval = ConstU32<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

impl pallet_conviction_voting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_conviction_voting::weights::SubstrateWeight<Runtime>;
    type Currency = VotingCoin;
    type Polls = Referenda;
    type MaxTurnout = ConstU128<TOTAL_SUPPLY>;
    type MaxVotes = ConstU32<MAX_VOTES>;
    type VoteLockingPeriod = pallet_pace::VoteLock<Runtime>;
    type BlockNumberProvider = System;
    type VotingHooks = ();
}
