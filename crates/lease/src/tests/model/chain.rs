//! What the chain does, and what drivers do with it when they are started again.

use super::{book::Event, drivers::Turn, moves::What, setup::*, world::*};
use crate::Phase;

impl Turn<'_> {
    pub(super) fn chain(&mut self, what: What) {
        let now = self.world.now;
        let chain = &mut self.world.chain;
        match what {
            What::ChannelOpens | What::OpenOther => {
                chain.stage = Stage::Open { by: now + BLOCK };
                chain.fits = what == What::ChannelOpens;
                self.tell(Who::Publisher, Event::Opened);
            }
            What::ChannelIsRefused => {
                chain.stage = Stage::Refused;
                self.tell(Who::Publisher, Event::OpenFailed);
            }
            What::ChannelIsFinal => chain.stage = Stage::Final,
            What::FinalityIsSeen => {
                chain.watch = Watch::End;
                let is_closing = matches!(chain.stage, Stage::Closing { .. });
                let fits = chain.fits && !is_closing;
                self.tell(Who::Provider, Event::Final { fits });
            }
            What::EndIsSeen => {
                chain.watch = Watch::Nothing;
                self.tell(Who::Provider, Event::Closing);
            }
            What::RequestEarly => chain.reclaim = Some(now + BLOCK),
            What::RequestLands => chain.stage = Stage::Closing { refund_at: now + CHALLENGE },
            What::SettlementFails => {
                chain.settlement = None;
                self.tell(Who::Provider, Event::SettleFailed);
            }
            What::SettlementLands => self.settle(),
            What::FundingLands => self.fund(),
            What::FundingFails => {
                chain.funding = None;
                self.tell(Who::Publisher, Event::FundFailed);
            }
            What::FundingIsFinal => chain.sure = chain.locked,
            What::FundingIsSeen => {
                chain.told = chain.sure;
                let deposit = chain.sure;
                self.tell(Who::Provider, Event::Changed(deposit));
            }
            What::Refund => {
                self.pay(0);
            }
            _ => {}
        }
    }

    /// The provider's transaction gets into a block, or finds that it is too late.
    fn settle(&mut self) {
        let Some(Settlement { amount, .. }) = self.world.chain.settlement.take() else { return };
        let is_over = match self.world.chain.stage {
            Stage::Gone { .. } => true,
            Stage::Closing { refund_at } => refund_at <= self.world.now,
            Stage::Opening { .. } | Stage::Refused | Stage::Open { .. } | Stage::Final => false,
        };
        if !is_over {
            self.pay(amount);
        }
        let paid = match self.world.chain.stage {
            Stage::Gone { paid } => paid,
            _ => 0,
        };
        self.tell(Who::Provider, Event::Settled(paid));
    }

    /// The publisher's transaction gets into a block; a channel that closes takes nothing more.
    fn fund(&mut self) {
        let now = self.world.now;
        let chain = &mut self.world.chain;
        let Some(Funding { deposit, .. }) = chain.funding.take() else { return };
        let event = match chain.stage {
            Stage::Final | Stage::Open { .. } => {
                if chain.locked < deposit {
                    (chain.locked, chain.sure_by) = (deposit, now + BLOCK);
                }
                Event::Funded
            }
            Stage::Opening { .. } | Stage::Refused | Stage::Closing { .. } | Stage::Gone { .. } => {
                Event::FundFailed
            }
        };
        self.tell(Who::Publisher, event);
    }

    /// The channel pays, returns the rest and is no more.
    fn pay(&mut self, paid: u128) {
        self.world.chain.stage = Stage::Gone { paid };
        self.tell(Who::Publisher, Event::Settled(paid));
    }

    /// A program is started and finds its lease in the store.
    pub(super) fn restart(&mut self, who: Who) {
        let driver = self.world.driver_mut(who);
        let Some(stored) = driver.stored else { return };
        driver.live = stored;
        match who {
            Who::Provider => {
                driver.program = Program::Runs;
                self.world.notes.restarted = true;
                self.tell(who, Event::Restarted);
            }
            Who::Publisher => self.restart_publisher(stored),
        }
    }

    /// It looks at the chain first: for the channel that it may not know of, or that is gone.
    fn restart_publisher(&mut self, stored: u32) {
        let is_known = self.lease.publisher(stored).knows_channel;
        let phase = self.lease.publisher(stored).phase;
        match self.world.chain.stage {
            // It is not known yet whether there is a channel: it is to be tried later.
            Stage::Opening { .. } => {}
            Stage::Refused | Stage::Gone { .. } => {
                self.world.publisher.program = Program::Done;
                self.world.publisher.stored = None;
            }
            Stage::Open { .. } | Stage::Final | Stage::Closing { .. } => {
                self.world.publisher.program = Program::Runs;
                if !is_known {
                    self.tell(Who::Publisher, Event::Opened);
                }
                self.tell(Who::Publisher, Event::Restarted);
                if !matches!(phase, Phase::Starting | Phase::Serving { .. }) {
                    self.tell(Who::Publisher, Event::GiveUp);
                }
                if matches!(self.world.chain.stage, Stage::Closing { .. }) {
                    self.tell(Who::Publisher, Event::Closing);
                }
            }
        }
    }

    pub(super) fn stay_down(&mut self, who: Who) {
        let driver = self.world.driver_mut(who);
        driver.program = Program::Gone;
        if who == Who::Provider {
            self.world.plant = Plant::Absent;
        }
    }
}
