//! Sends realistic telemetry at a rate and measures what the server makes of it.
//!
//! `loadgen --help` lists what can be asked for. Progress goes to standard error, one JSON report to standard output; its fields
//! are documented in `report.rs`. It only ever talks to this machine, and stops by itself.

mod api;
mod clock;
mod options;
mod others;
mod pace;
mod probe;
mod process;
mod prom;
mod queries;
mod report;
mod rng;
mod run;
mod send;
mod stats;
mod template;
mod traffic;
mod world;

use std::io::Write as _;

use clap::Parser as _;

// One thread: what it does is little, and the cores belong to the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    let report = run::run(&options).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}
