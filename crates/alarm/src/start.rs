//! The one place where the parts of the alarm engine are made and connected.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::kinds::ItemKind;
use model::layer::Layers;
use model::metric::Catalogue;
use model::{Clock, Zone};
use storage::chance::random;
use storage::lease::{Lease, Tenure, Term};
use storage::nodes::Nodes;
use storage::snapshot::{Snapshots, follow};
use storage::{Backend, SharedStore};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::config::Config;
use crate::deliver::{self, Counters, Outbox, Sender, Transport};
use crate::desk::Desk;
use crate::edit::Edits;
use crate::egress::Guard;
use crate::engine::watchdog::{self, Watchdog};
use crate::engine::{self, Engine, Teller, Views};
use crate::import::server_file::{FileViews, ServerFile};
use crate::minutes::Timing;
use crate::notify::told::About;
use crate::seal::Key;
use crate::trial::Ground;
use crate::trial::jobs::Jobs;

/// The lease of the alarm engine.
pub const LEASE: &str = "alarm";
/// The kinds of which every node keeps a snapshot.
pub const FOLLOWED: &[ItemKind] =
    &[ItemKind::AlarmRule, ItemKind::AlarmReceiver, ItemKind::AlarmRouting, ItemKind::AlarmSilence];
/// How long the lease is kept at a stop for those who note what they did.
const LEAVE: Duration = Duration::from_secs(15);

/// What the alarm engine is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where everything lies.
    pub store: SharedStore,
    /// Which kind of store that is: how long is waited for data depends on it.
    pub backend: Backend,
    /// Tells the time.
    pub clock: Clock,
    /// The zone of the store.
    pub zone: Zone,
    /// What layers are called.
    pub layers: Layers,
    /// All metrics.
    pub catalogue: Arc<Catalogue>,
    /// The nodes that share the store.
    pub nodes: Nodes,
    /// The id of this node ([`storage::nodes::id`]).
    pub node: Arc<str>,
    /// What this node is called for people.
    pub host: String,
    /// Seals the secrets of receivers; `None`: none is taken.
    pub key: Option<Arc<Key>>,
    /// The settings, validated.
    pub config: Config,
    /// The settings file where the settings name none; empty: none.
    pub shipped: &'static str,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("node", &self.node).field("config", &self.config).finish_non_exhaustive()
    }
}

/// A task with its name.
pub type Task = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

/// The alarm engine of a node.
pub struct Alarm {
    /// What interfaces reach it by.
    pub desk: Arc<Desk>,
    /// How the engine stands.
    pub views: Views,
    /// How the settings file stands.
    pub file: FileViews,
    /// What the sender counts.
    pub counters: Arc<Counters>,
    /// Whether this node evaluates and sends.
    pub tenure: Tenure,
    /// All that runs, to be spawned. Each ends when the server stops, and none before.
    pub tasks: Vec<Task>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tasks: Vec<_> = self.tasks.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Alarm").field("tasks", &tasks).finish_non_exhaustive()
    }
}

/// Makes the alarm engine. Nothing happens before its tasks are spawned, but that the settings file is read once. Each call of
/// `stopped` answers a future that is done when the server stops.
pub async fn start<S>(parts: Parts, stopped: impl Fn() -> S) -> Alarm
where
    S: Future<Output = ()> + Send + 'static,
{
    let transport = Transport::new(&parts.config.deliver, Guard::new(&parts.config.egress), parts.key.clone());
    connect(parts, transport, stopped).await
}

/// The same with something that sends.
pub(crate) async fn connect<S>(parts: Parts, transport: Transport, stopped: impl Fn() -> S) -> Alarm
where
    S: Future<Output = ()> + Send + 'static,
{
    let (store, clock) = (Arc::clone(&parts.store), parts.clock.clone());
    let look = if parts.is_far() { Duration::from_secs(2) } else { Duration::from_millis(500) };
    let (follower, snapshots, editor) = follow(Arc::clone(&store), clock.clone(), FOLLOWED, look, random());
    let (catalogue, key) = (Arc::clone(&parts.catalogue), parts.key.clone());
    let edits = Edits::new(Arc::clone(&store), Arc::new(editor), clock.clone(), catalogue, key, random());
    let edits = Arc::new(edits);
    let (lease, tenure) = Lease::new(store, clock, LEASE, Arc::clone(&parts.node), random());
    let (path, host) = (parts.config.settings_file.clone(), parts.host.clone());
    let (file, file_views) = ServerFile::open(path, parts.shipped, host, Arc::clone(&edits), tenure.clone()).await;
    let (teller, views) = Teller::new();
    let (fenced, is_fenced) = watch::channel(None);
    let made = Made {
        about: About { zone: parts.zone.clone(), external_url: parts.config.base_url() },
        transport: Arc::new(transport),
        outbox: Outbox::default(),
        counters: Arc::default(),
        parts,
        snapshots,
        edits,
        tenure,
        views,
    };
    let mut tasks: Vec<Task> = vec![("alarm follower", Box::pin(follower.run(stopped())))];
    if made.parts.config.enabled {
        // The lease is given up last, so that nobody takes what was sent for what was not.
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let stop = stopped();
        let leave = async move {
            stop.await;
            // Either way it is time.
            drop(timeout(LEAVE, idle.recv()).await);
        };
        let engine = engine::run(made.engine(teller, fenced), stopped());
        let sender = deliver::run(made.sender(is_fenced), stopped());
        tasks.push(("alarm engine", Box::pin(busy_with(busy.clone(), engine))));
        tasks.push(("alarm sender", Box::pin(busy_with(busy, sender))));
        tasks.push(("alarm lease", Box::pin(lease.run(leave))));
        tasks.push(("alarm file", Box::pin(file.run(stopped()))));
        tasks.push(("alarm watchdog", Box::pin(watchdog::run(made.watchdog(), stopped()))));
    }
    let (counters, tenure, views) = (Arc::clone(&made.counters), made.tenure.clone(), made.views.clone());
    Alarm { desk: Arc::new(made.desk()), views, file: file_views, counters, tenure, tasks }
}

impl Parts {
    /// Whether the store takes its time to show what was written.
    fn is_far(&self) -> bool {
        self.backend == Backend::OpenSearch
    }
}

/// What the parts have in common.
struct Made {
    parts: Parts,
    snapshots: Snapshots,
    edits: Arc<Edits>,
    tenure: Tenure,
    transport: Arc<Transport>,
    about: About,
    outbox: Outbox,
    counters: Arc<Counters>,
    views: Views,
}

impl Made {
    fn engine(&self, teller: Teller, fenced: watch::Sender<Option<Term>>) -> Engine {
        let parts = &self.parts;
        Engine {
            store: Arc::clone(&parts.store),
            clock: parts.clock.clone(),
            zone: parts.zone.clone(),
            layers: parts.layers.clone(),
            catalogue: Arc::clone(&parts.catalogue),
            tenure: self.tenure.clone(),
            nodes: parts.nodes.clone(),
            snapshots: self.snapshots.clone(),
            edits: Arc::clone(&self.edits),
            about: self.about.clone(),
            outbox: self.outbox.clone(),
            timing: if parts.is_far() { Timing::FAR } else { Timing::NEAR },
            searchable: parts.config.searchable_tags.clone(),
            teller,
            fenced,
            seed: random(),
        }
    }

    fn sender(&self, fenced: watch::Receiver<Option<Term>>) -> Sender {
        Sender {
            store: Arc::clone(&self.parts.store),
            clock: self.parts.clock.clone(),
            tenure: self.tenure.clone(),
            snapshots: self.snapshots.clone(),
            transport: Arc::clone(&self.transport),
            about: self.about.clone(),
            config: self.parts.config.deliver.clone(),
            outbox: self.outbox.clone(),
            counters: Arc::clone(&self.counters),
            fenced,
            seed: random(),
        }
    }

    fn watchdog(&self) -> Watchdog {
        Watchdog {
            config: self.parts.config.watchdog.clone(),
            views: self.views.clone(),
            tenure: self.tenure.clone(),
            snapshots: self.snapshots.clone(),
            transport: Arc::clone(&self.transport),
            counters: Arc::clone(&self.counters),
            about: self.about.clone(),
            clock: self.parts.clock.clone(),
        }
    }

    fn desk(self) -> Desk {
        let Made { parts, snapshots, edits, tenure, transport, about, outbox, views, .. } = self;
        let Parts { store, clock, zone, layers, catalogue, nodes, config, .. } = parts;
        let ground = Ground { store, catalogue, zone, layers, about };
        Desk {
            jobs: Jobs::new(ground.clone(), clock.clone(), random()),
            ground,
            clock,
            edits,
            snapshots,
            tenure,
            nodes,
            transport,
            outbox,
            engine: views,
            config: config.desk,
        }
    }
}

/// A task that holds something as long as it runs.
async fn busy_with(busy: mpsc::Sender<()>, task: impl Future<Output = ()>) {
    task.await;
    drop(busy);
}
