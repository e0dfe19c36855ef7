//! Files of rules as Prometheus has them, over our metrics by their names.
//!
//! A rule is taken where MQE has words for all of its expression: what the export writes, and comparisons of metrics and of their
//! aggregations over one range. Any other is rejected with its place. Its series are our entities: of labels only `service` and those of
//! the metric itself are known.

mod labels;
pub(crate) mod promql;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use model::Scope;

use crate::check::{self, Level, Surroundings};
use crate::edit::{Bundle, By, EditError, Edits};
use crate::rule::{Provenance, Rule, Severity};
use crate::settings::report::{At, Entry, Part, Report};
use crate::settings::yaml::{self, Node, Value};

use super::{Imported, Mode};

/// Minutes that are looked at for the last value where an expression has no range: as long as Prometheus looks back.
const LOOK_BACK: u32 = 5;
/// Annotations that are read as the message, the first of them first.
const MESSAGES: [&str; 3] = ["summary", "description", "message"];

impl Edits {
    /// Imports a file that an operator hands in. Rules that cannot be taken are rejected in the report, the others go on.
    pub async fn import_prometheus(
        &self,
        text: &str,
        mode: Mode,
        dry_run: bool,
        by: &By,
    ) -> Result<Imported, EditError> {
        let (rules, report) = read(text, &self.around(&[], None));
        if report.entries.iter().any(|entry| entry.part == Part::File && entry.is_rejected()) {
            return Ok(Imported { report, steps: Vec::new() });
        }
        let delete_rules = self.unnamed(mode, &report, &rules).await?;
        let steps = self.carry_out(Bundle { rules, delete_rules, ..Bundle::default() }, dry_run, true, by).await?;
        Ok(Imported { report, steps })
    }
}

/// Reads a file: the rules that can be taken, and what became of each.
pub fn read(text: &str, known: &Surroundings<'_>) -> (Vec<Rule>, Report) {
    let mut report = Report::default();
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((at, what)) => {
            report.entry(Part::File, "", at).reject(at, what);
            return (Vec::new(), report);
        }
    };
    let mut file = Entry::new(Part::File, "", root.at);
    let mut top = fields(&root, "the file", &mut file);
    let mut reader = Reader { rules: Vec::new(), entries: Vec::new(), names: BTreeSet::new(), known };
    match top.remove("groups") {
        Some(groups) => list(groups, "groups", &mut file).iter().for_each(|group| reader.group(group, &mut file)),
        None => file.reject(root.at, "there are no groups in it: it is no file of rules"),
    }
    for (key, node) in top {
        file.warn(node.at, format!("{key} is not taken over"));
    }
    report.entries = reader.entries;
    if !(file.warnings.is_empty() && file.errors.is_empty()) {
        report.entries.insert(0, file);
    }
    (reader.rules, report)
}

/// The fields of a map by name; of two the last.
fn fields<'n>(node: &'n Node, what: &str, entry: &mut Entry) -> BTreeMap<&'n str, &'n Node> {
    match &node.value {
        Value::Map(map) => map.iter().map(|(key, node)| (key.text.as_str(), node)).collect(),
        Value::Null => BTreeMap::new(),
        _ => {
            entry.reject(node.at, format!("{what} wants a map, and this is {}", node.kind()));
            BTreeMap::new()
        }
    }
}

fn list<'n>(node: &'n Node, what: &str, entry: &mut Entry) -> &'n [Node] {
    match &node.value {
        Value::List(list) => list,
        Value::Null => &[],
        _ => {
            entry.reject(node.at, format!("{what} wants a list, and this is {}", node.kind()));
            &[]
        }
    }
}

struct Reader<'a> {
    rules: Vec<Rule>,
    entries: Vec<Entry>,
    names: BTreeSet<String>,
    known: &'a Surroundings<'a>,
}

impl Reader<'_> {
    fn group(&mut self, node: &Node, file: &mut Entry) {
        let mut parts = fields(node, "a group", file);
        parts.remove("name");
        if let Some(interval) = parts.remove("interval")
            && interval.text().and_then(|text| labels::seconds(&text)) > Some(60)
        {
            file.warn(interval.at, "rules are evaluated for each minute, whatever the interval of a group");
        }
        let common = parts.remove("labels");
        if let Some(rules) = parts.remove("rules") {
            for rule in list(rules, "rules", file) {
                self.rule(rule, common);
            }
        }
        for (key, node) in parts {
            file.warn(node.at, format!("{key} of a group is not taken over"));
        }
    }

    fn rule(&mut self, node: &Node, common: Option<&Node>) {
        let mut nameless = Entry::new(Part::Rule, "", node.at);
        let mut parts = fields(node, "a rule", &mut nameless);
        if let Some(name) = parts.remove("record") {
            let mut entry = Entry::new(Part::Rule, &name.text().unwrap_or_default(), node.at);
            entry.reject(name.at, "it records a series, and raises no alarm");
            self.entries.push(entry);
            return;
        }
        let Some(given) = parts.remove("alert").and_then(Node::text).filter(|name| !name.is_empty()) else {
            nameless.reject(node.at, "a rule wants a name, as alert");
            self.entries.push(nameless);
            return;
        };
        // Prometheus knows no names but labels; here a name is one rule's.
        let numbered = (2..).map(|n| format!("{given} {n}"));
        let name = [given.clone()].into_iter().chain(numbered).find(|name| !self.names.contains(name));
        let name = name.expect("there is a number that is not taken");
        self.names.insert(name.clone());
        let mut entry = Entry::new(Part::Rule, &name, node.at);
        if name != given {
            entry.warn(node.at, format!("there is a rule {given} before it, so that this one is called {name}"));
        }
        let mut rule = Rule { name, provenance: Provenance::Import, ..Rule::default() };
        let expr = parts.remove("expr");
        self.expression(expr, node.at, &mut rule, &mut entry);
        for (key, minutes) in [("for", &mut rule.for_minutes), ("keep_firing_for", &mut rule.keep_firing_for)] {
            if let Some(node) = parts.remove(key) {
                *minutes = whole_minutes(node, key, &mut entry);
            }
        }
        for node in [common, parts.remove("labels")].into_iter().flatten() {
            tags(node, &mut rule, &mut entry);
        }
        if let Some(node) = parts.remove("annotations") {
            annotations(node, &mut rule, &mut entry);
        }
        if rule.message.is_empty() {
            rule.message = format!("{{name}}: {given}");
        }
        for (key, node) in parts {
            entry.warn(node.at, format!("{key} is not taken over"));
        }
        if !entry.is_rejected() {
            self.check(&rule, expr.map_or(node.at, |expr| expr.at), &mut entry);
        }
        if !entry.is_rejected() {
            self.rules.push(rule);
        }
        self.entries.push(entry);
    }

    fn expression(&self, expr: Option<&Node>, at: At, rule: &mut Rule, entry: &mut Entry) {
        let Some((expr, text)) = expr.and_then(|expr| Some((expr, expr.text()?))) else {
            entry.reject(at, "a rule wants an expression, as expr");
            return;
        };
        match promql::translate(&text) {
            Ok(translated) => {
                rule.period = translated.minutes.unwrap_or(LOOK_BACK);
                let found = |name: &str| check::known(self.known.catalogue, name);
                let scope =
                    mqe::condition::compile(&translated.expression, rule.period, found).map(|found| found.scope);
                match scope {
                    Ok(Scope::Service) => rule.selector.include_names = translated.services,
                    _ => rule.selector.services = translated.services,
                }
                rule.expression = translated.expression;
            }
            Err((n, why)) => entry.reject(expr.at, format!("at character {} of the expression: {why}", n + 1)),
        }
    }

    /// Holds a rule against what the server knows.
    fn check(&self, rule: &Rule, at: At, entry: &mut Entry) {
        for problem in check::rule(rule, self.known).problems {
            let message = if problem.path == "expression" {
                format!("{} (of `{}`)", problem.message, rule.expression)
            } else {
                format!("{}: {}", problem.path, problem.message)
            };
            match problem.level {
                Level::Error => entry.reject(at, message),
                Level::Warning => entry.warn(at, message),
            }
        }
    }
}

/// A duration in minutes: a begun one counts as a whole.
fn whole_minutes(node: &Node, key: &str, entry: &mut Entry) -> u32 {
    let Some(text) = node.text() else {
        entry.reject(node.at, format!("{key} wants a duration, and this is {}", node.kind()));
        return 0;
    };
    if ["0", "0s", "0m"].contains(&&*text) {
        return 0;
    }
    let seconds = labels::seconds(&text);
    let Some(minutes) = seconds.and_then(|seconds| u32::try_from(seconds.div_ceil(60)).ok()) else {
        entry.reject(node.at, format!("{key} wants a duration as 5m or 1h30m, and this is {text}"));
        return 0;
    };
    if seconds.is_some_and(|seconds| seconds % 60 != 0) {
        entry.warn(node.at, format!("{key}: {text} is made {minutes} minutes"));
    }
    minutes
}

/// Labels of the alarm: tags, and the severity.
fn tags(node: &Node, rule: &mut Rule, entry: &mut Entry) {
    for (key, node) in fields(node, "labels", entry) {
        let Some(value) = node.text() else {
            entry.warn(node.at, format!("the label {key} is no text and is left out"));
            continue;
        };
        if key == "severity" {
            rule.severity = match value.to_ascii_lowercase().as_str() {
                "critical" | "page" | "error" | "fatal" => Severity::Critical,
                "warning" | "warn" => Severity::Warning,
                "info" | "none" => Severity::Info,
                _ => {
                    entry.warn(node.at, format!("the severity {value} is not known and read as warning"));
                    Severity::Warning
                }
            };
        } else if let Some(value) = template(&value) {
            rule.tags.insert(key.to_owned(), value);
        } else {
            entry.warn(node.at, format!("the label {key} is a template of Prometheus and is left out"));
        }
    }
}

/// The message, and what else is said to people.
fn annotations(node: &Node, rule: &mut Rule, entry: &mut Entry) {
    let all = fields(node, "annotations", entry);
    let texts: BTreeMap<&str, (At, String)> =
        all.into_iter().filter_map(|(key, node)| Some((key, (node.at, node.text()?)))).collect();
    let message = MESSAGES.into_iter().find(|key| texts.contains_key(key));
    for (key, (at, text)) in texts {
        match template(&text) {
            Some(text) if Some(key) == message => rule.message = text,
            Some(text) => drop(rule.annotations.insert(key.to_owned(), text)),
            None => entry.warn(at, format!("the annotation {key} is a template of Prometheus and is left out")),
        }
    }
}

/// A text in which the service's label is the entity's name; `None`: there is more of a template in it.
fn template(text: &str) -> Option<String> {
    let text = text.replace("{{ $labels.service }}", "{name}").replace("{{$labels.service}}", "{name}");
    (!text.contains("{{") && !text.contains("{%")).then_some(text)
}
