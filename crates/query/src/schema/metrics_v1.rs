//! Metrics by entity id, the oldest form.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{Duration, IntValues};

/// Queries: metrics by entity id, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV1Query;

#[Object]
impl MetricsV1Query {
    /// One metric of several entities, mean over the duration.
    async fn get_values(&self, metric: BatchMetricConditions, duration: Duration) -> Option<IntValues> {
        Some(IntValues { values: Vec::new() })
    }

    /// One metric of one entity over time.
    async fn get_linear_int_values(&self, metric: MetricCondition, duration: Duration) -> Option<IntValues> {
        Some(IntValues { values: Vec::new() })
    }

    /// A labelled metric over time, its first labels.
    async fn get_multiple_linear_int_values(
        &self,
        metric: MetricCondition,
        num_of_linear: i32,
        duration: Duration,
    ) -> Vec<IntValues> {
        Vec::new()
    }

    /// A labelled metric over time, chosen labels.
    async fn get_subset_of_multiple_linear_int_values(
        &self,
        metric: MetricCondition,
        linear_index: Vec<i32>,
        duration: Duration,
    ) -> Vec<IntValues> {
        Vec::new()
    }

    /// A histogram over time.
    async fn get_thermodynamic(&self, metric: MetricCondition, duration: Duration) -> Option<Thermodynamic> {
        None
    }
}

/// Histogram counts as triples of column, row and count.
#[derive(SimpleObject, Debug, Clone)]
pub struct Thermodynamic {
    pub axis_y_step: i32,
    pub nodes: Vec<Vec<Option<i32>>>,
}

/// One metric of several entities, by entity id.
#[derive(InputObject, Debug, Clone)]
pub struct BatchMetricConditions {
    pub ids: Vec<ID>,
    pub name: String,
}

/// One metric of one entity, by entity id.
#[derive(InputObject, Debug, Clone)]
pub struct MetricCondition {
    pub id: Option<ID>,
    pub name: String,
}
