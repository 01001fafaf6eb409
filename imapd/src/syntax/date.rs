//! Dates: the INTERNALDATE form, SEARCH dates, and the Date header (RFC 3501 `date-time` and `date`, RFC 5322 3.3).
//!
//! A moment is seconds since 1970 UTC plus the zone it was written in, so that it comes back as it was given.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

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

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Farthest from Greenwich that four digits can say.
const MAX_ZONE: i16 = 23 * 60 + 59;

impl InternalDate {
    /// Its zone; UTC when that is none.
    fn zone(self) -> i16 {
        if (-MAX_ZONE..=MAX_ZONE).contains(&self.zone_minutes) { self.zone_minutes } else { 0 }
    }

    /// The local date and time in its own zone; the epoch when out of the calendar's range.
    fn local(self) -> DateTime {
        let seconds = self.seconds.saturating_add(i64::from(self.zone()) * 60);
        EPOCH.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(EPOCH)
    }

    /// The date in its own zone, as the SEARCH keys BEFORE, ON and SINCE compare it.
    pub fn date(self) -> Date {
        self.local().date()
    }

    /// From the parts of a `date-time`; `None` when no such moment exists.
    pub fn from_parts(date: Date, h: i8, m: i8, s: i8, zone_minutes: i16) -> Option<Self> {
        if !(-MAX_ZONE..=MAX_ZONE).contains(&zone_minutes) || !(0..=23).contains(&h) || !(0..=59).contains(&m)
        {
            return None;
        }
        // A leap second is shown as the second before it.
        let s = if s == 60 { 59 } else { s };
        let local = DateTime::new(date.year(), date.month(), date.day(), h, m, s, 0).ok()?;
        Some(Self { seconds: seconds_of(local) - i64::from(zone_minutes) * 60, zone_minutes })
    }
}

impl fmt::Display for InternalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.local();
        let (sign, z) = if self.zone() < 0 { ('-', -self.zone()) } else { ('+', self.zone()) };
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

/// Seconds since 1970 of a date and time in UTC. Those of the library end a day before the year 9999 does.
fn seconds_of(utc: DateTime) -> i64 {
    utc.duration_since(EPOCH).as_secs()
}

/// The month of a three-letter English name, in any case.
pub fn month(name: &[u8]) -> Option<i8> {
    MONTHS.iter().position(|m| m.as_bytes().eq_ignore_ascii_case(name)).and_then(|i| i8::try_from(i + 1).ok())
}

/// The calendar date of a Date header, without regard to time and zone (the SENT keys).
///
/// Broken headers are common, so all that is asked for is a day, a month name and a year in that order, or a date as C programs show
/// it (`ctime`): month name, day, time, and the year at the end.
pub fn header_date(value: &str) -> Option<Date> {
    moment(&without_comments(value)).map(|(date, ..)| date)
}

/// The moment of a Date header, in seconds since 1970 UTC. A time that is none is midnight, a zone that is none UTC (RFC 5256 section
/// 2.2); zones of letters that RFC 5322 section 4.3 does not name are none.
pub fn header_moment(value: &str) -> Option<i64> {
    let text = without_comments(value);
    let (date, seconds, zone) = moment(&text)?;
    Some(seconds_of(date.to_datetime(jiff::civil::Time::midnight())) + seconds - zone)
}

/// A date, the seconds of its day, and how far its zone is east of Greenwich.
fn moment(text: &str) -> Option<(Date, i64, i64)> {
    let Some((date, rest)) = day_and_rest(text) else { return ctime(text) };
    let (seconds, zone) = match time(rest) {
        Some((seconds, after)) => (seconds, after.split_ascii_whitespace().next()),
        None => (0, rest.split_ascii_whitespace().last()),
    };
    Some((date, seconds, zone.and_then(zone_seconds).unwrap_or(0)))
}

/// The same of `Tue Jun  3 10:00:00 1997`; a zone may stand before the year or behind it.
fn ctime(text: &str) -> Option<(Date, i64, i64)> {
    let month_of = |word: &str| month(word.get(..3)?.as_bytes());
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    let month = month_of(first).or_else(|| month_of(words.next()?))?;
    let day: i8 = words.next()?.parse().ok()?;
    let (seconds, _) = time(words.next()?).filter(|(_, rest)| rest.is_empty())?;
    let is_year = |word: &&str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    let year: i16 = words.clone().find(is_year)?.parse().ok()?;
    Some((Date::new(year, month, day).ok()?, seconds, words.find_map(zone_seconds).unwrap_or(0)))
}

/// A value with a blank for each comment; what follows one that does not end is part of it.
fn without_comments(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut depth = 0u32;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => {
                depth += 1;
                out.push(' ');
            }
            ')' if depth > 0 => depth -= 1,
            '\\' if depth > 0 => drop(chars.next()),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Day, month and year behind the day of the week, and what follows them.
fn day_and_rest(text: &str) -> Option<(Date, &str)> {
    let mut rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut word = || {
        let separator = [' ', '\t', '-', '\r', '\n'];
        let from = rest.trim_start_matches(separator);
        let (word, after) = from.split_at(from.find(separator).unwrap_or(from.len()));
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    let day: i8 = word()?.parse().ok()?;
    let month = month(word()?.get(..3)?.as_bytes())?;
    let digits = word()?;
    let year: i16 = digits.parse().ok()?;
    let year = match (digits.len(), year) {
        (2, 0..=49) => year + 2000,
        (2 | 3, _) => year + 1900,
        _ => year,
    };
    Some((Date::new(year, month, day).ok()?, rest))
}

/// The seconds of a day and what follows them, from `hh:mm` or `hh:mm:ss`, blanks between them as RFC 5322 section 4.3 has it.
fn time(text: &str) -> Option<(i64, &str)> {
    let number = |text: &str, most: i64| -> Option<(i64, usize)> {
        let start = text.len() - text.trim_ascii_start().len();
        let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        let number =
            text[start..start + digits].parse().ok().filter(|n| (1..=2).contains(&digits) && *n <= most)?;
        Some((number, start + digits))
    };
    let (hours, used) = number(text, 23)?;
    let rest = text[used..].trim_ascii_start().strip_prefix(':')?;
    let (minutes, used) = number(rest, 59)?;
    let rest = &rest[used..];
    let (seconds, rest) = match rest.trim_ascii_start().strip_prefix(':') {
        Some(rest) => number(rest, 60).map(|(seconds, used)| (seconds, &rest[used..]))?,
        None => (0, rest),
    };
    Some((hours * 3600 + minutes * 60 + seconds, rest))
}

/// How far a zone is east of Greenwich; `None` for what is none.
fn zone_seconds(zone: &str) -> Option<i64> {
    const NAMES: [(&str, i64); 10] = [
        ("UT", 0),
        ("GMT", 0),
        ("EDT", -4),
        ("EST", -5),
        ("CDT", -5),
        ("CST", -6),
        ("MDT", -6),
        ("MST", -7),
        ("PDT", -7),
        ("PST", -8),
    ];
    if let Some((_, hours)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)) {
        return Some(hours * 3600);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    (minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
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
    fn all_years_of_four_digits_in_all_zones() {
        for zone in [-MAX_ZONE, 0, MAX_ZONE] {
            for (year, month, day, shown) in
                [(0, 1, 1, " 1-Jan-0000 23:59:59"), (9999, 12, 31, "31-Dec-9999 23:59:59")]
            {
                let date = Date::constant(year, month, day);
                let moment = InternalDate::from_parts(date, 23, 59, 59, zone).unwrap();
                assert!(moment.to_string().starts_with(shown), "{moment} {zone}");
                assert_eq!(moment.date(), date);
            }
        }
        assert_eq!(header_moment("31 Dec 9999 23:59:59 -1200"), Some(253_402_300_799 + 43_200));
    }

    #[test]
    fn header_dates() {
        assert_eq!(header_date("Mon, 7 Feb 1994 21:52:25 -0800 (PST)"), Some(Date::constant(1994, 2, 7)));
        assert_eq!(header_date("26 May 94 16:30:17 EDT"), Some(Date::constant(1994, 5, 26)));
        assert_eq!(header_date("yesterday"), None);
        assert_eq!(header_date("31 Feb 2020"), None);
        assert_eq!(
            header_date("Mon (1, or so), 7 (seventh \\) (of)) Feb 1994"),
            Some(Date::constant(1994, 2, 7))
        );
        assert_eq!(header_date("7 Feb (1994"), None);
        assert_eq!(header_date("Tue Jun  3 10:00:00 1997"), Some(Date::constant(1997, 6, 3)));
        for none in [
            "Tue Jun 3 10:00:00",
            "Tue Jun 31 10:00:00 1997",
            "Jun 3 1997",
            "Tue Jun x 10:00:00 1997",
            "Jun 3 10:00:00x 1997",
        ] {
            assert_eq!(header_date(none), None, "{none}");
        }
    }

    #[test]
    fn header_moments() {
        const DAY: i64 = 978_307_200;
        assert_eq!(
            header_moment("Thu,      13\r\n Feb 1969 23:32 -0330 (Newfoundland Time)"),
            Some(-27_723_480)
        );
        for (text, seconds) in [
            ("1 Jan 2001 00:01:33 +0000", 93),
            ("31 Dec 2000 16:01:33 -0800", 93),
            ("31 Dec 2000 16:01:33 PST", 93),
            ("Mon, 1 Jan 01 00 (x) : 01 :33 UT", 93),
            ("1 Jan 2001 5:30 +0530", 0),
            ("1 Jan 2001 00:01:60 gmt", 120),
            // Military zones, names that nobody knows, and zones that are none.
            ("1 Jan 2001 00:01 A", 60),
            ("1 Jan 2001 00:01 CET", 60),
            ("1 Jan 2001 00:01 +0160", 60),
            ("1 Jan 2001 00:01 +100", 60),
            ("1 Jan 2001 00:01", 60),
            // Times that are none.
            ("1 Jan 2001", 0),
            ("1 Jan 2001 24:00:00 +0000", 0),
            ("1 Jan 2001 10:60:00 -0100", 3600),
            ("1 Jan 2001 10:20:61 XYZ", 0),
            ("1 Jan 2001 noon", 0),
            // As C programs show it.
            ("Mon Jan  1 00:01:33 2001", 93),
            ("mon, january 1 00:01 2001", 60),
            ("Jan 1 00:01:33 2001", 93),
            ("Sun Dec 31 16:01:33 PST 2000", 93),
            ("Mon Jan  1 05:31:33 2001 +0530", 93),
            ("Mon Jan  1 00:01:33 MET DST 2001", 93),
        ] {
            assert_eq!(header_moment(text), Some(DAY + seconds), "{text}");
        }
        assert_eq!(header_moment("31 Feb 2001 00:00:00 +0000"), None);
        assert_eq!(header_moment("soon"), None);
    }

    proptest! {
        #[test]
        fn any_date_header(value in ".{0,40}|[A-Z][a-z]{2} Ju[ln]  ?[0-9]{1,2} [0-9:]{0,8} [0-9A-Z+ ]{0,10}|[0-9]{1,3}[ -][Jj]an[ -][0-9]{1,5} [0-9:. +(-]{0,16}\\PC{0,3}") {
            let _ = (header_date(&value), header_moment(&value));
        }

        #[test]
        fn never_fails_to_show(seconds in any::<i64>(), zone_minutes in any::<i16>()) {
            let text = InternalDate { seconds, zone_minutes }.to_string();
            prop_assert!(text.len() >= 26);
        }

        #[test]
        fn a_zone_that_is_none_is_utc(seconds in any::<i32>(), beyond in 1440i16..=i16::MAX, sign: bool) {
            let zone_minutes = if sign { beyond } else { -beyond - 1 };
            let shown = InternalDate { seconds: seconds.into(), zone_minutes }.to_string();
            prop_assert_eq!(shown, InternalDate { seconds: seconds.into(), zone_minutes: 0 }.to_string());
        }
    }
}
