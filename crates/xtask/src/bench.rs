//! `cargo xtask bench`: measures pure functions, then the whole server under load.
//!
//! Nothing here judges: figures go to the terminal and to `target/bench/`, and from there, by hand, into docs/performance.md.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::shell::{Shell, say};
use crate::tidy::graph::Metadata;

/// Settings that move the server off its usual ports and data, as environment variables.
const GRPC_LISTEN: &str = "SKYLARK__RECEIVER__GRPC__LISTEN";
const HTTP_LISTEN: &str = "SKYLARK__RECEIVER__HTTP__LISTEN";
const METRICS_LISTEN: &str = "SKYLARK__TELEMETRY__LISTEN";
const DATA_DIR: &str = "SKYLARK__STORAGE__EMBEDDED__PATH";

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
    /// How long each run sends.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
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
        for rate in &self.rates {
            let server = Server::start(shell, target, &reports.join(format!("data-{rate}")))?;
            say(format_args!("ready after {} ms", server.ready_after.as_millis()));
            let report = shell
                .cmd(target.join("release/loadgen"))
                .args(["--grpc", &server.grpc.to_string(), "--http", &server.http.to_string()])
                .args(["--metrics", &server.metrics.to_string(), "--pid", &server.child.id().to_string()])
                .args(["--rate", &rate.to_string(), "--seconds", &self.seconds.to_string()])
                .read()?;
            server.stop(shell)?;
            let path = reports.join(format!("rate-{rate}.json"));
            fs::write(&path, &report)?;
            say(format_args!("{}:\n{}", path.display(), report.trim_end()));
        }
        Ok(())
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
    fn start(shell: &Shell, target: &Path, data: &Path) -> anyhow::Result<Self> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        let [grpc, http, metrics] = free_addresses()?;
        let log = data.with_extension("log");
        let settings = [(GRPC_LISTEN, grpc), (HTTP_LISTEN, http), (METRICS_LISTEN, metrics)];
        let mut command = shell.cmd(target.join("release/skylark")).env(DATA_DIR, data).into_inner();
        command.envs(settings.map(|(name, address)| (name, address.to_string())));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let since = now();
        let child = command.spawn().context("cannot start skylark")?;
        let mut server = Self { child, data: data.to_owned(), grpc, http, metrics, ready_after: Duration::ZERO };
        while !healthy(http) {
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

/// Addresses that nobody listened on a moment ago; all three are held at once, so they differ.
fn free_addresses() -> anyhow::Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = [bind()?, bind()?, bind()?];
    let [first, second, third] = held.each_ref().map(TcpListener::local_addr);
    Ok([first?, second?, third?])
}

/// Whether the health check answers 200.
fn healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /healthcheck HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| start.starts_with(b"HTTP/1.1 200"))
}

#[expect(clippy::disallowed_methods, reason = "a measurement of real processes; there is no runtime to pause here")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    #[test]
    fn a_server_is_healthy_when_it_answers_200() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for (answer, expected) in [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 \r\n\r\n", false), ("", false)] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut stream, _) = listener.accept().unwrap();
                    // Closing with the request unread would reset the connection.
                    let mut lines = BufReader::new(&stream).lines();
                    while !lines.next().unwrap().unwrap().is_empty() {}
                    stream.write_all(answer.as_bytes()).unwrap();
                });
                assert_eq!(healthy(address), expected, "{answer:?}");
            });
        }
        drop(listener);
        assert!(!healthy(address));
    }

    #[test]
    fn free_addresses_differ() {
        let [first, second, third] = free_addresses().unwrap();
        assert!(first != second && second != third && first != third);
    }
}
