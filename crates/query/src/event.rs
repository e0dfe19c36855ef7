//! Events. The start and the end of an event are reported apart, each with its own record; reads merge them by uuid.

use std::collections::{HashMap, HashSet};

use model::{
    ByteString, UnixMillis,
    kinds::{RecordKind, event as field},
    record::{FieldValue, Record},
};
use prost::Message as _;
use proto::v3;
use storage::{Condition, Order, RecordOrder, RecordQuery, Test};

use crate::{
    Error,
    app::{App, given},
    duration::{self, Range},
    page::{Page, equal},
    schema::{
        common::{Event, EventType, KeyValue, Long, Order as WireOrder, Source},
        event as wire,
    },
};

/// Most reports that are looked through for one page.
const MAX_REPORTS: usize = 20_000;

/// A page of events by their start (their end where only that was reported), the last first unless asked otherwise.
///
/// # Errors
/// When neither a time nor a uuid is given, or the time is malformed.
pub(crate) async fn list(app: &App, condition: &wire::EventQueryCondition) -> Result<wire::Events, Error> {
    let uuid = given(condition.uuid.as_deref());
    let range = condition.time.as_ref().map(|duration| duration::parse(duration, app.zone())).transpose()?;
    if range.is_none() && uuid.is_none() {
        return Err(Error::Request("the condition must contain either time or uuid".to_owned()));
    }
    let mut events = matching(app, conditions(condition), range.as_ref()).await?;
    match condition.order {
        Some(WireOrder::Asc) => events.sort_by(|a, b| (when(a), &a.uuid).cmp(&(when(b), &b.uuid))),
        Some(WireOrder::Des) | None => last_first(&mut events),
    }
    Ok(wire::Events { events: Page::of(&condition.paging).cut(events) })
}

/// The events of any of these services, and of what belongs to them, within a range; the last first.
pub(crate) async fn of_services(
    app: &App,
    services: impl IntoIterator<Item = String>,
    range: &Range,
) -> Result<Vec<Event>, Error> {
    let names = services.into_iter().map(ByteString::from).collect();
    let of_them = Condition { field: field::SERVICE, test: Test::OneOf(names), negate: false };
    let mut events = matching(app, vec![of_them], Some(range)).await?;
    last_first(&mut events);
    Ok(events)
}

fn last_first(events: &mut [Event]) {
    events.sort_by(|a, b| (when(b), &a.uuid).cmp(&(when(a), &b.uuid)));
}

/// The events of which one report at least fulfils the conditions, in no order.
async fn matching(app: &App, conditions: Vec<Condition>, range: Option<&Range>) -> Result<Vec<Event>, Error> {
    // The reference leaves both ends out.
    let time = range.map(|range| (range.start.plus(1), range.end.plus(-1)));
    let matching = reports(app, conditions, time).await?;
    let uuids: HashSet<ByteString> = matching.iter().map(|record| text(record, field::UUID).into()).collect();
    // One report may match without the other, which lies outside the range or lacks what was asked for.
    let of_them = Condition { field: field::UUID, test: Test::OneOf(uuids.into_iter().collect()), negate: false };
    let all = if matching.is_empty() { Vec::new() } else { reports(app, vec![of_them], None).await? };
    Ok(merge(&all))
}

/// When an event is listed.
fn when(event: &Event) -> i64 {
    Some(event.start_time.0).filter(|start| *start > 0).or(event.end_time.map(|end| end.0)).unwrap_or(0)
}

async fn reports(
    app: &App,
    conditions: Vec<Condition>,
    time: Option<(UnixMillis, UnixMillis)>,
) -> Result<Vec<Record>, Error> {
    let query = RecordQuery {
        kind: RecordKind::Event,
        time,
        ids: Vec::new(),
        conditions,
        order: RecordOrder::Time(Order::Desc),
        offset: 0,
        limit: MAX_REPORTS,
    };
    Ok(app.read().await.records(&query).await?.records)
}

fn conditions(condition: &wire::EventQueryCondition) -> Vec<Condition> {
    let source = condition.source.as_ref();
    let kind = condition.r#type.map(|kind| match kind {
        EventType::Normal => "Normal",
        EventType::Error => "Error",
    });
    [
        (field::UUID, condition.uuid.as_deref()),
        (field::SERVICE, source.and_then(|source| source.service.as_deref())),
        (field::INSTANCE, source.and_then(|source| source.service_instance.as_deref())),
        (field::ENDPOINT, source.and_then(|source| source.endpoint.as_deref())),
        (field::NAME, condition.name.as_deref()),
        (field::TYPE, kind),
        (field::LAYER, condition.layer.as_deref()),
    ]
    .into_iter()
    .filter_map(|(field, wanted)| given(wanted).map(|wanted| equal(field, wanted)))
    .collect()
}

fn text(record: &Record, field: usize) -> &str {
    record.fields.get(field).map_or("", FieldValue::text)
}

/// Reports of one uuid become one event: the earliest start, the latest end, the last text that was said. Does not depend on
/// the order of the reports.
fn merge(reports: &[Record]) -> Vec<Event> {
    let mut by_uuid: HashMap<&str, Vec<(v3::Event, &Record)>> = HashMap::new();
    for record in reports {
        let body = v3::Event::decode(record.body.clone()).unwrap_or_default();
        by_uuid.entry(text(record, field::UUID)).or_default().push((body, record));
    }
    by_uuid
        .into_iter()
        .map(|(uuid, mut reports)| {
            reports.sort_by(|(a, a_record), (b, b_record)| {
                (a.end_time, a.start_time, &a_record.id).cmp(&(b.end_time, b.start_time, &b_record.id))
            });
            event_of(uuid, &reports)
        })
        .collect()
}

/// The event of its reports; they are in the order in which they were said, and there is at least one.
fn event_of(uuid: &str, reports: &[(v3::Event, &Record)]) -> Event {
    let last =
        |pick: fn(&v3::Event) -> &str| reports.iter().rev().map(|(event, _)| pick(event)).find(|text| !text.is_empty());
    let kept = |index: usize| reports.iter().rev().map(|(_, record)| text(record, index)).find(|text| !text.is_empty());
    let start = reports.iter().map(|(event, _)| event.start_time).filter(|time| *time > 0).min();
    let end = reports.iter().map(|(event, _)| event.end_time).filter(|time| *time > 0).max();
    let mut parameters: Vec<KeyValue> = Vec::new();
    for (key, value) in reports.iter().flat_map(|(event, _)| &event.parameters) {
        match parameters.iter_mut().find(|known| known.key == *key) {
            Some(known) => known.value = Some(value.clone()),
            None => parameters.push(KeyValue { key: key.clone(), value: Some(value.clone()) }),
        }
    }
    parameters.sort_by(|a, b| a.key.cmp(&b.key));
    let owned = |text: Option<&str>| text.unwrap_or("").to_owned();
    Event {
        uuid: uuid.to_owned(),
        source: Source {
            service: Some(owned(kept(field::SERVICE))),
            service_instance: Some(owned(kept(field::INSTANCE))),
            endpoint: Some(owned(kept(field::ENDPOINT))),
        },
        name: owned(kept(field::NAME)),
        r#type: if kept(field::TYPE) == Some("Error") { EventType::Error } else { EventType::Normal },
        message: last(|event| &event.message).map(str::to_owned),
        parameters: (!parameters.is_empty()).then_some(parameters),
        start_time: Long(start.unwrap_or(0)),
        end_time: end.map(Long),
        layer: owned(kept(field::LAYER)),
    }
}
