//! The three storms, from rows in a store to what a receiver hears.

use super::*;
use crate::incident::Outcome;
use crate::route::{Route, Routing};

fn native(name: &str, expression: &str) -> Rule {
    Rule { profile: Profile::Native, ..rule(name, expression, 1) }
}

/// A world whose endpoints have a metric too.
fn with_endpoints() -> Sim {
    let metrics =
        [("resp_time", Scope::Service, Function::LongAvg), ("endpoint_time", Scope::Endpoint, Function::LongAvg)];
    Sim { catalogue: Arc::new(testing::catalogue(&metrics)), ..Sim::new() }
}

/// A name for each of so many endpoints, those of a service one after another.
fn endpoints(services: usize, each: usize) -> Vec<String> {
    let of = |service: usize| {
        let service = id::service(&format!("s{service}"), true);
        (0..each).map(move |n| id::endpoint(&service, &format!("/{n}")))
    };
    (0..services).flat_map(of).collect()
}

impl Sim {
    /// Feeds how long each endpoint took, each minute's values two seconds into it.
    fn feed_endpoints(&self, all: Vec<String>, value: impl Fn(usize, u32) -> i64 + Send + 'static) {
        let (sim, cell) = (self.clone(), self.catalogue.get("endpoint_time").unwrap().cell);
        tokio::spawn(async move {
            for minute in 0.. {
                sim.until(u64::from(minute) * 60 + 2).await;
                let bucket = Bucket(START + minute);
                let row = |(n, entity): (usize, &String)| Row {
                    key: RowKey { scope: Scope::Endpoint, step: Step::Minute, bucket, entity: entity.as_str().into() },
                    partial: Partial { writer: 1, life: 1 },
                    seq: 1,
                    cells: Cells::from_iter([(cell, Agg::Avg { sum: value(n, minute), count: 1 })]),
                };
                testing::write(&*sim.memory, all.iter().enumerate().map(row).collect()).await;
            }
        });
    }

    /// Goes on to the end, and checks that each minute on the way was evaluated a quarter of a minute after it had ended.
    async fn evaluated_on_time(&self, node: &Node, minutes: std::ops::Range<u32>) {
        for minute in minutes {
            self.until(u64::from(minute) * 60 + 75).await;
            let view = node.alarm.views.now();
            assert_eq!((view.evaluated, view.n_missed), (Some(Bucket(START + minute)), 0), "minute {minute}");
            assert_eq!(view.failing, None);
        }
    }

    fn n_notifications(&self) -> usize {
        self.heard().into_iter().map(|heard| heard.key).collect::<BTreeSet<_>>().len()
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_endpoints_of_a_service_are_told_together_and_hold_up_nothing() {
    let sim = with_endpoints();
    sim.receiver("webhook.a").await;
    sim.rule(native("slow", "avg(endpoint_time) > 500")).await;
    sim.feed_endpoints(endpoints(1, 10_000), |_, minute| if (2..4).contains(&minute) { 900 } else { 100 });
    let node = sim.node(1, FINE).await;
    sim.evaluated_on_time(&node, 0..6).await;

    let all = sim.all::<Incident>().await;
    assert_eq!(all.len(), 10_000);
    for stored in &all {
        let said: Vec<_> = stored.doc.transitions.iter().map(|t| (t.what, t.dispatched)).collect();
        assert_eq!(said, [(What::Fired, true), (What::Recovered, true)], "{}", stored.doc.entity.name);
        let marks = stored.doc.transitions.iter().flat_map(|t| &t.marks);
        let kept = marks.filter(|mark| !mark.outcome.is_told()).map(|mark| mark.outcome).collect::<Vec<_>>();
        assert_eq!(kept, [], "{} was neither listed nor counted", stored.doc.entity.name);
    }
    let n = sim.n_notifications();
    assert!((2..=100).contains(&n), "{n} notifications");
}

#[tokio::test(start_paused = true)]
async fn a_database_under_two_hundred_services_is_the_one_that_is_told() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    let root = Route { receivers: Some(vec!["webhook.a".to_owned()]), ..Route::default() };
    let routing = Routing {
        id: Routing::ID.to_owned(),
        root,
        time_intervals: BTreeMap::new(),
        inhibitions: Vec::new(),
        fold_by_topology: true,
        change: String::new(),
    };
    sim.write(doc::write(&routing)).await;
    sim.rule(native("slow", "avg(resp_time) > 500")).await;
    // Half of the services call the database, each of the others one of those; one has nothing to do with it.
    let name = |n: usize| format!("s{n:03}");
    let calls: Vec<_> = (0..200).map(|n| (name(n), if n < 100 { "db".to_owned() } else { name(n - 100) })).collect();
    let names: Vec<_> = (0..200).map(name).chain(["db", "apart"].map(str::to_owned)).collect();
    let feeding = sim.clone();
    tokio::spawn(async move {
        for minute in 0.. {
            feeding.until(u64::from(minute) * 60 + 2).await;
            let edge = |(caller, callee): &(String, String)| {
                let entity = id::relation(&id::service(caller, true), &id::service(callee, true));
                let bucket = Bucket(START + minute);
                Row {
                    key: RowKey { scope: Scope::ServiceRelation, step: Step::Minute, bucket, entity: entity.into() },
                    partial: Partial { writer: 1, life: 1 },
                    seq: 1,
                    cells: Cells::from_iter([(model::cell::CLIENT_COMPONENTS, Agg::Ids([1].into_iter().collect()))]),
                }
            };
            testing::write(&*feeding.memory, calls.iter().map(edge).collect()).await;
            for name in &names {
                feeding.put(name, "resp_time", minute, if (3..6).contains(&minute) { 900 } else { 100 }).await;
            }
        }
    });
    let node = sim.node(1, FINE).await;
    sim.evaluated_on_time(&node, 0..8).await;

    let mut told: Vec<_> = sim.heard().into_iter().map(|heard| (heard.entity, heard.what)).collect();
    told.sort();
    let whole = |name: &str| [What::Fired, What::Recovered].map(|what| (name.to_owned(), what));
    assert_eq!(told, [whole("apart"), whole("db")].concat());
    let all = sim.all::<Incident>().await;
    assert_eq!(all.len(), 202);
    let of = |name: &str| all.iter().find(|stored| stored.doc.entity.name == name).unwrap();
    let db = &of("db").doc.id;
    for n in 0..200 {
        let Incident { origin, transitions, .. } = &of(&name(n)).doc;
        assert_eq!(origin.as_ref(), Some(db), "{}", name(n));
        let outcomes: Vec<_> = transitions[0].marks.iter().map(|mark| mark.outcome).collect();
        assert_eq!(outcomes, [Outcome::Folded], "{}", name(n));
    }
}

#[tokio::test(start_paused = true)]
async fn five_hundred_that_flap_for_an_hour_are_told_little_more_than_once_each() {
    let sim = with_endpoints();
    sim.receiver("webhook.a").await;
    sim.rule(native("slow", "avg(endpoint_time) > 500")).await;
    // Half of them fire when the others recover.
    let slow = |n: usize, minute: u32| minute < 60 && (minute as usize + n).is_multiple_of(2);
    sim.feed_endpoints(endpoints(10, 50), move |n, minute| if slow(n, minute) { 900 } else { 100 });
    let node = sim.node(1, FINE).await;
    sim.evaluated_on_time(&node, 0..60).await;
    let n = sim.n_notifications();
    assert!(n <= 600, "{n} notifications for 500 that flap");
    // They calm down: whoever was told of one that fires is told that it is over.
    sim.until(90 * 60).await;
    let mut open = BTreeSet::new();
    for heard in sim.heard() {
        match heard.what {
            What::Recovered => open.remove(&heard.incident),
            What::Fired | What::FiredAgain => open.insert(heard.incident),
        };
    }
    assert_eq!(open.len(), 0, "{open:?}");
    assert_eq!(count(&sim, ItemKind::AlarmIncident).await, 500 * 30);
}
