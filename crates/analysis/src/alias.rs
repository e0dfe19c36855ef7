//! Which service stands behind which address: the one thing that analysis reads back from the store, as a snapshot.
//!
//! Server spans say at which address they were called; that becomes a life row of scope address. Every node re-reads what changed
//! of those rows, so that client spans to that address can be drawn as calls of the service behind it, whichever node took them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Agg, Bucket, Scope, Step, cell};
use storage::{Entities, Marks, RowPage, ScanQuery, SharedStore, StoreError};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::context::Aliases;

/// Addresses kept; further ones are not resolved, and counted.
pub const MAX_ALIASES: usize = 1_000_000;
/// From one look for changes to the next. An alias is to be usable 3 s after the server's span, of which the worker may take one
/// and the rollup two: those are seldom both at their longest, and this is short enough not to matter.
pub const INTERVAL: Duration = Duration::from_millis(300);
/// Rows asked for at once.
const PAGE: usize = 4_096;
/// Marks step back by this many flushes: a row may become visible a little after its writer's next one.
const STEP_BACK: u64 = 2;

/// The aliases as last read, shared by the workers.
#[derive(Debug, Default)]
pub struct Table {
    aliases: ArcSwap<Aliases>,
    refused: AtomicU64,
}

impl Table {
    /// The snapshot as it is now.
    pub fn load(&self) -> Arc<Aliases> {
        self.aliases.load_full()
    }

    /// How often an address was left out because [`MAX_ALIASES`] are known.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Keeps a [`Table`] up to date.
#[derive(Debug)]
pub struct Reader {
    table: Arc<Table>,
    store: Store,
    /// `None`: everything is still to be read.
    marks: Option<Marks>,
}

/// A store, which has no name to print.
struct Store(SharedStore);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Reader {
    /// A reader that has read nothing yet.
    pub fn new(store: SharedStore, table: Arc<Table>) -> Self {
        Reader { table, store: Store(store), marks: None }
    }

    /// Reads what changed since the last call, everything at the first one, and answers how many addresses are new or moved.
    ///
    /// On an error the table stays as it was, and the next call reads the same again.
    pub async fn refresh(&mut self) -> Result<usize, StoreError> {
        let known = self.table.load();
        let mut news = None;
        let mut marks = self.marks.clone().unwrap_or_default();
        let mut changed = 0;
        let mut after = None;
        loop {
            let query = ScanQuery {
                scope: Scope::Address,
                step: Step::Life,
                from: Bucket(0),
                to: Bucket(0),
                entities: Entities::All,
                cells: vec![cell::ALIAS],
                changed_since: self.marks.as_ref().map(step_back),
                after: after.take(),
                limit: PAGE,
            };
            let page = self.store.0.scan(&query).await?;
            changed += self.take(&page, &known, &mut news);
            for (&writer, &seq) in &page.marks.0 {
                let mark = marks.0.entry(writer).or_default();
                *mark = seq.max(*mark);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if let Some(news) = news {
            self.table.aliases.store(Arc::new(news));
        }
        self.marks = Some(marks);
        Ok(changed)
    }

    /// Notes what a page says and `known` does not. The snapshot is copied only when there is something to note.
    fn take(&self, page: &RowPage, known: &Aliases, news: &mut Option<Aliases>) -> usize {
        let mut changed = 0;
        for row in &page.rows {
            let Some(Agg::Texts(texts)) = row.cells.get(cell::ALIAS) else { continue };
            let Some((_, text)) = texts.get("") else { continue };
            let aliases = news.as_ref().unwrap_or(known);
            let old = aliases.get(&row.entity);
            if old.is_some_and(|alias| says(text, &alias.service_id, &alias.instance_id)) {
                continue;
            }
            if old.is_none() && aliases.len() >= MAX_ALIASES {
                self.table.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            changed += usize::from(news.get_or_insert_with(|| known.clone()).insert(&row.entity, text));
        }
        changed
    }

    /// Refreshes until `stop` is done. An error is told when it begins, not at every try.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut failing = false;
        loop {
            let begun = Instant::now();
            match self.refresh().await {
                Ok(_) => failing = false,
                Err(error) => {
                    if !failing {
                        warn!(%error, "aliases cannot be read");
                    }
                    failing = true;
                }
            }
            // A table of a million takes a while to copy: then it rests nine tenths of the time.
            let rest = INTERVAL.max(begun.elapsed() * 9);
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = sleep(rest) => {}
            }
        }
    }
}

fn says(text: &str, service_id: &str, instance_id: &str) -> bool {
    text.split_once('\t') == Some((service_id, instance_id))
}

fn step_back(marks: &Marks) -> Marks {
    Marks(marks.0.iter().map(|(&writer, &seq)| (writer, seq.saturating_sub(STEP_BACK))).collect())
}
