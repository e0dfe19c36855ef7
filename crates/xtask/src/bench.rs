//! `cargo xtask bench`: measures pure functions, then the whole server under load.
//!
//! Nothing here judges: figures go to the terminal and to `target/bench/`, and from there, by hand, into docs/performance.md.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::opensearch;
use crate::probe::{answers, free_addresses, now};
use crate::shell::{Shell, say};
use crate::tidy::graph::Metadata;

/// The server's listeners in the names of its settings: `SKYLARK__SERVER__<listener>__HOST` and `…__PORT`.
const LISTENERS: [&str; 3] = ["GRPC", "HTTP", "TELEMETRY"];
const DATA_DIR: &str = "SKYLARK__STORAGE__PATH";

/// A server that is not ready by then has failed to start.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longer than the server's own deadline for its shutdown.
const STOPPED_WITHIN: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(2);

/// What to measure; both when neither is named.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only the micro-benchmarks.
    #[arg(long, conflicts_with = "load")]
    micro: bool,
    /// Only the server under load.
    #[arg(long)]
    load: bool,
    /// Segments a second, one run for each rate, each against a server that has just started on an empty folder.
    #[arg(long, value_delimiter = ',', default_value = "2000,10000")]
    rates: Vec<u32>,
    /// Where the server keeps its data; each rate is run on each.
    #[arg(long, value_delimiter = ',', default_value = "embedded")]
    stores: Vec<Store>,
    /// How long each run sends.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// What else to tell the load generator, after `--`: `-- --services 20 --endpoints 5`.
    #[arg(last = true)]
    loadgen: Vec<String>,
}

/// A store to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Embedded,
    /// The newest OpenSearch that is tested with, started for each run; its CPU and memory count beside the server's.
    Opensearch,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Store::Embedded => "embedded",
            Store::Opensearch => "opensearch",
        }
    }
}

impl Bench {
    pub(crate) fn run(&self, shell: &Shell) -> anyhow::Result<()> {
        let metadata = Metadata::read(shell)?;
        if !self.load {
            micro(shell, &metadata)?;
        }
        if !self.micro {
            self.load(shell, &metadata.target_directory)?;
        }
        Ok(())
    }

    fn load(&self, shell: &Shell, target: &Path) -> anyhow::Result<()> {
        shell.cargo("build").args(["--release", "--locked", "-p", "server", "-p", "loadgen"]).run()?;
        let reports = target.join("bench");
        fs::create_dir_all(&reports)?;
        for (&rate, &store) in self.rates.iter().flat_map(|rate| self.stores.iter().map(move |store| (rate, store))) {
            let name = format!("{}-{rate}", store.name());
            let opensearch = (store == Store::Opensearch).then(|| opensearch::for_bench(shell)).transpose()?;
            let server = Server::start(shell, target, &reports.join(format!("data-{name}")), opensearch.as_ref())?;
            let ready_ms = server.ready_after.as_millis();
            say(format_args!("ready after {ready_ms} ms"));
            let report = shell
                .cmd(target.join("release/loadgen"))
                .args(self.load_args(&server, rate, opensearch.as_ref().map(|(_, pid)| *pid)))
                .read()?;
            server.stop(shell)?;
            let report: Value = serde_json::from_str(&report).context("the load generator's report is not JSON")?;
            let whole = json!({ "ready_ms": u64::try_from(ready_ms)?, "load": report });
            let (path, text) = (reports.join(format!("{name}.json")), serde_json::to_string_pretty(&whole)?);
            fs::write(&path, &text)?;
            say(format_args!("{}:\n{text}", path.display()));
        }
        Ok(())
    }

    /// What the load generator is told. What the caller adds comes last.
    fn load_args(&self, server: &Server, rate: u32, opensearch: Option<u32>) -> Vec<String> {
        let Server { grpc, http, metrics, child, .. } = server;
        let own = [
            ("--grpc", format!("http://{grpc}")),
            ("--http", format!("http://{http}")),
            ("--metrics", format!("http://{metrics}/metrics")),
            ("--pid", child.id().to_string()),
            ("--rate", rate.to_string()),
            ("--seconds", self.seconds.to_string()),
        ];
        let own = own.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let beside = opensearch.into_iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]);
        own.chain(beside).chain(self.loadgen.iter().cloned()).collect()
    }
}

/// Runs every benchmark target of the workspace.
fn micro(shell: &Shell, metadata: &Metadata) -> anyhow::Result<()> {
    for (name, package) in &metadata.packages {
        for bench in &package.benches {
            shell.cargo("bench").args(["--locked", "-p", name, "--bench", bench]).run()?;
        }
    }
    Ok(())
}

/// A release server of its own, on free ports. Dropping it kills it and forgets its data.
#[derive(Debug)]
struct Server {
    child: Child,
    data: PathBuf,
    grpc: SocketAddr,
    http: SocketAddr,
    metrics: SocketAddr,
    ready_after: Duration,
}

impl Server {
    /// Returns when its health check says that it is ready.
    fn start(
        shell: &Shell,
        target: &Path,
        data: &Path,
        opensearch: Option<&(opensearch::Node, u32)>,
    ) -> anyhow::Result<Self> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        let [grpc, http, metrics] = free_addresses()?;
        let log = data.with_extension("log");
        let mut command = shell.cmd(target.join("release/skylark")).env(DATA_DIR, data).into_inner();
        command.envs(LISTENERS.iter().zip([grpc, http, metrics]).flat_map(|(name, at)| listen(name, at)));
        if let Some((node, _)) = opensearch {
            let settings =
                [("BACKEND", "opensearch"), ("OPENSEARCH__URLS", &node.url()), ("OPENSEARCH__REPLICAS", "0")];
            command.envs(settings.map(|(name, value)| (format!("SKYLARK__STORAGE__{name}"), value.to_owned())));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let since = now();
        let child = command.spawn().context("cannot start skylark")?;
        let mut server = Self { child, data: data.to_owned(), grpc, http, metrics, ready_after: Duration::ZERO };
        while !answers(http, "/healthcheck") {
            if let Some(status) = server.child.try_wait()? {
                bail!("skylark ended with {status}: see {}", log.display());
            }
            ensure!(
                since.elapsed() < READY_WITHIN,
                "skylark is not ready after {READY_WITHIN:?}: see {}",
                log.display()
            );
            thread::sleep(POLL);
        }
        server.ready_after = since.elapsed();
        Ok(server)
    }

    /// Asks it to drain and waits for its end. `Err` when it lost something.
    fn stop(mut self, shell: &Shell) -> anyhow::Result<()> {
        shell.cmd("kill").args(["-TERM", &self.child.id().to_string()]).run()?;
        let since = now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "skylark ended with {status}: see the log beside {}", self.data.display());
                return Ok(());
            }
            ensure!(
                since.elapsed() < STOPPED_WITHIN,
                "skylark still runs {STOPPED_WITHIN:?} after it was asked to stop"
            );
            thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What fails here has ended or is gone already.
        self.child.kill().and_then(|()| self.child.wait().map(drop)).unwrap_or_default();
        fs::remove_dir_all(&self.data).unwrap_or_default();
    }
}

/// The settings that make a listener listen at an address.
fn listen(listener: &str, at: SocketAddr) -> [(String, String); 2] {
    let name = |part: &str| format!("SKYLARK__SERVER__{listener}__{part}");
    [(name("HOST"), at.ip().to_string()), (name("PORT"), at.port().to_string())]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_listener_has_two_settings() {
        let expected = [("SKYLARK__SERVER__GRPC__HOST", "127.0.0.1"), ("SKYLARK__SERVER__GRPC__PORT", "7")];
        let settings = listen("GRPC", SocketAddr::from((Ipv4Addr::LOCALHOST, 7)));
        assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
