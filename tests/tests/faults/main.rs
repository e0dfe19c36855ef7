//! What happens to OpenSearch and to the way there: whatever it is, no accepted data are lost, no number goes back, memory stays
//! within bounds, the health check says what is wrong, and nobody has to start the server again.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod network;
mod outage;
mod refusal;
mod secured;

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::load::{self as segments, Load};
use e2e::server::{Server, Settings};
use e2e::{now, wait_for};
use model::UnixMillis;
use serde_json::{Value, json};

/// The service that reports in these tests.
const SERVICE: &str = "steady";
/// Time between the streams of a sender: these tests take long, and at the end each segment is looked for.
const PACE: Duration = Duration::from_millis(50);
/// Telemetry on its way that the server takes at most: as little as can be set, so that it is soon full.
const BUDGET_BYTES: u64 = 256 << 10;

/// The settings with the smallest byte budget.
fn with_small_budget(settings: Settings) -> Settings {
    let settings = settings.with("receiver.budget_bytes", &BUDGET_BYTES.to_string());
    settings.with("receiver.max_message_bytes", &(BUDGET_BYTES / 4).to_string())
}

/// A load that goes on while things happen.
fn load(server: &Server, senders: usize) -> Load {
    Load::paced(server, SERVICE, "load", senders, PACE)
}

/// Waits until the server has acknowledged so many segments of the load.
async fn wait_acknowledged(load: &Load, least: usize) {
    wait_for("segments to be acknowledged", async || match load.n_acknowledged() {
        n if n >= least => Ok(()),
        n => Err(format!("{n} of {least}")),
    })
    .await;
}

/// Waits until the health check answers 503 with one of these texts.
async fn wait_unwell(server: &Server, texts: &[&str]) {
    wait_for("the health check to say what is wrong", async || {
        let (status, said) = health(server).await;
        if status == 503 && texts.iter().any(|text| said.contains(text)) {
            Ok(())
        } else {
            Err(format!("{status}: {said}"))
        }
    })
    .await;
}

async fn wait_well(server: &Server) {
    wait_for("the health check to be content", async || match health(server).await {
        (200, _) => Ok(()),
        (status, said) => Err(format!("{status}: {said}")),
    })
    .await;
}

async fn health(server: &Server) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}/healthcheck", server.http)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Stops the load and waits until the store has all that was accepted: every acknowledged segment once, and totals that count
/// exactly what is there.
async fn everything_arrives(server: &Server, load: Load) {
    let acknowledged = load.stop().await;
    let accepted = server.wait_stored("segment", acknowledged.len() as u64).await.accepted("segment");
    let stored = segments::visible(server, SERVICE, usize::try_from(accepted).unwrap()).await;
    let lost: BTreeSet<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged segments are lost", lost.len(), acknowledged.len());
    assert_eq!(stored.len() as u64, accepted, "what is stored is what was accepted");
    wait_counted(server, accepted).await;
    server.assert_no_errors();
}

/// Waits until the metric of the service counts so many calls.
async fn wait_counted(server: &Server, expected: u64) {
    wait_for("the metric to count every segment", async || match counted(server).await {
        n if n == expected => Ok(()),
        n => Err(format!("{n} of {expected}")),
    })
    .await;
}

/// How many calls of the service are counted in the last half hour.
async fn counted(server: &Server) -> u64 {
    segments::counted(server, SERVICE).await
}

/// The start of the minute that runs.
fn this_minute() -> UnixMillis {
    let now = now().0;
    UnixMillis(now - now % 60_000)
}

/// What a bulk of rows says about where they go.
fn rows_of(prefix: &str) -> String {
    format!("\"{prefix}-rows-")
}

/// The answer to a query that lists services, errors and all.
async fn ask_services(server: &Server) -> Value {
    server.graphql("{listServices(layer:\"GENERAL\"){name}}", json!({})).await
}
