//! Messages by template: one is encoded by prost, the others are copies of it with new ids, names and times written over.
//!
//! That makes a segment cost the sender a fraction of what encoding it would, so that what is measured on a small machine is the
//! server. It works because texts of one kind have one length ([`crate::world`]) and times need six bytes for decades to come.

use prost::Message as _;
use proto::v3::{KeyStringValuePair, Log, RefType, SegmentObject, SegmentReference, SpanLayer, SpanObject, SpanType};

/// A time as a varint on the wire.
pub(crate) type WireTime = [u8; 6];

/// Bytes of an agent's id: 32 hexadecimal digits of the process, two of the thread, 17 of time and sequence.
pub(crate) const ID_LEN: usize = 53;

/// The times that a varint of six bytes holds: 1971 to 2109.
const SIX_BYTES: std::ops::Range<i64> = 1 << 35..1 << 42;

/// What one segment writes over its template. Texts are as long as those of [`Shape::template`]'s names.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) trace_id: &'a [u8],
    pub(crate) segment_id: &'a [u8],
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) endpoint: &'a str,
    /// Whom the exit span calls: host and port.
    pub(crate) peer: &'a str,
    /// What the exit span is called.
    pub(crate) exit: &'a str,
    /// Absent in the first segment of a trace.
    pub(crate) parent: Option<Parent<'a>>,
    /// Start and end of each span, by span id.
    pub(crate) times: &'a [(WireTime, WireTime)],
}

/// Where a segment was called from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) segment_id: &'a [u8],
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) endpoint: &'a str,
    /// The address that the caller used: its exit span's peer.
    pub(crate) address: &'a str,
}

/// Which of a handful of forms a segment has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// It was called by another segment, not by a user.
    pub(crate) has_parent: bool,
    /// It calls another service; else a database.
    pub(crate) calls_on: bool,
    pub(crate) is_error: bool,
    /// The entry span, the exit span, and local spans between them.
    pub(crate) n_spans: usize,
}

/// An encoded segment with the places of what differs in each.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    holes: Vec<(usize, Hole)>,
}

#[derive(Clone, Copy, Debug)]
enum Hole {
    TraceId,
    SegmentId,
    Service,
    Instance,
    Endpoint,
    Peer,
    Exit,
    ParentSegmentId,
    ParentService,
    ParentInstance,
    ParentEndpoint,
    ParentAddress,
    Start(usize),
    End(usize),
}

/// The varint of a time in milliseconds since 1970. Times outside [`SIX_BYTES`] are moved to its ends.
pub(crate) fn wire_time(time_ms: i64) -> WireTime {
    let time_ms = time_ms.clamp(SIX_BYTES.start, SIX_BYTES.end - 1).cast_unsigned();
    std::array::from_fn(|i| {
        let low = u8::try_from(time_ms >> (7 * i) & 0x7f).expect("seven bits");
        if i < 5 { low | 0x80 } else { low }
    })
}

/// How long the names of each kind are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    pub(crate) service: usize,
    pub(crate) instance: usize,
    pub(crate) endpoint: usize,
    pub(crate) address: usize,
    pub(crate) path: usize,
    pub(crate) database: usize,
}

impl Lengths {
    /// A text of this kind that occurs nowhere else in a message: control characters, a different one for each hole.
    fn mark(&self, hole: Hole, calls_on: bool) -> String {
        let (mark, len) = match hole {
            Hole::TraceId => ('\u{1}', ID_LEN),
            Hole::SegmentId => ('\u{2}', ID_LEN),
            Hole::ParentSegmentId => ('\u{3}', ID_LEN),
            Hole::Service => ('\u{4}', self.service),
            Hole::ParentService => ('\u{5}', self.service),
            Hole::Instance => ('\u{6}', self.instance),
            Hole::ParentInstance => ('\u{7}', self.instance),
            Hole::Endpoint => ('\u{b}', self.endpoint),
            Hole::ParentEndpoint => ('\u{c}', self.endpoint),
            Hole::Peer => ('\u{e}', if calls_on { self.address } else { self.database }),
            Hole::ParentAddress => ('\u{f}', self.address),
            Hole::Exit => ('\u{10}', self.path),
            Hole::Start(_) | Hole::End(_) => unreachable!("times are marked by mark_time"),
        };
        std::iter::repeat_n(mark, len).collect()
    }
}

/// A time that occurs nowhere else in a message.
fn mark_time(span: usize, end: bool) -> i64 {
    let number = i64::try_from(2 * span + usize::from(end)).expect("few spans");
    assert!(number < 128, "at most 64 spans: the number has seven bits");
    // Alternating bits above the lowest seven: nothing like a length, a tag or text.
    0x2AA_AAAA_AA80 | number
}

impl Shape {
    /// The template of this shape. Spans have the ids 0 (entry), 1 to n-2 (local) and n-1 (exit).
    pub(crate) fn template(self, lengths: &Lengths) -> Template {
        let bytes = self.marked(lengths).encode_to_vec();
        let mut marks: Vec<(Hole, Vec<u8>)> =
            self.texts().into_iter().map(|hole| (hole, lengths.mark(hole, self.calls_on).into_bytes())).collect();
        for span in 0..self.n_spans {
            marks.push((Hole::Start(span), wire_time(mark_time(span, false)).to_vec()));
            marks.push((Hole::End(span), wire_time(mark_time(span, true)).to_vec()));
        }
        let holes = marks.iter().flat_map(|(hole, mark)| {
            let found = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(mark));
            found.map(|at| (at, *hole))
        });
        Template { holes: holes.collect(), bytes }
    }

    fn texts(self) -> Vec<Hole> {
        let mut holes = vec![Hole::TraceId, Hole::SegmentId, Hole::Service, Hole::Instance, Hole::Endpoint, Hole::Peer];
        if self.calls_on {
            holes.push(Hole::Exit);
        }
        if self.has_parent {
            holes.extend([Hole::ParentSegmentId, Hole::ParentService, Hole::ParentInstance]);
            holes.extend([Hole::ParentEndpoint, Hole::ParentAddress]);
        }
        holes
    }

    fn marked(self, lengths: &Lengths) -> SegmentObject {
        let mark = |hole| lengths.mark(hole, self.calls_on);
        let mut spans: Vec<SpanObject> = (1..self.n_spans - 1).map(local_span).collect();
        // Agents report spans as they end: inner ones first.
        spans.insert(0, self.exit_span(lengths));
        spans.push(self.entry_span(lengths));
        SegmentObject {
            trace_id: mark(Hole::TraceId),
            trace_segment_id: mark(Hole::SegmentId),
            spans,
            service: mark(Hole::Service),
            service_instance: mark(Hole::Instance),
            is_size_limited: false,
        }
    }

    fn entry_span(self, lengths: &Lengths) -> SpanObject {
        let mark = |hole| lengths.mark(hole, self.calls_on);
        let parent = SegmentReference {
            ref_type: RefType::CrossProcess.into(),
            trace_id: mark(Hole::TraceId),
            parent_trace_segment_id: mark(Hole::ParentSegmentId),
            parent_span_id: span_id(self.n_spans - 1),
            parent_service: mark(Hole::ParentService),
            parent_service_instance: mark(Hole::ParentInstance),
            parent_endpoint: mark(Hole::ParentEndpoint),
            network_address_used_at_peer: mark(Hole::ParentAddress),
        };
        let status = if self.is_error { "500" } else { "200" };
        SpanObject {
            parent_span_id: -1,
            refs: self.has_parent.then_some(parent).into_iter().collect(),
            operation_name: mark(Hole::Endpoint),
            span_type: SpanType::Entry.into(),
            span_layer: SpanLayer::Http.into(),
            // Tomcat.
            component_id: 1,
            is_error: self.is_error,
            tags: vec![
                tag("url", "http://shop.example/articles"),
                tag("http.method", "GET"),
                tag("http.status_code", status),
            ],
            ..timed(0)
        }
    }

    fn exit_span(self, lengths: &Lengths) -> SpanObject {
        let mark = |hole| lengths.mark(hole, self.calls_on);
        let id = self.n_spans - 1;
        let (layer, component, operation, tags) = if self.calls_on {
            let tags = vec![tag("url", "http://shop.example/articles"), tag("http.method", "GET")];
            // HttpClient.
            (SpanLayer::Http, 2, mark(Hole::Exit), tags)
        } else {
            let statement = "SELECT id, title, price FROM article WHERE shop = ? ORDER BY id LIMIT 20";
            let tags = vec![tag("db.type", "Mysql"), tag("db.instance", "shop"), tag("db.statement", statement)];
            // mysql-connector-java.
            (SpanLayer::Database, 33, "Mysql/JDBC/PreparedStatement/executeQuery".to_owned(), tags)
        };
        SpanObject {
            // The innermost local span calls, or the entry span where there is none.
            parent_span_id: span_id(id - 1),
            operation_name: operation,
            peer: mark(Hole::Peer),
            span_type: SpanType::Exit.into(),
            span_layer: layer.into(),
            component_id: component,
            is_error: self.is_error,
            tags,
            logs: if self.is_error { vec![error_log(id)] } else { Vec::new() },
            ..timed(id)
        }
    }
}

fn local_span(id: usize) -> SpanObject {
    SpanObject {
        parent_span_id: span_id(id - 1),
        operation_name: format!("shop.ArticleService.step{id}"),
        span_type: SpanType::Local.into(),
        ..timed(id)
    }
}

fn timed(id: usize) -> SpanObject {
    let (start_time, end_time) = (mark_time(id, false), mark_time(id, true));
    SpanObject { span_id: span_id(id), start_time, end_time, ..SpanObject::default() }
}

fn span_id(id: usize) -> i32 {
    i32::try_from(id).expect("few spans")
}

fn tag(key: &str, value: &str) -> KeyStringValuePair {
    KeyStringValuePair { key: key.to_owned(), value: value.to_owned() }
}

fn error_log(span: usize) -> Log {
    let stack = "java.net.SocketTimeoutException: Read timed out\n\
                 at java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\
                 at java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)\n\
                 at java.base/java.net.Socket$SocketInputStream.read(Socket.java:1099)\n";
    let data = vec![
        tag("event", "error"),
        tag("error.kind", "java.net.SocketTimeoutException"),
        tag("message", "Read timed out"),
        tag("stack", stack),
    ];
    Log { time: mark_time(span, true), data }
}

impl Template {
    /// A segment with these values. Panics where a text has another length than the template's.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for &(at, hole) in &self.holes {
            let value = value_of(hole, values);
            bytes[at..at + value.len()].copy_from_slice(value);
        }
        bytes
    }
}

fn value_of<'a>(hole: Hole, values: &'a Values<'_>) -> &'a [u8] {
    let parent = || values.parent.as_ref().expect("shapes with a parent are filled with one");
    match hole {
        Hole::TraceId => values.trace_id,
        Hole::SegmentId => values.segment_id,
        Hole::Service => values.service.as_bytes(),
        Hole::Instance => values.instance.as_bytes(),
        Hole::Endpoint => values.endpoint.as_bytes(),
        Hole::Peer => values.peer.as_bytes(),
        Hole::Exit => values.exit.as_bytes(),
        Hole::ParentSegmentId => parent().segment_id,
        Hole::ParentService => parent().service.as_bytes(),
        Hole::ParentInstance => parent().instance.as_bytes(),
        Hole::ParentEndpoint => parent().endpoint.as_bytes(),
        Hole::ParentAddress => parent().address.as_bytes(),
        Hole::Start(span) => &values.times[span].0,
        Hole::End(span) => &values.times[span].1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_the_wire_is_its_varint() {
        for time_ms in [SIX_BYTES.start, 1_700_000_000_123, SIX_BYTES.end - 1] {
            let mut expected = Vec::new();
            prost::encoding::encode_varint(time_ms.cast_unsigned(), &mut expected);
            assert_eq!(wire_time(time_ms).as_slice(), expected, "{time_ms}");
        }
    }

    #[test]
    fn every_mark_of_a_template_is_found_once_or_where_it_repeats() {
        let lengths = Lengths { service: 9, instance: 47, endpoint: 30, address: 19, path: 26, database: 18 };
        for (has_parent, calls_on, is_error, n_spans, n_holes) in [
            (false, true, false, 2, 7 + 4),
            // The trace id stands in the reference too, the end of the exit span in its log.
            (true, true, true, 2, 7 + 6 + 4 + 1),
            (true, false, false, 5, 6 + 6 + 10),
        ] {
            let template = Shape { has_parent, calls_on, is_error, n_spans }.template(&lengths);
            assert_eq!(template.holes.len(), n_holes, "{template:?}");
        }
    }
}
