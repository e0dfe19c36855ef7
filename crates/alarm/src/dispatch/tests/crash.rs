//! Crashes between any two steps, while new transitions arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use storage::chance::Chance;
use storage::testing::{Faults, FaultyStore};
use tokio::time::Instant;

use super::*;

const SEEDS: u64 = 200;
const MINUTES: i64 = 4;

fn known() -> Known {
    let json = json!({"root": {"receivers": ["x"], "groupBy": ["service"], "groupWait": 10, "groupInterval": 30,
        "routes": [{"continue": true, "receivers": ["y"], "groupWait": 0, "groupBy": ["rule"], "groupInterval": 0},
                   {"receivers": ["x"], "name": "rest"}]}});
    let receivers = ["x", "y"].map(receiver);
    Known::new(Some(&routing(json)), &receivers, &[]).0
}

/// The engine's part: it fires and ends incidents in the store, by compare-and-set, whatever dispatch does meanwhile.
async fn act(store: &SharedStore, chance: &mut Chance, now: UnixMillis, serial: &mut u32) {
    let query = ItemQuery { kind: Incident::KIND, ids: Vec::new(), tombstones: false };
    for item in store.items(&query).await.unwrap() {
        let stored = doc::read::<Incident>(&item).unwrap();
        if stored.doc.is_over() || !chance.per_mille(150) {
            continue;
        }
        let mut changed = stored.doc;
        let again = changed.profile == Profile::Skywalking && chance.per_mille(500);
        follow(&mut changed, if again { What::FiredAgain } else { What::Recovered }, now);
        write(store, chance, &changed, stored.revision).await;
    }
    for _ in 0..chance.below(3) {
        *serial += 1;
        let name = SERVICES[usize::try_from(chance.below(3)).unwrap()];
        // Each of an instance of its own, so that none flaps.
        let mut one = incident(&format!("i{serial}"), "slow", endpoint(name, &format!("/{serial}")), now);
        if chance.per_mille(500) {
            one.profile = Profile::Skywalking;
            one.hooks = vec!["y".to_owned()];
        }
        write(store, chance, &one, model::item::Revision(0)).await;
    }
}

const SERVICES: [&str; 3] = ["a", "b", "c"];

/// What is stored is new: nobody else writes between reading and writing, since the store below has no faults and takes no time.
async fn write(store: &SharedStore, chance: &mut Chance, incident: &Incident, revision: model::item::Revision) {
    let mut item = doc::write(incident);
    item.nonce = chance.bits();
    let swapped = store.swap_many(&[(item, revision)]).await.unwrap();
    assert!(matches!(swapped[0], Swapped::Done(_)), "{swapped:?}");
}

/// What the engine holds: all that is not over and dispatched.
async fn held(store: &SharedStore) -> BTreeMap<String, Stored<Incident>> {
    let query = ItemQuery { kind: Incident::KIND, ids: Vec::new(), tombstones: false };
    let items = store.items(&query).await.unwrap();
    let all = items.iter().map(|item| doc::read::<Incident>(item).unwrap());
    let held = all.filter(|stored| !stored.doc.is_over() || stored.doc.transitions.iter().any(|t| !t.dispatched));
    held.map(|stored| (stored.doc.id.clone(), stored)).collect()
}

/// One life of a dispatcher, until it is dropped in the middle of something. Answers how many passes were cut short.
async fn live(
    inner: &SharedStore,
    seed: u64,
    faults: Faults,
    chance: &mut Chance,
    serial: &mut u32,
    start: Instant,
) -> usize {
    let store: SharedStore = Arc::new(FaultyStore::new(Arc::clone(inner), seed, faults));
    let mut dispatcher = Dispatcher::new(Arc::clone(&store), seed);
    let known = known();
    let mut incidents = held(inner).await;
    let mut cut = 0;
    for _ in 0..4 {
        let now = |start: Instant| T0.plus(i64::try_from(start.elapsed().as_millis()).unwrap());
        act(inner, chance, now(start), serial).await;
        // What was written by the engine itself it knows; what others did it learns by conflicts.
        if chance.per_mille(700) {
            incidents = held(inner).await;
        }
        let at = now(start);
        let drop_after = Duration::from_millis(chance.below(600));
        {
            let run = dispatcher.run(&mut incidents, &known, &[], at, &|| true);
            tokio::pin!(run);
            let act_after = Duration::from_millis(chance.below(300));
            let result = tokio::select! {
                biased;
                result = &mut run => Some(result),
                () = tokio::time::sleep(act_after) => {
                    act(inner, chance, now(start), serial).await;
                    tokio::time::timeout(drop_after, &mut run).await.ok()
                }
            };
            match result {
                Some(Ok(_)) => {}
                Some(Err(_)) => cut += 1,
                // Killed.
                None => return cut + 1,
            }
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    cut
}

async fn run(seed: u64) -> usize {
    let inner: SharedStore = Arc::new(Memory::new());
    let mut chance = Chance::new(seed);
    let (mut serial, mut cut) = (0, 0);
    let start = Instant::now();
    let faults = Faults { before: 60, after: 60, reads: 30, delay: Duration::from_millis(60), ..Faults::default() };
    while start.elapsed() < Duration::from_secs(60 * u64::try_from(MINUTES).unwrap()) {
        let life = chance.bits();
        cut += live(&inner, life, faults, &mut chance, &mut serial, start).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // Everything ends, and nothing fails any more.
    let mut now = T0.plus((MINUTES + 2) * 60_000);
    for stored in held(&inner).await.into_values().filter(|stored| !stored.doc.is_over()) {
        let mut changed = stored.doc;
        follow(&mut changed, What::Recovered, now);
        write(&inner, &mut chance, &changed, stored.revision).await;
    }
    let mut dispatcher = Dispatcher::new(Arc::clone(&inner), seed);
    for _ in 0..10 {
        now = now.plus(60_000);
        let mut incidents = held(&inner).await;
        dispatcher.run(&mut incidents, &known(), &[], now, &|| true).await.unwrap();
    }
    check(seed, &inner).await;
    cut
}

/// Nothing is lost: each transition has a mark for each of its groups, and who was told of an alarm was told of its end. Nothing is
/// told twice: each is in one notification of a group, the one that its mark names.
async fn check(seed: u64, store: &SharedStore) {
    let items = |kind| ItemQuery { kind, ids: Vec::new(), tombstones: false };
    let notifications = store.items(&items(Notification::KIND)).await.unwrap();
    let mut told: BTreeMap<(String, u32, String), BTreeSet<String>> = BTreeMap::new();
    for item in &notifications {
        let notification = doc::read::<Notification>(item).unwrap().doc;
        for line in notification.told {
            let key = (line.incident, line.seq, notification.group.clone());
            told.entry(key).or_default().insert(notification.id.clone());
        }
    }
    let incidents = store.items(&items(Incident::KIND)).await.unwrap();
    assert!(incidents.len() > 10, "seed {seed}: only {} incidents", incidents.len());
    for item in &incidents {
        let incident = doc::read::<Incident>(item).unwrap().doc;
        for transition in &incident.transitions {
            let shown = format!("seed {seed}: {} {} {:?}", incident.id, transition.seq, transition.marks);
            assert!(transition.dispatched, "{shown}");
            let receivers: BTreeSet<_> = transition.marks.iter().map(|mark| mark.receiver.as_str()).collect();
            let expected = if incident.profile == Profile::Skywalking { vec!["y"] } else { vec!["x", "y"] };
            assert_eq!(receivers.into_iter().collect::<Vec<_>>(), expected, "{shown}");
            for mark in &transition.marks {
                let key = (incident.id.clone(), transition.seq, mark.group.clone());
                let by = told.remove(&key).unwrap_or_default().into_iter().collect::<Vec<_>>();
                let expected = if mark.outcome.is_told() { vec![mark.by.clone()] } else { vec![] };
                assert_eq!(by, expected, "{shown}");
                // Nothing here is kept back: a reason is one of those that time gives.
                let reasons = [Outcome::Brief, Outcome::Untold];
                assert!(mark.outcome.is_told() || reasons.contains(&mark.outcome), "{shown}");
                assert!(!incident.known_open(&mark.group), "{shown}");
                let plain = incident.profile == Profile::Skywalking;
                assert!(!plain || mark.outcome.is_told(), "{shown}");
            }
        }
    }
    assert_eq!(told, BTreeMap::new(), "seed {seed}: told and not marked");
    let groups = store.items(&items(crate::notification::Group::KIND)).await.unwrap();
    assert_eq!(groups.len(), 0, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn crashes_lose_nothing_and_tell_nothing_twice() {
    let mut cut = 0;
    for seed in 0..SEEDS {
        cut += run(seed).await;
    }
    assert!(cut > 500, "only {cut} passes were cut short");
}
