//! Who calls whom: graphs assembled from relation rows (analysis, section 5).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{Agg, Cells, Scope, agg::OVERFLOW_ID, cell, cell::CellId, id, layer};
use storage::{Entities, MergedRow, ScanQuery};

use crate::{
    Components, Error,
    app::{self, App, Snapshot},
    duration::Range,
    metadata,
    schema::topology::{self as wire, DetectPoint},
};

/// Most services of which the calls are asked for at once.
const MAX_SERVICES: usize = 10_000;

/// A relation over the whole range: which components each side named. `None`: that side did not report it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Relation {
    client: Option<Vec<i32>>,
    server: Option<Vec<i32>>,
}

/// The relations of a scope in a range, by id.
async fn relations(
    app: &App,
    scope: Scope,
    range: &Range,
    entities: Entities,
) -> Result<BTreeMap<Arc<str>, Relation>, Error> {
    let query = ScanQuery {
        scope,
        step: range.step,
        from: range.first,
        to: range.last,
        entities,
        cells: vec![cell::CLIENT_COMPONENTS, cell::SERVER_COMPONENTS],
        changed_since: None,
        after: None,
        limit: 0,
    };
    let mut merged: BTreeMap<Arc<str>, Cells> = BTreeMap::new();
    for MergedRow { entity, cells, .. } in app::scan(app, query).await? {
        merged.entry(entity).or_default().merge(&cells);
    }
    let side = |cells: &Cells, id: CellId| match cells.get(id) {
        Some(Agg::Ids(ids)) => Some(ids.iter().copied().filter(|id| *id != OVERFLOW_ID).collect()),
        _ => None,
    };
    Ok(merged
        .into_iter()
        .map(|(entity, cells)| {
            let relation = Relation {
                client: side(&cells, cell::CLIENT_COMPONENTS),
                server: side(&cells, cell::SERVER_COMPONENTS),
            };
            (entity, relation)
        })
        .collect())
}

/// Calls of all services, or of those of a layer.
pub(crate) async fn global(
    app: &App,
    snapshot: &Snapshot,
    layer: Option<&str>,
    range: &Range,
) -> Result<wire::Topology, Error> {
    let Some(layer) = layer else {
        let relations = relations(app, Scope::ServiceRelation, range, Entities::All).await?;
        return service_graph(app, snapshot, range, relations, None).await;
    };
    let services = snapshot.services(app).await?;
    let ids = services.values().filter(|service| service.is_in(layer)).map(|service| service.id.clone()).collect();
    of_services(app, snapshot, ids, range).await
}

/// Calls from and to any of these services.
///
/// # Errors
/// When an id is malformed.
pub(crate) async fn of_services(
    app: &App,
    snapshot: &Snapshot,
    ids: Vec<String>,
    range: &Range,
) -> Result<wire::Topology, Error> {
    if ids.len() > MAX_SERVICES {
        return Err(Error::Request(format!("more than {MAX_SERVICES} services")));
    }
    for id in &ids {
        id::parse_service(id)?;
    }
    if ids.is_empty() {
        return Ok(wire::Topology { nodes: Vec::new(), calls: Vec::new(), debugging_trace: None });
    }
    let asked: BTreeSet<String> = ids.into_iter().collect();
    let touching = Entities::Touching(asked.iter().map(|id| id.as_str().into()).collect());
    let relations = relations(app, Scope::ServiceRelation, range, touching).await?;
    service_graph(app, snapshot, range, relations, Some(&asked)).await
}

/// Assembles a service graph: aliases are resolved again, since rows may be older than what is known about an address now.
async fn service_graph(
    app: &App,
    snapshot: &Snapshot,
    range: &Range,
    relations: BTreeMap<Arc<str>, Relation>,
    asked: Option<&BTreeSet<String>>,
) -> Result<wire::Topology, Error> {
    let ends: Vec<(String, String, Relation)> = relations
        .into_iter()
        .filter_map(|(entity, relation)| id::relation_ends(&entity).map(|(source, dest)| (source, dest, relation)))
        .collect();
    let addresses: BTreeSet<Arc<str>> = ends
        .iter()
        .filter(|(_, _, relation)| relation.client.is_some())
        .filter_map(|(_, dest, _)| id::parse_service(dest).ok())
        .map(|(name, _)| name.into())
        .collect();
    let aliases = metadata::aliases(app, addresses.into_iter().collect()).await?;
    let mut graph = Graph { components: &app.sources.components, nodes: BTreeMap::new(), calls: BTreeMap::new() };
    for (source, dest, relation) in &ends {
        if let Some(components) = &relation.client {
            let alias = id::parse_service(dest).ok().and_then(|(name, _)| aliases.get(&name));
            graph.client_call(source, alias.unwrap_or(dest), components);
        }
    }
    for (source, dest, relation) in &ends {
        if let Some(components) = &relation.server {
            graph.server_call(source, dest, components);
        }
    }
    if let Some(asked) = asked
        && graph.nodes.values().any(|node| node.name.is_none())
    {
        let callers = graph.callers_outside(asked);
        if !callers.is_empty() {
            let found = self::relations(app, Scope::ServiceRelation, range, Entities::Touching(callers)).await?;
            graph.complete_types(&found);
        }
    }
    let services = snapshot.services(app).await?;
    Ok(graph.finish(|id| {
        let layers = services.get(id).map(|service| service.layers.as_slice()).unwrap_or_default();
        let layers = if layers.is_empty() { &[layer::UNDEFINED] } else { layers };
        layers.iter().map(|layer| layer.name.to_owned()).collect()
    }))
}

/// A service graph in the making.
struct Graph<'a> {
    components: &'a Components,
    nodes: BTreeMap<String, NodeType>,
    calls: BTreeMap<String, wire::Call>,
}

/// What a node is called, and by which component of its own where it reports itself.
#[derive(Clone, Debug, Default, PartialEq)]
struct NodeType {
    name: Option<String>,
    own: Option<i32>,
    /// Whether it reported a call of its own.
    calls: bool,
}

impl<'a> Graph<'a> {
    fn client_call(&mut self, source: &str, dest: &str, components: &[i32]) {
        let server = components.first().map(|id| self.components.server(*id).to_owned());
        let target = self.nodes.entry(dest.to_owned()).or_default();
        if !is_real(dest) && target.name.is_none() {
            target.name = server;
        }
        self.nodes.entry(source.to_owned()).or_default().calls = true;
        let names = self.names(components);
        let call = self.call(source, dest, DetectPoint::Client);
        wire::add_missing(&mut call.source_components, names);
    }

    fn server_call(&mut self, source: &str, dest: &str, components: &[i32]) {
        let node = self.nodes.entry(source.to_owned()).or_default();
        if is_user(source) {
            node.name = Some("USER".to_owned());
        } else if !is_real(source)
            && let Some(id) = components.first()
        {
            node.name = Some(self.components.server(*id).to_owned());
        }
        self.take_type(dest, components);
        let names = self.names(components);
        let call = self.call(source, dest, DetectPoint::Server);
        wire::add_missing(&mut call.target_components, names);
    }

    /// The called side's own component names its node; of several the one with the higher priority, the first of equals.
    fn take_type(&mut self, dest: &str, components: &[i32]) {
        let node = self.nodes.entry(dest.to_owned()).or_default();
        for id in components {
            if node.own.is_none_or(|own| self.components.is_higher(own, *id)) {
                node.own = Some(*id);
                node.name = Some(self.components.name(*id).to_owned());
            }
        }
    }

    /// Services that reported calls of their own and were not asked for: who calls them, and with what, was not loaded.
    fn callers_outside(&self, asked: &BTreeSet<String>) -> Vec<Arc<str>> {
        let is_outside = |(id, node): &(&String, &NodeType)| node.calls && !asked.contains(*id);
        self.nodes.iter().filter(is_outside).map(|(id, _)| id.as_str().into()).collect()
    }

    fn complete_types(&mut self, relations: &BTreeMap<Arc<str>, Relation>) {
        let untyped: BTreeSet<String> =
            self.nodes.iter().filter(|(_, node)| node.name.is_none()).map(|(id, _)| id.clone()).collect();
        for (entity, relation) in relations {
            if let (Some((_, dest)), Some(components)) = (id::relation_ends(entity), &relation.server)
                && untyped.contains(&dest)
            {
                self.take_type(&dest, components);
            }
        }
    }

    fn names(&self, components: &[i32]) -> Vec<&'a str> {
        components.iter().map(|id| self.components.name(*id)).collect()
    }

    fn call(&mut self, source: &str, dest: &str, seen: DetectPoint) -> &mut wire::Call {
        let id = id::relation(source, dest);
        let call = self.calls.entry(id).or_insert_with_key(|id| wire::Call::new(id, source, dest));
        call.seen_at(seen);
        call
    }

    fn finish(self, layers: impl Fn(&str) -> Vec<String>) -> wire::Topology {
        let nodes = self.nodes.into_iter().filter_map(|(id, node)| {
            let (name, normal) = id::parse_service(&id).ok()?;
            Some(wire::Node { layers: layers(&id), id: id.into(), name, r#type: node.name, is_real: normal })
        });
        wire::Topology { nodes: nodes.collect(), calls: self.calls.into_values().collect(), debugging_trace: None }
    }
}

fn is_real(service_id: &str) -> bool {
    service_id.ends_with(".1")
}

fn is_user(service_id: &str) -> bool {
    id::parse_service(service_id).is_ok_and(|(name, normal)| name == id::USER && !normal)
}

/// Calls between instances of two services, in both directions.
///
/// # Errors
/// When an id is malformed.
pub(crate) async fn instances(
    app: &App,
    client: &str,
    server: &str,
    range: &Range,
) -> Result<wire::ServiceInstanceTopology, Error> {
    id::parse_service(client)?;
    id::parse_service(server)?;
    let between = Entities::Between(format!("{client}_"), format!("{server}_"));
    let mut nodes = BTreeMap::new();
    let mut calls = Vec::new();
    for (entity, relation) in relations(app, Scope::ServiceInstanceRelation, range, between).await? {
        let Some((source, dest)) = id::relation_ends(&entity) else { continue };
        for end in [&source, &dest] {
            nodes.entry(end.clone()).or_insert_with(|| instance_node(end));
        }
        let mut call = wire::Call::new(&entity, &source, &dest);
        call.detect_points.extend(relation.client.map(|_| DetectPoint::Client));
        call.detect_points.extend(relation.server.map(|_| DetectPoint::Server));
        calls.push(call);
    }
    Ok(wire::ServiceInstanceTopology { nodes: nodes.into_values().flatten().collect(), calls, debugging_trace: None })
}

fn instance_node(instance_id: &str) -> Option<wire::ServiceInstanceNode> {
    let (service_id, name) = id::parse_instance(instance_id).ok()?;
    let (service_name, is_real) = id::parse_service(&service_id).ok()?;
    Some(wire::ServiceInstanceNode {
        id: instance_id.into(),
        name,
        service_id: service_id.into(),
        service_name,
        r#type: Some(String::new()),
        is_real,
    })
}

/// Calls from and to an endpoint, one hop away.
///
/// # Errors
/// When the id is malformed.
pub(crate) async fn endpoints(app: &App, endpoint_id: &str, range: &Range) -> Result<wire::EndpointTopology, Error> {
    id::parse_endpoint(endpoint_id)?;
    let touching = Entities::Touching(vec![endpoint_id.into()]);
    let mut nodes = BTreeMap::new();
    let mut calls = Vec::new();
    for (entity, _) in relations(app, Scope::EndpointRelation, range, touching).await? {
        let Some((source, dest)) = id::relation_ends(&entity) else { continue };
        for end in [&source, &dest] {
            nodes.entry(end.clone()).or_insert_with(|| endpoint_node(end));
        }
        let mut call = wire::Call::new(&entity, &source, &dest);
        call.detect_points.push(DetectPoint::Server);
        calls.push(call);
    }
    Ok(wire::EndpointTopology { nodes: nodes.into_values().flatten().collect(), calls, debugging_trace: None })
}

fn endpoint_node(endpoint_id: &str) -> Option<wire::EndpointNode> {
    let (service_id, name) = id::parse_endpoint(endpoint_id).ok()?;
    let (service_name, is_real) = id::parse_service(&service_id).ok()?;
    Some(wire::EndpointNode {
        id: endpoint_id.into(),
        name,
        service_id: service_id.into(),
        service_name,
        r#type: Some(String::new()),
        is_real,
    })
}
