//! The pages of traces and of logs.

use model::id;
use serde_json::{Value, json};

use crate::shop::{self, N_VISITS};
use crate::{LOGS, SPANS, Seen, Ui, each, same};

/// The list of traces with its filters, and one trace.
pub(crate) async fn traces(ui: &Ui<'_>) -> Seen {
    let keys =
        "query queryTraceTagKeys($duration: Duration!) { tagKeys: queryTraceTagAutocompleteKeys(duration: $duration) }";
    let keys = ui.ask(keys, json!({ "duration": ui.seconds() })).await["tagKeys"].take();
    let offered = |key: &str| keys.as_array().unwrap().iter().any(|offered| offered == key);
    if !["http.method", "http.status_code", "db.type"].into_iter().all(offered) {
        return Err(format!("keys of tags: {keys}"));
    }
    let values = "query queryTraceTagValues($tagKey: String!, $duration: Duration!) {
        tagValues: queryTraceTagAutocompleteValues(tagKey: $tagKey, duration: $duration)
    }";
    let values = ui.ask(values, json!({ "tagKey": "http.status_code", "duration": ui.seconds() })).await;
    let mut values: Vec<&str> = values["tagValues"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    values.sort_unstable();
    same("values of a tag", json!(values), json!(["200", "500"]))?;

    let document = "query queryTraces($condition: TraceQueryCondition) {
        data: queryBasicTraces(condition: $condition) {
            traces { key: segmentId endpointNames duration start isError traceIds }
        }
    }";
    let condition = |more: Value| {
        // What is not filled in arrives as null, as an empty text or not at all.
        let mut condition = json!({
            "queryDuration": ui.seconds(), "traceState": "ALL", "queryOrder": "BY_START_TIME",
            "paging": { "pageNum": 1, "pageSize": 20 }, "serviceId": id::service("web", true),
            "serviceInstanceId": "", "minTraceDuration": null, "tags": null,
        });
        condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "condition": condition })
    };
    let all = ui.ask(document, condition(json!({}))).await["data"]["traces"].take();
    let newest_first: Vec<String> = (0..N_VISITS).rev().map(|visit| format!("{}.web", shop::trace(visit))).collect();
    let keys: Vec<&Value> = all.as_array().unwrap().iter().map(|row| &row["key"]).collect();
    same("segments", json!(keys), json!(newest_first))?;
    same("an endpoint of a segment", all[0]["endpointNames"].clone(), json!(["GET:/checkout"]))?;
    same("the duration of a segment", all[0]["duration"].clone(), json!(shop::VISIT_MS))?;
    for filter in [
        json!({ "traceState": "ERROR" }),
        json!({ "tags": [{ "key": "http.status_code", "value": "500" }] }),
        json!({ "traceId": shop::trace(0), "minTraceDuration": shop::VISIT_MS }),
    ] {
        let found = ui.ask(document, condition(filter.clone())).await["data"]["traces"].take();
        same(&format!("segments with {filter}"), each(&found, "traceIds"), json!([[shop::trace(0)]]))?;
        same("a failed segment", found[0]["isError"].clone(), json!(true))?;
    }
    one_trace(ui).await
}

async fn one_trace(ui: &Ui<'_>) -> Seen {
    let spans = |answer: &Value| {
        let told = answer["spans"].as_array().unwrap().iter();
        json!(told.map(|s| json!([s["serviceCode"], s["type"], s["endpointName"], s["component"]])).collect::<Vec<_>>())
    };
    let drawn = json!([
        ["web", "Entry", "GET:/checkout", "Flask"],
        ["web", "Exit", "/orders", "Requests"],
        ["orders", "Entry", "/orders", "Flask"],
        ["orders", "Exit", "PostgreSQL/select", "Psychopg"],
    ]);
    let document = format!("query querySpans($traceId: ID!) {{ trace: queryTrace(traceId: $traceId) {{ {SPANS} }} }}");
    let trace = ui.ask(&document, json!({ "traceId": shop::trace(0) })).await["trace"].take();
    same("spans", spans(&trace), drawn.clone())?;
    same("what a failed span logged", trace["spans"][0]["logs"][0]["data"][0]["value"].clone(), json!("error"))?;
    let called = json!([{
        "traceId": shop::trace(0), "parentSegmentId": format!("{}.web", shop::trace(0)), "parentSpanId": 1, "type": "CROSS_PROCESS",
    }]);
    same("who called", trace["spans"][2]["refs"].clone(), called)?;
    let document = format!(
        "query queryTraceSpansFromColdStage($traceId: ID!, $duration: Duration!, $debug: Boolean) {{
            trace: queryTrace(traceId: $traceId, duration: $duration, debug: $debug) {{ {SPANS} }}
        }}"
    );
    let variables = json!({ "traceId": shop::trace(0), "duration": ui.seconds(), "debug": false });
    same("spans of an old trace", spans(&ui.ask(&document, variables).await["trace"]), drawn)?;

    let document = format!(
        "query queryV2Traces($condition: TraceQueryCondition) {{
            queryTraces(condition: $condition) {{ traces {{ {SPANS} }} retrievedTimeRange {{ startTime endTime }} }}
        }}"
    );
    let condition = json!({
        "queryDuration": ui.seconds(), "traceState": "ALL", "queryOrder": "BY_DURATION",
        "paging": { "pageNum": 1, "pageSize": 20 }, "serviceId": id::service("web", true),
    });
    let whole = ui.ask(&document, json!({ "condition": condition })).await["queryTraces"].take();
    let sizes: Vec<usize> =
        whole["traces"].as_array().unwrap().iter().map(|trace| trace["spans"].as_array().unwrap().len()).collect();
    same("spans of whole traces", json!(sizes), json!(vec![4; usize::try_from(N_VISITS).unwrap()]))?;
    let range = &whole["retrievedTimeRange"];
    assert!(range["startTime"].as_i64() < range["endTime"].as_i64(), "{range}");
    Ok(())
}

/// The list of logs with its filters, and the logs of one trace.
pub(crate) async fn logs(ui: &Ui<'_>) -> Seen {
    let keys = "query queryTagKeys($duration: Duration!) { tagKeys: queryLogTagAutocompleteKeys(duration: $duration) }";
    let keys = ui.ask(keys, json!({ "duration": ui.seconds() })).await;
    same("keys of tags", keys["tagKeys"].clone(), json!(["level"]))?;
    let values = "query queryTagValues($tagKey: String!, $duration: Duration!) {
        tagValues: queryLogTagAutocompleteValues(tagKey: $tagKey, duration: $duration)
    }";
    let values = ui.ask(values, json!({ "tagKey": "level", "duration": ui.seconds() })).await;
    let mut values: Vec<&str> = values["tagValues"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    values.sort_unstable();
    same("values of a tag", json!(values), json!(["ERROR", "INFO"]))?;
    let words = ui.ask("query queryLogsByKeywords { support: supportQueryLogsByKeywords }", json!({})).await;
    same("logs are searched by words", words["support"].clone(), json!(true))?;

    let document =
        format!("query queryLogs($condition: LogQueryCondition) {{ queryLogs(condition: $condition) {{ {LOGS} }} }}");
    let failed = json!([format!("the order is lost: {}", shop::trace(0))]);
    let everything = json!(
        (0..N_VISITS)
            .map(|visit| match visit {
                0 => failed[0].clone(),
                visit => json!(format!("ordered: {}", shop::trace(visit))),
            })
            .collect::<Vec<_>>()
    );
    for (filter, expected) in [
        (json!({}), each(&contents(&everything), "content")),
        (json!({ "tags": [{ "key": "level", "value": "ERROR" }] }), failed.clone()),
        (json!({ "relatedTrace": { "traceId": shop::trace(0), "segmentId": "", "spanId": null } }), failed.clone()),
        (json!({ "keywordsOfContent": ["order is lost"] }), failed.clone()),
        (json!({ "excludingKeywordsOfContent": ["ordered"] }), failed.clone()),
    ] {
        let mut condition = json!({
            "queryDuration": ui.seconds(), "paging": { "pageNum": 1, "pageSize": 21 }, "keywordsOfContent": [],
            "serviceId": id::service("orders", true), "endpointId": "", "serviceInstanceId": "",
        });
        condition.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let found = ui.ask(&document, json!({ "condition": condition })).await["queryLogs"]["logs"].take();
        same(&format!("logs with {filter}"), each(&found, "content"), expected)?;
        same("who logged", found[0]["serviceInstanceName"].clone(), json!("orders-1"))?;
        same("what kind of text", found[0]["contentType"].clone(), json!("TEXT"))?;
    }
    Ok(())
}

/// A list of texts as rows.
fn contents(texts: &Value) -> Value {
    json!(texts.as_array().unwrap().iter().map(|text| json!({ "content": text })).collect::<Vec<_>>())
}
