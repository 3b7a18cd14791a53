//! How an order is asked to end, or to be left.

use std::io;

use tokio::signal::unix::{signal, Signal, SignalKind};

use crate::control::registry::Registry;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// Ctrl-C: to end it; once more, to leave at once.
    Interrupt,
    /// `stop`: to end it.
    Stop,
    /// SIGTERM, or the terminal is gone: to leave everything as it is, as an orderly reboot does.
    Leave,
}

/// Signals, and the control socket.
pub(crate) struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    registry: Registry,
}

impl Ends {
    /// From now on no signal ends the program by itself.
    pub(crate) fn new(registry: Registry) -> io::Result<Self> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            registry,
        })
    }

    /// The next wish. A reboot may send several signals at once.
    pub(crate) async fn next(&mut self) -> Ask {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Ask::Leave,
            _ = self.hangup.recv() => Ask::Leave,
            _ = self.interrupt.recv() => Ask::Interrupt,
            () = self.registry.asked_to_end() => Ask::Stop,
        }
    }
}
