//! Segments: what each span says about services, instances, endpoints, the calls between them, and what stands behind addresses.
//!
//! The rules are those of SkyWalking's agent analyzer, with the answers that its users see; where its code loses data over one
//! bad piece, the piece is left out and counted. One file for each of its listeners.

mod address;
mod cache;
mod caller;
mod database;
mod entry;
mod exit;
mod gen_ai;
mod logic;
mod mq;
mod record;
#[cfg(test)]
mod tests;
mod thread;

use model::ledger::Reason;
use model::segment::{Segment, Span, SpanKind, SpanLayer};
use model::telemetry::Signal;
use model::{id, layer};

use crate::derive::Out;

/// Who reported the segment: names as they enter ids, and the ids. Always normal: an agent reported.
struct Own<'a> {
    service: &'a str,
    instance: &'a str,
    service_id: String,
    instance_id: String,
    /// T of the service, in milliseconds.
    apdex_threshold: i64,
}

/// The layer of whoever reported a span.
fn own_layer(span: &Span) -> layer::Layer {
    if span.layer == SpanLayer::Faas { layer::FAAS } else { layer::GENERAL }
}

/// Derives a segment. Its metrics come from every segment; whether the segment itself is kept is decided last, in [`record`].
pub(crate) fn derive(segment: &Segment, out: &mut Out<'_>) {
    if segment.spans.is_empty() {
        return out.refuse(Signal::Segment, Reason::Empty);
    }
    if segment.segment_id.is_empty() {
        return out.refuse(Signal::Segment, Reason::MissingName);
    }
    let service = out.names().service(&segment.service);
    let instance = out.names().instance(&segment.instance);
    let service_id = id::service(service, true);
    let instance_id = id::instance(&service_id, instance);
    let apdex_threshold = out.policies().apdex.of(service);
    let own = Own { service, instance, service_id, instance_id, apdex_threshold };

    let mut out_of_range = 0;
    for span in &segment.spans {
        let Some(minute) = out.minute(span.start) else {
            out_of_range += 1;
            continue;
        };
        match span.kind {
            SpanKind::Entry if span.skip_analysis => {}
            SpanKind::Entry => {
                entry::derive(&own, span, minute, out);
                address::derive(&own, span, minute, out);
                logic::derive(&own, span, minute, out);
            }
            SpanKind::Exit => {
                exit::derive(&own, span, minute, out);
                thread::derive(&own, span, minute, out);
            }
            SpanKind::Local => {
                thread::derive(&own, span, minute, out);
                // Local spans name logic endpoints even when they ask to be left out, as the reference has it.
                logic::derive(&own, span, minute, out);
            }
        }
        match span.layer {
            SpanLayer::Database => database::derive(&own, segment, span, minute, out),
            SpanLayer::Cache => cache::derive(segment, span, minute, out),
            SpanLayer::Mq => mq::derive(span, minute, out),
            SpanLayer::GenAi => gen_ai::derive(span, minute, out),
            SpanLayer::Unknown | SpanLayer::RpcFramework | SpanLayer::Http | SpanLayer::Faas => {}
        }
    }
    out.refuse_pieces(Reason::TimeOutOfRange, out_of_range);
    record::derive(segment, &own, out);
}
