//! The key of a vault's records. How it is found out stands in the vault itself, so that every host that has the key source opens the same records.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::names;
use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{Derivation, KeyProvider, KeyRequest, StoreKey};
use crate::store::seal::{Identity, Record, Sealer};
use crate::vault::{Found, New, Vault};

/// What a vault says of the records in it. Nothing of it is secret.
#[derive(Deserialize, Serialize)]
struct Meta {
    version: u32,
    store_id: String,
    derivation: String,
    key_check: String,
}

/// Where the key comes from, and the key once it was needed.
#[derive(Debug)]
pub(super) struct VaultKeys {
    provider: Arc<dyn KeyProvider>,
    loaded: Mutex<Option<Arc<Sealer>>>,
}

impl VaultKeys {
    pub(super) fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self { provider, loaded: Mutex::new(None) }
    }

    /// The same source and key for a store that is opened anew; never waits.
    pub(super) fn carried_over(&self) -> Self {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.clone());
        Self { provider: Arc::clone(&self.provider), loaded: Mutex::new(loaded) }
    }

    /// What seals and opens the vault's records. The first one to use a vault takes a key into use there.
    pub(super) async fn sealer(&self, vault: &Vault) -> Result<Arc<Sealer>> {
        // Held all the while: a keyring's prompt comes up once.
        let mut loaded = self.loaded.lock().await;
        if let Some(sealer) = &*loaded {
            return Ok(Arc::clone(sealer));
        }
        let sealer = match vault.get(names::STORE, None).await? {
            Some(found) => self.known(&found).await?,
            None => {
                self.make(vault).await?;
                // Read again: of two hosts that begin at once, the vault keeps one's.
                let found = vault.get(names::STORE, None).await?;
                self.known(&found.ok_or_else(|| damaged("is gone"))?).await?
            }
        };
        let sealer = Arc::new(sealer);
        *loaded = Some(Arc::clone(&sealer));
        Ok(sealer)
    }

    async fn known(&self, found: &Found) -> Result<Sealer> {
        let meta: Meta = serde_json::from_str(&found.value).map_err(|_| damaged("is not what it should be"))?;
        if meta.version != 1 {
            return Err(Error::new(
                ErrorKind::StoreSchemaNewer,
                "store",
                "the vault's records were written by a newer version",
            ));
        }
        let check = URL_SAFE_NO_PAD.decode(&meta.key_check).map_err(|_| damaged("has no key check"))?;
        let sealer = Sealer::new(self.ask(&meta, false).await?.expose());
        match sealer.open(&identity(&[meta.store_id.as_bytes()]), &check) {
            Ok(_) => Ok(sealer),
            Err(_) => Err(Error::new(ErrorKind::StoreKeyWrong, "store", "the key does not open this vault's records")
                .with_hint(
                    "use the key that the vault's records were made with: copy the key file of the host that made them",
                )),
        }
    }

    async fn make(&self, vault: &Vault) -> Result<()> {
        let mut meta = Meta {
            version: 1,
            store_id: Uuid::new_v4().to_string(),
            derivation: Derivation::generate()?.to_text(),
            key_check: String::new(),
        };
        let sealer = Sealer::new(self.ask(&meta, true).await?.expose());
        let check = sealer.seal(&identity(&[meta.store_id.as_bytes()]), b"partnersam")?;
        meta.key_check = URL_SAFE_NO_PAD.encode(check);
        let text = serde_json::to_string(&meta).map_err(|_| damaged("cannot be written"))?;
        let tags = [("partnersam".to_owned(), "store".to_owned())].into();
        vault.set(names::STORE, &New { value: &text, content_type: "application/json", tags, ends: None }).await?;
        Ok(())
    }

    /// Asks the source, which may block: on a keyring's prompt, on a slow derivation.
    async fn ask(&self, meta: &Meta, may_create: bool) -> Result<StoreKey> {
        let derivation = Derivation::from_text(&meta.derivation).ok_or_else(|| damaged("has no derivation"))?;
        let (provider, store_id) = (Arc::clone(&self.provider), meta.store_id.clone());
        let ask = move || provider.key(&KeyRequest { store_id: &store_id, may_create, derivation: &derivation });
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn_blocking(ask).await.unwrap_or_else(|_| Err(damaged("was not read to its end")))
            }
            Err(_) => ask(),
        }
    }
}

fn identity<'a>(extra: &'a [&'a [u8]]) -> Identity<'a> {
    Identity::of_store(Record::KeyCheck, extra)
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", format!("the vault's secret {} {what}", names::STORE))
}
