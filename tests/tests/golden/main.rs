//! Two recordings of a real SkyWalking server, replayed against ours: the same input, the same questions, the same answers.
//!
//! What differs must be listed, and what is listed must differ: `tests/golden/waiting.txt` has what is not built yet, by
//! question and reason; [`CHOSEN`] has what we answer in another way on purpose, as `docs/compatibility.md` explains.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use e2e::recorded::{self, Scenario};
use e2e::server::Server;
use e2e::store::Store;
use e2e::{file, on_stores, wait_until};
use serde_json::Value;
use tokio::time::Instant;

/// Questions that we answer in another way by choice, with the reason in short; `docs/compatibility.md` names each of them.
const CHOSEN: &[(&str, &str)] = &[
    ("event/service", "events keep the parameters they were reported with"),
    ("event/uuid", "events keep the parameters they were reported with"),
];

/// How long rows may take to become visible after everything accepted is stored: a flush, several times over.
const SETTLED: Duration = Duration::from_secs(20);

async fn traces_are_answered_as_recorded(store: Store) {
    replay("traces", &store).await;
}

async fn signals_are_answered_as_recorded(store: Store) {
    replay("signals", &store).await;
}

on_stores!(traces_are_answered_as_recorded: memory, embedded, opensearch_3, opensearch_2);
on_stores!(signals_are_answered_as_recorded: memory, embedded, opensearch_3, opensearch_2);

async fn replay(name: &str, store: &Store) {
    let scenario = Scenario::read(name);
    let waiting = waiting(name);
    let chosen: BTreeMap<&str, &str> = CHOSEN.iter().copied().collect();
    let unlisted = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.into_iter().filter(|name| !waiting.contains_key(name) && !chosen.contains_key(name.as_str())).collect()
    };

    let servers = [Server::start(&store.settings()).await];
    let base = recorded::base();
    scenario.send_prime(&servers, base).await;
    scenario.send_input(&servers, base).await;
    let [server] = servers;
    server.wait_stored("segment", 0).await;
    // Rows become visible a flush later: ask until all is as recorded, or until it has had time enough to be.
    let settled = wait_until(Instant::now() + SETTLED, async || {
        let different = unlisted(scenario.different(&scenario.ask(&server, base).await));
        if different.is_empty() { Ok(()) } else { Err(format!("{different:?}")) }
    });
    let outcome = settled.await;
    // Once more: what was right must stay so.
    let answers = scenario.ask(&server, base).await;
    let different = scenario.different(&answers);
    report(name, &scenario, &answers, &different, &waiting);
    assert!(outcome.is_ok() && unlisted(different.clone()).is_empty(), "{name}: answers differ and are not listed");

    let listed = waiting.keys().map(String::as_str).chain(chosen.keys().copied());
    let ours = |listed: &&str| scenario.questions.iter().any(|question| question.name == **listed);
    let equal: Vec<&str> = listed.filter(ours).filter(|listed| !different.contains(*listed)).collect();
    assert!(equal.is_empty(), "{name}: listed as different, and equal: take them from their list: {equal:#?}");
    server.stop().await;
}

/// What is not built yet, by question. A line in brackets, `[scenario: reason]`, begins each part of the list.
fn waiting(scenario: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file("golden/waiting.txt")).unwrap();
    let mut part = None;
    let mut waiting = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.split_once(": ")) {
            Some(heading) => part = Some(heading),
            None => {
                let (of, reason) = part.expect("a heading stands above every list");
                if of == scenario {
                    waiting.insert(line.to_owned(), reason.to_owned());
                }
            }
        }
    }
    waiting
}

#[expect(clippy::print_stdout, reason = "the test harness shows it with the failed test")]
fn report(
    name: &str,
    scenario: &Scenario,
    answers: &BTreeMap<&str, Value>,
    different: &BTreeSet<String>,
    waiting: &BTreeMap<String, String>,
) {
    let n = scenario.questions.len();
    println!("{name}: {n} questions, {} as recorded, {} waiting", n - different.len(), waiting.len());
    for question in scenario.questions.iter().filter(|question| different.contains(&question.name)) {
        if waiting.contains_key(&question.name) {
            continue;
        }
        println!("{}\n  recorded: {}\n  ours:     {}", question.name, question.answer, answers[question.name.as_str()]);
    }
}

#[test]
fn every_listed_question_exists_and_every_choice_is_explained() {
    let explained = fs::read_to_string(file("../docs/compatibility.md")).unwrap();
    for (name, reason) in CHOSEN {
        assert!(explained.contains(name), "docs/compatibility.md does not name {name} ({reason})");
    }
    for name in ["traces", "signals"] {
        let scenario = Scenario::read(name);
        for listed in waiting(name).keys() {
            assert!(scenario.questions.iter().any(|question| question.name == *listed), "{name} has no {listed}");
        }
    }
}
