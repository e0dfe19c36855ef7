//! Trace profiling.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{KeyValue, LogEntity, Long, NOT_YET, Ref};

/// Queries: trace profiling.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProfileQuery;

#[Object]
impl ProfileQuery {
    /// Trace-profiling tasks with their logs, newest first.
    async fn get_profile_task_list(&self, service_id: Option<ID>, endpoint_name: Option<String>) -> Vec<ProfileTask> {
        Vec::new()
    }

    /// What instances reported about a task.
    async fn get_profile_task_logs(&self, #[graphql(name = "taskID")] task_id: Option<String>) -> Vec<ProfileTaskLog> {
        Vec::new()
    }

    /// Profiled segments of a task.
    async fn get_profile_task_segments(&self, #[graphql(name = "taskID")] task_id: ID) -> Vec<ProfiledTraceSegments> {
        Vec::new()
    }

    /// Analyse parts of profiled segments.
    async fn get_segments_profile_analyze(&self, queries: Vec<SegmentProfileAnalyzeQuery>) -> ProfileAnalyzation {
        ProfileAnalyzation { tip: None, trees: Vec::new() }
    }
}

/// Mutations: trace profiling.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Create a trace-profiling task.
    async fn create_profile_task(
        &self,
        creation_request: Option<ProfileTaskCreationRequest>,
    ) -> ProfileTaskCreationResult {
        ProfileTaskCreationResult { id: None, error_reason: Some(NOT_YET.to_owned()) }
    }
}

/// Result of a trace-profiling analysis.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileAnalyzation {
    pub tip: Option<String>,
    pub trees: Vec<ProfileStackTree>,
}

/// One frame; durations in milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileStackElement {
    pub code_signature: String,
    pub count: i32,
    pub duration: i32,
    pub duration_child_excluded: i32,
    pub id: ID,
    pub parent_id: ID,
}

/// Frames of one tree.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileStackTree {
    pub elements: Vec<ProfileStackElement>,
}

/// A trace-profiling task.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileTask {
    pub dump_period: i32,
    pub duration: i32,
    pub endpoint_name: String,
    pub id: String,
    pub logs: Vec<ProfileTaskLog>,
    pub max_sampling_count: i32,
    pub min_duration_threshold: i32,
    pub service_id: ID,
    pub service_name: String,
    pub start_time: Long,
}

/// Answer to the creation of a trace-profiling task.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileTaskCreationResult {
    pub error_reason: Option<String>,
    pub id: Option<String>,
}

/// One report of an instance about a trace-profiling task.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfileTaskLog {
    pub id: String,
    pub instance_id: ID,
    pub instance_name: String,
    pub operation_time: Long,
    pub operation_type: ProfileTaskLogOperationType,
}

/// A span of a profiled segment.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfiledSpan {
    pub component: Option<String>,
    pub end_time: Long,
    pub endpoint_name: Option<String>,
    pub is_error: Option<bool>,
    pub layer: Option<String>,
    pub logs: Vec<LogEntity>,
    pub parent_span_id: i32,
    pub peer: Option<String>,
    pub profiled: bool,
    pub refs: Vec<Ref>,
    pub segment_id: ID,
    pub service_code: String,
    pub service_instance_name: ID,
    pub span_id: i32,
    pub start_time: Long,
    pub tags: Vec<KeyValue>,
    pub r#type: String,
}

/// The profiled segments of one trace in one instance.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProfiledTraceSegments {
    pub duration: i32,
    pub endpoint_names: Vec<String>,
    pub instance_id: ID,
    pub instance_name: String,
    pub spans: Vec<ProfiledSpan>,
    pub start: String,
    pub trace_id: String,
}

/// A range in epoch milliseconds.
#[derive(InputObject, Debug, Clone)]
pub struct ProfileAnalyzeTimeRange {
    pub end: Long,
    pub start: Long,
}

/// A new trace-profiling task; `duration` in minutes, thresholds and periods in milliseconds.
#[derive(InputObject, Debug, Clone)]
pub struct ProfileTaskCreationRequest {
    pub dump_period: i32,
    pub duration: i32,
    pub endpoint_name: String,
    pub max_sampling_count: i32,
    pub min_duration_threshold: i32,
    pub service_id: ID,
    pub start_time: Option<Long>,
}

/// The part of a profiled segment to analyse.
#[derive(InputObject, Debug, Clone)]
pub struct SegmentProfileAnalyzeQuery {
    pub segment_id: String,
    pub time_range: ProfileAnalyzeTimeRange,
}

/// What an instance reported about a trace-profiling task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileTaskLogOperationType {
    ExecutionFinished,
    Notified,
}
