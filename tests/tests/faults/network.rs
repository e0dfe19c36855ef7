//! The way to OpenSearch delays, closes, breaks off, and delivers late what it said it had lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::load as segments;
use e2e::opensearch::shared;
use e2e::proxy::{Fault, Front, Proxy};
use e2e::server::Server;
use e2e::store::Store;
use e2e::wait_for;
use tokio::time::Instant;

use crate::{
    SERVICE, ask_services, counted, everything_arrives, load, rows_of, this_minute, wait_acknowledged, wait_counted,
};

/// A proxy before the shared OpenSearch, and a store behind it.
async fn behind_proxy() -> Option<(Proxy, Store)> {
    let url = shared("3.")?;
    let proxy = Proxy::start(&url, Front::default()).await;
    let store = Store::opensearch(&url);
    Some((proxy, store))
}

#[tokio::test]
async fn connections_that_close_and_answers_that_break_off_lose_and_double_nothing() {
    let Some((proxy, store)) = behind_proxy().await else { return };
    let server = Server::start(&store.settings().with("storage.opensearch.urls", &proxy.url)).await;
    let load = load(&server, 1);
    // Two bulks of three meet a fault, each kind in turn; reads go through.
    let turn = AtomicUsize::new(0);
    let faults = [Fault::Drop, Fault::Deaf, Fault::None, Fault::Truncate, Fault::Deaf, Fault::None];
    proxy.rule(move |asked| match asked.is_bulk() {
        true => faults[turn.fetch_add(1, Ordering::Relaxed) % faults.len()],
        false => Fault::None,
    });
    wait_for("each fault to be met several times", async || {
        let dealt = [Fault::Drop, Fault::Deaf, Fault::Truncate].map(|fault| proxy.n_dealt(fault));
        if dealt.iter().all(|n| *n >= 3) { Ok(()) } else { Err(format!("{dealt:?}")) }
    })
    .await;
    wait_acknowledged(&load, 200).await;
    proxy.calm();
    everything_arrives(&server, load).await;
    server.stop().await;
}

#[tokio::test]
async fn a_delay_of_ten_seconds_costs_nothing_but_time_and_queries_say_that_it_is_too_slow() {
    let Some((proxy, store)) = behind_proxy().await else { return };
    let settings = store.settings().with("storage.opensearch.urls", &proxy.url);
    let server = Server::start(&settings.with("storage.opensearch.query_timeout_seconds", "2")).await;
    let load = load(&server, 1);
    wait_acknowledged(&load, 100).await;
    let delay = Fault::Delay(Duration::from_secs(10));
    proxy.rule(move |_| delay);
    wait_for("bulks to be delayed", async || match proxy.n_dealt(delay) {
        3.. => Ok(()),
        n => Err(format!("{n} are delayed")),
    })
    .await;
    // Many at once: they fail in time, each by itself, and do not wait for each other.
    let began = Instant::now();
    let answers = tokio::join!(ask_services(&server), ask_services(&server), ask_services(&server));
    assert!(began.elapsed() < Duration::from_secs(9), "queries took {:?}", began.elapsed());
    for answer in [answers.0, answers.1, answers.2] {
        let error = answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}")).to_owned();
        assert!(error.contains("did not answer within 2s"), "{error}");
    }
    proxy.calm();
    everything_arrives(&server, load).await;
    assert!(ask_services(&server).await.get("errors").is_none());
    server.stop().await;
}

#[tokio::test]
async fn a_bulk_that_was_given_up_and_arrives_late_puts_no_old_total_over_a_newer_one() {
    let Some((proxy, store)) = behind_proxy().await else { return };
    let rows = rows_of(store.prefix().unwrap());
    let server = Server::start(&store.settings().with("storage.opensearch.urls", &proxy.url)).await;
    let (grpc, minute) = (server.grpc(), this_minute());
    // The first totals go into the proxy and stay there.
    proxy.rule(move |asked| if asked.is_bulk() && asked.mentions(&rows) { Fault::Hold } else { Fault::None });
    segments::send(&grpc, SERVICE, "old", 10, minute).await;
    wait_for("totals to be held", async || match proxy.n_dealt(Fault::Hold) {
        1.. => Ok(()),
        n => Err(format!("{n} bulks are held")),
    })
    .await;
    assert_eq!(counted(&server).await, 0);
    proxy.calm();
    wait_counted(&server, 10).await;
    segments::send(&grpc, SERVICE, "new", 15, minute).await;
    wait_counted(&server, 25).await;

    let answers = proxy.deliver().await;
    assert!(!answers.is_empty());
    let is_refused = |answer: &String| answer.contains("version_conflict");
    assert!(answers.iter().all(is_refused), "the store keeps the newer totals: {answers:?}");
    // What the delivery wrote, if anything, is visible after a refresh, and with it what is sent now.
    segments::send(&grpc, SERVICE, "last", 1, minute).await;
    wait_counted(&server, 26).await;
    server.wait_stored("segment", 26).await;
    assert_eq!(segments::visible(&server, SERVICE, 26).await.len(), 26);
    server.assert_no_errors();
    server.stop().await;
}
