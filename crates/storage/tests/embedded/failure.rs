//! Commits that fail: nothing that was answered is lost, what was not is said, and the same call works later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use model::item::Revision;
use model::kinds::RecordKind;
use storage::embedded::{Embedded, Faults, Options};
use storage::{Batch, Store, StoreError, Swapped};

use crate::support::{Folder, T0, all, count_of, ids, item, items, row, segment};

/// Moments that are to fail, and how often still.
#[derive(Clone, Default)]
struct Failing(Arc<Mutex<HashMap<&'static str, u32>>>);

impl Failing {
    fn times(&self, moment: &'static str, n: u32) {
        self.0.lock().unwrap().insert(moment, n);
    }

    fn open(&self, folder: &Folder) -> Embedded {
        let failing = self.0.clone();
        let faults = Faults::new(move |moment| match failing.lock().unwrap().get_mut(moment) {
            Some(n) if *n > 0 => {
                *n -= 1;
                Err("no space left on device".to_owned())
            }
            _ => Ok(()),
        });
        folder.open_with(Options { faults, ..folder.options() })
    }
}

fn records(from: i64, to: i64) -> Batch {
    Batch { records: (from..to).map(|i| segment(&format!("s{i}"), T0 + i)).collect(), rows: vec![] }
}

async fn found(store: &Embedded) -> Vec<String> {
    let mut found = ids(&store.records(&all(RecordKind::Segment)).await.unwrap());
    found.reverse();
    found
}

#[tokio::test]
async fn a_record_commit_that_fails_once_is_made_up_for_unseen() {
    for moment in ["records.add", "records.commit", "records.committed", "records.rotate"] {
        let (folder, failing) = (Folder::new(), Failing::default());
        let store = failing.open(&folder);
        if moment != "records.rotate" {
            store.write(&records(0, 3)).await.unwrap();
        }
        failing.times(moment, 1);
        store.write(&records(3, 6)).await.unwrap();
        let expected: Vec<_> = (if moment == "records.rotate" { 3 } else { 0 }..6).map(|i| format!("s{i}")).collect();
        assert_eq!(found(&store).await, expected, "{moment}");
        assert!(store.health().await.ok);
        store.close().await.unwrap();
        assert_eq!(found(&folder.open()).await, expected, "{moment}, after opening again");
    }
}

#[tokio::test]
async fn a_record_commit_that_keeps_failing_is_said_and_works_when_tried_again() {
    for moment in ["records.add", "records.commit", "records.committed"] {
        let (folder, failing) = (Folder::new(), Failing::default());
        let store = failing.open(&folder);
        store.write(&records(0, 3)).await.unwrap();
        failing.times(moment, u32::MAX);
        let error = store.write(&records(3, 6)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(e) if e.contains("no space left")), "{error}");
        let health = store.health().await;
        assert!(!health.ok && health.detail.contains("no space left"), "{health:?}");
        assert_eq!(found(&store).await[..3], ["s0", "s1", "s2"], "{moment}");

        failing.times(moment, 0);
        store.write(&records(3, 6)).await.unwrap();
        assert!(store.health().await.ok);
        assert_eq!(found(&store).await, ["s0", "s1", "s2", "s3", "s4", "s5"], "{moment}");
    }
}

#[tokio::test]
async fn writers_that_wait_for_one_commit_are_all_answered() {
    let (folder, failing) = (Folder::new(), Failing::default());
    let store = failing.open(&folder);
    failing.times("records.commit", 1);
    let batches: Vec<_> = (0..8).map(|i| records(i * 10, i * 10 + 10)).collect();
    let writes = batches.iter().map(|batch| store.write(batch));
    for written in futures(writes).await {
        written.unwrap();
    }
    assert_eq!(found(&store).await.len(), 80);
}

/// Runs all at once.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, slot) in all.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *slot = Some(value);
            }
        }
        if done.iter().any(Option::is_none) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
    })
    .await
}

#[tokio::test]
async fn a_partition_that_vanishes_costs_its_records_and_no_others() {
    let folder = Folder::new();
    let store = folder.open();
    store.write(&records(0, 3)).await.unwrap();
    std::fs::remove_dir_all(&folder.partitions("segment")[0]).unwrap();
    // The writer still has the folder's files open: it finds out when it commits, and a later try makes a new partition.
    while store.write(&records(3, 6)).await.is_err() {}
    assert!(found(&store).await.ends_with(&["s3".to_owned(), "s4".to_owned(), "s5".to_owned()]));
    store.close().await.unwrap();
    assert_eq!(found(&folder.open()).await, ["s3", "s4", "s5"]);
}

#[tokio::test]
async fn a_row_commit_that_fails_is_said_and_works_when_tried_again() {
    for moment in ["rows.commit", "rows.committed"] {
        let (folder, failing) = (Folder::new(), Failing::default());
        let store = failing.open(&folder);
        let batch = |seq, value| Batch { rows: vec![row("a", 5, seq, value)], records: vec![] };
        store.write(&batch(1, 10)).await.unwrap();
        for tries in 0..3 {
            failing.times(moment, 1);
            let written = store.write(&batch(2 + tries, 20)).await;
            assert!(matches!(written, Err(StoreError::Unavailable(_))), "{moment}");
            let health = store.health().await;
            assert!(!health.ok && health.detail.starts_with("metrics cannot be written: "), "{health:?}");
            let count = count_of(&store, "a", 5).await;
            assert!(count == Some(20) || moment == "rows.commit" && count == Some(10), "{moment} {count:?}");
        }
        store.write(&batch(9, 30)).await.unwrap();
        assert!(store.health().await.ok);
        store.close().await.unwrap();
        assert_eq!(count_of(&folder.open(), "a", 5).await, Some(30), "{moment}");
    }
}

#[tokio::test]
async fn a_swap_whose_answer_was_lost_is_known_again_by_its_nonce() {
    for moment in ["items.commit", "items.committed"] {
        let (folder, failing) = (Folder::new(), Failing::default());
        let store = failing.open(&folder);
        failing.times(moment, 1);
        let swap = [(item("t", 7), Revision(0))];
        assert!(matches!(store.swap_many(&swap).await, Err(StoreError::Unavailable(_))), "{moment}");
        assert_eq!(store.swap_many(&swap).await.unwrap(), [Swapped::Done(Revision(1))], "{moment}");
        let other = [(item("t", 8), Revision(0))];
        assert!(matches!(store.swap_many(&other).await.unwrap()[0], Swapped::Conflict(Some(_))), "{moment}");
        assert_eq!(items(&store).await.len(), 1);
    }
}
