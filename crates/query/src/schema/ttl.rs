//! How long data are kept.

use async_graphql::{Object, SimpleObject};

/// Queries: how long data are kept.
#[derive(Debug, Default, Clone, Copy)]
pub struct TtlQuery;

#[Object]
impl TtlQuery {
    /// Days that metrics are kept.
    #[graphql(name = "getMetricsTTL")]
    async fn get_metrics_ttl(&self) -> Option<MetricsTtl> {
        None
    }

    /// Days that records are kept.
    #[graphql(name = "getRecordsTTL")]
    async fn get_records_ttl(&self) -> Option<RecordsTtl> {
        None
    }
}

/// Days that metrics are kept, by step; -1 where nothing is moved to a cold stage.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "MetricsTTL")]
pub struct MetricsTtl {
    pub cold_day: i32,
    pub cold_hour: i32,
    pub cold_minute: i32,
    pub day: i32,
    pub hour: i32,
    pub metadata: i32,
    pub minute: i32,
}

/// Days that records are kept, by kind; -1 where nothing is moved to a cold stage.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "RecordsTTL")]
pub struct RecordsTtl {
    pub browser_error_log: i32,
    pub cold_browser_error_log: i32,
    pub cold_log: i32,
    pub cold_normal: i32,
    pub cold_trace: i32,
    pub cold_zipkin_trace: i32,
    pub log: i32,
    pub normal: i32,
    pub trace: i32,
    pub zipkin_trace: i32,
}
