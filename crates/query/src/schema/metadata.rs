//! Services, instances, endpoints, processes, layers and the server's clock.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::common::{Attribute, Duration, Long, Process, ServiceCondition};

/// Queries: services, instances, endpoints, processes, layers and the server's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetadataQuery;

#[Object]
impl MetadataQuery {
    /// Every layer that can be asked for, with or without data.
    async fn list_layers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Services of a layer, or all.
    async fn list_services(&self, layer: Option<String>) -> Vec<Service> {
        Vec::new()
    }

    /// Services of a group, or all; the duration is not used.
    async fn get_all_services(&self, duration: Duration, group: Option<String>) -> Vec<Service> {
        Vec::new()
    }

    /// A service by id; null when unknown.
    async fn get_service(&self, service_id: String) -> Option<Service> {
        None
    }

    /// A normal service by name; null when unknown.
    async fn find_service(&self, service_name: String) -> Option<Service> {
        None
    }

    /// Services whose name contains the keyword.
    async fn search_services(&self, duration: Duration, keyword: String) -> Vec<Service> {
        Vec::new()
    }

    /// A normal service by name; null when unknown.
    async fn search_service(&self, service_code: String) -> Option<Service> {
        None
    }

    /// Services seen in browsers.
    async fn get_all_browser_services(&self, duration: Duration) -> Vec<Service> {
        Vec::new()
    }

    /// Browser services whose name contains the keyword.
    async fn search_browser_services(&self, duration: Duration, keyword: String) -> Vec<Service> {
        Vec::new()
    }

    /// A browser service by name; null when unknown.
    async fn search_browser_service(&self, service_code: String) -> Option<Service> {
        None
    }

    /// Instances alive within the duration.
    async fn get_service_instances(&self, duration: Duration, service_id: ID) -> Vec<ServiceInstance> {
        Vec::new()
    }

    /// Instances alive within the duration.
    async fn list_instances(&self, duration: Duration, service_id: ID) -> Vec<ServiceInstance> {
        Vec::new()
    }

    /// Instances alive within the duration, service by name.
    async fn list_instances_by_name(&self, duration: Duration, service: ServiceCondition) -> Vec<ServiceInstance> {
        Vec::new()
    }

    /// An instance by id; null when unknown.
    async fn get_instance(&self, instance_id: String) -> Option<ServiceInstance> {
        None
    }

    /// Endpoints of a service whose name contains the keyword.
    async fn search_endpoint(&self, keyword: String, service_id: ID, limit: i32) -> Vec<Endpoint> {
        Vec::new()
    }

    /// Endpoints of a service whose name contains the keyword, newest first.
    async fn find_endpoint(
        &self,
        keyword: Option<String>,
        service_id: ID,
        limit: i32,
        duration: Option<Duration>,
    ) -> Vec<Endpoint> {
        Vec::new()
    }

    /// Endpoints of a service by name, newest first.
    async fn find_endpoint_by_name(
        &self,
        keyword: Option<String>,
        service: ServiceCondition,
        limit: i32,
        duration: Option<Duration>,
    ) -> Vec<Endpoint> {
        Vec::new()
    }

    /// What an endpoint's id says, known or not.
    async fn get_endpoint_info(&self, endpoint_id: ID) -> Option<EndpointInfo> {
        None
    }

    /// Processes of an instance alive within the duration.
    async fn list_processes(&self, duration: Duration, instance_id: ID) -> Vec<Process> {
        Vec::new()
    }

    /// A process by id; null when unknown.
    async fn get_process(&self, process_id: ID) -> Option<Process> {
        None
    }

    /// How many processes of a service have all these labels.
    async fn estimate_process_scale(&self, service_id: ID, labels: Vec<String>) -> Long {
        Long(0)
    }

    /// Databases seen through their clients.
    async fn get_all_databases(&self, duration: Duration) -> Vec<Database> {
        Vec::new()
    }

    /// The server's zone and clock.
    async fn get_time_info(&self) -> Option<TimeInfo> {
        None
    }
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
