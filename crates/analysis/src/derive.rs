//! From telemetry to rows and records. Pure: no I/O, no clock; what time it is and what is known is given.

use model::UnixMillis;
use model::ledger::Ledger;
use model::record::Record;
use model::telemetry::Telemetry;

use crate::context::Context;
use crate::delta::Delta;

/// Derives one element: rows merge into `delta`, records are appended to `records`.
///
/// Every element ends in exactly one of three ways: one record is appended; it is counted in `delta` because it leaves rows
/// only; or it is refused in `ledger` at [`model::ledger::Stage::Derive`]. A piece of it that cannot be used (a span of the
/// year 9999, a tag that should be JSON and is not) is left out and counted among the refused rows; the rest goes on.
///
/// `received` is the server's time of receipt: the time of what carries none of its own.
pub fn derive(
    telemetry: Telemetry,
    received: UnixMillis,
    context: &Context,
    delta: &mut Delta,
    records: &mut Vec<Record>,
    ledger: &Ledger,
) {
    let _ = (telemetry, received, context, delta, records, ledger);
}
