//! The segment itself: what it can be found by, and its bytes as they came.

use model::kinds::{RecordKind, segment as field};
use model::ledger::Reason;
use model::record::{FieldValue, Format, Record};
use model::segment::{Segment, Span, SpanKind};
use model::telemetry::Signal;
use model::{ByteString, UnixMillis, id};

use super::Own;
use crate::context::SegmentStatus;
use crate::derive::Out;
use crate::tags;

/// Appends the segment's record, and notes its searchable tags for completion. A segment that sampling leaves out leaves neither.
pub(super) fn derive(segment: &Segment, own: &Own<'_>, out: &mut Out<'_>) {
    // A start of 0 is one that was never set; a span at a time that no row may be opened for says nothing of the segment's.
    let possible = || segment.spans.iter().filter(|s| s.start == 0 || out.minute(s.start).is_some());
    let Some(start) = possible().map(|s| s.start).filter(|&at| at != 0).min() else {
        return out.refuse(Signal::Segment, Reason::TimeOutOfRange);
    };
    let end = possible().map(|s| s.end).max().unwrap_or(start);
    let latency = end.saturating_sub(start).min(i64::from(i32::MAX));

    let is_error = is_error(&segment.spans, out.settings().segment_status);
    // By the whole name, as it was reported: longer ones than ids take have policies, too.
    if !out.policies().sampler.keeps(&segment.service, &segment.trace_id, latency, is_error) {
        return out.sample_out(Signal::Segment);
    }

    let mut kept = tags::Searchable::new(&out.settings().trace_tags);
    segment.spans.iter().for_each(|span| kept.add_all(&span.tags));
    let tags = kept.note(start, out);

    let endpoint = endpoint(&segment.spans).map(|name| id::endpoint(&own.service_id, &out.endpoint(own.service, name)));
    let [service, instance, endpoint] = ids(own, endpoint.as_deref());
    let mut fields = vec![FieldValue::Absent; RecordKind::Segment.def().fields.len()];
    fields[field::TRACE_ID] = FieldValue::keyword(segment.trace_id.clone());
    fields[field::SERVICE] = service;
    fields[field::INSTANCE] = instance;
    fields[field::ENDPOINT] = endpoint;
    fields[field::LATENCY] = FieldValue::Int(latency);
    fields[field::IS_ERROR] = FieldValue::Bool(is_error);
    fields[field::TAGS] = tags;
    out.records.push(Record {
        kind: RecordKind::Segment,
        id: segment.segment_id.clone(),
        time: UnixMillis(start),
        fields,
        format: Format::Segment,
        body: segment.body.clone(),
    });
}

/// The ids of the service, the instance and the endpoint in one piece of memory: a record is copied and dropped in other threads.
fn ids(own: &Own<'_>, endpoint: Option<&str>) -> [FieldValue; 3] {
    let all = ByteString::from([&own.instance_id, endpoint.unwrap_or_default()].concat());
    let (instance, behind) = all.split_at(own.instance_id.len());
    // The instance's id begins with the service's.
    let (service, _) = instance.split_at(own.service_id.len());
    let endpoint = endpoint.map_or(FieldValue::Absent, |_| FieldValue::Text(behind));
    [FieldValue::Text(service), FieldValue::Text(instance), endpoint]
}

/// The endpoint that a segment is listed under: of its first span and its entry spans the one that stands last.
fn endpoint(spans: &[Span]) -> Option<&str> {
    spans.iter().rev().find(|s| s.id == 0 || s.kind == SpanKind::Entry).map(|s| &*s.operation)
}

fn is_error(spans: &[Span], status: SegmentStatus) -> bool {
    spans.iter().filter(|s| s.is_error).any(|s| match status {
        SegmentStatus::AnySpan => true,
        SegmentStatus::EntrySpan => s.kind == SpanKind::Entry,
        SegmentStatus::FirstSpan => s.id == 0,
    })
}
