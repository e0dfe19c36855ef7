//! Processes and their calls, as written by the test: nothing reports them yet.

use std::collections::BTreeMap;

use model::{
    Agg, Scope, Step, UnixMillis, cell, id,
    process::{DetectType, Process},
};
use serde_json::{Value, json};

use crate::world::{MINUTE, NOW, World, minutes};

const TCP: i32 = 110;
const TLS: i32 = 130;
const PLAIN: i32 = 49;

fn instance(service: &str, name: &str) -> String {
    id::instance(&id::service(service, true), name)
}

fn process(name: &str, instance_id: &str) -> Process {
    Process {
        name: name.to_owned(),
        instance_id: instance_id.to_owned(),
        agent_id: "agent-1".to_owned(),
        detect_type: DetectType::Kubernetes,
        labels: vec!["web".to_owned(), "blue".to_owned()],
        can_be_profiled: true,
    }
}

async fn write(world: &World, process: &Process, seen: (i64, i64)) -> String {
    let properties = BTreeMap::from([("pid".to_owned(), (UnixMillis(1), "42".to_owned()))]);
    let cells = [(cell::PROCESS, process.to_cell(UnixMillis(NOW))), (cell::PROPERTIES, Agg::Texts(properties))];
    world.life(Scope::Process, &process.id(), seen, &cells).await;
    process.id()
}

/// What an instance reported of a call at one side.
async fn call(
    world: &World,
    minute: u32,
    (source, dest): (&str, &str),
    side: &str,
    reporter: &str,
    components: &[i32],
) {
    let (seen, by) = match side {
        "CLIENT" => (cell::CLIENT_COMPONENTS, cell::CLIENT_INSTANCE),
        _ => (cell::SERVER_COMPONENTS, cell::SERVER_INSTANCE),
    };
    let reporter = BTreeMap::from([(String::new(), (UnixMillis(1), reporter.to_owned()))]);
    let cells = [(seen, Agg::Ids(components.to_vec().into())), (by, Agg::Texts(reporter))];
    world.row(Scope::ProcessRelation, Step::Minute, MINUTE + minute, &id::relation(source, dest), &cells).await;
}

#[tokio::test]
async fn processes_are_listed_counted_and_found() {
    for world in World::each() {
        let (one, two) = (instance("web", "one"), instance("web", "two"));
        let app = write(&world, &process("app", &one), (0, 5)).await;
        write(&world, &Process { detect_type: DetectType::Virtual, ..process("remote", &one) }, (0, 5)).await;
        write(&world, &process("app", &two), (-5, 0)).await;
        write(&world, &Process { can_be_profiled: false, ..process("side", &two) }, (-5, 0)).await;
        write(&world, &process("gone", &two), (-60, -20)).await;
        write(&world, &process("app", &instance("pay", "p")), (0, 0)).await;
        let list = "query q($d: Duration!, $i: ID!) { listProcesses(duration: $d, instanceId: $i) { id name serviceId serviceName instanceId instanceName \
                    agentId detectType labels attributes { name value } } }";
        let names = async |instance: &str, range: Value| {
            let data = world.ask(list, json!({"d": range, "i": instance})).await;
            let mut names: Vec<_> = data["listProcesses"]
                .as_array()
                .unwrap()
                .iter()
                .map(|process| process["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&one, minutes(0, 1)).await, ["app", "remote"]);
        assert_eq!(names(&two, minutes(0, 1)).await, ["app", "side"]);
        assert_eq!(names(&two, minutes(-30, 1)).await, ["app", "gone", "side"]);
        assert_eq!(names(&one, minutes(-9, -1)).await, [""; 0], "not yet there");
        assert_eq!(names("x", minutes(0, 1)).await, [""; 0]);
        let data = world.ask("query q($p: ID!) { getProcess(processId: $p) { id name serviceId serviceName instanceId instanceName agentId detectType labels \
                              attributes { name value } } }", json!({"p": app})).await;
        assert_eq!(
            data["getProcess"],
            json!({"id": app, "name": "app", "serviceId": "d2Vi.1", "serviceName": "web", "instanceId": one, "instanceName": "one", "agentId": "agent-1",
                   "detectType": "KUBERNETES", "labels": ["web", "blue"], "attributes": [{"name": "pid", "value": "42"}]})
        );
        assert_eq!(world.ask("{ getProcess(processId: \"x\") { id } }", json!({})).await["getProcess"], Value::Null);
        for (labels, expected) in
            [(json!([]), 2), (json!(["blue"]), 2), (json!(["web", "blue"]), 2), (json!(["red"]), 0)]
        {
            let data = world
                .ask(
                    "query q($l: [String!]!) { estimateProcessScale(serviceId: \"d2Vi.1\", labels: $l) }",
                    json!({"l": labels}),
                )
                .await;
            assert_eq!(data["estimateProcessScale"], json!(expected), "{labels}");
        }
        world.close().await;
    }
}

const GRAPH: &str = "query q($d: Duration!, $i: ID!) { t: getProcessTopology(serviceInstanceId: $i, duration: $d) { \
                     nodes { id name isReal serviceId serviceName serviceInstanceId serviceInstanceName } \
                     calls { id source target detectPoints sourceComponents targetComponents } } }";

async fn graph(world: &World, instance: &str, range: Value) -> Value {
    world.ask(GRAPH, json!({"d": range, "i": instance})).await["t"].take()
}

#[tokio::test]
async fn an_instance_shows_the_calls_that_it_reported() {
    for world in World::each() {
        let (one, two) = (instance("web", "one"), instance("pay", "two"));
        let app = write(&world, &process("app", &one), (0, 5)).await;
        let remote =
            write(&world, &Process { detect_type: DetectType::Virtual, ..process("remote", &one) }, (0, 5)).await;
        let pay = write(&world, &process("pay", &two), (0, 5)).await;
        let unknown = id::process("unknown", &one);
        // Both instances report the same call, each its side. In the first minute it was plain, later TLS too, which counts less.
        call(&world, 0, (&app, &pay), "CLIENT", &one, &[PLAIN]).await;
        call(&world, 1, (&app, &pay), "CLIENT", &one, &[TLS]).await;
        call(&world, 0, (&app, &pay), "SERVER", &two, &[TCP, PLAIN, TLS]).await;
        call(&world, 1, (&app, &pay), "SERVER", &two, &[TLS]).await;
        call(&world, 0, (&remote, &app), "SERVER", &one, &[TCP]).await;
        call(&world, 0, (&app, &unknown), "CLIENT", &one, &[TCP]).await;
        call(&world, 7, (&pay, &app), "CLIENT", &two, &[TCP]).await;

        let edge = |source: &str, dest: &str, side: &str, client: Value, server: Value| json!({"id": id::relation(source, dest), "source": source, "target": dest, "detectPoints": [side], "sourceComponents": client, "targetComponents": server});
        let by_id = |mut list: Vec<Value>| {
            list.sort_by_key(|entry| entry["id"].to_string());
            json!(list)
        };
        let of_one = graph(&world, &one, minutes(0, 5)).await;
        // The client shows the component of the first minute.
        let expected = vec![
            edge(&app, &pay, "CLIENT", json!(["http"]), json!([])),
            edge(&remote, &app, "SERVER", json!([]), json!(["tcp"])),
            edge(&app, &unknown, "CLIENT", json!(["tcp"]), json!([])),
        ];
        assert_eq!(of_one["calls"], by_id(expected));
        let node = |id: &str, name: &str, real: bool, instance: &str| {
            let (service, instance_name) = id::parse_instance(instance).unwrap();
            let (service_name, _) = id::parse_service(&service).unwrap();
            json!({"id": id, "name": name, "isReal": real, "serviceId": service, "serviceName": service_name, "serviceInstanceId": instance,
                   "serviceInstanceName": instance_name})
        };
        let nodes =
            vec![node(&app, "app", true, &one), node(&remote, "remote", false, &one), node(&pay, "pay", true, &two)];
        assert_eq!(of_one["nodes"], by_id(nodes));

        // The server shows one of each minute, the one with the highest priority.
        let of_two = graph(&world, &two, minutes(0, 5)).await;
        assert_eq!(of_two["calls"], json!([edge(&app, &pay, "SERVER", json!([]), json!(["http", "tls"]))]));
        // An hour is the minutes in it.
        let hour = json!({"start": "2024-01-15 12", "end": "2024-01-15 12", "step": "HOUR"});
        assert_eq!(graph(&world, &two, hour).await["calls"].as_array().unwrap().len(), 2);
        let empty = json!({"nodes": [], "calls": []});
        assert_eq!(graph(&world, &one, minutes(2, 5)).await, empty);
        assert_eq!(graph(&world, &instance("web", "nobody"), minutes(0, 5)).await, empty);
        assert_eq!(graph(&world, "x", minutes(0, 5)).await, empty);
        let by_name = "query q($d: Duration!) { getProcessTopologyByName(instance: {serviceName: \"web\", instanceName: \"one\"}, duration: $d) { calls { id } } }";
        let data = world.ask(by_name, json!({"d": minutes(0, 5)})).await;
        assert_eq!(data["getProcessTopologyByName"]["calls"].as_array().unwrap().len(), 3);
        world.close().await;
    }
}
