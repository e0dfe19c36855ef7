//! Segments and spans as agents report them: in the shape that analysis sees and in the wire's.
//!
//! ```
//! use model::segment::Span;
//! use testkit::segments::{caller, entry, exit, segment};
//! let front = segment("front", "f1", "T1", "S1", vec![exit(1, 0, "/pay", 1_010, 80, "pay:80"), entry(0, "/buy", 1_000, 100)]);
//! let back = segment("pay", "p1", "T1", "S2", vec![
//!     Span { component: 1, refs: vec![caller(&front, 1)], ..entry(0, "/pay", 1_020, 50) },
//! ]);
//! assert_eq!(back.spans[0].refs[0].address, "pay:80");
//! ```

use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use prost::Message as _;
use proto::v3;

/// A segment, its body encoded as an agent would send it.
pub fn segment(service: &str, instance: &str, trace_id: &str, segment_id: &str, spans: Vec<Span>) -> Segment {
    encoded(Segment {
        trace_id: trace_id.into(),
        segment_id: segment_id.into(),
        service: service.into(),
        instance: instance.into(),
        spans,
        body: bytes::Bytes::new(),
    })
}

/// The segment with the body that belongs to its fields; call it after a field was changed.
#[must_use]
pub fn encoded(mut segment: Segment) -> Segment {
    segment.body = object(&segment).encode_to_vec().into();
    segment
}

/// The first span of a segment: id `id` (0 as a rule), no parent, HTTP. Times in milliseconds.
pub fn entry(id: i32, operation: &str, start: i64, latency: i64) -> Span {
    Span {
        id,
        parent_id: -1,
        start,
        end: start + latency,
        operation: operation.into(),
        kind: SpanKind::Entry,
        layer: SpanLayer::Http,
        ..Span::default()
    }
}

/// A span that calls `peer`, HTTP.
pub fn exit(id: i32, parent_id: i32, operation: &str, start: i64, latency: i64, peer: &str) -> Span {
    Span { parent_id, peer: peer.into(), kind: SpanKind::Exit, ..entry(id, operation, start, latency) }
}

/// A span within the process.
pub fn local(id: i32, parent_id: i32, operation: &str, start: i64, latency: i64) -> Span {
    Span { parent_id, kind: SpanKind::Local, layer: SpanLayer::Unknown, ..entry(id, operation, start, latency) }
}

/// The reference that a called segment carries to span `span_id` of the calling one: the caller's names, the operation of its
/// entry span (of its first span where it has none) as endpoint, and the peer of the calling span as address.
///
/// Panics when the caller has no such span.
pub fn caller(of: &Segment, span_id: i32) -> SpanRef {
    let span = of.spans.iter().find(|s| s.id == span_id).expect("the calling span is one of the segment's");
    let entry = of.spans.iter().find(|s| s.kind == SpanKind::Entry).or_else(|| of.spans.iter().find(|s| s.id == 0));
    SpanRef {
        cross_thread: false,
        trace_id: of.trace_id.clone(),
        segment_id: of.segment_id.clone(),
        span_id,
        service: of.service.clone(),
        instance: of.instance.clone(),
        endpoint: entry.map(|s| s.operation.clone()).unwrap_or_default(),
        address: span.peer.clone(),
    }
}

/// Tags in this order.
pub fn tags(tags: &[(&str, &str)]) -> Vec<Tag> {
    tags.iter().map(|&(key, value)| Tag { key: key.into(), value: value.into() }).collect()
}

/// The segment in the wire's shape.
pub fn object(segment: &Segment) -> v3::SegmentObject {
    v3::SegmentObject {
        trace_id: segment.trace_id.to_string(),
        trace_segment_id: segment.segment_id.to_string(),
        spans: segment.spans.iter().map(span_object).collect(),
        service: segment.service.to_string(),
        service_instance: segment.instance.to_string(),
        is_size_limited: false,
    }
}

fn span_object(span: &Span) -> v3::SpanObject {
    v3::SpanObject {
        span_id: span.id,
        parent_span_id: span.parent_id,
        start_time: span.start,
        end_time: span.end,
        refs: span.refs.iter().map(reference).collect(),
        operation_name: span.operation.to_string(),
        peer: span.peer.to_string(),
        span_type: match span.kind {
            SpanKind::Entry => v3::SpanType::Entry,
            SpanKind::Exit => v3::SpanType::Exit,
            SpanKind::Local => v3::SpanType::Local,
        }
        .into(),
        span_layer: match span.layer {
            SpanLayer::Unknown => v3::SpanLayer::Unknown,
            SpanLayer::Database => v3::SpanLayer::Database,
            SpanLayer::RpcFramework => v3::SpanLayer::RpcFramework,
            SpanLayer::Http => v3::SpanLayer::Http,
            SpanLayer::Mq => v3::SpanLayer::Mq,
            SpanLayer::Cache => v3::SpanLayer::Cache,
            SpanLayer::Faas => v3::SpanLayer::Faas,
            SpanLayer::GenAi => v3::SpanLayer::GenAi,
        }
        .into(),
        component_id: span.component,
        is_error: span.is_error,
        tags: pairs(&span.tags),
        logs: span.logs.iter().map(|log| v3::Log { time: log.time, data: pairs(&log.data) }).collect(),
        skip_analysis: span.skip_analysis,
    }
}

fn reference(of: &SpanRef) -> v3::SegmentReference {
    v3::SegmentReference {
        ref_type: if of.cross_thread { v3::RefType::CrossThread } else { v3::RefType::CrossProcess }.into(),
        trace_id: of.trace_id.to_string(),
        parent_trace_segment_id: of.segment_id.to_string(),
        parent_span_id: of.span_id,
        parent_service: of.service.to_string(),
        parent_service_instance: of.instance.to_string(),
        parent_endpoint: of.endpoint.to_string(),
        network_address_used_at_peer: of.address.to_string(),
    }
}

fn pairs(tags: &[Tag]) -> Vec<v3::KeyStringValuePair> {
    tags.iter().map(|t| v3::KeyStringValuePair { key: t.key.to_string(), value: t.value.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_an_agent_would_send() {
        let front = segment(
            "front",
            "f1",
            "T1",
            "S1",
            vec![
                Span { tags: tags(&[("http.status_code", "200")]), ..exit(1, 0, "/pay", 1_010, 80, "pay:80") },
                entry(0, "/buy", 1_000, 100),
            ],
        );
        let read = v3::SegmentObject::decode(front.body.clone()).unwrap();
        assert_eq!(read, object(&front));
        assert_eq!(read.spans[0].peer, "pay:80");
        assert_eq!(read.spans[0].tags[0].value, "200");
        assert_eq!((read.spans[1].parent_span_id, read.spans[1].end_time), (-1, 1_100));
        let reference = caller(&front, 1);
        assert_eq!((&*reference.endpoint, &*reference.address, reference.span_id), ("/buy", "pay:80", 1));
    }
}
