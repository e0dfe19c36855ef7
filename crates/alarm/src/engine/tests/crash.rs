//! Nodes that break off anywhere, two hundred times, over a store that fails.

use storage::testing::Chance;

use super::*;

const SERVICES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// Services are slow for a while and fine for a while, each at its own pace.
fn value(service: &str, minute: u32) -> Option<i64> {
    let number = u32::from(service.as_bytes()[0]);
    let pace = 5 + number % 7;
    // At the end all is fine, so that nothing waits for its group.
    let slow = minute < 205 && (minute / pace + number).is_multiple_of(2);
    Some(if slow { 900 } else { 100 })
}

async fn world() -> Sim {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(Rule { silence: 2, recovery_observation: 1, ..rule("again", "avg(resp_time) > 500", 1) }).await;
    let waits = Rule { for_minutes: 3, profile: Profile::Native, ..rule("waits", "avg(resp_time) > 500", 1) };
    sim.rule(Rule { hooks: vec!["webhook.a".to_owned()], ..waits }).await;
    sim.rule(rule("mean", "sum(resp_time > 500) >= 2", 3)).await;
    sim.feed("resp_time", &SERVICES, value);
    sim
}

const MINUTES: u64 = 200;

async fn undisturbed() -> Vec<(String, String, What, u32)> {
    let sim = world().await;
    let _node = sim.node(1, FINE).await;
    sim.until((MINUTES + 30) * 60).await;
    assert_eq!(sim.assert_all_told().await, 0);
    decided(&sim).await
}

#[tokio::test(start_paused = true)]
async fn two_hundred_crashes_lose_nothing_and_move_no_timer() {
    let wanted: BTreeSet<_> = undisturbed().await.into_iter().filter(|(.., minute)| *minute < 195).collect();
    assert!(wanted.len() > 1_000, "{}", wanted.len());
    let seed = 7;
    let mut chance = Chance::new(seed);
    let sim = world().await;
    let faults = Faults { before: 10, after: 10, reads: 10, delay: Duration::from_millis(60), ..FINE };
    let mut crashes = 0;
    while sim.clock().now() < Bucket(START).start().plus(i64::try_from(MINUTES).unwrap() * 60_000) || crashes < 200 {
        let node = sim.node(100 + crashes, faults).await;
        // Long enough for most to take over, short enough for some to be in the middle of it.
        sleep(Duration::from_millis(9_000 + chance.below(100_000))).await;
        drop(node);
        crashes += 1;
    }
    let last = sim.node(99, FINE).await;
    sleep(Duration::from_secs(1_200)).await;
    let twice = sim.assert_all_told().await;
    let n = sim.heard().len();
    assert!(crashes >= 200, "{crashes}");
    assert!(twice * 100 < n, "{twice} of {n} were told twice");
    let got: BTreeSet<_> = decided(&sim).await.into_iter().filter(|(.., minute)| *minute < 195).collect();
    let missing: Vec<_> = wanted.difference(&got).collect();
    let surplus: Vec<_> = got.difference(&wanted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "seed {seed}: missing {missing:?}, surplus {surplus:?}");
    drop(last);
}
