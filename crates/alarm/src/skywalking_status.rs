//! What SkyWalking's status endpoints tell of rules: which there are, what one watches, and what one sees of an entity. All of it is
//! read from the store, so every node tells the same, whoever evaluates.
//!
//! Field names, their order, and what is left out where there is nothing are SkyWalking's; its states are told in its words.

use std::collections::{BTreeMap, BTreeSet};

use model::{Bucket, Scope, Step, UnixMillis, Zone, id};
use serde::Serialize;

use crate::columns::Columns;
use crate::desk::{Desk, DeskError};
use crate::doc::Stored;
use crate::edit::EditError;
use crate::engine;
use crate::entity::Entity;
use crate::incident::{Evidence, Incident, State, Transition, What};
use crate::pass::Telling;
use crate::payload;
use crate::plan::{Plan, Planned};
use crate::receiver;
use crate::rule::{Profile, Rule};
use crate::trial::{self, Explanation, TrialError};
use crate::window;

/// The rules that are evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleList {
    /// By name.
    pub rule_list: Vec<RuleId>,
}

/// A rule's id, which is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleId {
    /// The name.
    pub id: String,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A rule and what it watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDetail {
    rule_id: String,
    expression: String,
    period: u32,
    silence_period: u32,
    recovery_observation_period: u32,
    additional_period: u32,
    include_entity_names: Vec<String>,
    exclude_entity_names: Vec<String>,
    include_entity_names_regex: String,
    exclude_entity_names_regex: String,
    running_entities: Vec<RunningEntity>,
    tags: Vec<Tag>,
    hooks: Vec<String>,
    include_metrics: Vec<String>,
}

/// An entity that a rule watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningEntity {
    scope: &'static str,
    name: String,
    formatted_message: String,
}

/// What a rule sees of an entity. Where it sees nothing, what is optional is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningContext {
    rule_id: String,
    expression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    additional_period: u32,
    size: usize,
    silence_period: u32,
    recovery_observation_period: u32,
    silence_countdown: i64,
    recovery_observation_countdown: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_name: Option<String>,
    window_values: Vec<WindowValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mqe_metrics_snapshot: Option<BTreeMap<String, String>>,
    last_alarm_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_alarm_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_alarm_mqe_metrics_snapshot: Option<BTreeMap<String, String>>,
}

/// A minute of the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct WindowValue {
    index: usize,
    metrics: Vec<MetricValue>,
}

/// What a metric was in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue {
    name: String,
    time_bucket: i64,
    value: String,
}

/// The rules that are evaluated.
pub async fn rules(desk: &Desk) -> Result<RuleList, DeskError> {
    let mut names: Vec<_> = living(desk).await?.into_iter().map(|stored| RuleId { id: stored.doc.name }).collect();
    names.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(RuleList { rule_list: names })
}

/// The rule of a name; `None`: none that is evaluated has it.
pub async fn rule(desk: &Desk, name: &str) -> Result<Option<RuleDetail>, DeskError> {
    let Some(stored) = named(desk, name).await? else { return Ok(None) };
    let (plan, _) = Plan::new(std::slice::from_ref(&stored), &desk.ground.catalogue, None);
    let rule = &stored.doc;
    let mut detail = RuleDetail {
        rule_id: rule.name.clone(),
        expression: rule.expression.clone(),
        period: rule.period,
        silence_period: rule.silence,
        recovery_observation_period: rule.recovery_observation,
        additional_period: 0,
        include_entity_names: rule.selector.include_names.clone(),
        exclude_entity_names: rule.selector.exclude_names.clone(),
        include_entity_names_regex: rule.selector.include_names_regex.clone(),
        exclude_entity_names_regex: rule.selector.exclude_names_regex.clone(),
        running_entities: Vec::new(),
        tags: rule.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect(),
        hooks: match rule.profile {
            Profile::Skywalking if rule.hooks.is_empty() => receiver::defaults(&desk.snapshots.now()),
            _ => rule.hooks.clone(),
        },
        include_metrics: Vec::new(),
    };
    // A rule that cannot be evaluated is there and watches nothing.
    let Some(planned) = plan.rules().first() else { return Ok(Some(detail)) };
    let columns = Columns::with_layers(desk.ground.zone.clone(), desk.ground.layers.clone());
    detail.additional_period = additional(planned, &columns);
    let metrics: BTreeSet<&String> = planned.needs().map(|(need, _)| &need.metric().name).collect();
    detail.include_metrics = metrics.into_iter().cloned().collect();
    detail.running_entities = running(desk, &plan, planned, columns).await?;
    Ok(Some(detail))
}

/// The entities of which there was data in the window that ended last.
async fn running(
    desk: &Desk,
    plan: &Plan,
    planned: &Planned,
    mut columns: Columns,
) -> Result<Vec<RunningEntity>, DeskError> {
    let now = desk.clock.now();
    let Some(minute) = now.minute().map(|minute| Bucket(minute.0.saturating_sub(1))) else { return Ok(Vec::new()) };
    let reads = plan.reads(&columns, minute, minute);
    window::load(desk.ground.store.as_ref(), &desk.ground.catalogue, &mut columns, &reads).await?;
    let watched = columns.table(planned.scope).map(|table| table.watched()).unwrap_or_default();
    let taken = watched.iter().filter(|one| !one.gone && planned.takes(&one.entity, &one.parts, &one.layers));
    let mut entities: Vec<RunningEntity> = taken
        .map(|one| {
            let about = Incident {
                entity: one.entity.clone(),
                layers: one.layers.clone(),
                ..Incident::of(&planned.rule, now.minute().unwrap_or_default())
            };
            let telling = Telling::of(Some(&planned.rule), &about, What::Fired, minute);
            RunningEntity {
                scope: one.entity.scope_name(),
                name: one.entity.name.clone(),
                formatted_message: engine::render(&telling, &desk.ground.about).message,
            }
        })
        .collect();
    entities.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entities)
}

/// What the rule of a name sees of the entity of a name; `None`: no rule that is evaluated has the name.
pub async fn context(desk: &Desk, name: &str, entity: &str) -> Result<Option<RunningContext>, DeskError> {
    let Some(stored) = named(desk, name).await? else { return Ok(None) };
    let rule = &stored.doc;
    let stub = RunningContext {
        rule_id: rule.name.clone(),
        expression: rule.expression.clone(),
        silence_period: rule.silence,
        recovery_observation_period: rule.recovery_observation,
        ..RunningContext::default()
    };
    let (plan, _) = Plan::new(std::slice::from_ref(&stored), &desk.ground.catalogue, None);
    let Some(planned) = plan.rules().first() else { return Ok(Some(stub)) };
    for id in candidates(planned.scope, entity) {
        let told = trial::explain(&desk.ground, rule, &id, None, desk.clock.now()).await;
        let told = told.map_err(of_trial)?;
        if told.watched && (told.has_data || told.incidents.iter().any(|incident| incident.closed.is_none())) {
            let fired = last_firing(desk, &told).await?;
            let columns = Columns::new(desk.ground.zone.clone());
            return Ok(Some(filled(stub, planned, additional(planned, &columns), &told, fired, &desk.ground.zone)));
        }
    }
    Ok(Some(stub))
}

/// The last firing of the incident that is open.
async fn last_firing(desk: &Desk, told: &Explanation) -> Result<Option<Transition>, DeskError> {
    let Some(open) = told.incidents.iter().find(|incident| incident.closed.is_none()) else { return Ok(None) };
    match desk.get::<Incident>(&open.id).await {
        Ok(stored) => Ok(stored.doc.transitions.into_iter().rev().find(|one| one.what != What::Recovered)),
        Err(DeskError::Edit(EditError::NotFound(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

fn filled(
    stub: RunningContext,
    planned: &Planned,
    additional: u32,
    told: &Explanation,
    fired: Option<Transition>,
    zone: &Zone,
) -> RunningContext {
    let minute = told.minute.minute().unwrap_or_default();
    let size = planned.rule.period.saturating_add(additional);
    let first = Bucket(minute.0.saturating_sub(size.saturating_sub(1)));
    let seen: Vec<Evidence> = told.buckets.iter().map(evidence).collect();
    let window_values = (first.0..=minute.0)
        .enumerate()
        .map(|(index, minute)| WindowValue { index, metrics: metrics_at(&seen, Bucket(minute), zone) });
    let worst = told.heard.iter().max_by_key(|heard| severity(heard.state));
    let left = |until: Option<UnixMillis>| {
        let until = until.and_then(UnixMillis::minute).map_or(-1, |until| i64::from(until.0) - i64::from(minute.0));
        until.max(-1)
    };
    let is_observed = worst.is_some_and(|heard| heard.state == State::ObservingRecovery);
    let snapshot = |evidence: &[Evidence]| payload::snapshot(evidence, zone).into_iter().collect();
    RunningContext {
        end_time: Some(local(told.minute, zone)),
        additional_period: additional,
        size: usize::try_from(size).unwrap_or(usize::MAX),
        silence_countdown: worst.map_or(-1, |heard| left(heard.silent_until)),
        recovery_observation_countdown: match worst {
            Some(heard) if is_observed => left(heard.observed_until),
            _ => i64::from(planned.rule.recovery_observation),
        },
        current_state: Some(in_their_words(worst.map(|heard| heard.state).unwrap_or_default(), fired.is_some())),
        entity_name: Some(told.entity.name.clone()),
        window_values: window_values.collect(),
        mqe_metrics_snapshot: Some(snapshot(&seen)),
        last_alarm_time: fired.as_ref().map_or(0, |fired| fired.at.0),
        last_alarm_message: fired.as_ref().map(|fired| fired.message.clone()),
        last_alarm_mqe_metrics_snapshot: fired.as_ref().map(|fired| snapshot(&fired.evidence)),
        ..stub
    }
}

/// What was read, as transitions keep it.
fn evidence(read: &trial::Read) -> Evidence {
    let value = |(at, value): &(UnixMillis, Option<f64>)| Some((at.minute()?, *value));
    Evidence {
        metric: read.metric.clone(),
        labels: read.labels.clone(),
        values: read.values.iter().filter_map(value).collect(),
    }
}

/// A state in SkyWalking's words. It knows neither pending nor missing values: one is normal, the other as it was before.
fn in_their_words(state: State, is_open: bool) -> &'static str {
    match state {
        State::Normal | State::Pending => "NORMAL",
        State::Firing => "FIRING",
        State::SilencedFiring => "SILENCED_FIRING",
        State::ObservingRecovery => "OBSERVING_RECOVERY",
        State::Recovered => "RECOVERED",
        State::NoData | State::Error if is_open => "FIRING",
        State::NoData | State::Error => "NORMAL",
    }
}

/// Which of several instances of an entity is told of.
fn severity(state: State) -> u8 {
    match state {
        State::Firing => 5,
        State::SilencedFiring => 4,
        State::ObservingRecovery => 3,
        State::NoData | State::Error => 2,
        State::Recovered => 1,
        State::Normal | State::Pending => 0,
    }
}

/// What the metrics were in a minute, each once; of labelled ones all labels in one text.
fn metrics_at(evidence: &[Evidence], minute: Bucket, zone: &Zone) -> Vec<MetricValue> {
    let mut metrics: Vec<MetricValue> = Vec::new();
    for one in evidence {
        let found = one.values.iter().find(|(at, _)| *at == minute).and_then(|(_, value)| *value);
        let Some(value) = found else { continue };
        let name = one.metric.split('{').next().unwrap_or(&one.metric);
        let value = if one.labels.is_empty() { value.to_string() } else { format!("{},{value}", labels(&one.labels)) };
        match metrics.iter_mut().find(|metric| metric.name == name) {
            Some(metric) if !one.labels.is_empty() => metric.value = format!("{}|{value}", metric.value),
            Some(_) => {}
            None => metrics.push(MetricValue {
                name: name.to_owned(),
                time_bucket: zone.bucket_text(Step::Minute, minute).parse().unwrap_or_default(),
                value,
            }),
        }
    }
    metrics
}

fn labels(labels: &[(String, String)]) -> String {
    let all: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", all.join(","))
}

/// A moment as SkyWalking's clock of the server's zone is written.
fn local(at: UnixMillis, zone: &Zone) -> String {
    let t = zone.civil(at);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:00.000", t.year(), t.month(), t.day(), t.hour(), t.minute())
}

/// Minutes in front of the period that trends need.
fn additional(planned: &Planned, columns: &Columns) -> u32 {
    let before = planned.needs().map(|(need, _)| columns.buckets(need, planned.rule.period, Bucket(u32::MAX / 2)));
    let minutes = before.filter(|(grain, _)| grain.step() == Step::Minute).map(|(_, buckets)| buckets.len());
    let most = u32::try_from(minutes.max().unwrap_or_default()).unwrap_or(u32::MAX);
    most.saturating_sub(planned.rule.period)
}

async fn living(desk: &Desk) -> Result<Vec<Stored<Rule>>, DeskError> {
    let mut rules = desk.all::<Rule>().await?;
    rules.retain(|stored| !stored.doc.paused);
    Ok(rules)
}

async fn named(desk: &Desk, name: &str) -> Result<Option<Stored<Rule>>, DeskError> {
    Ok(living(desk).await?.into_iter().find(|stored| stored.doc.name == name))
}

fn of_trial(error: TrialError) -> DeskError {
    match error {
        TrialError::Store(error) => error.into(),
        TrialError::Invalid(checked) => EditError::Invalid(checked).into(),
        other => DeskError::Refused { code: "bad_request", path: String::new(), message: other.to_string() },
    }
}

/// The ids of all entities of a scope that may have this name. A name may be read in more than one way: `a of b of c`.
fn candidates(scope: Scope, name: &str) -> Vec<String> {
    let relation = |ends: Scope| {
        let mut all = Vec::new();
        for (source, dest) in splits(name, " to ") {
            for source in candidates(ends, source) {
                all.extend(candidates(ends, dest).iter().filter_map(|dest| joined(ends, &source, dest)));
            }
        }
        all
    };
    let services = |name: &str| [true, false].map(|normal| id::service(name, normal));
    let within = |word: &str, id: fn(&str, &str) -> String| {
        let parts = splits(name, word);
        parts.into_iter().flat_map(|(own, service)| services(service).map(|service| id(&service, own))).collect()
    };
    let all: Vec<String> = match scope {
        Scope::Service => services(name).to_vec(),
        Scope::ServiceInstance => within(" of ", id::instance),
        Scope::Endpoint => within(" in ", id::endpoint),
        Scope::ServiceRelation => relation(Scope::Service),
        Scope::ServiceInstanceRelation => relation(Scope::ServiceInstance),
        Scope::EndpointRelation => relation(Scope::Endpoint),
        _ => Vec::new(),
    };
    all.into_iter().filter(|id| Entity::of(scope, id.clone()).is_some_and(|entity| entity.name == name)).collect()
}

/// The relation of two ends.
fn joined(ends: Scope, source: &str, dest: &str) -> Option<String> {
    if ends != Scope::Endpoint {
        return Some(id::relation(source, dest));
    }
    let (source_service, source) = id::parse_endpoint(source).ok()?;
    let (dest_service, dest) = id::parse_endpoint(dest).ok()?;
    Some(id::endpoint_relation(&source_service, &source, &dest_service, &dest))
}

/// All ways to read a text as two with a word between them.
fn splits<'t>(text: &'t str, word: &str) -> Vec<(&'t str, &'t str)> {
    let at = text.match_indices(word).map(|(at, _)| at);
    at.filter_map(|at| Some((text.get(..at)?, text.get(at + word.len()..)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples::entities;

    #[test]
    fn entities_are_found_by_their_names() {
        for entity in entities() {
            let found = candidates(entity.scope, &entity.name);
            assert!(found.contains(&entity.id), "{entity:?}: {found:?}");
        }
        let odd = Entity::of(Scope::ServiceInstance, id::instance(&id::service("b of c", false), "a of x")).unwrap();
        assert!(candidates(odd.scope, &odd.name).contains(&odd.id));
        assert_eq!(candidates(Scope::Endpoint, "no such form"), [""; 0]);
    }

    #[test]
    fn states_are_told_in_skywalkings_words() {
        let told = |state| (in_their_words(state, false), in_their_words(state, true));
        assert_eq!(told(State::Pending), ("NORMAL", "NORMAL"));
        assert_eq!(told(State::NoData), ("NORMAL", "FIRING"));
        assert_eq!(told(State::Error), ("NORMAL", "FIRING"));
        assert_eq!(told(State::ObservingRecovery).0, "OBSERVING_RECOVERY");
    }

    #[test]
    fn labels_of_a_metric_are_one_text() {
        let minute = Bucket(29_925_240);
        let of = |label: &str, value| Evidence {
            metric: "service_percentile{p='50,75'}".to_owned(),
            labels: vec![("p".to_owned(), label.to_owned())],
            values: vec![(minute, value)],
        };
        let values = metrics_at(&[of("50", Some(3.0)), of("75", Some(4.5)), of("90", None)], minute, &Zone::utc());
        assert_eq!(values.len(), 1);
        assert_eq!((values[0].name.as_str(), values[0].value.as_str()), ("service_percentile", "{p=50},3|{p=75},4.5"));
    }
}
