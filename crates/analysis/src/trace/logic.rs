//! Logic endpoints: names that a span gives to work inside it, in its tag `x-le`.

use model::ledger::Reason;
use model::segment::{Span, SpanKind};
use model::{Bucket, Scope, cell, id, layer};
use serde_json::{Map, Value};

use super::Own;
use crate::derive::Out;
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

const TAG: &str = "x-le";

/// One endpoint for each `x-le` of an entry or local span. A value that is no JSON object is left out and counted; an object
/// that lacks what is needed says nothing.
pub(super) fn derive(own: &Own<'_>, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    for tag in span.tags.iter().filter(|tag| tag.key == TAG) {
        match serde_json::from_str::<Map<String, Value>>(&tag.value) {
            Ok(object) => one(own, span, &object, minute, out),
            Err(_) => out.refuse_pieces(Reason::BadPiece, 1),
        }
    }
}

fn one(own: &Own<'_>, span: &Span, object: &Map<String, Value>, minute: Bucket, out: &mut Out<'_>) {
    let is_span = span.kind == SpanKind::Local && object.get("logic-span").and_then(truth) == Some(true);
    let (name, latency, ok) = if is_span {
        (&*span.operation, span.latency(), !span.is_error)
    } else {
        let (Some(name), Some(latency), Some(status)) =
            (object.get("name"), object.get("latency"), object.get("status"))
        else {
            return;
        };
        let (Some(name), Some(latency), Some(ok)) = (name.as_str(), number(latency), truth(status)) else {
            return out.refuse_pieces(Reason::BadPiece, 1);
        };
        (name, latency, ok)
    };
    let endpoint = out.endpoint(own.service, name);
    let traffic = Traffic {
        latency,
        ok,
        kind: RequestType::Logic,
        detect: DetectPoint::Server,
        component: span.component,
        tags: &[],
        source: End::default(),
        dest: End { service: own.service, instance: own.instance, endpoint: &endpoint },
        layer: layer::GENERAL.ordinal,
        apdex_threshold: own.apdex_threshold,
    };
    let endpoint_id = id::endpoint(&own.service_id, &endpoint);
    let layers = Some((cell::LAYERS, layer::GENERAL.ordinal));
    let kind = (SourceKind::Endpoint, Scope::Endpoint);
    out.observe(kind, (minute, &endpoint_id), &Source::Traffic(&traffic), layers);
    out.delta.life(Scope::Endpoint, &endpoint_id, minute);
}

/// A whole number, also one written as a text, as the reference's JSON reader takes it; 32 bits, as its latencies have.
fn number(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    i32::try_from(number).ok().map(i64::from)
}

fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str().map(|text| text.eq_ignore_ascii_case("true")))
}
