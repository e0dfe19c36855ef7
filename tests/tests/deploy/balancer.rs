//! The balancer with the shipped configuration, before two real servers. Only addresses are changed: nodes are named one by one
//! instead of being looked up.

use std::net::Ipv4Addr;
use std::process::Stdio;

use e2e::application::Application;
use e2e::load;
use e2e::server::{Server, Settings};
use e2e::wire::Grpc;
use e2e::{now, tool, wait_for};
use tempfile::TempDir;
use tokio::process::Command;

use super::text;

/// How many streams are sent.
const N_STREAMS: usize = 10;

/// HAProxy, on an address of loopback that nobody else has.
struct Balancer {
    process: Application,
    grpc: String,
    http: String,
    _folder: TempDir,
}

impl Balancer {
    /// Starts it before `nodes`. `checked` is the port at which agents' nodes are asked whether they are well; by default
    /// that of their queries.
    async fn start(nodes: [&Server; 2], checked: Option<u16>) -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        // Two balancers of one process have addresses of their own as well.
        let own = Ipv4Addr::new(127, if checked.is_some() { 78 } else { 77 }, high, low.max(1));
        let (grpc, http) = (format!("{own}:21180"), format!("{own}:21280"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haproxy.cfg");
        std::fs::write(&path, config(nodes, checked, &grpc, &http)).unwrap();
        let mut command = Command::new(tool("SKYLARK_HAPROXY"));
        command.arg("-f").arg(path).stdin(Stdio::null());
        let balancer = Self { process: Application::start("haproxy", command), grpc, http, _folder: folder };
        wait_for("the balancer to answer", async || {
            let answer = reqwest::get(format!("http://{}/healthcheck", balancer.http)).await;
            let answer = answer.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
            answer.text().await.map_err(|error| error.to_string())
        })
        .await;
        balancer
    }

    /// Sends streams, all by one connection, `per` segments each.
    async fn send(&self, prefix: &str, per: usize) {
        let grpc = Grpc::new(&self.grpc);
        for n in 0..N_STREAMS {
            load::send(&grpc, "balanced", &format!("{prefix}{n}"), per, now()).await;
        }
    }
}

/// The shipped configuration with other addresses.
fn config(nodes: [&Server; 2], checked: Option<u16>, grpc: &str, http: &str) -> String {
    let shipped = text("deploy/balancer/haproxy.cfg");
    let shipped =
        shipped.replace("bind :11800", &format!("bind {grpc}")).replace("bind :12800", &format!("bind {http}"));
    let lines = shipped.lines().flat_map(|line| {
        let Some(server) = line.trim().strip_prefix("server-template node 1-16 skylark:") else {
            return vec![line.to_owned()];
        };
        let (port, options) = server.split_once(' ').unwrap_or((server, ""));
        let of = |(n, node): (usize, &Server)| {
            let address = if port == "11800" { &node.grpc } else { &node.http };
            let asked = checked.map_or_else(|| port_of(&node.http), |port| port.to_string());
            let options = options.replace("check port 12800", &format!("check port {asked}"));
            format!("    server node{n} {address} {options}")
        };
        nodes.into_iter().enumerate().map(of).collect()
    });
    let config = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert!(!config.contains("skylark:") && config.contains(grpc) && config.contains(http), "{config}");
    config
}

fn port_of(address: &str) -> String {
    address.rsplit(':').next().unwrap().to_owned()
}

#[test]
fn the_configuration_is_valid_as_it_is_shipped() {
    let path = super::repository("deploy/balancer/haproxy.cfg");
    let checked = std::process::Command::new(tool("SKYLARK_HAPROXY")).args(["-c", "-V", "-f"]).arg(path).output();
    let checked = checked.unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
}

#[tokio::test]
async fn streams_of_one_agent_are_spread_and_go_on_when_a_node_is_stopped() {
    let (first, second) = (Server::start(&Settings::memory()).await, Server::start(&Settings::memory()).await);
    let balancer = Balancer::start([&first, &second], None).await;

    balancer.send("both", 3).await;
    let shares = [first.metrics().await.accepted("segment"), second.metrics().await.accepted("segment")];
    assert_eq!(shares.iter().sum::<u64>(), 3 * N_STREAMS as u64, "{shares:?}");
    assert_eq!(shares[0], shares[1], "one node has more than the other, and nothing else went on");

    first.stop().await;
    // The balancer has not been told: what it cannot hand to the one that is gone it hands to the other.
    balancer.send("one", 1).await;
    let left = second.wait_stored("segment", shares[1] + N_STREAMS as u64).await;
    assert_eq!(left.accepted("segment"), shares[1] + N_STREAMS as u64);
    let query = serde_json::json!({ "query": "{ listServices(layer: \"GENERAL\") { name } }" });
    let graphql = format!("http://{}/graphql", balancer.http);
    wait_for("the service through the balancer", async || {
        let answer = reqwest::Client::new().post(&graphql).json(&query).send().await;
        let answer = answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
        if answer.contains("balanced") { Ok(()) } else { Err(answer) }
    })
    .await;
    second.stop().await;
}

#[tokio::test]
async fn agents_are_let_through_when_no_node_is_well() {
    let (first, second) = (Server::start(&Settings::memory()).await, Server::start(&Settings::memory()).await);
    // Nobody answers there: it stands for nodes that say that they are not well.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let balancer = Balancer::start([&first, &second], Some(port)).await;
    wait_for("all nodes to be unwell", async || {
        let given_up = balancer
            .process
            .output
            .find(|line| line.contains("agents").then_some(()).filter(|()| line.contains("no server available")));
        given_up.ok_or_else(|| balancer.process.output.lines().join("\n"))
    })
    .await;

    balancer.send("unwell", 1).await;
    let accepted = [first.metrics().await.accepted("segment"), second.metrics().await.accepted("segment")];
    assert_eq!(accepted.iter().sum::<u64>(), N_STREAMS as u64, "{accepted:?}");
    first.stop().await;
    second.stop().await;
}
