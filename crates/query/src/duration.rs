//! Durations: the ranges of time in queries, as text in the server's zone.

use jiff::{ToSpan, civil::DateTime};
use model::{Bucket, Step, UnixMillis, Zone};

use crate::{
    Error,
    schema::common::{Duration, Step as WireStep},
};

/// How many points a series may have.
pub(crate) const MAX_POINTS: usize = 500;

/// A range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The step of metrics. A duration in seconds reads minutes: metrics know nothing shorter.
    pub(crate) step: Step,
    /// The bucket of the start.
    pub(crate) first: Bucket,
    /// The bucket of the end.
    pub(crate) last: Bucket,
    /// The first millisecond.
    pub(crate) start: UnixMillis,
    /// The last millisecond: the end's second, minute, hour or day belongs to the range.
    pub(crate) end: UnixMillis,
}

/// Reads a duration. Between the digits, `-`, `:` and spaces are passed over.
///
/// # Errors
/// When either end is no time of the step's form, or lies before 1970.
pub(crate) fn parse(duration: &Duration, zone: &Zone) -> Result<Range, Error> {
    let start = local(&duration.start, duration.step)?;
    let end = local(&duration.end, duration.step)?;
    let last_moment = match duration.step {
        WireStep::Day => end.checked_add(1.day()),
        WireStep::Hour => end.checked_add(1.hour()),
        WireStep::Minute => end.checked_add(1.minute()),
        WireStep::Second => end.checked_add(1.second()),
    };
    let bad = |text: &str| Error::Duration(format!("the time {text:?} is out of range"));
    let start_at = zone.instant(start).ok_or_else(|| bad(&duration.start))?;
    let end_at = zone.instant(end).ok_or_else(|| bad(&duration.end))?;
    let after = last_moment.ok().and_then(|moment| zone.instant(moment)).ok_or_else(|| bad(&duration.end))?;
    let step = match duration.step {
        WireStep::Day => Step::Day,
        WireStep::Hour => Step::Hour,
        WireStep::Minute | WireStep::Second => Step::Minute,
    };
    let bucket =
        |at: UnixMillis, text: &str| at.minute().map(|minute| zone.bucket(step, minute)).ok_or_else(|| bad(text));
    Ok(Range {
        step,
        first: bucket(start_at, &duration.start)?,
        last: bucket(end_at, &duration.end)?,
        start: start_at,
        end: after.plus(-1),
    })
}

impl Range {
    /// The range's buckets in order, and `before` more in front of them.
    ///
    /// # Errors
    /// When there are more than [`MAX_POINTS`], or the end lies before the start.
    pub(crate) fn buckets(&self, zone: &Zone, before: usize) -> Result<Vec<Bucket>, Error> {
        if self.last < self.first {
            return Err(Error::Duration("the duration ends before it starts".to_owned()));
        }
        let too_many = || Error::Duration(format!("the duration has more than {MAX_POINTS} points; use a longer step"));
        if before > MAX_POINTS {
            return Err(too_many());
        }
        let mut buckets = Vec::new();
        let mut bucket = self.first;
        for _ in 0..before {
            bucket = zone.bucket(self.step, Bucket(bucket.0.saturating_sub(1)));
        }
        while bucket <= self.last {
            if buckets.len() == MAX_POINTS {
                return Err(too_many());
            }
            buckets.push(bucket);
            bucket = zone.next(self.step, bucket);
        }
        Ok(buckets)
    }

    /// The first and the last minute, as life rows count them.
    pub(crate) fn minutes(&self) -> (i64, i64) {
        (self.start.0.div_euclid(60_000), self.end.0.div_euclid(60_000))
    }
}

/// A local time of the step's form: as many digits as the step has.
fn local(text: &str, step: WireStep) -> Result<DateTime, Error> {
    let (n_digits, form) = match step {
        WireStep::Day => (8, "yyyy-MM-dd"),
        WireStep::Hour => (10, "yyyy-MM-dd HH"),
        WireStep::Minute => (12, "yyyy-MM-dd HHmm"),
        WireStep::Second => (14, "yyyy-MM-dd HHmmss"),
    };
    let bad = || Error::Duration(format!("the time {text:?} is not of the form {form}"));
    let mut digits = [0u8; 14];
    let mut n = 0;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b':' | b' ')) {
        if !byte.is_ascii_digit() || n == n_digits {
            return Err(bad());
        }
        digits[n] = byte - b'0';
        n += 1;
    }
    if n != n_digits {
        return Err(bad());
    }
    let pair = |at: usize| digits[at] * 10 + digits[at + 1];
    let number = |at: usize| i8::try_from(pair(at)).map_err(|_| bad());
    let year = i16::from(pair(0)) * 100 + i16::from(pair(2));
    DateTime::new(year, number(4)?, number(6)?, number(8)?, number(10)?, number(12)?, 0).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn read(zone: &str, step: WireStep, start: &str, end: &str) -> String {
        let zone = Zone::named(zone).unwrap();
        let duration = Duration { start: start.to_owned(), end: end.to_owned(), step, cold_stage: Some(false) };
        match parse(&duration, &zone) {
            Err(error) => error.to_string(),
            Ok(range) => {
                let n = range.buckets(&zone, 0).map(|buckets| buckets.len().to_string());
                format!(
                    "{:?} {}..={} {}..={} {}",
                    range.step,
                    zone.bucket_text(range.step, range.first),
                    zone.bucket_text(range.step, range.last),
                    range.start.0,
                    range.end.0,
                    n.unwrap_or_else(|error| error.to_string())
                )
            }
        }
    }

    fn check(step: WireStep, start: &str, end: &str, expected: Expect) {
        expected.assert_eq(&read("UTC", step, start, end));
    }

    #[test]
    fn each_step_has_its_form_and_both_ends_are_included() {
        use WireStep::{Day, Hour, Minute, Second};
        check(
            Minute,
            "2024-01-15 1200",
            "2024-01-15 1201",
            expect!["Minute 202401151200..=202401151201 1705320000000..=1705320119999 2"],
        );
        check(
            Hour,
            "2024-01-15 12",
            "2024-01-15 12",
            expect!["Hour 2024011512..=2024011512 1705320000000..=1705323599999 1"],
        );
        check(Day, "2024-01-15", "2024-01-16", expect!["Day 20240115..=20240116 1705276800000..=1705449599999 2"]);
        check(
            Second,
            "2024-01-15 120000",
            "2024-01-15 120159",
            expect!["Minute 202401151200..=202401151201 1705320000000..=1705320119999 2"],
        );
        check(
            Second,
            "20240115120000",
            "2024-01-15 12:00:30",
            expect!["Minute 202401151200..=202401151200 1705320000000..=1705320030999 1"],
        );
    }

    #[test]
    fn what_is_no_time_is_an_error_that_says_what_is_expected() {
        use WireStep::{Day, Minute};
        check(
            Minute,
            "2024-01-15",
            "2024-01-15 1201",
            expect![[r#"the time "2024-01-15" is not of the form yyyy-MM-dd HHmm"#]],
        );
        check(Minute, "", "", expect![[r#"the time "" is not of the form yyyy-MM-dd HHmm"#]]);
        check(Day, "2024-13-15", "2024-01-15", expect![[r#"the time "2024-13-15" is not of the form yyyy-MM-dd"#]]);
        check(Day, "2024-01-1५", "2024-01-15", expect![[r#"the time "2024-01-1५" is not of the form yyyy-MM-dd"#]]);
        check(Day, "1969-12-31", "2024-01-15", expect![[r#"the time "1969-12-31" is out of range"#]]);
        check(Day, "2024-01-15", "9999-12-31", expect![[r#"the time "9999-12-31" is out of range"#]]);
    }

    #[test]
    fn a_series_has_at_most_five_hundred_points() {
        use WireStep::Minute;
        check(
            Minute,
            "2024-01-15 0000",
            "2024-01-15 0819",
            expect!["Minute 202401150000..=202401150819 1705276800000..=1705306799999 500"],
        );
        check(
            Minute,
            "2024-01-15 0000",
            "2024-01-15 0820",
            expect![
                "Minute 202401150000..=202401150820 1705276800000..=1705306859999 the duration has more than 500 points; use a longer step"
            ],
        );
        check(
            Minute,
            "2024-01-15 0001",
            "2024-01-15 0000",
            expect![
                "Minute 202401150001..=202401150000 1705276860000..=1705276859999 the duration ends before it starts"
            ],
        );
    }

    #[test]
    fn times_are_those_of_the_servers_zone() {
        let text = read("Asia/Shanghai", WireStep::Hour, "2024-01-15 20", "2024-01-15 21");
        assert_eq!(text, "Hour 2024011520..=2024011521 1705320000000..=1705327199999 2");
        // 02:00 to 03:00 does not exist in Berlin that night, so four o'clock is three hours after midnight.
        let text = read("Europe/Berlin", WireStep::Hour, "2024-03-31 00", "2024-03-31 04");
        assert!(text.ends_with(" 4"), "{text}");
    }

    #[test]
    fn buckets_in_front_follow_the_calendar() {
        let zone = Zone::utc();
        let duration =
            Duration { start: "2024-03-01".into(), end: "2024-03-01".into(), step: WireStep::Day, cold_stage: None };
        let buckets = parse(&duration, &zone).unwrap().buckets(&zone, 2).unwrap();
        let text: Vec<_> = buckets.into_iter().map(|bucket| zone.bucket_text(Step::Day, bucket)).collect();
        assert_eq!(text, ["20240228", "20240229", "20240301"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_range_or_an_error(
            start in "[0-9]{4}-[0-9]{2}-[0-9]{2}|\\PC{0,12}",
            end in "[0-9]{4}-[0-9]{2}-[0-9]{2}|\\PC{0,12}",
            zone in prop::sample::select(vec!["UTC", "Asia/Kolkata", "America/New_York"]),
            before in 0usize..600,
        ) {
            let zone = Zone::named(zone).unwrap();
            let duration = Duration { start, end, step: WireStep::Day, cold_stage: None };
            if let Ok(range) = parse(&duration, &zone)
                && let Ok(buckets) = range.buckets(&zone, before)
            {
                prop_assert!(buckets.len() <= MAX_POINTS && buckets.is_sorted());
                prop_assert!(range.start <= range.end && buckets.len() > before);
            }
        }
    }
}
