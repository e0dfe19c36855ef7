//! The one page on which everything is made and connected, downstream first: store, writer, rollup, workers, receivers, listeners.
//!
//! Stopping is the absence of senders: the listeners end and drop their routers, with them the ingest queues' senders; the workers
//! drain and drop theirs, then the rollup, then the writer. See [`App::run`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analysis::context::{Context, Serial, Settings};
use analysis::delta::Delta;
use analysis::naming::{self, Names, Naming};
use analysis::oal::{self, Program, Rules};
use analysis::prices::{PriceFile, Prices};
use analysis::worker::{self, Worker};
use analysis::{alias, catalogue, policy, rollup, windows};
use anyhow::{Context as _, anyhow};
use axum::Router;
use model::ledger::Ledger;
use model::metric::Catalogue;
use model::telemetry::Envelope;
use model::{Clock, Zone};
use query::Components;
use receiver::Ingest;
use storage::chance::random;
use storage::lease::{Lease, Tenure};
use storage::nodes::{self, Nodes, Registry};
use storage::writer::{WriterHandle, WriterStats};
use storage::{Retention, SharedStore};
use tokio::sync::{mpsc, watch};
use tower_http::compression::CompressionLayer;
use tracing::{info, warn};

use crate::config::Config;
use crate::layering::Layering;
use crate::lifecycle::Tasks;
use crate::listeners::Listeners;
use crate::live::{self, Address, Live, Ports};
use crate::net::Places;
use crate::policies::Policies;
use crate::watch::{Reloads, Watched};
use crate::{admin, assets, scrape};

/// How often retention looks for what has expired.
const RETENTION: Duration = Duration::from_secs(600);

/// The files of `config/`, read and understood.
#[derive(Debug)]
pub struct Files {
    rules: Rules,
    components: Components,
    prices: Prices,
    policies: Policies,
    names: Watched<naming::Rules>,
    layering: Layering,
}

impl Files {
    /// Reads the files that are compiled in or in `dir`; some of them go over what `config` says. Errors name file, line and column.
    pub fn load(dir: Option<&Path>, config: &Config) -> anyhow::Result<Files> {
        let rules = metrics(&assets::oal(dir)?)?;
        let files = assets::components(dir)?;
        let components = Components::read(files.iter().map(|(name, text)| (*name, text.as_str())))
            .map_err(|problems| anyhow!(problems.join("\n  ")))?;
        let prices: PriceFile = serde_saphyr::from_str(&assets::prices(dir)?).context("gen-ai-config.yml")?;
        let prices = Prices::new(prices).map_err(|problems| anyhow!("gen-ai-config.yml: {}", problems.join("\n  ")))?;
        let policies = Policies::open(dir, &config.analysis)?;
        let names = crate::naming::open(dir, &config.analysis.naming)?;
        let layering = Layering::load(dir)?;
        Ok(Files { rules, components, prices, policies, names, layering })
    }
}

fn metrics(files: &assets::Oal) -> anyhow::Result<Rules> {
    fn texts(files: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
    let rules = oal::read_over(texts(&files.shipped), texts(&files.own))
        .map_err(|errors| anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")))?;
    for name in &rules.unknown_disabled {
        warn!(name, "nothing of this name can be disabled");
    }
    Ok(rules)
}

/// A running server.
#[derive(Debug)]
pub struct App {
    pub(crate) tasks: Tasks,
    addresses: Vec<Address>,
    ports: Ports,
    store_detail: String,
}

/// What the parts share while they are wired.
struct Shared {
    config: Config,
    zone: Zone,
    clock: Clock,
    /// Drawn at this start: names this node's partial totals, and the node.
    writer: u64,
    store: SharedStore,
    ledger: Arc<Ledger>,
    aliases: Arc<alias::Table>,
    rollup: Arc<rollup::Stats>,
    windows: Arc<windows::Stats>,
    policies: policy::Table,
    naming: Arc<Naming>,
    reloads: Vec<Arc<Reloads>>,
    layering: Layering,
}

/// Opens the store, wires everything and begins to serve. `Err` says what is in the way; nothing is left running then.
pub async fn start(config: Config, files: Files, clock: Clock) -> anyhow::Result<App> {
    let zone = config.server.zone().map_err(anyhow::Error::msg)?;
    // Bound before the store is opened: a port that is taken must not cost a recovery.
    let listeners = Listeners::bind(&config).await?;
    let store = storage::open(&config.storage, &zone, &clock).await.context("cannot open the store")?;
    let metrics = catalogue::open(&*store, &files.rules, random(), clock.now()).await;
    let metrics = metrics.context("cannot read the metric catalogue")?;
    let (ledger, aliases, rollup, windows) = Default::default();
    let (policies, mut reloads) = (files.policies.table(), files.policies.reloads().to_vec());
    reloads.push(files.names.reloads());
    let naming = Arc::new(Naming::new(&config.analysis.naming, files.names.current()));
    let (writer, layering) = (random(), files.layering);
    let shared = Shared {
        config,
        zone,
        clock,
        writer,
        store,
        ledger,
        aliases,
        rollup,
        windows,
        policies,
        naming,
        reloads,
        layering,
    };
    let mut tasks = Tasks::new(
        Arc::clone(&shared.store),
        Arc::clone(&shared.ledger),
        Duration::from_secs(shared.config.server.shutdown_seconds),
    );

    let (write, writer) = storage::writer::writer(Arc::clone(&shared.store), Arc::clone(&shared.ledger), random());
    let writer_stats = writer.stats();
    let give_up = tasks.give_up();
    tasks.core("writer", writer.run(give_up));
    let workers = workers(shared.config.server.workers);
    let to_rollup = roll_up(&shared, &mut tasks, workers, &write);
    let queues = work(&shared, &mut tasks, workers, (metrics.program, files.prices), to_rollup, &write);
    drop(write);
    files.policies.follow(&mut tasks);
    let stopped = tasks.stopped();
    tasks.background("naming", files.names.run(stopped));
    let (addresses, ports) = (listeners.addresses()?, listeners.ports()?);
    let nodes = look_after(&shared, &mut tasks, ports).await;

    let ingest = shared.ingest(queues);
    tasks.intake(ingest.clone());
    let http = shared.http(&ingest, metrics.catalogue, files.components, &addresses, ports, nodes)?;
    let grpc = receiver::grpc(ingest.clone(), &shared.config.receiver);
    let own = scrape::routes(shared.scrape(writer_stats, ingest, listeners.places.clone()));
    listeners.serve(&mut tasks, grpc, http, own);

    let store_detail = shared.store.health().await.detail;
    info!(store = store_detail, workers, zone = %shared.zone, "skylark is ready");
    Ok(App { tasks, addresses, ports, store_detail })
}

/// The task that owns the totals; answers where the workers hand their deltas in, and what tells them when.
fn roll_up(
    shared: &Shared,
    tasks: &mut Tasks,
    workers: usize,
    write: &WriterHandle,
) -> (mpsc::Sender<Delta>, watch::Receiver<()>) {
    let (deltas, from_workers) = mpsc::channel(rollup::DELTAS_PER_WORKER * workers);
    let (flush_near, told) = watch::channel(());
    let interval = shared.config.storage.flush_interval();
    let rollup = rollup::run(rollup::Rollup {
        deltas: from_workers,
        flush_near,
        rows: write.rows.clone(),
        writer: shared.writer,
        zone: shared.zone.clone(),
        clock: shared.clock.clone(),
        ledger: Arc::clone(&shared.ledger),
        stats: Arc::clone(&shared.rollup),
        config: rollup::Config { interval, limits: shared.config.analysis.limits(), ..rollup::Config::default() },
    });
    tasks.core("rollup", rollup);
    (deltas, told)
}

/// The workers; answers the queues they take elements from.
fn work(
    shared: &Shared,
    tasks: &mut Tasks,
    workers: usize,
    (program, prices): (Arc<Program>, Prices),
    (deltas, flush_near): (mpsc::Sender<Delta>, watch::Receiver<()>),
    write: &WriterHandle,
) -> Vec<mpsc::Sender<Envelope>> {
    let config = &shared.config;
    let settings = Settings::new(&config.analysis, shared.zone.clone(), config.storage.metrics_days);
    let context = Context {
        program,
        aliases: shared.aliases.load(),
        settings: Arc::new(settings.with_prices(prices).with_layers(shared.layering.layers.clone())),
        policies: shared.policies.load(),
        names: Names::new(Arc::clone(&shared.naming)),
        serial: Arc::new(Serial::new(random())),
    };
    let sightings = watch_traces(shared, tasks, workers, write);
    let mut queues = Vec::with_capacity(workers);
    for _ in 0..workers {
        let (queue, elements) = mpsc::channel(config.receiver.queue_length);
        queues.push(queue);
        let worker = Worker {
            ingest: elements,
            context: context.clone(),
            aliases: Arc::clone(&shared.aliases),
            policies: shared.policies.clone(),
            deltas: deltas.clone(),
            flush_near: flush_near.clone(),
            records: write.records.clone(),
            sightings: sightings.clone(),
            ledger: Arc::clone(&shared.ledger),
        };
        tasks.core("worker", worker::run(worker));
    }
    queues
}

/// The task that folds segments into summaries of their traces; answers where the workers tell it what they see.
fn watch_traces(
    shared: &Shared,
    tasks: &mut Tasks,
    workers: usize,
    write: &WriterHandle,
) -> mpsc::Sender<windows::Sightings> {
    let (sightings, from_workers) = mpsc::channel(windows::SIGHTINGS_PER_WORKER * workers);
    let watch = windows::Watch {
        sightings: from_workers,
        records: write.records.clone(),
        writer: shared.writer,
        ledger: Arc::clone(&shared.ledger),
        stats: Arc::clone(&shared.windows),
        config: shared.config.analysis.trace_windows,
    };
    tasks.core("windows", windows::run(watch));
    sightings
}

/// What reads back and tidies up; answers the nodes that share the store.
async fn look_after(shared: &Shared, tasks: &mut Tasks, ports: Ports) -> Nodes {
    let mut reader = alias::Reader::new(Arc::clone(&shared.store), Arc::clone(&shared.aliases));
    // Once before the first span: what was known before a restart resolves from then on.
    if let Err(error) = reader.refresh().await {
        warn!(%error, "aliases cannot be read yet");
    }
    tasks.background("aliases", reader.run(shared.config.storage.look_interval(), tasks.stopped()));
    let policy = shared.config.storage.retention();
    let seed = random();
    let (lease, tenure) =
        Lease::new(Arc::clone(&shared.store), shared.clock.clone(), "retention", nodes::id(shared.writer), seed);
    tasks.background("lease", lease.run(tasks.stopped()));
    let retention = retention(Arc::clone(&shared.store), policy, shared.clock.clone(), tenure, tasks.stop());
    tasks.background("retention", retention);

    let rollup = Arc::clone(&shared.rollup);
    let node = nodes::Node {
        host: shared.config.server.node_host(),
        grpc_port: ports.grpc,
        http_port: ports.http,
        version: version(),
        flushed_before: 0,
    };
    let flushed = Box::new(move || rollup.read().flushed_before);
    let (registry, nodes) =
        Registry::new(Arc::clone(&shared.store), shared.clock.clone(), shared.writer, node, flushed);
    tasks.registry(registry);
    nodes
}

impl Shared {
    fn ingest(&self, queues: Vec<mpsc::Sender<Envelope>>) -> Ingest {
        let mut config = self.config.receiver.clone();
        let days = u64::from(self.config.storage.records_days);
        config.max_age = receiver::MaxAge(Duration::from_secs(days * 86_400));
        config.layers = self.layering.layers.clone();
        Ingest::new(&config, queues, Arc::clone(&self.ledger), self.clock.clone())
    }

    /// Everything on the HTTP port: agents' reports, queries, the status page, endpoints about the server.
    fn http(
        &self,
        ingest: &Ingest,
        catalogue: Arc<Catalogue>,
        components: Components,
        addresses: &[Address],
        ports: Ports,
        nodes: Nodes,
    ) -> anyhow::Result<Router> {
        let sources = query::Sources {
            store: Arc::clone(&self.store),
            catalogue,
            components: Arc::new(components),
            layers: self.layering.layers.clone(),
            hierarchy: Arc::clone(&self.layering.hierarchy),
            zone: self.zone.clone(),
            clock: self.clock.clone(),
            version: version(),
            retention: self.config.storage.retention(),
        };
        let schema = query::build(&self.config.query, sources).context("query.templates_dir")?;
        let live = Live::new(
            self.clock.clone(),
            live::Parts {
                zone: self.zone.to_string(),
                addresses: addresses.to_vec(),
                ports,
                ingest: ingest.clone(),
                ledger: Arc::clone(&self.ledger),
                store: Arc::clone(&self.store),
                naming: Arc::clone(&self.naming),
            },
        );
        let config = Arc::new(self.config.clone());
        let admin = admin::Admin { config, store: Arc::clone(&self.store), nodes };
        Ok(receiver::http(ingest.clone(), &self.config.receiver)
            .merge(query::routes(schema, &self.config.query))
            .merge(live::routes(live))
            .merge(admin::routes(admin))
            .layer(CompressionLayer::new()))
    }

    fn scrape(
        &self,
        writer: Arc<WriterStats>,
        ingest: Ingest,
        connections: [(&'static str, Places); 3],
    ) -> scrape::Sources {
        scrape::Sources {
            connections,
            ledger: Arc::clone(&self.ledger),
            store: Arc::clone(&self.store),
            writer,
            rollup: Arc::clone(&self.rollup),
            windows: Arc::clone(&self.windows),
            aliases: Arc::clone(&self.aliases),
            ingest,
            naming: Arc::clone(&self.naming),
            reloads: self.reloads.clone(),
            clock: self.clock.clone(),
            started: self.clock.now(),
        }
    }
}

impl App {
    /// What a person is told at the start: each address, the store, and how to point an agent here.
    pub fn greeting(&self) -> String {
        let mut lines = vec![format!("Skylark {} is ready.", version())];
        lines.extend(self.addresses.iter().map(|a| format!("  {:<22} {}", a.what, a.url)));
        lines.push(format!("  {:<22} {}", "store", self.store_detail));
        lines.push(format!(
            "  point an agent here:   SW_AGENT_COLLECTOR_BACKEND_SERVICES=localhost:{}",
            self.ports.grpc
        ));
        lines.join("\n")
    }

    /// The bound ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Serves until `signal` is done or a core task ends, which it never should; then stops in order. `Err`: a core task failed, or
    /// the deadline passed before everything accepted was stored (what was lost is counted and told).
    pub async fn run(self, signal: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.tasks.run(signal).await
    }
}

/// The version that clients see: the first two numbers tell them which queries are understood.
fn version() -> String {
    format!("11.0.0-skylark-{}", env!("CARGO_PKG_VERSION"))
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

/// Removes what has expired, for as long as the lease is held: once is enough for all nodes.
async fn retention(
    store: SharedStore,
    policy: Retention,
    clock: Clock,
    mut tenure: Tenure,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(RETENTION);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            _ = async { tenure.held().await; ticks.tick().await } => {}
        }
        match store.expire(&policy, clock.now()).await {
            Ok(expired) if expired == storage::Expired::default() => {}
            Ok(expired) => {
                info!(partitions = expired.partitions, rows = expired.rows, items = expired.items, "expired")
            }
            Err(error) => warn!(%error, "retention failed, the next round tries again"),
        }
    }
}
