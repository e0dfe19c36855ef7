//! Which columns the indices of rows have. A column must be mapped before the first row that has it arrives: what is stored before is
//! in no column, for good.
//!
//! Templates say what a new index has, but two nodes that add to one at the same moment can take each other's addition away. So each
//! node maps what it needs in every index it is about to write to: mappings of an index only grow.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use model::Row;
use model::cell::CellId;
use serde_json::{Map, Value};

use super::client::Client;
use super::names::Names;
use super::rows;
use super::states;
use super::templates::{Templates, create, map_fields};
use crate::StoreError;

/// What this node knows to be mapped.
#[derive(Debug)]
pub(super) struct Columns {
    known: RwLock<Known>,
    /// Held while something is mapped.
    mapping: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    /// Mapped by every template from the start.
    fixed: HashSet<String>,
    /// Columns that rows of this node had.
    columns: BTreeSet<String>,
    /// By index how many of these columns it had when it was last looked at.
    mapped: BTreeMap<String, usize>,
}

impl Columns {
    pub(super) fn new(fixed: HashSet<String>) -> Columns {
        let known = Known { fixed, columns: BTreeSet::new(), mapped: BTreeMap::new() };
        Columns { known: RwLock::new(known), mapping: tokio::sync::Mutex::default() }
    }

    /// Maps what these rows need.
    pub(super) async fn map(
        &self,
        client: &Client,
        templates: &Templates,
        names: &Names,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let indices = indices(names, rows);
        if self.are_mapped(rows, &indices) {
            return Ok(());
        }
        let _only = self.mapping.lock().await;
        let new = self.new_columns(rows);
        if !new.is_empty() {
            let fields = fields(&new);
            for template in templates.of_rows(names) {
                template.with(&fields).extend(client).await?;
            }
            self.known.write().unwrap_or_else(PoisonError::into_inner).columns.extend(new);
        }
        let columns = self.known().columns.clone();
        for index in indices {
            if self.known().mapped.get(&index) == Some(&columns.len()) {
                continue;
            }
            create(client, &index).await?;
            map_fields(client, &index, &fields(&columns)).await?;
            self.known.write().unwrap_or_else(PoisonError::into_inner).mapped.insert(index, columns.len());
        }
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn are_mapped(&self, rows: &[Row], indices: &BTreeSet<String>) -> bool {
        let n = self.known().columns.len();
        indices.iter().all(|index| self.known().mapped.get(index) == Some(&n)) && self.new_columns(rows).is_empty()
    }

    /// Columns of these rows that were not seen before.
    fn new_columns(&self, rows: &[Row]) -> BTreeSet<String> {
        // A cell has one kind of memory, so one of each id stands for all; this passes over every cell that is written.
        let mut seen = vec![false; usize::from(u16::MAX) + 1];
        let mut is_new = |cell: CellId| !std::mem::replace(&mut seen[usize::from(cell.0)], true);
        let cells = rows.iter().flat_map(|row| row.cells.iter()).filter(|(cell, _)| is_new(*cell));
        let known = self.known();
        let all = cells.flat_map(|(cell, agg)| states::parts(agg).iter().map(move |part| states::name(cell, part)));
        all.filter(|column| !known.columns.contains(column) && !known.fixed.contains(column)).collect()
    }
}

fn indices(names: &Names, rows: &[Row]) -> BTreeSet<String> {
    let mut places: Vec<_> = rows.iter().filter_map(|row| rows::place(row).ok()).collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|place| rows::index(names, place)).collect()
}

fn fields(columns: &BTreeSet<String>) -> Map<String, Value> {
    columns.iter().map(|column| (column.clone(), states::mapping())).collect()
}
