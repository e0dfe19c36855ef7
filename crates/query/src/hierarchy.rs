//! The same service or instance seen in several layers.
//!
//! Which services belong together is found when somebody asks, from the services' life rows and the rules of the operator's
//! file: nothing is stored, so nothing has to be kept up to date by one node for all, and a changed rule holds for what was
//! seen before (`docs/adr/0006-hierarchy-at-read.md`).

mod definition;
mod graph;
mod matching;
mod parse;
mod rule;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use model::{id, layer::Layer};

pub use definition::{Hierarchy, HierarchyFile};
pub(crate) use graph::Graph;
use graph::Seen;

use crate::{
    Error,
    app::{App, Snapshot},
    metadata::{self, Service},
    schema::{common::Attribute, hierarchy as wire, metadata::ServiceInstance},
};

/// Most services directly above and below one whose instances are looked through for one answer.
const MAX_BESIDE: usize = 500;
/// Attributes that say on which machine an instance runs.
const HOST: [&str; 2] = ["pod", "hostname"];

/// Layers that take part, the highest first.
pub(crate) fn levels(app: &App) -> Vec<wire::LayerLevel> {
    let level = |(layer, level): &(Layer, i32)| wire::LayerLevel { layer: layer.name.to_owned(), level: *level };
    app.sources.hierarchy.levels.iter().map(level).collect()
}

/// Matches all services. Work for a thread that may be busy.
pub(crate) fn graph(hierarchy: &Hierarchy, services: &BTreeMap<String, Service>) -> Result<Graph, Error> {
    let in_layers = |service: &Service| {
        let (_, short_name) = service.group_and_short_name();
        let seen = |layer: &Layer| Seen {
            service_id: service.id.clone(),
            name: service.name.clone(),
            short_name: short_name.to_owned(),
            layer: *layer,
        };
        service.layers.iter().filter(|layer| layer.normal == service.normal).map(seen).collect::<Vec<_>>()
    };
    Graph::new(hierarchy, services.values().flat_map(in_layers).collect())
}

/// How a service is seen in other layers. In a layer that does not exist it is seen nowhere.
///
/// # Errors
/// When the id is malformed, or services have more relations than one request may find.
pub(crate) async fn of_service(
    app: &App,
    snapshot: &Snapshot,
    service_id: &str,
    layer: &str,
) -> Result<wire::ServiceHierarchy, Error> {
    id::parse_service(service_id)?;
    let Some(layer) = app.sources.layers.by_name(layer) else {
        return Ok(wire::ServiceHierarchy { relations: Vec::new() });
    };
    let graph = snapshot.hierarchy(app).await?;
    let relation = |(upper, lower): (&Seen, &Seen)| wire::HierarchyServiceRelation {
        upper_service: related_service(upper),
        lower_service: related_service(lower),
    };
    Ok(wire::ServiceHierarchy { relations: graph.around(service_id, layer).into_iter().map(relation).collect() })
}

fn related_service(seen: &Seen) -> wire::HierarchyRelatedService {
    wire::HierarchyRelatedService {
        id: seen.service_id.clone().into(),
        name: seen.name.clone(),
        layer: seen.layer.name.to_owned(),
        normal: seen.layer.normal,
    }
}

/// How an instance is seen in the layers directly above and below: of each service there the first instance, by name, that is the
/// same. Of an instance that nobody reported nothing is known.
///
/// # Errors
/// When the id is malformed, or there are more services beside its own than [`MAX_BESIDE`].
pub(crate) async fn of_instance(
    app: &App,
    snapshot: &Snapshot,
    instance_id: &str,
    layer: &str,
) -> Result<wire::InstanceHierarchy, Error> {
    let (service_id, _) = id::parse_instance(instance_id)?;
    let none = wire::InstanceHierarchy { relations: Vec::new() };
    let Some(layer) = app.sources.layers.by_name(layer) else { return Ok(none) };
    let Some(instance) = metadata::instance(app, instance_id).await? else { return Ok(none) };
    let graph = snapshot.hierarchy(app).await?;
    let Some(service) = graph.get(&service_id, layer) else { return Ok(none) };
    let (below, above) = graph.beside(&service_id, layer);
    if below.len() + above.len() > MAX_BESIDE {
        return Err(Error::Request(format!("more than {MAX_BESIDE} services lie beside this one")));
    }
    let own = related_instance(service, &instance);
    let mut relations = Vec::new();
    for other in below {
        let lower_instance = same(app, other, &instance).await?;
        let relation = |lower_instance| wire::HierarchyInstanceRelation { upper_instance: own.clone(), lower_instance };
        relations.extend(lower_instance.map(relation));
    }
    for other in above {
        let upper_instance = same(app, other, &instance).await?;
        let relation = |upper_instance| wire::HierarchyInstanceRelation { upper_instance, lower_instance: own.clone() };
        relations.extend(upper_instance.map(relation));
    }
    Ok(wire::InstanceHierarchy { relations })
}

/// The instance of a service that is the same as another one's.
async fn same(
    app: &App,
    service: &Seen,
    instance: &ServiceInstance,
) -> Result<Option<wire::HierarchyRelatedInstance>, Error> {
    let mut candidates = metadata::all_instances(app, &service.service_id).await?;
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(candidates.iter().find(|other| is_same(instance, other)).map(|other| related_instance(service, other)))
}

/// They have the same name, or are on the same machine, or one has the name of the other's machine.
fn is_same(a: &ServiceInstance, b: &ServiceInstance) -> bool {
    fn hosts(of: &ServiceInstance) -> impl Iterator<Item = &Attribute> {
        of.attributes.iter().filter(|attribute| HOST.iter().any(|name| attribute.name.eq_ignore_ascii_case(name)))
    }
    let is_on = |instance: &ServiceInstance, name: &str| hosts(instance).any(|host| host.value == name);
    let share = || {
        hosts(a).any(|host| b.attributes.iter().any(|other| (&other.name, &other.value) == (&host.name, &host.value)))
    };
    a.name == b.name || is_on(a, &b.name) || is_on(b, &a.name) || share()
}

fn related_instance(service: &Seen, instance: &ServiceInstance) -> wire::HierarchyRelatedInstance {
    wire::HierarchyRelatedInstance {
        id: instance.id.clone(),
        name: instance.name.clone(),
        service_id: service.service_id.clone().into(),
        service_name: service.name.clone(),
        layer: service.layer.name.to_owned(),
        normal: service.layer.normal,
    }
}

/// The graph of a request, from its services; built where a thread may be busy.
pub(crate) async fn build(app: &App, services: Arc<BTreeMap<String, Service>>) -> Result<Graph, Error> {
    let hierarchy = Arc::clone(&app.sources.hierarchy);
    let built = tokio::task::spawn_blocking(move || graph(&hierarchy, &services)).await;
    built.unwrap_or_else(|error| Err(Error::Store(storage::StoreError::Unavailable(error.to_string()))))
}
