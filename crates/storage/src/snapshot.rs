//! Items as a node knows them: read again when somebody says that they changed.
//!
//! Each kind that is followed has one revision document, an item whose body is a random value. An [`Editor`] draws another after
//! every write; a [`Follower`] looks at the documents again and again and reads the kinds whose value is another. The items are
//! visible before the document is written, so who sees the document finds them. A document that a crash left unwritten costs a
//! minute: every kind is read again as often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::Clock;
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

use crate::chance::Chance;
use crate::{ItemQuery, SharedStore, Store, StoreError, Swapped};

/// How often every kind is read again, whatever its document says.
pub const HEAL: Duration = Duration::from_secs(60);
/// How often a document is tried that others change meanwhile. The second one to fail already lies behind what it tells of.
const TRIES: usize = 3;

/// The living items of the kinds that are followed, as last read, ascending by id.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(BTreeMap<ItemKind, Arc<[Item]>>);

impl Snapshot {
    /// The items of a kind; `None` before it was read. Two snapshots share the slice while it does not change.
    pub fn of(&self, kind: ItemKind) -> Option<&Arc<[Item]>> {
        self.0.get(&kind)
    }
}

/// What the document of a kind says: another text whenever an [`Editor`] changed an item of it. Empty: none was changed yet.
pub async fn document(store: &dyn Store, kind: ItemKind) -> Result<String, StoreError> {
    let query = ItemQuery { kind: ItemKind::Revision, ids: vec![kind.name().to_owned()], tombstones: false };
    Ok(store.items(&query).await?.into_iter().next().map(|item| item.body).unwrap_or_default())
}

/// Tells the snapshot. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Snapshots(watch::Receiver<Arc<Snapshot>>);

impl Snapshots {
    /// The last one.
    pub fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow())
    }

    /// Done when there is another one than was last waited for, or than the first; never where its task has ended.
    pub async fn changed(&mut self) -> Arc<Snapshot> {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.0.borrow_and_update())
    }
}

/// Writes items of kinds that are followed. The follower that was made with it looks at once.
pub struct Editor {
    store: SharedStore,
    clock: Clock,
    chance: Mutex<Chance>,
    look: Arc<Notify>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor").finish_non_exhaustive()
    }
}

impl Editor {
    /// As [`Store::swap_many`], and tells all nodes. An item's nonce and time of change are set here.
    ///
    /// What was written stays written where telling fails: others then see it within [`HEAL`].
    pub async fn swap_many(&self, mut items: Vec<(Item, Revision)>) -> Result<Vec<Swapped>, StoreError> {
        {
            let mut chance = self.chance.lock().await;
            for (item, _) in &mut items {
                item.nonce = chance.bits();
                item.updated = self.clock.now();
            }
        }
        let swapped = self.store.swap_many(&items).await;
        // An error leaves it open which were written.
        let written = |n: usize| swapped.as_ref().map_or(true, |all| matches!(all.get(n), Some(Swapped::Done(_))));
        let mut kinds: Vec<_> =
            items.iter().enumerate().filter(|(n, _)| written(*n)).map(|(_, (item, _))| item.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            if let Err(error) = self.tell(kind).await {
                warn!(kind = kind.name(), %error, "other nodes learn within a minute what changed");
            }
        }
        self.look.notify_one();
        swapped
    }

    /// Writes another value into the document of the kind. Somebody else's that is begun after the items were written does as well.
    async fn tell(&self, kind: ItemKind) -> Result<(), StoreError> {
        let query = ItemQuery { kind: ItemKind::Revision, ids: vec![kind.name().to_owned()], tombstones: true };
        for _ in 0..TRIES {
            let stored = self.store.items(&query).await?.first().map_or(Revision(0), |item| item.revision);
            let mut chance = self.chance.lock().await;
            let document = Item {
                kind: ItemKind::Revision,
                id: kind.name().to_owned(),
                revision: Revision(0),
                nonce: chance.bits(),
                tombstone: false,
                updated: self.clock.now(),
                body: chance.bits().to_string(),
            };
            drop(chance);
            if let Some(Swapped::Done(_)) = self.store.swap_many(&[(document, stored)]).await?.first() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Keeps a snapshot of some kinds.
pub struct Follower {
    store: SharedStore,
    kinds: &'static [ItemKind],
    every: Duration,
    documents: BTreeMap<String, String>,
    healed: Option<Instant>,
    told: watch::Sender<Arc<Snapshot>>,
    look: Arc<Notify>,
    failing: bool,
}

/// The follower of some kinds, which looks at their documents `every` so often, what it tells, and what edits them. Nothing happens
/// before the follower is run; then the first snapshot has all kinds.
pub fn follow(
    store: SharedStore,
    clock: Clock,
    kinds: &'static [ItemKind],
    every: Duration,
    seed: u64,
) -> (Follower, Snapshots, Editor) {
    let (told, snapshots) = watch::channel(Arc::default());
    let look = Arc::new(Notify::new());
    let editor =
        Editor { store: Arc::clone(&store), clock, chance: Mutex::new(Chance::new(seed)), look: Arc::clone(&look) };
    let follower =
        Follower { store, kinds, every, documents: BTreeMap::new(), healed: None, told, look, failing: false };
    (follower, Snapshots(snapshots), editor)
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Follower {
    /// Looks until `stop` is done.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let look = Arc::clone(&self.look);
        let mut looks = interval(self.every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                _ = looks.tick() => {}
                () = look.notified() => {}
            }
            let looked = tokio::select! {
                biased;
                () = &mut stop => return,
                looked = self.look() => looked,
            };
            self.tell(looked.err());
        }
    }

    /// Reads what changed. A kind that cannot be read keeps its last items, and is read at the next look.
    async fn look(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let heals = self.healed.is_none_or(|healed| begun.duration_since(healed) >= HEAL);
        let query = ItemQuery { kind: ItemKind::Revision, ids: Vec::new(), tombstones: false };
        let documents: BTreeMap<_, _> =
            self.store.items(&query).await?.into_iter().map(|item| (item.id, item.body)).collect();
        for &kind in self.kinds {
            let document = documents.get(kind.name());
            if !heals && self.documents.get(kind.name()) == document {
                continue;
            }
            let items = self.store.items(&ItemQuery { kind, ids: Vec::new(), tombstones: false }).await?;
            self.replace(kind, items);
            if let Some(document) = document {
                self.documents.insert(kind.name().to_owned(), document.clone());
            }
        }
        if heals {
            self.healed = Some(begun);
        }
        Ok(())
    }

    fn replace(&self, kind: ItemKind, items: Vec<Item>) {
        self.told.send_if_modified(|snapshot| {
            let is_same = snapshot.of(kind).is_some_and(|old| **old == *items);
            if !is_same {
                Arc::make_mut(snapshot).0.insert(kind, items.into());
            }
            !is_same
        });
    }

    /// An error is told when it begins, not at every look.
    fn tell(&mut self, error: Option<StoreError>) {
        if let Some(error) = &error
            && !self.failing
        {
            warn!(%error, "what operators change cannot be read; what was read last goes on");
        }
        self.failing = error.is_some();
    }
}

#[cfg(test)]
mod tests;
