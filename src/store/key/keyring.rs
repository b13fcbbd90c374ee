//! A key in the operating system's keyring, and entries that other tools made there. The only file that knows the keyring crates.
//!
//! No process-global default store is set: two libraries in one process must not fight over it.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error as KeyringError};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{MOST_KEYS, StoreKey};

/// The key filed under `service` and `user`; a new one where there is none and `may_create` allows it.
pub(super) fn key(service: &str, user: &str, may_create: bool) -> Result<StoreKey> {
    match keys(service, user) {
        Err(missing) if may_create && missing.kind() == ErrorKind::StoreKeyMissing => {
            let key = StoreKey::generate()?;
            put(service, user, &[&key])?;
            Ok(key)
        }
        keys => keys?.pop().ok_or_else(malformed),
    }
}

/// What another tool filed under `service` and `user`; none where there is no such entry.
pub(crate) fn foreign_entry(service: &str, user: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
    ask(service, user, translate_foreign, |entry| match entry.get_secret() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(KeyringError::NoEntry) => Ok(None),
        Err(error) => Err(error),
    })
}

/// Removes it. One that is gone already is as it should be.
pub(crate) fn remove_foreign_entry(service: &str, user: &str) -> Result<()> {
    ask(service, user, translate_foreign, |entry| match entry.delete_credential() {
        Err(KeyringError::NoEntry) => Ok(()),
        removed => removed,
    })
}

/// Every key of that entry, the oldest first: they stand one behind the other in it.
pub(super) fn keys(service: &str, user: &str) -> Result<Vec<StoreKey>> {
    let secret = ask(service, user, translate, |entry| entry.get_secret().map(Zeroizing::new))?;
    let (keys, rest) = secret.as_chunks::<32>();
    if keys.is_empty() || !rest.is_empty() || keys.len() > MOST_KEYS {
        return Err(malformed());
    }
    Ok(keys.iter().map(|key| StoreKey::from_bytes(&mut key.clone())).collect())
}

/// Replaces what the entry holds.
pub(super) fn put(service: &str, user: &str, keys: &[&StoreKey]) -> Result<()> {
    let mut secret = Zeroizing::new(Vec::with_capacity(keys.len() * 32));
    for key in keys {
        // EXPOSE: the key goes into the keyring, which is where it lives.
        secret.extend_from_slice(key.expose().as_slice());
    }
    ask(service, user, translate, |entry| entry.set_secret(&secret))
}

fn malformed() -> Error {
    failure(ErrorKind::StoreKeyWrong, "the keyring's entry does not hold a key")
}

/// What the keyring answers to `question`, which may be put twice.
///
/// One connection for the process, one question at a time: gnome-keyring's daemon is known to abort where many clients come or go at once
/// (gitlab.gnome.org/GNOME/gnome-keyring, work items 190, 196 and 199), and with it goes what the user has unlocked. A daemon that was started
/// anew does not know the connection's session; the bus starts one that has fallen at the next question.
#[cfg(all(unix, not(target_os = "macos")))]
fn ask<T>(
    service: &str,
    user: &str,
    translate: fn(KeyringError) -> Error,
    question: impl Fn(&Entry) -> std::result::Result<T, KeyringError>,
) -> Result<T> {
    static CONNECTION: std::sync::Mutex<Option<Arc<zbus_secret_service_keyring_store::Store>>> =
        std::sync::Mutex::new(None);
    // Before the lock, which another thread may have held at the fork.
    refuse_after_fork()?;
    let mut connection = CONNECTION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut put = || {
        let keyring = match connection.take() {
            Some(keyring) => keyring,
            None => zbus_secret_service_keyring_store::Store::new()?,
        };
        let answer = question(&build(&keyring, service, user, &HashMap::from([("label", LABEL)]))?);
        if !matches!(answer, Err(KeyringError::PlatformFailure(_))) {
            *connection = Some(keyring);
        }
        answer
    };
    let answer = match put() {
        Err(KeyringError::PlatformFailure(_)) => put(),
        answer => answer,
    };
    answer.map_err(translate)
}

/// Shown to a person who looks into the keyring.
#[cfg(all(unix, not(target_os = "macos")))]
const LABEL: &str = "partnersam: key of a store of grants";

/// Below D-Bus stands a thread that every connection of the process shares. A forked child has the locks of that thread and not the thread, and
/// would wait for it for ever.
#[cfg(all(unix, not(target_os = "macos")))]
fn refuse_after_fork() -> Result<()> {
    static ASKED_IN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let process = std::process::id();
    if *ASKED_IN.get_or_init(|| process) == process {
        return Ok(());
    }
    Err(failure(ErrorKind::ForkedHandle, "the keyring was asked before a fork and cannot be asked again in the child")
        .with_hint("open the app before the fork and use it in the child, or use a key file"))
}

/// What the keyring answers to `question`.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn ask<T>(
    service: &str,
    user: &str,
    translate: fn(KeyringError) -> Error,
    question: impl Fn(&Entry) -> std::result::Result<T, KeyringError>,
) -> Result<T> {
    open(service, user).and_then(|entry| question(&entry)).map_err(translate)
}

#[cfg(windows)]
fn open(service: &str, user: &str) -> std::result::Result<Entry, KeyringError> {
    let store = windows_native_keyring_store::Store::new()?;
    // The default would let the key roam to every machine of the domain.
    build(&store, service, user, &HashMap::from([("persistence", "Local")]))
}

#[cfg(target_os = "macos")]
fn open(service: &str, user: &str) -> std::result::Result<Entry, KeyringError> {
    let store = apple_native_keyring_store::keychain::Store::new()?;
    build(&store, service, user, &HashMap::new())
}

fn build(
    store: &Arc<impl CredentialStoreApi>,
    service: &str,
    user: &str,
    with: &HashMap<&str, &str>,
) -> std::result::Result<Entry, KeyringError> {
    store.build(service, user, Some(with))
}

/// The one place where the keyring's errors become ours. `BadEncoding` and `BadDataFormat` carry the secret's bytes and show them in
/// `Debug`, `Ambiguous` whole entries: nothing of these three is passed on.
fn translate(error: KeyringError) -> Error {
    match &error {
        KeyringError::NoEntry => failure(ErrorKind::StoreKeyMissing, "the keyring has no key for this store")
            .with_hint("log in as the account that made the store, or bring back its keyring; a store whose key is lost cannot be opened"),
        KeyringError::NoStorageAccess(cause) if cause.to_string().contains("result not returned") => {
            failure(ErrorKind::StoreKeyMissing, "the keyring has no default collection to keep a key in")
        }
        KeyringError::NoStorageAccess(cause) => {
            failure(ErrorKind::StoreKeyLocked, "the keyring did not let the key out").with_cause(cause)
        }
        KeyringError::PlatformFailure(cause) => {
            failure(ErrorKind::StoreKeyMissing, "there is no keyring to reach on this machine").with_cause(cause)
        }
        KeyringError::BadEncoding(_) | KeyringError::BadDataFormat(..) => {
            failure(ErrorKind::StoreKeyWrong, "the keyring's entry does not hold a key")
        }
        KeyringError::Ambiguous(_) => {
            failure(ErrorKind::StoreKeyWrong, "the keyring has several entries for this store")
                .with_hint("remove all but the right one in the keyring's own program")
        }
        other => failure(ErrorKind::StoreKeyMissing, "the keyring cannot keep this store's key").with_cause(other),
    }
}

/// The same for an entry that is no key of ours.
fn translate_foreign(error: KeyringError) -> Error {
    match &error {
        KeyringError::NoStorageAccess(cause) => {
            failure(ErrorKind::StoreKeyLocked, "the keyring did not let the entry out")
                .with_hint("unlock the keyring")
                .with_cause(cause)
        }
        KeyringError::Ambiguous(_) => {
            failure(ErrorKind::InvalidArgument, "the keyring has several entries of that name")
                .with_hint("remove all but the right one in the keyring's own program")
        }
        _ => translate(error),
    }
}

fn failure(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, "store", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_carries_the_secret_does_not_carry_it_on() {
        let secret = b"not-a-real-key".to_vec();
        let malformed: Box<dyn std::error::Error + Send + Sync> = "not-a-real-key".into();
        for error in [KeyringError::BadEncoding(secret.clone()), KeyringError::BadDataFormat(secret.clone(), malformed)]
        {
            let ours = translate(error);
            assert_eq!(ours.kind(), ErrorKind::StoreKeyWrong);
            let shown = format!("{ours:?} {ours} {}", ours.to_json());
            assert!(!shown.contains("not-a-real-key") && !shown.contains(&format!("{secret:?}")), "{shown}");
        }
    }

    #[test]
    fn locked_missing_and_unreachable_differ() {
        let kind = |error| translate(error).kind();
        assert_eq!(kind(KeyringError::NoEntry), ErrorKind::StoreKeyMissing);
        assert_eq!(kind(KeyringError::NoStorageAccess("SS error: prompt dismissed".into())), ErrorKind::StoreKeyLocked);
        assert_eq!(
            kind(KeyringError::NoStorageAccess("SS error: result not returned from SS API".into())),
            ErrorKind::StoreKeyMissing
        );
        let unreachable = translate(KeyringError::PlatformFailure("no such file".into()));
        assert_eq!(unreachable.kind(), ErrorKind::StoreKeyMissing);
        assert!(unreachable.hint().contains("PARTNERSAM_KEY_FILE"), "{}", unreachable.hint());
    }
}
