//! Turns what FRAME calls a defensive failure, and only logs in a release build, into a panic.

use std::{cell::Cell, sync::OnceLock};

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

static INSTALLED: OnceLock<bool> = OnceLock::new();

struct Alarm;

impl log::Log for Alarm {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.target() == "runtime::defensive"
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) && ARMED.get() {
            panic!("{}", record.args());
        }
    }

    fn flush(&self) {}
}

/// From now on this thread panics where a pallet meets what cannot be.
pub(super) fn arm() {
    let installed = INSTALLED.get_or_init(|| {
        log::set_max_level(log::LevelFilter::Error);
        log::set_logger(&Alarm).is_ok()
    });
    assert!(installed, "another logger is there, which defensive failures would go to unseen");
    ARMED.set(true);
}

#[test]
#[should_panic(expected = "a defensive failure has been triggered")]
fn a_defensive_failure_is_noticed() {
    arm();
    let nothing: Option<()> = frame_support::traits::Defensive::defensive(None);
    assert_eq!(nothing, None);
}
