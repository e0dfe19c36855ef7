//! Services, instances and endpoints: what life rows say entities are.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Agg, Bucket, Cells, Scope, Step,
    cell::{self, CellId},
    id,
    layer::{Layer, Layers},
};
use storage::{Entities, MergedRow, ScanQuery};

use crate::{
    Error,
    app::{self, App},
    duration::Range,
    schema::{
        common::{Attribute, EndpointCondition, InstanceCondition, ServiceCondition},
        metadata as wire,
    },
};

/// Most entities that one search answers with.
const MAX_LIMIT: usize = 10_000;

/// What is known about a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether an agent reports it; otherwise its callers do.
    pub(crate) normal: bool,
    /// By ordinal.
    pub(crate) layers: Vec<Layer>,
}

impl Service {
    /// Of a life row; `None` where its id is none, which no writer of ours makes.
    fn read(row: &MergedRow, layers: &Layers) -> Option<Self> {
        let (name, normal) = id::parse_service(&row.entity).ok()?;
        let layers = ids(&row.cells, cell::LAYERS).iter().filter_map(|ordinal| layers.by_ordinal(*ordinal)).collect();
        Some(Self { id: row.entity.to_string(), name, normal, layers })
    }

    pub(crate) fn is_in(&self, layer: &str) -> bool {
        self.layers.iter().any(|own| own.name == layer)
    }

    /// What stands before `::` in its name, empty for nothing, and the rest.
    pub(crate) fn group_and_short_name(&self) -> (&str, &str) {
        match self.name.split_once("::") {
            Some((group, rest)) if !group.is_empty() => (group, rest),
            _ => ("", self.name.as_str()),
        }
    }

    /// The service as clients see it, with all its layers.
    pub(crate) fn to_wire(&self) -> wire::Service {
        let (group, short_name) = self.group_and_short_name();
        wire::Service {
            id: self.id.clone().into(),
            name: self.name.clone(),
            group: group.to_owned(),
            short_name: short_name.to_owned(),
            layers: self.layers.iter().map(|layer| layer.name.to_owned()).collect(),
            normal: Some(self.normal),
        }
    }
}

/// A scan of life rows.
pub(crate) fn life(scope: Scope, entities: Entities) -> ScanQuery {
    ScanQuery {
        scope,
        step: Step::Life,
        from: Bucket(0),
        to: Bucket(0),
        entities,
        cells: Vec::new(),
        changed_since: None,
        after: None,
        limit: 0,
    }
}

fn ids(cells: &Cells, id: CellId) -> &[i32] {
    if let Some(Agg::Ids(ids)) = cells.get(id) { ids } else { &[] }
}

/// Every service by id.
pub(crate) async fn all_services(app: &App) -> Result<BTreeMap<String, Service>, Error> {
    let rows = app::scan(app, life(Scope::Service, Entities::All)).await?;
    let layers = &app.sources.layers;
    Ok(rows.iter().filter_map(|row| Service::read(row, layers)).map(|service| (service.id.clone(), service)).collect())
}

/// Services of a layer and a group (`None`: of any), by name. Of a layer only that layer is shown. A real and a conjectured
/// service of the same name are one entry with the layers of both, as the reference has it (analysis 4.8).
pub(crate) fn list_services(
    all: &BTreeMap<String, Service>,
    layer: Option<&str>,
    group: Option<&str>,
    keep: impl Fn(&Service) -> bool,
) -> Vec<wire::Service> {
    let mut by_name: BTreeMap<&str, wire::Service> = BTreeMap::new();
    let found = all.values().filter(|service| layer.is_none_or(|layer| service.is_in(layer)) && keep(service));
    for service in found {
        let mut shown = service.to_wire();
        if let Some(layer) = layer {
            shown.layers = vec![layer.to_owned()];
        }
        if group.is_some_and(|group| group != shown.group) {
            continue;
        }
        match by_name.get_mut(service.name.as_str()) {
            None => {
                by_name.insert(&service.name, shown);
            }
            Some(first) => {
                // Reported ones come first: what clients compute from a name is a real service's id.
                if service.normal {
                    std::mem::swap(first, &mut shown);
                }
                first.layers.extend(shown.layers);
                first.layers.dedup();
            }
        }
    }
    by_name.into_values().collect()
}

/// The service of an id.
///
/// # Errors
/// When the id is malformed.
pub(crate) async fn service(app: &App, service_id: &str) -> Result<Option<wire::Service>, Error> {
    id::parse_service(service_id)?;
    let rows = app::scan(app, life(Scope::Service, Entities::Ids(vec![service_id.into()]))).await?;
    Ok(rows.iter().find_map(|row| Service::read(row, &app.sources.layers)).map(|service| service.to_wire()))
}

/// Instances of a service, by id: those that pinged since the range began and were first seen before it ended.
pub(crate) async fn instances(app: &App, service_id: &str, range: &Range) -> Result<Vec<wire::ServiceInstance>, Error> {
    id::parse_service(service_id)?;
    let rows = app::scan(app, life(Scope::ServiceInstance, Entities::Prefix(format!("{service_id}_")))).await?;
    let mut found: Vec<_> = rows.iter().filter(|row| is_alive(&row.cells, range)).filter_map(instance_of_row).collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// Instances of a service, whenever they were seen, in no order.
pub(crate) async fn all_instances(app: &App, service_id: &str) -> Result<Vec<wire::ServiceInstance>, Error> {
    let rows = app::scan(app, life(Scope::ServiceInstance, Entities::Prefix(format!("{service_id}_")))).await?;
    Ok(rows.iter().filter_map(instance_of_row).collect())
}

/// The instance of an id.
///
/// # Errors
/// When the id is malformed.
pub(crate) async fn instance(app: &App, instance_id: &str) -> Result<Option<wire::ServiceInstance>, Error> {
    id::parse_instance(instance_id)?;
    let rows = app::scan(app, life(Scope::ServiceInstance, Entities::Ids(vec![instance_id.into()]))).await?;
    Ok(rows.iter().find_map(instance_of_row))
}

fn is_alive(cells: &Cells, range: &Range) -> bool {
    is_alive_in(cells, range.minutes())
}

/// Whether an entity pinged since the first of these minutes, and was first seen before the last was over.
pub(crate) fn is_alive_in(cells: &Cells, (from, to): (i64, i64)) -> bool {
    let first_seen = if let Some(Agg::Min(minute)) = cells.get(cell::FIRST_SEEN) { *minute } else { 0 };
    let last_ping = if let Some(Agg::Max(minute)) = cells.get(cell::LAST_PING) { *minute } else { first_seen };
    from <= to && last_ping >= from && first_seen <= to
}

fn instance_of_row(row: &MergedRow) -> Option<wire::ServiceInstance> {
    let (_, name) = id::parse_instance(&row.entity).ok()?;
    let mut language = wire::Language::Unknown;
    let mut attributes = Vec::new();
    if let Some(Agg::Texts(properties)) = row.cells.get(cell::PROPERTIES) {
        for (key, (_, value)) in properties {
            if key == "language" {
                language = language_of(value);
            } else {
                attributes.push(Attribute { name: key.clone(), value: value.clone() });
            }
        }
    }
    let id = row.entity.to_string();
    Some(wire::ServiceInstance { instance_uuid: id.clone(), id: id.into(), name, language, attributes })
}

/// The language of the property that agents report.
fn language_of(text: &str) -> wire::Language {
    match text.to_ascii_lowercase().as_str() {
        "java" => wire::Language::Java,
        "dotnet" | ".net" => wire::Language::Dotnet,
        "nodejs" => wire::Language::Nodejs,
        "python" => wire::Language::Python,
        "ruby" => wire::Language::Ruby,
        "go" => wire::Language::Go,
        "lua" => wire::Language::Lua,
        "php" => wire::Language::Php,
        _ => wire::Language::Unknown,
    }
}

/// Endpoints of a service whose name contains the keyword, the last seen for the first time first; with a range only those
/// alive in it.
pub(crate) async fn endpoints(
    app: &App,
    service_id: &str,
    keyword: Option<&str>,
    limit: i32,
    range: Option<&Range>,
) -> Result<Vec<wire::Endpoint>, Error> {
    id::parse_service(service_id)?;
    let limit = usize::try_from(limit).unwrap_or(0).min(MAX_LIMIT);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let keyword = keyword.map(str::to_lowercase);
    let rows = app::scan(app, life(Scope::Endpoint, Entities::Prefix(format!("{service_id}_")))).await?;
    let mut found: Vec<(i64, wire::Endpoint)> = rows
        .iter()
        .filter(|row| range.is_none_or(|range| is_alive(&row.cells, range)))
        .filter_map(|row| {
            let (_, name) = id::parse_endpoint(&row.entity).ok()?;
            let first_seen = if let Some(Agg::Min(minute)) = row.cells.get(cell::FIRST_SEEN) { *minute } else { 0 };
            Some((first_seen, wire::Endpoint { id: row.entity.to_string().into(), name }))
        })
        .filter(|(_, endpoint)| keyword.as_ref().is_none_or(|keyword| endpoint.name.to_lowercase().contains(keyword)))
        .collect();
    found.sort_by(|(a_seen, a), (b_seen, b)| b_seen.cmp(a_seen).then_with(|| a.name.cmp(&b.name)));
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, endpoint)| endpoint).collect())
}

/// What an endpoint's id says. Nothing is looked up.
///
/// # Errors
/// When the id is malformed.
pub(crate) fn endpoint_info(endpoint_id: &str) -> Result<wire::EndpointInfo, Error> {
    let (service_id, name) = id::parse_endpoint(endpoint_id)?;
    let (service_name, _) = id::parse_service(&service_id)?;
    Ok(wire::EndpointInfo { id: endpoint_id.into(), name, service_id: service_id.into(), service_name })
}

/// What stands behind addresses: the id of the service, by address. Addresses that nobody reported are left out.
pub(crate) async fn aliases(app: &App, addresses: Vec<Arc<str>>) -> Result<BTreeMap<String, String>, Error> {
    if addresses.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = app::scan(app, life(Scope::Address, Entities::Ids(addresses))).await?;
    let service_of = |row: &MergedRow| match row.cells.get(cell::ALIAS) {
        Some(Agg::Texts(texts)) => texts.get("").and_then(|(_, text)| text.split('\t').next()).map(str::to_owned),
        _ => None,
    };
    Ok(rows.iter().filter_map(|row| Some((row.entity.to_string(), service_of(row)?))).collect())
}

/// The id of a service given by name: a conjectured one where the layer says so.
pub(crate) fn service_id(app: &App, service: &ServiceCondition) -> String {
    let layer = app::given(service.layer.as_deref()).and_then(|layer| app.sources.layers.by_name(layer));
    let normal = layer.is_none_or(|layer| layer.normal);
    id::service(&service.service_name, normal)
}

/// The id of an instance given by name.
pub(crate) fn instance_id(app: &App, instance: &InstanceCondition) -> String {
    let service = ServiceCondition { service_name: instance.service_name.clone(), layer: instance.layer.clone() };
    id::instance(&service_id(app, &service), &instance.instance_name)
}

/// The id of an endpoint given by name.
pub(crate) fn endpoint_id(app: &App, endpoint: &EndpointCondition) -> String {
    let service = ServiceCondition { service_name: endpoint.service_name.clone(), layer: endpoint.layer.clone() };
    id::endpoint(&service_id(app, &service), &endpoint.endpoint_name)
}

/// Layers that can be asked for: all but the one that means none.
pub(crate) fn layers(app: &App) -> Vec<String> {
    app.sources.layers.iter().filter(|layer| layer.ordinal > 0).map(|layer| layer.name.to_owned()).collect()
}
