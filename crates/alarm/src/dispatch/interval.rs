//! Time intervals, as Alertmanager has them.

use model::{UnixMillis, Zone};

use crate::route::{TimeInterval, Times};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// A time interval, compiled: each field is a set of ranges, one of which must hold; an empty one always holds.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Minutes of the day, the end excluded.
    times: Vec<(i32, i32)>,
    /// 0 is Sunday.
    weekdays: Vec<(i32, i32)>,
    /// Negative ones from the end of the month.
    days: Vec<(i32, i32)>,
    months: Vec<(i32, i32)>,
    years: Vec<(i32, i32)>,
    zone: Zone,
}

/// Why an interval cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` cannot be `{value}`: {why}")]
pub struct BadInterval {
    /// The field, as it is written.
    pub field: &'static str,
    /// What it says.
    pub value: String,
    /// What is expected.
    pub why: String,
}

impl Interval {
    /// Compiles an interval.
    pub fn new(interval: &TimeInterval) -> Result<Interval, BadInterval> {
        let each = |field, all: &[String], read: &dyn Fn(&str) -> Option<i32>, why: &str| {
            all.iter().map(|text| range(field, text, read, why)).collect::<Result<Vec<_>, _>>()
        };
        let month = |text: &str| {
            let name = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(text));
            name.and_then(|n| i32::try_from(n + 1).ok()).or_else(|| number(text, 1, 12))
        };
        let weekday = |text: &str| {
            let name = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
            name.and_then(|n| i32::try_from(n).ok())
        };
        let location = interval.location.as_str();
        let zone = match location {
            "" => Zone::utc(),
            "Local" => Zone::system(),
            name => Zone::named(name).map_err(|error| bad("location", name, &error.to_string()))?,
        };
        Ok(Interval {
            times: interval.times.iter().map(times).collect::<Result<_, _>>()?,
            weekdays: each("weekdays", &interval.weekdays, &weekday, "names of days, as `monday:friday`")?,
            days: interval.days_of_month.iter().map(|text| days(text)).collect::<Result<_, _>>()?,
            months: each("months", &interval.months, &month, "names or 1 to 12, as `january:march`")?,
            years: each("years", &interval.years, &|text| number(text, 0, 9_999), "years, as `2026:2027`")?,
            zone,
        })
    }

    /// Whether a moment is in it.
    pub fn holds(&self, at: UnixMillis) -> bool {
        let local = self.zone.civil(at);
        let within = |ranges: &[(i32, i32)], value: i32| {
            ranges.is_empty() || ranges.iter().any(|(from, to)| (*from..=*to).contains(&value))
        };
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let last = i32::from(local.date().days_in_month());
        let from_start = |day: i32| if day < 0 { last + day + 1 } else { day };
        let day = i32::from(local.day());
        (self.times.is_empty() || self.times.iter().any(|(from, to)| (*from..*to).contains(&minute)))
            && (self.days.is_empty()
                || self.days.iter().any(|(from, to)| (from_start(*from)..=from_start(*to)).contains(&day)))
            && within(&self.weekdays, i32::from(local.weekday().to_sunday_zero_offset()))
            && within(&self.months, i32::from(local.month()))
            && within(&self.years, i32::from(local.year()))
    }
}

fn number(text: &str, low: i32, high: i32) -> Option<i32> {
    text.parse::<i32>().ok().filter(|number| (low..=high).contains(number))
}

fn bad(field: &'static str, value: &str, why: &str) -> BadInterval {
    BadInterval { field, value: value.to_owned(), why: why.to_owned() }
}

/// `a:b`, or `a` alone.
fn range(
    field: &'static str,
    text: &str,
    read: &dyn Fn(&str) -> Option<i32>,
    expected: &str,
) -> Result<(i32, i32), BadInterval> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let read = |part: &str| read(part.trim()).ok_or_else(|| bad(field, text, &format!("expected {expected}")));
    let (from, to) = (read(from)?, read(to)?);
    if from > to {
        return Err(bad(field, text, "it begins after its end"));
    }
    Ok((from, to))
}

fn days(text: &str) -> Result<(i32, i32), BadInterval> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let read = |part: &str| {
        let number = part.trim().parse::<i32>().ok().filter(|day| (1..=31).contains(&day.abs()));
        number.ok_or_else(|| bad("days_of_month", text, "expected 1 to 31, or -1 to -31 from the end, as `-3:-1`"))
    };
    let (from, to) = (read(from)?, read(to)?);
    if from < 0 && to > 0 {
        return Err(bad("days_of_month", text, "a range that begins at the end of the month ends there"));
    }
    if from.signum() == to.signum() && from > to {
        return Err(bad("days_of_month", text, "it begins after its end"));
    }
    Ok((from, to))
}

fn times(times: &Times) -> Result<(i32, i32), BadInterval> {
    let read = |text: &str| {
        let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
        let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        parts
            .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
            .filter(|(hour, minute)| *minute < 60 && hour * 60 + minute <= 24 * 60)
            .map(|(hour, minute)| hour * 60 + minute)
            .ok_or_else(|| bad("times", text, "expected HH:MM, up to 24:00"))
    };
    let (from, to) = (read(&times.start_time)?, read(&times.end_time)?);
    if from >= to {
        return Err(bad("times", &times.start_time, "it does not begin before its end"));
    }
    Ok((from, to))
}
