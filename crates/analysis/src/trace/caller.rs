//! Who called: the caller of an entry span, by its references.

use model::layer::{GENERAL, Layer, UNDEFINED, VIRTUAL_GATEWAY, VIRTUAL_MQ};
use model::segment::{Span, SpanLayer, SpanRef};
use model::{ByteString, id};

use crate::context::Settings;
use crate::naming;

/// The calling end of a call, with names as they enter ids.
pub(super) struct Caller<'a> {
    pub(super) service: &'a str,
    pub(super) instance: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) service_id: String,
    pub(super) instance_id: String,
    /// Service id of the endpoint, where it is not the caller's: behind a broker or gateway the endpoint is that of the producer.
    endpoint_owner_id: Option<String>,
}

impl<'a> Caller<'a> {
    fn new(service: &'a str, instance: &'a str, layer: Layer, endpoint: &'a str, owner: Option<&str>) -> Self {
        let (service, instance) = (naming::service(service), naming::instance(instance));
        let service_id = id::service(service, layer.normal);
        let instance_id = id::instance(&service_id, instance);
        let endpoint_owner_id = owner.map(|owner| id::service(naming::service(owner), GENERAL.normal));
        let endpoint = naming::endpoint(endpoint);
        Caller { service, instance, endpoint, service_id, instance_id, endpoint_owner_id }
    }

    /// Who made the call that a reference tells of. Behind a broker, or a gateway without an agent, that is the address.
    pub(super) fn of_ref(span: &Span, parent: &'a SpanRef, settings: &Settings) -> Self {
        let named = |name: &'a ByteString| if name.is_empty() { id::USER } else { &**name };
        let endpoint = named(&parent.endpoint);
        let between = if span.layer == SpanLayer::Mq {
            VIRTUAL_MQ
        } else if settings.is_gateway(&parent.address) {
            VIRTUAL_GATEWAY
        } else {
            return Caller::new(&parent.service, &parent.instance, GENERAL, endpoint, None);
        };
        Caller::new(&parent.address, &parent.address, between, endpoint, Some(&parent.service))
    }

    /// Who made a call that brings no reference: the broker of a message, else a user.
    pub(super) fn unknown(span: &'a Span) -> Self {
        if span.layer == SpanLayer::Mq && !span.peer.trim().is_empty() {
            return Caller::new(&span.peer, &span.peer, VIRTUAL_MQ, "", None);
        }
        Caller::new(id::USER, id::USER, UNDEFINED, id::USER, None)
    }

    /// Service id of the caller's endpoint.
    pub(super) fn endpoint_owner_id(&self) -> &str {
        self.endpoint_owner_id.as_deref().unwrap_or(&self.service_id)
    }
}
