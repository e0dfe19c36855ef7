//! What the watchdog says.

use super::*;
use crate::config::Watchdog;

fn config() -> Config {
    let watchdog = Watchdog {
        heartbeat_receiver: "webhook.beat".to_owned(),
        heartbeat_seconds: 60,
        problem_receiver: "webhook.problem".to_owned(),
    };
    Config { watchdog, ..Config::default() }
}

fn to(sim: &Sim, receiver: &str) -> Vec<(String, What)> {
    let heard = sim.heard().into_iter().filter(|heard| heard.receiver == receiver);
    heard.map(|heard| (heard.rule, heard.what)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_told_while_rules_are_evaluated_and_a_stall_is_told_once() {
    let sim = Sim::new();
    sim.receiver("webhook.beat").await;
    sim.receiver("webhook.problem").await;
    sim.feed("resp_time", &["a"], |_, _| Some(100));
    sim.rule(rule("slow", "avg(resp_time) > 500", 1)).await;
    let node = sim.node_with(1, FINE, config()).await;
    sim.until(10 * 60 + 30).await;
    let beats = to(&sim, "webhook.beat").len();
    assert!((9..=11).contains(&beats), "{beats} heartbeats in ten minutes");

    // The lease is held, and nothing can be evaluated.
    node.blind.store(true, Ordering::Relaxed);
    sim.until(20 * 60).await;
    assert_eq!(to(&sim, "webhook.problem"), [("skylark_alarms_stalled".to_owned(), What::Fired)]);
    let more = to(&sim, "webhook.beat").len() - beats;
    assert!((2..=4).contains(&more), "{more} heartbeats until it counted as stalled");
    node.blind.store(false, Ordering::Relaxed);
    sim.until(23 * 60).await;
    assert_eq!(to(&sim, "webhook.problem").last().unwrap(), &("skylark_alarms_stalled".to_owned(), What::Recovered));
    assert!(to(&sim, "webhook.beat").len() > beats + more);
}

#[tokio::test(start_paused = true)]
async fn dead_notifications_are_told_of() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.receiver("webhook.problem").await;
    sim.refusing.lock().unwrap().insert("webhook.a".to_owned());
    sim.feed("resp_time", &["a"], |_, _| Some(900));
    sim.rule(Rule { hooks: vec!["webhook.a".to_owned()], ..rule("slow", "avg(resp_time) > 500", 1) }).await;
    let node = sim.node_with(1, FINE, config()).await;
    sim.until(30 * 60).await;
    let told = to(&sim, "webhook.problem");
    // One each ten minutes, though each minute another one dies.
    assert_eq!(told, vec![("skylark_dead_notifications".to_owned(), What::Fired); 3]);
    assert!(node.alarm.counters.dead.load(Ordering::Relaxed) >= 28);
}
