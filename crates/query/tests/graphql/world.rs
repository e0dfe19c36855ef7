//! A server over a store in memory, and builders for what lies in it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use model::{
    Agg, Bucket, Cells, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone,
    cell::{self, CellId},
    layer::Layers,
    metric::{Catalogue, Function, MetricDef},
    record::Record,
};
use query::{Actor, Components, Config, Hierarchy, HierarchyFile, Role, Sources};
use serde_json::{Value, json};
use storage::{
    Batch, Retention, SharedStore,
    embedded::{Embedded, Options},
    memory::Memory,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::desk::desk;

/// 2024-01-15T12:00:00Z.
pub(crate) const NOW: i64 = 1_705_320_000_000;
/// The minute of [`NOW`].
pub(crate) const MINUTE: u32 = 28_422_000;

/// Metrics by name, in the order of their cells from 64 on.
const METRICS: [(&str, Scope, Function); 9] = [
    ("service_cpm", Scope::Service, Function::Cpm),
    ("service_resp_time", Scope::Service, Function::LongAvg),
    ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
    ("service_instance_cpm", Scope::ServiceInstance, Function::Cpm),
    ("endpoint_cpm", Scope::Endpoint, Function::Cpm),
    ("service_relation_client_cpm", Scope::ServiceRelation, Function::Cpm),
    ("endpoint_relation_cpm", Scope::EndpointRelation, Function::Cpm),
    ("service_heatmap", Scope::Service, Function::Histogram { step: 100, steps: 20 }),
    ("instance_load", Scope::ServiceInstance, Function::DoubleAvg),
];

/// The cell of a metric.
pub(crate) fn metric(name: &str) -> CellId {
    let at = METRICS.iter().position(|(own, ..)| *own == name).unwrap();
    CellId(cell::FIRST_METRIC + u16::try_from(at).unwrap())
}

pub(crate) struct World {
    store: SharedStore,
    pub(crate) config: Config,
    /// Who asks.
    pub(crate) actor: Actor,
    /// What the operator's file of layers says.
    pub(crate) layers: String,
    n_rows: AtomicU32,
    pub(crate) clock: Clock,
    /// The engine's desk, one for all requests.
    desk: OnceCell<Arc<alarm::Desk>>,
    /// Where the store lies, if it lies anywhere.
    _folder: Option<TempDir>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(Memory::new()), None)
    }

    /// The same world over each store that runs within the process.
    pub(crate) fn each() -> [Self; 2] {
        let folder = TempDir::new().unwrap();
        let clock = Clock::from_fn(|| UnixMillis(NOW));
        let store = Embedded::open(folder.path(), Options::default(), &Zone::utc(), clock).unwrap();
        [Self::new(), Self::over(Arc::new(store), Some(folder))]
    }

    fn over(store: SharedStore, folder: Option<TempDir>) -> Self {
        Self {
            store,
            config: Config::default(),
            actor: Actor::new("tester", Role::Admin, ""),
            layers: "layers: []".to_owned(),
            n_rows: AtomicU32::new(0),
            clock: Clock::from_fn(|| UnixMillis(NOW)),
            desk: OnceCell::new(),
            _folder: folder,
        }
    }

    pub(crate) fn with_templates(dir: PathBuf, editable: bool) -> Self {
        let mut world = Self::new();
        world.config.templates_dir = dir;
        world.config.templates_editable = editable;
        world.actor = Actor::default();
        world
    }

    /// Writes a partial row of its own.
    pub(crate) async fn row(
        &self,
        scope: Scope,
        step: Step,
        bucket: u32,
        entity: &str,
        cells: &[(CellId, Agg)],
    ) -> &Self {
        let life = self.n_rows.fetch_add(1, Ordering::Relaxed);
        let row = Row {
            key: RowKey { scope, step, bucket: Bucket(bucket), entity: entity.into() },
            partial: Partial { writer: 1, life },
            seq: u64::from(life),
            cells: Cells::from_iter(cells.iter().cloned()),
        };
        self.write(Batch { rows: vec![row], records: Vec::new() }).await
    }

    /// Writes partial rows of their own, all at once.
    pub(crate) async fn rows(
        &self,
        rows: impl IntoIterator<Item = (Scope, Step, u32, String, Vec<(CellId, Agg)>)>,
    ) -> &Self {
        let row = |(scope, step, bucket, entity, cells): (_, _, _, String, Vec<_>)| Row {
            key: RowKey { scope, step, bucket: Bucket(bucket), entity: entity.into() },
            partial: Partial { writer: 1, life: self.n_rows.fetch_add(1, Ordering::Relaxed) },
            seq: 1,
            cells: Cells::from_iter(cells),
        };
        self.write(Batch { rows: rows.into_iter().map(row).collect(), records: Vec::new() }).await
    }

    /// Writes a life row that was first seen and last pinged at these minutes after [`MINUTE`].
    pub(crate) async fn life(&self, scope: Scope, entity: &str, seen: (i64, i64), cells: &[(CellId, Agg)]) -> &Self {
        let mut all = vec![
            (cell::FIRST_SEEN, Agg::Min(i64::from(MINUTE) + seen.0)),
            (cell::LAST_PING, Agg::Max(i64::from(MINUTE) + seen.1)),
        ];
        all.extend_from_slice(cells);
        self.row(scope, Step::Life, 0, entity, &all).await
    }

    pub(crate) async fn records(&self, records: Vec<Record>) -> &Self {
        self.write(Batch { rows: Vec::new(), records }).await
    }

    pub(crate) async fn write(&self, batch: Batch) -> &Self {
        let written = self.store.write(&batch).await.unwrap();
        assert!(written.rows_refused.is_empty() && written.records_refused.is_empty(), "{written:?}");
        self
    }

    pub(crate) async fn close(&self) {
        self.store.close().await.unwrap();
    }

    pub(crate) fn store(&self) -> SharedStore {
        Arc::clone(&self.store)
    }

    /// Answers through the desk of an engine that runs over the same store.
    pub(crate) fn at(&self, desk: Arc<alarm::Desk>) {
        assert!(self.desk.set(desk).is_ok(), "there is a desk already");
    }

    pub(crate) fn catalogue() -> Arc<Catalogue> {
        let defs = METRICS.map(|(name, scope, function)| MetricDef {
            cell: metric(name),
            name: name.to_owned(),
            scope,
            function,
        });
        Arc::new(Catalogue::new(defs).by_layer(["service_cpm".to_owned()]))
    }

    pub(crate) async fn sources(&self) -> Sources {
        let catalogue = Self::catalogue();
        let library = ("component-libraries.yml", include_str!("../../../../config/component-libraries.yml"));
        let layers = Layers::with(serde_saphyr::from_str(&self.layers).unwrap()).unwrap();
        let hierarchy: HierarchyFile =
            serde_saphyr::from_str(include_str!("../../../../config/hierarchy-definition.yml")).unwrap();
        Sources {
            alarm: Arc::clone(
                self.desk.get_or_init(|| desk(Arc::clone(&self.store), Arc::clone(&catalogue), layers.clone())).await,
            ),
            hierarchy: Arc::new(Hierarchy::new(&hierarchy, &layers).unwrap()),
            layers,
            store: Arc::clone(&self.store),
            catalogue,
            components: Arc::new(Components::read([library]).unwrap()),
            zone: Zone::utc(),
            clock: self.clock.clone(),
            version: "11.0.0-test".to_owned(),
            retention: Retention { records_days: 3, metrics_days: 7 },
        }
    }

    pub(crate) async fn app(&self) -> Router {
        let routes = query::routes(query::build(&self.config, self.sources().await).unwrap(), &self.config);
        routes.layer(Extension(self.actor.clone()))
    }

    /// The answer of the status endpoints to a path.
    pub(crate) async fn status(&self, path: &str) -> Value {
        let routes = query::alarm_status(self.sources().await.alarm);
        let response = routes.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    /// The extensions of the first error of a query that has one.
    pub(crate) async fn extensions(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert!(answer["errors"][0]["message"].is_string(), "no error: {answer}");
        answer["errors"][0]["extensions"].take()
    }

    /// The answer to a body, as it is.
    pub(crate) async fn send(&self, content_type: &str, body: String) -> (StatusCode, String) {
        let request =
            Request::post("/graphql").header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap();
        let response = self.app().await.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The answer to a query, with `data` and perhaps `errors`.
    pub(crate) async fn answer(&self, query: &str, variables: Value) -> Value {
        let (status, answer) =
            self.send("application/json", json!({"query": query, "variables": variables}).to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The data of a query without errors.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"].take()
    }

    /// The first error's message of a query that has one.
    pub(crate) async fn error(&self, query: &str, variables: Value) -> String {
        let answer = self.answer(query, variables).await;
        answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}")).to_owned()
    }
}

/// The minutes `from..=to` after [`MINUTE`].
pub(crate) fn minutes(from: i64, to: i64) -> Value {
    let text = |minute: i64| {
        let local = Zone::utc().civil(UnixMillis(NOW + minute * 60_000));
        format!("{} {:02}{:02}", local.date(), local.hour(), local.minute())
    };
    json!({"start": text(from), "end": text(to), "step": "MINUTE", "coldStage": false})
}
