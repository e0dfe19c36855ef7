//! Alarms as SkyWalking's clients list them, and what its status endpoints tell.

use alarm::{incident::Incident, records};
use model::{Agg, Scope, Step, UnixMillis, Zone, cell, id};
use proto::v3::Type;
use serde_json::{Value, json};

use crate::signals::event;
use crate::world::{MINUTE, NOW, World, metric, minutes};

const FIELDS: &str = "{ msgs { startTime recoveryTime scope id name message tags { key value }
    snapshot { expression metrics { name results { metric { labels { key value } } values { id value } } } }
    events { name } } }";

/// An incident that fired at a minute after [`MINUTE`], with its number as its ids.
fn incident(n: u32, scope: Scope, entity: &str, level: &str, minute: i64) -> Incident {
    let entity = alarm::Entity::of(scope, entity.to_owned()).unwrap();
    let minute_of = i64::from(MINUTE) + minute;
    serde_json::from_value(json!({
        "id": format!("{n:032}"), "rule": "r", "ruleName": format!("rule_{n}"), "expression": "service_cpm > 1",
        "hooks": [], "severity": "WARNING", "shadow": false, "entity": entity, "layers": ["GENERAL", "MESH"],
        "labels": [], "state": "FIRING", "entered": minute_of, "silentUntil": minute_of, "observedUntil": 0,
        "opened": minute_of, "closed": null,
        "transitions": [{
            "seq": 1, "what": "FIRED", "minute": minute_of, "at": NOW + minute * 60_000, "uuid": format!("uuid-{n}"),
            "message": format!("Calls of {} are too many", entity.name), "tags": {"level": level, "owner": "ann"},
            "evidence": [{"metric": "service_cpm", "values": [[minute_of - 1, null], [minute_of, 1234.5]]}],
        }],
    }))
    .unwrap()
}

fn recovered(mut incident: Incident, minute: i64) -> Incident {
    let mut last = incident.transitions[0].clone();
    (last.seq, last.what, last.at) = (2, alarm::incident::What::Recovered, UnixMillis(NOW + minute * 60_000));
    last.uuid = format!("{}-2", last.uuid);
    incident.transitions.push(last);
    incident
}

async fn world() -> World {
    let world = World::new();
    let (a, b) = (id::service("a", true), id::service("b", true));
    let all = [
        recovered(incident(1, Scope::Service, &a, "WARNING", -30), -5),
        incident(2, Scope::ServiceInstance, &id::instance(&a, "i"), "CRITICAL", -20),
        incident(3, Scope::ServiceRelation, &id::relation(&a, &b), "WARNING", -10),
    ];
    write(&world, &all).await;
    world
}

async fn write(world: &World, all: &[Incident]) {
    for incident in all {
        for transition in &incident.transitions {
            // Twice: writing again changes nothing.
            for _ in 0..2 {
                world.write(records::batch(incident, transition, &Zone::utc(), &["level".to_owned()])).await;
            }
        }
    }
}

async fn names(world: &World, query: &str, variables: Value) -> Vec<String> {
    let data = world.ask(query, variables).await;
    let alarms = data["a"]["msgs"].as_array().unwrap();
    alarms.iter().map(|alarm| alarm["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn alarms_come_with_all_that_was_seen_the_last_first() {
    let world = world().await;
    let query =
        format!("query q($d: Duration!) {{ getAlarm(duration: $d, paging: {{pageNum: 1, pageSize: 20}}) {FIELDS} }}");
    let data = world.ask(&query, json!({"d": minutes(-60, 0)})).await;
    let alarms = data["getAlarm"]["msgs"].as_array().unwrap();
    let shown: Vec<_> = alarms.iter().map(|alarm| (alarm["scope"].clone(), alarm["id"].clone())).collect();
    let (a, i) = (id::service("a", true), id::instance(&id::service("a", true), "i"));
    assert_eq!(
        shown,
        [(json!("ServiceRelation"), json!(a)), (json!("ServiceInstance"), json!(i)), (json!("Service"), json!(a)),]
    );
    assert_eq!(
        alarms[2],
        json!({
            "startTime": NOW - 30 * 60_000, "recoveryTime": NOW - 5 * 60_000, "scope": "Service", "id": a, "name": "a",
            "message": "Calls of a are too many",
            "tags": [{"key": "level", "value": "WARNING"}, {"key": "owner", "value": "ann"}],
            "snapshot": {"expression": "service_cpm > 1", "metrics": [{"name": "service_cpm", "results": [{
                "metric": {"labels": []},
                "values": [{"id": "202401151129", "value": null}, {"id": "202401151130", "value": "1234.5"}],
            }]}]},
            "events": [],
        })
    );
    assert_eq!(alarms[1]["recoveryTime"], Value::Null);
}

#[tokio::test]
async fn every_store_finds_recoveries_of_later_days_and_the_events_of_those_concerned() {
    let day = 24 * 60;
    let instance = |name: &str| id::instance(&id::service("pay", true), name);
    let both = id::relation(&instance("p2"), &instance("p1"));
    let all = [
        recovered(incident(1, Scope::ServiceInstance, &instance("p1"), "WARNING", -2 * day), -5),
        incident(2, Scope::ServiceInstance, &instance("p2"), "WARNING", 1 - 2 * day),
        incident(3, Scope::ServiceInstanceRelation, &both, "WARNING", 2 - 2 * day),
    ];
    let happened = |uuid: &str, minute: i64, endpoint: &str| {
        event(uuid, "Restart", Type::Error, (minute * 60_000, 0), endpoint, None)
    };
    let events =
        vec![happened("own", -2 * day, ""), happened("of-an-endpoint", -2 * day, "/x"), happened("too-late", -day, "")];
    let query = "query q($d: Duration!) { a: getAlarm(duration: $d, paging: {pageSize: 9}) { msgs { name recoveryTime
        events { uuid source { service serviceInstance } } } } }";
    for world in World::each() {
        write(&world, &all).await;
        world.records(events.clone()).await;
        let own = json!([{"uuid": "own", "source": {"service": "pay", "serviceInstance": "p1"}}]);
        let data = world.ask(query, json!({"d": minutes(-2 * day - 10, -2 * day + 10)})).await;
        assert_eq!(
            data["a"]["msgs"],
            json!([
                {"name": "p2 of pay to p1 of pay", "recoveryTime": null, "events": own},
                {"name": "p2 of pay", "recoveryTime": null, "events": []},
                {"name": "p1 of pay", "recoveryTime": NOW - 5 * 60_000, "events": own},
            ])
        );
        world.close().await;
    }
}

#[tokio::test]
async fn alarms_are_found_by_scope_words_tags_and_page() {
    let world = world().await;
    let get = |arguments: &str| {
        format!("query q($d: Duration!) {{ a: getAlarm(duration: $d, {arguments}) {{ msgs {{ name }} }} }}")
    };
    let during = json!({"d": minutes(-60, 0)});
    for (arguments, found) in [
        ("scope: Service, paging: {pageSize: 9}", vec!["a"]),
        ("keyword: \"of i of\", paging: {pageSize: 9}", vec!["i of a"]),
        ("tags: [{key: \"level\", value: \"WARNING\"}], paging: {pageSize: 9}", vec!["a to b", "a"]),
        ("tags: [{key: \"owner\", value: \"ann\"}], paging: {pageSize: 9}", vec![]),
        ("paging: {pageNum: 0, pageSize: 2}", vec!["a to b", "i of a"]),
        ("paging: {pageNum: 2, pageSize: 2}", vec!["a"]),
    ] {
        assert_eq!(names(&world, &get(arguments), during.clone()).await, found, "{arguments}");
    }
}

#[tokio::test]
async fn conditions_hold_together_and_an_entity_that_is_none_is_an_error() {
    let world = world().await;
    let query = "query q($c: AlarmQueryCondition!) { a: queryAlarms(condition: $c) { msgs { name } } }";
    let asked = |more: Value| {
        let mut condition = json!({"duration": minutes(-60, 0), "paging": {"pageSize": 9}});
        condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"c": condition})
    };
    let pair = json!({"serviceName": "a", "destServiceName": "b"});
    for (condition, found) in [
        (json!({}), vec!["a to b", "i of a", "a"]),
        (json!({"entities": [{"serviceName": "a"}]}), vec!["a to b", "a"]),
        (json!({"entities": [{"serviceName": "b"}]}), vec!["a to b"]),
        (json!({"entities": [{"serviceName": "a", "normal": false}]}), vec![]),
        (json!({"entities": [pair, {"serviceName": "a", "serviceInstanceName": "i"}]}), vec!["a to b", "i of a"]),
        (json!({"entities": [pair], "ruleNames": ["rule_1"]}), vec![]),
        (json!({"ruleNames": ["rule_1", "rule_2"]}), vec!["i of a", "a"]),
        (json!({"layer": "GENERAL", "keyword": "calls"}), vec!["a to b", "i of a", "a"]),
        // Only the first layer of an alarm is stored.
        (json!({"layer": "MESH"}), vec![]),
    ] {
        assert_eq!(names(&world, query, asked(condition.clone())).await, found, "{condition}");
    }
    for none in [json!({}), json!({"processName": "p", "serviceName": "a"}), json!({"endpointName": "/x"})] {
        let error = world.error(query, asked(json!({"entities": [none]}))).await;
        assert!(error.starts_with("no alarm can be about the entity"), "{error}");
    }
}

#[tokio::test]
async fn searchable_tags_are_completed() {
    let world = world().await;
    let query = "query q($d: Duration!) { keys: queryAlarmTagAutocompleteKeys(duration: $d)
        values: queryAlarmTagAutocompleteValues(tagKey: \"level\", duration: $d) }";
    let data = world.ask(query, json!({"d": minutes(-60, 0)})).await;
    assert_eq!(data, json!({"keys": ["level"], "values": ["CRITICAL", "WARNING"]}));
}

#[tokio::test]
async fn the_status_endpoints_tell_of_rules_and_what_they_see() {
    let world = World::new();
    let service = id::service("a", true);
    for minute in [MINUTE - 2, MINUTE - 1] {
        let cells = [(metric("service_cpm"), Agg::Count(70))];
        world.row(Scope::Service, Step::Minute, minute, &service, &cells).await;
    }
    world.life(Scope::Service, &service, (-10, 0), &[(cell::LAYERS, Agg::Ids(vec![2].into()))]).await;
    let create = "mutation { createAlarmRule(input: {name: \"cpm_rule\", expression: \"sum(service_cpm > 60) >= 2\",
        period: 2, silence: 3, profile: SKYWALKING, message: \"Calls of {name}\"}) { rule { id } } }";
    world.ask(create, json!({})).await;
    let one = |mut answer: Value| {
        assert_eq!(answer["oapInstances"][0]["address"], "skylark-0:11800");
        answer["oapInstances"][0]["status"].take()
    };
    assert_eq!(one(world.status("/status/alarm/rules").await), json!({"ruleList": [{"id": "cpm_rule"}]}));
    assert_eq!(
        one(world.status("/status/alarm/cpm_rule").await),
        json!({
            "ruleId": "cpm_rule", "expression": "sum(service_cpm > 60) >= 2", "period": 2, "silencePeriod": 3,
            "recoveryObservationPeriod": 0, "additionalPeriod": 0, "includeEntityNames": [], "excludeEntityNames": [],
            "includeEntityNamesRegex": "", "excludeEntityNamesRegex": "",
            "runningEntities": [{"scope": "SERVICE", "name": "a", "formattedMessage": "Calls of a"}],
            "tags": [], "hooks": [], "includeMetrics": ["service_cpm"],
        })
    );
    let context = one(world.status("/status/alarm/cpm_rule/a").await);
    assert_eq!((&context["size"], &context["entityName"]), (&json!(2), &json!("a")));
    assert_eq!(
        context["windowValues"],
        json!([
            {"index": 0, "metrics": [{"name": "service_cpm", "timeBucket": 202_401_151_158_i64, "value": "70"}]},
            {"index": 1, "metrics": [{"name": "service_cpm", "timeBucket": 202_401_151_159_i64, "value": "70"}]},
        ])
    );
    assert_eq!(context["currentState"], "FIRING");
    let stub = one(world.status("/status/alarm/cpm_rule/none").await);
    assert_eq!((&stub["size"], &stub["windowValues"], stub.get("entityName")), (&json!(0), &json!([]), None));
    assert_eq!(
        world.status("/status/alarm/none").await,
        json!({"oapInstances": [{"address": "skylark-0:11800"}]}),
        "what is not there is left out"
    );
}
