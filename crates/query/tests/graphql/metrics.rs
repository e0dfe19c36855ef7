//! Expressions and the older metric queries.

use model::{Agg, Scope, Step, cell, id, layer};
use serde_json::{Value, json};

use crate::world::{MINUTE, NOW, World, metric, minutes};

const EXEC: &str = "query q($e: String!, $n: Entity!, $d: Duration!) { execExpression(expression: $e, entity: $n, duration: $d) \
     { type error debuggingTrace { traceId } results { metric { labels { key value } } values { id value traceID owner { scope serviceID \
     serviceName normal serviceInstanceID serviceInstanceName endpointID endpointName } } } } }";

async fn exec(world: &World, expression: &str, entity: Value, duration: Value) -> Value {
    world.ask(EXEC, json!({"e": expression, "n": entity, "d": duration})).await["execExpression"].take()
}

/// `type: labels=value,value | …`, or the error.
async fn short(world: &World, expression: &str, entity: Value, duration: Value) -> String {
    let result = exec(world, expression, entity, duration).await;
    if let Some(error) = result["error"].as_str() {
        assert_eq!((&result["type"], &result["results"]), (&json!("UNKNOWN"), &json!([])));
        return error.to_owned();
    }
    let series = |series: &Value| {
        let labels = series["metric"]["labels"].as_array().unwrap().iter();
        let labels: String = labels.map(|label| format!("{}=", label["value"].as_str().unwrap())).collect();
        let values = series["values"].as_array().unwrap().iter();
        let values: Vec<&str> = values.map(|value| value["value"].as_str().unwrap_or("-")).collect();
        format!("{labels}{}", values.join(","))
    };
    let all: Vec<String> = result["results"].as_array().unwrap().iter().map(series).collect();
    format!("{}: {}", result["type"].as_str().unwrap(), all.join(" | "))
}

fn pay() -> Value {
    json!({"scope": "All", "serviceName": "pay", "normal": true, "serviceInstanceName": "", "endpointName": ""})
}

/// Two services in two minutes, the second minute of the first one in two partials, a gap between.
async fn world() -> World {
    let world = World::new();
    let (cpm, time, percentile) = (metric("service_cpm"), metric("service_resp_time"), metric("service_percentile"));
    let pay = id::service("pay", true);
    let general = (cell::LAYERS, Agg::Ids(vec![layer::GENERAL.ordinal].into()));
    let buckets = Agg::Percentile([(2, 1), (9, 3)].into_iter().collect());
    for (minute, cells) in [
        (
            0,
            vec![(cpm, Agg::Count(4)), (time, Agg::Avg { sum: 100, count: 4 }), (percentile, buckets), general.clone()],
        ),
        (2, vec![(cpm, Agg::Count(1)), (time, Agg::Avg { sum: 10, count: 1 }), general.clone()]),
        (2, vec![(cpm, Agg::Count(2)), (time, Agg::Avg { sum: 90, count: 2 }), general]),
    ] {
        world.row(Scope::Service, Step::Minute, MINUTE + minute, &pay, &cells).await;
    }
    let mesh = (cell::LAYERS, Agg::Ids(vec![layer::by_name("MESH").unwrap().ordinal].into()));
    world.row(Scope::Service, Step::Minute, MINUTE, &id::service("web", true), &[(cpm, Agg::Count(9)), mesh]).await;
    world.row(Scope::Service, Step::Hour, MINUTE, &pay, &[(cpm, Agg::Count(125))]).await;
    for (service, endpoint, n) in [("pay", "/a", 5), ("pay", "/b", 8), ("web", "/c", 7)] {
        let id = id::endpoint(&id::service(service, true), endpoint);
        world.row(Scope::Endpoint, Step::Minute, MINUTE, &id, &[(metric("endpoint_cpm"), Agg::Count(n))]).await;
    }
    let relation = id::relation(&id::service("web", true), &pay);
    let cells = [(metric("service_relation_client_cpm"), Agg::Count(6))];
    world.row(Scope::ServiceRelation, Step::Minute, MINUTE, &relation, &cells).await;
    world
}

#[tokio::test]
async fn a_series_has_one_value_for_each_minute_and_gaps_are_null() {
    let world = world().await;
    let value = |minute: i64, value: Value| json!({"id": (NOW + minute * 60_000).to_string(), "value": value, "traceID": null, "owner": null});
    assert_eq!(
        exec(&world, "service_cpm", pay(), minutes(0, 3)).await,
        json!({
            "type": "TIME_SERIES_VALUES", "error": null, "debuggingTrace": null,
            "results": [{
                "metric": {"labels": []},
                "values": [value(0, json!("4")), value(1, json!(null)), value(2, json!("3")), value(3, json!(null))],
            }],
        })
    );
}

#[tokio::test]
async fn expressions_come_to_what_the_reference_says() {
    let world = world().await;
    let relation = json!({"serviceName": "web", "normal": true, "destServiceName": "pay", "destNormal": true});
    let nobody = json!({"serviceName": "nobody", "normal": true});
    for (expression, entity, expected) in [
        ("service_resp_time", pay(), "TIME_SERIES_VALUES: 25,-,33,-"),
        ("avg(service_cpm)", pay(), "SINGLE_VALUE: 3.5"),
        ("sum(service_cpm) * 2 + 1", pay(), "SINGLE_VALUE: 15"),
        ("latest(service_cpm)", pay(), "SINGLE_VALUE: 3"),
        ("max(service_cpm)", pay(), "SINGLE_VALUE: 4"),
        ("count(service_cpm)", pay(), "SINGLE_VALUE: 2"),
        ("service_cpm / 3", pay(), "TIME_SERIES_VALUES: 1.333,-,1,-"),
        ("service_percentile{p='50,95'}", pay(), "TIME_SERIES_VALUES: 50=90,-,-,- | 95=90,-,-,-"),
        ("service_percentile", nobody.clone(), "TIME_SERIES_VALUES: "),
        ("service_cpm", nobody, "TIME_SERIES_VALUES: -,-,-,-"),
        ("service_relation_client_cpm", relation, "TIME_SERIES_VALUES: 6,-,-,-"),
        ("service_cpm", json!({}), "UNKNOWN: "),
        ("service_cpm", json!({"serviceName": "pay"}), "UNKNOWN: "),
        ("avg(service_cpm)", json!({}), "SINGLE_VALUE: "),
        ("nothing_at_all", pay(), "Metric: [nothing_at_all] does not exist."),
        ("1 + 2", pay(), "SINGLE_VALUE: 3"),
    ] {
        assert_eq!(short(&world, expression, entity, minutes(0, 3)).await, expected, "{expression}");
    }
    let syntax = short(&world, "avg(service_cpm", pay(), minutes(0, 3)).await;
    assert!(!syntax.contains(": "), "{syntax}");
    let heat_map = short(&world, "service_heatmap", pay(), minutes(0, 3)).await;
    assert_eq!(heat_map, "Metric: [service_heatmap] is a heat map.");
}

#[tokio::test]
async fn steps_read_their_own_rows() {
    let world = world().await;
    let hour = json!({"start": "2024-01-15 11", "end": "2024-01-15 12", "step": "HOUR"});
    assert_eq!(short(&world, "service_cpm", pay(), hour).await, "TIME_SERIES_VALUES: -,2");
    let seconds = json!({"start": "2024-01-15 120000", "end": "2024-01-15 120130", "step": "SECOND"});
    assert_eq!(short(&world, "service_cpm", pay(), seconds).await, "TIME_SERIES_VALUES: 4,-");
    let too_long = short(&world, "service_cpm", pay(), minutes(0, 500)).await;
    assert_eq!(too_long, "the duration has more than 500 points; use a longer step");
    let nonsense = json!({"start": "yesterday", "end": "today", "step": "DAY"});
    assert!(short(&world, "service_cpm", pay(), nonsense).await.contains("yyyy-MM-dd"));
}

#[tokio::test]
async fn rankings_name_their_entities() {
    let world = world().await;
    let all =
        exec(&world, "top_n(endpoint_cpm,2,des)", json!({"scope": "Service", "normal": true}), minutes(0, 3)).await;
    let pay_id = id::service("pay", true);
    let owner = json!({
        "scope": "Endpoint", "serviceID": pay_id, "serviceName": "pay", "normal": true, "serviceInstanceID": null,
        "serviceInstanceName": null, "endpointID": id::endpoint(&pay_id, "/b"), "endpointName": "/b",
    });
    assert_eq!(all["type"], "SORTED_LIST");
    assert_eq!(
        all["results"][0]["values"][0],
        json!({"id": "pay - /b", "value": "8", "traceID": null, "owner": owner})
    );
    assert_eq!(all["results"][0]["values"][1]["id"], "web - /c");

    let ids = async |expression: &str, entity: Value| -> Vec<String> {
        let result = exec(&world, expression, entity, minutes(0, 3)).await;
        assert_eq!(result["results"].as_array().map(Vec::len), Some(1), "{result}");
        let values = result["results"][0]["values"].as_array().unwrap();
        values
            .iter()
            .map(|value| format!("{}={}", value["id"].as_str().unwrap(), value["value"].as_str().unwrap()))
            .collect()
    };
    let general = "top_n(service_cpm,10,des,attr0='GENERAL')";
    for (expression, entity, expected) in [
        ("top_n(endpoint_cpm,5,asc)", pay(), vec!["/a=5", "/b=8"]),
        // The mean of the buckets with a value, 3.5, cut to a whole number.
        ("top_n(service_cpm,10,des)", json!({}), vec!["web=9", "pay=3"]),
        (general, json!({}), vec!["pay=3"]),
        ("top_n(service_cpm,10,des,attr0!='GENERAL')", json!({}), vec!["web=9"]),
        ("top_n(service_cpm,10,des,attr0='NO_LAYER')", json!({}), vec![]),
        // Services have no parent.
        ("top_n(service_cpm,10,des)", pay(), vec![]),
        ("top_n(endpoint_cpm,5,asc)", json!({"serviceName": "pay"}), vec![]),
        ("top_n(service_instance_cpm,5,asc)", pay(), vec![]),
    ] {
        assert_eq!(ids(expression, entity).await, expected, "{expression}");
    }
    let error = short(&world, "top_n(service_cpm,10,des,attr1='x')", json!({}), minutes(0, 3)).await;
    assert!(error.contains("attr1"), "{error}");
    let error = short(&world, "top_n(service_percentile,10,des)", json!({}), minutes(0, 3)).await;
    assert!(error.contains("no single value"), "{error}");
}

#[tokio::test]
async fn one_bad_expression_never_fails_its_neighbours() {
    let world = world().await;
    let query = "query q($n: Entity!, $d: Duration!) { \
                 a: execExpression(expression: \"service_cpm\", entity: $n, duration: $d) { type error } \
                 b: execExpression(expression: \"((\", entity: $n, duration: $d) { type error } \
                 c: execExpression(expression: \"none\", entity: {scope: Service}, duration: $d) { type error } \
                 d: execExpression(expression: \"sum(service_cpm)\", entity: $n, duration: $d) { results { values { value } } } }";
    let data = world.ask(query, json!({"n": pay(), "d": minutes(0, 3)})).await;
    assert_eq!(data["a"], json!({"type": "TIME_SERIES_VALUES", "error": null}));
    assert_eq!(data["b"]["type"], "UNKNOWN");
    assert_eq!(data["c"]["error"], "Metric: [none] does not exist.");
    assert_eq!(data["d"], json!({"results": [{"values": [{"value": "7"}]}]}));

    world.close().await;
    let data = world.ask(query, json!({"n": pay(), "d": minutes(0, 3)})).await;
    assert!(data["a"]["error"].as_str().unwrap().contains("not available"), "{data}");
    assert_eq!(data["c"]["error"], "Metric: [none] does not exist.");
}

#[tokio::test]
async fn the_older_queries_read_values_and_series() {
    let world = world().await;
    let query = "query q($c: MetricsCondition!, $d: Duration!) { readMetricsValue(condition: $c, duration: $d) \
                 readNullableMetricsValue(condition: $c, duration: $d) { value isEmptyValue } \
                 readMetricsValues(condition: $c, duration: $d) { label values { values { id value isEmptyValue } } } }";
    let ask = async |name: &str, entity: Value| {
        world.ask(query, json!({"c": {"name": name, "entity": entity}, "d": minutes(0, 1)})).await
    };
    let entry = |minute: &str, suffix: &str, value: i64, is_empty: bool| json!({"id": format!("20240115120{minute}_{suffix}"), "value": value, "isEmptyValue": is_empty});
    assert_eq!(
        ask("service_cpm", pay()).await,
        json!({
            "readMetricsValue": 4, "readNullableMetricsValue": {"value": 4, "isEmptyValue": false},
            "readMetricsValues": {"label": null, "values": {"values": [
                entry("0", &id::service("pay", true), 4, false), entry("1", &id::service("pay", true), 0, true),
            ]}},
        })
    );
    for (name, entity, suffix) in
        [("none", pay(), "UNKNOWN_METRIC_NAME"), ("service_cpm", json!({"scope": "Service"}), "ILLEGAL_ENTITY")]
    {
        assert_eq!(
            ask(name, entity).await,
            json!({
                "readMetricsValue": 0, "readNullableMetricsValue": {"value": 0, "isEmptyValue": true},
                "readMetricsValues": {"label": null, "values": {"values": [
                    entry("0", suffix, 0, true), entry("1", suffix, 0, true),
                ]}},
            })
        );
    }
}

#[tokio::test]
async fn labelled_metrics_are_read_by_label() {
    let world = world().await;
    let query = "query q($c: MetricsCondition!, $l: [String!]!, $d: Duration!) { readLabeledMetricsValues(condition: $c, labels: $l, duration: $d) \
                 { label values { values { value isEmptyValue } } } }";
    let ask = async |name: &str, labels: &[&str]| {
        let condition = json!({"name": name, "entity": pay()});
        world.ask(query, json!({"c": condition, "l": labels, "d": minutes(0, 0)})).await["readLabeledMetricsValues"]
            .take()
    };
    let series = |label: &str, value: i64, is_empty: bool| json!({"label": label, "values": {"values": [{"value": value, "isEmptyValue": is_empty}]}});
    let percentiles = "service_percentile";
    assert_eq!(
        ask(percentiles, &["50", "{p=99}", "7"]).await,
        json!([series("50", 90, false), series("{p=99}", 90, false), series("7", 0, true)])
    );
    let all: Vec<Value> = ["50", "75", "90", "95", "99"].map(|p| series(&format!("{{p={p}}}"), 90, false)).into();
    // The command line client sends one empty label where none was asked for.
    for labels in [&[""] as &[&str], &[]] {
        assert_eq!(ask(percentiles, labels).await, json!(all));
    }
    assert_eq!(ask("none", &[""]).await, json!([series("", 0, true)]));
}

#[tokio::test]
async fn metrics_are_listed_sorted_and_typed() {
    let world = world().await;
    let query = "query q($d: Duration!) { sortMetrics(condition: {name: \"endpoint_cpm\", parentService: \"pay\", normal: true, scope: Endpoint, \
                 topN: 5, order: DES}, duration: $d) { id name value refId } \
                 typeOfMetrics(name: \"service_percentile\") unknown: typeOfMetrics(name: \"x\") \
                 listMetrics(regex: \"service_(cpm|perc.*)\") { name type catalog } }";
    let pay = id::service("pay", true);
    let entry =
        |name: &str, value: &str| json!({"id": id::endpoint(&pay, name), "name": name, "value": value, "refId": null});
    assert_eq!(
        world.ask(query, json!({"d": minutes(0, 1)})).await,
        json!({
            "sortMetrics": [entry("/b", "8"), entry("/a", "5")],
            "typeOfMetrics": "LABELED_VALUE", "unknown": "UNKNOWN",
            "listMetrics": [
                {"name": "service_cpm", "type": "REGULAR_VALUE", "catalog": "SERVICE"},
                {"name": "service_percentile", "type": "LABELED_VALUE", "catalog": "SERVICE"},
            ],
        })
    );
    let message = world.error("{ listMetrics(regex: \"(\") { name } }", json!({})).await;
    assert!(message.contains("not a regular expression"), "{message}");
}

#[tokio::test]
async fn a_heat_map_has_a_column_for_each_minute() {
    let world = World::new();
    let counts = Agg::Histogram([(0, 3), (200, 1)].into_iter().collect());
    let service = id::service("pay", true);
    world.row(Scope::Service, Step::Minute, MINUTE, &service, &[(metric("service_heatmap"), counts)]).await;
    let query = "query q($c: MetricsCondition!, $d: Duration!) { readHeatMap(condition: $c, duration: $d) { values { id values } buckets { min max } } }";
    let condition = json!({"name": "service_heatmap", "entity": pay()});
    assert_eq!(
        world.ask(query, json!({"c": condition, "d": minutes(0, 1)})).await["readHeatMap"],
        json!({
            "values": [
                {"id": format!("202401151200_{service}"), "values": [3, 1]},
                {"id": format!("202401151201_{service}"), "values": [0, 0]},
            ],
            "buckets": [{"min": "0", "max": "200"}, {"min": "200", "max": "infinite+"}],
        })
    );
}

#[tokio::test]
async fn the_oldest_queries_ask_by_id() {
    let world = world().await;
    let query = "query q($d: Duration!, $s: ID!, $n: ID!) { \
                 getValues(metric: {name: \"service_cpm\", ids: [$s, $n]}, duration: $d) { values { id value isEmptyValue } } \
                 getLinearIntValues(metric: {name: \"service_cpm\", id: $s}, duration: $d) { values { id value } } \
                 first: getMultipleLinearIntValues(metric: {name: \"service_percentile\", id: $s}, numOfLinear: 2, duration: $d) { values { value } } \
                 some: getSubsetOfMultipleLinearIntValues(metric: {name: \"service_percentile\", id: $s}, linearIndex: [4, -1, 9], duration: $d) \
                 { values { value } } \
                 unknown: getLinearIntValues(metric: {name: \"x\", id: \"\"}, duration: $d) { values { value isEmptyValue } } \
                 getServiceTopN(name: \"service_cpm\", topN: 1, order: DES, duration: $d) { name value } \
                 getEndpointTopN(serviceId: $s, name: \"endpoint_cpm\", topN: 5, order: DES, duration: $d) { id name value } \
                 getAllEndpointTopN(name: \"endpoint_cpm\", topN: 1, order: ASC, duration: $d) { name value } \
                 other: getServiceTopN(name: \"endpoint_cpm\", topN: 1, order: DES, duration: $d) { name } }";
    let (pay, nobody) = (id::service("pay", true), id::service("nobody", true));
    let endpoint = |name: &str, value: i64| json!({"id": id::endpoint(&pay, name), "name": name, "value": value});
    assert_eq!(
        world.ask(query, json!({"d": minutes(0, 1), "s": pay, "n": nobody})).await,
        json!({
            "getValues": {"values": [
                {"id": pay, "value": 4, "isEmptyValue": false}, {"id": nobody, "value": 0, "isEmptyValue": true},
            ]},
            "getLinearIntValues": {"values": [
                {"id": format!("202401151200_{pay}"), "value": 4}, {"id": format!("202401151201_{pay}"), "value": 0},
            ]},
            "first": [{"values": [{"value": 90}, {"value": 0}]}, {"values": [{"value": 90}, {"value": 0}]}],
            "some": [{"values": [{"value": 90}, {"value": 0}]}],
            "unknown": {"values": [{"value": 0, "isEmptyValue": true}, {"value": 0, "isEmptyValue": true}]},
            "getServiceTopN": [{"name": "web", "value": 9}],
            "getEndpointTopN": [endpoint("/b", 8), endpoint("/a", 5)],
            "getAllEndpointTopN": [{"name": "pay - /a", "value": 5}],
            "other": [],
        })
    );
}

#[tokio::test]
async fn more_reads_than_the_store_works_on_at_once_are_answered() {
    let world = world().await;
    let one = |n: usize| {
        format!(
            "e{n}: execExpression(expression: \"service_cpm + service_resp_time\", entity: $n, duration: $d) {{ type }} "
        )
    };
    let query = format!("query q($n: Entity!, $d: Duration!) {{ {} }}", (0..1_400).map(one).collect::<String>());
    let data = world.ask(&query, json!({"n": pay(), "d": minutes(0, 3)})).await;
    assert_eq!(data.as_object().unwrap().len(), 1_400);
    assert!(data.as_object().unwrap().values().all(|result| result["type"] == "TIME_SERIES_VALUES"));
}

/// Today in minutes and hours, and a week of yesterdays.
async fn week(world: &World) {
    let (pay, cpm) = (id::service("pay", true), metric("service_cpm"));
    let percentile = Agg::Percentile([(2, 1), (9, 3)].into_iter().collect());
    for (step, bucket, n) in [
        (Step::Minute, MINUTE, 4),
        (Step::Minute, MINUTE + 2, 6),
        (Step::Minute, MINUTE - 1440, 2),
        (Step::Minute, MINUTE - 1438, 12),
        (Step::Hour, MINUTE - 60, 600),
        (Step::Hour, MINUTE, 1200),
    ] {
        world.row(Scope::Service, step, bucket, &pay, &[(cpm, Agg::Count(n))]).await;
    }
    for day in 2..=7 {
        let cells = [(cpm, Agg::Count(2)), (metric("service_percentile"), percentile.clone())];
        world.row(Scope::Service, Step::Minute, MINUTE - day * 1440, &pay, &cells).await;
    }
}

#[tokio::test]
async fn functions_of_ours_look_back_and_over_other_windows() {
    let hours = || json!({"start": "2024-01-15 11", "end": "2024-01-15 12", "step": "HOUR"});
    for world in World::each() {
        week(&world).await;
        for (expression, expected) in [
            ("offset(service_cpm,1d)", "TIME_SERIES_VALUES: 2,-,12,-"),
            ("service_cpm - offset(service_cpm,1d)", "TIME_SERIES_VALUES: 2,-,-6,-"),
            ("change_pct(service_cpm,1d)", "TIME_SERIES_VALUES: 100,-,-50,-"),
            ("offset(increase(service_cpm,2),1d)", "TIME_SERIES_VALUES: -,-,10,-"),
            ("offset(service_percentile{p='50,75'},2d)", "TIME_SERIES_VALUES: 50=90,-,-,- | 75=90,-,-,-"),
            ("offset(service_percentile,30d)", "TIME_SERIES_VALUES: "),
            ("offset(top_n(service_cpm,5,des),1d)", "SORTED_LIST: "),
            ("over(service_cpm,5m)", "TIME_SERIES_VALUES: -,4,-,6,-"),
            ("over(service_cpm,3h)", "TIME_SERIES_VALUES: -,10,20"),
            ("avg(service_cpm) > over(avg(service_cpm),32d)", "SINGLE_VALUE: 0"),
            ("baseline(service_cpm,value)", "TIME_SERIES_VALUES: 3.25,3.25,3.25,-"),
            ("baseline(service_percentile{p='50'},upper)", "TIME_SERIES_VALUES: 50=90,90,90,-"),
            ("service_cpm > baseline(service_cpm,lower)", "TIME_SERIES_VALUES: 1,-,1,-"),
            ("burn_rate(service_cpm,service_cpm*10,99,5m)", "SINGLE_VALUE: 10"),
            ("quantile(service_cpm,0.5)", "SINGLE_VALUE: 5"),
            ("stddev(service_cpm)", "SINGLE_VALUE: 1"),
            ("zscore(service_cpm)", "TIME_SERIES_VALUES: -1,-,1,-"),
            ("ewma(service_cpm,0.5)", "TIME_SERIES_VALUES: 4,-,5,-"),
            ("not(avg(service_cpm) > 5)", "SINGLE_VALUE: 1"),
            ("absent(service_cpm)", "SINGLE_VALUE: 0"),
            ("absent(offset(service_cpm,3h))", "SINGLE_VALUE: 1"),
            ("round(service_cpm/0,2)", "TIME_SERIES_VALUES: -,-,-,-"),
            ("offset(nothing,1d)", "Metric: [nothing] does not exist."),
            (
                "over(service_cpm,40d)",
                "line 1:17 expected a length of time of up to 2h, or of whole hours up to 32d, found '40d'",
            ),
        ] {
            assert_eq!(short(&world, expression, pay(), minutes(0, 3)).await, expected, "{expression}");
        }
        let ids = exec(&world, "offset(service_cpm,1d)", pay(), minutes(0, 0)).await;
        assert_eq!(ids["results"][0]["values"][0]["id"], NOW.to_string());
        let ranked = exec(&world, "offset(top_n(service_cpm,5,des),1d)", json!({}), minutes(0, 3)).await;
        assert_eq!(ranked["results"][0]["values"][0]["value"], "7");
        for (expression, expected) in [
            ("offset(service_cpm,1h)", "TIME_SERIES_VALUES: -,10"),
            ("offset(service_cpm,30m)", "30m earlier is no whole number of the duration's steps"),
            ("over(rate(service_cpm,1),2h)", "TIME_SERIES_VALUES: "),
        ] {
            let answer = short(&world, expression, pay(), hours()).await;
            assert!(answer.starts_with(expected), "{expression}: {answer}");
        }
    }
}
