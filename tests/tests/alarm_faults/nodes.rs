//! Three servers on one store: the one that evaluates is killed, the next one is frozen and woken.

use std::time::Duration;

use e2e::hook::Hook;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{on_stores, wait_for};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::fleet::Fleet;
use crate::{all_is_told, make, set_up, told};

const N_SERVICES: usize = 300;
/// How long a server stands still: longer than a lease is left to it.
const FROZEN: Duration = Duration::from_secs(30);

async fn holds(server: &Server) -> bool {
    server.metrics().await.count("skylark_alarm_holder", &[]) == 1
}

/// Waits until one of these servers says that it evaluates; which.
async fn wait_holder(servers: &[Server]) -> usize {
    wait_for("a server to hold the lease", async || {
        let mut holders = Vec::new();
        for (n, server) in servers.iter().enumerate() {
            if holds(server).await {
                holders.push(n);
            }
        }
        if let [holder] = holders[..] { Ok(holder) } else { Err(format!("{holders:?} hold it")) }
    })
    .await
}

/// Waits until more was told than before.
async fn wait_told_more(hook: &Hook) {
    let before = told(hook).len();
    wait_for("something new to be told", async || match told(hook).len() {
        n if n > before => Ok(()),
        n => Err(format!("{n} transitions")),
    })
    .await;
}

/// The names of the rules that a server lists.
async fn rules(server: &Server) -> Vec<String> {
    let listed = make(server, Method::GET, "/rules", &Value::Null).await;
    let names = listed["items"].as_array().unwrap().iter();
    let mut names: Vec<_> = names.map(|rule| rule["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

async fn a_holder_that_dies_and_one_that_freezes_lose_nothing_and_tell_nothing_anew(store: Store) {
    let hook = Hook::start().await;
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("alarm-settings.yml"), "rules: {}\n").unwrap();
    let settings = store.settings().with_files(files.path());
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::start(&settings).await);
    }
    let holder = wait_holder(&servers).await;
    let other = (holder + 1) % 3;
    set_up(&servers[other], &hook).await;
    for server in &servers {
        wait_for("rules that were made on one server to be known to all", async || {
            let names = rules(server).await;
            if names == ["ours", "theirs"] { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
    }
    let fleet = Fleet::start(servers[other].grpc(), N_SERVICES, 4);
    wait_told_more(&hook).await;

    servers.remove(holder).kill().await;
    let second = wait_holder(&servers).await;
    let frozen = servers.remove(second);
    let last = &servers[0];
    fleet.turn_to(last.grpc());
    wait_told_more(&hook).await;
    let wakes = Instant::now() + FROZEN;
    frozen.signal("STOP").await;
    // It is not asked while it stands still.
    wait_holder(&servers).await;
    wait_told_more(&hook).await;
    sleep_until(wakes).await;
    frozen.signal("CONT").await;
    wait_for("the server that woke to know that it holds nothing", async || match frozen.try_metrics().await {
        Some(metrics) if metrics.count("skylark_alarm_holder", &[]) == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(holds(last).await, "the lease stays where it is");
    all_is_told(last, &hook, N_SERVICES * 9 / 5).await;
    for server in servers.into_iter().chain([frozen]) {
        server.stop().await;
    }
}
on_stores!(a_holder_that_dies_and_one_that_freezes_lose_nothing_and_tell_nothing_anew: opensearch_3);
