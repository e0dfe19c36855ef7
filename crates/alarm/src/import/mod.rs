//! What comes from files: the settings file that the server is started with, and files that operators hand in.
//!
//! The file of the server is imported by the lease holder when it is another than last time. What operators changed wins over it:
//! a rule that was edited stays as it is, one that was deleted stays deleted as long as the file has it, and `revert_to_file` takes
//! the file's version. What nobody touched follows the file, also out of it.

pub mod alertmanager;
pub mod prometheus;
pub mod server_file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use model::UnixMillis;
use model::item::Revision;
use model::kinds::ItemKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::change::Op;
use crate::check::{Checked, Surroundings};
use crate::doc::{self, Doc, Stored};
use crate::edit::{Bundle, By, Done, EditError, Edited, Edits, Step, StepKind, Write, differences};
use crate::receiver::Receiver;
use crate::rule::{Provenance, Rule};
use crate::settings::report::{At, Part, Report};
use crate::settings::{self, Settings};

/// What happens to rules that the file does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// They stay.
    #[default]
    Merge,
    /// They are deleted. Receivers stay in any case.
    Replace,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// What became of each part of the file.
    pub report: Report,
    /// What became of each document.
    pub steps: Vec<Step>,
}

/// The settings file as it was imported last. There is one, [`FileState::ID`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileState {
    /// Of its text, see [`hash`].
    pub hash: String,
    /// When.
    pub at: UnixMillis,
    /// By which node, as it names itself.
    pub node: String,
    /// The rules that it has, by id.
    pub rules: BTreeMap<String, Rule>,
    /// The receivers that it has, as they were stored, by id.
    pub receivers: BTreeMap<String, Receiver>,
    /// Ids of rules and receivers that it has and that operators deleted.
    pub deleted: BTreeSet<String>,
}

impl FileState {
    /// The id of the one item.
    pub const ID: &'static str = "alarm-settings-file";
}

impl Doc for FileState {
    const KIND: ItemKind = ItemKind::AlarmProgress;

    fn id(&self) -> &str {
        FileState::ID
    }
}

/// By what texts of files are told apart. A node whose file has another hash than [`FileState::hash`] says so to its operators.
pub fn hash(text: &str) -> String {
    model::id::hex(&Sha256::digest(text))
}

/// Documents of one kind on their way from the file.
struct Changes<T> {
    writes: Vec<Write<T>>,
    steps: Vec<Step>,
}

impl<T> Changes<T> {
    /// What is written, and what is deleted.
    fn split(self) -> (Changes<T>, Changes<T>) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.writes.into_iter().zip(self.steps).partition(|(write, _)| write.op == Op::Delete);
        let of = |pairs: Vec<(Write<T>, Step)>| {
            let (writes, steps) = pairs.into_iter().unzip();
            Changes { writes, steps }
        };
        (of(kept), of(gone))
    }
}

impl Edits {
    /// Imports a file that an operator hands in. Rules that cannot be taken are rejected in the report, the others go on.
    pub async fn import(&self, text: &str, mode: Mode, dry_run: bool, by: &By) -> Result<Imported, EditError> {
        let mut settings = settings::read(text);
        let receivers = self.receivers().await?;
        settings.check(&self.around(&receivers, None));
        let Settings { rules, receivers, report } = settings;
        let mut bundle = Bundle::default();
        if report.entries.iter().any(|entry| entry.part == Part::File && entry.is_rejected()) {
            return Ok(Imported { report, steps: Vec::new() });
        }
        for placed in rules {
            // By its name alone: whatever rule has it is the one.
            let rule = Rule { id: String::new(), provenance: Provenance::Import, ..placed.doc };
            bundle.rules.push(rule);
        }
        for placed in receivers {
            bundle.receivers.push(placed.doc.whole());
        }
        bundle.delete_rules = self.unnamed(mode, &report, &bundle.rules).await?;
        let steps = self.carry_out(bundle, dry_run, true, by).await?;
        Ok(Imported { report, steps })
    }

    /// The names of the rules that a file does not have, where they go.
    async fn unnamed(&self, mode: Mode, report: &Report, rules: &[Rule]) -> Result<Vec<String>, EditError> {
        if mode == Mode::Merge {
            return Ok(Vec::new());
        }
        let entries = report.entries.iter().filter(|entry| entry.part == Part::Rule);
        let named: BTreeSet<&str> =
            entries.map(|entry| &*entry.name).chain(rules.iter().map(|rule| &*rule.name)).collect();
        let names = self.all::<Rule>().await?.into_iter().map(|stored| stored.doc.name);
        Ok(names.filter(|name| !named.contains(&**name)).collect())
    }

    /// Imports the server's own file where it is another than last time; `None`: it is the same. For the lease holder.
    ///
    /// It is noted as imported when all that it wants is written; until then another call goes on.
    pub async fn import_file(&self, text: &str, node: &str) -> Result<Option<Imported>, EditError> {
        let hash = hash(text);
        let last = self.file_state().await?;
        if last.as_ref().is_some_and(|last| last.doc.hash == hash) {
            return Ok(None);
        }
        let (last, revision) = last.map_or((FileState::default(), Revision(0)), |last| (last.doc, last.revision));
        let mut settings = settings::read(text);
        let own = self.receivers().await?;
        settings.check(&self.around(&own, None));
        let Settings { rules, receivers, mut report } = settings;
        if report.entries.iter().any(|entry| entry.part == Part::File && entry.is_rejected()) {
            return Ok(Some(Imported { report, steps: Vec::new() }));
        }
        let by = By { actor: "file".to_owned(), source: "file".to_owned(), reason: "the settings file".to_owned() };
        let mut state = FileState { hash, at: self.now(), node: node.to_owned(), ..FileState::default() };

        let receivers: Vec<Receiver> = receivers.into_iter().map(|placed| placed.doc.whole()).collect();
        let mut names = own;
        names.extend(receivers.iter().map(|receiver| receiver.id.clone()));
        let living = self.all::<Receiver>().await?;
        let untouched =
            |stored: &Stored<Receiver>| last.receivers.get(stored.doc.id()).is_some_and(|own| own.same(&stored.doc));
        let from_file =
            self.followed(receivers, &living, &last, untouched, &names, &by, &mut state, &mut report).await?;
        // A receiver goes after the rules that name it.
        let (changes, gone) = from_file.0.split();
        let mut steps = self.written(changes, &by).await;
        state.receivers = from_file.1.into_iter().map(|receiver| (receiver.id.clone(), receiver)).collect();

        let rules: Vec<Rule> = rules.into_iter().map(|placed| placed.doc).collect();
        let living = self.all::<Rule>().await?;
        let untouched = |stored: &Stored<Rule>| stored.doc.provenance == Provenance::File;
        let from_file = self.followed(rules, &living, &last, untouched, &names, &by, &mut state, &mut report).await?;
        steps.extend(self.written(from_file.0, &by).await);
        steps.extend(self.written(self.free_to_go(gone, &mut state, &mut report).await?, &by).await);
        state.rules = from_file.1.into_iter().map(|rule| (rule.id.clone(), rule)).collect();

        if steps.iter().all(|step| step.failed.is_empty()) {
            self.note(&state, revision).await?;
        }
        Ok(Some(Imported { report, steps }))
    }

    /// What becomes of each part of a file, as far as that can be told without the documents that there are.
    pub fn report(&self, text: &str) -> Report {
        let mut settings = settings::read(text);
        settings.check(&Surroundings { receivers: None, ..self.around(&[], None) });
        settings.report
    }

    /// What was imported from the server's file last.
    pub async fn file_state(&self) -> Result<Option<Stored<FileState>>, EditError> {
        let items = self.items(FileState::KIND, vec![FileState::ID.to_owned()], false).await?;
        Ok(items.first().map(doc::read).transpose()?)
    }

    /// Takes the file's version of a rule, deleted or not.
    pub async fn revert_to_file(&self, id: &str, expected: Option<Revision>, by: &By) -> Result<Done<Rule>, EditError> {
        let state = self.file_state().await?.map(|state| state.doc).unwrap_or_default();
        let rule = state.rules.get(id).ok_or_else(|| EditError::NotFound(format!("rule {id} in the settings file")))?;
        let present = match self.get::<Rule>(id).await {
            Ok(present) => Some(present),
            Err(EditError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        if let (Some(present), Some(expected)) = (&present, expected)
            && present.revision != expected
        {
            return Err(EditError::Conflict(Some((present.doc.shown(), present.revision))));
        }
        let (receivers, others) = (self.receivers().await?, self.all::<Rule>().await?);
        let (mut doc, warnings) = self.prepared(rule.clone(), present.as_ref(), &receivers, &others, by).await?;
        doc.provenance = Provenance::File;
        let write = match &present {
            Some(present) => Write::over(doc, present, Op::Restore),
            None => {
                let (before, previous) = self.free::<Rule>(id).await?;
                Write { doc, before, previous, op: Op::Restore }
            }
        };
        Ok(Done { stored: self.write(write, by).await?, warnings })
    }

    /// What has to be written so that what nobody touched follows the file, and the file's own version of each document.
    #[expect(
        clippy::too_many_arguments,
        reason = "two kinds of documents go the same way, with all that the way needs"
    )]
    async fn followed<T: Edited>(
        &self,
        docs: Vec<T>,
        living: &[Stored<T>],
        last: &FileState,
        untouched: impl Fn(&Stored<T>) -> bool,
        receivers: &[String],
        by: &By,
        state: &mut FileState,
        report: &mut Report,
    ) -> Result<(Changes<T>, Vec<T>), EditError> {
        let part = if T::KIND == ItemKind::AlarmRule { Part::Rule } else { Part::Receiver };
        let had =
            |id: &str| last.rules.contains_key(id) || last.receivers.contains_key(id) || last.deleted.contains(id);
        let (mut writes, mut steps, mut own) = (Vec::new(), Vec::new(), Vec::with_capacity(docs.len()));
        for doc in docs {
            let present = living
                .iter()
                .find(|stored| stored.doc.id() == doc.id())
                .or_else(|| living.iter().find(|stored| stored.doc.name() == doc.name()));
            let (id, name) = (doc.id().to_owned(), doc.name().to_owned());
            let place =
                report.entries.iter().find(|entry| entry.part == part && entry.name == name).map(|entry| entry.at);
            let entry = report.entry(part, &name, place.unwrap_or_default());
            let doc = match self.prepared(doc, present, receivers, &[], by).await {
                Ok((doc, _)) => doc,
                Err(EditError::Invalid(checked)) => {
                    checked.problems.iter().for_each(|problem| entry.reject(entry.at, problem.message.clone()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            own.push(doc.clone());
            let step = match present {
                None if had(&id) => {
                    state.deleted.insert(id);
                    entry.warn(entry.at, "it was deleted by an operator and stays deleted");
                    continue;
                }
                Some(present) if !untouched(present) => {
                    entry
                        .warn(entry.at, "an operator changed it, and that holds; the file's version can be taken back");
                    continue;
                }
                Some(present) if present.doc.same(&doc) => continue,
                Some(present) => step(StepKind::Update, Some(present), Some(&doc)),
                None => step(StepKind::Create, None, Some(&doc)),
            };
            steps.push(step);
            writes.push(match present {
                Some(present) => Write::over(doc, present, Op::Import),
                None => {
                    let (before, previous) = self.free::<T>(&id).await?;
                    Write { doc, before, previous, op: Op::Import }
                }
            });
        }
        // What was rejected is in the file, too: its last version goes on.
        let named = |stored: &Stored<T>| {
            report.entries.iter().any(|entry| entry.part == part && entry.name == stored.doc.name())
        };
        let in_file: BTreeSet<&str> = own.iter().map(Doc::id).collect();
        for gone in
            living.iter().filter(|stored| !in_file.contains(stored.doc.id()) && !named(stored) && untouched(stored))
        {
            steps.push(step(StepKind::Delete, Some(gone), None));
            writes.push(Write::over(gone.doc.clone(), gone, Op::Delete));
        }
        Ok((Changes { writes, steps }, own))
    }

    /// Those receivers that nobody is told by any more. The others stay, and the report says so.
    async fn free_to_go(
        &self,
        gone: Changes<Receiver>,
        state: &mut FileState,
        report: &mut Report,
    ) -> Result<Changes<Receiver>, EditError> {
        let mut free = Changes { writes: Vec::new(), steps: Vec::new() };
        for (write, step) in gone.writes.into_iter().zip(gone.steps) {
            match self.unused(&write.doc).await {
                Ok(()) => {
                    free.writes.push(write);
                    free.steps.push(step);
                }
                Err(EditError::Invalid(used)) => {
                    // It goes with a later file, as soon as it can.
                    state.receivers.insert(write.doc.id.clone(), write.doc);
                    let entry = report.entry(Part::Receiver, &step.name, At::default());
                    used.problems.into_iter().for_each(|problem| {
                        entry.warn(entry.at, format!("it is not in the file any more and stays: {}", problem.message));
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(free)
    }

    async fn written<T: Edited>(&self, changes: Changes<T>, by: &By) -> Vec<Step> {
        let Changes { writes, mut steps } = changes;
        for (step, answer) in steps.iter_mut().zip(self.write_all(writes, by).await) {
            if let Err(error) = answer {
                step.failed = error.to_string();
            }
        }
        steps
    }

    /// Notes what was imported. Somebody else's note in between is left: it is newer, or imports again.
    async fn note(&self, state: &FileState, before: Revision) -> Result<(), EditError> {
        self.swap_one(doc::write(state), before).await.map(drop)
    }
}

fn step<T: Edited>(kind: StepKind, before: Option<&Stored<T>>, after: Option<&T>) -> Step {
    let shown = |doc: Option<&T>| doc.map_or(serde_json::Value::Null, Edited::shown);
    let old = before.map(|stored| &stored.doc);
    Step {
        kind: T::KIND.name(),
        name: after.or(old).map(|doc| doc.name().to_owned()).unwrap_or_default(),
        step: kind,
        differences: differences(&shown(old), &shown(after)),
        checked: Checked::default(),
        failed: String::new(),
    }
}
