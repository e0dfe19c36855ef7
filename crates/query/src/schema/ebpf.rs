//! Profiling with eBPF.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{ContinuousProfilingMonitorType, Duration, Long, NOT_YET, Process};

/// Queries: profiling with eBPF.
#[derive(Debug, Default, Clone, Copy)]
pub struct EbpfQuery;

#[Object]
impl EbpfQuery {
    /// Whether a service can be profiled, and its processes' labels.
    #[graphql(name = "queryPrepareCreateEBPFProfilingTaskData")]
    async fn query_prepare_create_ebpf_profiling_task_data(&self, service_id: ID) -> EbpfProfilingTaskPrepare {
        EbpfProfilingTaskPrepare { could_profiling: false, process_labels: Vec::new() }
    }

    /// Tasks that match.
    #[graphql(name = "queryEBPFProfilingTasks")]
    async fn query_ebpf_profiling_tasks(
        &self,
        service_id: Option<ID>,
        service_instance_id: Option<ID>,
        targets: Option<Vec<EbpfProfilingTargetType>>,
        trigger_type: Option<EbpfProfilingTriggerType>,
        duration: Option<Duration>,
    ) -> Vec<EbpfProfilingTask> {
        Vec::new()
    }

    /// Runs of a task.
    #[graphql(name = "queryEBPFProfilingSchedules")]
    async fn query_ebpf_profiling_schedules(&self, task_id: ID) -> Vec<EbpfProfilingSchedule> {
        Vec::new()
    }

    /// Analyse runs of a task.
    #[graphql(name = "analysisEBPFProfilingResult")]
    async fn analysis_ebpf_profiling_result(
        &self,
        schedule_id_list: Vec<ID>,
        time_ranges: Vec<EbpfProfilingAnalyzeTimeRange>,
        aggregate_type: Option<EbpfProfilingAnalyzeAggregateType>,
    ) -> EbpfProfilingAnalyzation {
        EbpfProfilingAnalyzation { tip: None, trees: Vec::new() }
    }
}

/// Mutations: profiling with eBPF.
#[derive(Debug, Default, Clone, Copy)]
pub struct EbpfMutation;

#[Object]
impl EbpfMutation {
    /// Create a task that runs for a fixed time.
    #[graphql(name = "createEBPFProfilingFixedTimeTask")]
    async fn create_ebpf_profiling_fixed_time_task(
        &self,
        request: EbpfProfilingTaskFixedTimeCreationRequest,
    ) -> EbpfProfilingTaskCreationResult {
        EbpfProfilingTaskCreationResult { status: false, error_reason: Some(NOT_YET.to_owned()), id: None }
    }

    /// Create a network profiling task.
    #[graphql(name = "createEBPFNetworkProfiling")]
    async fn create_ebpf_network_profiling(
        &self,
        request: EbpfProfilingNetworkTaskRequest,
    ) -> EbpfProfilingTaskCreationResult {
        EbpfProfilingTaskCreationResult { status: false, error_reason: Some(NOT_YET.to_owned()), id: None }
    }

    /// Prolong a network profiling task.
    #[graphql(name = "keepEBPFNetworkProfiling")]
    async fn keep_ebpf_network_profiling(&self, task_id: ID) -> EbpfNetworkKeepProfilingResult {
        EbpfNetworkKeepProfilingResult { status: false, error_reason: Some(NOT_YET.to_owned()) }
    }
}

/// A value that crossed its threshold.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingSingleValueCause {
    pub current: Long,
    pub threshold: Long,
}

/// Why a policy started a task.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingTriggeredCause {
    pub message: String,
    pub single_value: Option<ContinuousProfilingSingleValueCause>,
    pub r#type: ContinuousProfilingMonitorType,
    pub uri: Option<ContinuousProfilingUriCause>,
}

/// A value of one URI that crossed its threshold.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "ContinuousProfilingURICause")]
pub struct ContinuousProfilingUriCause {
    pub current: Long,
    pub threshold: Long,
    pub uri_path: Option<String>,
    pub uri_regex: Option<String>,
}

/// Answer to the prolongation of a network profiling task.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFNetworkKeepProfilingResult")]
pub struct EbpfNetworkKeepProfilingResult {
    pub error_reason: Option<String>,
    pub status: bool,
}

/// Result of an eBPF analysis.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingAnalyzation")]
pub struct EbpfProfilingAnalyzation {
    pub tip: Option<String>,
    pub trees: Vec<EbpfProfilingTree>,
}

/// One run of an eBPF profiling task on one process.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingSchedule")]
pub struct EbpfProfilingSchedule {
    pub end_time: Long,
    pub process: Process,
    pub schedule_id: ID,
    pub start_time: Long,
    pub task_id: ID,
}

/// One stack element.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingStackElement")]
pub struct EbpfProfilingStackElement {
    pub dump_count: Long,
    pub id: String,
    pub parent_id: String,
    pub stack_type: EbpfProfilingStackType,
    pub symbol: String,
}

/// An eBPF profiling task.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingTask")]
pub struct EbpfProfilingTask {
    pub continuous_profiling_causes: Option<Vec<ContinuousProfilingTriggeredCause>>,
    pub create_time: Long,
    pub fixed_trigger_duration: Option<Long>,
    pub process_id: Option<ID>,
    pub process_labels: Vec<String>,
    pub process_name: Option<String>,
    pub service_id: ID,
    pub service_instance_id: Option<ID>,
    pub service_instance_name: Option<String>,
    pub service_name: String,
    pub target_type: EbpfProfilingTargetType,
    pub task_id: ID,
    pub task_start_time: Long,
    pub trigger_type: EbpfProfilingTriggerType,
}

/// Answer to the creation of an eBPF profiling task.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingTaskCreationResult")]
pub struct EbpfProfilingTaskCreationResult {
    pub error_reason: Option<String>,
    pub id: Option<String>,
    pub status: bool,
}

/// Whether a service has processes that eBPF can profile, and their labels.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingTaskPrepare")]
pub struct EbpfProfilingTaskPrepare {
    pub could_profiling: bool,
    pub process_labels: Vec<String>,
}

/// Stack elements of one tree.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingTree")]
pub struct EbpfProfilingTree {
    pub elements: Vec<EbpfProfilingStackElement>,
}

/// How much of a sampled exchange to collect; sizes in bytes.
#[derive(InputObject, Debug, Clone)]
#[graphql(name = "EBPFNetworkDataCollectingSettings")]
pub struct EbpfNetworkDataCollectingSettings {
    pub max_request_size: Option<i32>,
    pub max_response_size: Option<i32>,
    pub require_complete_request: bool,
    pub require_complete_response: bool,
}

/// Which exchanges a network profiling task samples.
#[derive(InputObject, Debug, Clone)]
#[graphql(name = "EBPFNetworkSamplingRule")]
pub struct EbpfNetworkSamplingRule {
    pub min_duration: Option<i32>,
    pub settings: EbpfNetworkDataCollectingSettings,
    pub uri_regex: Option<String>,
    #[graphql(name = "when4xx")]
    pub when4xx: bool,
    #[graphql(name = "when5xx")]
    pub when5xx: bool,
}

/// A range in epoch milliseconds.
#[derive(InputObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingAnalyzeTimeRange")]
pub struct EbpfProfilingAnalyzeTimeRange {
    pub end: Long,
    pub start: Long,
}

/// A new network profiling task of one instance.
#[derive(InputObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingNetworkTaskRequest")]
pub struct EbpfProfilingNetworkTaskRequest {
    pub instance_id: String,
    pub samplings: Option<Vec<EbpfNetworkSamplingRule>>,
}

/// A new eBPF profiling task; `duration` in seconds.
#[derive(InputObject, Debug, Clone)]
#[graphql(name = "EBPFProfilingTaskFixedTimeCreationRequest")]
pub struct EbpfProfilingTaskFixedTimeCreationRequest {
    pub duration: i32,
    pub process_labels: Vec<String>,
    pub service_id: String,
    pub start_time: Long,
    pub target_type: EbpfProfilingTargetType,
}

/// How eBPF stacks are weighed.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "EBPFProfilingAnalyzeAggregateType")]
pub enum EbpfProfilingAnalyzeAggregateType {
    Count,
    Duration,
}

/// Whether a stack element lies in the kernel or in the process.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "EBPFProfilingStackType")]
pub enum EbpfProfilingStackType {
    KernelSpace,
    UserSpace,
}

/// What an eBPF profiling task samples.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "EBPFProfilingTargetType")]
pub enum EbpfProfilingTargetType {
    Network,
    OffCpu,
    OnCpu,
}

/// What started an eBPF profiling task.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "EBPFProfilingTriggerType")]
pub enum EbpfProfilingTriggerType {
    ContinuousProfiling,
    FixedTime,
}
