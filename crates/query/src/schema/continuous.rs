//! Continuous profiling policies.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{Attribute, ContinuousProfilingMonitorType, Long, NOT_YET};

/// Queries: continuous profiling policies.
#[derive(Debug, Default, Clone, Copy)]
pub struct ContinuousQuery;

#[Object]
impl ContinuousQuery {
    /// Policies of a service.
    async fn query_continuous_profiling_service_targets(&self, service_id: ID) -> Vec<ContinuousProfilingPolicyTarget> {
        Vec::new()
    }

    /// Instances that a policy watches.
    async fn query_continuous_profiling_monitoring_instances(
        &self,
        service_id: ID,
        target: ContinuousProfilingTargetType,
    ) -> Vec<ContinuousProfilingMonitoringInstance> {
        Vec::new()
    }
}

/// Mutations: continuous profiling policies.
#[derive(Debug, Default, Clone, Copy)]
pub struct ContinuousMutation;

#[Object]
impl ContinuousMutation {
    /// Replace the policies of a service.
    async fn set_continuous_profiling_policy(
        &self,
        request: ContinuousProfilingPolicyCreation,
    ) -> ContinuousProfilingSetResult {
        ContinuousProfilingSetResult { status: false, error_reason: Some(NOT_YET.to_owned()) }
    }
}

/// An instance watched by a policy.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingMonitoringInstance {
    pub attributes: Vec<Attribute>,
    pub id: ID,
    pub last_trigger_timestamp: Option<Long>,
    pub name: String,
    pub processes: Vec<ContinuousProfilingMonitoringProcess>,
    pub triggered_count: i32,
}

/// A process watched by a policy.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingMonitoringProcess {
    pub detect_type: String,
    pub id: ID,
    pub labels: Vec<String>,
    pub last_trigger_timestamp: Option<Long>,
    pub name: String,
    pub triggered_count: i32,
}

/// One threshold of a policy.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingPolicyItem {
    pub count: i32,
    pub period: i32,
    pub threshold: String,
    pub r#type: ContinuousProfilingMonitorType,
    pub uri_list: Option<Vec<String>>,
    pub uri_regex: Option<String>,
}

/// Thresholds that start one kind of profiling, and how often they did.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingPolicyTarget {
    pub check_items: Vec<ContinuousProfilingPolicyItem>,
    pub last_trigger_timestamp: Option<Long>,
    pub triggered_count: i32,
    pub r#type: ContinuousProfilingTargetType,
}

/// Answer to a change of policies.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContinuousProfilingSetResult {
    pub error_reason: Option<String>,
    pub status: bool,
}

/// The continuous-profiling policies of a service; replaces what was there.
#[derive(InputObject, Debug, Clone)]
pub struct ContinuousProfilingPolicyCreation {
    pub service_id: ID,
    pub targets: Vec<ContinuousProfilingPolicyTargetCreation>,
}

/// One threshold of a policy.
#[derive(InputObject, Debug, Clone)]
pub struct ContinuousProfilingPolicyItemCreation {
    pub count: i32,
    pub period: i32,
    pub threshold: String,
    pub r#type: ContinuousProfilingMonitorType,
    pub uri_list: Option<Vec<String>>,
    pub uri_regex: Option<String>,
}

/// Thresholds that start one kind of profiling.
#[derive(InputObject, Debug, Clone)]
pub struct ContinuousProfilingPolicyTargetCreation {
    pub check_items: Vec<ContinuousProfilingPolicyItemCreation>,
    pub target_type: ContinuousProfilingTargetType,
}

/// Which eBPF profiling a continuous-profiling policy starts.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContinuousProfilingTargetType {
    Network,
    OffCpu,
    OnCpu,
}
