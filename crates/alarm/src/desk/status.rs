//! How far the nodes have come with what operators changed.

use std::collections::BTreeMap;

use model::UnixMillis;
use model::item::Item;
use serde::Serialize;
use storage::ItemQuery;

use crate::start::FOLLOWED;

use super::{Desk, DeskError};

/// The settings file as it was imported last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus {
    /// The hash of its text.
    pub hash: String,
    /// When it was imported.
    pub at: UnixMillis,
    /// By which node.
    pub node: String,
    /// How many rules it has.
    pub n_rules: usize,
    /// How many receivers it has.
    pub n_receivers: usize,
    /// Ids of what it has and operators deleted.
    pub deleted: Vec<String>,
}

/// A node that shares the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its id.
    pub id: String,
    /// The address that it is reached at.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it was seen lately.
    pub live: bool,
    /// The hash of its settings file; empty: it has none, or has not said so yet.
    pub file: String,
    /// Whether its settings file is another than the one that was imported last.
    pub differs: bool,
}

/// How the configuration of alarms stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Whether this node evaluates rules and sends notifications.
    pub holder: bool,
    /// Since when.
    pub since: Option<UnixMillis>,
    /// When the last closed minute began that was evaluated, where this node evaluates.
    pub evaluated: Option<UnixMillis>,
    /// What keeps the engine of this node from its work.
    pub failing: Option<String>,
    /// For each kind of document the version that this node knows: a hash of the revisions. Nodes that say the same know the same.
    pub epochs: BTreeMap<&'static str, String>,
    /// How many rules there are.
    pub n_rules: usize,
    /// Rules that are broken, by name, and why.
    pub broken: BTreeMap<String, String>,
    /// Routes, inhibitions and silences that cannot be used, and why.
    pub problems: Vec<String>,
    /// The settings file as it was imported last.
    pub file: Option<FileStatus>,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
}

impl Desk {
    /// How the configuration of alarms stands, as this node sees it.
    pub async fn config_status(&self) -> Result<ConfigStatus, DeskError> {
        let engine = self.engine.now();
        let file = self.edits.file_state().await?.map(|stored| stored.doc);
        let imported = file.as_ref().map(|file| file.hash.clone()).unwrap_or_default();
        let (_, problems) = self.known().await?;
        let rules = self.all::<crate::rule::Rule>().await?;
        let n_rules = rules.len();
        let views = self.rule_views(rules).await?;
        let broken = views.into_iter().filter_map(|view| match view.health {
            super::Health::Error(error) => Some((view.rule.name, error)),
            _ => None,
        });
        let nodes = self.nodes.now();
        let node = |seen: &storage::nodes::Seen| NodeStatus {
            id: seen.id.to_string(),
            host: seen.node.host.clone(),
            version: seen.node.version.clone(),
            own: seen.own,
            live: seen.live,
            differs: seen.live
                && ![&imported, &seen.node.settings_hash].into_iter().any(String::is_empty)
                && seen.node.settings_hash != imported,
            file: seen.node.settings_hash.clone(),
        };
        Ok(ConfigStatus {
            holder: self.tenure.term().is_some(),
            since: engine.since,
            evaluated: engine.evaluated.map(model::Bucket::start),
            failing: engine.failing.clone(),
            epochs: self.epochs().await?,
            n_rules,
            broken: broken.collect(),
            problems,
            file: file.map(|file| FileStatus {
                hash: file.hash,
                at: file.at,
                node: file.node,
                n_rules: file.rules.len(),
                n_receivers: file.receivers.len(),
                deleted: file.deleted.into_iter().collect(),
            }),
            nodes: nodes.iter().map(node).collect(),
        })
    }

    /// What this node knows of each kind: its snapshot, or the store where it keeps none.
    async fn epochs(&self) -> Result<BTreeMap<&'static str, String>, DeskError> {
        let snapshot = self.snapshots.now();
        let mut epochs = BTreeMap::new();
        for kind in FOLLOWED.iter().copied() {
            let epoch = match snapshot.of(kind) {
                Some(items) => epoch(items),
                None => {
                    let query = ItemQuery { kind, ids: Vec::new(), tombstones: false };
                    epoch(&self.ground.store.items(&query).await?)
                }
            };
            epochs.insert(kind.name(), epoch);
        }
        Ok(epochs)
    }
}

/// A hash of which versions there are.
fn epoch(items: &[Item]) -> String {
    let text: String = items.iter().map(|item| format!("{}\n{}\n", item.id, item.revision.0)).collect();
    crate::import::hash(&text).chars().take(16).collect()
}
