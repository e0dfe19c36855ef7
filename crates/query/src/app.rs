//! What answers are made from.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use alarm::desk::Desk;
use async_graphql::{
    Context, ID, Request, ServerResult,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest},
};
use model::{Clock, Zone, layer::Layers, metric::Catalogue};
use storage::{MergedRow, Retention, ScanQuery, SharedStore, Store};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::{Components, Config, Error, Hierarchy, hierarchy, metadata::Service, templates::Templates};

/// What the query side is given by the server.
#[derive(Clone)]
pub struct Sources {
    /// Where everything lies.
    pub store: SharedStore,
    /// The metrics that may be asked for.
    pub catalogue: Arc<Catalogue>,
    /// What component ids are called.
    pub components: Arc<Components>,
    /// The layers there are.
    pub layers: Layers,
    /// Which of them lie above which.
    pub hierarchy: Arc<Hierarchy>,
    /// The zone in which clients write times.
    pub zone: Zone,
    /// Tells the time.
    pub clock: Clock,
    /// The server's version, `11.0.0-5839d2a`.
    pub version: String,
    /// How long data are kept.
    pub retention: Retention,
    /// Does what is asked for of alarms.
    pub alarm: Arc<Desk>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("zone", &self.zone).field("version", &self.version).finish_non_exhaustive()
    }
}

/// The sources, the settings and what was read at start.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) sources: Sources,
    pub(crate) config: Config,
    pub(crate) templates: Templates,
    reads: Semaphore,
}

/// How many reads of all requests together the store works on at once. One request may ask for thousands of things, and a
/// store reads in threads; more at once would make none of them faster.
const PARALLEL_READS: usize = 64;

/// The right to read from the store, until it is dropped.
pub(crate) struct Read<'a> {
    store: &'a SharedStore,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Read<'_> {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref()
    }
}

impl App {
    pub(crate) fn new(sources: Sources, config: Config, templates: Templates) -> Self {
        Self { sources, config, templates, reads: Semaphore::new(PARALLEL_READS) }
    }

    /// Waits for its turn to read. Whoever holds one must not wait for another.
    pub(crate) async fn read(&self) -> Read<'_> {
        let permit = self.reads.acquire().await.expect("the semaphore is never closed");
        Read { store: &self.sources.store, _permit: permit }
    }

    pub(crate) fn store(&self) -> &SharedStore {
        &self.sources.store
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.sources.zone
    }
}

/// The application behind a resolver.
pub(crate) fn app<'c>(ctx: &Context<'c>) -> &'c App {
    ctx.data_unchecked::<Arc<App>>()
}

/// What one request reads once, however many of its fields need it: a client asks for the services of fifty layers in one
/// query. It lives as long as the request, so it is never stale.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    services: OnceCell<Arc<BTreeMap<String, Service>>>,
    hierarchy: OnceCell<hierarchy::Graph>,
}

impl Snapshot {
    /// Every service by id.
    pub(crate) async fn services(&self, app: &App) -> Result<&BTreeMap<String, Service>, Error> {
        self.shared_services(app).await.map(Arc::as_ref)
    }

    async fn shared_services(&self, app: &App) -> Result<&Arc<BTreeMap<String, Service>>, Error> {
        let load = || async { crate::metadata::all_services(app).await.map(Arc::new) };
        self.services.get_or_try_init(load).await
    }

    /// Which services are the same thing in different layers.
    pub(crate) async fn hierarchy(&self, app: &App) -> Result<&hierarchy::Graph, Error> {
        let build = || async { hierarchy::build(app, Arc::clone(self.shared_services(app).await?)).await };
        self.hierarchy.get_or_try_init(build).await
    }
}

/// The snapshot of the request behind a resolver.
pub(crate) fn snapshot<'c>(ctx: &Context<'c>) -> &'c Snapshot {
    ctx.data_unchecked::<Snapshot>()
}

/// Gives each request its [`Snapshot`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct WithSnapshot;

impl ExtensionFactory for WithSnapshot {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for WithSnapshot {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        Ok(next.run(ctx, request).await?.data(Snapshot::default()))
    }
}

/// How many rows one question may make us hold at once.
const MAX_ROWS: usize = 200_000;
/// How many rows are read at a time.
const PAGE_ROWS: usize = 2_000;

/// All pages of a scan.
///
/// # Errors
/// The store's, and a request error when there are more than [`MAX_ROWS`] rows: the client should narrow its question.
pub(crate) async fn scan(app: &App, query: ScanQuery) -> Result<Vec<MergedRow>, Error> {
    scan_up_to(app, query, MAX_ROWS).await
}

async fn scan_up_to(app: &App, mut query: ScanQuery, most: usize) -> Result<Vec<MergedRow>, Error> {
    query.limit = PAGE_ROWS;
    let mut rows = Vec::new();
    loop {
        let page = app.read().await.scan(&query).await?;
        rows.extend(page.rows);
        if rows.len() > most {
            return Err(Error::Request(format!("more than {most} rows match; ask for less")));
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(rows),
        }
    }
}

/// A text that was given: missing, null and empty all mean "no condition".
pub(crate) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// An id that was given.
pub(crate) fn given_id(id: Option<&ID>) -> Option<&str> {
    given(id.map(|id| id.as_str()))
}

#[cfg(test)]
mod tests {
    use model::{Agg, Bucket, Cells, Partial, Row, RowKey, Scope, UnixMillis, cell, id};
    use storage::{Batch, Entities, memory::Memory};

    use super::*;

    #[tokio::test]
    async fn more_rows_than_one_question_may_hold_are_an_error() {
        let store = Memory::new();
        let row = |n: u32| Row {
            key: RowKey {
                scope: Scope::Service,
                step: model::Step::Life,
                bucket: Bucket(0),
                entity: id::service(&n.to_string(), true).into(),
            },
            partial: Partial { writer: 1, life: n },
            seq: 1,
            cells: Cells::from_iter([(cell::LAYERS, Agg::id(2))]),
        };
        store.write(&Batch { rows: (0..2_500).map(row).collect(), records: Vec::new() }).await.unwrap();
        let sources = Sources {
            alarm: crate::testing::desk(Arc::new(Memory::new()), Arc::new(Catalogue::new([])), Layers::default()).await,
            store: Arc::new(store),
            catalogue: Arc::new(Catalogue::new([])),
            components: Arc::default(),
            layers: Layers::default(),
            hierarchy: Arc::default(),
            zone: Zone::utc(),
            clock: Clock::from_fn(|| UnixMillis(0)),
            version: String::new(),
            retention: Retention { records_days: 3, metrics_days: 7 },
        };
        let templates = Templates::load(std::path::Path::new("")).unwrap();
        let app = App::new(sources, Config::default(), templates);
        let all = || crate::metadata::life(Scope::Service, Entities::All);
        assert_eq!(scan_up_to(&app, all(), 2_500).await.unwrap().len(), 2_500, "it takes two pages");
        let error = scan_up_to(&app, all(), 2_499).await.unwrap_err();
        assert_eq!(error.to_string(), "more than 2499 rows match; ask for less");
    }
}
