//! The desk of an engine that does nothing by itself, for tests in and beside this crate.

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
    nodes::{Node, Registry, id},
};

/// 2024-01-15T12:00:00Z, and a second more.
const NOW: i64 = 1_705_320_001_000;

/// A desk over a store, of a node called `skylark-0`.
pub(crate) async fn desk(store: SharedStore, catalogue: Arc<Catalogue>, layers: Layers) -> Arc<Desk> {
    let clock = Clock::from_fn(|| UnixMillis(NOW));
    let node = Node {
        host: "skylark-0".to_owned(),
        grpc_port: 11_800,
        http_port: 12_800,
        version: "test".to_owned(),
        flushed_before: 0,
        settings_hash: String::new(),
    };
    let (_, nodes) = Registry::new(Arc::clone(&store), clock.clone(), 1, node, Box::new(|| 0));
    let parts = Parts {
        store,
        backend: Backend::Memory,
        clock,
        zone: Zone::utc(),
        layers,
        catalogue,
        nodes,
        node: id(1),
        host: "skylark-0".to_owned(),
        key: Some(Arc::new(Key::of_setting(&"5a".repeat(32)).unwrap())),
        config: Config { enabled: false, ..Config::default() },
        shipped: "",
    };
    start(parts, std::future::pending::<()>).await.desk
}
