//! What operators do with documents that the engine writes: incidents and notifications. Each is told in the audit in the same way as
//! a change of a rule: the change first, then the document that names it.

use model::UnixMillis;
use model::item::Revision;
use serde_json::{Value, json};
use storage::{StoreError, Swapped};

use crate::change::{Change, Op};
use crate::doc::{self, Doc, Stored};
use crate::incident::Incident;
use crate::notification::Notification;

use super::{By, EditError, Edits, retried};

/// How often an act is tried while the engine changes the same document.
const TRIES: usize = 16;

/// How many of the latest acts are looked through for one's own.
const LATEST: usize = 32;

/// A document that the engine writes and operators act on.
pub(crate) trait Acted: Doc + Clone {
    /// What people call it.
    fn title(&self) -> String;

    /// The change that it names.
    fn change(&self) -> &str;

    /// Names a change.
    fn set_change(&mut self, change: String);

    /// What operators can change of it.
    fn part(&self) -> Value;
}

impl Acted for Incident {
    fn title(&self) -> String {
        format!("{}: {}", self.rule_name, self.entity.name)
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    fn part(&self) -> Value {
        json!({
            "state": self.state,
            "closed": self.closed,
            "acknowledged": self.acknowledged,
            "assignee": self.assignee,
            "comments": self.comments,
        })
    }
}

impl Acted for Notification {
    fn title(&self) -> String {
        format!("{} {}", self.receiver, self.sequence)
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    fn part(&self) -> Value {
        json!({ "status": self.status, "receiver": self.receiver, "test": self.test })
    }
}

/// What an act makes of a document.
pub(crate) enum Next<T> {
    /// This is to be written.
    Write(T),
    /// It is as it should be.
    Unchanged,
}

impl Edits {
    /// Does something with a document, again from what is stored where somebody else was faster. `next` is asked anew each time.
    pub(crate) async fn act<T: Acted>(
        &self,
        id: &str,
        op: Op,
        by: &By,
        next: impl Fn(&T, UnixMillis) -> Result<Next<T>, EditError>,
    ) -> Result<Stored<T>, EditError> {
        for _ in 0..TRIES {
            let present = self.get::<T>(id).await?;
            let doc = match next(&present.doc, self.now())? {
                Next::Unchanged => return Ok(present),
                Next::Write(doc) => doc,
            };
            if let Some(stored) = self.write_act(doc, present.revision, op, by).await? {
                return Ok(stored);
            }
        }
        Err(StoreError::Unavailable("it is being changed all the time; try again".to_owned()).into())
    }

    /// Writes a document with what was done with it over a revision; `None`: somebody else was faster.
    pub(crate) async fn write_act<T: Acted>(
        &self,
        mut doc: T,
        before: Revision,
        op: Op,
        by: &By,
    ) -> Result<Option<Stored<T>>, EditError> {
        let change = Change {
            id: self.new_id().await,
            kind: T::KIND.name().to_owned(),
            target: doc.id().to_owned(),
            name: doc.title(),
            op,
            revision: before.0 + 1,
            previous: doc.change().to_owned(),
            body: doc.part().to_string(),
            actor: by.actor.clone(),
            source: by.source.clone(),
            reason: by.reason.clone(),
            at: self.now(),
        };
        doc.set_change(change.id.clone());
        // Its id is random, so what is there already is one's own whose answer was lost.
        retried(|| self.editor.swap_many(vec![(doc::write(&change), Revision(0))])).await?;
        match self.swap_one(doc::write(&doc), before).await? {
            Swapped::Done(revision) => Ok(Some(Stored { doc, revision, updated: change.at })),
            Swapped::Conflict(Some(item)) => {
                let present = doc::read::<T>(&item)?;
                // One's own whose answer was lost, though others may have done something over it since.
                let since = self.chain(present.doc.change().to_owned(), LATEST).await?;
                Ok(since.iter().any(|known| known.id == change.id).then_some(present))
            }
            Swapped::Conflict(None) => Ok(None),
        }
    }
}
