//! PostgreSQL, Redis and RabbitMQ, the same three for all tests of a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use crate::tool;

/// Says that xtask has fetched them.
const FETCHED: &str = "SKYLARK_MIDDLEWARE";

/// Where they answer, each `host:port`.
#[derive(Debug)]
pub struct Middleware {
    /// The user `skylark` needs no password for the database `postgres`.
    pub postgresql: String,
    /// Without a password.
    pub redis: String,
    /// Its user `guest` has the password `guest`.
    pub rabbitmq: String,
    /// They end when its input does, which is when this process ends.
    _keeper: (Child, ChildStdin),
}

/// Those of this process, started when they are first asked for; `None` where the machine has none, which is said.
///
/// Panics in CI where there are none, and anywhere when they do not start.
#[expect(clippy::print_stderr, reason = "the one line that tells that a test has tested nothing")]
pub fn shared() -> Option<&'static Middleware> {
    static SHARED: OnceLock<Middleware> = OnceLock::new();
    if std::env::var_os(FETCHED).is_none_or(|path| path.is_empty()) {
        assert!(std::env::var_os("CI").is_none(), "{FETCHED} is not set: run `cargo xtask test`");
        eprintln!("not tested: {FETCHED} is not set");
        return None;
    }
    Some(SHARED.get_or_init(start))
}

fn start() -> Middleware {
    let mut command = Command::new(tool("SKYLARK_XTASK"));
    command.arg("middleware").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut keeper = command.spawn().expect("xtask can be started");
    let input = keeper.stdin.take().expect("it is piped");
    let mut line = String::new();
    let mut output = BufReader::new(keeper.stdout.take().expect("it is piped"));
    output.read_line(&mut line).expect("its output can be read");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["ready", postgresql, redis, rabbitmq] = words[..] else {
        panic!("the middleware did not start, as `cargo xtask middleware` says above: {line:?}")
    };
    let [postgresql, redis, rabbitmq] = [postgresql, redis, rabbitmq].map(str::to_owned);
    Middleware { postgresql, redis, rabbitmq, _keeper: (keeper, input) }
}
