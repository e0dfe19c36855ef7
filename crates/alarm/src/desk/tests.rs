//! The desk over a store in memory, and over one that fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use expect_test::expect;
use model::item::Revision;
use model::layer::Layers;
use model::metric::Function;
use model::{Agg, Bucket, Cells, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone, cell, id};
use storage::memory::Memory;
use storage::nodes::{Node, Registry};
use storage::testing::{Faults, FaultyStore};
use storage::{Backend, Batch, SharedStore, Swapped};

use super::*;
use crate::change::Op;
use crate::edit::{AuditFilter, By};
use crate::incident::{Incident, State, What};
use crate::notify::samples;
use crate::pass::onto;
use crate::route::{MatchOp, Matcher};
use crate::rule::{Profile, Rule};
use crate::state::{Live, Of, Params, Seen, step};
use crate::testing;

async fn desk(store: SharedStore) -> Arc<Desk> {
    let ticks = AtomicI64::new(samples::NOON.0);
    let clock = Clock::from_fn(move || UnixMillis(ticks.fetch_add(1, Ordering::Relaxed)));
    let node = Node {
        host: "h".into(),
        grpc_port: 1,
        http_port: 2,
        version: "v".into(),
        flushed_before: 0,
        settings_hash: String::new(),
    };
    let (_, nodes) = Registry::new(Arc::clone(&store), clock.clone(), 1, node, Box::new(|| 0));
    let metrics = [
        ("service_cpm", Scope::Service, Function::Cpm),
        ("service_sla", Scope::Service, Function::Percent),
        ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
    ];
    let parts = crate::start::Parts {
        store,
        backend: Backend::Memory,
        clock,
        zone: Zone::utc(),
        layers: Layers::default(),
        catalogue: Arc::new(testing::catalogue(&metrics)),
        nodes,
        node: "1".into(),
        host: "h".to_owned(),
        key: None,
        config: crate::Config::default(),
        shipped: "",
    };
    crate::start::start(parts, || std::future::ready(())).await.desk
}

fn by(actor: &str) -> By {
    By { actor: actor.to_owned(), source: "rest".to_owned(), reason: String::new() }
}

fn shop() -> Incident {
    let entity = crate::Entity::of(Scope::Service, id::service("shop", true)).unwrap();
    Incident { profile: Profile::Native, ..samples::incident(entity, false) }
}

async fn put(store: &SharedStore, incident: &Incident) -> Revision {
    let swapped = store.swap_many(&[(crate::doc::write(incident), Revision(0))]).await.unwrap();
    match swapped[..] {
        [Swapped::Done(revision)] => revision,
        _ => panic!("{swapped:?}"),
    }
}

#[tokio::test]
async fn what_an_operator_closed_stays_closed_and_may_open_anew() {
    let store: SharedStore = Arc::new(Memory::new());
    let (desk, before) = (desk(Arc::clone(&store)).await, shop());
    put(&store, &before).await;
    let closed = desk.act(&before.id, &Act::Close, &by("ann")).await.unwrap().incident;
    let last = closed.transitions.last().unwrap();
    assert_eq!((last.what, last.seq, last.dispatched), (What::Recovered, 2, false));
    assert_eq!((closed.state, closed.is_over()), (State::Recovered, true));

    // What the engine decided of it meanwhile changes nothing.
    assert_eq!(onto(&Incident { state: State::SilencedFiring, ..before }, &closed), None);

    // The minute of the closing is not evaluated again; in the next one a condition that is true fires.
    let params = Params::of(&Rule { period: 1, ..Rule::default() });
    let mut live = Live::of(&closed);
    assert_eq!(step(&mut live, closed.entered, Of::Closed, Seen::Match, &params), None);
    assert_eq!(step(&mut live, Bucket(closed.entered.0 + 1), Of::Closed, Seen::Match, &params), Some(What::Fired));
}

#[tokio::test(start_paused = true)]
async fn two_people_and_the_engine_lose_nothing_on_a_failing_store() {
    let memory: SharedStore = Arc::new(Memory::new());
    let delay = Duration::from_millis(300);
    let faults = Faults { before: 150, after: 200, reads: 50, delay, ..Faults::default() };
    let faulty = Arc::new(FaultyStore::new(Arc::clone(&memory), 7, faults));
    let incident = shop();
    put(&memory, &incident).await;
    let (ann, bob) = (desk(faulty.clone()).await, desk(faulty.clone()).await);
    let comments = async |desk: &Desk, actor: &str| {
        let mut said = BTreeSet::new();
        for n in 0..20 {
            let text = format!("{actor} {n}");
            if desk.act(&incident.id, &Act::Comment { text: text.clone() }, &by(actor)).await.is_ok() {
                said.insert(text);
            }
        }
        said
    };
    let (mut said, more) = tokio::join!(comments(&ann, "ann"), comments(&bob, "bob"));
    said.extend(more);
    let calm = desk(Arc::clone(&memory)).await;
    let stored = calm.incident(&incident.id).await.unwrap().incident;
    let texts: Vec<&str> = stored.comments.iter().map(|comment| comment.text.as_str()).collect();
    let once: BTreeSet<&str> = texts.iter().copied().collect();
    assert_eq!(once.len(), texts.len(), "nothing is said twice");
    assert!(faulty.failed() > 10, "it failed often");
    assert!(said.iter().all(|text| once.contains(text.as_str())), "what was said is there");

    // The audit tells just what is there, whatever was begun.
    let (audit, n) = calm.edits.audit(&AuditFilter::default(), 0, 100).await.unwrap();
    assert_eq!((n, audit.len()), (texts.len(), texts.len()));
    assert!(audit.iter().all(|entry| entry.change.op == Op::Comment && entry.change.target == incident.id));
}

#[tokio::test]
async fn what_was_begun_and_not_done_is_not_in_the_audit() {
    let store: SharedStore = Arc::new(Memory::new());
    let (desk, incident) = (desk(Arc::clone(&store)).await, shop());
    put(&store, &incident).await;
    // Somebody was faster: the change is written and nobody names it.
    let late = desk.edits.write_act(incident.clone(), Revision(7), Op::Close, &by("eve")).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(desk.edits.audit(&AuditFilter::default(), 0, 10).await.unwrap().1, 0);
    desk.act(&incident.id, &Act::Assign { assignee: "bob".into() }, &by("ann")).await.unwrap();
    // What is so already is not done again.
    let again = desk.act(&incident.id, &Act::Assign { assignee: "bob".into() }, &by("ann")).await.unwrap();
    assert_eq!(again.revision, 2);
    let (audit, n) = desk.edits.audit(&AuditFilter::default(), 0, 10).await.unwrap();
    assert_eq!((n, audit[0].change.actor.as_str()), (1, "ann"));
}

fn matcher(label: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher { label: label.to_owned(), op, value: value.to_owned() }
}

#[tokio::test]
async fn a_preview_counts_what_a_silence_would_hit() {
    let store: SharedStore = Arc::new(Memory::new());
    let life = |name: &str, layer: i32| Row {
        key: RowKey {
            scope: Scope::Service,
            step: Step::Life,
            bucket: Bucket(0),
            entity: id::service(name, true).into(),
        },
        partial: Partial { writer: 1, life: 1 },
        seq: 1,
        cells: Cells::from_iter([(cell::LAYERS, Agg::id(layer))]),
    };
    let rows = vec![life("shop", 2), life("shop::cart", 2), life("db", 14)];
    store.write(&Batch { rows, records: Vec::new() }).await.unwrap();
    put(&store, &shop()).await;
    let desk = desk(store).await;
    for (name, team) in [("slow", "a"), ("busy", "b")] {
        let rule = Rule {
            name: name.into(),
            expression: "avg(service_cpm) > 1".into(),
            period: 2,
            tags: [("team".to_owned(), team.to_owned())].into(),
            ..Rule::default()
        };
        desk.edits.create(rule, &by("ann")).await.unwrap();
    }
    let counts = async |matchers: &[Matcher]| {
        let preview = desk.preview_silence(matchers).await.unwrap();
        (preview.n_alarms, preview.n_rules, preview.n_entities)
    };
    use MatchOp::{Equal, Matches};
    assert_eq!(counts(&[matcher("service", Matches, "shop.*")]).await, (1, 2, 2));
    assert_eq!(counts(&[matcher("layer", Equal, "VIRTUAL_DATABASE")]).await, (0, 2, 1));
    assert_eq!(counts(&[matcher("group", Equal, "shop")]).await, (0, 2, 1));
    assert_eq!(counts(&[matcher("rule", Equal, "slow")]).await, (0, 1, 0), "one rule of two");
    assert_eq!(counts(&[matcher("rule", Matches, ".*")]).await, (1, 2, 3), "all that there is");
    assert_eq!(counts(&[matcher("team", Equal, "c"), matcher("service", Matches, ".*")]).await, (0, 0, 0));
    let bad = desk.preview_silence(&[matcher("rule", Matches, "(")]).await.unwrap_err();
    assert_eq!(bad.kind(), Kind::Invalid);
}

#[test]
fn rules_are_written_for_prometheus_as_far_as_they_can_be() {
    let catalogue = testing::catalogue(&[
        ("service_cpm", Scope::Service, Function::Cpm),
        ("service_sla", Scope::Service, Function::Percent),
        ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
    ]);
    let rule = |name: &str, expression: &str| Rule {
        name: name.to_owned(),
        expression: expression.to_owned(),
        period: 5,
        message: "look at {name}".to_owned(),
        ..Rule::default()
    };
    let mut first = rule("a", "avg(service_sla) / 100 < $least && sum(service_cpm > 10) >= 3");
    first.variables.insert("least".to_owned(), 95.0);
    first.for_minutes = 2;
    first.selector.include_names = vec!["shop".to_owned(), "a.b".to_owned()];
    first.tags.insert("team".to_owned(), "x".to_owned());
    let rules = [
        first,
        rule("b", "max(service_percentile{p='95,99'}) > 1000 || min(service_cpm) == 0"),
        rule("c", "avg(abs(service_cpm)) > 1"),
        rule("d", "not(avg(service_cpm) > 1)"),
        rule("e", "avg(nothing) > 1"),
    ];
    let (text, remarks) = prometheus::write(&rules, &catalogue);
    let remarks: String = remarks.iter().map(|remark| format!("{}: {}\n", remark.name, remark.message)).collect();
    expect![[r#"
        groups:
        - name: skylark
          interval: 1m
          rules:
          - alert: "a"
            expr: "((avg_over_time(service_sla{service=~\"shop|a\\\\.b\"}[5m]) / 100) < 95) and (sum_over_time((service_cpm{service=~\"shop|a\\\\.b\"} > bool 10)[5m:1m]) >= 3)"
            for: 2m
            labels:
              severity: "warning"
              team: "x"
            annotations:
              summary: "look at {{ $labels.service }}"
          - alert: "b"
            expr: "(max_over_time(service_percentile{p=~\"95|99\"}[5m]) > 1000) or (min_over_time(service_cpm{}[5m]) == 0)"
            labels:
              severity: "warning"
            annotations:
              summary: "look at {{ $labels.service }}"

        c: it is left out: there is no PromQL for abs(service_cpm)
        d: it is left out: there is no PromQL for not(avg(service_cpm)>1)
        e: it is left out: line 1:4 there is no metric nothing
    "#]].assert_eq(&format!("{text}\n{remarks}"));
    assert_eq!(prometheus::write(&[], &catalogue).0, "groups: []\n");
}
