//! GraphQL over HTTP as clients speak it.

use axum::http::StatusCode;
use query::Config;
use serde_json::{Value, json};

use crate::world::{World, minutes};

async fn send(config: &Config, content_type: &str, body: String) -> (StatusCode, String) {
    let mut world = World::new();
    world.config = config.clone();
    world.send(content_type, body).await
}

async fn ask(query: &str, variables: Value) -> (StatusCode, String) {
    let body = json!({"query": query, "variables": variables}).to_string();
    send(&Config::default(), "application/json", body).await
}

fn message(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["data"], Value::Null);
    answer["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_are_in_the_order_of_the_selection() {
    let (status, answer) =
        ask("{ z: listLayers,, health: checkHealth { details, score } a: hasQueryTracesV2Support }", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let positions: Vec<_> =
        ["\"z\"", "\"health\"", "\"details\"", "\"score\"", "\"a\""].iter().map(|key| answer.find(key)).collect();
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{answer}");
}

#[tokio::test]
async fn keys_are_in_order_though_some_take_longer() {
    let world = World::new();
    // More reads than the store works on at once: those that wait finish after the unknown metrics behind them.
    let one = |n: usize| {
        let expression = if n.is_multiple_of(2) { "endpoint_cpm" } else { "unknown" };
        format!("e{n}: execExpression(expression: \"{expression}\", entity: $n, duration: $d) {{ type }} ")
    };
    let query = format!("query q($n: Entity!, $d: Duration!) {{ {} }}", (0..300).map(one).collect::<String>());
    let entity = json!({"serviceName": "pay", "normal": true, "endpointName": "/a"});
    let body = json!({"query": query, "variables": {"n": entity, "d": minutes(0, 3)}}).to_string();
    let (status, answer) = world.send("application/json", body).await;
    assert_eq!(status, StatusCode::OK);
    let positions: Vec<_> = (0..300).map(|n| answer.find(&format!("\"e{n}\":"))).collect();
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{answer}");
}

#[tokio::test]
async fn content_types_with_a_charset_are_taken_and_others_are_not() {
    let body = r#"{"query":"{ checkHealth { score } }","variables":null,"operationName":null}"#;
    let (status, answer) = send(&Config::default(), "application/json; charset=utf-8", body.to_owned()).await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, r#"{"data":{"checkHealth":{"score":0}}}"#));
    let (status, answer) = send(&Config::default(), "text/plain", body.to_owned()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(message(&answer).contains("application/json"));
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_shape_of_a_graphql_answer() {
    for body in ["", "{", "[]", "{}", r#"{"query": 1}"#, "\u{0}"] {
        let (status, answer) = send(&Config::default(), "application/json", body.to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(message(&answer).contains("not a GraphQL request"), "{answer}");
    }
    let config = Config { max_body_bytes: 64, ..Config::default() };
    let (status, answer) = send(&config, "application/json", "x".repeat(65)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(message(&answer).contains("too long"));
}

#[tokio::test]
async fn an_unknown_field_is_named_in_words_that_clients_look_for() {
    let (status, answer) = ask("{ getMenuEntries { title } }", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let message = message(&answer);
    for part in ["getMenuEntries", "FieldUndefined", "Validation error"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn wrong_syntax_types_and_operations_are_errors() {
    for (query, part) in [
        ("{ version", "-->"),
        ("{ listServices(layer: 1) { id } }", "Invalid value"),
        ("query a { version } query b { version }", "Operation name required"),
        ("subscription { a }", "not configured for subscriptions"),
    ] {
        let (status, answer) = ask(query, json!({})).await;
        assert_eq!(status, StatusCode::OK);
        let message = message(&answer);
        assert!(message.contains(part), "{query}: {message}");
    }
}

#[tokio::test]
async fn ten_expressions_pass_and_a_query_past_the_limit_does_not() {
    let expression = |n: usize| {
        format!(
            "e{n}: execExpression(expression: $e, entity: $entity, duration: $duration) {{ type results {{ metric {{ labels {{ key value }} }} \
             values {{ name: id value refId: traceID owner {{ scope serviceID serviceName normal serviceInstanceID serviceInstanceName \
             endpointID endpointName }} }} }} error }}"
        )
    };
    let query = |n: usize| {
        format!(
            "query q($e: String!, $entity: Entity!, $duration: Duration!) {{ {} }}",
            (0..n).map(expression).collect::<Vec<_>>().join(" ")
        )
    };
    let variables = json!({
        "e": "service_cpm", "entity": {"serviceName": "", "normal": null},
        "duration": {"start": "2026-11-22 2121", "end": "2026-11-22 2122", "step": "MINUTE", "coldStage": false},
    });
    for n in [10, 120] {
        let (_, answer) = ask(&query(n), variables.clone()).await;
        assert!(!answer.contains("errors"), "{answer}");
    }
    let (_, answer) = ask(&query(160), variables.clone()).await;
    assert_eq!(message(&answer), "Query is too complex.");
}

#[tokio::test]
async fn deep_queries_are_refused_and_introspection_passes() {
    let nested =
        |depth: usize| format!("{{ getMenuItems {{ {} title {} }} }}", "subItems { ".repeat(depth), "}".repeat(depth));
    let (_, answer) = ask(&nested(40), json!({})).await;
    assert!(!answer.contains("errors"), "{answer}");
    let (_, answer) = ask(&nested(52), json!({})).await;
    assert_eq!(message(&answer), "Query is nested too deep.");

    let (_, answer) =
        ask("{ __type(name: \"Query\") { fields { name args { type { ofType { ofType { name } } } } } } }", json!({}))
            .await;
    assert!(answer.contains(r#""name":"queryAlarms""#), "{answer}");
}

#[tokio::test]
async fn missing_null_and_empty_inputs_are_taken_alike() {
    let query =
        "query q($condition: TraceQueryCondition) { queryBasicTraces(condition: $condition) { traces { segmentId } } }";
    let common =
        json!({"traceState": "ALL", "queryOrder": "BY_START_TIME", "paging": {"pageSize": 15}, "traceId": "t"});
    for extra in [
        json!({}),
        json!({"minTraceDuration": null, "serviceId": "", "tags": []}),
        json!({"tags": null, "serviceId": null}),
    ] {
        let mut condition = common.clone();
        condition.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let (_, answer) = ask(query, json!({"condition": condition})).await;
        assert_eq!(answer, r#"{"data":{"queryBasicTraces":{"traces":[]}}}"#);
    }
}

#[tokio::test]
async fn tools_read_the_whole_schema_by_introspection() {
    let kind = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} types {{ ...Full }} \
         directives {{ name description locations args {{ ...Input }} }} }} }} \
         fragment Full on __Type {{ kind name description fields(includeDeprecated: true) {{ name description args {{ ...Input }} \
         type {{ ...Ref }} isDeprecated deprecationReason }} inputFields {{ ...Input }} interfaces {{ ...Ref }} \
         enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...Ref }} }} \
         fragment Input on __InputValue {{ name description type {{ ...Ref }} defaultValue }} fragment Ref on __Type {{ {kind} }}"
    );
    let (_, answer) = ask(&query, json!({})).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["errors"], Value::Null);
    let types = answer["data"]["__schema"]["types"].as_array().unwrap();
    let alarms = types.iter().find(|kind| kind["name"] == "AlarmQueryCondition").unwrap();
    assert_eq!(alarms["inputFields"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_mutation_that_somebody_may_not_ask_for_is_refused_with_a_code() {
    let mut world = World::new();
    world.actor = query::Actor::new("vic", query::Role::Viewer, "ask ann");
    let change =
        "mutation { version setContinuousProfilingPolicy(request: {serviceId: \"x\", targets: []}) { status } }";
    let answer = world.answer(change, json!({})).await;
    assert_eq!(answer["data"], Value::Null);
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "setContinuousProfilingPolicy: this takes an editor, and vic is a viewer: ask ann");
    assert_eq!(error["extensions"]["code"], "FORBIDDEN");
    assert_eq!(world.ask("mutation { version }", json!({})).await["version"], "11.0.0-test");
}
