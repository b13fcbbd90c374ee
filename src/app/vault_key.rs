//! The store's key as a secret in a vault: fetched once a process, by the identity that the table `vault` names. Its value is what a key file holds, so that it is changed
//! in the same manner.
//!
//! A vault has no compare-and-set. Of several hosts that put a new key there at once the first one's is the one, and the others take it; and a key that somebody wrote over all
//! the same is still found, for its version can be read until the store has a key that came after it.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{KeyProvider, KeyRequest, StoreKey, has_room};
use crate::vault::{self, Found, MakeOpening, New, Vault, Version};

/// The secret's name where the address names none.
pub(super) const DEFAULT_NAME: &str = "partnersam-key";

/// How long after its own version a host looks which others there are.
const SETTLES: Duration = Duration::from_millis(1200);

/// See [the module](self).
pub(super) struct VaultKey {
    make: MakeOpening,
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(..)")
    }
}

impl VaultKey {
    pub(super) fn new(make: MakeOpening) -> Self {
        Self { make }
    }

    /// Asks the vault and waits.
    fn wait<T: Send>(&self, work: impl AsyncFnOnce(Vault, String) -> Result<T> + Send) -> Result<T> {
        let opening = (self.make)()?;
        let name = opening.address.secret().unwrap_or(DEFAULT_NAME).to_owned();
        let asked = vault::wait(opening, async |vault| work(vault, name.clone()).await);
        asked.map_err(|error| error.with_context("secret", name))
    }
}

/// The keys that the secret holds, as its latest version says.
async fn held(vault: &Vault, name: &str) -> Result<Option<Vec<StoreKey>>> {
    // A pinned version would stay the old key for ever.
    let Some(found) = vault.get(name, None).await? else { return Ok(None) };
    keys_in(&found).map(Some)
}

fn keys_in(found: &Found) -> Result<Vec<StoreKey>> {
    StoreKey::all_from_text(found.value.as_bytes()).ok_or_else(|| {
        Error::new(ErrorKind::StoreKeyWrong, "store", "the vault's secret does not hold a key").with_hint(
            "its value is one line: partnersam-key-1: and 43 characters, as `partnersam key make FILE` makes it",
        )
    })
}

async fn put(vault: &Vault, name: &str, keys: &[&StoreKey]) -> Result<String> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(keys.len() * 64));
    for key in keys {
        text.push_str(&key.to_text());
    }
    let tags = [("partnersam".to_owned(), "key".to_owned())].into();
    vault.set(name, &New { value: &text, content_type: "text/plain", tags, ends: None }).await
}

/// The versions that can be read and their keys. What is no key is somebody else's.
async fn all(vault: &Vault, name: &str) -> Result<Vec<(Version, Vec<StoreKey>)>> {
    let mut all = Vec::new();
    for version in vault.versions(name).await? {
        if !version.enabled {
            continue;
        }
        let found = match vault.get(name, Some(&version.id)).await {
            // Disabled or deleted since it was listed.
            Err(error) if error.service_code() == Some("SecretDisabled") => continue,
            found => found?,
        };
        if let Some(keys) = found.and_then(|found| keys_in(&found).ok()) {
            all.push((version, keys));
        }
    }
    Ok(all)
}

/// Writes `keys` over what `known` were the versions of, unless another host was quicker: then its keys are what the secret holds, and are given.
async fn put_first(vault: &Vault, name: &str, known: &[Version], keys: &[&StoreKey]) -> Result<Option<Vec<StoreKey>>> {
    let ours = put(vault, name, keys).await?;
    // A vault tells when a version was made in whole seconds: after one more, whatever comes is later, and all who wrote in the same second see each other.
    tokio::time::sleep(SETTLES).await;
    let mut new = all(vault, name).await?;
    new.retain(|(version, _)| !known.iter().any(|known| known.id == version.id));
    new.sort_by(|(one, _), (other, _)| (one.created, &one.id).cmp(&(other.created, &other.id)));
    let Some((first, theirs)) = new.into_iter().next() else {
        return Err(Error::new(ErrorKind::StoreConflict, "key", "another host is changing the key in the vault"));
    };
    if first.id == ours {
        return Ok(None);
    }
    put(vault, name, &theirs.iter().collect::<Vec<_>>()).await?;
    vault.disable(name, &ours).await?;
    Ok(Some(theirs))
}

fn missing() -> Error {
    Error::new(ErrorKind::StoreKeyMissing, "store", "the vault has no key for this store")
        .with_hint("check the name in `key`; a deleted secret can be recovered while the vault keeps it")
}

impl KeyProvider for VaultKey {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        let may_create = request.may_create;
        self.wait(async move |vault, name| {
            if let Some(mut keys) = held(&vault, &name).await? {
                return keys.pop().ok_or_else(missing);
            }
            if !may_create {
                return Err(missing());
            }
            let new = StoreKey::generate()?;
            match put_first(&vault, &name, &[], &[&new]).await? {
                Some(mut theirs) => theirs.pop().ok_or_else(missing),
                None => Ok(new),
            }
        })
    }

    fn keys(&self, _: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        self.wait(async |vault, name| held(&vault, &name).await?.ok_or_else(missing))
    }

    /// Those of versions that another host wrote over and that were not disabled.
    fn former(&self, _: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        self.wait(async |vault, name| {
            // Who may read the key and not list its versions has what it reads.
            match all(&vault, &name).await {
                Err(error) if error.http_status() == Some(403) => Ok(Vec::new()),
                all => Ok(all?.into_iter().flat_map(|(_, keys)| keys).collect()),
            }
        })
    }

    fn add(&self, _: &KeyRequest<'_>, in_use: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        self.wait(async |vault, name| {
            let known = vault.versions(&name).await?;
            let keys = held(&vault, &name).await?.ok_or_else(missing)?;
            if let Some(next) = StoreKey::following(&keys, in_use) {
                return Ok(next);
            }
            let next = new.map_or_else(StoreKey::generate, |new| Ok(new.again()))?;
            match put_first(&vault, &name, &known, &[in_use, &next]).await? {
                None => Ok(next),
                Some(theirs) => StoreKey::following(&theirs, in_use).ok_or_else(|| {
                    Error::new(ErrorKind::StoreConflict, "key", "another host is changing the key in the vault")
                }),
            }
        })
    }

    fn take_over(&self, _: &KeyRequest<'_>, keys: &[&StoreKey]) -> Result<()> {
        self.wait(async |vault, name| {
            let there = held(&vault, &name).await?.ok_or_else(missing);
            if has_room(there, keys)? {
                put(&vault, &name, keys).await?;
            }
            Ok(())
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn takes_keys(&self) -> bool {
        true
    }

    fn retire(&self, _: &KeyRequest<'_>, kept: &StoreKey) -> Result<bool> {
        self.wait(async |vault, name| {
            let latest = put(&vault, &name, &[kept]).await?;
            // A vault keeps every version; what is disabled is given out no more.
            let mut all = all(&vault, &name).await?;
            // Those last that say which keys came before: who is killed here and comes again needs them.
            all.sort_by_key(|(_, keys)| keys.iter().any(|key| key.is(kept)));
            let now = all.iter().map(|(version, _)| version.created).max().unwrap_or_default();
            let dead = || all.iter().flat_map(|(_, keys)| before(keys, kept));
            for (version, keys) in all.iter().filter(|(version, _)| version.id != latest) {
                // Else another host has just put a key there that it is about to use.
                let is_known = |key: &StoreKey| key.is(kept) || dead().any(|dead| dead.is(key));
                if keys.iter().all(is_known) || version.is_forgotten(now) {
                    vault.disable(&name, &version.id).await?;
                }
            }
            Ok(true)
        })
    }
}

/// The keys that `kept` came after.
fn before<'a>(keys: &'a [StoreKey], kept: &StoreKey) -> &'a [StoreKey] {
    keys.iter().position(|key| key.is(kept)).and_then(|at| keys.get(..at)).unwrap_or_default()
}
