//! Services, instances, endpoints, and what the server says of itself.

use std::collections::BTreeMap;

use model::{Agg, Scope, UnixMillis, cell, id, layer};
use serde_json::{Value, json};

use crate::world::{NOW, World, minutes};

fn layers(ordinals: &[i32]) -> Agg {
    Agg::Ids(ordinals.to_vec().into())
}

fn texts(pairs: &[(&str, &str)]) -> Agg {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), (UnixMillis(1), (*value).to_owned()));
    Agg::Texts(pairs.iter().map(entry).collect::<BTreeMap<_, _>>())
}

async fn services() -> World {
    let world = World::new();
    let general = layer::GENERAL.ordinal;
    let k8s = layer::by_name("K8S_SERVICE").unwrap().ordinal;
    for (name, normal, ordinals) in [
        ("shop::web", true, vec![general, k8s]),
        ("pay", true, vec![general]),
        ("pg:5432", false, vec![layer::VIRTUAL_DATABASE.ordinal]),
        ("site", true, vec![layer::BROWSER.ordinal]),
        ("::odd", true, vec![general]),
    ] {
        world.life(Scope::Service, &id::service(name, normal), (-60, 0), &[(cell::LAYERS, layers(&ordinals))]).await;
    }
    world
}

async fn names(world: &World, query: &str, variables: Value) -> Vec<String> {
    let data = world.ask(query, variables).await;
    let list = data.as_object().unwrap().values().next().unwrap();
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn services_are_listed_by_layer_and_group() {
    let world = services().await;
    let by_layer = "query q($layer: String) { listServices(layer: $layer) { name } }";
    for (layer, expected) in [
        (json!("GENERAL"), vec!["::odd", "pay", "shop::web"]),
        (json!("VIRTUAL_DATABASE"), vec!["pg:5432"]),
        (json!("NGINX"), vec![]),
        (json!(""), vec!["::odd", "pay", "pg:5432", "shop::web", "site"]),
        (json!(null), vec!["::odd", "pay", "pg:5432", "shop::web", "site"]),
    ] {
        assert_eq!(names(&world, by_layer, json!({"layer": layer})).await, expected, "{layer}");
    }
    let d = minutes(0, 1);
    let by_group = "query q($d: Duration!, $g: String) { getAllServices(duration: $d, group: $g) { name } }";
    assert_eq!(names(&world, by_group, json!({"d": d, "g": "shop"})).await, ["shop::web"]);
    let search = "query q($d: Duration!) { searchServices(duration: $d, keyword: \"p\") { name } }";
    assert_eq!(names(&world, search, json!({"d": d})).await, ["pay", "pg:5432", "shop::web"]);
    let browser = "query q($d: Duration!) { getAllBrowserServices(duration: $d) { name } }";
    assert_eq!(names(&world, browser, json!({"d": d})).await, ["site"]);
}

#[tokio::test]
async fn a_service_shows_its_group_short_name_and_layers() {
    let world = services().await;
    let fields = "id name group shortName layers normal";
    let web = json!({
        "id": "c2hvcDo6d2Vi.1", "name": "shop::web", "group": "shop", "shortName": "web",
        "layers": ["GENERAL", "K8S_SERVICE"], "normal": true,
    });
    let found = world.ask(&format!("{{ findService(serviceName: \"shop::web\") {{ {fields} }} }}"), json!({})).await;
    assert_eq!(found["findService"], web);
    let found = world.ask(&format!("{{ getService(serviceId: \"c2hvcDo6d2Vi.1\") {{ {fields} }} }}"), json!({})).await;
    assert_eq!(found["getService"], web);
    // Of a layer only that layer is shown.
    let found = world.ask("{ listServices(layer: \"K8S_SERVICE\") { layers } }", json!({})).await;
    assert_eq!(found["listServices"], json!([{"layers": ["K8S_SERVICE"]}]));
    let found = world.ask(&format!("{{ findService(serviceName: \"::odd\") {{ {fields} }} }}"), json!({})).await;
    assert_eq!((&found["findService"]["group"], &found["findService"]["shortName"]), (&json!(""), &json!("::odd")));
    let nobody = "{ findService(serviceName: \"pg:5432\") { id } getService(serviceId: \"QQ==.1\") { id } searchService(serviceCode: \"x\") { id } \
                  searchBrowserService(serviceCode: \"pay\") { id } }";
    assert_eq!(
        world.ask(nobody, json!({})).await,
        json!({"findService": null, "getService": null, "searchService": null, "searchBrowserService": null})
    );
}

#[tokio::test]
async fn a_real_and_a_conjectured_service_of_one_name_are_one_entry() {
    let world = World::new();
    for (normal, layer) in [(false, layer::VIRTUAL_MQ), (true, layer::GENERAL)] {
        let row = [(cell::LAYERS, layers(&[layer.ordinal]))];
        world.life(Scope::Service, &id::service("kafka", normal), (0, 0), &row).await;
    }
    let found = world.ask("{ listServices { id layers normal } }", json!({})).await;
    assert_eq!(
        found["listServices"],
        json!([{"id": "a2Fma2E=.1", "layers": ["GENERAL", "VIRTUAL_MQ"], "normal": true}])
    );
}

#[tokio::test]
async fn instances_are_those_alive_in_the_duration() {
    let world = World::new();
    let service = id::service("pay", true);
    let old = id::instance(&service, "old");
    let new = id::instance(&service, "new");
    let properties = texts(&[("language", "python"), ("hostname", "h1"), ("os", "Linux")]);
    world.life(Scope::ServiceInstance, &old, (-60, -30), &[(cell::PROPERTIES, properties)]).await;
    world.life(Scope::ServiceInstance, &new, (-5, 0), &[]).await;
    world.life(Scope::ServiceInstance, &id::instance(&id::service("pay2", true), "other"), (-60, 0), &[]).await;

    let query = "query q($d: Duration!, $s: ID!) { listInstances(duration: $d, serviceId: $s) { name } }";
    for ((from, to), expected) in [
        ((-60, 0), vec!["new", "old"]),
        ((-30, -6), vec!["old"]),
        ((-29, -6), vec![]),
        ((-5, -5), vec!["new"]),
        ((0, 60), vec!["new"]),
        ((5, -5), vec![]),
    ] {
        let mut found = names(&world, query, json!({"d": minutes(from, to), "s": service})).await;
        found.sort();
        assert_eq!(found, expected, "{from}..={to}");
    }
    let query = "query q($i: String!) { getInstance(instanceId: $i) { id name language instanceUUID attributes { name value } } }";
    assert_eq!(
        world.ask(query, json!({"i": old})).await["getInstance"],
        json!({
            "id": old, "name": "old", "language": "PYTHON", "instanceUUID": old,
            "attributes": [{"name": "hostname", "value": "h1"}, {"name": "os", "value": "Linux"}],
        })
    );
    assert_eq!(world.ask(query, json!({"i": "QQ==.1_QQ=="})).await["getInstance"], Value::Null);
}

#[tokio::test]
async fn endpoints_are_found_by_keyword_the_newest_first() {
    let world = World::new();
    let service = id::service("pay", true);
    for (name, seen) in [("GET:/a", (-60, -40)), ("GET:/b", (-20, 0)), ("POST:/a", (-20, -10))] {
        world.life(Scope::Endpoint, &id::endpoint(&service, name), seen, &[]).await;
    }
    let query = "query q($k: String, $s: ID!, $l: Int!, $d: Duration) \
                 { findEndpoint(keyword: $k, serviceId: $s, limit: $l, duration: $d) { name } }";
    for (keyword, limit, duration, expected) in [
        (json!(""), 10, json!(null), vec!["GET:/b", "POST:/a", "GET:/a"]),
        (json!(null), 2, json!(null), vec!["GET:/b", "POST:/a"]),
        (json!("get:"), 10, json!(null), vec!["GET:/b", "GET:/a"]),
        (json!("/a"), 10, minutes(-15, 0), vec!["POST:/a"]),
        (json!("nothing"), 10, json!(null), vec![]),
        (json!(""), 0, json!(null), vec![]),
        (json!(""), -1, json!(null), vec![]),
    ] {
        let variables = json!({"k": keyword, "s": service, "l": limit, "d": duration});
        assert_eq!(names(&world, query, variables).await, expected, "{keyword} {limit}");
    }
    let info = "query q($e: ID!) { getEndpointInfo(endpointId: $e) { id name serviceId serviceName } }";
    let endpoint = id::endpoint(&service, "never seen");
    assert_eq!(
        world.ask(info, json!({"e": endpoint})).await["getEndpointInfo"],
        json!({"id": endpoint, "name": "never seen", "serviceId": service, "serviceName": "pay"})
    );
}

#[tokio::test]
async fn malformed_ids_are_graphql_errors() {
    let world = World::new();
    let d = minutes(0, 1);
    for query in [
        "{ getService(serviceId: \"nonsense\") { id } }",
        "{ getInstance(instanceId: \"QQ==.1\") { id } }",
        "{ getEndpointInfo(endpointId: \"%\") { id } }",
        "{ findEndpoint(serviceId: \"QQ==\", limit: 1) { id } }",
        "query q($d: Duration!) { listInstances(duration: $d, serviceId: \"QQ==.7\") { id } }",
        "query q($d: Duration!) { getServiceTopology(duration: $d, serviceId: \"x\") { calls { id } } }",
        "query q($d: Duration!) { getServicesTopology(duration: $d, serviceIds: [\"QQ==.1\", \"\"]) { calls { id } } }",
        "query q($d: Duration!) { getEndpointDependencies(duration: $d, endpointId: \"QQ==.1\") { calls { id } } }",
        "query q($d: Duration!) { getServiceInstanceTopology(duration: $d, clientServiceId: \"QQ==.1\", serverServiceId: \"\") { calls { id } } }",
    ] {
        let variables = if query.contains("$d") { json!({"d": d}) } else { json!({}) };
        let message = world.error(query, variables).await;
        assert!(message.starts_with("malformed "), "{query}: {message}");
    }
    let d = json!({"start": "2024-01-15", "end": "2024-01-15 1200", "step": "MINUTE"});
    let message = world
        .error("query q($d: Duration!) { listInstances(duration: $d, serviceId: \"QQ==.1\") { id } }", json!({"d": d}))
        .await;
    assert!(message.contains("yyyy-MM-dd HHmm"), "{message}");
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let world = World::new();
    let query = "{ version getTimeInfo { timezone currentTimestamp } checkHealth { score details } \
                 getRecordsTTL { normal trace coldTrace } getMetricsTTL { metadata minute hour day coldDay } \
                 hasQueryTracesV2Support supportQueryLogsByKeywords }";
    assert_eq!(
        world.ask(query, json!({})).await,
        json!({
            "version": "11.0.0-test",
            "getTimeInfo": {"timezone": "+0000", "currentTimestamp": NOW},
            "checkHealth": {"score": 0, "details": ""},
            "getRecordsTTL": {"normal": 3, "trace": 3, "coldTrace": -1},
            "getMetricsTTL": {"metadata": 7, "minute": 7, "hour": 7, "day": 7, "coldDay": -1},
            "hasQueryTracesV2Support": true, "supportQueryLogsByKeywords": true,
        })
    );
    let data = world.ask("{ listLayers listLayerLevels { layer level } }", json!({})).await;
    assert_eq!(data["listLayers"].as_array().unwrap().len(), 50);
    assert!(data["listLayers"].as_array().unwrap().contains(&json!("GENERAL")));
    assert_eq!(data["listLayerLevels"].as_array().unwrap().len(), 20);
    assert!(data["listLayerLevels"].as_array().unwrap().contains(&json!({"layer": "K8S_SERVICE", "level": 0})));
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_and_bad_health() {
    let world = World::new();
    world.close().await;
    let data = world.ask("{ checkHealth { score details } }", json!({})).await;
    assert_eq!(data["checkHealth"]["score"], 1);
    assert_ne!(data["checkHealth"]["details"], "");
    let message = world.error("{ listServices { id } }", json!({})).await;
    assert!(message.contains("not available"), "{message}");
}
