//! The labels of an alarm: what routes, silences and inhibitions look at. An incident has the same ones from its first firing until
//! it is over, so that its recovery goes where its firing went.

use std::collections::BTreeMap;

use crate::incident::Incident;
use crate::rule::Severity;

/// Labels by name. One that is empty is not there.
pub type Labels = BTreeMap<String, String>;

/// The label whose value is compared without regard to case.
pub const SEVERITY: &str = "severity";

/// The value of [`SEVERITY`].
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// The labels of an incident: `rule`, `severity`, `scope`, `layer` (the first one), `service` (of a call the one that is called),
/// `instance`, `endpoint`, `group` and `entity`; the labels of the result, of rules with an instance for each set of them; and the
/// tags of its first firing. Where names meet, the first of these holds.
pub fn of(incident: &Incident) -> Labels {
    let mut labels = Labels::new();
    if let Some(first) = incident.transitions.first() {
        labels.extend(first.tags.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    labels.extend(incident.labels.iter().cloned());
    let parts = incident.entity.parts();
    let group = parts.service.split_once("::").map_or("", |(group, _)| group).to_owned();
    let own = [
        ("rule", incident.rule_name.clone()),
        (SEVERITY, severity(incident.severity).to_owned()),
        ("scope", incident.entity.scope_name().to_owned()),
        ("layer", incident.layers.first().cloned().unwrap_or_default()),
        ("service", parts.service),
        ("instance", parts.instance),
        ("endpoint", parts.endpoint),
        ("group", group),
        ("entity", incident.entity.name.clone()),
    ];
    labels.extend(own.map(|(key, value)| (key.to_owned(), value)));
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The value of a label; one that is not there is empty.
pub fn get<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}
