//! What the end-to-end suites share: the real server as a process of its own, agents' applications beside it, the wire, and
//! waiting for conditions.
//!
//! Everything here panics with what it saw when something is not as the suite needs it; the logs of all processes that a
//! failed test started are printed with it.

pub mod application;
pub mod authority;
pub mod hook;
pub mod load;
pub mod metrics;
pub mod middleware;
pub mod opensearch;
pub mod output;
pub mod proxy;
pub mod recorded;
pub mod server;
pub mod store;
pub mod wire;

use std::path::PathBuf;
use std::time::Duration;

use model::{Clock, UnixMillis};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How long a condition may take to come true. Nothing takes this long on an idle machine; a busy one with two cores may need
/// a good part of it.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Time between two looks at a condition.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks again and again until `look` has an answer, and returns it.
///
/// Panics after [`DEADLINE`] and names `what` was waited for. `look` says in its `Err` what it saw instead, for that message.
pub async fn wait_for<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    match wait_until(Instant::now() + DEADLINE, look).await {
        Ok(answer) => answer,
        Err(seen) => panic!("waited {DEADLINE:?} for {what}; at last: {seen}"),
    }
}

/// Looks again and again until `look` has an answer or the deadline has passed; then `Err` is what it saw last.
pub async fn wait_until<T>(deadline: Instant, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let mut looks = interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "never looked".to_owned();
    loop {
        looks.tick().await;
        match timeout_at(deadline, look()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(seen)) => last = seen,
            Err(_) => return Err(last),
        }
        if Instant::now() >= deadline {
            return Err(last);
        }
    }
}

/// The time now.
pub fn now() -> UnixMillis {
    Clock::system().now()
}

/// The program or folder that a variable of the environment names.
///
/// Panics with one line where it is not set: the machine lacks the tool, or the suite was not started by xtask.
pub fn tool(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!("{variable} is not set: run `cargo xtask test`, and read there what it could not fetch"),
    }
}

/// A file of `tests/`.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
