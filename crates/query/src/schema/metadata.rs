//! Services, instances, endpoints, processes, layers and the server's clock.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use model::{id, layer};

use crate::{
    Error,
    app::{app, given, snapshot},
    duration, metadata, process,
};

use super::common::{Attribute, Duration, Long, Process, ServiceCondition};

/// Queries: services, instances, endpoints, processes, layers and the server's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetadataQuery;

#[Object]
impl MetadataQuery {
    /// Every layer that can be asked for, with or without data.
    async fn list_layers(&self, ctx: &Context<'_>) -> Vec<String> {
        metadata::layers(app(ctx))
    }

    /// Services of a layer, or all.
    async fn list_services(&self, ctx: &Context<'_>, layer: Option<String>) -> Result<Vec<Service>> {
        services(ctx, given(layer.as_deref()), None, |_| true).await
    }

    /// Services of a group, or all; the duration is not used.
    async fn get_all_services(
        &self,
        ctx: &Context<'_>,
        #[expect(unused_variables, reason = "services have no time, the argument is the schema's")] duration: Duration,
        group: Option<String>,
    ) -> Result<Vec<Service>> {
        services(ctx, None, given(group.as_deref()), |_| true).await
    }

    /// A service by id; null when unknown.
    async fn get_service(&self, ctx: &Context<'_>, service_id: String) -> Result<Option<Service>> {
        metadata::service(app(ctx), &service_id).await.map_err(Error::into_graphql)
    }

    /// A normal service by name; null when unknown.
    async fn find_service(&self, ctx: &Context<'_>, service_name: String) -> Result<Option<Service>> {
        service_named(ctx, &service_name).await
    }

    /// Services whose name contains the keyword.
    async fn search_services(
        &self,
        ctx: &Context<'_>,
        #[expect(unused_variables, reason = "services have no time, the argument is the schema's")] duration: Duration,
        keyword: String,
    ) -> Result<Vec<Service>> {
        services(ctx, None, None, |service| service.name.contains(&keyword)).await
    }

    /// A normal service by name; null when unknown.
    async fn search_service(&self, ctx: &Context<'_>, service_code: String) -> Result<Option<Service>> {
        service_named(ctx, &service_code).await
    }

    /// Services seen in browsers.
    async fn get_all_browser_services(
        &self,
        ctx: &Context<'_>,
        #[expect(unused_variables, reason = "services have no time, the argument is the schema's")] duration: Duration,
    ) -> Result<Vec<Service>> {
        services(ctx, Some(layer::BROWSER.name), None, |_| true).await
    }

    /// Browser services whose name contains the keyword.
    async fn search_browser_services(
        &self,
        ctx: &Context<'_>,
        #[expect(unused_variables, reason = "services have no time, the argument is the schema's")] duration: Duration,
        keyword: String,
    ) -> Result<Vec<Service>> {
        services(ctx, Some(layer::BROWSER.name), None, |service| service.name.contains(&keyword)).await
    }

    /// A browser service by name; null when unknown.
    async fn search_browser_service(&self, ctx: &Context<'_>, service_code: String) -> Result<Option<Service>> {
        let found = services(ctx, Some(layer::BROWSER.name), None, |service| service.name == service_code).await?;
        Ok(found.into_iter().next())
    }

    /// Instances alive within the duration.
    async fn get_service_instances(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
        service_id: ID,
    ) -> Result<Vec<ServiceInstance>> {
        instances(ctx, &duration, &service_id).await
    }

    /// Instances alive within the duration.
    async fn list_instances(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
        service_id: ID,
    ) -> Result<Vec<ServiceInstance>> {
        instances(ctx, &duration, &service_id).await
    }

    /// Instances alive within the duration, service by name.
    async fn list_instances_by_name(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
        service: ServiceCondition,
    ) -> Result<Vec<ServiceInstance>> {
        instances(ctx, &duration, &metadata::service_id(app(ctx), &service)).await
    }

    /// An instance by id; null when unknown.
    async fn get_instance(&self, ctx: &Context<'_>, instance_id: String) -> Result<Option<ServiceInstance>> {
        metadata::instance(app(ctx), &instance_id).await.map_err(Error::into_graphql)
    }

    /// Endpoints of a service whose name contains the keyword.
    async fn search_endpoint(
        &self,
        ctx: &Context<'_>,
        keyword: String,
        service_id: ID,
        limit: i32,
    ) -> Result<Vec<Endpoint>> {
        endpoints(ctx, Some(&keyword), &service_id, limit, None).await
    }

    /// Endpoints of a service whose name contains the keyword, newest first.
    async fn find_endpoint(
        &self,
        ctx: &Context<'_>,
        keyword: Option<String>,
        service_id: ID,
        limit: i32,
        duration: Option<Duration>,
    ) -> Result<Vec<Endpoint>> {
        endpoints(ctx, keyword.as_deref(), &service_id, limit, duration.as_ref()).await
    }

    /// Endpoints of a service by name, newest first.
    async fn find_endpoint_by_name(
        &self,
        ctx: &Context<'_>,
        keyword: Option<String>,
        service: ServiceCondition,
        limit: i32,
        duration: Option<Duration>,
    ) -> Result<Vec<Endpoint>> {
        endpoints(ctx, keyword.as_deref(), &metadata::service_id(app(ctx), &service), limit, duration.as_ref()).await
    }

    /// What an endpoint's id says, known or not.
    async fn get_endpoint_info(&self, endpoint_id: ID) -> Result<Option<EndpointInfo>> {
        metadata::endpoint_info(&endpoint_id).map(Some).map_err(Error::into_graphql)
    }

    /// Processes of an instance alive within the duration.
    async fn list_processes(&self, ctx: &Context<'_>, duration: Duration, instance_id: ID) -> Result<Vec<Process>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        process::list(app, &instance_id, &range).await.map_err(Error::into_graphql)
    }

    /// A process by id; null when unknown.
    async fn get_process(&self, ctx: &Context<'_>, process_id: ID) -> Result<Option<Process>> {
        process::get(app(ctx), &process_id).await.map_err(Error::into_graphql)
    }

    /// How many processes of a service, seen in the last ten minutes, can be profiled and have all these labels.
    async fn estimate_process_scale(&self, ctx: &Context<'_>, service_id: ID, labels: Vec<String>) -> Result<Long> {
        process::scale(app(ctx), &service_id, &labels).await.map(Long).map_err(Error::into_graphql)
    }

    /// Databases seen through their clients. Their type is empty: what a database is stands in the topology.
    async fn get_all_databases(
        &self,
        ctx: &Context<'_>,
        #[expect(unused_variables, reason = "services have no time, the argument is the schema's")] duration: Duration,
    ) -> Result<Vec<Database>> {
        let found = services(ctx, Some(layer::VIRTUAL_DATABASE.name), None, |_| true).await?;
        let database = |service: Service| Database { id: service.id, name: service.name, r#type: String::new() };
        Ok(found.into_iter().map(database).collect())
    }

    /// The server's zone and clock.
    async fn get_time_info(&self, ctx: &Context<'_>) -> Option<TimeInfo> {
        let app = app(ctx);
        let now = app.sources.clock.now();
        Some(TimeInfo { timezone: Some(app.zone().offset_text(now)), current_timestamp: Some(Long(now.0)) })
    }
}

async fn services(
    ctx: &Context<'_>,
    layer: Option<&str>,
    group: Option<&str>,
    keep: impl Fn(&metadata::Service) -> bool,
) -> Result<Vec<Service>> {
    let all = snapshot(ctx).services(app(ctx)).await.map_err(Error::into_graphql)?;
    Ok(metadata::list_services(all, layer, group, keep))
}

async fn service_named(ctx: &Context<'_>, name: &str) -> Result<Option<Service>> {
    metadata::service(app(ctx), &id::service(name, true)).await.map_err(Error::into_graphql)
}

async fn instances(ctx: &Context<'_>, duration: &Duration, service_id: &str) -> Result<Vec<ServiceInstance>> {
    let app = app(ctx);
    let range = duration::parse(duration, app.zone()).map_err(Error::into_graphql)?;
    metadata::instances(app, service_id, &range).await.map_err(Error::into_graphql)
}

async fn endpoints(
    ctx: &Context<'_>,
    keyword: Option<&str>,
    service_id: &str,
    limit: i32,
    duration: Option<&Duration>,
) -> Result<Vec<Endpoint>> {
    let app = app(ctx);
    let range = duration.map(|duration| duration::parse(duration, app.zone())).transpose();
    let range = range.map_err(Error::into_graphql)?;
    metadata::endpoints(app, service_id, given(keyword), limit, range.as_ref()).await.map_err(Error::into_graphql)
}

/// A database seen through its clients.
#[derive(SimpleObject, Debug, Clone)]
pub struct Database {
    pub id: ID,
    pub name: String,
    pub r#type: String,
}

/// An endpoint.
#[derive(SimpleObject, Debug, Clone)]
pub struct Endpoint {
    pub id: ID,
    pub name: String,
}

/// What an endpoint's id says.
#[derive(SimpleObject, Debug, Clone)]
pub struct EndpointInfo {
    pub id: ID,
    pub name: String,
    pub service_id: ID,
    pub service_name: String,
}

/// A service; `group` and `shortName` are the parts of its name around `::`.
#[derive(SimpleObject, Debug, Clone)]
pub struct Service {
    pub group: String,
    pub id: ID,
    pub layers: Vec<String>,
    pub name: String,
    pub normal: Option<bool>,
    pub short_name: String,
}

/// A service instance; its language is taken out of its attributes.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceInstance {
    pub attributes: Vec<Attribute>,
    pub id: ID,
    #[graphql(name = "instanceUUID")]
    pub instance_uuid: String,
    pub language: Language,
    pub name: String,
}

/// The server's zone as `+0800` and its clock in epoch milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct TimeInfo {
    pub current_timestamp: Option<Long>,
    pub timezone: Option<String>,
}

/// Language of an instance's agent; what is not listed is `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Dotnet,
    Go,
    Java,
    Lua,
    Nodejs,
    Php,
    Python,
    Ruby,
    Unknown,
}
