//! How slow statements are kept. From when on they are slow: [`crate::policy`].

use model::agg::Statement;
use model::cell::CellId;
use model::segment::{Segment, Span};
use model::{Agg, Bucket, ByteString, Scope, Step, UnixMillis};

use crate::derive::Out;
use crate::naming;

/// Keeps the slow statement of a span in a cell of services' rows.
pub(crate) fn note(
    (segment, span): (&Segment, &Span),
    text: &str,
    minute: Bucket,
    rows: &[(&str, CellId)],
    out: &mut Out<'_>,
) {
    let max_units = out.settings().max_statement_units;
    let latency = span.latency();
    let mut shared: Option<Statement> = None;
    let program = &out.context.program;
    for &(service_id, cell) in rows.iter().filter(|(_, cell)| program.keeps(*cell)) {
        let cells = out.delta.cells(Scope::Service, Step::Minute, minute, service_id);
        let top = cells.open(cell, || Agg::Top(Vec::new()));
        if top.takes_statement(latency) {
            let statement = shared.get_or_insert_with(|| Statement {
                latency,
                id: format!("{}-{}", segment.segment_id, span.id).into(),
                // Copied, since a slice would keep the bytes of the whole segment.
                statement: ByteString::from(naming::cut(text, max_units).to_owned()),
                trace_id: ByteString::from(segment.trace_id.to_string()),
                at: UnixMillis(span.start),
            });
            top.add_statement(statement);
        }
    }
}
