//! OpenSearch goes away under load and comes back.

use std::time::Duration;

use e2e::opensearch::OpenSearch;
use e2e::server::Server;
use e2e::store::Store;
use e2e::wait_for;

use crate::{BUDGET_BYTES, everything_arrives, load, wait_acknowledged, wait_unwell, wait_well, with_small_budget};

/// Anonymous memory that an outage may cost beside what the server has anyway: the byte budget, which is small here, several
/// times over for what becomes of it on its way, and what the allocator keeps.
const OUTAGE_MAX: u64 = 64 << 20;

/// How long the longer outage lasts, by what the server says of its oldest record.
const OUTAGE: Duration = Duration::from_secs(60);

/// A body for which there is no room: more than [`fill`] leaves, less than a message may have.
const LARGE: usize = 48 << 10;

#[tokio::test]
async fn an_opensearch_that_stops_or_is_killed_gets_everything_accepted_when_it_is_back() {
    let Some(mut opensearch) = OpenSearch::start().await else { return };
    let store = Store::opensearch(&opensearch.url);
    let server = Server::start(&with_small_budget(store.settings())).await;
    let load = load(&server, 2);
    wait_acknowledged(&load, 200).await;
    server.wait_counted("segment", 1).await;
    let before = server.anonymous_memory();

    for is_killed in [false, true] {
        if is_killed {
            opensearch.kill().await
        } else {
            opensearch.stop().await
        }
        wait_unwell(&server, &["cannot be reached"]).await;
        let mut peak = fill(&server).await;
        if !is_killed {
            peak = peak.max(outlast(&server).await);
        }
        assert!(peak < before + OUTAGE_MAX, "{} MiB, {} MiB before", peak >> 20, before >> 20);
        // What does not fit is refused to agents that do not wait, and counted.
        let refused = server.metrics().await.refused("overload");
        let body = format!("[{{\"service\":\"{}\"}}]", "x".repeat(LARGE));
        let url = format!("http://{}/v3/segments", server.http);
        let answer = reqwest::Client::new().post(url).header("content-type", "application/json").body(body).send();
        assert_eq!(answer.await.unwrap().status(), 503);
        assert!(server.metrics().await.refused("overload") > refused);

        let acknowledged = load.n_acknowledged();
        opensearch.start_again().await;
        wait_well(&server).await;
        // Agents that waited go on by themselves.
        wait_acknowledged(&load, acknowledged + 200).await;
    }
    everything_arrives(&server, load).await;
    server.stop().await;
}

/// Waits until the oldest record has waited for [`OUTAGE`]; the most memory that was seen meanwhile.
async fn outlast(server: &Server) -> u64 {
    let mut peak = 0;
    wait_for("the outage to have lasted", async || {
        peak = peak.max(server.anonymous_memory());
        let waited = server.metrics().await.sum("skylark_oldest_unstored_seconds", &[]);
        if waited >= OUTAGE.as_secs_f64() { Ok(()) } else { Err(format!("{waited} s")) }
    })
    .await;
    peak
}

/// Waits until no more is accepted because the byte budget is full; the most memory that was seen meanwhile.
async fn fill(server: &Server) -> u64 {
    let mut peak = 0;
    wait_for("the byte budget to be full", async || {
        peak = peak.max(server.anonymous_memory());
        let free = server.metrics().await.count("skylark_budget_bytes_free", &[]);
        if free < BUDGET_BYTES / 16 { Ok(()) } else { Err(format!("{free} bytes are free")) }
    })
    .await;
    peak
}
