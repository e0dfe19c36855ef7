//! Types that several areas share, and the server's version.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use serde::Deserialize;

use crate::app::app;

pub use super::long::Long;

/// The answer to a list that was asked for without a condition: the schema allows it, and it means nothing.
pub(crate) fn no_condition() -> async_graphql::Error {
    async_graphql::Error::new("the condition is missing")
}

/// Why a mutation whose area is not served yet was refused.
pub(crate) const NOT_YET: &str = "this server does not support it yet";

/// Queries: types that several areas share, and the server's version.
#[derive(Debug, Default, Clone, Copy)]
pub struct CommonQuery;

#[Object]
impl CommonQuery {
    /// The server's version.
    async fn version(&self, ctx: &Context<'_>) -> Option<String> {
        Some(app(ctx).sources.version.clone())
    }
}

/// Mutations: types that several areas share, and the server's version.
#[derive(Debug, Default, Clone, Copy)]
pub struct CommonMutation;

#[Object]
impl CommonMutation {
    /// The server's version.
    async fn version(&self, ctx: &Context<'_>) -> Option<String> {
        Some(app(ctx).sources.version.clone())
    }
}

/// A name and its value.
#[derive(SimpleObject, Debug, Clone)]
pub struct Attribute {
    pub name: String,
    pub value: String,
}

/// One step of answering a query; times in nanoseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct DebuggingSpan {
    pub duration: Long,
    pub end_time: Long,
    pub error: Option<String>,
    pub msg: Option<String>,
    pub operation: String,
    pub parent_span_id: i32,
    pub span_id: i32,
    pub start_time: Long,
}

/// How a query was answered; only filled when asked for.
#[derive(SimpleObject, Debug, Clone)]
pub struct DebuggingTrace {
    pub condition: String,
    pub duration: Long,
    pub end_time: Long,
    pub spans: Vec<DebuggingSpan>,
    pub start_time: Long,
    pub trace_id: String,
}

/// Something that happened; start and end reports are merged.
#[derive(SimpleObject, Debug, Clone)]
pub struct Event {
    pub end_time: Option<Long>,
    pub layer: String,
    pub message: Option<String>,
    pub name: String,
    pub parameters: Option<Vec<KeyValue>>,
    pub source: Source,
    pub start_time: Long,
    pub r#type: EventType,
    pub uuid: String,
}

/// Values, one for each entity or time bucket.
#[derive(SimpleObject, Debug, Clone)]
pub struct IntValues {
    pub values: Vec<KvInt>,
}

/// One value; an empty one carries the metric's default.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "KVInt")]
pub struct KvInt {
    pub id: ID,
    pub is_empty_value: bool,
    pub value: Long,
}

/// A key and its value.
#[derive(SimpleObject, Debug, Clone)]
pub struct KeyValue {
    pub key: String,
    pub value: Option<String>,
}

/// One log with the names its ids stand for.
#[derive(SimpleObject, Debug, Clone)]
pub struct Log {
    pub content: Option<String>,
    pub content_type: ContentType,
    pub endpoint_id: Option<ID>,
    pub endpoint_name: Option<String>,
    pub service_id: Option<ID>,
    pub service_instance_id: Option<ID>,
    pub service_instance_name: Option<String>,
    pub service_name: Option<String>,
    pub tags: Option<Vec<KeyValue>>,
    pub timestamp: Long,
    pub trace_id: Option<String>,
}

/// One log inside a span.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogEntity {
    pub data: Option<Vec<KeyValue>>,
    pub time: Long,
}

/// A page of logs.
#[derive(SimpleObject, Debug, Clone)]
pub struct Logs {
    pub debugging_trace: Option<DebuggingTrace>,
    pub error_reason: Option<String>,
    pub logs: Vec<Log>,
}

/// One value, formatted. In a series `id` is the bucket's start in epoch milliseconds.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "MQEValue")]
pub struct MqeValue {
    pub id: Option<ID>,
    pub owner: Option<Owner>,
    #[graphql(name = "traceID")]
    pub trace_id: Option<ID>,
    pub value: Option<String>,
}

/// One series or list with its labels.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "MQEValues")]
pub struct MqeValues {
    pub metric: Metadata,
    pub values: Vec<MqeValue>,
}

/// Labels of a series.
#[derive(SimpleObject, Debug, Clone)]
pub struct Metadata {
    pub labels: Vec<KeyValue>,
}

/// The entity a value belongs to; what does not apply is null.
#[derive(SimpleObject, Debug, Clone)]
pub struct Owner {
    #[graphql(name = "endpointID")]
    pub endpoint_id: Option<ID>,
    pub endpoint_name: Option<String>,
    pub normal: Option<bool>,
    pub scope: Option<Scope>,
    #[graphql(name = "serviceID")]
    pub service_id: Option<ID>,
    #[graphql(name = "serviceInstanceID")]
    pub service_instance_id: Option<ID>,
    pub service_instance_name: Option<String>,
    pub service_name: Option<String>,
}

/// A process.
#[derive(SimpleObject, Debug, Clone)]
pub struct Process {
    pub agent_id: String,
    pub attributes: Vec<Attribute>,
    pub detect_type: String,
    pub id: ID,
    pub instance_id: ID,
    pub instance_name: String,
    pub labels: Vec<String>,
    pub name: String,
    pub service_id: ID,
    pub service_name: String,
}

/// A span's parent.
#[derive(SimpleObject, Debug, Clone)]
pub struct Ref {
    pub parent_segment_id: ID,
    pub parent_span_id: i32,
    pub trace_id: ID,
    pub r#type: RefType,
}

/// Whom an event concerns, by names.
#[derive(SimpleObject, Debug, Clone)]
pub struct Source {
    pub endpoint: Option<String>,
    pub service: Option<String>,
    pub service_instance: Option<String>,
}

/// A range of time in the server's zone, both ends inclusive. The text has the form that `step` asks for: `yyyy-MM-dd`, `yyyy-MM-dd HH`, `yyyy-MM-dd HHmm` or `yyyy-MM-dd HHmmss`.
#[derive(InputObject, Debug, Clone)]
pub struct Duration {
    pub cold_stage: Option<bool>,
    pub end: String,
    pub start: String,
    pub step: Step,
}

/// An endpoint by name.
#[derive(InputObject, Debug, Clone)]
pub struct EndpointCondition {
    pub endpoint_name: String,
    pub layer: Option<String>,
    pub service_name: String,
}

/// Whom an expression or a metric is asked for, by names; which of them count follows from the metric's own scope.
#[derive(InputObject, Debug, Clone)]
pub struct Entity {
    pub dest_endpoint_name: Option<String>,
    pub dest_normal: Option<bool>,
    pub dest_process_name: Option<String>,
    pub dest_service_instance_name: Option<String>,
    pub dest_service_name: Option<String>,
    pub endpoint_name: Option<String>,
    pub normal: Option<bool>,
    pub process_name: Option<String>,
    pub scope: Option<Scope>,
    pub service_instance_name: Option<String>,
    pub service_name: Option<String>,
}

/// A service instance by name.
#[derive(InputObject, Debug, Clone)]
pub struct InstanceCondition {
    pub instance_name: String,
    pub layer: Option<String>,
    pub service_name: String,
}

/// A page: `pageNum` counts from 1 (0 and nothing mean 1).
#[derive(InputObject, Debug, Clone)]
pub struct Pagination {
    pub page_num: Option<i32>,
    pub page_size: i32,
}

/// A service by name.
#[derive(InputObject, Debug, Clone)]
pub struct ServiceCondition {
    pub layer: Option<String>,
    pub service_name: String,
}

/// Format of a log's content.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    Json,
    Text,
    Yaml,
}

/// What a continuous-profiling policy watches.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContinuousProfilingMonitorType {
    HttpAvgResponseTime,
    HttpErrorRate,
    ProcessCpu,
    ProcessThreadCount,
    SystemLoad,
}

/// Whether an event is ordinary or bad news.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(rename_items = "PascalCase")]
pub enum EventType {
    Error,
    Normal,
}

/// Sort direction.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Asc,
    Des,
}

/// Whether a span's parent runs in another process or in another thread of the same one.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefType {
    CrossProcess,
    CrossThread,
}

/// The kind of entity a metric, an alarm or an owner speaks of.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[graphql(rename_items = "PascalCase")]
pub enum Scope {
    All,
    Endpoint,
    EndpointRelation,
    Process,
    ProcessRelation,
    Service,
    ServiceInstance,
    ServiceInstanceRelation,
    ServiceRelation,
}

/// Length of a time bucket; decides how a `Duration` is written.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Day,
    Hour,
    Minute,
    Second,
}
