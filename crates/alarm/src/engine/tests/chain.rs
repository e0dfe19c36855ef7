//! One node, and everything in order but what the test takes away.

use expect_test::expect;
use model::kinds::RecordKind;
use storage::testing::Mood;

use super::*;
use crate::rule::{NoData, NoDataPolicy};

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
        0310 slow Fired a
        0310 slow Fired b
        0426 slow FiredAgain a
        0426 slow FiredAgain b
        0486 slow FiredAgain a
        0486 slow FiredAgain b
        0546 slow Recovered a
        0546 slow Recovered b
    "#]]
    .assert_eq(&sim.told());
    assert_eq!(sim.assert_all_told().await, 0);
    // Each firing is listed, and each is listed as over.
    assert_eq!(sim.records(RecordKind::Alarm).await.len(), 6);
    assert_eq!(sim.records(RecordKind::AlarmRecovery).await.len(), 6);
    let view = node.alarm.views.now();
    assert_eq!((view.evaluated, view.n_rules, view.instances.len()), (Some(Bucket(START + 8)), 1, 0));
    assert_eq!(view.costs["slow"].pairs, 2);
    assert_eq!(view.failing, None);
}

#[tokio::test(start_paused = true)]
async fn data_that_come_late_count_in_the_minutes_after() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(rule("often", "sum(cpm) > 25", 3)).await;
    let _node = sim.node(1, FINE).await;
    for minute in 0..5 {
        sim.put("a", "cpm", minute, 5).await;
    }
    // What belongs to the minute before the last closed one comes when that is evaluated already.
    sim.until(5 * 60 + 30).await;
    assert_eq!(sim.told(), "");
    sim.put("a", "cpm", 5, 5).await;
    let late = Row {
        key: RowKey {
            scope: Scope::Service,
            step: Step::Minute,
            bucket: Bucket(START + 4),
            entity: id::service("a", true).into(),
        },
        partial: Partial { writer: 99, life: 1 },
        seq: 1,
        cells: Cells::from_iter([(sim.catalogue.get("cpm").unwrap().cell, Agg::Count(15))]),
    };
    sim.memory.write(&Batch { rows: vec![late], records: Vec::new() }).await.unwrap();
    sim.until(6 * 60 + 30).await;
    expect![[r#"
        0330 often Fired a
    "#]]
    .assert_eq(&sim.told());
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_alarm_or_an_end_as_the_rule_says() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    let gone = NoData { policy: NoDataPolicy::Alert, after: 2 };
    sim.rule(Rule { no_data: gone, ..rule("gone", "avg(resp_time) > 5000", 1) }).await;
    sim.rule(rule("slow", "avg(resp_time) > 50", 1)).await;
    sim.feed("resp_time", &["a"], |_, minute| (!(3..=7).contains(&minute)).then_some(100));
    let node = sim.node(1, FINE).await;
    sim.until(10 * 60 + 30).await;
    expect![[r#"
        0010 slow Fired a
        0126 slow FiredAgain a
        0186 slow FiredAgain a
        0246 slow Recovered a
        0306 gone Fired a
        0366 gone FiredAgain a
        0426 gone FiredAgain a
        0486 gone FiredAgain a
        0490 slow Fired a
        0546 gone Recovered a
        0606 slow FiredAgain a
    "#]]
    .assert_eq(&sim.told());
    let reasons: Vec<_> = sim
        .all::<Incident>()
        .await
        .into_iter()
        .filter_map(|stored| Some((stored.doc.rule, stored.doc.transitions.last()?.reason?)))
        .collect();
    assert_eq!(
        reasons.into_iter().collect::<BTreeMap<_, _>>(),
        BTreeMap::from([
            ("gone".to_owned(), crate::incident::Reason::Condition),
            ("slow".to_owned(), crate::incident::Reason::NoData)
        ])
    );
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn a_broken_rule_stops_nobody_and_says_why() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(rule("unknown", "avg(nothing_like_this) > 5", 1)).await;
    let unreadable = doc::write(&rule("unreadable", "avg(resp_time) > 1", 1));
    sim.write(Item { body: "{}}".to_owned(), ..unreadable }).await;
    sim.rule(rule("slow", "avg(resp_time) > 50", 1)).await;
    sim.feed("resp_time", &["a"], slow_in(0..99));
    let node = sim.node(1, FINE).await;
    sim.until(90).await;
    assert_eq!(sim.heard().len(), 1);
    let view = node.alarm.views.now();
    assert_eq!(view.health.keys().collect::<Vec<_>>(), ["unknown", "unreadable"]);
    assert_eq!(view.n_rules, 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_lost_and_timers_go_on() {
    let run = async |away: bool| {
        let sim = Sim::new();
        sim.receiver("webhook.a").await;
        sim.rule(Rule { for_minutes: 2, silence: 2, ..rule("slow", "avg(resp_time) > 500", 1) }).await;
        sim.rule(Rule { recovery_observation: 1, ..rule("over", "avg(resp_time) > 500", 1) }).await;
        sim.feed("resp_time", &["a", "b"], slow_in(3..12));
        let node = sim.node(1, FINE).await;
        sim.until(4 * 60 + 50).await;
        if away {
            node.store.set_mood(Mood::Away);
            sim.until(5 * 60 + 50).await;
            assert!(!node.holds(), "its lease has run out");
            node.store.set_mood(Mood::Fine);
        }
        sim.until(20 * 60).await;
        assert_eq!(node.alarm.views.now().failing, None);
        assert_eq!(sim.assert_all_told().await, 0);
        decided(&sim).await
    };
    let undisturbed = run(false).await;
    assert!(undisturbed.len() >= 8, "{undisturbed:?}");
    assert_eq!(run(true).await, undisturbed);
}

#[tokio::test(start_paused = true)]
async fn what_is_long_over_leaves_the_store() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(rule("slow", "avg(resp_time) > 500", 1)).await;
    sim.feed("resp_time", &["a"], slow_in(3..5));
    let node = sim.node(1, FINE).await;
    sim.until(600).await;
    drop(node);
    assert_eq!((count(&sim, ItemKind::AlarmIncident).await, count(&sim, ItemKind::AlarmNotification).await), (1, 3));
    for (days, left) in [(29, 1), (31, 0)] {
        sim.until(days * 86_400).await;
        let node = sim.node(days, FINE).await;
        sleep(Duration::from_secs(3_700)).await;
        assert_eq!(count(&sim, ItemKind::AlarmIncident).await, left, "after {days} days");
        assert_eq!(count(&sim, ItemKind::AlarmNotification).await, 3 * left);
        drop(node);
    }
    let policy = Retention { records_days: 3, metrics_days: 7 };
    sim.until(33 * 86_400).await;
    assert!(sim.memory.expire(&policy, sim.clock().now()).await.unwrap().items >= 4);
}

#[tokio::test(start_paused = true)]
async fn passes_that_take_long_are_made_less_often() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(rule("slow", "avg(resp_time) > 500", 1)).await;
    sim.feed("resp_time", &["a"], slow_in(0..0));
    let node = sim.node(1, FINE).await;
    sim.until(300).await;
    let passes = || node.alarm.views.now().n_passes;
    let at_first = passes();
    sim.until(600).await;
    // The running minute every ten seconds and when it says something first, the closed one once.
    let fast = passes() - at_first;
    assert!((35..=45).contains(&fast), "{fast} in five minutes");
    node.slow.store(9, Ordering::Relaxed);
    sim.until(900).await;
    let slow = passes() - at_first - fast;
    assert!((14..=22).contains(&slow), "{slow} in five minutes");
    assert_eq!(node.alarm.views.now().evaluated, Some(Bucket(START + 13)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_delays_no_other_and_no_evaluation() {
    let heard_by_a = async |mute: bool| {
        let sim = Sim::new();
        for receiver in ["webhook.a", "webhook.b", "webhook.c"] {
            sim.receiver(receiver).await;
        }
        if mute {
            sim.mute.lock().unwrap().insert("webhook.b".to_owned());
            sim.refusing.lock().unwrap().insert("webhook.c".to_owned());
        }
        sim.rule(Rule { profile: Profile::Native, ..rule("slow", "avg(resp_time) > 500", 1) }).await;
        sim.feed("resp_time", &["a", "b", "c", "d", "e", "f"], |service, minute| {
            Some(if (minute + u32::from(service.as_bytes()[0])).is_multiple_of(9) { 900 } else { 100 })
        });
        let node = sim.node(1, FINE).await;
        for minute in 1..=20 {
            sim.until(minute * 60 + 15).await;
            let view = node.alarm.views.now();
            assert_eq!(view.evaluated, Some(Bucket(START + u32::try_from(minute).unwrap() - 1)));
        }
        let heard = sim.heard().into_iter().filter(|heard| heard.receiver == "webhook.a");
        heard.map(|heard| (heard.at, heard.entity, heard.what)).collect::<Vec<_>>()
    };
    let alone = heard_by_a(false).await;
    assert!(alone.len() >= 20, "{}", alone.len());
    assert_eq!(heard_by_a(true).await, alone);
}
