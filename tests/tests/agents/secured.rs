//! The agent token, TLS and mutual TLS, each with a real agent that has it and one that has not.

use std::fs;
use std::path::Path;

use e2e::authority::{Authority, Issued};
use e2e::server::{Ended, Server, Settings};
use e2e::wait_for;

use crate::apps;

/// Whether the agent for Rust ended content.
pub(crate) fn reported(agent: &Ended) -> bool {
    agent.status.success() && agent.stdout.contains("reported") && agent.stderr.is_empty()
}

#[tokio::test]
async fn an_agent_with_the_token_reports_and_one_with_another_is_refused() {
    let server = Server::start(&Settings::memory().with("receiver.token", "s3cret")).await;
    let url = format!("http://{}", server.grpc);

    for wrong in [&[][..], &[("APP_TOKEN", "guess")][..]] {
        let refused = apps::rust("stranger", &url, wrong).await;
        assert!(refused.stderr.to_lowercase().contains("permissiondenied"), "{refused:?}");
    }
    let metrics = server.metrics().await;
    assert!(metrics.refused("unauthenticated") > 0);
    assert_eq!(metrics.accepted("segment"), 0);

    let agent = apps::rust("known", &url, &[("APP_TOKEN", "s3cret")]).await;
    assert!(reported(&agent), "{agent:?}");
    server.wait_stored("segment", 1).await;

    // No agent sends it over HTTP yet; a gateway that reports for others may.
    let heartbeat = |token: &str| {
        let request = reqwest::Client::new().post(format!("http://{}/v3/management/keepAlive", server.http));
        request.header("authentication", token).body(r#"{"service":"known","serviceInstance":"known-1"}"#).send()
    };
    assert_eq!(heartbeat("guess").await.unwrap().status(), 401);
    assert_eq!(heartbeat("s3cret").await.unwrap().status(), 200);

    let mut app = apps::python("known", &server.grpc, &[("SW_AGENT_AUTHENTICATION", "s3cret")]);
    reqwest::get(format!("http://127.0.0.1:{}/work", app.port().await)).await.unwrap();
    server.wait_stored("segment", 2).await;
    app.assert_no_errors();
    app.kill().await;
    server.stop().await;
}

#[tokio::test]
async fn agents_report_over_tls_and_certificates_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::new(folder.path(), "first");
    let served = first.issue("server");
    let settings = Settings::memory();
    let settings = ["grpc", "http"].into_iter().fold(settings, |settings, listener| {
        settings
            .with(&format!("server.{listener}.tls.certificate"), text(&served.certificate))
            .with(&format!("server.{listener}.tls.key"), text(&served.key))
    });
    let server = Server::start(&settings).await;
    let url = format!("https://{}", server.grpc);

    let agent = apps::rust("rust", &url, &[("APP_CA", text(&first.certificate))]).await;
    assert!(reported(&agent), "{agent:?}");
    server.wait_stored("segment", 1).await;

    let secure = ("SW_AGENT_FORCE_TLS", "true");
    let trust = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", text(&first.certificate));
    let mut grpc = apps::python("grpc", &local(&server.grpc), &[secure, trust]);
    let trust = ("REQUESTS_CA_BUNDLE", text(&first.certificate));
    let mut http = apps::python("http", &local(&server.http), &[secure, trust, ("SW_AGENT_PROTOCOL", "http")]);
    for (n, app) in [(2, &mut grpc), (3, &mut http)] {
        reqwest::get(format!("http://127.0.0.1:{}/work", app.port().await)).await.unwrap();
        server.wait_stored("segment", n).await;
        app.assert_no_errors();
    }
    grpc.kill().await;
    http.kill().await;

    let second = Authority::new(folder.path(), "second");
    let renewed = second.issue("server-renewed");
    // The key goes first: for a moment the two do not belong together, which must not stop the server.
    fs::rename(&renewed.key, &served.key).unwrap();
    fs::rename(&renewed.certificate, &served.certificate).unwrap();
    wait_for("the new certificate to be served", async || {
        let agent = apps::rust("rust", &url, &[("APP_CA", text(&second.certificate))]).await;
        if reported(&agent) { Ok(()) } else { Err(format!("{agent:?}")) }
    })
    .await;
    server.assert_no_errors();
}

#[tokio::test]
async fn mutual_tls_lets_in_agents_of_the_authority_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "own");
    let (served, client) = (authority.issue("server"), authority.issue("client"));
    let foreign = Authority::new(folder.path(), "foreign").issue("stranger");
    let settings = Settings::memory()
        .with("server.grpc.tls.certificate", text(&served.certificate))
        .with("server.grpc.tls.key", text(&served.key))
        .with("server.grpc.tls.client_ca", text(&authority.certificate));
    let server = Server::start(&settings).await;
    let url = format!("https://{}", server.grpc);
    let trust = ("APP_CA", text(&authority.certificate));

    let shown =
        |who: &Issued| [trust, ("APP_CERTIFICATE", text(&who.certificate)), ("APP_KEY", text(&who.key))].map(own);
    for (what, environment) in [("no certificate", vec![own(trust)]), ("a foreign one", shown(&foreign).to_vec())] {
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = apps::rust("stranger", &url, &environment).await;
        assert!(!reported(&refused), "{what} was let in: {refused:?}");
    }
    assert_eq!(server.metrics().await.accepted("segment"), 0);

    let environment = shown(&client);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let agent = apps::rust("known", &url, &environment).await;
    assert!(reported(&agent), "{agent:?}");
    server.wait_stored("segment", 1).await;
    server.stop().await;
}

fn own((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}

/// The same address by the name that certificates have.
fn local(address: &str) -> String {
    address.replace("127.0.0.1", "localhost")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
