//! Every method of the wire is served.

use model::ledger::Reason;
use model::telemetry::Signal;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, ServiceDescriptor};
use proto::v3;
use receiver::Config;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::raw::{call, framed};
use crate::setup::Receiver;

fn decodes(message: MessageDescriptor, body: &[u8]) {
    let (header, bytes) = body.split_at(5);
    assert_eq!(header, [0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()]);
    DynamicMessage::decode(message, bytes).unwrap();
}

/// Whether agents call it. SkyWalking's hook for alarms is a service that a receiver of alarms has.
pub(crate) fn is_served(service: &ServiceDescriptor) -> bool {
    service.full_name() != "AlarmService"
}

#[tokio::test]
async fn every_method_of_every_service_answers_what_its_type_is() {
    let receiver = Receiver::new();
    let mut called = 0;
    for service in proto::pool().services().filter(is_served) {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            // An empty message is one of every type. That an event must name its layer is tested elsewhere.
            let mut request = framed(&[]);
            if path == "/skywalking.v3.EventService/collect" {
                request = framed(&v3::Event { layer: "GENERAL".to_owned(), ..v3::Event::default() }.encode_to_vec());
            }
            let answer = call(&receiver, &path, request).await;
            assert_eq!(answer.code, Code::Ok, "{path}: {}", answer.text);
            decodes(method.output(), &answer.body);
            if method.is_client_streaming() {
                let answer = call(&receiver, &path, Vec::new()).await;
                assert_eq!(answer.code, Code::Ok, "{path} without a message");
            }
            called += 1;
        }
    }
    assert!(called > 30, "the descriptors are there: {called}");
    assert_eq!(receiver.ingest.queued(), 0);
}

#[tokio::test]
async fn old_paths_without_a_package_are_served_where_agents_used_them() {
    let receiver = Receiver::new();
    let paths = [
        "/TraceSegmentReportService/collect",
        "/TraceSegmentReportService/collectInSync",
        "/ManagementService/reportInstanceProperties",
        "/ManagementService/keepAlive",
        "/JVMMetricReportService/collect",
        "/CLRMetricReportService/collect",
        "/MeterReportService/collect",
        "/BrowserPerfService/collectPerfData",
        "/BrowserPerfService/collectErrorLogs",
        "/ProfileTask/getProfileTaskCommands",
        "/ProfileTask/collectSnapshot",
        "/ProfileTask/reportTaskFinish",
    ];
    for path in paths {
        assert_eq!(call(&receiver, path, framed(&[])).await.code, Code::Ok, "{path}");
    }
    for path in ["/MeterReportService/collectBatch", "/EventService/collect", "/skywalking.v3.Nothing/collect", "/"] {
        assert_eq!(call(&receiver, path, framed(&[])).await.code, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn what_nothing_analyses_yet_is_counted_element_by_element() {
    let receiver = Receiver::new();
    let meters = v3::MeterDataCollection { meter_data: vec![v3::MeterData::default(); 3] };
    let clr = v3::ClrMetricCollection { metrics: vec![v3::ClrMetric::default(); 2], ..Default::default() };
    let mesh = v3::ServiceMeshMetrics {
        metrics: Some(v3::service_mesh_metrics::Metrics::HttpMetrics(v3::HttpServiceMeshMetrics {
            metrics: vec![v3::HttpServiceMeshMetric::default(); 4],
        })),
    };
    let processes = v3::EbpfProcessReportList { processes: vec![Default::default(); 5], ..Default::default() };
    let table = [
        ("v3.MeterReportService/collectBatch", meters.encode_to_vec(), Signal::Meter, 3),
        ("v3.CLRMetricReportService/collect", clr.encode_to_vec(), Signal::Clr, 2),
        ("v3.ServiceMeshMetricService/collect", mesh.encode_to_vec(), Signal::Mesh, 4),
        ("v3.EBPFProcessService/reportProcesses", processes.encode_to_vec(), Signal::Ebpf, 5),
        ("v3.SpanAttachedEventReportService/collect", Vec::new(), Signal::SpanEvent, 1),
        ("v3.ProfileTask/collectSnapshot", Vec::new(), Signal::Profile, 1),
        ("v3.BrowserPerfService/collectErrorLogs", Vec::new(), Signal::Browser, 1),
    ];
    for (method, message, signal, n) in table {
        assert_eq!(call(&receiver, &format!("/skywalking.{method}"), framed(&message)).await.code, Code::Ok);
        assert_eq!(receiver.refused(signal, Reason::NotSupportedYet), n, "{method}");
    }
    // Asking whether there is something to do is no element.
    for method in ["ProfileTask/getProfileTaskCommands", "EBPFProfilingService/queryTasks"] {
        assert_eq!(call(&receiver, &format!("/skywalking.v3.{method}"), framed(&[])).await.code, Code::Ok);
    }
    assert_eq!(receiver.ledger.refusals().map(|(.., n)| n).sum::<u64>(), 3 + 2 + 4 + 5 + 1 + 1 + 1);
}

#[tokio::test]
async fn an_upload_is_answered_once_after_its_first_message() {
    let receiver = Receiver::new();
    let messages = [framed(&[]), framed(&[]), framed(&[])].concat();
    for method in ["AsyncProfilerTask/collect", "PprofTask/collect"] {
        let answer = call(&receiver, &format!("/skywalking.v10.{method}"), messages.clone()).await;
        assert_eq!((answer.code, answer.body.as_ref()), (Code::Ok, [0u8; 5].as_slice()));
    }
    assert_eq!(receiver.refused(Signal::Profile, Reason::NotSupportedYet), 2);
}

#[tokio::test]
async fn configuration_discovery_is_answered_over_the_wire() {
    let mut config = Config::default();
    let pairs = serde_json::from_str(r#"{"trace.sample_rate": 5}"#).unwrap();
    config.agent_configurations.insert("shop".to_owned(), pairs);
    let mut receiver = Receiver::with(config);
    let channel = receiver.connect().await;
    let mut client = v3::configuration_discovery_service_client::ConfigurationDiscoveryServiceClient::new(channel);
    let mut request = v3::ConfigurationSyncRequest { service: "shop".to_owned(), uuid: String::new() };
    let commands = client.fetch_configurations(request.clone()).await.unwrap().into_inner().commands;
    let args: Vec<_> = commands[0].args.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(
        (commands[0].command.as_str(), args.as_slice()),
        ("ConfigurationDiscoveryCommand", ["SerialNumber", "UUID", "trace.sample_rate"].as_slice(),)
    );
    request.uuid.clone_from(&commands[0].args[1].value);
    assert!(client.fetch_configurations(request).await.unwrap().into_inner().commands.is_empty());
}

#[tokio::test]
async fn health_is_serving_until_the_door_closes() {
    let mut receiver = Receiver::new();
    let mut client = HealthClient::new(receiver.connect().await);
    for service in ["", "skywalking.v3.TraceSegmentReportService", "skywalking.v10.PprofTask"] {
        let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    receiver.ingest.close();
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    let error = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}
