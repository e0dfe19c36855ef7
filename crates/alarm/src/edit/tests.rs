//! Edits, also by two at once on a store that fails.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use expect_test::{Expect, expect};
use model::kinds::ItemKind;
use model::metric::Function;
use model::{Scope, UnixMillis};
use serde_json::json;
use storage::memory::Memory;
use storage::snapshot::follow;
use storage::testing::{Faults, FaultyStore};

use super::*;
use crate::receiver::{Receiver, Sealed};
use crate::route::{MatchOp, Matcher, Route, Routing};
use crate::rule::{Mode, Provenance, Rule};
use crate::testing;

const KINDS: &[ItemKind] = &[ItemKind::AlarmRule, ItemKind::AlarmReceiver];

pub(crate) fn memory() -> SharedStore {
    Arc::new(Memory::new())
}

/// An editor of a store. Its clock goes on by a millisecond each time it is asked.
pub(crate) fn edits(store: SharedStore, seed: u64) -> Edits {
    let ticks = AtomicI64::new(0);
    let clock = Clock::from_fn(move || UnixMillis(1_000 + ticks.fetch_add(1, Ordering::Relaxed)));
    let (_, _, editor) = follow(Arc::clone(&store), clock.clone(), KINDS, Duration::from_millis(500), seed);
    let service = Scope::Service;
    let catalogue =
        testing::catalogue(&[("service_cpm", service, Function::Cpm), ("service_sla", service, Function::Percent)]);
    let key = Key::of_setting(&"5a".repeat(32)).unwrap();
    Edits::new(store, Arc::new(editor), clock, Arc::new(catalogue), Some(Arc::new(key)), seed)
}

pub(crate) fn by(actor: &str) -> By {
    By { actor: actor.to_owned(), source: "rest".to_owned(), reason: "because".to_owned() }
}

fn rule(name: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        expression: "avg(service_cpm) > 1".to_owned(),
        period: 5,
        message: "m".to_owned(),
        ..Rule::default()
    }
}

fn webhook(name: &str, token: &str) -> Receiver {
    serde_json::from_value(json!({
        "id": format!("webhook.{name}"), "kind": "webhook", "settings": {"urls": ["http://a"], "headers": {"Authorization": token}},
    }))
    .unwrap()
}

fn problems(error: EditError) -> String {
    match error {
        EditError::Invalid(checked) => checked.problems.iter().map(|problem| format!("{problem}\n")).collect(),
        other => format!("{other:?}"),
    }
}

/// Changes, a line for each.
#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn told(entries: &[AuditEntry], expected: Expect) {
    let lines: String = entries
        .iter()
        .map(|AuditEntry { change, differences }| {
            let paths: Vec<_> = differences
                .iter()
                .map(|Difference { path, before, after }| {
                    let shown =
                        |value: &Option<serde_json::Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
                    format!("{path} {}→{}", shown(before), shown(after))
                })
                .collect();
            let differences = if paths.len() > 6 { format!("{} fields", paths.len()) } else { paths.join(", ") };
            format!("{} {:?} {} by {}: [{differences}]\n", change.revision, change.op, change.name, change.actor)
        })
        .collect();
    expected.assert_eq(&lines);
}

#[tokio::test]
async fn a_rule_is_made_changed_deleted_and_restored_and_its_history_tells_it() {
    let edits = edits(memory(), 1);
    let made = edits.create(rule("a"), &by("ann")).await.unwrap().stored;
    assert_eq!((made.revision, made.doc.provenance), (Revision(1), Provenance::Api));
    let id = made.doc.id.clone();
    let changed = Rule { period: 6, ..made.doc.clone() };
    let changed = edits.update(changed, Some(made.revision), &by("bob")).await.unwrap().stored;
    let patch = json!({"silence": 3, "tags": {"team": "x"}, "for": null});
    edits.patch::<Rule>(&id, &patch, Some(changed.revision), &by("ann")).await.unwrap();
    edits.delete::<Rule>(&id, None, &by("bob")).await.unwrap();
    assert!(matches!(edits.get::<Rule>(&id).await, Err(EditError::NotFound(_))));
    let back = edits.restore::<Rule>(&id, &Version::Last, None, &by("ann")).await.unwrap().stored;
    assert_eq!((back.doc.silence, back.doc.period, back.doc.created), (3, 6, made.doc.created));
    let first =
        edits.restore::<Rule>(&id, &Version::Revision(1), Some(back.revision), &by("ann")).await.unwrap().stored;
    assert_eq!((first.doc.silence, first.doc.period), (0, 5));
    let again = Version::Change(changed.doc.change);
    assert_eq!(edits.restore::<Rule>(&id, &again, None, &by("ann")).await.unwrap().stored.doc.period, 6);
    let history = edits.history(ItemKind::AlarmRule, &id, 0, 10).await.unwrap();
    told(
        &history,
        expect![[r#"
            7 Restore a by ann: [period 5→6]
            6 Restore a by ann: [period 6→5, silence 3→0, tags.team "x"→-]
            5 Restore a by ann: [29 fields]
            4 Delete a by bob: [29 fields]
            3 Update a by ann: [silence 0→3, tags.team -→"x"]
            2 Update a by bob: [period 5→6]
            1 Create a by ann: [29 fields]
        "#]],
    );
    assert_eq!(edits.history(ItemKind::AlarmRule, &id, 2, 1).await.unwrap(), history[2..3]);
    assert!(matches!(edits.history(ItemKind::AlarmRule, "no", 0, 1).await, Err(EditError::NotFound(_))));
    assert!(matches!(
        edits.restore::<Rule>(&id, &Version::Revision(99), None, &by("a")).await,
        Err(EditError::NotFound(_))
    ));
}

#[tokio::test]
async fn who_changes_an_older_version_is_shown_the_present_one() {
    let edits = edits(memory(), 1);
    let made = edits.create(rule("a"), &by("ann")).await.unwrap().stored;
    let id = made.doc.id.clone();
    edits.patch::<Rule>(&id, &json!({"period": 9}), None, &by("bob")).await.unwrap();
    let late = edits.update(Rule { period: 7, ..made.doc.clone() }, Some(made.revision), &by("ann")).await.unwrap_err();
    let EditError::Conflict(Some((present, revision))) = late else { panic!("{late:?}") };
    assert_eq!((present["period"].clone(), revision), (json!(9), Revision(2)));
    let late = edits.delete::<Rule>(&id, Some(made.revision), &by("ann")).await.unwrap_err();
    assert!(matches!(late, EditError::Conflict(Some(_))));
    let twice = edits.create(Rule { name: "b".into(), ..made.doc }, &by("ann")).await.unwrap_err();
    assert!(matches!(twice, EditError::Conflict(Some(_))), "the id is taken");
}

#[tokio::test]
async fn what_may_not_be_saved_is_refused_with_all_that_is_wrong() {
    let edits = edits(memory(), 1);
    edits.create(rule("a"), &by("ann")).await.unwrap();
    let bad =
        Rule { period: 0, expression: "avg(service_cpm) > $x".into(), hooks: vec!["webhook.no".into()], ..rule("a") };
    expect![[r#"
        expression:1:20: $x has no number
        period: it is between 1 and 1440, and this is 0
        hooks: there is no receiver webhook.no
    "#]]
    .assert_eq(&problems(edits.create(bad, &by("ann")).await.unwrap_err()));
    expect![[r#"
        name: another one is named a
    "#]]
    .assert_eq(&problems(edits.create(rule("a"), &by("ann")).await.unwrap_err()));
    let other = edits.create(rule("b"), &by("ann")).await.unwrap().stored.doc;
    let renamed = edits.patch::<Rule>(&other.id, &json!({"name": "a"}), None, &by("ann")).await.unwrap_err();
    expect![[r#"
        name: another one is named a
    "#]]
    .assert_eq(&problems(renamed));
    let foreign = edits.patch::<Rule>(&other.id, &json!({"perod": 1}), None, &by("ann")).await.unwrap_err();
    expect![[r#"
        : unknown field `perod`, expected one of `id`, `name`, `paused`, `mode`, `profile`, `expression`, `recoveryExpression`, `variables`, `selector`, `overrides`, `period`, `for`, `silence`, `recoveryObservation`, `keepFiringFor`, `window`, `noData`, `onError`, `minSamples`, `severity`, `message`, `recoveryMessage`, `tags`, `annotations`, `labelMode`, `hooks`, `maxInstances`, `provenance`, `change`, `created`
    "#]].assert_eq(&problems(foreign));
    assert_eq!(edits.all::<Rule>().await.unwrap().len(), 2);
}

#[tokio::test]
async fn rules_are_paused_and_shadowed_by_a_patch() {
    let edits = edits(memory(), 1);
    let a = edits.create(rule("a"), &by("ann")).await.unwrap().stored.doc.id;
    let pause = json!({"paused": true});
    assert!(edits.patch::<Rule>(&a, &pause, None, &by("ann")).await.unwrap().stored.doc.paused);
    assert!(matches!(edits.patch::<Rule>("nobody", &pause, None, &by("ann")).await, Err(EditError::NotFound(_))));
    edits.patch::<Rule>(&a, &json!({"mode": "SHADOW"}), None, &by("ann")).await.unwrap();
    let now = edits.get::<Rule>(&a).await.unwrap().doc;
    assert!(now.paused && now.mode == Mode::Shadow);
}

#[tokio::test]
async fn secrets_are_sealed_kept_where_they_are_hidden_and_told_to_nobody() {
    let store = memory();
    let edits = edits(Arc::clone(&store), 1);
    let opened = |receiver: &Receiver| {
        let key = Key::of_setting(&"5a".repeat(32)).unwrap();
        key.open(&receiver.id, &receiver.secrets["headers.Authorization"]).unwrap()
    };
    let made = edits.create(webhook("a", "open sesame"), &by("ann")).await.unwrap().stored;
    assert_eq!(made.doc.settings["headers"]["Authorization"], "***");
    assert_eq!(opened(&made.doc), "open sesame");
    assert!(made.doc.shown()["secrets"].as_object().unwrap().is_empty());
    let forged = [("headers.Authorization".to_owned(), Sealed("forged".into()))].into();
    let kept = Receiver { is_default: true, secrets: forged, ..made.doc };
    let kept = edits.update(kept, None, &by("ann")).await.unwrap().stored;
    assert_eq!(opened(&kept.doc), "open sesame", "nobody writes sealed ones");
    edits.update(webhook("a", "changed it"), None, &by("ann")).await.unwrap();
    edits.delete::<Receiver>("webhook.a", None, &by("ann")).await.unwrap();
    let back = edits.restore::<Receiver>("webhook.a", &Version::Revision(2), None, &by("ann")).await.unwrap().stored;
    assert_eq!(opened(&back.doc), "open sesame");
    let history = edits.history(ItemKind::AlarmReceiver, "webhook.a", 0, 10).await.unwrap();
    told(
        &history,
        expect![[r#"
            5 Restore webhook.a by ann: [id -→"webhook.a", kind -→"webhook", isDefault -→true, sendResolved -→true, settings -→{"urls":["http://a"],"headers":{"Authorization":"***"}}, secrets -→"***"]
            4 Delete webhook.a by ann: [id "webhook.a"→-, kind "webhook"→-, isDefault false→-, sendResolved true→-, settings {"urls":["http://a"],"headers":{"Authorization":"***"}}→-, secrets "***"→-]
            3 Update webhook.a by ann: [isDefault true→false, secrets.headers.Authorization "***"→"***"]
            2 Update webhook.a by ann: [isDefault false→true]
            1 Create webhook.a by ann: [id -→"webhook.a", kind -→"webhook", isDefault -→false, sendResolved -→true, settings -→{"urls":["http://a"],"headers":{"Authorization":"***"}}, secrets -→"***"]
        "#]],
    );
    let shown = serde_json::to_string(&history).unwrap();
    assert!(!shown.contains(&back.doc.secrets["headers.Authorization"].0), "{shown}");
    for kind in ItemKind::ALL {
        for item in store.items(&ItemQuery { kind, ids: Vec::new(), tombstones: true }).await.unwrap() {
            assert!(!item.body.contains("sesame") && !item.body.contains("changed it"), "{}", item.body);
        }
    }
    let missing = edits.create(webhook("b", "***"), &by("ann")).await.unwrap_err();
    expect![[r#"
        settings: headers.Authorization is *** and there is no secret to leave as it is: write it
    "#]]
    .assert_eq(&problems(missing));
    let mut odd = webhook("b", "x");
    odd.settings.insert("urls".to_owned(), json!(["ftp://a"]));
    expect![[r#"
        settings.urls.0: must be a URL that begins with http:// or https://
    "#]]
    .assert_eq(&problems(edits.create(odd, &by("ann")).await.unwrap_err()));
}

#[tokio::test]
async fn without_a_key_no_secret_is_taken() {
    let keyless = Edits { key: None, ..edits(memory(), 1) };
    expect![[r#"
        settings.headers.Authorization: no secret can be kept: set security.secret_key to the same key on every node
    "#]]
    .assert_eq(&problems(keyless.create(webhook("a", "t"), &by("ann")).await.unwrap_err()));
    let mut plain = webhook("a", "");
    plain.settings.remove("headers");
    keyless.create(plain, &by("ann")).await.unwrap();
}

#[tokio::test]
async fn a_receiver_that_somebody_is_told_by_stays() {
    let edits = edits(memory(), 1);
    edits.create(webhook("a", "t"), &by("ann")).await.unwrap();
    let rule =
        edits.create(Rule { hooks: vec!["webhook.a".into()], ..rule("r") }, &by("ann")).await.unwrap().stored.doc;
    let root = Route { receivers: Some(vec!["webhook.a".into()]), ..Route::default() };
    let routing: Routing = serde_json::from_value(json!({"id": Routing::ID, "root": root})).unwrap();
    edits.create(routing, &by("ann")).await.unwrap();
    let used = edits.delete::<Receiver>("webhook.a", None, &by("ann")).await.unwrap_err();
    expect![[r#"
        id: webhook.a is named by rule r, route root
    "#]]
    .assert_eq(&problems(used));
    edits.delete::<Rule>(&rule.id, None, &by("ann")).await.unwrap();
    edits.delete::<Routing>(Routing::ID, None, &by("ann")).await.unwrap();
    edits.delete::<Receiver>("webhook.a", None, &by("ann")).await.unwrap();
}

#[tokio::test]
async fn a_silence_is_ended_early() {
    let edits = edits(memory(), 1);
    let matcher = Matcher { label: "service".into(), op: MatchOp::Equal, value: "a".into() };
    let silence: Silence =
        serde_json::from_value(json!({"matchers": [matcher], "starts": 0, "ends": 1_000_000, "comment": "deploy"}))
            .unwrap();
    let made = edits.create(silence, &by("ann")).await.unwrap().stored.doc;
    assert_eq!(made.author, "ann");
    let ended = edits.expire_silence(&made.id, &by("bob")).await.unwrap().stored.doc;
    assert!(ended.ends < UnixMillis(10_000) && ended.starts < ended.ends);
    assert_eq!(ended.author, "ann");
}

#[tokio::test]
async fn the_audit_tells_what_was_done_and_not_what_was_lost() {
    let edits = edits(memory(), 1);
    let a = edits.create(rule("a"), &by("ann")).await.unwrap().stored;
    let b = edits.create(rule("b"), &by("bob")).await.unwrap().stored;
    edits.delete::<Rule>(&b.doc.id, None, &by("bob")).await.unwrap();
    // Two write over the same version: the loser's change is there and no document names it.
    let (won, lost) = (Write::over(a.doc.clone(), &a, Op::Update), Write::over(a.doc.clone(), &a, Op::Update));
    edits.write(won, &by("ann")).await.unwrap();
    edits.write(lost, &by("eve")).await.unwrap_err();
    let (all, n) = edits.audit(&AuditFilter::default(), 0, 10).await.unwrap();
    told(
        &all,
        expect![[r#"
            2 Update a by ann: []
            2 Delete b by bob: [29 fields]
            1 Create b by bob: [29 fields]
            1 Create a by ann: [29 fields]
        "#]],
    );
    assert_eq!(n, 4);
    let (bobs, n) =
        edits.audit(&AuditFilter { actor: Some("bob".into()), ..AuditFilter::default() }, 1, 1).await.unwrap();
    assert_eq!((bobs.len(), n, bobs[0].change.op), (1, 2, Op::Create));
    let later = AuditFilter { from: Some(all[1].change.at), before: Some(all[0].change.at), ..AuditFilter::default() };
    assert_eq!(edits.audit(&later, 0, 10).await.unwrap().0, all[1..2]);
}

#[tokio::test]
async fn a_deleted_document_is_restored_when_nothing_but_its_changes_is_left() {
    let store = memory();
    let edits = edits(Arc::clone(&store), 1);
    let a = edits.create(rule("a"), &by("ann")).await.unwrap().stored.doc;
    edits.delete::<Rule>(&a.id, None, &by("ann")).await.unwrap();
    let policy = storage::Retention { records_days: 3, metrics_days: 7 };
    store.expire(&policy, UnixMillis(3 * 86_400_000)).await.unwrap();
    assert!(
        store
            .items(&ItemQuery { kind: ItemKind::AlarmRule, ids: Vec::new(), tombstones: true })
            .await
            .unwrap()
            .is_empty()
    );
    let back = edits.restore::<Rule>(&a.id, &Version::Last, None, &by("ann")).await.unwrap().stored;
    assert_eq!((back.doc.name.as_str(), back.revision), ("a", Revision(1)));
    let ops: Vec<Op> = edits
        .history(ItemKind::AlarmRule, &a.id, 0, 9)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.change.op)
        .collect();
    assert_eq!(ops, [Op::Restore, Op::Delete, Op::Create]);
}

#[tokio::test]
async fn a_bundle_is_planned_and_applied_as_a_whole_or_not_at_all() {
    let edits = edits(memory(), 1);
    let same = edits.create(rule("same"), &by("ann")).await.unwrap().stored.doc;
    edits.create(rule("old"), &by("ann")).await.unwrap();
    edits.create(rule("changed"), &by("ann")).await.unwrap();
    let bundle = Bundle {
        receivers: vec![webhook("new", "t")],
        rules: vec![
            same,
            Rule { period: 8, ..rule("changed") },
            Rule { hooks: vec!["webhook.new".into()], ..rule("new") },
        ],
        delete_rules: vec!["old".into()],
        ..Bundle::default()
    };
    let shown = |steps: &[Step]| -> String {
        let line = |step: &Step| {
            let paths: Vec<_> = step.differences.iter().map(|difference| difference.path.as_str()).take(3).collect();
            format!("{:?} {} {} {} {}\n", step.step, step.kind, step.name, paths.join(","), step.is_good())
        };
        steps.iter().map(line).collect()
    };
    let plan = edits.apply(bundle.clone(), true, &by("ann")).await.unwrap();
    expect![[r#"
        Create alarm_receiver webhook.new id,kind,isDefault true
        Unchanged alarm_rule same  true
        Update alarm_rule changed period true
        Create alarm_rule new id,name,paused true
        Delete alarm_rule old id,name,paused true
    "#]]
    .assert_eq(&shown(&plan));
    assert_eq!(edits.receivers().await.unwrap().len(), 0, "it was only planned");
    let mut bad = bundle.clone();
    bad.rules[2].period = 0;
    let refused = edits.apply(bad, false, &by("ann")).await.unwrap();
    assert_eq!(refused.iter().filter(|step| !step.is_good()).count(), 1);
    assert_eq!(edits.receivers().await.unwrap().len(), 0, "one error, and nothing is written");
    assert_eq!(shown(&edits.apply(bundle.clone(), false, &by("ann")).await.unwrap()), shown(&plan));
    let names: Vec<_> =
        edits.all::<Rule>().await.unwrap().into_iter().map(|stored| (stored.doc.name, stored.doc.period)).collect();
    let names: BTreeSet<_> = names.into_iter().collect();
    assert_eq!(names, [("changed".to_owned(), 8), ("new".to_owned(), 5), ("same".to_owned(), 5)].into());
    let bundle = Bundle { delete_rules: Vec::new(), receivers: Vec::new(), ..bundle };
    let again = edits.apply(bundle, false, &by("ann")).await.unwrap();
    assert!(again.iter().all(|step| step.step == StepKind::Unchanged), "{}", shown(&again));
}

/// Patches until it is done; what may have been done though its answer was lost is looked for before it is tried again.
async fn add_tag(edits: &Edits, id: &str, tag: &str) {
    loop {
        match edits.patch::<Rule>(id, &json!({"tags": {tag: "1"}}), None, &by(tag)).await {
            Ok(_) => return,
            Err(EditError::Conflict(_)) => {}
            Err(EditError::Store(_)) => {
                let done = loop {
                    if let Ok(now) = edits.get::<Rule>(id).await {
                        break now.doc.tags.contains_key(tag);
                    }
                };
                if done {
                    return;
                }
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_editors_on_a_failing_store_leave_a_whole_history_and_double_nothing() {
    let (mut failed, mut conflicts) = (0, 0);
    for seed in 0..12 {
        let store = memory();
        let id = edits(Arc::clone(&store), 99).create(rule("a"), &by("ann")).await.unwrap().stored.doc.id;
        let faults =
            Faults { before: 150, after: 200, reads: 50, delay: Duration::from_millis(300), ..Faults::default() };
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&store), seed, faults));
        let (one, two) = (edits(faulty.clone(), 2 * seed), edits(faulty.clone(), 2 * seed + 1));
        let run = async |edits: &Edits, who: &str| {
            for n in 0..8 {
                add_tag(edits, &id, &format!("{who}{n}")).await;
            }
        };
        tokio::join!(run(&one, "x"), run(&two, "y"));
        failed += faulty.failed();

        let calm = edits(Arc::clone(&store), 98);
        let now = calm.get::<Rule>(&id).await.unwrap();
        assert_eq!(now.doc.tags.len(), 16, "seed {seed}: nothing is lost");
        let history = calm.history(ItemKind::AlarmRule, &id, 0, 100).await.unwrap();
        assert_eq!(history.len(), 17, "seed {seed}: nothing is doubled");
        let revisions: Vec<u64> = history.iter().map(|entry| entry.change.revision).collect();
        assert_eq!(revisions, (1..=17).rev().collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(now.revision, Revision(17));
        for entry in &history[..16] {
            let [only] = entry.differences.as_slice() else { panic!("seed {seed}: {:?}", entry.differences) };
            assert_eq!(only.path, format!("tags.{}", entry.change.actor), "each tells of its own change alone");
        }
        let changes =
            store.items(&ItemQuery { kind: ItemKind::AlarmChange, ids: Vec::new(), tombstones: true }).await.unwrap();
        conflicts += changes.len() - 17;
        let (audit, n) = calm.audit(&AuditFilter::default(), 0, 100).await.unwrap();
        assert_eq!((audit.len(), n), (17, 17), "seed {seed}: lost changes are told to nobody");
    }
    assert!(failed > 100 && conflicts > 10, "{failed} calls failed, {conflicts} changes were lost to the other editor");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_never_taken_twice() {
    for seed in 0..20 {
        let store = memory();
        let faults = Faults { delay: Duration::from_millis(300), ..Faults::default() };
        let slow = Arc::new(FaultyStore::new(Arc::clone(&store), seed, faults));
        let (one, two) = (edits(slow.clone(), 2 * seed), edits(slow, 2 * seed + 1));
        let (ann, bob) = (by("ann"), by("bob"));
        let (first, second) = tokio::join!(one.create(rule("a"), &ann), two.create(rule("a"), &bob));
        let living = edits(store, 99).all::<Rule>().await.unwrap().len();
        let made = [&first, &second].iter().filter(|made| made.is_ok()).count();
        assert!(made <= 1, "seed {seed}");
        assert_eq!(living, made, "seed {seed}: who was refused has left nothing behind");
    }
}
