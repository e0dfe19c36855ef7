//! Snapshots in virtual time.

use model::UnixMillis;
use tokio::time::sleep;

use super::*;
use crate::memory::Memory;
use crate::testing::{Faults, FaultyStore};

const EVERY: Duration = Duration::from_millis(500);
const KINDS: &[ItemKind] = &[ItemKind::Template, ItemKind::Lease];

fn item(id: &str, body: &str, tombstone: bool) -> Item {
    Item {
        kind: ItemKind::Template,
        id: id.to_owned(),
        revision: Revision(0),
        nonce: 1,
        tombstone,
        updated: UnixMillis(0),
        body: body.to_owned(),
    }
}

fn node(store: SharedStore, seed: u64) -> (Snapshots, Editor) {
    let (follower, snapshots, editor) = follow(store, Clock::from_fn(|| UnixMillis(7)), KINDS, EVERY, seed);
    tokio::spawn(follower.run(std::future::pending()));
    (snapshots, editor)
}

fn bodies(snapshots: &Snapshots) -> Option<Vec<String>> {
    let snapshot = snapshots.now();
    Some(snapshot.of(ItemKind::Template)?.iter().map(|item| item.body.clone()).collect())
}

fn told(snapshots: &Snapshots, expected: &[&str]) {
    assert_eq!(bodies(snapshots).as_deref(), Some(&*expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_before_it_was_read_and_then_all_kinds_are() {
    let store: SharedStore = Arc::new(Memory::new());
    store.swap_many(&[(item("a", "1", false), Revision(0))]).await.unwrap();
    let (snapshots, _editor) = node(store, 1);
    assert_eq!(bodies(&snapshots), None);
    sleep(EVERY).await;
    told(&snapshots, &["1"]);
    assert!(snapshots.now().of(ItemKind::Lease).unwrap().is_empty());
    assert!(snapshots.now().of(ItemKind::Node).is_none(), "it is not followed");
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_known_to_its_own_node_at_once_and_to_others_at_their_next_look() {
    let store: SharedStore = Arc::new(Memory::new());
    let ((mut own, editor), (other, _)) = (node(store.clone(), 1), node(store, 2));
    sleep(EVERY * 3 / 2).await;
    own.changed().await;
    let begun = Instant::now();
    editor.swap_many(vec![(item("a", "1", false), Revision(0))]).await.unwrap();
    own.changed().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    told(&own, &["1"]);
    told(&other, &[]);
    sleep(EVERY).await;
    told(&other, &["1"]);
    editor.swap_many(vec![(item("a", "1", true), Revision(1))]).await.unwrap();
    sleep(EVERY).await;
    told(&other, &[]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_told_of_is_seen_within_a_minute() {
    let store: SharedStore = Arc::new(Memory::new());
    let (snapshots, _editor) = node(store.clone(), 1);
    sleep(EVERY).await;
    store.swap_many(&[(item("a", "1", false), Revision(0))]).await.unwrap();
    sleep(HEAL - 2 * EVERY).await;
    told(&snapshots, &[]);
    sleep(2 * EVERY).await;
    told(&snapshots, &["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_edit_changes_nothing_and_a_snapshot_without_news_is_the_same() {
    let store: SharedStore = Arc::new(Memory::new());
    let (snapshots, editor) = node(store, 1);
    editor.swap_many(vec![(item("a", "1", false), Revision(0))]).await.unwrap();
    sleep(EVERY).await;
    let before = snapshots.now();
    let swapped = editor.swap_many(vec![(item("a", "2", false), Revision(9))]).await.unwrap();
    assert!(matches!(&swapped[..], [Swapped::Conflict(Some(stored))] if stored.body == "1"));
    sleep(2 * HEAL).await;
    let after = snapshots.now();
    assert!(Arc::ptr_eq(before.of(ItemKind::Template).unwrap(), after.of(ItemKind::Template).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn editors_at_once_and_a_store_that_fails_leave_every_node_with_what_is_stored() {
    for seed in 0..50 {
        let behind: SharedStore = Arc::new(Memory::new());
        let faulty = |n| -> SharedStore { Arc::new(FaultyStore::new(behind.clone(), seed * 3 + n, Faults::ROUGH)) };
        let nodes: Vec<_> = (0..3).map(|n| node(faulty(n), n)).collect();
        let edits = nodes.iter().enumerate().map(|(n, (_, editor))| async move {
            for round in 0..5 {
                let edit = item(&format!("{n}"), &format!("{n} {round}"), false);
                // A lost answer or a conflict after one: the next round finds another revision; this test asks only what is read.
                drop(editor.swap_many(vec![(edit, Revision(round))]).await);
            }
        });
        futures_util::future::join_all(edits).await;
        // The roughest store fails every tenth read: by then each kind was read again.
        sleep(HEAL + 100 * EVERY).await;
        let query = ItemQuery { kind: ItemKind::Template, ids: Vec::new(), tombstones: false };
        let stored: Vec<_> = behind.items(&query).await.unwrap().into_iter().map(|item| item.body).collect();
        for (snapshots, _) in &nodes {
            assert_eq!(bodies(snapshots).unwrap(), stored, "seed {seed}");
        }
    }
}
