//! Events: a record for each report. Start and end of one event are two reports under one uuid; reads merge them.

use model::kinds::{RecordKind, event as field};
use model::ledger::Reason;
use model::record::{FieldValue, Format, Record};
use model::telemetry::{Event, Signal};
use model::{ByteString, UnixMillis, layer};
use sha2::{Digest, Sha256};

use crate::derive::Out;
use crate::naming;

/// Derives an event: at its start, or at its end where it names no start. Events leave no metrics and no signs of life.
pub(crate) fn derive(event: Event, out: &mut Out<'_>) {
    let time = if event.start > 0 { event.start } else { event.end };
    if out.minute(time).is_none() {
        return out.refuse(Signal::Event, Reason::TimeOutOfRange);
    }
    let name = |name: &str| FieldValue::keyword(ByteString::from(name));
    let mut fields = vec![FieldValue::Absent; RecordKind::Event.def().fields.len()];
    fields[field::UUID] = FieldValue::keyword(event.uuid.clone());
    fields[field::SERVICE] = name(naming::service(&event.service));
    fields[field::INSTANCE] = name(naming::instance(&event.instance));
    fields[field::ENDPOINT] = name(naming::endpoint(&event.endpoint));
    fields[field::TYPE] = name(if event.is_error { "Error" } else { "Normal" });
    fields[field::LAYER] = name(layer::by_name(&event.layer).unwrap_or(layer::UNDEFINED).name);
    fields[field::NAME] = FieldValue::keyword(event.name.clone());
    out.records.push(Record {
        kind: RecordKind::Event,
        id: record_id(&event).into(),
        time: UnixMillis(time),
        fields,
        format: Format::Event,
        body: event.body,
    });
}

/// By content: the same report sent twice is one record, wherever it arrives; start and end are two.
fn record_id(event: &Event) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    // The length keeps uuid and body apart.
    hash.update(event.uuid.len().to_be_bytes());
    hash.update(&*event.uuid);
    hash.update(&event.body);
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a String cannot fail");
        id
    })
}
