//! Two nodes: one holds, is stopped for a while, and wakes when the other has taken over.

use super::*;

/// Slow every other five minutes.
fn value(service: &str, minute: u32) -> Option<i64> {
    let shift = u32::from(service.as_bytes()[0]);
    Some(if ((minute + shift) / 5).is_multiple_of(2) { 900 } else { 100 })
}

async fn world() -> Sim {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(Rule { silence: 1, ..rule("slow", "avg(resp_time) > 500", 1) }).await;
    sim.feed("resp_time", &["a", "b", "c", "d", "e"], value);
    sim
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_froze_and_woke_changes_nothing() {
    let wanted = {
        let sim = world().await;
        let _node = sim.node(1, FINE).await;
        sim.until(50 * 60).await;
        decided(&sim).await
    };
    let sim = world().await;
    let delay = Faults { delay: Duration::from_millis(30), ..FINE };
    let nodes = [sim.node(1, delay).await, sim.node(2, delay).await];
    // Frozen at another moment of the minute each time: between two looks, in a pass, in a write, while it sends.
    for turn in 0..20u64 {
        sim.until(65 + turn * 120).await;
        sleep(Duration::from_millis(turn * 137 % 3_000)).await;
        let holder = nodes.iter().position(Node::holds).unwrap();
        let begun = Instant::now();
        nodes[holder].freeze();
        while !nodes[1 - holder].holds() {
            sleep(Duration::from_millis(100)).await;
            assert!(begun.elapsed() < Duration::from_secs(15), "turn {turn}: the hand-over takes too long");
        }
        sleep((Duration::from_secs(30)).saturating_sub(begun.elapsed())).await;
        nodes[holder].thaw();
        sleep(Duration::from_secs(2)).await;
        assert!(!nodes[holder].holds(), "turn {turn}");
    }
    sim.until(50 * 60).await;
    sim.assert_all_told().await;
    assert_eq!(decided(&sim).await, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_stop_hands_over_at_once() {
    let sim = world().await;
    let first = sim.node(1, FINE).await;
    sim.until(100).await;
    assert!(first.holds());
    let second = sim.node(2, FINE).await;
    first.stop().await;
    let begun = Instant::now();
    while !second.holds() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    sim.until(20 * 60).await;
    assert_eq!(sim.assert_all_told().await, 0);
}
