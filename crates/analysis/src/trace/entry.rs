//! Entry spans: the called side of a call, and everything that only it knows.

use model::layer::FAAS;
use model::segment::Span;
use model::{Bucket, Scope, cell, id};

use super::Own;
use super::caller::Caller;
use crate::derive::Out;
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

/// One call for each reference, or one by a caller who brought none. Several references are several calls of the same span, as
/// the reference counts them.
pub(super) fn derive(own: &Own<'_>, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    let endpoint = out.endpoint(own.service, &span.operation);
    let endpoint_id = id::endpoint(&own.service_id, &endpoint);
    let mut opened = false;
    if span.refs.is_empty() {
        opened |= call(own, span, minute, (&*endpoint, &endpoint_id), &Caller::unknown(span, out), out);
    }
    for parent in &span.refs {
        let caller = Caller::of_ref(span, parent, out);
        opened |= call(own, span, minute, (&*endpoint, &endpoint_id), &caller, out);
    }
    let layer = super::own_layer(span);
    out.service_seen(&own.service_id, layer.ordinal, minute);
    out.delta.life(Scope::ServiceInstance, &own.instance_id, minute);
    // Whoever opens an endpoint's row for a minute notes its life in that minute; again it would say nothing new.
    if opened {
        out.delta.life(Scope::Endpoint, &endpoint_id, minute);
    }
}

/// Answers whether the endpoint's row of the minute was opened.
fn call(
    own: &Own<'_>,
    span: &Span,
    minute: Bucket,
    (endpoint, endpoint_id): (&str, &str),
    caller: &Caller<'_>,
    out: &mut Out<'_>,
) -> bool {
    let layer = super::own_layer(span);
    let traffic = Traffic {
        latency: span.latency(),
        ok: !span.is_error,
        kind: RequestType::of(span.layer),
        detect: DetectPoint::Server,
        component: span.component,
        tags: &span.tags,
        source: End { service: caller.service, instance: caller.instance, endpoint: &caller.endpoint },
        dest: End { service: own.service, instance: own.instance, endpoint },
        layer: layer.ordinal,
        apdex_threshold: own.apdex_threshold,
    };
    let source = Source::Traffic(&traffic);
    let layers = Some((cell::LAYERS, layer.ordinal));
    let component = Some((cell::SERVER_COMPONENTS, span.component));

    out.observe((SourceKind::Service, Scope::Service), (minute, &own.service_id), &source, layers);
    let instance = (SourceKind::ServiceInstance, Scope::ServiceInstance);
    out.observe(instance, (minute, &own.instance_id), &source, None);
    let relation = id::relation(&caller.service_id, &own.service_id);
    out.observe((SourceKind::ServiceRelation, Scope::ServiceRelation), (minute, &relation), &source, component);
    if !caller.instance.is_empty() && !own.instance.is_empty() {
        let relation = id::relation(&caller.instance_id, &own.instance_id);
        let kind = (SourceKind::ServiceInstanceRelation, Scope::ServiceInstanceRelation);
        out.observe(kind, (minute, &relation), &source, component);
    }
    if layer == FAAS {
        return false;
    }
    let opened = out.observe((SourceKind::Endpoint, Scope::Endpoint), (minute, endpoint_id), &source, layers);
    endpoint_relation(caller, own, endpoint, minute, &source, span.component, out);
    opened
}

/// The call between two endpoints, where both have names.
pub(super) fn endpoint_relation(
    caller: &Caller<'_>,
    own: &Own<'_>,
    endpoint: &str,
    minute: Bucket,
    source: &Source<'_>,
    component: i32,
    out: &mut Out<'_>,
) {
    if caller.endpoint.is_empty() || endpoint.is_empty() {
        return;
    }
    let relation = id::endpoint_relation(caller.endpoint_owner_id(), &caller.endpoint, &own.service_id, endpoint);
    let kind = (SourceKind::EndpointRelation, Scope::EndpointRelation);
    out.observe(kind, (minute, &relation), source, Some((cell::SERVER_COMPONENTS, component)));
}
