//! The metric catalogue: which number each metric's cell has, agreed on by every node through one item of the store.
//!
//! A number belongs to a name, a scope and a function for ever. A metric whose function changes gets a new one, so that no node
//! and no older row is ever misread; a metric that is removed leaves its number unused.

use std::sync::Arc;

use hashbrown::HashMap;
use model::cell::{CellId, FIRST_METRIC};
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use model::metric::{Catalogue, Function, MetricDef};
use model::{Scope, UnixMillis};
use serde::{Deserialize, Serialize};
use storage::{ItemQuery, Store, StoreError, Swapped};

use crate::oal::{Program, Rule, Rules};

/// The one item of its kind.
const ITEM: &str = "metrics";
/// How often numbers are asked for when other nodes are quicker. Each lost try means that another node was served.
const TRIES: u64 = 64;

/// Metrics with their numbers: as queries see them, and ready to run.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// By name, for queries.
    pub catalogue: Arc<Catalogue>,
    /// By source, for workers.
    pub program: Arc<Program>,
}

/// Why numbers could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The store did not answer; its own kind says what to do.
    #[error("the metric catalogue cannot be read or written: {0}")]
    Store(#[from] StoreError),
    /// What is stored is no catalogue. Somebody must look.
    #[error("the metric catalogue in the store is damaged: {0}")]
    Damaged(String),
    /// All numbers are given away.
    #[error("the metric catalogue is full: {0} metrics have been defined in this store")]
    Full(usize),
    /// Others kept changing it. Try again.
    #[error("the metric catalogue kept changing while it was written")]
    Contended,
}

/// One number given away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    cell: CellId,
    name: String,
    scope: Scope,
    function: Function,
}

impl Entry {
    fn key(&self) -> Key<'_> {
        (&self.name, self.scope, self.function)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Body {
    metrics: Vec<Entry>,
}

/// Reads the catalogue of a store and adds what `rules` define anew. Several nodes may do so at once. `nonce` is random; `now`
/// is noted as the time of the change.
pub async fn open(store: &dyn Store, rules: &Rules, nonce: u64, now: UnixMillis) -> Result<Metrics, CatalogueError> {
    let entries = agree(store, || rules.iter().map(key), nonce, now).await?;
    Ok(metrics(&entries, rules))
}

/// Adds the metrics of the store `from` to the catalogue of `to`. Answers what each number of `from` is called in `to`.
pub async fn adopt(
    from: &dyn Store,
    to: &dyn Store,
    nonce: u64,
    now: UnixMillis,
) -> Result<std::collections::HashMap<CellId, CellId>, CatalogueError> {
    let (known, _) = read(from).await?;
    let agreed = agree(to, || known.iter().map(Entry::key), nonce, now).await?;
    let numbers: HashMap<Key<'_>, CellId> = agreed.iter().map(|entry| (entry.key(), entry.cell)).collect();
    Ok(known.iter().filter_map(|entry| Some((entry.cell, *numbers.get(&entry.key())?))).collect())
}

/// The catalogue of a store, after those of `wanted` that were not in it were added.
async fn agree<'a, I>(
    store: &dyn Store,
    wanted: impl Fn() -> I,
    nonce: u64,
    now: UnixMillis,
) -> Result<Vec<Entry>, CatalogueError>
where
    I: Iterator<Item = Key<'a>>,
{
    for attempt in 0..TRIES {
        let (mut entries, revision) = read(store).await?;
        if !add(&mut entries, wanted())? {
            return Ok(entries);
        }
        let body = Body { metrics: entries };
        let item = Item {
            kind: ItemKind::Catalogue,
            id: ITEM.to_owned(),
            revision,
            nonce: nonce.wrapping_add(attempt),
            tombstone: false,
            updated: now,
            body: serde_json::to_string(&body).map_err(|e| CatalogueError::Damaged(e.to_string()))?,
        };
        if let Some(Swapped::Done(_)) = store.swap_many(&[(item, revision)]).await?.first() {
            return Ok(body.metrics);
        }
    }
    Err(CatalogueError::Contended)
}

/// What is stored, empty in a new store.
async fn read(store: &dyn Store) -> Result<(Vec<Entry>, Revision), CatalogueError> {
    let query = ItemQuery { kind: ItemKind::Catalogue, ids: vec![ITEM.to_owned()], tombstones: false };
    match store.items(&query).await?.first() {
        Some(item) => Ok((parse(&item.body)?, item.revision)),
        None => Ok((Vec::new(), Revision(0))),
    }
}

/// The numbers that a new store would give: for tools that have no store.
pub fn numbered(rules: &Rules) -> Result<Metrics, CatalogueError> {
    let mut entries = Vec::new();
    add(&mut entries, rules.iter().map(key))?;
    Ok(metrics(&entries, rules))
}

fn parse(body: &str) -> Result<Vec<Entry>, CatalogueError> {
    let body: Body = serde_json::from_str(body).map_err(|e| CatalogueError::Damaged(e.to_string()))?;
    if let Some(entry) = body.metrics.iter().find(|e| e.cell.0 < FIRST_METRIC) {
        return Err(CatalogueError::Damaged(format!("{} has the reserved number {}", entry.name, entry.cell.0)));
    }
    Ok(body.metrics)
}

type Key<'a> = (&'a str, Scope, Function);

fn key(rule: &Rule) -> Key<'_> {
    (&rule.name, rule.scope, rule.function)
}

/// Gives numbers to what has none. Answers whether there was any.
fn add<'a>(entries: &mut Vec<Entry>, wanted: impl Iterator<Item = Key<'a>>) -> Result<bool, CatalogueError> {
    let known: hashbrown::HashSet<(String, Scope, Function)> =
        entries.iter().map(|e| (e.name.clone(), e.scope, e.function)).collect();
    let mut next = entries.iter().map(|e| e.cell.0).max().map_or(Some(FIRST_METRIC), |last| last.checked_add(1));
    let before = entries.len();
    for (name, scope, function) in wanted.filter(|(name, scope, f)| !known.contains(&((*name).to_owned(), *scope, *f)))
    {
        let cell = next.ok_or(CatalogueError::Full(entries.len()))?;
        next = cell.checked_add(1);
        entries.push(Entry { cell: CellId(cell), name: name.to_owned(), scope, function });
    }
    Ok(entries.len() > before)
}

fn metrics(entries: &[Entry], rules: &Rules) -> Metrics {
    let cells: HashMap<Key<'_>, CellId> = entries.iter().map(|entry| (entry.key(), entry.cell)).collect();
    let defs = rules.iter().filter_map(|rule| {
        let Rule { name, scope, function, .. } = rule;
        Some(MetricDef { cell: *cells.get(&key(rule))?, name: name.clone(), scope: *scope, function: *function })
    });
    let ranked_by_layer = rules.iter().filter(|rule| rule.decorated).map(|rule| rule.name.clone());
    Metrics {
        catalogue: Arc::new(Catalogue::new(defs).by_layer(ranked_by_layer)),
        program: Arc::new(Program::compile(rules, |rule| cells.get(&key(rule)).copied())),
    }
}

#[cfg(test)]
mod tests {
    use storage::memory::Memory;

    use super::*;
    use crate::oal::read;

    fn rules(text: &str) -> Rules {
        read([("x.oal", text)]).unwrap()
    }

    fn cells(metrics: &Metrics) -> Vec<(String, u16)> {
        metrics.catalogue.iter().map(|d| (d.name.clone(), d.cell.0)).collect()
    }

    async fn check(store: &Memory, text: &str, expected: &[(&str, u16)]) {
        let metrics = open(store, &rules(text), 7, UnixMillis(1)).await.unwrap();
        let expected: Vec<_> = expected.iter().map(|&(name, cell)| (name.to_owned(), cell)).collect();
        assert_eq!(cells(&metrics), expected);
    }

    #[tokio::test]
    async fn a_number_stays_with_its_metric() {
        let store = Memory::new();
        check(&store, "a = from(Service.*).cpm(); b = from(Service.*).count();", &[("a", 64), ("b", 65)]).await;
        // Removed, then back, in another order.
        check(&store, "b = from(Service.*).count();", &[("b", 65)]).await;
        check(&store, "c = from(Service.*).cpm(); a = from(Service.*).cpm();", &[("a", 64), ("c", 66)]).await;
        // Another function and another scope are other metrics.
        check(&store, "a = from(Service.*).count(); b = from(Endpoint.*).count();", &[("a", 67), ("b", 68)]).await;
        check(&store, "a = from(Service.*).cpm();", &[("a", 64)]).await;
    }

    #[tokio::test]
    async fn metrics_of_another_store_are_taken_over_under_numbers_that_are_free() {
        let (from, to) = (Memory::new(), Memory::new());
        check(&from, "a = from(Service.*).cpm(); b = from(Service.*).count();", &[("a", 64), ("b", 65)]).await;
        check(&to, "c = from(Service.*).cpm(); b = from(Service.*).count();", &[("b", 65), ("c", 64)]).await;
        let numbers = adopt(&from, &to, 7, UnixMillis(1)).await.unwrap();
        assert_eq!(numbers, std::collections::HashMap::from([(CellId(64), CellId(66)), (CellId(65), CellId(65))]));
        check(&to, "a = from(Service.*).cpm();", &[("a", 66)]).await;
        assert_eq!(adopt(&from, &to, 8, UnixMillis(2)).await.unwrap(), numbers);
    }

    #[tokio::test]
    async fn nodes_that_start_together_agree() {
        let store = Arc::new(Memory::new());
        let starts = (0..8u64).map(|node| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let text = format!("a = from(Service.*).cpm(); only{node} = from(Service.*).count();");
                cells(&open(&*store, &rules(&text), node << 32, UnixMillis(1)).await.unwrap())
            })
        });
        let starts: Vec<_> = starts.collect();
        let mut all = Vec::new();
        for start in starts {
            all.extend(start.await.unwrap());
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9, "{all:?}");
        let mut numbers: Vec<_> = all.iter().map(|(_, cell)| *cell).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (64..73).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_damaged_catalogue_is_not_overwritten() {
        let store = Memory::new();
        for body in ["{", r#"{"metrics":[{"cell":3,"name":"a","scope":"Service","function":"cpm"}]}"#] {
            let stored = store.items(&ItemQuery { kind: ItemKind::Catalogue, ids: vec![], tombstones: false }).await;
            let revision = stored.unwrap().first().map_or(Revision(0), |i| i.revision);
            let item = Item {
                kind: ItemKind::Catalogue,
                id: ITEM.to_owned(),
                revision,
                nonce: revision.0,
                tombstone: false,
                updated: UnixMillis(0),
                body: body.to_owned(),
            };
            store.swap_many(&[(item, revision)]).await.unwrap();
            let error = open(&store, &rules("a = from(Service.*).cpm();"), 7, UnixMillis(1)).await.unwrap_err();
            assert!(matches!(error, CatalogueError::Damaged(_)), "{error}");
        }
    }

    #[test]
    fn the_last_number_is_given_and_no_more() {
        let mut entries = vec![Entry {
            cell: CellId(u16::MAX - 1),
            name: "x".to_owned(),
            scope: Scope::Service,
            function: Function::Cpm,
        }];
        assert!(add(&mut entries, rules("a = from(Service.*).cpm();").iter().map(key)).unwrap());
        assert!(matches!(
            add(&mut entries, rules("b = from(Service.*).cpm();").iter().map(key)),
            Err(CatalogueError::Full(2))
        ));
    }
}
