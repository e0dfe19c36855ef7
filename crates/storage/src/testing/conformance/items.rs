//! Examples of items.

use model::item::{Item, Revision};
use model::kinds::ItemKind;
use tokio::task::JoinSet;

use super::NOW;
use crate::{ItemQuery, Retention, SharedStore, Swapped};

fn item(id: &str, nonce: u64, body: &str) -> Item {
    Item {
        kind: ItemKind::Template,
        id: id.to_owned(),
        revision: Revision(0),
        nonce,
        tombstone: false,
        updated: NOW,
        body: body.to_owned(),
    }
}

async fn swap(store: &SharedStore, item: &Item, expected: u64) -> Swapped {
    let swapped = store.swap_many(&[(item.clone(), Revision(expected))]).await.expect("a swap");
    assert_eq!(swapped.len(), 1);
    swapped.into_iter().next().expect("one answer for one item")
}

async fn stored(store: &SharedStore, tombstones: bool) -> Vec<Item> {
    let query = ItemQuery { kind: ItemKind::Template, ids: Vec::new(), tombstones };
    store.items(&query).await.expect("items")
}

fn at(revision: u64, item: &Item) -> Item {
    Item { revision: Revision(revision), ..item.clone() }
}

pub(super) async fn a_swap_needs_the_stored_revision(store: SharedStore) {
    let (b, a) = (item("b", 1, "{}"), item("a", 2, "{\"ü\":1}"));
    assert_eq!(swap(&store, &b, 1).await, Swapped::Conflict(None), "there is none yet");
    // The revision within the item means nothing.
    assert_eq!(swap(&store, &at(7, &b), 0).await, Swapped::Done(Revision(1)));
    assert_eq!(swap(&store, &a, 0).await, Swapped::Done(Revision(1)));
    assert_eq!(stored(&store, false).await, [at(1, &a), at(1, &b)], "ascending by id");

    let changed = item("b", 3, "changed");
    assert_eq!(swap(&store, &changed, 0).await, Swapped::Conflict(Some(at(1, &b))));
    let many = [(changed.clone(), Revision(1)), (item("a", 4, "no"), Revision(5)), (item("c", 5, "new"), Revision(0))];
    let expected = [Swapped::Done(Revision(2)), Swapped::Conflict(Some(at(1, &a))), Swapped::Done(Revision(1))];
    assert_eq!(store.swap_many(&many).await.expect("swaps"), expected, "each for itself, in order");
    assert_eq!(stored(&store, false).await, [at(1, &a), at(2, &changed), at(1, &item("c", 5, "new"))]);

    let lease = Item { kind: ItemKind::Lease, ..item("b", 6, "other kind") };
    assert_eq!(swap(&store, &lease, 0).await, Swapped::Done(Revision(1)), "ids are a kind's own");
    let some = ItemQuery { kind: ItemKind::Template, ids: vec!["c".into(), "x".into(), "a".into()], tombstones: false };
    let ids: Vec<_> = store.items(&some).await.expect("items").into_iter().map(|item| item.id).collect();
    assert_eq!(ids, ["a", "c"]);
    let twice = [(item("d", 7, "1"), Revision(0)), (item("d", 8, "2"), Revision(1))];
    let expected = [Swapped::Done(Revision(1)), Swapped::Done(Revision(2))];
    assert_eq!(store.swap_many(&twice).await.expect("swaps"), expected, "one after the other");
}

pub(super) async fn a_conflict_with_ones_own_nonce_is_done(store: SharedStore) {
    let first = item("a", 11, "one");
    assert_eq!(swap(&store, &first, 0).await, Swapped::Done(Revision(1)));
    assert_eq!(swap(&store, &first, 0).await, Swapped::Done(Revision(1)), "its answer was lost");
    let second = item("a", 12, "two");
    assert_eq!(swap(&store, &second, 1).await, Swapped::Done(Revision(2)));
    assert_eq!(swap(&store, &second, 1).await, Swapped::Done(Revision(2)));
    assert_eq!(swap(&store, &first, 0).await, Swapped::Conflict(Some(at(2, &second))), "somebody came after it");
    assert_eq!(stored(&store, false).await, [at(2, &second)]);
}

pub(super) async fn tombstones_hide_and_leave_after_a_day(store: SharedStore) {
    const HOUR: i64 = 3_600_000;
    let (alive, gone) = (item("a", 1, "alive"), Item { tombstone: true, ..item("b", 3, "") });
    assert_eq!(swap(&store, &alive, 0).await, Swapped::Done(Revision(1)));
    assert_eq!(swap(&store, &item("b", 2, "b"), 0).await, Swapped::Done(Revision(1)));
    assert_eq!(swap(&store, &gone, 1).await, Swapped::Done(Revision(2)));
    assert_eq!(stored(&store, false).await, [at(1, &alive)]);
    assert_eq!(stored(&store, true).await, [at(1, &alive), at(2, &gone)]);
    let conflict = Swapped::Conflict(Some(at(2, &gone)));
    assert_eq!(swap(&store, &item("b", 4, "again"), 0).await, conflict, "a tombstone is still there");

    let policy = Retention { records_days: 3, metrics_days: 7 };
    assert_eq!(store.expire(&policy, NOW.plus(23 * HOUR)).await.expect("expiry").items, 0);
    assert_eq!(stored(&store, true).await.len(), 2);
    assert_eq!(store.expire(&policy, NOW.plus(25 * HOUR)).await.expect("expiry").items, 1);
    assert_eq!(stored(&store, true).await, [at(1, &alive)], "what is alive stays for ever");
    assert_eq!(swap(&store, &item("b", 5, "anew"), 0).await, Swapped::Done(Revision(1)));
}

pub(super) async fn of_many_swaps_at_once_one_wins(store: SharedStore) {
    let mut tasks = JoinSet::new();
    for nonce in 0..16 {
        let store = store.clone();
        tasks.spawn(async move { swap(&store, &item("a", nonce, &nonce.to_string()), 0).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Swapped::Done(Revision(1))).count(), 1, "{answers:?}");
    let winner = stored(&store, false).await.remove(0);
    assert!(answers.iter().all(|answer| match answer {
        Swapped::Done(revision) => *revision == Revision(1),
        Swapped::Conflict(stored) => stored.as_ref() == Some(&winner),
    }));
}
