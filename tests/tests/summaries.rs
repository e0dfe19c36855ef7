//! Summaries of traces: written as segments stream through, completed from the segments where they lag behind, merged with what later
//! lives of the server write.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use e2e::server::Server;
use e2e::store::Store;
use e2e::{load, now, on_stores, wait_for};
use model::UnixMillis;
use proto::v3::{RefType, SegmentObject, SegmentReference};
use serde_json::{Value, json};

on_stores!(a_trace_is_one_summary_before_and_after_a_crash_with_what_comes_late: memory, embedded, opensearch_3, opensearch_2);

/// A segment that answers the segment `caller`.
fn called(service: &str, id: &str, caller: &str, start: UnixMillis) -> SegmentObject {
    let mut segment = traced(load::segment(service, id, start));
    segment.spans[0].refs = vec![SegmentReference {
        ref_type: RefType::CrossProcess.into(),
        trace_id: "trace".to_owned(),
        parent_trace_segment_id: caller.to_owned(),
        ..SegmentReference::default()
    }];
    segment.spans[0].is_error = service == "pay";
    segment
}

fn traced(segment: SegmentObject) -> SegmentObject {
    SegmentObject { trace_id: "trace".to_owned(), ..segment }
}

async fn summaries(server: &Server, of: &str, start: UnixMillis) -> Value {
    let query =
        "query q($c: TraceQueryCondition, $of: SummaryOf) { queryTraceSummaries(condition: $c, of: $of) { traces {
        traceId start duration isError rootService rootEndpoint hasRoot segments spans errorSpans orphanSegments
        services { name spans errorSpans } } } }";
    let condition = json!({
        "queryDuration": load::duration(UnixMillis(start.0 - 60_000), UnixMillis(start.0 + 120_000)),
        "traceState": "ALL", "queryOrder": "BY_DURATION", "paging": {"pageNum": 1, "pageSize": 5},
    });
    let data = server.data(query, json!({"c": condition, "of": of})).await;
    data["queryTraceSummaries"]["traces"].clone()
}

async fn wait_summary(server: &Server, of: &str, start: UnixMillis, expected: &Value) {
    wait_for(&format!("the summary of {of}"), async || match summaries(server, of, start).await {
        found if found == json!([expected]) => Ok(()),
        found => Err(found.to_string()),
    })
    .await;
}

async fn a_trace_is_one_summary_before_and_after_a_crash_with_what_comes_late(store: Store) {
    let settings = store.settings().with("analysis.trace_windows.idle_seconds", "1");
    let server = Server::start(&settings).await;
    let start = now();
    let at = |ms| UnixMillis(start.0 + ms);
    let front = traced(load::segment("front", "s-front", start));
    let pay = called("pay", "s-pay", "s-front", at(5));
    // The repeat counts once.
    load::send_all(&server.grpc(), &[pay.clone(), front, pay]).await;
    let two = json!({
        "traceId": "trace", "start": start.0, "duration": 30, "isError": true, "rootService": "front",
        "rootEndpoint": "GET:/load", "hasRoot": true, "segments": 2, "spans": 2, "errorSpans": 1, "orphanSegments": 0,
        "services": [{"name": "front", "spans": 1, "errorSpans": 0}, {"name": "pay", "spans": 1, "errorSpans": 1}],
    });
    wait_summary(&server, "SEGMENT", start, &two).await;
    wait_summary(&server, "TRACE", start, &two).await;
    wait_for("every window to close", async || {
        let metrics = server.metrics().await;
        let (open, written) = ("skylark_trace_windows", "skylark_trace_summaries_written_total");
        match (metrics.count(open, &[]), metrics.count(written, &[])) {
            (0, 1..) => Ok(()),
            (open, written) => Err(format!("{open} open, {written} written")),
        }
    })
    .await;

    let server = if store.outlives_the_server() {
        server.kill().await;
        Server::start(&settings).await
    } else {
        server
    };
    load::send_all(&server.grpc(), &[called("stock", "s-stock", "s-gone", at(2_000))]).await;
    let mut three = two;
    for (field, value) in [("duration", 2_025), ("segments", 3), ("spans", 3), ("orphanSegments", 1)] {
        three[field] = value.into();
    }
    three["services"].as_array_mut().unwrap().push(json!({"name": "stock", "spans": 1, "errorSpans": 0}));
    wait_summary(&server, "SEGMENT", start, &three).await;
    wait_summary(&server, "TRACE", start, &three).await;
    server.assert_no_errors();
    server.stop().await;
}
