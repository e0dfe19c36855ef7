//! The receivers as agents see them: real connections, real clients, and the queues behind.

mod grpc;
mod http;
mod setup;
