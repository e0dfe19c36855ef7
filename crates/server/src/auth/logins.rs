//! Whether a name and a password, or a token, are those of the configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use query::Role;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tracing::warn;

use super::Denied;
use super::attempts::Attempts;
use super::config::SecurityConfig;
use super::password::{Hash, digest_of_token, token_hash};

/// How many passwords are hashed at once: it is the one thing here that costs anything.
const HASHED_AT_ONCE: usize = 1;
/// How many may wait for it; more are told to come again.
const WAITING: usize = 16;
/// When they are to come again, in seconds.
const COME_AGAIN: u64 = 2;

/// The users and tokens there are.
pub(super) struct Logins {
    users: BTreeMap<String, User>,
    tokens: Vec<Token>,
    nobody: Arc<Hash>,
    /// Of this process alone. What is compared is compared under it, so that time tells nothing of either side.
    key: hmac::Key,
    attempts: Attempts,
    waiting: Semaphore,
    hashing: Semaphore,
}

struct User {
    role: Role,
    hash: Arc<Hash>,
    /// The password that was proven last: clients send it with each request, and to hash it each time would be most of the work.
    proven: Mutex<Option<hmac::Tag>>,
}

struct Token {
    name: String,
    role: Role,
    hash: hmac::Tag,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let users: Vec<&String> = self.users.keys().collect();
        f.debug_struct("Logins").field("users", &users).finish_non_exhaustive()
    }
}

impl Logins {
    pub(super) fn new(config: &SecurityConfig) -> anyhow::Result<Logins> {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(HMAC_SHA256, &random);
        let key = key.map_err(|_| anyhow!("the system gives no random numbers"))?;
        let mut users = BTreeMap::new();
        for (name, user) in &config.users {
            let hash = Arc::new(user.password_hash.reveal().parse::<Hash>()?);
            users.insert(name.clone(), User { role: user.role, hash, proven: Mutex::new(None) });
        }
        let mut tokens = Vec::with_capacity(config.tokens.len());
        for (name, token) in &config.tokens {
            let hash = token_hash(token.token_hash.reveal()).ok_or_else(|| anyhow!("security.tokens.{name}"))?;
            tokens.push(Token { name: name.clone(), role: token.role, hash: hmac::sign(&key, &hash) });
        }
        Ok(Logins {
            users,
            tokens,
            nobody: Arc::new(Hash::of_nobody(&random)?),
            key,
            attempts: Attempts::default(),
            waiting: Semaphore::new(WAITING),
            hashing: Semaphore::new(HASHED_AT_ONCE),
        })
    }

    /// Whose token it is.
    pub(super) fn token(&self, token: &str) -> Option<(String, Role)> {
        let sent = digest_of_token(token);
        // All are compared, whichever it is.
        let found = self.tokens.iter().fold(None, |found, token| {
            let is_it = hmac::verify(&self.key, sent.as_ref(), token.hash.as_ref()).is_ok();
            if is_it { Some(token) } else { found }
        });
        found.map(|token| (token.name.clone(), token.role))
    }

    /// What a user may do whose password this is.
    pub(super) async fn user(&self, peer: Option<IpAddr>, name: &str, password: &str) -> Result<Role, Denied> {
        let user = self.users.get(name);
        // Nobody has a name with a 0 in it, so name and password cannot be taken for others.
        let proof = format!("{name}\0{password}");
        if let Some(user) = user
            && user.is_proven(&self.key, &proof)
        {
            return Ok(user.role);
        }
        // Names that there are not count as one: they are as many as somebody cares to think of.
        let known = user.map_or("", |_| name);
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.attempts.may_try(peer, known).map_err(|wait| Denied::TooMany(wait.as_secs() + 1))?;
        let hash = Arc::clone(user.map_or(&self.nobody, |user| &user.hash));
        let is_right = self.is_of(hash, password).await?;
        match user.filter(|_| is_right) {
            Some(user) => {
                self.attempts.succeeded(peer, known);
                *user.proven.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(hmac::sign(&self.key, proof.as_bytes()));
                Ok(user.role)
            }
            None => {
                if self.attempts.failed(peer, known) {
                    warn!(%peer, user = known, "too many failed logins: no more are tried for a minute");
                }
                Err(Denied::Wrong)
            }
        }
    }

    async fn is_of(&self, hash: Arc<Hash>, password: &str) -> Result<bool, Denied> {
        let _place = self.waiting.try_acquire().map_err(|_| Denied::TooMany(COME_AGAIN))?;
        let _turn = self.hashing.acquire().await.expect("nobody closes this semaphore");
        let password = password.to_owned();
        let hashed = tokio::task::spawn_blocking(move || hash.is_of(&password)).await;
        Ok(hashed.unwrap_or(false))
    }
}

impl User {
    fn is_proven(&self, key: &hmac::Key, proof: &str) -> bool {
        let proven = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.is_some_and(|proven| hmac::verify(key, proof.as_bytes(), proven.as_ref()).is_ok())
    }
}
