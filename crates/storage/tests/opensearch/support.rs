//! What these tests share: real clusters, and stores on them that take away what they made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::cell::CellId;
use model::kinds::RecordKind;
use model::record::{FieldValue, Format, Record};
use model::{Agg, Bucket, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone};
use reqwest::Method;
use serde_json::Value;
use storage::opensearch::{Config, OpenSearch, Visible};
use storage::{RecordQuery, Store, StoreError};

/// 2024-01-15T12:00:00Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_705_320_000_000);
/// The minute of [`NOW`].
pub(crate) const MINUTE: Bucket = Bucket(28_422_000);
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// Where the clusters answer, one for each version. Without any these tests have nothing to test: locally that is said in one
/// line, in CI it is a failure.
pub(crate) fn clusters() -> Vec<String> {
    let urls = std::env::var_os("SKYLARK_OPENSEARCH").and_then(|urls| urls.into_string().ok()).unwrap_or_default();
    let urls: Vec<_> = urls.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect();
    if urls.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "SKYLARK_OPENSEARCH is not set: run `cargo xtask test`");
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("SKYLARK_OPENSEARCH is not set, so nothing is tested against OpenSearch: run `cargo xtask test`");
        }
    }
    urls
}

/// A prefix of its own on a cluster, and whatever lies under it goes with it.
pub(crate) struct Room {
    url: String,
    pub(crate) config: Config,
    http: reqwest::Client,
}

impl Room {
    pub(crate) fn new(url: &str) -> Room {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let index_prefix = format!("test-{}-{n}", std::process::id());
        let config = Config {
            urls: vec![url.to_owned()],
            index_prefix,
            replicas: 0,
            start_timeout_seconds: 0,
            query_timeout_seconds: 60,
            write_timeout_seconds: 60,
            ..Config::default()
        };
        Room { url: url.to_owned(), config, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) async fn open(&self) -> OpenSearch {
        self.try_open(&Zone::utc()).await.unwrap()
    }

    pub(crate) async fn try_open(&self, zone: &Zone) -> Result<OpenSearch, StoreError> {
        let clock = Clock::from_fn(|| NOW);
        OpenSearch::open(&self.config, Visible::AtOnce, zone, &clock, 1).await
    }

    pub(crate) async fn shared(&self) -> Arc<OpenSearch> {
        Arc::new(self.open().await)
    }

    /// Asks the cluster itself; panics when it refuses.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// The indices of this room, ascending, without what is common to their names.
    pub(crate) async fn indices(&self) -> Vec<String> {
        let prefix = format!("{}-", self.config.index_prefix);
        let all = self.ask(Method::GET, &format!("/_cat/indices/{prefix}*?format=json&h=index"), None).await;
        let mut names: Vec<_> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|index| index["index"].as_str().unwrap().strip_prefix(&prefix).unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Takes everything away.
    pub(crate) async fn leave(self) {
        let prefix = &self.config.index_prefix;
        for path in [format!("/{prefix}-*"), format!("/_index_template/{prefix}-*")] {
            self.http.delete(format!("{}{path}", self.url)).send().await.unwrap();
        }
    }

    /// Closes a store of this room and takes everything away.
    pub(crate) async fn close(self, store: &OpenSearch) {
        store.close().await.unwrap();
        self.leave().await;
    }
}

/// A record of the kind with all fields absent.
pub(crate) fn record(kind: RecordKind, id: &str, time: UnixMillis) -> Record {
    let fields = vec![FieldValue::Absent; kind.def().fields.len()];
    Record {
        kind,
        id: id.into(),
        time,
        fields,
        format: Format::None,
        body: format!("body of {id}").into_bytes().into(),
    }
}

/// A partial of a service's minute.
pub(crate) fn row(entity: &str, bucket: Bucket, writer: u64, seq: u64, cells: &[(CellId, Agg)]) -> Row {
    let key = RowKey { scope: Scope::Service, step: Step::Minute, bucket, entity: entity.into() };
    Row { key, partial: Partial { writer, life: 1 }, seq, cells: cells.iter().cloned().collect() }
}

/// All records of a kind, oldest first.
pub(crate) fn records_of(kind: RecordKind) -> RecordQuery {
    RecordQuery::oldest(kind, 1_000)
}

/// The ids of all records of a kind, oldest first.
pub(crate) async fn ids(store: &dyn Store, kind: RecordKind) -> Vec<String> {
    let page = store.records(&records_of(kind)).await.unwrap();
    page.records.iter().map(|record| record.id.to_string()).collect()
}
