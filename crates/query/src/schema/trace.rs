//! Traces.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{
    DebuggingTrace, Duration, EndpointCondition, InstanceCondition, KeyValue, LogEntity, Long, Pagination, Ref,
    ServiceCondition,
};

/// Queries: traces.
#[derive(Debug, Default, Clone, Copy)]
pub struct TraceQuery;

#[Object]
impl TraceQuery {
    /// Segments that match.
    async fn query_basic_traces(
        &self,
        condition: Option<TraceQueryCondition>,
        debug: Option<bool>,
    ) -> Option<TraceBrief> {
        Some(TraceBrief { traces: Vec::new(), debugging_trace: None })
    }

    /// Segments that match, entities by name.
    async fn query_basic_traces_by_name(
        &self,
        condition: Option<TraceQueryConditionByName>,
        debug: Option<bool>,
    ) -> Option<TraceBrief> {
        Some(TraceBrief { traces: Vec::new(), debugging_trace: None })
    }

    /// All spans of a trace; none when unknown.
    async fn query_trace(&self, trace_id: ID, duration: Option<Duration>, debug: Option<bool>) -> Option<Trace> {
        Some(Trace { spans: Vec::new(), debugging_trace: None })
    }

    /// Whole traces with a segment that matches.
    async fn query_traces(&self, condition: Option<TraceQueryCondition>, debug: Option<bool>) -> Option<TraceList> {
        None
    }

    /// Whether clients should ask for whole traces.
    #[graphql(name = "hasQueryTracesV2Support")]
    async fn has_query_traces_v2_support(&self) -> bool {
        false
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_trace_tag_autocomplete_keys(&self, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_trace_tag_autocomplete_values(&self, tag_key: String, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }
}

/// One segment of a trace list. `start` is epoch milliseconds as text, `duration` milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct BasicTrace {
    pub duration: i32,
    pub endpoint_names: Vec<String>,
    pub is_error: Option<bool>,
    pub segment_id: String,
    pub start: String,
    pub trace_ids: Vec<String>,
}

/// A moment: epoch seconds and nanoseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct Instant {
    pub nanos: i32,
    pub seconds: Long,
}

/// A key and its number.
#[derive(SimpleObject, Debug, Clone)]
pub struct KeyNumericValue {
    pub key: String,
    pub value: Long,
}

/// The range that was searched, epoch milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct RetrievedTimeRange {
    pub end_time: Long,
    pub start_time: Long,
}

/// One span; times in epoch milliseconds, names as the agent sent them.
#[derive(SimpleObject, Debug, Clone)]
pub struct Span {
    pub attached_events: Vec<SpanAttachedEvent>,
    pub component: Option<String>,
    pub end_time: Long,
    pub endpoint_name: Option<String>,
    pub is_error: Option<bool>,
    pub layer: Option<String>,
    pub logs: Vec<LogEntity>,
    pub parent_span_id: i32,
    pub peer: Option<String>,
    pub refs: Vec<Ref>,
    pub segment_id: ID,
    pub service_code: String,
    pub service_instance_name: ID,
    pub span_id: i32,
    pub start_time: Long,
    pub tags: Vec<KeyValue>,
    pub trace_id: ID,
    pub r#type: String,
}

/// Something an eBPF agent saw during a span.
#[derive(SimpleObject, Debug, Clone)]
pub struct SpanAttachedEvent {
    pub end_time: Instant,
    pub event: String,
    pub start_time: Instant,
    pub summary: Vec<KeyNumericValue>,
    pub tags: Vec<Option<KeyValue>>,
}

/// All spans of a trace, parents before children.
#[derive(SimpleObject, Debug, Clone)]
pub struct Trace {
    pub debugging_trace: Option<DebuggingTrace>,
    pub spans: Vec<Span>,
}

/// A page of segments.
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceBrief {
    pub debugging_trace: Option<DebuggingTrace>,
    pub traces: Vec<BasicTrace>,
}

/// A page of whole traces.
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceList {
    pub debugging_trace: Option<DebuggingTrace>,
    pub retrieved_time_range: RetrievedTimeRange,
    pub traces: Vec<TraceV2>,
}

/// One trace of a list of whole traces.
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceV2 {
    pub spans: Vec<Span>,
}

/// One tag to match.
#[derive(InputObject, Debug, Clone)]
pub struct SpanTag {
    pub key: String,
    pub value: Option<String>,
}

/// Which traces to list; everything given must hold. Durations in milliseconds, 0 or nothing for no bound.
#[derive(InputObject, Debug, Clone)]
pub struct TraceQueryCondition {
    pub endpoint_id: Option<ID>,
    pub max_trace_duration: Option<i32>,
    pub min_trace_duration: Option<i32>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: QueryOrder,
    pub service_id: Option<ID>,
    pub service_instance_id: Option<ID>,
    pub tags: Option<Vec<SpanTag>>,
    pub trace_id: Option<String>,
    pub trace_state: TraceState,
}

/// Which traces to list, entities by name.
#[derive(InputObject, Debug, Clone)]
pub struct TraceQueryConditionByName {
    pub endpoint: Option<EndpointCondition>,
    pub instance: Option<InstanceCondition>,
    pub max_trace_duration: Option<i32>,
    pub min_trace_duration: Option<i32>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: QueryOrder,
    pub service: Option<ServiceCondition>,
    pub tags: Option<Vec<SpanTag>>,
    pub trace_id: Option<String>,
    pub trace_state: TraceState,
}

/// Sort key of a trace list; both descend.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryOrder {
    ByDuration,
    ByStartTime,
}

/// Whether to list failed traces, successful ones, or both.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceState {
    All,
    Error,
    Success,
}
