//! The same service and instance in several layers.

use std::collections::BTreeMap;

use model::{Agg, Scope, UnixMillis, cell, id, layer};
use serde_json::{Value, json};

use crate::world::World;

async fn service(world: &World, name: &str, layers: &[&str]) -> String {
    let layers: Vec<_> = layers.iter().map(|name| layer::by_name(name).unwrap()).collect();
    let id = id::service(name, layers[0].normal);
    let ordinals: Vec<i32> = layers.iter().map(|layer| layer.ordinal).collect();
    world.life(Scope::Service, &id, (0, 1), &[(cell::LAYERS, Agg::Ids(ordinals.into()))]).await;
    id
}

async fn instance(world: &World, service_id: &str, name: &str, properties: &[(&str, &str)]) -> String {
    let id = id::instance(service_id, name);
    let texts = properties.iter().map(|(key, value)| ((*key).to_owned(), (UnixMillis(1), (*value).to_owned())));
    let cells = [(cell::PROPERTIES, Agg::Texts(BTreeMap::from_iter(texts)))];
    world.life(Scope::ServiceInstance, &id, (0, 1), &cells).await;
    id
}

const SERVICES: &str = "query q($s: ID!, $l: String!) { h: getServiceHierarchy(serviceId: $s, layer: $l) { relations { \
                        upper: upperService { id name layer normal } lower: lowerService { id name layer normal } } } }";
const INSTANCES: &str = "query q($s: ID!, $l: String!) { h: getInstanceHierarchy(instanceId: $s, layer: $l) { relations { \
                         upper: upperInstance { id name layer normal serviceId serviceName } \
                         lower: lowerInstance { id name layer normal serviceId serviceName } } } }";

/// `name layer > name layer` of each relation, sorted.
async fn relations(world: &World, query: &str, id: &str, layer: &str) -> Vec<String> {
    let data = world.ask(query, json!({"s": id, "l": layer})).await;
    let show = |end: &Value| format!("{} {}", end["name"].as_str().unwrap(), end["layer"].as_str().unwrap());
    let relations = data["h"]["relations"].as_array().unwrap();
    let mut lines: Vec<_> = relations
        .iter()
        .map(|relation| format!("{} > {}", show(&relation["upper"]), show(&relation["lower"])))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_service_is_found_in_the_layers_above_and_below() {
    for world in World::each() {
        let pg = service(&world, "pg.shop.svc.cluster.local:5432", &["VIRTUAL_DATABASE"]).await;
        let postgresql = service(&world, "postgresql::pg.shop", &["POSTGRESQL"]).await;
        let pod = service(&world, "cluster::pg.shop", &["K8S_SERVICE"]).await;
        service(&world, "postgresql::other.shop", &["POSTGRESQL"]).await;
        let all = [
            "pg.shop.svc.cluster.local:5432 VIRTUAL_DATABASE > postgresql::pg.shop POSTGRESQL",
            "postgresql::pg.shop POSTGRESQL > cluster::pg.shop K8S_SERVICE",
        ];
        for (id, layer) in [(&pg, "VIRTUAL_DATABASE"), (&postgresql, "POSTGRESQL"), (&pod, "K8S_SERVICE")] {
            assert_eq!(relations(&world, SERVICES, id, layer).await, all, "{layer}");
        }
        for (id, layer) in
            [(&pg, "GENERAL"), (&pg, "NOWHERE"), (&pod, "VIRTUAL_DATABASE"), (&id::service("x", true), "GENERAL")]
        {
            assert_eq!(relations(&world, SERVICES, id, layer).await, [""; 0], "{layer}");
        }
        let data = world.ask(SERVICES, json!({"s": pg, "l": "VIRTUAL_DATABASE"})).await;
        let end = |id: &str, name: &str, layer: &str, normal: bool| json!({"id": id, "name": name, "layer": layer, "normal": normal});
        let upper = end(&pg, "pg.shop.svc.cluster.local:5432", "VIRTUAL_DATABASE", false);
        let lower = end(&postgresql, "postgresql::pg.shop", "POSTGRESQL", true);
        assert_eq!(data["h"]["relations"][0], json!({"upper": upper, "lower": lower}));
        assert_eq!(world.error(SERVICES, json!({"s": "x", "l": "GENERAL"})).await, "malformed service id \"x\"");
        world.close().await;
    }
}

#[tokio::test]
async fn an_instance_is_found_by_its_name_and_its_machine() {
    for world in World::each() {
        // The same service in two layers, and one below it of another name.
        let mesh = service(&world, "shop", &["MESH", "MESH_DP"]).await;
        let pods = service(&world, "cluster::shop", &["K8S_SERVICE"]).await;
        let general = service(&world, "agent::cart", &["GENERAL"]).await;
        let carts = service(&world, "cluster::cart.shop", &["K8S_SERVICE"]).await;
        let own = instance(&world, &mesh, "shop-1", &[("pod", "shop-1")]).await;
        instance(&world, &pods, "shop-1", &[]).await;
        instance(&world, &pods, "shop-2", &[]).await;
        assert_eq!(
            relations(&world, INSTANCES, &own, "MESH").await,
            ["shop-1 MESH > shop-1 K8S_SERVICE", "shop-1 MESH > shop-1 MESH_DP"]
        );
        assert_eq!(
            relations(&world, INSTANCES, &own, "MESH_DP").await,
            ["shop-1 MESH > shop-1 MESH_DP", "shop-1 MESH_DP > shop-1 K8S_SERVICE"]
        );
        assert_eq!(relations(&world, INSTANCES, &own, "GENERAL").await, [""; 0]);
        assert_eq!(relations(&world, INSTANCES, &id::instance(&mesh, "nobody"), "MESH").await, [""; 0]);

        // An agent's instance is named by chance; the machine tells.
        let agents = instance(&world, &general, "a1b2@10.0.0.7", &[("HostName", "cart-7"), ("language", "java")]).await;
        let same = [
            ("its name is the machine", instance(&world, &carts, "cart-7", &[]).await),
            ("it is on the same machine", instance(&world, &carts, "0-on", &[("HostName", "cart-7")]).await),
            ("its machine is the name", instance(&world, &carts, "0-also", &[("pod", "a1b2@10.0.0.7")]).await),
        ];
        instance(&world, &carts, "0-a", &[("pod", "cart-8"), ("language", "java")]).await;
        // Of several the first by name; from below each finds the one above.
        assert_eq!(
            relations(&world, INSTANCES, &agents, "GENERAL").await,
            ["a1b2@10.0.0.7 GENERAL > 0-also K8S_SERVICE"]
        );
        for (why, id) in same {
            let (_, name) = id::parse_instance(&id).unwrap();
            assert_eq!(
                relations(&world, INSTANCES, &id, "K8S_SERVICE").await,
                [format!("a1b2@10.0.0.7 GENERAL > {name} K8S_SERVICE")],
                "{why}"
            );
        }
        let data = world.ask(INSTANCES, json!({"s": agents, "l": "GENERAL"})).await;
        assert_eq!(
            data["h"]["relations"][0]["upper"],
            json!({"id": agents, "name": "a1b2@10.0.0.7", "layer": "GENERAL", "normal": true, "serviceId": general, "serviceName": "agent::cart"})
        );
        assert_eq!(world.error(INSTANCES, json!({"s": "x", "l": "GENERAL"})).await, "malformed instance id \"x\"");
        world.close().await;
    }
}

#[tokio::test]
async fn layers_of_the_operator_can_be_asked_for() {
    let mut world = World::new();
    world.layers =
        "layers: [{name: IOT_FLEET, ordinal: 10000}, {name: VIRTUAL_IOT, ordinal: 10001, normal: false}]".to_owned();
    let (fleet, both) = (id::service("fleet", true), id::service("both", true));
    world.life(Scope::Service, &fleet, (0, 1), &[(cell::LAYERS, Agg::id(10_000))]).await;
    world.life(Scope::Service, &both, (0, 1), &[(cell::LAYERS, Agg::Ids(vec![2, 10_000].into()))]).await;
    world.life(Scope::Service, &id::service("device", false), (0, 1), &[(cell::LAYERS, Agg::id(10_001))]).await;
    // Of a number that no layer has, as after a layer was taken out of the file.
    world.life(Scope::Service, &id::service("old", true), (0, 1), &[(cell::LAYERS, Agg::id(12_345))]).await;
    let names = async |layer: &str| {
        let data = world
            .ask("query q($l: String) { listServices(layer: $l) { name layers normal } }", json!({"l": layer}))
            .await;
        data["listServices"].clone()
    };
    assert_eq!(
        names("IOT_FLEET").await,
        json!([{"name": "both", "layers": ["IOT_FLEET"], "normal": true}, {"name": "fleet", "layers": ["IOT_FLEET"], "normal": true}])
    );
    assert_eq!(names("VIRTUAL_IOT").await, json!([{"name": "device", "layers": ["VIRTUAL_IOT"], "normal": false}]));
    assert_eq!(names("NOWHERE").await, json!([]));
    let all = names("").await;
    assert_eq!(all[0], json!({"name": "both", "layers": ["GENERAL", "IOT_FLEET"], "normal": true}));
    assert_eq!(all[3], json!({"name": "old", "layers": [], "normal": true}));
    let listed = world.ask("{ listLayers }", json!({})).await;
    let listed = listed["listLayers"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[50..]), (52, [json!("IOT_FLEET"), json!("VIRTUAL_IOT")].as_slice()));
    // A service of such a layer that is named instead of given by id: whether it is conjectured stands in the file.
    let relation = id::relation(&fleet, &id::service("device", false));
    world
        .row(
            Scope::ServiceRelation,
            model::Step::Minute,
            crate::world::MINUTE,
            &relation,
            &[(cell::CLIENT_COMPONENTS, Agg::id(2))],
        )
        .await;
    for (layer, calls) in [("VIRTUAL_IOT", 1), ("IOT_FLEET", 0)] {
        let query = "query q($d: Duration!, $l: String) { getServiceTopologyByName(service: {serviceName: \"device\", layer: $l}, duration: $d) { calls { id } } }";
        let data = world.ask(query, json!({"d": crate::world::minutes(0, 0), "l": layer})).await;
        assert_eq!(data["getServiceTopologyByName"]["calls"].as_array().unwrap().len(), calls, "{layer}");
    }
}
