//! Lists of traces and whole traces.

use model::{
    Agg, Scope, Step, UnixMillis, cell, id,
    kinds::RecordKind,
    record::{FieldValue, Format, Record},
    summary::{Numbers, Piece, Summary, segment_number},
};
use prost::Message;
use proto::v3;
use serde_json::{Value, json};

use crate::world::{MINUTE, NOW, World, minutes};

/// A segment with an entry span, and an exit span below it where `calls` names an address.
fn segment(trace: &str, id: &str, at: i64, latency: i64, failed: bool, parent: Option<&str>) -> Record {
    let start = NOW + at;
    let reference = |parent: &str| v3::SegmentReference {
        trace_id: trace.to_owned(),
        parent_trace_segment_id: parent.to_owned(),
        parent_span_id: 1,
        ..Default::default()
    };
    let entry = v3::SpanObject {
        span_id: 0,
        parent_span_id: -1,
        start_time: start,
        end_time: start + latency,
        operation_name: "/pay".to_owned(),
        component_id: 1,
        span_layer: v3::SpanLayer::Http as i32,
        is_error: failed,
        refs: parent.map(reference).into_iter().collect(),
        tags: vec![v3::KeyStringValuePair { key: "http.method".to_owned(), value: "GET".to_owned() }],
        ..Default::default()
    };
    let exit = v3::SpanObject {
        span_id: 1,
        start_time: start + 1,
        end_time: start + 2,
        operation_name: "/next".to_owned(),
        peer: "h:1".to_owned(),
        span_type: v3::SpanType::Exit as i32,
        component_id: 424_242,
        logs: vec![v3::Log {
            time: start,
            data: vec![v3::KeyStringValuePair { key: "event".to_owned(), value: "e".to_owned() }],
        }],
        ..Default::default()
    };
    let body = v3::SegmentObject {
        trace_id: trace.to_owned(),
        trace_segment_id: id.to_owned(),
        service: "pay".to_owned(),
        service_instance: "p1".to_owned(),
        // Children come first, as agents send them.
        spans: vec![exit, entry],
        ..Default::default()
    };
    let service = id::service("pay", true);
    Record {
        kind: RecordKind::Segment,
        id: id.to_owned().into(),
        time: UnixMillis(start),
        fields: vec![
            FieldValue::keyword(trace.to_owned()),
            FieldValue::keyword(service.clone()),
            FieldValue::keyword(id::instance(&service, "p1")),
            FieldValue::keyword(id::endpoint(&service, "/pay")),
            FieldValue::Int(latency),
            FieldValue::Bool(failed),
            FieldValue::Texts(vec!["http.method=GET".into()]),
        ],
        format: Format::Segment,
        body: body.encode_to_vec().into(),
    }
}

async fn world() -> World {
    let world = World::new();
    world
        .records(vec![
            segment("t1", "s1", 0, 100, false, None),
            segment("t1", "s2", 10, 50, true, Some("s1")),
            segment("t2", "s3", 60_000, 900, false, None),
            segment("t3", "s4", -3_600_000, 10, false, None),
        ])
        .await;
    world
}

fn condition(extra: Value) -> Value {
    let mut condition =
        json!({"traceState": "ALL", "queryOrder": "BY_START_TIME", "paging": {"pageNum": 1, "pageSize": 15}});
    condition.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    condition
}

const BASIC: &str = "query q($c: TraceQueryCondition) { queryBasicTraces(condition: $c) { traces { segmentId endpointNames duration start isError traceIds } } }";

#[tokio::test]
async fn a_row_is_a_segment() {
    let world = world().await;
    let data = world.ask(BASIC, json!({"c": condition(json!({"queryDuration": minutes(1, 1)}))})).await;
    assert_eq!(
        data["queryBasicTraces"]["traces"],
        json!([{
            "segmentId": "s3", "endpointNames": ["/pay"], "duration": 900, "start": (NOW + 60_000).to_string(),
            "isError": false, "traceIds": ["t2"],
        }])
    );
}

#[tokio::test]
async fn conditions_are_anded_and_empty_ones_mean_nothing() {
    let world = world().await;
    let service = id::service("pay", true);
    let window = minutes(0, 1);
    for (extra, expected) in [
        (json!({}), "s3 s2 s1"),
        (json!({"queryOrder": "BY_DURATION"}), "s3 s1 s2"),
        (json!({"minTraceDuration": null, "serviceId": "", "traceId": "", "tags": null}), "s3 s2 s1"),
        (json!({"minTraceDuration": 100, "maxTraceDuration": 0}), "s3 s1"),
        (json!({"minTraceDuration": 60, "maxTraceDuration": 100}), "s1"),
        (json!({"traceState": "ERROR"}), "s2"),
        (json!({"traceState": "SUCCESS"}), "s3 s1"),
        (json!({"serviceId": service}), "s3 s2 s1"),
        (json!({"serviceId": id::service("pay", false)}), ""),
        (json!({"serviceInstanceId": id::instance(&service, "p2")}), ""),
        (json!({"endpointId": id::endpoint(&service, "/pay")}), "s3 s2 s1"),
        (json!({"traceId": "t1"}), "s2 s1"),
        (json!({"tags": [{"key": "http.method", "value": "GET"}]}), "s3 s2 s1"),
        (json!({"tags": [{"key": "http.method", "value": "GET"}, {"key": "x", "value": "y"}]}), ""),
        (json!({"paging": {"pageNum": 2, "pageSize": 2}}), "s1"),
        (json!({"paging": {"pageNum": 0, "pageSize": 1}}), "s3"),
        (json!({"paging": {"pageSize": 0}}), ""),
    ] {
        let mut all = condition(extra.clone());
        all["queryDuration"] = window.clone();
        let data = world.ask(BASIC, json!({"c": all})).await;
        let rows = data["queryBasicTraces"]["traces"].as_array().unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row["segmentId"].as_str().unwrap()).collect();
        assert_eq!(ids.join(" "), expected, "{extra}");
    }
}

#[tokio::test]
async fn a_list_needs_a_duration_or_a_trace() {
    let world = world().await;
    let data = world.ask(BASIC, json!({"c": condition(json!({"traceId": "t3"}))})).await;
    assert_eq!(data["queryBasicTraces"]["traces"].as_array().unwrap().len(), 1);
    for c in [condition(json!({})), condition(json!({"traceId": ""})), json!(null)] {
        let message = world.error(BASIC, json!({"c": c})).await;
        assert!(message.contains("condition"), "{message}");
    }
    let bad = condition(json!({"serviceId": "pay", "queryDuration": minutes(0, 1)}));
    assert!(world.error(BASIC, json!({"c": bad})).await.contains("malformed service id"));
}

#[tokio::test]
async fn a_trace_is_its_spans_parents_first() {
    let world = world().await;
    let query = "{ queryTrace(traceId: \"t1\") { spans { traceId segmentId spanId parentSpanId serviceCode serviceInstanceName startTime endTime endpointName \
                 type peer component isError layer refs { traceId parentSegmentId parentSpanId type } tags { key value } logs { time data { key value } } \
                 attachedEvents { event } } } }";
    let data = world.ask(query, json!({})).await;
    let spans = data["queryTrace"]["spans"].as_array().unwrap();
    let order: Vec<String> =
        spans.iter().map(|span| format!("{}/{}", span["segmentId"].as_str().unwrap(), span["spanId"])).collect();
    assert_eq!(order, ["s1/0", "s1/1", "s2/0", "s2/1"]);
    assert_eq!(
        spans[2],
        json!({
            "traceId": "t1", "segmentId": "s2", "spanId": 0, "parentSpanId": -1, "serviceCode": "pay", "serviceInstanceName": "p1",
            "startTime": NOW + 10, "endTime": NOW + 60, "endpointName": "/pay", "type": "Entry", "peer": "", "component": "Tomcat",
            "isError": true, "layer": "Http",
            "refs": [{"traceId": "t1", "parentSegmentId": "s1", "parentSpanId": 1, "type": "CROSS_PROCESS"}],
            "tags": [{"key": "http.method", "value": "GET"}], "logs": [], "attachedEvents": [],
        })
    );
    assert_eq!((&spans[1]["component"], &spans[1]["type"]), (&json!("Unknown"), &json!("Exit")));
    assert_eq!(spans[1]["logs"], json!([{"time": NOW, "data": [{"key": "event", "value": "e"}]}]));
    let unknown = world.ask("{ queryTrace(traceId: \"nobody\") { spans { spanId } } }", json!({})).await;
    assert_eq!(unknown["queryTrace"], json!({"spans": []}));
}

const WHOLE: &str = "query q($c: TraceQueryCondition) { queryTraces(condition: $c) { traces { spans { segmentId } } retrievedTimeRange { startTime endTime } } }";

#[tokio::test]
async fn whole_traces_are_listed_once_each_with_all_their_spans() {
    let world = world().await;
    for (extra, expected) in [
        (json!({"queryDuration": minutes(0, 1)}), "s3s3 s1s1s2s2"),
        (json!({"queryDuration": minutes(0, 1), "traceState": "ERROR"}), "s1s1s2s2"),
        (json!({"queryDuration": minutes(0, 1), "paging": {"pageNum": 2, "pageSize": 1}}), "s1s1s2s2"),
        (json!({"queryDuration": minutes(0, 1), "paging": {"pageNum": 3, "pageSize": 1}}), ""),
        (json!({"queryDuration": minutes(0, 1), "queryOrder": "BY_DURATION", "paging": {"pageSize": 1}}), "s3s3"),
        // A shared link's window is not the trace's.
        (json!({"queryDuration": minutes(0, 1), "traceId": "t3"}), "s4s4"),
        (json!({"traceId": "nobody"}), ""),
        // The last day, up to now.
        (json!({}), "s1s1s2s2 s4s4"),
    ] {
        let data = world.ask(WHOLE, json!({"c": condition(extra.clone())})).await;
        let traces = data["queryTraces"]["traces"].as_array().unwrap();
        let text = |trace: &Value| {
            trace["spans"]
                .as_array()
                .unwrap()
                .iter()
                .map(|span| span["segmentId"].as_str().unwrap())
                .collect::<String>()
        };
        let all: Vec<String> = traces.iter().map(text).collect();
        assert_eq!(all.join(" "), expected, "{extra}");
    }
    let data = world.ask(WHOLE, json!({"c": condition(json!({"queryDuration": minutes(0, 1)}))})).await;
    assert_eq!(data["queryTraces"]["retrievedTimeRange"], json!({"startTime": NOW, "endTime": NOW + 119_999}));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_hides_no_other() {
    let world = world().await;
    let mut broken = segment("t1", "s9", 5, 1, false, None);
    broken.body = vec![0xff; 9].into();
    world.records(vec![broken]).await;
    let data = world.ask("{ queryTrace(traceId: \"t1\") { spans { segmentId } } }", json!({})).await;
    assert_eq!(data["queryTrace"]["spans"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn tags_are_completed_from_their_days() {
    let world = World::new();
    let values = |values: &[&str]| {
        Agg::Texts(values.iter().map(|value| ((*value).to_owned(), (UnixMillis(1), String::new()))).collect())
    };
    let today = MINUTE - 12 * 60;
    for (day, entity, seen) in [
        (today, "TRACE|http.method", values(&["POST", "GET"])),
        (today, "TRACE|db.type", values(&["sql"])),
        (today - 24 * 60, "TRACE|http.method", values(&["PUT"])),
        (today, "LOG|level", values(&["ERROR"])),
    ] {
        world.row(Scope::Tag, Step::Day, day, entity, &[(cell::VALUES, seen)]).await;
    }
    let query = "query q($d: Duration!) { keys: queryTraceTagAutocompleteKeys(duration: $d) values: queryTraceTagAutocompleteValues(tagKey: \"http.method\", duration: $d) \
                 none: queryTraceTagAutocompleteValues(tagKey: \"level\", duration: $d) \
                 logKeys: queryLogTagAutocompleteKeys(duration: $d) logValues: queryLogTagAutocompleteValues(tagKey: \"level\", duration: $d) }";
    let data = world.ask(query, json!({"d": minutes(0, 30)})).await;
    assert_eq!(
        data,
        json!({"keys": ["db.type", "http.method"], "values": ["GET", "POST"], "none": [], "logKeys": ["level"], "logValues": ["ERROR"]})
    );
    let data = world.ask(query, json!({"d": minutes(-13 * 60, 30)})).await;
    assert_eq!(data["values"], json!(["GET", "POST", "PUT"]));
}

const SUMMARIES: &str = "query q($c: TraceQueryCondition, $of: SummaryOf) { queryTraceSummaries(condition: $c, of: $of) { retrievedTimeRange { startTime endTime } traces { traceId start duration isError rootService rootEndpoint hasRoot segments spans errorSpans orphanSegments isComplete services { name segments spans errorSpans } } } }";

/// What a process that saw these segments writes of their trace.
fn partial(trace: &str, n: u64, segments: &[Record]) -> Record {
    let numbers = |record: &Record| {
        let object = v3::SegmentObject::decode(record.body.clone()).unwrap();
        let errors = object.spans.iter().filter(|span| span.is_error).count();
        let parent = object.spans[1].refs.first().map_or(0, |parent| segment_number(&parent.parent_trace_segment_id));
        Numbers { parent, spans: 2, errors: u32::try_from(errors).unwrap() }
    };
    let mut pieces = segments.iter().map(|record| Piece::of(record, numbers(record)).unwrap().1);
    let mut summary = Summary::new(&pieces.next().unwrap());
    pieces.for_each(|piece| summary.add(&piece));
    storage::traces::record(trace, (segment_number(trace), n), &summary)
}

async fn summaries(world: &World, condition: Value, of: &str) -> Value {
    world.ask(SUMMARIES, json!({"c": condition, "of": of})).await["queryTraceSummaries"]["traces"].clone()
}

#[tokio::test]
async fn a_summary_is_the_same_with_all_some_or_no_partials_stored() {
    let segments = [segment("t1", "s1", 0, 100, false, None), segment("t1", "s2", 10, 50, true, Some("s1"))];
    let stored = [
        vec![],
        vec![partial("t1", 1, &segments[..1])],
        vec![partial("t1", 1, &segments[1..]), partial("t1", 2, &segments)],
    ];
    for partials in stored {
        let world = world().await;
        world.records(vec![segment("t1", "s5", 10, 250, false, Some("gone"))]).await;
        world.records(partials).await;
        let found = summaries(&world, condition(json!({"traceId": "t1"})), "SEGMENT").await;
        assert_eq!(
            found,
            json!([{
                "traceId": "t1", "start": NOW, "duration": 260, "isError": true, "rootService": "pay", "rootEndpoint": "/pay",
                "hasRoot": true, "segments": 3, "spans": 6, "errorSpans": 1, "orphanSegments": 1, "isComplete": true,
                "services": [{"name": "pay", "segments": 3, "spans": 6, "errorSpans": 1}],
            }])
        );
    }
}

fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["traceId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn summaries_are_listed_by_segments_or_by_whole_traces() {
    let world = world().await;
    let within = |extra: Value| {
        let mut all = json!({"queryDuration": minutes(0, 5), "queryOrder": "BY_DURATION"});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        condition(all)
    };
    assert_eq!(ids(&summaries(&world, within(json!({})), "SEGMENT").await), ["t2", "t1"], "no summary is needed");
    assert_eq!(ids(&summaries(&world, within(json!({})), "TRACE").await), [""; 0], "none is written yet");
    // Of each trace one part was seen here and one there, ten seconds apart.
    let early = |trace| partial(trace, 1, &[segment(trace, "early", 0, 10, false, None)]);
    let late = |trace, failed| partial(trace, 2, &[segment(trace, "late", 10_000, 1_000, failed, Some("early"))]);
    world.records(vec![early("t1"), late("t1", true)]).await;
    world.records(vec![partial("t2", 1, &[segment("t2", "s3", 60_000, 900, false, None)])]).await;
    let trace = |extra| summaries(&world, within(extra), "TRACE");
    assert_eq!(ids(&trace(json!({})).await), ["t1", "t2"], "as a whole, t1 takes longer");
    assert_eq!(ids(&trace(json!({"queryOrder": "BY_START_TIME"})).await), ["t2", "t1"]);
    assert_eq!(ids(&trace(json!({"minTraceDuration": 5_000})).await), ["t1"], "none of its segments does");
    assert_eq!(ids(&trace(json!({"maxTraceDuration": 5_000})).await), ["t2"]);
    assert_eq!(ids(&trace(json!({"traceState": "ERROR"})).await), ["t1"]);
    assert_eq!(ids(&trace(json!({"traceState": "SUCCESS"})).await), ["t2"]);
    let (pay, other) = (id::service("pay", true), id::service("other", true));
    assert_eq!(ids(&trace(json!({"serviceId": pay})).await), ["t1", "t2"]);
    assert_eq!(ids(&trace(json!({"serviceId": other})).await), [""; 0]);
    assert_eq!(ids(&trace(json!({"queryDuration": minutes(1, 1)})).await), ["t2"], "t1 began before");
    assert_eq!(ids(&trace(json!({"paging": {"pageNum": 2, "pageSize": 1}})).await), ["t2"]);
    assert_eq!(ids(&trace(json!({"traceId": "t1", "queryDuration": minutes(4, 5)})).await), ["t1"]);
    let tags = json!({"c": within(json!({"tags": [{"key": "http.method", "value": "GET"}]})), "of": "TRACE"});
    assert_eq!(
        world.error(SUMMARIES, tags).await,
        "instances, endpoints and tags are known of segments, not of whole traces"
    );
}
