//! Dates: the INTERNALDATE form, SEARCH dates, and the Date header (RFC 3501 `date-time` and `date`, RFC 5322 3.3).
//!
//! A moment is seconds since 1970 UTC plus the zone it was written in, so that it comes back as it was given.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment with the zone in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub zone_minutes: i16,
}

impl InternalDate {
    /// The local date and time in its own zone; the epoch when out of the calendar's range.
    fn local(self) -> DateTime {
        let offset = Offset::from_seconds(i32::from(self.zone_minutes) * 60).unwrap_or(Offset::UTC);
        match jiff::Timestamp::from_second(self.seconds) {
            Ok(ts) => offset.to_datetime(ts),
            Err(_) => DateTime::constant(1970, 1, 1, 0, 0, 0, 0),
        }
    }

    /// The date in its own zone, as the SEARCH keys BEFORE, ON and SINCE compare it.
    pub fn date(self) -> Date {
        self.local().date()
    }

    /// From the parts of a `date-time`; `None` when no such moment exists.
    pub fn from_parts(date: Date, h: i8, m: i8, s: i8, zone_minutes: i16) -> Option<Self> {
        if !(-1439..=1439).contains(&zone_minutes) || !(0..=23).contains(&h) || !(0..=59).contains(&m) {
            return None;
        }
        // A leap second is shown as the second before it.
        let s = if s == 60 { 59 } else { s };
        let local = DateTime::new(date.year(), date.month(), date.day(), h, m, s, 0).ok()?;
        let offset = Offset::from_seconds(i32::from(zone_minutes) * 60).ok()?;
        let seconds = offset.to_timestamp(local).ok()?.as_second();
        Some(Self { seconds, zone_minutes })
    }
}

impl fmt::Display for InternalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.local();
        let (sign, z) =
            if self.zone_minutes < 0 { ('-', -self.zone_minutes) } else { ('+', self.zone_minutes) };
        write!(
            f,
            "{:2}-{}-{:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            t.day(),
            MONTHS[usize::from(t.month().unsigned_abs()) - 1],
            t.year(),
            t.hour(),
            t.minute(),
            t.second(),
            z / 60,
            z % 60
        )
    }
}

/// The month of a three-letter English name, in any case.
pub fn month(name: &[u8]) -> Option<i8> {
    MONTHS.iter().position(|m| m.as_bytes().eq_ignore_ascii_case(name)).and_then(|i| i8::try_from(i + 1).ok())
}

/// The calendar date of a Date header, without regard to time and zone (the SENT keys).
///
/// Broken headers are common, so all that is asked for is a day, a month name and a year in that order.
pub fn header_date(value: &str) -> Option<Date> {
    let value = value.split_once(',').map_or(value, |(_, rest)| rest);
    let mut words = value.split([' ', '\t', '-', '\r', '\n']).filter(|w| !w.is_empty());
    let day: i8 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = month(name.get(..3)?.as_bytes())?;
    let digits = words.next()?;
    let year: i16 = digits.parse().ok()?;
    let year = match (digits.len(), year) {
        (2, 0..=49) => year + 2000,
        (2 | 3, _) => year + 1900,
        _ => year,
    };
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shown_as_given() {
        let d = InternalDate::from_parts(Date::constant(1996, 7, 17), 2, 44, 25, -420).unwrap();
        assert_eq!(d.to_string(), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(d.date(), Date::constant(1996, 7, 17));
        let d = InternalDate::from_parts(Date::constant(2024, 2, 1), 0, 0, 60, 90).unwrap();
        assert_eq!(d.to_string(), " 1-Feb-2024 00:00:59 +0130");
        assert!(InternalDate::from_parts(Date::constant(2024, 2, 1), 24, 0, 0, 0).is_none());
    }

    #[test]
    fn header_dates() {
        assert_eq!(header_date("Mon, 7 Feb 1994 21:52:25 -0800 (PST)"), Some(Date::constant(1994, 2, 7)));
        assert_eq!(header_date("26 May 94 16:30:17 EDT"), Some(Date::constant(1994, 5, 26)));
        assert_eq!(header_date("yesterday"), None);
        assert_eq!(header_date("31 Feb 2020"), None);
    }

    proptest! {
        #[test]
        fn never_fails_to_show(seconds in any::<i64>(), zone_minutes in any::<i16>()) {
            let text = InternalDate { seconds, zone_minutes }.to_string();
            prop_assert!(text.len() >= 26);
        }
    }
}
