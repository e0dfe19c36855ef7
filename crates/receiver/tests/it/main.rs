//! The receivers as agents see them: real connections, real clients, and the queues behind.

// Each is marked as test code, so that its helpers may unwrap like its tests.
#[cfg(test)]
mod elements;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod http;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod setup;
