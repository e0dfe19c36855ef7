//! Rules as Prometheus has them, over metrics as PromQL names them.
//!
//! What can be said there: series of a minute, numbers, arithmetic, comparisons and the aggregations over the rule's window. A rule
//! with anything else is left out, and a remark says why.

use std::fmt::Write as _;

use model::Scope;
use model::metric::Catalogue;
use mqe::ast::{Expr, Family, Op, Operator};
use mqe::condition;

use crate::dispatch::labels;
use crate::import::prometheus::promql::over_time;
use crate::rule::{NoDataPolicy, Profile, Rule};
use crate::select::Selector;
use crate::variables;

use super::Remark;

/// The file, and what it does not say.
pub(crate) fn write(rules: &[Rule], catalogue: &Catalogue) -> (String, Vec<Remark>) {
    let mut text = String::from("groups:\n- name: skylark\n  interval: 1m\n  rules:\n");
    let (mut remarks, mut n) = (Vec::new(), 0);
    for rule in rules {
        let mut remark = |message: String| remarks.push(Remark { name: rule.name.clone(), message });
        match expression(rule, catalogue) {
            Ok(expr) => {
                n += 1;
                rule_text(&mut text, rule, &expr);
                lost(rule).into_iter().for_each(&mut remark);
            }
            Err(why) => remark(format!("it is left out: {why}")),
        }
    }
    if n == 0 {
        text = "groups: []\n".to_owned();
    }
    (text, remarks)
}

fn rule_text(text: &mut String, rule: &Rule, expr: &str) {
    let quoted = |value: &str| serde_json::Value::from(value).to_string();
    let mut line = |indent: usize, key: &str, value: String| {
        let space = if value.is_empty() { "" } else { " " };
        let _written = writeln!(text, "{:indent$}{key}:{space}{value}", "");
    };
    line(2, "- alert", quoted(&rule.name));
    line(4, "expr", quoted(expr));
    if rule.for_minutes > 0 {
        line(4, "for", format!("{}m", rule.for_minutes));
    }
    if rule.keep_firing_for.max(rule.recovery_observation) > 0 {
        line(4, "keep_firing_for", format!("{}m", rule.keep_firing_for.max(rule.recovery_observation)));
    }
    line(4, "labels", String::new());
    line(6, "severity", quoted(labels::severity(rule.severity)));
    let is_plain = |value: &&String| !value.contains("{{") && !value.contains("{%");
    for (key, value) in rule.tags.iter().filter(|(key, value)| is_label(key) && is_plain(value)) {
        line(6, key, quoted(value));
    }
    line(4, "annotations", String::new());
    let summary = rule.message.replace("{name}", "{{ $labels.service }}").replace("{id}", "");
    let summary = if rule.message.contains("{%") || rule.message.contains("{{") { rule.name.clone() } else { summary };
    line(6, "summary", quoted(&summary));
    for (key, value) in rule.annotations.iter().filter(|(key, value)| is_label(key) && is_plain(value)) {
        line(6, key, quoted(value));
    }
}

fn is_label(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
        && !["severity", "summary", "alertname"].contains(&name)
}

/// What Prometheus does otherwise, of a rule that it can have.
fn lost(rule: &Rule) -> Vec<String> {
    let mut lost = Vec::new();
    let mut say = |is: bool, what: &str| {
        if is {
            lost.push(what.to_owned());
        }
    };
    say(rule.paused, "it is paused here and would be evaluated there");
    say(
        rule.profile == Profile::Skywalking,
        "it repeats and recovers by SkyWalking's rules here; there routes repeat it",
    );
    say(!rule.recovery_expression.is_empty(), "its recovery expression is left out");
    say(!rule.overrides.is_empty(), "its overrides are left out: the rule's own numbers are written");
    say(rule.min_samples.is_some(), "its least number of samples is left out");
    say(rule.no_data.policy == NoDataPolicy::Alert, "there it does not fire where values are missing");
    say(!rule.hooks.is_empty(), "its receivers are left out: routes of Alertmanager name them");
    let own = Selector { include_names: Vec::new(), services: Vec::new(), ..rule.selector.clone() };
    say(own != Selector::default(), "its selector is written only as far as names of services go");
    lost
}

/// The expression in PromQL.
fn expression(rule: &Rule, catalogue: &Catalogue) -> Result<String, String> {
    let bound = variables::bind(&rule.expression, &rule.variables).map_err(|unbound| unbound.to_string())?;
    let condition = condition::compile(&bound.text, rule.period.max(1), |name| crate::check::known(catalogue, name))
        .map_err(|error| error.to_string())?;
    let writer = Writer { rule, scope: condition.scope };
    match &condition.expr.op {
        // At the top a comparison keeps the series that it is true of.
        Op::Binary(operator) if operator.family() == Family::Bool => writer.truth(&condition.expr),
        Op::Binary(operator) if operator.family() == Family::Compare => {
            writer.binary(&condition.expr, *operator, false)
        }
        _ => Err(format!("there is no PromQL for {}", condition.expr)),
    }
}

struct Writer<'a> {
    rule: &'a Rule,
    scope: Scope,
}

impl Writer<'_> {
    fn truth(&self, expr: &Expr) -> Result<String, String> {
        match (&expr.op, expr.args.as_slice()) {
            (Op::Binary(Operator::And), [a, b]) => Ok(format!("({}) and ({})", self.truth(a)?, self.truth(b)?)),
            (Op::Binary(Operator::Or), [a, b]) => Ok(format!("({}) or ({})", self.truth(a)?, self.truth(b)?)),
            (Op::Binary(operator), _) if operator.family() == Family::Compare => self.binary(expr, *operator, false),
            _ => Err(format!("there is no PromQL for {expr}")),
        }
    }

    fn value(&self, expr: &Expr) -> Result<String, String> {
        match (&expr.op, expr.args.as_slice()) {
            (Op::Number(number), _) => Ok(number.get().to_string()),
            (Op::Metric(metric), _) => Ok(format!("{}{{{}}}", metric.name, self.labels(metric))),
            (Op::Negate, [one]) => Ok(format!("-({})", self.value(one)?)),
            (Op::Binary(operator), _) if operator.family() != Family::Bool => {
                self.binary(expr, *operator, operator.family() == Family::Compare)
            }
            (Op::Aggregate(aggregation), [series]) => {
                // A plain series is a range; anything else is computed minute by minute.
                let range = match &series.op {
                    Op::Metric(_) => format!("{}[{}m]", self.value(series)?, self.rule.period.max(1)),
                    _ => format!("({})[{}m:1m]", self.value(series)?, self.rule.period.max(1)),
                };
                Ok(format!("{}({range})", over_time(*aggregation)))
            }
            _ => Err(format!("there is no PromQL for {expr}")),
        }
    }

    fn binary(&self, expr: &Expr, operator: Operator, as_bool: bool) -> Result<String, String> {
        let [a, b] = expr.args.as_slice() else { return Err(format!("there is no PromQL for {expr}")) };
        let side = |side: &Expr| {
            let text = self.value(side)?;
            Ok::<_, String>(if matches!(side.op, Op::Binary(_)) { format!("({text})") } else { text })
        };
        let word = if as_bool { " bool" } else { "" };
        Ok(format!("{} {}{word} {}", side(a)?, operator.symbol(), side(b)?))
    }

    fn labels(&self, metric: &mqe::need::Metric) -> String {
        let names = |values: &[&str]| match values {
            [one] => format!("={}", serde_json::Value::from(*one)),
            many => {
                let escaped: Vec<String> = many.iter().map(|one| regex_escaped(one)).collect();
                format!("=~{}", serde_json::Value::from(escaped.join("|")))
            }
        };
        let mut all: Vec<String> =
            metric.selected().iter().map(|(name, values)| format!("{name}{}", names(values))).collect();
        let selector = &self.rule.selector;
        let services = match self.scope {
            Scope::Service if selector.services.is_empty() => &selector.include_names,
            _ => &selector.services,
        };
        if !services.is_empty() {
            let services: Vec<&str> = services.iter().map(String::as_str).collect();
            all.push(format!("service{}", names(&services)));
        }
        all.join(",")
    }
}

fn regex_escaped(text: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
