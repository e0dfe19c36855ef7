//! Who may ask, as an operator configures it.

use std::collections::BTreeMap;

use model::Secret;
use query::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::password::{Hash, token_hash};

/// Who may ask for what, and what keeps secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// The key that seals the secrets of receivers in the store: 32 bytes in base64, as `openssl rand -base64 32` prints them, and the
    /// same on every node. Empty: with the embedded store one is made beside the data; with OpenSearch no secret is taken.
    #[schemars(with = "String")]
    pub secret_key: Secret,
    /// Users by name, who log in with a password: `ann: {role: editor, password_hash: ...}`. A role is `viewer`, who reads, `editor`, who
    /// also changes alarm rules, silences and incidents, or `admin`, who also changes receivers. `skylark hash-password` makes the hash. Without
    /// users and tokens everybody may read, and only who is on this machine may change anything.
    pub users: BTreeMap<String, UserConfig>,
    /// Tokens by name, for programs: `ci: {role: editor, token_hash: ...}`. `skylark new-token` makes one and its hash.
    pub tokens: BTreeMap<String, TokenConfig>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// What they may do.
    pub role: Role,
    /// The hash of their password, as `skylark hash-password` prints it.
    #[schemars(with = "String")]
    pub password_hash: Secret,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What its bearer may do.
    pub role: Role,
    /// The hash of the token, as `skylark new-token` prints it.
    #[schemars(with = "String")]
    pub token_hash: Secret,
}

impl SecurityConfig {
    /// Every problem with these settings, each as `setting: what is wrong`; empty when there is none.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let key = self.secret_key.reveal();
        if let Some(error) = (!key.is_empty()).then(|| alarm::seal::Key::of_setting(key).err()).flatten() {
            problems.push(format!("secret_key: {error}"));
        }
        for (name, user) in &self.users {
            if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
                problems.push(format!("users.{name}: a name has no colon and no control characters"));
            }
            if let Err(error) = user.password_hash.reveal().parse::<Hash>() {
                problems.push(format!("users.{name}.password_hash: {error}"));
            }
        }
        for (name, token) in &self.tokens {
            if name.is_empty() || self.users.contains_key(name) {
                problems
                    .push(format!("tokens.{name}: the audit names who changed something, so names differ from users'"));
            }
            if token_hash(token.token_hash.reveal()).is_none() {
                problems.push(format!(
                    "tokens.{name}.token_hash: must be 64 hexadecimal digits, as `skylark new-token` prints them"
                ));
            }
        }
        problems
    }
}
