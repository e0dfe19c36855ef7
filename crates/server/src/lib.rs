//! The server: configuration, wiring, lifecycle, own telemetry and the pages and endpoints about the server itself.
//!
//! Start with [`app`]: it is the one page on which everything is made and connected.

pub mod admin;
pub mod alarm_telemetry;
mod alarms;
pub mod app;
pub mod assets;
pub mod auth;
pub mod config;
pub mod files;
pub mod healthcheck;
mod layering;
mod lifecycle;
mod listeners;
pub mod live;
mod naming;
pub mod net;
mod operators;
pub mod policies;
pub mod process;
mod prompt;
pub mod render;
pub mod scrape;
pub mod storage_command;
pub mod telemetry;
pub mod tls;
mod upkeep;
pub mod watch;
