//! What derivation needs to know beside the telemetry: metrics, aliases, settings. All of it is given, none of it is fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use model::layer::Layers;
use model::{Bucket, UnixMillis, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::naming::{Names, NamingConfig};
use crate::oal::Program;
use crate::policy::Policies;
pub use crate::policy::{Apdex, Sampling, Slow};
use crate::prices::Prices;
use crate::rollup::Limits;
use crate::windows;

/// How a segment's own status is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentStatus {
    /// It failed when any of its spans did.
    #[default]
    #[serde(alias = "FROM_SPAN_STATUS")]
    AnySpan,
    /// It failed when one of its entry spans did.
    #[serde(alias = "FROM_ENTRY_SPAN")]
    EntrySpan,
    /// It failed when its first span did.
    #[serde(alias = "FROM_FIRST_SPAN")]
    FirstSpan,
}

/// A gateway without an agent: calls that arrive through it are drawn as coming from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its name, for people.
    pub name: String,
    /// Addresses that clients use, each `host:port`.
    pub addresses: Vec<String>,
}

/// Settings of the analysis of telemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Keys of span tags by which segments can be searched.
    pub searchable_trace_tags: Vec<String>,
    /// Keys of log tags by which logs can be searched.
    pub searchable_log_tags: Vec<String>,
    /// How a segment's own status is found.
    pub segment_status: SegmentStatus,
    /// Gateways that have no agent of their own.
    pub gateways: Vec<Gateway>,
    /// Component ids of clients that call through a proxy of their own: what they call an address is not the instance behind it.
    pub no_upstream_real_address_agents: Vec<i32>,
    /// Which segments are kept; metrics count all of them.
    pub sampling: Sampling,
    /// How long names may be, and how many endpoints a service may have.
    pub naming: NamingConfig,
    /// Apdex thresholds.
    pub apdex: Apdex,
    /// When a statement of a database or a command of a cache counts as slow and is kept for the lists of slow ones.
    pub slow: Slow,
    /// How traces are watched for their summaries.
    pub trace_windows: windows::Config,
    /// Services, instances, endpoints, relations and so on whose totals are in memory at a time. Above it new ones are refused
    /// and counted, known ones go on.
    pub max_entities: usize,
    /// Rows of totals in memory, each of one entity and one minute, hour or day: some half a kilobyte each. Above it new
    /// entities are refused, and late data of known ones that would open a row; running rows still open.
    pub max_rows: usize,
}

impl Default for Config {
    fn default() -> Self {
        let keys = |keys: &[&str]| keys.iter().map(|&k| k.to_owned()).collect();
        Config {
            searchable_trace_tags: keys(&[
                "http.method",
                "http.status_code",
                "rpc.status_code",
                "db.type",
                "db.instance",
                "mq.queue",
                "mq.topic",
                "mq.broker",
            ]),
            searchable_log_tags: keys(&["level", "http.status_code", "ai_route_type"]),
            segment_status: SegmentStatus::default(),
            gateways: Vec::new(),
            // Nginx and Envoy.
            no_upstream_real_address_agents: vec![6000, 9000],
            sampling: Sampling::default(),
            naming: NamingConfig::default(),
            apdex: Apdex::default(),
            slow: Slow::default(),
            trace_windows: windows::Config::default(),
            max_entities: Limits::default().entities,
            max_rows: Limits::default().rows,
        }
    }
}

/// The rows that a busy entity has at any time: its life, and the minute, hour and day that run and those just over.
const ROWS_PER_ENTITY: usize = 7;
/// The most that a limit may be set to; a row is told by 32 bits.
const MOST: usize = 100_000_000;

impl Config {
    /// How much the totals may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { entities: self.max_entities, rows: self.max_rows }
    }

    /// Every problem with these settings, each as `setting: what is wrong`; empty when there is none.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.sampling.problems());
        problems.extend(self.apdex.problems());
        problems.extend(self.naming.problems());
        problems.extend(self.slow.problems());
        problems.extend(self.trace_windows.problems());
        if !(1..=MOST).contains(&self.max_entities) {
            problems.push(format!("max_entities: must be between 1 and {MOST}, is {}", self.max_entities));
        }
        let least = self.max_entities.saturating_mul(ROWS_PER_ENTITY);
        if !(least.min(MOST)..=MOST).contains(&self.max_rows) {
            problems.push(format!(
                "max_rows: must be between {ROWS_PER_ENTITY} for each of max_entities, which is {least}, and {MOST}, is {}",
                self.max_rows
            ));
        }
        for gateway in &self.gateways {
            for address in &gateway.addresses {
                let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(1..))) {
                    problems.push(format!("gateways: `{address}` of `{}` is not host:port", gateway.name));
                }
            }
        }
        problems
    }
}

/// The settings in the form in which derivation asks for them.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) trace_tags: Keys,
    pub(crate) log_tags: Keys,
    pub(crate) segment_status: SegmentStatus,
    gateways: HashSet<Box<str>, RandomState>,
    no_upstream_real_address_agents: HashSet<i32, RandomState>,
    pub(crate) max_statement_units: usize,
    pub(crate) prices: Prices,
    pub(crate) layers: Layers,
    pub(crate) zone: Zone,
    past_ms: i64,
}

/// A searchable tag key, with the entity of its row of values.
pub(crate) type Keys = HashMap<Box<str>, Box<str>, RandomState>;

/// How far ahead of the server's clock an agent's may be.
const FUTURE_MS: i64 = 10 * 60_000;
const DAY_MS: i64 = 24 * 60 * 60_000;

impl Settings {
    /// Settings of a valid configuration, with the zone of days and for how many days rows are kept: what is older than that
    /// when it is received, or more than ten minutes ahead, opens no row.
    pub fn new(config: &Config, zone: Zone, retention_days: u32) -> Self {
        let keys = |signal: &str, keys: &[String]| {
            keys.iter().map(|key| (key.as_str().into(), format!("{signal}|{key}").into_boxed_str())).collect::<Keys>()
        };
        let addresses = config.gateways.iter().flat_map(|g| &g.addresses);
        Settings {
            trace_tags: keys("TRACE", &config.searchable_trace_tags),
            log_tags: keys("LOG", &config.searchable_log_tags),
            segment_status: config.segment_status,
            gateways: addresses.map(|a| a.as_str().into()).collect(),
            no_upstream_real_address_agents: config.no_upstream_real_address_agents.iter().copied().collect(),
            max_statement_units: usize::try_from(config.slow.max_statement_chars).unwrap_or(usize::MAX),
            prices: Prices::default(),
            layers: Layers::default(),
            zone,
            past_ms: i64::from(retention_days.max(1)) * DAY_MS,
        }
    }

    /// With the providers and prices of language models. Without them every provider that is not named is `unknown`, and
    /// nothing costs anything.
    #[must_use]
    pub fn with_prices(self, prices: Prices) -> Self {
        Settings { prices, ..self }
    }

    /// With the layers of the operator. Without them there are the built-in ones.
    #[must_use]
    pub fn with_layers(self, layers: Layers) -> Self {
        Settings { layers, ..self }
    }

    /// Whether an address is that of a gateway without an agent.
    pub fn is_gateway(&self, address: &str) -> bool {
        !self.gateways.is_empty() && self.gateways.contains(address)
    }

    /// Whether a client of this component calls through a proxy of its own.
    pub fn hides_upstream(&self, component: i32) -> bool {
        self.no_upstream_real_address_agents.contains(&component)
    }

    /// The minute of a reported time; `None` when no row may be opened for it: see [`Settings::new`].
    pub fn minute(&self, at: i64, received: UnixMillis) -> Option<Bucket> {
        let accepted = received.plus(-self.past_ms).0..=received.plus(FUTURE_MS).0;
        if accepted.contains(&at) { UnixMillis(at).minute() } else { None }
    }
}

/// What stands behind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Service id.
    pub service_id: Box<str>,
    /// Service name, as it is in the id.
    pub service: Box<str>,
    /// Instance id.
    pub instance_id: Box<str>,
    /// Instance name, as it is in the id.
    pub instance: Box<str>,
}

/// Which service and instance stand behind which address: a snapshot of the address life rows.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    by_address: HashMap<Box<str>, Alias, RandomState>,
}

impl Aliases {
    /// Notes what an `ALIAS` cell says: `service id`, TAB, `instance id`. The last word on an address stays. Answers whether the
    /// text could be read.
    pub fn insert(&mut self, address: &str, text: &str) -> bool {
        let parsed = text.split_once('\t').and_then(|(service_id, instance_id)| {
            let (service, _) = model::id::parse_service(service_id).ok()?;
            let (_, instance) = model::id::parse_instance(instance_id).ok()?;
            Some(Alias {
                service_id: service_id.into(),
                service: service.into(),
                instance_id: instance_id.into(),
                instance: instance.into(),
            })
        });
        parsed.is_some_and(|alias| {
            self.by_address.insert(address.into(), alias);
            true
        })
    }

    /// Who stands behind an address, as an exit span names it.
    pub fn get(&self, address: &str) -> Option<&Alias> {
        self.by_address.get(address)
    }

    /// Number of addresses known.
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Whether no address is known.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }
}

/// Numbers for records that bring no id of their own: a random beginning and a count.
#[derive(Debug)]
pub struct Serial {
    seed: u64,
    next: AtomicU64,
}

impl Serial {
    /// Numbers that no other serial draws, as long as `seed` is random.
    pub fn new(seed: u64) -> Self {
        Serial { seed, next: AtomicU64::new(0) }
    }

    /// The next id: 32 hexadecimal digits.
    pub(crate) fn next(&self) -> String {
        format!("{:016x}{:016x}", self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Everything derivation looks at beside the telemetry. A worker replaces the parts that change between two elements.
#[derive(Clone, Debug)]
pub struct Context {
    /// The metrics.
    pub program: Arc<Program>,
    /// Aliases as last read.
    pub aliases: Arc<Aliases>,
    /// Settings.
    pub settings: Arc<Settings>,
    /// What operators may change while the server runs.
    pub policies: Policies,
    /// Names: how they are cut and grouped, and which of them were seen before.
    pub names: Names,
    /// Ids for logs.
    pub serial: Arc<Serial>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_that_rows_may_be_opened_for_have_a_minute() {
        let settings = Settings::new(&Config::default(), Zone::utc(), 7);
        let now = UnixMillis(1_705_320_000_000);
        let minute = |offset| settings.minute(now.0 + offset, now).is_some();
        assert!(minute(0) && minute(FUTURE_MS) && minute(-7 * DAY_MS));
        assert!(!minute(FUTURE_MS + 1) && !minute(-7 * DAY_MS - 1));
        assert_eq!(settings.minute(i64::MIN, now), None);
        assert_eq!(settings.minute(i64::MAX, UnixMillis(i64::MAX)), None);
    }

    #[test]
    fn an_alias_is_read_back_from_its_text() {
        let mut aliases = Aliases::default();
        assert!(aliases.insert("b:8080", "Qg==.1\tQg==.1_YjE="));
        assert!(!aliases.insert("c:8080", "Qg==.1"));
        let alias = aliases.get("b:8080").unwrap();
        assert_eq!((&*alias.service, &*alias.instance), ("B", "b1"));
        assert_eq!(aliases.len(), 1);
    }

    #[test]
    fn problems_of_a_configuration_are_all_told() {
        let mut config = Config::default();
        assert_eq!(config.validate(), Vec::<String>::new());
        config.apdex.default_ms = 0;
        config.gateways =
            vec![Gateway { name: "front".to_owned(), addresses: vec!["a:80".to_owned(), "b".to_owned()] }];
        assert_eq!(
            config.validate(),
            ["apdex.default_ms: must be at least 1, is 0", "gateways: `b` of `front` is not host:port"]
        );
        let limited = |max_entities, max_rows| Config { max_entities, max_rows, ..Config::default() }.validate();
        assert_eq!(limited(10, 70), Vec::<String>::new());
        assert_eq!(limited(0, 0), ["max_entities: must be between 1 and 100000000, is 0"],);
        assert_eq!(
            limited(10, 69),
            ["max_rows: must be between 7 for each of max_entities, which is 70, and 100000000, is 69"]
        );
        assert_eq!(limited(usize::MAX, usize::MAX).len(), 2);
    }
}
