//! Telemetry becomes rows and records: what agents report is derived, merged and totalled here.

pub mod alias;
pub mod context;
pub mod delta;
pub mod derive;
pub mod naming;
pub mod oal;
pub mod rollup;
pub mod worker;
