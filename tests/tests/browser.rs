//! The status page in a real browser: it fills itself, and it changes while somebody looks at it.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::process::Stdio;

use e2e::output::Output;
use e2e::server::{Server, Settings};
use e2e::{load, now, tool, wait_for};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

#[tokio::test]
async fn the_page_shows_who_reports_and_what_was_refused_without_being_loaded_again() {
    let server = Server::start(&Settings::memory()).await;
    let mut page = Page::open(&format!("http://{}/", server.http)).await;

    page.wait("Nobody has reported yet").await;
    page.wait("Nothing was refused").await;
    page.wait("running").await;
    page.wait(&format!("SW_AGENT_COLLECTOR_BACKEND_SERVICES=127.0.0.1:{}", port(&server.grpc))).await;
    page.wait(&server.telemetry).await;
    // A page that is loaded again forgets this.
    page.evaluate("window.sameDocument = true").await;

    let grpc = server.grpc();
    load::send(&grpc, "orchard", "seen", 3, now()).await;
    page.wait("orchard").await;
    page.wait("just now").await;
    assert!(!page.text().await.contains("Nobody has reported yet"), "a service reports, and the page denies it");

    let nameless = load::segment("", "nameless", now()).encode_to_vec();
    grpc.stream(load::COLLECT, vec![nameless.into()]).await.unwrap();
    page.wait("missing name").await;
    assert!(!page.text().await.contains("Nothing was refused"), "something was refused, and the page denies it");
    assert_eq!(page.evaluate("window.sameDocument").await, true, "the page was loaded again");

    let foreign = page.evaluate(
        "performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith(location.origin))",
    );
    assert_eq!(foreign.await, json!([]), "the page loads things from elsewhere");

    server.stop().await;
    page.wait("no answer from the server").await;
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

/// A page in headless Chromium, which is told what to do over its debugging pipe: JSON messages that end with a zero byte.
struct Page {
    _browser: Child,
    _profile: TempDir,
    output: Output,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    n_sent: u64,
    session: Value,
}

impl Page {
    async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
                     --disable-background-networking --disable-component-update --disable-sync --remote-debugging-pipe";
        // The browser reads the pipe from descriptor 3 and writes to 4; its standard streams are ours.
        let script = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(tool("SKYLARK_CHROMIUM")).args(flags.split_whitespace());
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut browser = command.spawn().unwrap();
        let output = Output::new("chromium");
        output.follow(browser.stderr.take().unwrap());
        let commands = browser.stdin.take().unwrap();
        let answers = BufReader::new(browser.stdout.take().unwrap());
        let mut page =
            Self { _browser: browser, _profile: profile, output, commands, answers, n_sent: 0, session: Value::Null };
        let target = page.command("Target.createTarget", json!({ "url": url })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.command("Target.attachToTarget", attach).await["sessionId"].take();
        page
    }

    /// Sends a command and returns its result; what the browser reports meanwhile is passed over.
    async fn command(&mut self, method: &str, params: Value) -> Value {
        self.n_sent += 1;
        let mut command = json!({ "id": self.n_sent, "method": method, "params": params });
        if self.session.is_string() {
            command["sessionId"] = self.session.clone();
        }
        let mut bytes = serde_json::to_vec(&command).unwrap();
        bytes.push(0);
        self.commands.write_all(&bytes).await.unwrap();
        loop {
            let mut answer = Vec::new();
            let read = timeout(e2e::DEADLINE, self.answers.read_until(0, &mut answer)).await;
            assert!(read.unwrap().unwrap() > 0, "the browser ended");
            answer.pop();
            let mut answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.n_sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.command("Runtime.evaluate", params).await;
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// What a reader sees.
    async fn text(&mut self) -> String {
        let text = self.evaluate("document.body ? document.body.innerText : ''").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    async fn wait(&mut self, text: &str) {
        wait_for(text, async || {
            let seen = self.text().await;
            if seen.contains(text) { Ok(()) } else { Err(seen) }
        })
        .await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.output.show_if_failed();
    }
}
