//! What may happen next in a state.

use super::{
    book::Meter,
    moves::{Forgery, What},
    setup::*,
    world::*,
    Lease,
};

impl Lease {
    /// What happens without anybody's fault.
    pub(super) fn usual(&self, world: &World, add: &mut impl FnMut(What)) {
        for who in Who::BOTH {
            let driver = world.driver(who);
            match driver.program {
                Program::Runs => {
                    let facts = self.facts(who, driver.live);
                    if facts.deadline.is_some_and(|at| at <= world.now) {
                        add(What::Timer(who));
                    }
                    let other = world.driver(who.other());
                    if driver.inbox.front().is_some() {
                        add(What::Deliver(who));
                    } else if driver.linked && world.is_felt(other) {
                        add(What::Notice(who));
                    }
                }
                Program::Down => {
                    add(What::Restart(who));
                    add(What::StayDown(who));
                }
                Program::Gone | Program::Done => {}
            }
        }
        if self.can_reconnect(world) {
            add(What::Reconnect);
        }
        if world.answer.is_some() {
            add(What::MachineAnswers);
        }
        self.on_chain(world, add);
        if self.next_moment(world).is_some() {
            add(What::Pass);
        }
    }

    fn on_chain(&self, world: &World, add: &mut impl FnMut(What)) {
        let chain = &world.chain;
        match chain.stage {
            Stage::Opening { .. } => add(What::ChannelOpens),
            Stage::Open { .. } => add(What::ChannelIsFinal),
            Stage::Closing { refund_at } if refund_at <= world.now => add(What::Refund),
            Stage::Closing { .. } | Stage::Final | Stage::Refused | Stage::Gone { .. } => {}
        }
        if self.sees_finality(world) {
            add(What::FinalityIsSeen);
        }
        if sees_end(world) {
            add(What::EndIsSeen);
        }
        if chain.settlement.is_some() {
            add(What::SettlementLands);
        }
        if chain.funding.is_some() {
            add(What::FundingLands);
        }
        if chain.sure < chain.locked {
            add(What::FundingIsFinal);
        }
        if sees_funding(world) {
            add(What::FundingIsSeen);
        }
        if chain.reclaim.is_some() && matches!(chain.stage, Stage::Open { .. } | Stage::Final) {
            add(What::RequestLands);
        }
    }

    pub(super) fn faulty(&self, world: &World, add: &mut impl FnMut(What)) {
        for who in Who::BOTH {
            if world.driver(who).program == Program::Runs {
                add(What::Crash(who));
                add(What::Stop(who));
            }
        }
        if world.is_connected() {
            add(What::Cut);
            add(What::Silence);
        }
        if world.answer.is_some() {
            add(What::MachineFails);
        }
        if matches!(world.plant, Plant::Running | Plant::Frozen) {
            add(What::MachineDies);
        }
        if matches!(world.chain.stage, Stage::Opening { .. }) {
            add(What::ChannelIsRefused);
        }
        if world.chain.settlement.is_some() {
            add(What::SettlementFails);
        }
        if world.chain.funding.is_some() {
            add(What::FundingFails);
        }
    }

    pub(super) fn dishonest(&self) -> Option<Who> {
        match self.rules.dishonest {
            Dishonest::Nobody => None,
            Dishonest::Provider => Some(Who::Provider),
            Dishonest::Publisher => Some(Who::Publisher),
        }
    }

    fn can_reconnect(&self, world: &World) -> bool {
        let World { provider, publisher, .. } = world;
        provider.program == Program::Runs
            && publisher.program == Program::Runs
            && !provider.linked
            && self.provider(provider.live).wants_connection
            && self.publisher(publisher.live).wants_connection
    }

    fn sees_finality(&self, world: &World) -> bool {
        let early = self.rules.mistake == Mistake::StartsEarly;
        world.chain.watch == Watch::Finality
            && match world.chain.stage {
                Stage::Open { .. } => early,
                Stage::Final | Stage::Closing { .. } => true,
                Stage::Opening { .. } | Stage::Refused | Stage::Gone { .. } => false,
            }
    }

    /// When time goes on to, if it may: whatever happens at once has happened by then.
    pub(super) fn next_moment(&self, world: &World) -> Option<u32> {
        let chain = &world.chain;
        let busy = world.answer.is_some()
            || sees_end(world)
            || sees_funding(world)
            || self.sees_finality(world)
            || Who::BOTH.iter().any(|who| {
                let driver = world.driver(*who);
                driver.program == Program::Runs
                    && driver.linked
                    && world.is_felt(world.driver(who.other()))
            })
            || Who::BOTH.iter().any(|who| {
                let is_held = world.holds && self.dishonest() == Some(who.other());
                world.driver(*who).inbox.front().is_some() && !is_held
            });
        if busy || world.now > HORIZON {
            return None;
        }
        let deadline = |who: Who| {
            let driver = world.driver(who);
            (driver.program == Program::Runs)
                .then(|| self.facts(who, driver.live).deadline)
                .flatten()
        };
        let refund = match chain.stage {
            Stage::Closing { refund_at } => Some(refund_at),
            _ => None,
        };
        let times = [deadline(Who::Provider), deadline(Who::Publisher), refund];
        let next = times.into_iter().flatten().min()?;
        let opening = match chain.stage {
            Stage::Opening { by } | Stage::Open { by } => Some(by),
            _ => None,
        };
        let request = match chain.stage {
            Stage::Open { .. } | Stage::Final => chain.reclaim,
            _ => None,
        };
        let funding = chain.funding.map(|f| f.by);
        let sure = (chain.sure < chain.locked).then_some(chain.sure_by);
        let limits = [opening, request, chain.settlement.map(|s| s.by), funding, sure];
        let latest = limits.into_iter().flatten().min();
        (next > world.now && latest.is_none_or(|latest| next <= latest)).then_some(next)
    }
}

/// What is final of the deposit differs from what was told, and the end of the channel does not
/// matter more.
fn sees_funding(world: &World) -> bool {
    let chain = &world.chain;
    chain.watch == Watch::End && !sees_end(world) && chain.told != chain.sure
}

fn sees_end(world: &World) -> bool {
    let ends = matches!(world.chain.stage, Stage::Closing { .. } | Stage::Gone { .. });
    world.chain.watch == Watch::End && ends
}

/// What a dishonest side may do, each at the cost of a fault.
pub(super) fn tricks(who: Who, world: &World, add: &mut impl FnMut(What)) {
    match who {
        Who::Provider => provider_tricks(world, add),
        Who::Publisher => publisher_tricks(world, add),
    }
}

fn provider_tricks(world: &World, add: &mut impl FnMut(What)) {
    let tricks = &world.tricks;
    if !tricks.lies {
        add(What::Lie);
    }
    if !tricks.withholds {
        add(What::Withhold);
    }
    if tricks.reset_at == Meter::default() && world.used.held > 0 {
        add(What::ResetCounters);
    }
    tamper(world, &world.publisher.inbox, add);
}

fn publisher_tricks(world: &World, add: &mut impl FnMut(What)) {
    match world.chain.stage {
        Stage::Opening { .. } => add(What::OpenOther),
        Stage::Open { .. } | Stage::Final if world.chain.reclaim.is_none() => {
            add(What::RequestEarly);
        }
        _ => {}
    }
    tamper(world, &world.provider.inbox, add);
    if world.provider.inbox.front().is_some() {
        use Forgery::*;
        for forgery in [Old, Half, AboveDeposit, OtherChannel] {
            add(What::Forge(forgery));
        }
    }
}

fn tamper(world: &World, inbox: &Inbox, add: &mut impl FnMut(What)) {
    if !world.holds && inbox.front().is_some() {
        add(What::Hold);
    }
    match inbox.as_slice() {
        [] => {}
        [_] => [What::Drop, What::Repeat].into_iter().for_each(add),
        [_, ..] => [What::Drop, What::Repeat, What::Swap].into_iter().for_each(add),
    }
}
