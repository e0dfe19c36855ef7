//! Several servers that share nothing but OpenSearch: together they answer as one, whichever of them is asked, and whichever of
//! them is killed or started again.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::load::{self, Load};
use e2e::on_stores;
use e2e::recorded::{self, Scenario};
use e2e::server::{Server, Settings};
use e2e::store::Store;
use e2e::{wait_for, wait_until};
use serde_json::Value;
use tokio::time::Instant;

on_stores!(three_servers_answer_as_one_does: opensearch_3, opensearch_2);
on_stores!(servers_that_are_killed_and_restarted_count_nothing_twice_and_miss_nothing_stored: opensearch_3, opensearch_2);

/// How many servers share the store.
const N_SERVERS: usize = 3;
/// How long rows may take to become visible on every server after everything accepted is stored.
const SETTLED: Duration = Duration::from_secs(30);

async fn start(settings: &Settings, n: usize) -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..n {
        servers.push(Server::start(settings).await);
    }
    servers
}

async fn three_servers_answer_as_one_does(store: Store) {
    let servers = start(&store.settings(), N_SERVERS).await;
    let one = start(&Settings::memory(), 1).await;
    for name in ["traces", "signals"] {
        let scenario = Scenario::read(name);
        let base = recorded::base();
        for servers in [&one, &servers] {
            scenario.send_prime(servers, base).await;
            scenario.send_input(servers, base).await;
        }
        for server in one.iter().chain(&servers) {
            server.wait_stored("segment", 0).await;
        }
        let mut expected = scenario.ask(&one[0], base).await;
        let settled = wait_until(Instant::now() + SETTLED, async || {
            expected = scenario.ask(&one[0], base).await;
            let mut different = Vec::new();
            for (n, server) in servers.iter().enumerate() {
                let answers = scenario.ask(server, base).await;
                different
                    .extend(differences(&expected, &answers).into_iter().map(|name| format!("{name} of server {n}")));
            }
            if different.is_empty() { Ok(()) } else { Err(format!("{different:#?}")) }
        });
        if let Err(different) = settled.await {
            show(&expected, &scenario.ask(&servers[0], base).await);
            panic!("{name}: three servers answer otherwise than one: {different}");
        }
        assert!(
            scenario.different(&expected).len() * 2 < scenario.questions.len(),
            "{name}: one server answers as recorded"
        );
    }
    for server in one.into_iter().chain(servers) {
        server.stop().await;
    }
}

fn differences(expected: &BTreeMap<&str, Value>, answers: &BTreeMap<&str, Value>) -> Vec<String> {
    expected.iter().filter(|(name, answer)| answers[*name] != **answer).map(|(name, _)| (*name).to_owned()).collect()
}

#[expect(clippy::print_stdout, reason = "the test harness shows it with the failed test")]
fn show(expected: &BTreeMap<&str, Value>, answers: &BTreeMap<&str, Value>) {
    for name in differences(expected, answers) {
        println!("{name}\n  one:   {}\n  three: {}", expected[name.as_str()], answers[name.as_str()]);
    }
}

/// One life of a server under load: a service of its own tells it from all others.
struct Life {
    server: Server,
    load: Load,
    service: String,
}

impl Life {
    async fn begin(settings: &Settings, service: &str) -> Self {
        let server = Server::start(settings).await;
        let load = Load::start(&server, service, service, 1);
        Self { server, load, service: service.to_owned() }
    }

    /// Waits until its server has told that it stored something of it.
    async fn wait_counted(&self) {
        self.server.wait_counted("segment", 100).await;
    }

    /// Asks it to stop under its load.
    async fn stop(self) -> Left {
        self.server.stop().await;
        let most = self.load.n_sent() as u64;
        let acknowledged = self.load.stop().await.len();
        Left { service: self.service, least: acknowledged, most, is_exact: true }
    }

    /// Kills it under its load. What it had counted as stored must be there.
    async fn kill(self) -> Left {
        let stored = self.server.metrics().await.stored("segment");
        self.server.kill().await;
        let most = self.load.n_sent() as u64;
        self.load.stop().await;
        Left { service: self.service, least: usize::try_from(stored).unwrap(), most, is_exact: false }
    }
}

/// What a life left in the store.
struct Left {
    service: String,
    /// How many segments must be there at least.
    least: usize,
    /// How many were sent to it.
    most: u64,
    /// Whether totals count exactly the segments that are there: a crash may come between the two.
    is_exact: bool,
}

async fn servers_that_are_killed_and_restarted_count_nothing_twice_and_miss_nothing_stored(store: Store) {
    let settings = store.settings();
    let mut lives = Vec::new();
    let mut left = Vec::new();
    for n in 0..N_SERVERS {
        lives.push(Life::begin(&settings, &format!("first-{n}")).await);
    }
    for life in &lives {
        life.wait_counted().await;
    }
    all_are_live(&lives[0].server, N_SERVERS).await;

    left.push(lives.remove(0).kill().await);
    wait_for("the others to miss it", async || match live(&lives[0].server).await {
        n if n == N_SERVERS - 1 => Ok(()),
        n => Err(format!("{n} are live")),
    })
    .await;
    lives.push(Life::begin(&settings, "again").await);
    all_are_live(&lives[0].server, N_SERVERS).await;
    lives[N_SERVERS - 1].wait_counted().await;

    for n in 0..N_SERVERS {
        left.push(lives.remove(0).stop().await);
        let life = Life::begin(&settings, &format!("last-{n}")).await;
        life.wait_counted().await;
        lives.push(life);
    }
    let last = lives.remove(0);
    for life in lives {
        left.push(life.stop().await);
    }
    for left in &left {
        check(&last.server, left).await;
    }
    last.stop().await;
}

/// Whether each segment is there once, and counted once.
async fn check(server: &Server, left: &Left) {
    let Left { service, least, most, is_exact } = left;
    let mut n = 0;
    wait_for("totals and segments to agree", async || {
        n = load::visible(server, service, *least).await.len() as u64;
        match load::counted(server, service).await {
            counted if counted == n || (!is_exact && counted <= *most) => Ok(()),
            counted => Err(format!("{service}: {counted} are counted of {n}")),
        }
    })
    .await;
    assert!(n > 0, "{service} reported something");
}

async fn all_are_live(server: &Server, expected: usize) {
    wait_for("all servers to be known and live", async || match live(server).await {
        n if n == expected => Ok(()),
        n => Err(format!("{n} of {expected}")),
    })
    .await;
}

/// How many servers are live as this one sees it.
async fn live(server: &Server) -> usize {
    let answer = reqwest::get(format!("http://{}/status/cluster/nodes", server.http)).await.unwrap();
    let nodes: Value = answer.json().await.unwrap();
    nodes["nodes"].as_array().unwrap().iter().filter(|node| node["live"] == true).count()
}
