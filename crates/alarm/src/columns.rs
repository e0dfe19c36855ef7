//! What was read of the metrics that rules mention: values by metric, label set, bucket and entity. Whoever reads the store fills it
//! and passes over it read from it; entities are numbers here, in the order in which they were met.

use std::collections::{BTreeMap, HashMap};

use model::layer::Layers;
use model::{Bucket, Scope, Step, Zone};
use mqe::{Column, Loaded, Need, Series};

use crate::entity::{Entity, Parts};

/// Values that columns hold at most: with 8 bytes each, 512 MiB.
pub const MAX_VALUES: usize = 64 << 20;
/// Entities of one scope that are watched at most.
pub const MAX_ENTITIES: usize = 200_000;
/// Label sets of one metric that are told apart at most, over all entities.
pub const MAX_LABEL_SETS: usize = 1_000;

/// How much is taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) values: usize,
    pub(crate) entities: usize,
    pub(crate) label_sets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { values: MAX_VALUES, entities: MAX_ENTITIES, label_sets: MAX_LABEL_SETS }
    }
}

/// Labels of a series: names and values.
pub type Labels = Vec<(String, String)>;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour of the zone.
    Hour,
}

impl Grain {
    /// The step of the rows that have such buckets.
    pub fn step(self) -> Step {
        match self {
            Grain::Minute => Step::Minute,
            Grain::Hour => Step::Hour,
        }
    }
}

/// An entity and what selectors ask of it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The entity.
    pub entity: Entity,
    /// Its parts.
    pub parts: Parts,
    /// Layers of its service.
    pub layers: Vec<String>,
    /// Whether it was forgotten.
    pub gone: bool,
}

/// Values of one label set: by bucket a number for each entity, NaN where there is none. Entities that were met later have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) labels: Labels,
    pub(crate) by_bucket: BTreeMap<Bucket, Vec<f64>>,
}

/// Everything of one scope.
#[derive(Clone, Debug, Default)]
pub struct Table {
    watched: Vec<Watched>,
    by_id: HashMap<String, usize>,
    metrics: HashMap<(String, Grain), Vec<Rows>>,
    /// Changes when what selectors ask of a known entity does.
    version: u64,
}

/// What was read. Buckets of hours are those of the zone.
#[derive(Clone, Debug)]
pub struct Columns {
    tables: BTreeMap<Scope, Table>,
    zone: Zone,
    /// What layers are called.
    pub(crate) layers: Layers,
    /// The layers of services by id, as far as they were read.
    pub(crate) services: HashMap<String, Vec<String>>,
    /// Values that the last reading had to leave out.
    pub(crate) n_left_out: usize,
    /// How much reading takes in.
    pub(crate) limits: Limits,
}

/// Something to read: buckets of a metric, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Of what entities.
    pub scope: Scope,
    /// The metric.
    pub metric: String,
    /// Of which length.
    pub grain: Grain,
    /// The first bucket.
    pub from: Bucket,
    /// The last one.
    pub to: Bucket,
}

impl Columns {
    /// Nothing, with hours of this zone and the built-in layers.
    pub fn new(zone: Zone) -> Columns {
        Columns::with_layers(zone, Layers::default())
    }

    /// Nothing, with hours of this zone and these layers.
    pub fn with_layers(zone: Zone, layers: Layers) -> Columns {
        Columns {
            tables: BTreeMap::new(),
            zone,
            layers,
            services: HashMap::new(),
            n_left_out: 0,
            limits: Limits::default(),
        }
    }

    /// Values that the last reading left out, since there was no room for them ([`crate::window`]).
    pub fn n_left_out(&self) -> usize {
        self.n_left_out
    }

    /// Room for how many values there is, taken or not.
    pub fn n_values(&self) -> usize {
        self.tables.values().map(Table::n_values).sum()
    }

    /// How many entities are watched, of all scopes.
    pub fn n_entities(&self) -> usize {
        self.tables.values().map(|table| table.watched.iter().filter(|watched| !watched.gone).count()).sum()
    }

    /// Everything there is, by scope.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (Scope, &Table)> {
        self.tables.iter().map(|(scope, table)| (*scope, table))
    }

    /// What there is of a scope, to be filled.
    pub(crate) fn table_mut(&mut self, scope: Scope) -> &mut Table {
        self.tables.entry(scope).or_default()
    }

    /// Another layer for what is known of an entity.
    pub(crate) fn set_layers(&mut self, scope: Scope, at: usize, layers: Vec<String>) {
        let table = self.table_mut(scope);
        if let Some(watched) = table.watched.get_mut(at).filter(|watched| watched.layers != layers) {
            watched.layers = layers;
            table.version += 1;
        }
    }

    /// What there is of a scope.
    pub fn table(&self, scope: Scope) -> Option<&Table> {
        self.tables.get(&scope)
    }

    /// The number of an entity, which is met now if it was not before. Entities of open incidents must be met after a restart, also
    /// when nothing is read of them: those that are unknown count as gone.
    pub fn meet(&mut self, entity: &Entity, layers: &[String]) -> usize {
        let table = self.tables.entry(entity.scope).or_default();
        if let Some(at) = table.by_id.get(&entity.id) {
            if let Some(watched) = table.watched.get_mut(*at).filter(|one| one.gone || one.layers != layers) {
                (watched.layers, watched.gone) = (layers.to_vec(), false);
                table.version += 1;
            }
            return *at;
        }
        let at = table.watched.len();
        table.by_id.insert(entity.id.clone(), at);
        let (entity, parts, layers) = (entity.clone(), entity.parts(), layers.to_vec());
        table.watched.push(Watched { entity, parts, layers, gone: false });
        at
    }

    /// An entity is no more: its rows have expired.
    pub fn forget(&mut self, scope: Scope, id: &str) {
        let Some(table) = self.tables.get_mut(&scope) else { return };
        let Some(watched) = table.by_id.get(id).and_then(|at| table.watched.get_mut(*at)) else { return };
        watched.gone = true;
        table.version += 1;
    }

    /// Writes a value. `labels` is empty for metrics that have none.
    pub fn set(&mut self, scope: Scope, at: usize, metric: &str, bucket: (Grain, Bucket), labels: &Labels, value: f64) {
        let (grain, bucket) = bucket;
        let table = self.tables.entry(scope).or_default();
        let rows = table.metrics.entry((metric.to_owned(), grain)).or_default();
        let known = rows.iter().position(|rows| rows.labels == *labels).unwrap_or_else(|| {
            rows.push(Rows { labels: labels.clone(), by_bucket: BTreeMap::new() });
            rows.len() - 1
        });
        let Some(rows) = rows.get_mut(known) else { return };
        let values = rows.by_bucket.entry(bucket).or_default();
        if values.len() <= at {
            values.resize(table.watched.len().max(at + 1), f64::NAN);
        }
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    }

    /// Forgets the values of a bucket, before it is read again.
    pub fn clear(&mut self, scope: Scope, metric: &str, grain: Grain, bucket: Bucket) {
        let Some(table) = self.tables.get_mut(&scope) else { return };
        for rows in table.metrics.get_mut(&(metric.to_owned(), grain)).into_iter().flatten() {
            rows.by_bucket.remove(&bucket);
        }
    }

    /// The same of all buckets of a read.
    pub(crate) fn clear_read(&mut self, read: &Read) {
        let Some(table) = self.tables.get_mut(&read.scope) else { return };
        for rows in table.metrics.get_mut(&(read.metric.clone(), read.grain)).into_iter().flatten() {
            rows.by_bucket.retain(|bucket, _| !(read.from..=read.to).contains(bucket));
        }
    }

    /// Forgets every value that no read wants.
    pub fn keep(&mut self, reads: &[Read]) {
        for (scope, table) in &mut self.tables {
            table.metrics.retain(|(metric, grain), rows| {
                let of: Vec<&Read> = reads
                    .iter()
                    .filter(|read| read.scope == *scope && read.metric == *metric && read.grain == *grain)
                    .collect();
                for rows in rows.iter_mut() {
                    rows.by_bucket.retain(|bucket, _| of.iter().any(|read| (read.from..=read.to).contains(bucket)));
                }
                rows.retain(|rows| !rows.by_bucket.is_empty());
                !rows.is_empty()
            });
        }
    }

    /// The buckets of a need in a window of `period` minutes that ends with `end`, oldest first.
    pub fn buckets(&self, need: &Need, period: u32, end: Bucket) -> (Grain, Vec<Bucket>) {
        let frame = need.frame();
        let before = match need {
            Need::Series { before, .. } => *before,
            Need::TopN { .. } => 0,
        };
        let end = Bucket(end.0.saturating_sub(frame.back_minutes));
        let n = frame.window.map_or(period, mqe::Span::n_buckets).saturating_add(before).max(1);
        if frame.window.is_none_or(|window| window.step_minutes() == 1) {
            let from = end.0.saturating_sub(n - 1);
            return (Grain::Minute, (from..=end.0).map(Bucket).collect());
        }
        let mut hours = vec![self.zone.bucket(Step::Hour, end)];
        while let Some(last) = hours.last().filter(|_| hours.len() < usize::try_from(n).unwrap_or(usize::MAX)) {
            hours.push(self.zone.bucket(Step::Hour, Bucket(last.0.saturating_sub(1))));
        }
        hours.reverse();
        (Grain::Hour, hours)
    }
}

impl Table {
    /// All entities that were met, by their numbers.
    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// The number of an entity that is not gone.
    pub fn number(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied().filter(|at| self.watched.get(*at).is_some_and(|watched| !watched.gone))
    }

    /// Changes when the layers of a known entity do, or one is gone or back.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn n_values(&self) -> usize {
        let rows = self.metrics.values().flatten();
        rows.flat_map(|rows| rows.by_bucket.values()).map(Vec::len).sum()
    }

    /// How many lists of values there are, each with one for each entity.
    pub(crate) fn n_lists(&self) -> usize {
        self.metrics.values().flatten().map(|rows| rows.by_bucket.len()).sum()
    }

    /// Takes out the values of a metric, to be given back with [`Table::give`].
    pub(crate) fn take(&mut self, metric: &str, grain: Grain) -> Vec<Rows> {
        self.metrics.remove(&(metric.to_owned(), grain)).unwrap_or_default()
    }

    /// Puts the values of a metric in their place.
    pub(crate) fn give(&mut self, metric: &str, grain: Grain, rows: Vec<Rows>) {
        self.metrics.insert((metric.to_owned(), grain), rows);
    }

    /// Whether an entity has any value at all.
    pub(crate) fn has_values(&self, entity: usize) -> bool {
        let lists = self.metrics.values().flatten().flat_map(|rows| rows.by_bucket.values());
        lists.filter_map(|values| values.get(entity)).any(|value| !value.is_nan())
    }

    fn rows(&self, metric: &str, grain: Grain) -> &[Rows] {
        self.metrics.get(&(metric.to_owned(), grain)).map_or(&[], Vec::as_slice)
    }

    /// For each entity the last minute up to `end` in which a metric has a value, looking back so many minutes.
    pub(crate) fn last_values(&self, metric: &str, end: Bucket, back: u32) -> Vec<Option<Bucket>> {
        let mut last = vec![None; self.watched.len()];
        for rows in self.rows(metric, Grain::Minute) {
            for (minute, values) in rows.by_bucket.range(Bucket(end.0.saturating_sub(back))..=end) {
                for (last, _) in last.iter_mut().zip(values).filter(|(_, value)| !value.is_nan()) {
                    *last = (*last).max(Some(*minute));
                }
            }
        }
        last
    }

    /// Whether an entity has any value of a metric in a minute.
    pub(crate) fn has_value(&self, metric: &str, minute: Bucket, entity: usize) -> bool {
        !self.label_sets(metric, &(Grain::Minute, vec![minute]), entity).is_empty()
    }

    /// Which label sets of a metric an entity has in some buckets, as numbers.
    pub(crate) fn label_sets(
        &self,
        metric: &str,
        (grain, buckets): &(Grain, Vec<Bucket>),
        entity: usize,
    ) -> Vec<usize> {
        let has = |rows: &Rows| {
            let value = |bucket| rows.by_bucket.get(bucket).and_then(|values| values.get(entity));
            buckets.iter().filter_map(value).any(|value| !value.is_nan())
        };
        self.rows(metric, *grain).iter().enumerate().filter(|(_, rows)| has(rows)).map(|(at, _)| at).collect()
    }

    /// The answer to a need for some entities, which have the same label sets in these buckets.
    pub(crate) fn load(
        &self,
        metric: &str,
        labelled: bool,
        frame: &(Grain, Vec<Bucket>),
        entities: &[usize],
    ) -> Loaded {
        let (grain, buckets) = frame;
        let all = self.rows(metric, *grain);
        let series = |rows: &Rows| {
            let mut column = Column::empty(entities.len(), buckets.len());
            for (at, bucket) in buckets.iter().enumerate() {
                let Some(values) = rows.by_bucket.get(bucket) else { continue };
                for (slot, entity) in entities.iter().enumerate() {
                    if let Some(value) = values.get(*entity).filter(|value| !value.is_nan()) {
                        column.set(at, slot, Some(*value));
                    }
                }
            }
            Series { labels: rows.labels.clone(), values: column }
        };
        let rows = if labelled {
            let sets = entities.first().map(|first| self.label_sets(metric, frame, *first)).unwrap_or_default();
            sets.into_iter().filter_map(|at| all.get(at)).map(series).collect()
        } else {
            let plain = Rows::default();
            vec![series(all.iter().find(|rows| rows.labels.is_empty()).unwrap_or(&plain))]
        };
        Loaded::Series { labelled, ids: vec![String::new(); buckets.len()], rows }
    }
}
