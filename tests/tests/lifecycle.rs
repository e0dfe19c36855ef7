//! The life of the process: its command line, its greeting, stopping, crashing, and who may open a data folder.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use e2e::load::{self, Load};
use e2e::metrics::Metrics;
use e2e::server::{Server, Settings, run};
use e2e::{now, wait_for};
use model::UnixMillis;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The service that reports in these tests.
const SERVICE: &str = "crashed";

#[tokio::test]
async fn the_command_line_explains_itself() {
    let settings = Settings::memory();
    let help = run(&settings, &["--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    for told in ["--config", "check-config", "print-config", "--version"] {
        assert!(help.stdout.contains(told), "{told} is not in the help:\n{}", help.stdout);
    }
    let version = run(&settings, &["--version"]).await;
    assert_eq!(version.status.code(), Some(0));
    assert!(version.stdout.starts_with("skylark ") && version.stdout.contains(char::is_numeric), "{version:?}");
    let unknown = run(&settings, &["--no-such-flag"]).await;
    assert!(!unknown.status.success() && unknown.stderr.contains("--no-such-flag"), "{unknown:?}");
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_reported_at_once() {
    let wrong = Settings::memory()
        .with("server.zone", "Mars/Olympus")
        .with("receiver.queue_length", "0")
        .with("storage.records_days", "1");
    for arguments in [&["check-config"][..], &[][..]] {
        let ended = run(&wrong, arguments).await;
        assert_eq!(ended.status.code(), Some(64), "{ended:?}");
        for problem in ["server.zone", "queue_length", "records_days"] {
            assert!(ended.stderr.contains(problem), "{problem} is not in:\n{}", ended.stderr);
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skylark.yml");
    fs::write(&file, "server:\n  zzone: UTC\n").unwrap();
    let ended = run(&Settings::memory(), &["--config", file.to_str().unwrap(), "check-config"]).await;
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("zzone"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_printed_configuration_is_one_and_hides_secrets() {
    let settings = Settings::memory().with("receiver.token", "s3cret");
    let printed = run(&settings, &["print-config"]).await;
    assert_eq!(printed.status.code(), Some(0), "{printed:?}");
    assert!(printed.stdout.contains("***") && !printed.stdout.contains("s3cret"), "{}", printed.stdout);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("printed.yml");
    fs::write(&file, &printed.stdout).unwrap();
    let checked = run(&Settings::memory(), &["--config", file.to_str().unwrap(), "check-config"]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}\n{}", printed.stdout);
}

#[tokio::test]
async fn the_greeting_tells_each_address_and_an_interrupt_ends_the_server_well() {
    let mut server = Server::start(&Settings::memory()).await;
    let told = server.output.lines().join("\n");
    let agents = format!("SW_AGENT_COLLECTOR_BACKEND_SERVICES=localhost:{}", server.grpc.rsplit(':').next().unwrap());
    let graphql = format!("http://{}/graphql", server.http);
    for expected in [&server.grpc, &graphql, &server.telemetry, &agents, "memory", "open descriptors allowed"] {
        assert!(told.contains(expected), "{expected} is not in:\n{told}");
    }
    for path in ["", "healthcheck", "status/config/ttl", "status/cluster/nodes"] {
        let answer = reqwest::get(format!("http://{}/{path}", server.http)).await.unwrap();
        assert_eq!(answer.status(), 200, "/{path}");
    }
    server.signal("INT").await;
    assert_eq!(server.ended().await.code(), Some(0));
    server.assert_no_errors();
}

#[tokio::test]
async fn after_a_crash_what_was_stored_is_there_and_numbers_go_on_without_doubling() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::embedded(folder.path());
    let minute = whole_minute();
    let mut n = 0;
    for (round, n_more) in [40, 25, 10].into_iter().enumerate() {
        let server = Server::start(&settings).await;
        // What is there at the first look was there before the crash: a row is answered for once it is on disk.
        assert_eq!(count(&server).await, n, "after crash {round}");
        assert_eq!(load::stored(&server, SERVICE).await.len() as u64, n, "after crash {round}");
        load::send(&server.grpc(), SERVICE, &format!("r{round}"), n_more, minute).await;
        n += n_more as u64;
        server.wait_stored("segment", n_more as u64).await;
        wait_for("the metric to count every segment", async || match count(&server).await {
            seen if seen == n => Ok(()),
            seen => Err(format!("{seen} of {n}")),
        })
        .await;
        server.assert_no_errors();
        server.kill().await;
    }
    let server = Server::start(&settings).await;
    assert_eq!(count(&server).await, n);
    let services = server.data("{listServices(layer:\"GENERAL\"){name}}", Value::Null).await;
    assert_eq!(services["listServices"], json!([{ "name": SERVICE }]));
    server.stop().await;
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_that_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::embedded(folder.path());
    let mut server = Server::start(&settings.clone().with("server.log_format", "json")).await;
    let load = Load::start(&server, SERVICE, "load", 4);
    wait_for("load", async || match load.n_acknowledged() {
        500.. => Ok(()),
        n => Err(format!("{n} segments are acknowledged")),
    })
    .await;
    server.signal("TERM").await;
    let last = last_metrics(&server).await;
    assert_eq!(server.ended().await.code(), Some(0), "the server drained");
    server.assert_no_errors();
    let acknowledged = load.stop().await;
    let told = server.output.find(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["segments"].as_u64().filter(|_| line["message"].as_str().is_some_and(|text| text.contains("stored")))
    });

    let server = Server::start(&settings).await;
    let stored = load::stored(&server, SERVICE).await;
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged segments are lost: {lost:?}", lost.len(), acknowledged.len());
    assert!(stored.len() as u64 >= last.accepted("segment"), "{} of {last:?}", stored.len());
    assert_eq!(told, Some(stored.len() as u64), "the server told how many it stored");
    assert_eq!(count(&server).await, stored.len() as u64, "the metric counts exactly what is stored");
    server.stop().await;
}

/// Telemetry as it was when the server last answered.
async fn last_metrics(server: &Server) -> Metrics {
    let mut last = Metrics::default();
    while let Some(metrics) = server.try_metrics().await {
        last = metrics;
    }
    last
}

#[tokio::test]
async fn ten_crashes_at_random_moments_under_load_lose_nothing_that_was_counted_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::embedded(folder.path());
    let mut random = Random(u64::try_from(now().0).unwrap());
    println!("seed {}", random.0);
    let mut before = BTreeSet::new();
    let mut server = Server::start(&settings).await;
    for crash in 0..10 {
        let load = Load::start(&server, SERVICE, &format!("c{crash}"), 2);
        // Every other crash may come before the first commit of its round.
        if crash % 2 == 0 {
            server.wait_counted("segment", 1).await;
        }
        let counted = watch(&server, Duration::from_millis(random.below(2_000))).await;
        server.kill().await;
        load.stop().await;

        server = Server::start(&settings).await;
        let stored = load::stored(&server, SERVICE).await;
        assert!(before.is_subset(&stored), "crash {crash} took what was there before its round");
        let of_round = stored.len() - before.len();
        assert!(of_round as u64 >= counted, "crash {crash}: {counted} were counted as stored, {of_round} are there");
        println!("crash {crash}: {counted} counted, {of_round} there");
        server.assert_no_errors();
        before = stored;
    }
    assert!(!before.is_empty(), "there was a load");
    server.stop().await;
}

/// Watches until the moment has come; how many segments were last counted as stored.
async fn watch(server: &Server, moment: Duration) -> u64 {
    let until = Instant::now() + moment;
    let mut looks = interval(Duration::from_millis(10));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted = 0;
    while Instant::now() < until {
        looks.tick().await;
        counted = server.metrics().await.stored("segment");
    }
    counted
}

#[tokio::test]
async fn a_second_process_does_not_get_the_folder_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::embedded(folder.path());
    let first = Server::start(&settings).await;
    let second = run(&settings, &[]).await;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    load::send(&first.grpc(), SERVICE, "still", 5, now()).await;
    first.wait_stored("segment", 5).await;
    first.stop().await;
}

#[tokio::test]
async fn a_folder_of_another_version_or_zone_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::embedded(folder.path());
    let server = Server::start(&settings).await;
    load::send(&server.grpc(), SERVICE, "kept", 5, now()).await;
    server.wait_stored("segment", 5).await;
    server.stop().await;

    let elsewhere = run(&settings.clone().with("server.zone", "Asia/Tokyo"), &[]).await;
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("UTC") && elsewhere.stderr.contains("Asia/Tokyo"), "{}", elsewhere.stderr);

    let format = folder.path().join("format");
    let ours = fs::read(&format).unwrap();
    fs::write(&format, "skylark embedded store, format 4711\n").unwrap();
    let refused = run(&settings, &[]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("4711"), "{}", refused.stderr);

    fs::write(&format, ours).unwrap();
    let server = Server::start(&settings).await;
    assert_eq!(load::stored(&server, SERVICE).await.len(), 5);
    server.stop().await;
}

/// How many calls of the service all minutes of the last half hour count together.
async fn count(server: &Server) -> u64 {
    let query = "query($n:Entity!,$d:Duration!){execExpression(expression:\"sum(service_cpm)\",entity:$n,duration:$d){\
                 error results{values{value}}}}";
    let duration = load::duration(now().plus(-30 * 60_000), now().plus(60_000));
    let entity = json!({ "serviceName": SERVICE, "normal": true });
    let data = server.data(query, json!({ "n": entity, "d": duration })).await;
    assert_eq!(data["execExpression"]["error"], Value::Null);
    let value = data["execExpression"]["results"][0]["values"][0]["value"].as_str().unwrap_or("0");
    value.parse().unwrap()
}

fn whole_minute() -> UnixMillis {
    let now = now().0;
    UnixMillis(now - now % 60_000)
}

/// Numbers that nobody can guess beforehand and everybody can repeat (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
