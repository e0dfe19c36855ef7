//! Reading rows page by page, in the order of buckets and entities, and merging what belongs together.

use std::collections::VecDeque;
use std::sync::Arc;

use model::cell::CellId;
use model::{Bucket, Cells};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Found;
use super::client::Client;
use super::find::{Place, SEARCH, all};
use super::json::{body, read, unreadable};
use super::rows::merge;
use crate::{MergedRow, StoreError};

/// Most documents of one page.
const PAGE: usize = 2_000;
/// Sorts behind every writer's word.
const BEHIND_WRITERS: &str = "g";

/// A partial row.
#[derive(Debug, Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Source,
    /// Bucket, entity, writer and life: where it stands.
    sort: (u32, String, String, u32),
}

#[derive(Debug, Deserialize)]
struct Source {
    cells: String,
}

/// A walk over rows. What is written meanwhile may be met or not; every row that was there is met once, since where a row stands
/// never changes.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    client: &'a Client,
    path: String,
    query: Value,
    want: &'a [CellId],
    page: usize,
    after: Option<Value>,
    read: VecDeque<Hit>,
    ended: bool,
}

impl<'a> Walk<'a> {
    /// Over the rows of a place, from behind `after` on; the wanted cells, all where none is named. About `expected` rows will be
    /// asked for.
    pub(super) fn new(
        client: &'a Client,
        place: Place,
        want: &'a [CellId],
        after: Option<(Bucket, &str)>,
        expected: usize,
    ) -> Self {
        Walk {
            client,
            path: format!("/{}/_search?{SEARCH}&filter_path=hits.hits._source,hits.hits.sort", place.index),
            query: all(place.filters),
            want,
            page: expected.saturating_mul(2).clamp(100, PAGE),
            after: after.map(|(bucket, entity)| json!([bucket.0, entity, BEHIND_WRITERS, 0])),
            read: VecDeque::new(),
            ended: false,
        }
    }

    /// The next merged row that has one of the wanted cells.
    pub(super) async fn next(&mut self) -> Result<Option<MergedRow>, StoreError> {
        loop {
            let Some(first) = self.pop().await? else { return Ok(None) };
            let (bucket, entity) = (first.sort.0, first.sort.1.clone());
            let mut cells = Cells::default();
            self.merge(&first, &mut cells)?;
            while self.peek().await?.is_some_and(|hit| hit.sort.0 == bucket && hit.sort.1 == entity) {
                let more = self.read.pop_front().expect("it was just looked at");
                self.merge(&more, &mut cells)?;
            }
            if !cells.is_empty() {
                return Ok(Some(MergedRow { bucket: Bucket(bucket), entity: Arc::from(entity), cells }));
            }
        }
    }

    fn merge(&self, hit: &Hit, into: &mut Cells) -> Result<(), StoreError> {
        merge(&hit.source.cells, self.want, into)
            .map_err(|_| unreadable(&format!("the cells of {} at {}", hit.sort.1, hit.sort.0)))
    }

    async fn pop(&mut self) -> Result<Option<Hit>, StoreError> {
        self.peek().await?;
        Ok(self.read.pop_front())
    }

    async fn peek(&mut self) -> Result<Option<&Hit>, StoreError> {
        if self.read.is_empty() && !self.ended {
            self.fetch().await?;
        }
        Ok(self.read.front())
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let mut request = json!({
            "query": self.query,
            "size": self.page,
            "sort": [{"bucket": "asc"}, {"entity": "asc"}, {"writer": "asc"}, {"life": "asc"}],
            "track_total_hits": false,
            "_source": ["cells"],
        });
        if let Some(after) = &self.after {
            request["search_after"] = after.clone();
        }
        let answer: Found<Hit> = read(&self.client.query(&self.path, body(&request)).await?)?;
        self.ended = answer.hits.hits.len() < self.page;
        self.page = PAGE;
        self.after = answer.hits.hits.last().map(|hit| json!(hit.sort));
        self.read.extend(answer.hits.hits);
        Ok(())
    }
}
