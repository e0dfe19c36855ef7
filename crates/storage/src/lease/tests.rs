//! Leases in virtual time.

use model::Clock;
use tokio::sync::oneshot;
use tokio::time::{advance, sleep};

use super::*;
use crate::memory::Memory;
use crate::testing::{Faults, FaultyStore, Mood};

struct Node {
    tenure: Tenure,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(store: SharedStore, name: &str, seed: u64) -> Node {
        let clock = Clock::from_fn(|| UnixMillis(0));
        let (lease, tenure) = Lease::new(store, clock, "owner", name.into(), seed);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(lease.run(async { drop(stopped.await) }));
        Node { tenure, stop: Some(stop), task }
    }

    fn holds(&self) -> bool {
        self.tenure.term().is_some()
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

fn memory() -> Arc<Memory> {
    Arc::new(Memory::new())
}

#[tokio::test(start_paused = true)]
async fn one_of_several_holds_it_and_keeps_it() {
    let store = memory();
    let nodes: Vec<_> = (0..3).map(|n| Node::start(store.clone(), &format!("n{n}"), n)).collect();
    sleep(RENEW).await;
    let first: Vec<_> = nodes.iter().map(Node::holds).collect();
    assert_eq!(first.iter().filter(|holds| **holds).count(), 1);
    let term = nodes.iter().find_map(|node| node.tenure.term());
    for _ in 0..100 {
        sleep(RENEW).await;
        assert_eq!(nodes.iter().map(Node::holds).collect::<Vec<_>>(), first);
    }
    assert_eq!(nodes.iter().find_map(|node| node.tenure.term()), term, "one tenure, one term");
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_up_is_taken_at_the_next_look_and_a_lost_one_after_ten_seconds() {
    let store = memory();
    let (a, mut b) = (Node::start(store.clone(), "a", 1), Node::start(store.clone(), "b", 2));
    sleep(Duration::from_secs(1)).await;
    assert!(a.holds() && !b.holds());
    a.stop().await;
    let begun = Instant::now();
    b.tenure.held().await;
    assert!(begun.elapsed() <= RENEW);

    let mut c = Node::start(store, "c", 3);
    sleep(Duration::from_secs(1)).await;
    // Killed: it cannot say that it goes.
    b.task.abort();
    let begun = Instant::now();
    c.tenure.held().await;
    let took = begun.elapsed();
    assert!(took >= TAKE_OVER - RENEW && took <= TAKE_OVER + 2 * RENEW, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_before_another_may_begin() {
    let behind = memory();
    let cut_off = Arc::new(FaultyStore::new(behind.clone(), 1, Faults::default()));
    let (a, b) = (Node::start(cut_off.clone(), "a", 1), Node::start(behind, "b", 2));
    sleep(Duration::from_secs(1)).await;
    assert!(a.holds());
    cut_off.set_mood(Mood::Away);
    let mut nobody = 0;
    while !b.holds() {
        sleep(Duration::from_millis(100)).await;
        assert!(!(a.holds() && b.holds()));
        nobody += u32::from(!a.holds() && !b.holds());
    }
    assert!(nobody >= 10, "nobody held it for {nobody} tenths of a second");
    cut_off.set_mood(Mood::Fine);
    sleep(Duration::from_secs(60)).await;
    assert!(!a.holds() && b.holds(), "the old holder does not take it back");
}

#[tokio::test(start_paused = true)]
async fn under_faults_there_are_never_two() {
    for seed in 0..200 {
        let behind = memory();
        let faults = Faults { before: 200, after: 300, reads: 200, delay: Duration::from_secs(4), ..Faults::default() };
        let nodes: Vec<_> = (0..3)
            .map(|n| Node::start(Arc::new(FaultyStore::new(behind.clone(), seed * 3 + n, faults)), "n", seed + n))
            .collect();
        let mut held = 0;
        for _ in 0..600 {
            sleep(Duration::from_millis(500)).await;
            let holders = nodes.iter().filter(|node| node.holds()).count();
            assert!(holders <= 1, "seed {seed}: {holders} hold it");
            held += holders;
        }
        assert!(held > 0, "seed {seed}: nobody ever held it");
        nodes.iter().for_each(|node| node.task.abort());
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_holder_knows_when_it_wakes() {
    let store = memory();
    let a = Node::start(store, "a", 1);
    sleep(Duration::from_secs(1)).await;
    let term = a.tenure.term();
    assert!(term.is_some());
    // Its tasks do not run while time goes on, which is what SIGSTOP does.
    advance(HELD + Duration::from_secs(1)).await;
    assert_eq!(a.tenure.term(), None);
    sleep(RENEW).await;
    assert_eq!(a.tenure.term(), term, "nobody had taken it");
}

fn item(id: &str, body: &str) -> Item {
    Item {
        kind: ItemKind::Template,
        id: id.to_owned(),
        revision: Revision(0),
        nonce: 7,
        tombstone: false,
        updated: UnixMillis(1),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn what_was_touched_cannot_be_changed_by_who_read_it_before() {
    let store = memory();
    let created = [(item("open", "{}"), Revision(0)), (item("closed", "{}"), Revision(0))];
    store.swap_many(&created).await.unwrap();
    let touched =
        touch(&*store, ItemKind::Template, |item| item.id == "open", &mut Chance::new(1), UnixMillis(2)).await;
    assert_eq!(touched.unwrap(), 1);
    let stale = [(item("open", "stale"), Revision(1)), (item("closed", "changed"), Revision(1))];
    let stale = stale.map(|(item, revision)| (Item { nonce: 9, ..item }, revision));
    let swapped = store.swap_many(&stale).await.unwrap();
    assert!(matches!(&swapped[0], Swapped::Conflict(Some(item)) if item.revision == Revision(2) && item.body == "{}"));
    assert_eq!(swapped[1], Swapped::Done(Revision(2)));
}
