//! What drivers do with a step: store it, perform its actions, and crash on the way.

use zennet_primitives::frame::Frame;

use super::{
    book::{renumber, Act, Event, FrameId, Meter, Taken},
    setup::*,
    world::*,
    Lease,
};

/// A world that is about to be another one.
pub(super) struct Turn<'a> {
    pub(super) lease: &'a Lease,
    pub(super) world: World,
    /// The driver that steps next crashes when it has performed this many actions.
    pub(super) crash: Option<u8>,
}

impl Turn<'_> {
    /// An event and all that follows from it at once. Whether there was a step.
    pub(super) fn tell(&mut self, who: Who, event: Event) -> bool {
        let driver = *self.world.driver(who);
        if driver.program != Program::Runs {
            return false;
        }
        let Some((next, acts)) = self.step(who, event) else { return false };
        let storing = match who {
            Who::Provider => self.lease.rules.provider_stores,
            Who::Publisher => self.lease.rules.publisher_stores,
        };
        let facts = self.lease.facts(who, next);
        // The publisher's driver does not store what nobody is told of.
        let is_due = facts.must_persist && (who == Who::Provider || !acts.is_empty());
        let is_frame = matches!(event, Event::Frame(_));
        let (first, last) = match storing {
            Storing::First => (is_due, false),
            Storing::Last => (false, is_due),
            Storing::NotFrames => (is_due && !is_frame, false),
        };
        let crash = self.crash.filter(|k| usize::from(*k) < acts.len());
        if crash.is_some() {
            self.crash = None;
        }
        self.world.driver_mut(who).live = next;
        if first {
            self.world.driver_mut(who).stored = Some(next);
        }
        if who == Who::Provider && (storing != Storing::Last || crash != Some(0)) {
            self.world.notes.counted = self.world.notes.counted.max(facts.paid);
        }
        let performed = crash.map_or(acts.len(), usize::from);
        for act in &acts[..performed] {
            match who {
                Who::Provider => self.perform_provider(*act),
                Who::Publisher => self.perform_publisher(*act),
            }
        }
        if crash.is_some() {
            self.world.crash(who);
        } else if last {
            let live = self.world.driver(who).live;
            self.world.driver_mut(who).stored = Some(live);
        }
        true
    }

    fn step(&self, who: Who, event: Event) -> Taken {
        let books = &mut *self.lease.books.borrow_mut();
        let (live, now) = (self.world.driver(who).live, self.world.now);
        match who {
            Who::Provider => books.provider.step(live, event, now, &mut books.mail),
            Who::Publisher => books.publisher.step(live, event, now, &mut books.mail),
        }
    }

    fn send(&mut self, from: Who, frame: FrameId) {
        if self.world.is_connected() {
            let frame = if from == Who::Provider && self.world.tricks.lies {
                // A liar numbers its reports so that none comes too early.
                let tick = ((self.world.used.held + LIE) / TICK).max(1);
                renumber(&mut self.lease.books.borrow_mut().mail, frame, tick)
            } else {
                frame
            };
            let has_room = self.world.driver_mut(from.other()).inbox.push(frame);
            assert!(has_room, "frames are read before time passes");
        }
    }

    fn hang_up(&mut self, who: Who) {
        let driver = self.world.driver_mut(who);
        driver.linked = false;
        driver.inbox.clear();
    }

    fn finish(&mut self, who: Who) {
        self.hang_up(who);
        let driver = self.world.driver_mut(who);
        (driver.program, driver.stored) = (Program::Done, None);
        match who {
            Who::Provider => self.world.chain.watch = Watch::Nothing,
            Who::Publisher => self.world.chain.reclaim = None,
        }
    }

    fn perform_provider(&mut self, act: Act) {
        let now = self.world.now;
        match act {
            Act::Send(frame) => self.send(Who::Provider, frame),
            Act::Disconnect => self.hang_up(Who::Provider),
            Act::Finished => self.finish(Who::Provider),
            Act::Watch { open } => {
                let chain = &mut self.world.chain;
                chain.watch = if open { Watch::End } else { Watch::Finality };
                // It tells at once what there is.
                if open && self.lease.rules.amends {
                    chain.told = 0;
                }
            }
            Act::Start => {
                let stage = self.world.chain.stage;
                self.world.notes.early |= stage != Stage::Final || !self.world.chain.fits;
                self.world.plant = Plant::Starting;
                self.world.answer = Some(Answer::Ready);
            }
            Act::Resume => self.world.answer = Some(Answer::Found),
            Act::Read { tick } => {
                let meter = self.reported();
                self.tell(Who::Provider, Event::Metered { tick, meter });
            }
            Act::Freeze if self.lease.rules.mistake == Mistake::NeverFreezes => {}
            Act::Freeze => {
                if self.world.plant == Plant::Running {
                    self.world.plant = Plant::Frozen;
                }
            }
            Act::Thaw => {
                if self.world.plant == Plant::Frozen {
                    self.world.plant = Plant::Running;
                }
            }
            Act::StopMachine => {
                self.world.plant = Plant::Absent;
                self.world.answer = Some(Answer::Stopped);
            }
            Act::Settle(amount) => {
                self.world.notes.undersold |= amount < self.world.notes.counted;
                self.world.chain.watch = Watch::Nothing;
                self.world.chain.settlement = Some(Settlement { amount, by: now + BLOCK });
            }
            Act::Nothing
            | Act::Voucher { .. }
            | Act::FollowCounters
            | Act::RequestClose
            | Act::Fund(_) => {}
        }
    }

    fn perform_publisher(&mut self, act: Act) {
        match act {
            Act::Send(frame) => self.send(Who::Publisher, frame),
            Act::Voucher { frame, amount } => {
                let notes = &mut self.world.notes;
                notes.signed_less |= amount < notes.signed;
                notes.overdrawn |= amount > self.world.chain.locked;
                notes.amended |= amount > self.lease.terms.deposit;
                notes.signed = notes.signed.max(amount);
                self.send(Who::Publisher, frame);
            }
            Act::Disconnect => self.hang_up(Who::Publisher),
            Act::Finished => self.finish(Who::Publisher),
            Act::FollowCounters => self.read_counters(),
            Act::RequestClose if self.lease.rules.mistake == Mistake::NeverReclaims => {}
            Act::RequestClose => {
                let by = self.world.now + BLOCK;
                self.world.chain.reclaim.get_or_insert(by);
            }
            Act::Fund(deposit) => {
                let by = self.world.now + BLOCK;
                // One that is on its way already is waited for.
                self.world.chain.funding.get_or_insert(Funding { deposit, by });
                if self.lease.rules.mistake == Mistake::CountsEarly {
                    let counted = Frame::Amended { number: 1 };
                    let counted = self.lease.books.borrow_mut().mail.keep(counted);
                    self.tell(Who::Publisher, Event::Funded);
                    self.tell(Who::Publisher, Event::Frame(counted));
                }
            }
            Act::Nothing
            | Act::Watch { .. }
            | Act::Start
            | Act::Resume
            | Act::Read { .. }
            | Act::Freeze
            | Act::Thaw
            | Act::StopMachine
            | Act::Settle(_) => {}
        }
    }

    /// The publisher reads the counters inside the machine.
    pub(super) fn read_counters(&mut self) {
        let World { used, tricks, .. } = self.world;
        if self.world.is_connected() && self.world.plant == Plant::Running && !tricks.withholds {
            let since = tricks.reset_at;
            let meter = Meter { busy: used.busy - since.busy, held: used.held - since.held };
            self.tell(Who::Publisher, Event::Own(meter));
        }
    }

    /// What the provider's meter says: the truth, or the most that will be believed.
    pub(super) fn reported(&self) -> Meter {
        let World { used, tricks, .. } = self.world;
        if !tricks.lies {
            return used;
        }
        let most = used.held + LIE;
        Meter { busy: most, held: most }
    }
}

impl World {
    /// A program ends on the spot. What it had sent to the chain is on its way still.
    pub(super) fn crash(&mut self, who: Who) {
        let driver = self.driver_mut(who);
        driver.program = if driver.stored.is_some() { Program::Down } else { Program::Gone };
        driver.live = 0;
        driver.linked = false;
        self.provider.inbox.clear();
        self.publisher.inbox.clear();
        match who {
            Who::Provider => {
                self.answer = None;
                self.chain.watch = Watch::Nothing;
            }
            Who::Publisher => self.chain.reclaim = None,
        }
    }
}
