//! Who may change what, with real sockets: users and tokens; without them this machine alone.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::net::UdpSocket;
use std::process::Stdio;

use e2e::server::{Server, Settings, run};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

/// A change that is refused for no other reason than who asks.
const CHANGE: &str = r#"{"query":"mutation{createAlarmRule(input:{name:\"mine_rule\",expression:\"avg(service_cpm) > 1\",period:1}){rule{name}}}"}"#;

/// Asks for a change; answers the status, and the message where it was refused.
async fn change(url: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let request = Client::new().post(format!("http://{url}/graphql")).body(CHANGE);
    let headers = std::iter::once(&("content-type", "application/json")).chain(headers);
    // The last of a name counts.
    let headers: std::collections::BTreeMap<_, _> = headers.copied().collect();
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, body["errors"][0]["message"].as_str().unwrap_or_default().to_owned())
}

async fn rules(server: &Server) -> Value {
    let answer = reqwest::get(format!("http://{}/alarm/v1/rules?name=mine_rule", server.http)).await.unwrap();
    answer.json::<Value>().await.unwrap()["total"].clone()
}

/// The address by which other machines reach this one.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: it only finds out the way.
    socket.connect("192.0.2.1:9").expect("this machine has a network");
    socket.local_addr().unwrap().ip().to_string()
}

#[tokio::test]
async fn without_users_changes_come_from_this_machine_alone() {
    let server = Server::start(&Settings::memory().with("server.http.host", "0.0.0.0")).await;
    let port = server.http.rsplit(':').next().unwrap().to_owned();
    let local = format!("127.0.0.1:{port}");
    for (url, headers, why) in [
        (&local, vec![("x-forwarded-for", "10.0.0.7")], "came through a proxy, which set x-forwarded-for"),
        (&local, vec![("forwarded", "for=10.0.0.7")], "came through a proxy, which set forwarded"),
        (&local, vec![("host", "rebound.example")], "is for the host \"rebound.example\""),
        (&local, vec![("origin", "https://evil.example")], "a page of \"https://evil.example\" made this request"),
        (&format!("{}:{port}", own_address()), vec![], "this request comes from "),
    ] {
        let (status, told) = change(url, &headers).await;
        assert_eq!(status, StatusCode::OK, "GraphQL says it in its errors");
        assert!(told.contains(why) && told.contains("security.users"), "{headers:?}: {told}");
    }
    // What a page of another site can make a browser post is not even read.
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        let (status, _) = change(&local, &[("content-type", kind)]).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        let form = Client::new().post(format!("http://{local}/alarm/v1/import")).header("content-type", kind);
        let answer = form.body("rules: {}").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{kind}");
    }
    assert_eq!(rules(&server).await, 0, "nothing was changed, and everybody may read");
    assert_eq!(change(&local, &[]).await, (StatusCode::OK, String::new()));
    assert_eq!(rules(&server).await, 1);
    server.stop().await;
}

/// The line that `skylark hash-password` prints.
async fn hash(password: &str) -> String {
    let folder = TempDir::new().unwrap();
    let mut child = Settings::memory().command(&folder).arg("hash-password").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{password}\n").as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn token() -> (String, String) {
    let printed = run(&Settings::memory(), &["new-token"]).await.stdout;
    let field = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    (field("token:"), field("token_hash:"))
}

async fn configured(files: &TempDir, text: &str) -> Server {
    std::fs::write(files.path().join("skylark.yml"), text).unwrap();
    Server::start(&Settings::memory().with_files(files.path())).await
}

async fn get(url: String, user: Option<(&str, &str)>) -> StatusCode {
    let request = Client::new().get(url);
    let request = match user {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    };
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn with_users_every_request_needs_one_and_roles_hold() {
    let (vic, (bearer, token_hash)) = (hash("open sesame").await, token().await);
    let files = tempfile::tempdir().unwrap();
    let users = format!("security:\n  users:\n    vic: {{role: viewer, password_hash: '{vic}'}}\n");
    let with_token = format!("{users}  tokens:\n    ci: {{role: editor, token_hash: {token_hash}}}\n");
    let server = configured(&files, &with_token).await;
    let bearer = format!("Bearer {bearer}");

    for path in ["/", "/status/live", "/status/cluster/nodes", "/alarm/v1/rules", "/debugging/config/dump"] {
        let url = format!("http://{}{path}", server.http);
        assert_eq!(get(url.clone(), None).await, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(get(url.clone(), Some(("vic", "wrong"))).await, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(get(url, Some(("vic", "open sesame"))).await, StatusCode::OK, "{path}");
    }
    assert_eq!(get(format!("http://{}/healthcheck", server.http), None).await, StatusCode::OK, "balancers ask that");
    let dump = Client::new().get(format!("http://{}/debugging/config/dump", server.http));
    let dump = dump.header("authorization", &bearer).send().await.unwrap().text().await.unwrap();
    assert!(!dump.contains(&token_hash) && !dump.contains(&vic), "{dump}");

    let basic = "Basic dmljOm9wZW4gc2VzYW1l";
    let (status, told) = change(&server.http, &[("authorization", basic)]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(told.contains("this takes an editor, and vic is a viewer"), "{told}");
    assert_eq!(change(&server.http, &[]).await.0, StatusCode::UNAUTHORIZED, "from this machine, too");
    assert_eq!(change(&server.http, &[("authorization", &bearer)]).await, (StatusCode::OK, String::new()));
    let receiver = Client::new().post(format!("http://{}/alarm/v1/receivers", server.http));
    let receiver = receiver.header("authorization", &bearer).json(&json!({ "id": "webhook.x", "settings": {} }));
    assert_eq!(receiver.send().await.unwrap().status(), StatusCode::FORBIDDEN, "receivers take an admin");

    // Agents are no users.
    e2e::load::send(&server.grpc(), "shop", "s", 3, e2e::now()).await;
    server.wait_stored("segment", 3).await;
    let failed = server.metrics().await;
    assert!(failed.count("skylark_logins_failed_total", &["reason=\"wrong\""]) >= 5);
    server.stop().await;

    let server = configured(&files, &users).await;
    let (status, _) = change(&server.http, &[("authorization", &bearer)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "the configuration has it no more");
    server.stop().await;
}
