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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::process::{getpid, kill_process, Signal};
    use zennet_primitives::AccountId;

    use super::*;
    use crate::{
        control::{Request, Verb},
        store::Store,
    };

    #[tokio::test]
    async fn ctrl_c_and_stop_end_an_order_and_other_signals_leave_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let registry = Registry::new(store, Arc::new(|_: &AccountId| String::new()));
        let mut ends = Ends::new(registry.clone()).unwrap();
        for (signal, ask) in
            [(Signal::TERM, Ask::Leave), (Signal::HUP, Ask::Leave), (Signal::INT, Ask::Interrupt)]
        {
            kill_process(getpid(), signal).unwrap();
            assert_eq!(ends.next().await, ask);
        }
        registry.answer(&Request { verb: Verb::Stop, machine: None, provider: None });
        assert_eq!(ends.next().await, Ask::Stop);
    }
}
