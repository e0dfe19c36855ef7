//! The one place where the parts of the alarm engine are made and connected.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::kinds::ItemKind;
use model::layer::Layers;
use model::metric::Catalogue;
use model::{Clock, Zone};
use storage::chance::random;
use storage::lease::{Lease, Tenure};
use storage::nodes::Nodes;
use storage::snapshot::follow;
use storage::{Backend, SharedStore};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::config::Config;
use crate::deliver::{self, Counters, Outbox, Sender, Transport};
use crate::desk::{self, Desk};
use crate::edit::Edits;
use crate::egress::Guard;
use crate::engine::watchdog::{self, Watchdog};
use crate::engine::{self, Engine, Teller, Views};
use crate::import::server_file::{FileViews, ServerFile};
use crate::minutes::Timing;
use crate::notify::told::About;
use crate::seal::Key;

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
    let transport =
        Transport::new(&parts.config.deliver, Guard::new(&parts.config.egress), parts.key.as_ref().map(Arc::clone));
    connect(parts, transport, stopped).await
}

/// The same with something that sends.
pub(crate) async fn connect<S>(parts: Parts, transport: Transport, stopped: impl Fn() -> S) -> Alarm
where
    S: Future<Output = ()> + Send + 'static,
{
    let Parts { store, backend, clock, zone, layers, catalogue, nodes, node, host, key, config, shipped } = parts;
    let (timing, look) = match backend {
        Backend::OpenSearch => (Timing::FAR, Duration::from_secs(2)),
        Backend::Embedded | Backend::Memory => (Timing::NEAR, Duration::from_millis(500)),
    };
    let (follower, snapshots, editor) = follow(Arc::clone(&store), clock.clone(), FOLLOWED, look, random());
    let editor = Arc::new(editor);
    let edits =
        Edits::new(Arc::clone(&store), Arc::clone(&editor), clock.clone(), Arc::clone(&catalogue), key, random());
    let edits = Arc::new(edits);
    let (lease, tenure) = Lease::new(Arc::clone(&store), clock.clone(), LEASE, node, random());
    let about = About { zone: zone.clone(), external_url: config.base_url() };
    let transport = Arc::new(transport);
    let (outbox, counters) = (Outbox::default(), Arc::new(Counters::default()));
    let (teller, views) = Teller::new();
    let (fenced, is_fenced) = watch::channel(None);
    let (file, file_views) =
        ServerFile::open(config.settings_file.clone(), shipped, host, Arc::clone(&edits), tenure.clone()).await;

    let engine = Engine {
        store: Arc::clone(&store),
        clock: clock.clone(),
        zone: zone.clone(),
        layers: layers.clone(),
        catalogue: Arc::clone(&catalogue),
        tenure: tenure.clone(),
        nodes: nodes.clone(),
        snapshots: snapshots.clone(),
        edits: Arc::clone(&edits),
        about: about.clone(),
        outbox: outbox.clone(),
        timing,
        searchable: config.searchable_tags.clone(),
        teller,
        fenced,
        seed: random(),
    };
    let sender = Sender {
        store: Arc::clone(&store),
        clock: clock.clone(),
        tenure: tenure.clone(),
        snapshots: snapshots.clone(),
        transport: Arc::clone(&transport),
        about: about.clone(),
        config: config.deliver.clone(),
        outbox: outbox.clone(),
        counters: Arc::clone(&counters),
        fenced: is_fenced,
        seed: random(),
    };
    let watchdog = Watchdog {
        config: config.watchdog.clone(),
        views: views.clone(),
        tenure: tenure.clone(),
        snapshots: snapshots.clone(),
        transport: Arc::clone(&transport),
        counters: Arc::clone(&counters),
        about: about.clone(),
        clock: clock.clone(),
    };
    let mut tasks: Vec<Task> = vec![("alarm follower", Box::pin(follower.run(stopped())))];
    if config.enabled {
        // The lease is given up last, so that nobody takes what was sent for what was not.
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let stop = stopped();
        let leave = async move {
            stop.await;
            // Either way it is time.
            drop(timeout(LEAVE, idle.recv()).await);
        };
        tasks.push(("alarm engine", Box::pin(busy_with(busy.clone(), engine::run(engine, stopped())))));
        tasks.push(("alarm sender", Box::pin(busy_with(busy, deliver::run(sender, stopped())))));
        tasks.push(("alarm lease", Box::pin(lease.run(leave))));
        tasks.push(("alarm file", Box::pin(file.run(stopped()))));
        tasks.push(("alarm watchdog", Box::pin(watchdog::run(watchdog, stopped()))));
    }
    let desk = Desk::new(desk::Parts {
        store,
        clock,
        zone,
        catalogue,
        layers,
        edits,
        editor,
        snapshots,
        tenure: tenure.clone(),
        nodes,
        transport,
        about,
        outbox,
        counters: Arc::clone(&counters),
        engine: views.clone(),
        config: config.desk,
    });
    Alarm { desk: Arc::new(desk), views, file: file_views, counters, tenure, tasks }
}

/// A task that holds something as long as it runs.
async fn busy_with(busy: mpsc::Sender<()>, task: impl Future<Output = ()>) {
    task.await;
    drop(busy);
}
