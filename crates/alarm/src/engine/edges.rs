//! Who calls whom: the relations between services of the last minutes, by which a storm is folded.

use std::collections::BTreeSet;

use model::{Bucket, Scope, Step, cell, id};
use storage::{Entities, ScanQuery, Store, StoreError};

/// Calls that are taken in; a storm in a greater topology is folded by these alone.
const MAX_EDGES: usize = 100_000;
/// Rows that are read at a time.
const PAGE_ROWS: usize = 2_000;

/// The calls between services in these minutes, each once.
pub(super) async fn read(store: &dyn Store, range: (Bucket, Bucket)) -> Result<Vec<(String, String)>, StoreError> {
    let mut query = ScanQuery {
        scope: Scope::ServiceRelation,
        step: Step::Minute,
        from: range.0,
        to: range.1,
        entities: Entities::All,
        cells: vec![cell::CLIENT_COMPONENTS, cell::SERVER_COMPONENTS],
        changed_since: None,
        after: None,
        limit: PAGE_ROWS,
    };
    let mut edges = BTreeSet::new();
    loop {
        let page = store.scan(&query).await?;
        edges.extend(page.rows.iter().filter_map(|row| id::relation_ends(&row.entity)));
        match page.next {
            Some(next) if edges.len() < MAX_EDGES => query.after = Some(next),
            _ => return Ok(edges.into_iter().take(MAX_EDGES).collect()),
        }
    }
}
