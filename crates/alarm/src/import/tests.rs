//! The settings file, and what operators do to what came from it.

use std::sync::Arc;

use expect_test::{Expect, expect};
use model::kinds::ItemKind;
use serde_json::json;
use storage::SharedStore;

use super::*;
use crate::edit::tests::{by, edits, memory};

const FILE: &str = "rules:\n  a_rule: {expression: avg(service_cpm) > 1, period: 5, hooks: [webhook.ops]}\n  b_rule: {expression: \
                    avg(service_cpm) > 2, period: 5}\n  bad_rule: {expression: avg(no_such) > 2, period: 5}\nhooks:\n  webhook:\n    ops: \
                    {is-default: true, urls: ['http://a'], headers: {Authorization: hush}}\n";

/// What became of each part and document, and then the rules that there are.
async fn check(edits: &Edits, imported: &Imported, expected: Expect) {
    let mut shown = imported.report.to_string();
    for Step { name, step, failed, checked, .. } in &imported.steps {
        let problems: Vec<_> = checked.problems.iter().map(ToString::to_string).collect();
        shown.push_str(&format!("{step:?} {name}{failed}{}\n", problems.join("; ")));
    }
    for Stored { doc, .. } in edits.all::<Rule>().await.unwrap() {
        shown.push_str(&format!("{} {:?} {} [{}]\n", doc.name, doc.provenance, doc.expression, doc.hooks.join(",")));
    }
    expected.assert_eq(&shown);
}

async fn file(edits: &Edits, text: &str) -> Imported {
    edits.import_file(text, "node").await.unwrap().expect("it is another file")
}

#[tokio::test]
async fn the_file_is_imported_once_and_followed_where_nobody_touched_it() {
    let store = memory();
    let edits = edits(Arc::clone(&store), 1);
    let first = file(&edits, FILE).await;
    check(
        &edits,
        &first,
        expect![[r#"
            7:5 receiver webhook.ops: ok
            2:3 rule a_rule: ok
            3:3 rule b_rule: ok
            4:30 rule bad_rule: rejected: there is no metric no_such
            Create webhook.ops
            Create a_rule
            Create b_rule
            b_rule File avg(service_cpm) > 2 []
            a_rule File avg(service_cpm) > 1 [webhook.ops]
        "#]],
    )
    .await;
    assert!(edits.import_file(FILE, "other").await.unwrap().is_none(), "it is the same");
    let state = edits.file_state().await.unwrap().unwrap().doc;
    assert_eq!((state.hash, state.node.as_str()), (hash(FILE), "node"));
    let text = FILE.replace("> 1", "> 10").replace("  b_rule", "  c_rule");
    let second = file(&edits, &text).await;
    check(
        &edits,
        &second,
        expect![[r#"
            7:5 receiver webhook.ops: ok
            2:3 rule a_rule: ok
            3:3 rule c_rule: ok
            4:30 rule bad_rule: rejected: there is no metric no_such
            Update webhook.ops
            Update a_rule
            Create c_rule
            Delete b_rule
            c_rule File avg(service_cpm) > 2 []
            a_rule File avg(service_cpm) > 10 [webhook.ops]
        "#]],
    )
    .await;
    let history = edits.history(ItemKind::AlarmRule, &settings::rule_id("a_rule"), 0, 9).await.unwrap();
    let told: Vec<_> = history.iter().map(|entry| (entry.change.op, entry.change.source.as_str())).collect();
    assert_eq!(told, [(Op::Import, "file"), (Op::Import, "file")]);
    no_secret(&store).await;
}

async fn no_secret(store: &SharedStore) {
    for kind in ItemKind::ALL {
        let query = storage::ItemQuery { kind, ids: Vec::new(), tombstones: true };
        for item in store.items(&query).await.unwrap() {
            assert!(!item.body.contains("hush"), "{}", item.body);
        }
    }
}

#[tokio::test]
async fn what_operators_changed_holds_and_what_they_deleted_stays_deleted() {
    let edits = edits(memory(), 1);
    file(&edits, FILE).await;
    let (a, b) = (settings::rule_id("a_rule"), settings::rule_id("b_rule"));
    let edited = edits.patch::<Rule>(&a, &json!({"period": 9}), None, &by("ann")).await.unwrap().stored.doc;
    assert_eq!(edited.provenance, Provenance::Api);
    edits.delete::<Rule>(&b, None, &by("ann")).await.unwrap();
    edits.patch::<Receiver>("webhook.ops", &json!({"isDefault": false}), None, &by("ann")).await.unwrap();
    let text = FILE.replace("> 1", "> 10");
    let second = file(&edits, &text).await;
    check(
        &edits,
        &second,
        expect![[r#"
            7:5 receiver webhook.ops: warning: an operator changed it, and that holds; the file's version can be taken back
            2:3 rule a_rule: warning: an operator changed it, and that holds; the file's version can be taken back
            3:3 rule b_rule: warning: it was deleted by an operator and stays deleted
            4:30 rule bad_rule: rejected: there is no metric no_such
            a_rule Api avg(service_cpm) > 1 [webhook.ops]
        "#]],
    )
    .await;
    let third = file(&edits, &format!("{text}# again\n")).await;
    assert_eq!(third.report, second.report, "it stays so");
    assert!(third.steps.is_empty());

    let back = edits.revert_to_file(&a, None, &by("ann")).await.unwrap().stored.doc;
    assert_eq!(
        (back.provenance, back.period, back.expression.as_str()),
        (Provenance::File, 5, "avg(service_cpm) > 10")
    );
    let late = edits.revert_to_file(&a, Some(Revision(1)), &by("ann")).await.unwrap_err();
    assert!(matches!(late, EditError::Conflict(Some(_))));
    edits.revert_to_file(&b, None, &by("ann")).await.unwrap();
    assert!(matches!(edits.revert_to_file("no", None, &by("ann")).await, Err(EditError::NotFound(_))));
    let all = edits.all::<Rule>().await.unwrap();
    assert!(all.iter().all(|stored| stored.doc.provenance == Provenance::File) && all.len() == 2);
    let gone = file(&edits, "rules:\n").await;
    check(
        &edits,
        &gone,
        expect![[r#"
        Delete b_rule
        Delete a_rule
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_is_none_changes_nothing_and_a_rule_that_became_bad_goes_on() {
    let edits = edits(memory(), 1);
    file(&edits, FILE).await;
    let broken = file(&edits, "rules: [").await;
    assert!(broken.steps.is_empty() && broken.report.verdict() == settings::report::Verdict::Rejected);
    assert_eq!(edits.all::<Rule>().await.unwrap().len(), 2);
    let bad = file(&edits, &FILE.replace("avg(service_cpm) > 2", "avg(service_cpm) >")).await;
    assert!(bad.steps.iter().all(|step| step.name == "webhook.ops"), "{:?}", bad.steps);
    assert_eq!(edits.all::<Rule>().await.unwrap().len(), 2, "its last good version goes on");
}

#[tokio::test]
async fn a_receiver_goes_with_the_file_unless_somebody_is_told_by_it() {
    let edits = edits(memory(), 1);
    file(&edits, FILE).await;
    let a = settings::rule_id("a_rule");
    edits.patch::<Rule>(&a, &json!({"period": 9}), None, &by("ann")).await.unwrap();
    let gone = file(&edits, "rules:\n").await;
    check(
        &edits,
        &gone,
        expect![[r#"
            0:0 receiver webhook.ops: warning: it is not in the file any more and stays: webhook.ops is named by rule a_rule
            Delete b_rule
            a_rule Api avg(service_cpm) > 1 [webhook.ops]
        "#]],
    )
    .await;
    edits.patch::<Rule>(&a, &json!({"hooks": []}), None, &by("ann")).await.unwrap();
    let gone = file(&edits, "rules: {}\n").await;
    check(
        &edits,
        &gone,
        expect![[r#"
            Delete webhook.ops
            a_rule Api avg(service_cpm) > 1 []
        "#]],
    )
    .await;
}

#[tokio::test]
async fn operators_hand_in_files() {
    let edits = edits(memory(), 1);
    file(&edits, FILE).await;
    let text = "rules:\n  a_rule: {expression: avg(service_cpm) > 3, period: 5}\n  new_rule: {metrics-name: service_cpm, op: '>', \
                threshold: 4, period: 5}\n  lost_rule: {expression: avg(}\n";
    let planned = edits.import(text, Mode::Replace, true, &by("ann")).await.unwrap();
    check(
        &edits,
        &planned,
        expect![[r#"
            2:3 rule a_rule: ok
            3:3 rule new_rule: warning: it is of the form before 9.6, and read as sum(service_cpm > 4) >= 1
            4:31 rule lost_rule: rejected: expected a metric, a number or a function, found the end
            Update a_rule
            Create new_rule
            Delete b_rule
            b_rule File avg(service_cpm) > 2 []
            a_rule File avg(service_cpm) > 1 [webhook.ops]
        "#]],
    )
    .await;
    let merged = edits.import(text, Mode::Merge, false, &by("ann")).await.unwrap();
    check(
        &edits,
        &merged,
        expect![[r#"
            2:3 rule a_rule: ok
            3:3 rule new_rule: warning: it is of the form before 9.6, and read as sum(service_cpm > 4) >= 1
            4:31 rule lost_rule: rejected: expected a metric, a number or a function, found the end
            Update a_rule
            Create new_rule
            b_rule File avg(service_cpm) > 2 []
            new_rule Import sum(service_cpm > 4) >= 1 []
            a_rule Import avg(service_cpm) > 3 []
        "#]],
    )
    .await;
    let replaced = edits.import(text, Mode::Replace, false, &by("ann")).await.unwrap();
    check(
        &edits,
        &replaced,
        expect![[r#"
            2:3 rule a_rule: ok
            3:3 rule new_rule: warning: it is of the form before 9.6, and read as sum(service_cpm > 4) >= 1
            4:31 rule lost_rule: rejected: expected a metric, a number or a function, found the end
            Unchanged a_rule
            Unchanged new_rule
            Delete b_rule
            new_rule Import sum(service_cpm > 4) >= 1 []
            a_rule Import avg(service_cpm) > 3 []
        "#]],
    )
    .await;
}
