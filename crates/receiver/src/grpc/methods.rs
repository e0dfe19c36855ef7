//! Every method that agents call, as a table.

use model::telemetry::Signal;

use self::Shape::{Bidirectional, ClientStream, Unary};
use crate::intake::Kind;
use crate::later::{Elements, Later};

/// How many messages go which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One each.
    Unary,
    /// Many in, one out at the end.
    ClientStream,
    /// Many in; one out after the first, which then asks for the rest.
    Bidirectional,
}

/// One method.
#[derive(Debug)]
pub(super) struct Method {
    package: &'static str,
    service: &'static str,
    name: &'static str,
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    /// Whether agents of old call it without the package.
    legacy: bool,
}

impl Method {
    /// Its service with the package.
    pub(super) fn full_service(&self) -> String {
        format!("{}.{}", self.package, self.service)
    }

    /// The paths it is called by.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        let packaged = format!("/{}/{}", self.full_service(), self.name);
        let bare = self.legacy.then(|| format!("/{}/{}", self.service, self.name));
        [packaged].into_iter().chain(bare)
    }
}

const fn method(service: &'static str, name: &'static str, shape: Shape, kind: Kind) -> Method {
    Method { package: "skywalking.v3", service, name, shape, kind, legacy: false }
}

const fn v10(service: &'static str, name: &'static str, shape: Shape, kind: Kind) -> Method {
    Method { package: "skywalking.v10", ..method(service, name, shape, kind) }
}

const fn legacy(service: &'static str, name: &'static str, shape: Shape, kind: Kind) -> Method {
    Method { legacy: true, ..method(service, name, shape, kind) }
}

/// Nothing analyses them yet: each message is an element.
const fn later(signal: Signal) -> Kind {
    Kind::Later(Later { signal, elements: Elements::Message })
}

/// The same; each occurrence of field 1 is an element.
const fn batch(signal: Signal) -> Kind {
    Kind::Later(Later { signal, elements: Elements::Field1 })
}

const MESH: Kind = Kind::Later(Later { signal: Signal::Mesh, elements: Elements::Field1Of1And2 });
const PROFILE_POLL: Kind = Kind::Poll(Signal::Profile);
const EBPF_POLL: Kind = Kind::Poll(Signal::Ebpf);

pub(super) static METHODS: &[Method] = &[
    legacy("TraceSegmentReportService", "collect", ClientStream, Kind::Segment),
    legacy("TraceSegmentReportService", "collectInSync", Unary, Kind::Segments),
    legacy("ManagementService", "reportInstanceProperties", Unary, Kind::Properties),
    legacy("ManagementService", "keepAlive", Unary, Kind::KeepAlive),
    method("ConfigurationDiscoveryService", "fetchConfigurations", Unary, Kind::Configuration),
    method("LogReportService", "collect", ClientStream, Kind::Log),
    method("EventService", "collect", ClientStream, Kind::Event),
    legacy("JVMMetricReportService", "collect", Unary, Kind::Jvm),
    legacy("CLRMetricReportService", "collect", Unary, batch(Signal::Clr)),
    legacy("MeterReportService", "collect", ClientStream, later(Signal::Meter)),
    method("MeterReportService", "collectBatch", ClientStream, batch(Signal::Meter)),
    method("SpanAttachedEventReportService", "collect", ClientStream, later(Signal::SpanEvent)),
    legacy("BrowserPerfService", "collectPerfData", Unary, later(Signal::Browser)),
    method("BrowserPerfService", "collectWebVitalsPerfData", Unary, later(Signal::Browser)),
    method("BrowserPerfService", "collectResourcePerfData", Unary, later(Signal::Browser)),
    method("BrowserPerfService", "collectWebInteractionsPerfData", Unary, later(Signal::Browser)),
    legacy("BrowserPerfService", "collectErrorLogs", ClientStream, later(Signal::Browser)),
    legacy("ProfileTask", "getProfileTaskCommands", Unary, PROFILE_POLL),
    legacy("ProfileTask", "collectSnapshot", ClientStream, later(Signal::Profile)),
    method("ProfileTask", "goProfileReport", ClientStream, later(Signal::Profile)),
    legacy("ProfileTask", "reportTaskFinish", Unary, later(Signal::Profile)),
    v10("AsyncProfilerTask", "collect", Bidirectional, later(Signal::Profile)),
    v10("AsyncProfilerTask", "getAsyncProfilerTaskCommands", Unary, PROFILE_POLL),
    v10("PprofTask", "collect", Bidirectional, later(Signal::Profile)),
    v10("PprofTask", "getPprofTaskCommands", Unary, PROFILE_POLL),
    method("EBPFProcessService", "reportProcesses", Unary, batch(Signal::Ebpf)),
    method("EBPFProcessService", "keepAlive", Unary, batch(Signal::Ebpf)),
    method("EBPFProfilingService", "queryTasks", Unary, EBPF_POLL),
    method("EBPFProfilingService", "collectProfilingData", ClientStream, later(Signal::Ebpf)),
    method("EBPFAccessLogService", "collect", ClientStream, later(Signal::Ebpf)),
    method("ContinuousProfilingService", "queryPolicies", Unary, EBPF_POLL),
    method("ContinuousProfilingService", "reportProfilingTask", Unary, later(Signal::Ebpf)),
    method("ServiceMeshMetricService", "collect", ClientStream, MESH),
];
