//! Configuration: one YAML file, the environment, and the names that SkyWalking's users know.
//!
//! Precedence: defaults < file < `SW_*` aliases < `SKYLARK__*` < flags. Each crate's part lives beside the code that uses it.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::Value;
use model::Zone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::SecurityConfig;
use crate::render;
use crate::tls::TlsConfig;

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses, logs and the life of the process.
    pub server: ServerConfig,
    /// What is taken from agents, and its limits.
    pub receiver: receiver::Config,
    /// How telemetry becomes metrics.
    pub analysis: analysis::context::Config,
    /// Where data are kept, and for how long.
    pub storage: storage::Config,
    /// What queries may cost.
    pub query: query::Config,
    /// Rules that are evaluated, and how it is told that they fire.
    pub alarm: alarm::Config,
    /// Who may ask for what, and what keeps secrets.
    pub security: SecurityConfig,
}

/// Addresses, logs and the life of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Agents report here by gRPC.
    pub grpc: ListenConfig,
    /// Queries, agents' HTTP reports and the status page.
    pub http: ListenConfig,
    /// The status of the server and of alarms, where SkyWalking's tools look for it. It is on the HTTP port, too.
    pub admin: ListenConfig,
    /// Own telemetry in Prometheus text, at /metrics.
    pub telemetry: ListenConfig,
    /// Time zone of hours, days and all times in queries: an IANA name, or `system`. A store keeps the zone it was started with.
    pub zone: String,
    /// The address under which this node is shown among those that share the store; empty: the machine's name.
    pub node_host: String,
    /// Tasks that analyse; 0: one for each core.
    pub workers: usize,
    /// Connections that each of the four listeners keeps open; more wait until others close.
    pub max_connections: usize,
    /// How long a stop may take before what is left is counted as lost.
    pub shutdown_seconds: u64,
    /// Format of logs: `text` or `json`.
    pub log_format: LogFormat,
    /// What is logged: a level, or a filter such as `info,storage=debug`.
    pub log_level: String,
}

/// Format of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address to bind, `0.0.0.0` for all.
    #[serde(default = "any_host")]
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// TLS: `certificate` and `key`, PEM files, and `client_ca` where clients must show a certificate. Files are read again when
    /// they change.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

fn any_host() -> String {
    "0.0.0.0".to_owned()
}

impl ListenConfig {
    fn on(port: u16) -> Self {
        ListenConfig { host: any_host(), port, tls: None }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            grpc: ListenConfig::on(11_800),
            http: ListenConfig::on(12_800),
            admin: ListenConfig::on(17_128),
            telemetry: ListenConfig::on(1_234),
            zone: "system".to_owned(),
            node_host: String::new(),
            workers: 0,
            max_connections: 16_384,
            shutdown_seconds: 25,
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }
}

impl ServerConfig {
    /// What this node is called in the list of nodes.
    pub fn node_host(&self) -> String {
        match self.node_host.as_str() {
            "" => gethostname::gethostname().to_string_lossy().into_owned(),
            name => name.to_owned(),
        }
    }

    /// The zone of the setting. The error names the setting.
    pub fn zone(&self) -> Result<Zone, String> {
        match self.zone.as_str() {
            "system" => Ok(Zone::system()),
            name => Zone::named(name).map_err(|error| format!("server.zone: {error}")),
        }
    }

    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.zone().err());
        if self.shutdown_seconds == 0 {
            problems.push("server.shutdown_seconds: must be at least 1".to_owned());
        }
        if !(1..=MOST_CONNECTIONS).contains(&self.max_connections) {
            problems.push(format!("server.max_connections: must be between 1 and {MOST_CONNECTIONS}"));
        }
        if self.workers > 256 {
            problems.push("server.workers: at most 256".to_owned());
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log_level) {
            problems.push(format!("server.log_level: {error}"));
        }
        problems
    }
}

/// As many as a process may have descriptors by Linux's defaults.
const MOST_CONNECTIONS: usize = 1 << 20;

/// Every problem of a configuration, one a line.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not usable:\n  {}", .0.join("\n  "))]
pub struct Problems(pub Vec<String>);

/// What the environment's own settings begin with.
const PREFIX: &str = "SKYLARK__";

/// Settings that are lists of texts.
const LISTS: [&str; 6] = [
    "analysis.searchable_trace_tags",
    "analysis.searchable_log_tags",
    "storage.opensearch.urls",
    "alarm.searchable_tags",
    "alarm.egress.allow",
    "alarm.egress.refuse",
];

/// Settings that are lists of numbers.
const NUMBERS: [&str; 1] = ["analysis.no_upstream_real_address_agents"];

/// SkyWalking's names for settings that exist here too. A variable that is set but empty is passed over.
const ALIASES: [(&str, &str); 38] = [
    ("SW_CORE_GRPC_HOST", "server.grpc.host"),
    ("SW_CORE_GRPC_PORT", "server.grpc.port"),
    ("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", "server.grpc.tls.certificate"),
    ("SW_CORE_GRPC_SSL_KEY_PATH", "server.grpc.tls.key"),
    ("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", "server.grpc.tls.client_ca"),
    ("SW_CORE_REST_HOST", "server.http.host"),
    ("SW_CORE_REST_PORT", "server.http.port"),
    ("SW_ADMIN_SERVER_HOST", "server.admin.host"),
    ("SW_ADMIN_SERVER_PORT", "server.admin.port"),
    ("SW_TELEMETRY_PROMETHEUS_HOST", "server.telemetry.host"),
    ("SW_TELEMETRY_PROMETHEUS_PORT", "server.telemetry.port"),
    ("SW_AUTHENTICATION", "receiver.token"),
    ("SW_STORAGE", "storage.backend"),
    ("SW_NAMESPACE", "storage.opensearch.index_prefix"),
    ("SW_ES_USER", "storage.opensearch.username"),
    ("SW_ES_PASSWORD", "storage.opensearch.password"),
    ("SW_STORAGE_ES_INDEX_SHARDS_NUMBER", "storage.opensearch.shards"),
    ("SW_STORAGE_ES_INDEX_REPLICAS_NUMBER", "storage.opensearch.replicas"),
    ("SW_CORE_RECORD_DATA_TTL", "storage.records_days"),
    ("SW_CORE_METRICS_DATA_TTL", "storage.metrics_days"),
    ("SW_SERVICE_NAME_MAX_LENGTH", "analysis.naming.max_service_chars"),
    ("SW_INSTANCE_NAME_MAX_LENGTH", "analysis.naming.max_instance_chars"),
    ("SW_ENDPOINT_NAME_MAX_LENGTH", "analysis.naming.max_endpoint_chars"),
    ("SW_CORE_ENABLE_ENDPOINT_NAME_GROUPING_BY_OPENAPI", "analysis.naming.openapi"),
    ("SW_CORE_MAX_HTTP_URIS_NUMBER_PER_SVR", "analysis.naming.max_endpoints"),
    ("SW_SEARCHABLE_ALARM_TAG_KEYS", "alarm.searchable_tags"),
    ("SW_SEARCHABLE_TAG_KEYS", "analysis.searchable_trace_tags"),
    ("SW_CORE_SEARCHABLE_LOGS_TAGS_KEYS", "analysis.searchable_log_tags"),
    ("SW_TRACE_SAMPLE_RATE", "analysis.sampling.rate"),
    ("SW_SLOW_TRACE_SEGMENT_THRESHOLD", "analysis.sampling.slow_segment_ms"),
    ("SW_FORCE_SAMPLE_ERROR_SEGMENT", "analysis.sampling.force_error"),
    ("SW_TRACE_SAMPLING_POLICY_SETTINGS_FILE", "analysis.sampling.policy_file"),
    ("SW_SLOW_DB_THRESHOLD", "analysis.slow.database_ms"),
    ("SW_SLOW_CACHE_SLOW_READ_THRESHOLD", "analysis.slow.cache_read_ms"),
    ("SW_SLOW_CACHE_SLOW_WRITE_THRESHOLD", "analysis.slow.cache_write_ms"),
    ("SW_SEGMENT_STATUS_ANALYSIS_STRATEGY", "analysis.segment_status"),
    ("SW_NO_UPSTREAM_REAL_ADDRESS", "analysis.no_upstream_real_address_agents"),
    ("SW_QUERY_MAX_QUERY_COMPLEXITY", "query.max_complexity"),
];

/// SkyWalking's name for `host:port` of the cluster's nodes.
const CLUSTER_NODES: &str = "SW_STORAGE_ES_CLUSTER_NODES";
/// SkyWalking's name for how they are spoken to: `http` or `https`.
const CLUSTER_PROTOCOL: &str = "SW_STORAGE_ES_HTTP_PROTOCOL";

/// The URLs of the cluster, from what SkyWalking has in two variables.
fn cluster(env: &[(String, String)]) -> Option<String> {
    let given =
        |name| env.iter().rev().find(|(given, value)| given == name && !value.is_empty()).map(|(_, value)| value);
    let protocol = given(CLUSTER_PROTOCOL).map_or("http", String::as_str);
    let urls = given(CLUSTER_NODES)?.split(',').map(|node| format!("{protocol}://{}", node.trim()));
    Some(urls.collect::<Vec<_>>().join(","))
}

/// SkyWalking's name for the provider of its alarm module: `default`, or `-` for none.
const ALARM: &str = "SW_ALARM";

/// Whether alarms are evaluated, as SkyWalking says it.
fn alarms(env: &[(String, String)]) -> Option<&str> {
    let (_, provider) = env.iter().rev().find(|(given, value)| given == ALARM && !value.is_empty())?;
    Some(match provider.as_str() {
        "default" => "true",
        "-" => "false",
        other => other,
    })
}

/// Reads the configuration: `file` is the YAML file, where there is one, `env` the environment. All problems are reported at once.
pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Config, Problems> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = file {
        figment = figment.merge(Serialized::globals(read_yaml(path)?));
    }
    for (name, path) in ALIASES {
        // An empty variable switches a module off in SkyWalking; here it says nothing.
        for (_, value) in env.iter().filter(|(given, value)| given == name && !value.is_empty()) {
            figment = figment.merge(variable(path, name, value));
        }
    }
    if let Some(urls) = cluster(env) {
        figment = figment.merge(variable("storage.opensearch.urls", CLUSTER_NODES, &urls));
    }
    if let Some(enabled) = alarms(env) {
        figment = figment.merge(variable("alarm.enabled", ALARM, enabled));
    }
    for (name, value) in env {
        if let Some(path) = name.strip_prefix(PREFIX) {
            let path = path.split("__").map(str::to_ascii_lowercase).collect::<Vec<_>>().join(".");
            figment = figment.merge(variable(&path, name, value));
        }
    }
    let config: Config = figment.extract().map_err(|errors| Problems(errors.into_iter().map(describe).collect()))?;
    let problems = config.validate();
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

/// One setting from the environment. Numbers, truth values and `[lists]` are read as such; a list may also be separated by commas
/// alone.
fn variable(path: &str, name: &str, value: &str) -> impl figment::Provider {
    let parse = |value: &str| {
        let Ok(parsed) = value.parse::<Value>();
        parsed
    };
    let (texts, numbers) = (LISTS.contains(&path), NUMBERS.contains(&path));
    let parsed = match (texts || numbers) && !value.starts_with('[') {
        true if texts => Value::from(value.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>()),
        true => Value::from(value.split(',').map(|one| parse(one.trim())).collect::<Vec<_>>()),
        false if is_text(path) => Value::from(value.to_owned()),
        false => parse(value),
    };
    Named { inner: Serialized::global(path, parsed), name: name.to_owned() }
}

/// Whether a setting is a text: one that looks like a number, as passwords may, stays what it is.
fn is_text(path: &str) -> bool {
    let defaults = serde_json::to_value(Config::default()).expect("settings are plain data");
    defaults.pointer(&format!("/{}", path.replace('.', "/"))).is_some_and(serde_json::Value::is_string)
}

/// A provider that problems are reported under by the name of the variable.
struct Named<P> {
    inner: P,
    name: String,
}

impl<P: figment::Provider> figment::Provider for Named<P> {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.inner.data()
    }
}

fn read_yaml(path: &Path) -> Result<serde_json::Value, Problems> {
    let problem = |what: String| Problems(vec![format!("{}: {what}", path.display())]);
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    serde_saphyr::from_str(&text).map_err(|error| problem(error.to_string()))
}

fn describe(error: figment::Error) -> String {
    let path = error.path.join(".");
    let source = error.metadata.as_ref().filter(|m| m.name.contains('_')).map(|m| format!(" (from {})", m.name));
    let source = source.unwrap_or_default();
    if path.is_empty() { format!("{}{source}", error.kind) } else { format!("{path}: {}{source}", error.kind) }
}

impl Config {
    /// Every problem that types cannot tell; empty: none.
    pub fn validate(&self) -> Vec<String> {
        let parts = [
            ("receiver", self.receiver.validate()),
            ("analysis", self.analysis.validate()),
            ("storage", self.storage.validate()),
            ("query", self.query.validate()),
            ("alarm", self.alarm.validate()),
            ("security", self.security.validate()),
        ];
        let named = |(part, problems): (&str, Vec<String>)| {
            problems.into_iter().map(|problem| format!("{part}.{problem}")).collect::<Vec<_>>()
        };
        self.server.validate().into_iter().chain(parts.into_iter().flat_map(named)).collect()
    }

    /// The settings as YAML with their documentation as comments; secrets are `***` unless they are empty.
    pub fn to_yaml(&self) -> String {
        render::yaml(&schemars::schema_for!(Config), &self.masked())
    }

    /// The settings as a flat list of dotted names and values, secrets masked, as clients of `/debugging/config/dump` read them.
    pub fn flat(&self) -> Vec<(String, String)> {
        render::flat(&self.masked())
    }

    fn masked(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("settings are plain data");
        render::mask(&mut value);
        value
    }
}

/// The folder whose files replace those that are compiled in: the one given, or `./config` where it exists.
pub fn config_dir(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| Some(PathBuf::from("config")).filter(|dir| dir.is_dir()))
}

#[cfg(test)]
mod tests {
    use expect_test::{expect, expect_file};

    use super::*;

    fn with(yaml: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skylark.yml");
        std::fs::write(&file, yaml).unwrap();
        let env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        load(Some(&file), &env)
    }

    #[test]
    fn the_shipped_file_is_the_defaults() {
        let text = Config::default().to_yaml();
        expect_file!["../../../config/skylark.yml"].assert_eq(&text);
        assert_eq!(with(&text, &[]).unwrap(), Config::default());
    }

    #[test]
    fn later_sources_win() {
        let yaml = "server:\n  grpc:\n    port: 1\n  http:\n    port: 2\nstorage:\n  records_days: 5\n";
        let env = [
            ("SW_CORE_GRPC_PORT", "3"),
            ("SW_CORE_REST_PORT", "4"),
            ("SW_AUTHENTICATION", ""),
            ("SW_SEARCHABLE_TAG_KEYS", "http.method, order"),
            ("SKYLARK__SERVER__HTTP__PORT", "6"),
            ("SKYLARK__STORAGE__PATH", "/x"),
        ];
        let config = with(yaml, &env).unwrap();
        assert_eq!((config.server.grpc.port, config.server.http.port), (3, 6));
        assert_eq!((config.storage.records_days, config.storage.metrics_days), (5, 7));
        assert_eq!(config.storage.path, PathBuf::from("/x"));
        assert_eq!(config.analysis.searchable_trace_tags, ["http.method", "order"]);
        assert_eq!(with("# nothing\n", &[]).unwrap(), Config::default());
    }

    fn check(yaml: &str, env: &[(&str, &str)], expected: expect_test::Expect) {
        let problems = with(yaml, env).unwrap_err().0;
        let known = problems.iter().map(|p| p.split_once("skylark.yml: ").map_or(p.as_str(), |(_, rest)| rest));
        expected.assert_eq(&known.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn every_problem_is_reported() {
        check(
            "server: { zone: Mars/Olympus, shutdown_seconds: 0 }\nstorage: { records_days: 1 }\n",
            &[],
            expect![[r#"
                server.zone: unknown time zone "Mars/Olympus": use an IANA name such as Europe/Berlin, or UTC
                server.shutdown_seconds: must be at least 1
                storage.records_days: must be at least 2, is 1: data leave by whole days, so with less the turn of the day would remove what was just written"#]],
        );
        check(
            "server: { grcp: 1 }\n",
            &[],
            expect![
                "server.grcp: unknown field: found `grcp`, expected `one of `grpc`, `http`, `admin`, `telemetry`, `zone`, `node_host`, `workers`, `max_connections`, `shutdown_seconds`, `log_format`, `log_level`` (from serde_json::value::Value)"
            ],
        );
        check(
            "",
            &[("SKYLARK__SERVER__GRPC__PORT", "many")],
            expect![[
                r#"server.grpc.port: invalid type: found string "many", expected u16 (from SKYLARK__SERVER__GRPC__PORT)"#
            ]],
        );
        check(
            "server: [\n",
            &[],
            expect![[r#"
            error: line 1 column 9: unclosed bracket '['
             --> <input>:1:9
              |
            1 | server: [
              |         ^ unclosed bracket '['"#]],
        );
    }

    #[test]
    fn a_cluster_is_found_by_the_names_that_skywalking_has_for_it() {
        let env = [
            ("SW_STORAGE", "elasticsearch"),
            ("SW_STORAGE_ES_CLUSTER_NODES", "one:9200, two:9200"),
            ("SW_STORAGE_ES_HTTP_PROTOCOL", "https"),
            ("SW_ES_USER", "me"),
            ("SW_ES_PASSWORD", "12345"),
            ("SW_NAMESPACE", "shop"),
            ("SW_STORAGE_ES_INDEX_SHARDS_NUMBER", "3"),
            ("SW_STORAGE_ES_INDEX_REPLICAS_NUMBER", "0"),
        ];
        let storage = with("", &env).unwrap().storage;
        assert_eq!(storage.backend, storage::Backend::OpenSearch);
        let cluster = &storage.opensearch;
        assert_eq!(cluster.urls, ["https://one:9200", "https://two:9200"]);
        assert_eq!((cluster.username.as_str(), cluster.password.reveal()), ("me", "12345"));
        assert_eq!((cluster.index_prefix.as_str(), cluster.shards, cluster.replicas), ("shop", 3, 0));
        let own = [env.as_slice(), &[("SKYLARK__STORAGE__OPENSEARCH__URLS", "http://three:9200")]].concat();
        assert_eq!(with("", &own).unwrap().storage.opensearch.urls, ["http://three:9200"]);
        assert!(with("", &[("SW_STORAGE", "h2")]).is_err());
    }

    #[test]
    fn alarms_are_switched_and_searched_as_skywalking_names_it() {
        let of = |env: &[(&str, &str)]| with("alarm: { searchable_tags: [x] }", env).map(|config| config.alarm);
        let alarm = of(&[("SW_ALARM", "-"), ("SW_SEARCHABLE_ALARM_TAG_KEYS", "level, team")]).unwrap();
        assert_eq!((alarm.enabled, alarm.searchable_tags), (false, vec!["level".to_owned(), "team".to_owned()]));
        let alarm = of(&[("SW_ALARM", "default"), ("SW_SEARCHABLE_ALARM_TAG_KEYS", "")]).unwrap();
        assert_eq!((alarm.enabled, alarm.searchable_tags), (true, vec!["x".to_owned()]));
        let own = of(&[("SW_ALARM", "-"), ("SKYLARK__ALARM__ENABLED", "true")]).unwrap();
        assert!(own.enabled);
        assert!(of(&[("SW_ALARM", "other")]).is_err());
    }

    #[test]
    fn sampling_and_thresholds_are_understood_as_skywalking_has_them() {
        let env = [
            ("SW_TRACE_SAMPLE_RATE", "500"),
            ("SW_SLOW_TRACE_SEGMENT_THRESHOLD", "-1"),
            ("SW_FORCE_SAMPLE_ERROR_SEGMENT", "false"),
            ("SW_TRACE_SAMPLING_POLICY_SETTINGS_FILE", "policies.yml"),
            ("SW_SLOW_DB_THRESHOLD", "default:300"),
            ("SW_SLOW_CACHE_SLOW_READ_THRESHOLD", "default:5,Redis:1"),
            ("SW_SLOW_CACHE_SLOW_WRITE_THRESHOLD", "redis:7"),
            ("SW_SEGMENT_STATUS_ANALYSIS_STRATEGY", "FROM_ENTRY_SPAN"),
            ("SW_NO_UPSTREAM_REAL_ADDRESS", "6000, 9001"),
        ];
        let table = |entries: &[(&str, u32)]| entries.iter().map(|&(kind, ms)| (kind.to_owned(), ms)).collect();
        let analysis = with("analysis: { sampling: { slow_segment_ms: 9 } }", &env).unwrap().analysis;
        let expected = analysis::context::Config {
            sampling: analysis::context::Sampling {
                rate: 500,
                slow_segment_ms: -1,
                force_error: false,
                policy_file: "policies.yml".to_owned(),
            },
            slow: analysis::context::Slow {
                // What stands in the variable, and nothing of the defaults beside it.
                database_ms: table(&[("default", 300)]),
                cache_read_ms: table(&[("default", 5), ("redis", 1)]),
                cache_write_ms: table(&[("redis", 7)]),
                ..Default::default()
            },
            segment_status: analysis::context::SegmentStatus::EntrySpan,
            no_upstream_real_address_agents: vec![6000, 9001],
            ..Default::default()
        };
        assert_eq!(analysis, expected);
        for (name, value, problem) in [
            ("SW_TRACE_SAMPLE_RATE", "10001", "analysis.sampling.rate: must be at most 10000, is 10001"),
            (
                "SW_SLOW_DB_THRESHOLD",
                "default:soon",
                "analysis.slow.database_ms: `default:soon` is not type:milliseconds (from SW_SLOW_DB_THRESHOLD)",
            ),
            (
                "SW_NO_UPSTREAM_REAL_ADDRESS",
                "nginx",
                "analysis.no_upstream_real_address_agents.0: invalid type: found string \"nginx\", expected i32 (from SW_NO_UPSTREAM_REAL_ADDRESS)",
            ),
        ] {
            assert_eq!(with("", &[(name, value)]).unwrap_err().0, [problem]);
        }
    }

    #[test]
    fn limits_of_names_are_understood_as_skywalking_has_them() {
        let env = [
            ("SW_SERVICE_NAME_MAX_LENGTH", "40"),
            ("SW_INSTANCE_NAME_MAX_LENGTH", "50"),
            ("SW_ENDPOINT_NAME_MAX_LENGTH", "190"),
            ("SW_CORE_ENABLE_ENDPOINT_NAME_GROUPING_BY_OPENAPI", "false"),
            ("SW_CORE_MAX_HTTP_URIS_NUMBER_PER_SVR", "100"),
        ];
        let naming = with("", &env).unwrap().analysis.naming;
        let expected = analysis::naming::NamingConfig {
            max_service_chars: 40,
            max_instance_chars: 50,
            max_endpoint_chars: 190,
            openapi: false,
            max_endpoints: 100,
            ..Default::default()
        };
        assert_eq!(naming, expected);
        let problems = with("", &[("SW_ENDPOINT_NAME_MAX_LENGTH", "191")]).unwrap_err().0;
        assert_eq!(problems, ["analysis.naming.max_endpoint_chars: must be between 1 and 190, is 191"]);
    }

    #[test]
    fn secrets_are_never_printed() {
        let config = with("receiver: { token: s3cret }\n", &[]).unwrap();
        assert!(!config.to_yaml().contains("s3cret"));
        assert!(config.flat().contains(&("receiver.token".to_owned(), "***".to_owned())));
    }
}
