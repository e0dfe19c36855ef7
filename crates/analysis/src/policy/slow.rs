//! From when on statements of databases and commands of caches are slow, by their type.

use std::collections::BTreeMap;
use std::fmt;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::read;

/// The entry of a table of thresholds that holds for every type without one of its own.
const DEFAULT: &str = "default";
/// The most UTF-16 units that a statement may be kept with.
const MOST_UNITS: u32 = 10_000;

/// What counts as slow: milliseconds by type of database or cache, as agents name it, in lower case; `default` for all others.
/// Slower than that is slow. Without `default` other types never are. A table may also be written as SkyWalking does:
/// `default:200,mongodb:100`. A file `slow-thresholds.yml` in the configuration folder with tables of these names goes over
/// them and is read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// Milliseconds that a database may take for a statement, by its type in lower case; `default` for every other type.
    #[serde(deserialize_with = "table")]
    pub database_ms: BTreeMap<String, u32>,
    /// Milliseconds that a cache may take to read, by its type in lower case; `default` for every other type.
    #[serde(deserialize_with = "table")]
    pub cache_read_ms: BTreeMap<String, u32>,
    /// Milliseconds that a cache may take to write, by its type in lower case; `default` for every other type.
    #[serde(deserialize_with = "table")]
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
        if (1..=MOST_UNITS).contains(&self.max_statement_chars) {
            return Vec::new();
        }
        let found = self.max_statement_chars;
        vec![format!("slow.max_statement_chars: must be between 1 and {MOST_UNITS}, is {found}")]
    }
}

/// A table of thresholds: a map, or SkyWalking's one line. Types are compared in lower case, as agents write them as they please.
fn table<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, u32>, D::Error> {
    struct Table;

    impl<'de> Visitor<'de> for Table {
        type Value = BTreeMap<String, u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("milliseconds by type, as a map or as `default:200,mongodb:100`")
        }

        fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Self::Value, E> {
            let mut table = BTreeMap::new();
            for entry in line.split(',').filter(|entry| !entry.trim().is_empty()) {
                let parsed = entry.split_once(':').and_then(|(kind, ms)| Some((kind.trim(), ms.trim().parse().ok()?)));
                let (kind, ms) = parsed.ok_or_else(|| E::custom(format_args!("`{entry}` is not type:milliseconds")))?;
                insert(&mut table, kind, ms).map_err(E::custom)?;
            }
            Ok(table)
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut table = BTreeMap::new();
            while let Some((kind, ms)) = map.next_entry::<String, u32>()? {
                insert(&mut table, &kind, ms).map_err(M::Error::custom)?;
            }
            Ok(table)
        }
    }

    from.deserialize_any(Table)
}

fn insert(table: &mut BTreeMap<String, u32>, kind: &str, ms: u32) -> Result<(), String> {
    let before = table.insert(kind.to_lowercase(), ms);
    before.map_or(Ok(()), |_| Err(format!("the type {kind} stands here twice")))
}

/// The file as it is written: tables under our names or under those of SkyWalking's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, alias = "slowDBAccessThreshold")]
    database_ms: Option<Table>,
    #[serde(default, alias = "slowCacheReadThreshold")]
    cache_read_ms: Option<Table>,
    #[serde(default, alias = "slowCacheWriteThreshold")]
    cache_write_ms: Option<Table>,
}

#[derive(Debug, Deserialize)]
struct Table(#[serde(deserialize_with = "table")] BTreeMap<String, u32>);

/// All thresholds, ready to be asked.
#[derive(Clone, Debug)]
pub struct SlowThresholds {
    pub(crate) database: Thresholds,
    pub(crate) cache_read: Thresholds,
    pub(crate) cache_write: Thresholds,
}

impl SlowThresholds {
    /// What the settings say, where there is no file.
    #[must_use]
    pub fn new(settings: &Slow) -> Self {
        SlowThresholds {
            database: Thresholds::new(&settings.database_ms),
            cache_read: Thresholds::new(&settings.cache_read_ms),
            cache_write: Thresholds::new(&settings.cache_write_ms),
        }
    }

    /// What the settings and a file say: a table of the file takes the place of the one of the settings. An empty text says
    /// nothing.
    ///
    /// # Errors
    /// The first problem of the file as `name:line:column: what is wrong`.
    pub fn read(settings: &Slow, name: &str, text: &str) -> Result<Self, Vec<String>> {
        let file: File = read(name, text)?;
        let chosen =
            |own: Option<Table>, settings| own.map_or_else(|| Thresholds::new(settings), |t| Thresholds::new(&t.0));
        Ok(SlowThresholds {
            database: chosen(file.database_ms, &settings.database_ms),
            cache_read: chosen(file.cache_read_ms, &settings.cache_read_ms),
            cache_write: chosen(file.cache_write_ms, &settings.cache_write_ms),
        })
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
    fn new(table: &BTreeMap<String, u32>) -> Self {
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
        let slow = Slow { max_statement_chars: 0, ..Slow::default() };
        assert_eq!(slow.problems(), ["slow.max_statement_chars: must be between 1 and 10000, is 0"]);
    }

    #[test]
    fn a_table_is_a_map_or_a_line() {
        let read = |text: &str| serde_saphyr::from_str::<Table>(text).map(|table| table.0).map_err(|e| e.to_string());
        let table = BTreeMap::from([("default".to_owned(), 200), ("mongodb".to_owned(), 100)]);
        for text in ["{default: 200, MongoDB: 100}", "default:200,mongodb:100", "' default : 200 , MONGODB:100, '"] {
            assert_eq!(read(text).as_ref(), Ok(&table), "{text}");
        }
        assert_eq!(read("''"), Ok(BTreeMap::new()));
        for (text, problem) in [
            ("default", "`default` is not type:milliseconds"),
            ("default:soon", "`default:soon` is not type:milliseconds"),
            ("'a:1,A:2'", "the type A stands here twice"),
            ("{a: 1, A: 2}", "the type A stands here twice"),
            ("7", "milliseconds by type"),
        ] {
            assert!(read(text).as_ref().unwrap_err().contains(problem), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn a_table_of_the_file_takes_the_place_of_that_of_the_settings() {
        let settings = Slow { database_ms: [("default".to_owned(), 300)].into(), ..Slow::default() };
        let asked = |text: &str| {
            let read = SlowThresholds::read(&settings, "s.yml", text).unwrap();
            let database = [("sql", 301), ("mongodb", 150)].map(|(kind, ms)| read.database.is_slow(kind, ms));
            (database, read.cache_read.is_slow("redis", 15), read.cache_write.is_slow("redis", 15))
        };
        assert_eq!(asked(""), ([true, false], true, true));
        assert_eq!(asked("database_ms: {mongodb: 100}"), ([false, true], true, true));
        assert_eq!(
            asked("slowDBAccessThreshold: default:1000\ncache_write_ms: 'redis:15'"),
            ([false, false], true, false)
        );
        assert_eq!(asked("slowCacheReadThreshold: {default: 20}"), ([true, false], false, true));

        let problem = |text| SlowThresholds::read(&settings, "s.yml", text).unwrap_err().join("|");
        for (text, place) in [("database: {}", "s.yml:1:1: "), ("\ndatabase_ms: nothing\n", "s.yml:2:")] {
            assert!(problem(text).starts_with(place), "{}", problem(text));
        }
    }
}
