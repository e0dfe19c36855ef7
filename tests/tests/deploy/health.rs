//! `skylark healthcheck` beside a real server with the same settings, as a container runs it.

use std::path::Path;

use e2e::authority::{Authority, Issued};
use e2e::server::{Ended, Server, Settings, run};

fn with_certificate(issued: &Issued, client_ca: Option<&Path>) -> Settings {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let settings = Settings::memory()
        .with("server.http.tls.certificate", &text(&issued.certificate))
        .with("server.http.tls.key", &text(&issued.key));
    client_ca.into_iter().fold(settings, |settings, ca| settings.with("server.http.tls.client_ca", &text(ca)))
}

/// Asks what listens at this server's address, with these settings otherwise.
async fn ask(settings: &Settings, server: &Server) -> Ended {
    let port = server.http.rsplit(':').next().unwrap();
    run(&settings.clone().with("server.http.port", port), &["healthcheck"]).await
}

#[tokio::test]
async fn a_server_is_well_while_it_runs_and_not_afterwards() {
    let settings = Settings::memory();
    let server = Server::start(&settings).await;
    let asked = ask(&settings, &server).await;
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    assert!(asked.stdout.contains("memory") && asked.stderr.is_empty(), "{asked:?}");

    let port = server.http.rsplit(':').next().unwrap().to_owned();
    server.stop().await;
    let asked = run(&settings.with("server.http.port", &port), &["healthcheck"]).await;
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    assert!(asked.stdout.is_empty() && asked.stderr.contains(&port), "{asked:?}");
}

#[tokio::test]
async fn a_server_with_a_certificate_is_known_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "own");
    let (served, other) = (authority.issue("served"), authority.issue("other"));
    for client_ca in [None, Some(authority.certificate.as_path())] {
        let settings = with_certificate(&served, client_ca);
        let server = Server::start(&settings).await;
        let asked = ask(&settings, &server).await;
        assert_eq!(asked.status.code(), Some(0), "{client_ca:?}: {asked:?}");
        // Somebody else has taken the port.
        let asked = ask(&with_certificate(&other, client_ca), &server).await;
        assert_eq!(asked.status.code(), Some(1), "{client_ca:?}: {asked:?}");
        let asked = ask(&Settings::memory(), &server).await;
        assert_eq!(asked.status.code(), Some(1), "without TLS: {asked:?}");
        server.stop().await;
    }
}
