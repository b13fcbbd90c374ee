//! The store's key as a secret in a vault: fetched once a process, by the identity that the table `vault` names. Its value is what a key file holds, so that it is changed
//! in the same manner.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{KeyProvider, KeyRequest, StoreKey, has_room};
use crate::vault::{New, Opening, Vault};

/// The secret's name where the address names none.
pub(super) const DEFAULT_NAME: &str = "partnersam-key";

/// Makes what a vault is opened with, each time anew: its connections belong to the runtime that asks.
type MakeOpening = Arc<dyn Fn() -> Result<Opening> + Send + Sync>;

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

    /// Asks the vault and waits: keys are asked for on threads that may, and have no runtime of their own.
    fn wait<T: Send>(&self, work: impl AsyncFnOnce(Vault, String) -> Result<T> + Send) -> Result<T> {
        let opening = (self.make)()?;
        let name = opening.address.secret().unwrap_or(DEFAULT_NAME).to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Error::new(ErrorKind::Internal, "store", "no event loop can be started").with_cause(error)
        })?;
        let asked = async {
            let vault = Vault::new(opening)?;
            work(vault, name.clone()).await
        };
        runtime.block_on(asked).map_err(|error| error.with_context("secret", name))
    }
}

async fn held(vault: &Vault, name: &str) -> Result<Option<Vec<StoreKey>>> {
    // A pinned version would stay the old key for ever.
    let Some(found) = vault.get(name, None).await? else { return Ok(None) };
    let keys = StoreKey::all_from_text(found.value.as_bytes()).ok_or_else(|| {
        Error::new(ErrorKind::StoreKeyWrong, "store", "the vault's secret does not hold a key").with_hint(
            "its value is one line: partnersam-key-1: and 43 characters, as `partnersam key make FILE` makes it",
        )
    })?;
    Ok(Some(keys))
}

async fn put(vault: &Vault, name: &str, keys: &[&StoreKey]) -> Result<String> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(keys.len() * 64));
    for key in keys {
        text.push_str(&key.to_text());
    }
    let tags = [("partnersam".to_owned(), "key".to_owned())].into();
    vault.set(name, &New { value: &text, content_type: "text/plain", tags, ends: None }).await
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
            put(&vault, &name, &[&StoreKey::generate()?]).await?;
            // Read again: of two hosts that begin at once, the vault keeps one's.
            held(&vault, &name).await?.and_then(|mut keys| keys.pop()).ok_or_else(missing)
        })
    }

    fn keys(&self, _: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        self.wait(async |vault, name| held(&vault, &name).await?.ok_or_else(missing))
    }

    fn add(&self, _: &KeyRequest<'_>, in_use: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        self.wait(async |vault, name| {
            let keys = held(&vault, &name).await?.ok_or_else(missing)?;
            if let Some(next) = StoreKey::following(&keys, in_use) {
                return Ok(next);
            }
            let next = new.map_or_else(StoreKey::generate, |new| Ok(new.again()))?;
            put(&vault, &name, &[in_use, &next]).await?;
            Ok(next)
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
            for (version, enabled) in vault.versions(&name).await? {
                if enabled && version != latest {
                    vault.disable(&name, &version).await?;
                }
            }
            Ok(true)
        })
    }
}
