//! Who calls whom.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::common::{DebuggingTrace, Duration, EndpointCondition, InstanceCondition, ServiceCondition};

/// Queries: who calls whom.
#[derive(Debug, Default, Clone, Copy)]
pub struct TopologyQuery;

#[Object]
impl TopologyQuery {
    /// Calls of all services, or of a layer's.
    async fn get_global_topology(
        &self,
        duration: Duration,
        layer: Option<String>,
        debug: Option<bool>,
    ) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to a service.
    async fn get_service_topology(&self, service_id: ID, duration: Duration, debug: Option<bool>) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to a service, by name.
    async fn get_service_topology_by_name(
        &self,
        service: ServiceCondition,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to any of these services.
    async fn get_services_topology(
        &self,
        service_ids: Vec<ID>,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to any of these services, by name.
    async fn get_services_topology_by_names(
        &self,
        services: Vec<ServiceCondition>,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls between instances of two services, in both directions.
    async fn get_service_instance_topology(
        &self,
        client_service_id: ID,
        server_service_id: ID,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ServiceInstanceTopology> {
        Some(ServiceInstanceTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls between instances of two services, by name.
    async fn get_service_instance_topology_by_name(
        &self,
        client_service: ServiceCondition,
        server_service: ServiceCondition,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ServiceInstanceTopology> {
        Some(ServiceInstanceTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to an endpoint, as a service graph.
    async fn get_endpoint_topology(&self, endpoint_id: ID, duration: Duration) -> Option<Topology> {
        Some(Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to an endpoint.
    async fn get_endpoint_dependencies(
        &self,
        endpoint_id: ID,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<EndpointTopology> {
        Some(EndpointTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Calls from and to an endpoint, by name.
    async fn get_endpoint_dependencies_by_name(
        &self,
        endpoint: EndpointCondition,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<EndpointTopology> {
        Some(EndpointTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Whom the processes of an instance talk to.
    async fn get_process_topology(
        &self,
        service_instance_id: ID,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ProcessTopology> {
        Some(ProcessTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }

    /// Whom the processes of an instance talk to, by name.
    async fn get_process_topology_by_name(
        &self,
        instance: InstanceCondition,
        duration: Duration,
        debug: Option<bool>,
    ) -> Option<ProcessTopology> {
        Some(ProcessTopology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None })
    }
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
