//! Rows: all metrics of one entity in one bucket, or what an entity is.

use std::sync::Arc;

use crate::cell::CellId;
use crate::{Agg, Bucket, Scope, Step};

/// What a row is about. Several partials may exist under one key; reads merge them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The kind of entity.
    pub scope: Scope,
    /// The length of the bucket; [`Step::Life`] for metadata.
    pub step: Step,
    /// The bucket; 0 in life rows.
    pub bucket: Bucket,
    /// The entity's id ([`crate::id`]); for [`Scope::Address`] the address itself.
    pub entity: Arc<str>,
}

/// Who wrote a row: 64 random bits drawn at every start, and a number that is new each time a row is opened. No two writers,
/// two starts or two openings ever share one, so an absolute write can only overwrite itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partial {
    /// The node's life.
    pub writer: u64,
    /// The row's opening within it.
    pub life: u32,
}

/// One partial total, as it is written: absolute, under the flush sequence at which it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about.
    pub key: RowKey,
    /// Who wrote it.
    pub partial: Partial,
    /// The writer's flush sequence; a store keeps the row with the highest.
    pub seq: u64,
    /// What it remembers.
    pub cells: Cells,
}

/// The cells of a row, ascending by id, each id once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells(Vec<(CellId, Agg)>);

impl Cells {
    /// The cell, where it saw something.
    pub fn get(&self, id: CellId) -> Option<&Agg> {
        self.0.binary_search_by_key(&id, |(c, _)| *c).ok().map(|i| &self.0[i].1)
    }

    /// The cell, opened with `empty` where there is none.
    pub fn open(&mut self, id: CellId, empty: impl FnOnce() -> Agg) -> &mut Agg {
        let i = match self.0.binary_search_by_key(&id, |(c, _)| *c) {
            Ok(i) => i,
            Err(i) => {
                self.0.insert(i, (id, empty()));
                i
            }
        };
        &mut self.0[i].1
    }

    /// The same for cells that are opened in ascending order one after the other: `from` is where the search begins, and where the
    /// next one does. Begin with 0.
    pub fn open_next(&mut self, from: &mut usize, id: CellId, empty: impl FnOnce() -> Agg) -> &mut Agg {
        while self.0.get(*from).is_some_and(|(c, _)| *c < id) {
            *from += 1;
        }
        if self.0.get(*from).is_none_or(|(c, _)| *c != id) {
            self.0.insert(*from, (id, empty()));
        }
        &mut self.0[*from].1
    }

    /// Makes room for exactly so many cells more.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    /// Merges one aggregate into its cell.
    pub fn merge_cell(&mut self, id: CellId, agg: &Agg) {
        match self.0.binary_search_by_key(&id, |(c, _)| *c) {
            Ok(i) => self.0[i].1.merge(agg),
            Err(i) => self.0.insert(i, (id, agg.clone())),
        }
    }

    /// Merges all cells of the other. Commutes and associates, as [`Agg::merge`] does.
    pub fn merge(&mut self, other: &Cells) {
        let mut at = 0;
        for (id, agg) in &other.0 {
            while self.0.get(at).is_some_and(|(c, _)| c < id) {
                at += 1;
            }
            match self.0.get_mut(at) {
                Some((c, mine)) if c == id => mine.merge(agg),
                _ => self.0.insert(at, (*id, agg.clone())),
            }
        }
    }

    /// Only the cells that `keep` names.
    #[must_use]
    pub fn only(&self, keep: &[CellId]) -> Cells {
        Cells(self.0.iter().filter(|(id, _)| keep.contains(id)).cloned().collect())
    }

    /// The cells, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (CellId, &Agg)> {
        self.0.iter().map(|(id, agg)| (*id, agg))
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(CellId, Agg)> for Cells {
    fn from_iter<I: IntoIterator<Item = (CellId, Agg)>>(cells: I) -> Self {
        let mut all = Cells::default();
        for (id, agg) in cells {
            all.merge_cell(id, &agg);
        }
        all
    }
}
