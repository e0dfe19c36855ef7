//! Files of the operator's that change while the server runs.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use e2e::load::{self, duration, segment};
use e2e::metrics::Metrics;
use e2e::server::{Server, Settings, run};
use e2e::{now, wait_for};
use model::UnixMillis;
use serde_json::json;
use tempfile::TempDir;

const SAMPLING: &str = "trace-sampling-policy-settings.yml";
const APDEX: &str = "service-apdex-threshold.yml";

/// A folder that holds files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| put(folder.path(), name, text));
    folder
}

/// Writes a file as editors and Kubernetes do: whole, under its name at once.
fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, text).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}

/// A minute that is over, for all calls of a test.
fn minute() -> UnixMillis {
    UnixMillis((now().0 / 60_000 - 2) * 60_000)
}

async fn wait_metrics(server: &Server, what: &str, seen: impl Fn(&Metrics) -> Vec<u64>, expected: &[u64]) {
    wait_for(what, async || {
        let found = seen(&server.metrics().await);
        if found == expected { Ok(()) } else { Err(format!("{found:?} and not {expected:?}")) }
    })
    .await;
}

/// Waits until all segments have ended: accepted, stored, sampled out.
async fn wait_ended(server: &Server, expected: [u64; 3]) {
    let seen = |metrics: &Metrics| {
        let kind = "kind=\"segment\"";
        let (accepted, stored) = (metrics.accepted("segment"), metrics.stored("segment"));
        vec![
            accepted,
            stored,
            metrics.count("skylark_sampled_out_total", &[kind]),
            metrics.count("skylark_in_flight", &[kind]),
        ]
    };
    let [accepted, stored, sampled_out] = expected;
    wait_metrics(server, "every segment to end", seen, &[accepted, stored, sampled_out, 0]).await;
}

/// Waits until a kind of files has changed: taken, failed, and whether they are unusable now.
async fn wait_reloads(server: &Server, what: &str, expected: [u64; 3]) {
    let label = format!("what=\"{what}\"");
    let seen = |metrics: &Metrics| {
        ["skylark_reloads_total", "skylark_reloads_failed_total", "skylark_files_unusable"]
            .map(|name| metrics.count(name, &[&label]))
            .to_vec()
    };
    wait_metrics(server, "the files to be read", seen, &expected).await;
}

/// Waits until all calls of a service are counted, and answers its apdex.
async fn apdex(server: &Server, service: &str, calls: u64) -> String {
    wait_for("all calls to be counted", async || match load::counted(server, service).await {
        n if n == calls => Ok(()),
        n => Err(format!("{n} of {calls} calls")),
    })
    .await;
    let query = "query($n:Entity!,$d:Duration!){execExpression(expression:\"latest(service_apdex)\",entity:$n,duration:$d){\
                 results{values{value}}}}";
    let entity = json!({ "serviceName": service, "normal": true });
    let duration = duration(now().plus(-30 * 60_000), now().plus(60_000));
    let data = server.data(query, json!({ "n": entity, "d": duration })).await;
    data["execExpression"]["results"][0]["values"][0]["value"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn sampling_and_thresholds_change_while_the_server_runs_and_a_broken_file_changes_nothing() {
    // Calls take 25 ms.
    let files = folder(&[(SAMPLING, "default:\n  rate: 0\n"), (APDEX, "default: 10\n")]);
    let server = Server::start(&Settings::memory().with_files(files.path())).await;
    let (grpc, minute) = (server.grpc(), minute());
    load::send(&grpc, "before", "b", 20, minute).await;
    wait_ended(&server, [20, 0, 20]).await;
    assert_eq!(apdex(&server, "before", 20).await, "5000");
    assert_eq!(load::stored(&server, "before").await, BTreeSet::new());

    put(files.path(), SAMPLING, "default:\n  rate: lots\n");
    wait_reloads(&server, "sampling", [0, 1, 1]).await;
    let why = "trace-sampling-policy-settings.yml:2:9: ";
    assert!(
        server.output.lines().iter().any(|line| line.contains("WARN") && line.contains(why)),
        "{why} is not in the log"
    );
    load::send(&grpc, "meanwhile", "m", 5, minute).await;
    wait_ended(&server, [25, 0, 25]).await;

    // A file of its own for each: that one is broken holds up no other.
    put(files.path(), APDEX, "default: 10\nafter: 25\n");
    wait_reloads(&server, "apdex", [1, 0, 0]).await;
    put(files.path(), SAMPLING, "default: {rate: 1000}\nservices:\n  - {name: after, rate: 10000}\n");
    wait_reloads(&server, "sampling", [1, 1, 0]).await;
    load::send(&grpc, "after", "a", 7, minute).await;
    // As every SkyWalking server decides on these traces: the lot of the first is 809, of the second 2920.
    let traces = ["trace-0001", "t-1"].map(|id| segment("others", id, minute));
    load::send_all(&grpc, &traces).await;
    wait_ended(&server, [34, 8, 26]).await;
    assert_eq!(apdex(&server, "after", 7).await, "10000");
    assert_eq!(apdex(&server, "others", 2).await, "5000");
    assert_eq!(load::visible(&server, "after", 7).await.len(), 7);
    assert_eq!(load::visible(&server, "others", 1).await, BTreeSet::from(["trace-0001".to_owned()]));

    // Without a file the settings hold: all traces are kept, and T is 500 ms.
    fs::remove_file(files.path().join(SAMPLING)).unwrap();
    fs::remove_file(files.path().join(APDEX)).unwrap();
    wait_reloads(&server, "sampling", [2, 1, 0]).await;
    wait_reloads(&server, "apdex", [2, 0, 0]).await;
    load::send(&grpc, "without", "w", 3, minute).await;
    wait_ended(&server, [37, 11, 26]).await;
    assert_eq!(apdex(&server, "without", 3).await, "10000");
    server.stop().await;
}

#[tokio::test]
async fn a_start_with_broken_files_says_where_they_are_broken() {
    let broken = [
        (SAMPLING, "services:\n  - {name: A, rate: 10001}\n", ":2:21: rate must be between 0 and 10000, is 10001"),
        (APDEX, "default: 0\n", ":1:10: default must be milliseconds of at least 1, is 0"),
        ("slow-thresholds.yml", "database_ms: default\n", ":1:14: `default` is not type:milliseconds"),
        (
            "component-libraries.yml",
            "mine: {id: 120001}\nyours: {id: 120001}\n",
            ":2:13: the id 120001 stands here a second time",
        ),
    ];
    for (name, text, problem) in broken {
        let files = folder(&[(name, text)]);
        let ended = run(&Settings::memory().with_files(files.path()), &["check-config"]).await;
        assert_eq!(ended.status.code(), Some(64), "{ended:?}");
        assert!(ended.stderr.contains(&format!("{name}{problem}")), "{name}{problem} is not in:\n{}", ended.stderr);
    }
}

#[tokio::test]
async fn components_of_the_operator_name_what_agents_call_by_number() {
    let text = "Warehouse:\n  id: 120002\nwarehouse-client:\n  id: 120001\n  languages: Java\nComponent-Server-Mappings:\n  warehouse-client: Warehouse\n";
    let files = folder(&[("component-libraries.yml", text)]);
    let server = Server::start(&Settings::memory().with_files(files.path())).await;
    let mut own = segment("shop", "own", minute());
    own.spans[0].component_id = 120_001;
    let mut nobody = segment("shop", "nobody", minute());
    nobody.spans[0].component_id = 99_999;
    load::send_all(&server.grpc(), &[own, nobody, segment("shop", "flask", minute())]).await;
    server.wait_stored("segment", 3).await;
    for (trace, component) in [("own", "warehouse-client"), ("nobody", "Unknown"), ("flask", "Flask")] {
        let query = "query($id:ID!){queryTrace(traceId:$id){spans{component}}}";
        let data = server.data(query, json!({ "id": trace })).await;
        assert_eq!(data["queryTrace"]["spans"], json!([{ "component": component }]), "{trace}");
    }
    server.stop().await;
}
