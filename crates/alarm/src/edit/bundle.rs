//! Many documents at once: all are checked before the first is written, each is written for itself, and each is told of.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::check::Checked;
use crate::doc::Stored;
use crate::receiver::Receiver;
use crate::route::Routing;
use crate::rule::Rule;
use crate::silence::Silence;

use super::{By, Difference, EditError, Edited, Edits, Write, differences};

/// Documents to be as they are here. A rule without an id is the one of its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bundle {
    /// Receivers.
    pub receivers: Vec<Receiver>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// The tree.
    pub routing: Option<Routing>,
    /// Silences.
    pub silences: Vec<Silence>,
    /// Names of rules to delete.
    pub delete_rules: Vec<String>,
    /// Names of receivers to delete.
    pub delete_receivers: Vec<String>,
}

/// What is done to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepKind {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is as it should be.
    Unchanged,
    /// It is deleted.
    Delete,
}

/// One document of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The kind of document.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is done.
    pub step: StepKind,
    /// What changes, secrets hidden.
    pub differences: Vec<Difference>,
    /// What is wrong with it, and what is to be known of it.
    pub checked: Checked,
    /// Why it was not done; empty: it was, or is only planned.
    pub failed: String,
}

impl Step {
    /// Whether it can be done, or was.
    pub fn is_good(&self) -> bool {
        self.checked.is_valid() && self.failed.is_empty()
    }
}

/// Documents of one kind on their way: the steps, and what is to be written for each that changes something.
struct Planned<T> {
    steps: Vec<Step>,
    writes: Vec<(usize, Write<T>)>,
}

impl Edits {
    /// What applying a bundle would do, or, where it is not only planned and every step is good, does it.
    ///
    /// Nothing is written when any document has an error. Afterwards each is written for itself: one that somebody else changed
    /// meanwhile says so and the others go on.
    pub async fn apply(&self, bundle: Bundle, plan_only: bool, by: &By) -> Result<Vec<Step>, EditError> {
        self.carry_out(bundle, plan_only, false, by).await
    }

    /// [`Self::apply`]; `partly`: what has errors is left out, and does not keep the others from being written.
    pub(crate) async fn carry_out(
        &self,
        bundle: Bundle,
        plan_only: bool,
        partly: bool,
        by: &By,
    ) -> Result<Vec<Step>, EditError> {
        let mut names: BTreeSet<String> = self.receivers().await?.into_iter().collect();
        for name in &bundle.delete_receivers {
            names.remove(name);
        }
        names.extend(bundle.receivers.iter().map(|receiver| receiver.id.clone()));
        let names: Vec<String> = names.into_iter().collect();

        let rules = self.all::<Rule>().await?;
        let mut rules_wanted = bundle.rules;
        for rule in rules_wanted.iter_mut().filter(|rule| rule.id.is_empty()) {
            let same = rules.iter().find(|stored| stored.doc.name == rule.name);
            rule.id = same.map(|stored| stored.doc.id.clone()).unwrap_or_default();
        }
        let receivers = self.planned(bundle.receivers, &names, by).await?;
        let rules = self.planned(rules_wanted, &names, by).await?;
        let routing = self.planned(bundle.routing.into_iter().collect(), &names, by).await?;
        let silences = self.planned(bundle.silences, &names, by).await?;
        let old_rules = self.deleted::<Rule>(&bundle.delete_rules).await?;
        let old_receivers = self.deleted::<Receiver>(&bundle.delete_receivers).await?;

        let all =
            [&receivers.steps, &rules.steps, &routing.steps, &silences.steps, &old_rules.steps, &old_receivers.steps];
        let writes = !plan_only && (partly || all.iter().all(|steps| steps.iter().all(Step::is_good)));
        // Receivers come before what names them, and go after.
        let mut steps = self.done(receivers, writes, by).await;
        steps.extend(self.done(rules, writes, by).await);
        steps.extend(self.done(routing, writes, by).await);
        steps.extend(self.done(silences, writes, by).await);
        steps.extend(self.done(old_rules, writes, by).await);
        steps.extend(self.done(old_receivers, writes, by).await);
        Ok(steps)
    }

    /// What is to be done for documents to be as given.
    async fn planned<T: Edited>(&self, docs: Vec<T>, receivers: &[String], by: &By) -> Result<Planned<T>, EditError> {
        let mut planned = Planned { steps: Vec::with_capacity(docs.len()), writes: Vec::new() };
        if docs.is_empty() {
            return Ok(planned);
        }
        let others = self.all::<T>().await?;
        let by_id: BTreeMap<&str, &Stored<T>> = others.iter().map(|stored| (stored.doc.id(), stored)).collect();
        let mut names = BTreeSet::new();
        for doc in docs {
            let present = by_id.get(doc.id()).copied();
            let name = doc.name().to_owned();
            let mut step = Step {
                kind: T::KIND.name(),
                name: name.clone(),
                step: if present.is_some() { StepKind::Update } else { StepKind::Create },
                differences: Vec::new(),
                checked: Checked::default(),
                failed: String::new(),
            };
            let is_second = !name.is_empty() && !names.insert(name.clone());
            let prepared = if is_second {
                Err(EditError::invalid("name_taken", "name", format!("{name} is there twice")))
            } else {
                self.prepared(doc, present, receivers, &others, by).await
            };
            match prepared {
                Ok((doc, checked)) => {
                    let before = present.map_or(serde_json::Value::Null, |stored| stored.doc.shown());
                    step.differences = differences(&before, &doc.shown());
                    step.checked = checked;
                    let write = match present {
                        Some(present) if present.doc.same(&doc) => {
                            step.step = StepKind::Unchanged;
                            None
                        }
                        Some(present) => Some(Write::over(doc, present, Op::Update)),
                        None => {
                            let (before, previous) = self.free::<T>(doc.id()).await?;
                            Some(Write { doc, before, previous, op: Op::Create })
                        }
                    };
                    planned.writes.extend(write.map(|write| (planned.steps.len(), write)));
                }
                Err(EditError::Invalid(checked)) => step.checked = checked,
                Err(error) => return Err(error),
            }
            planned.steps.push(step);
        }
        Ok(planned)
    }

    /// What is to be done for documents of these names to go.
    async fn deleted<T: Edited>(&self, names: &[String]) -> Result<Planned<T>, EditError> {
        let mut planned = Planned { steps: Vec::new(), writes: Vec::new() };
        if names.is_empty() {
            return Ok(planned);
        }
        let all = self.all::<T>().await?;
        for name in names {
            let mut step = Step {
                kind: T::KIND.name(),
                name: name.clone(),
                step: StepKind::Delete,
                differences: Vec::new(),
                checked: Checked::default(),
                failed: String::new(),
            };
            match all.iter().find(|stored| stored.doc.name() == name) {
                Some(present) => {
                    step.differences = differences(&present.doc.shown(), &serde_json::Value::Null);
                    planned.writes.push((planned.steps.len(), Write::over(present.doc.clone(), present, Op::Delete)));
                }
                None => step.checked.error("not_found", "name", format!("there is no {name}")),
            }
            planned.steps.push(step);
        }
        Ok(planned)
    }

    async fn may_go<T: Edited>(&self, write: &Write<T>) -> Result<(), EditError> {
        if write.op == Op::Delete { self.unused(&write.doc).await } else { Ok(()) }
    }

    async fn done<T: Edited>(&self, planned: Planned<T>, writes: bool, by: &By) -> Vec<Step> {
        let Planned { mut steps, writes: all } = planned;
        if !writes {
            return steps;
        }
        let (mut places, mut some) = (Vec::new(), Vec::new());
        for (place, write) in all {
            // What names a receiver may have been deleted just now, so it is looked at when it is its turn.
            match self.may_go(&write).await {
                Ok(()) => {
                    places.push(place);
                    some.push(write);
                }
                Err(error) => {
                    if let Some(step) = steps.get_mut(place) {
                        step.failed = error.to_string();
                    }
                }
            }
        }
        for (place, answer) in places.into_iter().zip(self.write_all(some, by).await) {
            if let (Err(error), Some(step)) = (answer, steps.get_mut(place)) {
                step.failed = error.to_string();
            }
        }
        steps
    }
}
