//! Keys and what they seal: the master key with a sub-key for each purpose, the keys of persons,
//! the tokens of directories, and API keys.

pub mod tokens;
mod workspaces;

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::{Config, WrongSetting};
use crate::error::{Error, Result};

pub use workspaces::WorkspaceKey;

/// The length of every key, in bytes.
const KEY_LENGTH: usize = 32;
/// How many bytes of its check value name a master key.
const ID_LENGTH: usize = 8;
/// The form of a sealed value: this byte, the key's id, the nonce, then ciphertext and tag.
const SEALED_FORM: u8 = 1;
/// Fewer different bytes than this are no random key.
const DIFFERENT_BYTES: usize = 12;

/// The master key's sub-keys. It does not print.
pub struct Keyring {
    persons: RandomizedNonceKey,
    cursors: RandomizedNonceKey,
    /// From which the keys of workspaces are derived.
    workspaces: Zeroizing<[u8; KEY_LENGTH]>,
    check: [u8; KEY_LENGTH],
    id: u8,
}

/// The key of one person: what is sealed with it is gone for good once it is destroyed.
pub struct PersonKey {
    key: RandomizedNonceKey,
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

impl Keyring {
    /// Derives the sub-keys of a master key, one for each purpose (RFC 5869).
    pub fn from_master(master: &[u8; KEY_LENGTH]) -> Result<Self> {
        let check = derive(master, &[b"gatehouse key check"])?;
        Ok(Self {
            cursors: aead(&*derive(master, &[b"gatehouse cursors"])?)?,
            persons: aead(&*derive(master, &[b"gatehouse person keys"])?)?,
            workspaces: derive(master, &[b"gatehouse workspace keys"])?,
            id: check[0],
            check: *check,
        })
    }

    /// A place in the results of the query that `aad` names, sealed for its client to keep.
    pub fn seal_cursor(&self, aad: &[u8], plain: &[u8]) -> Result<String> {
        let sealed = seal(&self.cursors, self.id, aad, plain)?;
        Ok(data_encoding::BASE64URL_NOPAD.encode(&sealed))
    }

    /// Opens a cursor; none if it was not made here, or not for that query.
    pub fn open_cursor(&self, aad: &[u8], text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .ok()?;
        open(&self.cursors, self.id, aad, &sealed).ok()
    }

    /// Which master key this is; says nothing about the key.
    pub fn id(&self) -> String {
        Self::id_of(&self.check)
    }

    /// The id of the master key with that check value.
    pub fn id_of(check: &[u8]) -> String {
        let start = check.get(..ID_LENGTH).unwrap_or(check);
        data_encoding::HEXLOWER.encode(start)
    }

    /// What the database stores to refuse a wrong key; says nothing about the key.
    pub fn key_check(&self) -> [u8; KEY_LENGTH] {
        self.check
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(***)")
    }
}

impl PersonKey {
    /// A new key.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        fill(&mut *bytes)?;
        Self::from_bytes(bytes)
    }

    /// This key, sealed for the row that `aad` names.
    pub fn sealed(&self, keyring: &Keyring, aad: &[u8]) -> Result<Vec<u8>> {
        seal(&keyring.persons, keyring.id, aad, &*self.bytes)
    }

    /// The key of that row.
    pub fn open_sealed(keyring: &Keyring, aad: &[u8], sealed: &[u8]) -> Result<Self> {
        let opened = open(&keyring.persons, keyring.id, aad, sealed)?;
        let bytes: [u8; KEY_LENGTH] = opened.as_slice().try_into().map_err(|_| broken())?;
        Self::from_bytes(Zeroizing::new(bytes))
    }

    /// Seals a value for the row that `aad` names.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        seal(&self.key, 0, aad, plain)
    }

    /// Opens a value of that row.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        open(&self.key, 0, aad, sealed)
    }

    fn from_bytes(bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Result<Self> {
        Ok(Self {
            key: aead(&*bytes)?,
            bytes,
        })
    }
}

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKey(***)")
    }
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// The SHA-256 of what comes bit by bit.
pub struct Digest(Context);

impl Digest {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn bytes(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }

    /// The hash of all of them, in hex.
    pub fn hex(self) -> String {
        data_encoding::HEXLOWER.encode(self.0.finish().as_ref())
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills bytes from the operating system's generator.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    rand::fill(bytes).map_err(|_| Error::internal(anyhow::anyhow!("no randomness to be had")))
}

/// The keyring of a deployment: from `secrets.key` or `secrets.key_file`. If neither is set, an
/// embedded database has its key beside it, made with the first command; a server database has
/// none, and every command refuses.
pub fn load_or_create(config: &Config) -> Result<Keyring> {
    let secrets = &config.secrets;
    if secrets.key.is_none() && secrets.key_file.is_none() {
        let (database, file) = beside_database(&config.database.url)?;
        if !file.exists() && !database.exists() {
            create(&file)?;
        }
    }
    load(config)
}

/// Like [`load_or_create`], but makes no key: for what needs the key that something was made with.
pub fn load(config: &Config) -> Result<Keyring> {
    let secrets = &config.secrets;
    let master = match (&secrets.key, &secrets.key_file) {
        (Some(key), _) => parse("secrets.key", key)?,
        (None, Some(path)) => read("secrets.key_file", path)?,
        (None, None) => {
            let (_, file) = beside_database(&config.database.url)?;
            if !file.exists() {
                let problem = format!(
                    "{} is not there; put the key back there or set it",
                    file.display()
                );
                return Err(setting("secrets.key", &problem));
            }
            read("secrets.key", &file)?
        }
    };
    Keyring::from_master(&master)
}

/// The file of an embedded database, and that of its key.
fn beside_database(url: &str) -> Result<(PathBuf, PathBuf)> {
    let Some(path) = sqlite_path(url) else {
        return Err(setting(
            "secrets.key",
            "must be set, or secrets.key_file (GATEHOUSE__SECRETS__KEY, \
             GATEHOUSE__SECRETS__KEY_FILE): 256 random bits in base64 or hex",
        ));
    };
    let mut name = path.clone().into_os_string();
    name.push(".key");
    Ok((path, PathBuf::from(name)))
}

fn create(file: &Path) -> Result<()> {
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    fill(&mut *bytes)?;
    let text = Zeroizing::new(data_encoding::BASE64.encode(&*bytes) + "\n");
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // Readable by its owner alone, and whole before it has its name.
    let mut made = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(Error::internal)?;
    made.write_all(text.as_bytes())
        .and_then(|()| made.as_file().sync_all())
        .map_err(Error::internal)?;
    match made.persist_noclobber(file) {
        Ok(_) => Ok(()),
        // Another command that started at the same time was first; its key counts.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::internal(error.error)),
    }
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

fn read(name: &str, file: &Path) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| setting(name, &format!("{}: {error}", file.display())))?;
    parse(name, &SecretString::from(text))
}

/// Reads 256 bits in base64 or hex, and refuses what nobody drew at random.
fn parse(name: &str, text: &SecretString) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
    let text = text.expose_secret().trim();
    let decoded = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .or_else(|_| data_encoding::BASE64.decode(text.as_bytes()))
        .or_else(|_| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()))
        .map(Zeroizing::new)
        .map_err(|_| setting(name, "must be base64 or hex"))?;
    let key: [u8; KEY_LENGTH] = decoded
        .as_slice()
        .try_into()
        .map_err(|_| setting(name, "must be exactly 256 bits, that is 32 bytes"))?;
    let mut different = key;
    different.sort_unstable();
    let count = different.chunk_by(PartialEq::eq).count();
    let is_counting = key
        .windows(2)
        .all(|pair| pair[1].wrapping_sub(pair[0]) == key[1].wrapping_sub(key[0]));
    if count < DIFFERENT_BYTES || is_counting {
        return Err(setting(
            name,
            "must be random; draw it with: openssl rand -base64 32",
        ));
    }
    Ok(Zeroizing::new(key))
}

fn setting(name: &str, problem: &str) -> Error {
    Error::internal(WrongSetting::of(name, problem))
}

struct Length;

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY_LENGTH
    }
}

fn derive(master: &[u8; KEY_LENGTH], purpose: &[&[u8]]) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    Salt::new(HKDF_SHA256, b"gatehouse")
        .extract(master)
        .expand(purpose, Length)
        .and_then(|okm| okm.fill(&mut *key))
        .map_err(|_| broken())?;
    Ok(key)
}

fn aead(key: &[u8]) -> Result<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| broken())
}

fn seal(key: &RandomizedNonceKey, id: u8, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let mut text = plain.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(aad), &mut text)
        .map_err(|_| broken())?;
    let mut sealed = Vec::with_capacity(2 + NONCE_LEN + text.len());
    sealed.extend([SEALED_FORM, id]);
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut text);
    Ok(sealed)
}

fn open(key: &RandomizedNonceKey, id: u8, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (head, rest) = sealed.split_at_checked(2).ok_or_else(broken)?;
    if head != [SEALED_FORM, id] {
        return Err(broken());
    }
    let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(aad), &mut text)
        .map_err(|_| broken())?
        .len();
    text.truncate(length);
    Ok(text)
}

fn broken() -> Error {
    Error::internal(anyhow::anyhow!("a sealed value cannot be opened or made"))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Keyring, PersonKey, parse};

    #[test]
    fn what_is_sealed_opens_for_its_row_alone() {
        let keyring = Keyring::from_master(&[7; 32]).unwrap();
        let key = PersonKey::generate().unwrap();
        let sealed = key.sealed(&keyring, b"row 1").unwrap();
        let same = PersonKey::open_sealed(&keyring, b"row 1", &sealed).unwrap();
        let value = key.seal(b"change 1", b"ada").unwrap();
        assert_eq!(same.open(b"change 1", &value).unwrap().as_slice(), b"ada");
        assert!(same.open(b"change 2", &value).is_err());
        assert!(PersonKey::open_sealed(&keyring, b"row 2", &sealed).is_err());
        let other = Keyring::from_master(&[8; 32]).unwrap();
        assert!(PersonKey::open_sealed(&other, b"row 1", &sealed).is_err());
        assert_ne!(keyring.key_check(), other.key_check());
    }

    // C146
    #[test]
    fn a_weak_key_is_refused_with_the_name_of_its_setting() {
        let check = |text: &str, expect: bool| {
            let outcome = parse("secrets.key", &SecretString::from(text));
            assert_eq!(outcome.is_ok(), expect, "{text}");
            if let Err(error) = outcome {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                assert!(cause.is_some_and(|cause| cause.contains("secrets.key")));
            }
        };
        check(
            "8f1c0a5d3b7e9246c8d01f6a4b92e7357ad2c4518e0f93b6d71a2c5e84f06b39",
            true,
        );
        check("jxwKXTt+kkbI0B9qS5LnNXrSxFGOD5O21xosXoTwazk=", true);
        check("", false);
        check("changeme", false);
        check("8f1c0a5d3b7e9246c8d01f6a4b92e735", false);
        check(&"0".repeat(64), false);
        check(&"ab".repeat(32), false);
        check(
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            false,
        );
        check("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false);
    }

    // C211
    #[test]
    fn keys_do_not_print() {
        let keyring = Keyring::from_master(&[7; 32]).unwrap();
        assert_eq!(format!("{keyring:?}"), "Keyring(***)");
        assert_eq!(
            format!("{:?}", PersonKey::generate().unwrap()),
            "PersonKey(***)"
        );
    }
}
