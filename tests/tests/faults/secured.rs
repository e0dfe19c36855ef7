//! A cluster that asks who comes: TLS with an authority of its own, a password, a client certificate, a path before everything.

use std::path::Path;

use e2e::authority::Authority;
use e2e::load;
use e2e::opensearch::shared;
use e2e::proxy::{Front, Proxy, tls};
use e2e::server::{Server, Settings, run};
use e2e::store::Store;

use crate::{SERVICE, health, this_minute, wait_counted};

#[tokio::test]
async fn a_server_with_all_that_the_cluster_asks_for_works_and_one_without_says_what_is_missing() {
    let Some(url) = shared("3.") else { return };
    let store = Store::opensearch(&url);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "cluster");
    let (served, client) = (authority.issue("proxy"), authority.issue("skylark"));
    let front = Front {
        tls: Some(tls(&served, Some(&authority))),
        // `skylark:s3cret`
        authorization: Some("Basic c2t5bGFyazpzM2NyZXQ=".to_owned()),
        prefix: "/clusters/one".to_owned(),
    };
    let proxy = Proxy::start(&url, front).await;
    let with = |settings: Settings, pairs: &[(&str, &str)]| {
        pairs.iter().fold(settings, |all, (name, value)| all.with(&format!("storage.opensearch.{name}"), value))
    };
    let trusting = [("urls", proxy.url.as_str()), ("ca_file", text(&authority.certificate))];
    let shown = [("client_certificate", text(&client.certificate)), ("client_key", text(&client.key))];
    let known = [("username", "skylark"), ("password", "s3cret")];

    let all = with(with(with(store.settings(), &trusting), &shown), &known);
    let server = Server::start(&all).await;
    load::send(&server.grpc(), SERVICE, "seen", 5, this_minute()).await;
    server.wait_stored("segment", 5).await;
    wait_counted(&server, 5).await;
    assert_eq!(load::visible(&server, SERVICE, 5).await.len(), 5);
    assert_eq!(health(&server).await.0, 200);
    assert_eq!(proxy.n_turned_away(), 0);
    server.output.assert_none(&["s3cret"]);
    server.stop().await;

    let elsewhere = proxy.url.replace("/one", "/two");
    for (lacking, changed) in [
        ("401", [("password", "guess"), ("start_timeout_seconds", "1")]),
        ("404", [("urls", elsewhere.as_str()), ("start_timeout_seconds", "1")]),
        ("certificate", [("client_certificate", ""), ("client_key", "")]),
        ("certificate", [("ca_file", ""), ("start_timeout_seconds", "1")]),
    ] {
        let settings = with(all.clone(), &[("start_timeout_seconds", "1")]);
        let ended = run(&with(settings, &changed), &[]).await;
        assert!(!ended.status.success(), "{changed:?}: {ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
        assert!(told.contains(lacking), "{changed:?} does not say {lacking:?}: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    assert!(proxy.n_turned_away() > 0);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
