//! Real OpenSearch: those that `cargo xtask test` has started for all suites, and one that a test may stop and kill.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::output::Output;
use crate::store::request;
use crate::tool;

/// Names the OpenSearch of all suites, their URLs with commas between them.
const SHARED: &str = "SKYLARK_OPENSEARCH";
/// A start takes 15 s on an idle machine.
const STARTED_WITHIN: Duration = Duration::from_secs(300);

/// The URL of the shared OpenSearch whose version begins like this; `None` where there is none, which is said.
///
/// Panics in CI where there is none.
#[expect(clippy::print_stderr, reason = "the one line that tells that a test has tested nothing")]
pub fn shared(version: &str) -> Option<String> {
    let urls = std::env::var_os(SHARED).unwrap_or_default();
    let urls = urls.to_str().unwrap_or_default().split(',').filter(|url| !url.is_empty());
    let found = urls.map(str::to_owned).find(|url| {
        let about =
            request(url, "GET", "/").unwrap_or_else(|error| panic!("{url} of {SHARED} does not answer: {error}"));
        let about: Value =
            serde_json::from_str(&about).unwrap_or_else(|_| panic!("{url} of {SHARED} is no OpenSearch"));
        about["version"]["number"].as_str().is_some_and(|number| number.starts_with(version))
    });
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{SHARED} names no OpenSearch {version}x: run `cargo xtask test`");
        eprintln!("not tested: {SHARED} names no OpenSearch {version}x");
    }
    found
}

/// An OpenSearch of a test's own. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct OpenSearch {
    _keeper: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    output: Output,
    client: reqwest::Client,
    /// Where it answers, the same after every start.
    pub url: String,
}

impl OpenSearch {
    /// Starts one, without data; `None` where the shared ones are missing too, which is said.
    pub async fn start() -> Option<Self> {
        shared("")?;
        let mut command = Command::new(tool("SKYLARK_XTASK"));
        command.arg("opensearch").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().expect("xtask can be started");
        let output = Output::new("opensearch");
        output.follow(keeper.stderr.take().expect("it is piped"));
        let orders = keeper.stdin.take().expect("it is piped");
        let answers = BufReader::new(keeper.stdout.take().expect("it is piped")).lines();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build();
        let client = client.expect("a client without TLS needs nothing");
        let mut node = Self { _keeper: keeper, orders, answers, output, client, url: String::new() };
        node.url = node.ready().await;
        Some(node)
    }

    async fn ready(&mut self) -> String {
        let line = self.answer().await;
        let url = line.strip_prefix("ready ").and_then(|rest| rest.split_whitespace().next());
        url.unwrap_or_else(|| panic!("{line:?} is no sign of a start")).to_owned()
    }

    async fn answer(&mut self) -> String {
        let line =
            timeout(STARTED_WITHIN, self.answers.next_line()).await.expect("OpenSearch starts and stops in time");
        line.expect("its output can be read").expect("OpenSearch runs")
    }

    async fn order(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("its keeper runs");
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(&mut self) {
        self.order("stop").await;
        assert_eq!(self.answer().await, "stopped");
    }

    /// Kills it as a crash of the machine would, and waits until it has gone.
    pub async fn kill(&mut self) {
        self.order("kill").await;
        assert_eq!(self.answer().await, "killed");
    }

    /// Starts it again with the data it had, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.order("start").await;
        self.ready().await;
    }

    /// The answer to a request.
    ///
    /// Panics when it is none of success, or no JSON.
    pub async fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Value {
        let request = self.client.request(method, format!("{}/{path}", self.url));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.expect("OpenSearch answers");
        let (status, text) = (answer.status(), answer.text().await.expect("its answers can be read"));
        assert!(status.is_success(), "OpenSearch answered {status} to {path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("OpenSearch answered to {path}: {error}: {text}"))
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        self.output.show_if_failed();
    }
}
