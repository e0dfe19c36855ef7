//! The life of the process: its command line, its greeting, stopping, crashing, and who may open a data folder.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::load::{self, Load};
use e2e::metrics::Metrics;
use e2e::server::{Server, Settings, run};
use e2e::store::Store;
use e2e::wire::encode;
use e2e::{now, on_stores, wait_for};
use model::UnixMillis;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

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

on_stores!(after_a_crash_what_was_stored_is_there_and_numbers_go_on_without_doubling: embedded, opensearch_3, opensearch_2);
on_stores!(a_stop_under_load_loses_nothing_that_was_accepted: embedded, opensearch_3, opensearch_2);
on_stores!(ten_crashes_at_random_moments_under_load_lose_no_more_than_is_promised: embedded, opensearch_3, opensearch_2);

async fn after_a_crash_what_was_stored_is_there_and_numbers_go_on_without_doubling(store: Store) {
    let settings = store.settings();
    let minute = whole_minute();
    let mut n = 0;
    for (round, n_more) in [40, 25, 10].into_iter().enumerate() {
        let server = Server::start(&settings).await;
        // What is there at the first look was there before the crash: a row is answered for once it is on disk.
        assert_eq!(count(&server).await, n, "after crash {round}");
        let visible = load::visible(&server, SERVICE, usize::try_from(n).unwrap()).await;
        assert_eq!(visible.len() as u64, n, "after crash {round}");
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

async fn a_stop_under_load_loses_nothing_that_was_accepted(store: Store) {
    let settings = store.settings();
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
    let least = acknowledged.len().max(usize::try_from(told.unwrap_or(0)).unwrap());
    let stored = load::visible(&server, SERVICE, least).await;
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged segments are lost: {lost:?}", lost.len(), acknowledged.len());
    assert!(stored.len() as u64 >= last.accepted("segment"), "{} of {last:?}", stored.len());
    assert_eq!(told, Some(stored.len() as u64), "the server told how many it stored");
    wait_for("the metric to count exactly what is stored", async || match count(&server).await {
        n if n == stored.len() as u64 => Ok(()),
        n => Err(format!("{n} of {}", stored.len())),
    })
    .await;
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

/// The bounds of a crash: at most what was accepted in the last two seconds is lost of records, of totals what came after the
/// last flush. A machine that stalls may break the first; then own telemetry says that older records wait, and their age is the
/// bound. That it is so in every round would be a server that breaks its promise.
#[expect(clippy::print_stdout, reason = "the test harness shows it with the failed test")]
async fn ten_crashes_at_random_moments_under_load_lose_no_more_than_is_promised(store: Store) {
    let settings = store.settings();
    let mut random = Random(u64::try_from(now().0).unwrap());
    println!("seed {}", random.0);
    let (mut segments, mut totals, mut n_sent, mut n_kept) = (BTreeSet::new(), 0, 0, 0);
    let mut server = Server::start(&settings).await;
    for crash in 0..10 {
        let load = Load::start(&server, SERVICE, &format!("c{crash}"), 1);
        let samples = Samples::start(&server);
        // Every other crash comes when there is something that was accepted long enough before; the others may come before the
        // first commit of their round.
        let looks = if crash % 2 == 0 {
            server.wait_counted("segment", 1).await;
            watch_on_its_clock(&server, PROMISED_MS + random.below(1_000)).await
        } else {
            watch(&server, Duration::from_millis(random.below(2_000))).await
        };
        server.kill().await;
        load.stop().await;
        n_sent += samples.stop().await;

        server = Server::start(&settings).await;
        let (owed, is_promise) = owed(&looks);
        let (stored, counted) = wait_for("what a crash owes", async || {
            let (stored, counted) = (load::try_stored(&server, SERVICE).await?, young_collections(&server).await);
            let missing = segments.difference(&stored).count();
            let n_segments = stored.len().saturating_sub(segments.len()) as u64;
            if missing == 0 && n_segments >= owed.segments && counted >= totals + owed.samples {
                return Ok((stored, counted));
            }
            let seen =
                format!("{missing} old segments are missing, {n_segments} are new, {counted} samples after {totals}");
            Err(format!("crash {crash}: {seen}; {owed:?}"))
        })
        .await;
        println!(
            "crash {crash}: {owed:?} owed, kept as promised: {is_promise}; {} segments, {counted} samples",
            stored.len()
        );
        assert!(counted <= n_sent, "crash {crash}: {n_sent} samples were sent, {counted} are there");
        server.assert_no_errors();
        n_kept += u32::from(is_promise);
        (segments, totals) = (stored, counted);
    }
    assert!(totals > 0, "there was a load of samples");
    assert!(n_kept > 0, "records waited longer than promised before every crash");
    server.stop().await;
}

/// Milliseconds after which an accepted record survives a crash.
const PROMISED_MS: u64 = 2_000;

/// What own telemetry said at one moment, which is told by the server's own clock.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    uptime_ms: u64,
    accepted: u64,
    stored: u64,
    oldest_ms: u64,
    /// Samples of virtual machines: no record stands for them, so they are stored with the flush of their rows.
    samples: u64,
}

async fn look(server: &Server) -> Look {
    let metrics = server.metrics().await;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test takes seconds")]
    let millis = |name: &str| (metrics.sum(name, &[]) * 1_000.0).round() as u64;
    Look {
        uptime_ms: millis("skylark_uptime_seconds"),
        accepted: metrics.accepted("segment"),
        stored: metrics.stored("segment"),
        oldest_ms: millis("skylark_oldest_unstored_seconds"),
        samples: metrics.stored("jvm"),
    }
}

/// What must be there after a crash.
#[derive(Debug)]
struct Owed {
    segments: u64,
    samples: u64,
}

/// What must be there after a crash that came after the last of these looks, and whether that is what is promised of a machine that
/// does not stall.
fn owed(looks: &[Look]) -> (Owed, bool) {
    let last = looks.last().copied().unwrap_or_default();
    let lately = looks.iter().filter(|look| look.uptime_ms + PROMISED_MS >= last.uptime_ms);
    let oldest_ms = lately.map(|look| look.oldest_ms).max().unwrap_or(0);
    let within = PROMISED_MS.max(oldest_ms);
    let accepted = looks.iter().rfind(|look| look.uptime_ms + within <= last.uptime_ms).map_or(0, |look| look.accepted);
    let owed = Owed { segments: accepted.max(last.stored), samples: last.samples };
    (owed, accepted > 0 && within == PROMISED_MS)
}

#[test]
fn what_a_crash_owes_is_what_was_stored_and_what_was_accepted_long_enough_before() {
    let look = |uptime_ms, accepted, stored, oldest_ms| Look { uptime_ms, accepted, stored, oldest_ms, samples: 0 };
    let check = |looks: &[Look], expected: (u64, bool)| {
        let (owed, is_promise) = owed(looks);
        assert_eq!((owed.segments, is_promise), expected, "{looks:?}");
    };
    check(&[], (0, false));
    check(&[look(1_000, 9, 4, 500), look(2_999, 20, 5, 700)], (5, false));
    check(&[look(1_000, 9, 4, 500), look(2_000, 12, 4, 500), look(3_000, 20, 5, 700)], (9, true));
    check(&[look(1_000, 9, 4, 500), look(3_000, 20, 15, 700)], (15, true));
    check(&[look(1_000, 9, 4, 500), look(2_000, 12, 4, 2_001), look(3_000, 20, 5, 700)], (5, false));
    check(&[look(1_000, 9, 4, 500), look(2_000, 12, 4, 2_001), look(3_001, 20, 5, 700)], (9, false));
}

/// Watches until the moment has come, by this clock.
async fn watch(server: &Server, moment: Duration) -> Vec<Look> {
    let until = Instant::now() + moment;
    let mut looks = Vec::new();
    let mut ticks = ticks();
    while Instant::now() < until {
        ticks.tick().await;
        looks.push(look(server).await);
    }
    looks
}

/// Watches until so much time has passed by the server's clock.
async fn watch_on_its_clock(server: &Server, millis: u64) -> Vec<Look> {
    let mut looks = vec![look(server).await];
    let mut ticks = ticks();
    while looks.last().is_some_and(|last| last.uptime_ms < looks[0].uptime_ms + millis) {
        ticks.tick().await;
        looks.push(look(server).await);
    }
    looks
}

fn ticks() -> Interval {
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A sender of samples of a virtual machine, each with one young collection, until it is stopped or the server goes away.
struct Samples {
    n_sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Samples {
    fn start(server: &Server) -> Self {
        let n_sent = Arc::<AtomicU64>::default();
        let (grpc, counted) = (server.grpc(), Arc::clone(&n_sent));
        let task = tokio::spawn(async move {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                counted.fetch_add(1, Ordering::Relaxed);
                let sample = encode(
                    "skywalking.v3.JVMMetricCollection",
                    &json!({
                        "service": SERVICE,
                        "serviceInstance": INSTANCE,
                        "metrics": [{ "time": now().0, "gc": [{ "phase": "NEW", "count": 1, "time": 1 }] }],
                    }),
                );
                if grpc.unary("/skywalking.v3.JVMMetricReportService/collect", sample).await.is_err() {
                    return;
                }
            }
        });
        Samples { n_sent, task }
    }

    /// How many it sent at most.
    async fn stop(self) -> u64 {
        self.task.abort();
        assert!(self.task.await.map_or_else(|error| error.is_cancelled(), |()| true), "the sender panicked");
        self.n_sent.load(Ordering::Relaxed)
    }
}

/// The instance that samples its virtual machine.
const INSTANCE: &str = "crashed-1";

/// How many young collections all minutes of the last half hour count together.
async fn young_collections(server: &Server) -> u64 {
    sum(server, "instance_jvm_young_gc_count", json!({ "serviceInstanceName": INSTANCE })).await
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
    sum(server, "service_cpm", json!({})).await
}

/// The sum of a metric of the service, or of a part of it, over all minutes of the last half hour.
async fn sum(server: &Server, metric: &str, part: Value) -> u64 {
    let query = "query($e:String!,$n:Entity!,$d:Duration!){execExpression(expression:$e,entity:$n,duration:$d){\
                 error results{values{value}}}}";
    let duration = load::duration(now().plus(-30 * 60_000), now().plus(60_000));
    let mut entity = json!({ "serviceName": SERVICE, "normal": true });
    entity.as_object_mut().unwrap().extend(part.as_object().cloned().unwrap_or_default());
    let variables = json!({ "e": format!("sum({metric})"), "n": entity, "d": duration });
    let data = server.data(query, variables).await;
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
