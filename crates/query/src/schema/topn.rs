//! Sampled records of a service, the oldest form.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Long, Order};

/// Queries: sampled records of a service, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct TopnQuery;

#[Object]
impl TopnQuery {
    /// Sampled records ranked by a metric.
    async fn get_top_n_records(&self, condition: TopNRecordsCondition) -> Vec<TopNRecord> {
        Vec::new()
    }
}

/// One slow statement; `latency` in milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct TopNRecord {
    pub latency: Long,
    pub statement: Option<String>,
    pub trace_id: Option<String>,
}

/// Which sampled records of a service to rank.
#[derive(InputObject, Debug, Clone)]
pub struct TopNRecordsCondition {
    pub duration: Duration,
    pub metric_name: String,
    pub order: Order,
    pub service_id: ID,
    pub top_n: i32,
}
