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
            // Tried apart first: what cannot be read must not cost a copy each time it is met.
            if Aliases::default().insert(&row.entity, text) {
                changed += usize::from(news.get_or_insert_with(|| known.clone()).insert(&row.entity, text));
            }
        }
        changed
    }

    /// Refreshes at this interval until `stop` is done. An error is told when it begins, not at every try.
    pub async fn run(mut self, interval: Duration, stop: impl Future<Output = ()>) {
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
            let rest = interval.max(begun.elapsed() * 9);
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

#[cfg(test)]
mod tests {
    use model::{Cells, Partial, Row, RowKey, UnixMillis};
    use storage::memory::Memory;
    use storage::testing::{Faults, FaultyStore, Mood};
    use storage::{Batch, Store as _};

    use super::*;

    /// A node says at flush `seq` that a service was behind an address at `at`.
    fn row(writer: u64, seq: u64, address: &str, at: i64, service: &str) -> Row {
        let service_id = model::id::service(service, true);
        let text = format!("{service_id}\t{}", model::id::instance(&service_id, "i"));
        Row {
            key: RowKey { scope: Scope::Address, step: Step::Life, bucket: Bucket(0), entity: address.into() },
            partial: Partial { writer, life: 1 },
            seq,
            cells: Cells::from_iter([
                (cell::ALIAS, Agg::text("", UnixMillis(at), &text)),
                (cell::LAST_PING, Agg::Max(at)),
            ]),
        }
    }

    async fn write(store: &Memory, rows: Vec<Row>) {
        store.write(&Batch { rows, records: Vec::new() }).await.unwrap();
    }

    fn service(table: &Table, address: &str) -> Option<String> {
        table.load().get(address).map(|alias| alias.service.to_string())
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[tokio::test]
    async fn the_service_whose_span_is_latest_stands_behind_an_address_whoever_wrote_it() {
        let (store, table) = (Arc::new(Memory::new()), Arc::new(Table::default()));
        write(&store, vec![row(1, 1, "a:80", 10, "old"), row(1, 1, "b:80", 10, "other")]).await;
        let mut reader = Reader::new(store.clone(), table.clone());
        assert_eq!(reader.refresh().await.unwrap(), 2);
        write(&store, vec![row(2, 1, "a:80", 20, "new")]).await;
        assert_eq!(reader.refresh().await.unwrap(), 1);
        assert_eq!((service(&table, "a:80"), service(&table, "b:80")), (some("new"), some("other")));
        write(&store, vec![row(3, 1, "a:80", 15, "late")]).await;
        assert_eq!(reader.refresh().await.unwrap(), 0);
        assert_eq!(service(&table, "a:80"), some("new"));
    }

    #[tokio::test]
    async fn a_row_that_became_visible_behind_its_writers_next_flush_is_not_missed() {
        let (store, table) = (Arc::new(Memory::new()), Arc::new(Table::default()));
        let mut reader = Reader::new(store.clone(), table.clone());
        write(&store, vec![row(1, 7, "a:80", 10, "a")]).await;
        assert_eq!(reader.refresh().await.unwrap(), 1);
        write(&store, vec![row(1, 6, "b:80", 10, "b")]).await;
        assert_eq!(reader.refresh().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn pings_and_unreadable_texts_change_nothing_and_an_error_loses_nothing() {
        let (memory, table) = (Arc::new(Memory::new()), Arc::new(Table::default()));
        let store = Arc::new(FaultyStore::new(memory.clone(), 1, Faults::default()));
        let mut reader = Reader::new(store.clone(), table.clone());
        write(&memory, vec![row(1, 1, "a:80", 10, "a")]).await;
        assert_eq!(reader.refresh().await.unwrap(), 1);
        let before = table.load();
        let mut unreadable = row(1, 2, "c:80", 10, "c");
        *unreadable.cells.open(cell::ALIAS, || unreachable!("it has one")) = Agg::text("", UnixMillis(9), "no id");
        let ping = Row { seq: 2, ..row(1, 2, "a:80", 11, "a") };
        write(&memory, vec![unreadable, ping]).await;
        assert_eq!(reader.refresh().await.unwrap(), 0);
        assert!(Arc::ptr_eq(&before, &table.load()), "a snapshot that says the same was made");

        write(&memory, vec![row(1, 3, "d:80", 10, "d")]).await;
        store.set_mood(Mood::Away);
        assert!(reader.refresh().await.is_err());
        assert_eq!(service(&table, "a:80"), some("a"));
        store.set_mood(Mood::Fine);
        assert_eq!(reader.refresh().await.unwrap(), 1);
        assert_eq!(service(&table, "d:80"), some("d"));
    }

    #[tokio::test]
    async fn more_addresses_than_a_page_are_all_read() {
        let (store, table) = (Arc::new(Memory::new()), Arc::new(Table::default()));
        let many = PAGE * 2 + 1;
        write(&store, (0..many).map(|n| row(1, 1, &format!("host:{n}"), 1, "s")).collect()).await;
        assert_eq!(Reader::new(store.clone(), table.clone()).refresh().await.unwrap(), many);
        assert_eq!(table.load().len(), many);
    }
}
