//! Every change of rules, receivers, routing and silences, whoever asks for it: GraphQL, REST, or the settings file.
//!
//! A write has an order, so that nothing is lost and nothing is told that did not happen: the change is written first ([`crate::change::Change`]), then
//! the document, which names it. Whoever loses a race has written a change that no document names; history and audit pass over it.
//! A write whose answer was lost is tried again and recognises itself by the change that the stored document names.

mod act;
mod audit;
mod bundle;
mod kind;
mod patch;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::sync::Arc;
use std::time::Duration;

use model::Clock;
use model::item::{Item, Revision};
use model::metric::Catalogue;
use storage::chance::Chance;
use storage::snapshot::Editor;
use storage::{ErrorKind, ItemQuery, SharedStore, StoreError};
use tokio::sync::Mutex;

use crate::change::Op;
use crate::check::{Checked, Surroundings};
use crate::doc::{self, BadDoc, Doc, Stored};
use crate::entity::Entity;
use crate::seal::Key;
use crate::silence::Silence;

pub(crate) use self::act::Next;
pub use self::audit::{AuditEntry, AuditFilter, Difference, Version, differences};
pub use self::bundle::{Bundle, Step, StepKind};
pub use self::kind::{Edited, Prepared};
pub use self::patch::merge;
pub(crate) use self::write::Write;

/// How often a write is tried whose answer did not come.
const TRIES: u32 = 6;
/// How long it waits before the second try; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(20);

/// Who changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// A user, `loopback`, or `file`.
    pub actor: String,
    /// By what: `graphql`, `rest`, `file`.
    pub source: String,
    /// Why, in the actor's words.
    pub reason: String,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// The document may not be saved.
    #[error("{}", errors(.0))]
    Invalid(Checked),
    /// Somebody changed it meanwhile. The document as it is now, secrets hidden, with its revision; `None`: it is gone.
    #[error("it was changed meanwhile")]
    Conflict(Option<(serde_json::Value, Revision)>),
    /// There is none of that id, or no such version of it.
    #[error("there is no {0}")]
    NotFound(String),
    /// What is there cannot be read.
    #[error(transparent)]
    Unreadable(#[from] BadDoc),
    /// The store does not answer. Whether the change was made is not known; doing it again is safe with the expected revision.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn errors(checked: &Checked) -> String {
    let all: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    all.join("\n")
}

impl EditError {
    /// The refusal for one reason.
    pub(crate) fn invalid(code: &'static str, path: &str, message: impl Into<String>) -> Self {
        let problem = crate::check::Problem {
            level: crate::check::Level::Error,
            code,
            path: path.to_owned(),
            at: None,
            message: message.into(),
        };
        EditError::Invalid(Checked { problems: vec![problem] })
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Done<T> {
    /// The document as it is stored now; of a deleted one as it was.
    pub stored: Stored<T>,
    /// What is worth to be known of it.
    pub warnings: Checked,
}

/// Changes documents.
pub struct Edits {
    store: SharedStore,
    editor: Arc<Editor>,
    clock: Clock,
    catalogue: Arc<Catalogue>,
    key: Option<Arc<Key>>,
    chance: Mutex<Chance>,
}

impl std::fmt::Debug for Edits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edits").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Edits {
    /// Changes what is in the store, and tells the nodes through the editor. `key` seals secrets; without one none is
    /// taken. The seed draws ids, and must differ from node to node and from start to start.
    pub fn new(
        store: SharedStore,
        editor: Arc<Editor>,
        clock: Clock,
        catalogue: Arc<Catalogue>,
        key: Option<Arc<Key>>,
        seed: u64,
    ) -> Edits {
        Edits { store, editor, clock, catalogue, key, chance: Mutex::new(Chance::new(seed)) }
    }

    /// What documents are held against, with the names of all receivers.
    pub(crate) fn around<'a>(&'a self, receivers: &'a [String], entities: Option<&'a [Entity]>) -> Surroundings<'a> {
        Surroundings { catalogue: &self.catalogue, receivers: Some(receivers), entities }
    }

    /// The names of all receivers.
    pub async fn receivers(&self) -> Result<Vec<String>, EditError> {
        let items = self.items(model::kinds::ItemKind::AlarmReceiver, Vec::new(), false).await?;
        Ok(items.into_iter().map(|item| item.id).collect())
    }

    /// The living documents of a kind, ascending by id. Those that cannot be read are passed over.
    pub async fn all<T: Doc>(&self) -> Result<Vec<Stored<T>>, EditError> {
        let items = self.items(T::KIND, Vec::new(), false).await?;
        Ok(items.iter().filter_map(|item| doc::read(item).ok()).collect())
    }

    /// The living document of an id.
    pub async fn get<T: Doc>(&self, id: &str) -> Result<Stored<T>, EditError> {
        let item = self.items(T::KIND, vec![id.to_owned()], false).await?.into_iter().next();
        let item = item.ok_or_else(|| EditError::NotFound(format!("{} {id}", T::KIND.name())))?;
        Ok(doc::read(&item)?)
    }

    /// Makes a document.
    pub async fn create<T: Edited>(&self, doc: T, by: &By) -> Result<Done<T>, EditError> {
        self.put(doc, None, Op::Create, by).await
    }

    /// Replaces a document by another one of the same id. Without an expected revision whatever is there is replaced.
    pub async fn update<T: Edited>(&self, doc: T, expected: Option<Revision>, by: &By) -> Result<Done<T>, EditError> {
        let present = self.get::<T>(doc.id()).await?;
        conflict(&present, expected)?;
        self.put(doc, Some(present), Op::Update, by).await
    }

    /// Changes some fields of a document, by the rules of JSON merge patch (RFC 7396).
    pub async fn patch<T: Edited>(
        &self,
        id: &str,
        patch: &serde_json::Value,
        expected: Option<Revision>,
        by: &By,
    ) -> Result<Done<T>, EditError> {
        let present = self.get::<T>(id).await?;
        conflict(&present, expected)?;
        let mut json = serde_json::to_value(&present.doc).expect("documents have texts as keys");
        merge(&mut json, patch);
        let doc: T =
            serde_json::from_value(json).map_err(|error| EditError::invalid("bad_document", "", error.to_string()))?;
        if doc.id() != id {
            return Err(EditError::invalid("bad_document", "id", "an id never changes"));
        }
        // What was read is what is patched: somebody else's change in between is a conflict.
        self.put(doc, Some(present), Op::Update, by).await
    }

    /// Deletes a document. It can be restored.
    pub async fn delete<T: Edited>(&self, id: &str, expected: Option<Revision>, by: &By) -> Result<Done<T>, EditError> {
        let present = self.get::<T>(id).await?;
        conflict(&present, expected)?;
        self.unused(&present.doc).await?;
        let stored = self.write(Write::over(present.doc.clone(), &present, Op::Delete), by).await?;
        Ok(Done { stored, warnings: Checked::default() })
    }

    /// Makes an earlier version the present one, or a deleted document living again.
    pub async fn restore<T: Edited>(
        &self,
        id: &str,
        version: &Version,
        expected: Option<Revision>,
        by: &By,
    ) -> Result<Done<T>, EditError> {
        let (change, head) = self.version(T::KIND, id, version).await?;
        let doc: T = serde_json::from_str(&change.body).map_err(|error| BadDoc {
            kind: T::KIND,
            id: id.to_owned(),
            why: error.to_string(),
        })?;
        let item = self.items(T::KIND, vec![id.to_owned()], true).await?.into_iter().next();
        let before = item.as_ref().map_or(Revision(0), |item| item.revision);
        let living = match item.filter(|item| !item.tombstone) {
            Some(item) => {
                let living = doc::read::<T>(&item)?;
                conflict(&living, expected)?;
                Some(living)
            }
            None if expected.is_some_and(|expected| expected != before) => return Err(EditError::Conflict(None)),
            None => None,
        };
        // The earlier version is what it is prepared over: so its secrets are kept.
        let earlier = Stored { doc: doc.clone(), revision: before, updated: change.at };
        let (receivers, others) = (self.receivers().await?, self.all::<T>().await?);
        let (doc, warnings) = self.prepared(doc, Some(&earlier), &receivers, &others, by).await?;
        let stored = self.write(Write { doc, before, previous: head, op: Op::Restore }, by).await?;
        self.alone(&stored, living, by).await?;
        Ok(Done { stored, warnings })
    }

    /// Items, read again where the store does not answer.
    pub(crate) async fn items(
        &self,
        kind: model::kinds::ItemKind,
        ids: Vec<String>,
        tombstones: bool,
    ) -> Result<Vec<Item>, EditError> {
        let query = ItemQuery { kind, ids, tombstones };
        Ok(retried(|| self.store.items(&query)).await?)
    }

    /// Ends a silence now, or before it began.
    pub async fn expire_silence(&self, id: &str, by: &By) -> Result<Done<Silence>, EditError> {
        let present = self.get::<Silence>(id).await?;
        let now = self.clock.now();
        let mut silence = present.doc.clone();
        silence.ends = silence.ends.min(now);
        silence.starts = silence.starts.min(model::UnixMillis(silence.ends.0 - 1));
        self.put(silence, Some(present), Op::Update, by).await
    }
}

fn conflict<T: Edited>(present: &Stored<T>, expected: Option<Revision>) -> Result<(), EditError> {
    match expected {
        Some(expected) if expected != present.revision => {
            Err(EditError::Conflict(Some((present.doc.shown(), present.revision))))
        }
        _ => Ok(()),
    }
}

fn taken(name: &str) -> EditError {
    EditError::invalid("name_taken", "name", format!("another one is named {name}"))
}

/// Asks again while the store says that it may work later.
async fn retried<T, F: Future<Output = Result<T, StoreError>>>(mut ask: impl FnMut() -> F) -> Result<T, StoreError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Retry => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}
