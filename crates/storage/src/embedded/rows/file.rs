//! One file of the key-value store: opened when it is needed, closed when it is not, set aside when it cannot be read.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition, WriteTransaction};
use tokio::time::Instant;

use super::key::{CHANGE, KEY};
use crate::StoreError;

/// Rows without their wide cells: version, sequence, entity, cells.
pub(super) const CELLS: TableDefinition<'static, &[u8; KEY], &[u8]> = TableDefinition::new("cells");
/// Wide cells of rows, under the same keys.
pub(super) const WIDE: TableDefinition<'static, &[u8; KEY], &[u8]> = TableDefinition::new("wide");
/// Life rows by scope, writer and sequence.
pub(super) const CHANGES: TableDefinition<'static, &[u8; CHANGE], ()> = TableDefinition::new("changes");
/// Items by kind and id.
pub(in crate::embedded) const ITEMS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("items");

/// A table of rows in a transaction that only reads.
pub(super) type RowTable = ReadOnlyTable<&'static [u8; KEY], &'static [u8]>;

/// What reads see: one moment of one file.
pub(super) struct Tables {
    pub(super) cells: RowTable,
    pub(super) wide: RowTable,
}

/// A file and what is known of it.
#[derive(Debug)]
pub(in crate::embedded) struct DbFile {
    path: PathBuf,
    cache_bytes: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    db: Option<Arc<Database>>,
    /// A write failed: redb wants the file opened anew before it is used again.
    suspect: bool,
    /// Why it is not read any more.
    damage: Option<String>,
    /// What was left out of an answer.
    note: Option<String>,
    used: Instant,
}

impl DbFile {
    /// A file that is opened at its first use.
    pub(super) fn new(path: PathBuf, cache_bytes: usize) -> Self {
        let state = State { db: None, suspect: false, damage: None, note: None, used: Instant::now() };
        DbFile { path, cache_bytes: AtomicUsize::new(cache_bytes), state: Mutex::new(state) }
    }

    /// Makes the file with all its tables under another name and then gives it its own, so that a crash never leaves half of it.
    pub(super) fn create(path: &Path) -> Result<(), StoreError> {
        let new = path.with_extension("new");
        remove_if_there(&new)?;
        let db = Database::builder().set_cache_size(1 << 20).create(&new).map_err(failure)?;
        let txn = begin(&db)?;
        txn.open_table(CELLS).map_err(failure)?;
        txn.open_table(WIDE).map_err(failure)?;
        txn.open_table(CHANGES).map_err(failure)?;
        txn.open_table(ITEMS).map_err(failure)?;
        txn.commit().map_err(failure)?;
        drop(db);
        fs::rename(&new, path).map_err(|e| io_failure(path, &e))?;
        sync_parent(path)
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it cannot be read, if so.
    pub(super) fn damage(&self) -> Option<String> {
        self.state().damage.clone()
    }

    /// Says that (part of) it cannot be read; the first finding stays and is logged.
    pub(super) fn set_damage(&self, what: &str) {
        let mut state = self.state();
        if state.damage.is_none() {
            tracing::error!(file = %self.path.display(), what, "a file of the store cannot be read");
            state.damage = Some(format!("{}: {what}", self.path.display()));
        }
    }

    /// What was left out of answers, and why.
    pub(super) fn note(&self) -> Option<String> {
        self.state().note.clone()
    }

    /// Says that values were left out of an answer; the rest of the file goes on.
    pub(super) fn set_note(&self, n: usize) {
        let mut state = self.state();
        if state.note.is_none() {
            tracing::error!(file = %self.path.display(), n, "values of the store cannot be read");
            state.note = Some(format!("{}: {n} values cannot be read", self.path.display()));
        }
    }

    /// How much it may cache from its next opening on.
    pub(super) fn set_cache(&self, bytes: usize) {
        self.cache_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The database, opened if need be.
    pub(in crate::embedded) fn db(&self) -> Result<Arc<Database>, StoreError> {
        let mut state = self.state();
        state.used = Instant::now();
        if state.suspect {
            if state.db.as_ref().is_some_and(|db| Arc::strong_count(db) > 1) {
                return Err(StoreError::Unavailable(format!("{} is being opened anew", self.path.display())));
            }
            state.db = None;
            state.suspect = false;
        }
        if let Some(db) = &state.db {
            return Ok(db.clone());
        }
        let opened = Database::builder().set_cache_size(self.cache_bytes.load(Ordering::Relaxed)).open(&self.path);
        let db = Arc::new(opened.map_err(|e| named(&self.path, failure(e)))?);
        state.db = Some(db.clone());
        Ok(db)
    }

    /// Closes it unless somebody uses it or did within `idle`. Answers whether it is closed.
    pub(super) fn close_idle(&self, idle: Duration) -> bool {
        let mut state = self.state();
        let busy = state.db.as_ref().is_some_and(|db| Arc::strong_count(db) > 1) || state.used.elapsed() < idle;
        if state.db.is_some() && !busy {
            state.db = None;
        }
        state.db.is_none()
    }

    /// When it was last used; `None` while it is closed.
    pub(super) fn last_used(&self) -> Option<Instant> {
        let state = self.state();
        state.db.as_ref().map(|_| state.used)
    }

    /// Reads one moment of the file. What cannot be read is remembered as damage and answered with `None`; a panic inside the
    /// key-value store, which a damaged file may cause, counts as damage too.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Tables) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        if self.damage().is_some() {
            return Ok(None);
        }
        let read = || {
            let txn = self.db()?.begin_read().map_err(failure)?;
            let tables =
                Tables { cells: txn.open_table(CELLS).map_err(failure)?, wide: txn.open_table(WIDE).map_err(failure)? };
            f(&tables)
        };
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(StoreError::Damaged(what))) => {
                self.set_damage(&what);
                Ok(None)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.set_damage("it is inconsistent");
                Ok(None)
            }
        }
    }

    /// Runs one write transaction. After a failure the file is opened anew before its next use.
    pub(in crate::embedded) fn write<T>(
        &self,
        f: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
        before_commit: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<T, StoreError> {
        let write = || {
            let db = self.db()?;
            let txn = begin(&db)?;
            let value = f(&txn)?;
            before_commit()?;
            txn.commit().map_err(failure)?;
            Ok(value)
        };
        let written = catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(|_| Err(StoreError::Damaged(format!("{} is inconsistent", self.path.display()))));
        if written.is_err() {
            self.state().suspect = true;
        }
        written
    }
}

/// Begins a transaction after which a crash costs no repair: a plain one reads the whole file at the next start.
fn begin(db: &Database) -> Result<WriteTransaction, StoreError> {
    let mut txn = db.begin_write().map_err(failure)?;
    txn.set_quick_repair(true);
    Ok(txn)
}

/// Sorts an error of the key-value store: what time may heal, and what somebody must look at.
pub(in crate::embedded) fn failure(error: impl Into<redb::Error>) -> StoreError {
    let error = error.into();
    let damaged = match &error {
        redb::Error::Io(io) => matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => true,
        _ => false,
    };
    let text = error.to_string();
    if damaged { StoreError::Damaged(text) } else { StoreError::Unavailable(text) }
}

fn named(path: &Path, error: StoreError) -> StoreError {
    let name = |text: String| format!("{}: {text}", path.display());
    match error {
        StoreError::Damaged(text) => StoreError::Damaged(name(text)),
        StoreError::Unavailable(text) => StoreError::Unavailable(name(text)),
        other => other,
    }
}

/// An error of the file system, with the path it is about.
pub(in crate::embedded) fn io_failure(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// Removes a file that need not exist.
pub(in crate::embedded) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_failure(path, &e)),
        _ => Ok(()),
    }
}

/// Makes a new or renamed entry of a folder survive a power loss.
pub(in crate::embedded) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| io_failure(parent, &e))
}
