//! The native agents' wire: message types, gRPC clients, and descriptors for proto3 JSON.
//!
//! Everything here is generated from `proto/*.proto` at build time. Servers are not generated: each service is reachable
//! under its packaged path and some under a path without package too, so the receiver routes by path itself.
//!
//! Bytes fields are [`bytes::Bytes`], enums are `i32` with a generated conversion (an unknown number is kept, as proto3
//! wants it), maps are `HashMap`.

use std::sync::OnceLock;

use prost_reflect::DescriptorPool;

/// Package `skywalking.v3`: everything but the two profilers of [`v10`].
///
/// Each service has a module `<name>_client`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    missing_debug_implementations,
    rust_2018_idioms,
    reason = "generated code"
)]
pub mod v3 {
    tonic::include_proto!("skywalking.v3");
}

/// Package `skywalking.v10`: async-profiler and pprof.
///
/// Each service has a module `<name>_client`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    missing_debug_implementations,
    rust_2018_idioms,
    reason = "generated code"
)]
pub mod v10 {
    tonic::include_proto!("skywalking.v10");
}

/// No package: the hook through which alarms are told to programs. Its client is `alarm_service_client`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    missing_debug_implementations,
    rust_2018_idioms,
    reason = "generated code"
)]
pub mod alarm {
    tonic::include_proto!("_");
}

/// Encoded `google.protobuf.FileDescriptorSet` of all our files, imports included, without source positions.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The descriptors of every message, enum and service here, decoded once per process.
///
/// For proto3 JSON: look a message up by full name (`skywalking.v3.SegmentObject`), deserialise a
/// [`prost_reflect::DynamicMessage`], transcode it to the generated type.
pub fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(DESCRIPTOR_SET).expect("the build script encoded a set that the compiler had checked")
    })
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DeserializeOptions, DynamicMessage};

    use super::{pool, v3};

    /// The way of every HTTP twin: lenient JSON in, typed message out.
    #[test]
    fn json_becomes_the_generated_type() {
        let json = r#"{
            "traceId": "t", "traceSegmentId": "s", "unheardOf": {"a": [1]},
            "spans": [
                {"spanId": 1, "startTime": "1700000000123", "spanType": "Exit", "spanLayer": 7},
                {"spanId": 0, "parentSpanId": -1, "startTime": 1700000000122, "spanType": 0, "spanLayer": "GenAI"}
            ]
        }"#;
        let descriptor = pool().get_message_by_name("skywalking.v3.SegmentObject").unwrap();
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize_with_options(descriptor, &mut deserializer, &options).unwrap();
        let segment: v3::SegmentObject = message.transcode_to().unwrap();

        assert_eq!(segment.trace_id, "t");
        let [exit, entry] = segment.spans.as_slice() else {
            panic!("two spans were sent: {segment:?}");
        };
        assert_eq!(exit.start_time, 1_700_000_000_123);
        assert_eq!(exit.span_type(), v3::SpanType::Exit);
        assert_eq!(exit.span_layer(), v3::SpanLayer::GenAi);
        assert_eq!(entry.parent_span_id, -1);
        assert_eq!(entry.start_time, 1_700_000_000_122);
        assert_eq!(entry.span_layer(), v3::SpanLayer::GenAi);
    }
}
