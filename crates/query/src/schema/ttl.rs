//! How long data are kept.

use async_graphql::{Context, Object, SimpleObject};

use crate::app::app;

/// What stands for days in a cold stage where there is none.
const NO_COLD_STAGE: i32 = -1;

fn days(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// Queries: how long data are kept.
#[derive(Debug, Default, Clone, Copy)]
pub struct TtlQuery;

#[Object]
impl TtlQuery {
    /// Days that metrics are kept.
    #[graphql(name = "getMetricsTTL")]
    async fn get_metrics_ttl(&self, ctx: &Context<'_>) -> Option<MetricsTtl> {
        let days = days(app(ctx).sources.retention.metrics_days);
        Some(MetricsTtl {
            metadata: days,
            minute: days,
            hour: days,
            day: days,
            cold_minute: NO_COLD_STAGE,
            cold_hour: NO_COLD_STAGE,
            cold_day: NO_COLD_STAGE,
        })
    }

    /// Days that records are kept.
    #[graphql(name = "getRecordsTTL")]
    async fn get_records_ttl(&self, ctx: &Context<'_>) -> Option<RecordsTtl> {
        let days = days(app(ctx).sources.retention.records_days);
        Some(RecordsTtl {
            normal: days,
            trace: days,
            zipkin_trace: days,
            log: days,
            browser_error_log: days,
            cold_normal: NO_COLD_STAGE,
            cold_trace: NO_COLD_STAGE,
            cold_zipkin_trace: NO_COLD_STAGE,
            cold_log: NO_COLD_STAGE,
            cold_browser_error_log: NO_COLD_STAGE,
        })
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
