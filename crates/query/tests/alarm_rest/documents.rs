//! Rules, receivers, routes, silences: made, changed, found, restored; brought in and out.

use axum::body::Body;
use query::Role;
use serde_json::{Value, json};

use crate::world::{World, incident, rule};

#[tokio::test]
async fn a_rule_lives_with_its_revision() {
    let world = World::new().await;
    let made = world.post("/rules", rule("slow")).await;
    let id = made.is(201)["document"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made.etag(), "\"1\"");
    assert_eq!(made.headers["location"], format!("/alarm/v1/rules/{id}"));
    let path = format!("/rules/{id}");

    let read = world.get(&path).await;
    let mut doc = read.is(200);
    assert_eq!((read.etag().as_str(), &doc["name"]), ("\"1\"", &json!("slow")));

    doc["period"] = json!(7);
    assert_eq!(world.ask("PUT", &path, "", &doc).await.code(428), "precondition_required");
    assert_eq!(world.ask("PUT", &path, "x", &doc).await.code(400), "bad_if_match");
    let changed = world.ask("PUT", &path, "\"1\"", &doc).await;
    assert_eq!(changed.is(200)["document"]["period"], 7);
    assert_eq!(changed.etag(), "\"2\"");

    let late = world.ask("PUT", &path, "\"1\"", &doc).await;
    let told = late.is(412);
    assert_eq!(
        (&told["code"], &told["present"]["period"], &told["revision"]),
        (&json!("conflict"), &json!(7), &json!(2))
    );
    assert_eq!(late.etag(), "\"2\"", "who was late knows what to name now");

    let patched = world.ask("PATCH", &path, "W/\"2\"", &json!({"for": 3, "tags": {"team": "a"}})).await.is(200);
    assert_eq!(patched["document"]["for"], 3);
    assert_eq!(world.ask("PUT", &path, "*", &json!({"id": "other", "name": "slow"})).await.code(422), "bad_document");

    let paused = world.post(&format!("{path}:disable"), Value::Null).await.is(200);
    assert_eq!(paused["document"]["paused"], true);
    let listed = world.get("/rules?paused=true&text=SLOW&tag=team%3Da&scope=SERVICE&limit=5").await.is(200);
    assert_eq!((&listed["total"], &listed["items"][0]["health"]["status"]), (&json!(1), &json!("PAUSED")));
    assert_eq!(world.get("/rules?tag=team%3Db").await.is(200)["total"], 0);
    assert_eq!(world.post(&format!("{path}:enable"), Value::Null).await.is(200)["document"]["paused"], false);
    assert_eq!(world.get(&format!("{path}/status")).await.is(200)["health"]["status"], "OK");
    let shadow = world.post(&format!("{path}:mode"), json!({"mode": "SHADOW"})).await.is(200);
    assert_eq!(shadow["document"]["mode"], "SHADOW");

    assert_eq!(world.ask("DELETE", &path, "\"1\"", &Value::Null).await.code(412), "conflict");
    assert_eq!(world.ask("DELETE", &path, "\"6\"", &Value::Null).await.status, 200);
    assert_eq!(world.get(&path).await.code(404), "not_found");
    let restored = world.post(&format!("{path}:restore"), json!({"revision": 2})).await.is(200);
    assert_eq!((&restored["document"]["period"], &restored["document"]["mode"]), (&json!(7), &json!("LIVE")));

    let history = world.get(&format!("{path}/history?limit=2")).await.is(200);
    let ops: Vec<_> = history["items"].as_array().unwrap().iter().map(|entry| entry["op"].clone()).collect();
    assert_eq!(ops, ["RESTORE", "DELETE"]);
    assert_eq!((&history["items"][0]["actor"], &history["items"][0]["reason"]), (&json!("ann"), &json!("because")));
}

#[tokio::test]
async fn what_cannot_be_read_or_saved_is_refused_with_its_place() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    let post = async |role, headers: &[(&str, &str)], body: &str| {
        world.ask_as(role, "POST", "/rules", headers, Body::from(body.to_owned())).await
    };
    let admin = Some(Role::Admin);
    let broken = post(admin, &json, "{\n \"name\": }").await.is(400);
    assert_eq!((&broken["code"], &broken["line"], &broken["column"]), (&json!("bad_json"), &json!(2), &json!(10)));
    let unknown = post(admin, &json, r#"{"name": "a", "nmae": 1}"#).await.is(400);
    assert_eq!(unknown["code"], "bad_document");
    assert!(unknown["message"].as_str().unwrap().contains("nmae"), "{unknown}");
    assert_eq!(post(admin, &[("content-type", "text/plain")], "{}").await.code(415), "unsupported_media_type");
    assert_eq!(post(admin, &json, &" ".repeat((1 << 20) + 1)).await.code(413), "too_large");
    assert_eq!(post(Some(Role::Viewer), &json, "{}").await.code(403), "forbidden");
    assert_eq!(post(None, &json, "{}").await.code(403), "forbidden");

    let mut bad = rule("slow");
    bad["expression"] = json!("avg(service_cpm)\n > avg(nothing)");
    bad["hooks"] = json!(["webhook.none"]);
    let told = world.post("/rules", bad).await.is(422);
    assert_eq!((&told["code"], &told["path"]), (&json!("bad_expression"), &json!("expression")));
    assert_eq!((&told["line"], &told["column"]), (&json!(2), &json!(8)), "{told}");
    let codes: Vec<_> = told["problems"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert!(codes.contains(&json!("unknown_receiver")), "{told}");

    world.rule("slow").await;
    assert_eq!(world.post("/rules", rule("slow")).await.code(409), "name_taken");
    assert_eq!(world.get("/nothing").await.code(404), "not_found");
    assert_eq!(world.get("/rules/x").await.code(404), "not_found");
    let wrong = world.ask("DELETE", "/rules", "*", &Value::Null).await;
    assert_eq!(
        (wrong.code(405).as_str(), wrong.headers["allow"].to_str().unwrap()),
        ("method_not_allowed", "GET, POST")
    );
    assert_eq!(world.get("/rules?nmae=x").await.code(400), "bad_query");
    assert_eq!(world.get("/rules?skip=-1").await.code(400), "bad_query");
    assert_eq!(world.get("/rules?scope=X").await.code(422), "unknown_scope");
}

#[tokio::test]
async fn secrets_never_leave() {
    let world = World::new().await;
    let made = world
        .post(
            "/receivers",
            json!({"id": "webhook.ops", "kind": "webhook", "settings": {
                "urls": ["http://169.254.169.254/x"], "headers": {"Authorization": "Bearer topsecret"},
            }}),
        )
        .await;
    assert_eq!(made.is(201)["document"]["settings"]["headers"]["Authorization"], "***");
    let read = world.get("/receivers/webhook.ops").await;
    let mut doc = read.is(200);
    doc["sendResolved"] = json!(false);
    let kept = world.ask("PUT", "/receivers/webhook.ops", &read.etag(), &doc).await.is(200);
    assert_eq!(kept["document"]["settings"]["headers"]["Authorization"], "***");
    let described = world.get("/openapi.json").await.is(200);
    for (path, methods) in described["paths"].as_object().unwrap() {
        if methods.get("get").is_some() {
            let path = path.strip_prefix("/alarm/v1").unwrap().replace("{id}", "webhook.ops");
            let answered = world.get(&path).await;
            assert!(!answered.text.contains("topsecret"), "{path}");
        }
    }
    for path in ["/receivers", "/receivers/webhook.ops/history", "/audit", "/export?format=JSON", "/export"] {
        let answered = world.get(path).await;
        assert!(answered.text.contains("***") && !answered.text.contains("topsecret"), "{path} {}", answered.text);
    }
    let editor = [("content-type", "application/json"), ("if-match", "*")];
    let refused = world.ask_as(Some(Role::Editor), "PUT", "/receivers/webhook.ops", &editor, doc.to_string()).await;
    assert_eq!(refused.code(403), "forbidden");

    // The guard of outgoing connections holds for tests as well.
    let tested = world.post("/receivers/webhook.ops:test", json!({"sample": "FIRING"})).await.is(200);
    assert_eq!(tested["delivered"], false);
    assert!(tested["error"].as_str().unwrap().contains("alarm.egress"), "{tested}");
    let inline = json!({"receiver": {"id": "webhook.ops", "kind": "webhook", "settings": {"urls": [7]}}});
    assert_eq!(world.post("/receivers:test", inline).await.code(422), "bad_settings");

    let mut rule = rule("slow");
    rule["hooks"] = json!(["webhook.ops"]);
    world.post("/rules", rule).await.is(201);
    assert_eq!(world.ask("DELETE", "/receivers/webhook.ops", "*", &Value::Null).await.code(409), "in_use");
}

#[tokio::test]
async fn the_tree_of_routes_is_one_document_with_parts() {
    let world = World::new().await;
    for name in ["webhook.ops", "webhook.db"] {
        let receiver = json!({"id": name, "kind": "webhook", "settings": {"urls": ["http://a"]}});
        world.post("/receivers", receiver).await.is(201);
    }
    assert_eq!(world.get("/routes").await.code(404), "not_found");
    assert_eq!(world.get("/inhibitions").await.is(200)["total"], 0);
    let tree = json!({"root": {"receivers": ["webhook.ops"], "groupWait": 5, "routes": [
        {"name": "db", "matchers": [{"label": "service", "op": "=~", "value": "db.*"}], "receivers": ["webhook.db", "webhook.gone"]},
    ]}});
    assert_eq!(world.ask("PUT", "/routes", "none", &tree).await.code(422), "unknown_receiver");
    let mut tree = tree;
    tree["root"]["routes"][0]["receivers"] = json!(["webhook.db"]);
    let made = world.ask("PUT", "/routes", "none", &tree).await;
    made.is(201);
    assert_eq!(made.headers["location"], "/alarm/v1/routes");
    assert_eq!(world.ask("PUT", "/routes", "none", &tree).await.code(409), "exists");

    let inhibition = json!({
        "sourceMatchers": [{"label": "severity", "op": "=", "value": "critical"}],
        "targetMatchers": [{"label": "severity", "op": "=", "value": "warning"}], "equal": ["service"],
    });
    world.ask("PUT", "/inhibitions/worst", "\"1\"", &inhibition).await.is(200);
    assert_eq!(world.ask("PUT", "/inhibitions/worst", "\"1\"", &inhibition).await.code(412), "conflict");
    let night = json!([{"times": [{"start_time": "22:00", "end_time": "24:00"}]}]);
    world.ask("PUT", "/time-intervals/night", "\"2\"", &night).await.is(200);
    assert_eq!(world.get("/time-intervals/night").await.is(200)[0]["times"][0]["start_time"], "22:00");
    assert_eq!(world.get("/inhibitions/worst").await.is(200)["name"], "worst");
    world.ask("DELETE", "/inhibitions/worst", "*", &Value::Null).await.is(200);
    assert_eq!(world.get("/inhibitions/worst").await.code(404), "not_found");
    assert_eq!(world.ask("DELETE", "/inhibitions/worst", "*", &Value::Null).await.code(404), "not_found");

    let preview = world.post("/routes:preview", json!({"labels": {"service": "db1", "rule": "slow"}})).await.is(200);
    let way = &preview["targets"][0];
    assert_eq!((&way["receiver"], &way["route"]), (&json!("webhook.db"), &json!(["root", "db"])));
    assert_eq!(
        (&way["groupWait"], &way["exists"], &way["groupLabels"]["service"]),
        (&json!(5), &json!(true), &json!("db1"))
    );
    let restored = world.ask("POST", "/routes:restore", "\"4\"", &json!({"revision": 1})).await.is(200);
    assert_eq!(restored["document"]["timeIntervals"], json!({}));
}

#[tokio::test]
async fn a_silence_that_is_too_broad_must_be_insisted_on() {
    let world = World::with_limit(1).await;
    for number in [1, 2] {
        world.put(&incident(number, "r", &format!("shop{number}"))).await;
    }
    let silence = |value: &str| {
        json!({
            "matchers": [{"label": "service", "op": "=~", "value": value}], "starts": crate::world::NOON,
            "ends": crate::world::NOON + 3_600_000, "comment": "work",
        })
    };
    let matchers = json!({"matchers": silence("shop.*")["matchers"]});
    let preview = world.post("/silences:preview", matchers).await.is(200);
    assert_eq!((&preview["nAlarms"], &preview["alarms"][0]["rule"]), (&json!(2), &json!("r")));
    let refused = world.post("/silences", silence("shop.*")).await.is(409);
    assert_eq!((&refused["code"], &refused["problems"]["nAlarms"]), (&json!("too_broad"), &json!(2)));
    world.post("/silences?override=true", silence("shop.*")).await.is(201);
    let made = world.post("/silences", silence("shop1")).await.is(201);
    assert_eq!(made["document"]["author"], "ann");
    let id = made["document"]["id"].as_str().unwrap();
    assert_eq!(world.get("/silences").await.is(200)["total"], 2);
    let over = world.post(&format!("/silences/{id}:expire"), Value::Null).await.is(200);
    assert_eq!((&over["status"], &over["holds"]), (&json!("EXPIRED"), &json!(false)));
    assert_eq!(world.get("/silences").await.is(200)["total"], 1);
    assert_eq!(world.get("/silences?over=true").await.is(200)["total"], 2);
    assert_eq!(
        world.post("/silences", json!({"matchers": [], "starts": 1, "ends": 2, "comment": ""})).await.code(422),
        "missing"
    );
}

const FILE: &str = "\
rules:
  busy_rule:
    expression: sum(service_cpm > 100) >= 3
    period: 10
    silence-period: 5
    message: busy {name}
    tags: {level: CRITICAL}
  broken_rule:
    expression: sum(nothing > 1) >= 1
    period: 1
hooks:
  webhook:
    ops:
      is-default: true
      urls: [http://a/b]
";

#[tokio::test]
async fn a_file_comes_in_and_goes_out_again() {
    let world = World::new().await;
    let yaml = [("content-type", "application/yaml")];
    let admin = Some(Role::Admin);
    let planned = world.ask_as(admin, "POST", "/import?dryRun=true", &yaml, FILE).await.is(200);
    assert_eq!((&planned["dryRun"], &planned["verdict"]), (&json!(true), &json!("REJECTED")));
    assert_eq!(world.get("/rules").await.is(200)["total"], 0);
    let done = world.post("/import", json!({"text": FILE, "mode": "MERGE"})).await.is(200);
    let broken = done["report"].as_array().unwrap().iter().find(|entry| entry["name"] == "broken_rule").unwrap();
    assert_eq!((&broken["verdict"], &broken["line"]), (&json!("REJECTED"), &json!(8)), "{broken}");
    let rules = world.get("/rules").await.is(200);
    assert_eq!(
        (&rules["total"], &rules["items"][0]["name"], &rules["items"][0]["provenance"]),
        (&json!(1), &json!("busy_rule"), &json!("IMPORT"))
    );

    let raw = world.get("/export?raw=true").await;
    assert_eq!(raw.headers["content-type"], "application/yaml");
    let other = World::new().await;
    other.ask_as(admin, "POST", "/import", &yaml, raw.text.clone()).await.is(200);
    assert_eq!(other.get("/export?raw=true").await.text, raw.text);

    let bundle: Value =
        serde_json::from_str(world.get("/export?format=JSON").await.is(200)["text"].as_str().unwrap()).unwrap();
    let third = World::new().await;
    let plan = third.post("/apply", json!({"bundle": bundle, "planOnly": true})).await.is(200);
    assert_eq!((&plan["applied"], &plan["steps"][0]["step"]), (&json!(false), &json!("CREATE")));
    assert_eq!(third.post("/apply", json!({"bundle": bundle})).await.is(200)["applied"], true);
    assert_eq!(third.get("/rules").await.is(200)["items"][0]["name"], "busy_rule");

    let prometheus = world.get("/export?format=PROMETHEUS_RULES").await.is(200);
    let text = prometheus["text"].as_str().unwrap();
    assert!(text.contains(r#"expr: "sum_over_time((service_cpm{} > bool 100)[10m:1m]) >= 3""#), "{text}");
    assert_eq!(prometheus["remarks"][0]["name"], "busy_rule");
    let ids = rules["items"][0]["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/export?ids={ids},x")).await.code(404), "not_found");
    let tree = "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://x'}]}]\n";
    let imported = other.ask_as(admin, "POST", "/import?format=ALERTMANAGER_YAML", &yaml, tree).await.is(200);
    assert_ne!(imported["verdict"], "REJECTED");
    let rules = "groups: [{rules: [{alert: Calls, expr: service_cpm > 5}, {alert: Odd, expr: up == 0}]}]".to_owned();
    let imported = other.ask_as(admin, "POST", "/import?format=PROMETHEUS_RULES", &yaml, rules).await.is(200);
    assert_eq!(
        (&imported["report"][0]["verdict"], &imported["report"][1]["verdict"]),
        (&json!("OK"), &json!("REJECTED"))
    );
    assert_eq!(other.get("/routes").await.is(200)["root"]["receivers"], json!(["webhook.a"]));
}
