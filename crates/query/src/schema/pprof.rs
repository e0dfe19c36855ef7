//! Profiling Go with pprof.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Long, NOT_YET};

/// Queries: profiling Go with pprof.
#[derive(Debug, Default, Clone, Copy)]
pub struct PprofQuery;

#[Object]
impl PprofQuery {
    /// Tasks of a service.
    async fn query_pprof_task_list(&self, request: PprofTaskListRequest) -> PprofTaskListResult {
        PprofTaskListResult { error_reason: None, tasks: Some(Vec::new()) }
    }

    /// What instances reported about a task.
    async fn query_pprof_task_progress(&self, task_id: String) -> PprofTaskProgress {
        PprofTaskProgress {
            logs: Some(Vec::new()),
            error_instance_ids: Some(Vec::new()),
            success_instance_ids: Some(Vec::new()),
        }
    }

    /// Analyse what instances uploaded.
    async fn query_pprof_analyze(&self, request: PprofAnalyzationRequest) -> PprofAnalyzation {
        PprofAnalyzation { tree: None }
    }
}

/// Mutations: profiling Go with pprof.
#[derive(Debug, Default, Clone, Copy)]
pub struct PprofMutation;

#[Object]
impl PprofMutation {
    /// Create a task.
    async fn create_pprof_task(
        &self,
        pprof_task_creation_request: PprofTaskCreationRequest,
    ) -> PprofTaskCreationResult {
        PprofTaskCreationResult {
            id: None,
            code: PprofTaskCreationType::ArgumentError,
            error_reason: Some(NOT_YET.to_owned()),
        }
    }
}

/// Result of a pprof analysis.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofAnalyzation {
    pub tree: Option<PprofStackTree>,
}

/// One frame with what was sampled in it and below it.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofStackElement {
    pub code_signature: String,
    pub id: ID,
    pub parent_id: ID,
    #[graphql(name = "self")]
    pub own: Long,
    pub total: Long,
}

/// All frames of a profile.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofStackTree {
    pub elements: Option<Vec<PprofStackElement>>,
}

/// A pprof task.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofTask {
    pub create_time: Long,
    pub dump_period: Option<i32>,
    pub duration: Option<i32>,
    pub events: PprofEventType,
    pub id: String,
    pub service_id: String,
    pub service_instance_ids: Vec<String>,
}

/// Answer to the creation of a pprof task.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofTaskCreationResult {
    pub code: PprofTaskCreationType,
    pub error_reason: Option<String>,
    pub id: Option<String>,
}

/// Pprof tasks of a service, newest first.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofTaskListResult {
    pub error_reason: Option<String>,
    pub tasks: Option<Vec<PprofTask>>,
}

/// One report of an instance about a pprof task.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofTaskLog {
    pub id: String,
    pub instance_id: ID,
    pub instance_name: String,
    pub operation_time: Long,
    pub operation_type: PprofTaskLogOperationType,
}

/// What instances reported about a pprof task.
#[derive(SimpleObject, Debug, Clone)]
pub struct PprofTaskProgress {
    pub error_instance_ids: Option<Vec<Option<ID>>>,
    pub logs: Option<Vec<PprofTaskLog>>,
    pub success_instance_ids: Option<Vec<Option<ID>>>,
}

/// Which results of a pprof task to analyse.
#[derive(InputObject, Debug, Clone)]
pub struct PprofAnalyzationRequest {
    pub instance_ids: Vec<String>,
    pub task_id: ID,
}

/// A new pprof task; `duration` in minutes.
#[derive(InputObject, Debug, Clone)]
pub struct PprofTaskCreationRequest {
    pub dump_period: Option<i32>,
    pub duration: Option<i32>,
    pub events: PprofEventType,
    pub service_id: ID,
    pub service_instance_ids: Vec<String>,
}

/// Which pprof tasks to list.
#[derive(InputObject, Debug, Clone)]
pub struct PprofTaskListRequest {
    pub limit: Option<i32>,
    pub query_duration: Option<Duration>,
    pub service_id: ID,
}

/// What a pprof task samples.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PprofEventType {
    Allocs,
    Block,
    Cpu,
    Goroutine,
    Heap,
    Mutex,
    Threadcreate,
}

/// Outcome of a request to create a pprof task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PprofTaskCreationType {
    AlreadyProfilingError,
    ArgumentError,
    Success,
}

/// What an instance reported about a pprof task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PprofTaskLogOperationType {
    ExecutionFinished,
    ExecutionTaskError,
    Notified,
    PprofUploadFileTooLargeError,
}
