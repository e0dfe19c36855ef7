//! Logs: a record each, and a sign of life of whoever wrote it.

use model::kinds::{RecordKind, log as field};
use model::ledger::Reason;
use model::record::{FieldValue, Format, Record};
use model::telemetry::{Log, Signal};
use model::{ByteString, Scope, UnixMillis, id, layer};

use crate::derive::Out;
use crate::naming;
use crate::tags::Searchable;

/// Derives a log. One of a layer that does not exist is refused, as is one whose time no row may be opened for.
pub(crate) fn derive(log: Log, out: &mut Out<'_>) {
    let layer = if log.layer.is_empty() { Some(layer::GENERAL) } else { layer::by_name(&log.layer) };
    let Some(layer) = layer else { return out.refuse(Signal::Log, Reason::UnknownLayer) };
    if log.service.trim().is_empty() {
        return out.refuse(Signal::Log, Reason::MissingName);
    }
    if out.minute(log.time).is_none() {
        return out.refuse(Signal::Log, Reason::TimeOutOfRange);
    }
    let service = naming::service(&log.service);
    // The record is always under the normal id; the sign of life follows the layer (analysis 7.5).
    let service_id = id::service(service, true);
    let instance_id = (!log.instance.is_empty()).then(|| id::instance(&service_id, naming::instance(&log.instance)));
    let endpoint_id = (!log.endpoint.is_empty()).then(|| id::endpoint(&service_id, naming::endpoint(&log.endpoint)));

    let now = out.now();
    out.service_seen(&id::service(service, layer.normal), layer.ordinal, now);
    if let Some(id) = &instance_id {
        out.delta.life(Scope::ServiceInstance, id, now);
    }
    if let Some(id) = &endpoint_id {
        out.delta.life(Scope::Endpoint, id, now);
    }
    let mut kept = Searchable::new(&out.settings().log_tags);
    kept.add_all(&log.tags);
    let tags = kept.note(log.time, out);

    let text = |text: Option<String>| text.map_or(FieldValue::Absent, |t| FieldValue::Text(ByteString::from(t)));
    let mut fields = vec![FieldValue::Absent; RecordKind::Log.def().fields.len()];
    fields[field::SERVICE] = text(Some(service_id));
    fields[field::INSTANCE] = text(instance_id);
    fields[field::ENDPOINT] = text(endpoint_id);
    fields[field::TRACE_ID] = FieldValue::keyword(log.trace_id);
    fields[field::SEGMENT_ID] = FieldValue::keyword(log.segment_id);
    fields[field::SPAN_ID] = FieldValue::Int(i64::from(log.span_id));
    fields[field::TAGS] = tags;
    fields[field::CONTENT] = FieldValue::keyword(log.content);
    // A log brings no id. Its own is drawn once, here, so that a write that is tried again does not store it twice.
    let id = ByteString::from(out.context.serial.next());
    let time = UnixMillis(log.time);
    out.records.push(Record { kind: RecordKind::Log, id, time, fields, format: Format::Log, body: log.body });
}
