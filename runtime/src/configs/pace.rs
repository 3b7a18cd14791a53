//! How long sessions, jail and the steps of votes are.

use frame_support::parameter_types;
use pallet_pace::Pace;

use crate::{BlockNumber, Runtime, DAYS, HOURS, MINUTES};

/// The main chain's. A decision takes days, so that holders all over the world hear of it; what is
/// approved waits for another day, so that whoever disagrees can leave.
pub(crate) const MAIN: Pace<BlockNumber> = Pace {
    session: 10 * MINUTES,
    jail: DAYS,
    prepare: 2 * HOURS,
    decision: 7 * DAYS,
    confirm: DAYS,
    enactment: DAYS,
    vote_lock: 7 * DAYS,
};

/// A test network's: all of it can be seen within minutes.
pub(crate) const SHORT: Pace<BlockNumber> = Pace {
    session: MINUTES,
    jail: 3 * MINUTES,
    prepare: 5,
    decision: 60,
    confirm: 10,
    enactment: 10,
    vote_lock: 10,
};

parameter_types! {
    pub const MainChain: Pace<BlockNumber> = MAIN;
}

impl pallet_pace::Config for Runtime {
    type MainChain = MainChain;
}
