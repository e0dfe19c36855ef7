//! Laws of a pass, over random trees and histories.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SERVICES: [&str; 4] = ["a", "b", "c", "d"];

fn route(depth: u32) -> BoxedStrategy<Value> {
    let label = prop_oneof![Just("service"), Just("rule")];
    let value = prop_oneof![Just("a"), Just("b"), Just("r1"), Just("a|b|r2"), Just(".*")];
    let receivers = prop::option::of(prop::collection::vec(prop_oneof![Just("x"), Just("y"), Just("gone")], 0..3));
    let group_by = prop::option::of(prop_oneof![Just(json!(["..."])), Just(json!([])), Just(json!(["service"]))]);
    let times = (prop::option::of(0..3_u64), prop::option::of(0..3_u64));
    let children =
        if depth == 0 { Just(Vec::new()).boxed() } else { prop::collection::vec(route(depth - 1), 0..3).boxed() };
    (label, value, receivers, group_by, times, any::<bool>(), children)
        .prop_map(|(label, value, receivers, group_by, (wait, interval), goes_on, routes)| {
            json!({"matchers": [{"label": label, "op": "=~", "value": value}], "receivers": receivers,
                   "groupBy": group_by, "groupWait": wait.map(|n| n * 30), "groupInterval": interval.map(|n| n * 60),
                   "continue": goes_on, "routes": routes})
        })
        .boxed()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Fire(usize, bool),
    Again(usize),
    Recover(usize),
    Acknowledge(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize, any::<bool>()).prop_map(|(n, native)| Step::Fire(n, native)),
        1 => (0..8_usize).prop_map(Step::Again),
        3 => (0..8_usize).prop_map(Step::Recover),
        1 => (0..8_usize).prop_map(Step::Acknowledge),
        4 => (1..100_i64).prop_map(Step::Pass),
    ]
}

/// Takes all steps; then lets everything recover and time pass.
async fn run(world: &mut World, steps: &[Step]) {
    let mut open: Vec<String> = Vec::new();
    let mut seconds = 0;
    for (n, step) in steps.iter().enumerate() {
        match *step {
            Step::Fire(service_n, native) => {
                let name = SERVICES[service_n];
                let rule = if n % 2 == 0 { "r1" } else { "r2" };
                let mut one = incident(&format!("i{n:02}"), rule, service(name), world.now);
                one.profile = if native { Profile::Native } else { Profile::Skywalking };
                one.shadow = n % 11 == 10;
                world.put(one).await;
                open.push(format!("i{n:02}"));
            }
            Step::Again(at) if at < open.len() => world.follow(&open[at], What::FiredAgain).await,
            Step::Recover(at) if at < open.len() => world.follow(&open.remove(at), What::Recovered).await,
            Step::Acknowledge(at) if at < open.len() => {
                let by = crate::incident::Acknowledged { by: "kim".into(), at: T0, until: None };
                world.change(&open[at], |one| one.acknowledged = Some(by)).await;
            }
            Step::Pass(by) => {
                seconds += by;
                world.at(seconds).await;
            }
            _ => {}
        }
    }
    for id in open {
        world.follow(&id, What::Recovered).await;
    }
    for _ in 0..40 {
        seconds += 60;
        world.at(seconds).await;
    }
}

fn all_of(store: &[model::item::Item]) -> Vec<Incident> {
    store.iter().map(|item| doc::read::<Incident>(item).unwrap().doc).collect()
}

/// Every transition is in exactly one notification for each group, or has a reason; and who was told of an alarm was told of its end.
fn check(world: &World, incidents: &[Incident]) {
    let mut told: BTreeMap<(String, u32, String), usize> = BTreeMap::new();
    for notification in world.told.iter().filter(|n| !n.repeated) {
        for line in &notification.told {
            *told.entry((line.incident.clone(), line.seq, notification.group.clone())).or_default() += 1;
        }
    }
    for incident in incidents {
        for transition in &incident.transitions {
            assert!(transition.dispatched, "{} {} {:?}", incident.id, transition.seq, transition.marks);
            assert!(!transition.marks.is_empty(), "{} {}", incident.id, transition.seq);
            for mark in &transition.marks {
                let key = (incident.id.clone(), transition.seq, mark.group.clone());
                assert_eq!(told.remove(&key).unwrap_or(0), usize::from(mark.outcome.is_told()), "{key:?} {mark:?}");
            }
        }
        for mark in incident.transitions.iter().flat_map(|t| &t.marks) {
            assert!(!incident.known_open(&mark.group), "{} {:?}", incident.id, outcomes(incident, &mark.group));
        }
    }
    assert_eq!(told, BTreeMap::new(), "told and not marked");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn stored(world: &World) -> Vec<Incident> {
    let query = ItemQuery { kind: Incident::KIND, ids: Vec::new(), tombstones: false };
    all_of(&world.store.items(&query).await.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_transition_is_told_once_to_each_or_says_why_not(
        root in route(2),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut root = root;
        root["matchers"] = json!([]);
        runtime().block_on(async {
            let mut world = World::with(&["x", "y"], Some(json!({"root": root})));
            run(&mut world, &steps).await;
            let incidents = stored(&world).await;
            check(&world, &incidents);
            assert_eq!(world.groups().await, []);
        });
    }

    #[test]
    fn routes_that_all_go_on_may_stand_in_any_order(
        routes in prop::collection::vec(route(1), 1..4),
        turn in 0..4_usize,
        service_n in 0..4_usize,
    ) {
        let of = |routes: &[Value]| {
            let routes: Vec<Value> = routes.to_vec();
            let routing = routing(json!({"root": {"routes": routes}}));
            let routes = tree::Routes::new(Some(&routing), vec![], &mut Vec::new());
            let one = incident("i", "r1", service(SERVICES[service_n]), T0);
            let targets = routes.of(&one, &labels::of(&one));
            targets.into_iter().map(|target| target.group).collect::<std::collections::BTreeSet<_>>()
        };
        let mut named = routes;
        for (n, route) in named.iter_mut().enumerate() {
            route["continue"] = true.into();
            route["name"] = format!("n{n}").into();
        }
        let before = of(&named);
        let turn = turn % named.len();
        named.rotate_left(turn);
        prop_assert_eq!(before, of(&named));
    }
}
