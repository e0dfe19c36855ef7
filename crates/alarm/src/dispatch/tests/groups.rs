//! What one group tells over time.

use serde_json::json;

use super::tables::silence;
use super::*;
use crate::incident::Acknowledged;

/// Two receivers; everything goes to `ops`, by rule.
fn ops() -> World {
    World::with(
        &["ops", "night"],
        Some(json!({"root": {"receivers": ["ops"], "groupBy": ["rule"], "groupWait": 10, "groupInterval": 60,
                             "repeatInterval": 3600}})),
    )
}

#[tokio::test]
async fn a_group_waits_then_tells_what_is_new_then_repeats_and_tells_its_last_recovery_at_once() {
    let mut world = ops();
    world.fire("a", "slow", service("a")).await;
    assert_eq!(world.at(0).await, "");
    assert_eq!(world.next, Some(T0.plus(10_000)));
    world.now = T0.plus(5_000);
    world.fire("b", "slow", service("b")).await;
    world.fire("x", "down", service("b")).await;
    assert_eq!(world.at(9).await, "");
    assert_eq!(world.at(10).await, "ops: F a, F b");
    assert_eq!(world.at(15).await, "ops: F x");
    assert_eq!(world.next, Some(T0.plus(3_610_000)).min(world.next));
    world.now = T0.plus(20_000);
    world.fire("c", "slow", service("c")).await;
    world.follow("a", What::Recovered).await;
    assert_eq!(world.at(69).await, "", "a minute between two");
    assert_eq!(world.marks("a"), "1:Told 2:…");
    assert_eq!(world.at(70).await, "ops: F c, R a +1");
    assert_eq!(world.marks("a"), "1:Told 2:Told");
    assert_eq!(world.at(71).await, "");
    assert_eq!(world.at(3_614).await, "", "x was told later");
    assert_eq!(world.at(3_615).await, "ops: F x again");
    assert_eq!(world.at(3_670).await, "ops: F b, F c again");
    world.now = T0.plus(3_680_000);
    world.follow("b", What::Recovered).await;
    assert_eq!(world.at(3_680).await, "", "c is open still");
    world.follow("c", What::Recovered).await;
    assert_eq!(world.at(3_681).await, "ops: R b, R c", "the group is empty");
    assert_eq!(world.groups().await.len(), 1);
    world.follow("x", What::Recovered).await;
    assert_eq!(world.at(3_682).await, "ops: R x");
    assert_eq!(world.groups().await, []);
    assert_eq!(world.at(20_000).await, "");
    assert_eq!(world.next, None);
}

#[tokio::test]
async fn a_group_that_comes_again_has_other_notifications() {
    let mut world = ops();
    for round in 0..3 {
        let id = format!("a{round}");
        world.now = T0.plus(round * 3_600_000);
        world.fire(&id, "slow", service("a")).await;
        assert_eq!(world.at(round * 3_600 + 10).await, format!("ops: F {id}"));
        world.follow(&id, What::Recovered).await;
        assert_eq!(world.at(round * 3_600 + 30).await, format!("ops: R {id}"));
    }
    let ids: std::collections::BTreeSet<_> = world.told.iter().map(|n| &n.id).collect();
    assert_eq!(
        (ids.len(), world.told.iter().map(|n| &n.group).collect::<std::collections::BTreeSet<_>>().len()),
        (6, 1)
    );
}

#[tokio::test]
async fn hooks_of_skywalking_get_one_array_a_tick_of_all_that_happened() {
    let mut world = World::with(&["webhook.default", "webhook.a", "webhook.b"], None);
    for (id, hooks) in [("x", vec!["webhook.a", "webhook.b"]), ("y", vec!["webhook.a"]), ("z", vec![])] {
        let mut one = incident(id, id, service(id), T0);
        one.profile = Profile::Skywalking;
        one.hooks = hooks.into_iter().map(str::to_owned).collect();
        world.put(one).await;
    }
    assert_eq!(world.at(0).await, "webhook.a: F x, F y; webhook.b: F x; webhook.default: F z");
    assert_eq!(world.at(60).await, "");
    for id in ["x", "y", "z"] {
        world.follow(id, What::FiredAgain).await;
    }
    assert_eq!(world.at(60).await, "webhook.a: A x, A y; webhook.b: A x; webhook.default: A z");
    world.follow("x", What::Recovered).await;
    world.fire("n", "n", service("n")).await;
    assert_eq!(world.at(61).await, "webhook.a: R x; webhook.b: R x", "n is of another profile and waits");
    assert_eq!(world.at(1_000_000).await, "webhook.default: F n", "nothing of SkyWalking's is repeated");
}

#[tokio::test]
async fn what_fired_and_recovered_while_nobody_dispatched_is_told_where_it_was_due() {
    let mut world = ops();
    let mut one = incident("h", "slow", service("h"), T0);
    one.profile = Profile::Skywalking;
    world.put(one).await;
    world.fire("n", "slow", service("n")).await;
    world.now = T0.plus(5_000);
    world.fire("brief", "slow", service("b")).await;
    world.follow("brief", What::Recovered).await;
    world.now = T0.plus(60_000);
    world.follow("h", What::Recovered).await;
    world.follow("n", What::Recovered).await;
    assert_eq!(world.at(90).await, "ops: F h, R h; ops: F n, R n");
    assert_eq!(world.marks("n"), "1:Told 2:Told");
    assert_eq!(world.marks("brief"), "1:Brief 2:Brief");
    assert_eq!(world.groups().await, []);
}

#[tokio::test]
async fn a_silence_keeps_back_and_what_is_open_when_it_ends_is_told() {
    let mut world = ops();
    let mut all = silence(&["service=~a|b|c"], 0..10);
    all.ends_on_recovery = true;
    world.known.silences = vec![super::super::silence::Compiled::new(&all).unwrap()];
    world.now = T0.plus(-60_000);
    world.fire("c", "slow", service("c")).await;
    assert_eq!(world.at(-30).await, "ops: F c");
    world.now = T0;
    world.fire("a", "slow", service("a")).await;
    world.fire("b", "slow", service("b")).await;
    assert_eq!(world.at(60).await, "");
    assert_eq!(world.marks("a"), "1:Silenced");
    world.follow("b", What::Recovered).await;
    world.follow("c", What::Recovered).await;
    assert_eq!(world.at(120).await, "ops: R c", "whoever knows that it is open is told that it is over");
    assert_eq!(world.marks("b"), "1:Silenced 2:Untold");
    assert_eq!(world.over, Vec::<String>::new(), "a is open");
    assert_eq!(world.at(600).await, "ops: F a");
    assert_eq!(world.marks("a"), "1:Told");
}

#[tokio::test]
async fn a_silence_ends_with_what_it_silences() {
    let mut world = ops();
    let mut one = silence(&["service=a"], 0..100);
    one.ends_on_recovery = true;
    world.known.silences = vec![super::super::silence::Compiled::new(&one).unwrap()];
    world.at(10).await;
    assert_eq!(world.over, Vec::<String>::new(), "nothing has happened yet");
    world.fire("a", "slow", service("a")).await;
    world.fire("a2", "down", service("a")).await;
    world.at(20).await;
    world.follow("a", What::Recovered).await;
    world.at(30).await;
    assert_eq!(world.over, Vec::<String>::new());
    world.follow("a2", What::Recovered).await;
    world.at(40).await;
    assert_eq!(world.over, ["s1"]);
}

#[tokio::test]
async fn who_takes_care_of_an_incident_is_not_told_again() {
    let mut world = ops();
    world.fire("a", "slow", service("a")).await;
    assert_eq!(world.at(10).await, "ops: F a");
    let until = Some(T0.plus(10_000_000));
    world.change("a", |a| a.acknowledged = Some(Acknowledged { by: "kim".into(), at: T0, until })).await;
    world.follow("a", What::FiredAgain).await;
    assert_eq!(world.at(5_000).await, "");
    assert_eq!(world.marks("a"), "1:Told 2:Acknowledged");
    assert_eq!(world.at(10_001).await, "ops: F a again");
    world.follow("a", What::Recovered).await;
    assert_eq!(world.at(10_002).await, "ops: R a");
}

#[tokio::test]
async fn a_muted_route_tells_later_what_is_open_and_what_was_known_is_over() {
    let night = json!([{"times": [{"start_time": "00:01", "end_time": "06:00"}]}]);
    let json = json!({"root": {"receivers": ["ops"], "muteTimeIntervals": ["night"], "groupWait": 0, "groupInterval": 0},
        "timeIntervals": {"night": night}});
    let mut world = World::with(&["ops"], Some(json));
    world.fire("a", "slow", service("a")).await;
    assert_eq!(world.at(0).await, "ops: F a");
    world.now = T0.plus(3_600_000);
    world.follow("a", What::Recovered).await;
    world.fire("b", "slow", service("b")).await;
    world.fire("c", "slow", service("c")).await;
    assert_eq!(world.at(3_600).await, "");
    world.follow("c", What::Recovered).await;
    assert_eq!(world.at(3_700).await, "");
    assert_eq!(["a", "b", "c"].map(|id| world.marks(id)), ["1:Told 2:…", "1:Muted", "1:Muted 2:Untold"]);
    assert_eq!(world.at(6 * 3_600).await, "ops: R a; ops: F b");
}

#[tokio::test]
async fn an_inhibited_alarm_is_told_when_the_one_above_it_is_over() {
    let json = json!({"root": {"receivers": ["ops"], "groupWait": 0},
        "inhibitions": [{"name": inhibit::SERVICE_OVER_PARTS}]});
    let mut world = World::with(&["ops"], Some(json));
    world.fire("e", "slow", endpoint("a", "/x")).await;
    world.fire("s", "slow", service("a")).await;
    assert_eq!(world.at(0).await, "ops: F s");
    assert_eq!(world.marks("e"), "1:Inhibited");
    assert_eq!(world.incidents["e"].doc.transitions[0].marks[0].by, "service-over-its-parts: s");
    world.now = T0.plus(60_000);
    world.follow("s", What::Recovered).await;
    assert_eq!(world.at(60).await, "ops: F e, R s");
}

#[tokio::test]
async fn what_nobody_is_told_of_says_why() {
    let json = json!({"root": {"receivers": [], "routes": [
        {"receivers": ["gone"], "matchers": [{"label": "service", "op": "=", "value": "b"}]},
        {"receivers": ["quiet"], "groupWait": 0, "matchers": [{"label": "service", "op": "=", "value": "c"}]}]}});
    let mut quiet = receiver("quiet");
    quiet.send_resolved = false;
    let (known, problems) = Known::new(Some(&routing(json)), &[quiet], &[]);
    assert_eq!(problems, []);
    let mut world = World::new(known);
    for name in ["a", "b", "c"] {
        world.fire(name, "slow", service(name)).await;
    }
    let mut shadow = incident("d", "slow", service("c"), T0);
    shadow.shadow = true;
    world.put(shadow).await;
    assert_eq!(world.at(10).await, "quiet: F c");
    for name in ["a", "b", "c", "d"] {
        world.follow(name, What::Recovered).await;
    }
    assert_eq!(world.at(20).await, "");
    let marks = ["a", "b", "c", "d"].map(|id| world.marks(id));
    let expected = ["1:Unrouted 2:Unrouted", "1:NoReceiver 2:NoReceiver", "1:Told 2:Unwanted", "1:Shadow 2:Shadow"];
    assert_eq!(marks, expected);
    assert_eq!(world.groups().await, []);
}

#[tokio::test]
async fn a_recovery_goes_where_its_firing_went_whatever_the_tree_is_now() {
    let mut world = ops();
    world.fire("a", "slow", service("a")).await;
    assert_eq!(world.at(10).await, "ops: F a");
    let other = World::with(&["ops", "night"], Some(json!({"root": {"receivers": ["night"], "groupWait": 0}})));
    world.known = other.known;
    assert_eq!(world.at(100).await, "", "who was told once is not told again for a change of routes");
    world.follow("a", What::Recovered).await;
    assert_eq!(world.at(110).await, "ops: R a");
    assert_eq!(world.marks("a"), "1:Told 2:Told+Untold");
}

#[tokio::test]
async fn a_change_by_others_in_between_is_kept() {
    let mut world = ops();
    world.fire("a", "slow", service("a")).await;
    let stale = world.incidents.clone();
    world.change("a", |a| a.assignee = "kim".into()).await;
    world.incidents = stale;
    assert_eq!(world.at(10).await, "ops: F a");
    let a = &world.incidents["a"].doc;
    assert_eq!((a.assignee.as_str(), world.marks("a").as_str()), ("kim", "1:Told"));
}

#[tokio::test]
async fn nothing_is_written_by_who_does_not_hold_the_lease() {
    let mut world = ops();
    world.fire("a", "slow", service("a")).await;
    let late = T0.plus(60_000);
    let result = world.dispatcher.run(&mut world.incidents, &world.known, &[], late, &|| false).await;
    assert!(result.is_err());
    assert_eq!((world.marks("a").as_str(), world.groups().await.len()), ("1:…", 0));
    assert_eq!(world.at(60).await, "ops: F a");
}
