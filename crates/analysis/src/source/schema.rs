//! Which sources there are, what their attributes are called, and which constants they are compared with.

use model::{Scope, layer};

use super::{Field, SourceKind};

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Type {
    Bool,
    Int,
    Float,
    Text,
    /// All tags of a call.
    Tags,
    /// One of the constants of this set.
    Enum(&'static str),
    /// Something with attributes of its own, which is there or not.
    Object,
    /// Not known yet: the source is not emitted, and nothing about it is checked.
    Any,
}

/// Sources that are derived: name in the language, kind, what the rows are about.
const DERIVED: [(&str, SourceKind, Scope); SourceKind::COUNT] = [
    ("Service", SourceKind::Service, Scope::Service),
    ("ServiceInstance", SourceKind::ServiceInstance, Scope::ServiceInstance),
    ("Endpoint", SourceKind::Endpoint, Scope::Endpoint),
    ("ServiceRelation", SourceKind::ServiceRelation, Scope::ServiceRelation),
    ("ServiceInstanceRelation", SourceKind::ServiceInstanceRelation, Scope::ServiceInstanceRelation),
    ("EndpointRelation", SourceKind::EndpointRelation, Scope::EndpointRelation),
    ("DatabaseAccess", SourceKind::Database, Scope::Service),
    ("CacheAccess", SourceKind::Cache, Scope::Service),
    ("MQAccess", SourceKind::Mq, Scope::Service),
    ("MQEndpointAccess", SourceKind::MqEndpoint, Scope::Endpoint),
    ("GenAIProviderAccess", SourceKind::GenAiProvider, Scope::Service),
    ("GenAIModelAccess", SourceKind::GenAiModel, Scope::ServiceInstance),
    ("ServiceInstanceJVMCPU", SourceKind::JvmCpu, Scope::ServiceInstance),
    ("ServiceInstanceJVMMemory", SourceKind::JvmMemory, Scope::ServiceInstance),
    ("ServiceInstanceJVMMemoryPool", SourceKind::JvmPool, Scope::ServiceInstance),
    ("ServiceInstanceJVMGC", SourceKind::JvmGc, Scope::ServiceInstance),
    ("ServiceInstanceJVMThread", SourceKind::JvmThread, Scope::ServiceInstance),
    ("ServiceInstanceJVMClass", SourceKind::JvmClass, Scope::ServiceInstance),
];

/// Sources of SkyWalking that nothing here emits: their metrics are known, so that a query for one answers nothing instead of
/// failing, and have no values.
const KNOWN: [(&str, Scope); 30] = [
    ("ServiceInstanceCLRCPU", Scope::ServiceInstance),
    ("ServiceInstanceCLRGC", Scope::ServiceInstance),
    ("ServiceInstanceCLRThread", Scope::ServiceInstance),
    ("BrowserAppTraffic", Scope::Service),
    ("BrowserAppSingleVersionTraffic", Scope::ServiceInstance),
    ("BrowserAppPageTraffic", Scope::Endpoint),
    ("BrowserAppPagePerf", Scope::Endpoint),
    ("BrowserAppWebVitalsPerf", Scope::Endpoint),
    ("BrowserAppWebInteractionPerf", Scope::Endpoint),
    ("BrowserAppResourcePerf", Scope::Endpoint),
    ("BrowserErrorLog", Scope::Service),
    ("Event", Scope::Service),
    ("EnvoyInstanceMetric", Scope::ServiceInstance),
    ("TCPService", Scope::Service),
    ("TCPServiceInstance", Scope::ServiceInstance),
    ("TCPServiceRelation", Scope::ServiceRelation),
    ("TCPServiceInstanceRelation", Scope::ServiceInstanceRelation),
    ("K8SService", Scope::Service),
    ("K8SServiceInstance", Scope::ServiceInstance),
    ("K8SEndpoint", Scope::Endpoint),
    ("K8SServiceRelation", Scope::ServiceRelation),
    ("K8SServiceInstanceRelation", Scope::ServiceInstanceRelation),
    ("CiliumService", Scope::Service),
    ("CiliumServiceInstance", Scope::ServiceInstance),
    ("CiliumEndpoint", Scope::Endpoint),
    ("CiliumServiceRelation", Scope::ServiceRelation),
    ("CiliumServiceInstanceRelation", Scope::ServiceInstanceRelation),
    ("CiliumEndpointRelation", Scope::EndpointRelation),
    ("Process", Scope::Process),
    ("ProcessRelation", Scope::ProcessRelation),
];

/// The source of a name: its kind (`None` where nothing emits it) and what its rows are about. `Err`: the names there are.
pub(crate) fn lookup(name: &str) -> Result<(Option<SourceKind>, Scope), String> {
    let derived = DERIVED.iter().find(|(n, ..)| *n == name).map(|&(_, kind, scope)| (Some(kind), scope));
    let known = || KNOWN.iter().find(|(n, _)| *n == name).map(|&(_, scope)| (None, scope));
    derived.or_else(known).ok_or_else(|| {
        let names = DERIVED.iter().map(|(n, ..)| *n).chain(KNOWN.iter().map(|(n, _)| *n));
        names.collect::<Vec<_>>().join(", ")
    })
}

type Attribute = (&'static str, Field, Type);

/// Attributes that every call has. What a proxy would say about it is known and never filled: none reports here.
const CALL: [Attribute; 13] = [
    ("status", Field::Status, Type::Bool),
    ("type", Field::Kind, Type::Enum("RequestType")),
    ("httpResponseStatusCode", Field::HttpStatus, Type::Int),
    ("responseCode", Field::HttpStatus, Type::Int),
    ("rpcStatusCode", Field::RpcStatus, Type::Text),
    ("tags", Field::Tags, Type::Tags),
    ("sideCar", Field::Unset, Type::Object),
    ("sideCar.internalErrorCode", Field::Unset, Type::Text),
    ("sideCar.internalRequestLatencyNanos", Field::Unset, Type::Int),
    ("sideCar.internalResponseLatencyNanos", Field::Unset, Type::Int),
    ("tcpInfo", Field::Unset, Type::Object),
    ("tcpInfo.receivedBytes", Field::Unset, Type::Int),
    ("tcpInfo.sentBytes", Field::Unset, Type::Int),
];
const LATENCY: Attribute = ("latency", Field::Latency, Type::Int);
const LAYER: Attribute = ("layer", Field::Layer, Type::Enum("Layer"));
const SERVICE: [Attribute; 5] = [
    LATENCY,
    LAYER,
    ("name", Field::DestService, Type::Text),
    ("serviceInstanceName", Field::DestInstance, Type::Text),
    ("endpointName", Field::DestEndpoint, Type::Text),
];
const INSTANCE: [Attribute; 5] = [
    LATENCY,
    LAYER,
    ("name", Field::DestInstance, Type::Text),
    ("serviceName", Field::DestService, Type::Text),
    ("endpointName", Field::DestEndpoint, Type::Text),
];
const ENDPOINT: [Attribute; 5] = [
    LATENCY,
    LAYER,
    ("name", Field::DestEndpoint, Type::Text),
    ("serviceName", Field::DestService, Type::Text),
    ("serviceInstanceName", Field::DestInstance, Type::Text),
];
const RELATION: [Attribute; 9] = [
    LATENCY,
    ("detectPoint", Field::Detect, Type::Enum("DetectPoint")),
    ("componentId", Field::Component, Type::Int),
    ("sourceServiceName", Field::SourceService, Type::Text),
    ("sourceServiceInstanceName", Field::SourceInstance, Type::Text),
    ("destServiceName", Field::DestService, Type::Text),
    ("destServiceInstanceName", Field::DestInstance, Type::Text),
    ("endpoint", Field::DestEndpoint, Type::Text),
    ("tlsMode", Field::Unset, Type::Text),
];
const ENDPOINT_RELATION: [Attribute; 9] = [
    ("rpcLatency", Field::Latency, Type::Int),
    ("detectPoint", Field::Detect, Type::Enum("DetectPoint")),
    ("componentId", Field::Component, Type::Int),
    ("endpoint", Field::SourceEndpoint, Type::Text),
    ("serviceName", Field::SourceService, Type::Text),
    ("serviceInstanceName", Field::SourceInstance, Type::Text),
    ("childEndpoint", Field::DestEndpoint, Type::Text),
    ("childServiceName", Field::DestService, Type::Text),
    ("childServiceInstanceName", Field::DestInstance, Type::Text),
];
const STATUS: Attribute = ("status", Field::Status, Type::Bool);
const DATABASE: [Attribute; 4] =
    [LATENCY, STATUS, ("name", Field::DestService, Type::Text), ("databaseTypeId", Field::Component, Type::Int)];
const CACHE: [Attribute; 5] = [
    LATENCY,
    STATUS,
    ("name", Field::DestService, Type::Text),
    ("cacheTypeId", Field::Component, Type::Int),
    ("operation", Field::Operation, Type::Enum("VirtualCacheOperation")),
];
const MESSAGE: [Attribute; 4] = [
    STATUS,
    ("typeId", Field::Component, Type::Int),
    ("transmissionLatency", Field::Transmission, Type::Int),
    ("operation", Field::Operation, Type::Enum("MQOperation")),
];
const BROKER: [Attribute; 1] = [("name", Field::DestService, Type::Text)];
const TOPIC: [Attribute; 2] =
    [("serviceName", Field::DestService, Type::Text), ("endpoint", Field::DestEndpoint, Type::Text)];
const GEN_AI: [Attribute; 5] = [
    LATENCY,
    STATUS,
    ("inputTokens", Field::InputTokens, Type::Int),
    ("outputTokens", Field::OutputTokens, Type::Int),
    ("totalEstimatedCost", Field::Cost, Type::Int),
];
const PROVIDER: [Attribute; 1] = [("name", Field::DestService, Type::Text)];
const MODEL: [Attribute; 3] = [
    ("serviceName", Field::DestService, Type::Text),
    ("modelName", Field::DestInstance, Type::Text),
    ("timeToFirstToken", Field::FirstToken, Type::Int),
];
const CPU: [Attribute; 1] = [("usePercent", Field::UsePercent, Type::Float)];
const BYTES: [Attribute; 4] = [
    ("init", Field::Init, Type::Int),
    ("max", Field::Max, Type::Int),
    ("used", Field::Used, Type::Int),
    ("committed", Field::Committed, Type::Int),
];
const MEMORY: [Attribute; 1] = [("heapStatus", Field::IsHeap, Type::Bool)];
const POOL: [Attribute; 1] = [("poolType", Field::Pool, Type::Enum("MemoryPoolType"))];
const GC: [Attribute; 3] = [
    ("phase", Field::Phase, Type::Enum("GCPhase")),
    ("count", Field::Count, Type::Int),
    ("time", Field::Time, Type::Int),
];
const THREAD: [Attribute; 7] = [
    ("liveCount", Field::Live, Type::Int),
    ("daemonCount", Field::Daemon, Type::Int),
    ("peakCount", Field::Peak, Type::Int),
    ("runnableStateThreadCount", Field::Runnable, Type::Int),
    ("blockedStateThreadCount", Field::Blocked, Type::Int),
    ("waitingStateThreadCount", Field::Waiting, Type::Int),
    ("timedWaitingStateThreadCount", Field::TimedWaiting, Type::Int),
];
const CLASS: [Attribute; 3] = [
    ("loadedClassCount", Field::Loaded, Type::Int),
    ("totalLoadedClassCount", Field::TotalLoaded, Type::Int),
    ("totalUnloadedClassCount", Field::TotalUnloaded, Type::Int),
];

fn attributes(kind: SourceKind) -> [&'static [Attribute]; 2] {
    match kind {
        SourceKind::Service => [&SERVICE, &CALL],
        SourceKind::ServiceInstance => [&INSTANCE, &CALL],
        SourceKind::Endpoint => [&ENDPOINT, &CALL],
        SourceKind::ServiceRelation | SourceKind::ServiceInstanceRelation => [&RELATION, &CALL],
        SourceKind::EndpointRelation => [&ENDPOINT_RELATION, &CALL],
        SourceKind::Database => [&DATABASE, &[]],
        SourceKind::Cache => [&CACHE, &[]],
        SourceKind::Mq => [&BROKER, &MESSAGE],
        SourceKind::MqEndpoint => [&TOPIC, &MESSAGE],
        SourceKind::GenAiProvider => [&PROVIDER, &GEN_AI],
        SourceKind::GenAiModel => [&MODEL, &GEN_AI],
        SourceKind::JvmCpu => [&CPU, &[]],
        SourceKind::JvmMemory => [&MEMORY, &BYTES],
        SourceKind::JvmPool => [&POOL, &BYTES],
        SourceKind::JvmGc => [&GC, &[]],
        SourceKind::JvmThread => [&THREAD, &[]],
        SourceKind::JvmClass => [&CLASS, &[]],
    }
}

/// The attribute of a source. `Err`: the names there are.
pub(crate) fn attribute(kind: SourceKind, path: &str, key: Option<&str>) -> Result<(Field, Type), String> {
    let [own, common] = attributes(kind);
    let is_call = common.iter().any(|(n, ..)| *n == "tags");
    if let ("tag", Some(key), true) = (path, key, is_call) {
        return Ok((Field::Tag(key.into()), Type::Text));
    }
    let found = own.iter().chain(common).find(|(n, ..)| *n == path && key.is_none());
    found.map(|(_, field, ty)| (field.clone(), *ty)).ok_or_else(|| {
        let names = own.iter().chain(common).map(|(n, ..)| *n).chain(is_call.then_some("tag[\"…\"]"));
        names.collect::<Vec<_>>().join(", ")
    })
}

/// A set of constants: names, of which each stands for its position, or a function of the name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Constants {
    Positions(&'static [&'static str]),
    Layers,
}

impl Constants {
    /// The number of a constant. `Err`: the names there are.
    pub(crate) fn number(self, name: &str) -> Result<i64, String> {
        match self {
            Constants::Positions(names) => names
                .iter()
                .position(|n| *n == name)
                .and_then(|at| i64::try_from(at).ok())
                .ok_or_else(|| names.join(", ")),
            Constants::Layers => {
                let names = || layer::LAYERS.iter().map(|l| l.name).collect::<Vec<_>>().join(", ");
                layer::by_name(name).map(|l| i64::from(l.ordinal)).ok_or_else(names)
            }
        }
    }
}

/// The constants of a set.
pub(crate) fn constants(set: &str) -> Option<Constants> {
    Some(match set {
        "RequestType" => Constants::Positions(&["DATABASE", "HTTP", "RPC", "gRPC", "TCP", "MQ", "LOGIC", "GenAI"]),
        "DetectPoint" => Constants::Positions(&["SERVER", "CLIENT", "PROXY", "UNRECOGNIZED"]),
        "VirtualCacheOperation" => Constants::Positions(&["Write", "Read", "Others"]),
        "MQOperation" => Constants::Positions(&["Produce", "Consume"]),
        "GCPhase" => Constants::Positions(&["NEW", "OLD", "NORMAL"]),
        "MemoryPoolType" => Constants::Positions(&[
            "CODE_CACHE_USAGE",
            "NEWGEN_USAGE",
            "OLDGEN_USAGE",
            "SURVIVOR_USAGE",
            "PERMGEN_USAGE",
            "METASPACE_USAGE",
            "ZHEAP_USAGE",
            "COMPRESSED_CLASS_SPACE_USAGE",
            "CODEHEAP_NON_NMETHODS_USAGE",
            "CODEHEAP_PROFILED_NMETHODS_USAGE",
            "CODEHEAP_NON_PROFILED_NMETHODS_USAGE",
        ]),
        "Layer" => Constants::Layers,
        _ => return None,
    })
}

/// Every derived source with every attribute it has and what that holds, in words. For tests.
#[cfg(test)]
pub(crate) fn every_attribute() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    DERIVED.into_iter().flat_map(|(source, kind, _)| {
        attributes(kind).into_iter().flatten().map(move |(name, _, ty)| {
            let holds = match ty {
                Type::Bool => "truth",
                Type::Int => "whole number",
                Type::Float => "fraction",
                Type::Text => "text",
                Type::Tags => "tags",
                Type::Enum(_) => "constant",
                Type::Object | Type::Any => "something",
            };
            (source, *name, holds)
        })
    })
}
