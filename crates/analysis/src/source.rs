//! Sources: what metrics see. One call, seen as traffic of a service, of an endpoint, of a relation …, or one use of a database, one sample of a JVM.
//!
//! A metric's attribute is resolved to a [`Field`] when its rule is read; while the stream runs, reading a field is a match on
//! two enums.

mod access;
mod schema;

use model::segment::{SpanLayer, Tag};
use model::telemetry::{JvmClasses, JvmGc, JvmMemory, JvmPool, JvmThreads};

pub(crate) use access::{CacheOperation, MqOperation, PeerAccess, Usage};
#[cfg(test)]
pub(crate) use schema::every_attribute;
pub(crate) use schema::{Type, attribute, constants, lookup};

/// What is seen. Each kind has attributes of its own names. Services, endpoints and relations read the same [`Traffic`], what is
/// seen by its clients alone the same [`PeerAccess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Service,
    ServiceInstance,
    Endpoint,
    ServiceRelation,
    ServiceInstanceRelation,
    EndpointRelation,
    Database,
    Cache,
    Mq,
    MqEndpoint,
    GenAiProvider,
    GenAiModel,
    JvmCpu,
    JvmMemory,
    JvmPool,
    JvmGc,
    JvmThread,
    JvmClass,
}

impl SourceKind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = 18;
}

/// Who saw a call. The numbers are those of the language's `DetectPoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetectPoint {
    Server = 0,
    Client = 1,
}

/// What sort of call it was. The numbers are positions in [`schema`]'s `RequestType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestType {
    Database = 0,
    Http = 1,
    Rpc = 2,
    Mq = 5,
    Logic = 6,
    GenAi = 7,
    /// A hop between threads has no type: it equals no constant.
    None = -1,
}

impl RequestType {
    /// The type of a span's layer (analysis 2.3).
    pub(crate) fn of(layer: SpanLayer) -> RequestType {
        match layer {
            SpanLayer::Http => RequestType::Http,
            SpanLayer::Database => RequestType::Database,
            SpanLayer::Mq => RequestType::Mq,
            SpanLayer::GenAi => RequestType::GenAi,
            SpanLayer::Unknown | SpanLayer::RpcFramework | SpanLayer::Cache | SpanLayer::Faas => RequestType::Rpc,
        }
    }
}

/// One end of a call, by name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End<'a> {
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) endpoint: &'a str,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic<'a> {
    pub(crate) latency: i64,
    pub(crate) ok: bool,
    pub(crate) kind: RequestType,
    pub(crate) detect: DetectPoint,
    pub(crate) component: i32,
    /// Of the span; empty where the reference attaches none.
    pub(crate) tags: &'a [Tag],
    pub(crate) source: End<'a>,
    pub(crate) dest: End<'a>,
    /// Ordinal of the called service's layer.
    pub(crate) layer: i32,
    /// T of the called service, in milliseconds.
    pub(crate) apdex_threshold: i64,
}

/// Anything a metric can see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Traffic(&'a Traffic<'a>),
    Access(&'a PeerAccess<'a>),
    JvmCpu(f64),
    JvmMemory(JvmMemory),
    JvmPool(JvmPool),
    JvmGc(JvmGc),
    JvmThread(JvmThreads),
    JvmClass(JvmClasses),
}

/// An attribute, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// A known attribute that nothing fills: it is always null.
    Unset,
    Latency,
    Status,
    Kind,
    Detect,
    Component,
    HttpStatus,
    RpcStatus,
    Layer,
    SourceService,
    SourceInstance,
    SourceEndpoint,
    DestService,
    DestInstance,
    DestEndpoint,
    /// The list of all tags, each `key:value`.
    Tags,
    /// The value of a tag.
    Tag(Box<str>),
    Operation,
    Transmission,
    InputTokens,
    OutputTokens,
    Cost,
    FirstToken,
    UsePercent,
    IsHeap,
    Pool,
    Phase,
    Init,
    Max,
    Used,
    Committed,
    Count,
    Time,
    Live,
    Daemon,
    Peak,
    Runnable,
    Blocked,
    Waiting,
    TimedWaiting,
    Loaded,
    TotalLoaded,
    TotalUnloaded,
}

/// The value of a field. Constants of enums are their numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Datum<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// A field, perhaps with a cast to a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) field: Field,
    pub(crate) cast: bool,
}

/// A text that was to be a number and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotANumber;

impl Access {
    /// The value in a source.
    pub(crate) fn read<'a>(&self, source: &Source<'a>) -> Result<Datum<'a>, NotANumber> {
        match source.read(&self.field) {
            Datum::Text(text) if self.cast => text.trim().parse().map(Datum::Int).map_err(|_| NotANumber),
            datum => Ok(datum),
        }
    }
}

impl<'a> Source<'a> {
    /// The value of a field; null where the source has no such field.
    fn read(&self, field: &Field) -> Datum<'a> {
        match self {
            Source::Traffic(traffic) => traffic.read(field),
            Source::Access(access) => access.read(field),
            Source::JvmCpu(percent) if *field == Field::UsePercent => Datum::Float(*percent),
            Source::JvmCpu(_) => Datum::Null,
            Source::JvmMemory(m) => match field {
                Field::IsHeap => Datum::Bool(m.is_heap),
                _ => bytes(field, m.init, m.max, m.used, m.committed),
            },
            Source::JvmPool(p) => match field {
                Field::Pool => Datum::Int(i64::from(p.pool)),
                _ => bytes(field, p.init, p.max, p.used, p.committed),
            },
            Source::JvmGc(gc) => match field {
                Field::Phase => Datum::Int(i64::from(gc.phase)),
                Field::Count => Datum::Int(gc.count),
                Field::Time => Datum::Int(gc.time),
                _ => Datum::Null,
            },
            Source::JvmThread(t) => threads(field, t),
            Source::JvmClass(c) => match field {
                Field::Loaded => Datum::Int(c.loaded),
                Field::TotalLoaded => Datum::Int(c.total_loaded),
                Field::TotalUnloaded => Datum::Int(c.total_unloaded),
                _ => Datum::Null,
            },
        }
    }

    /// T of the called service; 0 where there is no call.
    pub(crate) fn apdex_threshold(&self) -> i64 {
        if let Source::Traffic(traffic) = self { traffic.apdex_threshold } else { 0 }
    }

    /// The tags of the call.
    pub(crate) fn tags(&self) -> &'a [Tag] {
        if let Source::Traffic(traffic) = self { traffic.tags } else { &[] }
    }
}

fn bytes(field: &Field, init: i64, max: i64, used: i64, committed: i64) -> Datum<'static> {
    match field {
        Field::Init => Datum::Int(init),
        Field::Max => Datum::Int(max),
        Field::Used => Datum::Int(used),
        Field::Committed => Datum::Int(committed),
        _ => Datum::Null,
    }
}

fn threads(field: &Field, t: &JvmThreads) -> Datum<'static> {
    Datum::Int(match field {
        Field::Live => t.live,
        Field::Daemon => t.daemon,
        Field::Peak => t.peak,
        Field::Runnable => t.runnable,
        Field::Blocked => t.blocked,
        Field::Waiting => t.waiting,
        Field::TimedWaiting => t.timed_waiting,
        _ => return Datum::Null,
    })
}

impl<'a> Traffic<'a> {
    fn read(&self, field: &Field) -> Datum<'a> {
        match field {
            Field::Latency => Datum::Int(self.latency),
            Field::Status => Datum::Bool(self.ok),
            Field::Kind => Datum::Int(self.kind as i64),
            Field::Detect => Datum::Int(self.detect as i64),
            Field::Component => Datum::Int(i64::from(self.component)),
            Field::HttpStatus => Datum::Int(self.http_status()),
            Field::RpcStatus => self.tag("rpc.status_code"),
            Field::Layer => Datum::Int(i64::from(self.layer)),
            Field::SourceService => name(self.source.service),
            Field::SourceInstance => name(self.source.instance),
            Field::SourceEndpoint => name(self.source.endpoint),
            Field::DestService => name(self.dest.service),
            Field::DestInstance => name(self.dest.instance),
            Field::DestEndpoint => name(self.dest.endpoint),
            Field::Tag(key) => self.tag(key),
            _ => Datum::Null,
        }
    }

    /// The last value under a key.
    fn tag(&self, key: &str) -> Datum<'a> {
        self.tags.iter().rev().find(|t| t.key == key).map_or(Datum::Null, |t| Datum::Text(&t.value))
    }

    /// The last readable status code under either of its keys; 0 where there is none. Only user-written rules ask for it.
    fn http_status(&self) -> i64 {
        let named = self.tags.iter().rev().filter(|t| t.key == "http.status_code" || t.key == "status_code");
        named.filter_map(|t| t.value.parse::<i32>().ok()).map(i64::from).next().unwrap_or(0)
    }
}

/// A name that nobody knows is null.
fn name(name: &str) -> Datum<'_> {
    if name.is_empty() { Datum::Null } else { Datum::Text(name) }
}
