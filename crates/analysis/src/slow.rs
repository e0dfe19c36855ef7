//! What counts as slow, and how slow statements are kept.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use model::agg::Statement;
use model::cell::CellId;
use model::segment::{Segment, Span};
use model::{Agg, Bucket, ByteString, Scope, Step, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::derive::Out;
use crate::naming;

/// The entry of a table of thresholds that holds for every type without one of its own.
const DEFAULT: &str = "default";
/// The most UTF-16 units that a statement may be kept with.
const MOST_UNITS: u32 = 10_000;

/// What counts as slow: milliseconds by type of database or cache, as agents name it, in lower case; `default` for all others.
/// Slower than that is slow. Without `default` other types never are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// Milliseconds that a database may take for a statement, by its type in lower case; `default` for every other type.
    pub database_ms: BTreeMap<String, u32>,
    /// Milliseconds that a cache may take to read, by its type in lower case; `default` for every other type.
    pub cache_read_ms: BTreeMap<String, u32>,
    /// Milliseconds that a cache may take to write, by its type in lower case; `default` for every other type.
    pub cache_write_ms: BTreeMap<String, u32>,
    /// Characters of a statement that are kept.
    pub max_statement_chars: u32,
}

impl Default for Slow {
    fn default() -> Self {
        let table = |entries: &[(&str, u32)]| entries.iter().map(|&(name, ms)| (name.to_owned(), ms)).collect();
        Slow {
            database_ms: table(&[(DEFAULT, 200), ("mongodb", 100)]),
            cache_read_ms: table(&[(DEFAULT, 20), ("redis", 10)]),
            cache_write_ms: table(&[(DEFAULT, 20), ("redis", 10)]),
            max_statement_chars: 2_000,
        }
    }
}

impl Slow {
    /// Every problem, each as `setting: what is wrong`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let tables = [
            ("database_ms", &self.database_ms),
            ("cache_read_ms", &self.cache_read_ms),
            ("cache_write_ms", &self.cache_write_ms),
        ];
        for (table, entries) in tables {
            // A type with a capital letter would never be asked for.
            let capital = entries.keys().filter(|name| **name != name.to_lowercase());
            problems.extend(capital.map(|name| format!("slow.{table}.{name}: a type is written in lower case")));
        }
        if !(1..=MOST_UNITS).contains(&self.max_statement_chars) {
            let found = self.max_statement_chars;
            problems.push(format!("slow.max_statement_chars: must be between 1 and {MOST_UNITS}, is {found}"));
        }
        problems
    }
}

/// One table of thresholds, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Thresholds {
    /// The least of all: nothing up to it is slow, whatever its type.
    least: i64,
    default: Option<i64>,
    by_type: HashMap<Box<str>, i64, RandomState>,
}

impl Thresholds {
    pub(crate) fn new(table: &BTreeMap<String, u32>) -> Self {
        let mut by_type: HashMap<Box<str>, i64, RandomState> =
            table.iter().map(|(name, &ms)| (name.as_str().into(), i64::from(ms))).collect();
        let least = by_type.values().copied().min().unwrap_or(i64::MAX);
        let default = by_type.remove(DEFAULT);
        Thresholds { least, default, by_type }
    }

    /// Whether so many milliseconds are slow for a type, which agents write as they please.
    pub(crate) fn is_slow(&self, kind: &str, latency: i64) -> bool {
        if latency <= self.least {
            return false;
        }
        let own = if self.by_type.is_empty() { None } else { self.by_type.get(&*kind.to_lowercase()).copied() };
        own.or(self.default).is_some_and(|threshold| latency > threshold)
    }
}

/// Keeps the slow statement of a span in a cell of services' rows.
pub(crate) fn note(
    (segment, span): (&Segment, &Span),
    text: &str,
    minute: Bucket,
    rows: &[(&str, CellId)],
    out: &mut Out<'_>,
) {
    let max_units = out.settings().max_statement_units;
    let latency = span.latency();
    let mut shared: Option<Statement> = None;
    for &(service_id, cell) in rows {
        let cells = out.delta.cells(Scope::Service, Step::Minute, minute, service_id);
        let top = cells.open(cell, || Agg::Top(Vec::new()));
        if top.takes_statement(latency) {
            let statement = shared.get_or_insert_with(|| Statement {
                latency,
                id: format!("{}-{}", segment.segment_id, span.id).into(),
                // Copied, since a slice would keep the bytes of the whole segment.
                statement: ByteString::from(naming::cut(text, max_units).to_owned()),
                trace_id: ByteString::from(segment.trace_id.to_string()),
                at: UnixMillis(span.start),
            });
            top.add_statement(statement);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(table: &[(&str, u32)], kind: &str, latency: i64) -> bool {
        let table = table.iter().map(|&(name, ms)| (name.to_owned(), ms)).collect();
        Thresholds::new(&table).is_slow(kind, latency)
    }

    #[test]
    fn slow_is_slower_than_the_threshold_of_the_type() {
        let table = [("default", 200), ("mongodb", 100)];
        assert!(!slow(&table, "sql", 200) && slow(&table, "sql", 201));
        assert!(!slow(&table, "MongoDB", 100) && slow(&table, "MongoDB", 101));
        assert!(slow(&table, "", 201));
        // Without a default only the types that are listed can be slow.
        assert!(slow(&[("redis", 0)], "Redis", 1) && !slow(&[("redis", 0)], "memcached", i64::MAX));
        assert!(!slow(&[], "sql", i64::MAX));
        assert!(!slow(&table, "sql", -5));
    }

    #[test]
    fn problems_of_thresholds_are_told() {
        assert_eq!(Slow::default().problems(), Vec::<String>::new());
        let slow = Slow { database_ms: [("MySQL".to_owned(), 1)].into(), max_statement_chars: 0, ..Slow::default() };
        assert_eq!(
            slow.problems(),
            [
                "slow.database_ms.MySQL: a type is written in lower case",
                "slow.max_statement_chars: must be between 1 and 10000, is 0"
            ]
        );
    }
}
