//! Alarms through GraphQL while the engine runs, in virtual time: what fires, what is done about it, what is told, and trials over data.

use std::time::Duration;

use alarm::start::start;
use expect_test::{ExpectFile, expect_file};
use model::{Agg, Clock, Scope, Step, UnixMillis, cell, id, layer::Layers};
use serde_json::{Value, json};
use storage::nodes::Registry;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::desk::{node, parts};
use crate::world::{MINUTE, NOW, World, metric, minutes};

/// An engine that runs over a world, from [`NOW`] on.
pub(crate) struct Live {
    pub(crate) world: World,
    begun: Instant,
    _tasks: JoinSet<()>,
}

impl Live {
    /// Services `a`, whose calls are too many until the sixth minute, and `b`, whose never are.
    pub(crate) async fn new() -> Live {
        let mut world = World::new();
        let begun = Instant::now();
        world.clock = Clock::from_fn(move || UnixMillis(NOW).plus(i64::try_from(begun.elapsed().as_millis()).unwrap()));
        for name in ["a", "b"] {
            let service = id::service(name, true);
            world.life(Scope::Service, &service, (-60, 60), &[(cell::LAYERS, Agg::Ids(vec![2].into()))]).await;
            let row = |minute: i64| {
                let bucket = u32::try_from(i64::from(MINUTE) + minute).unwrap();
                let calls = if name == "a" && minute < 6 { 100 } else { 10 };
                (
                    Scope::Service,
                    Step::Minute,
                    bucket,
                    service.clone(),
                    vec![(metric("service_cpm"), Agg::Count(calls))],
                )
            };
            world.rows((-60..60).map(row)).await;
        }
        let mut tasks = JoinSet::new();
        let desk = {
            let clock = world.clock.clone();
            let flushed = clock.clone();
            let flushed = move || u64::from(flushed.now().plus(-3_000).minute().unwrap().0);
            let (registry, nodes) = Registry::new(world.store(), clock.clone(), 1, node(), Box::new(flushed));
            tasks.spawn(async move { drop(registry.run(std::future::pending()).await) });
            let parts = parts(world.store(), clock, World::catalogue(), Layers::default(), nodes);
            let alarm = start(parts, std::future::pending::<()>).await;
            for (_, task) in alarm.tasks {
                tasks.spawn(task);
            }
            alarm.desk
        };
        world.at(desk);
        Live { world, begun, _tasks: tasks }
    }

    /// Waits until so many seconds after the beginning.
    pub(crate) async fn until(&self, seconds: u64) {
        sleep_until(self.begun + Duration::from_secs(seconds)).await;
    }

    /// Waits until a query, which has an `id`, answers what is wanted.
    pub(crate) async fn wait(&self, query: &str, id: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut data = Value::Null;
        for _ in 0..1_000 {
            data = self.world.ask(query, json!({"id": id})).await;
            if wanted(&data) {
                return data;
            }
            sleep(Duration::from_millis(500)).await;
        }
        panic!("it never came: {query}: {data}");
    }

    /// The rule whose condition holds for `a`, and a receiver of it at an address that nothing may be sent to.
    pub(crate) async fn busy(&self) -> Value {
        let receiver = "mutation { upsertAlarmReceiver(input: {id: \"webhook.ops\", kind: WEBHOOK, isDefault: true, sendResolved: true,
            settings: {urls: [\"http://169.254.169.254/x\"]}}) { receiver { id } } }";
        self.world.ask(receiver, json!({})).await;
        let query = "mutation m($i: AlarmRuleInput!) { r: createAlarmRule(input: $i) { rule { id } } }";
        let mut data = self.world.ask(query, json!({"i": busy()})).await;
        data["r"]["rule"]["id"].take()
    }
}

pub(crate) fn busy() -> Value {
    json!({
        "name": "busy", "expression": "avg(service_cpm) > $limit", "period": 2, "message": "{name} is busy",
        "severity": "CRITICAL", "variables": [{"name": "limit", "value": 50.0}], "tags": [{"key": "team", "value": "shop"}],
    })
}

pub(crate) fn a() -> Value {
    json!({"serviceName": "a", "normal": true})
}

pub(crate) fn shows(answer: &Value, expected: &ExpectFile) {
    expected.assert_eq(&format!("{}\n", laid_out(answer, 0)));
}

/// JSON in lines: what is short stays in one.
fn laid_out(value: &Value, indent: usize) -> String {
    let flat = value.to_string();
    let named = |(key, value): (&String, &Value)| format!("{key:?}: {}", laid_out(value, indent + 2));
    let (open, parts, close): (_, Vec<String>, _) = match value {
        Value::Object(map) if indent + flat.len() > 120 => ('{', map.iter().map(named).collect(), '}'),
        Value::Array(list) if indent + flat.len() > 120 => {
            ('[', list.iter().map(|value| laid_out(value, indent + 2)).collect(), ']')
        }
        _ => return flat,
    };
    let line = |part: String| format!("\n{:1$}{part}", "", indent + 2);
    let lines: Vec<String> = parts.into_iter().map(line).collect();
    format!("{open}{}\n{:2$}{close}", lines.join(","), "", indent)
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_told_of_taken_care_of_and_ended() {
    let live = Live::new().await;
    let rule = live.busy().await;
    live.until(150).await;
    let read = "query q($id: String) { alarmIncidents(filter: {rule: $id, open: true, service: \"a\", severity: CRITICAL, text: \"busy\"},
        paging: {pageSize: 5}) { total incidents { id } } }";
    let listed = live.world.ask(read, json!({"id": rule})).await;
    assert_eq!(listed["alarmIncidents"]["total"], 1, "{listed}");
    let incident = &listed["alarmIncidents"]["incidents"][0]["id"];
    let all = "query q($id: ID!) { alarmIncident(id: $id) { ruleName expression severity shadow entity { scope id name } layers
        labels { key value } state entered started closed assignee origin routeLabels { key value } comments { text }
        transitions { seq what minute message tags { key value } annotations { key value } incomplete reason dispatched
            evidence { metric labels { key } values { at value } } marks { receiver outcome } } } }";
    shows(&live.world.ask(all, json!({"id": incident})).await, &expect_file!["testdata/incident.json"]);

    let acts = "mutation m($id: ID!, $until: Long) {
        ack: ackIncident(id: $id, until: $until, reason: \"on it\", clientMutationId: \"c\") { clientMutationId incident { acknowledged { by at until } } }
        assign: assignIncident(id: $id, assignee: \"ann\") { incident { assignee } }
        comment: commentIncident(id: $id, text: \"a deployment\") { incident { comments { author at text } } }
        unack: unackIncident(id: $id) { incident { acknowledged { by } } }
        close: closeIncident(id: $id) { incident { state closed transitions { seq what reason } } } }";
    let data = live.world.ask(acts, json!({"id": incident, "until": NOW + 3_600_000})).await;
    shows(&data, &expect_file!["testdata/incident_acts.json"]);
    let audit = "query q($id: ID!) { alarmAudit(filter: {target: $id}, paging: {pageSize: 9}) { op kind actor reason differences { path } } }";
    let data = live.world.ask(audit, json!({"id": incident})).await;
    let ops: Vec<_> =
        data["alarmAudit"].as_array().unwrap().iter().map(|entry| entry["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["CLOSE", "UNACKNOWLEDGE", "COMMENT", "ASSIGN", "ACKNOWLEDGE"], "{data}");
    let again = live
        .world
        .extensions("mutation m($id: ID!) { closeIncident(id: $id) { incident { id } } }", json!({"id": incident}))
        .await;
    shows(&again, &expect_file!["testdata/incident_over.json"]);
}

#[tokio::test(start_paused = true)]
async fn instances_show_what_fires_and_alarms_what_fired() {
    let live = Live::new().await;
    live.busy().await;
    live.until(150).await;
    let read = "{ alarmInstances(filter: {state: FIRING, text: \"busy\"}, paging: {pageSize: 5}) { total instances { ruleName severity
        entity { name } labels { key value } state since next values { name value } acknowledged } }
        alarmRules(paging: {pageSize: 5}) { rules { name health { status error } } } }";
    shows(&live.world.ask(read, json!({})).await, &expect_file!["testdata/instances.json"]);
    // It is over in the seventh minute, when one of the two is below.
    live.until(10 * 60).await;
    let fired = "query q($d: Duration!) { getAlarm(duration: $d, paging: {pageSize: 5}) { msgs { startTime recoveryTime name message
        tags { key value } snapshot { expression metrics { name results { values { id value } } } } } } }";
    shows(&live.world.ask(fired, json!({"d": minutes(0, 3)})).await, &expect_file!["testdata/alarms_recovered.json"]);
    let over =
        "{ alarmIncidents(filter: {open: false, state: RECOVERED}, paging: {pageSize: 5}) { total incidents { closed
        transitions { what reason minute } } } alarmInstances(filter: {}, paging: {pageSize: 5}) { total } }";
    shows(&live.world.ask(over, json!({})).await, &expect_file!["testdata/incidents_over.json"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_sent_again_or_given_up() {
    let live = Live::new().await;
    live.busy().await;
    live.until(150).await;
    let dead = "query q($id: String) { alarmDeliveries(filter: {status: DEAD, receiver: $id}, paging: {pageSize: 5}) { total deliveries {
        id receiver sequence labels { key value } told { seq what at message flapping } omitted repeated test status made next finished
        latencyMs attemptCount attempts { at status error } error redriven } } }";
    let mut data = live.wait(dead, &json!("webhook.ops"), |data| data["alarmDeliveries"]["total"] == 1).await;
    let id = data["alarmDeliveries"]["deliveries"][0]["id"].take();
    shows(&data, &expect_file!["testdata/delivery_dead.json"]);
    let redrive =
        "mutation m($id: ID!) { redriveDelivery(ids: [$id], reason: \"mended\") { done failed { error } left } }";
    let data = live.world.ask(redrive, json!({"id": id})).await;
    assert_eq!(data["redriveDelivery"], json!({"done": [id], "failed": [], "left": 0}));
    let one = "query q($id: ID!) { alarmDelivery(id: $id) { status attempts { at } redriven group revision } }";
    let is_dead = |n: usize| {
        move |data: &Value| {
            let delivery = &data["alarmDelivery"];
            delivery["status"] == "DEAD" && delivery["attempts"].as_array().is_some_and(|all| all.len() == n)
        }
    };
    let data = live.wait(one, &id, is_dead(2)).await;
    assert!(data["alarmDelivery"]["redriven"].is_i64(), "{data}");
    let filtered = "mutation { redriveDelivery(filter: {status: DEAD, receiver: \"webhook.ops\"}) { done left } }";
    assert_eq!(live.world.ask(filtered, json!({})).await["redriveDelivery"]["done"], json!([id]));
    live.wait(one, &id, is_dead(3)).await;
    let discard = "mutation m($id: ID!) { a: discardDelivery(ids: [$id, \"none\"]) { done failed { id error } } }";
    let data = live.world.ask(discard, json!({"id": id})).await;
    assert_eq!((&data["a"]["done"], &data["a"]["failed"][0]["id"]), (&json!([id]), &json!("none")), "{data}");
    live.wait(one, &id, |data| data["alarmDelivery"]["status"] == "DISCARDED").await;
    let audit = "query q($id: ID!) { alarmAudit(filter: {target: $id}, paging: {pageSize: 9}) { op reason } }";
    let data = live.world.ask(audit, json!({"id": id})).await;
    assert_eq!(
        data["alarmAudit"],
        json!([{"op": "DISCARD", "reason": ""}, {"op": "REDRIVE", "reason": ""}, {"op": "REDRIVE", "reason": "mended"}])
    );
}

#[tokio::test(start_paused = true)]
async fn a_silence_over_too_much_is_refused_until_somebody_insists() {
    let live = Live::new().await;
    live.busy().await;
    let row = |n: u32| {
        (
            Scope::Service,
            Step::Life,
            0,
            id::service(&format!("s{n:04}"), true),
            vec![
                (cell::FIRST_SEEN, Agg::Min(i64::from(MINUTE))),
                (cell::LAST_PING, Agg::Max(i64::from(MINUTE))),
                (cell::LAYERS, Agg::Ids(vec![2].into())),
            ],
        )
    };
    live.world.rows((0..600).map(row)).await;
    live.until(150).await;
    let query = "mutation m($e: Long!, $force: Boolean!) { createAlarmSilence(matchers: [{label: \"service\", op: MATCHES, value: \".*\"}],
        schedule: {ends: $e}, comment: \"all\", force: $force) { silence { status holds } } }";
    let ends = NOW + 3_600_000;
    let error = live.world.extensions(query, json!({"e": ends, "force": false})).await;
    shows(&error, &expect_file!["testdata/silence_too_broad.json"]);
    let data = live.world.ask(query, json!({"e": ends, "force": true})).await;
    assert_eq!(data["createAlarmSilence"]["silence"], json!({"status": "ACTIVE", "holds": true}));
}
