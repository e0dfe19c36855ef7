//! Language models: nobody reports from them, so that they are what their callers say (analysis 2.8.4). A provider is a
//! service, a model an instance of it.

use std::str::FromStr;

use model::ledger::Reason;
use model::segment::Span;
use model::{Bucket, Scope, id, layer};

use crate::derive::Out;
use crate::source::{DetectPoint, End, PeerAccess, RequestType, Source, SourceKind, Traffic, Usage};

/// One call of a model that the answer named, whatever the span's kind.
pub(super) fn derive(span: &Span, minute: Bucket, out: &mut Out<'_>) {
    let Some(model) = first(span, "gen_ai.response.model").filter(|model| !model.trim().is_empty()) else { return };
    let prices = &out.context.settings.prices;
    let named = first(span, "gen_ai.provider.name").filter(|provider| !provider.trim().is_empty());
    let service = out.names().service(named.unwrap_or_else(|| prices.provider(model)));
    let instance = out.names().instance(model);
    let service_id = id::service(service, layer::VIRTUAL_GENAI.normal);
    let instance_id = id::instance(&service_id, instance);
    let input_tokens = number(span, "gen_ai.usage.input_tokens", out);
    let output_tokens = number(span, "gen_ai.usage.output_tokens", out);
    let usage = Usage {
        input_tokens,
        output_tokens,
        cost: prices.cost(model, input_tokens, output_tokens),
        first_token_ms: i64::from(number::<i32>(span, "gen_ai.server.time_to_first_token", out)),
    };
    // 64 bits here, and nowhere else.
    let latency = span.end.wrapping_sub(span.start);
    let access = PeerAccess { instance, latency, usage, ..PeerAccess::of(service, span) };
    let source = Source::Access(&access);
    out.service_seen(&service_id, layer::VIRTUAL_GENAI.ordinal, minute);
    out.delta.life(Scope::ServiceInstance, &instance_id, minute);
    out.observe((SourceKind::GenAiProvider, Scope::Service), (minute, &service_id), &source, None);
    out.observe((SourceKind::GenAiModel, Scope::ServiceInstance), (minute, &instance_id), &source, None);
    bare_instance(service, instance, minute, &instance_id, out);
}

/// The reference announces a model as an instance, with a source that holds nothing else: so its metrics of instances count a
/// failed call of no time. Who compares the two servers sees the same.
fn bare_instance(service: &str, instance: &str, minute: Bucket, instance_id: &str, out: &mut Out<'_>) {
    let traffic = Traffic {
        latency: 0,
        ok: false,
        kind: RequestType::None,
        detect: DetectPoint::Server,
        component: 0,
        tags: &[],
        source: End::default(),
        dest: End { service, instance, endpoint: "" },
        layer: layer::VIRTUAL_GENAI.ordinal,
        apdex_threshold: 0,
    };
    let kind = (SourceKind::ServiceInstance, Scope::ServiceInstance);
    out.observe(kind, (minute, instance_id), &Source::Traffic(&traffic), None);
}

/// The value of a tag; here, unlike elsewhere, the first one counts where a key repeats.
fn first<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.tags.iter().find(|tag| tag.key == key).map(|tag| &*tag.value)
}

/// The number in a tag; 0 where there is none, or none that can be read.
fn number<T: FromStr + Default>(span: &Span, key: &str, out: &Out<'_>) -> T {
    let Some(text) = first(span, key).filter(|text| !text.is_empty()) else { return T::default() };
    text.parse().unwrap_or_else(|_| {
        out.refuse_pieces(Reason::BadPiece, 1);
        T::default()
    })
}
