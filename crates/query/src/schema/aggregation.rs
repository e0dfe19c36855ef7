//! Rankings, the oldest form.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, Object, SimpleObject};

use super::common::{Duration, Long, Order};

/// Queries: rankings, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct AggregationQuery;

#[Object]
impl AggregationQuery {
    /// Services ranked by a metric.
    async fn get_service_top_n(&self, name: String, top_n: i32, duration: Duration, order: Order) -> Vec<TopNEntity> {
        Vec::new()
    }

    /// Instances of all services ranked by a metric.
    async fn get_all_service_instance_top_n(
        &self,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Vec<TopNEntity> {
        Vec::new()
    }

    /// Instances of a service ranked by a metric.
    async fn get_service_instance_top_n(
        &self,
        service_id: ID,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Vec<TopNEntity> {
        Vec::new()
    }

    /// Endpoints of all services ranked by a metric.
    async fn get_all_endpoint_top_n(
        &self,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Vec<TopNEntity> {
        Vec::new()
    }

    /// Endpoints of a service ranked by a metric.
    async fn get_endpoint_top_n(
        &self,
        service_id: ID,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Vec<TopNEntity> {
        Vec::new()
    }
}

/// One entry of a ranking.
#[derive(SimpleObject, Debug, Clone)]
pub struct TopNEntity {
    pub id: ID,
    pub name: String,
    pub value: Long,
}
