//! The order in which things are written.

use model::item::{Item, Revision};
use model::kinds::ItemKind;
use storage::{StoreError, Swapped};

use crate::change::{Change, Op};
use crate::check::Checked;
use crate::doc::{self, Stored};

use super::{By, Done, EditError, Edited, Edits, Prepared, retried, taken};

/// Documents that are written together: each for itself, in one request.
const TOGETHER: usize = 200;

/// A document that is ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Write<T> {
    pub(crate) doc: T,
    /// The revision of what it replaces; 0: nothing.
    pub(crate) before: Revision,
    /// The change that what it replaces names.
    pub(crate) previous: String,
    pub(crate) op: Op,
}

impl<T: Edited> Write<T> {
    /// A document in the place of another one.
    pub(crate) fn over(doc: T, present: &Stored<T>, op: Op) -> Self {
        Write { doc, before: present.revision, previous: present.doc.change().to_owned(), op }
    }
}

impl Edits {
    /// Prepares, checks and writes a document over what is there.
    pub(super) async fn put<T: Edited>(
        &self,
        doc: T,
        present: Option<Stored<T>>,
        op: Op,
        by: &By,
    ) -> Result<Done<T>, EditError> {
        let (receivers, others) = (self.receivers().await?, self.all::<T>().await?);
        let (doc, warnings) = self.prepared(doc, present.as_ref(), &receivers, &others, by).await?;
        let renamed = present.as_ref().is_none_or(|present| present.doc.name() != doc.name());
        let write = match &present {
            Some(present) => Write::over(doc, present, op),
            None => {
                let (before, previous) = self.free::<T>(doc.id()).await?;
                Write { doc, before, previous, op }
            }
        };
        let stored = self.write(write, by).await?;
        if renamed {
            self.alone(&stored, present, by).await?;
        }
        Ok(Done { stored, warnings })
    }

    /// What a new document of an id is written over: the revision and the change of a deleted one, or nothing.
    pub(crate) async fn free<T: Edited>(&self, id: &str) -> Result<(Revision, String), EditError> {
        match self.items(T::KIND, vec![id.to_owned()], true).await?.into_iter().next() {
            None => Ok((Revision(0), String::new())),
            Some(item) if item.tombstone => {
                let change = doc::read::<T>(&item).map(|stored| stored.doc.change().to_owned());
                Ok((item.revision, change.unwrap_or_default()))
            }
            Some(item) => {
                let present = doc::read::<T>(&item)?;
                Err(EditError::Conflict(Some((present.doc.shown(), present.revision))))
            }
        }
    }

    /// The document as it is to be stored, and what was found. `others` are the living ones of its kind.
    pub(crate) async fn prepared<T: Edited>(
        &self,
        mut doc: T,
        present: Option<&Stored<T>>,
        receivers: &[String],
        others: &[Stored<T>],
        by: &By,
    ) -> Result<(T, Checked), EditError> {
        let (id, now) = (self.new_id().await, self.clock.now());
        doc.prepare(&Prepared { present: present.map(|stored| &stored.doc), id, now, by, key: self.key.as_deref() })?;
        doc.set_change(present.map(|stored| stored.doc.change().to_owned()).unwrap_or_default());
        let checked = doc.check(&self.around(receivers, None), now);
        if !checked.is_valid() {
            return Err(EditError::Invalid(checked));
        }
        if others.iter().any(|other| other.doc.id() != doc.id() && other.doc.name() == doc.name()) {
            return Err(taken(doc.name()));
        }
        if present.is_none() && others.len() >= T::MOST {
            return Err(EditError::invalid(
                "too_many",
                "",
                format!("there are {} already, which is the most", T::MOST),
            ));
        }
        Ok((doc, checked))
    }

    /// Takes back a document whose name somebody else took at the same moment. Each looks after it has written its own, so one of two
    /// sees the other at least, and two of one name do not stay.
    pub(super) async fn alone<T: Edited>(
        &self,
        stored: &Stored<T>,
        present: Option<Stored<T>>,
        by: &By,
    ) -> Result<(), EditError> {
        let others = self.all::<T>().await?;
        let is_same = |other: &Stored<T>| other.doc.id() != stored.doc.id() && other.doc.name() == stored.doc.name();
        if !others.iter().any(is_same) {
            return Ok(());
        }
        let name = stored.doc.name().to_owned();
        let back = By { reason: format!("another one was named {name} at the same moment"), ..by.clone() };
        let write = match present {
            Some(present) => Write::over(present.doc, stored, Op::Update),
            None => Write::over(stored.doc.clone(), stored, Op::Delete),
        };
        // The present one names an older change than the one that is taken back.
        let write = Write { previous: stored.doc.change().to_owned(), ..write };
        self.write(write, &back).await.and(Err(taken(&name)))
    }

    /// Writes one document.
    pub(crate) async fn write<T: Edited>(&self, write: Write<T>, by: &By) -> Result<Stored<T>, EditError> {
        let mut written = self.write_all(vec![write], by).await;
        written.pop().unwrap_or_else(|| Err(StoreError::Damaged("a write has no answer".to_owned()).into()))
    }

    /// Writes documents, each for itself: the changes first, then the documents that name them. The answers are in their order.
    pub(crate) async fn write_all<T: Edited>(
        &self,
        writes: Vec<Write<T>>,
        by: &By,
    ) -> Vec<Result<Stored<T>, EditError>> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let some: Vec<Write<T>> = writes.by_ref().take(TOGETHER).collect();
            let n = some.len();
            match self.write_some(some, by).await {
                Ok(some) => answers.extend(some),
                Err(error) => answers.extend(std::iter::repeat_n(Err(EditError::Store(error)), n)),
            }
        }
        answers
    }

    async fn write_some<T: Edited>(
        &self,
        writes: Vec<Write<T>>,
        by: &By,
    ) -> Result<Vec<Result<Stored<T>, EditError>>, StoreError> {
        let now = self.clock.now();
        let (mut changes, mut items, mut docs) = (Vec::new(), Vec::new(), Vec::new());
        for Write { mut doc, before, previous, op } in writes {
            let id = self.new_id().await;
            doc.set_change(id.clone());
            let json = || serde_json::to_string(&doc).expect("documents have texts as keys");
            let change = Change {
                id,
                kind: T::KIND.name().to_owned(),
                target: doc.id().to_owned(),
                name: doc.name().to_owned(),
                op,
                revision: before.0 + 1,
                previous,
                body: if op == Op::Delete { String::new() } else { json() },
                actor: by.actor.clone(),
                source: by.source.clone(),
                reason: by.reason.clone(),
                at: now,
            };
            changes.push((doc::write(&change), Revision(0)));
            items.push((if op == Op::Delete { doc::deleted(&doc) } else { doc::write(&doc) }, before));
            docs.push(doc);
        }
        // Their ids are random, so what is there already is one's own whose answer was lost.
        retried(|| self.editor.swap_many(changes.clone())).await?;
        let swapped = retried(|| self.editor.swap_many(items.clone())).await?;
        let answers = docs.into_iter().zip(swapped).map(|(doc, swapped)| match swapped {
            Swapped::Done(revision) => Ok(Stored { doc, revision, updated: now }),
            Swapped::Conflict(item) => present_or_own(doc, item),
        });
        Ok(answers.collect())
    }

    /// Writes an item that is no edited document.
    pub(crate) async fn swap_one(&self, item: Item, before: Revision) -> Result<Swapped, EditError> {
        let swapped = retried(|| self.editor.swap_many(vec![(item.clone(), before)])).await?;
        swapped.into_iter().next().ok_or_else(|| StoreError::Damaged("a swap has no answer".to_owned()).into())
    }

    pub(crate) fn now(&self) -> model::UnixMillis {
        self.clock.now()
    }

    pub(crate) async fn new_id(&self) -> String {
        let mut chance = self.chance.lock().await;
        format!("{:016x}{:016x}", chance.bits(), chance.bits())
    }

    /// Refuses to delete a receiver that somebody is told by.
    pub(crate) async fn unused<T: Edited>(&self, doc: &T) -> Result<(), EditError> {
        if T::KIND != ItemKind::AlarmReceiver {
            return Ok(());
        }
        let rules = self.all::<crate::rule::Rule>().await?;
        let named = |rule: &&Stored<crate::rule::Rule>| rule.doc.hooks.iter().any(|hook| hook == doc.id());
        let mut users: Vec<String> = rules.iter().filter(named).map(|rule| format!("rule {}", rule.doc.name)).collect();
        for routing in self.all::<crate::route::Routing>().await? {
            let mut routes = vec![&routing.doc.root];
            while let Some(route) = routes.pop() {
                if route.receivers.iter().flatten().any(|receiver| receiver == doc.id()) {
                    users.push(format!("route {}", if route.name.is_empty() { "root" } else { &route.name }));
                }
                routes.extend(&route.routes);
            }
        }
        if users.is_empty() {
            return Ok(());
        }
        users.truncate(10);
        Err(EditError::invalid("in_use", "id", format!("{} is named by {}", doc.id(), users.join(", "))))
    }
}

/// What a conflict means: one's own write whose answer was lost, or somebody else's.
fn present_or_own<T: Edited>(doc: T, item: Option<Item>) -> Result<Stored<T>, EditError> {
    let Some(item) = item else { return Err(EditError::Conflict(None)) };
    let present = doc::read::<T>(&item)?;
    if present.doc.change() == doc.change() {
        return Ok(present);
    }
    Err(EditError::Conflict((!item.tombstone).then(|| (present.doc.shown(), present.revision))))
}
