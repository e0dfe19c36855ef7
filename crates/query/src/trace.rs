//! Lists of traces and whole traces (analysis, section 6).

use std::collections::{BTreeMap, HashMap, HashSet};

use model::{
    ByteString, UnixMillis, id,
    kinds::{RecordKind, segment as field},
    record::{FieldValue, Format, Record},
    segment::{Segment, Span, SpanKind, SpanLayer, SpanLog, SpanRef, Tag},
    trace::{TraceSpan, assemble},
};
use prost::Message as _;
use proto::v3;
use storage::{Condition, Order, RecordOrder, RecordQuery, Test};

use crate::{
    Components, Error,
    app::{App, given},
    duration::{self, Range},
    metadata,
    page::{Page, equal, of_entities, tagged},
    schema::{
        common::{KeyValue, LogEntity, Long, Ref, RefType},
        trace as wire,
    },
};

/// Most segments of one trace that are shown: the earliest.
const MAX_SEGMENTS: usize = 5_000;
/// Most segments that are looked through for one page of whole traces.
const MAX_LOOKED_THROUGH: usize = 20_000;
/// How many segments are looked through at a time.
const LOOK_STEP: usize = 500;
/// What a list of whole traces searches when it names no duration: the last day.
const DEFAULT_WINDOW_MS: i64 = 24 * 60 * 60 * 1_000;

/// One row for each segment that matches.
///
/// # Errors
/// When neither a trace id nor a duration is given, or an id or the duration is malformed.
pub(crate) async fn list_segments(app: &App, condition: &wire::TraceQueryCondition) -> Result<wire::TraceBrief, Error> {
    let range = range(app, condition)?;
    if range.is_none() && given(condition.trace_id.as_deref()).is_none() {
        return Err(Error::Request("the condition must contain either queryDuration or traceId".to_owned()));
    }
    let page = Page::of(&condition.paging);
    let query = segment_query(condition, range.as_ref(), page.offset, page.limit)?;
    let records = if page.limit == 0 { Vec::new() } else { app.read().await.records(&query).await?.records };
    Ok(wire::TraceBrief { traces: records.iter().map(basic_trace).collect(), debugging_trace: None })
}

/// Whole traces of which a segment matches, in the order of their first segment that does. A trace that is asked for by its
/// id is found wherever it lies: shared links carry the reader's window, not the trace's.
///
/// # Errors
/// When an id or the duration is malformed.
pub(crate) async fn list_traces(app: &App, condition: &wire::TraceQueryCondition) -> Result<wire::TraceList, Error> {
    let (start, end) = window(app, condition)?;
    let window = match given(condition.trace_id.as_deref()) {
        Some(_) => None,
        None => Some((start, end)),
    };
    let page = Page::of(&condition.paging);
    let trace_ids = matching_traces(app, condition, window, page).await?;
    let mut spans = spans_of(app, &trace_ids).await?;
    let traces = trace_ids
        .iter()
        .filter_map(|id| spans.remove(id))
        .filter(|spans| !spans.is_empty())
        .map(|spans| wire::TraceV2 { spans })
        .collect();
    let retrieved_time_range = wire::RetrievedTimeRange { start_time: Long(start.0), end_time: Long(end.0) };
    Ok(wire::TraceList { traces, retrieved_time_range, debugging_trace: None })
}

/// All spans of a trace in display order; none when nobody knows it.
pub(crate) async fn trace(app: &App, trace_id: &str) -> Result<wire::Trace, Error> {
    let id = ByteString::from(trace_id);
    let spans = spans_of(app, std::slice::from_ref(&id)).await?.remove(&id).unwrap_or_default();
    Ok(wire::Trace { spans, debugging_trace: None })
}

/// The condition with ids instead of names.
pub(crate) fn by_name(app: &App, condition: wire::TraceQueryConditionByName) -> wire::TraceQueryCondition {
    wire::TraceQueryCondition {
        service_id: condition.service.as_ref().map(|service| metadata::service_id(app, service).into()),
        service_instance_id: condition.instance.as_ref().map(|instance| metadata::instance_id(app, instance).into()),
        endpoint_id: condition.endpoint.as_ref().map(|endpoint| metadata::endpoint_id(app, endpoint).into()),
        trace_id: condition.trace_id,
        query_duration: condition.query_duration,
        min_trace_duration: condition.min_trace_duration,
        max_trace_duration: condition.max_trace_duration,
        trace_state: condition.trace_state,
        query_order: condition.query_order,
        paging: condition.paging,
        tags: condition.tags,
    }
}

fn range(app: &App, condition: &wire::TraceQueryCondition) -> Result<Option<Range>, Error> {
    condition.query_duration.as_ref().map(|duration| duration::parse(duration, app.zone())).transpose()
}

/// What a list of traces searches: the duration, or the last day where none is named.
///
/// # Errors
/// When the duration is malformed.
pub(crate) fn window(app: &App, condition: &wire::TraceQueryCondition) -> Result<(UnixMillis, UnixMillis), Error> {
    let now = app.sources.clock.now();
    Ok(range(app, condition)?.map_or((now.plus(-DEFAULT_WINDOW_MS), now), |range| (range.start, range.end)))
}

fn segment_query(
    condition: &wire::TraceQueryCondition,
    range: Option<&Range>,
    offset: usize,
    limit: usize,
) -> Result<RecordQuery, Error> {
    let ids = [&condition.service_id, &condition.service_instance_id, &condition.endpoint_id];
    let mut conditions = of_entities([field::SERVICE, field::INSTANCE, field::ENDPOINT], ids)?;
    if let Some(id) = given(condition.trace_id.as_deref()) {
        conditions.push(equal(field::TRACE_ID, id));
    }
    let bound = |bound: Option<i32>| bound.filter(|bound| *bound != 0).map(i64::from);
    let (least, most) = (bound(condition.min_trace_duration), bound(condition.max_trace_duration));
    if least.is_some() || most.is_some() {
        let test = Test::Within(least.unwrap_or(i64::MIN), most.unwrap_or(i64::MAX));
        conditions.push(Condition { field: field::LATENCY, test, negate: false });
    }
    let is_error = match condition.trace_state {
        wire::TraceState::All => None,
        wire::TraceState::Error => Some(true),
        wire::TraceState::Success => Some(false),
    };
    if let Some(is_error) = is_error {
        let test = Test::Equal(FieldValue::Bool(is_error));
        conditions.push(Condition { field: field::IS_ERROR, test, negate: false });
    }
    let tags = condition.tags.iter().flatten().filter(|tag| !tag.key.trim().is_empty());
    conditions.extend(tags.map(|tag| tagged(field::TAGS, &tag.key, tag.value.as_deref())));
    Ok(RecordQuery {
        kind: RecordKind::Segment,
        time: range.map(|range| (range.start, range.end)),
        ids: Vec::new(),
        conditions,
        order: match condition.query_order {
            wire::QueryOrder::ByStartTime => RecordOrder::Time(Order::Desc),
            wire::QueryOrder::ByDuration => RecordOrder::Field(field::LATENCY, Order::Desc),
        },
        offset,
        limit,
    })
}

fn text(record: &Record, field: usize) -> &str {
    record.fields.get(field).map_or("", FieldValue::text)
}

fn basic_trace(record: &Record) -> wire::BasicTrace {
    let latency = record.fields.get(field::LATENCY).map_or(0, FieldValue::int);
    let endpoint = id::parse_endpoint(text(record, field::ENDPOINT)).map(|(_, name)| name);
    wire::BasicTrace {
        segment_id: record.id.to_string(),
        endpoint_names: endpoint.into_iter().collect(),
        duration: i32::try_from(latency).unwrap_or(if latency < 0 { i32::MIN } else { i32::MAX }),
        start: record.time.0.to_string(),
        is_error: Some(record.fields.get(field::IS_ERROR).is_some_and(FieldValue::bool)),
        trace_ids: vec![text(record, field::TRACE_ID).to_owned()],
    }
}

/// The ids of the page's traces, in the order of their first matching segment.
pub(crate) async fn matching_traces(
    app: &App,
    condition: &wire::TraceQueryCondition,
    window: Option<(UnixMillis, UnixMillis)>,
    page: Page,
) -> Result<Vec<ByteString>, Error> {
    let mut query = segment_query(condition, None, 0, LOOK_STEP)?;
    query.time = window;
    let wanted = page.offset.saturating_add(page.limit);
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    while page.limit > 0 && query.offset < MAX_LOOKED_THROUGH && order.len() < wanted {
        let records = app.read().await.records(&query).await?.records;
        for record in &records {
            let trace_id = ByteString::from(text(record, field::TRACE_ID));
            if seen.insert(trace_id.clone()) {
                order.push(trace_id);
            }
        }
        if records.len() < LOOK_STEP {
            break;
        }
        query.offset += LOOK_STEP;
    }
    Ok(page.cut(order))
}

/// The assembled spans of each trace that is stored. A body that cannot be read is left out: the others still tell something.
async fn spans_of(app: &App, trace_ids: &[ByteString]) -> Result<HashMap<ByteString, Vec<wire::Span>>, Error> {
    if trace_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = RecordQuery {
        kind: RecordKind::Segment,
        time: None,
        ids: Vec::new(),
        conditions: vec![Condition { field: field::TRACE_ID, test: Test::OneOf(trace_ids.to_vec()), negate: false }],
        order: RecordOrder::Time(Order::Asc),
        offset: 0,
        limit: MAX_SEGMENTS,
    };
    let mut by_trace: BTreeMap<ByteString, Vec<Segment>> = BTreeMap::new();
    for record in app.read().await.records(&query).await?.records {
        if let Some(segment) = decode(&record) {
            by_trace.entry(text(&record, field::TRACE_ID).into()).or_default().push(segment);
        }
    }
    let components = &app.sources.components;
    Ok(by_trace
        .into_iter()
        .map(|(id, segments)| (id, assemble(segments).into_iter().map(|span| span_to_wire(span, components)).collect()))
        .collect())
}

/// The stored segment, whatever protocol it came by.
pub(crate) fn decode(record: &Record) -> Option<Segment> {
    match record.format {
        Format::Segment => match v3::SegmentObject::decode(record.body.clone()) {
            Ok(object) => Some(segment_of(object)),
            Err(error) => {
                tracing::warn!(%error, id = %record.id, "stored segment is unreadable");
                None
            }
        },
        Format::None | Format::Log | Format::Event | Format::Summary | Format::Alarm => None,
    }
}

fn segment_of(object: v3::SegmentObject) -> Segment {
    Segment {
        trace_id: object.trace_id.into(),
        segment_id: object.trace_segment_id.into(),
        service: object.service.into(),
        instance: object.service_instance.into(),
        spans: object.spans.into_iter().map(span_of).collect(),
        body: bytes::Bytes::new(),
    }
}

fn span_of(object: v3::SpanObject) -> Span {
    Span {
        id: object.span_id,
        parent_id: object.parent_span_id,
        start: object.start_time,
        end: object.end_time,
        refs: object.refs.into_iter().map(ref_of).collect(),
        operation: object.operation_name.into(),
        peer: object.peer.into(),
        kind: SpanKind::from_wire(object.span_type),
        layer: SpanLayer::from_wire(object.span_layer),
        component: object.component_id,
        is_error: object.is_error,
        tags: object.tags.into_iter().map(tag_of).collect(),
        logs: object
            .logs
            .into_iter()
            .map(|log| SpanLog { time: log.time, data: log.data.into_iter().map(tag_of).collect() })
            .collect(),
        skip_analysis: object.skip_analysis,
    }
}

fn ref_of(object: v3::SegmentReference) -> SpanRef {
    SpanRef {
        cross_thread: object.ref_type == v3::RefType::CrossThread as i32,
        trace_id: object.trace_id.into(),
        segment_id: object.parent_trace_segment_id.into(),
        span_id: object.parent_span_id,
        service: object.parent_service.into(),
        instance: object.parent_service_instance.into(),
        endpoint: object.parent_endpoint.into(),
        address: object.network_address_used_at_peer.into(),
    }
}

fn tag_of(pair: v3::KeyStringValuePair) -> Tag {
    Tag { key: pair.key.into(), value: pair.value.into() }
}

fn span_to_wire(
    TraceSpan { trace_id, segment_id, service, instance, span }: TraceSpan,
    components: &Components,
) -> wire::Span {
    wire::Span {
        trace_id: trace_id.to_string().into(),
        segment_id: segment_id.to_string().into(),
        span_id: span.id,
        parent_span_id: span.parent_id,
        refs: span.refs.iter().map(ref_to_wire).collect(),
        service_code: service.to_string(),
        service_instance_name: instance.to_string().into(),
        start_time: Long(span.start),
        end_time: Long(span.end),
        endpoint_name: Some(span.operation.to_string()),
        r#type: span.kind.name().to_owned(),
        peer: Some(span.peer.to_string()),
        component: Some(components.name(span.component).to_owned()),
        is_error: Some(span.is_error),
        layer: Some(span.layer.name().to_owned()),
        tags: span.tags.iter().map(tag_to_wire).collect(),
        logs: span
            .logs
            .iter()
            .map(|log| LogEntity { time: Long(log.time), data: Some(log.data.iter().map(tag_to_wire).collect()) })
            .collect(),
        attached_events: Vec::new(),
    }
}

fn ref_to_wire(parent: &SpanRef) -> Ref {
    Ref {
        trace_id: parent.trace_id.to_string().into(),
        parent_segment_id: parent.segment_id.to_string().into(),
        parent_span_id: parent.span_id,
        r#type: if parent.cross_thread { RefType::CrossThread } else { RefType::CrossProcess },
    }
}

fn tag_to_wire(tag: &Tag) -> KeyValue {
    KeyValue { key: tag.key.to_string(), value: Some(tag.value.to_string()) }
}
