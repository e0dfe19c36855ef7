//! Hashes of passwords, and tokens.
//!
//! A password is hashed by PBKDF2 with HMAC-SHA-256 and written as `$pbkdf2-sha256$i=ROUNDS$SALT$HASH`, salt and hash in base64
//! without padding, as other programs write and read it.

use std::num::NonZeroU32;
use std::str::FromStr;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::digest::{Digest, SHA256, digest};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Rounds of a new hash.
const ROUNDS: u32 = 600_000;
/// Fewer than this protect nothing; more than that hold up everybody.
const ROUNDS_ALLOWED: std::ops::RangeInclusive<u32> = 100_000..=10_000_000;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hash").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

/// A text is no hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be $pbkdf2-sha256$i=ROUNDS$SALT$HASH with 100000 to 10000000 rounds, as `skylark hash-password` prints it"
)]
pub struct BadHash;

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Hash, BadHash> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "pbkdf2-sha256", parameters, salt, hash] = parts[..] else { return Err(BadHash) };
        let rounds = parameters.strip_prefix("i=").ok_or(BadHash)?;
        let rounds = rounds.strip_suffix(",l=32").unwrap_or(rounds).parse().map_err(|_| BadHash)?;
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| BadHash);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        let is_good = ROUNDS_ALLOWED.contains(&rounds) && salt.len() >= 8 && hash.len() == HASH_BYTES;
        let rounds = NonZeroU32::new(rounds).filter(|_| is_good).ok_or(BadHash)?;
        Ok(Hash { rounds, salt, hash })
    }
}

impl Hash {
    /// Whether it is the hash of this password. It takes a good part of a second of CPU time, the same whether it is or not.
    pub fn is_of(&self, password: &str) -> bool {
        pbkdf2::verify(PBKDF2_HMAC_SHA256, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }

    /// The hash of no password, which takes as long to find out.
    pub(super) fn of_nobody(random: &SystemRandom) -> anyhow::Result<Hash> {
        let rounds = NonZeroU32::new(ROUNDS).expect("it is not 0");
        Ok(Hash { rounds, salt: bytes::<SALT_BYTES>(random)?.into(), hash: bytes::<HASH_BYTES>(random)?.into() })
    }
}

fn bytes<const N: usize>(random: &SystemRandom) -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(bytes)
}

/// A new hash of a password.
pub fn hash(password: &str) -> anyhow::Result<String> {
    hash_with(password, ROUNDS)
}

pub(super) fn hash_with(password: &str, rounds: u32) -> anyhow::Result<String> {
    let salt: [u8; SALT_BYTES] = bytes(&SystemRandom::new())?;
    let mut hash = [0; HASH_BYTES];
    let n = NonZeroU32::new(rounds).ok_or_else(|| anyhow!("a hash needs rounds"))?;
    pbkdf2::derive(PBKDF2_HMAC_SHA256, n, &salt, password.as_bytes(), &mut hash);
    Ok(format!("$pbkdf2-sha256$i={rounds}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash)))
}

/// A new token that nobody can guess.
pub fn new_token() -> anyhow::Result<String> {
    Ok(format!("sky_{}", URL_SAFE_NO_PAD.encode(bytes::<32>(&SystemRandom::new())?)))
}

/// The hash of a token, as the configuration has it. A token cannot be guessed, so one round is enough.
pub fn hash_of_token(token: &str) -> String {
    model::id::hex(digest_of_token(token).as_ref())
}

pub(super) fn digest_of_token(token: &str) -> Digest {
    digest(&SHA256, token.as_bytes())
}

/// The bytes of a token's hash; `None`: it is none.
pub(super) fn token_hash(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_told_from_another_by_its_hash() {
        let text = hash_with("corréct horse", 100_000).unwrap();
        let hash: Hash = text.parse().unwrap();
        assert!(hash.is_of("corréct horse"));
        assert!(!hash.is_of("correct horse") && !hash.is_of(""));
        assert_ne!(text, hash_with("corréct horse", 100_000).unwrap(), "salted");
    }

    #[test]
    fn a_hash_that_another_program_made_is_understood() {
        // Python: base64 of hashlib.pbkdf2_hmac("sha256", b"secret", b"saltsaltsaltsalt", 100000).
        let theirs = "$pbkdf2-sha256$i=100000,l=32$c2FsdHNhbHRzYWx0c2FsdA$MI+P8ArZxL807eVfmB/TB8eo+begDzCe812TLwaxnRY";
        assert!(theirs.parse::<Hash>().unwrap().is_of("secret"));
    }

    #[test]
    fn what_is_no_hash_or_protects_nothing_is_refused() {
        let good = hash_with("x", 100_000).unwrap();
        for bad in [
            "",
            "secret",
            "$2y$10$abcdefghijklmnopqrstuv",
            &good.replace("100000", "99999"),
            &good.replace("100000", "10000001"),
            &good.replace("pbkdf2-sha256", "pbkdf2-sha512"),
            good.strip_suffix(|_| true).unwrap(),
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(BadHash), "{bad}");
        }
    }
}
