//! Logs of containers, read on demand.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Logs, NOT_YET};

/// Queries: logs of containers, read on demand.
#[derive(Debug, Default, Clone, Copy)]
pub struct OndemandQuery;

#[Object]
impl OndemandQuery {
    /// Containers of an instance's pod.
    async fn list_containers(&self, condition: Option<OndemandContainergQueryCondition>) -> Option<PodContainers> {
        Some(PodContainers { error_reason: Some(NOT_YET.to_owned()), containers: Vec::new() })
    }

    /// Log lines of a container.
    async fn ondemand_pod_logs(&self, condition: Option<OndemandLogQueryCondition>) -> Option<Logs> {
        Some(Logs { logs: Vec::new(), error_reason: Some(NOT_YET.to_owned()), debugging_trace: None })
    }
}

/// Containers of a pod.
#[derive(SimpleObject, Debug, Clone)]
pub struct PodContainers {
    pub containers: Vec<String>,
    pub error_reason: Option<String>,
}

/// Whose containers to list.
#[derive(InputObject, Debug, Clone)]
pub struct OndemandContainergQueryCondition {
    pub service_instance_id: Option<ID>,
}

/// Which container's log to read.
#[derive(InputObject, Debug, Clone)]
pub struct OndemandLogQueryCondition {
    pub container: String,
    pub duration: Option<Duration>,
    pub excluding_keywords_of_content: Option<Vec<String>>,
    pub keywords_of_content: Option<Vec<String>>,
    pub service_instance_id: Option<ID>,
}
