//! Documents: what is kept of the alarm engine, each an item whose body is JSON.

use model::UnixMillis;
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{ItemQuery, Store, StoreError};
use tracing::warn;

/// A kind of document. Its JSON is also what the REST interface shows, but for secrets.
pub trait Doc: Serialize + DeserializeOwned + Send + Sync {
    /// The kind of its items.
    const KIND: ItemKind;

    /// Unique within the kind.
    fn id(&self) -> &str;
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The document.
    pub doc: T,
    /// The version that was read, which the next write must name.
    pub revision: Revision,
    /// When it was written, by its writer's clock.
    pub updated: UnixMillis,
}

/// An item that is not a document of its kind: written by another version, or by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item `{id}` of kind {} cannot be read: {why}", kind.name())]
pub struct BadDoc {
    /// Its kind.
    pub kind: ItemKind,
    /// Its id.
    pub id: String,
    /// What is wrong.
    pub why: String,
}

/// The document of an item.
pub fn read<T: Doc>(item: &Item) -> Result<Stored<T>, BadDoc> {
    let doc = serde_json::from_str(&item.body).map_err(|error| BadDoc {
        kind: item.kind,
        id: item.id.clone(),
        why: error.to_string(),
    })?;
    Ok(Stored { doc, revision: item.revision, updated: item.updated })
}

/// The documents of items, in their order. What cannot be read is left out and told in the log.
pub fn readable<T: Doc>(items: &[Item]) -> Vec<Stored<T>> {
    items.iter().filter_map(|item| read(item).inspect_err(|error| warn!(%error, "left out")).ok()).collect()
}

/// The living documents of these ids, ascending by id; of no id: all of the kind. What cannot be read is left out, as [`readable`] does.
pub async fn load<T: Doc>(store: &dyn Store, ids: Vec<String>) -> Result<Vec<Stored<T>>, StoreError> {
    Ok(readable(&store.items(&ItemQuery { kind: T::KIND, ids, tombstones: false }).await?))
}

/// The item of a document. Nonce and time are set by whoever writes it.
pub fn write<T: Doc>(doc: &T) -> Item {
    Item {
        kind: T::KIND,
        id: doc.id().to_owned(),
        revision: Revision(0),
        nonce: 0,
        tombstone: false,
        updated: UnixMillis(0),
        body: serde_json::to_string(doc).expect("documents have texts as keys"),
    }
}

/// The item that deletes a document.
pub fn deleted<T: Doc>(doc: &T) -> Item {
    Item { tombstone: true, ..write(doc) }
}
