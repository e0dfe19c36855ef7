//! Databases: nobody reports from them, so that they are what their clients say (analysis 2.8.1).

use model::segment::{Segment, Span};
use model::{Bucket, Scope, cell, id, layer};

use super::Own;
use crate::derive::Out;
use crate::slow;
use crate::source::{PeerAccess, Source, SourceKind};

/// One access to a database. The span may be of any kind, and may ask to be left out of the analysis: it counts all the same.
pub(super) fn derive(own: &Own<'_>, segment: &Segment, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    let service = out.names().service(&span.peer);
    let service_id = id::service(service, layer::VIRTUAL_DATABASE.normal);
    let access = PeerAccess::of(service, span);
    out.service_seen(&service_id, layer::VIRTUAL_DATABASE.ordinal, minute);
    out.observe((SourceKind::Database, Scope::Service), (minute, &service_id), &Source::Access(&access), None);

    let latency = span.latency();
    let types = span.tags.iter().filter(|tag| tag.key == "db.type");
    if !types.map(|tag| &tag.value).any(|kind| out.policies().slow.database.is_slow(kind, latency)) {
        return;
    }
    let Some(statement) = span.tag("db.statement").filter(|text| !text.trim().is_empty()) else { return };
    let rows = [(&*service_id, cell::SLOW_DATABASE), (&*own.service_id, cell::SLOW_SERVICE_DATABASE)];
    slow::note((segment, span), statement, minute, &rows, out);
}
