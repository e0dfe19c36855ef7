//! What operators changed: history and audit.
//!
//! A change is written before the document that it tells of, and the document names it; so no change is lost, and one whose document
//! was not written is told by nobody's naming it. Each names the one before it: a document's history is that chain.

use model::UnixMillis;
use model::kinds::ItemKind;
use serde::{Deserialize, Serialize};

use crate::doc::Doc;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Op {
    /// Made.
    Create,
    /// Changed.
    Update,
    /// Deleted; it can be restored.
    Delete,
    /// An earlier version made the present one, or a deleted one living again.
    Restore,
    /// Brought in from a file.
    Import,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Random.
    pub id: String,
    /// Kind of the document: `alarm_rule` and so on.
    pub kind: String,
    /// Id of the document.
    pub target: String,
    /// Its name then.
    pub name: String,
    /// What was done.
    pub op: Op,
    /// The revision that the document has with it.
    #[serde(default)]
    pub revision: u64,
    /// The change before it; empty: there is none.
    pub previous: String,
    /// The document after it, as JSON, secrets sealed; empty where it was deleted.
    pub body: String,
    /// Who did it: a user, `loopback`, or `file`.
    pub actor: String,
    /// By what: `graphql`, `rest`, `file`.
    pub source: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
}

impl Doc for Change {
    const KIND: ItemKind = ItemKind::AlarmChange;

    fn id(&self) -> &str {
        &self.id
    }
}
