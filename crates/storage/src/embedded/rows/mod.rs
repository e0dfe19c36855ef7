//! Rows: one key-value file for each UTC day with its minute, hour and day rows, and one that never rolls with the life rows.

mod file;
mod key;
mod read;
mod value;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Bucket;
use redb::{ReadOnlyTable, ReadableDatabase};

pub(super) use file::{DbFile, ITEMS, failure, io_failure, remove_if_there, sync_parent};
pub(super) use write::Prepared;

use super::faults::Faults;
use crate::{StoreError, calendar};

/// Minutes of a day.
const DAY_MINUTES: u32 = 1_440;
/// Older files that stay open between questions.
const OPEN_OLD: usize = 4;
/// How long an older file stays open unused.
const IDLE: Duration = Duration::from_secs(60);

/// Where rows lie.
#[derive(Debug)]
pub(super) struct Rows {
    dir: PathBuf,
    life: LifeFile,
    days: Mutex<BTreeMap<u32, Arc<DbFile>>>,
    /// Files that were put aside because they could not be written to; for health.
    aside: Mutex<Vec<String>>,
    cache: Cache,
    faults: Faults,
}

/// How the cache is shared out: in all `total`.
#[derive(Clone, Copy, Debug)]
struct Cache {
    total: usize,
}

impl Cache {
    /// Rows of today and, in zones west or east of it, of the day that shares today's day rows.
    fn day(self) -> usize {
        self.total / 4
    }

    fn meta(self) -> usize {
        self.total / 4
    }

    fn old(self) -> usize {
        self.total / (4 * OPEN_OLD)
    }
}

/// The file of life rows; items share it.
#[derive(Clone, Debug)]
struct LifeFile(Arc<DbFile>);

impl LifeFile {
    fn file(&self) -> &DbFile {
        &self.0
    }

    /// Reads one moment of the list of changes.
    fn changes<T>(
        &self,
        f: impl FnOnce(&ReadOnlyTable<&'static [u8; key::CHANGE], ()>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let txn = self.0.db()?.begin_read().map_err(failure)?;
        f(&txn.open_table(file::CHANGES).map_err(failure)?)
    }
}

impl Rows {
    /// Finds the files of the folder; they are opened when they are needed. `meta.redb` is opened at once.
    pub(super) fn open(folder: &Path, cache_bytes: usize, faults: Faults) -> Result<Rows, StoreError> {
        let cache = Cache { total: cache_bytes };
        let dir = folder.join("rows");
        fs::create_dir_all(&dir).map_err(|e| io_failure(&dir, &e))?;
        let meta = folder.join("meta.redb");
        if !meta.exists() {
            faults.at("rows.create")?;
            DbFile::create(&meta)?;
        }
        let life = LifeFile(Arc::new(DbFile::new(meta, cache.meta())));
        life.0.db()?;
        let (mut days, mut aside) = (BTreeMap::new(), Vec::new());
        for entry in fs::read_dir(&dir).map_err(|e| io_failure(&dir, &e))? {
            let path = entry.map_err(|e| io_failure(&dir, &e))?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("redb") => {
                    if let Some(day) = path.file_stem().and_then(|s| s.to_str()).and_then(calendar::day_of_name) {
                        days.insert(day, Arc::new(DbFile::new(path, cache.day())));
                    }
                }
                Some("new") => remove_if_there(&path)?,
                Some("damaged") => aside.push(format!("{} was put aside", path.display())),
                _ => {}
            }
        }
        share_out(&days, cache);
        Ok(Rows { dir, life, days: Mutex::new(days), aside: Mutex::new(aside), cache, faults })
    }

    /// The file that life rows and items share.
    pub(super) fn meta(&self) -> &Arc<DbFile> {
        &self.life.0
    }

    fn life(&self) -> &LifeFile {
        &self.life
    }

    fn days(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<DbFile>>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn days_of(&self, from: Bucket, to: Bucket) -> Vec<(u32, Arc<DbFile>)> {
        let (from, to) = (from.0 / DAY_MINUTES, to.0 / DAY_MINUTES);
        if from > to {
            return Vec::new();
        }
        self.days().range(from..=to).map(|(day, file)| (*day, file.clone())).collect()
    }

    fn path_of(&self, day: u32) -> PathBuf {
        self.dir.join(format!("{}.redb", calendar::name_of_day(day)))
    }

    /// The file to write a day's rows to. One that cannot be read is put aside, under a name that health repeats, so that the
    /// rows of today are not refused for it; nothing in it is touched.
    fn file_for(&self, day: u32) -> Result<Arc<DbFile>, StoreError> {
        let mut days = self.days();
        if let Some(file) = days.get(&day) {
            match file.db() {
                Err(StoreError::Damaged(what)) => {
                    file.set_damage(&what);
                    self.put_aside(file)?;
                }
                Ok(_) if file.damage().is_some() => self.put_aside(file)?,
                Ok(_) => return Ok(file.clone()),
                Err(error) => return Err(error),
            }
        }
        let path = self.path_of(day);
        self.faults.at("rows.create")?;
        DbFile::create(&path)?;
        let file = Arc::new(DbFile::new(path, self.cache.day()));
        days.insert(day, file.clone());
        share_out(&days, self.cache);
        Ok(file)
    }

    fn put_aside(&self, file: &DbFile) -> Result<(), StoreError> {
        let name = |i: u32| file.path().with_extension(format!("{i}.damaged"));
        let to = (0..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
        fs::rename(file.path(), &to).map_err(|e| io_failure(&to, &e))?;
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} was put aside", to.display()));
        Ok(())
    }

    /// Closes older files, the least recently used first, until few are open.
    fn close_surplus(&self) {
        let days = self.days();
        let Some(newest) = days.last_key_value().map(|(day, _)| *day) else { return };
        let mut open: Vec<_> = days
            .iter()
            .filter(|(day, _)| **day < newest.saturating_sub(1))
            .filter_map(|(_, file)| Some((file.last_used()?, file)))
            .collect();
        open.sort_by_key(|(used, _)| *used);
        let surplus = open.len().saturating_sub(OPEN_OLD);
        for (i, (_, file)) in open.iter().enumerate() {
            file.close_idle(if i < surplus { Duration::ZERO } else { IDLE });
        }
    }

    /// What cannot be read, for health.
    pub(super) fn damages(&self) -> Vec<String> {
        let mut all = self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.days().values().filter_map(|file| file.damage()));
        all.extend(self.days().values().filter_map(|file| file.note()));
        all.extend(self.life.0.damage().or_else(|| self.life.0.note()));
        all
    }

    /// Removes the files of days before `oldest`; answers how many.
    pub(super) fn expire_days(&self, oldest: i64) -> Result<usize, StoreError> {
        let old: Vec<(u32, Arc<DbFile>)> = {
            let days = self.days();
            days.iter().filter(|(day, _)| i64::from(**day) < oldest).map(|(day, file)| (*day, file.clone())).collect()
        };
        for (day, file) in &old {
            self.faults.at("expire")?;
            let mut days = self.days();
            remove_if_there(file.path())?;
            days.remove(day);
        }
        Ok(old.len())
    }

    /// Closes every file; those in use follow when their reader is done.
    pub(super) fn close(&self) {
        for file in self.days().values() {
            file.close_idle(Duration::ZERO);
        }
        self.life.0.close_idle(Duration::ZERO);
    }
}

/// The two newest days get most of the cache: what is written, and what is looked at.
fn share_out(days: &BTreeMap<u32, Arc<DbFile>>, cache: Cache) {
    let newest = days.last_key_value().map_or(0, |(day, _)| *day);
    for (day, file) in days {
        file.set_cache(if *day >= newest.saturating_sub(1) { cache.day() } else { cache.old() });
    }
}

/// The first and last bucket of a day.
fn buckets_of(day: u32) -> (Bucket, Bucket) {
    let first = day * DAY_MINUTES;
    (Bucket(first), Bucket(first.saturating_add(DAY_MINUTES - 1)))
}
