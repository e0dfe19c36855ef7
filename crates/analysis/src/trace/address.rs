//! Addresses: a server span tells which address its caller used, so that service and instance stand behind that address.

use model::segment::{Span, SpanLayer};
use model::{Agg, Bucket, Scope, cell};

use super::Own;
use crate::derive::Out;

/// One word for each address that another process used. Not behind a broker, whose address is its own, nor behind a gateway.
pub(super) fn derive(own: &Own<'_>, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    if span.layer == SpanLayer::Mq {
        return;
    }
    for parent in span.refs.iter().filter(|parent| !parent.cross_thread) {
        let address = out.names().service(&parent.address);
        if address.is_empty() || out.settings().is_gateway(address) {
            continue;
        }
        let cells = out.delta.life(Scope::Address, address, minute);
        // By the minute, so that a busy address changes once a minute. Within one, the greater text stays.
        let at = minute.start();
        let cell = cells.open(cell::ALIAS, || Agg::Texts(Default::default()));
        let known = match cell {
            Agg::Texts(texts) => texts.get("").is_some_and(|(known_at, text)| {
                let says = text.split_once('\t');
                *known_at == at && says == Some((own.service_id.as_str(), own.instance_id.as_str()))
            }),
            _ => false,
        };
        if !known {
            cell.merge(&Agg::text("", at, &format!("{}\t{}", own.service_id, own.instance_id)));
        }
    }
}
