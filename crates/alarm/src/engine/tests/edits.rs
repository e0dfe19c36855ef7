//! What operators change while the engine runs.

use expect_test::expect;

use super::*;
use crate::change::{Change, Op};
use crate::desk::Act;
use crate::route::{MatchOp, Matcher};
use crate::silence::Silence;

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_made_or_edited_sees_the_minutes_before_and_touches_no_other() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.feed("resp_time", &["a"], |_, _| Some(300));
    sim.feed("cpm", &["a"], |_, _| Some(10));
    let node = sim.node(1, FINE).await;
    sim.until(10).await;
    let edits = &node.alarm.desk.edits;
    let other = Rule { silence: 60, ..rule("other", "avg(cpm) > 5", 1) };
    edits.create(other, &Node::by()).await.unwrap();
    sim.until(10 * 60 + 20).await;
    let before = sim.all::<Incident>().await;

    // It looks back ten minutes, which no rule did before.
    let made = edits.create(rule("made", "sum(resp_time > 200) >= 10", 10), &Node::by()).await.unwrap();
    sim.until(10 * 60 + 35).await;
    expect![[r#"
        0010 other Fired a
        0620 made Fired a
    "#]]
    .assert_eq(&sim.told());
    let edited = Rule { expression: "sum(resp_time > 400) >= 1".to_owned(), ..made.stored.doc };
    edits.update(edited, Some(made.stored.revision), &Node::by()).await.unwrap();
    sim.until(12 * 60 + 20).await;
    expect![[r#"
        0010 other Fired a
        0620 made Fired a
        0726 made Recovered a
    "#]]
    .assert_eq(&sim.told());
    let after = sim.all::<Incident>().await;
    assert_eq!(before.len(), 1);
    assert!(after.contains(&before[0]), "the other rule's incident was touched");
}

#[tokio::test(start_paused = true)]
async fn a_new_rule_that_must_match_for_a_while_remembers() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.feed("resp_time", &["a"], |_, _| Some(300));
    let node = sim.node(1, FINE).await;
    sim.until(10 * 60 + 20).await;
    let made = Rule { for_minutes: 4, ..rule("made", "avg(resp_time) > 200", 1) };
    node.alarm.desk.edits.create(made, &Node::by()).await.unwrap();
    sim.until(10 * 60 + 40).await;
    assert_eq!(sim.heard().len(), 1, "{}", sim.told());
}

#[tokio::test(start_paused = true)]
async fn a_silence_ends_with_what_it_silenced_and_who_takes_care_is_not_told() {
    let sim = Sim::new();
    sim.receiver("webhook.a").await;
    sim.rule(Rule { silence: 1, ..rule("slow", "avg(resp_time) > 500", 1) }).await;
    sim.rule(Rule { silence: 1, ..rule("often", "avg(cpm) > 5", 1) }).await;
    sim.feed("resp_time", &["a"], |_, minute| Some(if (2..6).contains(&minute) { 900 } else { 100 }));
    sim.feed("cpm", &["a"], |_, minute| Some(if minute >= 2 { 10 } else { 1 }));
    let node = sim.node(1, FINE).await;
    sim.until(30).await;
    let now = sim.clock().now();
    let silence = Silence {
        id: String::new(),
        matchers: vec![Matcher { label: "rule".to_owned(), op: MatchOp::Equal, value: "slow".to_owned() }],
        starts: now,
        ends: now.plus(3_600_000),
        recurrence: None,
        ends_on_recovery: true,
        comment: "known".to_owned(),
        author: String::new(),
        change: String::new(),
    };
    node.alarm.desk.edits.create(silence, &Node::by()).await.unwrap();
    sim.until(3 * 60 + 20).await;
    let open = sim.all::<Incident>().await;
    let often = open.iter().find(|stored| stored.doc.rule == "often").unwrap().doc.id.clone();
    node.alarm.desk.act(&often, &Act::Acknowledge { until: None }, &Node::by()).await.unwrap();
    sim.until(8 * 60).await;
    expect![[r#"
        0126 often Fired a
    "#]]
    .assert_eq(&sim.told());
    let silences = sim.all::<Silence>().await;
    assert!(silences[0].doc.ends < sim.clock().now(), "it is over");

    node.alarm.desk.act(&often, &Act::Close, &Node::by()).await.unwrap();
    sim.until(8 * 60 + 10).await;
    let view = node.alarm.views.now();
    assert!(view.instances.iter().all(|instance| instance.incident.as_ref() != Some(&often)));
}

#[tokio::test(start_paused = true)]
async fn the_settings_file_is_imported_and_again_when_it_changes() {
    let sim = Sim::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alarm-settings.yml");
    let text = |line: u32| {
        format!(
            "rules:\n  slow_rule:\n    expression: avg(resp_time) > {line}\n    period: 1\n    message: slow {{name}}\n  \
             bad_rule:\n    expression: avg(nothing) > 1\n    period: 1\n    message: bad\n"
        )
    };
    std::fs::write(&path, text(500)).unwrap();
    let config = Config { settings_file: path.clone(), ..Config::default() };
    let node = sim.node_with(1, FINE, config).await;
    sim.until(20).await;
    let rules = |rules: Vec<Stored<Rule>>| rules.into_iter().map(|r| r.doc.expression).collect::<Vec<_>>();
    assert_eq!(rules(sim.all().await), ["avg(resp_time) > 500"]);
    let file = node.alarm.file.now();
    assert!(file.imported.is_some() && file.report.to_string().contains("rejected"), "{}", file.report);
    std::fs::write(&path, text(600)).unwrap();
    // Files are read on other threads, whose time is real.
    while rules(sim.all().await) != ["avg(resp_time) > 600"] {
        sleep(Duration::from_secs(1)).await;
    }
    assert_ne!(node.alarm.file.now().hash, file.hash);
}

/// A change of nothing in particular, `days` before the beginning.
fn change(id: &str, days: i64) -> Item {
    let at = Bucket(START).start().plus(-days * 86_400_000);
    let change = Change {
        id: id.to_owned(),
        kind: "alarm_rule".to_owned(),
        target: "r".to_owned(),
        name: "r".to_owned(),
        op: Op::Update,
        revision: 1,
        previous: String::new(),
        body: String::new(),
        actor: "ann".to_owned(),
        source: "rest".to_owned(),
        reason: String::new(),
        at,
    };
    Item { nonce: storage::chance::random(), ..doc::write(&change) }
}

async fn changes(sim: &Sim) -> Vec<String> {
    let mut ids: Vec<_> = sim.all::<Change>().await.into_iter().map(|stored| stored.doc.id).collect();
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn changes_are_kept_for_half_a_year_and_the_last_one_of_a_living_document_for_ever() {
    let sim = Sim::new();
    for (id, days) in [("fresh", 179), ("old", 181), ("named", 900), ("before", 901)] {
        sim.write(change(id, days)).await;
    }
    sim.rule(Rule { change: "named".to_owned(), paused: true, ..rule("r", "avg(cpm) > 5", 1) }).await;
    let node = sim.node(1, FINE).await;
    sim.until(3_500).await;
    assert_eq!(changes(&sim).await, ["before", "fresh", "named", "old"]);
    sim.until(2 * 3_600).await;
    assert_eq!(changes(&sim).await, ["fresh", "named"]);
    // A history ends where nothing is left.
    let told = node.alarm.desk.edits.history(ItemKind::AlarmRule, "r", 0, 9).await.unwrap();
    assert_eq!(told.into_iter().map(|entry| entry.change.id).collect::<Vec<_>>(), ["named"]);
}

#[tokio::test(start_paused = true)]
async fn of_too_many_changes_the_oldest_go() {
    let sim = Sim::new();
    // The 10,000 that may be, and two more.
    let all: Vec<_> =
        (0..10_002).map(|n| (change(&format!("{n:05}"), if n < 2 { 2 } else { 1 }), Revision(0))).collect();
    sim.memory.swap_many(&all).await.unwrap();
    let _node = sim.node(1, FINE).await;
    sim.until(2 * 3_600).await;
    let left = changes(&sim).await;
    assert_eq!((left.len(), left[0].as_str()), (10_000, "00002"));
}
