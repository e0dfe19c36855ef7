//! Processes and whom they talk to.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Agg, Bucket, Cells, Scope, Step,
    agg::OVERFLOW_ID,
    cell::{self, CellId},
    id,
    process::{DetectType, Process},
};
use storage::{Entities, ScanQuery};

use crate::{
    Components, Error,
    app::{self, App},
    duration::Range,
    metadata,
    schema::{
        common::{self, Attribute},
        topology::{self as wire, DetectPoint},
    },
};

/// How many minutes back processes count that a task may profile.
const SCALE_MINUTES: i64 = 10;

/// What is known about a process.
struct Known {
    id: String,
    process: Process,
    cells: Cells,
}

impl Known {
    fn to_wire(&self) -> Option<common::Process> {
        let (instance_id, instance_name, service_id, service_name) = place(&self.process.instance_id)?;
        let attributes = match self.cells.get(cell::PROPERTIES) {
            Some(Agg::Texts(texts)) => {
                texts.iter().map(|(name, (_, value))| Attribute { name: name.clone(), value: value.clone() }).collect()
            }
            _ => Vec::new(),
        };
        Some(common::Process {
            id: self.id.clone().into(),
            name: self.process.name.clone(),
            service_id: service_id.into(),
            service_name,
            instance_id: instance_id.into(),
            instance_name,
            agent_id: self.process.agent_id.clone(),
            detect_type: self.process.detect_type.name().to_owned(),
            labels: self.process.labels.clone(),
            attributes,
        })
    }

    fn to_node(&self) -> Option<wire::ProcessNode> {
        let (instance_id, service_instance_name, service_id, service_name) = place(&self.process.instance_id)?;
        Some(wire::ProcessNode {
            id: self.id.clone().into(),
            name: self.process.name.clone(),
            service_id: service_id.into(),
            service_name,
            service_instance_id: instance_id.into(),
            service_instance_name,
            is_real: self.process.detect_type != DetectType::Virtual,
        })
    }
}

/// Id and name of an instance, and of its service.
fn place(instance_id: &str) -> Option<(String, String, String, String)> {
    let (service_id, instance) = id::parse_instance(instance_id).ok()?;
    let (service, _) = id::parse_service(&service_id).ok()?;
    Some((instance_id.to_owned(), instance, service_id, service))
}

/// Processes by id. What process a row is of stands in the row alone, so whoever asks for an instance's reads all.
async fn known(app: &App, entities: Entities) -> Result<Vec<Known>, Error> {
    let rows = app::scan(app, metadata::life(Scope::Process, entities)).await?;
    let known = rows.into_iter().filter_map(|row| {
        let process = Process::read(row.cells.get(cell::PROCESS)?)?;
        Some(Known { id: row.entity.to_string(), process, cells: row.cells })
    });
    Ok(known.collect())
}

/// Processes of an instance, by id, virtual ones too: those that pinged since the range began and were first seen before it ended.
pub(crate) async fn list(app: &App, instance_id: &str, range: &Range) -> Result<Vec<common::Process>, Error> {
    let known = known(app, Entities::All).await?;
    let own = known.iter().filter(|known| known.process.instance_id == instance_id);
    let mut found: Vec<_> =
        own.filter(|known| metadata::is_alive_in(&known.cells, range.minutes())).filter_map(Known::to_wire).collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// The process of an id.
pub(crate) async fn get(app: &App, process_id: &str) -> Result<Option<common::Process>, Error> {
    let known = known(app, Entities::Ids(vec![process_id.into()])).await?;
    Ok(known.first().and_then(Known::to_wire))
}

/// How many processes of a service, seen in the last ten minutes, can be profiled by eBPF and have all these labels.
pub(crate) async fn scale(app: &App, service_id: &str, labels: &[String]) -> Result<i64, Error> {
    let now = app.sources.clock.now().0.div_euclid(60_000);
    let known = known(app, Entities::All).await?;
    let count = known.iter().filter(|Known { process, cells, .. }| {
        id::service_of(&process.instance_id) == service_id
            && process.can_be_profiled
            && process.detect_type != DetectType::Virtual
            && metadata::is_alive_in(cells, (now - SCALE_MINUTES, now))
            && labels.iter().all(|label| process.labels.contains(label))
    });
    Ok(i64::try_from(count.count()).unwrap_or(i64::MAX))
}

/// Calls that an instance reported of its processes, with every process at either end that is known. Each minute has one
/// component for each side, that with the highest priority; the calling side shows that of the first minute, the called side all.
pub(crate) async fn topology(app: &App, instance_id: &str, range: &Range) -> Result<wire::ProcessTopology, Error> {
    let known = known(app, Entities::All).await?;
    let own = known.iter().filter(|known| known.process.instance_id == instance_id);
    let own: Vec<_> = own.map(|known| known.id.as_str().into()).collect();
    let mut calls = BTreeMap::new();
    if !own.is_empty() {
        let mut rows = app::scan(app, relations(Entities::Touching(own), range)).await?;
        rows.sort_by_key(|row| row.bucket);
        for row in rows {
            add(&mut calls, &row.entity, &row.cells, instance_id, &app.sources.components);
        }
    }
    let ends: BTreeSet<&str> =
        calls.values().flat_map(|call: &wire::Call| [call.source.as_str(), call.target.as_str()]).collect();
    let mut nodes: Vec<_> =
        known.iter().filter(|known| ends.contains(known.id.as_str())).filter_map(Known::to_node).collect();
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(wire::ProcessTopology { nodes, calls: calls.into_values().collect(), debugging_trace: None })
}

/// Relations of processes have rows for minutes alone.
fn relations(entities: Entities, range: &Range) -> ScanQuery {
    let (from, to) = range.minutes();
    let bucket = |minute| Bucket(u32::try_from(minute).unwrap_or_default());
    ScanQuery {
        scope: Scope::ProcessRelation,
        step: Step::Minute,
        from: bucket(from),
        to: bucket(to),
        entities,
        cells: vec![cell::CLIENT_COMPONENTS, cell::SERVER_COMPONENTS, cell::CLIENT_INSTANCE, cell::SERVER_INSTANCE],
        changed_since: None,
        after: None,
        limit: 0,
    }
}

/// Adds what one minute says of a relation, as far as this instance reported it.
fn add(
    calls: &mut BTreeMap<String, wire::Call>,
    entity: &str,
    cells: &Cells,
    instance_id: &str,
    components: &Components,
) {
    let Some((source, dest)) = id::relation_ends(entity) else { return };
    let side = |reporter: CellId, seen: CellId| {
        let is_own = match cells.get(reporter) {
            Some(Agg::Texts(texts)) => texts.get("").is_some_and(|(_, id)| id == instance_id),
            _ => false,
        };
        match cells.get(seen) {
            Some(Agg::Ids(ids)) if is_own => Some(highest(ids, components)),
            _ => None,
        }
    };
    let sides = [
        (DetectPoint::Client, side(cell::CLIENT_INSTANCE, cell::CLIENT_COMPONENTS)),
        (DetectPoint::Server, side(cell::SERVER_INSTANCE, cell::SERVER_COMPONENTS)),
    ];
    for (point, component) in sides {
        let Some(component) = component else { continue };
        let call = calls.entry(entity.to_owned()).or_insert_with(|| wire::Call::new(entity, &source, &dest));
        let is_new = call.seen_at(point);
        let name = component.map(|id| components.name(id));
        match point {
            DetectPoint::Client if !is_new => {}
            DetectPoint::Client => call.source_components.extend(name.map(Into::into)),
            _ => wire::add_missing(&mut call.target_components, name),
        }
    }
}

/// The component with the highest priority, the lowest id of equals.
fn highest(ids: &[i32], components: &Components) -> Option<i32> {
    let known = ids.iter().copied().filter(|id| *id != OVERFLOW_ID);
    known.reduce(|best, id| if components.is_higher(best, id) { id } else { best })
}
