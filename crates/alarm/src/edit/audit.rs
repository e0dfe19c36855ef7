//! What was changed, when, by whom: the history of one document, and the changes of all.

use std::collections::{BTreeMap, BTreeSet};

use model::UnixMillis;
use model::item::Item;
use model::kinds::ItemKind;
use serde::Serialize;
use serde_json::Value;

use crate::change::{Change, Op};
use crate::doc;
use crate::notify::settings::MASK;

use super::{EditError, Edits};

/// Changes that one look at a history goes back.
const MAX_HISTORY: usize = 1_000;
/// Differences that one change tells.
const MAX_DIFFERENCES: usize = 1_000;
/// Kinds that are edited.
const KINDS: [ItemKind; 4] =
    [ItemKind::AlarmRule, ItemKind::AlarmReceiver, ItemKind::AlarmRouting, ItemKind::AlarmSilence];

/// Kinds that operators act on.
const ACTED: [ItemKind; 2] = [ItemKind::AlarmIncident, ItemKind::AlarmNotification];
/// Documents that are read in one call.
const AT_ONCE: usize = 500;

/// Which version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// That of a revision.
    Revision(u64),
    /// That of a change, by its id.
    Change(String),
    /// The last one before it was deleted; of a living one the present.
    Last,
}

/// A field that a change changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The field: `selector.includeNames[0]`.
    pub path: String,
    /// What it was; `None`: it was not there.
    pub before: Option<Value>,
    /// What it became; `None`: it is not there any more.
    pub after: Option<Value>,
}

/// A change and what it changed. No secret is in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// The change; secrets in its body are `***`.
    #[serde(flatten)]
    pub change: Change,
    /// The fields, by their paths. Of a document that was made: all that it has; of a deleted one all that it had.
    pub differences: Vec<Difference>,
}

/// Which changes are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this kind of document: `alarm_rule`.
    pub kind: Option<String>,
    /// Of the document of this id.
    pub target: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// From then on.
    pub from: Option<UnixMillis>,
    /// Before then.
    pub before: Option<UnixMillis>,
}

impl Edits {
    /// The changes of a document, the newest first: so many after skipping so many.
    pub async fn history(&self, kind: ItemKind, id: &str, skip: usize, n: usize) -> Result<Vec<AuditEntry>, EditError> {
        let head = self.head(kind, id).await?.ok_or_else(|| EditError::NotFound(format!("{} {id}", kind.name())))?;
        // One more than is asked for, since a change differs from the one before it.
        let chain = self.chain(head, skip.saturating_add(n).saturating_add(1)).await?;
        let entry = |(at, change): (usize, &Change)| entry(change, chain.get(at + 1));
        Ok(chain.iter().enumerate().skip(skip).take(n).map(entry).collect())
    }

    /// The changes of all documents, the newest first: so many after skipping so many, and how many there are.
    ///
    /// A change whose document was not written is not among them.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        skip: usize,
        n: usize,
    ) -> Result<(Vec<AuditEntry>, usize), EditError> {
        // The heads first: a change that comes in between is then told the next time.
        let mut heads = BTreeMap::new();
        for kind in KINDS {
            for item in self.items(kind, Vec::new(), true).await? {
                heads.insert((kind.name(), item.id.clone()), change_of(&item));
            }
        }
        let changes = self.changes().await?;
        for kind in ACTED {
            self.acted_heads(kind, &changes, &mut heads).await?;
        }
        let mut told: BTreeSet<&str> = BTreeSet::new();
        let targets: BTreeSet<(&str, &str)> = changes.values().map(|change| (&*change.kind, &*change.target)).collect();
        for (kind, target) in targets {
            let head = heads.get(&(kind, target.to_owned())).cloned().flatten();
            let gone =
                || last_deletion(changes.values(), kind, target).or_else(|| last_act(changes.values(), kind, target));
            let mut next = head.or_else(gone);
            while let Some(change) = next.and_then(|id| changes.get(&id)) {
                if !told.insert(&change.id) {
                    break;
                }
                next = Some(change.previous.clone());
            }
        }
        let is_asked = |change: &&Change| {
            filter.kind.as_ref().is_none_or(|kind| *kind == change.kind)
                && filter.target.as_ref().is_none_or(|target| *target == change.target)
                && filter.actor.as_ref().is_none_or(|actor| *actor == change.actor)
                && filter.from.is_none_or(|from| from <= change.at)
                && filter.before.is_none_or(|before| change.at < before)
        };
        let mut all: Vec<&Change> =
            changes.values().filter(|change| told.contains(&*change.id)).filter(is_asked).collect();
        all.sort_by(|a, b| (b.at, b.revision, &b.id).cmp(&(a.at, a.revision, &a.id)));
        let page = all.iter().skip(skip).take(n);
        Ok((page.map(|change| entry(change, changes.get(&change.previous))).collect(), all.len()))
    }

    /// The change that holds a version, and the newest change of the document.
    pub(super) async fn version(
        &self,
        kind: ItemKind,
        id: &str,
        version: &Version,
    ) -> Result<(Change, String), EditError> {
        let missing = || EditError::NotFound(format!("such version of {} {id}", kind.name()));
        let head = self.head(kind, id).await?.ok_or_else(missing)?;
        let chain = self.chain(head.clone(), MAX_HISTORY).await?;
        let mut versions = chain.into_iter().filter(|change| !change.body.is_empty());
        let found = versions.find(|change| match version {
            Version::Revision(revision) => change.revision == *revision,
            Version::Change(id) => change.id == *id,
            Version::Last => true,
        });
        Ok((found.ok_or_else(missing)?, head))
    }

    /// The newest change of a document, also of one that was deleted so long ago that nothing but its changes is left.
    async fn head(&self, kind: ItemKind, id: &str) -> Result<Option<String>, EditError> {
        if let Some(item) = self.items(kind, vec![id.to_owned()], true).await?.first() {
            return Ok(change_of(item));
        }
        Ok(last_deletion(self.changes().await?.values(), kind.name(), id))
    }

    /// A change and those before it.
    pub(super) async fn chain(&self, head: String, most: usize) -> Result<Vec<Change>, EditError> {
        let mut chain: Vec<Change> = Vec::new();
        let mut next = head;
        while chain.len() < most && !next.is_empty() {
            let items = self.items(ItemKind::AlarmChange, vec![next], false).await?;
            let Some(item) = items.first() else { break };
            let change = doc::read::<Change>(item)?.doc;
            next = change.previous.clone();
            chain.push(change);
        }
        Ok(chain)
    }

    /// The changes that incidents or notifications name, of those that operators did something with.
    async fn acted_heads(
        &self,
        kind: ItemKind,
        changes: &BTreeMap<String, Change>,
        heads: &mut BTreeMap<(&str, String), Option<String>>,
    ) -> Result<(), EditError> {
        let of_kind = changes.values().filter(|change| change.kind == kind.name());
        let targets: BTreeSet<&String> = of_kind.map(|change| &change.target).collect();
        let targets: Vec<String> = targets.into_iter().cloned().collect();
        for ids in targets.chunks(AT_ONCE) {
            for item in self.items(kind, ids.to_vec(), true).await? {
                // One that names none was acted on by nobody, whatever was begun.
                let change = change_of(&item).unwrap_or_default();
                heads.insert((kind.name(), item.id), Some(change));
            }
        }
        Ok(())
    }

    async fn changes(&self) -> Result<BTreeMap<String, Change>, EditError> {
        let items = self.items(ItemKind::AlarmChange, Vec::new(), false).await?;
        let read = |item: &Item| doc::read::<Change>(item).ok().map(|stored| (stored.doc.id.clone(), stored.doc));
        Ok(items.iter().filter_map(read).collect())
    }
}

/// The change that an item names.
fn change_of(item: &Item) -> Option<String> {
    let body: Value = serde_json::from_str(&item.body).ok()?;
    body.get("change").and_then(Value::as_str).map(str::to_owned)
}

fn last_deletion<'c>(changes: impl Iterator<Item = &'c Change>, kind: &str, target: &str) -> Option<String> {
    let of_it = changes.filter(|change| change.op == Op::Delete && change.kind == kind && change.target == target);
    of_it.max_by_key(|change| (change.at, change.revision)).map(|change| change.id.clone())
}

/// The last that was done with an incident or a notification that has left the store.
fn last_act<'c>(changes: impl Iterator<Item = &'c Change>, kind: &str, target: &str) -> Option<String> {
    let is_acted = ACTED.iter().any(|acted| acted.name() == kind);
    let of_it = changes.filter(|change| is_acted && change.kind == kind && change.target == target);
    of_it.max_by_key(|change| (change.at, change.revision)).map(|change| change.id.clone())
}

fn entry(change: &Change, previous: Option<&Change>) -> AuditEntry {
    let body = |change: &Change| serde_json::from_str(&change.body).unwrap_or(Value::Null);
    let (before, mut after) = (previous.map_or(Value::Null, body), body(change));
    let differences = differences(&before, &after);
    if let Some(Value::Object(secrets)) = after.get_mut("secrets") {
        secrets.values_mut().for_each(|secret| *secret = MASK.into());
    }
    let body = if change.body.is_empty() { String::new() } else { after.to_string() };
    AuditEntry { change: Change { body, ..change.clone() }, differences }
}

/// What differs between two documents, field by field. Secrets are told as `***`, and the change that they name not at all.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differ("", Some(before), Some(after), &mut found);
    found.truncate(MAX_DIFFERENCES);
    found
}

fn differ(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after || path == "change" {
        return;
    }
    let step = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let is_whole = |value: Option<&Value>| value.is_none_or(|value| matches!(value, Value::Null));
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().for_each(|key| differ(&step(key), a.get(key), b.get(key), found));
        }
        // Made or deleted: field by field all the same, so that a reader finds them in one place.
        (Some(Value::Object(a)), other) if path.is_empty() && is_whole(other) => {
            a.iter().for_each(|(key, value)| differ(&step(key), Some(value), None, found));
        }
        (other, Some(Value::Object(b))) if path.is_empty() && is_whole(other) => {
            b.iter().for_each(|(key, value)| differ(&step(key), None, Some(value), found));
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for n in 0..a.len().max(b.len()) {
                differ(&format!("{path}[{n}]"), a.get(n), b.get(n), found);
            }
        }
        _ => {
            let is_secret = path == "secrets" || path.starts_with("secrets.");
            let shown = |value: Option<&Value>| value.map(|value| if is_secret { MASK.into() } else { value.clone() });
            found.push(Difference { path: path.to_owned(), before: shown(before), after: shown(after) });
        }
    }
}
