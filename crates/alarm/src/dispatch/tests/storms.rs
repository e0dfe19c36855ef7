//! The three storms.

use serde_json::json;

use super::*;

#[tokio::test]
async fn ten_thousand_endpoints_of_a_service_are_one_notification() {
    let mut world = World::with(&["ops"], Some(json!({"root": {"receivers": ["ops"]}})));
    for n in 0..10_000 {
        let mut one = incident(&format!("i{n:05}"), "slow", endpoint("shop", &format!("/{n}")), T0);
        one.severity = if n == 7_777 { Severity::Critical } else { Severity::Warning };
        world.put(one).await;
    }
    world.at(10).await;
    assert_eq!(world.told.len(), 1);
    let worst = &world.told[0];
    assert_eq!((worst.told.len(), worst.omitted), (tell::MAX_TOLD, 9_900));
    assert_eq!(worst.told[0].incident, "i07777", "the worst first");
    assert!(world.incidents.values().all(|stored| stored.doc.transitions[0].dispatched));
    // All recover, who was listed last: they are listed again, whatever room the others leave.
    let listed = |n: &Notification| n.told.iter().map(|line| line.incident.clone()).collect::<Vec<_>>();
    let fired = listed(worst);
    for (listed_too, at) in [(false, 60_000), (true, 61_000)] {
        world.now = T0.plus(at);
        for id in (0..10_000).map(|n| format!("i{n:05}")).filter(|id| fired.contains(id) == listed_too) {
            world.follow(&id, What::Recovered).await;
        }
    }
    world.at(70).await;
    assert_eq!(world.told.len(), 3);
    let over: Vec<_> = world.told[1..].iter().flat_map(listed).collect();
    // The worst, whose recovery comes first, takes room of the others.
    assert_eq!(over.len(), 2 * tell::MAX_TOLD - 1);
    assert!(fired.iter().all(|id| over.contains(id)));
    assert_eq!(world.groups().await, []);
}

#[tokio::test]
async fn what_is_not_put_together_goes_out_a_hundred_at_a_time() {
    let mut world = World::with(&["ops"], Some(json!({"root": {"receivers": ["ops"], "groupBy": ["..."]}})));
    for n in 0..1_000 {
        world.fire(&format!("i{n:05}"), "slow", endpoint("shop", &format!("/{n}"))).await;
    }
    for pass in 1..=10 {
        world.at(pass * 10).await;
        assert_eq!(world.told.len(), usize::try_from(pass).unwrap() * tell::MAX_NOTIFICATIONS);
        assert!(pass == 10 || world.next.unwrap() <= T0.plus((pass + 1) * 10_000));
    }
    world.at(1_000).await;
    assert_eq!(world.told.len(), 1_000);
}

#[tokio::test]
async fn hooks_of_skywalking_get_all_ten_thousand() {
    let mut world = World::with(&["webhook.ops"], None);
    for n in 0..10_000 {
        let mut one = incident(&format!("i{n:05}"), "slow", endpoint("shop", &format!("/{n}")), T0);
        one.profile = Profile::Skywalking;
        world.put(one).await;
    }
    world.at(0).await;
    let sizes: Vec<_> = world.told.iter().map(|n| (n.told.len(), n.omitted)).collect();
    assert_eq!(sizes, vec![(tell::MAX_TOLD_PLAIN, 0); 10]);
    let sequences: Vec<_> = world.told.iter().map(|n| n.sequence - world.told[0].sequence).collect();
    assert_eq!(sequences, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_database_under_two_hundred_services_is_one_origin() {
    let json = json!({"root": {"receivers": ["ops"], "groupWait": 0}, "foldByTopology": true});
    let mut world = World::with(&["ops"], Some(json));
    let name = |n: usize| format!("s{n:03}");
    let of = |name: &str| id::service(name, true);
    // Half of the services call the database, each of the others one of those.
    for n in 0..200 {
        let callee = if n < 100 { "db".to_owned() } else { name(n - 100) };
        world.edges.push((of(&name(n)), of(&callee)));
        world.fire(&name(n), "slow", service(&name(n))).await;
    }
    world.fire("db", "slow", service("db")).await;
    world.fire("apart", "slow", service("apart")).await;
    assert_eq!(world.at(0).await, "ops: F apart; ops: F db <200");
    assert_eq!(world.marks("s150"), "1:Folded");
    assert!((0..200).all(|n| world.incidents[&name(n)].doc.origin.as_deref() == Some("db")));
    // It is back, and all but one with it.
    world.now = T0.plus(120_000);
    world.follow("db", What::Recovered).await;
    for n in 1..200 {
        world.follow(&name(n), What::Recovered).await;
    }
    assert_eq!(world.at(120).await, "ops: R db; ops: F s000");
}

#[test]
fn an_origin_is_where_calls_lead() {
    let check = |firing: &str, edges: &str, expected: &str| {
        let pairs = edges.split_whitespace().map(|edge| edge.split_once('>').unwrap());
        let edges: Vec<_> = pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        let firing = firing.split_whitespace().collect();
        let origins = fold::origins(&firing, &edges);
        let shown: Vec<_> = origins.iter().map(|(service, origin)| format!("{service}<{origin}")).collect();
        assert_eq!(shown.join(" "), expected, "{firing:?} {edges:?}");
    };
    check("a b", "a>b", "a<b");
    check("a c", "a>b b>c", "");
    check("a b c", "a>b b>c", "a<c b<c");
    check("a b c d", "a>b a>c d>c", "a<c d<c");
    check("a b c", "a>b a>c", "a<b");
    check("a b", "a>b b>a a>a", "b<a");
    check("a b c d", "a>b b>c c>a d>a", "b<a c<a d<a");
    check("a b c", "a>b b>a b>c", "a<c b<c");
}

#[tokio::test]
async fn five_hundred_that_flap_for_an_hour_are_told_once_that_they_do() {
    // The first is the limit, 1.2 for each true incident; the second has a group for each, whatever the room.
    for (services, most) in [(10, 600), (500, 500 * 6)] {
        let mut world = World::with(&["ops"], Some(json!({"root": {"receivers": ["ops"]}})));
        let mut incidents = 0;
        for minute in 0..60 {
            world.now = T0.plus(minute * 60_000);
            for n in 0..500_i64 {
                let entity = endpoint(&format!("s{}", n % services), &format!("/{n}"));
                // Half of them fire when the others recover.
                if (minute + n) % 2 == 0 {
                    world.fire(&format!("{n}-{minute}"), "slow", entity).await;
                    incidents += 1;
                } else if minute > 0 {
                    world.follow(&format!("{n}-{}", minute - 1), What::Recovered).await;
                }
            }
            for second in [0, 10, 40] {
                world.at(minute * 60 + second).await;
            }
        }
        assert_eq!(incidents, 500 * 30);
        assert!(world.told.len() <= most, "{services} services: {} notifications", world.told.len());
        let flapping = world.told.iter().flat_map(|n| &n.told).filter(|line| line.flapping).count();
        assert_eq!(flapping, 500, "each says so once");
        // They calm down: what is open is told, and what they were told of is over.
        for n in 0..500 {
            if n % 2 == 1 {
                world.now = T0.plus(3_600_000);
                world.follow(&format!("{n}-59"), What::Recovered).await;
            }
        }
        for seconds in (3_600..5_000).step_by(30) {
            world.at(seconds).await;
        }
        let mut open = std::collections::BTreeSet::new();
        for line in world.told.iter().flat_map(|n| &n.told) {
            if line.what == What::Recovered {
                open.remove(&line.incident)
            } else {
                open.insert(&line.incident)
            };
        }
        assert_eq!(open.len(), 0, "{open:?}");
        assert_eq!(world.groups().await, []);
    }
}
