//! Reads what a plan asks for into [`Columns`]: each row once, for all metrics of its scope that are wanted.
//!
//! What it holds is bounded. Where [`MAX_VALUES`](crate::columns::MAX_VALUES) or [`MAX_ENTITIES`](crate::columns::MAX_ENTITIES) is
//! reached, entities that were not met before are not taken in, and beyond [`MAX_LABEL_SETS`](crate::columns::MAX_LABEL_SETS) of a
//! metric no further label sets; what is known goes on as before. How many values were left out is told by [`Columns::n_left_out`]. Of
//! two entities that are new at once the one whose row the store answers first is taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::cell::{self, CellId};
use model::layer::Layers;
use model::metric::{Catalogue, Function};
use model::{Agg, Bucket, Scope, Step, id};
use storage::{Entities, MergedRow, ScanQuery, Store, StoreError};

use crate::columns::{Columns, Grain, Labels, Read, Rows};
use crate::entity::Entity;

/// Rows that are read at a time.
const PAGE_ROWS: usize = 2_000;
/// Entities that are asked for at a time.
const AT_ONCE: usize = 1_000;

/// Reads all buckets of `reads`, and meets the entities that have a row in them, with the layers of their service. What columns held
/// of these buckets before is forgotten; all else stays. Metrics that the catalogue does not know have no values.
///
/// # Errors
/// The store's. Then some of these buckets hold nothing or only a part: all of `reads` is to be loaded again before it is evaluated.
pub async fn load(
    store: &dyn Store,
    catalogue: &Catalogue,
    columns: &mut Columns,
    reads: &[Read],
) -> Result<(), StoreError> {
    load_of(store, catalogue, columns, reads, Entities::All).await
}

/// The same, of some entities alone.
pub(crate) async fn load_of(
    store: &dyn Store,
    catalogue: &Catalogue,
    columns: &mut Columns,
    reads: &[Read],
    entities: Entities,
) -> Result<(), StoreError> {
    columns.n_left_out = 0;
    if columns.services.is_empty() && !reads.is_empty() {
        columns.services = services(store, columns, Entities::All).await?;
    }
    let mut together: BTreeMap<(Scope, Grain), Vec<&Read>> = BTreeMap::new();
    for read in reads {
        columns.clear_read(read);
        together.entry((read.scope, read.grain)).or_default().push(read);
    }
    for ((scope, grain), reads) in together {
        let mut reading = Reading::new(scope, grain, catalogue, columns, &reads);
        for (from, to) in ranges(&reads) {
            let mut query = ScanQuery {
                scope,
                step: grain.step(),
                from,
                to,
                entities: entities.clone(),
                cells: reading.cells(from, to),
                changed_since: None,
                after: None,
                limit: PAGE_ROWS,
            };
            while !query.cells.is_empty() {
                let page = store.scan(&query).await?;
                reading.take(columns, &page.rows);
                let Some(next) = page.next else { break };
                query.after = Some(next);
                tokio::task::yield_now().await;
            }
        }
        let strangers = reading.strangers;
        introduce(store, columns, scope, strangers).await?;
    }
    Ok(())
}

/// Reads anew which layers services have. Once a minute is often enough.
pub async fn refresh(store: &dyn Store, columns: &mut Columns) -> Result<(), StoreError> {
    columns.services = services(store, columns, Entities::All).await?;
    let mut changed = Vec::new();
    for (scope, table) in columns.tables() {
        for (at, watched) in table.watched().iter().enumerate() {
            let layers = columns.services.get(service_of(&watched.entity).as_str());
            if let Some(layers) = layers.filter(|layers| **layers != watched.layers) {
                changed.push((scope, at, layers.clone()));
            }
        }
    }
    for (scope, at, layers) in changed {
        columns.set_layers(scope, at, layers);
    }
    Ok(())
}

/// Forgets entities that retention took: those without a life row, or with an end without one, of which columns hold no value. Entities
/// live for days, so once an hour is often enough.
pub async fn forget(store: &dyn Store, columns: &mut Columns) -> Result<(), StoreError> {
    let mut silent: Vec<(Scope, String, Ends)> = Vec::new();
    for (scope, table) in columns.tables() {
        for (at, watched) in table.watched().iter().enumerate().filter(|(_, watched)| !watched.gone) {
            if !table.has_values(at) {
                silent.push((scope, watched.entity.id.clone(), ends(&watched.entity)));
            }
        }
    }
    let mut asked: BTreeMap<Scope, BTreeSet<&str>> = BTreeMap::new();
    for (scope, id) in silent.iter().flat_map(|(.., ends)| ends) {
        asked.entry(*scope).or_default().insert(id);
    }
    let mut alive: BTreeSet<(Scope, Arc<str>)> = BTreeSet::new();
    for (scope, ids) in asked {
        let ids: Vec<&str> = ids.into_iter().collect();
        for ids in ids.chunks(AT_ONCE) {
            let named = Entities::Ids(ids.iter().map(|id| Arc::from(*id)).collect());
            let found = |row: &MergedRow| {
                alive.insert((scope, Arc::clone(&row.entity)));
            };
            for_lives(store, scope, named, usize::MAX, found).await?;
        }
    }
    for (scope, id, ends) in &silent {
        if !ends.iter().all(|(scope, id)| alive.contains(&(*scope, Arc::from(id.as_str())))) {
            columns.forget(*scope, id);
        }
    }
    Ok(())
}

/// What must have a life row for an entity to be alive: itself, or both ends of a call.
type Ends = Vec<(Scope, String)>;

fn ends(entity: &Entity) -> Ends {
    let scope = match entity.scope {
        Scope::ServiceRelation => Scope::Service,
        Scope::ServiceInstanceRelation => Scope::ServiceInstance,
        Scope::EndpointRelation => Scope::Endpoint,
        other => other,
    };
    let (first, second) = entity.ids();
    [first, second].into_iter().filter(|id| !id.is_empty()).map(|id| (scope, id)).collect()
}

/// The id of the service whose layers an entity has: of a call the one that is called.
pub(crate) fn service_of(entity: &Entity) -> String {
    let (first, second) = entity.ids();
    id::service_of(if second.is_empty() { &first } else { &second }).to_owned()
}

/// Buckets that reads ask for, joined where they overlap or touch.
fn ranges(reads: &[&Read]) -> Vec<(Bucket, Bucket)> {
    let mut all: Vec<(Bucket, Bucket)> = reads.iter().map(|read| (read.from, read.to)).collect();
    all.sort_unstable();
    let mut joined: Vec<(Bucket, Bucket)> = Vec::new();
    for (from, to) in all {
        match joined.last_mut() {
            Some(last) if from.0 <= last.1.0.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Shows the life rows of some entities, to the end of the page in which there are so many.
pub(crate) async fn for_lives(
    store: &dyn Store,
    scope: Scope,
    entities: Entities,
    most: usize,
    mut visit: impl FnMut(&MergedRow),
) -> Result<(), StoreError> {
    let mut query = ScanQuery {
        scope,
        step: Step::Life,
        from: Bucket(0),
        to: Bucket(0),
        entities,
        cells: Vec::new(),
        changed_since: None,
        after: None,
        limit: PAGE_ROWS,
    };
    let mut n = 0;
    loop {
        let page = store.scan(&query).await?;
        n += page.rows.len();
        page.rows.iter().for_each(&mut visit);
        match page.next {
            Some(next) if n < most => query.after = Some(next),
            _ => return Ok(()),
        }
    }
}

/// The names of the layers of a life row, by ordinal.
pub(crate) fn layers_of(row: &MergedRow, layers: &Layers) -> Vec<String> {
    let ordinals = if let Some(Agg::Ids(ids)) = row.cells.get(cell::LAYERS) { &**ids } else { &[] };
    let known = ordinals.iter().filter_map(|ordinal| layers.by_ordinal(*ordinal));
    known.map(|layer| layer.name.to_owned()).collect()
}

/// The layers of services by id.
async fn services(
    store: &dyn Store,
    columns: &Columns,
    entities: Entities,
) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let mut services = HashMap::new();
    for_lives(store, Scope::Service, entities, usize::MAX, |row| {
        services.insert(row.entity.to_string(), layers_of(row, &columns.layers));
    })
    .await?;
    Ok(services)
}

/// Reads the layers of services that were not known when an entity of theirs was met.
async fn introduce(
    store: &dyn Store,
    columns: &mut Columns,
    scope: Scope,
    strangers: BTreeMap<String, Vec<usize>>,
) -> Result<(), StoreError> {
    let ids: Vec<&String> = strangers.keys().collect();
    for ids in ids.chunks(AT_ONCE) {
        let named = Entities::Ids(ids.iter().map(|id| Arc::from(id.as_str())).collect());
        let found = services(store, columns, named).await?;
        for (id, layers) in found {
            for at in strangers.get(&id).into_iter().flatten() {
                columns.set_layers(scope, *at, layers.clone());
            }
            columns.services.insert(id, layers);
        }
    }
    Ok(())
}

/// A metric that is read.
struct Wanted {
    metric: String,
    cell: CellId,
    function: Function,
    ranges: Vec<(Bucket, Bucket)>,
    /// Its values, while a page is taken.
    rows: Vec<Rows>,
    /// Where the values of a label set lie.
    sets: HashMap<Labels, usize>,
    /// The values of the bucket that is being filled, by label set.
    filling: Vec<Option<Vec<f64>>>,
}

/// A scope that is read.
struct Reading {
    scope: Scope,
    grain: Grain,
    wanted: Vec<Wanted>,
    /// Lists of values, one for each metric, label set and bucket.
    n_lists: usize,
    /// Room for values that other scopes took.
    elsewhere: usize,
    /// Entities by their services, of services that nothing is known of.
    strangers: BTreeMap<String, Vec<usize>>,
}

impl Reading {
    fn new(scope: Scope, grain: Grain, catalogue: &Catalogue, columns: &Columns, reads: &[&Read]) -> Reading {
        let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
        let mut n_buckets = 0;
        for read in reads {
            let Some(def) = catalogue.get(&read.metric).filter(|def| def.scope == scope) else { continue };
            n_buckets +=
                usize::try_from(read.to.0.saturating_sub(read.from.0)).unwrap_or(usize::MAX) / minutes(grain) + 1;
            let new = || Wanted {
                metric: read.metric.clone(),
                cell: def.cell,
                function: def.function,
                ranges: Vec::new(),
                rows: Vec::new(),
                sets: HashMap::new(),
                filling: Vec::new(),
            };
            wanted.entry(&read.metric).or_insert_with(new).ranges.push((read.from, read.to));
        }
        let table = columns.table(scope);
        let held = table.map_or(0, |table| table.n_lists());
        let own = held * table.map_or(0, |table| table.watched().len());
        Reading {
            scope,
            grain,
            wanted: wanted.into_values().collect(),
            n_lists: held.max(n_buckets),
            elsewhere: columns.n_values().saturating_sub(own),
            strangers: BTreeMap::new(),
        }
    }

    /// The cells to read of a range.
    fn cells(&self, from: Bucket, to: Bucket) -> Vec<CellId> {
        let meets = |wanted: &&Wanted| wanted.ranges.iter().any(|(first, last)| *first <= to && *last >= from);
        let mut cells: Vec<CellId> = self.wanted.iter().filter(meets).map(|wanted| wanted.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Takes in the values of a page.
    fn take(&mut self, columns: &mut Columns, rows: &[MergedRow]) {
        let (scope, grain) = (self.scope, self.grain);
        for wanted in &mut self.wanted {
            wanted.rows = columns.table_mut(scope).take(&wanted.metric, grain);
            if wanted.sets.len() != wanted.rows.len() {
                wanted.sets = wanted.rows.iter().enumerate().map(|(at, rows)| (rows.labels.clone(), at)).collect();
            }
        }
        for rows in rows.chunk_by(|one, other| one.bucket == other.bucket) {
            for row in rows {
                self.take_row(columns, row);
            }
            let bucket = rows.first().map(|row| row.bucket).unwrap_or_default();
            self.wanted.iter_mut().for_each(|wanted| wanted.filled(bucket));
        }
        for wanted in &mut self.wanted {
            columns.table_mut(scope).give(&wanted.metric, grain, std::mem::take(&mut wanted.rows));
        }
    }

    fn take_row(&mut self, columns: &mut Columns, row: &MergedRow) {
        let Some(at) = self.number(columns, &row.entity) else {
            columns.n_left_out += self.wanted.iter().filter(|wanted| row.cells.get(wanted.cell).is_some()).count();
            return;
        };
        let n_entities = columns.table(self.scope).map_or(0, |table| table.watched().len());
        let limits = columns.limits;
        let room = limits.values.saturating_sub(self.elsewhere) / n_entities.max(1);
        for wanted in &mut self.wanted {
            if !wanted.ranges.iter().any(|(from, to)| (*from..=*to).contains(&row.bucket)) {
                continue;
            }
            let value = row.cells.get(wanted.cell).and_then(|cell| wanted.function.value(cell, self.grain.step()));
            for (label, number) in value.iter().flat_map(model::metric::Value::numbers) {
                let more = wanted.ranges.len().max(1);
                match wanted.set(label, self.n_lists + more <= room, limits.label_sets) {
                    Some((set, is_new)) => {
                        self.n_lists += if is_new { more } else { 0 };
                        wanted.put(set, row.bucket, at, n_entities, number);
                    }
                    None => columns.n_left_out += 1,
                }
            }
        }
    }

    /// The number of an entity, which is met now; `None` where it is none, or there is no room for it.
    fn number(&mut self, columns: &mut Columns, id: &str) -> Option<usize> {
        let limits = columns.limits;
        let table = columns.table_mut(self.scope);
        if let Some(at) = table.number(id) {
            return Some(at);
        }
        let n = table.watched().len();
        let room = limits.values.saturating_sub(self.elsewhere);
        if n >= limits.entities || (n + 1).saturating_mul(self.n_lists) > room {
            return None;
        }
        let entity = Entity::of(self.scope, id.to_owned())?;
        let service = service_of(&entity);
        let layers = columns.services.get(&service).cloned();
        let at = columns.meet(&entity, layers.as_deref().unwrap_or_default());
        if layers.is_none() {
            self.strangers.entry(service).or_default().push(at);
        }
        Some(at)
    }
}

impl Wanted {
    /// Where the values of a label set lie, and whether it is a new one beside others. `None`: it is, and there is no room.
    fn set(&mut self, label: Option<(&'static str, &str)>, has_room: bool, most: usize) -> Option<(usize, bool)> {
        let labels: Labels = label.map(|(key, label)| (key.to_owned(), label.to_owned())).into_iter().collect();
        if let Some(set) = self.sets.get(&labels) {
            return Some((*set, false));
        }
        let set = self.rows.len();
        if set > 0 && (!has_room || set >= most) {
            return None;
        }
        self.rows.push(Rows { labels: labels.clone(), by_bucket: BTreeMap::new() });
        self.sets.insert(labels, set);
        Some((set, set > 0))
    }

    fn put(&mut self, set: usize, bucket: Bucket, at: usize, n_entities: usize, number: f64) {
        if self.filling.len() <= set {
            self.filling.resize(set + 1, None);
        }
        let Some((filling, rows)) = self.filling.get_mut(set).zip(self.rows.get_mut(set)) else { return };
        let values = filling.get_or_insert_with(|| rows.by_bucket.remove(&bucket).unwrap_or_default());
        if values.len() <= at {
            values.resize(n_entities.max(at + 1), f64::NAN);
        }
        if let Some(value) = values.get_mut(at) {
            *value = number;
        }
    }

    /// Puts the values of a bucket in their place.
    fn filled(&mut self, bucket: Bucket) {
        for (filling, rows) in self.filling.iter_mut().zip(&mut self.rows) {
            if let Some(values) = filling.take() {
                rows.by_bucket.insert(bucket, values);
            }
        }
    }
}

/// The length of a bucket.
fn minutes(grain: Grain) -> usize {
    match grain {
        Grain::Minute => 1,
        Grain::Hour => 60,
    }
}

#[cfg(test)]
mod tests;
