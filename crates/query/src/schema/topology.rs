//! Who calls whom.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use crate::{
    Error,
    app::{app, given, snapshot},
    duration, metadata, process, topology,
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
        of_services(ctx, vec![metadata::service_id(app(ctx), &service)], &duration).await
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
        of_services(ctx, services.iter().map(|service| metadata::service_id(app(ctx), service)).collect(), &duration)
            .await
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
        let app = app(ctx);
        let (client, server) = (metadata::service_id(app, &client_service), metadata::service_id(app, &server_service));
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
        of_endpoint(ctx, &metadata::endpoint_id(app(ctx), &endpoint), &duration).await
    }

    /// Whom the processes of an instance talk to.
    async fn get_process_topology(
        &self,
        ctx: &Context<'_>,
        service_instance_id: ID,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<ProcessTopology>> {
        of_processes(ctx, &service_instance_id, &duration).await
    }

    /// Whom the processes of an instance talk to, by name.
    async fn get_process_topology_by_name(
        &self,
        ctx: &Context<'_>,
        instance: InstanceCondition,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<ProcessTopology>> {
        of_processes(ctx, &metadata::instance_id(app(ctx), &instance), &duration).await
    }
}

async fn of_processes(ctx: &Context<'_>, instance_id: &str, duration: &Duration) -> Result<Option<ProcessTopology>> {
    let app = app(ctx);
    let range = duration::parse(duration, app.zone()).map_err(Error::into_graphql)?;
    process::topology(app, instance_id, &range).await.map(Some).map_err(Error::into_graphql)
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

/// In this form every endpoint counts as real, as in the reference.
fn endpoint_as_node(node: EndpointNode) -> Node {
    Node { id: node.id, name: node.name, r#type: node.r#type, is_real: true, layers: Vec::new() }
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

impl Call {
    /// A call that nobody reported yet.
    pub(crate) fn new(id: &str, source: &str, target: &str) -> Self {
        Call {
            id: id.into(),
            source: source.into(),
            target: target.into(),
            detect_points: Vec::new(),
            source_components: Vec::new(),
            target_components: Vec::new(),
        }
    }

    /// Notes the side that reported it; answers whether it had not yet.
    pub(crate) fn seen_at(&mut self, point: DetectPoint) -> bool {
        let is_new = !self.detect_points.contains(&point);
        if is_new {
            self.detect_points.push(point);
        }
        is_new
    }
}

/// Adds names that are not in a list yet.
pub(crate) fn add_missing<'n>(list: &mut Vec<ID>, names: impl IntoIterator<Item = &'n str>) {
    for name in names {
        if !list.iter().any(|known| known.as_str() == name) {
            list.push(name.into());
        }
    }
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
