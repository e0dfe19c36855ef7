//! The built server as a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::output::Output;
use crate::wire::Grpc;
use crate::{DEADLINE, tool, wait_for};

/// What the server is started with. Every listener takes a free port on loopback.
#[derive(Debug, Clone)]
pub struct Settings {
    variables: BTreeMap<String, String>,
    arguments: Vec<OsString>,
}

impl Settings {
    /// The embedded store in this folder.
    pub fn embedded(folder: &Path) -> Self {
        let settings = Self::of("embedded");
        settings.with("storage.path", folder.to_str().expect("temporary folders have names of letters"))
    }

    /// The store in memory.
    pub fn memory() -> Self {
        Self::of("memory")
    }

    /// The OpenSearch that answers there. Without replicas, as it has one node, and under a prefix that keeps tests apart.
    pub fn opensearch(url: &str, prefix: &str) -> Self {
        let settings = Self::of("opensearch").with("storage.opensearch.urls", url);
        settings.with("storage.opensearch.index_prefix", prefix).with("storage.opensearch.replicas", "0")
    }

    fn of(backend: &str) -> Self {
        let settings = Settings { variables: BTreeMap::new(), arguments: Vec::new() };
        let settings = settings.with("storage.backend", backend).with("server.zone", "UTC");
        ["grpc", "http", "admin", "telemetry"].into_iter().fold(settings, |settings, listener| {
            let setting = |name: &str| format!("server.{listener}.{name}");
            settings.with(&setting("host"), "127.0.0.1").with(&setting("port"), "0")
        })
    }

    /// With one more setting, named as in the file: `server.grpc.port`.
    #[must_use]
    pub fn with(mut self, setting: &str, value: &str) -> Self {
        let name = format!("SKYLARK__{}", setting.to_uppercase().replace('.', "__"));
        self.variables.insert(name, value.to_owned());
        self
    }

    /// With a folder of configuration files.
    #[must_use]
    pub fn with_files(mut self, folder: &Path) -> Self {
        self.arguments = vec!["--config-dir".into(), folder.into()];
        self
    }

    /// The server's program with these settings and no others, in an empty folder of its own.
    pub fn command(&self, folder: &TempDir) -> Command {
        let mut command = Command::new(tool("SKYLARK_BIN"));
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .env("RUST_BACKTRACE", "1")
            .current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// What a program that ended left.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs the server's program with these arguments until it ends by itself.
///
/// Panics when it does not within the deadline.
pub async fn run(settings: &Settings, arguments: &[&str]) -> Ended {
    let folder = empty_folder();
    let child = settings.command(&folder).args(arguments).spawn().expect("the server's program can be started");
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("the program ends by itself");
    let output = output.expect("its output can be read");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn empty_folder() -> TempDir {
    tempfile::tempdir().expect("the machine has room for temporary folders")
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its logs and its greeting.
    pub output: Output,
    reading: Vec<JoinHandle<()>>,
    client: reqwest::Client,
    /// `host:port` for agents.
    pub grpc: String,
    /// `host:port` of queries, the status page and agents' HTTP.
    pub http: String,
    /// URL of own telemetry.
    pub telemetry: String,
    _folder: TempDir,
}

impl Server {
    /// Starts it and waits until it has said that it serves.
    ///
    /// Panics when it ends or says nothing until the deadline.
    pub async fn start(settings: &Settings) -> Self {
        let folder = empty_folder();
        let mut child = settings.command(&folder).spawn().expect("the server's program can be started");
        let output = Output::new("skylark");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let reading = vec![output.follow(stdout), output.follow(stderr)];
        let greeting = wait_for("the greeting of the server", async || {
            let addresses = addresses(&output);
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if addresses.is_none()
                && let Some(status) = ended
            {
                panic!("the server ended with {status}: {:#?}", output.lines());
            }
            let addresses = addresses.ok_or_else(|| format!("{:#?}", output.lines()))?;
            Ok::<_, String>(addresses)
        });
        let (grpc, http, telemetry) = greeting.await;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build();
        let client = client.expect("a client without TLS needs nothing");
        Self { child, output, reading, client, grpc, http, telemetry, _folder: folder }
    }

    /// The process id.
    ///
    /// Panics when it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// A client of its gRPC port.
    pub fn grpc(&self) -> Grpc {
        Grpc::new(&self.grpc)
    }

    /// The whole answer to a GraphQL request, errors and all.
    ///
    /// Panics when the answer is no JSON.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let request = json!({ "query": query, "variables": variables });
        let url = format!("http://{}/graphql", self.http);
        let answer = self.client.post(url).json(&request).send().await.expect("the server answers");
        answer.json().await.expect("GraphQL answers are JSON")
    }

    /// The `data` of the answer to a GraphQL request.
    ///
    /// Panics when the answer has errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.graphql(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].take()
    }

    /// Its telemetry about itself.
    ///
    /// Panics when it does not answer.
    pub async fn metrics(&self) -> Metrics {
        self.try_metrics().await.expect("the server tells its telemetry")
    }

    /// Its telemetry about itself; `None` when it does not answer, because it is going or gone.
    pub async fn try_metrics(&self) -> Option<Metrics> {
        let answer = self.client.get(&self.telemetry).send().await.ok()?;
        Some(Metrics::parse(&answer.error_for_status().ok()?.text().await.ok()?))
    }

    /// Waits until at least `least` elements of `kind` are counted as stored, whatever else is on its way.
    pub async fn wait_counted(&self, kind: &str, least: u64) {
        wait_for("elements to be stored", async || match self.metrics().await.stored(kind) {
            stored if stored >= least => Ok(()),
            stored => Err(format!("{stored} {kind}s of {least}")),
        })
        .await;
    }

    /// Waits until everything accepted is stored and nothing is on its way, and at least `least` elements of `kind` are.
    pub async fn wait_stored(&self, kind: &str, least: u64) -> Metrics {
        wait_for("everything accepted to be stored", async || {
            let metrics = self.metrics().await;
            let (accepted, stored, in_flight) = (metrics.accepted(kind), metrics.stored(kind), metrics.in_flight());
            if stored >= least && accepted == stored && in_flight == 0 {
                return Ok(metrics);
            }
            Err(format!("{accepted} {kind}s accepted and {stored} stored of {least}, {in_flight} elements in flight"))
        })
        .await
    }

    /// Sends it a signal: `TERM` and `INT` ask it to stop, and it goes on until it has drained.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.expect("`kill` can be started");
        assert!(sent.success(), "no {name} for {pid}: {sent}");
    }

    /// Waits until it has ended and all it wrote is read.
    ///
    /// Panics when it does not end within the deadline.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = timeout(DEADLINE, self.child.wait()).await.expect("the server ends in time");
        for reading in self.reading.drain(..) {
            reading.await.expect("reading lines does not panic");
        }
        status.expect("its status can be read")
    }

    /// Asks it to stop, waits, and checks that it drained and logged no error.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "the server drained: {status}");
        self.assert_no_errors();
    }

    /// Kills it at once, as a crash of the machine would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Panics when the log has an error.
    pub fn assert_no_errors(&self) {
        self.output.assert_none(&["ERROR", "panicked at"]);
    }

    /// Resident memory that no file backs, in bytes.
    pub fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells RssAnon");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number of kB");
        kib * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.output.show_if_failed();
    }
}

/// Addresses of gRPC, HTTP and own telemetry, as the greeting tells them; `None` while it has not.
fn addresses(output: &Output) -> Option<(String, String, String)> {
    let url = |ending: &str, scheme: &str| {
        output.find(|line| {
            line.split_whitespace().find(|w| w.starts_with(scheme) && w.ends_with(ending)).map(str::to_owned)
        })
    };
    let host = |url: String| url.split("://").nth(1)?.split('/').next().map(str::to_owned);
    Some((host(url("", "grpc")?)?, host(url("/graphql", "http")?)?, url("/metrics", "http")?))
}
