//! What the store costs: commits, time, CPU of its own threads.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Commits made and how long they took in all.
#[derive(Debug, Default)]
pub(super) struct Commits {
    n: AtomicU64,
    micros: AtomicU64,
}

impl Commits {
    /// One more.
    pub(super) fn add(&self, took: Duration) {
        self.n.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many, and their microseconds.
    pub(super) fn get(&self) -> (u64, u64) {
        (self.n.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed))
    }
}

/// CPU time of the threads that write, index and merge. Threads come and go, those that index with every commit, so what each was
/// last seen to have used is remembered and they are looked at before each commit. What a thread spends between the last look
/// and its end is missing: the figure is a lower bound.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    seen: Mutex<HashMap<String, u64>>,
    ended_nanos: AtomicU64,
    /// Spent on threads of the runtime.
    lent_nanos: AtomicU64,
}

/// Beginnings of the names of our threads and of the search library's.
const NAMES: [&str; 6] =
    ["segment-records", "log-records", "event-records", "thrd-tantivy", "segment_updater", "merge_thread"];

impl Cpu {
    /// Runs a job and counts what this thread spent on it.
    pub(super) fn count<T>(&self, job: impl FnOnce() -> T) -> T {
        let before = nanos_of(Path::new("/proc/thread-self"));
        let value = job();
        if let (Some(before), Some(after)) = (before, nanos_of(Path::new("/proc/thread-self"))) {
            self.lent_nanos.fetch_add(after.saturating_sub(before), Ordering::Relaxed);
        }
        value
    }

    /// Microseconds in all; 0 where the system does not tell.
    pub(super) fn micros(&self) -> u64 {
        (self.look() + self.lent_nanos.load(Ordering::Relaxed)) / 1_000
    }

    /// Looks at the threads that are there; answers the nanoseconds of all there ever were.
    pub(super) fn look(&self) -> u64 {
        // Held from here on: a look that overtakes another would take running threads for ended ones.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = HashMap::new();
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if NAMES.iter().any(|own| name.starts_with(own))
                && let Some(nanos) = nanos_of(&task.path())
            {
                now.insert(task.file_name().to_string_lossy().into_owned(), nanos);
            }
        }
        for (thread, nanos) in seen.iter() {
            // Gone, or another thread with its number.
            if now.get(thread).is_none_or(|now| now < nanos) {
                self.ended_nanos.fetch_add(*nanos, Ordering::Relaxed);
            }
        }
        *seen = now;
        seen.values().sum::<u64>() + self.ended_nanos.load(Ordering::Relaxed)
    }
}

/// Nanoseconds that a thread has run.
fn nanos_of(task: &Path) -> Option<u64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
}

/// Bytes of a file or of everything in a folder; what cannot be read counts nothing.
pub(super) fn bytes_under(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes_under(&entry.path())).sum()
}
