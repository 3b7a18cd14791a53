//! One state of the model.

use zennet_primitives::amount::Balance;

use super::{
    book::{FrameId, Id, Meter},
    setup::{BLOCK, TICK},
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Who {
    Provider,
    Publisher,
}

impl Who {
    pub(super) const BOTH: [Who; 2] = [Who::Provider, Who::Publisher];

    pub(super) fn other(self) -> Who {
        match self {
            Who::Provider => Who::Publisher,
            Who::Publisher => Who::Provider,
        }
    }
}

/// Whether a side's program runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Program {
    Runs,
    /// It crashed and may be started again.
    Down,
    /// It is never started again.
    Gone,
    /// Nothing is left to do.
    Done,
}

/// A driver with its machine's value and what its store holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Driver {
    pub(super) program: Program,
    pub(super) live: Id,
    pub(super) stored: Option<Id>,
    /// Whether this side's end of the connection stands, as far as it knows.
    pub(super) linked: bool,
    /// What the other side sent and this one has not read.
    pub(super) inbox: Inbox,
}

/// Most frames on their way to one side.
const INBOX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Inbox {
    frames: [FrameId; INBOX],
    len: u8,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Inbox {
    pub(super) fn as_slice(&self) -> &[FrameId] {
        &self.frames[..usize::from(self.len)]
    }

    pub(super) fn front(&self) -> Option<FrameId> {
        self.as_slice().first().copied()
    }

    /// Adds a frame; says whether there is room.
    #[must_use]
    pub(super) fn push(&mut self, frame: FrameId) -> bool {
        let free = usize::from(self.len) < INBOX;
        if free {
            self.frames[usize::from(self.len)] = frame;
            self.len += 1;
        }
        free
    }

    pub(super) fn pop(&mut self) -> Option<FrameId> {
        let front = self.front()?;
        self.frames.copy_within(1.., 0);
        self.len -= 1;
        self.frames[usize::from(self.len)..].fill(0);
        Some(front)
    }

    pub(super) fn replace_front(&mut self, frame: FrameId) {
        self.frames[0] = frame;
    }

    pub(super) fn swap_front(&mut self) {
        self.frames.swap(0, 1);
    }

    pub(super) fn clear(&mut self) {
        *self = Inbox::default();
    }
}

/// The rented machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Plant {
    Absent,
    /// It boots; nobody can use it yet.
    Starting,
    Running,
    Frozen,
}

/// What the provider's driver will hear of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Answer {
    Ready,
    Found,
    Stopped,
}

/// Where the channel stands on chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stage {
    /// The transaction that opens it gets into a block by then.
    Opening {
        by: u32,
    },
    /// The transaction failed.
    Refused,
    /// It is in a block that is final by then.
    Open {
        by: u32,
    },
    Final,
    /// The publisher asked to close it; the refund is due then.
    Closing {
        refund_at: u32,
    },
    /// It paid this much and returned the rest.
    Gone {
        paid: Balance,
    },
}

/// What the provider's driver watches the chain for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Watch {
    Nothing,
    Finality,
    End,
}

/// The provider's transaction that closes the channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settlement {
    pub(super) amount: Balance,
    pub(super) by: u32,
}

/// The deposit that the channel is to have, by then.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Funding {
    pub(super) deposit: Balance,
    pub(super) by: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Chain {
    pub(super) stage: Stage,
    /// Whether the channel is the one that the contract asks for.
    pub(super) fits: bool,
    pub(super) watch: Watch,
    pub(super) settlement: Option<Settlement>,
    /// What is locked by the blocks so far, and for good by those that are final.
    pub(super) locked: Balance,
    pub(super) sure: Balance,
    /// What is locked is final by then.
    pub(super) sure_by: u32,
    /// The publisher's transaction that adds to the deposit.
    pub(super) funding: Option<Funding>,
    /// The deposit that the provider's driver told of last.
    pub(super) told: Balance,
    /// The publisher's driver closes the channel; its request is in a block by then.
    pub(super) reclaim: Option<u32>,
}

/// What a dishonest provider has begun to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Tricks {
    /// It reports as much use as the hardware could have made.
    pub(super) lies: bool,
    /// It does not let the publisher read the machine's counters.
    pub(super) withholds: bool,
    /// It has set the counters that the publisher reads to zero, at this true reading.
    pub(super) reset_at: Meter,
}

/// What is noted of the past, for the properties only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Notes {
    /// Highest amount that the publisher's session key signed.
    pub(super) signed: Balance,
    /// A lower amount was signed after a higher one.
    pub(super) signed_less: bool,
    /// Highest voucher that the provider has taken for a payment.
    pub(super) counted: Balance,
    /// A running provider did not take a voucher.
    pub(super) refused: bool,
    /// More was signed than the chain had locked.
    pub(super) overdrawn: bool,
    /// A voucher above the first deposit was signed.
    pub(super) amended: bool,
    /// The provider went to the chain with less than it had counted.
    pub(super) undersold: bool,
    /// The machine was started before the right channel was final.
    pub(super) early: bool,
    /// The channel was closed while the provider's program did not run.
    pub(super) missed: bool,
    /// Use while the provider's program did not run or had not found its machine again, or was to
    /// freeze.
    pub(super) unwatched: Meter,
    /// The provider's program was started again.
    pub(super) restarted: bool,
}

/// When the tenant keeps the machine's processor busy. Its memory is held all the time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Load {
    Always,
    Never,
    /// In the first tick.
    Early,
    /// After the first tick.
    Late,
}

impl Load {
    pub(super) fn is_busy(self, so_far: Meter) -> bool {
        match self {
            Load::Always => true,
            Load::Never => false,
            Load::Early => so_far.held < TICK,
            Load::Late => so_far.held >= TICK,
        }
    }
}

/// What lies between the two ends of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Cable {
    Whole,
    /// It is cut, and both ends find out at once.
    Cut,
    /// Nothing gets through, and nobody is told.
    Silent,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct World {
    pub(super) now: u32,
    /// Faults that may still happen.
    pub(super) faults: u8,
    pub(super) load: Load,
    pub(super) provider: Driver,
    pub(super) publisher: Driver,
    pub(super) cut: Cable,
    pub(super) plant: Plant,
    pub(super) answer: Option<Answer>,
    pub(super) used: Meter,
    pub(super) chain: Chain,
    pub(super) tricks: Tricks,
    /// The dishonest side holds back what it sends.
    pub(super) holds: bool,
    pub(super) notes: Notes,
}

impl World {
    /// Both have signed, and the transaction that opens the channel is out.
    pub(super) fn begin(
        now: u32,
        faults: u8,
        deposit: Balance,
        provider: Id,
        publisher: Id,
    ) -> Self {
        let driver = |live| Driver {
            program: Program::Runs,
            live,
            stored: Some(live),
            linked: true,
            inbox: Inbox::default(),
        };
        World {
            now,
            faults,
            load: Load::Always,
            provider: driver(provider),
            publisher: driver(publisher),
            cut: Cable::Whole,
            plant: Plant::Absent,
            answer: None,
            used: Meter::default(),
            chain: Chain {
                stage: Stage::Opening { by: now + BLOCK },
                fits: true,
                watch: Watch::Nothing,
                settlement: None,
                locked: deposit,
                sure: deposit,
                sure_by: 0,
                funding: None,
                told: deposit,
                reclaim: None,
            },
            tricks: Tricks::default(),
            holds: false,
            notes: Notes::default(),
        }
    }

    pub(super) fn driver(&self, who: Who) -> &Driver {
        match who {
            Who::Provider => &self.provider,
            Who::Publisher => &self.publisher,
        }
    }

    pub(super) fn driver_mut(&mut self, who: Who) -> &mut Driver {
        match who {
            Who::Provider => &mut self.provider,
            Who::Publisher => &mut self.publisher,
        }
    }

    /// Whether frames get through.
    pub(super) fn is_connected(&self) -> bool {
        self.provider.linked && self.publisher.linked && self.cut == Cable::Whole
    }

    /// Whether a side can tell that its connection, whose other end is given, is no more.
    pub(super) fn is_felt(&self, other: &Driver) -> bool {
        match self.cut {
            Cable::Whole => !other.linked,
            Cable::Cut => true,
            Cable::Silent => false,
        }
    }
}
