//! Profiling Java with async-profiler.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Long, NOT_YET};

/// Queries: profiling Java with async-profiler.
#[derive(Debug, Default, Clone, Copy)]
pub struct AsyncProfilerQuery;

#[Object]
impl AsyncProfilerQuery {
    /// Tasks of a service.
    async fn query_async_profiler_task_list(
        &self,
        request: AsyncProfilerTaskListRequest,
    ) -> AsyncProfilerTaskListResult {
        AsyncProfilerTaskListResult { error_reason: None, tasks: Some(Vec::new()) }
    }

    /// What instances reported about a task.
    async fn query_async_profiler_task_progress(&self, task_id: String) -> AsyncProfilerTaskProgress {
        AsyncProfilerTaskProgress {
            logs: Some(Vec::new()),
            error_instance_ids: Some(Vec::new()),
            success_instance_ids: Some(Vec::new()),
        }
    }

    /// Analyse what instances uploaded.
    async fn query_async_profiler_analyze(&self, request: AsyncProfilerAnalyzationRequest) -> AsyncProfilerAnalyzation {
        AsyncProfilerAnalyzation { tree: None }
    }
}

/// Mutations: profiling Java with async-profiler.
#[derive(Debug, Default, Clone, Copy)]
pub struct AsyncProfilerMutation;

#[Object]
impl AsyncProfilerMutation {
    /// Create a task.
    async fn create_async_profiler_task(
        &self,
        async_profiler_task_creation_request: AsyncProfilerTaskCreationRequest,
    ) -> AsyncProfilerTaskCreationResult {
        AsyncProfilerTaskCreationResult {
            id: None,
            code: AsyncProfilerTaskCreationType::ArgumentError,
            error_reason: Some(NOT_YET.to_owned()),
        }
    }
}

/// Result of an async-profiler analysis.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerAnalyzation {
    pub tree: Option<AsyncProfilerStackTree>,
}

/// One frame with what was sampled in it and below it.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerStackElement {
    pub code_signature: String,
    pub id: ID,
    pub parent_id: ID,
    #[graphql(name = "self")]
    pub own: Long,
    pub total: Long,
}

/// All frames of one event type.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerStackTree {
    pub elements: Option<Vec<AsyncProfilerStackElement>>,
    pub r#type: JfrEventType,
}

/// An async-profiler task.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerTask {
    pub create_time: Long,
    pub duration: i32,
    pub events: Vec<AsyncProfilerEventType>,
    pub exec_args: Option<String>,
    pub id: String,
    pub service_id: String,
    pub service_instance_ids: Vec<String>,
}

/// Answer to the creation of an async-profiler task.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerTaskCreationResult {
    pub code: AsyncProfilerTaskCreationType,
    pub error_reason: Option<String>,
    pub id: Option<String>,
}

/// Async-profiler tasks of a service, newest first.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerTaskListResult {
    pub error_reason: Option<String>,
    pub tasks: Option<Vec<AsyncProfilerTask>>,
}

/// One report of an instance about an async-profiler task.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerTaskLog {
    pub id: String,
    pub instance_id: ID,
    pub instance_name: String,
    pub operation_time: Long,
    pub operation_type: AsyncProfilerTaskLogOperationType,
}

/// What instances reported about an async-profiler task.
#[derive(SimpleObject, Debug, Clone)]
pub struct AsyncProfilerTaskProgress {
    pub error_instance_ids: Option<Vec<Option<ID>>>,
    pub logs: Option<Vec<AsyncProfilerTaskLog>>,
    pub success_instance_ids: Option<Vec<Option<ID>>>,
}

/// Which results of an async-profiler task to analyse.
#[derive(InputObject, Debug, Clone)]
pub struct AsyncProfilerAnalyzationRequest {
    pub event_type: JfrEventType,
    pub instance_ids: Vec<String>,
    pub task_id: ID,
}

/// A new async-profiler task; `duration` in seconds.
#[derive(InputObject, Debug, Clone)]
pub struct AsyncProfilerTaskCreationRequest {
    pub duration: i32,
    pub events: Vec<AsyncProfilerEventType>,
    pub exec_args: Option<String>,
    pub service_id: ID,
    pub service_instance_ids: Vec<String>,
}

/// Which async-profiler tasks to list.
#[derive(InputObject, Debug, Clone)]
pub struct AsyncProfilerTaskListRequest {
    pub limit: Option<i32>,
    pub query_duration: Option<Duration>,
    pub service_id: ID,
}

/// What an async-profiler task may sample.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsyncProfilerEventType {
    Alloc,
    Cpu,
    Ctimer,
    Itimer,
    Lock,
    Wall,
}

/// Outcome of a request to create an async-profiler task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsyncProfilerTaskCreationType {
    AlreadyProfilingError,
    ArgumentError,
    Success,
}

/// What an instance reported about an async-profiler task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsyncProfilerTaskLogOperationType {
    ExecutionFinished,
    ExecutionTaskError,
    JfrUploadFileTooLargeError,
    Notified,
}

/// Event types in an uploaded JFR file.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "JFREventType")]
pub enum JfrEventType {
    ExecutionSample,
    Lock,
    ObjectAllocationInNewTlab,
    ObjectAllocationOutsideTlab,
    ProfilerLiveObject,
}
