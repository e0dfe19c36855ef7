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
    /// An incident: somebody takes care of it.
    Acknowledge,
    /// An incident: nobody takes care of it any more.
    Unacknowledge,
    /// An incident: it was given to somebody.
    Assign,
    /// An incident: something was said of it.
    Comment,
    /// An incident: it was closed by hand.
    Close,
    /// A notification: it is sent again.
    Redrive,
    /// A notification: it is sent no more.
    Discard,
    /// A notification: an alarm was fired as a test.
    Fire,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Random.
    pub id: String,
    /// Kind of the document: `alarm_rule` and so on, also `alarm_incident` and `alarm_notification` of what operators do with them.
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
    /// The document after it, as JSON, secrets sealed; empty where it was deleted. Of incidents and notifications what operators can
    /// change of them.
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
