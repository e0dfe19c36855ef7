//! Who may come in, and what they may do.

use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::extract::Extension;
use axum::routing::any;
use model::Secret;
use tower::ServiceExt as _;

use super::password::hash_of_token;
use super::*;

const TOKEN: &str = "sky_something-long";

fn user(role: Role, password: &str) -> UserConfig {
    UserConfig { role, password_hash: Secret::new(password::hash_with(password, 100_000).unwrap()) }
}

fn token(role: Role, token: &str) -> TokenConfig {
    TokenConfig { role, token_hash: Secret::new(hash_of_token(token)) }
}

fn with_users() -> Auth {
    let config = SecurityConfig {
        users: [("ann".to_owned(), user(Role::Editor, "right")), ("vic".to_owned(), user(Role::Viewer, "a:b"))].into(),
        tokens: [("ci".to_owned(), token(Role::Admin, TOKEN))].into(),
        ..SecurityConfig::default()
    };
    assert_eq!(config.validate(), Vec::<String>::new());
    Auth::new(&config).unwrap()
}

fn without_users() -> Auth {
    Auth::new(&SecurityConfig::default()).unwrap()
}

/// A request from 127.0.0.1 to localhost with JSON.
fn request() -> Request {
    let mut request = Request::post("http://localhost:12800/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::empty())
        .unwrap();
    set_peer(&mut request, "127.0.0.1");
    request
}

fn set_peer(request: &mut Request, peer: &str) {
    let peer = SocketAddr::new(peer.parse::<IpAddr>().unwrap(), 4_000);
    request.extensions_mut().insert(ConnectInfo(peer));
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn who(auth: &Auth, request: Request) -> Result<Actor, Denied> {
    auth.actor(&request.into_parts().0).await
}

async fn login(auth: &Auth, authorization: &str) -> Result<Actor, Denied> {
    let mut request = request();
    request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
    who(auth, request).await
}

#[tokio::test]
async fn without_users_everybody_reads_and_this_machine_changes() {
    let auth = without_users();
    assert_eq!(who(&auth, request()).await, Ok(Actor::new("local", Role::Admin, "")));
    let mut far = request();
    set_peer(&mut far, "192.168.1.9");
    let actor = who(&auth, far).await.unwrap();
    assert_eq!((actor.name.as_str(), actor.role), ("anonymous", Role::Viewer));
    let told = actor.may(Role::Editor).unwrap_err().to_string();
    assert!(told.contains("192.168.1.9") && told.contains("security.users"), "{told}");
    // An answer of the listener's that lacks the peer is no reason to trust anybody.
    let mut unknown = request();
    unknown.extensions_mut().clear();
    assert_eq!(who(&auth, unknown).await.unwrap().role, Role::Viewer);
}

#[tokio::test]
async fn with_users_nobody_is_trusted_for_where_they_are() {
    let auth = with_users();
    assert_eq!(who(&auth, request()).await, Err(Denied::Missing));
    for bad in ["Basic", "Basic ???", "Basic YW5u", "Digest x", "Bearer", "bearer "] {
        assert!(login(&auth, bad).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn users_and_tokens_have_the_roles_they_were_given() {
    let auth = with_users();
    for _ in 0..2 {
        let role = |login: Result<Actor, Denied>| login.map(|actor| (actor.name.clone(), actor.role));
        assert_eq!(role(login(&auth, &basic("ann", "right")).await), Ok(("ann".to_owned(), Role::Editor)));
        assert_eq!(role(login(&auth, &basic("vic", "a:b")).await), Ok(("vic".to_owned(), Role::Viewer)));
        assert_eq!(role(login(&auth, &format!("bearer {TOKEN}")).await), Ok(("ci".to_owned(), Role::Admin)));
        for wrong in [basic("ann", "a:b"), basic("nobody", "right"), basic("ann", ""), "Bearer sky_else".to_owned()] {
            assert_eq!(login(&auth, &wrong).await, Err(Denied::Wrong), "{wrong}");
        }
    }
    let viewer = login(&auth, &basic("vic", "a:b")).await.unwrap();
    let told = viewer.may(Role::Editor).unwrap_err().to_string();
    assert!(told.contains("vic is a viewer"), "{told}");
}

#[tokio::test]
async fn a_token_that_the_configuration_no_longer_has_is_no_token() {
    let before = SecurityConfig {
        tokens: [("ci".to_owned(), token(Role::Editor, TOKEN)), ("b".to_owned(), token(Role::Viewer, "other"))].into(),
        ..SecurityConfig::default()
    };
    let bearer = format!("Bearer {TOKEN}");
    assert!(login(&Auth::new(&before).unwrap(), &bearer).await.is_ok());
    let mut after = before;
    after.tokens.remove("ci");
    assert_eq!(login(&Auth::new(&after).unwrap(), &bearer).await, Err(Denied::Wrong));
}

#[tokio::test]
async fn a_form_that_a_page_posts_with_a_users_password_changes_nothing() {
    let auth = with_users();
    let mut form = request().into_parts().0;
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    form.headers.insert(header::CONTENT_TYPE, kind);
    form.headers.insert(header::AUTHORIZATION, basic("ann", "right").parse().unwrap());
    let actor = auth.actor(&form).await.unwrap();
    assert_eq!((actor.name.as_str(), actor.role), ("ann", Role::Viewer));
    form.method = Method::DELETE;
    assert_eq!(auth.actor(&form).await.unwrap().role, Role::Editor, "no page can send that without asking");
}

#[tokio::test]
async fn who_guesses_too_often_waits_and_who_was_in_stays_in() {
    let auth = with_users();
    assert!(login(&auth, &basic("ann", "right")).await.is_ok());
    for n in 0..10 {
        assert_eq!(login(&auth, &basic("ann", &n.to_string())).await, Err(Denied::Wrong));
    }
    assert!(matches!(login(&auth, &basic("ann", "11th")).await, Err(Denied::TooMany(1..=60))));
    assert!(login(&auth, &basic("ann", "right")).await.is_ok(), "nobody is locked out by another's guesses");
    assert!(login(&auth, &basic("vic", "a:b")).await.is_ok());
}

#[tokio::test]
async fn a_refusal_says_how_to_log_in_and_is_counted() {
    let auth = with_users();
    let who = any(|Extension(actor): Extension<Actor>| async move { actor.name });
    let router = protect(Router::new().route("/graphql", who), &auth);
    let mut good = request();
    good.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap());
    let response = router.clone().oneshot(good).await.unwrap();
    assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "ci");

    let response = router.clone().oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
    let body = to_bytes(response.into_body(), 1_000).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");

    let mut wrong = request();
    wrong.headers_mut().insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
    assert_eq!(router.oneshot(wrong).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(auth.failures(), [("missing", 1), ("wrong", 1), ("too_many", 0)]);
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let config = SecurityConfig {
        secret_key: Secret::new("short"),
        users: [("a:b".to_owned(), UserConfig { role: Role::Viewer, password_hash: Secret::new("plain") })].into(),
        tokens: [("a:b".to_owned(), TokenConfig { role: Role::Viewer, token_hash: Secret::new("plain") })].into(),
    };
    let problems = config.validate();
    let paths: Vec<&str> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(paths, ["secret_key", "users.a:b", "users.a:b.password_hash", "tokens.a:b", "tokens.a:b.token_hash"]);
    assert!(!format!("{config:?}").contains("plain"));
}
