//! Logs.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{
    Duration, EndpointCondition, InstanceCondition, KeyValue, Log, Logs, Long, Order, Pagination, ServiceCondition,
};

/// Queries: logs.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogQuery;

#[Object]
impl LogQuery {
    /// Logs that match.
    async fn query_logs(&self, condition: Option<LogQueryCondition>, debug: Option<bool>) -> Option<Logs> {
        Some(Logs { logs: Vec::new(), error_reason: None, debugging_trace: None })
    }

    /// Logs that match, entities by name.
    async fn query_logs_by_name(
        &self,
        condition: Option<LogQueryConditionByName>,
        debug: Option<bool>,
    ) -> Option<Logs> {
        Some(Logs { logs: Vec::new(), error_reason: None, debugging_trace: None })
    }

    /// Whether content can be searched.
    async fn support_query_logs_by_keywords(&self) -> bool {
        false
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_log_tag_autocomplete_keys(&self, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_log_tag_autocomplete_values(&self, tag_key: String, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    /// Try a log analysis script.
    async fn test(&self, requests: LogTestRequest) -> LogTestResponse {
        LogTestResponse { log: None, metrics: Some(Vec::new()) }
    }
}

/// A metric that a log analysis script produced.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogTestMetrics {
    pub name: String,
    pub tags: Option<Vec<KeyValue>>,
    pub timestamp: Long,
    pub value: Long,
}

/// What a log analysis script made of a log.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogTestResponse {
    pub log: Option<Log>,
    pub metrics: Option<Vec<LogTestMetrics>>,
}

/// Which logs to list; everything given must hold.
#[derive(InputObject, Debug, Clone)]
pub struct LogQueryCondition {
    pub endpoint_id: Option<ID>,
    pub excluding_keywords_of_content: Option<Vec<String>>,
    pub keywords_of_content: Option<Vec<String>>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: Option<Order>,
    pub related_trace: Option<TraceScopeCondition>,
    pub service_id: Option<ID>,
    pub service_instance_id: Option<ID>,
    pub tags: Option<Vec<LogTag>>,
}

/// Which logs to list, entities by name.
#[derive(InputObject, Debug, Clone)]
pub struct LogQueryConditionByName {
    pub endpoint: Option<EndpointCondition>,
    pub excluding_keywords_of_content: Option<Vec<String>>,
    pub instance: Option<InstanceCondition>,
    pub keywords_of_content: Option<Vec<String>>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: Option<Order>,
    pub related_trace: Option<TraceScopeCondition>,
    pub service: Option<ServiceCondition>,
    pub tags: Option<Vec<LogTag>>,
}

/// One tag to match.
#[derive(InputObject, Debug, Clone)]
pub struct LogTag {
    pub key: String,
    pub value: Option<String>,
}

/// A log analysis script and a log to try it on.
#[derive(InputObject, Debug, Clone)]
pub struct LogTestRequest {
    pub dsl: String,
    pub log: String,
}

/// The trace, and the segment and span in it, that logs belong to.
#[derive(InputObject, Debug, Clone)]
pub struct TraceScopeCondition {
    pub segment_id: Option<String>,
    pub span_id: Option<i32>,
    pub trace_id: String,
}
