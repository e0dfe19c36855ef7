//! What is copied at a time.

use model::kinds::RecordKind;
use model::{Bucket, Scope, Step, UnixMillis};

use crate::Retention;

const DAY_MS: i64 = 86_400_000;
const DAY_MINUTES: u32 = 1_440;

/// A part of a store that is copied and counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Life rows of a scope.
    Life(Scope),
    /// Rows whose buckets begin on a UTC day (days since 1970).
    Rows {
        /// Their scope.
        scope: Scope,
        /// Their step.
        step: Step,
        /// The day.
        day: u32,
    },
    /// Records of a UTC day.
    Records {
        /// Their kind.
        kind: RecordKind,
        /// The day.
        day: u32,
    },
}

impl Unit {
    /// Scope and step, where it is made of rows.
    pub fn rows(&self) -> Option<(Scope, Step)> {
        match *self {
            Unit::Life(scope) => Some((scope, Step::Life)),
            Unit::Rows { scope, step, .. } => Some((scope, step)),
            Unit::Records { .. } => None,
        }
    }

    /// Its name for people and notes.
    pub fn name(&self) -> String {
        match self {
            Unit::Life(scope) => format!("life {scope:?}"),
            Unit::Rows { scope, step, day } => format!("{} {step:?} {scope:?}", date(*day)),
            Unit::Records { kind, day } => format!("{} {}", date(*day), kind.def().name),
        }
    }
}

fn date(day: u32) -> String {
    let t = model::Zone::utc().civil(Bucket(day.saturating_mul(DAY_MINUTES)).start());
    format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day())
}

/// First and last bucket that begin on the day.
pub(super) fn buckets(day: u32) -> (Bucket, Bucket) {
    let first = day.saturating_mul(DAY_MINUTES);
    (Bucket(first), Bucket(first.saturating_add(DAY_MINUTES - 1)))
}

/// First and last millisecond of the day.
pub(super) fn times(day: u32) -> (UnixMillis, UnixMillis) {
    let first = i64::from(day) * DAY_MS;
    (UnixMillis(first), UnixMillis(first + DAY_MS - 1))
}

/// Everything that a store may hold: life rows first, then day by day, the latest first, since that is what people look at. Data may
/// lie ten minutes in the future, and a day of a zone begins on the UTC day before.
pub(super) fn all(retention: Retention, now: UnixMillis) -> Vec<Unit> {
    let today = u32::try_from(now.0.div_euclid(DAY_MS)).unwrap_or(0);
    let back = |days: u32| (today.saturating_sub(days + 2)..=today + 1).rev();
    let mut units: Vec<_> = Scope::ALL.into_iter().map(Unit::Life).collect();
    for day in back(retention.metrics_days) {
        for step in [Step::Day, Step::Hour, Step::Minute] {
            units.extend(Scope::ALL.into_iter().map(|scope| Unit::Rows { scope, step, day }));
        }
    }
    for day in back(retention.records_days) {
        units.extend(RecordKind::ALL.into_iter().map(|kind| Unit::Records { kind, day }));
    }
    units
}
