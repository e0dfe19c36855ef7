//! Records: one index for each kind and partition of time, written by one thread for each kind.

mod document;
mod keyword;
mod partition;
mod schema;
mod search;
mod translate;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::kinds::RecordKind;
use model::record::Record;
use model::{ByteString, UnixMillis};
use tokio::sync::{Semaphore, oneshot};

use self::document::Document;
use self::partition::Partition;
use self::schema::Fields;
use self::worker::{Message, Pending, Worker};
use super::Process;
use super::meter::Commits;
use super::rows::io_failure;
use crate::calendar::DAY_MS;
use crate::{RecordPage, RecordQuery, StoreError};

/// Batches that may wait for a kind's thread.
const QUEUE: usize = 64;
/// Records that are encoded between two awaits: each takes about a microsecond.
const ENCODED_AT_ONCE: usize = 256;
/// How long a partition that is not written to stays open unused.
const READER_IDLE: Duration = Duration::from_secs(300);

/// The records of one kind.
#[derive(Debug)]
pub(super) struct Records {
    shared: Arc<Shared>,
    thread: Mutex<Option<Thread>>,
    places: Arc<Semaphore>,
}

/// What the thread and the readers share.
#[derive(Debug)]
struct Shared {
    kind: RecordKind,
    /// The fields of every partition that is written to.
    fields: Fields,
    dir: PathBuf,
    process: Process,
    /// Ascending by name.
    partitions: Mutex<Vec<Arc<Partition>>>,
    commits: Commits,
    failing: Mutex<Option<String>>,
    /// Milliseconds before which nothing is answered any more: what the last expiry let go, although it may share a partition with
    /// younger records.
    horizon: AtomicI64,
}

#[derive(Debug)]
struct Thread {
    messages: SyncSender<Message>,
    handle: JoinHandle<()>,
}

impl Records {
    /// Finds the partitions of a kind; they are opened when they are needed.
    pub(super) fn open(folder: &Path, kind: RecordKind, process: Process) -> Result<Records, StoreError> {
        let dir = folder.join("records").join(kind.def().name);
        fs::create_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
        let mut partitions = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|e| io_failure(&dir, &e))? {
            let path = entry.map_err(|e| io_failure(&dir, &e))?.path();
            if path.is_dir() {
                partitions.extend(Partition::found(path, kind)?.map(Arc::new));
            }
        }
        partitions.sort_by_key(|partition| partition.name);
        if let Some(newest) = partitions.last().filter(|partition| partition.damage().is_none())
            && let Err(error) = newest.collect_garbage()
        {
            tracing::warn!(%error, kind = kind.def().name, "files that a crash left could not be removed");
        }
        let fields = Fields::of(&schema::schema(kind.def()), kind.def())
            .ok_or_else(|| StoreError::Query(format!("{} has no fields of ours", kind.def().name)))?;
        let shared = Shared {
            kind,
            fields,
            dir,
            process,
            partitions: Mutex::new(partitions),
            commits: Commits::default(),
            failing: Mutex::default(),
            horizon: AtomicI64::new(i64::MIN),
        };
        Ok(Records { shared: Arc::new(shared), thread: Mutex::default(), places: Arc::new(Semaphore::new(QUEUE)) })
    }

    /// Appends those of this kind; answers after the commit that holds them, when they can be found.
    pub(super) async fn write(&self, records: &[Record]) -> Result<(), StoreError> {
        let Shared { kind, fields, .. } = &*self.shared;
        let mut documents = Vec::with_capacity(records.iter().filter(|record| record.kind == *kind).count());
        for (n, record) in records.iter().enumerate() {
            if record.kind == *kind {
                documents.push(Document::of(fields, kind.def(), record));
            }
            if n % ENCODED_AT_ONCE == ENCODED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        if documents.is_empty() {
            return Ok(());
        }
        let gone = || StoreError::Unavailable("the store is closed".to_owned());
        let permit = self.places.clone().acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Add(Pending { documents, answer, permit }))?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the records' thread ended".to_owned())))
    }

    /// Tells the thread, which is started if it is not there. Never blocks: a place in the queue was taken before.
    fn send(&self, message: Message) -> Result<(), StoreError> {
        let mut thread = lock(&self.thread);
        if thread.as_ref().is_none_or(|thread| thread.handle.is_finished()) {
            *thread = Some(self.start()?);
        }
        let sent = thread.as_ref().map(|thread| thread.messages.try_send(message));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(StoreError::Unavailable("the records' thread takes nothing".to_owned())),
        }
    }

    fn start(&self) -> Result<Thread, StoreError> {
        // One place more than batches: for the message that removes old partitions.
        let (messages, received) = sync_channel(QUEUE + 1);
        let worker = Worker::new(self.shared.clone());
        let handle = std::thread::Builder::new()
            .name(format!("{}-records", self.shared.kind.def().name))
            .spawn(move || worker.run(&received))
            .map_err(|e| StoreError::Unavailable(format!("no thread could be started: {e}")))?;
        Ok(Thread { messages, handle })
    }

    /// Records that meet the query. Blocks.
    pub(super) fn search(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.ask(|partitions, horizon| search::search(partitions, query, horizon))
    }

    /// The ids of records that meet the query, where they can be told without reading the records. Blocks.
    pub(super) fn ids(&self, query: &RecordQuery) -> Result<Option<Vec<ByteString>>, StoreError> {
        self.ask(|partitions, horizon| search::ids(partitions, query, horizon))
    }

    fn ask<T>(&self, question: impl FnOnce(&[&Partition], UnixMillis) -> T) -> T {
        let partitions = lock(&self.shared.partitions).clone();
        let horizon = UnixMillis(self.shared.horizon.load(Ordering::Relaxed));
        let answer = question(&partitions.iter().map(|p| &**p).collect::<Vec<_>>(), horizon);
        for idle in partitions.iter().rev().skip(1) {
            idle.close_idle(READER_IDLE);
        }
        answer
    }

    /// Answers nothing from before the day `oldest` any more, until it is told another day or opened again.
    pub(super) fn hide(&self, oldest: i64) {
        self.shared.horizon.store(oldest.saturating_mul(DAY_MS), Ordering::Relaxed);
    }

    /// Removes partitions of which everything is older than the day `oldest`; answers how many.
    pub(super) async fn expire(&self, oldest: i64) -> Result<usize, StoreError> {
        if !self.shared.has_older(oldest) {
            return Ok(0);
        }
        let (answer, answered) = oneshot::channel();
        self.send(Message::Expire { oldest, answer })?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the records' thread ended".to_owned())))
    }

    /// What is wrong: partitions that cannot be read.
    pub(super) fn damages(&self) -> Vec<String> {
        lock(&self.shared.partitions).iter().filter_map(|partition| partition.trouble()).collect()
    }

    /// Why the last commit failed, if it did.
    pub(super) fn failing(&self) -> Option<String> {
        lock(&self.shared.failing).clone()
    }

    /// Commits made and the microseconds they took.
    pub(super) fn commits(&self) -> (u64, u64) {
        self.shared.commits.get()
    }

    /// Takes no more, commits what waits and ends the thread. Blocks.
    pub(super) fn close(&self) {
        self.places.close();
        let thread = lock(&self.thread).take();
        if let Some(Thread { messages, handle }) = thread {
            drop(messages);
            if handle.join().is_err() {
                tracing::error!(kind = self.shared.kind.def().name, "the records' thread panicked");
            }
        }
        for partition in lock(&self.shared.partitions).iter() {
            partition.close_idle(Duration::ZERO);
        }
    }
}

impl Shared {
    fn newest(&self) -> Option<Arc<Partition>> {
        lock(&self.partitions).last().cloned()
    }

    fn push(&self, partition: Arc<Partition>) {
        lock(&self.partitions).push(partition);
    }

    fn has_older(&self, oldest: i64) -> bool {
        lock(&self.partitions).iter().any(|partition| is_older(partition, oldest))
    }

    /// Removes old partitions. Nobody writes while this runs: it runs on the thread that does.
    fn expire(&self, oldest: i64) -> Result<usize, StoreError> {
        let old: Vec<Arc<Partition>> =
            lock(&self.partitions).iter().filter(|partition| is_older(partition, oldest)).cloned().collect();
        for partition in &old {
            self.process.options.faults.at("expire")?;
            partition.remove()?;
            lock(&self.partitions).retain(|other| other.name != partition.name);
        }
        Ok(old.len())
    }

    fn count_commit(&self, took: Duration) {
        self.commits.add(took);
    }

    fn set_failing(&self, error: Option<&StoreError>) {
        *lock(&self.failing) = error.map(ToString::to_string);
    }
}

/// Whether the latest record of a partition lies before a day. One that cannot be read goes by the day it was made on.
fn is_older(partition: &Partition, oldest: i64) -> bool {
    let made = i64::from(partition.name.day);
    let bounds = partition.bounds();
    let last = if bounds.from > bounds.to { made } else { bounds.to.0.div_euclid(DAY_MS) };
    last < oldest
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
