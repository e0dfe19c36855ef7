//! One node, and everything in order but what the test takes away.

use expect_test::expect;
use model::kinds::RecordKind;
use storage::testing::Mood;

use super::*;
use crate::rule::{NoData, NoDataPolicy};

const FINE: Faults = Faults { before: 0, during: 0, after: 0, late: 0, reads: 0, refused: 0, delay: Duration::ZERO };

/// Slow in some minutes.
fn slow_in(minutes: std::ops::Range<u32>) -> impl Fn(&str, u32) -> Option<i64> + Send + 'static {
    move |_, minute| Some(if minutes.contains(&minute) { 900 } else { 100 })
}

#[tokio::test(start_paused = true)]
async fn from_rows_to_a_receiver_and_to_the_lists() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(rule("slow", "avg(resp_time) > 500", 1)).await;
    sim.feed("resp_time", &["a", "b"], slow_in(5..8));
    let node = sim.node(1, FINE).await;
    sim.until(600).await;
    expect![[r#"
    "#]]
    .assert_eq(&sim.told());
    assert_eq!(sim.assert_all_told().await, 0);
    assert_eq!(sim.records(RecordKind::Alarm).await.len(), 2);
    assert_eq!(sim.records(RecordKind::AlarmRecovery).await.len(), 2);
    let view = node.alarm.views.now();
    assert_eq!((view.evaluated, view.n_rules, view.instances.len()), (Some(Bucket(START + 8)), 1, 0));
    assert_eq!(view.costs["slow"].pairs, 2);
    assert_eq!(view.failing, None);
}
