//! The decoders against `prost`: the same messages accepted, and the same things understood.

use bytes::Bytes;
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use model::telemetry::{Event, Jvm, JvmClasses, JvmGc, JvmMemory, JvmPool, JvmThreads, KeepAlive, Log, Properties};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use proto::v3;

use super::reader::WireError;
use super::segment::Limits;

const LIMITS: Limits = Limits { spans: 10_000 };

fn tags(pairs: Vec<v3::KeyStringValuePair>) -> Vec<Tag> {
    pairs.into_iter().map(|pair| Tag { key: pair.key.into(), value: pair.value.into() }).collect()
}

fn segment(message: v3::SegmentObject, body: &Bytes) -> Segment {
    let reference = |it: v3::SegmentReference| SpanRef {
        cross_thread: it.ref_type == v3::RefType::CrossThread as i32,
        trace_id: it.trace_id.into(),
        segment_id: it.parent_trace_segment_id.into(),
        span_id: it.parent_span_id,
        service: it.parent_service.into(),
        instance: it.parent_service_instance.into(),
        endpoint: it.parent_endpoint.into(),
        address: it.network_address_used_at_peer.into(),
    };
    let span = |it: v3::SpanObject| Span {
        id: it.span_id,
        parent_id: it.parent_span_id,
        start: it.start_time,
        end: it.end_time,
        refs: it.refs.into_iter().map(reference).collect(),
        operation: it.operation_name.into(),
        peer: it.peer.into(),
        kind: SpanKind::from_wire(it.span_type),
        layer: SpanLayer::from_wire(it.span_layer),
        component: it.component_id,
        is_error: it.is_error,
        tags: tags(it.tags),
        logs: Vec::new(),
        skip_analysis: it.skip_analysis,
    };
    Segment {
        trace_id: message.trace_id.into(),
        segment_id: message.trace_segment_id.into(),
        service: message.service.into(),
        instance: message.service_instance.into(),
        spans: message.spans.into_iter().map(span).collect(),
        body: body.clone(),
    }
}

fn log(message: v3::LogData, body: &Bytes) -> Log {
    use v3::log_data_body::Content;
    let content = message.body.and_then(|body| body.content).map_or_else(String::new, |content| match content {
        Content::Text(it) => it.text,
        Content::Json(it) => it.json,
        Content::Yaml(it) => it.yaml,
    });
    let context = message.trace_context.unwrap_or_default();
    Log {
        service: message.service.into(),
        instance: message.service_instance.into(),
        endpoint: message.endpoint.into(),
        layer: message.layer.into(),
        time: message.timestamp,
        trace_id: context.trace_id.into(),
        segment_id: context.trace_segment_id.into(),
        span_id: context.span_id,
        content: content.into(),
        tags: tags(message.tags.unwrap_or_default().data),
        body: body.clone(),
    }
}

fn event(message: v3::Event, body: &Bytes) -> Event {
    let source = message.source.unwrap_or_default();
    Event {
        uuid: message.uuid.into(),
        service: source.service.into(),
        instance: source.service_instance.into(),
        endpoint: source.endpoint.into(),
        name: message.name.into(),
        is_error: message.r#type == v3::Type::Error as i32,
        layer: message.layer.into(),
        start: message.start_time,
        end: message.end_time,
        body: body.clone(),
    }
}

fn jvm(metric: v3::JvmMetric) -> Jvm {
    let memory = |it: v3::Memory| JvmMemory {
        is_heap: it.is_heap,
        init: it.init,
        max: it.max,
        used: it.used,
        committed: it.committed,
    };
    let pool = |it: v3::MemoryPool| JvmPool {
        pool: it.r#type,
        init: it.init,
        max: it.max,
        used: it.used,
        committed: it.committed,
    };
    let threads = metric.thread.unwrap_or_default();
    let classes = metric.clazz.unwrap_or_default();
    Jvm {
        time: metric.time,
        cpu_usage_percent: metric.cpu.unwrap_or_default().usage_percent,
        memory: metric.memory.into_iter().map(memory).collect(),
        pools: metric.memory_pool.into_iter().map(pool).collect(),
        gc: metric.gc.into_iter().map(|it| JvmGc { phase: it.phase, count: it.count, time: it.time }).collect(),
        threads: JvmThreads {
            live: threads.live_count,
            daemon: threads.daemon_count,
            peak: threads.peak_count,
            runnable: threads.runnable_state_thread_count,
            blocked: threads.blocked_state_thread_count,
            waiting: threads.waiting_state_thread_count,
            timed_waiting: threads.timed_waiting_state_thread_count,
        },
        classes: JvmClasses {
            loaded: classes.loaded_class_count,
            total_unloaded: classes.total_unloaded_class_count,
            total_loaded: classes.total_loaded_class_count,
        },
        ..Jvm::default()
    }
}

/// A whole collection the way the intake reads it: names, and metrics that are each decoded.
fn jvm_collection(bytes: &Bytes) -> Result<Vec<Jvm>, WireError> {
    let collection = super::jvm::collection(bytes)?;
    let named = |jvm| Jvm { service: collection.service.clone(), instance: collection.instance.clone(), ..jvm };
    collection.metrics.iter().map(|metric| super::jvm::metric(metric).map(named)).collect()
}

/// Both decoders agree on these bytes.
fn agree(bytes: &Bytes) {
    let check = |name: &str, ours: Option<String>, theirs: Option<String>| assert_eq!(ours, theirs, "{name} {bytes:?}");
    fn shown<T: std::fmt::Debug, E>(result: Result<T, E>) -> Option<String> {
        result.ok().map(|it| format!("{it:?}"))
    }
    let theirs = v3::SegmentObject::decode(bytes.clone()).map(|it| segment(it, bytes));
    check("segment", shown(super::segment::decode(bytes, LIMITS)), shown(theirs));
    let theirs = v3::LogData::decode(bytes.clone()).map(|it| log(it, bytes));
    check("log", shown(super::log::decode(bytes)), shown(theirs));
    let theirs = v3::Event::decode(bytes.clone()).map(|it| event(it, bytes));
    check("event", shown(super::event::decode(bytes)), shown(theirs));
    let theirs = v3::JvmMetricCollection::decode(bytes.clone()).map(|it| {
        let (service, instance) = (it.service, it.service_instance);
        let named = |metric| Jvm { service: service.clone().into(), instance: instance.clone().into(), ..jvm(metric) };
        it.metrics.into_iter().map(named).collect::<Vec<_>>()
    });
    check("jvm", shown(jvm_collection(bytes)), shown(theirs));
    let theirs = v3::InstanceProperties::decode(bytes.clone()).map(|it| Properties {
        service: it.service.into(),
        instance: it.service_instance.into(),
        properties: tags(it.properties),
    });
    check("properties", shown(super::management::properties(bytes)), shown(theirs));
    let theirs = v3::InstancePingPkg::decode(bytes.clone()).map(|it| KeepAlive {
        service: it.service.into(),
        instance: it.service_instance.into(),
        layer: it.layer.into(),
    });
    check("ping", shown(super::management::keep_alive(bytes)), shown(theirs));
}

/// Bytes that are nearly messages: fields of low numbers with values of every wire type, nested, and sometimes cut or bent.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        4 => "[a-zä]{0,6}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
    ];
    let number = prop_oneof![0u64..20, any::<u64>()];
    let leaf = (0u32..20, 0u8..10, number, text).prop_map(|(field, wire, number, text)| {
        let mut out = Vec::new();
        let key = |wire: u64, out: &mut Vec<u8>| prost::encoding::encode_varint(u64::from(field) << 3 | wire, out);
        match wire {
            0..4 => {
                key(0, &mut out);
                prost::encoding::encode_varint(number, &mut out);
            }
            4 => {
                key(1, &mut out);
                out.extend(number.to_le_bytes());
            }
            5 => {
                key(5, &mut out);
                out.extend([1, 2, 3, 4]);
            }
            6 => {
                key(3, &mut out);
                key(4, &mut out);
            }
            wire => {
                key(if wire == 9 { number & 7 } else { 2 }, &mut out);
                prost::encoding::encode_varint(text.len() as u64, &mut out);
                out.extend(text);
            }
        }
        out
    });
    leaf.prop_recursive(4, 64, 6, |inner| {
        (1u32..16, vec(inner, 0..6), any::<bool>()).prop_map(|(field, parts, group)| {
            let parts = parts.concat();
            let mut out = Vec::new();
            let field = u64::from(field) << 3;
            prost::encoding::encode_varint(field | if group && parts.len() % 5 == 0 { 3 } else { 2 }, &mut out);
            if group && parts.len() % 5 == 0 {
                out.extend(parts);
                prost::encoding::encode_varint(field | 4, &mut out);
            } else {
                prost::encoding::encode_varint(parts.len() as u64, &mut out);
                out.extend(parts);
            }
            out
        })
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{0,8}", any::<String>()]
}

fn pair() -> impl Strategy<Value = v3::KeyStringValuePair> {
    (text(), text()).prop_map(|(key, value)| v3::KeyStringValuePair { key, value })
}

prop_compose! {
    fn reference()(
        ref_type in -1..3i32, trace_id in text(), segment in text(), parent_span_id in any::<i32>(), service in text(),
        instance in text(), endpoint in text(), address in text(),
    ) -> v3::SegmentReference {
        v3::SegmentReference {
            ref_type, trace_id, parent_trace_segment_id: segment, parent_span_id, parent_service: service,
            parent_service_instance: instance, parent_endpoint: endpoint, network_address_used_at_peer: address,
        }
    }
}

prop_compose! {
    fn span()(
        ids in any::<[i32; 3]>(), times in any::<[i64; 3]>(), refs in vec(reference(), 0..3), operation_name in text(),
        peer in text(), kinds in (-1..4i32, -1..10i32), flags in any::<[bool; 2]>(), tags in vec(pair(), 0..4),
        data in vec(pair(), 0..3),
    ) -> v3::SpanObject {
        v3::SpanObject {
            span_id: ids[0], parent_span_id: ids[1], start_time: times[0], end_time: times[1], refs, operation_name, peer,
            span_type: kinds.0, span_layer: kinds.1, component_id: ids[2], is_error: flags[0], tags,
            logs: vec![v3::Log { time: times[2], data }], skip_analysis: flags[1],
        }
    }
}

prop_compose! {
    fn segment_object()(
        trace_id in text(), trace_segment_id in text(), spans in vec(span(), 0..5), service in text(),
        service_instance in text(), is_size_limited in any::<bool>(),
    ) -> v3::SegmentObject {
        v3::SegmentObject { trace_id, trace_segment_id, spans, service, service_instance, is_size_limited }
    }
}

proptest! {
    #[test]
    fn segments_are_understood_as_prost_does(message in segment_object()) {
        let bytes = Bytes::from(message.encode_to_vec());
        prop_assert_eq!(super::segment::decode(&bytes, LIMITS), Ok(segment(message, &bytes)));
    }

    #[test]
    fn a_cut_or_bent_segment_is_accepted_where_prost_accepts_it(
        message in segment_object(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = message.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agree(&Bytes::from(bytes.clone()));
        bytes.truncate(cut.index(bytes.len()));
        agree(&Bytes::from(bytes));
    }

    #[test]
    fn nearly_messages_are_accepted_where_prost_accepts_them(
        parts in vec(nearly(), 0..8), cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = parts.concat();
        if let Some(cut) = cut && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        agree(&Bytes::from(bytes));
    }

    #[test]
    fn random_bytes_are_accepted_where_prost_accepts_them(bytes in vec(any::<u8>(), 0..64)) {
        agree(&Bytes::from(bytes));
    }

    #[test]
    fn a_service_that_was_carried_forward_stands_in_the_body_too(service in "[a-zä]{1,300}", text in text()) {
        let message = v3::LogData { endpoint: text, ..v3::LogData::default() };
        let bytes = Bytes::from(message.encode_to_vec());
        let filled = super::log::with_service(super::log::decode(&bytes).unwrap(), &service.clone().into());
        prop_assert_eq!(&*filled.service, service.as_str());
        prop_assert_eq!(v3::LogData::decode(filled.body).unwrap(), v3::LogData { service, ..message });
    }
}

#[test]
fn groups_nest_as_deep_as_prost_lets_them() {
    // Field 99 as a group, opened and closed n times.
    for n in [1, 99, 100, 101, 5_000] {
        let open = [0x9b, 0x06].repeat(n);
        let close = [0x9c, 0x06].repeat(n);
        let bytes = Bytes::from([open, close].concat());
        agree(&bytes);
        // And inside a span, and a tag of it.
        for field in [0x1a, 0x62] {
            let mut nested = vec![field];
            prost::encoding::encode_varint(bytes.len() as u64, &mut nested);
            nested.extend_from_slice(&bytes);
            let mut outer = vec![0x1a];
            prost::encoding::encode_varint(nested.len() as u64, &mut outer);
            outer.extend(nested);
            agree(&Bytes::from(outer));
        }
    }
}

#[test]
fn texts_share_the_memory_of_the_message() {
    let message = v3::SegmentObject { service: "shop".to_owned(), ..v3::SegmentObject::default() };
    let bytes = Bytes::from(message.encode_to_vec());
    let segment = super::segment::decode(&bytes, LIMITS).unwrap();
    assert!(bytes.as_ptr_range().contains(&segment.service.as_ptr()));
}

#[test]
fn what_is_small_on_the_wire_and_large_in_memory_has_limits() {
    let spans = |n| v3::SegmentObject { spans: vec![v3::SpanObject::default(); n], ..v3::SegmentObject::default() };
    let decode = |message: v3::SegmentObject| super::segment::decode(&Bytes::from(message.encode_to_vec()), LIMITS);
    assert_eq!(decode(spans(10_000)).unwrap().spans.len(), 10_000);
    assert_eq!(decode(spans(10_001)), Err(WireError::TooMany));

    let mut message = spans(2);
    message.spans[0].tags = vec![v3::KeyStringValuePair::default(); 50_000];
    message.spans[1].refs = vec![v3::SegmentReference::default(); 50_000];
    assert!(decode(message.clone()).is_ok());
    message.spans[1].logs = vec![v3::Log::default()];
    assert_eq!(decode(message), Err(WireError::TooMany));

    let data = vec![v3::KeyStringValuePair::default(); 100_001];
    let log = v3::LogData { tags: Some(v3::LogTags { data: data.clone() }), ..v3::LogData::default() };
    assert_eq!(super::log::decode(&Bytes::from(log.encode_to_vec())), Err(WireError::TooMany));
    let properties = v3::InstanceProperties { properties: data, ..v3::InstanceProperties::default() };
    assert_eq!(super::management::properties(&Bytes::from(properties.encode_to_vec())), Err(WireError::TooMany));
    let metrics = vec![v3::JvmMetric::default(); 100_001];
    let jvm = v3::JvmMetricCollection { metrics, ..v3::JvmMetricCollection::default() };
    assert!(super::jvm::collection(&Bytes::from(jvm.encode_to_vec())).is_err());
}
