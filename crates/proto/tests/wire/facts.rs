//! A set of descriptors as sentences, one fact each, so that two of them compare as sets.

use std::collections::BTreeSet;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};

/// Everything a peer can tell from the wire: messages, fields (number, label, type, JSON name, oneof), enum values, methods.
///
/// File names, comments and language options are no part of it. A method of a service without package (the paths of agents
/// from before `skywalking.v3`) is stated as the packaged method, because that is what has to serve it.
pub(crate) fn facts(pool: &DescriptorPool) -> BTreeSet<String> {
    let fields = pool.all_messages().flat_map(|message| message.fields().map(|f| field(&f)).collect::<Vec<_>>());
    let values = pool.all_enums().flat_map(|descriptor| enum_values(&descriptor));
    let methods = pool.services().flat_map(|service| service.methods().map(|m| method(&m)).collect::<Vec<_>>());
    pool.all_messages().map(|m| message(&m)).chain(fields).chain(values).chain(methods).collect()
}

fn message(message: &MessageDescriptor) -> String {
    let kind = if message.is_map_entry() { "map entry" } else { "message" };
    format!("{kind} {}", message.full_name())
}

fn field(field: &FieldDescriptor) -> String {
    let label = match field.cardinality() {
        Cardinality::Optional => "",
        Cardinality::Required => "required ",
        Cardinality::Repeated => "repeated ",
    };
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(descriptor) => descriptor.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    let oneof = match field.containing_oneof() {
        Some(oneof) if oneof.is_synthetic() => ", explicitly optional".to_owned(),
        Some(oneof) => format!(", in oneof {}", oneof.name()),
        None => String::new(),
    };
    format!("field {} = {}: {label}{kind}, JSON {}{oneof}", field.full_name(), field.number(), field.json_name())
}

fn enum_values(descriptor: &EnumDescriptor) -> Vec<String> {
    descriptor
        .values()
        .map(|value| format!("enum {}: {} = {}", descriptor.full_name(), value.name(), value.number()))
        .collect()
}

fn method(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let package = if service.package_name().is_empty() { "skywalking.v3." } else { "" };
    let stream = |yes: bool| if yes { "stream " } else { "" };
    format!(
        "method {package}{}/{}({}{}) returns ({}{})",
        service.full_name(),
        method.name(),
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name(),
    )
}
