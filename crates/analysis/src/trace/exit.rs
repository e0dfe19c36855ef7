//! Exit spans: the calling side of a call. Who is called is known by address alone, until an alias tells.

use model::layer::{self, Layer};
use model::segment::{Span, SpanLayer};
use model::{Bucket, Scope, cell, id};

use super::Own;
use crate::context::{Alias, Settings};
use crate::derive::Out;
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

/// The called end, by what the caller knows.
struct Callee<'a> {
    service: &'a str,
    /// Empty where it is not known.
    instance: &'a str,
    service_id: &'a str,
    instance_id: &'a str,
    layer: Layer,
}

/// One call as its caller saw it: relations of services and instances, never an endpoint.
pub(super) fn derive(own: &Own<'_>, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    if span.skip_analysis || span.peer.is_empty() {
        return;
    }
    let context = out.context;
    // By the whole peer, although the table's keys are cut: addresses beyond the cut never resolve, as in the reference.
    if let Some(alias) = context.aliases.get(&span.peer) {
        let Alias { service, service_id, instance, instance_id } = alias;
        // What such a client calls an address is not the instance behind it.
        let instance = if context.settings.hides_upstream(span.component) { "" } else { instance };
        let callee = Callee { service, instance, service_id, instance_id, layer: layer::GENERAL };
        return call(own, span, minute, &callee, out);
    }
    let layer = remote_layer(span, &context.settings);
    let (service, instance) = (out.names().service(&span.peer), out.names().instance(&span.peer));
    let service_id = id::service(service, layer.normal);
    let instance_id = id::instance(&service_id, instance);
    let callee = Callee { service, instance, service_id: &service_id, instance_id: &instance_id, layer };
    call(own, span, minute, &callee, out);
}

/// The layer of a peer that no alias resolves. An HTTP or RPC peer is taken for a service with an agent, whose id is then normal.
fn remote_layer(span: &Span, settings: &Settings) -> Layer {
    match span.layer {
        SpanLayer::Unknown => layer::UNDEFINED,
        SpanLayer::Database => layer::VIRTUAL_DATABASE,
        SpanLayer::RpcFramework => layer::GENERAL,
        SpanLayer::Http if settings.is_gateway(&span.peer) => layer::VIRTUAL_GATEWAY,
        SpanLayer::Http => layer::GENERAL,
        SpanLayer::Mq => layer::VIRTUAL_MQ,
        SpanLayer::Cache => layer::VIRTUAL_CACHE,
        SpanLayer::Faas => layer::FAAS,
        SpanLayer::GenAi => layer::VIRTUAL_GENAI,
    }
}

fn call(own: &Own<'_>, span: &Span, minute: Bucket, callee: &Callee<'_>, out: &mut Out<'_>) {
    // Its name for the callee's side. It is no endpoint of the callee's: what calls are named takes none of its room.
    let endpoint = out.names().grouped(callee.service, &span.operation);
    let traffic = Traffic {
        latency: span.latency(),
        ok: !span.is_error,
        kind: RequestType::of(span.layer),
        detect: DetectPoint::Client,
        component: span.component,
        tags: &span.tags,
        source: End { service: own.service, instance: own.instance, endpoint: "" },
        dest: End { service: callee.service, instance: callee.instance, endpoint: &endpoint },
        layer: callee.layer.ordinal,
        apdex_threshold: out.policies().apdex.of(callee.service),
    };
    let source = Source::Traffic(&traffic);
    let component = Some((cell::CLIENT_COMPONENTS, span.component));
    let relation = id::relation(&own.service_id, callee.service_id);
    out.observe((SourceKind::ServiceRelation, Scope::ServiceRelation), (minute, &relation), &source, component);
    if !own.instance.is_empty() && !callee.instance.is_empty() {
        let relation = id::relation(&own.instance_id, callee.instance_id);
        let kind = (SourceKind::ServiceInstanceRelation, Scope::ServiceInstanceRelation);
        out.observe(kind, (minute, &relation), &source, component);
    }
}
