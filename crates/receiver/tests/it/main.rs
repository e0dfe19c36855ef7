//! The receivers as agents see them: real connections, real clients, and the queues behind.

mod elements;
mod frames;
mod garbage;
mod grpc;
mod http;
mod methods;
mod pressure;
mod raw;
mod setup;
