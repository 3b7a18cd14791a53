//! Names of what may happen.

use super::world::Who;

/// Something that happens; perhaps the driver that hears of it crashes meanwhile, when it has
/// performed so many of its actions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) what: What,
    pub(super) crash: Option<u8>,
}

impl std::fmt::Debug for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.crash {
            None => write!(f, "{:?}", self.what),
            Some(acts) => write!(f, "{:?}, crash after {acts} actions", self.what),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// Time goes on to the next moment at which anything is due.
    Pass,
    Timer(Who),
    Deliver(Who),
    /// A side finds that its connection is gone.
    Notice(Who),
    Reconnect,
    Restart(Who),
    StayDown(Who),
    MachineAnswers,
    ChannelOpens,
    ChannelIsFinal,
    FinalityIsSeen,
    EndIsSeen,
    SettlementLands,
    RequestLands,
    Refund,
    FundingLands,
    FundingIsFinal,
    FundingIsSeen,
    // Faults.
    Crash(Who),
    Stop(Who),
    Cut,
    Silence,
    MachineFails,
    MachineDies,
    ChannelIsRefused,
    SettlementFails,
    FundingFails,
    // Of a dishonest side.
    OpenOther,
    RequestEarly,
    Lie,
    Withhold,
    ResetCounters,
    Drop,
    Repeat,
    Swap,
    Hold,
    Forge(Forgery),
}

/// What a dishonest publisher sends in the place of a voucher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Forgery {
    /// That of the tick before, once more.
    Old,
    /// Half of what is due.
    Half,
    /// More than the deposit.
    AboveDeposit,
    /// A good one for another channel.
    OtherChannel,
}

impl What {
    /// Whether a driver steps that may crash while it does.
    pub(super) fn has_listener(self) -> bool {
        matches!(
            self,
            What::Timer(_)
                | What::Deliver(_)
                | What::Notice(_)
                | What::Reconnect
                | What::Stop(_)
                | What::Restart(_)
                | What::MachineAnswers
                | What::ChannelOpens
                | What::FinalityIsSeen
                | What::EndIsSeen
                | What::SettlementLands
                | What::FundingLands
                | What::FundingIsSeen
        )
    }

    pub(super) fn is_fault(self) -> bool {
        matches!(
            self,
            What::Crash(_)
                | What::Stop(_)
                | What::Cut
                | What::Silence
                | What::MachineFails
                | What::MachineDies
                | What::ChannelIsRefused
                | What::SettlementFails
                | What::FundingFails
                | What::OpenOther
                | What::RequestEarly
                | What::Lie
                | What::Withhold
                | What::ResetCounters
                | What::Drop
                | What::Repeat
                | What::Swap
                | What::Hold
                | What::Forge(_)
        )
    }
}
