//! Logs and events, and what is empty until its area is served.

use model::{
    UnixMillis, id,
    kinds::RecordKind,
    record::{FieldValue, Format, Record},
};
use prost::Message;
use proto::v3::{self, log_data_body::Content};
use serde_json::{Value, json};

use crate::world::{NOW, World, minutes};

fn log(id: &str, at: i64, text: &str, level: &str, trace: Option<(&str, &str, i32)>, endpoint: Option<&str>) -> Record {
    let pair = |key: &str, value: &str| v3::KeyStringValuePair { key: key.to_owned(), value: value.to_owned() };
    let content = if text.starts_with('{') {
        Content::Json(v3::JsonLog { json: text.to_owned() })
    } else {
        Content::Text(v3::TextLog { text: text.to_owned() })
    };
    let body = v3::LogData {
        timestamp: NOW + at,
        body: Some(v3::LogDataBody { content: Some(content), ..Default::default() }),
        tags: Some(v3::LogTags { data: vec![pair("level", level), pair("logger", "x.Y")] }),
        ..Default::default()
    };
    let service = id::service("pay", true);
    Record {
        kind: RecordKind::Log,
        id: id.to_owned().into(),
        time: UnixMillis(NOW + at),
        fields: vec![
            FieldValue::keyword(service.clone()),
            FieldValue::keyword(id::instance(&service, "p1")),
            endpoint.map_or(FieldValue::Absent, |name| FieldValue::keyword(id::endpoint(&service, name))),
            trace.map_or(FieldValue::Absent, |(trace, ..)| FieldValue::keyword(trace.to_owned())),
            trace.map_or(FieldValue::Absent, |(_, segment, _)| FieldValue::keyword(segment.to_owned())),
            trace.map_or(FieldValue::Absent, |(.., span)| FieldValue::Int(span.into())),
            FieldValue::Texts(vec![format!("level={level}").into()]),
            FieldValue::keyword(text.to_owned()),
        ],
        format: Format::Log,
        body: body.encode_to_vec().into(),
    }
}

async fn logs() -> World {
    let world = World::new();
    world
        .records(vec![
            log("l1", 0, "the first line", "INFO", Some(("t1", "s1", 0)), Some("/pay")),
            log("l2", 1_000, "{\"second\": \"line\"}", "ERROR", Some(("t1", "s1", 2)), None),
            log("l3", 61_000, "third, a line", "INFO", None, Some("/pay")),
        ])
        .await;
    world
}

#[tokio::test]
async fn a_log_shows_names_content_and_all_its_tags() {
    let world = logs().await;
    let query = "query q($c: LogQueryCondition) { queryLogs(condition: $c) { errorReason logs { serviceName serviceId serviceInstanceName serviceInstanceId \
                 endpointName endpointId traceId timestamp contentType content tags { key value } } } }";
    let condition = json!({"relatedTrace": {"traceId": "t1", "segmentId": "s1", "spanId": 2}, "paging": {"pageNum": 1, "pageSize": 15}});
    let service = id::service("pay", true);
    assert_eq!(
        world.ask(query, json!({"c": condition})).await["queryLogs"],
        json!({"errorReason": null, "logs": [{
            "serviceName": "pay", "serviceId": service, "serviceInstanceName": "p1", "serviceInstanceId": id::instance(&service, "p1"),
            "endpointName": null, "endpointId": null, "traceId": "t1", "timestamp": NOW + 1_000, "contentType": "JSON",
            "content": "{\"second\": \"line\"}",
            "tags": [{"key": "level", "value": "ERROR"}, {"key": "logger", "value": "x.Y"}],
        }]})
    );
}

#[tokio::test]
async fn logs_are_filtered_ordered_and_paged() {
    let world = logs().await;
    let query = "query q($c: LogQueryCondition) { queryLogs(condition: $c) { logs { content } } }";
    let service = id::service("pay", true);
    for (extra, expected) in [
        (json!({"relatedTrace": {"traceId": ""}}), "third {\"second\": the"),
        (json!({"queryOrder": "ASC"}), "the {\"second\": third"),
        (json!({"serviceId": service, "endpointId": id::endpoint(&service, "/pay")}), "third the"),
        (json!({"serviceInstanceId": id::instance(&service, "p2")}), ""),
        (json!({"tags": [{"key": "level", "value": "INFO"}]}), "third the"),
        (json!({"tags": [{"key": " level ", "value": "INFO "}]}), "third the"),
        (json!({"tags": [{"key": "logger", "value": "x.Y"}]}), ""),
        (json!({"keywordsOfContent": ["first line"], "excludingKeywordsOfContent": []}), "the"),
        (json!({"keywordsOfContent": ["line"], "excludingKeywordsOfContent": ["third"]}), "{\"second\": the"),
        (json!({"keywordsOfContent": [""]}), "third {\"second\": the"),
        (json!({"queryDuration": minutes(0, 0)}), "{\"second\": the"),
        (json!({"relatedTrace": {"traceId": "t1"}}), "{\"second\": the"),
        (json!({"paging": {"pageNum": 2, "pageSize": 2}}), "the"),
    ] {
        let mut condition = json!({"queryDuration": minutes(0, 1), "paging": {"pageNum": 1, "pageSize": 15}});
        condition.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let data = world.ask(query, json!({"c": condition})).await;
        let logs = data["queryLogs"]["logs"].as_array().unwrap();
        let first = |log: &Value| log["content"].as_str().unwrap().split([' ', ',']).next().unwrap().to_owned();
        assert_eq!(logs.iter().map(first).collect::<Vec<_>>().join(" "), expected, "{extra}");
    }
    let data = world
        .ask(
            "query q($c: LogQueryCondition) { queryLogs(condition: $c) { errorReason logs { content } } }",
            json!({"c": {"relatedTrace": {"traceId": ""}, "paging": {"pageSize": 15}}}),
        )
        .await;
    assert_eq!(data["queryLogs"]["logs"], json!([]));
    assert!(data["queryLogs"]["errorReason"].as_str().unwrap().contains("queryDuration"));
}

/// A report of an event of the instance `p1` of `pay`, its times from [`NOW`] on.
pub(crate) fn event(
    uuid: &str,
    name: &str,
    kind: v3::Type,
    times: (i64, i64),
    endpoint: &str,
    parameter: Option<&str>,
) -> Record {
    let at = |offset: i64| if offset == 0 { 0 } else { NOW + offset };
    let body = v3::Event {
        uuid: uuid.to_owned(),
        name: name.to_owned(),
        r#type: kind as i32,
        message: "words".to_owned(),
        parameters: parameter.map(|value| ("OPTS".to_owned(), value.to_owned())).into_iter().collect(),
        start_time: at(times.0),
        end_time: at(times.1),
        ..Default::default()
    };
    let time = if times.0 == 0 { at(times.1) } else { at(times.0) };
    Record {
        kind: RecordKind::Event,
        id: format!("{uuid}{}{}", times.0, times.1).into(),
        time: UnixMillis(time),
        fields: vec![
            FieldValue::keyword(uuid.to_owned()),
            FieldValue::keyword("pay"),
            FieldValue::keyword("p1"),
            FieldValue::keyword(endpoint.to_owned()),
            FieldValue::keyword(name.to_owned()),
            FieldValue::keyword(if kind == v3::Type::Error { "Error" } else { "Normal" }),
            FieldValue::keyword("GENERAL"),
        ],
        format: Format::Event,
        body: body.encode_to_vec().into(),
    }
}

#[tokio::test]
async fn reports_of_one_event_are_one_event() {
    let world = World::new();
    world
        .records(vec![
            event("e1", "Start", v3::Type::Normal, (0, 130_000), "", None),
            event("e1", "Start", v3::Type::Normal, (1_000, 0), "", Some("-Xmx1g")),
            event("e2", "Alarm", v3::Type::Error, (70_000, 71_000), "/z", None),
        ])
        .await;
    let query = "query q($c: EventQueryCondition) { queryEvents(condition: $c) { events { uuid source { service serviceInstance endpoint } name type message \
                 parameters { key value } startTime endTime layer } } }";
    let first = json!({
        "uuid": "e1", "source": {"service": "pay", "serviceInstance": "p1", "endpoint": ""}, "name": "Start", "type": "Normal",
        "message": "words", "parameters": [{"key": "OPTS", "value": "-Xmx1g"}], "startTime": NOW + 1_000, "endTime": NOW + 130_000,
        "layer": "GENERAL",
    });
    let second = json!({
        "uuid": "e2", "source": {"service": "pay", "serviceInstance": "p1", "endpoint": "/z"}, "name": "Alarm", "type": "Error",
        "message": "words", "parameters": null, "startTime": NOW + 70_000, "endTime": NOW + 71_000, "layer": "GENERAL",
    });
    let all = json!({"time": minutes(0, 1)});
    for (extra, expected) in [
        (json!({}), json!([second, first])),
        (json!({"order": "ASC"}), json!([first, second])),
        (json!({"source": {"service": "pay", "serviceInstance": "", "endpoint": null}}), json!([second, first])),
        (json!({"source": {"service": "web"}}), json!([])),
        (json!({"source": {"endpoint": "/z"}}), json!([second])),
        (json!({"type": "Normal", "name": "Start", "layer": "GENERAL"}), json!([first])),
        (json!({"uuid": "e2"}), json!([second])),
        (json!({"time": minutes(2, 3)}), json!([first])),
        (json!({"time": null, "uuid": "e1"}), json!([first])),
        (json!({"paging": {"pageNum": 2, "pageSize": 1}}), json!([first])),
    ] {
        let mut condition = all.clone();
        condition["paging"] = json!({"pageNum": 1, "pageSize": 10});
        condition.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let data = world.ask(query, json!({"c": condition})).await;
        assert_eq!(data["queryEvents"]["events"], expected, "{extra}");
    }
    let message = world.error(query, json!({"c": {"paging": {"pageSize": 1}}})).await;
    assert!(message.contains("time or uuid"), "{message}");
}

#[tokio::test]
async fn an_event_without_a_start_is_listed_at_its_end() {
    let world = World::new();
    world
        .records(vec![
            event("early", "Start", v3::Type::Normal, (1_000, 0), "", None),
            event("ended", "Start", v3::Type::Normal, (0, 40_000), "", None),
            event("late", "Start", v3::Type::Normal, (70_000, 0), "", None),
        ])
        .await;
    let query = "query q($c: EventQueryCondition) { queryEvents(condition: $c) { events { uuid } } }";
    for (order, expected) in [("ASC", ["early", "ended", "late"]), ("DES", ["late", "ended", "early"])] {
        let condition = json!({"time": minutes(0, 1), "order": order, "paging": {"pageSize": 10}});
        let data = world.ask(query, json!({"c": condition})).await;
        assert_eq!(data["queryEvents"]["events"], json!(expected.map(|uuid| json!({"uuid": uuid}))), "{order}");
    }
}

#[tokio::test]
async fn areas_that_nothing_fills_yet_answer_empty() {
    let world = World::new();
    let query = "query q($d: Duration!) { getAlarm(duration: $d, paging: {pageSize: 1}) { msgs { id } } \
                 queryAlarms(condition: {duration: $d, paging: {pageSize: 1}, layer: \"\", entities: []}) { msgs { id } } \
                 queryAlarmTagAutocompleteKeys(duration: $d) getProfileTaskList(serviceId: \"x\") { id } \
                 queryBrowserErrorLogs(condition: {paging: {pageSize: 1}}) { logs { message } } \
                 queryPrepareCreateEBPFProfilingTaskData(serviceId: \"x\") { couldProfiling processLabels } \
                 queryAsyncProfilerTaskList(request: {serviceId: \"x\", limit: 10000}) { errorReason tasks { id } } \
                 readRecords(condition: {name: \"top_n\", parentEntity: {}, topN: 1, order: DES}, duration: $d) { id } }";
    assert_eq!(
        world.ask(query, json!({"d": minutes(0, 1)})).await,
        json!({
            "getAlarm": {"msgs": []}, "queryAlarms": {"msgs": []}, "queryAlarmTagAutocompleteKeys": [], "getProfileTaskList": [],
            "queryBrowserErrorLogs": {"logs": []},
            "queryPrepareCreateEBPFProfilingTaskData": {"couldProfiling": false, "processLabels": []},
            "queryAsyncProfilerTaskList": {"errorReason": null, "tasks": []},
            "readRecords": [],
        })
    );
    let refused = "mutation { createProfileTask(creationRequest: {serviceId: \"x\", endpointName: \"/\", duration: 5, minDurationThreshold: 0, dumpPeriod: 10, \
                   maxSamplingCount: 5}) { id errorReason } }";
    let data = world.ask(refused, json!({})).await;
    assert_eq!(data["createProfileTask"]["id"], Value::Null);
    assert_ne!(data["createProfileTask"]["errorReason"], Value::Null);
}
