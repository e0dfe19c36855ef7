//! Secrets of receivers, sealed: who reads the store does not read them.
//!
//! AES-256-GCM with a random nonce; the receiver's id is authenticated with it, so that one receiver's secret cannot be moved to
//! another. A sealed text names its key by eight digits, so that the wrong key is told from a damaged text.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::id::hex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use crate::receiver::Sealed;

/// The name of the key's file beside the embedded store.
pub const KEY_FILE: &str = "secret.key";
/// What a sealed text begins with.
const VERSION: &str = "s1";
const KEY_LEN: usize = 32;

/// The server's key.
pub struct Key {
    key: LessSafeKey,
    id: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What went wrong with a key or a sealed text.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The setting is no key.
    #[error("the secret key must be 32 bytes in base64 or 64 hexadecimal digits; `openssl rand -base64 32` prints one")]
    BadKey,
    /// The key's file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The key's file holds no key.
    #[error("{} holds no key: put back the one that was there, or remove the file and enter all secrets again", .0.display())]
    BadFile(PathBuf),
    /// There is no key at all.
    #[error("no secret can be kept: set security.secret_key to the same key on every node")]
    NoKey,
    /// It was sealed by another key.
    #[error(
        "it was sealed by key {sealed}, and this server has key {own}: set security.secret_key to that key, or enter the secret again"
    )]
    OtherKey {
        /// The key that sealed it.
        sealed: String,
        /// The key that is here.
        own: String,
    },
    /// It is not what was sealed.
    #[error("the sealed secret is damaged, or belongs to another receiver: enter it again")]
    Damaged,
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl Key {
    /// The key of a setting: 32 bytes in base64, or 64 hexadecimal digits.
    pub fn of_setting(text: &str) -> Result<Key, SealError> {
        let text = text.trim();
        let bytes = if text.len() == 2 * KEY_LEN { from_hex(text) } else { STANDARD.decode(text).ok() };
        Key::of_bytes(&bytes.ok_or(SealError::BadKey)?)
    }

    /// The key beside an embedded store: that of its file, which is made where it is missing, readable by its owner alone.
    pub fn beside(folder: &Path) -> Result<Key, SealError> {
        let path = folder.join(KEY_FILE);
        let failed = |error| SealError::File { path: path.clone(), error };
        match std::fs::read_to_string(&path) {
            Ok(text) => return Key::of_setting(&text).map_err(|_| SealError::BadFile(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let bytes: [u8; KEY_LEN] = random()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        file.write_all(STANDARD.encode(bytes).as_bytes()).map_err(failed)?;
        // Secrets will be written that nothing else can open.
        file.sync_all().map_err(failed)?;
        Key::of_bytes(&bytes)
    }

    /// A key that nobody else has, and that is gone with the process.
    pub fn fleeting() -> Result<Key, SealError> {
        Key::of_bytes(&random::<KEY_LEN>()?)
    }

    fn of_bytes(bytes: &[u8]) -> Result<Key, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SealError::BadKey)?;
        let id = hex(&Sha256::new().chain_update(b"skylark key id").chain_update(bytes).finalize());
        Ok(Key { key: LessSafeKey::new(key), id: id.chars().take(8).collect() })
    }

    /// Eight digits that name the key and tell nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A secret of a receiver, sealed.
    pub fn seal(&self, receiver: &str, secret: &str) -> Result<Sealed, SealError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut bytes = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(receiver), &mut bytes)
            .map_err(|_| SealError::Damaged)?;
        let text = [nonce.as_slice(), &bytes].concat();
        Ok(Sealed(format!("{VERSION}.{}.{}", self.id, STANDARD.encode(text))))
    }

    /// The secret again.
    pub fn open(&self, receiver: &str, sealed: &Sealed) -> Result<String, SealError> {
        let mut parts = sealed.0.splitn(3, '.');
        let (Some(VERSION), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::Damaged);
        };
        if id != self.id {
            return Err(SealError::OtherKey { sealed: id.to_owned(), own: self.id.clone() });
        }
        let text = STANDARD.decode(text).map_err(|_| SealError::Damaged)?;
        let (nonce, bytes) = text.split_at_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut bytes = bytes.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(receiver), &mut bytes).map_err(|_| SealError::Damaged)?;
        String::from_utf8(opened.to_vec()).map_err(|_| SealError::Damaged)
    }
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
    Ok(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::of_setting(&STANDARD.encode([n; KEY_LEN])).unwrap()
    }

    #[test]
    fn a_secret_comes_out_as_it_went_in_and_never_looks_the_same() {
        let (a, b) = (key(1).seal("slack.ops", "hush").unwrap(), key(1).seal("slack.ops", "hush").unwrap());
        assert_ne!(a, b);
        assert!(!a.0.contains("hush"));
        assert_eq!(key(1).open("slack.ops", &a).unwrap(), "hush");
        assert_eq!(format!("{a:?}"), "***");
    }

    #[test]
    fn another_key_is_told_from_damage_and_from_another_receiver() {
        let sealed = key(1).seal("slack.ops", "hush").unwrap();
        let error = key(2).open("slack.ops", &sealed).unwrap_err().to_string();
        assert!(error.contains(key(1).id()) && error.contains(key(2).id()), "{error}");
        assert!(matches!(key(1).open("slack.other", &sealed), Err(SealError::Damaged)));
        for broken in ["", "s1", "s1.00000000", &format!("s1.{}.AAAA", key(1).id())] {
            assert!(key(1).open("slack.ops", &Sealed(broken.to_owned())).is_err(), "{broken}");
        }
    }

    #[test]
    fn keys_are_32_bytes_in_either_spelling() {
        let hex = hex(&[7; KEY_LEN]);
        assert_eq!(Key::of_setting(&hex).unwrap().id(), key(7).id());
        for bad in ["", "short", "AAAA", &hex.replace('0', "x")] {
            assert!(matches!(Key::of_setting(bad), Err(SealError::BadKey)), "{bad}");
        }
    }

    #[test]
    fn the_key_beside_a_store_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = Key::beside(folder.path()).unwrap();
        let sealed = made.seal("r", "x").unwrap();
        assert_eq!(Key::beside(folder.path()).unwrap().open("r", &sealed).unwrap(), "x");
        let path = folder.path().join(KEY_FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "garbage").unwrap();
        assert!(matches!(Key::beside(folder.path()), Err(SealError::BadFile(_))));
    }
}
