//! Clocks that leases run by.

use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds that never go back while a program runs, and begin at the Unix time, so that what
/// an earlier run stored means the same to a later one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    offset: u64,
}

/// A moment by this clock and by the time since the host was booted, which nobody can set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// Which boot, as the kernel names it.
    pub boot: String,
    /// Milliseconds since then.
    pub since_boot_ms: u64,
    /// Milliseconds of a [`Clock`].
    pub clock_ms: u64,
}

/// No deadline is waited for longer than ten years, which no clock overflows.
const LONGEST_MS: u64 = 10 * 366 * 24 * 3_600_000;

impl Clock {
    /// Starts at the Unix time.
    pub fn start() -> Self {
        Clock { origin: Instant::now(), offset: unix_ms() }
    }

    /// Goes on with the time of an earlier run: whatever was done to the system's clock meanwhile, as
    /// much has passed as did. After another boot only the system's clock knows.
    pub fn after(earlier: Option<&Anchor>) -> Self {
        let offset = earlier.zip(since_boot()).and_then(|(earlier, now)| later(earlier, &now));
        Clock { origin: Instant::now(), offset: offset.unwrap_or_else(unix_ms) }
    }

    /// What a later run needs to go on with this time; nothing where the kernel does not tell.
    pub fn anchor(&self) -> Option<Anchor> {
        let (boot, since_boot_ms) = since_boot()?;
        Some(Anchor { boot, since_boot_ms, clock_ms: self.now() })
    }

    /// The time, in milliseconds.
    pub fn now(&self) -> u64 {
        self.offset.saturating_add(millis(self.origin.elapsed()))
    }

    /// The moment of a deadline.
    pub fn instant(&self, deadline: u64) -> Instant {
        self.origin + Duration::from_millis(deadline.saturating_sub(self.offset).min(LONGEST_MS))
    }
}

/// The clock's time, a moment of the same boot later.
fn later(earlier: &Anchor, (boot, since_boot_ms): &(String, u64)) -> Option<u64> {
    let same = earlier.boot == *boot;
    let passed = since_boot_ms.checked_sub(earlier.since_boot_ms).filter(|_| same)?;
    earlier.clock_ms.checked_add(passed)
}

/// Which boot this is, and milliseconds since then, those of a suspended host included.
fn since_boot() -> Option<(String, u64)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    Some((boot.trim().to_owned(), uptime_ms(&uptime)?))
}

/// Reads seconds with two decimals, which come first.
fn uptime_ms(text: &str) -> Option<u64> {
    let (secs, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let hundredths: u64 = Some(hundredths).filter(|digits| digits.len() == 2)?.parse().ok()?;
    secs.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(hundredths * 10)
}

/// Time since 1970, as the system says.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970, as the system says.
pub fn unix_secs() -> u64 {
    unix_time().as_secs()
}

/// Milliseconds since 1970, as the system says.
pub fn unix_ms() -> u64 {
    millis(unix_time())
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_of_an_earlier_run_have_passed_and_endless_ones_do_not_overflow() {
        let clock = Clock::start();
        assert!(clock.instant(0) <= Instant::now());
        assert!(clock.instant(clock.now() + 60_000) > Instant::now());
        assert!(clock.instant(u64::MAX) > Instant::now());
    }

    #[test]
    fn a_clock_that_was_set_between_two_runs_changes_nothing_within_one_boot() {
        let earlier = Anchor { boot: "one".into(), since_boot_ms: 5_000, clock_ms: 1_000_000 };
        assert_eq!(later(&earlier, &("one".into(), 7_500)), Some(1_002_500));
        assert_eq!(later(&earlier, &("two".into(), 7_500)), None);
        // No moment of this boot, whoever wrote it.
        assert_eq!(later(&earlier, &("one".into(), 4_999)), None);
        let never = Anchor { clock_ms: u64::MAX, ..earlier };
        assert_eq!(later(&never, &("one".into(), 7_500)), None);
    }

    #[test]
    fn a_later_run_goes_on_with_the_time_that_has_passed() {
        let hour_ago = Clock { origin: Instant::now(), offset: unix_ms() - 3_600_000 };
        let anchor = hour_ago.anchor().expect("the kernel tells");
        let later = Clock::after(Some(&anchor)).now();
        // The kernel tells hundredths of a second.
        assert!(later + 10 >= anchor.clock_ms && later < anchor.clock_ms + 60_000, "{later}");
        let rebooted = Anchor { boot: "another".into(), ..anchor };
        assert!(Clock::after(Some(&rebooted)).now() + 60_000 > unix_ms());
        assert!(Clock::after(None).now() + 60_000 > unix_ms());
    }

    #[test]
    fn uptimes_are_read_and_nothing_else_is() {
        assert_eq!(uptime_ms("184467.04 35.10\n"), Some(184_467_040));
        for bad in ["", "1", "1.2 3", "-1.20", "x.20", "99999999999999999999.00"] {
            assert_eq!(uptime_ms(bad), None, "{bad}");
        }
    }
}
