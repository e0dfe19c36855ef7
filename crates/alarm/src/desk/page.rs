//! Pages of lists.

use serde::{Deserialize, Serialize};

/// Entries that one page has at most.
pub const MAX_PAGE: usize = 1_000;

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Page {
    /// How many entries are passed over.
    pub skip: usize,
    /// How many are wanted; more than [`MAX_PAGE`] are never answered.
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Page { skip: 0, limit: 100 }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed<T> {
    /// How many there are in all that meet the filter.
    pub total: usize,
    /// Those of the page.
    pub items: Vec<T>,
}

impl Page {
    /// The page of a whole list.
    pub(crate) fn of<T>(self, all: Vec<T>) -> Listed<T> {
        let total = all.len();
        Listed { total, items: all.into_iter().skip(self.skip).take(self.limit.min(MAX_PAGE)).collect() }
    }
}

/// Whether a text holds another, without regard to case. An empty one is in every text.
pub(crate) fn holds(text: &str, wanted: &str) -> bool {
    wanted.is_empty() || text.to_lowercase().contains(&wanted.to_lowercase())
}
