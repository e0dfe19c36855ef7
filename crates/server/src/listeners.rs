//! The ports that the server listens on.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;

use crate::config::{Config, ListenConfig};
use crate::lifecycle::Tasks;
use crate::live::{Address, Ports};
use crate::net::{self, Places};
use crate::operators::Routes;
use crate::tls::Tls;

/// The four listeners, bound and not yet served.
pub(crate) struct Listeners {
    grpc: (TcpListener, Option<Tls>),
    http: (TcpListener, Option<Tls>),
    admin: (TcpListener, Option<Tls>),
    telemetry: (TcpListener, Option<Tls>),
    pub(crate) places: [(&'static str, Places); 4],
}

impl Listeners {
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Listeners> {
        Ok(Listeners {
            grpc: bind("server.grpc", &config.server.grpc).await?,
            http: bind("server.http", &config.server.http).await?,
            admin: bind("server.admin", &config.server.admin).await?,
            telemetry: bind("server.telemetry", &config.server.telemetry).await?,
            places: ["grpc", "http", "admin", "telemetry"]
                .map(|name| (name, Places::new(config.server.max_connections))),
        })
    }

    pub(crate) fn ports(&self) -> anyhow::Result<Ports> {
        Ok(Ports { grpc: self.grpc.0.local_addr()?.port(), http: self.http.0.local_addr()?.port() })
    }

    pub(crate) fn addresses(&self) -> anyhow::Result<Vec<Address>> {
        let url = |(listener, tls): &(TcpListener, Option<Tls>), scheme: &str, path: &str| -> anyhow::Result<String> {
            let secure = if tls.is_some() { "s" } else { "" };
            Ok(format!("{scheme}{secure}://{}{path}", shown(listener.local_addr()?)))
        };
        Ok(vec![
            Address { what: "agents, gRPC", url: url(&self.grpc, "grpc", "")? },
            Address { what: "agents, HTTP", url: url(&self.http, "http", "/v3")? },
            Address { what: "queries, GraphQL", url: url(&self.http, "http", "/graphql")? },
            Address { what: "status page", url: url(&self.http, "http", "/")? },
            Address { what: "status, admin port", url: url(&self.admin, "http", "/status")? },
            Address { what: "own telemetry", url: url(&self.telemetry, "http", "/metrics")? },
        ])
    }

    pub(crate) fn serve(self, tasks: &mut Tasks, grpc: Router, routes: Routes, telemetry: Router) {
        let parts =
            [(self.grpc, grpc), (self.http, routes.http), (self.admin, routes.admin), (self.telemetry, telemetry)];
        for (((listener, tls), router), (name, places)) in parts.into_iter().zip(self.places) {
            if let Some(tls) = &tls {
                tasks.background("certificates", tls.clone().watch(tasks.stop()));
            }
            tasks.edge(name, net::serve(listener, tls, router, places, tasks.stop()));
        }
    }
}

async fn bind(setting: &str, config: &ListenConfig) -> anyhow::Result<(TcpListener, Option<Tls>)> {
    let tls = config.tls.as_ref().map(Tls::open).transpose().with_context(|| format!("{setting}.tls"))?;
    let address = format!("{}:{}", config.host, config.port);
    let listener =
        TcpListener::bind(&address).await.with_context(|| format!("{setting}: cannot listen on {address}"))?;
    Ok((listener, tls))
}

/// An address a person can use: a listener on all addresses is reached at localhost.
fn shown(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}
