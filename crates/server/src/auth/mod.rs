//! Who may ask for what: users and tokens with roles, or, where none are configured, whoever is on this machine.
//!
//! [`protect`] goes over the routes of operators, never over those of agents. It finds out who asks and puts a [`query::Actor`]
//! among the request's extensions; what that actor may do is decided where the request is answered ([`query::Actor::may`]).
//!
//! - With users or tokens, every request needs one: HTTP Basic, or `Authorization: Bearer`.
//! - Without, everybody may read, and this machine alone may change anything (`local` says what that means).

mod attempts;
mod config;
mod local;
mod logins;
pub mod password;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use query::{Actor, Role};
use serde_json::json;

pub use self::config::{SecurityConfig, TokenConfig, UserConfig};
use self::logins::Logins;

/// What a client that must log in is told.
const CHALLENGE: &str = r#"Basic realm="skylark", charset="UTF-8""#;

/// Knows who may ask. Clones are the same.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None`: no users and no tokens are configured.
    logins: Option<Logins>,
    failures: Failures,
}

/// Requests that were turned away, by why.
#[derive(Debug, Default)]
struct Failures {
    missing: AtomicU64,
    wrong: AtomicU64,
    too_many: AtomicU64,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denied {
    /// They did not say who they are.
    Missing,
    /// What they said is not so.
    Wrong,
    /// They guess too often, or too many try at once; how many seconds to wait.
    TooMany(u64),
}

impl Auth {
    /// Reads users and tokens of settings that were validated. `Err`: the system has no random numbers.
    pub fn new(config: &SecurityConfig) -> anyhow::Result<Auth> {
        let logins = match config.users.is_empty() && config.tokens.is_empty() {
            true => None,
            false => Some(Logins::new(config)?),
        };
        Ok(Auth(Arc::new(Inner { logins, failures: Failures::default() })))
    }

    /// Requests that were turned away, by why.
    pub fn failures(&self) -> [(&'static str, u64); 3] {
        let Failures { missing, wrong, too_many } = &self.0.failures;
        [("missing", missing), ("wrong", wrong), ("too_many", too_many)]
            .map(|(reason, n)| (reason, n.load(Ordering::Relaxed)))
    }

    async fn actor(&self, request: &Parts) -> Result<Actor, Denied> {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let headers = &request.headers;
        let Some(logins) = &self.0.logins else {
            return Ok(match local::check(peer, &request.uri, headers) {
                Ok(()) => Actor::new("local", Role::Admin, ""),
                Err(why) => Actor::new("anonymous", Role::Viewer, elsewhere(&why)),
            });
        };
        let (name, role) = match credentials(headers).ok_or(Denied::Missing)? {
            Credentials::Token(token) => logins.token(&token).ok_or(Denied::Wrong)?,
            Credentials::Password(name, password) => {
                let role = logins.user(peer, &name, &password).await?;
                // A browser sends a password along with what a foreign page makes it post, which cannot be JSON.
                if request.method == Method::POST && !local::is_json(headers) {
                    let why = "what a user posts must have the content type application/json to change anything";
                    return Ok(Actor::new(name, Role::Viewer, why));
                }
                (name, role)
            }
        };
        let why = format!("security.users or security.tokens of the server gives {name} that role");
        Ok(Actor::new(name, role, why))
    }

    fn turn_away(&self, denied: Denied) -> Response {
        let failures = &self.0.failures;
        let (counter, status, what) = match denied {
            Denied::Missing => {
                (&failures.missing, StatusCode::UNAUTHORIZED, "log in with a user's name and password, or with a token")
            }
            Denied::Wrong => {
                (&failures.wrong, StatusCode::UNAUTHORIZED, "the name, the password or the token is wrong")
            }
            Denied::TooMany(_) => {
                (&failures.too_many, StatusCode::TOO_MANY_REQUESTS, "too many failed logins: wait and try again")
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let code = if status == StatusCode::UNAUTHORIZED { "UNAUTHENTICATED" } else { "TOO_MANY_LOGINS" };
        let body = json!({ "errors": [{ "message": what, "extensions": { "code": code } }] });
        let mut response = (status, axum::Json(body)).into_response();
        let (name, value) = match denied {
            Denied::TooMany(seconds) => (header::RETRY_AFTER, seconds.into()),
            Denied::Missing | Denied::Wrong => (header::WWW_AUTHENTICATE, header::HeaderValue::from_static(CHALLENGE)),
        };
        response.headers_mut().insert(name, value);
        response
    }
}

/// Why somebody who is not on this machine may only read, and what to do about it.
fn elsewhere(why: &str) -> String {
    format!(
        "no users are configured, so changes are taken from this machine alone, and {why}. To change things from elsewhere, \
         configure security.users or security.tokens (docs/operations.md) and log in"
    )
}

/// The routes, answered for those who may ask.
pub fn protect(router: Router, auth: &Auth) -> Router {
    router.layer(middleware::from_fn_with_state(auth.clone(), admit))
}

async fn admit(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match auth.actor(&parts).await {
        Ok(actor) => {
            parts.extensions.insert(actor);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(denied) => auth.turn_away(denied),
    }
}

enum Credentials {
    Token(String),
    Password(String, String),
}

/// What a request says of who sends it.
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some(Credentials::Password(name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests;
