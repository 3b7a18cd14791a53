//! How the daemon ends, and who tells it so.

use tokio::{
    signal::unix::{signal, SignalKind},
    sync::watch,
};
use tracing::info;

/// What is to become of the leases. A later value is never taken back to an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Ending {
    /// The daemon serves.
    #[default]
    None,
    /// No new lease; those that run end after the notice that was agreed on.
    Leave,
    /// The daemon goes, its machines stay frozen for its next start.
    Away,
    /// All leases end now.
    Stop,
}

/// Where the ending is read; clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Endings(watch::Receiver<Ending>);

/// Where it is said.
#[derive(Clone, Debug)]
pub(crate) struct Teller(watch::Sender<Ending>);

/// A pair of both.
pub(crate) fn endings() -> (Teller, Endings) {
    let (teller, endings) = watch::channel(Ending::None);
    (Teller(teller), Endings(endings))
}

impl Teller {
    /// Says it; whether it is news.
    pub(crate) fn tell(&self, ending: Ending) -> bool {
        self.0.send_if_modified(|before| {
            let is_later = ending > *before;
            *before = ending.max(*before);
            is_later
        })
    }
}

impl Endings {
    /// What was said last.
    pub(crate) fn get(&self) -> Ending {
        *self.0.borrow()
    }

    /// Waits until the daemon is to end in any way.
    pub(crate) async fn begun(&mut self) {
        self.beyond(Ending::None).await;
    }

    /// Waits until more than this was said.
    pub(crate) async fn beyond(&mut self, known: Ending) -> Ending {
        // A daemon without its teller is ending as well.
        self.0.wait_for(|ending| *ending > known).await.map_or(Ending::Stop, |ending| *ending)
    }
}

/// Ctrl-C ends all leases, and a second one the daemon at once. SIGTERM leaves the leases to the
/// next start: supervisors send it at each restart and before the host goes down.
pub(crate) fn listen_to_signals(teller: Teller) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => {
                    if !teller.tell(Ending::Stop) {
                        std::process::exit(130);
                    }
                    info!("asked to end: all leases end; Ctrl-C once more ends at once");
                }
                _ = terminations.recv() => {
                    if teller.tell(Ending::Away) {
                        info!("asked to go: machines are frozen until the next start");
                    }
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_said_is_never_taken_back() {
        let (teller, mut endings) = endings();
        assert_eq!(endings.get(), Ending::None);
        assert!(teller.tell(Ending::Away));
        assert_eq!(endings.beyond(Ending::Leave).await, Ending::Away);
        assert!(!teller.tell(Ending::Leave) && !teller.tell(Ending::Away));
        assert!(teller.tell(Ending::Stop));
        assert_eq!(endings.get(), Ending::Stop);
        drop(teller);
        endings.begun().await;
        assert_eq!(endings.beyond(Ending::Stop).await, Ending::Stop);
    }
}
