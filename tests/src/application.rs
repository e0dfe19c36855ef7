//! Applications with a real agent, each a process of its own.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::output::Output;
use crate::wait_for;

/// A running application. Dropping it kills it.
#[derive(Debug)]
pub struct Application {
    child: Child,
    /// What it wrote, its agent's logs among it.
    pub output: Output,
}

impl Application {
    /// Starts it. `name` is for messages.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}, {command:?}: {error}"));
        let output = Output::new(name);
        output.follow(child.stdout.take().expect("it is piped"));
        output.follow(child.stderr.take().expect("it is piped"));
        Self { child, output }
    }

    /// Waits until it says `listening on PORT`, and returns the port.
    ///
    /// Panics when it ends before that.
    pub async fn port(&mut self) -> u16 {
        self.says(|line| line.strip_prefix("listening on ")?.parse().ok()).await
    }

    /// Waits until it says a line for which `pick` has an answer, and returns that.
    ///
    /// Panics when it ends before that.
    pub async fn says<T>(&mut self, pick: impl Fn(&str) -> Option<T>) -> T {
        wait_for("an application to be ready", async || {
            let said = self.output.find(&pick);
            match (said, self.child.try_wait()) {
                (Some(said), _) => Ok(said),
                (None, Ok(Some(ended))) => panic!("the application ended: {ended}"),
                (None, _) => Err(self.output.lines().join("\n")),
            }
        })
        .await
    }

    /// Panics when the agent or the application wrote of an error.
    pub fn assert_no_errors(&self) {
        self.output.assert_none(&["ERROR", "Error", "error", "Traceback", "panicked", "UNIMPLEMENTED", "UNAVAILABLE"]);
    }

    /// Ends it. What was not reported yet is lost.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.output.show_if_failed();
    }
}
