//! What indices are called: a family and a UTC day, or one of the two that never roll.

use model::UnixMillis;
use model::kinds::RecordKind;

use crate::calendar::{DAY_MS, day_of_name, name_of_day};

/// The last day that has a name: 9999-12-30.
pub(super) const LAST_DAY: u32 = 2_932_895;
/// Of more days than this a query names the family and not each index: the URL stays short.
const NAMED_DAYS: u32 = 40;

/// What lies together in the index of a day. There are four however many kinds of records there are: with few shards a cluster
/// lives long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Trace segments.
    Segment,
    /// Log lines.
    Log,
    /// Records of every other kind.
    Record,
    /// Minute, hour and day rows.
    Rows,
}

impl Family {
    pub(super) const ALL: [Family; 4] = [Family::Segment, Family::Log, Family::Record, Family::Rows];

    /// Where records of a kind lie: the two kinds that are large apart from the others.
    pub(super) fn of(kind: RecordKind) -> Family {
        match kind {
            RecordKind::Segment => Family::Segment,
            RecordKind::Log => Family::Log,
            _ => Family::Record,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Segment => "segment",
            Family::Log => "log",
            Family::Record => "record",
            Family::Rows => "rows",
        }
    }

    /// The kinds of records in it.
    pub(super) fn kinds(self) -> impl Iterator<Item = RecordKind> {
        RecordKind::ALL.into_iter().filter(move |kind| Family::of(*kind) == self)
    }
}

/// The names of one store's indices.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Names {
        Names { prefix: prefix.to_owned() }
    }

    /// The index of a day.
    pub(super) fn day(&self, family: Family, day: u32) -> String {
        format!("{}-{}-{}", self.prefix, family.name(), name_of_day(day))
    }

    /// All days of a family.
    pub(super) fn pattern(&self, family: Family) -> String {
        format!("{}-{}-*", self.prefix, family.name())
    }

    /// The days `from..=to` of a family, as a URL names them. Days that do not exist may be among them.
    pub(super) fn days(&self, family: Family, from: u32, to: u32) -> String {
        if from > to || to - from >= NAMED_DAYS {
            return self.pattern(family);
        }
        (from..=to).map(|day| self.day(family, day)).collect::<Vec<_>>().join(",")
    }

    /// Life rows.
    pub(super) fn life(&self) -> String {
        format!("{}-life", self.prefix)
    }

    /// Items.
    pub(super) fn items(&self) -> String {
        format!("{}-items", self.prefix)
    }

    /// The template of a family.
    pub(super) fn template(&self, family: Family) -> String {
        format!("{}-{}", self.prefix, family.name())
    }

    /// Everything of this store.
    pub(super) fn everything(&self) -> String {
        let days = Family::ALL.map(|family| self.pattern(family)).join(",");
        format!("{days},{},{}", self.life(), self.items())
    }

    /// The family and day of an index that [`Names::day`] named.
    pub(super) fn parse(&self, index: &str) -> Option<(Family, u32)> {
        let rest = index.strip_prefix(self.prefix.as_str())?.strip_prefix('-')?;
        let (family, day) = rest.split_once('-')?;
        let family = Family::ALL.into_iter().find(|known| known.name() == family)?;
        Some((family, day_of_name(day)?))
    }
}

/// The day of a moment, for times before 1970 the first and for those that no index can name the last.
pub(super) fn day_of(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(DAY_MS).clamp(0, i64::from(LAST_DAY))).expect("clamped to named days")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_foreign_ones_do_not() {
        let names = Names::new("sky-1");
        for family in Family::ALL {
            let name = names.day(family, 20_000);
            assert_eq!(names.parse(&name), Some((family, 20_000)), "{name}");
        }
        for foreign in ["sky-segment-20261124", "sky-1-life", "sky-1-segment-x", "sky-1-other-20261124", "sky-1"] {
            assert_eq!(names.parse(foreign), None, "{foreign}");
        }
        assert_eq!(names.days(Family::Log, 0, 1), "sky-1-log-19700101,sky-1-log-19700102");
        assert_eq!(names.days(Family::Log, 0, 99), "sky-1-log-*");
    }

    #[test]
    fn moments_without_a_named_day_have_the_nearest() {
        assert_eq!(day_of(UnixMillis(-1)), 0);
        assert_eq!(day_of(UnixMillis(i64::MAX)), LAST_DAY);
        assert_eq!(day_of(UnixMillis(DAY_MS)), 1);
    }
}
