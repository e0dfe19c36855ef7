//! The interface of servers 11: it asks what the server can do, writes values into its documents, and reads one row more than it shows
//! to know whether there is another page.

use std::collections::BTreeSet;

use model::id;
use serde_json::{Value, json};

use crate::shop::{self, N_VISITS};
use crate::{LOGS, SPANS, Seen, Ui, calls, each, same, value};

/// What is asked before anything is drawn, and the menu.
pub(crate) async fn start(ui: &Ui<'_>) -> Seen {
    let known = ui.ask("query HorizonOapCapabilities { __type(name: \"Query\") { fields { name } } }", json!({})).await;
    let fields = known["__type"]["fields"].as_array().unwrap().iter();
    let fields: BTreeSet<&str> = fields.filter_map(|field| field["name"].as_str()).collect();
    for field in ["queryAlarms", "supportQueryLogsByKeywords", "hasQueryTracesV2Support", "listLayerLevels"] {
        assert!(fields.contains(field), "{field} is not in the schema");
    }
    let info = "query HorizonOapInfo {
        version time: getTimeInfo { timezone currentTimestamp } health: checkHealth { score details }
    }";
    let info = ui.ask(info, json!({})).await;
    same("health", info["health"]["score"].clone(), json!(0))?;
    same("the zone", info["time"]["timezone"].clone(), json!("+0000"))?;
    let ttl = "query HorizonOapTtl {
        records: getRecordsTTL {
            normal trace zipkinTrace log browserErrorLog coldNormal coldTrace coldZipkinTrace coldLog coldBrowserErrorLog
        }
        metrics: getMetricsTTL { metadata minute hour day coldMinute coldHour coldDay }
    }";
    let ttl = ui.ask(ttl, json!({})).await;
    // Unequal days of one sort would be taken for a store with stages.
    let metrics = &ttl["metrics"];
    same("days of metadata", metrics["metadata"].clone(), metrics["minute"].clone())?;
    same("days of metrics", metrics["hour"].clone(), metrics["day"].clone())?;

    let menu =
        ui.ask("query HorizonMenu { layers: listLayers levels: listLayerLevels { layer level } }", json!({})).await;
    let layers: Vec<&str> = menu["layers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // All services of all layers are asked for in one request.
    let of_layer =
        |(n, layer): (usize, &&str)| format!("_{n}: listServices(layer: \"{layer}\") {{ id name normal group }}");
    let fields: Vec<String> = layers.iter().enumerate().map(of_layer).collect();
    let document = format!("query HorizonServiceCatalogServices {{ {} }}", fields.join("\n"));
    let catalogue = ui.ask(&document, json!({})).await;
    let general = layers.iter().position(|layer| *layer == "GENERAL").ok_or("no layer GENERAL")?;
    same("the general services", each(&catalogue[format!("_{general}")], "name"), json!(["orders", "web"]))?;
    same("answers for layers", catalogue.as_object().unwrap().len(), json!(layers.len()))
}

/// An expression about an entity, both written out.
fn expression(ui: &Ui<'_>, alias: &str, expression: &str, entity: &str, selection: &str) -> String {
    let duration = ui.minutes();
    format!(
        "{alias}: execExpression(
            expression: {}, entity: {{ {entity} }},
            duration: {{ start: {}, end: {}, step: MINUTE }}
        ) {{ type error results {{ {selection} }} }}",
        json!(expression),
        duration["start"],
        duration["end"]
    )
}

const VALUE: &str = "values { value }";
const LABELED: &str = "metric { labels { key value } }
    values { id value traceID owner { scope serviceName serviceInstanceName endpointName } }";

/// The landing page of a layer, the lists of a service and its dashboard.
pub(crate) async fn lists(ui: &Ui<'_>) -> Seen {
    let document = "query LandingServices($layer: String!) {
        services: listServices(layer: $layer) { id value: name shortName group normal }
    }";
    let services = ui.ask(document, json!({ "layer": "GENERAL" })).await["services"].take();
    same("services", each(&services, "value"), json!(["orders", "web"]))?;
    let web = id::service("web", true);
    let document = "query LayerInstances($serviceId: ID!, $duration: Duration!) {
        instances: listInstances(serviceId: $serviceId, duration: $duration) { id name language attributes { name value } }
    }";
    let instances = ui.ask(document, json!({ "serviceId": web, "duration": ui.minutes() })).await;
    same("instances", each(&instances["instances"], "name"), json!(["web-1"]))?;
    let document = "query LayerEndpoints($serviceId: ID!, $keyword: String!, $limit: Int!, $duration: Duration!) {
        endpoints: findEndpoint(serviceId: $serviceId, keyword: $keyword, limit: $limit, duration: $duration) { id name }
    }";
    for (keyword, found) in
        [("", json!(["GET:/checkout"])), ("check", json!(["GET:/checkout"])), ("nothing", json!([]))]
    {
        let variables = json!({ "serviceId": web, "keyword": keyword, "limit": 21, "duration": ui.minutes() });
        same(keyword, each(&ui.ask(document, variables).await["endpoints"], "name"), found)?;
    }

    let service = r#"scope: Service, serviceName: "web", normal: true"#;
    let landing = [
        expression(ui, "s0c0", "service_cpm", service, VALUE),
        expression(ui, "s0c1", "service_sla/100", service, VALUE),
        // The whole layer: no service is named.
        expression(ui, "agg0", "sum(top_n(service_cpm,100,DES))", "scope: Service, normal: true", VALUE),
    ];
    let data = ui.ask(&format!("query LandingMqe {{ {} }}", landing.join("\n")), json!({})).await;
    same("calls of web", charted(&data["s0c0"]), json!([N_VISITS.to_string()]))?;
    same("success of web", charted(&data["s0c1"]), json!(["75"]))?;
    same("calls of the layer", data["agg0"]["type"].clone(), json!("SINGLE_VALUE"))?;
    let orders_and_web: f64 = value(&data["agg0"]).as_str().and_then(|sum| sum.parse().ok()).ok_or("no sum")?;
    if orders_and_web < 4.0 {
        return Err(format!("{orders_and_web} calls of the layer"));
    }
    dashboard(ui).await
}

/// The values of a chart that are there.
fn charted(answer: &Value) -> Value {
    let values = answer["results"][0]["values"].as_array().into_iter().flatten().map(|point| point["value"].clone());
    values.filter(|value| !value.is_null()).collect()
}

async fn dashboard(ui: &Ui<'_>) -> Seen {
    let service = r#"scope: Service, serviceName: "web", normal: true"#;
    let instance = r#"scope: ServiceInstance, serviceName: "web", serviceInstanceName: "web-1", normal: true"#;
    let endpoint = r#"scope: Endpoint, serviceName: "web", endpointName: "GET:/checkout", normal: true"#;
    let percentiles =
        "relabels(service_percentile{p='50,75,90,95,99'},p='50,75,90,95,99',percentile='P50,P75,P90,P95,P99')";
    let widgets = [
        expression(ui, "w0_e0", percentiles, service, LABELED),
        expression(ui, "w1_e0", "top_n(service_instance_cpm,10,des)", service, LABELED),
        expression(ui, "w2_e0", "service_instance_resp_time", instance, LABELED),
        expression(ui, "w3_e0", "endpoint_cpm", endpoint, LABELED),
        // A widget of an agent that this service does not have: empty, and no harm to its neighbours.
        expression(ui, "w4_e0", "instance_jvm_cpu", instance, LABELED),
        expression(ui, "w5_e0", "no_such_metric", service, LABELED),
    ];
    let data = ui.ask(&format!("query DashboardMqe {{ {} }}", widgets.join("\n")), json!({})).await;
    let lines = data["w0_e0"]["results"].as_array().ok_or("no percentiles")?;
    let labels: Vec<&Value> = lines.iter().map(|line| &line["metric"]["labels"][0]["value"]).collect();
    same("percentiles", json!(labels), json!(["P50", "P75", "P90", "P95", "P99"]))?;
    same("latency of all", charted(&data["w0_e0"]), json!([shop::VISIT_MS.to_string()]))?;
    let first = &data["w1_e0"]["results"][0]["values"][0];
    same("the busiest instance", first["owner"]["serviceInstanceName"].clone(), json!("web-1"))?;
    same("latency of an instance", charted(&data["w2_e0"]), json!([shop::VISIT_MS.to_string()]))?;
    same("calls of an endpoint", charted(&data["w3_e0"]), json!([N_VISITS.to_string()]))?;
    same("of an agent that is not there", json!([charted(&data["w4_e0"]), data["w4_e0"]["error"]]), json!([[], null]))?;
    let error = data["w5_e0"]["error"].as_str().ok_or("a metric that nobody knows is none")?;
    if error.contains("no_such_metric") { Ok(()) } else { Err(error.to_owned()) }
}

/// The map of services with its figures, of their instances and of their endpoints.
pub(crate) async fn topology(ui: &Ui<'_>) -> Seen {
    let document = "query ServicesTopology($duration: Duration!, $serviceIds: [ID!]!) {
        topology: getServicesTopology(duration: $duration, serviceIds: $serviceIds) {
            nodes { id name type isReal layers } calls { id source target detectPoints }
        }
    }";
    let known = ["web", "orders"].map(|name| id::service(name, true));
    let map = ui.ask(document, json!({ "serviceIds": known, "duration": ui.minutes() })).await["topology"].take();
    let drawn = json!([
        ["User", "web", ["SERVER"]],
        ["orders", "db:5432", ["CLIENT"]],
        ["web", "orders", ["CLIENT", "SERVER"]]
    ]);
    same("calls", calls(&map), drawn)?;

    let node = r#"scope: Service, serviceName: "web", normal: true"#;
    let nodes = [
        expression(ui, "n0_0", "avg(service_cpm)", node, VALUE),
        expression(ui, "n0_1", "avg(service_resp_time)", node, VALUE),
    ];
    let data = ui.ask(&format!("query NodeMetrics {{ {} }}", nodes.join("\n")), json!({})).await;
    same("calls of web", value(&data["n0_0"]).clone(), json!(N_VISITS.to_string()))?;
    same("latency of web", value(&data["n0_1"]).clone(), json!(shop::VISIT_MS.to_string()))?;
    // A relation names no scope: the metric does.
    let edge = r#"serviceName: "web", normal: true, destServiceName: "orders", destNormal: true"#;
    let edges = [
        expression(ui, "s0_0", "service_relation_server_cpm", edge, VALUE),
        expression(ui, "c0_0", "service_relation_client_cpm", edge, VALUE),
    ];
    let data = ui.ask(&format!("query EdgeMetrics {{ {} }}", edges.join("\n")), json!({})).await;
    same("calls seen by web", charted(&data["c0_0"]), json!([N_VISITS.to_string()]))?;
    same("calls seen by orders", charted(&data["s0_0"]), json!(["1", N_VISITS.to_string()]))?;

    let document = "query InstanceTopology($clientServiceId: ID!, $serverServiceId: ID!, $duration: Duration!) {
        topology: getServiceInstanceTopology(
            clientServiceId: $clientServiceId serverServiceId: $serverServiceId duration: $duration
        ) { nodes { id name serviceName serviceId isReal } calls { id source target detectPoints } }
    }";
    let variables = json!({ "clientServiceId": known[0], "serverServiceId": known[1], "duration": ui.minutes() });
    let instances = ui.ask(document, variables).await["topology"].take();
    same("calls of instances", calls(&instances), json!([["web-1", "orders-1", ["CLIENT", "SERVER"]]]))?;

    let document = "query EndpointDependency($endpointId: ID!, $duration: Duration!) {
        topology: getEndpointDependencies(endpointId: $endpointId, duration: $duration) {
            nodes { id name serviceId serviceName type isReal } calls { id source target detectPoints }
        }
    }";
    let variables = json!({ "endpointId": id::endpoint(&known[1], "/orders"), "duration": ui.minutes() });
    let endpoints = ui.ask(document, variables).await["topology"].take();
    same("calls of endpoints", calls(&endpoints), json!([["GET:/checkout", "/orders", ["SERVER"]]]))
}

/// A list page by page: `condition` without its page, `field` and `rows` as the schema has them. Answers for each page its rows, and
/// whether there is another one.
async fn pages(ui: &Ui<'_>, of: &List<'_>, condition: Value, size: usize) -> Vec<(Vec<Value>, bool)> {
    let List { name, kind, field, rows, selection, probe } = of;
    let page = |number: usize, size: usize| {
        let mut condition = condition.clone();
        condition["paging"] = json!({ "pageNum": number, "pageSize": size });
        condition
    };
    // The first page is asked for with one row more than it shows.
    let first = format!(
        "query {name}($condition: {kind}) {{ data: {field}(condition: $condition) {{ {rows} {{ {selection} }} }} }}"
    );
    let data = ui.ask(&first, json!({ "condition": page(1, size + 1) })).await;
    let mut shown = data["data"][rows].as_array().unwrap().clone();
    let mut more = shown.len() > size;
    shown.truncate(size);
    let mut seen = vec![(shown, more)];
    // A later one by itself, and beside it the row after its last.
    let later = format!(
        "query {name}($condition: {kind}, $probe: {kind}) {{
            data: {field}(condition: $condition) {{ {rows} {{ {selection} }} }}
            probe: {field}(condition: $probe) {{ {rows} {{ {probe} }} }}
        }}"
    );
    while more {
        let number = seen.len() + 1;
        let variables = json!({ "condition": page(number, size), "probe": page(number * size + 1, 1) });
        let data = ui.ask(&later, variables).await;
        more = !data["probe"][rows].as_array().unwrap().is_empty();
        seen.push((data["data"][rows].as_array().unwrap().clone(), more));
    }
    seen
}

/// A list that is read page by page.
struct List<'a> {
    name: &'a str,
    kind: &'a str,
    field: &'a str,
    rows: &'a str,
    selection: &'a str,
    probe: &'a str,
}

/// Of pages of two rows, what one field of the rows says; `Err` where the pages do not fit together.
fn turned(pages: &[(Vec<Value>, bool)], field: impl Fn(&Value) -> Value) -> Result<Value, String> {
    let shape: Vec<(usize, bool)> = pages.iter().map(|(rows, more)| (rows.len(), *more)).collect();
    if shape != [(2, true), (2, false)] {
        return Err(format!("pages of {shape:?}"));
    }
    Ok(pages.iter().flat_map(|(rows, _)| rows).map(field).collect())
}

/// The list of traces in both forms, page by page, and one trace.
pub(crate) async fn traces(ui: &Ui<'_>) -> Seen {
    let document =
        "query TraceTagKeys($duration: Duration!) { keys: queryTraceTagAutocompleteKeys(duration: $duration) }";
    let keys = ui.ask(document, json!({ "duration": ui.seconds() })).await;
    if !keys["keys"].as_array().unwrap().iter().any(|key| key == "http.status_code") {
        return Err(format!("keys of tags: {keys}"));
    }
    let document = "query TraceTagValues($tagKey: String!, $duration: Duration!) {
        values: queryTraceTagAutocompleteValues(tagKey: $tagKey, duration: $duration)
    }";
    let values = ui.ask(document, json!({ "tagKey": "db.type", "duration": ui.seconds() })).await;
    same("values of a tag", values["values"].clone(), json!(["PostgreSQL"]))?;

    let condition = json!({
        "serviceId": id::service("web", true), "queryDuration": ui.seconds(),
        "traceState": "ALL", "queryOrder": "BY_START_TIME",
    });
    let newest_first = json!((0..N_VISITS).rev().map(shop::trace).collect::<Vec<_>>());
    let segments = List {
        name: "QueryBasicTraces",
        kind: "TraceQueryCondition",
        field: "queryBasicTraces",
        rows: "traces",
        selection: "key: segmentId endpointNames duration start isError traceIds",
        probe: "segmentId",
    };
    let seen = pages(ui, &segments, condition.clone(), 2).await;
    same("segments page by page", turned(&seen, |row| row["traceIds"][0].clone())?, newest_first.clone())?;
    let whole = List {
        name: "QueryTraces",
        kind: "TraceQueryCondition",
        field: "queryTraces",
        rows: "traces",
        selection: SPANS,
        probe: "spans { spanId }",
    };
    let seen = pages(ui, &whole, condition, 2).await;
    same("traces page by page", turned(&seen, |row| row["spans"][0]["traceId"].clone())?, newest_first)?;

    let document = format!(
        "query QueryTrace($traceId: ID!, $duration: Duration) {{
            trace: queryTrace(traceId: $traceId, duration: $duration) {{ {SPANS} }}
        }}"
    );
    let trace = ui.ask(&document, json!({ "traceId": shop::trace(1) })).await["trace"].take();
    same("spans", each(&trace["spans"], "serviceCode"), json!(["orders", "orders", "web", "web"]))?;
    same("spans that failed", each(&trace["spans"], "isError"), json!([false, false, false, false]))
}

/// The list of logs page by page.
pub(crate) async fn logs(ui: &Ui<'_>) -> Seen {
    let document = "query LogTagKeys($duration: Duration!) { keys: queryLogTagAutocompleteKeys(duration: $duration) }";
    let keys = ui.ask(document, json!({ "duration": ui.seconds() })).await;
    same("keys of tags", keys["keys"].clone(), json!(["level"]))?;
    let lines = List {
        name: "QueryLogs",
        kind: "LogQueryCondition",
        field: "queryLogs",
        rows: "logs",
        selection: LOGS.trim_start_matches("logs {").trim_end_matches('}'),
        probe: "timestamp",
    };
    let condition = json!({ "serviceId": id::service("orders", true), "queryDuration": ui.seconds() });
    let seen = pages(ui, &lines, condition.clone(), 2).await;
    let newest_first: Value = (0..N_VISITS).rev().map(|visit| json!(shop::trace(visit))).collect();
    same("logs page by page", turned(&seen, |row| row["traceId"].clone())?, newest_first)?;
    let mut of_trace = condition;
    of_trace["relatedTrace"] = json!({ "traceId": shop::trace(0) });
    let seen = pages(ui, &lines, of_trace, 2).await;
    same(
        "logs of a trace",
        json!([seen.len(), seen[0].1, each(&json!(seen[0].0), "traceId")]),
        json!([1, false, [shop::trace(0)]]),
    )
}
