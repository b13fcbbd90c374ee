//! Where the store's key comes from. It is 32 bytes and opens everything in the store; it never lies beside what it opens unless someone
//! put it there, and nothing falls back to plain text where there is none.

pub mod credentials_directory;
pub mod file;
#[cfg(feature = "keyring")]
pub(crate) mod keyring;
pub mod passphrase;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Passphrase;
use crate::store::seal::{self, KeyBytes};

pub use file::create_key_file;
pub use passphrase::Derivation;

/// The key that opens a store. Redacted, wiped when dropped.
pub struct StoreKey(KeyBytes);

/// What a key file and a service credential begin with; 43 characters of base64url and a line end follow.
const TEXT_FORM: &str = "partnersam-key-1:";

/// A source holds one key, and two while the store's is being changed. More than this is a mistake.
const MOST_KEYS: usize = 8;

impl StoreKey {
    /// A new key from the system's random source.
    pub fn generate() -> Result<Self> {
        seal::new_key().map(Self)
    }

    /// Takes over 32 bytes that came from elsewhere and wipes the source.
    pub fn from_bytes(bytes: &mut [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(*bytes));
        bytes.zeroize();
        key
    }

    pub(crate) fn expose(&self) -> &KeyBytes {
        &self.0
    }

    /// The same key once more.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// Whether it is the same key.
    pub(crate) fn is(&self, other: &Self) -> bool {
        // EXPOSE: compared with one that came from a source, too: nobody learns of it who has not got both.
        self.0 == other.0
    }

    /// Whether the ones are the others, in their order.
    pub(crate) fn are(keys: &[Self], others: &[&Self]) -> bool {
        keys.len() == others.len() && keys.iter().zip(others).all(|(key, other)| key.is(other))
    }

    /// The key behind `in_use` in a source that holds `keys`.
    pub(crate) fn following(keys: &[Self], in_use: &Self) -> Option<Self> {
        let at = keys.iter().position(|key| key.is(in_use))?;
        keys.get(at + 1).map(Self::again)
    }

    /// The key as the one line of text that a key file holds.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(TEXT_FORM);
        // EXPOSE: the text goes into the key file, mode 0600, which is where this key lives.
        URL_SAFE_NO_PAD.encode_string(self.0.as_slice(), &mut text);
        text.push('\n');
        text
    }

    /// Reads lines of the text form; none where one of them is anything else.
    pub(crate) fn all_from_text(text: &[u8]) -> Option<Vec<Self>> {
        let lines = text.trim_ascii().split(|byte| *byte == b'\n');
        lines
            .take(MOST_KEYS + 1)
            .map(Self::from_text)
            .collect::<Option<Vec<_>>>()
            .filter(|keys| keys.len() <= MOST_KEYS)
    }

    /// Reads the text form; none for anything else.
    fn from_text(text: &[u8]) -> Option<Self> {
        let encoded = text.trim_ascii().strip_prefix(TEXT_FORM.as_bytes())?;
        let mut key = KeyBytes::default();
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, key.as_mut_slice()).ok()?;
        (length == key.len()).then_some(Self(key))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// What a store tells a [`KeyProvider`] of itself.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyRequest<'a> {
    /// Random name of the store, so that two stores never share a keyring entry.
    pub store_id: &'a str,
    /// Whether nothing is sealed in the store yet: only then may a missing key be made.
    pub may_create: bool,
    /// How this store derives a key from a passphrase.
    pub derivation: &'a Derivation,
}

/// Hands out the key of a store when it is first needed. May block: on a keyring's prompt, on a slow derivation.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// The key. Errors: `StoreKeyMissing`, `StoreKeyLocked`, `StoreInsecure`, `StoreForbidden`.
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey>;

    /// Every key that the source holds, the oldest first: two while the store's key is being changed.
    fn keys(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        self.key(request).map(|key| vec![key])
    }

    /// Keys that the source does not hold any more and still knows of. Asked for only where none of [`keys`](Self::keys) opens the store.
    fn former(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        let _ = request;
        Ok(Vec::new())
    }

    /// The key that follows `in_use`: the one that stands behind it in the source already, else a new one (`new`, where that is given), put there beside the
    /// old one. Durable when it returns.
    ///
    /// Errors: `NotSupported` where the source cannot be written from here.
    fn add(&self, request: &KeyRequest<'_>, in_use: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        let _ = (request, in_use, new);
        Err(unwritable("this source of keys takes no new one"))
    }

    /// Whether every host that uses the store reads this very source: then a key that is put there is known everywhere.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether [`add`](Self::add) makes a key where there is none to follow. False: a person puts it there, first.
    fn takes_keys(&self) -> bool {
        false
    }

    /// Takes over keys of another source: this one holds them from now on, in their order, and none else. Durable when it returns. What it holds already
    /// is never written over.
    ///
    /// Errors: `InvalidArgument` where it holds another key; `NotSupported` where it cannot be written from here.
    fn take_over(&self, request: &KeyRequest<'_>, keys: &[&StoreKey]) -> Result<()> {
        let _ = (request, keys);
        Err(takes_none_from_elsewhere())
    }

    /// Removes every key but `kept`. False where that is for somebody else to do.
    fn retire(&self, request: &KeyRequest<'_>, kept: &StoreKey) -> Result<bool> {
        let _ = (request, kept);
        Ok(false)
    }
}

/// Whether `keys` are to be written to a source that holds `held`; not where they are there.
///
/// Errors: `InvalidArgument` where there is another key, `held`'s own but for `StoreKeyMissing`.
pub(crate) fn has_room(held: Result<Vec<StoreKey>>, keys: &[&StoreKey]) -> Result<bool> {
    let held = match held {
        Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => return Ok(true),
        held => held?,
    };
    // What an earlier attempt left.
    if StoreKey::are(&held, keys) {
        return Ok(false);
    }
    Err(Error::new(ErrorKind::InvalidArgument, "key", "the source to change to holds a key already").with_hint(
        "name one that holds none; where it holds the store's key already, set `key` to it in the configuration",
    ))
}

fn unwritable(message: &str) -> Error {
    Error::new(ErrorKind::NotSupported, "key", message)
}

fn takes_none_from_elsewhere() -> Error {
    unwritable("this source of keys takes no key from elsewhere")
        .with_hint("name keyring, file:PATH or keyvault://NAME")
}

/// Where the key of a store lives, as configured: `keyring`, `file:PATH`, `passphrase`, `credentials-directory[:NAME]` or `keyvault://NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// The operating system's keyring: Secret Service, Windows Credential Manager, macOS Keychain.
    Keyring {
        /// The service that the entry is filed under.
        service: String,
        /// The user that it is filed under; none: the store's own id.
        user: Option<String>,
    },
    /// A file with one line, mode 0600; [`create_key_file`] makes one.
    File(PathBuf),
    /// A passphrase, stretched with Argon2id; whoever opens the store asks for it, see [`KeySource::provider`].
    Passphrase,
    /// A service credential of systemd (`LoadCredential=`): a key file in `$CREDENTIALS_DIRECTORY`.
    CredentialsDirectory {
        /// The credential's name.
        name: String,
    },
    /// A secret of Azure Key Vault: `keyvault://NAME`, whose secret is `partnersam-key` then, or a full secret identifier. The configuration says who opens it.
    KeyVault {
        /// As it is configured.
        address: String,
    },
}

/// Asks for the passphrase: a prompt, a file descriptor, a variable; the caller's business.
pub type AskPassphrase = Box<dyn Fn() -> Result<Passphrase> + Send + Sync>;

impl KeySource {
    /// What hands out the key. `ask` is only called for [`KeySource::Passphrase`].
    pub fn provider(self, ask: Option<AskPassphrase>) -> Arc<dyn KeyProvider> {
        match (self, ask) {
            (Self::Passphrase, Some(ask)) => Arc::new(passphrase::PassphraseKey::new(ask)),
            (source, _) => Arc::new(source),
        }
    }
}

impl Default for KeySource {
    fn default() -> Self {
        Self::Keyring { service: "partnersam".to_owned(), user: None }
    }
}

impl KeyProvider for KeySource {
    #[cfg_attr(not(feature = "keyring"), expect(unused_variables, reason = "only a keyring asks whose key it is"))]
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        match self {
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => {
                keyring::key(service, user.as_deref().unwrap_or(request.store_id), request.may_create)
            }
            #[cfg(not(feature = "keyring"))]
            Self::Keyring { .. } => {
                Err(Error::new(ErrorKind::NotSupported, "store", "this build has no keyring support")
                    .with_hint("use a key file, a passphrase or a service credential"))
            }
            Self::File(path) => file::read_all(path)?.pop().ok_or_else(file::no_key),
            Self::Passphrase => Err(Error::new(ErrorKind::StoreKeyMissing, "store", "no passphrase was given")
                .with_hint("give the passphrase that the store was made with, or use a key file for unattended runs")),
            Self::CredentialsDirectory { name } => credentials_directory::read(name)?.pop().ok_or_else(file::no_key),
            Self::KeyVault { .. } => {
                Err(Error::new(ErrorKind::NotSupported, "store", "this build has no keyvault: key"))
            }
        }
    }

    fn keys(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        match self {
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => keyring::keys(service, user.as_deref().unwrap_or(request.store_id)),
            Self::File(path) => file::read_all(path),
            Self::CredentialsDirectory { name } => credentials_directory::read(name),
            _ => self.key(request).map(|key| vec![key]),
        }
    }

    fn add(&self, request: &KeyRequest<'_>, in_use: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        let held = self.keys(request)?;
        if let Some(next) = StoreKey::following(&held, in_use) {
            return Ok(next);
        }
        let next = new.map_or_else(StoreKey::generate, |new| Ok(new.again()))?;
        match self {
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => {
                keyring::put(service, user.as_deref().unwrap_or(request.store_id), &[in_use, &next])?;
            }
            Self::File(path) => file::put(path, &[in_use, &next])?,
            Self::CredentialsDirectory { name } => {
                return Err(unwritable("a service credential is read and not written").with_hint(format!(
                    "make a key with `partnersam key make FILE`, add its line behind the one in the credential {name}, and run this again"
                )));
            }
            _ => return Err(unwritable("this source of keys takes no new one")),
        }
        Ok(next)
    }

    fn take_over(&self, request: &KeyRequest<'_>, keys: &[&StoreKey]) -> Result<()> {
        let has_room = || has_room(self.keys(request), keys);
        match self {
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => match has_room()? {
                true => keyring::put(service, user.as_deref().unwrap_or(request.store_id), keys),
                false => Ok(()),
            },
            Self::File(path) => match has_room()? {
                true => file::make(path, keys),
                false => Ok(()),
            },
            _ => Err(takes_none_from_elsewhere()),
        }
    }

    fn takes_keys(&self) -> bool {
        matches!(self, Self::Keyring { .. } | Self::File(_))
    }

    fn retire(&self, request: &KeyRequest<'_>, kept: &StoreKey) -> Result<bool> {
        let held = self.keys(request)?;
        // EXPOSE: compared, to see whether it is alone there.
        if held.iter().all(|key| key.0 == kept.0) {
            return Ok(true);
        }
        match self {
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => {
                keyring::put(service, user.as_deref().unwrap_or(request.store_id), &[kept])?;
            }
            Self::File(path) => file::put(path, &[kept])?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyring { .. } => f.write_str("keyring"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Passphrase => f.write_str("passphrase"),
            Self::CredentialsDirectory { name } => write!(f, "credentials-directory:{name}"),
            Self::KeyVault { address } => f.write_str(address),
        }
    }
}

impl FromStr for KeySource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("keyring", None) => Ok(Self::default()),
            ("file", Some(path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            ("passphrase", None) => Ok(Self::Passphrase),
            ("credentials-directory", None) => {
                Ok(Self::CredentialsDirectory { name: credentials_directory::DEFAULT_NAME.to_owned() })
            }
            ("credentials-directory", Some(name)) if credentials_directory::is_name(name) => {
                Ok(Self::CredentialsDirectory { name: name.to_owned() })
            }
            ("keyvault" | "https", Some(rest)) if rest.starts_with("//") => {
                Ok(Self::KeyVault { address: text.to_owned() })
            }
            // The value is not repeated: whoever mistakes this setting for the place of the passphrase itself must not find it in a log.
            _ => Err(Error::new(ErrorKind::ConfigInvalid, "open", "key is not a key source")
                .with_hint("set `key` to keyring, file:PATH, passphrase, credentials-directory:NAME or keyvault://NAME")
                .with_context("key", "key")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sources_read_back_as_themselves() {
        for text in ["keyring", "file:/var/lib/partnersam/key", "passphrase", "credentials-directory:store-key"] {
            assert_eq!(text.parse::<KeySource>().unwrap().to_string(), text);
        }
        assert_eq!(
            "credentials-directory".parse::<KeySource>().unwrap().to_string(),
            "credentials-directory:partnersam-key"
        );
    }

    #[test]
    fn what_is_no_source_is_refused_and_not_repeated() {
        for bad in ["", "keyring:x", "file:", "file", "hunter2", "passphrase:hunter2", "credentials-directory:../x"] {
            let error = bad.parse::<KeySource>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{bad}");
            assert!(!error.to_json().contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn the_text_form_reads_back_and_nothing_else_does() {
        let key = StoreKey::from_bytes(&mut [7; 32]);
        let text = key.to_text();
        assert_eq!(StoreKey::from_text(text.as_bytes()).unwrap().0.as_slice(), [7; 32]);
        let long = format!("{}AAAA", text.trim_end());
        for bad in ["", "partnersam-key-1:", "partnersam-key-2:BwcH", "partnersam-key-1:BwcH", long.as_str(), "x"] {
            assert!(StoreKey::from_text(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn nothing_shows_a_key() {
        let key = StoreKey::from_bytes(&mut [0x41; 32]);
        assert_eq!(format!("{key:?}"), "StoreKey(..)");
    }

    #[test]
    fn a_passphrase_that_nobody_gives_is_a_missing_key() {
        let derivation = Derivation::quick_for_tests();
        let request = KeyRequest { store_id: "s", may_create: true, derivation: &derivation };
        let error = KeySource::Passphrase.provider(None).key(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreKeyMissing);
    }
}
