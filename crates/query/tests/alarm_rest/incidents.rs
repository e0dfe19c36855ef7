//! Incidents, notifications, tests, and what is told of all of it.

use serde_json::{Value, json};

use crate::world::{NOON, World, incident, notification};

#[tokio::test]
async fn people_take_care_of_incidents() {
    let world = World::new().await;
    let rule = world.rule("r").await;
    let own = incident(1, &rule, "shop");
    let path = format!("/incidents/{}", own.id);
    world.put(&own).await;
    world.put(&incident(2, "gone", "db")).await;

    let until = NOON + 3_600_000;
    let taken = world.post(&format!("{path}:acknowledge"), json!({"until": until})).await.is(200);
    assert_eq!((&taken["acknowledged"]["by"], &taken["acknowledged"]["until"]), (&json!("ann"), &json!(until)));
    assert_eq!(world.get("/incidents?acknowledged=true").await.is(200)["total"], 1);
    world.later(3_600_000);
    assert_eq!(world.get("/incidents?acknowledged=true").await.is(200)["total"], 0, "its time is over");
    assert_eq!(world.post(&format!("{path}:acknowledge"), json!({"until": 5})).await.code(422), "out_of_range");
    let left = world.post(&format!("{path}:unacknowledge"), Value::Null).await.is(200);
    assert_eq!(left["acknowledged"], Value::Null);
    world.post(&format!("{path}:assign"), json!({"assignee": "bob"})).await.is(200);
    let said = world.post(&format!("{path}:comment"), json!({"text": "on it"})).await.is(200);
    assert_eq!((&said["comments"][0]["author"], &said["comments"][0]["text"]), (&json!("ann"), &json!("on it")));
    assert_eq!(world.post(&format!("{path}:comment"), json!({"text": " "})).await.code(422), "missing");
    assert_eq!(world.post(&format!("{path}:comment"), json!({"text": "x".repeat(5_000)})).await.code(422), "too_long");

    let listed = world.get("/incidents?limit=1").await.is(200);
    assert_eq!(
        (&listed["total"], &listed["items"][0]["entity"]["name"]),
        (&json!(2), &json!("db")),
        "the newest first"
    );
    assert_eq!(listed["items"][0]["transitions"][0]["evidence"], json!([]));
    for (query, n) in [
        ("assignee=bob", 1),
        ("assignee=", 1),
        ("service=shop&severity=CRITICAL&state=FIRING&open=true", 1),
        ("open=false", 0),
        ("rule=r", 2),
        ("rule=gone", 1),
        ("text=MUCH%20of%20db", 1),
        ("before=1", 0),
    ] {
        assert_eq!(world.get(&format!("/incidents?{query}")).await.is(200)["total"], n, "{query}");
    }
    assert_eq!(world.get("/instances?text=shop").await.is(200)["items"][0]["values"]["service_cpm"], 7.0);

    let closed = world.post(&format!("{path}:close"), Value::Null).await.is(200);
    let last = &closed["transitions"][1];
    assert_eq!((&last["what"], &last["reason"], &last["seq"]), (&json!("RECOVERED"), &json!("OPERATOR"), &json!(2)));
    assert_eq!(
        (&last["dispatched"], &last["message"]),
        (&json!(false), &json!("too much of shop")),
        "it is still to be told"
    );
    assert_eq!(closed["state"], "RECOVERED");
    assert!(closed["closed"].is_number());
    assert_eq!(world.post(&format!("{path}:close"), Value::Null).await.code(409), "over");
    assert_eq!(world.post("/incidents/x:close", Value::Null).await.code(404), "not_found");

    let history = world.get(&format!("{path}/history")).await.is(200);
    let ops: Vec<_> = history["items"].as_array().unwrap().iter().map(|entry| entry["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["CLOSE", "COMMENT", "ASSIGN", "UNACKNOWLEDGE", "ACKNOWLEDGE"]);
    let audit = world.get("/audit?kind=alarm_incident&actor=ann").await.is(200);
    assert_eq!((&audit["total"], &audit["items"][0]["name"]), (&json!(5), &json!("r: shop")));
    let assigned = &audit["items"][2]["differences"];
    assert_eq!(*assigned, json!([{"path": "assignee", "before": "", "after": "bob"}]));
}

#[tokio::test]
async fn dead_notifications_are_sent_again_and_others_given_up() {
    let world = World::new().await;
    for (number, status) in [(1, "DEAD"), (2, "WAITING"), (3, "SENT"), (4, "DEAD"), (5, "DISCARDED")] {
        world.put(&notification(number, status, "i")).await;
    }
    let dead = world.get("/deliveries?status=DEAD&incident=i&receiver=webhook.ops&limit=1").await.is(200);
    assert_eq!(
        (&dead["total"], &dead["items"][0]["id"], &dead["items"][0]["error"]),
        (&json!(2), &json!("n4"), &json!("oh no"))
    );
    assert_eq!(world.get("/deliveries/n3").await.is(200)["latencyMs"], 97);

    let some = world.post("/deliveries:redrive", json!({"ids": ["n1", "n3", "n9"]})).await.is(200);
    assert_eq!(some["done"], json!(["n1"]));
    assert_eq!(some["failed"].as_object().unwrap().len(), 2, "{some}");
    let again = world.get("/deliveries/n1").await.is(200);
    assert_eq!((&again["status"], &again["nAttempts"]), (&json!("WAITING"), &json!(0)));
    let rest = world.post("/deliveries:redrive", json!({"filter": {"receiver": "webhook.ops"}})).await.is(200);
    assert_eq!((&rest["done"], &rest["left"]), (&json!(["n4"]), &json!(0)), "what was discarded stays so");
    let gone = world.post("/deliveries:discard", json!({"ids": ["n2", "n3"]})).await.is(200);
    assert_eq!(gone["done"], json!(["n2"]));
    assert_eq!(world.post("/deliveries:redrive", json!({})).await.code(400), "bad_document");
    let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    assert_eq!(world.post("/deliveries:discard", json!({"ids": many})).await.code(422), "too_many");
    let audit = world.get("/audit?kind=alarm_notification").await.is(200);
    assert_eq!(audit["total"], 3);
}

#[tokio::test]
async fn a_test_alarm_goes_the_whole_way_and_touches_nothing_real() {
    let world = World::new().await;
    let receiver =
        json!({"id": "webhook.ops", "kind": "webhook", "isDefault": true, "settings": {"urls": ["http://a"]}});
    world.post("/receivers", receiver).await.is(201);
    let rule = world.rule("slow").await;
    let entity = model::id::service("shop", true);
    assert_eq!(world.post("/fire", json!({"rule": rule, "entity": "?"})).await.code(422), "bad_entity");
    for (state, what) in [("FIRING", "FIRED"), ("RECOVERED", "RECOVERED")] {
        let fired = world.post("/fire", json!({"rule": rule, "entity": entity, "state": state})).await.is(200);
        assert_eq!((&fired["told"][0]["receiver"], &fired["labels"]["rule"]), (&json!("webhook.ops"), &json!("slow")));
        let id = fired["told"][0]["notification"].as_str().unwrap();
        let made = world.get(&format!("/deliveries/{id}")).await.is(200);
        assert_eq!(
            (&made["test"], &made["status"], &made["told"][0]["what"]),
            (&json!(true), &json!("WAITING"), &json!(what))
        );
        assert_eq!(made["told"][0]["message"], "[TEST] too much of shop");
    }
    assert_eq!(world.get("/incidents").await.is(200)["total"], 0);
    assert_eq!(world.get("/deliveries?test=false").await.is(200)["total"], 0);
    assert_eq!(world.get("/audit?kind=alarm_notification").await.is(200)["items"][0]["op"], "FIRE");
}

#[tokio::test]
async fn status_and_metrics_are_told() {
    let world = World::new().await;
    world.rule("slow").await;
    let status = world.get("/status").await.is(200);
    assert_eq!((&status["holder"], &status["nRules"], &status["broken"]), (&json!(false), &json!(1), &json!({})));
    assert_eq!(status["nodes"][0]["own"], true);
    let before = status["epochs"]["alarm_rule"].clone();
    world.rule("other").await;
    assert_ne!(world.get("/status").await.is(200)["epochs"]["alarm_rule"], before);
    let metrics = world.get("/metrics?prefix=service_p&scope=SERVICE").await.is(200);
    assert_eq!(
        metrics["items"],
        json!([{"name": "service_percentile", "scope": "SERVICE", "kind": "LABELED", "labels": ["p"]}])
    );
    assert_eq!(world.get("/metrics?scope=SERVICE").await.is(200)["total"], 3);
}

#[tokio::test]
async fn rules_are_tried_before_they_are_saved() {
    let world = World::new().await;
    let mut rule = crate::world::rule("slow");
    let valid = world.post("/rules:validate", rule.clone()).await.is(200);
    assert_eq!((&valid["valid"], &valid["scope"]), (&json!(true), &json!("SERVICE")));
    assert_eq!(world.post("/rules:dryRun", json!({"rule": rule})).await.is(200)["nMatched"], 0);
    let started = world.post("/rules:backtest", json!({"rule": rule, "from": NOON - 600_000})).await;
    let job = started.is(202)["id"].as_str().unwrap().to_owned();
    assert_eq!(started.headers["location"], format!("/alarm/v1/backtests/{job}"));
    assert_eq!(world.get(&format!("/backtests/{job}")).await.is(200)["rule"], "slow");
    assert_eq!(world.get("/backtests/x").await.code(404), "not_found");
    world.ask("DELETE", &format!("/backtests/{job}"), "", &Value::Null).await.is(200);
    let id = world.rule("kept").await;
    let entity = model::id::service("shop", true);
    world.post(&format!("/rules/{id}:explain"), json!({"entity": entity})).await.is(200);
    rule["expression"] = json!("avg(nothing) > 1");
    assert_eq!(world.post("/rules:dryRun", json!({"rule": rule})).await.code(422), "bad_expression");
    let told = world.post("/rules:validate", rule).await.is(200);
    let problem = &told["problems"][0];
    assert_eq!((&told["valid"], &problem["line"], &problem["column"]), (&json!(false), &json!(1), &json!(5)), "{told}");
}

#[tokio::test]
async fn everything_that_is_described_is_there() {
    let world = World::new().await;
    let described = world.get("/openapi.json").await.is(200);
    assert_eq!(described["openapi"], "3.1.0");
    let mut n = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.strip_prefix("/alarm/v1").unwrap().replace("{id}", "x");
            let answered = world.ask(&method.to_uppercase(), &path, "*", &Value::Null).await;
            let is_route = answered.status != 405 && !answered.text.contains("there is no /alarm/v1");
            assert!(is_route, "{method} {path}: {}", answered.text);
            n += 1;
        }
    }
    assert!(n > 60, "{n}");
}
