//! Caches: nobody reports from them, so that they are what their clients say (analysis 2.8.2).

use model::cell::{self, CellId};
use model::segment::{Segment, Span};
use model::{Bucket, Scope, id, layer};

use crate::derive::Out;
use crate::slow;
use crate::source::{CacheOperation, PeerAccess, Source, SourceKind};

/// One access to a cache that says of which type it is. Like databases, whatever the span's kind.
pub(super) fn derive(segment: &Segment, span: &Span, minute: Bucket, out: &mut Out<'_>) {
    let Some(kind) = span.tag("cache.type").filter(|kind| !kind.trim().is_empty()) else { return };
    // A cache within the process has no address.
    let local;
    let name = if span.peer.trim().is_empty() {
        local = format!("{kind}-local");
        &local
    } else {
        &*span.peer
    };
    let service = out.names().service(name);
    let service_id = id::service(service, layer::VIRTUAL_CACHE.normal);
    let operation = match span.tag("cache.op").map(|op| &**op) {
        Some("write") => CacheOperation::Write,
        Some("read") => CacheOperation::Read,
        _ => CacheOperation::Others,
    };
    let access = PeerAccess { operation: operation as i64, ..PeerAccess::of(service, span) };
    out.service_seen(&service_id, layer::VIRTUAL_CACHE.ordinal, minute);
    out.observe((SourceKind::Cache, Scope::Service), (minute, &service_id), &Source::Access(&access), None);
    if let Some(cell) = slow_cell(operation, kind, span.latency(), out) {
        // What is missing is written `null`, as users of the reference know it.
        let word = |key| span.tag(key).map_or("null", |word| &**word);
        let statement = format!("{} {}", word("cache.cmd"), word("cache.key"));
        slow::note((segment, span), &statement, minute, &[(&service_id, cell)], out);
    }
}

/// Where a slow command is kept; `None` where it is not slow.
fn slow_cell(operation: CacheOperation, kind: &str, latency: i64, out: &Out<'_>) -> Option<CellId> {
    let (thresholds, cell) = match operation {
        CacheOperation::Read => (&out.policies().slow.cache_read, cell::SLOW_CACHE_READ),
        CacheOperation::Write => (&out.policies().slow.cache_write, cell::SLOW_CACHE_WRITE),
        CacheOperation::Others => return None,
    };
    thresholds.is_slow(kind, latency).then_some(cell)
}
