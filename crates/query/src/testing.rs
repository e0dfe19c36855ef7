//! The parts of an engine, and the desk of one that does nothing by itself, for tests in and beside this crate.

use std::sync::Arc;

use alarm::{
    Config,
    desk::Desk,
    seal::Key,
    start::{Parts, start},
};
use model::{Clock, UnixMillis, Zone, layer::Layers, metric::Catalogue};
use storage::{
    Backend, SharedStore,
    nodes::{Node, Nodes, Registry, id},
};

/// 2024-01-15T12:00:00Z, and a second more.
const NOW: i64 = 1_705_320_001_000;

/// A node called `skylark-0`.
pub(crate) fn node() -> Node {
    Node {
        host: "skylark-0".to_owned(),
        grpc_port: 11_800,
        http_port: 12_800,
        version: "test".to_owned(),
        flushed_before: 0,
        settings_hash: String::new(),
    }
}

/// What the engine of [`node`] is made of.
pub(crate) fn parts(
    store: SharedStore,
    clock: Clock,
    catalogue: Arc<Catalogue>,
    layers: Layers,
    nodes: Nodes,
) -> Parts {
    Parts {
        store,
        backend: Backend::Memory,
        clock,
        zone: Zone::utc(),
        layers,
        catalogue,
        nodes,
        node: id(1),
        host: node().host,
        key: Some(Arc::new(Key::of_setting(&"5a".repeat(32)).unwrap())),
        config: Config::default(),
        shipped: "",
    }
}

/// A desk over a store, of an engine that does nothing by itself.
pub(crate) async fn desk(store: SharedStore, catalogue: Arc<Catalogue>, layers: Layers) -> Arc<Desk> {
    let clock = Clock::from_fn(|| UnixMillis(NOW));
    let (_, nodes) = Registry::new(Arc::clone(&store), clock.clone(), 1, node(), Box::new(|| 0));
    let mut parts = parts(store, clock, catalogue, layers, nodes);
    parts.config.enabled = false;
    start(parts, std::future::pending::<()>).await.desk
}
