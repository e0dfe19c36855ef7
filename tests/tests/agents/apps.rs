//! The applications of `tests/agents/`, as processes.

use std::process::Stdio;

use e2e::application::Application;
use e2e::server::Ended;
use e2e::{DEADLINE, file, tool};
use tokio::process::Command;
use tokio::time::timeout;

/// The Flask service, its agent reporting to `collector`.
pub(crate) fn python(service: &str, collector: &str, environment: &[(&str, &str)]) -> Application {
    python_program("app", service, collector, environment)
}

/// A program of `agents/python/` as a service of this name.
pub(crate) fn python_program(
    program: &str,
    service: &str,
    collector: &str,
    environment: &[(&str, &str)],
) -> Application {
    let mut command = Command::new(tool("SKYLARK_PYTHON"));
    command.arg(file(&format!("agents/python/{program}.py")));
    command.envs(agent(service, collector)).envs(environment.iter().copied());
    command.env("SW_AGENT_INSTANCE_NAME", format!("{service}-1"));
    Application::start(&format!("python service {service}"), command)
}

/// The HTTP service of Node, which calls `following`.
pub(crate) fn node(service: &str, collector: &str, following: &str) -> Application {
    node_program("app", service, collector, &[("APP_NEXT", following)])
}

/// A program of `agents/node/` as a service of this name.
pub(crate) fn node_program(program: &str, service: &str, collector: &str, environment: &[(&str, &str)]) -> Application {
    let mut command = Command::new("node");
    command.arg(file(&format!("agents/node/{program}.js")));
    command.envs(agent(service, collector)).envs(environment.iter().copied());
    command.env("NODE_PATH", tool("SKYLARK_NODE_MODULES")).env("SW_AGENT_INSTANCE", format!("{service}-1"));
    Application::start(&format!("node service {service}"), command)
}

fn agent(service: &str, collector: &str) -> [(&'static str, String); 2] {
    [("SW_AGENT_NAME", service.to_owned()), ("SW_AGENT_COLLECTOR_BACKEND_SERVICES", collector.to_owned())]
}

/// Runs the application that reports one trace with the agent for Rust, to its end.
pub(crate) async fn rust(service: &str, url: &str, environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(tool("SKYLARK_RUST_AGENT"));
    command.args([url, service]).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
