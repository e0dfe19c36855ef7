//! What reads back and tidies up beside the flow of data: aliases, retention, the register of nodes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alarm::import::server_file::FileViews;
use analysis::alias;
use model::Clock;
use storage::chance::random;
use storage::lease::{Lease, Tenure};
use storage::nodes::{self, Nodes, Registry};
use storage::{Retention, SharedStore};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::app::{Shared, version};
use crate::lifecycle::Tasks;
use crate::live::Ports;

/// How often retention looks for what has expired.
const RETENTION: Duration = Duration::from_secs(600);

/// The settings file of alarms as this node has it, once it is read.
pub(crate) type File = Arc<OnceLock<FileViews>>;

/// What reads back and tidies up; answers the nodes that share the store. The register says which settings file this node has.
pub(crate) async fn look_after(shared: &Shared, tasks: &mut Tasks, ports: Ports, file: File) -> Nodes {
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
        settings_hash: String::new(),
    };
    let flushed = Box::new(move || rollup.read().flushed_before);
    let (registry, nodes) =
        Registry::new(Arc::clone(&shared.store), shared.clock.clone(), shared.writer, node, flushed);
    let hash = Box::new(move || file.get().map(|file| file.now().hash.clone()).unwrap_or_default());
    tasks.registry(registry.with_settings_hash(hash));
    nodes
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
