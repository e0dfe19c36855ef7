//! Events: a record for each report. Start and end of one event are two reports under one uuid; reads merge them.

use model::kinds::{RecordKind, event as field};
use model::ledger::Reason;
use model::record::{FieldValue, Format, Record};
use model::telemetry::{Event, Signal};
use model::{ByteString, UnixMillis, layer};
use sha2::{Digest, Sha256};

use crate::derive::Out;

/// Derives an event: at its start, or at its end where it names no start. Events leave no metrics and no signs of life.
pub(crate) fn derive(event: Event, out: &mut Out<'_>) {
    let time = if event.start > 0 { event.start } else { event.end };
    if out.minute(time).is_none() {
        return out.refuse(Signal::Event, Reason::TimeOutOfRange);
    }
    let name = |name: &str| FieldValue::keyword(ByteString::from(name));
    let mut fields = vec![FieldValue::Absent; RecordKind::Event.def().fields.len()];
    fields[field::UUID] = FieldValue::keyword(event.uuid.clone());
    let service = out.names().service(&event.service);
    fields[field::SERVICE] = name(service);
    fields[field::INSTANCE] = name(out.names().instance(&event.instance));
    fields[field::ENDPOINT] = name(&out.endpoint(service, &event.endpoint));
    fields[field::TYPE] = name(if event.is_error { "Error" } else { "Normal" });
    fields[field::LAYER] = name(out.settings().layers.by_name(&event.layer).unwrap_or(layer::UNDEFINED).name);
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
    let mut hash = Sha256::new();
    // The length keeps uuid and body apart.
    hash.update(event.uuid.len().to_be_bytes());
    hash.update(&*event.uuid);
    hash.update(&event.body);
    model::id::hex(hash.finalize().iter().take(16))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use model::telemetry::{Event, Telemetry};

    use crate::testing::{Bench, T0};

    fn event() -> Event {
        Event {
            uuid: "u-1".into(),
            service: "A".into(),
            instance: "a1".into(),
            name: "Start".into(),
            layer: "GENERAL".into(),
            start: T0 + 5,
            body: "first".into(),
            ..Event::default()
        }
    }

    #[test]
    fn start_and_end_are_two_records_and_a_repeat_is_one() {
        let end = Event {
            start: 0,
            end: T0 + 90_000,
            is_error: true,
            layer: "NOWHERE".into(),
            body: "second".into(),
            ..event()
        };
        let never = Event { start: 0, ..event() };
        let reports = [event(), event(), end, never];
        let bench = reports.into_iter().fold(Bench::new(), |bench, e| bench.derive(Telemetry::Event(Box::new(e))));
        expect![[r#"
            event fb4bc77f0e31303271f781a1b86be848 @5 uuid=u-1 service=A instance=a1 name=Start type=Normal layer=GENERAL
            event fb4bc77f0e31303271f781a1b86be848 @5 uuid=u-1 service=A instance=a1 name=Start type=Normal layer=GENERAL
            event 6454f9cd6597084408ddce1d482eeec2 @90000 uuid=u-1 service=A instance=a1 name=Start type=Error layer=UNDEFINED
            refused derive event time_out_of_range: 1
        "#]].assert_eq(&bench.show());
        assert_eq!(bench.records[0], bench.records[1]);
    }
}
