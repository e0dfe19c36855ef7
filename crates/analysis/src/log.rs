//! Logs: a record each, and a sign of life of whoever wrote it.

use model::kinds::{RecordKind, log as field};
use model::ledger::Reason;
use model::record::{FieldValue, Format, Record};
use model::telemetry::{Log, Signal};
use model::{ByteString, Scope, UnixMillis, id, layer};

use crate::derive::Out;
use crate::tags::Searchable;

/// Derives a log. One of a layer that does not exist is refused, as is one whose time no row may be opened for.
pub(crate) fn derive(log: Log, out: &mut Out<'_>) {
    let layer = if log.layer.is_empty() { Some(layer::GENERAL) } else { out.settings().layers.by_name(&log.layer) };
    let Some(layer) = layer else { return out.refuse(Signal::Log, Reason::UnknownLayer) };
    if log.service.trim().is_empty() {
        return out.refuse(Signal::Log, Reason::MissingName);
    }
    if out.minute(log.time).is_none() {
        return out.refuse(Signal::Log, Reason::TimeOutOfRange);
    }
    let service = out.names().service(&log.service);
    // The record is always under the normal id; the sign of life follows the layer (analysis 7.5).
    let service_id = id::service(service, true);
    let instance_id =
        (!log.instance.is_empty()).then(|| id::instance(&service_id, out.names().instance(&log.instance)));
    let endpoint_id =
        (!log.endpoint.is_empty()).then(|| id::endpoint(&service_id, &out.endpoint(service, &log.endpoint)));

    let now = out.now();
    out.service_seen(&id::service(service, layer.normal), layer.ordinal, now);
    if let Some(id) = &instance_id {
        out.delta.life(Scope::ServiceInstance, id, now);
    }
    if let Some(id) = &endpoint_id {
        out.delta.life(Scope::Endpoint, id, now);
    }
    let mut kept = Searchable::new(&out.settings().log_tags);
    kept.add_all(&log.tags);
    let tags = kept.note(log.time, out);

    let text = |text: Option<String>| text.map_or(FieldValue::Absent, |t| FieldValue::Text(ByteString::from(t)));
    let mut fields = vec![FieldValue::Absent; RecordKind::Log.def().fields.len()];
    fields[field::SERVICE] = text(Some(service_id));
    fields[field::INSTANCE] = text(instance_id);
    fields[field::ENDPOINT] = text(endpoint_id);
    fields[field::TRACE_ID] = FieldValue::keyword(log.trace_id);
    fields[field::SEGMENT_ID] = FieldValue::keyword(log.segment_id);
    fields[field::SPAN_ID] = FieldValue::Int(i64::from(log.span_id));
    fields[field::TAGS] = tags;
    fields[field::CONTENT] = FieldValue::keyword(log.content);
    // A log brings no id. Its own is drawn once, here, so that a write that is tried again does not store it twice.
    let id = ByteString::from(out.context.serial.next());
    let time = UnixMillis(log.time);
    out.records.push(Record { kind: RecordKind::Log, id, time, fields, format: Format::Log, body: log.body });
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use model::telemetry::{Log, Telemetry};

    use crate::testing::{Bench, T0, tags};

    fn log() -> Log {
        Log { service: "A".into(), time: T0 + 1_500, content: "it broke".into(), ..Log::default() }
    }

    fn check(log: Log, expected: Expect) {
        expected.assert_eq(&Bench::new().derive(Telemetry::Log(Box::new(log))).show());
    }

    #[test]
    fn a_log_is_a_record_and_a_sign_of_life() {
        let full = Log {
            instance: "a1".into(),
            endpoint: "/a".into(),
            trace_id: "t-1".into(),
            segment_id: "S".into(),
            span_id: 2,
            tags: tags(&[("level", "ERROR"), ("logger", "x"), ("http.status_code", "500")]),
            ..log()
        };
        check(
            full,
            expect![[r#"
            20240115 Tag LOG|http.status_code: values=["500"]
            20240115 Tag LOG|level: values=["ERROR"]
            life Service QQ==.1: first_seen=202401151205 last_ping=202401151205 layers=GENERAL
            life ServiceInstance QQ==.1_YTE=: first_seen=202401151205 last_ping=202401151205
            life Endpoint QQ==.1_L2E=: first_seen=202401151205 last_ping=202401151205
            log 0000000000000abc0000000000000000 @1500 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= trace_id=t-1 segment_id=S span_id=2 tags=[level=ERROR http.status_code=500] content=it broke
        "#]],
        );
        check(
            log(),
            expect![[r#"
            life Service QQ==.1: first_seen=202401151205 last_ping=202401151205 layers=GENERAL
            log 0000000000000abc0000000000000000 @1500 service=QQ==.1 span_id=0 content=it broke
        "#]],
        );
    }

    #[test]
    fn the_sign_of_life_follows_the_layer_and_the_record_does_not() {
        check(
            Log { layer: "VIRTUAL_MQ".into(), ..log() },
            expect![[r#"
            life Service QQ==.0: first_seen=202401151205 last_ping=202401151205 layers=VIRTUAL_MQ
            log 0000000000000abc0000000000000000 @1500 service=QQ==.1 span_id=0 content=it broke
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        check(
            Log { layer: "NOWHERE".into(), ..log() },
            expect![[r#"
            refused derive log unknown_layer: 1
        "#]],
        );
        check(
            Log { service: " ".into(), ..log() },
            expect![[r#"
            refused derive log missing_name: 1
        "#]],
        );
        check(
            Log { time: i64::MAX, ..log() },
            expect![[r#"
            refused derive log time_out_of_range: 1
        "#]],
        );
    }

    #[test]
    fn the_same_line_twice_is_two_records() {
        let line = || Telemetry::Log(Box::new(log()));
        let bench = Bench::new().derive(line()).derive(line());
        assert_ne!(bench.records[0].id, bench.records[1].id);
    }
}
