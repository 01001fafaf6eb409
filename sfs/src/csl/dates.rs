//! Dates and times as routines return them in characters.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Stamp;

/// SHORTDATE, FULLDATE or ISODATE. Source: DMSOPDBK, DMSCLOSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateFormat {
    /// SHORTDATE: yy/mm/dd.
    #[default]
    Short,
    /// FULLDATE: yyyy/mm/dd.
    Full,
    /// ISODATE: yyyy-mm-dd.
    Iso,
}

impl DateFormat {
    /// Date and time (hh:mm:ss) of a moment in that time zone, which is CMS's local one.
    pub fn date_time(self, when: Stamp, zone: &TimeZone) -> (String, String) {
        // A stamp beyond what a calendar has does not come from a file.
        let when = Timestamp::from_microsecond(when.0).unwrap_or_default().to_zoned(zone.clone());
        let date = match self {
            Self::Short => "%y/%m/%d",
            Self::Full => "%Y/%m/%d",
            Self::Iso => "%Y-%m-%d",
        };
        (when.strftime(date).to_string(), when.strftime("%H:%M:%S").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_three_forms() {
        let noon = Stamp(951_825_600_000_000);
        let shown = |format: DateFormat| format.date_time(noon, &TimeZone::UTC);
        assert_eq!(shown(DateFormat::Short), ("00/02/29".into(), "12:00:00".into()));
        assert_eq!(shown(DateFormat::Full).0, "2000/02/29");
        assert_eq!(shown(DateFormat::Iso).0, "2000-02-29");
        let zone = TimeZone::fixed(jiff::tz::offset(-13));
        assert_eq!(DateFormat::Iso.date_time(noon, &zone), ("2000-02-28".into(), "23:00:00".into()));
        assert_eq!(DateFormat::default().date_time(Stamp(i64::MAX), &TimeZone::UTC).0, "70/01/01");
    }
}
