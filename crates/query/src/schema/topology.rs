//! Who calls whom.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use crate::{
    Error,
    app::{app, given, snapshot},
    duration, metadata, topology,
};

use super::common::{DebuggingTrace, Duration, EndpointCondition, InstanceCondition, ServiceCondition};

/// Queries: who calls whom.
#[derive(Debug, Default, Clone, Copy)]
pub struct TopologyQuery;

#[Object]
impl TopologyQuery {
    /// Calls of all services, or of a layer's.
    async fn get_global_topology(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
        layer: Option<String>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Topology>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        let layer = given(layer.as_deref());
        topology::global(app, snapshot(ctx), layer, &range).await.map(Some).map_err(Error::into_graphql)
    }

    /// Calls from and to a service.
    async fn get_service_topology(
        &self,
        ctx: &Context<'_>,
        service_id: ID,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Topology>> {
        of_services(ctx, vec![service_id.0], &duration).await
    }

    /// Calls from and to a service, by name.
    async fn get_service_topology_by_name(
        &self,
        ctx: &Context<'_>,
        service: ServiceCondition,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Topology>> {
        of_services(ctx, vec![metadata::service_id(&service)], &duration).await
    }

    /// Calls from and to any of these services.
    async fn get_services_topology(
        &self,
        ctx: &Context<'_>,
        service_ids: Vec<ID>,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Topology>> {
        of_services(ctx, service_ids.into_iter().map(|id| id.0).collect(), &duration).await
    }

    /// Calls from and to any of these services, by name.
    async fn get_services_topology_by_names(
        &self,
        ctx: &Context<'_>,
        services: Vec<ServiceCondition>,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Topology>> {
        of_services(ctx, services.iter().map(metadata::service_id).collect(), &duration).await
    }

    /// Calls between instances of two services, in both directions.
    async fn get_service_instance_topology(
        &self,
        ctx: &Context<'_>,
        client_service_id: ID,
        server_service_id: ID,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<ServiceInstanceTopology>> {
        of_instances(ctx, &client_service_id, &server_service_id, &duration).await
    }

    /// Calls between instances of two services, by name.
    async fn get_service_instance_topology_by_name(
        &self,
        ctx: &Context<'_>,
        client_service: ServiceCondition,
        server_service: ServiceCondition,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<ServiceInstanceTopology>> {
        let (client, server) = (metadata::service_id(&client_service), metadata::service_id(&server_service));
        of_instances(ctx, &client, &server, &duration).await
    }

    /// Calls from and to an endpoint, as a service graph.
    async fn get_endpoint_topology(
        &self,
        ctx: &Context<'_>,
        endpoint_id: ID,
        duration: Duration,
    ) -> Result<Option<Topology>> {
        let found = of_endpoint(ctx, &endpoint_id, &duration).await?;
        Ok(found.map(|found| Topology {
            nodes: found.nodes.into_iter().map(endpoint_as_node).collect(),
            calls: found.calls,
            debugging_trace: None,
        }))
    }

    /// Calls from and to an endpoint.
    async fn get_endpoint_dependencies(
        &self,
        ctx: &Context<'_>,
        endpoint_id: ID,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<EndpointTopology>> {
        of_endpoint(ctx, &endpoint_id, &duration).await
    }

    /// Calls from and to an endpoint, by name.
    async fn get_endpoint_dependencies_by_name(
        &self,
        ctx: &Context<'_>,
        endpoint: EndpointCondition,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<EndpointTopology>> {
        of_endpoint(ctx, &metadata::endpoint_id(&endpoint), &duration).await
    }

    /// Whom the processes of an instance talk to.
    #[expect(unused_variables, reason = "nothing fills it yet, the arguments are the schema's")]
    async fn get_process_topology(
        &self,
        service_instance_id: ID,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ProcessTopology> {
        Some(ProcessTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Whom the processes of an instance talk to, by name.
    #[expect(unused_variables, reason = "nothing fills it yet, the arguments are the schema's")]
    async fn get_process_topology_by_name(
        &self,
        instance: InstanceCondition,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ProcessTopology> {
        Some(ProcessTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }
}

async fn of_services(ctx: &Context<'_>, ids: Vec<String>, duration: &Duration) -> Result<Option<Topology>> {
    let app = app(ctx);
    let range = duration::parse(duration, app.zone()).map_err(Error::into_graphql)?;
    topology::of_services(app, snapshot(ctx), ids, &range).await.map(Some).map_err(Error::into_graphql)
}

async fn of_instances(
    ctx: &Context<'_>,
    client: &str,
    server: &str,
    duration: &Duration,
) -> Result<Option<ServiceInstanceTopology>> {
    let app = app(ctx);
    let range = duration::parse(duration, app.zone()).map_err(Error::into_graphql)?;
    topology::instances(app, client, server, &range).await.map(Some).map_err(Error::into_graphql)
}

async fn of_endpoint(ctx: &Context<'_>, endpoint_id: &str, duration: &Duration) -> Result<Option<EndpointTopology>> {
    let app = app(ctx);
    let range = duration::parse(duration, app.zone()).map_err(Error::into_graphql)?;
    topology::endpoints(app, endpoint_id, &range).await.map(Some).map_err(Error::into_graphql)
}

fn endpoint_as_node(node: EndpointNode) -> Node {
    Node { id: node.id, name: node.name, r#type: node.r#type, is_real: node.is_real, layers: Vec::new() }
}

/// An edge: `id` is `source-target`, one entry for each side that reported it in `detectPoints`.
#[derive(SimpleObject, Debug, Clone)]
pub struct Call {
    pub detect_points: Vec<DetectPoint>,
    pub id: ID,
    pub source: ID,
    pub source_components: Vec<ID>,
    pub target: ID,
    pub target_components: Vec<ID>,
}

/// An endpoint in a dependency graph.
#[derive(SimpleObject, Debug, Clone)]
pub struct EndpointNode {
    pub id: ID,
    pub is_real: bool,
    pub name: String,
    pub service_id: ID,
    pub service_name: String,
    pub r#type: Option<String>,
}

/// Endpoints one call away from the asked one.
#[derive(SimpleObject, Debug, Clone)]
pub struct EndpointTopology {
    pub calls: Vec<Call>,
    pub debugging_trace: Option<DebuggingTrace>,
    pub nodes: Vec<EndpointNode>,
}

/// A service in a graph. `type` is its component, null where nothing tells.
#[derive(SimpleObject, Debug, Clone)]
pub struct Node {
    pub id: ID,
    pub is_real: bool,
    pub layers: Vec<String>,
    pub name: String,
    pub r#type: Option<String>,
}

/// A process in a graph.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProcessNode {
    pub id: ID,
    pub is_real: bool,
    pub name: String,
    pub service_id: ID,
    pub service_instance_id: ID,
    pub service_instance_name: String,
    pub service_name: String,
}

/// Processes of an instance and whom they talk to.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProcessTopology {
    pub calls: Vec<Call>,
    pub debugging_trace: Option<DebuggingTrace>,
    pub nodes: Vec<ProcessNode>,
}

/// An instance in a graph.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceInstanceNode {
    pub id: ID,
    pub is_real: bool,
    pub name: String,
    pub service_id: ID,
    pub service_name: String,
    pub r#type: Option<String>,
}

/// Instances of two services and the calls between them.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceInstanceTopology {
    pub calls: Vec<Call>,
    pub debugging_trace: Option<DebuggingTrace>,
    pub nodes: Vec<ServiceInstanceNode>,
}

/// Services and the calls between them.
#[derive(SimpleObject, Debug, Clone)]
pub struct Topology {
    pub calls: Vec<Call>,
    pub debugging_trace: Option<DebuggingTrace>,
    pub nodes: Vec<Node>,
}

/// The side of a call that reported it.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectPoint {
    Client,
    Proxy,
    Server,
}
