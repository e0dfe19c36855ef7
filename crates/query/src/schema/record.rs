//! Sampled records.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Entity, Order};

/// Queries: sampled records.
#[derive(Debug, Default, Clone, Copy)]
pub struct RecordQuery;

#[Object]
impl RecordQuery {
    /// Sampled records of an entity ranked by a metric.
    async fn read_records(&self, condition: RecordCondition, duration: Duration) -> Vec<Record> {
        Vec::new()
    }
}

/// One sampled record; `id` and `refId` are its trace id, or empty.
#[derive(SimpleObject, Debug, Clone)]
pub struct Record {
    pub id: ID,
    pub name: String,
    pub ref_id: Option<ID>,
    pub value: Option<String>,
}

/// Which sampled records to rank.
#[derive(InputObject, Debug, Clone)]
pub struct RecordCondition {
    pub name: String,
    pub order: Order,
    pub parent_entity: Entity,
    pub top_n: i32,
}
