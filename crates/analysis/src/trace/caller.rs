//! Who called: the caller of an entry span, by its references.

use model::layer::{GENERAL, Layer, UNDEFINED, VIRTUAL_GATEWAY, VIRTUAL_MQ};
use model::segment::{Span, SpanLayer, SpanRef};
use model::{ByteString, id};

use crate::derive::Out;
use crate::naming::Name;

/// The calling end of a call, with names as they enter ids.
pub(super) struct Caller<'a> {
    pub(super) service: &'a str,
    pub(super) instance: &'a str,
    pub(super) endpoint: Name<'a>,
    pub(super) service_id: String,
    pub(super) instance_id: String,
    /// Service id of the endpoint, where it is not the caller's: behind a broker or gateway the endpoint is that of the producer.
    endpoint_owner_id: Option<String>,
}

impl<'a> Caller<'a> {
    fn new(
        (service, instance): (&'a str, &'a str),
        layer: Layer,
        endpoint: &'a str,
        owner: Option<&str>,
        out: &Out<'_>,
    ) -> Self {
        let (service, instance) = (out.names().service(service), out.names().instance(instance));
        let service_id = id::service(service, layer.normal);
        let instance_id = id::instance(&service_id, instance);
        let endpoint_owner_id = owner.map(|owner| id::service(out.names().service(owner), GENERAL.normal));
        // By the rules of the caller's name, also where the endpoint belongs to who is behind it.
        let endpoint = out.endpoint(service, endpoint);
        Caller { service, instance, endpoint, service_id, instance_id, endpoint_owner_id }
    }

    /// Who made the call that a reference tells of. Behind a broker, or a gateway without an agent, that is the address.
    pub(super) fn of_ref(span: &Span, parent: &'a SpanRef, out: &Out<'_>) -> Self {
        let named = |name: &'a ByteString| if name.is_empty() { id::USER } else { &**name };
        let endpoint = named(&parent.endpoint);
        let between = if span.layer == SpanLayer::Mq {
            VIRTUAL_MQ
        } else if out.settings().is_gateway(&parent.address) {
            VIRTUAL_GATEWAY
        } else {
            return Caller::new((&parent.service, &parent.instance), GENERAL, endpoint, None, out);
        };
        Caller::new((&parent.address, &parent.address), between, endpoint, Some(&parent.service), out)
    }

    /// Who made a call that brings no reference: the broker of a message, else a user.
    pub(super) fn unknown(span: &'a Span, out: &Out<'_>) -> Self {
        if span.layer == SpanLayer::Mq && !span.peer.trim().is_empty() {
            return Caller::new((&span.peer, &span.peer), VIRTUAL_MQ, "", None, out);
        }
        Caller::new((id::USER, id::USER), UNDEFINED, id::USER, None, out)
    }

    /// Service id of the caller's endpoint.
    pub(super) fn endpoint_owner_id(&self) -> &str {
        self.endpoint_owner_id.as_deref().unwrap_or(&self.service_id)
    }
}
