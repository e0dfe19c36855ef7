//! Crashes: the folder as it lies at two hundred moments in the middle of work is opened again, and everything that had been
//! answered by then must be there, once, as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use model::kinds::RecordKind;
use model::record::Record;
use model::{UnixMillis, Zone};
use storage::chance::Chance;
use storage::embedded::{Embedded, Faults, Options};
use storage::{Batch, Retention, Store};

use crate::support::{DAY, Folder, T0, all, count_of, items, life, log, row, segment, swap};

/// Crashes to look at.
const CRASHES: usize = 200;

/// What the store had answered, and what it was asked and had not answered.
#[derive(Clone, Default)]
struct Known {
    records: BTreeMap<String, Record>,
    /// Every record there was: a partition is removed as a whole, so old ones may stay beside newer ones.
    ever: BTreeMap<String, Record>,
    /// Count by entity and minute.
    rows: BTreeMap<(String, u32), u64>,
    /// Value by item.
    items: BTreeMap<String, u64>,
    pending: Vec<Asked>,
}

#[derive(Clone)]
enum Asked {
    Record(Record),
    Row(String, u32, u64),
    Item(String, u64),
    /// Records before this time may be gone.
    Expire(i64),
}

impl Known {
    /// What was asked has been answered.
    fn answered(&mut self) {
        for asked in std::mem::take(&mut self.pending) {
            match asked {
                Asked::Record(record) => {
                    self.ever.insert(record.id.to_string(), record.clone());
                    self.records.insert(record.id.to_string(), record);
                }
                Asked::Row(entity, minute, count) => drop(self.rows.insert((entity, minute), count)),
                Asked::Item(id, value) => drop(self.items.insert(id, value)),
                Asked::Expire(before) => self.records.retain(|_, record| record.time.0 >= before),
            }
        }
    }
}

#[derive(Default)]
struct Camera {
    known: Known,
    source: PathBuf,
    target: PathBuf,
    moments: usize,
    /// A crash at every so many moments.
    every: usize,
    taken: Vec<(PathBuf, &'static str, Known)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Camera {
    fn moment(&mut self, name: &'static str) {
        self.moments += 1;
        if !self.moments.is_multiple_of(self.every) {
            return;
        }
        let target = self.target.join(self.taken.len().to_string());
        // Merges go on in the background; a copy during which a partition's list of files changed is no moment, so try again.
        while copy(&self.source, &target).is_err() || lists(&self.source) != lists(&target) {
            fs::remove_dir_all(&target).unwrap();
        }
        self.taken.push((target, name, self.known.clone()));
    }
}

/// What every partition says it consists of.
fn lists(dir: &Path) -> BTreeSet<Vec<u8>> {
    let mut lists = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            lists.extend(self::lists(&entry.path()));
        } else if entry.file_name() == "meta.json" {
            lists.insert(fs::read(entry.path()).unwrap_or_default());
        }
    }
    lists
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    let mut entries = fs::read_dir(from)?.collect::<Result<Vec<_>, _>>()?;
    // The list first: what it names later can only be more, and is compared afterwards.
    entries.sort_by_key(|entry| entry.file_name() != "meta.json");
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// One thing after the other, drawn by chance.
struct Work {
    chance: Chance,
    folder: Folder,
    store: Embedded,
    camera: Arc<Mutex<Camera>>,
    n: u64,
    day: i64,
}

impl Work {
    async fn step(&mut self) {
        self.n += 1;
        let n = self.n;
        match self.chance.below(10) {
            0..=3 => self.write_records().await,
            4..=7 => {
                let minute = u32::try_from((T0 + self.day * DAY) / 60_000).unwrap() + u32::from(n.is_multiple_of(3));
                let names: Vec<String> = (0..3).map(|i| format!("e{}", (n + i) % 5)).collect();
                let mut rows: Vec<_> = names.iter().map(|name| row(name, minute, n, n)).collect();
                rows.push(row(&names[0], minute - 1_440, n, n));
                rows.push(life(&names[0], n, i64::from(minute)));
                let asked = rows[..4].iter().map(|r| Asked::Row(r.key.entity.to_string(), r.key.bucket.0, n)).collect();
                lock(&self.camera).known.pending = asked;
                self.store.write(&Batch { rows, records: vec![] }).await.unwrap();
            }
            8 => {
                let id = format!("i{}", n % 3);
                let stored = items(&self.store).await.into_iter().find(|item| item.id == id);
                lock(&self.camera).known.pending = vec![Asked::Item(id.clone(), n)];
                swap(&self.store, &id, stored.map_or(0, |item| item.revision.0), n).await;
            }
            _ => {
                self.day += 1;
                self.folder.set_clock(T0 + self.day * DAY);
                let now = UnixMillis(T0 + self.day * DAY);
                let before = (now.0 - 2 * DAY).div_euclid(DAY) * DAY;
                lock(&self.camera).known.pending = vec![Asked::Expire(before)];
                let policy = Retention { records_days: 2, metrics_days: 10_000 };
                self.store.expire(&policy, now).await.unwrap();
            }
        }
        lock(&self.camera).known.answered();
    }

    async fn write_records(&mut self) {
        let time = T0 + self.day * DAY;
        let n = self.n;
        let records: Vec<_> = (0..1 + self.chance.below(4))
            .map(|i| if i == 3 { log(&format!("l{n}"), time) } else { segment(&format!("s{n}.{i}"), time + n as i64) })
            .collect();
        lock(&self.camera).known.pending = records.iter().cloned().map(Asked::Record).collect();
        self.store.write(&Batch { records, rows: vec![] }).await.unwrap();
    }
}

/// Opens what a crash left and compares it with what was known.
async fn check(path: &Path, moment: &str, known: &Known, folder: &Folder, works: bool) {
    let store = Embedded::open(path, folder.options(), &Zone::utc(), folder.clock()).unwrap();
    let detail = store.health().await.detail;
    assert!(detail.starts_with("embedded, in "), "{moment}: {detail}");

    let mut found = BTreeMap::new();
    for kind in RecordKind::ALL {
        for record in store.records(&all(kind)).await.unwrap().records {
            let id = record.id.to_string();
            assert!(found.insert(id, record).is_none(), "{moment}: a record twice");
        }
    }
    let mut may = known.ever.clone();
    let mut expired = i64::MIN;
    for asked in &known.pending {
        match asked {
            Asked::Record(record) => drop(may.insert(record.id.to_string(), record.clone())),
            Asked::Expire(before) => expired = *before,
            _ => {}
        }
    }
    for (id, record) in known.records.iter().filter(|(_, record)| record.time.0 >= expired) {
        assert_eq!(found.get(id), Some(record), "{moment}: {id} was answered");
    }
    for (id, record) in &found {
        assert_eq!(may.get(id), Some(record), "{moment}: {id} was never written like this");
    }

    for ((entity, minute), count) in &known.rows {
        let got = count_of(&store, entity, *minute).await;
        let asked = known.pending.iter().find_map(|asked| match asked {
            Asked::Row(e, m, count) if (e, m) == (entity, minute) => Some(*count),
            _ => None,
        });
        assert!(got == Some(*count) || got.is_some() && got == asked, "{moment}: {entity} {minute} {got:?} {count}");
    }
    for item in items(&store).await {
        let value: u64 = item.body.parse().unwrap();
        let asked = known.pending.iter().any(|a| matches!(a, Asked::Item(id, v) if *id == item.id && *v == value));
        assert!(asked || known.items.get(&item.id) == Some(&value), "{moment}: {item:?}");
    }
    assert!(items(&store).await.len() >= known.items.len(), "{moment}");

    if works {
        works_on(&store, folder).await;
    }
    store.close().await.unwrap();
}

/// What a crash left takes new data.
async fn works_on(store: &Embedded, folder: &Folder) {
    let time = folder.clock().now().0;
    let batch = Batch { records: vec![segment("after", time)], rows: vec![row("after", 5, 1, 1)] };
    store.write(&batch).await.unwrap();
    assert_eq!(count_of(store, "after", 5).await, Some(1));
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_at_two_hundred_crashes() {
    let folder = Folder::new();
    let copies = tempfile::tempdir().unwrap();
    let camera = Camera { source: folder.path(), target: copies.path().to_owned(), every: 3, ..Camera::default() };
    let camera = Arc::new(Mutex::new(camera));
    let hook = camera.clone();
    let faults = Faults::new(move |moment| {
        lock(&hook).moment(moment);
        Ok(())
    });
    let store = folder.open_with(Options { faults, partition_docs: 30, ..folder.options() });
    let mut work = Work { chance: Chance::new(7), folder, store, camera: camera.clone(), n: 0, day: 0 };
    while lock(&camera).taken.len() < CRASHES {
        work.step().await;
    }
    let taken = std::mem::take(&mut lock(&camera).taken);
    let moments: BTreeSet<_> = taken.iter().map(|(_, moment, _)| *moment).collect();
    for moment in ["records.add", "records.commit", "records.committed", "records.rotate", "rows.commit", "expire"] {
        assert!(moments.contains(moment), "{moments:?}");
    }
    for (i, (path, moment, known)) in taken.iter().enumerate() {
        check(path, moment, known, &work.folder, i % 8 == 0).await;
        fs::remove_dir_all(path).unwrap();
    }
}
