//! What is wrong with the cluster, and how much lies in it.

use std::collections::BTreeMap;
use std::time::Duration;

use opensearch::http::Method;
use serde::Deserialize;

use super::client::Client;
use super::json::read;
use super::names::Names;
use crate::{Health, StoreError};

/// A cluster that does not answer within this is not well.
const WITHIN: Duration = Duration::from_secs(3);
/// Time for counting what lies in it.
const SIZES_WITHIN: Duration = Duration::from_secs(10);
/// Most indices that are named in a sentence.
const NAMED: usize = 3;

#[derive(Debug, Default, Deserialize)]
struct Cluster {
    #[serde(default)]
    status: String,
    #[serde(default)]
    indices: BTreeMap<String, Index>,
}

#[derive(Debug, Deserialize)]
struct Index {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    #[serde(default)]
    blocks: Blocks,
}

#[derive(Debug, Default, Deserialize)]
struct Blocks {
    #[serde(default)]
    global: BTreeMap<String, Block>,
    #[serde(default)]
    indices: BTreeMap<String, BTreeMap<String, Block>>,
}

#[derive(Debug, Deserialize)]
struct Block {
    #[serde(default)]
    description: String,
}

/// How the cluster feels, in a sentence. `about` says which it is.
pub(super) async fn health(client: &Client, names: &Names, about: &str) -> Health {
    let bad = |detail: String| Health { ok: false, detail };
    let cluster = match cluster(client, names).await {
        Ok(cluster) => cluster,
        Err(StoreError::Unavailable(what) | StoreError::Query(what) | StoreError::Damaged(what)) => return bad(what),
    };
    let red: Vec<_> =
        cluster.indices.iter().filter(|(_, i)| i.status == "red").map(|(name, _)| name.as_str()).collect();
    if cluster.status == "red" {
        return bad(format!("OpenSearch has lost shards (red): {}", some(&red)));
    }
    // A cluster may not let everybody look at its state; what it blocks then shows when it is written to.
    let blocks = state(client, names).await.unwrap_or_default().blocks;
    if let Some(block) = blocks.global.values().next() {
        return bad(format!("OpenSearch takes no writes: {}", block.description));
    }
    let blocked: Vec<_> = blocks.indices.keys().map(String::as_str).collect();
    if let Some(block) = blocks.indices.values().flat_map(BTreeMap::values).next() {
        return bad(format!("OpenSearch takes no writes into {}: {}", some(&blocked), block.description));
    }
    Health { ok: true, detail: format!("{about}, {}", cluster.status) }
}

fn some(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

async fn cluster(client: &Client, names: &Names) -> Result<Cluster, StoreError> {
    let path = format!("/_cluster/health/{}?level=indices&timeout=2s", names.everything());
    let reply = client.send(Method::Get, &path, None, WITHIN).await?;
    // 408 says that an index is missing or not assigned; the body says which.
    if reply.status == 408 { read(&reply.body) } else { read(&reply.ok()?) }
}

async fn state(client: &Client, names: &Names) -> Result<State, StoreError> {
    let path = format!("/_cluster/state/blocks/{}?filter_path=blocks", names.everything());
    read(&client.send(Method::Get, &path, None, WITHIN).await?.ok()?)
}

#[derive(Debug, Deserialize)]
struct Size {
    index: String,
    #[serde(rename = "store.size", default)]
    bytes: Option<String>,
}

/// Bytes on the cluster's disks, replicas with them, by part as other stores name them.
pub(super) async fn sizes(client: &Client, names: &Names) -> Result<Vec<(String, u64)>, StoreError> {
    let path = format!("/_cat/indices/{}?format=json&bytes=b&h=index,store.size", names.everything());
    let reply = client.send(Method::Get, &path, None, SIZES_WITHIN).await?;
    let sizes: Vec<Size> = if reply.status == 404 { Vec::new() } else { read(&reply.ok()?)? };
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    for size in sizes {
        let part = match names.parse(&size.index) {
            Some((super::names::Family::Rows, _)) => "rows".to_owned(),
            Some((family, _)) => format!("records/{}", family.name()),
            None if size.index == names.items() => "items".to_owned(),
            None => "rows".to_owned(),
        };
        let bytes = size.bytes.and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
        *parts.entry(part).or_default() += bytes;
    }
    Ok(parts.into_iter().collect())
}
