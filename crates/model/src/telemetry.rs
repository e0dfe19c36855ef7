//! What agents report, validated once at the edge: after this no code asks whether a field may be missing.

use bytes::Bytes;
use bytestring::ByteString;

use crate::UnixMillis;
use crate::permit::Permit;
use crate::segment::{Segment, Tag};

/// One element on its way through the server, with its share of the byte budget.
#[derive(Debug)]
pub struct Envelope {
    /// What was reported.
    pub telemetry: Telemetry,
    /// The budget it holds until the store has answered.
    pub permit: Permit,
    /// When it was received, by the server's clock.
    pub received: UnixMillis,
}

/// One reported element.
#[derive(Clone, Debug, PartialEq)]
pub enum Telemetry {
    /// A trace segment.
    Segment(Box<Segment>),
    /// A log line.
    Log(Box<Log>),
    /// An event.
    Event(Box<Event>),
    /// JVM metrics of an instance at one moment.
    Jvm(Box<Jvm>),
    /// Properties of an instance.
    Properties(Box<Properties>),
    /// A heartbeat of an instance.
    KeepAlive(Box<KeepAlive>),
}

/// The kinds of elements that are counted apart. The conservation law holds for each:
/// accepted = stored + refused after acceptance + sampled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Trace segments.
    Segment,
    /// Log lines.
    Log,
    /// Events.
    Event,
    /// JVM samples.
    Jvm,
    /// Instance properties and heartbeats.
    Management,
    /// CLR samples.
    Clr,
    /// Meters.
    Meter,
    /// Browser reports.
    Browser,
    /// Profiling data of every sort.
    Profile,
    /// eBPF reports.
    Ebpf,
    /// Mesh reports.
    Mesh,
    /// Events attached to spans.
    SpanEvent,
}

impl Signal {
    /// Every kind.
    pub const ALL: [Signal; 12] = [
        Signal::Segment,
        Signal::Log,
        Signal::Event,
        Signal::Jvm,
        Signal::Management,
        Signal::Clr,
        Signal::Meter,
        Signal::Browser,
        Signal::Profile,
        Signal::Ebpf,
        Signal::Mesh,
        Signal::SpanEvent,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Segment => "segment",
            Signal::Log => "log",
            Signal::Event => "event",
            Signal::Jvm => "jvm",
            Signal::Management => "management",
            Signal::Clr => "clr",
            Signal::Meter => "meter",
            Signal::Browser => "browser",
            Signal::Profile => "profile",
            Signal::Ebpf => "ebpf",
            Signal::Mesh => "mesh",
            Signal::SpanEvent => "span_event",
        }
    }
}

impl Telemetry {
    /// The kind it is counted under.
    pub fn signal(&self) -> Signal {
        match self {
            Telemetry::Segment(_) => Signal::Segment,
            Telemetry::Log(_) => Signal::Log,
            Telemetry::Event(_) => Signal::Event,
            Telemetry::Jvm(_) => Signal::Jvm,
            Telemetry::Properties(_) | Telemetry::KeepAlive(_) => Signal::Management,
        }
    }
}

/// A log line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Service name; never empty once received.
    pub service: ByteString,
    /// Instance name or `""`.
    pub instance: ByteString,
    /// Endpoint name or `""`.
    pub endpoint: ByteString,
    /// Layer name; `""` reads as GENERAL.
    pub layer: ByteString,
    /// When it was written, milliseconds since 1970; the time of receipt where the agent sent 0.
    pub time: i64,
    /// Trace id or `""`.
    pub trace_id: ByteString,
    /// Segment id or `""`.
    pub segment_id: ByteString,
    /// Span id.
    pub span_id: i32,
    /// The text of its body, whatever its type.
    pub content: ByteString,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The bytes as they arrived, with the service filled in where the stream had carried it forward.
    pub body: Bytes,
}

/// An event: something that happened to a service, with a beginning and perhaps an end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its uuid.
    pub uuid: ByteString,
    /// Service name.
    pub service: ByteString,
    /// Instance name or `""`.
    pub instance: ByteString,
    /// Endpoint name or `""`.
    pub endpoint: ByteString,
    /// Its name.
    pub name: ByteString,
    /// Whether it is an error.
    pub is_error: bool,
    /// Layer name; never empty once received.
    pub layer: ByteString,
    /// Milliseconds since 1970, 0 where unknown.
    pub start: i64,
    /// Milliseconds since 1970, 0 where unknown.
    pub end: i64,
    /// The bytes as they arrived.
    pub body: Bytes,
}

/// Properties of an instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// Service name.
    pub service: ByteString,
    /// Instance name.
    pub instance: ByteString,
    /// Ordered, keys may repeat.
    pub properties: Vec<Tag>,
}

/// A heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeepAlive {
    /// Service name.
    pub service: ByteString,
    /// Instance name.
    pub instance: ByteString,
    /// Layer name; `""` reads as GENERAL, an unknown one as UNDEFINED.
    pub layer: ByteString,
}

/// JVM metrics of an instance at one moment. What the agent left out counts as zeros.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jvm {
    /// Service name.
    pub service: ByteString,
    /// Instance name.
    pub instance: ByteString,
    /// Milliseconds since 1970.
    pub time: i64,
    /// CPU usage in per cent.
    pub cpu_usage_percent: f64,
    /// Heap and non-heap memory.
    pub memory: Vec<JvmMemory>,
    /// Memory pools.
    pub pools: Vec<JvmPool>,
    /// Garbage collections since the last sample.
    pub gc: Vec<JvmGc>,
    /// Threads.
    pub threads: JvmThreads,
    /// Classes.
    pub classes: JvmClasses,
}

/// One of the two kinds of JVM memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JvmMemory {
    /// Heap, or not.
    pub is_heap: bool,
    /// At start.
    pub init: i64,
    /// At most.
    pub max: i64,
    /// Used.
    pub used: i64,
    /// Committed.
    pub committed: i64,
}

/// One JVM memory pool, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JvmPool {
    /// The pool's number on the wire: CODE_CACHE 0, NEWGEN 1, OLDGEN 2, SURVIVOR 3, PERMGEN 4, METASPACE 5, ZHEAP 6,
    /// COMPRESSED_CLASS_SPACE 7, CODEHEAP_NON_NMETHODS 8, CODEHEAP_PROFILED_NMETHODS 9, CODEHEAP_NON_PROFILED_NMETHODS 10.
    pub pool: i32,
    /// At start.
    pub init: i64,
    /// At most.
    pub max: i64,
    /// Used.
    pub used: i64,
    /// Committed.
    pub committed: i64,
}

/// Garbage collections of one phase since the last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JvmGc {
    /// NEW 0, OLD 1, NORMAL 2.
    pub phase: i32,
    /// How many.
    pub count: i64,
    /// How long, in milliseconds.
    pub time: i64,
}

/// Thread counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JvmThreads {
    /// Alive.
    pub live: i64,
    /// Daemons.
    pub daemon: i64,
    /// Most at once.
    pub peak: i64,
    /// Running.
    pub runnable: i64,
    /// Blocked.
    pub blocked: i64,
    /// Waiting.
    pub waiting: i64,
    /// Waiting for a time.
    pub timed_waiting: i64,
}

/// Class counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JvmClasses {
    /// Loaded now.
    pub loaded: i64,
    /// Unloaded since the start.
    pub total_unloaded: i64,
    /// Loaded since the start.
    pub total_loaded: i64,
}
