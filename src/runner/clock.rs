//! The engine's points in time (RFC 3339, always UTC), and the machine's start.

use std::fs;

use crate::model::Timestamp;

/// `2026-11-21T03:48:58.123456789Z`. `None` for anything else, and for the year 1, by which the engine
/// says "never".
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    (year > 1).then(|| Timestamp::from_millis(seconds * 1000 + millis))
}

/// Days since 1970-01-01 in the Gregorian calendar: years counted from March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// When this machine started.
pub(super) fn boot() -> Option<Timestamp> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds: i64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Timestamp::from_millis(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_times_are_read() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(Timestamp::from_millis(0)));
        assert_eq!(parse("2024-02-29T12:34:56.789123456Z"), Some(Timestamp::from_millis(1_709_210_096_789)));
        assert_eq!(parse("2026-11-21T03:48:58.5Z"), Some(Timestamp::from_millis(1_795_232_938_500)));
        for text in ["0001-01-01T00:00:00Z", "", "2024-02-29", "yesterday"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
