//! A partition: one index of one kind, made on one day, removed as a whole.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::UnixMillis;
use model::kinds::RecordKind;
use tantivy::directory::error::OpenReadError;
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher, TantivyError};
use tokio::time::Instant;

use super::schema::{self, Fields};
use crate::embedded::rows::{io_failure, sync_parent};
use crate::{StoreError, calendar};

/// Decompressed blocks of 64 KB that a reader keeps for each segment.
const BLOCKS_KEPT: usize = 4;

/// The day a partition was made on, and which of that day it is. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) day: u32,
    pub(super) number: u32,
}

impl Name {
    fn text(self) -> String {
        format!("{}-{:02}", calendar::name_of_day(self.day), self.number)
    }

    fn parse(text: &str) -> Option<Name> {
        let (day, number) = text.split_once('-')?;
        let name = Name { day: calendar::day_of_name(day)?, number: number.parse().ok()? };
        (name.text() == text).then_some(name)
    }
}

/// Times of the records in a partition, never narrower than they are, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) from: UnixMillis,
    pub(super) to: UnixMillis,
    pub(super) docs: u64,
}

impl Bounds {
    const NONE: Bounds = Bounds { from: UnixMillis(i64::MAX), to: UnixMillis(i64::MIN), docs: 0 };

    /// The text that a commit carries, so that the bounds are as durable as what they bound.
    pub(super) fn payload(&self) -> String {
        format!("1 {} {} {}", self.from.0, self.to.0, self.docs)
    }

    fn parse(payload: &str) -> Option<Bounds> {
        let mut parts = payload.split(' ');
        let mut next = || parts.next();
        if next()? != "1" {
            return None;
        }
        let (from, to) = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Bounds { from: UnixMillis(from), to: UnixMillis(to), docs: next()?.parse().ok()? })
    }
}

/// A partition and what is known of it.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: Name,
    kind: RecordKind,
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bounds: Bounds,
    open: Option<Open>,
    damage: Option<String>,
    /// A question that could not be answered from it.
    note: Option<String>,
}

/// An opened index; its files are mapped, not read.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) index: Index,
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    used: Instant,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Partition {
    /// Makes an empty partition.
    pub(super) fn create(folder: &Path, kind: RecordKind, name: Name) -> Result<Partition, StoreError> {
        let dir = folder.join(name.text());
        if dir.exists() {
            // No partition we know of: what an earlier try left that failed half way.
            fs::remove_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
        }
        fs::create_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
        let index =
            Index::builder().schema(schema::schema(kind.def())).settings(schema::settings()).create_in_dir(&dir);
        index.map_err(failure)?;
        sync_parent(&dir)?;
        Ok(Partition::new(kind, name, dir, Bounds::NONE, None))
    }

    fn new(kind: RecordKind, name: Name, dir: PathBuf, bounds: Bounds, damage: Option<String>) -> Partition {
        Partition { name, kind, dir, state: Mutex::new(State { bounds, open: None, damage, note: None }) }
    }

    /// The partition in a folder, from the little that its last commit says of it. `None`: it is no partition's folder, or that of
    /// one that was never committed to, which is removed.
    pub(super) fn found(dir: PathBuf, kind: RecordKind) -> Result<Option<Partition>, StoreError> {
        let Some(name) = dir.file_name().and_then(|name| name.to_str()).and_then(Name::parse) else { return Ok(None) };
        let look = || Index::open_in_dir(&dir).and_then(|index| index.load_metas());
        let problem = match catch_unwind(AssertUnwindSafe(look)) {
            Ok(Ok(meta)) => match meta.payload.as_deref().and_then(Bounds::parse) {
                Some(bounds) => return Ok(Some(Partition::new(kind, name, dir, bounds, None))),
                None if meta.segments.is_empty() => {
                    fs::remove_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
                    return Ok(None);
                }
                None => "its last commit does not say what it holds".to_owned(),
            },
            Ok(Err(_)) if is_shell(&dir) => {
                fs::remove_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
                return Ok(None);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it is inconsistent".to_owned(),
        };
        let partition = Partition::new(kind, name, dir, Bounds::NONE, None);
        partition.set_damage(&problem);
        Ok(Some(partition))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Times and number of its records.
    pub(super) fn bounds(&self) -> Bounds {
        self.state().bounds
    }

    /// Takes a time into the bounds; before the record is added, so that no search passes it over.
    pub(super) fn widen(&self, times: impl Iterator<Item = UnixMillis>) {
        let mut state = self.state();
        for time in times {
            state.bounds.from = state.bounds.from.min(time);
            state.bounds.to = state.bounds.to.max(time);
        }
    }

    /// The number of its records, after a commit.
    pub(super) fn set_docs(&self, docs: u64) {
        self.state().bounds.docs = docs;
    }

    /// Why it cannot be read, if so.
    pub(super) fn damage(&self) -> Option<String> {
        self.state().damage.clone()
    }

    /// What is wrong with it, if anything, for health.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state();
        state.damage.clone().or_else(|| state.note.clone())
    }

    /// Says that it cannot be read; searches pass it over from now on.
    pub(super) fn set_damage(&self, what: &str) {
        let mut state = self.state();
        if state.damage.is_none() {
            tracing::error!(partition = %self.dir.display(), what, "a partition of the store cannot be read");
            state.damage = Some(format!("{}: {what}", self.dir.display()));
            state.open = None;
        }
    }

    /// The opened index.
    pub(super) fn open(&self) -> Result<Open, StoreError> {
        let mut state = self.state();
        if let Some(open) = &mut state.open {
            open.used = Instant::now();
            return Ok(open.clone());
        }
        let index = Index::open_in_dir(&self.dir).map_err(failure)?;
        schema::register(&index);
        let fields = Fields::of(&index.schema(), self.kind.def())
            .ok_or_else(|| StoreError::Damaged("it is an index of something else".to_owned()))?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(BLOCKS_KEPT)
            .try_into()
            .map_err(failure)?;
        let open = Open { index, fields, reader, used: Instant::now() };
        state.open = Some(open.clone());
        Ok(open)
    }

    /// Whether new records may go into it: it is there, readable, and has the fields of today.
    pub(super) fn is_current(&self) -> bool {
        self.damage().is_none()
            && self.dir.join("meta.json").exists()
            && self.open().is_ok_and(|open| {
                open.index.schema() == schema::schema(self.kind.def()) && *open.index.settings() == schema::settings()
            })
    }

    /// Asks a searcher of its last commit. What cannot be read is remembered as damage and answered with `None`.
    pub(super) fn search<T>(
        &self,
        f: impl FnOnce(&Searcher, &Open) -> tantivy::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        if self.damage().is_some() {
            return Ok(None);
        }
        let ask = || {
            let open = self.open()?;
            f(&open.reader.searcher(), &open).map_err(failure)
        };
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(StoreError::Damaged(what))) => {
                self.set_damage(&what);
                Ok(None)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                // Damage, or a question the library fails at: others may still be answered.
                self.state().note.get_or_insert_with(|| format!("{}: a question failed", self.dir.display()));
                Ok(None)
            }
        }
    }

    /// Forgets the reader unless it was used within `idle`.
    pub(super) fn close_idle(&self, idle: Duration) {
        let mut state = self.state();
        if state.open.as_ref().is_some_and(|open| open.used.elapsed() >= idle) {
            state.open = None;
        }
    }

    /// Removes files that no commit knows of: a crash leaves them.
    pub(super) fn collect_garbage(&self) -> Result<(), StoreError> {
        let mut open = self.open()?;
        let meta = open.index.load_metas().map_err(failure)?;
        let living = || -> HashSet<PathBuf> {
            let mut living = meta.list_segment_files();
            living.insert(PathBuf::from("meta.json"));
            living
        };
        open.index.directory_mut().garbage_collect(living).map(drop).map_err(failure)
    }

    /// Removes it from disk. Searches that are under way keep what they have open.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        self.state().open = None;
        fs::remove_dir_all(&self.dir).map_err(|e| io_failure(&self.dir, &e))
    }
}

/// A folder without an index in it: what a crash leaves between making the folder and making the index.
fn is_shell(dir: &Path) -> bool {
    !dir.join("meta.json").exists()
        && fs::read_dir(dir).is_ok_and(|entries| {
            entries.flatten().all(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with('.') || name.ends_with(".tmp")
            })
        })
}

/// Sorts an error of the search library: what time may heal, and what somebody must look at.
pub(super) fn failure(error: TantivyError) -> StoreError {
    let damaged = match &error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_)
        | TantivyError::FieldNotFound(_)
        | TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_)) => true,
        TantivyError::IoError(io) | TantivyError::OpenReadError(OpenReadError::IoError { io_error: io, .. }) => {
            matches!(io.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
        }
        _ => false,
    };
    let text = error.to_string();
    if damaged { StoreError::Damaged(text) } else { StoreError::Unavailable(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_order_by_day_and_number() {
        let name = |text: &str| Name::parse(text).unwrap();
        assert!(name("20261122-99") < name("20261122-100"));
        assert!(name("20261122-100") < name("20261123-00"));
        assert_eq!(name("20261122-00").text(), "20261122-00");
        for text in ["20261122", "20261122-0", "20261322-00", "x-00", "lost+found"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_come_back_from_a_payload() {
        let bounds = Bounds { from: UnixMillis(-5), to: UnixMillis(7), docs: 3 };
        assert_eq!(Bounds::parse(&bounds.payload()), Some(bounds));
        assert_eq!(Bounds::parse("2 0 0 0"), None);
        assert_eq!(Bounds::parse(""), None);
    }
}
