//! What a notification tells: its alarms, each with all that its incident knows of it. Payloads, templates and receivers read this
//! and nothing else.

use std::collections::BTreeMap;

use model::{Scope, UnixMillis, Zone};
use serde::Serialize;

use crate::entity::Entity;
use crate::incident::{Evidence, Incident, Reason, Transition, What};
use crate::notification::{Notification, Told};
use crate::rule::Severity;

/// What the message of an alarm begins with that is only a test: also receivers that know no tests tell it so.
pub const TEST: &str = "[TEST] ";

/// What is the same for all notifications.
#[derive(Clone, Debug)]
pub struct About {
    /// The zone in which times are written for people, and buckets for SkyWalking's receivers.
    pub zone: Zone,
    /// Where operators reach this server, without a slash at the end; empty: links are left out.
    pub external_url: String,
}

/// One alarm of a notification. Templates see it under these names, in camelCase.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// What happened.
    pub what: What,
    /// Id of the incident.
    pub incident: String,
    /// Number of the transition.
    pub seq: u32,
    /// The text.
    pub message: String,
    /// The rule's name.
    pub rule: String,
    /// Its expression.
    pub expression: String,
    /// The number that the expression compares with, where it is one.
    pub threshold: Option<f64>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    #[serde(skip)]
    pub entity: Entity,
    /// SkyWalking's name of the scope.
    pub scope: &'static str,
    /// The entity's id.
    pub entity_id: String,
    /// The entity's name.
    pub name: String,
    /// The service; of a relation the destination's.
    pub service: String,
    /// The service that calls, of a relation.
    pub source_service: String,
    /// The instance.
    pub instance: String,
    /// The endpoint.
    pub endpoint: String,
    /// The service's group: the text before `::`.
    pub group: String,
    /// Layers of the service.
    pub layers: Vec<String>,
    /// Labels of the result.
    pub labels: BTreeMap<String, String>,
    /// The rule's tags.
    pub tags: BTreeMap<String, String>,
    /// The rule's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Receivers that the rule names.
    pub hooks: Vec<String>,
    /// When the incident began, in milliseconds.
    pub started: UnixMillis,
    /// When it fired last.
    pub fired: UnixMillis,
    /// When it was over.
    pub ended: Option<UnixMillis>,
    /// From its beginning to what happened.
    pub duration_seconds: i64,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// SkyWalking's id of the firing that this tells, or that is over.
    pub uuid: String,
    /// What was seen, by metric.
    pub series: Vec<Series>,
    /// The last value of each metric without labels.
    pub values: BTreeMap<String, f64>,
    /// Whether data of the deciding minute may have been missing.
    pub incomplete: bool,
    /// Whether the alarm flaps: what follows is not told until it has calmed down.
    pub flapping: bool,
    /// Where more can be seen: `incident`.
    pub links: BTreeMap<&'static str, String>,
    #[serde(skip)]
    pub(crate) evidence: Vec<Evidence>,
}

/// A series, summed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// The metric as the expression names it.
    pub metric: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The first value.
    pub first: Option<f64>,
    /// The last value.
    pub last: Option<f64>,
    /// The least value.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// A value for each minute, oldest first.
    pub values: Vec<Option<f64>>,
}

/// A notification with its alarms.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The idempotency key.
    pub id: String,
    /// Id of the group.
    pub group: String,
    /// Its number in the group.
    pub sequence: u64,
    /// The receiver.
    pub receiver: String,
    /// `firing` while one of them fires; else `resolved`.
    pub status: &'static str,
    /// The labels of the group.
    pub labels: BTreeMap<String, String>,
    /// What is told.
    pub alarms: Vec<Alarm>,
    /// How many of them fire.
    pub n_firing: usize,
    /// How many of them are over.
    pub n_resolved: usize,
    /// How many more the group holds.
    pub omitted: u64,
    /// How many open alarms those that are told explain.
    pub folded: u64,
    /// Whether it repeats what was told.
    pub repeated: bool,
    /// Whether it is a test.
    pub test: bool,
    /// When it was made.
    pub made: UnixMillis,
    /// Where operators reach this server.
    pub external_url: String,
    #[serde(skip)]
    pub(crate) zone: Zone,
    #[serde(skip)]
    pub(crate) now: UnixMillis,
}

impl Alarm {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.what != What::Recovered
    }

    /// What a transition of an incident tells. `told` has the last word on the text: it was written first.
    pub fn of(incident: &Incident, transition: &Transition, about: &About) -> Alarm {
        let fired = incident
            .transitions
            .iter()
            .rev()
            .find(|other| other.what != What::Recovered && other.seq <= transition.seq)
            .unwrap_or(transition);
        let first = incident.transitions.first().filter(|first| first.seq == 1);
        let started = first.map_or_else(|| incident.opened.start(), |first| first.at);
        let parts = incident.entity.parts();
        let is_over = transition.what == What::Recovered;
        // A recovery shows what fired, as SkyWalking's does; what it saw itself is of no use to anybody who is told.
        let evidence = &fired.evidence;
        Alarm {
            status: if is_over { "resolved" } else { "firing" },
            what: transition.what,
            incident: incident.id.clone(),
            seq: transition.seq,
            message: transition.message.clone(),
            rule: incident.rule_name.clone(),
            expression: incident.expression.clone(),
            threshold: threshold(&incident.expression),
            severity: incident.severity,
            scope: incident.entity.scope_name(),
            entity_id: incident.entity.id.clone(),
            name: incident.entity.name.clone(),
            entity: incident.entity.clone(),
            group: parts.service.split_once("::").map(|(group, _)| group.to_owned()).unwrap_or_default(),
            service: parts.service,
            source_service: parts.source_service,
            instance: parts.instance,
            endpoint: parts.endpoint,
            layers: incident.layers.clone(),
            labels: incident.labels.iter().cloned().collect(),
            tags: transition.tags.clone(),
            annotations: transition.annotations.clone(),
            hooks: incident.hooks.clone(),
            started,
            fired: fired.at,
            ended: is_over.then_some(transition.at),
            duration_seconds: (transition.at.0 - started.0).max(0) / 1_000,
            reason: transition.reason,
            uuid: fired.uuid.clone(),
            series: evidence.iter().map(series).collect(),
            values: values(evidence),
            incomplete: transition.incomplete,
            flapping: false,
            links: links(&incident.id, about),
            evidence: evidence.clone(),
        }
    }

    /// What is left to tell where the incident is gone, or keeps the transition no more.
    fn without_incident(told: &Told, about: &About) -> Alarm {
        let is_over = told.what == What::Recovered;
        Alarm {
            status: if is_over { "resolved" } else { "firing" },
            what: told.what,
            incident: told.incident.clone(),
            seq: told.seq,
            message: told.message.clone(),
            rule: String::new(),
            expression: String::new(),
            threshold: None,
            severity: Severity::default(),
            entity: Entity { scope: Scope::Service, id: String::new(), name: String::new() },
            scope: "SERVICE",
            entity_id: String::new(),
            name: String::new(),
            service: String::new(),
            source_service: String::new(),
            instance: String::new(),
            endpoint: String::new(),
            group: String::new(),
            layers: Vec::new(),
            labels: BTreeMap::new(),
            tags: BTreeMap::new(),
            annotations: BTreeMap::new(),
            hooks: Vec::new(),
            started: told.at,
            fired: told.at,
            ended: is_over.then_some(told.at),
            duration_seconds: 0,
            reason: None,
            uuid: told.uuid.clone(),
            series: Vec::new(),
            values: BTreeMap::new(),
            incomplete: false,
            flapping: false,
            links: links(&told.incident, about),
            evidence: Vec::new(),
        }
    }

    fn told(told: &Told, incident: Option<&Incident>, about: &About) -> Alarm {
        let stored = incident.and_then(|incident| {
            let transition = incident.transitions.iter().find(|transition| transition.seq == told.seq);
            // The numbers between are dropped from long incidents: a neighbour knows the same rule and entity.
            transition.or(incident.transitions.last()).map(|transition| (incident, transition))
        });
        let mut alarm = match stored {
            Some((incident, transition)) => {
                let as_told = Transition { seq: told.seq, what: told.what, at: told.at, ..transition.clone() };
                Alarm::of(incident, &as_told, about)
            }
            None => Alarm::without_incident(told, about),
        };
        alarm.message.clone_from(&told.message);
        alarm.flapping = told.flapping;
        if alarm.is_firing() {
            alarm.uuid.clone_from(&told.uuid);
            alarm.fired = told.at;
        }
        alarm
    }
}

impl Shown {
    /// What a notification tells, with those of its incidents that are still there, in any order.
    pub fn new(notification: &Notification, incidents: &[Incident], about: &About, now: UnixMillis) -> Shown {
        let by_id: BTreeMap<&str, &Incident> =
            incidents.iter().map(|incident| (incident.id.as_str(), incident)).collect();
        let alarms: Vec<Alarm> = notification
            .told
            .iter()
            .map(|told| Alarm::told(told, by_id.get(told.incident.as_str()).copied(), about))
            .collect();
        let n_firing = alarms.iter().filter(|alarm| alarm.is_firing()).count();
        Shown {
            id: notification.id.clone(),
            group: notification.group.clone(),
            sequence: notification.sequence,
            receiver: notification.receiver.clone(),
            status: if n_firing > 0 { "firing" } else { "resolved" },
            labels: notification.labels.clone(),
            n_firing,
            n_resolved: alarms.len() - n_firing,
            alarms,
            omitted: notification.omitted,
            folded: notification.folded,
            repeated: notification.repeated,
            test: notification.test,
            made: notification.made,
            external_url: about.external_url.clone(),
            zone: about.zone.clone(),
            now,
        }
    }

    /// Whether the texts of its alarms say themselves that it is a test, as those do that were fired for one.
    fn is_marked(&self) -> bool {
        self.alarms.iter().any(|alarm| alarm.message.starts_with(TEST))
    }

    /// One line that says what is told: the text of the only alarm, or how many there are.
    pub fn headline(&self) -> String {
        let test = if self.test && !self.is_marked() { "[TEST] " } else { "" };
        let label = self.labels.values().filter(|value| !value.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        match self.alarms.as_slice() {
            [only] if self.omitted == 0 => format!("{test}{} {}", sign(only), only.message),
            _ => {
                let more = if self.omitted > 0 { format!(" and {} more", self.omitted) } else { String::new() };
                format!("{test}{} firing, {} resolved{more} {label}", self.n_firing, self.n_resolved)
                    .trim_end()
                    .to_owned()
            }
        }
    }

    /// A line for each alarm, and what is not listed.
    pub fn plain(&self) -> String {
        let mut lines: Vec<String> =
            self.alarms.iter().map(|alarm| format!("{} {}", sign(alarm), alarm.message)).collect();
        if self.test && !self.is_marked() {
            lines.insert(0, "[TEST]".to_owned());
        }
        if self.omitted > 0 {
            lines.push(format!("and {} more", self.omitted));
        }
        if self.folded > 0 {
            lines.push(format!("this explains {} other open alarms", self.folded));
        }
        lines.join("\n")
    }
}

fn sign(alarm: &Alarm) -> &'static str {
    if !alarm.is_firing() {
        "[RESOLVED]"
    } else if alarm.flapping {
        "[FLAPPING]"
    } else {
        "[FIRING]"
    }
}

fn links(incident: &str, about: &About) -> BTreeMap<&'static str, String> {
    if about.external_url.is_empty() {
        return BTreeMap::new();
    }
    BTreeMap::from([("incident", format!("{}/alarm/v1/incidents/{incident}", about.external_url))])
}

fn series(evidence: &Evidence) -> Series {
    let values: Vec<Option<f64>> = evidence.values.iter().map(|(_, value)| *value).collect();
    let known = || values.iter().flatten().copied();
    Series {
        metric: evidence.metric.clone(),
        labels: evidence.labels.iter().cloned().collect(),
        first: known().next(),
        last: known().next_back(),
        min: known().reduce(f64::min),
        max: known().reduce(f64::max),
        values,
    }
}

fn values(evidence: &[Evidence]) -> BTreeMap<String, f64> {
    let unlabelled = evidence.iter().filter(|evidence| evidence.labels.is_empty());
    unlabelled
        .filter_map(|one| Some((one.metric.clone(), one.values.iter().rev().find_map(|(_, value)| *value)?)))
        .collect()
}

/// The number after the last comparison.
fn threshold(expression: &str) -> Option<f64> {
    let (_, right) = expression.rsplit_once(['<', '>', '='])?;
    right.trim().parse().ok()
}
