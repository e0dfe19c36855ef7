//! What the expressions of a plan come to in a minute, for all entities.

use std::collections::HashMap;

use model::Bucket;
use mqe::{Batch, Need, Value};

use crate::bits::Bits;
use crate::columns::{Columns, Labels, Table};
use crate::plan::{Group, Part, Plan, Root};

/// Entities that are evaluated at once: what one expression reads of them fits the processor's cache.
const WIDTH: usize = 256;

/// What a rule's expressions came to.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Entities for which the condition is true, by label set; by none, of rules with one instance for an entity.
    pub(super) matched: Vec<(Labels, Bits)>,
    /// The same of the recovery expression.
    pub(super) recovered: Vec<(Labels, Bits)>,
    /// Entities of which there are samples enough.
    pub(super) enough: Bits,
    /// Entities for which something could not be computed.
    pub(super) failed: Bits,
    /// Why, of one of them.
    pub(super) error: Option<String>,
}

impl Answer {
    /// The entities of a label set.
    pub(super) fn of<'a>(sets: &'a [(Labels, Bits)], labels: &Labels) -> Option<&'a Bits> {
        sets.iter().find(|(own, _)| own == labels).map(|(_, bits)| bits)
    }
}

/// Evaluates the rules that are `wanted` over the window that ends with a minute. `watched` has for each rule and variant its
/// entities.
pub(super) fn answers(
    plan: &Plan,
    columns: &Columns,
    end: Bucket,
    wanted: &[bool],
    watched: &[Vec<Bits>],
) -> Vec<Answer> {
    let mut answers: Vec<Answer> = plan.rules().iter().map(|_| Answer::default()).collect();
    let entities = |root: &Root| {
        let bits = watched.get(root.rule).and_then(|variants| variants.get(root.variant));
        bits.filter(|bits| wanted.get(root.rule) == Some(&true) && !bits.is_empty())
    };
    for group in &plan.groups {
        let Some(table) = columns.table(group.scope) else { continue };
        let roots: Vec<Option<&Bits>> = group.roots.iter().map(entities).collect();
        let mut all = Bits::empty(table.watched().len());
        roots.iter().flatten().for_each(|bits| all.add(bits));
        if all.is_empty() {
            continue;
        }
        let frames: Vec<_> =
            group.program.needs().iter().map(|need| columns.buckets(need, group.period, end)).collect();
        for class in classes(group, table, &frames, &all) {
            for entities in class.chunks(WIDTH) {
                let needs = group.program.needs().iter().zip(&group.labelled).zip(&frames);
                let load = |((need, labelled), frame): ((&Need, &bool), &_)| {
                    table.load(&need.metric().name, *labelled, frame, entities)
                };
                let loaded: Vec<_> = needs.map(load).collect();
                let batch = Batch { loaded: &loaded, width: entities.len(), step_seconds: 60 };
                let here: Bits = entities.iter().copied().collect();
                let wanted = |number: usize| roots.get(number).copied().flatten().is_some_and(|bits| bits.meets(&here));
                group.program.run_some(batch, wanted, |number, range, value| {
                    let Some((root, Some(bits))) = group.roots.get(number).zip(roots.get(number)) else { return };
                    let (Some(answer), Some(entities)) = (answers.get_mut(root.rule), entities.get(range)) else {
                        return;
                    };
                    let each_label = plan.rules().get(root.rule).is_some_and(|planned| planned.each_label);
                    note(answer, root.part, value, entities, bits, each_label);
                });
            }
        }
    }
    answers
}

/// Entities that may be evaluated together: those that have the same label sets of every labelled metric.
fn classes(
    group: &Group,
    table: &Table,
    frames: &[(crate::columns::Grain, Vec<Bucket>)],
    all: &Bits,
) -> Vec<Vec<usize>> {
    let labelled: Vec<_> =
        group.program.needs().iter().zip(&group.labelled).zip(frames).filter(|((_, is), _)| **is).collect();
    if labelled.is_empty() {
        return vec![all.iter().collect()];
    }
    let mut classes: HashMap<Vec<Vec<usize>>, Vec<usize>> = HashMap::new();
    for entity in all.iter() {
        let sets =
            labelled.iter().map(|((need, _), frame)| table.label_sets(&need.metric().name, frame, entity)).collect();
        classes.entry(sets).or_default().push(entity);
    }
    classes.into_values().collect()
}

/// Notes what an expression came to for some entities, where it is asked for them.
fn note(
    answer: &mut Answer,
    part: Part,
    value: Result<&Value, &str>,
    entities: &[usize],
    asked: &Bits,
    each_label: bool,
) {
    let value = match value {
        Ok(value) => value,
        Err(error) => {
            entities.iter().filter(|entity| asked.has(**entity)).for_each(|entity| answer.failed.insert(*entity));
            answer.error.get_or_insert_with(|| error.to_owned());
            return;
        }
    };
    for row in value.rows() {
        let trues =
            row.values().iter().zip(entities).filter(|(value, _)| *value == Some(1.0)).map(|(_, entity)| *entity);
        let mut trues = trues.filter(|entity| asked.has(*entity)).peekable();
        if trues.peek().is_none() {
            continue;
        }
        let sets = match part {
            Part::Condition => &mut answer.matched,
            Part::Recovery => &mut answer.recovered,
            Part::Samples => {
                trues.for_each(|entity| answer.enough.insert(entity));
                continue;
            }
        };
        let labels = if each_label { row.labels() } else { &[] };
        let known = sets.iter().position(|(own, _)| own == labels).unwrap_or_else(|| {
            sets.push((labels.to_vec(), Bits::default()));
            sets.len() - 1
        });
        if let Some((_, bits)) = sets.get_mut(known) {
            trues.for_each(|entity| bits.insert(entity));
        }
    }
}
