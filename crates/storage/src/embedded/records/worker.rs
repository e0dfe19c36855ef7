//! The thread that owns a kind's index writer: adds what comes, commits when it is time, and answers everybody the commit covers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use model::kinds::RecordKind;
use tantivy::indexer::{IndexWriter, IndexWriterOptions, LogMergePolicy, UserOperation};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::Shared;
use super::document::Document;
use super::partition::{Name, Partition, failure};
use crate::StoreError;
use crate::calendar::DAY_MS;

/// How often a commit is tried before those who wait for it are told to come again.
const TRIES: u32 = 3;
/// Time before the second try; before the third it is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// Records after which a commit does not wait for its time: they are all kept until then.
const PENDING_RECORDS: usize = 50_000;
/// Segments of a size that are merged together. The more, the less often a record is copied and the more segments a search asks; with
/// this many a record is copied twice until its segment is as large as it gets.
const MERGED_AT_ONCE: usize = 12;
/// Segments below this many documents are of one size.
const SMALL: u32 = 1_000;
/// Sizes within this power of two are alike: what comes out of a merge is not merged again with what went into it.
const LEVEL: f64 = 1.5;
/// Segments with more documents than this are not merged any more, so that they stay slices of time.
const MERGE_CAP: usize = 300_000;
/// The same two of sheaves, each of which is as large as a hundred other records.
const SMALL_OF_SHEAVES: u32 = 100;
const MERGE_CAP_OF_SHEAVES: usize = 3_000;

/// What the thread is told. Its end is the absence of senders.
#[derive(Debug)]
pub(super) enum Message {
    /// Append these.
    Add(Pending),
    /// Remove partitions of which everything is older than this day, the one that is written to as well.
    Expire {
        /// The first day that stays.
        oldest: i64,
        /// Told how many were removed.
        answer: oneshot::Sender<Result<usize, StoreError>>,
    },
}

/// Records that are not committed yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) documents: Vec<Document>,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
    /// A place in the queue.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The thread's own state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    kind: RecordKind,
    writer: Option<Writing>,
    /// Everything since the last commit, in order; the first `added` of them are in the writer.
    pending: Vec<Pending>,
    added: usize,
    records: usize,
    due: Option<Instant>,
}

struct Writing {
    partition: Arc<Partition>,
    writer: IndexWriter<Document>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Worker {
        let kind = shared.kind;
        Worker { shared, kind, writer: None, pending: Vec::new(), added: 0, records: 0, due: None }
    }

    /// Works until every sender is gone and everything is committed.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let now = Instant::now();
            let wait =
                self.due.map_or(self.shared.process.options.writer_idle, |due| due.saturating_duration_since(now));
            match messages.recv_timeout(wait) {
                Ok(Message::Add(pending)) => self.add(pending),
                Ok(Message::Expire { oldest, answer }) => {
                    self.commit();
                    self.writer = None;
                    drop(answer.send(self.shared.expire(oldest)));
                }
                Err(RecvTimeoutError::Timeout) if self.due.is_some() => self.commit(),
                Err(RecvTimeoutError::Timeout) => self.writer = None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit();
                    return;
                }
            }
        }
    }

    fn add(&mut self, pending: Pending) {
        if self.is_over() {
            self.commit();
            self.writer = None;
        }
        self.records += pending.documents.len();
        self.pending.push(pending);
        self.due.get_or_insert_with(|| Instant::now() + self.shared.process.options.commit_every);
        // A failure shows again at the commit, which starts anew from the last one.
        if let Err(error) = self.catch_up() {
            tracing::debug!(%error, kind = self.kind.def().name, "records are added again at the commit");
            self.start_anew();
        }
        let late = self.due.is_some_and(|due| due <= Instant::now());
        if self.records >= PENDING_RECORDS || late {
            self.commit();
        }
    }

    /// Whether the partition that is written to has had its day, or is full.
    fn is_over(&self) -> bool {
        self.writer.as_ref().is_some_and(|w| self.shared.is_over(&w.partition, self.records))
    }

    /// Gives the writer what it does not have yet.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.added == self.pending.len() {
            return Ok(());
        }
        let writing = match self.writer.take() {
            Some(writing) => writing,
            None => open_writer(&self.shared)?,
        };
        let writing = self.writer.insert(writing);
        for pending in self.pending.iter().skip(self.added) {
            self.shared.process.options.faults.at("records.add")?;
            writing.partition.widen(pending.documents.iter().map(Document::time));
            writing.writer.run(pending.documents.iter().cloned().map(UserOperation::Add)).map_err(failure)?;
            self.added += 1;
        }
        Ok(())
    }

    /// Commits everything and answers everybody. A commit that fails is rolled back and everything since the last one is added
    /// again; reads drop what a commit that only seemed to fail has stored twice.
    fn commit(&mut self) {
        self.due = None;
        if self.pending.is_empty() {
            return;
        }
        let mut result = Ok(());
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE * attempt);
            }
            result = self.try_commit();
            let Err(error) = &result else { break };
            tracing::warn!(%error, attempt, kind = self.kind.def().name, "a commit failed");
            if let (StoreError::Damaged(what), Some(writing)) = (error, &self.writer) {
                writing.partition.set_damage(what);
            }
            self.start_anew();
        }
        self.shared.set_failing(result.as_ref().err());
        // Whatever it is, the records are not stored: who wrote them comes again.
        let result = result.map_err(|error| StoreError::Unavailable(error.to_string()));
        for pending in self.pending.drain(..) {
            drop(pending.permit);
            drop(pending.answer.send(result.clone()));
        }
        self.added = 0;
        self.records = 0;
    }

    fn try_commit(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.catch_up()?;
        let Some(writing) = &mut self.writer else { return Ok(()) };
        let faults = &self.shared.process.options.faults;
        faults.at("records.commit")?;
        self.shared.process.cpu.look();
        let docs = writing.partition.bounds().docs + self.records as u64;
        let payload = super::partition::Bounds { docs, ..writing.partition.bounds() }.payload();
        let mut prepared = writing.writer.prepare_commit().map_err(failure)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(failure)?;
        faults.at("records.committed")?;
        let reader = writing.partition.open()?.reader;
        reader.reload().map_err(failure)?;
        writing.partition.set_docs(reader.searcher().num_docs());
        self.shared.count_commit(begun.elapsed());
        Ok(())
    }

    /// Back to the last commit: without the writer, what it had not committed is gone.
    fn start_anew(&mut self) {
        self.writer = None;
        self.added = 0;
    }
}

impl Shared {
    /// Whether a partition takes no more records: its day is over, or it is full.
    fn is_over(&self, partition: &Partition, coming: usize) -> bool {
        let docs = partition.bounds().docs + coming as u64;
        self.today() > partition.name.day || docs >= self.process.options.partition_docs
    }

    fn today(&self) -> u32 {
        u32::try_from(self.process.clock.now().0.div_euclid(DAY_MS)).unwrap_or(0)
    }
}

/// Opens a writer on the newest partition, or on a new one.
fn open_writer(shared: &Shared) -> Result<Writing, StoreError> {
    let newest = shared.newest();
    let partition = match newest {
        Some(newest) if !shared.is_over(&newest, 0) && newest.is_current() => newest,
        newest => {
            // A clock that was set back must not order a new partition before an old one.
            let today = shared.today();
            let name = match newest {
                Some(old) if old.name.day >= today => Name { day: old.name.day, number: old.name.number + 1 },
                _ => Name { day: today, number: 0 },
            };
            let partition = Arc::new(Partition::create(&shared.dir, shared.kind, name)?);
            shared.process.options.faults.at("records.rotate")?;
            shared.push(partition.clone());
            partition
        }
    };
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(shared.process.options.arena_bytes)
        .build();
    let writer: IndexWriter<Document> = partition.open()?.index.writer_with_options(options).map_err(failure)?;
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(MERGED_AT_ONCE);
    let (small, cap) = match shared.kind {
        RecordKind::Trace => (SMALL_OF_SHEAVES, MERGE_CAP_OF_SHEAVES),
        _ => (SMALL, MERGE_CAP),
    };
    policy.set_min_layer_size(small);
    policy.set_level_log_size(LEVEL);
    policy.set_max_docs_before_merge(cap);
    writer.set_merge_policy(Box::new(policy));
    Ok(Writing { partition, writer })
}
