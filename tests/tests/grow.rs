//! From the embedded store to OpenSearch: `skylark storage copy` takes all history along.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeMap;

use e2e::recorded::{self, Scenario};
use e2e::server::{self, Server, Settings};
use e2e::store::Store;
use e2e::{on_stores, wait_for};
use model::UnixMillis;
use serde_json::Value;

async fn history_is_taken_along(store: Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let scenario = Scenario::read("traces");
    let base = recorded::base();
    let small = [Server::start(&Settings::embedded(folder.path())).await];
    scenario.send_prime(&small, base).await;
    scenario.send_input(&small, base).await;
    let [small] = small;
    let before = settled(&scenario, &small, base).await;
    small.stop().await;

    let settings = store.settings().with("storage.path", path);
    let check = server::run(&settings, &["storage", "check"]).await;
    assert!(check.status.success() && check.stdout.contains("OpenSearch"), "{check:?}");
    let copy = ["storage", "copy", "--from", "embedded", "--to", "opensearch"];
    let copied = server::run(&settings, &copy).await;
    assert!(copied.status.success(), "{copied:?}");
    // Again, while a node runs on it: everything is there, and nothing is written twice.
    let grown = Server::start(&settings).await;
    let again = server::run(&settings, &copy).await;
    assert!(again.status.success() && !again.stdout.contains(" 0 parts had not changed"), "{again:?}");
    let after = scenario.ask(&grown, base).await;
    for (question, answer) in &before {
        assert_eq!(&after[question], answer, "{question}");
    }
    grown.stop().await;

    let same = server::run(&settings, &["storage", "copy", "--from", "embedded", "--to", "embedded"]).await;
    assert!(!same.status.success() && same.stderr.contains("the same store"), "{same:?}");
}

on_stores!(history_is_taken_along: opensearch_3, opensearch_2);

/// The answers when they have become as recorded wherever they will: asked until two rounds say the same of data that are all stored.
async fn settled<'a>(scenario: &'a Scenario, server: &Server, base: UnixMillis) -> BTreeMap<&'a str, Value> {
    server.wait_stored("segment", 0).await;
    let mut last = scenario.ask(server, base).await;
    wait_for("the answers to settle", async || {
        let answers = scenario.ask(server, base).await;
        let (same, n) = (answers == last, scenario.different(&answers).len());
        last = answers;
        if same && n * 4 < scenario.questions.len() { Ok(()) } else { Err(format!("{n} differ from the recording")) }
    })
    .await;
    last
}
