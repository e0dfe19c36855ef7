//! What random bytes are fed to: by the fuzzer (`fuzz/`), and in small by the tests here.

use bytes::Bytes;
use prost::Message as _;
use proto::v3;

use crate::http::json::{Elements, decode_some};
use crate::later;
use crate::wire;
use crate::wire::segment::Limits;

/// Small enough that random bytes come to it.
const LIMITS: Limits = Limits { spans: 50 };

/// Any bytes as a message of every type that is read here. Panics where reading does, or where it takes what `prost` does not.
pub fn wire(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(segment) = wire::segment::decode(&bytes, LIMITS) {
        let same = v3::SegmentObject::decode(data).expect("what is read here is a message");
        assert_eq!((segment.spans.len(), &*segment.service), (same.spans.len(), same.service.as_str()));
    }
    if let Ok(log) = wire::log::decode(&bytes) {
        let same = v3::LogData::decode(data).expect("what is read here is a message");
        assert_eq!((log.time, &*log.service), (same.timestamp, same.service.as_str()));
    }
    if let Ok(event) = wire::event::decode(&bytes) {
        let same = v3::Event::decode(data).expect("what is read here is a message");
        assert_eq!((event.start, &*event.uuid), (same.start_time, same.uuid.as_str()));
    }
    if let Ok(collection) = wire::jvm::collection(&bytes) {
        collection.metrics.into_iter().for_each(|metric| drop(wire::jvm::metric(metric)));
    }
    drop((wire::management::properties(&bytes), wire::management::keep_alive(&bytes)));
    for elements in [later::Elements::Message, later::Elements::Field1, later::Elements::Field1Of1And2] {
        let n = later::count(data, elements).unwrap_or(0);
        assert!(n <= data.len().max(1) as u64, "{n} elements in {} bytes", data.len());
    }
}

/// Any bytes as the body of an HTTP twin. Panics where reading does, or where it makes what is no message.
pub fn json(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for message in ["skywalking.v3.SegmentObject", "skywalking.v3.LogData", "skywalking.v3.Event"] {
        let descriptor = proto::pool().get_message_by_name(message).expect("it exists");
        let Ok(mut elements) = Elements::new(&body) else { return };
        loop {
            let some = decode_some(&mut elements, &descriptor);
            if some.is_empty() {
                break;
            }
            for bytes in some.into_iter().flatten().filter_map(|element| element.message.ok()) {
                prost_reflect::DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).expect("it is a message");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    fn message() -> Vec<u8> {
        let tag = v3::KeyStringValuePair { key: "k".to_owned(), value: "ä".to_owned() };
        let span = v3::SpanObject {
            start_time: 1_705_320_000_000,
            operation_name: "/buy".to_owned(),
            tags: vec![tag],
            refs: vec![v3::SegmentReference { trace_id: "t".to_owned(), ..v3::SegmentReference::default() }],
            ..v3::SpanObject::default()
        };
        let segment = v3::SegmentObject {
            trace_id: "t".to_owned(),
            service: "shop".to_owned(),
            spans: vec![span; 3],
            ..v3::SegmentObject::default()
        };
        segment.encode_to_vec()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_any_message(data in vec(any::<u8>(), 0..200)) {
            wire(&data);
        }

        #[test]
        fn a_message_with_bytes_changed_is_read(changes in vec((any::<Index>(), any::<u8>()), 1..8), cut in any::<Index>()) {
            let mut data = message();
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            wire(&data);
            wire(&data[..cut.index(data.len())]);
        }

        #[test]
        fn any_pieces_are_read_as_a_body(
            pieces in vec(select(&["{", "}", "[", "]", ",", ":", "\"", "\\", "\"spans\":", "\"service\":\"a\"", "\"tags\"", "1e9",
                "null", "-1", "\"startTime\":\"7\"", "\"\\ud800\"", "\u{e4}", " "][..]), 0..60)
        ) {
            let body = pieces.concat();
            json(body.as_bytes());
            json(format!("[{{{body}}}]").as_bytes());
        }

        #[test]
        fn any_bytes_are_read_as_a_body(data in vec(any::<u8>(), 0..100)) {
            json(&data);
        }
    }
}
