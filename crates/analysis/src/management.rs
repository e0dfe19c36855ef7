//! Signs of life that agents give on purpose: heartbeats, and properties of instances.

use std::collections::BTreeMap;

use model::ledger::Reason;
use model::telemetry::{KeepAlive, Properties, Signal};
use model::{Agg, Scope, UnixMillis, cell, id, layer};

use crate::derive::Out;
use crate::naming::cut;

/// Where all addresses of an instance are kept, joined.
const IPV4S: &str = "ipv4s";
/// Most UTF-16 units of a property's key.
const MAX_KEY_UNITS: usize = 256;
/// Most UTF-16 units of a property's value; a Java agent lists every loaded jar in one.
const MAX_VALUE_UNITS: usize = 65_536;

/// Properties ping their instance and stay with it. They do not make a service listable: that takes a heartbeat or traffic.
pub(crate) fn properties(report: &Properties, out: &mut Out<'_>) {
    let Some(instance_id) = instance_id(&report.service, &report.instance, out) else {
        return out.refuse(Signal::Management, Reason::MissingName);
    };
    let at = out.received;
    let mut addresses = Vec::new();
    // The last of two values under one key stays, as the reference has it; so they are told apart before they are merged.
    let mut texts = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        let (key, value) = (cut(key, MAX_KEY_UNITS), cut(value, MAX_VALUE_UNITS));
        texts.insert(key.to_owned(), (at, value.to_owned()));
    };
    for property in &report.properties {
        if property.key == "ipv4" {
            addresses.push(&*property.value);
        } else {
            put(&property.key, &property.value);
        }
    }
    put(IPV4S, &addresses.join(","));
    let now = out.now();
    let cells = out.delta.life(Scope::ServiceInstance, &instance_id, now);
    cells.merge_cell(cell::PROPERTIES, &capped(texts));
    out.delta.count(Signal::Management);
}

/// Through a merge, which keeps no more keys than a cell may have.
fn capped(texts: BTreeMap<String, (UnixMillis, String)>) -> Agg {
    let mut cell = Agg::Texts(BTreeMap::new());
    cell.merge(&Agg::Texts(texts));
    cell
}

/// A heartbeat pings its instance and its service. The instance's id is the normal one whatever the layer, as in the reference.
pub(crate) fn keep_alive(report: &KeepAlive, out: &mut Out<'_>) {
    let Some(instance_id) = instance_id(&report.service, &report.instance, out) else {
        return out.refuse(Signal::Management, Reason::MissingName);
    };
    let layer = match &*report.layer {
        "" => layer::GENERAL,
        name => out.settings().layers.by_name(name).unwrap_or(layer::UNDEFINED),
    };
    let now = out.now();
    out.delta.life(Scope::ServiceInstance, &instance_id, now);
    out.service_seen(&id::service(out.names().service(&report.service), layer.normal), layer.ordinal, now);
    out.delta.count(Signal::Management);
}

fn instance_id(service: &str, instance: &str, out: &Out<'_>) -> Option<String> {
    if service.trim().is_empty() || instance.trim().is_empty() {
        return None;
    }
    Some(id::instance(&id::service(out.names().service(service), true), out.names().instance(instance)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use model::telemetry::{KeepAlive, Properties, Telemetry};

    use crate::testing::{Bench, tags};

    fn properties(pairs: &[(&str, &str)]) -> Telemetry {
        Telemetry::Properties(Box::new(Properties {
            service: "A".into(),
            instance: "a1".into(),
            properties: tags(pairs),
        }))
    }

    fn keep_alive(instance: &str, layer: &str) -> Telemetry {
        Telemetry::KeepAlive(Box::new(KeepAlive {
            service: "A".into(),
            instance: instance.into(),
            layer: layer.into(),
        }))
    }

    #[test]
    fn properties_make_an_instance_and_no_service() {
        let pairs = [("ipv4", "10.0.0.1"), ("language", "java"), ("ipv4", "10.0.0.2"), ("os", "b"), ("os", "a")];
        expect![[r#"
            life ServiceInstance QQ==.1_YTE=: first_seen=202401151205 last_ping=202401151205 texts=["ipv4s@300000=10.0.0.1,10.0.0.2", "language@300000=java", "os@300000=a"]
            elements management: 2
        "#]].assert_eq(&Bench::new().derive(properties(&pairs)).derive(properties(&[])).show());
    }

    #[test]
    fn a_heartbeat_makes_both_and_the_layer_its_service_only() {
        let bench = Bench::new()
            .derive(keep_alive("a1", ""))
            .derive(keep_alive("a1", "OS_LINUX"))
            .derive(keep_alive("a1", "VIRTUAL_MQ"))
            .derive(keep_alive("a1", "NOWHERE"))
            .derive(keep_alive("", "GENERAL"));
        expect![[r#"
            life Service QQ==.0: first_seen=202401151205 last_ping=202401151205 layers=UNDEFINED,VIRTUAL_MQ
            life Service QQ==.1: first_seen=202401151205 last_ping=202401151205 layers=GENERAL,OS_LINUX
            life ServiceInstance QQ==.1_YTE=: first_seen=202401151205 last_ping=202401151205
            refused derive management missing_name: 1
            elements management: 4
        "#]]
        .assert_eq(&bench.show());
    }

    #[test]
    fn a_layer_of_the_operators_is_one_like_the_others() {
        let extension =
            |name: &str, ordinal, normal| model::layer::Extension { name: name.to_owned(), ordinal, normal };
        let layers = vec![extension("IOT", 10_000, true), extension("VIRTUAL_IOT", 10_001, false)];
        let layers = model::layer::Layers::with(model::layer::LayerFile { layers: Some(layers) }).unwrap();
        let mut bench = Bench::new();
        let settings = bench.context.settings.as_ref().clone();
        bench.context.settings = std::sync::Arc::new(settings.with_layers(layers));
        let bench = bench.derive(keep_alive("a1", "IOT")).derive(keep_alive("a1", "VIRTUAL_IOT"));
        let ordinals = |id: &str| {
            bench.delta.rows().iter().find(|(key, _)| &*key.entity == id).unwrap().1.get(model::cell::LAYERS).cloned()
        };
        assert_eq!(ordinals("QQ==.1"), Some(model::Agg::id(10_000)));
        assert_eq!(ordinals("QQ==.0"), Some(model::Agg::id(10_001)));
    }

    #[test]
    fn a_cell_keeps_the_smallest_keys_of_a_flood() {
        let pairs: Vec<_> = (0..200).map(|i| (format!("k{i:03}"), "v".repeat(70_000))).collect();
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let bench = Bench::new().derive(properties(&pairs));
        let cells = bench.delta.rows().values().next().unwrap();
        let Some(model::Agg::Texts(texts)) = cells.get(model::cell::PROPERTIES) else { panic!("properties are texts") };
        assert_eq!(texts.len(), model::agg::MAX_TEXTS);
        assert!(texts.values().all(|(_, v)| v.len() <= super::MAX_VALUE_UNITS));
    }
}
