//! The stretch of time that a part of an expression is about, as buckets.

use model::{Bucket, Step, Zone};
use mqe::{Frame, Span};

use crate::{Error, duration::MAX_POINTS, duration::Range};

/// Which buckets are read, and which of now they answer for.
#[derive(Debug)]
pub(crate) struct Framed {
    /// What is read, without the buckets in front of it.
    pub(crate) range: Range,
    /// What is read, bucket by bucket.
    pub(crate) buckets: Vec<Bucket>,
    /// By which buckets the answer is named: those of now, as many.
    pub(crate) named: Vec<Bucket>,
}

/// The buckets of a frame in the range of a query, and `before` more in front of them.
///
/// # Errors
/// When there are too many, when the range ends before it starts, and when the frame looks back by a part of a bucket.
pub(crate) fn framed(range: &Range, frame: Frame, before: u32, zone: &Zone) -> Result<Framed, Error> {
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    let (now, named) = match frame.window {
        None => (*range, range.buckets(zone, before)?),
        Some(window) => ending(range, window, before, zone)?,
    };
    if frame.back_minutes == 0 {
        return Ok(Framed { range: now, buckets: named.clone(), named });
    }
    // A window is a length of time; the duration has as many buckets then as now.
    let step_minutes = if frame.window.is_some() { 1 } else { now.step.minutes() };
    if i64::from(frame.back_minutes) % step_minutes != 0 {
        let text = Span::minutes(frame.back_minutes).map_or_else(|| "so long".to_owned(), |span| span.to_string());
        return Err(Error::Duration(format!("{text} earlier is no whole number of the duration's steps")));
    }
    let back = |bucket: Bucket| earlier(now.step, bucket, frame.back_minutes, zone);
    let mut buckets = Vec::with_capacity(named.len());
    let mut bucket = back(*named.first().unwrap_or(&now.first));
    for _ in 0..named.len() {
        buckets.push(bucket);
        bucket = zone.next(now.step, bucket);
    }
    let millis = i64::from(frame.back_minutes) * 60_000;
    let range = Range {
        step: now.step,
        first: *buckets.get(before).unwrap_or(&bucket),
        last: *buckets.last().unwrap_or(&bucket),
        start: now.start.plus(-millis),
        end: now.end.plus(-millis),
    };
    Ok(Framed { range, buckets, named })
}

/// The window that ends where the range does: the bucket in which that is, is its last.
fn ending(range: &Range, window: Span, before: usize, zone: &Zone) -> Result<(Range, Vec<Bucket>), Error> {
    if before > MAX_POINTS {
        return Err(Error::Duration(format!("a window has no more than {MAX_POINTS} points in front of it")));
    }
    let step = if window.step_minutes() == 1 { Step::Minute } else { Step::Hour };
    let end = range.end.minute().unwrap_or(range.last);
    let last = zone.bucket(step, end);
    let n = usize::try_from(window.n_buckets()).unwrap_or(MAX_POINTS) + before;
    let mut buckets = vec![last];
    while buckets.len() < n {
        let next = *buckets.last().unwrap_or(&last);
        buckets.push(zone.bucket(step, Bucket(next.0.saturating_sub(1))));
    }
    buckets.reverse();
    let first = *buckets.get(before).unwrap_or(&last);
    Ok((Range { step, first, last, start: first.start(), end: range.end }, buckets))
}

/// The bucket so many minutes earlier. It is looked for from the middle of the bucket, so that a day of 23 or 25 hours in
/// between leads to no other day.
fn earlier(step: Step, bucket: Bucket, minutes: u32, zone: &Zone) -> Bucket {
    let middle = u32::try_from(step.minutes() / 2).unwrap_or_default();
    zone.bucket(step, Bucket(bucket.0.saturating_add(middle).saturating_sub(minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::common::{Duration, Step as WireStep};

    /// `read → named` of the first and the last bucket, and how many there are.
    fn check(zone: &str, duration: (WireStep, &str, &str), frame: (u32, Option<u32>), before: u32, expected: &str) {
        let zone = Zone::named(zone).unwrap();
        let (step, start, end) = duration;
        let duration = Duration { start: start.to_owned(), end: end.to_owned(), step, cold_stage: None };
        let range = crate::duration::parse(&duration, &zone).unwrap();
        let frame = Frame { back_minutes: frame.0, window: frame.1.and_then(Span::minutes) };
        let shown = match framed(&range, frame, before, &zone) {
            Err(error) => error.to_string(),
            Ok(framed) => {
                let text = |bucket: Option<&Bucket>| zone.bucket_text(framed.range.step, *bucket.unwrap());
                let ends = |all: &[Bucket]| format!("{}..={}", text(all.first()), text(all.last()));
                assert_eq!(framed.buckets.len(), framed.named.len());
                assert_eq!(framed.buckets[before as usize], framed.range.first);
                format!("{} → {} n={}", ends(&framed.buckets), ends(&framed.named), framed.buckets.len())
            }
        };
        assert_eq!(shown, expected);
    }

    const MINUTES: (WireStep, &str, &str) = (WireStep::Minute, "2024-03-31 1200", "2024-03-31 1204");
    const HOURS: (WireStep, &str, &str) = (WireStep::Hour, "2024-03-31 10", "2024-03-31 12");
    const DAYS: (WireStep, &str, &str) = (WireStep::Day, "2024-03-31", "2024-04-01");

    #[test]
    fn now_is_the_duration_with_what_is_in_front_of_it() {
        check("UTC", MINUTES, (0, None), 0, "202403311200..=202403311204 → 202403311200..=202403311204 n=5");
        check("UTC", MINUTES, (0, None), 2, "202403311158..=202403311204 → 202403311158..=202403311204 n=7");
    }

    #[test]
    fn what_is_earlier_is_read_there_and_named_as_now() {
        check("UTC", MINUTES, (60, None), 0, "202403311100..=202403311104 → 202403311200..=202403311204 n=5");
        check("UTC", MINUTES, (60, None), 1, "202403311059..=202403311104 → 202403311159..=202403311204 n=6");
        check("UTC", HOURS, (1440, None), 0, "2024033010..=2024033012 → 2024033110..=2024033112 n=3");
        check("UTC", HOURS, (90, None), 0, "90m earlier is no whole number of the duration's steps");
    }

    #[test]
    fn days_of_another_length_stay_days() {
        check("Europe/Berlin", DAYS, (1440, None), 0, "20240330..=20240331 → 20240331..=20240401 n=2");
        check("Europe/Berlin", DAYS, (7 * 1440, None), 0, "20240324..=20240325 → 20240331..=20240401 n=2");
    }

    #[test]
    fn a_window_ends_where_the_duration_does() {
        check("UTC", MINUTES, (0, Some(3)), 0, "202403311202..=202403311204 → 202403311202..=202403311204 n=3");
        check("UTC", HOURS, (0, Some(2)), 0, "202403311258..=202403311259 → 202403311258..=202403311259 n=2");
        check("UTC", MINUTES, (0, Some(1440)), 1, "2024033012..=2024033112 → 2024033012..=2024033112 n=25");
        check("UTC", MINUTES, (1440, Some(180)), 0, "2024033010..=2024033012 → 2024033110..=2024033112 n=3");
        check("UTC", MINUTES, (0, Some(180)), 501, "a window has no more than 500 points in front of it");
    }
}
