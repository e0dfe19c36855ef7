//! The wire contract: our descriptors hold every fact that two real agents' packages state about the protocol.

mod facts;
mod packages;

use std::collections::BTreeSet;

use expect_test::expect_file;
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

use facts::facts;

/// Two areas of the protocol changed without compatibility after the .proto files in crate `skywalking` 0.10 were taken.
/// That agent's build leaves both out (it compiles meter, trace, log and management alone), so nobody sends the old form;
/// we hold today's, which `apache-skywalking` 1.2.0 states for the mesh.
const SUPERSEDED: &[&str] = &[
    // Host processes: properties took the places of cmd and hostIP, and pid moved.
    "field skywalking.v3.EBPFHostProcessMetadata.cmd = 2: string, JSON cmd",
    "field skywalking.v3.EBPFHostProcessMetadata.hostIP = 3: string, JSON hostIP",
    "field skywalking.v3.EBPFHostProcessMetadata.pid = 4: int32, JSON pid",
    // Mesh: one message for HTTP and TCP became two, sent in batches.
    "enum skywalking.v3.Protocol: TCP = 2",
    "field skywalking.v3.ServiceMeshMetric.destServiceInstance = 6: string, JSON destServiceInstance",
    "field skywalking.v3.ServiceMeshMetric.destServiceName = 5: string, JSON destServiceName",
    "field skywalking.v3.ServiceMeshMetric.detectPoint = 12: skywalking.v3.DetectPoint, JSON detectPoint",
    "field skywalking.v3.ServiceMeshMetric.endTime = 2: int64, JSON endTime",
    "field skywalking.v3.ServiceMeshMetric.endpoint = 7: string, JSON endpoint",
    "field skywalking.v3.ServiceMeshMetric.internalErrorCode = 14: string, JSON internalErrorCode",
    "field skywalking.v3.ServiceMeshMetric.latency = 8: int32, JSON latency",
    "field skywalking.v3.ServiceMeshMetric.protocol = 11: skywalking.v3.Protocol, JSON protocol",
    "field skywalking.v3.ServiceMeshMetric.responseCode = 9: int32, JSON responseCode",
    "field skywalking.v3.ServiceMeshMetric.sourceServiceInstance = 4: string, JSON sourceServiceInstance",
    "field skywalking.v3.ServiceMeshMetric.sourceServiceName = 3: string, JSON sourceServiceName",
    "field skywalking.v3.ServiceMeshMetric.startTime = 1: int64, JSON startTime",
    "field skywalking.v3.ServiceMeshMetric.status = 10: bool, JSON status",
    "field skywalking.v3.ServiceMeshMetric.tcp = 15: skywalking.v3.TCPInfo, JSON tcp",
    "field skywalking.v3.ServiceMeshMetric.tlsMode = 13: string, JSON tlsMode",
    "field skywalking.v3.TCPInfo.receivedBytes = 1: int64, JSON receivedBytes",
    "field skywalking.v3.TCPInfo.sentBytes = 2: int64, JSON sentBytes",
    "message skywalking.v3.ServiceMeshMetric",
    "message skywalking.v3.TCPInfo",
    "method skywalking.v3.ServiceMeshMetricService/collect(stream skywalking.v3.ServiceMeshMetric) \
     returns (skywalking.v3.MeshProbeDownstream)",
];

#[test]
fn holds_all_of_the_rust_agent() {
    let missing = missing(&packages::rust_agent(), proto::pool());
    let missing: BTreeSet<&str> = missing.iter().map(String::as_str).collect();
    let superseded: BTreeSet<&str> = SUPERSEDED.iter().copied().collect();

    let broken: Vec<&str> = missing.difference(&superseded).copied().collect();
    assert!(broken.is_empty(), "crate skywalking states what proto/ does not:\n{}", broken.join("\n"));
    let stale: Vec<&str> = superseded.difference(&missing).copied().collect();
    assert!(stale.is_empty(), "listed as superseded, but we hold it or the crate does not:\n{}", stale.join("\n"));
}

#[test]
fn holds_all_of_the_python_agent() {
    let missing = missing(&packages::python_agent(), proto::pool());
    assert!(missing.is_empty(), "apache-skywalking states what proto/ does not:\n{}", missing.join("\n"));
}

/// What no package states (newer than both, or in neither) cannot change unnoticed either.
///
/// It was read in apache/skywalking-data-collect-protocol; `SpanLayer.GenAI` is newer still. `UPDATE_EXPECT=1` rewrites the
/// list: read its diff against that repository before it is committed.
#[test]
fn lists_all_that_no_package_states() {
    let stated: BTreeSet<String> =
        facts(&packages::rust_agent()).union(&facts(&packages::python_agent())).cloned().collect();
    let unstated: String = facts(proto::pool()).difference(&stated).map(|fact| format!("{fact}\n")).collect();
    expect_file!["unstated.txt"].assert_eq(&unstated);
}

/// The comparison itself: every kind of slip in our files is seen, each as exactly the fact it breaks.
#[test]
fn every_kind_of_slip_is_noticed() {
    type Slip = fn(&mut FileDescriptorProto);
    let slips: [(&str, Slip, &str); 7] = [
        (
            "a number",
            |file| message(file, "SpanObject").field[1].number = Some(99),
            "field skywalking.v3.SpanObject.parentSpanId = 2: int32, JSON parentSpanId",
        ),
        (
            "a name",
            |file| message(file, "SpanObject").field[6].name = Some("remote".to_owned()),
            "field skywalking.v3.SpanObject.peer = 7: string, JSON peer",
        ),
        (
            "a type",
            |file| message(file, "Log").field[0].r#type = Some(Type::Uint64.into()),
            "field skywalking.v3.Log.time = 1: int64, JSON time",
        ),
        (
            "a label",
            |file| message(file, "SegmentObject").field[2].label = Some(Label::Optional.into()),
            "field skywalking.v3.SegmentObject.spans = 3: repeated skywalking.v3.SpanObject, JSON spans",
        ),
        (
            "an enum value",
            |file| enumeration(file, "RefType").value[1].number = Some(2),
            "enum skywalking.v3.RefType: CrossThread = 1",
        ),
        (
            "streaming",
            |file| service(file, "TraceSegmentReportService").method[0].client_streaming = Some(false),
            "method skywalking.v3.TraceSegmentReportService/collect(stream skywalking.v3.SegmentObject) \
             returns (skywalking.v3.Commands)",
        ),
        (
            "a method's input",
            |file| {
                service(file, "TraceSegmentReportService").method[1].input_type = Some(".skywalking.v3.ID".to_owned())
            },
            "method skywalking.v3.TraceSegmentReportService/collectInSync(skywalking.v3.SegmentCollection) \
             returns (skywalking.v3.Commands)",
        ),
    ];
    for (what, slip, broken) in slips {
        let mut set = FileDescriptorSet::decode(proto::DESCRIPTOR_SET).unwrap();
        slip(set.file.iter_mut().find(|file| file.name() == "trace.proto").unwrap());
        let slipped = DescriptorPool::from_file_descriptor_set(set).unwrap();
        assert_eq!(missing(proto::pool(), &slipped), [broken], "{what}");
    }
}

/// An agent from before the packages calls `/TraceSegmentReportService/collect`: that asks for the packaged method.
#[test]
fn a_service_without_package_asks_for_the_packaged_one() {
    let mut set = FileDescriptorSet::decode(proto::DESCRIPTOR_SET).unwrap();
    let legacy = FileDescriptorProto {
        name: Some("legacy.proto".to_owned()),
        package: None,
        dependency: vec!["trace.proto".to_owned(), "common.proto".to_owned()],
        service: vec![
            service(
                set.file.iter_mut().find(|file| file.name() == "trace.proto").unwrap(),
                "TraceSegmentReportService",
            )
            .clone(),
        ],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    set.file.push(legacy);
    let theirs = DescriptorPool::from_file_descriptor_set(set.clone()).unwrap();
    assert_eq!(missing(&theirs, proto::pool()), [""; 0]);

    set.file.last_mut().unwrap().service[0].method[0].name = Some("gather".to_owned());
    let theirs = DescriptorPool::from_file_descriptor_set(set).unwrap();
    assert_eq!(
        missing(&theirs, proto::pool()),
        ["method skywalking.v3.TraceSegmentReportService/gather(stream skywalking.v3.SegmentObject) \
          returns (skywalking.v3.Commands)"]
    );
}

/// The facts of `theirs` that `ours` does not hold, sorted.
fn missing(theirs: &DescriptorPool, ours: &DescriptorPool) -> Vec<String> {
    facts(theirs).difference(&facts(ours)).cloned().collect()
}

fn message<'a>(file: &'a mut FileDescriptorProto, name: &str) -> &'a mut DescriptorProto {
    file.message_type.iter_mut().find(|message| message.name() == name).expect("trace.proto declares it")
}

fn enumeration<'a>(file: &'a mut FileDescriptorProto, name: &str) -> &'a mut EnumDescriptorProto {
    file.enum_type.iter_mut().find(|descriptor| descriptor.name() == name).expect("trace.proto declares it")
}

fn service<'a>(file: &'a mut FileDescriptorProto, name: &str) -> &'a mut ServiceDescriptorProto {
    file.service.iter_mut().find(|service| service.name() == name).expect("trace.proto declares it")
}
