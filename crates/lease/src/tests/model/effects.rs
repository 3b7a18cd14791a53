//! What becomes of a state when something happens.

use zennet_primitives::frame::Frame;

use super::{
    book::{forge, Event, FrameId, Meter},
    drivers::Turn,
    moves::{Forgery, What},
    setup::*,
    world::*,
};
use crate::Phase;

impl Turn<'_> {
    pub(super) fn make(&mut self, what: What) {
        match what {
            What::Pass => self.pass(),
            What::Timer(who) => {
                self.tell(who, Event::Timer);
            }
            What::Deliver(who) => {
                if let Some(frame) = self.world.driver_mut(who).inbox.pop() {
                    self.deliver(who, frame);
                }
            }
            What::Notice(who) => {
                self.world.driver_mut(who).linked = false;
                self.tell(who, Event::Disconnected);
            }
            What::Reconnect => self.reconnect(),
            What::Restart(who) => self.restart(who),
            What::StayDown(who) => self.stay_down(who),
            What::Stop(who) => {
                self.tell(who, Event::Stop);
            }
            What::MachineAnswers => self.machine_answers(true),
            What::MachineFails => self.machine_answers(false),
            What::MachineDies => {
                self.world.plant = Plant::Absent;
                self.tell(Who::Provider, Event::Failed);
            }
            What::Crash(who) => self.world.crash(who),
            What::Cut | What::Silence => {
                self.world.cut = if what == What::Cut { Cable::Cut } else { Cable::Silent };
                self.world.provider.inbox.clear();
                self.world.publisher.inbox.clear();
            }
            What::Hold => self.world.holds = true,
            What::Lie => self.world.tricks.lies = true,
            What::Withhold => self.world.tricks.withholds = true,
            What::ResetCounters => self.world.tricks.reset_at = self.world.used,
            What::Drop | What::Repeat | What::Swap | What::Forge(_) => self.tamper(what),
            What::ChannelOpens
            | What::ChannelIsFinal
            | What::FinalityIsSeen
            | What::EndIsSeen
            | What::SettlementLands
            | What::RequestLands
            | What::Refund
            | What::ChannelIsRefused
            | What::SettlementFails
            | What::FundingLands
            | What::FundingIsFinal
            | What::FundingIsSeen
            | What::FundingFails
            | What::OpenOther
            | What::RequestEarly => self.chain(what),
        }
    }

    fn deliver(&mut self, who: Who, frame: FrameId) {
        let before = self.lease.facts(who, self.world.driver(who).live);
        let took = self.tell(who, Event::Frame(frame));
        let amount = match self.lease.books.borrow().mail.get(frame) {
            Frame::Voucher { voucher, .. } => voucher.payload.cumulative,
            _ => return,
        };
        let listens = matches!(before.phase, Phase::Serving { .. } | Phase::Closing);
        let after = self.world.driver(who);
        self.world.notes.refused |= took
            && listens
            && after.program == Program::Runs
            && self.lease.facts(who, after.live).paid < amount;
    }

    fn pass(&mut self) {
        let Some(next) = self.lease.next_moment(&self.world) else { return };
        let passed = next - self.world.now;
        self.world.now = next;
        let runs = self.world.plant == Plant::Running;
        let holds = runs || self.world.plant == Plant::Frozen;
        let busy = self.world.load.is_busy(self.world.used);
        let used = Meter {
            busy: if runs && busy { passed } else { 0 },
            held: if holds { passed } else { 0 },
        };
        self.world.used.busy += used.busy;
        self.world.used.held += used.held;
        let provider = &self.world.provider;
        if let Stage::Closing { refund_at } = self.world.chain.stage {
            self.world.notes.missed |=
                provider.program != Program::Runs && next + 2 * BLOCK > refund_at;
        }
        let watches = provider.program == Program::Runs
            && matches!(self.lease.provider(provider.live).phase, Phase::Serving { .. });
        if !watches || self.world.plant == Plant::Frozen {
            self.world.notes.unwatched.busy += used.busy;
            self.world.notes.unwatched.held += used.held;
        }
        self.read_counters();
    }

    fn reconnect(&mut self) {
        for who in Who::BOTH {
            let driver = self.world.driver_mut(who);
            driver.linked = true;
            driver.inbox.clear();
        }
        self.world.cut = Cable::Whole;
        self.tell(Who::Publisher, Event::Reconnected);
        self.tell(Who::Provider, Event::Reconnected);
    }

    fn machine_answers(&mut self, well: bool) {
        let Some(answer) = self.world.answer.take() else { return };
        let event = match (answer, well) {
            (Answer::Ready, true) => {
                self.world.plant = Plant::Running;
                Event::Ready
            }
            (Answer::Found, true) if self.world.plant != Plant::Absent => Event::Resumed,
            (Answer::Ready | Answer::Found, _) => {
                self.world.plant = Plant::Absent;
                Event::Failed
            }
            (Answer::Stopped, true) => Event::Stopped(self.reported()),
            // It is said that it hangs; its time runs out.
            (Answer::Stopped, false) => return,
        };
        self.tell(Who::Provider, event);
    }

    fn tamper(&mut self, what: What) {
        let Some(sender) = self.lease.dishonest() else { return };
        let inbox = &mut self.world.driver_mut(sender.other()).inbox;
        let Some(front) = inbox.front() else { return };
        match what {
            What::Drop => {
                inbox.pop();
            }
            What::Repeat => {
                // It comes once more after what follows it.
                let _ = inbox.push(front);
            }
            What::Swap => inbox.swap_front(),
            What::Forge(forgery) => {
                let terms = &self.lease.terms;
                let mail = &mut self.lease.books.borrow_mut().mail;
                let forged = forge(mail, terms, front, |tick, amount| match forgery {
                    Forgery::Old => (tick.saturating_sub(1), amount, true),
                    Forgery::Half => (tick, amount / 2, true),
                    Forgery::AboveDeposit => (tick, terms.deposit + 1, true),
                    Forgery::OtherChannel => (tick, amount, false),
                });
                if let Some((frame, amount)) = forged {
                    self.world.driver_mut(sender.other()).inbox.replace_front(frame);
                    if forgery != Forgery::OtherChannel {
                        self.world.notes.signed = self.world.notes.signed.max(amount);
                    }
                }
            }
            _ => {}
        }
    }
}
