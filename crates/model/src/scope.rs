//! Scopes: what a row is about.

use serde::{Deserialize, Serialize};

/// What kind of entity a row is about. The number on disk never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// A service: `b64(name).normal`.
    Service,
    /// An instance of a service.
    ServiceInstance,
    /// An endpoint of a service.
    Endpoint,
    /// A call between two services, both sides' metrics in one row.
    ServiceRelation,
    /// A call between two instances.
    ServiceInstanceRelation,
    /// A call between two endpoints.
    EndpointRelation,
    /// A process of an instance.
    Process,
    /// A call between two processes.
    ProcessRelation,
    /// A network address and the service behind it; life rows only.
    Address,
    /// A searchable tag key (`TRACE|http.method`) and the values seen; day rows only.
    Tag,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 10] = [
        Scope::Service,
        Scope::ServiceInstance,
        Scope::Endpoint,
        Scope::ServiceRelation,
        Scope::ServiceInstanceRelation,
        Scope::EndpointRelation,
        Scope::Process,
        Scope::ProcessRelation,
        Scope::Address,
        Scope::Tag,
    ];

    /// The scope's number on disk.
    pub fn code(self) -> u8 {
        match self {
            Scope::Service => 1,
            Scope::ServiceInstance => 2,
            Scope::Endpoint => 3,
            Scope::ServiceRelation => 4,
            Scope::ServiceInstanceRelation => 5,
            Scope::EndpointRelation => 6,
            Scope::Process => 7,
            Scope::ProcessRelation => 8,
            Scope::Address => 9,
            Scope::Tag => 10,
        }
    }

    /// The scope of a number on disk.
    pub fn from_code(code: u8) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.code() == code)
    }
}
