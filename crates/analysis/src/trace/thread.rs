//! Work that was handed to another thread: a span that starts a segment of its own there is an endpoint of its service.

use model::segment::Span;
use model::{Bucket, Scope, cell, id};

use super::Own;
use super::caller::Caller;
use super::entry::endpoint_relation;
use crate::derive::Out;
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

/// Exit and local spans with references. Such a hop never counts as a call of a service or an instance.
pub(super) fn derive(own: &Own<'_>, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    if span.skip_analysis || span.refs.is_empty() {
        return;
    }
    let endpoint = out.endpoint(own.service, &span.operation);
    let endpoint_id = id::endpoint(&own.service_id, &endpoint);
    let layer = super::own_layer(span);
    for parent in &span.refs {
        let caller = Caller::of_ref(span, parent, out);
        let traffic = Traffic {
            latency: span.latency(),
            ok: !span.is_error,
            kind: RequestType::None,
            detect: DetectPoint::Server,
            component: span.component,
            tags: &[],
            source: End { service: caller.service, instance: caller.instance, endpoint: &caller.endpoint },
            dest: End { service: own.service, instance: own.instance, endpoint: &endpoint },
            layer: layer.ordinal,
            apdex_threshold: own.apdex_threshold,
        };
        let source = Source::Traffic(&traffic);
        // The calling endpoint was seen too. The reference would reset its last ping to 0 here; a ping finds strictly more.
        out.delta.life(Scope::Endpoint, &id::endpoint(&caller.service_id, &caller.endpoint), minute);
        let layers = Some((cell::LAYERS, layer.ordinal));
        out.observe((SourceKind::Endpoint, Scope::Endpoint), (minute, &endpoint_id), &source, layers);
        endpoint_relation(&caller, own, &endpoint, minute, &source, span.component, out);
    }
    out.delta.life(Scope::Endpoint, &endpoint_id, minute);
}
