//! Alarms managed through GraphQL: every query and mutation at least once, with its errors.

use query::{Actor, Role};
use serde_json::{Value, json};

use crate::world::{World, minutes};

const RULE: &str = "{ rule { id name paused mode expression for tags { key value } variables { name value } revision
    health { status error } scope } warnings { code path } clientMutationId }";

fn input() -> Value {
    json!({
        "name": "cpm_rule", "expression": "sum(service_cpm > $limit) >= 2", "period": 3, "for": 1, "message": "of {name}",
        "variables": [{"name": "limit", "value": 60.0}], "tags": [{"key": "team", "value": "x"}],
    })
}

async fn created(world: &World) -> Value {
    let query = format!(
        "mutation m($i: AlarmRuleInput!) {{ r: createAlarmRule(input: $i, reason: \"why\", clientMutationId: \"c1\") {RULE} }}"
    );
    world.ask(&query, json!({"i": input()})).await["r"].take()
}

#[tokio::test]
async fn a_rule_is_made_changed_deleted_and_restored() {
    let world = World::new();
    let made = created(&world).await;
    assert_eq!(made["clientMutationId"], "c1");
    let rule = &made["rule"];
    assert_eq!((&rule["for"], &rule["scope"], &rule["health"]["status"]), (&json!(1), &json!("SERVICE"), &json!("OK")));
    let id = rule["id"].clone();
    let patch = format!(
        "mutation m($id: ID!, $r: Long) {{ r: patchAlarmRule(id: $id, expectedRevision: $r,
        input: {{tags: [{{key: \"owner\", value: \"ann\"}}], period: 4}}) {RULE} }}"
    );
    let patched = world.ask(&patch, json!({"id": id, "r": rule["revision"]})).await;
    assert_eq!(
        patched["r"]["rule"]["tags"],
        json!([{"key": "owner", "value": "ann"}]),
        "a list replaces the present one"
    );
    assert_eq!(patched["r"]["rule"]["variables"], json!([{"name": "limit", "value": 60.0}]));
    let conflict = world.extensions(&patch, json!({"id": id, "r": rule["revision"]})).await;
    assert_eq!((&conflict["code"], &conflict["current"]["period"]), (&json!("CONFLICT"), &json!(4)));

    let more = format!(
        "mutation m($id: ID!, $i: AlarmRuleInput!) {{ u: updateAlarmRule(id: $id, input: $i) {RULE}
        e: setAlarmRuleEnabled(id: $id, enabled: false) {RULE} m: setAlarmRuleMode(id: $id, mode: SHADOW) {RULE}
        b: bulkAlarmRules(ops: [{{id: $id, op: ENABLE}}, {{id: \"none\", op: DELETE}}]) {{ results {{ id error }} }}
        d: deleteAlarmRule(id: $id) {{ id }} s: restoreAlarmRule(id: $id) {RULE} }}"
    );
    let data = world.ask(&more, json!({"id": id, "i": input()})).await;
    assert_eq!((&data["e"]["rule"]["paused"], &data["m"]["rule"]["mode"]), (&json!(true), &json!("SHADOW")));
    assert_eq!((&data["b"]["results"][0]["error"], data["b"]["results"][1]["error"].is_string()), (&Value::Null, true));
    assert_eq!((&data["s"]["rule"]["paused"], &data["s"]["rule"]["mode"]), (&json!(false), &json!("SHADOW")));

    let read = "query q($id: ID!) { one: alarmRule(id: $id) { name } first: alarmRule(id: $id, revision: 1) { period revision }
        none: alarmRule(id: \"none\") { name } list: alarmRules(filter: {tag: \"team=x\", scope: SERVICE}, paging: {pageSize: 5}) { total rules { name } }
        history: alarmRuleHistory(id: $id, paging: {pageSize: 50}) { op actor source reason differences { path } }
        audit: alarmAudit(filter: {kind: \"alarm_rule\"}, paging: {pageSize: 50}) { op target } }";
    let data = world.ask(read, json!({"id": id})).await;
    assert_eq!(data["none"], Value::Null);
    assert_eq!(data["first"], json!({"period": 3, "revision": 1}));
    assert_eq!(data["list"], json!({"total": 1, "rules": [{"name": "cpm_rule"}]}));
    let history = data["history"].as_array().unwrap();
    assert_eq!(history[0]["op"], "RESTORE");
    let first = history.last().unwrap();
    assert_eq!(
        (&first["op"], &first["actor"], &first["source"], &first["reason"]),
        (&json!("CREATE"), &json!("tester"), &json!("graphql"), &json!("why"))
    );
    assert_eq!(data["audit"].as_array().unwrap().len(), history.len());
}

#[tokio::test]
async fn errors_say_what_where_and_what_to_do() {
    let world = World::new();
    let create = "mutation m($i: AlarmRuleInput!) { createAlarmRule(input: $i) { rule { id } } }";
    let mut bad = input();
    bad["expression"] = json!("sum(service_cpm >) >= 2");
    let error = world.extensions(create, json!({"i": bad})).await;
    assert_eq!(
        (&error["path"], &error["line"], &error["column"]),
        (&json!("expression"), &json!(1), &json!(18)),
        "{error}"
    );
    assert!(error["hint"].is_string() && error["problems"].is_array() && error["code"].is_string(), "{error}");
    let missing = world.extensions("mutation { deleteAlarmRule(id: \"none\") { id } }", json!({})).await;
    assert_eq!(missing["code"], "NOT_FOUND");
}

#[tokio::test]
async fn who_may_only_read_is_refused() {
    let mut world = World::new();
    for (role, mutation, allowed) in [
        (Role::Viewer, "deleteAlarmRule(id: \"x\") { id }", false),
        (Role::Viewer, "ackIncident(id: \"x\") { clientMutationId }", false),
        (Role::Editor, "deleteAlarmRule(id: \"x\") { id }", true),
        (Role::Editor, "deleteAlarmReceiver(id: \"x\") { id }", false),
        (Role::Admin, "deleteAlarmReceiver(id: \"x\") { id }", true),
    ] {
        world.actor = Actor::new("eve", role, "");
        let error = world.extensions(&format!("mutation {{ {mutation} }}"), json!({})).await;
        assert_eq!(error["code"] == "FORBIDDEN", !allowed, "{mutation} {error}");
    }
    world.actor = Actor::default();
    world.ask("{ alarmConfigStatus { holder } alarmReceivers { id } }", json!({})).await;
}

#[tokio::test]
async fn receivers_keep_their_secrets_to_themselves() {
    let world = World::new();
    let query = "mutation m($i: AlarmReceiverInput!) { r: upsertAlarmReceiver(input: $i) { receiver { id kind settings revision } } }";
    let slack =
        json!({"id": "slack.ops", "kind": "SLACK", "settings": {"webhooks": ["https://hooks.example.com/T0/secret"]}});
    let webhook = json!({"id": "webhook.ops", "kind": "WEBHOOK", "settings": {"urls": ["http://127.0.0.1:1/x"]}});
    for receiver in [slack, webhook] {
        let answer = world.answer(query, json!({"i": receiver})).await;
        assert!(answer["errors"].is_null(), "{answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    let data = world.ask("{ alarmReceivers { id kind isDefault sendResolved settings } }", json!({})).await;
    assert_eq!(data["alarmReceivers"].as_array().unwrap().len(), 2);
    assert!(!data.to_string().contains("secret"), "{data}");
    let tests = "mutation { a: testAlarmReceiver(id: \"webhook.ops\", sample: FIRING) { delivered error }
        d: deleteAlarmReceiver(id: \"slack.ops\") { id } }";
    let data = world.ask(tests, json!({})).await;
    assert_eq!(data["a"]["delivered"], false);
    let neither = world.extensions("mutation { testAlarmReceiver { delivered } }", json!({})).await;
    assert_eq!(neither["code"], "MISSING");
}

#[tokio::test]
async fn routes_inhibitions_and_intervals_are_parts_of_one_document() {
    let world = World::new();
    let receiver = "mutation { upsertAlarmReceiver(input: {id: \"webhook.ops\", kind: WEBHOOK,
        settings: {urls: [\"http://127.0.0.1:1/x\"]}}) { receiver { id } } }";
    world.ask(receiver, json!({})).await;
    let query = "mutation {
        root: upsertAlarmRoute(path: [], input: {receivers: [\"webhook.ops\"], groupWait: 5}, foldByTopology: true) { routing { revision } }
        child: upsertAlarmRoute(path: [\"critical\"], input: {matchers: [{label: \"severity\", op: EQUAL, value: \"critical\"}]}) { routing { revision } }
        night: upsertAlarmTimeInterval(name: \"night\", intervals: [{times: [{startTime: \"22:00\", endTime: \"24:00\"}]}]) { warnings { code } }
        inhibit: upsertAlarmInhibition(input: {name: \"down\", sourceMatchers: [{label: \"severity\", op: EQUAL, value: \"critical\"}],
            targetMatchers: [{label: \"severity\", op: MATCHES, value: \"info|warning\"}], equal: [\"service\"]}) { routing { foldByTopology } } }";
    world.ask(query, json!({})).await;
    let read = "{ r: alarmRoutes { root { groupWait routes { name matchers { label op value } } } foldByTopology revision }
        alarmInhibitions { name equal } alarmTimeIntervals { name intervals { times { startTime endTime } } }
        p: previewRoute(labels: [{key: \"severity\", value: \"critical\"}]) { targets { route receiver exists groupWait } problems } }";
    let data = world.ask(read, json!({})).await;
    assert_eq!(
        data["r"]["root"]["routes"][0]["matchers"],
        json!([{"label": "severity", "op": "EQUAL", "value": "critical"}])
    );
    assert_eq!(
        (&data["alarmInhibitions"][0]["name"], &data["alarmTimeIntervals"][0]["name"]),
        (&json!("down"), &json!("night"))
    );
    assert_eq!(
        (&data["p"]["targets"][0]["receiver"], &data["p"]["targets"][0]["groupWait"]),
        (&json!("webhook.ops"), &json!(5))
    );
    let stale = world
        .extensions(
            "mutation { deleteAlarmRoute(path: [\"critical\"], expectedRevision: 1) { routing { revision } } }",
            json!({}),
        )
        .await;
    assert_eq!(stale["code"], "CONFLICT");
    let gone = "mutation { a: deleteAlarmRoute(path: [\"critical\"]) { routing { root { routes { name } } } }
        b: deleteAlarmInhibition(name: \"down\") { routing { revision } } c: deleteAlarmTimeInterval(name: \"night\") { routing { revision } } }";
    assert_eq!(world.ask(gone, json!({})).await["a"]["routing"]["root"]["routes"], json!([]));
    let again = world
        .extensions("mutation { deleteAlarmInhibition(name: \"down\") { routing { revision } } }", json!({}))
        .await;
    assert_eq!(again["code"], "NOT_FOUND");
}

#[tokio::test]
async fn silences_are_previewed_made_and_ended() {
    let world = World::new();
    let matchers = json!([{"label": "service", "op": "EQUAL", "value": "a"}]);
    let query = "mutation m($m: [AlarmMatcherInput!]!, $e: Long!) { p: previewAlarmSilence(matchers: $m) { alarmCount rules }
        c: createAlarmSilence(matchers: $m, schedule: {ends: $e, recurrence: {cron: \"0 0 2 * * *\", zone: \"UTC\", minutes: 60}}, comment: \"night\")
        { silence { id status author holds } } }";
    let ends = crate::world::NOW + 86_400_000;
    let data = world.ask(query, json!({"m": matchers, "e": ends})).await;
    let silence = &data["c"]["silence"];
    assert_eq!((&silence["status"], &silence["author"]), (&json!("ACTIVE"), &json!("tester")));
    let update = "mutation m($id: ID!, $m: [AlarmMatcherInput!]!, $e: Long!) {
        u: updateAlarmSilence(id: $id, matchers: $m, schedule: {ends: $e}, comment: \"day\") { silence { comment } }
        x: expireAlarmSilence(id: $id) { silence { status } } }";
    let data = world.ask(update, json!({"id": silence["id"], "m": matchers, "e": ends})).await;
    assert_eq!((&data["u"]["silence"]["comment"], &data["x"]["silence"]["status"]), (&json!("day"), &json!("EXPIRED")));
    let read = "{ now: alarmSilences(paging: {pageSize: 5}) { total } all: alarmSilences(expired: true, paging: {pageSize: 5}) { total } }";
    assert_eq!(world.ask(read, json!({})).await, json!({"now": {"total": 0}, "all": {"total": 1}}));
}

#[tokio::test]
async fn incidents_and_deliveries_are_listed_and_acted_on() {
    let world = World::new();
    let read = "{ alarmIncidents(filter: {open: true}, paging: {pageSize: 5}) { total incidents { id } }
        alarmIncident(id: \"none\") { id } alarmInstances(filter: {}, paging: {pageSize: 5}) { total instances { rule } }
        alarmDeliveries(filter: {status: DEAD}, paging: {pageSize: 5}) { total deliveries { id } } alarmDelivery(id: \"none\") { id } }";
    let data = world.ask(read, json!({})).await;
    assert_eq!((&data["alarmIncidents"]["total"], &data["alarmIncident"]), (&json!(0), &Value::Null));
    for mutation in [
        "ackIncident(id: \"x\") { incident { id } }",
        "unackIncident(id: \"x\") { incident { id } }",
        "assignIncident(id: \"x\", assignee: \"ann\") { incident { id } }",
        "commentIncident(id: \"x\", text: \"hm\") { incident { id } }",
        "closeIncident(id: \"x\") { incident { id } }",
    ] {
        let error = world.extensions(&format!("mutation {{ {mutation} }}"), json!({})).await;
        assert_eq!(error["code"], "NOT_FOUND", "{mutation}");
    }
    let query = "mutation { r: redriveDelivery(ids: [\"x\"]) { done failed { id } left } f: redriveDelivery(filter: {}) { left }
        d: discardDelivery(ids: [\"x\"]) { failed { id error } } }";
    let data = world.ask(query, json!({})).await;
    assert_eq!((&data["r"]["failed"][0]["id"], &data["d"]["failed"][0]["id"]), (&json!("x"), &json!("x")));
    let neither = world.extensions("mutation { redriveDelivery { left } }", json!({})).await;
    assert_eq!(neither["code"], "MISSING");
}

#[tokio::test]
async fn trials_answer_before_a_rule_is_saved_and_after() {
    let world = World::new();
    let made = created(&world).await;
    let id = &made["rule"]["id"];
    let query = "mutation m($i: AlarmRuleInput!, $d: Duration!, $id: ID!) {
        v: validateAlarmRule(input: $i) { valid problems { level code path message } scope watchedCount cost { nsPerPass } lastDay { firings } }
        n: dryRunAlarmRule(input: $i) { matchedCount matches { entity { name } nodes { text at { column } } } }
        b: backtestAlarmRule(input: $i, duration: $d, limits: {lines: 5}, diffAgainst: $id) { id state progress }
        t: testFireAlarm(ruleId: $id, entity: {serviceName: \"a\", normal: true}) { told { target { receiver } notification } labels { key value } } }";
    let data = world.ask(query, json!({"i": input(), "d": minutes(-60, -1), "id": id})).await;
    assert_eq!(
        (&data["v"]["valid"], &data["v"]["scope"], &data["n"]["matchedCount"]),
        (&json!(true), &json!("SERVICE"), &json!(0))
    );
    let read = "query q($id: ID!, $b: ID!) { explainAlarm(ruleId: $id, entity: {serviceName: \"a\", normal: true}) { hasData watched nodes { text } routing { targets { receiver } } }
        alarmBacktest(id: $b) { id rule } none: alarmBacktest(id: \"none\") { id } alarmBacktests { id } }";
    let explained = world.ask(read, json!({"id": id, "b": data["b"]["id"]})).await;
    assert_eq!((&explained["explainAlarm"]["hasData"], &explained["none"]), (&json!(false), &Value::Null));
    assert_eq!(explained["alarmBacktest"]["rule"], "cpm_rule");
    let cancel = "mutation m($b: ID!) { cancelAlarmBacktest(id: $b) { id } }";
    assert_eq!(world.ask(cancel, json!({"b": data["b"]["id"]})).await["cancelAlarmBacktest"]["id"], data["b"]["id"]);
    let missing = world.extensions("mutation { cancelAlarmBacktest(id: \"none\") { id } }", json!({})).await;
    assert_eq!(missing["code"], "NOT_FOUND");
}

#[tokio::test]
async fn the_whole_configuration_is_exported_applied_and_imported() {
    let world = World::new();
    created(&world).await;
    let read = "{ j: exportAlarmSettings(format: JSON) { text contentType } y: exportAlarmSettings(format: SKYWALKING_YAML) { text remarks { name } }
        p: exportAlarmSettings(format: PROMETHEUS_RULES) { format } c: mqeCatalog(prefix: \"service_cpm\", scope: SERVICE) { name scope kind labels }
        s: alarmConfigStatus { holder ruleCount broken { key } epochs { key value } nodes { host own live } } }";
    let data = world.ask(read, json!({})).await;
    assert_eq!(data["c"], json!([{"name": "service_cpm", "scope": "SERVICE", "kind": "REGULAR", "labels": []}]));
    assert_eq!((&data["s"]["ruleCount"], &data["s"]["nodes"][0]["host"]), (&json!(1), &json!("skylark-0")));
    let other = World::new();
    let bundle: Value = serde_json::from_str(data["j"]["text"].as_str().unwrap()).unwrap();
    let apply = "mutation m($b: JSON!, $plan: Boolean!) { applyAlarmConfig(bundle: $b, planOnly: $plan) { applied steps { kind name step problems { code } failed } } }";
    let plan = other.ask(apply, json!({"b": bundle, "plan": true})).await;
    assert_eq!(
        (&plan["applyAlarmConfig"]["applied"], &plan["applyAlarmConfig"]["steps"][0]["step"]),
        (&json!(false), &json!("CREATE"))
    );
    assert_eq!(other.ask(apply, json!({"b": bundle, "plan": false})).await["applyAlarmConfig"]["applied"], true);
    let bad = other.extensions(apply, json!({"b": {"nothing": 1}, "plan": true})).await;
    assert_eq!((&bad["code"], &bad["path"]), (&json!("BAD_DOCUMENT"), &json!("bundle")));
    let import = "mutation m($t: String!, $s: AlarmSettingsSource!) { importAlarmSettings(source: $s, text: $t, mode: MERGE, dryRun: true) { verdict entries { part name line verdict errors { message } } steps { step } } }";
    let data = other.ask(import, json!({"t": data["y"]["text"], "s": "YAML"})).await;
    assert_ne!(data["importAlarmSettings"]["verdict"], "REJECTED", "{data}");
    let prometheus = "groups: [{name: g, rules: [{alert: Calls, expr: service_cpm > 5}, {alert: Odd, expr: up == 0}]}]";
    let data = other.ask(import, json!({"t": prometheus, "s": "PROMETHEUS_RULES"})).await;
    let verdicts: Vec<_> =
        data["importAlarmSettings"]["entries"].as_array().unwrap().iter().map(|e| &e["verdict"]).collect();
    assert_eq!(verdicts, ["OK", "REJECTED"], "{data}");
    assert_eq!(data["importAlarmSettings"]["steps"], json!([{"step": "CREATE"}]));
    let data = other.ask(import, json!({"t": "route: {", "s": "ALERTMANAGER_YAML"})).await;
    assert_eq!(data["importAlarmSettings"]["verdict"], "REJECTED");
}
