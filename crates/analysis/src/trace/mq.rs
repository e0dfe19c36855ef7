//! Brokers and their topics and queues: nobody reports from them, so that they are what producers and consumers say
//! (analysis 2.8.3).

use model::ledger::Reason;
use model::segment::{Span, SpanKind};
use model::{Bucket, Scope, id, layer};

use crate::derive::Out;
use crate::source::{MqOperation, PeerAccess, Source, SourceKind};

/// One message sent (an exit span) or one batch taken (an entry span). A consumer's broker is the address that the first of its
/// producers used, whatever the others say, and the consumer's own peer only where there is none.
pub(super) fn derive(span: &Span, minute: Bucket, out: &mut Out<'_>) {
    let (operation, peer) = match span.kind {
        SpanKind::Exit => (MqOperation::Produce, &span.peer),
        SpanKind::Entry => {
            let used = span.refs.first().map(|first| &first.address).filter(|address| !address.trim().is_empty());
            (MqOperation::Consume, used.unwrap_or(&span.peer))
        }
        SpanKind::Local => return,
    };
    if peer.trim().is_empty() {
        return;
    }
    let service = out.names().service(peer);
    let service_id = id::service(service, layer::VIRTUAL_MQ.normal);
    let place = place(span);
    let endpoint = out.endpoint(service, &place);
    let transmission_ms = transmission_ms(span, out);
    let access = PeerAccess {
        endpoint: &endpoint,
        operation: operation as i64,
        transmission_ms,
        ..PeerAccess::of(service, span)
    };
    let source = Source::Access(&access);
    out.service_seen(&service_id, layer::VIRTUAL_MQ.ordinal, minute);
    out.observe((SourceKind::Mq, Scope::Service), (minute, &service_id), &source, None);
    if !endpoint.is_empty() {
        let endpoint_id = id::endpoint(&service_id, &endpoint);
        out.delta.life(Scope::Endpoint, &endpoint_id, minute);
        out.observe((SourceKind::MqEndpoint, Scope::Endpoint), (minute, &endpoint_id), &source, None);
    }
}

/// The topic, the queue, or both with a slash between them; empty where neither is named.
fn place(span: &Span) -> String {
    let named = |key| span.tag(key).map(|name| &**name).filter(|name| !name.trim().is_empty());
    match (named("mq.topic"), named("mq.queue")) {
        (Some(topic), Some(queue)) => format!("{topic}/{queue}"),
        (one, other) => one.or(other).unwrap_or_default().to_owned(),
    }
}

/// How long the message was under way. Who does not say so counts as 0, also in the mean, as the reference counts.
fn transmission_ms(span: &Span, out: &Out<'_>) -> i64 {
    let Some(text) = span.tag("transmission.latency").filter(|text| !text.trim().is_empty()) else { return 0 };
    text.trim().parse().unwrap_or_else(|_| {
        out.refuse_pieces(Reason::BadPiece, 1);
        0
    })
}
