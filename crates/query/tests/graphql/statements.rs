//! Slow statements in all the words in which clients ask for them.

use expect_test::{Expect, expect};
use model::{Agg, Scope, Step, UnixMillis, agg::Statement, cell, id};
use serde_json::json;

use crate::world::{MINUTE, NOW, World};

/// A statement that took so long, and began so many ms after [`NOW`].
fn statement(latency: i64, at: i64, text: &str) -> Statement {
    Statement {
        latency,
        id: format!("s{latency}-1").into(),
        statement: text.into(),
        trace_id: format!("t{latency}").into(),
        at: UnixMillis(NOW + at),
    }
}

/// Two minutes of a database, one of another, and the hour of the first.
async fn world() -> World {
    let world = World::new();
    let (db, other) = (id::service("db:1", false), id::service("db:2", false));
    let top = |statements: Vec<Statement>| [(cell::SLOW_DATABASE, Agg::Top(statements))];
    let first = vec![statement(900, 1_000, "select 1"), statement(300, 59_000, "select 2")];
    let second = vec![statement(500, 60_000, "select 3")];
    let hour = [second.clone(), first.clone()].concat();
    world.row(Scope::Service, Step::Minute, MINUTE, &db, &top(first)).await;
    world.row(Scope::Service, Step::Minute, MINUTE + 1, &db, &top(second)).await;
    world.row(Scope::Service, Step::Minute, MINUTE, &other, &top(vec![statement(700, 5, "update")])).await;
    world.row(Scope::Service, Step::Hour, MINUTE, &db, &top(hour)).await;
    world
}

fn minutes() -> serde_json::Value {
    json!({"start": "2024-01-15 1200", "end": "2024-01-15 1201", "step": "MINUTE"})
}

async fn check(query: &str, variables: serde_json::Value, expected: Expect) {
    expected.assert_eq(&world().await.answer(query, variables).await.to_string());
}

const EXPRESSION: &str = "query($e:String!,$n:Entity!,$d:Duration!){r:execExpression(expression:$e,entity:$n,duration:$d){type error results{values{id value traceID}}}}";
const NAME: &str = "top_n_database_statement";

#[tokio::test]
async fn an_expression_ranks_statements() {
    let db = json!({"serviceName": "db:1", "normal": false});
    let ask = |e: &str, n: &serde_json::Value, d| json!({"e": e, "n": n, "d": d});
    check(
        EXPRESSION,
        ask("top_n(top_n_database_statement,2,des)", &db, minutes()),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[{"id":"select 1","value":"900","traceID":"t900"},{"id":"select 3","value":"500","traceID":"t500"}]}]}}}"#]],
    )
    .await;
    check(
        EXPRESSION,
        ask("top_n(top_n_database_statement,2,asc)", &db, minutes()),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[{"id":"select 2","value":"300","traceID":"t300"},{"id":"select 3","value":"500","traceID":"t500"}]}]}}}"#]],
    )
    .await;
    // Seconds are told apart within a minute; an hour has a row of its own.
    let seconds = json!({"start": "2024-01-15 120030", "end": "2024-01-15 120059", "step": "SECOND"});
    check(
        EXPRESSION,
        ask("top_n(top_n_database_statement,9,des)", &db, seconds),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[{"id":"select 2","value":"300","traceID":"t300"}]}]}}}"#]],
    )
    .await;
    let hour = json!({"start": "2024-01-15 12", "end": "2024-01-15 12", "step": "HOUR"});
    check(
        EXPRESSION,
        ask("top_n(top_n_database_statement,9,des)*2", &db, hour),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[{"id":"select 1","value":"1800","traceID":"t900"},{"id":"select 3","value":"1000","traceID":"t500"},{"id":"select 2","value":"600","traceID":"t300"}]}]}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn without_a_service_all_are_ranked_and_with_half_a_name_none() {
    let ask = |n| json!({"e": "top_n(top_n_database_statement,2,des)", "n": n, "d": minutes()});
    check(
        EXPRESSION,
        ask(json!({})),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[{"id":"select 1","value":"900","traceID":"t900"},{"id":"update","value":"700","traceID":"t700"}]}]}}}"#]],
    )
    .await;
    check(
        EXPRESSION,
        ask(json!({"serviceName": "db:1"})),
        expect![[r#"{"data":{"r":{"type":"RECORD_LIST","error":null,"results":[{"values":[]}]}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn statements_are_no_series_and_know_no_attribute() {
    let ask = |e: &str| json!({"e": e, "n": {"serviceName": "db:1", "normal": false}, "d": minutes()});
    check(
        EXPRESSION,
        ask(NAME),
        expect![[r#"{"data":{"r":{"type":"UNKNOWN","error":"Metric: [top_n_database_statement] is topN record, need top_n function for query.","results":[]}}}"#]],
    )
    .await;
    check(EXPRESSION, ask("top_n(top_n_database_statement,2,des,attr0='GENERAL')"), expect![[r#"{"data":{"r":{"type":"UNKNOWN","error":"The attribute [attr0] is not a queryable column of metric [top_n_database_statement], so it can not be used as a top_n condition.","results":[]}}}"#]]).await;
}

#[tokio::test]
async fn the_older_queries_answer_the_same() {
    let duration = minutes();
    let records =
        json!({"name": NAME, "parentEntity": {"serviceName": "db:1", "normal": false}, "topN": 1, "order": "DES"});
    check(
        "query($c:RecordCondition!,$d:Duration!){r:readRecords(condition:$c,duration:$d){id name refId value}}",
        json!({"c": records, "d": duration}),
        expect![[r#"{"data":{"r":[{"id":"t900","name":"select 1","refId":"t900","value":"900"}]}}"#]],
    )
    .await;
    let sampled = json!({"name": NAME, "parentService": "db:2", "normal": false, "topN": 5, "order": "DES"});
    check(
        "query($c:TopNCondition!,$d:Duration!){r:readSampledRecords(condition:$c,duration:$d){id name refId value}}",
        json!({"c": sampled, "d": minutes()}),
        expect![[r#"{"data":{"r":[{"id":"t700","name":"update","refId":"t700","value":"700"}]}}"#]],
    )
    .await;
    let service = id::service("db:1", false);
    let oldest = json!({"serviceId": service, "metricName": NAME, "topN": 1, "order": "ASC", "duration": minutes()});
    check(
        "query($c:TopNRecordsCondition!){r:getTopNRecords(condition:$c){statement latency traceId}}",
        json!({"c": oldest}),
        expect![[r#"{"data":{"r":[{"statement":"select 2","latency":300,"traceId":"t300"}]}}"#]],
    )
    .await;
    let other = json!({"name": "service_cpm", "parentEntity": {}, "topN": 1, "order": "DES"});
    check(
        "query($c:RecordCondition!,$d:Duration!){r:readRecords(condition:$c,duration:$d){id}}",
        json!({"c": other, "d": minutes()}),
        expect![[r#"{"data":{"r":[]}}"#]],
    )
    .await;
}

#[tokio::test]
async fn lists_of_metrics_have_them() {
    check(
        r#"{t:typeOfMetrics(name:"top_n_cache_read_command") l:listMetrics(regex:"s.*cpm|top_n.*"){name type catalog}}"#,
        json!({}),
        expect![[r#"{"data":{"t":"SAMPLED_RECORD","l":[{"name":"service_cpm","type":"REGULAR_VALUE","catalog":"SERVICE"},{"name":"service_instance_cpm","type":"REGULAR_VALUE","catalog":"SERVICE_INSTANCE"},{"name":"service_relation_client_cpm","type":"REGULAR_VALUE","catalog":"SERVICE_RELATION"},{"name":"top_n_cache_read_command","type":"SAMPLED_RECORD","catalog":"SERVICE"},{"name":"top_n_cache_write_command","type":"SAMPLED_RECORD","catalog":"SERVICE"},{"name":"top_n_database_statement","type":"SAMPLED_RECORD","catalog":"SERVICE"},{"name":"top_n_service_database_statement","type":"SAMPLED_RECORD","catalog":"SERVICE"}]}}"#]],
    )
    .await;
}

#[tokio::test]
async fn databases_are_listed() {
    let world = World::new();
    let layers = Agg::id(model::layer::VIRTUAL_DATABASE.ordinal);
    world.life(Scope::Service, &id::service("db:1", false), (0, 0), &[(cell::LAYERS, layers)]).await;
    let answer =
        world.answer("query($d:Duration!){getAllDatabases(duration:$d){id name type}}", json!({"d": minutes()})).await;
    expect![[r#"{"data":{"getAllDatabases":[{"id":"ZGI6MQ==.0","name":"db:1","type":""}]}}"#]]
        .assert_eq(&answer.to_string());
}
