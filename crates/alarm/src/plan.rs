//! Rules compiled for evaluation. All expressions over the same window become one program, in which what they have in common is
//! computed once. A rule that cannot be compiled says why and stands in nobody's way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::item::Revision;
use model::metric::Catalogue;
use model::{Bucket, Scope};
use mqe::condition::{self, Condition, ValueKind};
use mqe::{Need, Program};

use crate::check::known;
use crate::columns::{Columns, Read};
use crate::doc::Stored;
use crate::entity::{Entity, Parts};
use crate::growth::{Fairness, fairness};
use crate::rule::{LabelMode, MAX_INSTANCES, NoDataPolicy, Override, Rule, Window};
use crate::select::{Compiled, Selector};
use crate::state::Params;
use crate::variables;

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHealth {
    /// Its id.
    pub rule: String,
    /// Why it is not evaluated; `None`: it is.
    pub error: Option<String>,
}

/// A rule that can be evaluated.
#[derive(Debug)]
pub struct Planned {
    /// The rule.
    pub rule: Rule,
    /// Which version of it.
    pub revision: Revision,
    /// What its entities are.
    pub scope: Scope,
    /// Whether each label set is an instance.
    pub each_label: bool,
    /// When the running minute can decide it, and whether it waits for a complete one.
    pub fairness: Fairness,
    /// What its state depends on.
    pub params: Params,
    /// Minutes without a value after which there is no data.
    pub no_data_after: u32,
    /// How many instances notify for themselves.
    pub max_instances: usize,
    /// Metrics of which a value is data.
    pub(crate) metrics: Vec<String>,
    /// What the condition reads, and of each whether its metric has labels.
    needs: Vec<(Need, bool)>,
    pub(crate) selector: (Selector, Compiled),
    /// The overrides in their order, and behind them what holds where none fits.
    pub(crate) variants: Vec<Variant>,
}

/// The expressions with the numbers of some entities.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Which ones; `None`: all that are left.
    pub(crate) selector: Option<(Selector, Compiled)>,
    parts: Vec<(Part, Condition)>,
}

/// Which expression of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Condition,
    Recovery,
    Samples,
}

/// An expression of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) rule: usize,
    pub(crate) variant: usize,
    pub(crate) part: Part,
}

/// Expressions over the same window of the same entities.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) scope: Scope,
    pub(crate) period: u32,
    pub(crate) program: Program,
    pub(crate) roots: Vec<Root>,
    /// Of each need of the program whether its metric has labels.
    pub(crate) labelled: Vec<bool>,
}

/// All rules, ready. It holds no values.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Vec<Arc<Planned>>,
    pub(crate) groups: Vec<Group>,
    /// Rules that there are and that cannot be evaluated: their incidents stay as they are.
    broken: HashSet<String>,
}

impl Plan {
    /// Compiles rules; paused ones are left out. What `last` compiled of the same version is taken from there; the catalogue must
    /// then be the same.
    pub fn new(rules: &[Stored<Rule>], catalogue: &Catalogue, last: Option<&Plan>) -> (Plan, Vec<RuleHealth>) {
        let last: HashMap<(&str, Revision), &Arc<Planned>> = last
            .into_iter()
            .flat_map(|plan| &plan.rules)
            .map(|planned| ((planned.rule.id.as_str(), planned.revision), planned))
            .collect();
        let (mut plan, mut healths) = (Plan::default(), Vec::new());
        for stored in rules.iter().filter(|stored| !stored.doc.paused) {
            let id = stored.doc.id.clone();
            let compiled = match last.get(&(id.as_str(), stored.revision)) {
                Some(planned) => Ok(Arc::clone(planned)),
                None => planned(stored, catalogue).map(Arc::new),
            };
            let error = match compiled {
                Ok(planned) => {
                    plan.rules.push(planned);
                    None
                }
                Err(error) => {
                    plan.broken.insert(id.clone());
                    Some(error)
                }
            };
            healths.push(RuleHealth { rule: id, error });
        }
        plan.groups = groups(&plan.rules, catalogue);
        (plan, healths)
    }

    /// The rules that are evaluated.
    pub fn rules(&self) -> &[Arc<Planned>] {
        &self.rules
    }

    /// Whether there is such a rule, that cannot be evaluated.
    pub(crate) fn is_broken(&self, rule: &str) -> bool {
        self.broken.contains(rule)
    }

    /// Minutes in front of a minute whose passes must be recalled after a restart, so that what is pending is known.
    pub fn recall_minutes(&self) -> u32 {
        self.rules.iter().map(|planned| planned.rule.for_minutes).max().unwrap_or_default()
    }

    /// What passes over the minutes from `from` to `to` read, joined where it touches.
    pub fn reads(&self, columns: &Columns, from: Bucket, to: Bucket) -> Vec<Read> {
        let mut all = BTreeSet::new();
        for group in &self.groups {
            for need in group.program.needs() {
                let first = columns.buckets(need, group.period, from);
                let (grain, last) = columns.buckets(need, group.period, to);
                let ends = first.1.first().zip(last.last());
                let Some((from, to)) = ends else { continue };
                let metric = need.metric().name.clone();
                all.insert(Read { scope: group.scope, metric, grain, from: *from, to: *to });
            }
        }
        for planned in &self.rules {
            let back = planned.no_data_after.max(planned.params.period);
            for metric in &planned.metrics {
                let (scope, grain) = (planned.scope, crate::columns::Grain::Minute);
                let from = Bucket(from.0.saturating_sub(back));
                all.insert(Read { scope, metric: metric.clone(), grain, from, to });
            }
        }
        joined(all)
    }
}

/// Ranges of one metric that overlap or touch become one. They are in the order of their starts.
fn joined(all: BTreeSet<Read>) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    for read in all {
        match reads.last_mut() {
            Some(last)
                if (last.scope, &last.metric, last.grain) == (read.scope, &read.metric, read.grain)
                    && read.from.0 <= last.to.0.saturating_add(1) =>
            {
                last.to = last.to.max(read.to);
            }
            _ => reads.push(read),
        }
    }
    reads
}

fn planned(stored: &Stored<Rule>, catalogue: &Catalogue) -> Result<Planned, String> {
    let rule = &stored.doc;
    let period = rule.period.max(1);
    let selector = |selector: &Selector| {
        Compiled::new(selector).map(|compiled| (selector.clone(), compiled)).map_err(|bad| bad.to_string())
    };
    let mut variants = Vec::new();
    for each in &rule.overrides {
        let mut numbers = rule.variables.clone();
        numbers.extend(each.variables.clone());
        variants.push(Variant { selector: Some(selector(&each.selector)?), parts: parts(rule, &numbers, catalogue)? });
    }
    let base = parts(rule, &rule.variables, catalogue)?;
    let Some((_, condition)) = base.first() else { return Err("it has no expression".to_owned()) };
    let scope = condition.scope;
    if let Some((part, other)) = base.iter().find(|(_, other)| other.scope != scope) {
        return Err(format!("it is about {scope:?}, and its {part:?} about {:?}", other.scope));
    }
    let metrics = metrics(condition);
    let needs = condition.needs.iter().map(|need| (need.clone(), is_labelled(need, catalogue))).collect();
    let mut fair = fairness(&condition.expr, |name| catalogue.get(name).map(|def| def.function));
    if rule.window == Window::Complete {
        fair.running = None;
    }
    fair.patient |= rule.no_data.policy == NoDataPolicy::Alert;
    let max_instances = if rule.max_instances == 0 { MAX_INSTANCES } else { rule.max_instances };
    let each_label = condition.each_label || (rule.label_mode == LabelMode::Each && condition.labelled);
    variants.push(Variant { selector: None, parts: base });
    Ok(Planned {
        rule: rule.clone(),
        revision: stored.revision,
        scope,
        each_label,
        fairness: fair,
        params: Params::of(rule),
        no_data_after: match rule.no_data.after {
            0 => period.max(rule.silence.saturating_add(1)),
            after => after,
        },
        max_instances: usize::try_from(max_instances).unwrap_or(usize::MAX),
        metrics,
        needs,
        selector: selector(&rule.selector)?,
        variants,
    })
}

/// Its expressions with their numbers: that of the condition first.
fn parts(
    rule: &Rule,
    numbers: &BTreeMap<String, f64>,
    catalogue: &Catalogue,
) -> Result<Vec<(Part, Condition)>, String> {
    let compile = |part: Part, text: &str| {
        let bound = variables::bind(text, numbers).map_err(|unbound| unbound.to_string())?;
        condition::compile(&bound.text, rule.period.max(1), |name| known(catalogue, name))
            .map(|condition| (part, condition))
            .map_err(|error| error.to_string())
    };
    let mut parts = vec![compile(Part::Condition, &rule.expression)?];
    if !rule.recovery_expression.is_empty() {
        parts.push(compile(Part::Recovery, &rule.recovery_expression)?);
    }
    if let Some(samples) = &rule.min_samples {
        parts.push(compile(Part::Samples, &format!("sum({}) >= {}", samples.metric, samples.gte))?);
    }
    Ok(parts)
}

impl Planned {
    /// How many series one pair of it reads, one at least: by which the cost of a pass is divided among rules.
    pub fn weight(&self) -> usize {
        self.needs.len().max(1)
    }

    /// What the condition reads, and of each whether its metric has labels.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&Need, bool)> {
        self.needs.iter().map(|(need, labelled)| (need, *labelled))
    }

    /// Whether it watches an entity; `layers` are those of its service.
    pub(crate) fn takes(&self, entity: &Entity, parts: &Parts, layers: &[String]) -> bool {
        self.selector.1.takes(entity, parts, layers)
    }

    /// The override that holds for an entity; `None`: the rule's own numbers do.
    pub(crate) fn own(&self, entity: &Entity, layers: &[String]) -> Option<&Override> {
        let of_own = (!self.rule.overrides.is_empty()).then(|| self.override_of(entity, &entity.parts(), layers))?;
        self.rule.overrides.get(of_own?)
    }

    /// The number of the override that holds for an entity; `None`: the rule's own numbers do.
    pub(crate) fn override_of(&self, entity: &Entity, parts: &Parts, layers: &[String]) -> Option<usize> {
        let holds =
            |variant: &Variant| variant.selector.as_ref().is_some_and(|(_, own)| own.takes(entity, parts, layers));
        self.variants.iter().position(holds)
    }
}

pub(crate) fn is_labelled(need: &Need, catalogue: &Catalogue) -> bool {
    known(catalogue, &need.metric().name).is_some_and(|known| known.kind == ValueKind::Labelled)
}

/// Metrics of the minutes of now.
fn metrics(condition: &Condition) -> Vec<String> {
    let of_now = |need: &&Need| need.frame().back_minutes == 0;
    let names: BTreeSet<&str> = condition.needs.iter().filter(of_now).map(|need| need.metric().name.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// What expressions have in common that are evaluated at once: scope, period, labelled metrics.
type Shared<'a> = (Scope, u32, BTreeSet<&'a str>);

/// Expressions with the same window, entities and labelled metrics: entities with different label sets cannot be evaluated at once,
/// and those that read none of them shall not be torn apart.
fn groups(rules: &[Arc<Planned>], catalogue: &Catalogue) -> Vec<Group> {
    let labelled = |need: &Need| is_labelled(need, catalogue);
    let mut all: BTreeMap<Shared<'_>, Vec<(Root, &Condition)>> = BTreeMap::new();
    for (number, planned) in rules.iter().enumerate() {
        for (variant, each) in planned.variants.iter().enumerate() {
            for (part, condition) in &each.parts {
                let names =
                    condition.needs.iter().filter(|need| labelled(need)).map(|need| need.metric().name.as_str());
                let key = (planned.scope, planned.params.period, names.collect());
                all.entry(key).or_default().push((Root { rule: number, variant, part: *part }, condition));
            }
        }
    }
    let group = |((scope, period, _), roots): (Shared<'_>, Vec<(Root, &Condition)>)| {
        let program = Program::new(roots.iter().map(|(_, condition)| &condition.expr));
        let labelled = program.needs().iter().map(labelled).collect();
        Group { scope, period, program, roots: roots.into_iter().map(|(root, _)| root).collect(), labelled }
    };
    all.into_iter().map(group).collect()
}
