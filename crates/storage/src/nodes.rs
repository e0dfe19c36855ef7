//! The nodes that share a store: each keeps an item of its own and watches those of the others. They never talk to each other.
//!
//! A node is *live* while this one saw its item change within the last [`LIVE`] of its own monotonic clock; what the others' wall
//! clocks show is only told, never compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::item::{Item, Revision};
use model::kinds::ItemKind;
use model::{Clock, UnixMillis};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tracing::warn;

use crate::chance::Chance;
use crate::{ItemQuery, SharedStore, StoreError, Swapped};

/// From one look at the nodes to the next. Within it a node that has flushed another minute says so.
pub const LOOK: Duration = Duration::from_secs(2);
/// Looks after which a node says again that it is there, though it has nothing new to say.
const BEAT: u32 = 2;
/// How long a node whose item does not change counts as live.
pub const LIVE: Duration = Duration::from_secs(15);
/// How long the item of a node that ended without a word is kept.
pub const FORGET: Duration = Duration::from_secs(600);

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The address that it is reached at, as it knows it.
    pub host: String,
    /// Port for agents over gRPC.
    pub grpc_port: u16,
    /// Port for HTTP: agents, queries, status.
    pub http_port: u16,
    /// Its version.
    pub version: String,
    /// Every minute that starts before this one (minutes since 1970) is in the store, late data apart.
    pub flushed_before: u64,
    /// The hash of its alarm settings file, so that nodes whose files differ are seen; empty: it has none.
    #[serde(default)]
    pub settings_hash: String,
}

/// A node as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id: the writer id of its rows, in hexadecimal.
    pub id: Arc<str>,
    /// What it says.
    pub node: Node,
    /// When it said so last, by its own clock.
    pub said: UnixMillis,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it was seen to change lately. This node is always live.
    pub live: bool,
}

/// The nodes as last seen, by id; this one alone before the first look. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Nodes(watch::Receiver<Arc<[Seen]>>);

impl Nodes {
    /// Those of the last look.
    pub fn now(&self) -> Arc<[Seen]> {
        Arc::clone(&self.0.borrow())
    }
}

/// Tells how far the rows of this node are flushed: every minute that starts before this one (minutes since 1970) is answered by
/// the store.
pub type Flushed = Box<dyn Fn() -> u64 + Send + Sync>;

/// Tells the hash of the settings file of this node.
pub type Hash = Box<dyn Fn() -> String + Send + Sync>;

/// Keeps the item of this node and watches the others'.
pub struct Registry {
    store: SharedStore,
    clock: Clock,
    id: Arc<str>,
    node: Node,
    flushed: Flushed,
    settings_hash: Option<Hash>,
    /// Read at the last look: what was answered by then is visible by now.
    answered: u64,
    chance: Chance,
    revision: Revision,
    silent: u32,
    observer: Observer,
    told: watch::Sender<Arc<[Seen]>>,
    failing: bool,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("id", &self.id).field("node", &self.node).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry for the node whose rows are written by `writer`. Nothing happens before it is run.
    pub fn new(store: SharedStore, clock: Clock, writer: u64, node: Node, flushed: Flushed) -> (Registry, Nodes) {
        let id = id(writer);
        let own = Seen { id: Arc::clone(&id), node: node.clone(), said: clock.now(), own: true, live: true };
        let (told, nodes) = watch::channel(Arc::from([own]));
        let registry = Registry {
            store,
            clock,
            node,
            flushed,
            settings_hash: None,
            answered: 0,
            chance: Chance::new(writer),
            revision: Revision(0),
            silent: BEAT,
            observer: Observer::new(Arc::clone(&id)),
            id,
            told,
            failing: false,
        };
        (registry, Nodes(nodes))
    }

    /// Has the node say which settings file it has. It is asked at each look.
    #[must_use]
    pub fn with_settings_hash(mut self, hash: Hash) -> Registry {
        self.settings_hash = Some(hash);
        self
    }

    /// Looks and tells until `stop` is done; answers itself, so that it can [`Registry::leave`] when the last rows are stored.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Registry {
        tokio::pin!(stop);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return self,
                _ = looks.tick() => {}
            }
            let error = self.look().await.err();
            if let Some(error) = &error
                && !self.failing
            {
                warn!(%error, "the nodes that share the store cannot be read or written");
            }
            self.failing = error.is_some();
        }
    }

    /// One round: says what is new of this node, reads what is new of the others.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        let visible = std::mem::replace(&mut self.answered, (self.flushed)());
        self.silent += 1;
        let hash = self.settings_hash.as_ref().map_or_else(|| self.node.settings_hash.clone(), |hash| hash());
        if visible != self.node.flushed_before || hash != self.node.settings_hash || self.silent > BEAT {
            self.node.flushed_before = visible;
            self.node.settings_hash = hash;
            self.say(false).await?;
            self.silent = 0;
        }
        let query = ItemQuery { kind: ItemKind::Node, ids: Vec::new(), tombstones: false };
        let items = self.store.items(&query).await?;
        let (seen, forgotten) = self.observer.look(items, Instant::now());
        self.told.send_replace(seen.into());
        if forgotten.is_empty() {
            return Ok(());
        }
        // A node that comes back after all writes itself anew; another observer may be quicker: both are fine.
        let now = self.clock.now();
        let bury = |item: Item, nonce| (Item { tombstone: true, nonce, updated: now, ..item.clone() }, item.revision);
        let swaps: Vec<_> = forgotten.into_iter().map(|item| bury(item, self.chance.bits())).collect();
        self.store.swap_many(&swaps).await.map(|_| ())
    }

    /// Says that this node has ended and will write no more.
    pub async fn leave(mut self) -> Result<(), StoreError> {
        self.say(true).await
    }

    /// Nobody else writes this item, but for those who gave the node up: then it goes on from what they wrote.
    async fn say(&mut self, tombstone: bool) -> Result<(), StoreError> {
        loop {
            let body = serde_json::to_string(&self.node).expect("texts and numbers are JSON");
            let item = Item {
                kind: ItemKind::Node,
                id: self.id.to_string(),
                revision: Revision(0),
                nonce: self.chance.bits(),
                tombstone,
                updated: self.clock.now(),
                body,
            };
            match self.store.swap_many(&[(item, self.revision)]).await?.into_iter().next() {
                Some(Swapped::Conflict(stored)) => {
                    self.revision = stored.map_or(Revision(0), |item| item.revision);
                }
                Some(Swapped::Done(revision)) => {
                    self.revision = revision;
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }
}

/// The id of the node whose rows are written by `writer`.
pub fn id(writer: u64) -> Arc<str> {
    format!("{writer:016x}").into()
}

/// Who was seen to change when; pure.
#[derive(Debug)]
struct Observer {
    own: Arc<str>,
    seen: BTreeMap<String, Sight>,
}

#[derive(Clone, Copy, Debug)]
struct Sight {
    revision: Revision,
    since: Instant,
    /// Whether it was ever seen to change: what already lay there at the first look may be long dead.
    changed: bool,
}

impl Observer {
    fn new(own: Arc<str>) -> Self {
        Observer { own, seen: BTreeMap::new() }
    }

    /// The nodes as they are now, and the items that should be forgotten. An item that is no node's is passed over.
    fn look(&mut self, items: Vec<Item>, now: Instant) -> (Vec<Seen>, Vec<Item>) {
        let mut last = std::mem::take(&mut self.seen);
        let (mut nodes, mut forgotten) = (Vec::new(), Vec::new());
        for item in items {
            let fresh = |changed| Sight { revision: item.revision, since: now, changed };
            let sight = match last.remove(&item.id) {
                Some(sight) if sight.revision == item.revision => sight,
                Some(_) => fresh(true),
                None => fresh(false),
            };
            let age = now.duration_since(sight.since);
            let own = *item.id == *self.own;
            if age >= FORGET && !own {
                forgotten.push(item);
                continue;
            }
            self.seen.insert(item.id.clone(), sight);
            if let Ok(node) = serde_json::from_str(&item.body) {
                let live = own || (sight.changed && age <= LIVE);
                nodes.push(Seen { id: item.id.into(), node, said: item.updated, own, live });
            }
        }
        (nodes, forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::memory::Memory;

    fn node(port: u16) -> Node {
        let settings_hash = String::new();
        Node { host: "h".into(), grpc_port: port, http_port: 1, version: "v".into(), flushed_before: 0, settings_hash }
    }

    fn registry(store: &SharedStore, writer: u64) -> (Registry, Nodes, Arc<AtomicU64>) {
        let flushed = Arc::new(AtomicU64::new(0));
        let clock = Clock::from_fn(|| UnixMillis(5));
        let read = Arc::clone(&flushed);
        let read: Flushed = Box::new(move || read.load(Ordering::Relaxed));
        let (registry, nodes) = Registry::new(store.clone(), clock, writer, node(7), read);
        (registry, nodes, flushed)
    }

    fn live(nodes: &Nodes) -> Vec<(u64, bool, bool)> {
        nodes.now().iter().map(|s| (u64::from_str_radix(&s.id, 16).unwrap(), s.own, s.live)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_are_live_while_they_change_and_forgotten_long_after() {
        let store: SharedStore = Arc::new(Memory::new());
        let (mut a, seen_by_a, _) = registry(&store, 1);
        let (b, _, _) = registry(&store, 2);
        let b = tokio::spawn(b.run(std::future::pending()));
        tokio::time::sleep(LOOK).await;
        a.look().await.unwrap();
        assert_eq!(live(&seen_by_a), [(1, true, true), (2, false, false)], "it was not seen to change yet");
        tokio::time::sleep(3 * LOOK).await;
        a.look().await.unwrap();
        assert_eq!(live(&seen_by_a), [(1, true, true), (2, false, true)]);
        b.abort();
        let begun = Instant::now();
        while live(&seen_by_a)[1].2 {
            tokio::time::sleep(LOOK).await;
            a.look().await.unwrap();
        }
        let took = begun.elapsed();
        assert!(took >= LIVE - LOOK && took <= LIVE + 2 * LOOK, "{took:?}");
        tokio::time::sleep(FORGET).await;
        a.look().await.unwrap();
        a.look().await.unwrap();
        assert_eq!(live(&seen_by_a), [(1, true, true)]);
    }

    #[tokio::test]
    async fn a_minute_is_told_one_look_after_it_was_answered() {
        let store: SharedStore = Arc::new(Memory::new());
        let (mut a, nodes, flushed) = registry(&store, 1);
        let told = |nodes: &Nodes| nodes.now().first().map(|seen| seen.node.flushed_before);
        a.look().await.unwrap();
        flushed.store(41, Ordering::Relaxed);
        a.look().await.unwrap();
        assert_eq!(told(&nodes), Some(0));
        a.look().await.unwrap();
        assert_eq!(told(&nodes), Some(41));
    }

    #[tokio::test]
    async fn who_leaves_is_gone_and_who_was_given_up_comes_back() {
        let store: SharedStore = Arc::new(Memory::new());
        let (mut a, seen_by_a, _) = registry(&store, 1);
        let (mut b, _, _) = registry(&store, 2);
        for node in [&mut a, &mut b] {
            node.look().await.unwrap();
        }
        let query = ItemQuery { kind: ItemKind::Node, ids: vec![id(2).to_string()], tombstones: false };
        let item = store.items(&query).await.unwrap().remove(0);
        let buried = Item { tombstone: true, nonce: 3, ..item.clone() };
        store.swap_many(&[(buried, item.revision)]).await.unwrap();
        for _ in 0..=BEAT {
            b.look().await.unwrap();
        }
        a.look().await.unwrap();
        assert_eq!(live(&seen_by_a).len(), 2);
        b.leave().await.unwrap();
        a.look().await.unwrap();
        assert_eq!(live(&seen_by_a).len(), 1);
    }

    #[tokio::test]
    async fn a_node_says_which_settings_file_it_has() {
        let store: SharedStore = Arc::new(Memory::new());
        let (a, nodes, _) = registry(&store, 1);
        let hash = Arc::new(std::sync::Mutex::new("one".to_owned()));
        let read = Arc::clone(&hash);
        let mut a = a.with_settings_hash(Box::new(move || read.lock().unwrap().clone()));
        let told = |nodes: &Nodes| nodes.now().first().map(|seen| seen.node.settings_hash.clone());
        a.look().await.unwrap();
        assert_eq!(told(&nodes).as_deref(), Some("one"));
        *hash.lock().unwrap() = "two".to_owned();
        a.look().await.unwrap();
        assert_eq!(told(&nodes).as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn an_item_that_is_no_node_is_passed_over() {
        let store: SharedStore = Arc::new(Memory::new());
        let (mut a, nodes, _) = registry(&store, 1);
        let kind = ItemKind::Node;
        let (id, body) = ("x".to_owned(), "?".to_owned());
        let item = Item { kind, id, revision: Revision(0), nonce: 1, tombstone: false, updated: UnixMillis(0), body };
        store.swap_many(&[(item, Revision(0))]).await.unwrap();
        a.look().await.unwrap();
        assert_eq!(nodes.now().len(), 1);
    }
}
