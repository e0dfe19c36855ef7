//! Signs of life that agents give on purpose: heartbeats, and properties of instances.

use std::collections::BTreeMap;

use model::ledger::Reason;
use model::telemetry::{KeepAlive, Properties, Signal};
use model::{Agg, Scope, UnixMillis, cell, id, layer};

use crate::derive::Out;
use crate::naming;

/// Where all addresses of an instance are kept, joined.
const IPV4S: &str = "ipv4s";
/// Most UTF-16 units of a property's key.
const MAX_KEY_UNITS: usize = 256;
/// Most UTF-16 units of a property's value; a Java agent lists every loaded jar in one.
const MAX_VALUE_UNITS: usize = 65_536;

/// Properties ping their instance and stay with it. They do not make a service listable: that takes a heartbeat or traffic.
pub(crate) fn properties(report: &Properties, out: &mut Out<'_>) {
    let Some(instance_id) = instance_id(&report.service, &report.instance) else {
        return out.refuse(Signal::Management, Reason::MissingName);
    };
    let at = out.received;
    let mut addresses = Vec::new();
    // The last of two values under one key stays, as the reference has it; so they are told apart before they are merged.
    let mut texts = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        let (key, value) = (naming::cut(key, MAX_KEY_UNITS), naming::cut(value, MAX_VALUE_UNITS));
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
    let Some(instance_id) = instance_id(&report.service, &report.instance) else {
        return out.refuse(Signal::Management, Reason::MissingName);
    };
    let layer = match &*report.layer {
        "" => layer::GENERAL,
        name => layer::by_name(name).unwrap_or(layer::UNDEFINED),
    };
    let now = out.now();
    out.delta.life(Scope::ServiceInstance, &instance_id, now);
    out.service_seen(&id::service(naming::service(&report.service), layer.normal), layer.ordinal, now);
    out.delta.count(Signal::Management);
}

fn instance_id(service: &str, instance: &str) -> Option<String> {
    if service.trim().is_empty() || instance.trim().is_empty() {
        return None;
    }
    Some(id::instance(&id::service(naming::service(service), true), naming::instance(instance)))
}
