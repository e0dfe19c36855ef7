//! OpenSearch is there and does not take what it is given.

use e2e::load as segments;
use e2e::opensearch::OpenSearch;
use e2e::server::Server;
use e2e::store::Store;
use e2e::wait_for;
use reqwest::Method;
use serde_json::json;

use crate::{SERVICE, everything_arrives, load, this_minute, wait_acknowledged, wait_counted, wait_unwell, wait_well};

#[tokio::test]
async fn indices_that_a_full_disk_has_made_read_only_get_everything_when_there_is_room() {
    let Some(opensearch) = OpenSearch::start().await else { return };
    let store = Store::opensearch(&opensearch.url);
    let server = Server::start(&store.settings()).await;
    let load = load(&server, 1);
    wait_acknowledged(&load, 100).await;
    server.wait_counted("segment", 1).await;

    // No disk has as much room as is asked for here: that is a full one to OpenSearch.
    let room = |wanted: Option<&str>| {
        let watermark = |name: &str| format!("cluster.routing.allocation.disk.{name}");
        let watermarks =
            ["low", "high", "flood_stage"].map(|name| (watermark(&format!("watermark.{name}")), json!(wanted)));
        let mut settings: serde_json::Map<_, _> = watermarks.into_iter().collect();
        settings.insert(watermark("threshold_enabled"), json!(wanted.is_some()));
        settings.insert("cluster.info.update.interval".to_owned(), json!("10s"));
        json!({ "persistent": settings })
    };
    opensearch.ask(Method::PUT, "_cluster/settings", Some(&room(Some("900tb")))).await;
    wait_unwell(&server, &["read-only", "blocked", "disk"]).await;
    let accepted = load.n_acknowledged();
    opensearch.ask(Method::PUT, "_cluster/settings", Some(&room(Some("1mb")))).await;
    wait_well(&server).await;
    wait_acknowledged(&load, accepted + 100).await;
    everything_arrives(&server, load).await;
    server.stop().await;
}

#[tokio::test]
async fn a_document_that_opensearch_refuses_is_counted_and_its_neighbours_are_stored() {
    let Some(store) = Store::opensearch_3() else { return };
    let (url, prefix) = (e2e::opensearch::shared("3.").unwrap(), store.prefix().unwrap().to_owned());
    let server = Server::start(&store.settings()).await;
    let minute = this_minute();
    segments::send(&server.grpc(), SERVICE, "first", 1, minute).await;
    server.wait_stored("segment", 1).await;

    // From now on the cluster cannot make anything of a document that names this service.
    let client = reqwest::Client::new();
    let put = async |path: &str, body: serde_json::Value| {
        let answer = client.put(format!("{url}/{path}")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    };
    let convert = json!({ "field": "no_such_field", "type": "long", "if": "ctx.record_id == 'poisoned'" });
    put(&format!("_ingest/pipeline/{prefix}-poison"), json!({ "processors": [{ "convert": convert }] })).await;
    put(&format!("{prefix}-segment-*/_settings"), json!({ "index.final_pipeline": format!("{prefix}-poison") })).await;

    let before = server.metrics().await.refused("store");
    let good = |n: usize| segments::segment(SERVICE, &format!("good.{n}"), minute);
    let mut bodies: Vec<_> = (0..20).map(good).collect();
    bodies.insert(7, segments::segment("poisoned", "poisoned", minute));
    segments::send_all(&server.grpc(), &bodies).await;
    wait_for("the poisoned segment to be refused", async || match server.metrics().await.refused("store") - before {
        1 => Ok(()),
        n => Err(format!("{n} are refused")),
    })
    .await;
    assert_eq!(segments::visible(&server, SERVICE, 21).await.len(), 21);
    wait_counted(&server, 21).await;
    let metrics = server.metrics().await;
    assert_eq!((metrics.accepted("segment"), metrics.stored("segment")), (22, 21));
    client.delete(format!("{url}/_ingest/pipeline/{prefix}-poison")).send().await.unwrap();
    server.stop().await;
}
