//! Names of days: partitions and files are called after the UTC day they belong to.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// `yyyymmdd` of a day counted from 1970-01-01.
pub(crate) fn name_of_day(day: u32) -> String {
    let (year, month, day) = date(day);
    format!("{year:04}{month:02}{day:02}")
}

/// The day of a name that [`name_of_day`] gave.
pub(crate) fn day_of_name(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    // No day's number lies further from this estimate than leap days and month lengths can add up to.
    let (year, month) = (number / 10_000, number / 100 % 100);
    let guess = year.checked_sub(1970)?.checked_mul(365)? + (year - 1969) / 4 + month * 30;
    (guess.saturating_sub(120)..guess.saturating_add(60)).find(|&day| name_of_day(day) == name)
}

/// Year, month and day of month, by the length of the Gregorian cycle of 400 years, counted from March so that the leap day
/// is a year's last.
fn date(day: u32) -> (u32, u32, u32) {
    const CYCLE: u32 = 146_097;
    let from_march_0 = day + 719_468;
    let (cycle, rest) = (from_march_0 / CYCLE, from_march_0 % CYCLE);
    let year = (rest - rest / 1_460 + rest / 36_524 - rest / 146_096) / 365;
    let of_year = rest - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + u32::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use model::{Bucket, Step, Zone};

    use super::*;

    #[test]
    fn days_are_called_as_the_calendar_calls_them() {
        for day in (0..2_932_896).step_by(17).chain([59, 60, 11_016, 11_017, 20_000, 2_932_895]) {
            let name = name_of_day(day);
            assert_eq!(name, Zone::utc().bucket_text(Step::Day, Bucket(day * 1_440)));
            assert_eq!(day_of_name(&name), Some(day), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_days() {
        for name in ["", "notes", "2026112", "20261301", "20260230", "+20260101", "99999999"] {
            assert_eq!(day_of_name(name), None, "{name}");
        }
    }
}
