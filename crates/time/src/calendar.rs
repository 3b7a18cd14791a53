//! Times as people read and write them, in UTC.

use thiserror::Error;

const DAY: u64 = 24 * 3600;

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no time: write a date such as 2026-01-31, a time ago such as 30d, 12h or 15m, or \
     seconds since 1970"
)]
pub struct NoTime(String);

/// A Unix time as date and time of day.
pub fn utc(secs: u64) -> String {
    let (year, month, day) = date(secs / DAY);
    let (hour, minute, second) = (secs % DAY / 3600, secs % 3600 / 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// A length of time in its two largest units.
pub fn length(secs: u64) -> String {
    match (secs / DAY, secs % DAY / 3600, secs % 3600 / 60) {
        (0, 0, 0) => format!("{secs}s"),
        (0, 0, minutes) => format!("{minutes}m {:02}s", secs % 60),
        (0, hours, minutes) => format!("{hours}h {minutes:02}m"),
        (days, hours, _) => format!("{days}d {hours:02}h"),
    }
}

/// Reads a date, a time ago or a Unix time; gives a Unix time.
pub fn since(text: &str, now: u64) -> Result<u64, NoTime> {
    let bad = || NoTime(text.into());
    if let Ok(secs) = text.parse() {
        return Ok(secs);
    }
    if let Some((number, unit)) = text.char_indices().last().map(|(at, unit)| (&text[..at], unit)) {
        let unit = match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3600),
            'd' => Some(DAY),
            'w' => Some(7 * DAY),
            _ => None,
        };
        if let (Some(unit), Ok(number)) = (unit, number.parse::<u64>()) {
            return Ok(now.saturating_sub(number.saturating_mul(unit)));
        }
    }
    let parts: Vec<u64> =
        text.split('-').map(|part| part.parse().map_err(|_| bad())).collect::<Result<_, _>>()?;
    let [year @ 1970..=9999, month @ 1..=12, day @ 1..=31] = parts[..] else { return Err(bad()) };
    let number = days_before(year, month) + day - 1;
    // The 31st of a shorter month is none.
    if date(number) != (year, month, day) {
        return Err(bad());
    }
    Ok(number * DAY)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + (1..month).map(|month| days_of(year, month)).sum::<u64>()
}

/// Year, month and day of a day's number since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // A year of 366 days is never longer than this guess, so at most a few steps are missing.
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_before(year, month + 1) <= days {
        month += 1;
    }
    (year, month, days - days_before(year, month) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(1_795_257_195), "2026-11-21 10:33:15");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00");
        assert_eq!(utc(1_798_761_599), "2026-12-31 23:59:59");
    }

    #[test]
    fn dates_ages_and_unix_times_are_read() {
        let now = 1_795_257_195;
        assert_eq!(since("2026-11-21", now), Ok(1_795_219_200));
        assert_eq!(since("1970-01-01", now), Ok(0));
        assert_eq!(since("2d", now), Ok(now - 2 * DAY));
        assert_eq!(since("15m", now), Ok(now - 900));
        assert_eq!(since("12345", now), Ok(12345));
        for bad in ["", "d", "2x", "2026-02-29", "2026-13-01", "2026-1", "-1", "1969-01-01"] {
            assert_eq!(since(bad, now), Err(NoTime(bad.into())), "{bad}");
        }
    }

    #[test]
    fn lengths_have_two_units() {
        let texts = [length(7), length(67), length(3_660), length(90_000)];
        assert_eq!(texts, ["7s", "1m 07s", "1h 01m", "1d 01h"]);
    }
}
