//! Alarms that fired, as SkyWalking's clients list them. What the engine holds of them beside, incidents and so on, is in
//! [`crate::schema`]'s areas of management.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alarm::records::Fired;
use model::{
    ByteString, Scope, UnixMillis, Zone, id,
    kinds::{RecordKind, alarm as field},
    record::{FieldValue, Record},
};
use storage::{Condition, Order, RecordOrder, RecordQuery, Test};

use crate::{
    Error,
    app::{App, given},
    duration::{self, Range},
    event, metrics,
    page::{Page, equal, tagged},
    schema::{
        alarm as wire,
        common::{Entity, Event, KeyValue, Long, Metadata, MqeValue, MqeValues, Pagination, Scope as WireScope},
    },
};

/// How long after the end of what was asked for a recovery may have been written: longer than any record is kept.
const RECOVERED_WITHIN_MS: i64 = 400 * 86_400_000;

/// A page of alarms of the older query, the last first.
///
/// # Errors
/// When the duration is malformed.
pub(crate) async fn list(
    app: &App,
    duration: &crate::schema::common::Duration,
    (scope, keyword): (Option<WireScope>, Option<&str>),
    tags: &[wire::AlarmTag],
    paging: &Pagination,
    with_events: bool,
) -> Result<wire::Alarms, Error> {
    let range = duration::parse(duration, app.zone())?;
    let mut conditions = common(keyword, tags);
    // Nothing is of all scopes: who asks for them wants no condition.
    if let Some(scope) = scope.filter(|scope| *scope != WireScope::All) {
        let code = scope_of(scope).map_or(0, Scope::code);
        conditions.push(Condition {
            field: field::SCOPE,
            test: Test::Equal(FieldValue::Int(code.into())),
            negate: false,
        });
    }
    page(app, &range, conditions, paging, with_events).await
}

/// A page of alarms that fulfil all of a condition, the last first.
///
/// # Errors
/// When the duration is malformed, or an entity is none: its condition is never left out.
pub(crate) async fn query(
    app: &App,
    condition: &wire::AlarmQueryCondition,
    with_events: bool,
) -> Result<wire::Alarms, Error> {
    let range = duration::parse(&condition.duration, app.zone())?;
    let mut conditions = common(condition.keyword.as_deref(), condition.tags.as_deref().unwrap_or_default());
    let entities = condition.entities.as_deref().unwrap_or_default();
    // What an entity's alarms are found by is the id of its rows; of a relation's ends, too.
    let ids = entities.iter().map(|one| Ok(entity(one)?.into())).collect::<Result<Vec<ByteString>, Error>>()?;
    let rules = condition.rule_names.iter().flatten().map(|name| ByteString::from(name.as_str())).collect();
    for (field, any) in [(field::ENTITIES, ids), (field::RULE, rules)] {
        if !any.is_empty() {
            conditions.push(Condition { field, test: Test::OneOf(any), negate: false });
        }
    }
    conditions.extend(given(condition.layer.as_deref()).map(|layer| equal(field::LAYER, layer)));
    page(app, &range, conditions, &condition.paging, with_events).await
}

/// The conditions that both queries have.
fn common(keyword: Option<&str>, tags: &[wire::AlarmTag]) -> Vec<Condition> {
    let tags = tags.iter().filter(|tag| !tag.key.trim().is_empty());
    let mut conditions: Vec<_> = tags.map(|tag| tagged(field::TAGS, &tag.key, tag.value.as_deref())).collect();
    let phrase =
        |keyword: &str| Condition { field: field::MESSAGE, test: Test::Phrase(keyword.to_owned()), negate: false };
    conditions.extend(given(keyword.map(str::trim)).map(phrase));
    conditions
}

/// The id of an entity's rows. Its scope is that of the deepest name given; the one in the request means nothing.
///
/// # Errors
/// When alarms know no such entity.
pub(crate) fn entity(entity: &Entity) -> Result<String, Error> {
    let has = |name: &Option<String>| given(name.as_deref()).is_some();
    let is_relation = [&entity.dest_service_name, &entity.dest_service_instance_name, &entity.dest_endpoint_name]
        .into_iter()
        .any(has);
    let scope = if has(&entity.process_name) || has(&entity.dest_process_name) {
        None
    } else if has(&entity.endpoint_name) || has(&entity.dest_endpoint_name) {
        Some(if is_relation { Scope::EndpointRelation } else { Scope::Endpoint })
    } else if has(&entity.service_instance_name) || has(&entity.dest_service_instance_name) {
        Some(if is_relation { Scope::ServiceInstanceRelation } else { Scope::ServiceInstance })
    } else if has(&entity.service_name) || is_relation {
        Some(if is_relation { Scope::ServiceRelation } else { Scope::Service })
    } else {
        None
    };
    let filled = Entity {
        normal: entity.normal.or(Some(true)),
        dest_normal: entity.dest_normal.or(Some(true)),
        ..given_names(entity)
    };
    let id = scope.and_then(|scope| metrics::entity_id(scope, &filled));
    id.ok_or_else(|| Error::Request(format!("no alarm can be about the entity {}", described(entity))))
}

/// The entity with empty names as if they had not been given.
fn given_names(entity: &Entity) -> Entity {
    let name = |name: &Option<String>| given(name.as_deref()).map(str::to_owned);
    Entity {
        dest_endpoint_name: name(&entity.dest_endpoint_name),
        dest_service_instance_name: name(&entity.dest_service_instance_name),
        dest_service_name: name(&entity.dest_service_name),
        endpoint_name: name(&entity.endpoint_name),
        service_instance_name: name(&entity.service_instance_name),
        service_name: name(&entity.service_name),
        ..entity.clone()
    }
}

fn described(entity: &Entity) -> String {
    let names = [
        ("serviceName", &entity.service_name),
        ("serviceInstanceName", &entity.service_instance_name),
        ("endpointName", &entity.endpoint_name),
        ("processName", &entity.process_name),
        ("destServiceName", &entity.dest_service_name),
        ("destServiceInstanceName", &entity.dest_service_instance_name),
        ("destEndpointName", &entity.dest_endpoint_name),
        ("destProcessName", &entity.dest_process_name),
    ];
    let named: Vec<_> =
        names.into_iter().filter_map(|(key, name)| Some(format!("{key}: {:?}", given(name.as_deref())?))).collect();
    format!("{{{}}}", named.join(", "))
}

async fn page(
    app: &App,
    range: &Range,
    conditions: Vec<Condition>,
    paging: &Pagination,
    with_events: bool,
) -> Result<wire::Alarms, Error> {
    let page = Page::of(paging);
    if page.limit == 0 {
        return Ok(wire::Alarms { msgs: Vec::new() });
    }
    let query = RecordQuery {
        kind: RecordKind::Alarm,
        time: Some((range.start, range.end)),
        ids: Vec::new(),
        conditions,
        order: RecordOrder::Time(Order::Desc),
        offset: page.offset,
        limit: page.limit,
    };
    let records = app.read().await.records(&query).await?.records;
    let recovered = recovered(app, range, &records).await?;
    let alarms: Vec<(&Record, Fired)> = records.iter().filter_map(|record| Some((record, body(record)?))).collect();
    let events = if with_events { events(app, range, &alarms).await? } else { BTreeMap::new() };
    let message = |(record, alarm): (&Record, Fired)| {
        let of_it = sources(&alarm).into_iter().filter_map(|source| events.get(&source)).flatten().cloned().collect();
        message(record, alarm, recovered.get(&record.id).copied(), of_it, app.zone())
    };
    Ok(wire::Alarms { msgs: alarms.into_iter().map(message).collect() })
}

fn body(record: &Record) -> Option<Fired> {
    let read = serde_json::from_slice(&record.body);
    read.inspect_err(|error| tracing::warn!(id = %record.id, %error, "an alarm record cannot be read")).ok()
}

/// When each of the alarms was over, by id; those that are open are missing.
async fn recovered(app: &App, range: &Range, alarms: &[Record]) -> Result<HashMap<ByteString, UnixMillis>, Error> {
    if alarms.is_empty() {
        return Ok(HashMap::new());
    }
    let query = RecordQuery {
        kind: RecordKind::AlarmRecovery,
        time: Some((range.start, range.end.plus(RECOVERED_WITHIN_MS))),
        ids: alarms.iter().map(|record| record.id.clone()).collect(),
        conditions: Vec::new(),
        order: RecordOrder::Time(Order::Asc),
        offset: 0,
        limit: alarms.len(),
    };
    let records = app.read().await.records(&query).await?.records;
    Ok(records.into_iter().map(|record| (record.id, record.time)).collect())
}

/// Whose events are shown with an alarm: names of service and instance. An endpoint's are those of its service.
fn sources(alarm: &Fired) -> Vec<(String, String)> {
    let (first, second) = alarm.entity.ids();
    let source = |id: &String| {
        let (service, _) = id::parse_service(id::service_of(id)).ok()?;
        let instance = match alarm.entity.scope {
            Scope::ServiceInstance | Scope::ServiceInstanceRelation => id::parse_instance(id).ok()?.1,
            _ => String::new(),
        };
        Some((service, instance))
    };
    [first, second].iter().filter(|id| !id.is_empty()).filter_map(source).collect()
}

/// The events of all that the alarms are about, by service and instance.
async fn events(
    app: &App,
    range: &Range,
    alarms: &[(&Record, Fired)],
) -> Result<BTreeMap<(String, String), Vec<Event>>, Error> {
    let services: BTreeSet<String> =
        alarms.iter().flat_map(|(_, alarm)| sources(alarm)).map(|(service, _)| service).collect();
    let mut by_source: BTreeMap<_, Vec<Event>> = BTreeMap::new();
    if services.is_empty() {
        return Ok(by_source);
    }
    for event in event::of_services(app, services, range).await? {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if text(&event.source.endpoint).is_empty() {
            let source = (text(&event.source.service), text(&event.source.service_instance));
            by_source.entry(source).or_default().push(event);
        }
    }
    Ok(by_source)
}

fn message(
    record: &Record,
    alarm: Fired,
    recovered: Option<UnixMillis>,
    events: Vec<Event>,
    zone: &Zone,
) -> wire::AlarmMessage {
    wire::AlarmMessage {
        events,
        id: alarm.entity.ids().0.into(),
        message: alarm.message.clone(),
        name: alarm.entity.name.clone(),
        recovery_time: recovered.map(|at| Long(at.0)),
        scope: wire_scope(alarm.entity.scope),
        snapshot: snapshot(&alarm, zone),
        start_time: Long(record.time.0),
        tags: alarm.tags.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect(),
    }
}

/// What the rule saw, each metric once with all its series.
fn snapshot(alarm: &Fired, zone: &Zone) -> wire::AlarmSnapshot {
    let mut metrics: Vec<wire::MqeMetric> = Vec::new();
    for seen in &alarm.evidence {
        let labels = seen.labels.iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
        let value = |(minute, value): &(model::Bucket, Option<f64>)| MqeValue {
            id: Some(zone.bucket_text(model::Step::Minute, *minute).into()),
            owner: None,
            trace_id: None,
            value: value.map(mqe::format_value),
        };
        let series = MqeValues {
            metric: Metadata { labels: labels.collect() },
            values: seen.values.iter().map(value).collect(),
        };
        match metrics.iter_mut().find(|metric| metric.name == seen.metric) {
            Some(metric) => metric.results.push(series),
            None => metrics.push(wire::MqeMetric { name: seen.metric.clone(), results: vec![series] }),
        }
    }
    wire::AlarmSnapshot { expression: alarm.expression.clone(), metrics }
}

/// The scope of that name; `None`: alarms know no such scope.
fn scope_of(scope: WireScope) -> Option<Scope> {
    [
        Scope::Service,
        Scope::ServiceInstance,
        Scope::Endpoint,
        Scope::ServiceRelation,
        Scope::ServiceInstanceRelation,
        Scope::EndpointRelation,
    ]
    .into_iter()
    .find(|own| wire_scope(*own) == Some(scope))
}

pub(crate) fn wire_scope(scope: Scope) -> Option<WireScope> {
    match scope {
        Scope::Service => Some(WireScope::Service),
        Scope::ServiceInstance => Some(WireScope::ServiceInstance),
        Scope::Endpoint => Some(WireScope::Endpoint),
        Scope::ServiceRelation => Some(WireScope::ServiceRelation),
        Scope::ServiceInstanceRelation => Some(WireScope::ServiceInstanceRelation),
        Scope::EndpointRelation => Some(WireScope::EndpointRelation),
        _ => None,
    }
}
