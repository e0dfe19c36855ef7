//! The one page on which everything is made and connected, downstream first: store, writer, rollup, workers, receivers, listeners.
//!
//! Stopping is the absence of senders: the listeners end and drop their routers, with them the ingest queues' senders; the workers
//! drain and drop theirs, then the rollup, then the writer. See [`App::run`].

use std::sync::Arc;
use std::time::Duration;

use alarm::start::Alarm;
use analysis::context::{Context, Serial, Settings};
use analysis::delta::Delta;
use analysis::naming::{Names, Naming};
use analysis::oal::Program;
use analysis::prices::Prices;
use analysis::worker::{self, Worker};
use analysis::{alias, catalogue, policy, rollup, windows};
use anyhow::Context as _;
use model::ledger::Ledger;
use model::telemetry::Envelope;
use model::{Clock, Zone};
use receiver::Ingest;
use storage::SharedStore;
use storage::chance::random;
use storage::writer::{WriterHandle, WriterStats};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::alarm_telemetry::Told;
use crate::auth::Auth;
use crate::config::Config;
use crate::files::Files;
use crate::layering::Layering;
use crate::lifecycle::Tasks;
use crate::listeners::Listeners;
use crate::live::{Address, Ports};
use crate::net::Places;
use crate::watch::Reloads;
use crate::{alarms, operators, scrape, upkeep};

/// A running server.
#[derive(Debug)]
pub struct App {
    pub(crate) tasks: Tasks,
    addresses: Vec<Address>,
    ports: Ports,
    store_detail: String,
}

/// What the parts share while they are wired.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) zone: Zone,
    pub(crate) clock: Clock,
    /// Drawn at this start: names this node's partial totals, and the node.
    pub(crate) writer: u64,
    pub(crate) store: SharedStore,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) aliases: Arc<alias::Table>,
    pub(crate) rollup: Arc<rollup::Stats>,
    pub(crate) windows: Arc<windows::Stats>,
    pub(crate) policies: policy::Table,
    pub(crate) naming: Arc<Naming>,
    pub(crate) reloads: Vec<Arc<Reloads>>,
    pub(crate) layering: Layering,
    pub(crate) auth: Auth,
}

/// Opens the store, wires everything and begins to serve. `Err` says what is in the way; nothing is left running then.
pub async fn start(config: Config, files: Files, clock: Clock) -> anyhow::Result<App> {
    let zone = config.server.zone().map_err(anyhow::Error::msg)?;
    let auth = Auth::new(&config.security)?;
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
        auth,
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
    let file = upkeep::File::default();
    let nodes = upkeep::look_after(&shared, &mut tasks, ports, Arc::clone(&file)).await;

    let alarm = alarms::start(&shared, &mut tasks, files.alarms, Arc::clone(&metrics.catalogue), nodes.clone()).await?;
    file.get_or_init(|| alarm.file.clone());
    let ingest = shared.ingest(queues);
    tasks.intake(ingest.clone());
    let known = operators::Known {
        catalogue: metrics.catalogue,
        components: files.components,
        addresses: addresses.clone(),
        ports,
        nodes,
        ingest: ingest.clone(),
        alarm: &alarm,
    };
    let routes = operators::routes(&shared, known)?;
    let grpc = receiver::grpc(ingest.clone(), &shared.config.receiver);
    let own = scrape::routes(shared.scrape(writer_stats, ingest, listeners.places.clone(), &alarm));
    listeners.serve(&mut tasks, grpc, routes, own);

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

impl Shared {
    fn ingest(&self, queues: Vec<mpsc::Sender<Envelope>>) -> Ingest {
        let mut config = self.config.receiver.clone();
        let days = u64::from(self.config.storage.records_days);
        config.max_age = receiver::MaxAge(Duration::from_secs(days * 86_400));
        config.layers = self.layering.layers.clone();
        Ingest::new(&config, queues, Arc::clone(&self.ledger), self.clock.clone())
    }

    fn scrape(
        &self,
        writer: Arc<WriterStats>,
        ingest: Ingest,
        connections: [(&'static str, Places); 4],
        alarm: &Alarm,
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
            auth: self.auth.clone(),
            alarm: Told::new(alarm),
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
pub(crate) fn version() -> String {
    format!("11.0.0-skylark-{}", env!("CARGO_PKG_VERSION"))
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}
