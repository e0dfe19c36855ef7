//! What no agent should send, sent to the real server: it stays up, says why it refused what, keeps other agents' data whole and
//! its memory within bounds.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod raw;

use std::collections::BTreeSet;

use bytes::Bytes;
use e2e::load::{self, COLLECT, Load};
use e2e::server::{Server, Settings};
use e2e::store::Store;
use e2e::{now, on_stores, wait_for};
use model::UnixMillis;
use prost::Message as _;
use proto::v3::{SegmentObject, SpanObject};
use raw::Rude;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

/// The service whose data must stay whole.
const GOOD: &str = "good";
/// Anonymous memory that nothing in here may push the server above: the byte budget of 256 MiB for telemetry on its way, a
/// message of 50 MiB beside it in the moment it is decoded, the embedded store's own 64 MiB, and some room.
const MEMORY_MAX: u64 = 400 << 20;
/// What each of very many connections may cost, one kind with another: its task, buffers of HTTP/2, an answer that nobody reads.
const CONNECTION_MAX: u64 = 48 << 10;
/// What the embedded store may take while it is written to.
const STORE_MAX: u64 = 64 << 20;

/// Any time that the server would take.
fn recent() -> UnixMillis {
    now().plus(-5_000)
}

fn good(id: &str) -> SegmentObject {
    load::segment(GOOD, id, recent())
}

on_stores!(bad_elements_are_refused_with_their_reason_and_their_neighbours_are_stored: memory, embedded, opensearch_3, opensearch_2);
on_stores!(noise_and_huge_messages_leave_other_agents_alone: memory, embedded, opensearch_3, opensearch_2);

async fn bad_elements_are_refused_with_their_reason_and_their_neighbours_are_stored(store: Store) {
    let server = Server::start(&store.settings()).await;
    let grpc = server.grpc();
    let whole: Bytes = good("cut").encode_to_vec().into();
    let many = SegmentObject { spans: vec![SpanObject::default(); 100_000], ..good("many") };
    let at = |millis: i64| load::segment(GOOD, "out of time", UnixMillis(millis));
    let nothing = SegmentObject { spans: Vec::new(), ..good("nothing") };
    let cases: Vec<(&str, Bytes)> = vec![
        ("malformed", whole.slice(..whole.len() - 3)),
        ("malformed", Bytes::from_static(&[0xff; 64])),
        ("invalid_utf8", text_broken(&whole)),
        ("too_many", many.encode_to_vec().into()),
        ("time_out_of_range", at(-62_135_596_800_000).encode_to_vec().into()),
        ("time_out_of_range", at(253_402_300_799_000).encode_to_vec().into()),
        ("time_out_of_range", at(i64::MAX - 1_000).encode_to_vec().into()),
        ("missing_name", load::segment("", "nobody", recent()).encode_to_vec().into()),
        ("empty", nothing.encode_to_vec().into()),
    ];
    let mut sent = BTreeSet::new();
    for (n, (reason, bad)) in cases.into_iter().enumerate() {
        let before = server.metrics().await;
        let ids = [format!("{n}.before"), format!("{n}.after")];
        let [first, last] = ids.each_ref().map(|id| Bytes::from(good(id).encode_to_vec()));
        let answer = grpc.stream(COLLECT, vec![first, bad, last]).await;
        assert!(answer.is_ok(), "{reason}, case {n}: a bad element ended the stream: {answer:?}");
        let after = server.metrics().await;
        assert_eq!(after.refused(reason), before.refused(reason) + 1, "{reason}, case {n}");
        let (all_before, all_after) = (total_refused(&before), total_refused(&after));
        assert_eq!(all_after, all_before + 1, "case {n} is refused once and for one reason");
        sent.extend(ids);
    }
    server.wait_stored("segment", sent.len() as u64).await;
    assert_eq!(load::visible(&server, GOOD, sent.len()).await, sent);
    server.stop().await;
}

fn total_refused(metrics: &e2e::metrics::Metrics) -> u64 {
    metrics.count("skylark_refused_total", &[])
}

/// The message with a byte in the service's name that is in no UTF-8.
fn text_broken(message: &[u8]) -> Bytes {
    let mut bytes = message.to_vec();
    let at = bytes.windows(GOOD.len()).position(|window| window == GOOD.as_bytes()).unwrap();
    bytes[at] = 0xff;
    bytes.into()
}

#[tokio::test]
async fn bad_json_is_answered_with_an_error_and_harms_nobody() {
    let server = Server::start(&Settings::memory()).await;
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Vec<u8>| {
        let request = client.post(format!("http://{}/{path}", server.http)).header("content-type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    let deep = [b"{\"tags\":".repeat(50_000), vec![b'}'; 50_000]].concat();
    for path in ["v3/segment", "v3/segments", "v3/logs", "v3/management/keepAlive", "graphql"] {
        for body in [&b"{"[..], b"\xff\xfe", b"7", b"", &deep] {
            let status = post(path, body.to_vec()).await;
            assert!((400..500).contains(&status), "/{path} answered {status} to {} bytes", body.len());
        }
    }
    let nested = format!("{{\"query\":\"{}\"}}", "{a".repeat(50_000));
    assert!(post("graphql", nested.into_bytes()).await < 500);
    // A list is taken element by element, as a stream is.
    let before = server.metrics().await.refused("malformed");
    let span = format!(
        r#"{{"spanId":0,"parentSpanId":-1,"spanType":"Entry","startTime":"{0}","endTime":{0},"operationName":"GET:/"}}"#,
        recent().0
    );
    let good =
        format!(r#"{{"traceId":"t","traceSegmentId":"s","service":"{GOOD}","serviceInstance":"i","spans":[{span}]}}"#);
    assert_eq!(post("v3/segments", format!("[1,{good},\"two\"]").into_bytes()).await, 200);
    server.wait_stored("segment", 1).await;
    assert_eq!(server.metrics().await.refused("malformed"), before + 2);
    assert_eq!(load::stored(&server, GOOD).await, BTreeSet::from(["s".to_owned()]));
    server.stop().await;
}

async fn noise_and_huge_messages_leave_other_agents_alone(store: Store) {
    let server = Server::start(&store.settings()).await;
    let load = Load::start(&server, GOOD, "beside", 1);

    for address in [&server.grpc, &server.http] {
        for n in 0..50u64 {
            let mut connection = TcpStream::connect(address).await.unwrap();
            // The server may hang up before it has read all of it.
            if connection.write_all(&noise(n, 64 << 10)).await.is_ok() {
                connection.shutdown().await.unwrap_or_default();
                connection.read_to_end(&mut Vec::new()).await.unwrap_or_default();
            }
        }
    }

    let huge: Bytes = vec![0x0a; 51 << 20].into();
    let before = server.metrics().await.refused("too_large");
    let refused = server.grpc().unary(COLLECT, huge.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let client = reqwest::Client::new();
    for path in ["v3/segments", "graphql"] {
        let request = client.post(format!("http://{}/{path}", server.http)).header("content-type", "application/json");
        let sent = request.body(huge.clone()).send().await;
        // A server that refuses early may close before the client has sent all, which the client tells as an error of its own.
        if let Ok(answer) = sent {
            assert_eq!(answer.status(), 413, "/{path}");
        }
    }
    // Five bytes that announce four gigabytes.
    let mut liar = TcpStream::connect(&server.grpc).await.unwrap();
    liar.write_all(&raw::call_of_one_frame(u32::MAX, b"that was all")).await.unwrap();
    wait_for("three messages to be refused as too large", async || {
        match server.metrics().await.refused("too_large") - before {
            3 => Ok(()),
            n => Err(format!("{n} are refused")),
        }
    })
    .await;
    // As large as is allowed, and wrong, from several at once: read, weighed, refused.
    let allowed: Bytes = vec![0xff; (50 << 20) - 1].into();
    let several = (0..4).map(|_| (server.grpc(), allowed.clone()));
    let several: Vec<_> =
        several.map(|(grpc, body)| tokio::spawn(async move { grpc.stream(COLLECT, vec![body]).await })).collect();
    let mut peak = 0;
    while several.iter().any(|call| !call.is_finished()) {
        peak = peak.max(server.anonymous_memory());
        server.metrics().await;
    }
    assert!(peak < MEMORY_MAX, "{} MiB of anonymous memory", peak >> 20);

    everything_is_whole(&server, load).await;
    server.stop().await;
}

/// The bytes that a seed gives (xorshift), beginning with any of 256 bytes as the seeds go on.
fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    });
    bytes.flatten().take(n).collect()
}

#[tokio::test]
async fn ten_thousand_rude_connections_leave_other_agents_alone() {
    // This process holds one end of each; the server raises its own limit.
    let limit = rlimit::increase_nofile_limit(20_000).unwrap();
    let n_connections =
        usize::try_from(limit).unwrap().saturating_sub(500).min(10_000) / Rude::ALL.len() * Rude::ALL.len();
    assert!(n_connections >= 400, "the machine allows {limit} descriptors, which is too few for this test");

    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&Settings::embedded(folder.path()).with("receiver.message_seconds", "5")).await;
    let load = Load::start(&server, GOOD, "beside", 1);
    let idle = server.anonymous_memory();
    let descriptors = async || server.metrics().await.count("process_open_fds", &[]);
    let descriptors_idle = descriptors().await;

    let mut connections = Vec::new();
    for n in 0..n_connections {
        connections.push(Rude::ALL[n % Rude::ALL.len()].open(&server).await.unwrap());
    }
    let n_half = (n_connections / Rude::ALL.len()) as u64;
    wait_for("half-sent messages to be given up", async || match server.metrics().await.refused("too_slow") {
        n if n == n_half => Ok(()),
        n => Err(format!("{n} of {n_half}")),
    })
    .await;
    let memory = server.anonymous_memory();
    println!("{n_connections} connections: {} MiB, {} MiB before", memory >> 20, idle >> 20);
    let budget = idle + STORE_MAX + n_connections as u64 * CONNECTION_MAX;
    assert!(memory < budget, "{} MiB of {}", memory >> 20, budget >> 20);

    // Somebody new is served while all of them are there.
    load::send(&server.grpc(), "newcomer", "new", 3, recent()).await;
    wait_for("a newcomer's segments", async || match load::stored(&server, "newcomer").await.len() {
        3 => Ok(()),
        n => Err(format!("{n} of 3")),
    })
    .await;
    everything_is_whole(&server, load).await;

    drop(connections);
    wait_for("descriptors to be given back", async || match descriptors().await {
        n if n < descriptors_idle + 100 => Ok(()),
        n => Err(format!("{n} are open, {descriptors_idle} were before")),
    })
    .await;
    server.stop().await;
}

/// Stops the load and checks that all of it that was acknowledged is there.
async fn everything_is_whole(server: &Server, load: Load) {
    assert!(load.n_acknowledged() > 0, "there was a load");
    let acknowledged = load.stop().await;
    server.wait_stored("segment", acknowledged.len() as u64).await;
    let stored = load::visible(server, GOOD, acknowledged.len()).await;
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} segments are lost", lost.len(), acknowledged.len());
    server.assert_no_errors();
}
