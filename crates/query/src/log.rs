//! Logs.

use model::{
    id,
    kinds::{RecordKind, log as field},
    record::{FieldValue, Record},
};
use prost::Message as _;
use proto::v3::{self, log_data_body::Content};
use storage::{Condition, Order, RecordOrder, RecordQuery, Test};

use crate::{
    Error,
    app::{App, given},
    duration, metadata,
    page::{Page, equal, of_entities, tagged},
    schema::{
        common::{ContentType, KeyValue, Log, Logs, Long, Order as WireOrder},
        log as wire,
    },
};

/// A page of logs, the last first unless asked otherwise. What is missing in the condition is said in `errorReason`.
///
/// # Errors
/// When an id or the duration is malformed.
pub(crate) async fn list(app: &App, condition: &wire::LogQueryCondition) -> Result<Logs, Error> {
    let time = condition.query_duration.as_ref().map(|duration| duration::parse(duration, app.zone())).transpose()?;
    let trace_id = condition.related_trace.as_ref().and_then(|trace| given(Some(&trace.trace_id)));
    if time.is_none() && trace_id.is_none() {
        let reason = "the condition must contain either queryDuration or relatedTrace".to_owned();
        return Ok(Logs { logs: Vec::new(), error_reason: Some(reason), debugging_trace: None });
    }
    let page = Page::of(&condition.paging);
    let order = match condition.query_order {
        Some(WireOrder::Asc) => Order::Asc,
        Some(WireOrder::Des) | None => Order::Desc,
    };
    let query = RecordQuery {
        kind: RecordKind::Log,
        time: time.map(|range| (range.start, range.end)),
        ids: Vec::new(),
        conditions: conditions(condition)?,
        order: RecordOrder::Time(order),
        offset: page.offset,
        limit: page.limit,
    };
    let records = if page.limit == 0 { Vec::new() } else { app.read().await.records(&query).await?.records };
    Ok(Logs { logs: records.iter().map(log_of).collect(), error_reason: None, debugging_trace: None })
}

/// The condition with ids instead of names.
pub(crate) fn by_name(app: &App, condition: wire::LogQueryConditionByName) -> wire::LogQueryCondition {
    wire::LogQueryCondition {
        service_id: condition.service.as_ref().map(|service| metadata::service_id(app, service).into()),
        service_instance_id: condition.instance.as_ref().map(|instance| metadata::instance_id(app, instance).into()),
        endpoint_id: condition.endpoint.as_ref().map(|endpoint| metadata::endpoint_id(app, endpoint).into()),
        related_trace: condition.related_trace,
        query_duration: condition.query_duration,
        query_order: condition.query_order,
        paging: condition.paging,
        tags: condition.tags,
        keywords_of_content: condition.keywords_of_content,
        excluding_keywords_of_content: condition.excluding_keywords_of_content,
    }
}

fn conditions(condition: &wire::LogQueryCondition) -> Result<Vec<Condition>, Error> {
    let ids = [&condition.service_id, &condition.service_instance_id, &condition.endpoint_id];
    let mut conditions = of_entities([field::SERVICE, field::INSTANCE, field::ENDPOINT], ids)?;
    if let Some(trace) = &condition.related_trace {
        conditions.extend(given(Some(&trace.trace_id)).map(|id| equal(field::TRACE_ID, id)));
        conditions.extend(given(trace.segment_id.as_deref()).map(|id| equal(field::SEGMENT_ID, id)));
        if let Some(span) = trace.span_id.filter(|_| given(trace.segment_id.as_deref()).is_some()) {
            let test = Test::Equal(FieldValue::Int(span.into()));
            conditions.push(Condition { field: field::SPAN_ID, test, negate: false });
        }
    }
    let tags = condition.tags.iter().flatten().filter(|tag| !tag.key.trim().is_empty());
    conditions.extend(tags.map(|tag| tagged(field::TAGS, &tag.key, tag.value.as_deref())));
    let phrases = |keywords: &Option<Vec<String>>, negate| {
        let keywords = keywords.iter().flatten().filter(|keyword| !keyword.trim().is_empty());
        let phrase =
            |keyword: &String| Condition { field: field::CONTENT, test: Test::Phrase(keyword.clone()), negate };
        keywords.map(phrase).collect::<Vec<_>>()
    };
    conditions.extend(phrases(&condition.keywords_of_content, false));
    conditions.extend(phrases(&condition.excluding_keywords_of_content, true));
    Ok(conditions)
}

/// Names are what the ids say. A log whose body cannot be read still has its fields.
fn log_of(record: &Record) -> Log {
    let text = |field: usize| record.fields.get(field).map_or("", FieldValue::text);
    let body = v3::LogData::decode(record.body.clone()).unwrap_or_default();
    let (content_type, content) = match body.body.and_then(|body| body.content) {
        Some(Content::Json(json)) => (ContentType::Json, json.json),
        Some(Content::Yaml(yaml)) => (ContentType::Yaml, yaml.yaml),
        Some(Content::Text(text)) => (ContentType::Text, text.text),
        None => (ContentType::Text, text(field::CONTENT).to_owned()),
    };
    let tags = body.tags.unwrap_or_default().data;
    let (service, instance, endpoint) = (text(field::SERVICE), text(field::INSTANCE), text(field::ENDPOINT));
    let some = |text: &str| given(Some(text)).map(str::to_owned);
    Log {
        service_id: given(Some(service)).map(Into::into),
        service_name: id::parse_service(service).ok().map(|(name, _)| name),
        service_instance_id: given(Some(instance)).map(Into::into),
        service_instance_name: id::parse_instance(instance).ok().map(|(_, name)| name),
        endpoint_id: given(Some(endpoint)).map(Into::into),
        endpoint_name: id::parse_endpoint(endpoint).ok().map(|(_, name)| name),
        trace_id: some(text(field::TRACE_ID)),
        timestamp: Long(record.time.0),
        content_type,
        content: Some(content),
        tags: Some(tags.into_iter().map(|tag| KeyValue { key: tag.key, value: Some(tag.value) }).collect()),
    }
}
