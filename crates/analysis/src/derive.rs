//! From telemetry to rows and records. Pure: no I/O, no clock; what time it is and what is known is given.

use model::ledger::{Ledger, Reason, Stage};
use model::record::Record;
use model::telemetry::{Signal, Telemetry};
use model::{Bucket, Scope, Step, UnixMillis, cell};

use crate::context::{Context, Settings};
use crate::delta::{Delta, add_id};
use crate::naming::{Name, Names};
use crate::policy::Policies;
use crate::source::{Source, SourceKind};
use crate::{event, jvm, log, management, trace};

/// Derives one element: rows merge into `delta`, records are appended to `records`.
///
/// Every element ends in exactly one of four ways: one record is appended; it is counted in `delta` because it leaves rows
/// only; it is counted in `ledger` as sampled out, its rows being there all the same; or it is refused in `ledger` at
/// [`Stage::Derive`]. A piece of it that cannot be used (a span of the year 9999, a tag
/// that should be JSON and is not) is left out and counted among the refused rows; the rest goes on.
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
    let mut out = Out { context, received, delta, records, ledger };
    match telemetry {
        Telemetry::Segment(segment) => trace::derive(&segment, &mut out),
        Telemetry::Log(log) => log::derive(*log, &mut out),
        Telemetry::Event(event) => event::derive(*event, &mut out),
        Telemetry::Jvm(jvm) => jvm::derive(&jvm, &mut out),
        Telemetry::Properties(properties) => management::properties(&properties, &mut out),
        Telemetry::KeepAlive(keep_alive) => management::keep_alive(&keep_alive, &mut out),
    }
}

/// Where derived things go, and what is known while one element is derived.
pub(crate) struct Out<'a> {
    pub(crate) context: &'a Context,
    pub(crate) received: UnixMillis,
    pub(crate) delta: &'a mut Delta,
    pub(crate) records: &'a mut Vec<Record>,
    ledger: &'a Ledger,
}

impl<'a> Out<'a> {
    pub(crate) fn settings(&self) -> &'a Settings {
        &self.context.settings
    }

    pub(crate) fn policies(&self) -> &'a Policies {
        &self.context.policies
    }

    /// The element is left out by sampling.
    pub(crate) fn sample_out(&self, signal: Signal) {
        self.ledger.sample_out(signal, 1);
    }

    pub(crate) fn names(&self) -> &'a Names {
        &self.context.names
    }

    /// The name of an endpoint as it enters ids; the service's is as it enters ids.
    pub(crate) fn endpoint<'n>(&self, service: &str, name: &'n str) -> Name<'n> {
        self.context.names.endpoint(service, name, self.received)
    }

    /// The element is refused as a whole.
    pub(crate) fn refuse(&self, signal: Signal, reason: Reason) {
        self.ledger.refuse(Stage::Derive, signal, reason, 1);
    }

    /// Pieces of the element are left out.
    pub(crate) fn refuse_pieces(&self, reason: Reason, n: u64) {
        if n > 0 {
            self.ledger.refuse_rows(reason, n);
        }
    }

    /// The minute of a reported time, where rows may be opened for it.
    pub(crate) fn minute(&self, at: i64) -> Option<Bucket> {
        self.settings().minute(at, self.received)
    }

    /// The minute of receipt.
    pub(crate) fn now(&self) -> Bucket {
        self.received.minute().unwrap_or_default()
    }

    /// Lets the metrics of a kind see a source in the row of an entity and minute. With an id, it is added to the cell given.
    /// Answers whether this opened the row in the delta.
    pub(crate) fn observe(
        &mut self,
        (kind, scope): (SourceKind, Scope),
        (minute, entity): (Bucket, &str),
        source: &Source<'_>,
        id: Option<(cell::CellId, i32)>,
    ) -> bool {
        let program = &self.context.program;
        let cells = self.delta.cells(scope, Step::Minute, minute, entity);
        let opened = cells.is_empty();
        if opened {
            cells.reserve(program.sees(kind, source) + usize::from(id.is_some()));
        }
        if let Some((cell, id)) = id {
            add_id(cells, cell, id);
        }
        let unreadable = program.observe(kind, source, minute.start(), cells);
        self.refuse_pieces(Reason::BadPiece, unreadable);
        opened
    }

    /// A service of a layer was seen.
    pub(crate) fn service_seen(&mut self, id: &str, layer: i32, minute: Bucket) {
        add_id(self.delta.life(Scope::Service, id, minute), cell::LAYERS, layer);
    }
}
