//! Tells events: to the user, and into the folder's log.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::Instant,
};

use anyhow::Result;

use crate::{
    event_log::EventLog, events::Event, failure::exit_code, order::report::Totals, output::Out,
};

/// Tells the events of one run.
#[derive(Clone)]
pub(crate) struct Teller {
    out: Out,
    log: EventLog,
    begin: Instant,
}

impl Teller {
    /// Begins to count time.
    pub(crate) fn new(out: Out, log: EventLog) -> Self {
        Teller { out, log, begin: Instant::now() }
    }

    /// Seconds since the run began.
    pub(crate) fn secs(&self) -> f64 {
        self.since(Instant::now())
    }

    /// Seconds from the begin of the run to a moment.
    pub(crate) fn since(&self, at: Instant) -> f64 {
        let secs = at.saturating_duration_since(self.begin).as_secs_f64();
        (secs * 1000.0).round() / 1000.0
    }

    /// Tells an event: data to stdout, status to stderr, both to the log.
    ///
    /// Nobody may be listening any more, or the disk be full; the leases go on all the same.
    pub(crate) fn tell(&self, event: &Event) {
        self.keep(event);
        if self.out.json || event.is_data() {
            if let Err(error) = self.out.data(event) {
                tracing::debug!(%error, "cannot print an event");
            }
            return;
        }
        timed(self.secs(), event);
    }

    /// Tells that the order is over. One that never began is told of in the log alone.
    pub(crate) fn finished(&self, totals: Option<Totals>, outcome: &Result<()>) {
        let error = outcome.as_ref().err();
        let Totals { settled, unsettled, paid } = totals.unwrap_or_default();
        let event = Event::Finished {
            settled,
            unsettled,
            paid,
            secs: self.secs(),
            exit_code: error.map_or(0, exit_code),
            error: error.map(|error| format!("{error:#}")),
        };
        match totals {
            Some(_) => self.tell(&event),
            None => self.keep(&event),
        }
    }

    fn keep(&self, event: &Event) {
        if let Err(error) = self.log.add(event) {
            tracing::warn!(%error, "cannot write an event to the log");
        }
    }

    /// Tells a person what there is to do, where one reads.
    pub(crate) fn hint(&self, hint: &str) {
        if !self.out.json {
            status(format_args!("{hint}"));
        }
    }
}

/// Writes what happened to stderr, and when.
pub(crate) fn timed(secs: f64, what: impl fmt::Display) {
    let dim = io::stderr().is_terminal();
    let (on, off) = if dim { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    status(format_args!("{on}{secs:7.1}s{off}  {what}"));
}

/// Writes a line of status; a terminal that is gone is no reason to stop.
pub(crate) fn status(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
