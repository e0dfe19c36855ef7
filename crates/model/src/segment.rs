//! Trace segments and spans: the one shape that analysis and trace assembly see, whatever protocol they came by.

use bytes::Bytes;
use bytestring::ByteString;

/// A segment: what one thread of one instance did in one trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// The trace.
    pub trace_id: ByteString,
    /// Unique among all segments.
    pub segment_id: ByteString,
    /// Service name as reported, uncut.
    pub service: ByteString,
    /// Instance name as reported, uncut.
    pub instance: ByteString,
    /// Its spans in the order they came, which means nothing. Never empty once received.
    pub spans: Vec<Span>,
    /// The bytes as they arrived ([`crate::record::Format::Segment`]).
    pub body: Bytes,
}

/// One span. Missing texts are `""`, missing numbers 0, as on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Unique within the segment; 0 for the first.
    pub id: i32,
    /// -1 for the first.
    pub parent_id: i32,
    /// Milliseconds since 1970.
    pub start: i64,
    /// Milliseconds since 1970; may lie before the start where a clock was set.
    pub end: i64,
    /// Where it was called from, in other segments.
    pub refs: Vec<SpanRef>,
    /// What it did: the endpoint's name where it is an entry.
    pub operation: ByteString,
    /// The address called, in exit spans.
    pub peer: ByteString,
    /// Which side of a call.
    pub kind: SpanKind,
    /// Which technology.
    pub layer: SpanLayer,
    /// Component id.
    pub component: i32,
    /// Whether it failed.
    pub is_error: bool,
    /// Ordered, keys may repeat.
    pub tags: Vec<Tag>,
    /// What it said on the way. Decoded for display only; analysis leaves it empty.
    pub logs: Vec<SpanLog>,
    /// The agent asks to leave it out of metrics.
    pub skip_analysis: bool,
}

/// Which side of a call a span is. A span that names none is an entry, as the protocol's default says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanKind {
    /// The called side.
    #[default]
    Entry,
    /// The calling side.
    Exit,
    /// Neither.
    Local,
}

impl SpanKind {
    /// The kind of a number on the wire; unknown numbers read as `Entry`, the default.
    pub fn from_wire(code: i32) -> SpanKind {
        match code {
            1 => SpanKind::Exit,
            2 => SpanKind::Local,
            _ => SpanKind::Entry,
        }
    }

    /// Its name in trace queries.
    pub fn name(self) -> &'static str {
        match self {
            SpanKind::Entry => "Entry",
            SpanKind::Exit => "Exit",
            SpanKind::Local => "Local",
        }
    }
}

/// Which technology a span stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanLayer {
    /// None named.
    #[default]
    Unknown,
    /// A database.
    Database,
    /// An RPC framework.
    RpcFramework,
    /// HTTP.
    Http,
    /// Messaging.
    Mq,
    /// A cache.
    Cache,
    /// A function service.
    Faas,
    /// A model provider.
    GenAi,
}

impl SpanLayer {
    /// The layer of a number on the wire; unknown numbers read as `Unknown`.
    pub fn from_wire(code: i32) -> SpanLayer {
        match code {
            1 => SpanLayer::Database,
            2 => SpanLayer::RpcFramework,
            3 => SpanLayer::Http,
            4 => SpanLayer::Mq,
            5 => SpanLayer::Cache,
            6 => SpanLayer::Faas,
            7 => SpanLayer::GenAi,
            _ => SpanLayer::Unknown,
        }
    }

    /// Its name in trace queries.
    pub fn name(self) -> &'static str {
        match self {
            SpanLayer::Unknown => "Unknown",
            SpanLayer::Database => "Database",
            SpanLayer::RpcFramework => "RPCFramework",
            SpanLayer::Http => "Http",
            SpanLayer::Mq => "MQ",
            SpanLayer::Cache => "Cache",
            SpanLayer::Faas => "FAAS",
            SpanLayer::GenAi => "GenAI",
        }
    }
}

/// Where a span was called from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanRef {
    /// Another thread of the same process, instead of another process.
    pub cross_thread: bool,
    /// The trace of the caller.
    pub trace_id: ByteString,
    /// The segment of the caller.
    pub segment_id: ByteString,
    /// The span of the caller.
    pub span_id: i32,
    /// The caller's service name.
    pub service: ByteString,
    /// The caller's instance name.
    pub instance: ByteString,
    /// The caller's endpoint name.
    pub endpoint: ByteString,
    /// The address that the caller used.
    pub address: ByteString,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: ByteString,
    /// Its value.
    pub value: ByteString,
}

/// What a span said at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanLog {
    /// Milliseconds since 1970.
    pub time: i64,
    /// Key and value pairs.
    pub data: Vec<Tag>,
}

impl Span {
    /// How long it took in milliseconds, as a 32-bit number like the reference's; negative where clocks disagreed.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the reference wraps here too, and its answers are the contract"
    )]
    pub fn latency(&self) -> i64 {
        i64::from(self.end.wrapping_sub(self.start) as i32)
    }

    /// The value of a tag; the last one where a key repeats.
    pub fn tag(&self, key: &str) -> Option<&ByteString> {
        self.tags.iter().rev().find(|t| t.key == key).map(|t| &t.value)
    }
}
