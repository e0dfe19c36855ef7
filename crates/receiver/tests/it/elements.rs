//! What of each kind is taken in, and what is refused for which reason.

use model::ledger::Reason;
use model::telemetry::{Event, Jvm, Log, Signal, Telemetry};
use prost::Message;
use proto::v3;
use tonic::Code;

use crate::raw::{COLLECT, call, framed};
use crate::setup::{NOW, Receiver, segment};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

#[tokio::test]
async fn a_segment_is_refused_as_a_whole_for_what_it_lacks() {
    type Change = fn(&mut v3::SegmentObject);
    let table: [(&str, Change, Option<Reason>); 13] = [
        ("whole", |_| {}, None),
        ("no spans", |s| s.spans.clear(), Some(Reason::Empty)),
        ("no service", |s| s.service = " ".to_owned(), Some(Reason::MissingName)),
        ("no trace", |s| s.trace_id.clear(), Some(Reason::MissingName)),
        ("no id", |s| s.trace_segment_id.clear(), Some(Reason::MissingName)),
        ("no start", |s| s.spans[0].start_time = 0, Some(Reason::TimeOutOfRange)),
        ("negative start", |s| s.spans[0].start_time = -1, Some(Reason::TimeOutOfRange)),
        ("as old as may be", |s| s.spans[0].start_time = NOW - 3 * DAY, None),
        ("too old", |s| s.spans[0].start_time = NOW - 3 * DAY - 1, Some(Reason::TimeOutOfRange)),
        ("a clock ahead", |s| s.spans[0].end_time = NOW + 10 * MINUTE, None),
        ("a clock too far ahead", |s| s.spans[0].end_time = NOW + 10 * MINUTE + 1, Some(Reason::TimeOutOfRange)),
        ("year 9999", |s| s.spans[0].start_time = 253_402_300_799_000, Some(Reason::TimeOutOfRange)),
        ("the end of time", |s| s.spans[0].end_time = i64::MAX, Some(Reason::TimeOutOfRange)),
    ];
    for (name, change, reason) in table {
        let mut receiver = Receiver::new();
        let mut message = segment("a");
        change(&mut message);
        let answer = call(&receiver, COLLECT, framed(&message.encode_to_vec())).await;
        assert_eq!(answer.code, Code::Ok, "{name}");
        let refused: Vec<_> = receiver.ledger.refusals().map(|(_, signal, reason, n)| (signal, reason, n)).collect();
        let expected: Vec<_> = reason.map(|reason| (Signal::Segment, reason, 1)).into_iter().collect();
        assert_eq!(refused, expected, "{name}");
        assert_eq!(receiver.drain().len(), usize::from(reason.is_none()), "{name}");
    }
}

#[tokio::test]
async fn a_span_without_an_end_takes_no_time() {
    let mut receiver = Receiver::new();
    let mut message = segment("a");
    message.spans[0].end_time = 0;
    call(&receiver, COLLECT, framed(&message.encode_to_vec())).await;
    let Some(Telemetry::Segment(got)) = receiver.drain().pop() else { panic!("no segment") };
    assert_eq!(got.spans[0].end, got.spans[0].start);
    assert_eq!(got.body, message.encode_to_vec());
}

fn log(service: &str, text: &str) -> v3::LogData {
    v3::LogData {
        service: service.to_owned(),
        timestamp: NOW - 1,
        body: Some(v3::LogDataBody {
            content: Some(v3::log_data_body::Content::Text(v3::TextLog { text: text.to_owned() })),
            ..v3::LogDataBody::default()
        }),
        ..v3::LogData::default()
    }
}

async fn logs(messages: &[v3::LogData]) -> (Receiver, Vec<Log>) {
    let mut receiver = Receiver::new();
    let body: Vec<u8> = messages.iter().flat_map(|message| framed(&message.encode_to_vec())).collect();
    assert_eq!(call(&receiver, "/skywalking.v3.LogReportService/collect", body).await.code, Code::Ok);
    let logs =
        receiver.drain().into_iter().map(|it| if let Telemetry::Log(log) = it { *log } else { panic!("{it:?}") });
    let logs = logs.collect();
    (receiver, logs)
}

#[tokio::test]
async fn logs_without_a_service_belong_to_the_one_named_before() {
    let (receiver, got) = logs(&[log("", "lost"), log("a", "1"), log("", "2"), log("b", "3"), log("", "4")]).await;
    let pairs: Vec<_> = got.iter().map(|log| (&*log.service, &*log.content)).collect();
    assert_eq!(pairs, [("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")]);
    let bodies: Vec<_> = got.iter().map(|log| v3::LogData::decode(log.body.clone()).unwrap()).collect();
    assert_eq!(bodies, [log("a", "1"), log("a", "2"), log("b", "3"), log("b", "4")]);
    assert_eq!(receiver.refused(Signal::Log, Reason::MissingName), 1);
}

#[tokio::test]
async fn a_log_without_a_time_was_written_now_and_layers_must_exist() {
    let layer = |layer: &str| v3::LogData { layer: layer.to_owned(), ..log("a", layer) };
    let timeless = v3::LogData { timestamp: 0, ..log("a", "now") };
    let old = v3::LogData { timestamp: NOW - 4 * DAY, ..log("a", "old") };
    let (receiver, got) = logs(&[timeless, layer("MESH"), layer("NOWHERE"), old]).await;
    let got: Vec<_> = got.iter().map(|log| (&*log.content, &*log.layer, log.time)).collect();
    assert_eq!(got, [("now", "", NOW), ("MESH", "MESH", NOW - 1)]);
    assert_eq!(receiver.refused(Signal::Log, Reason::UnknownLayer), 1);
    assert_eq!(receiver.refused(Signal::Log, Reason::TimeOutOfRange), 1);
}

async fn event(change: fn(&mut v3::Event)) -> (Code, Option<Event>, Vec<Reason>) {
    let mut receiver = Receiver::new();
    let mut message = v3::Event {
        uuid: "u".to_owned(),
        name: "Start".to_owned(),
        layer: "GENERAL".to_owned(),
        start_time: NOW - 5,
        source: Some(v3::Source { service: "shop".to_owned(), ..v3::Source::default() }),
        ..v3::Event::default()
    };
    change(&mut message);
    let code = call(&receiver, "/skywalking.v3.EventService/collect", framed(&message.encode_to_vec())).await.code;
    let event =
        receiver.drain().pop().map(|it| if let Telemetry::Event(event) = it { *event } else { panic!("{it:?}") });
    (code, event, receiver.ledger.refusals().map(|(_, _, reason, _)| reason).collect())
}

#[tokio::test]
async fn an_event_names_its_layer_and_one_of_its_times() {
    let (code, got, refused) = event(|_| {}).await;
    let got = got.unwrap();
    assert_eq!((code, &*got.service, &*got.layer, got.start, got.end), (Code::Ok, "shop", "GENERAL", NOW - 5, 0));
    assert_eq!(refused, []);

    let (code, got, refused) = event(|event| event.layer.clear()).await;
    assert_eq!((code, got, refused), (Code::InvalidArgument, None, vec![Reason::MissingName]));

    let (code, got, _) = event(|event| event.layer = "NOWHERE".to_owned()).await;
    assert_eq!((code, &*got.unwrap().layer), (Code::Ok, "UNDEFINED"));

    let ended = |event: &mut v3::Event| (event.start_time, event.end_time) = (0, NOW);
    assert_eq!(event(ended).await.1.unwrap().end, NOW);
    let timeless = |event: &mut v3::Event| event.start_time = 0;
    assert_eq!(event(timeless).await, (Code::Ok, None, vec![Reason::TimeOutOfRange]));
    let far = |event: &mut v3::Event| event.end_time = i64::MAX;
    assert_eq!(event(far).await, (Code::Ok, None, vec![Reason::TimeOutOfRange]));
    assert_eq!(event(|event| event.uuid.clear()).await, (Code::Ok, None, vec![Reason::MissingName]));
}

#[tokio::test]
async fn each_jvm_metric_of_a_collection_is_an_element() {
    let mut receiver = Receiver::new();
    let metric = |time| v3::JvmMetric {
        time,
        cpu: Some(v3::Cpu { usage_percent: 12.5 }),
        memory: vec![v3::Memory { is_heap: true, used: 7, ..v3::Memory::default() }],
        ..v3::JvmMetric::default()
    };
    let message = v3::JvmMetricCollection {
        service: "shop".to_owned(),
        service_instance: "i".to_owned(),
        metrics: vec![metric(NOW), metric(NOW - 4 * DAY), metric(NOW - 1)],
    };
    let path = "/skywalking.v3.JVMMetricReportService/collect";
    assert_eq!(call(&receiver, path, framed(&message.encode_to_vec())).await.code, Code::Ok);
    let got: Vec<Jvm> = receiver
        .drain()
        .into_iter()
        .map(|it| if let Telemetry::Jvm(jvm) = it { *jvm } else { panic!("{it:?}") })
        .collect();
    assert_eq!(got.iter().map(|jvm| jvm.time).collect::<Vec<_>>(), [NOW, NOW - 1]);
    let first = &got[0];
    assert_eq!((&*first.service, &*first.instance, first.memory[0].used), ("shop", "i", 7));
    assert_eq!(receiver.refused(Signal::Jvm, Reason::TimeOutOfRange), 1);

    let nameless = v3::JvmMetricCollection { service_instance: String::new(), ..message };
    assert_eq!(call(&receiver, path, framed(&nameless.encode_to_vec())).await.code, Code::Ok);
    assert_eq!(receiver.refused(Signal::Jvm, Reason::MissingName), 3);
}

#[tokio::test]
async fn the_caller_of_a_single_call_is_told_when_it_cannot_be_read() {
    let receiver = Receiver::new();
    for method in ["JVMMetricReportService/collect", "ManagementService/keepAlive", "CLRMetricReportService/collect"] {
        let answer = call(&receiver, &format!("/skywalking.v3.{method}"), framed(&[0xff])).await;
        assert_eq!(answer.code, Code::InvalidArgument, "{method}");
    }
    for signal in [Signal::Jvm, Signal::Management, Signal::Clr] {
        assert_eq!(receiver.refused(signal, Reason::Malformed), 1, "{signal:?}");
    }
}
