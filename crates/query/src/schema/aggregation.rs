//! Rankings, the oldest form.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use model::Scope;

use crate::{Error, app::app, metrics_by_id};

use super::common::{Duration, Long, Order};

/// Queries: rankings, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct AggregationQuery;

#[Object]
impl AggregationQuery {
    /// Services ranked by a metric.
    async fn get_service_top_n(
        &self,
        ctx: &Context<'_>,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Result<Vec<TopNEntity>> {
        let service = None;
        metrics_by_id::top(app(ctx), Scope::Service, service, &name, top_n, order, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// Instances of all services ranked by a metric.
    async fn get_all_service_instance_top_n(
        &self,
        ctx: &Context<'_>,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Result<Vec<TopNEntity>> {
        let service = None;
        metrics_by_id::top(app(ctx), Scope::ServiceInstance, service, &name, top_n, order, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// Instances of a service ranked by a metric.
    async fn get_service_instance_top_n(
        &self,
        ctx: &Context<'_>,
        service_id: ID,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Result<Vec<TopNEntity>> {
        let service = Some(service_id.as_str());
        metrics_by_id::top(app(ctx), Scope::ServiceInstance, service, &name, top_n, order, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// Endpoints of all services ranked by a metric.
    async fn get_all_endpoint_top_n(
        &self,
        ctx: &Context<'_>,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Result<Vec<TopNEntity>> {
        let service = None;
        metrics_by_id::top(app(ctx), Scope::Endpoint, service, &name, top_n, order, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// Endpoints of a service ranked by a metric.
    async fn get_endpoint_top_n(
        &self,
        ctx: &Context<'_>,
        service_id: ID,
        name: String,
        top_n: i32,
        duration: Duration,
        order: Order,
    ) -> Result<Vec<TopNEntity>> {
        let service = Some(service_id.as_str());
        metrics_by_id::top(app(ctx), Scope::Endpoint, service, &name, top_n, order, &duration)
            .await
            .map_err(Error::into_graphql)
    }
}

/// One entry of a ranking.
#[derive(SimpleObject, Debug, Clone)]
pub struct TopNEntity {
    pub id: ID,
    pub name: String,
    pub value: Long,
}
