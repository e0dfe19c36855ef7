//! Traces.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::common::no_condition;
use crate::{Error, app::app, duration, tags, trace, trace_summary};

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
        ctx: &Context<'_>,
        condition: Option<TraceQueryCondition>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<TraceBrief>> {
        let condition = condition.ok_or_else(no_condition)?;
        trace::list_segments(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }

    /// Segments that match, entities by name.
    async fn query_basic_traces_by_name(
        &self,
        ctx: &Context<'_>,
        condition: Option<TraceQueryConditionByName>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<TraceBrief>> {
        let condition = trace::by_name(app(ctx), condition.ok_or_else(no_condition)?);
        trace::list_segments(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }

    /// All spans of a trace; none when unknown.
    async fn query_trace(
        &self,
        ctx: &Context<'_>,
        trace_id: ID,
        #[expect(unused_variables, reason = "a trace is found wherever it lies, the argument is the schema's")]
        duration: Option<Duration>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Trace>> {
        trace::trace(app(ctx), &trace_id).await.map(Some).map_err(Error::into_graphql)
    }

    /// Whole traces with a segment that matches.
    async fn query_traces(
        &self,
        ctx: &Context<'_>,
        condition: Option<TraceQueryCondition>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<TraceList>> {
        let condition = condition.ok_or_else(no_condition)?;
        trace::list_traces(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }

    /// Traces, one row each: what they come to, without their spans. With `of: SEGMENT` (as without it) a trace is listed when one
    /// of its segments matches, in the order of those segments, as in `queryTraces`. With `of: TRACE` the condition and the order
    /// are about whole traces: how long they took from their first start to their last end, whether anything in them failed,
    /// whether the service took part, that they began within the duration; instances, endpoints and tags cannot be asked then,
    /// and a trace is listed once its summary is written, some fifteen seconds after its last segment.
    async fn query_trace_summaries(
        &self,
        ctx: &Context<'_>,
        condition: Option<TraceQueryCondition>,
        of: Option<SummaryOf>,
    ) -> Result<Option<TraceSummaryList>> {
        let condition = condition.ok_or_else(no_condition)?;
        let of = of.unwrap_or(SummaryOf::Segment);
        trace_summary::list(app(ctx), &condition, of).await.map(Some).map_err(Error::into_graphql)
    }

    /// Whether clients should ask for whole traces.
    #[graphql(name = "hasQueryTracesV2Support")]
    async fn has_query_traces_v2_support(&self, ctx: &Context<'_>) -> bool {
        app(ctx).config.list_whole_traces
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_trace_tag_autocomplete_keys(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::keys(app, tags::Kind::Trace, &range).await.map(Some).map_err(Error::into_graphql)
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_trace_tag_autocomplete_values(
        &self,
        ctx: &Context<'_>,
        tag_key: String,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::values(app, tags::Kind::Trace, &tag_key, &range).await.map(Some).map_err(Error::into_graphql)
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

/// A page of traces without their spans.
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceSummaryList {
    pub retrieved_time_range: RetrievedTimeRange,
    pub traces: Vec<TraceSummary>,
}

/// What a trace comes to. `start` is epoch milliseconds, `duration` milliseconds from the first start to the last end of its segments.
/// The root is where it begins: its earliest segment that nobody called, or, while none is known (`hasRoot` is false), its
/// earliest. Segments whose caller is not known either are `orphanSegments`. Of very long traces only a part is counted
/// (`isComplete` is false).
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceSummary {
    pub duration: Long,
    pub error_spans: i32,
    pub has_root: bool,
    pub is_complete: bool,
    pub is_error: bool,
    pub orphan_segments: i32,
    pub root_endpoint: Option<String>,
    pub root_service: String,
    pub segments: i32,
    pub services: Vec<TraceSummaryService>,
    pub spans: i32,
    pub start: Long,
    pub trace_id: String,
}

/// The part of a service in a trace.
#[derive(SimpleObject, Debug, Clone)]
pub struct TraceSummaryService {
    pub error_spans: i32,
    pub name: String,
    pub segments: i32,
    pub spans: i32,
}

/// What a condition on traces is about.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryOf {
    Segment,
    Trace,
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
