//! Telemetry becomes rows and records: what agents report is derived, merged and totalled here.

pub mod alias;
pub mod catalogue;
pub mod context;
pub mod delta;
pub mod derive;
mod event;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod jvm;
mod log;
mod management;
pub mod naming;
pub mod oal;
pub mod policy;
pub mod prices;
pub mod rollup;
mod slow;
mod source;
mod tags;
mod trace;
pub mod windows;
pub mod worker;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
