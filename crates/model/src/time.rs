//! Time: milliseconds, the steps at which metrics are kept, and their buckets.
//!
//! A bucket is named by the minute at which it starts, counted from 1970 in UTC. Minute buckets are the same everywhere; hours
//! and days are those of the configured [`Zone`], so an hour of a zone at +05:30 starts at half past.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. May be negative where an agent sent nonsense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The minute this moment lies in; `None` before 1970 and after the year 9999, which no bucket can name.
    pub fn minute(self) -> Option<Bucket> {
        if !(0..=MAX_MILLIS).contains(&self.0) {
            return None;
        }
        u32::try_from(self.0 / 60_000).ok().map(Bucket)
    }

    /// This moment and `millis` more (or fewer), without overflow.
    #[must_use]
    pub fn plus(self, millis: i64) -> UnixMillis {
        UnixMillis(self.0.saturating_add(millis))
    }
}

/// 9999-12-30T00:00:00Z: one day inside what calendars can express, so that any zone can show it.
const MAX_MILLIS: i64 = 253_402_128_000_000;

/// The start of a minute, hour or day, in minutes since 1970 (UTC). A life row has bucket 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(pub u32);

impl Bucket {
    /// The first millisecond of the bucket.
    pub fn start(self) -> UnixMillis {
        UnixMillis(i64::from(self.0) * 60_000)
    }
}

/// How long a row covers. `Life` rows have no bucket: they hold what an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// One minute, UTC.
    Minute,
    /// One hour of the zone.
    Hour,
    /// One day of the zone. Counts as 1,440 minutes, also on the two days a year that are longer or shorter.
    Day,
    /// No bucket.
    Life,
}

impl Step {
    /// Every step, in the order of their length.
    pub const ALL: [Step; 4] = [Step::Minute, Step::Hour, Step::Day, Step::Life];

    /// Minutes by which a rate is divided: 1, 60, 1,440 (analysis: `cpm` of an hour is its total / 60). `Life` answers 1.
    pub fn minutes(self) -> i64 {
        match self {
            Step::Minute | Step::Life => 1,
            Step::Hour => 60,
            Step::Day => 1_440,
        }
    }

    /// The step's number on disk.
    pub fn code(self) -> u8 {
        match self {
            Step::Minute => 0,
            Step::Hour => 1,
            Step::Day => 2,
            Step::Life => 3,
        }
    }
}

/// The time zone of hour and day buckets and of every time that a client writes or reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// A zone name that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown time zone {0:?}: use an IANA name such as Europe/Berlin, or UTC")]
pub struct UnknownZone(String);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Zone(TimeZone::UTC)
    }

    /// The machine's zone; UTC where it names none.
    pub fn system() -> Self {
        Zone(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// The zone of an IANA name. Errors with a sentence that says what is expected.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        TimeZone::get(name).map(Zone).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// The zone's IANA name, or its offset where it has none.
    pub fn name(&self) -> String {
        match self.0.iana_name() {
            Some(name) => name.to_owned(),
            None => self.offset_text(UnixMillis(0)),
        }
    }

    /// The bucket of `step` that holds the minute. A life row's bucket is 0.
    pub fn bucket(&self, step: Step, minute: Bucket) -> Bucket {
        match step {
            Step::Minute => minute,
            Step::Life => Bucket(0),
            Step::Hour => self.floor(minute, |t| civil::date(t.year(), t.month(), t.day()).at(t.hour(), 0, 0, 0)),
            Step::Day => self.floor(minute, |t| civil::date(t.year(), t.month(), t.day()).at(0, 0, 0, 0)),
        }
    }

    fn floor(&self, minute: Bucket, to: impl Fn(civil::DateTime) -> civil::DateTime) -> Bucket {
        let local = self.civil(minute.start());
        self.start_of(to(local)).map_or(minute, |b| b.min(minute))
    }

    /// The bucket after this one.
    pub fn next(&self, step: Step, bucket: Bucket) -> Bucket {
        let local = self.civil(bucket.start());
        let next = match step {
            Step::Minute | Step::Life => return Bucket(bucket.0.saturating_add(1)),
            Step::Hour => return self.next_hour(bucket),
            Step::Day => local.date().checked_add(1.day()).map(|d| d.at(0, 0, 0, 0)),
        };
        next.ok().and_then(|t| self.start_of(t)).unwrap_or(Bucket(u32::MAX))
    }

    /// Goes by real hours and rounds down again, since clocks skip hours and repeat them: a repeated one is one bucket with its first.
    fn next_hour(&self, bucket: Bucket) -> Bucket {
        let hours = (1..=3).map(|n| self.bucket(Step::Hour, Bucket(bucket.0.saturating_add(n * 60))));
        hours.into_iter().find(|next| *next > bucket).unwrap_or(Bucket(u32::MAX))
    }

    /// The zone's wall clock at a moment; moments outside the calendar read as its nearest end.
    pub fn civil(&self, at: UnixMillis) -> civil::DateTime {
        let millis = at.0.clamp(0, MAX_MILLIS);
        let stamp = Timestamp::from_millisecond(millis).expect("clamped to the calendar");
        self.0.to_datetime(stamp)
    }

    /// The moment at which the zone's wall clock shows `local`; the earlier one where clocks repeat it. `None` before 1970.
    pub fn instant(&self, local: civil::DateTime) -> Option<UnixMillis> {
        let stamp = self.0.to_ambiguous_timestamp(local).compatible().ok()?;
        let millis = stamp.as_millisecond();
        (millis >= 0).then_some(UnixMillis(millis))
    }

    fn start_of(&self, local: civil::DateTime) -> Option<Bucket> {
        self.instant(local).and_then(UnixMillis::minute)
    }

    /// The offset at a moment as clients read it: `+0800`.
    pub fn offset_text(&self, at: UnixMillis) -> String {
        let stamp = Timestamp::from_millisecond(at.0.clamp(0, MAX_MILLIS)).expect("clamped to the calendar");
        let seconds = self.0.to_offset(stamp).seconds();
        let (sign, abs) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
        format!("{sign}{:02}{:02}", abs / 3_600, abs % 3_600 / 60)
    }

    /// The bucket as the field writes it: `yyyyMMddHHmm`, `yyyyMMddHH` or `yyyyMMdd` in this zone; a life row's is `0`.
    pub fn bucket_text(&self, step: Step, bucket: Bucket) -> String {
        let t = self.civil(bucket.start());
        let day = format!("{:04}{:02}{:02}", t.year(), t.month(), t.day());
        match step {
            Step::Minute => format!("{day}{:02}{:02}", t.hour(), t.minute()),
            Step::Hour => format!("{day}{:02}", t.hour()),
            Step::Day => day,
            Step::Life => "0".to_owned(),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn check(zone: &str, millis: i64, expected: expect_test::Expect) {
        let zone = Zone::named(zone).unwrap();
        let minute = UnixMillis(millis).minute().unwrap();
        let text = Step::ALL[..3].iter().map(|&s| zone.bucket_text(s, zone.bucket(s, minute))).collect::<Vec<_>>();
        expected.assert_eq(&format!("{} {}", text.join(" "), zone.offset_text(UnixMillis(millis))));
    }

    #[test]
    fn buckets_follow_the_zone() {
        check("UTC", 1_705_320_059_950, expect!["202401151200 2024011512 20240115 +0000"]);
        check("Asia/Shanghai", 1_705_320_059_950, expect!["202401152000 2024011520 20240115 +0800"]);
        check("Asia/Kolkata", 1_705_320_059_950, expect!["202401151730 2024011517 20240115 +0530"]);
        check("America/New_York", 1_705_291_200_000, expect!["202401142300 2024011423 20240114 -0500"]);
    }

    #[test]
    fn moments_no_bucket_can_name_have_none() {
        assert_eq!(UnixMillis(-1).minute(), None);
        assert_eq!(UnixMillis(i64::MAX).minute(), None);
        assert_eq!(UnixMillis(0).minute(), Some(Bucket(0)));
    }

    #[test]
    fn an_hour_that_clocks_repeat_is_one_bucket_of_two() {
        let zone = Zone::named("America/New_York").unwrap();
        // 2024-11-03: at 06:00 UTC the clocks go from 02:00 back to 01:00.
        let one = Bucket(28_843_500);
        assert_eq!(zone.civil(one.start()).to_string(), "2024-11-03T01:00:00");
        for minute in 0..120 {
            assert_eq!(zone.bucket(Step::Hour, Bucket(one.0 + minute)), one, "{minute}");
        }
        assert_eq!(zone.next(Step::Hour, one), Bucket(one.0 + 120));
        assert_eq!(zone.next(Step::Hour, Bucket(one.0 - 60)), one);
    }

    const ZONES: &[&str] = &["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

    proptest! {
        #[test]
        fn a_bucket_holds_its_minute_and_the_next_one_starts_after(
            minute in 0u32..60_000_000, zone in prop::sample::select(ZONES),
        ) {
            let zone = Zone::named(zone).unwrap();
            for step in [Step::Minute, Step::Hour, Step::Day] {
                let bucket = zone.bucket(step, Bucket(minute));
                prop_assert!(bucket.0 <= minute);
                prop_assert_eq!(zone.bucket(step, bucket), bucket);
                prop_assert!(zone.next(step, bucket).0 > minute, "{:?} {:?}", step, bucket);
            }
        }
    }
}
