//! Why a call ends without success, and how each protocol says so.

use axum::http::StatusCode;
use model::ledger::Reason;
use tonic::{Code, Status};

/// Why a call ends early. A bad element is none of these: it is counted, and the call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the queues or the memory for telemetry stayed full: send less or later")]
    Overload,
    #[error("the server is shutting down")]
    Closing,
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    #[error("the message is larger than the limit")]
    TooLarge,
    #[error("the message did not arrive in time")]
    TooSlow,
    #[error("the message is malformed")]
    Counted,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the token is missing or wrong")]
    Unauthenticated,
    #[error("only identity and gzip are understood")]
    UnknownEncoding,
    #[error("the client went away")]
    Gone,
}

impl Fault {
    /// The reason it is counted under; `None` where the element was counted already or nothing came.
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Fault::Overload => Some(Reason::Overload),
            Fault::Malformed(_) | Fault::UnknownEncoding => Some(Reason::Malformed),
            Fault::TooLarge => Some(Reason::TooLarge),
            Fault::TooSlow => Some(Reason::TooSlow),
            Fault::Unauthenticated => Some(Reason::Unauthenticated),
            Fault::Closing | Fault::Gone | Fault::Counted | Fault::Invalid(_) => None,
        }
    }

    /// As gRPC says it. Never UNKNOWN: agents take that for a broken connection.
    pub(crate) fn status(self) -> Status {
        let code = match self {
            Fault::Overload | Fault::TooLarge => Code::ResourceExhausted,
            Fault::Closing => Code::Unavailable,
            Fault::Malformed(_) | Fault::Counted | Fault::Invalid(_) => Code::InvalidArgument,
            Fault::TooSlow => Code::DeadlineExceeded,
            Fault::Unauthenticated => Code::PermissionDenied,
            Fault::UnknownEncoding => Code::Unimplemented,
            Fault::Gone => Code::Cancelled,
        };
        Status::new(code, self.to_string())
    }

    /// As HTTP says it.
    pub(crate) fn http(self) -> StatusCode {
        match self {
            Fault::Overload | Fault::Closing => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Malformed(_) | Fault::Counted | Fault::Invalid(_) | Fault::Gone => StatusCode::BAD_REQUEST,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Fault::Unauthenticated => StatusCode::UNAUTHORIZED,
            Fault::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}
