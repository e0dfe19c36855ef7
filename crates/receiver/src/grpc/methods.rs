//! Every method that agents call, as a table.

use crate::intake::Kind;

/// How many messages go which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One each.
    Unary,
    /// Many in, one out at the end.
    ClientStream,
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

const V3: &str = "skywalking.v3";

const fn method(service: &'static str, name: &'static str, shape: Shape, kind: Kind) -> Method {
    Method { package: V3, service, name, shape, kind, legacy: false }
}

const fn legacy(service: &'static str, name: &'static str, shape: Shape, kind: Kind) -> Method {
    Method { package: V3, service, name, shape, kind, legacy: true }
}

pub(super) static METHODS: &[Method] = &[
    legacy("TraceSegmentReportService", "collect", Shape::ClientStream, Kind::Segment),
    legacy("TraceSegmentReportService", "collectInSync", Shape::Unary, Kind::Segments),
    legacy("ManagementService", "reportInstanceProperties", Shape::Unary, Kind::Properties),
    legacy("ManagementService", "keepAlive", Shape::Unary, Kind::KeepAlive),
    method("ConfigurationDiscoveryService", "fetchConfigurations", Shape::Unary, Kind::Configuration),
];
