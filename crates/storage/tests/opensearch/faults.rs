//! What goes wrong at the cluster or on the way to it.

use std::time::Duration;

use model::cell::CellId;
use model::kinds::{RecordKind, log};
use model::ledger::Reason;
use model::record::FieldValue;
use model::{Agg, Zone};
use reqwest::Method;
use serde_json::json;
use storage::{Batch, ErrorKind, Store as _, StoreError};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::proxy::Proxy;
use crate::support::{MINUTE, NOW, Room, clusters, ids, record, records_of, row};

fn records(n: usize) -> Batch {
    let records = (0..n).map(|i| record(RecordKind::Segment, &format!("r{i:03}"), NOW)).collect();
    Batch { rows: Vec::new(), records }
}

#[tokio::test]
async fn a_document_that_is_refused_is_named_and_the_rest_is_stored() {
    for url in clusters() {
        let room = Room::new(&url);
        let store = room.open().await;
        // Somebody mapped this day's index in a way that numbers do not fit.
        let index = format!("/{}-log-20240115", room.config.index_prefix);
        let mapping = json!({"mappings": {"properties": {"span_id": {"type": "ip"}}}});
        room.ask(Method::PUT, &index, Some(mapping)).await;
        let log = |id: &str, span: Option<i64>| {
            let mut log = record(RecordKind::Log, id, NOW);
            log.fields[log::SPAN_ID] = span.map_or(FieldValue::Absent, FieldValue::Int);
            log
        };
        let records = vec![log("a", None), log("poison", Some(5)), log("b", None), log("worse", Some(6))];
        let written = store.write(&Batch { rows: Vec::new(), records }).await.unwrap();
        assert_eq!(written.records_refused, [(1, Reason::Store), (3, Reason::Store)]);
        assert_eq!(ids(&store, RecordKind::Log).await, ["a", "b"]);
        assert!(store.health().await.ok, "{:?}", store.health().await);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn while_an_index_is_read_only_writes_wait_and_health_says_so() {
    for url in clusters() {
        let mut room = Room::new(&url);
        room.config.write_timeout_seconds = 1;
        let store = room.open().await;
        store.write(&records(1)).await.unwrap();
        let settings = format!("/{}-segment-20240115/_settings", room.config.index_prefix);
        let block = async |on: serde_json::Value| {
            let blocks = json!({"index.blocks.read_only_allow_delete": on});
            room.ask(Method::PUT, &settings, Some(blocks)).await;
        };
        // As the cluster itself does it when a disk is nearly full.
        block(json!(true)).await;
        let error = store.write(&records(3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry);
        assert!(error.to_string().contains("blocked by"), "{error}");
        let health = store.health().await;
        assert!(!health.ok && health.detail.contains("segment-20240115"), "{health:?}");
        block(json!(null)).await;
        store.write(&records(3)).await.unwrap();
        assert_eq!(ids(&store, RecordKind::Segment).await.len(), 3);
        let health = store.health().await;
        assert!(health.ok && health.detail.contains("OpenSearch"), "{health:?}");
        room.close(&store).await;
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_passed_over() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for url in clusters() {
        let mut room = Room::new(&url);
        room.config.urls = vec![nowhere.clone(), url.clone(), nowhere.clone()];
        let store = room.open().await;
        for _ in 0..6 {
            store.write(&records(2)).await.unwrap();
            assert_eq!(ids(&store, RecordKind::Segment).await.len(), 2);
        }
        room.close(&store).await;
    }
    let mut room = Room::new(&nowhere);
    room.config.urls = vec![nowhere.clone()];
    let error = room.try_open(&Zone::utc()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains(&nowhere)), "{error:?}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_fails_questions_in_time_and_is_used_again() {
    for url in clusters() {
        let proxy = Proxy::plain(&url).await;
        let mut room = Room::new(&url);
        room.config.urls = vec![proxy.url()];
        room.config.query_timeout_seconds = 1;
        room.config.write_timeout_seconds = 1;
        room.config.queries_in_flight = 2;
        let store = room.open().await;
        store.write(&records(2)).await.unwrap();
        proxy.hang(true);
        let begun = Instant::now();
        let ask = || async { store.records(&records_of(RecordKind::Segment)).await.unwrap_err().kind() };
        let many = futures_util::future::join_all((0..20).map(|_| ask())).await;
        assert!(many.iter().all(|kind| *kind == ErrorKind::Retry));
        assert!(begun.elapsed() < Duration::from_secs(10), "they do not wait for each other: {:?}", begun.elapsed());
        assert_eq!(store.write(&records(3)).await.unwrap_err().kind(), ErrorKind::Retry);
        assert!(!store.health().await.ok);
        proxy.hang(false);
        store.write(&records(3)).await.unwrap();
        assert_eq!(ids(&store, RecordKind::Segment).await.len(), 3);
        assert!(store.health().await.ok);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn more_than_the_cluster_takes_at_once_is_sent_in_parts() {
    for url in clusters() {
        let proxy = Proxy::plain(&url).await;
        let mut room = Room::new(&url);
        room.config.urls = vec![proxy.url()];
        let store = room.open().await;
        proxy.limit(2_000);
        let mut batch = records(20);
        batch.records[7].body = vec![b'x'; 10_000].into();
        let written = store.write(&batch).await.unwrap();
        assert_eq!(written.records_refused, [(7, Reason::Store)], "alone it is too large as well");
        assert_eq!(ids(&store, RecordKind::Segment).await.len(), 19);
        let rows = (0..20).map(|n| row(&format!("s{n}"), MINUTE, 1, 1, &[(CellId(64), Agg::Count(1))])).collect();
        assert_eq!(store.write(&Batch { rows, records: Vec::new() }).await.unwrap().rows_refused, []);
        proxy.limit(usize::MAX);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn tls_with_an_own_authority_a_certificate_a_password_and_a_path_is_spoken() {
    for url in clusters() {
        let proxy = Proxy::secured(&url, "/search/").await;
        let mut room = Room::new(&url);
        room.config.urls = vec![format!("{}/search", proxy.url())];
        room.config.username = "user".to_owned();
        room.config.password = model::Secret::new("pass: wörd");
        let refused = async |room: &Room| room.try_open(&Zone::utc()).await.unwrap_err().to_string();
        let why = refused(&room).await;
        assert!(why.contains("cannot be reached"), "the authority is unknown: {why}");
        room.config.ca_file = proxy.file("ca.pem");
        let why = refused(&room).await;
        assert!(why.contains("cannot be reached"), "no certificate was shown: {why}");
        room.config.client_certificate = proxy.file("client.pem");
        room.config.client_key = proxy.file("client.key");
        let store = room.open().await;
        store.write(&records(2)).await.unwrap();
        assert_eq!(ids(&store, RecordKind::Segment).await.len(), 2);
        room.config.password = model::Secret::new("wrong");
        let why = refused(&room).await;
        assert!(why.contains("401"), "{why}");
        room.config.client_key = proxy.file("ca.pem");
        let why = refused(&room).await;
        assert!(why.contains("certificates or keys"), "{why}");
        room.close(&store).await;
    }
}
