//! What agents speak, turned into [`model::telemetry::Telemetry`]: gRPC and its HTTP twins.
//!
//! An element comes in as bytes, is weighed against one byte budget while it arrives (`budget`), decoded and checked once
//! (`intake`), and put into a bounded queue ([`Ingest`]). What cannot be used is counted with a reason and never ends a
//! stream. After this crate no code asks whether a field is missing or a time makes sense.
//!
//! Listeners, TLS and limits on connections belong to the server; here are the two routers it serves.

mod budget;
mod config;
mod discovery;
mod fault;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod grpc;
mod gunzip;
mod heavy;
mod http;
mod ingest;
mod intake;
mod later;
mod reporters;
mod token;
mod wire;

pub use config::{AgentConfiguration, Config, MaxAge};
pub use grpc::router as grpc;
pub use http::router as http;
pub use ingest::Ingest;
pub use model::Secret;
pub use reporters::{Protocol, Reporter};
