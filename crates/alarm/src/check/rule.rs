//! Rules.

use std::collections::{BTreeMap, BTreeSet};

use model::Scope;
use mqe::ast::{Aggregation, Op};
use mqe::condition::{self, Condition, ValueKind};
use mqe::{Loaded, Need, Series};

use crate::entity::{Entity, Parts};
use crate::pattern::Pattern;
use crate::rule::{Profile, Rule};
use crate::select::Selector;
use crate::template::check_rule_text;
use crate::variables::{self, Bound};

use super::{
    Checked, Level, MAX_MESSAGE, MAX_MINUTES, MAX_NAME, MAX_NAMES, MAX_OVERRIDES, MAX_PERIOD, MAX_TAG_NAME, MAX_TAGS,
    Place, Problem, Surroundings, known,
};

/// Checks a rule. It is the whole of what can be said without values: what it would have done is told by a dry run.
pub fn rule(rule: &Rule, around: &Surroundings<'_>) -> Checked {
    let mut checked = Checked::default();
    name(rule, &mut checked);
    let condition = expressions(rule, around, &mut checked);
    let scope = condition.as_ref().map(|condition| condition.scope);
    selector("selector", &rule.selector, scope, around, &mut checked);
    overrides(rule, scope, around, &mut checked);
    minutes(rule, &mut checked);
    samples(rule, scope, around, &mut checked);
    texts(rule, &mut checked);
    hooks(rule, around, &mut checked);
    if let Some(condition) = &condition {
        remarks(rule, condition, &mut checked);
    }
    checked
}

fn name(rule: &Rule, checked: &mut Checked) {
    if rule.name.trim().is_empty() {
        checked.error("missing", "name", "a rule wants a name");
    } else if rule.name.trim() != rule.name || rule.name.chars().any(char::is_control) {
        checked.error("bad_name", "name", "a name neither begins nor ends with a space, and has no control characters");
    }
    checked.length("name", &rule.name, MAX_NAME);
}

/// The condition, where it can be one.
fn expressions(rule: &Rule, around: &Surroundings<'_>, checked: &mut Checked) -> Option<Condition> {
    for (name, number) in &rule.variables {
        variable("variables", name, *number, checked);
    }
    let used: BTreeSet<&str> = [&rule.expression, &rule.recovery_expression]
        .into_iter()
        .flat_map(|text| variables::names(text))
        .map(|(name, ..)| name)
        .collect();
    for name in rule.variables.keys().filter(|name| !used.contains(name.as_str())) {
        checked.warning("unused", "variables", format!("no expression uses ${name}"));
    }
    if rule.expression.trim().is_empty() {
        checked.error("missing", "expression", "a rule wants an expression");
        return None;
    }
    let condition = compile("expression", &rule.expression, &rule.variables, rule.period, around, checked);
    if rule.recovery_expression.is_empty() {
        return condition;
    }
    let recovery =
        compile("recoveryExpression", &rule.recovery_expression, &rule.variables, rule.period, around, checked);
    if let (Some(fires), Some(recovers)) = (&condition, &recovery) {
        if fires.scope != recovers.scope {
            let what = format!("the rule is about {:?} and this is about {:?}", fires.scope, recovers.scope);
            checked.error("other_scope", "recoveryExpression", what);
        }
        if fires.each_label != recovers.each_label {
            let what = "either both expressions are for_each_label or none is";
            checked.error("other_labels", "recoveryExpression", what);
        }
    }
    condition
}

fn variable(path: &str, name: &str, number: f64, checked: &mut Checked) {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        checked.error("bad_name", path, format!("{name:?} is no name of a number: letters, digits and _ make one"));
    }
    if !number.is_finite() {
        checked.error("out_of_range", path, format!("{name} is no finite number"));
    }
}

/// Compiles one expression with its numbers. What is wrong is told at the place where it stands in what the operator wrote.
fn compile(
    path: &str,
    text: &str,
    numbers: &BTreeMap<String, f64>,
    period: u32,
    around: &Surroundings<'_>,
    checked: &mut Checked,
) -> Option<Condition> {
    let mut wrong = |code, at, message: String| {
        checked.problems.push(Problem { level: Level::Error, code, path: path.to_owned(), at: Some(at), message });
        None
    };
    let bound: Bound = match variables::bind(text, numbers) {
        Ok(bound) => bound,
        Err(unbound) => {
            return wrong("unknown_variable", Place::of(text, unbound.start, unbound.end), unbound.to_string());
        }
    };
    match condition::compile(&bound.text, period.clamp(1, MAX_PERIOD), |name| known(around.catalogue, name)) {
        Ok(condition) => Some(condition),
        Err(error) => {
            let [start, end] = bound.source(error.start, error.end);
            let is_said = error.message.contains("expected");
            let hint = error
                .expected
                .filter(|_| !is_said)
                .map(|expected| format!("; expected: {expected}"))
                .unwrap_or_default();
            wrong("bad_expression", Place::of(text, start, end), format!("{}{hint}", error.message))
        }
    }
}

/// One filter of a selector: its path, and the part of an entity that it looks at.
type Filter = (&'static str, fn(&Entity, &Parts) -> String);

const NAME: fn(&Entity, &Parts) -> String = |entity, _| entity.name.clone();
const SERVICE: fn(&Entity, &Parts) -> String = |_, parts| parts.service.clone();

fn selector(path: &str, selector: &Selector, scope: Option<Scope>, around: &Surroundings<'_>, checked: &mut Checked) {
    let entities = around.entities.zip(scope).map(|(all, scope)| {
        all.iter().filter(|entity| entity.scope == scope).map(|entity| (entity, entity.parts())).collect::<Vec<_>>()
    });
    let regexes: [(Filter, &str); 5] = [
        (("includeNamesRegex", NAME), &selector.include_names_regex),
        (("excludeNamesRegex", NAME), &selector.exclude_names_regex),
        (("serviceRegex", SERVICE), &selector.service_regex),
        (("instanceRegex", |_, parts| parts.instance.clone()), &selector.instance_regex),
        (("endpointRegex", |_, parts| parts.endpoint.clone()), &selector.endpoint_regex),
    ];
    for ((field, of), text) in regexes.into_iter().filter(|(_, text)| !text.is_empty()) {
        let path = format!("{path}.{field}");
        let pattern = match Pattern::new(text) {
            Ok(pattern) => pattern,
            Err(error) => {
                checked.error("bad_regex", path, error.to_string());
                continue;
            }
        };
        let Some(entities) = &entities else { continue };
        let mut found = entities.iter().map(|(entity, parts)| pattern.matches(&of(entity, parts)));
        if found.clone().any(|matches| matches.is_none()) {
            checked.error("slow_regex", path, "it takes too many steps for a name that there is");
        } else if !found.any(|matches| matches == Some(true)) {
            checked.warning("matches_nothing", path, "nothing that there is at present matches");
        }
    }
    let lists: [(Filter, &[String]); 3] = [
        (("includeNames", NAME), &selector.include_names),
        (("excludeNames", NAME), &selector.exclude_names),
        (("services", SERVICE), &selector.services),
    ];
    for ((field, of), names) in lists {
        let path = format!("{path}.{field}");
        checked.count(&path, names.len(), MAX_NAMES);
        let Some(entities) = &entities else { continue };
        let all: BTreeSet<String> = entities.iter().map(|(entity, parts)| of(entity, parts)).collect();
        for name in names.iter().filter(|name| !all.contains(*name)) {
            checked.warning("matches_nothing", &*path, format!("{name} is not there at present"));
        }
    }
    checked.count(&format!("{path}.layers"), selector.layers.len(), MAX_NAMES);
    checked.count(&format!("{path}.groups"), selector.groups.len(), MAX_NAMES);
}

fn overrides(rule: &Rule, scope: Option<Scope>, around: &Surroundings<'_>, checked: &mut Checked) {
    checked.count("overrides", rule.overrides.len(), MAX_OVERRIDES);
    for (n, each) in rule.overrides.iter().enumerate().take(MAX_OVERRIDES) {
        let path = format!("overrides[{n}]");
        selector(&format!("{path}.selector"), &each.selector, scope, around, checked);
        let path = format!("{path}.variables");
        if each.variables.is_empty() {
            checked.warning("unused", &*path, "it changes no number");
        }
        for (name, number) in &each.variables {
            variable(&path, name, *number, checked);
            if !rule.variables.contains_key(name) {
                let what = format!("the rule itself has no number {name}, which it needs for all other entities");
                checked.error("unknown_variable", &*path, what);
            }
        }
    }
}

fn minutes(rule: &Rule, checked: &mut Checked) {
    checked.number("period", rule.period, 1, MAX_PERIOD);
    checked.number("for", rule.for_minutes, 0, MAX_PERIOD);
    checked.number("silence", rule.silence, 0, MAX_MINUTES);
    checked.number("recoveryObservation", rule.recovery_observation, 0, MAX_MINUTES);
    checked.number("keepFiringFor", rule.keep_firing_for, 0, MAX_MINUTES);
    checked.number("noData.after", rule.no_data.after, 0, MAX_PERIOD);
}

fn samples(rule: &Rule, scope: Option<Scope>, around: &Surroundings<'_>, checked: &mut Checked) {
    let Some(samples) = &rule.min_samples else { return };
    match known(around.catalogue, &samples.metric) {
        None => checked.error("unknown_metric", "minSamples.metric", format!("there is no metric {}", samples.metric)),
        Some(metric) if metric.kind != ValueKind::Regular => {
            checked.error("bad_metric", "minSamples.metric", format!("{} does not count", samples.metric));
        }
        Some(metric) => {
            if let Some(scope) = scope.filter(|scope| *scope != metric.scope) {
                let what = format!("the rule is about {scope:?} and {} about {:?}", samples.metric, metric.scope);
                checked.error("other_scope", "minSamples.metric", what);
            }
        }
    }
}

fn texts(rule: &Rule, checked: &mut Checked) {
    let mut templates: Vec<(String, &str)> =
        vec![("message".to_owned(), &rule.message), ("recoveryMessage".to_owned(), &rule.recovery_message)];
    for (path, map) in [("tags", &rule.tags), ("annotations", &rule.annotations)] {
        checked.count(path, map.len(), MAX_TAGS);
        for (name, value) in map {
            if name.is_empty() {
                checked.error("missing", path, "a name is empty");
            }
            checked.length(&format!("{path}.{name}"), name, MAX_TAG_NAME);
            templates.push((format!("{path}.{name}"), value));
        }
    }
    for (path, text) in templates {
        checked.length(&path, text, MAX_MESSAGE);
        if let Err(error) = check_rule_text(text) {
            checked.error("bad_template", path, error.to_string());
        }
    }
}

fn hooks(rule: &Rule, around: &Surroundings<'_>, checked: &mut Checked) {
    checked.count("hooks", rule.hooks.len(), MAX_NAMES);
    let Some(receivers) = around.receivers else { return };
    for hook in rule.hooks.iter().filter(|hook| !receivers.contains(hook)) {
        checked.error("unknown_receiver", "hooks", format!("there is no receiver {hook}"));
    }
}

/// What is allowed and seldom meant.
fn remarks(rule: &Rule, condition: &Condition, checked: &mut Checked) {
    if rule.profile == Profile::Skywalking && rule.period < 2 {
        let what = "SkyWalking hardly ever fires a rule that sees one minute, since it looks at a minute that has just begun; here it \
                    sees the last whole one";
        checked.warning("short_period", "period", what);
    }
    let parts = condition.expr.parts();
    let asks_for_absence = parts.iter().any(|part| matches!(part.op, Op::Absent | Op::IsPresent));
    if !asks_for_absence && holds_on_nothing(condition, rule.period) {
        let what = "it is true of an entity without any value, since the sum and the count of nothing are 0";
        checked.warning("true_on_empty", "expression", what);
    }
    let sorts = |op: &Op| matches!(op, Op::SortValues { aggregation, .. } if *aggregation != Aggregation::Avg);
    if parts.iter().any(|part| sorts(&part.op)) {
        let what =
            "SkyWalking's sort_values sorts by the average whatever it is told; here it sorts by what it is told";
        checked.warning("sorts_otherwise", "expression", what);
    }
    if let (Profile::Skywalking, Err(unportable)) = (rule.profile, condition.expr.portable()) {
        checked.warning(
            "not_portable",
            "expression",
            format!("{unportable}, so that the rule cannot be exported to it"),
        );
    }
}

/// Whether a condition is true of an entity of which there is no value.
fn holds_on_nothing(condition: &Condition, period: u32) -> bool {
    let nothing = |need: &Need| {
        let before = if let Need::Series { before, .. } = need { *before } else { 0 };
        let n = need.frame().window.map_or(period.clamp(1, MAX_PERIOD), mqe::Span::n_buckets).saturating_add(before);
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let rows = vec![Series { labels: Vec::new(), values: std::iter::repeat_n(None, n).collect() }];
        Loaded::Series { labelled: false, ids: (0..n).map(|n| n.to_string()).collect(), rows }
    };
    if condition.labelled {
        // Without values there are no labels, and so no answer.
        return false;
    }
    let loaded: Vec<Loaded> = condition.needs.iter().map(nothing).collect();
    let outcome = mqe::evaluate(&condition.expr, &loaded, 60);
    outcome.results.iter().flat_map(|row| &row.values).any(|point| point.value == Some(1.0))
}
